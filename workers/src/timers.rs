//! Timers: what was waiting, when its time has come.
//!
//! Every wait is a row (see `store/timer.rs`). This loop sleeps until the next one that it knows of is
//! due, and fires what is due in one commit. It learns of the next one by each firing, from whoever
//! writes one in this process that is due within [`watch::LOOK_EVERY`], and from the watch, which also
//! sees those of other processes.
//!
//! *Order after a downtime*: what came in is matched and what waits is pulled before any timer runs
//! (see `run.rs`), and a job that they hold ends only after one successful look past its give-up
//! time; so an answer that waited for us is never overtaken by its own expiry.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use contracts::state::{Phase, Sla, State};
use tokio_util::sync::CancellationToken;

use crate::{
    fail_point::{self, Point},
    pipeline::{Hub, consent, record},
    store::{
        Kind,
        consent::Which,
        timer::{Action, Due},
    },
    telemetry::metric::Metric,
    watch,
};

/// Timers that are due within this of one another are fired together: a commit each would cost more
/// than so short a delay.
pub const GATHER: Duration = Duration::from_millis(100);
/// Timers fired in one commit.
pub const FIRED_MAX: i64 = 500;

/// Fires until cancelled.
pub async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    loop {
        tokio::select! { () = stop.cancelled() => return, () = hub.wake.timers.ring() => {} }
        let began = Instant::now();
        if let Err(error) = fire_all(&hub, &stop).await
            && error.kind() != Kind::Conflict
        {
            tracing::warn!(%error, "timers wait for the database");
        }
        // A conflict, or a database that was away: the watch sees what is due.
        let rest = GATHER.saturating_sub(began.elapsed());
        tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(rest) => {} }
    }
}

/// Fires until nothing is due, and sets the alarm for the next timer.
async fn fire_all(hub: &Hub, stop: &CancellationToken) -> Result<(), crate::store::Error> {
    loop {
        let fired = fire(hub).await?;
        if stop.is_cancelled() {
            return Ok(());
        }
        if i64::try_from(fired).unwrap_or(FIRED_MAX) < FIRED_MAX {
            break;
        }
    }
    let next = hub.store.next_timer_ms().await?;
    let wait = next.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    if let Some(wait) = wait.filter(|wait| *wait <= watch::LOOK_EVERY) {
        hub.wake.timers.within(wait);
    }
    Ok(())
}

async fn fire(hub: &Hub) -> Result<usize, crate::store::Error> {
    let pulls = |system: &str| {
        hub.destinations.get(system).is_some_and(|destination| destination.is_pulled())
    };
    let began = Instant::now();
    let decide = |due: &Due| decide(due, pulls(&due.system));
    let fired = hub.store.fire_due(FIRED_MAX, decide, &hub.operations).await?;
    if fired.done.is_empty() {
        return Ok(0);
    }
    fail_point::reach(Point::AfterTimerCommit);
    let mut look = Vec::new();
    for (due, action) in &fired.done {
        let late = Duration::from_millis(u64::try_from(due.late_ms).unwrap_or(0));
        Metric::TimerLateness.observe(late, []);
        if *action == Action::LookFirst && !look.contains(&due.system) {
            look.push(due.system.clone());
        }
    }
    for (operation, sla) in &fired.moved {
        match sla {
            Sla::OnTime => {}
            Sla::AtRisk => Metric::SlaAtRisk.count([("operation", operation)]),
            Sla::Breached => Metric::SlaBreaches.count([("operation", operation)]),
        }
    }
    for (operation, after) in &fired.ended {
        record::note_end(operation, after);
    }
    let checks: Vec<i64> = fired
        .done
        .iter()
        .filter(|(_, action)| *action == Action::LookAtConsent)
        .map(|(due, _)| due.seq)
        .collect();
    if !checks.is_empty() {
        consent::settle(hub, Which { checks, ..Which::default() }).await;
    }
    hub.store.pull_soon(&look).await?;
    if !look.is_empty() {
        hub.wake.pull.notify_one();
    }
    // A promise that moves makes no job startable.
    let startable = fired.done.iter().filter(|(due, _)| due.kind != "sla");
    let systems: HashSet<&str> = startable.map(|(due, _)| due.system.as_str()).collect();
    for destination in systems.iter().filter_map(|system| hub.destinations.get(system)) {
        destination.note_stored(0);
    }
    if !systems.is_empty() {
        hub.wake.claim.notify_one();
    }
    hub.wake.relay.notify_one();
    tracing::debug!(
        fired = fired.done.len(),
        took_ms = began.elapsed().as_millis(),
        "timers fired"
    );
    Ok(fired.done.len())
}

/// What a due timer means. Pure.
fn decide(due: &Due, can_pull: bool) -> Action {
    match (due.kind.as_str(), due.state) {
        ("wake", State::Waiting) if due.phase == Phase::Consent => Action::LookAtConsent,
        ("wake", State::Waiting | State::Pending | State::InDoubt) => Action::Wake,
        ("sla", state) if !state.is_terminal() && due.sla != Sla::Breached => Action::MoveSla,
        ("give_up", State::Pending | State::InDoubt) if can_pull && !due.looked => {
            Action::LookFirst
        }
        ("give_up", State::Pending) => Action::Expire,
        ("give_up", State::InDoubt) => Action::EndDoubt,
        // Between two starts: what it waits for says how it ends.
        ("give_up", State::Accepted | State::Waiting) if due.phase == Phase::Ask => {
            Action::EndDoubt
        }
        ("give_up", State::Accepted | State::Waiting) => Action::UseUp,
        _ => Action::Drop,
    }
}

#[cfg(test)]
mod tests;
