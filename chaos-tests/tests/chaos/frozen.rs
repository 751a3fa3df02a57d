//! A hub that is frozen past its lease, with calls under way, and goes on as if nothing had been.

use std::time::Duration;

use chaos_tests::{
    Error, Outcome,
    world::{LOOK_EVERY, RESCUE_WAIT_MAX, Wanted, World},
};

const JOBS: usize = 700;
const BEFORE: usize = 600;
const FROZEN: usize = 0;
const ALIVE: usize = 1;
/// Freezes that may catch the hub between two transactions.
const TRIES_MAX: usize = 20;
/// A transaction that is idle for this long belongs to the frozen hub.
const IDLE: Duration = Duration::from_millis(150);
/// A thawed hub has a new identity and its late results behind it within this.
const RECOVERY_WAIT_MAX: Duration = Duration::from_secs(15);
const BUSY_WAIT_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thawed_hub_records_nothing_late_and_works_on() -> Outcome<()> {
    let mut world = World::build(Wanted {
        name: "frozen",
        jobs: JOBS,
        hubs: 2,
        latency: Duration::from_millis(250),
        fault_permille: 30,
    })
    .await?;
    let tested = play(&mut world).await;
    world.finish(tested).await
}

async fn play(world: &mut World) -> Outcome<()> {
    let before = world.workers_of(FROZEN).await?;
    world
        .publish_while(0..BEFORE, async |world| {
            let owned = World::calls_of(&before);
            let left = freeze_while_it_calls(world, &owned).await?;
            let free = async |world: &World| Ok(world.count(&owned).await? == 0);
            let what = "the jobs of the frozen hub are taken over";
            let took = world.until(what, RESCUE_WAIT_MAX, free).await?;
            world.fault(format_args!("its {left} calls were taken over after {took:.1?}"));
            world.thaw(FROZEN)
        })
        .await?;
    let renewed = async |world: &World| {
        let now = world.workers_of(FROZEN).await?;
        Ok(!now.is_empty() && now.iter().all(|worker| !before.contains(worker)))
    };
    world.until("the thawed hub has a new identity", RECOVERY_WAIT_MAX, renewed).await?;
    let fenced =
        async |world: &World| Ok(world.metric(FROZEN, "hub_results_fenced_total").await? >= 1.0);
    world.until("its late results are fenced off", RECOVERY_WAIT_MAX, fenced).await?;
    world.stage.ready(FROZEN).await?;
    // From here on it has to do everything.
    world.kill(ALIVE).await;
    world.publish_while(BEFORE..JOBS, async |_| Ok(())).await?;
    let mine = world.workers_of(FROZEN).await?;
    let working = async |world: &World| Ok(world.count(&World::calls_of(&mine)).await? > 0);
    world.until("the thawed hub works on", BUSY_WAIT_MAX, working).await?;
    Ok(())
}

/// Freezes the hub at a moment at which the database says that it calls somebody; if it can be had,
/// inside a transaction, whose locks would hold up the other hub.
async fn freeze_while_it_calls(world: &mut World, owned: &str) -> Outcome<i64> {
    let idle = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hub'
            AND state = 'idle in transaction' AND state_change < now() - interval '{} ms'",
        IDLE.as_millis()
    );
    for tried in 1..=TRIES_MAX {
        let busy = async |world: &World| Ok(world.count(owned).await? > 0);
        world.until("the hub calls somebody", BUSY_WAIT_MAX, busy).await?;
        world.freeze(FROZEN)?;
        world.pass(IDLE + LOOK_EVERY).await;
        let inside = world.count(&idle).await? > 0;
        let left = world.count(owned).await?;
        if left > 0 && (inside || tried > TRIES_MAX / 2) {
            world.fault(format_args!("it has {left} calls; inside a transaction: {inside}"));
            return Ok(left);
        }
        world.thaw(FROZEN)?;
        world.pass(world.drawn(5, 60)).await;
    }
    Err(Error::Told("the hub could not be frozen during a call".into()))
}
