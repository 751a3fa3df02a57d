//! Hubs that are killed with SIGKILL at any moment: while a burst is admitted, while calls are under
//! way, while results are recorded, while events are published, while business time jumps.

use std::time::{Duration, Instant};

use chaos_tests::{
    Error, Outcome,
    fail_points::APART,
    world::{RESCUE_WAIT_MAX, Scene, Wanted, World},
};

const JOBS: usize = 1_000;
const HUBS: usize = 2;
/// The storm: bursts, each with a kill somewhere inside.
const BURSTS: usize = 6;
/// In this burst one hub is stopped in good order instead, which takes no longer than its calls.
const ORDERLY_BURST: usize = 3;
const ORDERLY_STOP_MAX: Duration = Duration::from_secs(10);
/// Jobs of the last burst, during which one hub dies and the other lives on.
const LAST: usize = 200;
/// Kills while business time jumps, each after so many jumps.
const JUMPS_PER_KILL: usize = 12;
const LATE_KILLS_MAX: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_when_hubs_are_killed() -> Outcome<()> {
    let wanted = Wanted {
        name: "hub_killed",
        jobs: JOBS,
        hubs: HUBS,
        latency: Duration::from_millis(150),
        fault_permille: 60,
    };
    // As in containers: here the lease has to tell.
    let scene = Scene { environment: &[APART], ..Scene::default() };
    let mut world = World::build_in(wanted, scene).await?;
    let tested = play(&mut world).await;
    world.finish(tested).await
}

async fn play(world: &mut World) -> Outcome<()> {
    storm(world).await?;
    one_dies_and_the_other_rescues(world).await?;
    kills_while_time_jumps(world).await
}

/// A burst, a kill at a drawn moment, sometimes of both; the killed start again at once or later.
async fn storm(world: &mut World) -> Outcome<()> {
    let size = (JOBS - LAST) / BURSTS;
    for burst in 0..BURSTS {
        let (from, to) =
            (burst * size, if burst + 1 == BURSTS { JOBS - LAST } else { (burst + 1) * size });
        world
            .publish_while(from..to, async |world| {
                world.pass(world.drawn(0, 700)).await;
                let victim = usize::from(world.chance.below(2) == 0);
                let both = world.chance.below(3) == 0;
                if burst == ORDERLY_BURST {
                    let took = world.stop(victim).await;
                    if took > ORDERLY_STOP_MAX {
                        return Err(Error::Told(format!("an orderly stop took {took:.1?}")));
                    }
                } else {
                    world.kill(victim).await;
                }
                if both {
                    world.pass(world.drawn(0, 150)).await;
                    world.kill(1 - victim).await;
                }
                world.pass(world.drawn(0, 600)).await;
                world.start(victim)?;
                if both {
                    world.start(1 - victim)?;
                }
                Ok(())
            })
            .await?;
    }
    for hub in 0..HUBS {
        world.stage.ready(hub).await?;
    }
    Ok(())
}

async fn one_dies_and_the_other_rescues(world: &mut World) -> Outcome<()> {
    world
        .publish_while(JOBS - LAST..JOBS, async |world| {
            let workers = world.workers_of(0).await?;
            let owned = World::calls_of(&workers);
            let busy = async |world: &World| Ok(world.count(&owned).await? > 0);
            world.until("hub 0 calls somebody", Duration::from_secs(30), busy).await?;
            world.kill(0).await;
            let died = Instant::now();
            let left = world.count(&owned).await?;
            let free = async |world: &World| Ok(world.count(&owned).await? == 0);
            let taken =
                world.until("the jobs of the dead hub are taken over", RESCUE_WAIT_MAX, free);
            taken.await?;
            let took = died.elapsed();
            world.fault(format_args!("its {left} calls were taken over after {took:.1?}"));
            if left > 0 && world.metric(1, "hub_jobs_rescued_total").await? < 1.0 {
                return Err(Error::Told("hub 1 rescued nothing".into()));
            }
            world.start(0)
        })
        .await?;
    Ok(world.stage.ready(0).await?)
}

async fn kills_while_time_jumps(world: &mut World) -> Outcome<()> {
    let mut kills = 0;
    let every_so_often = async |world: &mut World, jumps: usize| {
        if jumps.is_multiple_of(JUMPS_PER_KILL) && kills < LATE_KILLS_MAX {
            kills += 1;
            world.pass(world.drawn(0, 60)).await;
            let victim = usize::from(world.chance.below(2) == 0);
            world.kill(victim).await;
            world.start(victim)?;
        }
        Ok(())
    };
    world.drive(every_so_often).await
}
