//! Three nodes of RabbitMQ: the one that leads is killed and comes back, another one after it; then one
//! is cut off from the others while a hub talks to it.

use std::time::Duration;

use chaos_tests::{
    Outcome,
    fault::{Fault, Minority, NodeLost},
    world::{Scene, Wanted, World},
};

const HUBS: usize = 2;
const NODES: usize = 3;
/// Of the cast, during each fault.
const JOBS: usize = 60;
/// Probes in a second: far below what the hubs can do.
const RATE: u32 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_nodes_are_killed_and_one_is_cut_off() -> Outcome<()> {
    let wanted = Wanted {
        name: "cluster",
        jobs: 3 * JOBS,
        hubs: HUBS,
        latency: Duration::from_millis(50),
        fault_permille: 10,
    };
    let scene = Scene { proxied: true, brokers: NODES, ..Scene::default() };
    let mut world = World::build_in(wanted, scene).await?;
    let tested = play(&mut world).await;
    world.finish(tested).await
}

async fn play(world: &mut World) -> Outcome<()> {
    let steady = world.begin_steady(RATE).await?;
    let mut first = NodeLost::default();
    world
        .publish_while(0..JOBS, async |world| {
            world.pass(world.drawn(100, 600)).await;
            first.begin(world).await?;
            // Two of three are a quorum: the hubs move on while the node is away.
            world.moves_on(&steady).await;
            Ok(())
        })
        .await?;
    let lost = first.killed().unwrap_or(0);
    first.end(world).await?;
    world.back_to_rate(&steady).await;
    // Now the majority needs the one that came back with old data.
    let mut second = NodeLost::of((lost + 1) % NODES);
    world
        .publish_while(JOBS..2 * JOBS, async |world| {
            world.pass(world.drawn(100, 600)).await;
            second.begin(world).await?;
            world.moves_on(&steady).await;
            second.end(world).await?;
            world.back_to_rate(&steady).await;
            Ok(())
        })
        .await?;
    let mut minority = Minority::default();
    world
        .publish_while(2 * JOBS..3 * JOBS, async |world| {
            world.pass(world.drawn(100, 600)).await;
            minority.begin(world).await?;
            minority.noticed(world).await?;
            // The majority serves; nobody waits for the heal.
            world.moves_on(&steady).await;
            minority.end(world).await?;
            world.back_to_rate(&steady).await;
            Ok(())
        })
        .await?;
    world.end_steady(steady).await
}
