//! The way to PostgreSQL: lost without a word while new connections pass, then a server that answers
//! nothing for a minute.

use std::{ops::Range, time::Duration};

use chaos_tests::{
    Error, Outcome,
    fault::{Fault, Line, Peer, Wrong, database::Silent},
    proxy::Lines,
    steady::Steady,
    world::{Scene, Wanted, World},
};
use workers::{
    demo::reach::Reach,
    policy::pause::RECONNECT_MAX,
    store::{
        CALL_WAIT_MAX, Store,
        clock::{PROBE_EVERY, PROBE_WAIT_MAX},
        pool::RETURN_WAIT_MAX,
    },
};

const HUBS: usize = 2;
/// Of the cast, during each of two faults.
const JOBS: usize = 120;
/// Probes in a second: far below what the hubs can do.
const RATE: u32 = 30;
/// The call that was under way, the way back of its connection, and the pause before the next try.
const LOST_WAIT_MAX: Duration =
    CALL_WAIT_MAX.saturating_add(RETURN_WAIT_MAX).saturating_add(RECONNECT_MAX);
/// Longer than any lease and any call.
const FREEZE: Duration = Duration::from_secs(60);
/// What a busy machine may add to a bound that is not about rates.
const SPARE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_lost_or_silent_holds_nobody_up_afterwards_and_nobody_is_rescued()
-> Outcome<()> {
    let wanted = Wanted {
        name: "path_lost",
        jobs: 2 * JOBS,
        hubs: HUBS,
        latency: Duration::from_millis(50),
        fault_permille: 10,
    };
    let scene = Scene { proxied: true, ..Scene::default() };
    let mut world = World::build_in(wanted, scene).await?;
    let tested = play(&mut world).await;
    world.finish(tested).await
}

async fn play(world: &mut World) -> Outcome<()> {
    who_only_listens_notices(world).await?;
    let steady = world.begin_steady(RATE).await?;
    lost(world, &steady, 0..JOBS).await?;
    silent_for_a_minute(world, &steady, JOBS..2 * JOBS).await?;
    world.end_steady(steady).await?;
    world.drive(async |_, _| Ok(())).await?;
    nobody_was_rescued(world).await
}

/// A connection on which nothing is sent, and on which nothing would ever come again.
async fn who_only_listens_notices(world: &World) -> Outcome<()> {
    let told = |error| Error::Told(format!("the listener: {error:?}"));
    let reach = Reach {
        amqp_url: world.stage.servers.amqp_url.clone(),
        database_url: world.stage.servers.database_url.clone(),
        simulators: "http://127.0.0.1:9".into(),
    };
    let (lines, reach) =
        Lines::open(HUBS, &reach, 0).map_err(|error| Error::Told(error.to_string()))?;
    let store = Store::new(&reach.database_url, 4).map_err(told)?;
    let mut jumps = store.listen_for_jumps().await.map_err(told)?;
    lines.database.lose_connections();
    let wait_max = PROBE_EVERY + PROBE_WAIT_MAX + SPARE;
    let heard = tokio::time::timeout(wait_max, jumps.next()).await;
    match heard {
        Ok(Err(_)) => {}
        Ok(Ok(())) => return Err(Error::Told("somebody jumped".into())),
        Err(_) => return Err(Error::Late(wait_max, "the listener notices".into())),
    }
    store.listen_for_jumps().await.map(drop).map_err(told)
}

async fn lost(world: &mut World, steady: &Steady, cast: Range<usize>) -> Outcome<()> {
    let mut lost = Line { peer: Peer::Database, wrong: Wrong::Lost, hub: None };
    world
        .publish_while(cast, async |world| {
            world.pass(world.drawn(50, 300)).await;
            lost.begin(world).await?;
            world.back_to_rate_within(steady, LOST_WAIT_MAX).await;
            lost.end(world).await
        })
        .await
}

async fn silent_for_a_minute(
    world: &mut World,
    steady: &Steady,
    cast: Range<usize>,
) -> Outcome<()> {
    let mut silent = Silent;
    world
        .publish_while(cast, async |world| {
            world.pass(world.drawn(50, 300)).await;
            silent.begin(world).await?;
            world.pass(FREEZE).await;
            silent.end(world).await?;
            world.back_to_rate(steady).await;
            Ok(())
        })
        .await
}

async fn nobody_was_rescued(world: &World) -> Outcome<()> {
    let rescued = world.metric_of_all("hub_jobs_rescued_total").await?;
    let doubted = world.portal.told_of("worker_died");
    if rescued > 0.0 || !doubted.is_empty() {
        return Err(Error::Told(format!(
            "all hubs lived, and {rescued} jobs were rescued from them; in doubt: {doubted:?}"
        )));
    }
    Ok(())
}
