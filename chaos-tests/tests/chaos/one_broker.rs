//! One broker in trouble: robbed of an empty queue, short of memory, robbed of both exchanges by an operator,
//! behind a line that is half open for one hub, then behind one that is slow for all.

use std::{ops::Range, time::Duration};

use chaos_tests::{
    Error, Outcome,
    fault::{Deleted, Fault, Line, MemoryAlarm, Peer, Wrong},
    steady::Steady,
    world::{Scene, Wanted, World},
};

const HUBS: usize = 2;
/// What most of the cast goes through.
const QUEUE: &str = "hub.jobs.gbdfl";
/// Of the cast, during each of six faults.
const JOBS: usize = 60;
/// Probes in a second: far below what the hubs can do.
const RATE: u32 = 30;
/// What came in before the alarm is done within this, without a single publish.
const WORK_WAIT_MAX: Duration = Duration::from_secs(30);
/// The hub whose line is half open.
const CUT_OFF: usize = 0;
/// Heartbeats of 10 s: whoever heard nothing for twice as long gives up.
const NOTICE_WAIT_MAX: Duration = Duration::from_secs(40);
/// Then every event is published by the other: at once, where the machine has time. Before the line is
/// healed, at any rate.
const EVENTS_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long the line is slow before the rate is looked at.
const SLOW: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_in_trouble_loses_nothing_that_it_confirmed_and_kept() -> Outcome<()> {
    let wanted = Wanted {
        name: "one_broker",
        jobs: 6 * JOBS,
        hubs: HUBS,
        latency: Duration::from_millis(50),
        fault_permille: 10,
    };
    let scene = Scene { proxied: true, brokers: 1, ..Scene::default() };
    let mut world = World::build_in(wanted, scene).await?;
    let tested = play(&mut world).await;
    world.finish(tested).await
}

async fn play(world: &mut World) -> Outcome<()> {
    let mut parts = (0..6).map(|number| number * JOBS..(number + 1) * JOBS);
    let mut next = || parts.next().unwrap_or_default();
    queue_deleted(world, next()).await?;
    let steady = world.begin_steady(RATE).await?;
    memory_alarm(world, &steady, next()).await?;
    for what in [Deleted::Events, Deleted::Jobs] {
        deleted(world, &steady, next(), what).await?;
    }
    half_open(world, &steady, next()).await?;
    slow(world, &steady, next()).await?;
    world.end_steady(steady).await
}

/// Nothing stands in it and nothing is on its way to a consumer, so nothing may be missing afterwards: what
/// comes while it is gone goes another way.
async fn queue_deleted(world: &mut World, cast: Range<usize>) -> Outcome<()> {
    let before = declared(world).await?;
    let mut deleted = Deleted::Queue(QUEUE);
    deleted.begin(world).await?;
    world.publish_while(cast, async |world| deleted.end(world).await).await?;
    let after = declared(world).await?;
    if before == after && before.len() > 1 {
        return Ok(());
    }
    Err(Error::Told(format!("it was {before:?}, and is {after:?}")))
}

/// The queue and its bindings, as the broker lists them.
async fn declared(world: &World) -> Outcome<Vec<String>> {
    let broker = &world.stage.own()?.rabbitmq;
    let mut lines = Vec::new();
    for listing in [
        &["list_queues", "--quiet", "--no-table-headers", "name", "durable", "arguments"][..],
        &[
            "list_bindings",
            "--quiet",
            "--no-table-headers",
            "destination_name",
            "source_name",
            "routing_key",
        ],
    ] {
        let text = broker.ctl(listing).await?;
        lines.extend(text.lines().filter(|line| line.starts_with(QUEUE)).map(str::to_owned));
    }
    lines.sort_unstable();
    Ok(lines)
}

async fn memory_alarm(world: &mut World, steady: &Steady, cast: Range<usize>) -> Outcome<()> {
    let mut alarm = MemoryAlarm;
    world
        .publish_while(cast, async |world| {
            world.pass(world.drawn(50, 300)).await;
            alarm.begin(world).await?;
            blocked_is_said(world).await?;
            works_on(world).await?;
            alarm.end(world).await?;
            world.back_to_rate(steady).await;
            Ok(())
        })
        .await?;
    let free = async |world: &World| Ok(world.metric_of_all("hub_broker_blocked").await? < 1.0);
    world.until("no hub says that it is blocked", WORK_WAIT_MAX, free).await?;
    Ok(())
}

/// Whoever has an event to publish says that it cannot, and stays ready.
async fn blocked_is_said(world: &mut World) -> Outcome<()> {
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

async fn deleted(
    world: &mut World,
    steady: &Steady,
    cast: Range<usize>,
    mut what: Deleted,
) -> Outcome<()> {
    world
        .publish_while(cast, async |world| {
            world.pass(world.drawn(50, 300)).await;
            what.begin(world).await?;
            what.end(world).await?;
            world.back_to_rate(steady).await;
            Ok(())
        })
        .await
}

async fn half_open(world: &mut World, steady: &Steady, cast: Range<usize>) -> Outcome<()> {
    let (peer, wrong) = (Peer::Broker, Wrong::HalfOpen);
    let mut half_open = Line { peer, wrong, hub: Some(CUT_OFF) };
    world
        .publish_while(cast, async |world| {
            world.pass(world.drawn(50, 300)).await;
            half_open.begin(world).await?;
            let down =
                async |world: &World| Ok(world.metric(CUT_OFF, "hub_broker_up").await? < 1.0);
            let what = "the hub says that both connections are down";
            let took = world.until(what, NOTICE_WAIT_MAX, down).await?;
            world.fault(format_args!("hub {CUT_OFF} has noticed after {took:.1?}"));
            the_other_publishes_all(world).await?;
            half_open.end(world).await?;
            world.back_to_rate(steady).await;
            Ok(())
        })
        .await
}

/// The hub that is cut off beats on, and still leaves its part of the outbox to the other, also the events
/// of jobs that the other runs.
async fn the_other_publishes_all(world: &mut World) -> Outcome<()> {
    let last = world.count("SELECT coalesce(max(id), 0) FROM hub.outbox").await?;
    let waiting = format!("SELECT count(*) FROM hub.outbox WHERE id <= {last}");
    let all = async |world: &World| {
        let owners = "SELECT count(DISTINCT owner) FROM hub.relay_partition";
        Ok(world.count(owners).await? == 1 && world.count(&waiting).await? == 0)
    };
    let took = world.until("every event is published by the other", EVENTS_WAIT_MAX, all).await?;
    world.fault(format_args!("the other hub publishes every event, after {took:.1?} more"));
    Ok(())
}

async fn slow(world: &mut World, steady: &Steady, cast: Range<usize>) -> Outcome<()> {
    let latency = Duration::from_millis(200);
    let wrong = Wrong::Slow { latency, rate_max: Some(64 * 1024) };
    let mut slow = Line { peer: Peer::Broker, wrong, hub: None };
    world
        .publish_while(cast, async |world| {
            slow.begin(world).await?;
            world.pass(SLOW).await;
            world.moves_on(steady).await;
            slow.end(world).await?;
            world.back_to_rate(steady).await;
            Ok(())
        })
        .await
}
