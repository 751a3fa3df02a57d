//! Timers: what was waiting, when its time has come.
//!
//! Every wait is a row (see `store/timer.rs`). This loop sleeps until the next one that it knows of is
//! due, and fires what is due in one commit. It learns of the next one by each firing, from whoever
//! writes one in this process that is due within [`watch::LOOK_EVERY`], and from the watch, which also
//! sees those of other processes.
//!
//! *Order after a downtime*: what came in is matched and what waits is pulled before any timer runs, for
//! a minute at most (see `run.rs`). An answer that waited for us is never overtaken by its own expiry,
//! because that needs a pull that succeeded.
//!
//! *One last look*: past its give-up time a job ends only when its system cannot know better.
//!
//! | the job | ends after |
//! |---|---|
//! | they hold it, or it is in doubt, and answers are pulled | one successful pull that began past its give-up time |
//! | the same, where only others pull | that, or when nobody has tried to for four hours ([`decide::ELSEWHERE_MAX`]) |
//! | it is in doubt, and they can be asked | one question past its give-up time that reached them |
//! | its answer comes in parts | one more poll that reached them; parts within [`decide::PART_SOON_MAX_MS`] go on |
//! | it was never tried | one try, where a call comes free within a minute (`LAST_TRY_MS`) |
//! | it is between two tries, or nobody can be asked | nothing: its time is used up |
//!
//! While a system is paused, in maintenance or not there it cannot be asked: such jobs are kept until
//! it can, looked at more and more seldom, up to every ten minutes. Only the never tried end.
//!
//! *One bad timer*: a commit that fails on data, or takes too long, is tried again with half as many
//! timers; the one that cannot be committed alone is set aside and told of.

mod decide;
mod pulls;
mod unknown;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use contracts::operation::Reconcile;
use tokio_util::sync::CancellationToken;

use self::{
    decide::{Can, Pull, decide},
    pulls::Pulls,
    unknown::Unknown,
};
use crate::{
    fail_point::{self, Point},
    pipeline::{Hub, consent, record},
    store::{
        Error, Kind,
        consent::Which,
        timer::{Action, Due, Fired, Unfired},
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
    let mut firing = Firing { limit: FIRED_MAX, ..Firing::default() };
    loop {
        tokio::select! { () = stop.cancelled() => return, () = hub.wake.timers.ring() => {} }
        let began = Instant::now();
        if let Err(error) = firing.all(&hub, &stop).await
            && error.kind() != Kind::Conflict
        {
            tracing::warn!(%error, "timers wait for the database");
        }
        // A conflict, or a database that was away: the watch sees what is due.
        let rest = GATHER.saturating_sub(began.elapsed());
        tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(rest) => {} }
    }
}

#[derive(Default)]
struct Firing {
    /// How much is fired at once: less while commits fail.
    limit: i64,
    unknown: Unknown,
    pulls: Pulls,
}

impl Firing {
    /// Fires until nothing is due, and sets the alarm for the next timer.
    async fn all(&mut self, hub: &Hub, stop: &CancellationToken) -> Result<(), Error> {
        loop {
            let asked = self.limit;
            let fired = match fire(hub, asked, &mut self.pulls).await {
                Ok(fired) => fired,
                Err(unfired) => {
                    self.fewer(hub, unfired).await?;
                    if stop.is_cancelled() {
                        return Ok(());
                    }
                    continue;
                }
            };
            self.limit = FIRED_MAX.min(asked.saturating_mul(2));
            if stop.is_cancelled() {
                return Ok(());
            }
            if i64::try_from(fired).unwrap_or(asked) < asked {
                break;
            }
        }
        let known: Vec<&str> = hub.operations.keys().copied().collect();
        self.unknown.tell(hub, &known).await?;
        let next = hub.store.next_timer_ms(&known).await?;
        let wait = next.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        if let Some(wait) = wait.filter(|wait| *wait <= watch::LOOK_EVERY) {
            hub.wake.timers.within(wait);
        }
        Ok(())
    }

    /// After a commit that failed: half as many, down to the one that cannot be committed.
    async fn fewer(&mut self, hub: &Hub, unfired: Unfired) -> Result<(), Error> {
        let Unfired { error, first } = unfired;
        if error.kind() != Kind::Data && !error.is_slow() {
            return Err(error);
        }
        if self.limit > 1 {
            self.limit /= 2;
            return Ok(());
        }
        let Some((seq, kind)) = first else { return Err(error) };
        let job_id = hub.store.set_aside(seq, &kind).await?.map(tracing::field::display);
        tracing::error!(job_id, %error, "a timer cannot be fired; it is set aside for minutes");
        Ok(())
    }
}

async fn fire(hub: &Hub, limit: i64, pulls: &mut Pulls) -> Result<usize, Unfired> {
    let can = |due: &Due| Can {
        pull: match hub.destinations.get(due.system.as_str()) {
            Some(destination) if destination.is_pulled() => Pull::Here,
            _ if due.pulled => Pull::Elsewhere,
            _ => Pull::Nobody,
        },
        ask: hub
            .operations
            .get(due.operation.as_str())
            .is_some_and(|operation| operation.reconcile != Reconcile::Nobody),
    };
    let began = Instant::now();
    let fired = hub.store.fire_due(limit, |due| decide(due, can(due)), &hub.operations).await?;
    if fired.done.is_empty() {
        return Ok(0);
    }
    fail_point::reach(Point::AfterTimerCommit);
    measure(&fired);
    let of = |action: Action| fired.done.iter().filter(move |(_, a)| *a == action);
    let checks: Vec<i64> = of(Action::LookAtConsent).map(|(due, _)| due.seq).collect();
    if !checks.is_empty() {
        consent::settle(hub, Which { checks, ..Which::default() }).await;
    }
    let now = Instant::now();
    let looks: HashSet<(&str, bool)> =
        of(Action::LookFirst).map(|(due, _)| (due.system.as_str(), due.postponed == 0)).collect();
    let soon: Vec<String> = looks
        .into_iter()
        .filter(|(system, is_first)| pulls.may(system, *is_first, now))
        .map(|(system, _)| system.to_owned())
        .collect();
    if !soon.is_empty() {
        // They come in their own time where the database goes away now.
        if let Err(error) = hub.store.pull_soon(&soon).await {
            tracing::debug!(%error, "a pull is not brought forward");
        }
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

fn measure(fired: &Fired) {
    // What was put off is late on purpose.
    for (due, _) in fired.done.iter().filter(|(due, _)| due.postponed == 0) {
        let late = Duration::from_millis(u64::try_from(due.late_ms).unwrap_or(0));
        Metric::TimerLateness.observe(late, []);
    }
    for (operation, before, now) in &fired.moved {
        record::note_sla(operation, *before, *now);
    }
    for (operation, after) in &fired.ended {
        record::note_end(operation, after);
    }
}

#[cfg(test)]
mod tests;
