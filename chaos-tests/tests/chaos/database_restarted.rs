//! PostgreSQL that is restarted, killed (also during a COMMIT: nobody knows what it did), and away
//! for longer than a lease. Its disk is synced at every commit.

use std::time::Duration;

use chaos_tests::{
    Error, Outcome,
    world::{Wanted, World},
};

const JOBS: usize = 1_000;
const HUBS: usize = 2;
/// Bursts with a fault inside: the first is an orderly restart, the others are kills.
const BURSTS: usize = 4;
/// Longer than the lease of 8 s.
const OUTAGE: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_rescued_when_the_database_goes() -> Outcome<()> {
    let mut world = World::build(Wanted {
        name: "database_restarted",
        jobs: JOBS,
        hubs: HUBS,
        latency: Duration::from_millis(100),
        fault_permille: 60,
    })
    .await?;
    let tested = play(&mut world).await;
    world.finish(tested).await
}

async fn play(world: &mut World) -> Outcome<()> {
    let size = JOBS / (BURSTS + 1);
    for burst in 0..BURSTS {
        world
            .publish_while(burst * size..(burst + 1) * size, async |world| {
                world.pass(world.drawn(0, 600)).await;
                if burst == 0 {
                    world.fault("PostgreSQL is stopped in order and starts again");
                    return Ok(world.stage.own_mut()?.postgres.restart().await?);
                }
                world.fault("PostgreSQL is killed and starts again");
                world.stage.own_mut()?.postgres.kill().await;
                Ok(world.stage.own_mut()?.postgres.start().await?)
            })
            .await?;
    }
    for hub in 0..HUBS {
        world.stage.ready(hub).await?;
    }
    world
        .publish_while(BURSTS * size..JOBS, async |world| {
            world.pass(world.drawn(50, 600)).await;
            world.fault("PostgreSQL is killed and stays away");
            world.stage.own_mut()?.postgres.kill().await;
            world.pass(OUTAGE).await;
            world.fault("PostgreSQL starts");
            Ok(world.stage.own_mut()?.postgres.start().await?)
        })
        .await?;
    // Takes longer than a lease: whoever wanted to rescue a living worker has done so by then.
    world.drive(async |_, _| Ok(())).await?;
    nobody_was_rescued(world).await
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
