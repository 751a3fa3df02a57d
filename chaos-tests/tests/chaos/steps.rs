//! A hub that kills itself between any two steps of a job's way: one world, all points, one after the
//! other; then answers of commands that are lost while hubs die around the call.

use std::time::{Duration, Instant};

use chaos_tests::{
    Error, Outcome,
    fail_points::Deed,
    fault::{
        Fault,
        outside::Flapping,
        worker::{FrozenAt, KilledAt},
    },
    load::Load,
    world::{LOOK_EVERY, Wanted, World},
};
use jiff::SignedDuration;
use workers::fail_point::Point;

const HUBS: usize = 2;
/// Messages a second.
const RATE: u64 = 14;
/// Somebody comes by a point within this; a rescue takes a lease, and a lost callback a minute.
const POINT_WAIT_MAX: Duration = Duration::from_secs(90);
/// Business time moves by this while answers and timers are waited for.
const STEP: SignedDuration = SignedDuration::from_mins(95);
const STEP_EVERY: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_secs(8);
const CONFIRM_MAX: Duration = Duration::from_secs(60);
/// Commands whose answer is lost while hubs die: so long.
const LOST_FOR: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_killed_between_any_two_steps_loses_and_doubles_nothing() -> Outcome<()> {
    let mut world = World::build(Wanted {
        name: "steps",
        jobs: 0,
        hubs: HUBS,
        latency: Duration::from_millis(40),
        fault_permille: 20,
    })
    .await?;
    world.leaps = Some(SignedDuration::from_hours(12));
    let load = Load::start(&world, chaos_tests::world::seed());
    load.set_rate(RATE);
    let mut tested = play(&mut world, &load).await;
    if tested.is_ok() {
        tested = load.settle(PATIENCE, CONFIRM_MAX).await;
    }
    world.parts = load.take();
    world.finish(tested).await
}

async fn play(world: &mut World, load: &Load) -> Outcome<()> {
    for point in Point::ALL {
        kill_at(world, load, point).await?;
    }
    commands_without_answers(world).await
}

/// Arms a point, sees to it that somebody comes by, and starts who died.
async fn kill_at(world: &mut World, load: &Load, point: Point) -> Outcome<()> {
    world.fail_points.arm(point, Deed::Kill, 1)?;
    let began = Instant::now();
    prepare(world, load, point).await?;
    let mut stepped = Instant::now();
    let pid = loop {
        if let Some(pid) = world.fail_points.taken(point) {
            break pid;
        }
        if began.elapsed() > POINT_WAIT_MAX {
            let what = format!("somebody comes by {}", point.name());
            return Err(Error::Late(POINT_WAIT_MAX, what));
        }
        if needs_time(point) && stepped.elapsed() > STEP_EVERY {
            stepped = Instant::now();
            world.jump(STEP).await?;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let hub = world.hub_of(pid)?;
    if let Some(hub) = &world.stage.hubs[hub] {
        hub.wait().await;
    }
    let took = began.elapsed();
    world.fault(format_args!("hub {hub} has killed itself at {}, after {took:.1?}", point.name()));
    world.start_dead()?;
    for hub in 0..HUBS {
        world.stage.ready(hub).await?;
    }
    Ok(())
}

/// What a point needs besides the load.
async fn prepare(world: &mut World, load: &Load, point: Point) -> Outcome<()> {
    match point {
        // More than there are permits: the rest is stored and claimed.
        Point::AfterClaimBeforeStart => load.burst(120),
        // Answers that nobody takes wait in the mailbox, and are pulled by whoever starts first.
        Point::AfterPullBeforeConfirm => {
            for hub in 0..HUBS {
                world.kill(hub).await;
            }
            world.jump(SignedDuration::from_hours(30)).await?;
            let waits = async |world: &World| {
                Ok(world.stage.control("state").await?["mailbox"].as_u64() > Some(0))
            };
            world.until("answers wait in the mailbox", POINT_WAIT_MAX, waits).await?;
            world.start_dead()?;
        }
        // Somebody has to be dead.
        Point::BeforeRescueCommit => world.kill(0).await,
        Point::AfterDeliver
        | Point::BeforeAdmitCommit
        | Point::AfterAdmitCommitBeforeAck
        | Point::AfterAck
        | Point::BeforeCall
        | Point::AfterCallBeforeRecord
        | Point::BeforeRecordCommit
        | Point::AfterRecordCommit
        | Point::AfterPublishBeforeConfirm
        | Point::AfterConfirmBeforeOutboxDelete
        | Point::AfterInboundStoreBeforeReply
        | Point::BeforeTimerCommit
        | Point::AfterTimerCommit
        | Point::AfterConsentOpened
        | Point::CallbackSentBeforeRecord => {}
    }
    Ok(())
}

const fn needs_time(point: Point) -> bool {
    matches!(
        point,
        Point::AfterInboundStoreBeforeReply | Point::BeforeTimerCommit | Point::AfterTimerCommit
    )
}

/// Messages are sent and numbers are given, and no answer comes; hubs die and freeze around the call.
/// The oracle counts messages on phones and numbers of orders.
async fn commands_without_answers(world: &mut World) -> Outcome<()> {
    let doubted = ["mgov.send_code", "kazpost.label"];
    let before = doubted.map(|operation| world.portal.doubts_of(operation));
    let mut systems = [
        Flapping { system: "mgov", behaviour: "lost" },
        Flapping { system: "kazpost", behaviour: "lost_after_issue" },
    ];
    for system in &mut systems {
        system.begin(world).await?;
    }
    for point in [Point::BeforeCall, Point::AfterCallBeforeRecord, Point::BeforeRecordCommit] {
        let mut killed = KilledAt::new(point, 3);
        killed.begin(world).await?;
        killed.end(world).await?;
        world.pass(LOST_FOR / 4).await;
    }
    let mut frozen = FrozenAt::new(Point::AfterCallBeforeRecord, 2);
    frozen.begin(world).await?;
    world.pass(LOST_FOR).await;
    frozen.end(world).await?;
    for system in &mut systems {
        system.end(world).await?;
    }
    let told = async |world: &World| {
        let now = doubted.map(|operation| world.portal.doubts_of(operation));
        Ok(now.iter().zip(before).all(|(now, before)| *now > before))
    };
    world.until("the portal is told of a doubt of each kind", POINT_WAIT_MAX, told).await?;
    Ok(())
}
