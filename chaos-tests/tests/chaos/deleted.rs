//! An operator deletes a queue, and both exchanges, while hubs run.

use std::time::Duration;

use chaos_tests::{
    Outcome,
    fault::{Deleted, Fault},
    world::{Wanted, World},
};

const HUBS: usize = 2;
const JOBS: usize = 300;
const RATE: u32 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_is_declared_anew_and_nothing_else_is_lost() -> Outcome<()> {
    let mut world = World::build(Wanted {
        name: "deleted",
        jobs: JOBS,
        hubs: HUBS,
        latency: Duration::from_millis(50),
        fault_permille: 10,
    })
    .await?;
    let tested = play(&mut world).await;
    world.finish(tested).await
}

async fn play(world: &mut World) -> Outcome<()> {
    let steady = world.begin_steady(RATE);
    let full = world.full_rate(&steady).await?;
    let deleted = [Deleted::Queue("hub.jobs.gbdfl"), Deleted::Events, Deleted::Jobs];
    let size = JOBS / deleted.len();
    for (number, mut deleted) in deleted.into_iter().enumerate() {
        world
            .publish_while(number * size..(number + 1) * size, async |world| {
                world.pass(world.drawn(50, 300)).await;
                deleted.begin(world).await?;
                deleted.end(world).await
            })
            .await?;
        world.back_to_rate(&steady, &full).await;
    }
    world.end_steady(steady).await
}
