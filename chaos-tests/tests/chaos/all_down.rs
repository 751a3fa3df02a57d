//! All hubs are down for business days; answers wait at the gateway meanwhile. Whoever starts reads
//! them before it gives anything up.

use std::time::Duration;

use chaos_tests::{
    Error, Outcome,
    fault::{Fault, outside::Deserted},
    load::Load,
    world::{Wanted, World},
};
use jiff::SignedDuration;
use serde_json::Value;

const HUBS: usize = 2;
/// Past the promise of five business days: what waits is late.
const LATE: SignedDuration = SignedDuration::from_hours(24 * 9);
/// Past giving up, twenty business days after the request; their latest answers come before that.
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(24 * 30);
const RATE: u64 = 20;
const BEFORE: Duration = Duration::from_secs(12);
const SENT_MAX: Duration = Duration::from_secs(30);
const READ_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_waited_count_and_only_the_unanswered_expire() -> Outcome<()> {
    let mut world = World::build(Wanted {
        name: "all_down",
        jobs: 0,
        hubs: HUBS,
        latency: Duration::from_millis(20),
        fault_permille: 0,
    })
    .await?;
    world.leaps = Some(SignedDuration::from_hours(12));
    let load = Load::start(&world, chaos_tests::world::seed());
    load.set_rate(RATE);
    let tested = play(&mut world, &load).await;
    world.parts = load.take();
    world.finish(tested).await
}

const CHECKS: &str = "SELECT id, state, late FROM (
    SELECT j.id, j.state, j.ended_at > j.deadline_at AS late FROM hub.job j
     WHERE j.operation = 'kpsisu.check') checks";

async fn play(world: &mut World, load: &Load) -> Outcome<()> {
    world.pass(BEFORE).await;
    load.settle(Duration::from_secs(5), SENT_MAX).await?;
    let sent = async |world: &World| {
        let going = "SELECT count(*) FROM hub.job_live WHERE state IN ('accepted', 'calling')";
        Ok(world.count(going).await? == 0)
    };
    world.until("everything was sent", SENT_MAX, sent).await?;
    let open = "SELECT count(*) FROM hub.job_live WHERE operation = 'kpsisu.check'
                   AND state = 'pending'";
    let pending = world.count(open).await?;
    let mut deserted = Deserted { days: LATE };
    deserted.begin(world).await?;
    let waiting = async |world: &World| Ok(mailbox(world).await? * 2 > pending);
    world.until("their answers wait in the mailbox", READ_MAX, waiting).await?;
    let waited = mailbox(world).await?;
    deserted.end(world).await?;
    let read = async |world: &World| {
        Ok(mailbox(world).await? == 0 && world.count(open).await? * 2 < pending)
    };
    world.until("what waited is read", READ_MAX, read).await?;
    let mut deserted = Deserted { days: GIVEN_UP };
    deserted.begin(world).await?;
    deserted.end(world).await?;
    let over =
        async |world: &World| Ok(mailbox(world).await? == 0 && world.count(open).await? == 0);
    world.until("nothing is open any more", READ_MAX, over).await?;
    judge(world, pending, waited).await
}

async fn mailbox(world: &World) -> Outcome<i64> {
    Ok(world.stage.control("state").await?["mailbox"].as_i64().unwrap_or(0))
}

/// Before business time moves on: what expired was never answered, what was answered late is late.
async fn judge(world: &mut World, pending: i64, waited: i64) -> Outcome<()> {
    let journal = world.stage.control("journal?system=kpsisu").await?;
    let answered = |id: &Value| {
        let mut entries = journal.as_array().into_iter().flatten();
        entries.any(|entry| entry["request_number"] == *id && entry["answered"].as_i64() > Some(0))
    };
    let checks = world.rows(CHECKS).await?;
    let count = |state: &str| checks.iter().filter(|check| check["state"] == state).count();
    let wrong: Vec<&Value> =
        checks.iter().filter(|c| c["state"] == "expired" && answered(&c["id"])).collect();
    let late = checks.iter().filter(|c| c["state"] == "succeeded" && c["late"] == true).count();
    world.fault(format_args!(
        "{pending} checks were open, {waited} answers waited; {} succeeded ({late} late), {} expired",
        count("succeeded"),
        count("expired"),
    ));
    if !wrong.is_empty() || late == 0 || count("expired") == 0 {
        return Err(Error::Told(format!("expired although answered: {wrong:?}; {late} late")));
    }
    Ok(())
}
