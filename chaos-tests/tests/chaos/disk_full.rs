//! The disk of PostgreSQL runs full under load: nothing can be written, the server may even end.

use std::time::Duration;

use chaos_tests::{
    Outcome,
    fault::{Fault, disk::Disk},
    load::Load,
    world::{Wanted, World},
};
use jiff::SignedDuration;

const HUBS: usize = 2;
const RATE: u64 = 20;
const FULL_FOR: Duration = Duration::from_secs(6);
const BEFORE: Duration = Duration::from_secs(4);
const AGAIN_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_delays_and_loses_nothing() -> Outcome<()> {
    let mut world = World::build(Wanted {
        name: "disk_full",
        jobs: 0,
        hubs: HUBS,
        latency: Duration::from_millis(40),
        fault_permille: 20,
    })
    .await?;
    match Disk::mount(&mut world).await? {
        Ok(disk) => world.disk = Some(disk),
        Err(why) => {
            println!("SKIPPED: no disk can be filled here, nothing was tested: {why}");
            return world.finish(Ok(())).await;
        }
    }
    world.leaps = Some(SignedDuration::from_hours(12));
    let load = Load::start(&world, chaos_tests::world::seed());
    load.set_rate(RATE);
    let tested = play(&mut world, &load).await;
    world.parts = load.take();
    world.finish(tested).await
}

async fn play(world: &mut World, load: &Load) -> Outcome<()> {
    world.pass(BEFORE).await;
    let Some(mut full) = world.disk.as_ref().map(Disk::full) else { return Ok(()) };
    for _ in 0..2 {
        let refusals = world.disk.as_ref().map_or(0, Disk::refusals);
        full.begin(world).await?;
        world.pass(FULL_FOR).await;
        let refused = async |world: &World| {
            Ok(world.disk.as_ref().is_some_and(|disk| disk.refusals() > refusals))
        };
        world.until("PostgreSQL meets the full disk", AGAIN_MAX, refused).await?;
        full.end(world).await?;
        let ended = world.stage.store.count_ended().await.map_or(0, |ended| ended.admitted);
        let goes_on =
            async |world: &World| Ok(world.stage.store.count_ended().await?.admitted > ended + 20);
        let took = world.until("jobs are admitted again", AGAIN_MAX, goes_on).await?;
        world.fault(format_args!("jobs are admitted again after {took:.1?}"));
    }
    load.settle(Duration::from_secs(6), AGAIN_MAX).await
}
