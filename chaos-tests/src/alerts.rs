//! Alerts against real faults: how long after a fault began does the alert that it is for fire?
//!
//! ```text
//! world ─ Prometheus with docker/prometheus/rules as they are
//!    each deed, when those before it are over: begin ─ its alerts fire (seconds each) ─ end
//! ```
//!
//! *Guarantee*: seconds count from the moment at which the fault begins until Prometheus' own API says
//! `firing`; nothing of a rule is shortened. What does not fit (days, or an hour of `for`) is said to be
//! not injected.
//!
//! *Limits*: a scrape and an evaluation every [`prometheus::EVERY`]; a deed whose alerts do not fire
//! within their longest `for` and [`PATIENCE`] is ended, and they count as silent.

mod deed;
mod jobs;
pub mod prometheus;
mod report;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

pub use self::report::{Report, Row};
use self::{
    deed::{DEEDS, Deed},
    prometheus::Prometheus,
};
use crate::{
    Error, Outcome,
    world::{Scene, Wanted, World},
};

/// An alert fires within its `for` and this, or it is silent.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks at what fires.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Prometheus sees both hubs within this.
const SEEN_WAIT_MAX: Duration = Duration::from_secs(90);
/// One hub dies while the other works on.
const HUBS: usize = 2;
/// A rate that keeps a backlog for as long as its alert needs, and breakers as they are by default: the
/// worlds of other tests shorten their pauses.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("HUB_SYSTEMS__MZRK__RATE_PER_S", "1"),
    ("HUB_SYSTEMS__GBDUL__BREAKER_OPEN_MAX_MS", "60000"),
    ("HUB_SYSTEMS__REALESTATE__BREAKER_OPEN_MAX_MS", "60000"),
];

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// Names of alerts; empty: all.
    pub only: Vec<String>,
    /// Says what happens, to a person.
    pub say: fn(&str),
}

/// A deed that goes on.
struct Open {
    deed: &'static Deed,
    began: Instant,
    deadline: Instant,
    waits_for: Vec<&'static str>,
}

/// Names of alerts that no fault is known for.
pub fn unknown(only: &[String]) -> Option<String> {
    let known: Vec<&str> = DEEDS.iter().flat_map(|deed| deed.alerts).copied().collect();
    let wrong = only.iter().find(|name| !known.contains(&name.as_str()))?;
    Some(format!("no fault is injected for {wrong}; there are faults for: {}", known.join(", ")))
}

/// Injects every fault that is asked for.
pub async fn run(plan: Plan) -> Outcome<Report> {
    let wanted = Wanted {
        name: "alerts",
        jobs: 0,
        hubs: HUBS,
        latency: Duration::from_millis(40),
        fault_permille: 0,
    };
    let scene = Scene { environment: ENVIRONMENT, ..Scene::default() };
    let mut world = World::seeded(wanted, scene, plan.seed).await?;
    world.quiet();
    let report = watch(&mut world, &plan).await;
    let report = report.map_err(|error| Error::Told(world.story(error)));
    world.stage.strike().await;
    report
}

async fn watch(world: &mut World, plan: &Plan) -> Outcome<Report> {
    let prometheus = Prometheus::start(&world.stage)?;
    let sees = async |_: &World| prometheus.sees(HUBS).await;
    world.until("Prometheus sees every hub", SEEN_WAIT_MAX, sees).await?;
    let rules = prometheus.rules().await?;
    let is_wanted = |alert: &str| plan.only.is_empty() || plan.only.iter().any(|o| o == alert);
    let mut left: Vec<&'static Deed> =
        DEEDS.iter().filter(|deed| deed.alerts.iter().any(|alert| is_wanted(alert))).collect();
    let mut open: Vec<Open> = Vec::new();
    let mut fired: BTreeMap<&'static str, Option<Duration>> = BTreeMap::new();
    while !left.is_empty() || !open.is_empty() {
        let under_way = |name: &str| {
            open.iter().any(|o| o.deed.name == name) || left.iter().any(|deed| deed.name == name)
        };
        let next = left.iter().position(|deed| !deed.after.iter().any(|name| under_way(name)));
        if let Some(next) = next {
            let deed = left.remove(next);
            let waits_for: Vec<&'static str> =
                deed.alerts.iter().copied().filter(|alert| is_wanted(alert)).collect();
            (plan.say)(&format!("{}: {}", deed.name, deed.what));
            let began = deed.begin(world).await?;
            let longest = waits_for.iter().filter_map(|alert| rules.get(*alert)).max();
            let deadline = began + longest.copied().unwrap_or_default() + PATIENCE;
            open.push(Open { deed, began, deadline, waits_for });
            continue;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let firing = prometheus.firing().await?;
        let now = Instant::now();
        for one in &mut open {
            one.waits_for.retain(|alert| {
                let fires = firing
                    .iter()
                    .any(|(name, system)| name == alert && one.deed.is_about(system.as_deref()));
                if fires {
                    let took = now - one.began;
                    (plan.say)(&format!("{alert} fires after {:.0} s", took.as_secs_f64()));
                    fired.insert(*alert, Some(took));
                } else if now > one.deadline {
                    (plan.say)(&format!("{alert} is SILENT"));
                    fired.insert(*alert, None);
                }
                !fires && now <= one.deadline
            });
        }
        for over in open.extract_if(.., |one| one.waits_for.is_empty()).collect::<Vec<_>>() {
            over.deed.end(world).await?;
            (plan.say)(&format!("{}: over", over.deed.name));
        }
    }
    Ok(Report::of(&rules, &fired, plan.only.is_empty()))
}
