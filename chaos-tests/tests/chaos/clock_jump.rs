//! Business time that jumps by more than a day while jobs are admitted, called and recorded.
//! Leases, time limits and heartbeats are on real time and must not notice.

use std::time::Duration;

use chaos_tests::{
    Error, Outcome,
    world::{Wanted, World},
};

const JOBS: usize = 400;
const JUMPS: usize = 5;
/// Five of them stay below the give-up time, so that every answer comes in time.
const JUMP_H: i64 = 26;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_rescued_when_business_time_jumps() -> Outcome<()> {
    let mut world = World::build(Wanted {
        name: "clock_jump",
        jobs: JOBS,
        hubs: 2,
        latency: Duration::from_millis(150),
        fault_permille: 60,
    })
    .await?;
    let tested = play(&mut world).await;
    world.finish(tested).await
}

async fn play(world: &mut World) -> Outcome<()> {
    let size = JOBS / JUMPS;
    for jump in 0..JUMPS {
        world
            .publish_while(jump * size..(jump + 1) * size, async |world| {
                world.pass(world.drawn(20, 400)).await;
                world.fault(format_args!("business time jumps by {JUMP_H} hours"));
                world.jump(jiff::SignedDuration::from_hours(JUMP_H)).await
            })
            .await?;
    }
    world.drive(async |_, _| Ok(())).await?;
    match world.metric_of_all("hub_jobs_rescued_total").await? {
        0.0 => Ok(()),
        rescued => Err(Error::Told(format!("{rescued} jobs were rescued from living hubs"))),
    }
}
