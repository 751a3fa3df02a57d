//! protect: brings here what all workers share about the systems, and tells them what happened here.
//!
//! ```text
//! once a second, or when a bell rings: look (one statement, no lock)
//!     → why each system is not called · whose retries are stopped · shares of the limits
//!     → only where something is to tell: tend (one commit: calls for the breakers, shares)
//! ```
//!
//! *Guarantee*: a share is lowered here before it is lowered in the table, and raised in the table
//! before it is raised here. An idle hub looks and does nothing else.

use std::time::{Duration, Instant};

use adapters::attempt::Outcome;
use contracts::{
    class::{Class, Failure},
    operation::{Effect, OperationSpec},
};
use jiff::Timestamp;

use super::{
    Hub,
    destination::{Destination, Hold},
};
use crate::{
    policy::{
        breaker::{self, State, Verdict},
        limits, maintenance,
        retry::{self, Policy},
    },
    store::{
        Error,
        protection::{Blocked, Look, Probe, Report, Seen, Tended, targets},
        retries::STOPPED_MAX,
    },
    telemetry::metric::Metric,
};

/// Two looks are at least so far apart, however often the bell rings.
pub const LOOKS_APART: Duration = Duration::from_millis(100);
/// A probe counts as lost after the longest call, and this.
const PROBE_SLACK: Duration = Duration::from_secs(15);
/// Batches of jobs whose retries were stopped, in a row.
const STOPPED_BATCHES_MAX: usize = 20;

/// One look at everything shared, and what follows from it.
pub async fn look(hub: &Hub, served: &[&Destination], first: bool) -> Result<(), Error> {
    let began = Instant::now();
    let asked: Vec<(&str, usize)> = served.iter().map(|d| (d.spec.name, d.counts(began))).collect();
    let Look { now, retries_disabled, systems: seen } = hub.store.look(&asked).await?;
    let now = Timestamp::from_microsecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
    let pairs: Vec<(&Destination, Seen)> = served.iter().copied().zip(seen).collect();
    for ((destination, seen), (_, counted)) in pairs.iter().zip(asked) {
        announce(hub, destination, seen, now, first).await?;
        note(destination, seen, now);
        destination.note_seen(seen.stored, counted);
    }
    hub.set_retries_disabled(retries_disabled);
    tend(hub, &pairs).await
}

/// What a system's row means here.
fn note(destination: &Destination, seen: &Seen, now: Timestamp) {
    let system = destination.spec.name;
    let maintenance = maintenance::active(&destination.protection.maintenance, now);
    let here = maintenance.map(|_| Blocked::Maintenance);
    // An operator's pause is told first; the rest of the order does not matter here.
    let blocked = seen.blocked.filter(|b| *b == Blocked::Pause).or(here).or(seen.blocked);
    destination.block(blocked);
    destination.note_rate(seen.rate);
    destination.note_probe(seen.probe_due);
    Metric::BreakerState.set(seen.breaker.gauge(), [("system", system)]);
    for reason in Blocked::ALL {
        let labels = [("system", system), ("reason", reason.name())];
        Metric::Blocked.set(f64::from(u8::from(blocked == Some(reason))), labels);
    }
    Metric::InFlightMax.set(super::admit::count(seen.in_flight_max), [("system", system)]);
}

/// Tells everybody that maintenance has begun, once: while hubs with other settings take over, a window
/// that they withdrew does not come back. At the start of a process also that it has not begun: the
/// settings may have changed.
async fn announce(
    hub: &Hub,
    destination: &Destination,
    seen: &Seen,
    now: Timestamp,
    first: bool,
) -> Result<(), Error> {
    let known = seen.maintenance_until.and_then(|at| Timestamp::from_microsecond(at).ok());
    let system = destination.spec.name;
    match maintenance::active(&destination.protection.maintenance, now) {
        Some((window, until)) if !destination.has_announced(until) => {
            if known != Some(until) {
                tracing::info!(system, %until, "announced maintenance has begun: nothing is started");
                let said = (until, window.text_ru.as_str(), window.text_kk.as_str());
                hub.store.announce(system, Some(said)).await?;
            }
            destination.note_announced(until);
            Ok(())
        }
        None if first && known.is_some_and(|until| until > now) => {
            hub.store.announce(system, None).await
        }
        Some(_) | None => Ok(()),
    }
}

/// Tells of calls, and levels shares, where there is something to tell.
async fn tend(hub: &Hub, pairs: &[(&Destination, Seen)]) -> Result<(), Error> {
    let worker = hub.worker();
    let reports: Vec<(&Destination, Report)> = pairs
        .iter()
        .filter(|(destination, _)| destination.is_shared)
        .filter_map(|(destination, seen)| Some((*destination, report(hub, destination, seen)?)))
        .collect();
    if reports.is_empty() {
        return Ok(());
    }
    let told: Vec<Report> = reports.iter().map(|(_, report)| *report).collect();
    let tended = hub.store.tend(worker, &told, &hub.chance).await.inspect_err(|_| {
        for (destination, Report { calls, failed, cause, .. }) in &reports {
            let (calls, failed, cause) = (*calls, *failed, *cause);
            destination.return_tally(super::destination::Tally { calls, failed, cause });
        }
    })?;
    for ((destination, report), Tended { share, opened }) in reports.iter().zip(tended) {
        let system = destination.spec.name;
        // A share that did not grow is left alone: permits in use may still be owed.
        let grew = share > report.held;
        if grew {
            destination.slots.resize(share);
        }
        Metric::InFlightShare.set(super::admit::count(share), [("system", system)]);
        if opened {
            moved(hub, system, State::Open);
            destination.block(Some(Blocked::Breaker));
        }
        if grew {
            hub.wake.claim.notify_one();
        }
    }
    Ok(())
}

/// What is to tell of a system; `None` where everybody knows it already.
fn report(hub: &Hub, destination: &Destination, seen: &Seen) -> Option<Report> {
    let me = hub.worker();
    let (hungry, in_use) = (destination.take_hunger(), destination.slots.in_use());
    let mine = seen.shares.iter().find(|share| share.worker == me).copied();
    let mut shares = seen.shares.clone();
    shares.retain(|share| share.worker != me);
    let others: usize = shares.iter().map(|share| share.share).sum();
    let alone = shares.is_empty();
    let any_hungry = hungry || shares.iter().any(|share| share.hungry);
    let held = destination.slots.issued();
    shares.push(crate::store::protection::Share { worker: me, share: held, in_use, hungry });
    shares.sort_by_key(|share| share.worker);
    let target = targets(seen.in_flight_max, &shares, me);
    // A share that the table does not know (it took this worker for dead) is none.
    let leased = mine.map_or(0, |mine| mine.share);
    let held =
        if held > target.min(leased) { destination.slots.resize(target.min(leased)) } else { held };
    let is_free = others + held < seen.in_flight_max;
    let tally = destination.take_tally();
    let is_told = mine.is_some_and(|mine| {
        mine.share == held
            && (alone || mine.hungry == hungry)
            && (!any_hungry || alone || roughly(mine.in_use) == roughly(in_use))
    });
    if is_told && !(is_free && target > held) && tally == super::destination::Tally::default() {
        return None;
    }
    Some(Report {
        system: destination.spec.name,
        held,
        in_use,
        hungry,
        calls: tally.calls,
        failed: tally.failed,
        cause: tally.cause,
        rules: destination.protection.breaker,
    })
}

/// Small changes are no news.
const fn roughly(calls: usize) -> usize {
    (calls + 1).next_power_of_two()
}

fn moved(hub: &Hub, system: &'static str, to: State) {
    Metric::BreakerMoves.count([("system", system), ("to", to.name())]);
    match to {
        State::Open => {
            tracing::error!(system, "the circuit breaker is open: nothing is started for a while");
        }
        State::HalfOpen => tracing::info!(system, "one call tries whether they are there again"),
        State::Closed => tracing::info!(system, "the circuit breaker is closed: calls are made"),
    }
    hub.wake.look.notify_one();
}

/// Reserves instants for stored jobs, where the rate is limited and none are left. An answer that came
/// so late that all of them were over is followed by a question for one that has its whole life.
pub async fn reserve(hub: &Hub, destination: &Destination) -> Result<(), Error> {
    for rested in [limits::RESTED, 0.0] {
        let Some(wanted) = destination.lacks_starts(Instant::now()) else { return Ok(()) };
        let block = hub.store.reserve(destination.spec.name, wanted, rested).await?;
        destination.note_starts(&block);
    }
    destination.reserve_later(Instant::now());
    Ok(())
}

/// How long the probe of a system may take.
pub fn probe_lasts(hub: &Hub, destination: &Destination) -> Duration {
    let limits = destination.spec.operations.iter();
    let longest = limits.map(|operation| hub.config.operations[operation.name].call_timeout).max();
    longest.unwrap_or_default() + PROBE_SLACK
}

/// The operations of a system that do more than ask.
pub fn commands(destination: &Destination) -> Vec<&'static str> {
    let all = destination.spec.operations.iter();
    all.filter(|operation| operation.effect == Effect::Command).map(|o| o.name).collect()
}

/// Says that a probe is under way.
pub fn note_probe(hub: &Hub, system: &'static str) {
    moved(hub, system, State::HalfOpen);
}

/// Tells the others what a call says about the health of its system.
pub async fn note_call(
    hub: &Hub,
    destination: &Destination,
    probe: Option<Probe>,
    (verdict, cause): (Verdict, Option<&'static str>),
) {
    let Some(probe) = probe else {
        destination.note_call(verdict, cause);
        return;
    };
    let (system, rules) = (destination.spec.name, &destination.protection.breaker);
    let ended = hub.store.end_probe(system, probe, (verdict, cause), rules, &hub.chance).await;
    match ended {
        Ok(Some(to)) => moved(hub, system, to),
        Ok(None) => tracing::info!(system, "a probe came too late to be believed"),
        // It counts as lost after a while, and another one is made.
        Err(error) => tracing::warn!(%error, system, "what a probe learned could not be told"),
    }
}

/// What the end of a call says about their health.
pub fn verdict(outcome: &Outcome) -> (Verdict, Option<&'static str>) {
    match outcome {
        Outcome::Answered(_)
        | Outcome::Acknowledged(_)
        | Outcome::Interim(_)
        | Outcome::NotDone => (Verdict::Answered, None),
        Outcome::Failed(failure) => (breaker::verdict(failure), Some(failure.code.name())),
    }
}

/// They told us when to come again: nobody calls them until then.
pub async fn heed(hub: &Hub, system: &str, failure: &Failure, told: Option<Duration>) {
    let Some(pause) = told.filter(|_| failure.class == Class::NotNow) else { return };
    let pause = pause.min(retry::TOLD_MAX);
    let destination = hub.destinations.get(system);
    if destination.is_some_and(|d| !d.hold(Hold::Told, pause, Instant::now())) {
        return;
    }
    tracing::warn!(
        system,
        code = failure.code.name(),
        pause_s = pause.as_secs(),
        "they told us to wait"
    );
    if let Err(error) = hub.store.told(system, pause, failure.code.name()).await {
        destination.inspect(|d| d.forget_hold(Hold::Told));
        tracing::warn!(%error, system, "the wait could not be written; their next answer says it again");
    }
}

/// The retry policy of an operation as it is in force.
pub fn policy(hub: &Hub, operation: &OperationSpec) -> Policy {
    let policy = hub.config.operations[operation.name].retry;
    Policy { enabled: policy.enabled && !hub.has_retries_disabled(operation.name), ..policy }
}

/// Ends what waits for a retry that will not come; the rest of very many is for the next time.
pub async fn stop_retries(hub: &Hub) -> Result<(), Error> {
    let disabled: Vec<(&'static OperationSpec, Policy)> = hub
        .operations
        .values()
        .map(|operation| (*operation, policy(hub, operation)))
        .filter(|(_, policy)| !policy.enabled)
        .collect();
    if disabled.is_empty() {
        return Ok(());
    }
    let mut behind = 0;
    for _ in 0..STOPPED_BATCHES_MAX {
        let (batch, last) = hub.store.stop_retries(&disabled, behind, STOPPED_MAX).await?;
        for (operation, after) in &batch.ended {
            super::record::note_end(operation, after);
        }
        if !batch.ended.is_empty() {
            tracing::warn!(jobs = batch.ended.len(), "jobs ended: their retries are stopped");
            hub.wake.relay.notify_one();
            hub.wake.callbacks.notify_one();
        }
        behind = last;
        if i64::try_from(batch.seen).unwrap_or(0) < STOPPED_MAX {
            break;
        }
    }
    Ok(())
}
