//! RabbitMQ that is restarted in good order, and killed, while jobs come in and events go out.

use std::time::Duration;

use chaos_tests::{
    Outcome,
    world::{Wanted, World},
};

const JOBS: usize = 1_000;
const HUBS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_when_the_broker_goes() -> Outcome<()> {
    let mut world = World::build(Wanted {
        name: "broker_restarted",
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
    world
        .publish_while(0..JOBS / 2, async |world| {
            world.pass(world.drawn(50, 500)).await;
            world.fault("RabbitMQ is stopped in order and starts again");
            Ok(world.stage.own_mut()?.rabbitmq.restart().await?)
        })
        .await?;
    world
        .publish_while(JOBS / 2..JOBS, async |world| {
            world.pass(world.drawn(50, 500)).await;
            world.fault("RabbitMQ is killed");
            world.stage.own_mut()?.rabbitmq.kill().await;
            world.pass(world.drawn(0, 1_000)).await;
            world.fault("RabbitMQ starts");
            Ok(world.stage.own_mut()?.rabbitmq.start().await?)
        })
        .await?;
    world.fault("RabbitMQ is back, everything is confirmed");
    for hub in 0..HUBS {
        world.stage.ready(hub).await?;
    }
    Ok(())
}
