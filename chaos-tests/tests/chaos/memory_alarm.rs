//! A broker that is short of memory: who publishes is blocked, who consumes goes on.

use std::time::Duration;

use chaos_tests::{
    Error, Outcome,
    fault::{Fault, MemoryAlarm},
    world::{Wanted, World},
};

const HUBS: usize = 2;
const JOBS: usize = 300;
const RATE: u32 = 30;
/// What came in before the alarm is done within this, without a single publish.
const WORK_WAIT_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acks_and_calls_go_on_while_publishes_are_blocked() -> Outcome<()> {
    let mut world = World::build(Wanted {
        name: "memory_alarm",
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
    let mut alarm = MemoryAlarm;
    world
        .publish_while(0..JOBS, async |world| {
            world.pass(world.drawn(50, 300)).await;
            alarm.begin(world).await?;
            said(world).await?;
            works_on(world).await?;
            alarm.end(world).await
        })
        .await?;
    world.back_to_rate(&steady, &full).await;
    world.end_steady(steady).await?;
    let blocked = world.metric_of_all("hub_broker_blocked").await?;
    if blocked > 0.0 {
        return Err(Error::Told("a hub still says that it is blocked".into()));
    }
    Ok(())
}

/// Whoever has an event to publish says that it cannot.
async fn said(world: &mut World) -> Outcome<()> {
    let blocked = async |world: &World| Ok(world.metric_of_all("hub_broker_blocked").await? > 0.0);
    let took = world.until("a hub says that it is blocked", WORK_WAIT_MAX, blocked).await?;
    world.fault(format_args!("a hub says so after {took:.1?}"));
    for hub in 0..HUBS {
        world.stage.ready(hub).await?;
    }
    Ok(())
}

/// Messages that the broker has are taken, acknowledged and called for; their events wait.
async fn works_on(world: &mut World) -> Outcome<()> {
    let calm = async |world: &World| {
        let calling = "SELECT count(*) FROM hub.job_live WHERE state IN ('accepted', 'calling')";
        let waiting = world.count("SELECT count(*) FROM hub.outbox").await?;
        Ok(world.count(calling).await? == 0 && waiting > 0)
    };
    let took = world.until("what came in is done", WORK_WAIT_MAX, calm).await?;
    world.fault(format_args!("what came in is done after {took:.1?}, and its events wait"));
    Ok(())
}
