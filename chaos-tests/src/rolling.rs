//! A rolling restart: each hub is stopped in good order and started again, one after the other, under a
//! steady load.
//!
//! ```text
//! load ─ calm ─ { hub: SIGTERM ─ ended ─ started ─ ready ─ calm } for each hub, for each round ─ oracle
//! ```
//!
//! *Guarantee*: a job's latency counts from the moment at which it was due to be published until the
//! portal hears its end, so that a publisher that is held up is not a faster hub.
//!
//! *Limits*: [`COMMAND_ONE_IN`] jobs is a command. Its end is days away in business time, so that the
//! latencies are those of the queries; the oracle judges both.

pub mod load;
mod report;

use std::time::{Duration, Instant};

use jiff::SignedDuration;

use self::load::Load;
pub use self::report::{Report, Restart, Spread};
use crate::{
    Outcome,
    evidence::Evidence,
    oracle,
    world::{END_WAIT_MAX, Scene, Wanted, World},
};

/// One job in so many is a command.
pub const COMMAND_ONE_IN: usize = 8;
/// Business time leaps past a due moment by this.
const LEAP: SignedDuration = SignedDuration::from_hours(12);
/// Real time before a synchronous answer.
const LATENCY: Duration = Duration::from_millis(20);
/// What a hub writes when it takes over from one that stands still.
const TAKEN_OVER: &str = "its jobs were taken over";
/// What a hub writes when it ends with unfinished jobs.
const HANDED_BACK: &str = "unfinished jobs were handed back";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// Jobs a second.
    pub rate: u32,
    /// Hub processes.
    pub hubs: usize,
    /// How often each of them is restarted.
    pub rounds: usize,
    /// Before the first restart, and after each.
    pub calm: Duration,
    /// Says what happens, to a person.
    pub say: fn(&str),
}

/// Plays it. `Err` where it could not be played; promises that were broken stand in the report.
pub async fn run(plan: Plan) -> Outcome<Report> {
    let wanted =
        Wanted { name: "rolling", jobs: 0, hubs: plan.hubs, latency: LATENCY, fault_permille: 0 };
    let mut world = World::seeded(wanted, Scene::default(), plan.seed).await?;
    world.quiet();
    let played = play(&mut world, plan).await;
    let report = match played {
        Ok(mut report) => {
            if !report.broken().is_empty() {
                report.story = world.story("a promise was broken");
            }
            Ok(report)
        }
        Err(error) => Err(crate::Error::Told(world.story(error))),
    };
    world.stage.strike().await;
    report
}

async fn play(world: &mut World, plan: Plan) -> Outcome<Report> {
    let load = Load::start(world, plan.rate);
    let began = Instant::now();
    // The first jobs meet empty caches and pools: they are judged, not measured.
    world.pass(plan.calm / 2).await;
    let calm_from = Instant::now();
    world.pass(plan.calm).await;
    let calm_to = Instant::now();
    let mut moments = Vec::new();
    for round in 0..plan.rounds {
        for hub in 0..plan.hubs {
            let asked = Instant::now();
            world.stop(hub).await;
            let ended = Instant::now();
            world.start(hub)?;
            world.stage.ready(hub).await?;
            let ready = Instant::now();
            world.pass(plan.calm).await;
            (plan.say)(&format!(
                "round {}, hub {hub}: stopped in {:.2?}, ready {:.2?} later",
                round + 1,
                ended - asked,
                ready - ended
            ));
            moments.push((round + 1, hub, [asked, ended, ready, Instant::now()]));
        }
    }
    let took = began.elapsed();
    let jobs = load.end(world, END_WAIT_MAX).await?;
    world.leap_to_the_end(LEAP).await;
    let evidence = Evidence::gather(world).await?;
    let findings = oracle::judge(world, &evidence);
    let spread = |from, to| jobs.spread(&world.portal, from, to);
    let restarts = moments.into_iter().map(|(round, hub, [asked, ended, ready, calm])| Restart {
        round,
        hub,
        stop: ended - asked,
        start: ready - ended,
        stopping: spread(asked, ended),
        starting: spread(ended, ready),
        after: spread(ready, calm),
    });
    Ok(Report {
        seed: plan.seed,
        rate: plan.rate,
        published: jobs.count(),
        took,
        calm: spread(calm_from, calm_to),
        restarts: restarts.collect(),
        publisher_errors: world.portal.counts().1,
        taken_over: in_logs(world, TAKEN_OVER),
        handed_back: in_logs(world, HANDED_BACK),
        findings: findings.into_iter().map(|finding| finding.what).collect(),
        summary: evidence.summary(),
        story: String::new(),
    })
}

/// How often the hubs wrote this; a log goes on over restarts.
fn in_logs(world: &World, words: &str) -> usize {
    let logs = (0..world.stage.hubs.len()).map(|hub| world.stage.log_file(hub));
    logs.map(|log| std::fs::read_to_string(log).unwrap_or_default().matches(words).count()).sum()
}
