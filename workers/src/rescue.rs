//! Rescue: heartbeats, and what a dead worker left.
//!
//! ```text
//! every BEATS_PER_LEASE-th of a lease: raise my beat, read everybody's
//!   same beat for one whole lease on my own monotonic clock ∧ my own beats succeeded that long,
//!   or its process was on this machine and the kernel knows it no more
//!     → take its jobs: queries back to the store, commands to in_doubt, runs raised (fencing)
//!   my own row is gone → others declared me dead: continue under a new identity
//! a worker comes, goes or gives partitions away, and says so: balance them at once
//! I lost my broker, or have one again → a heartbeat that says so, then balance
//! ```
//!
//! *Guarantee*: no clock of another machine is read, and after a database outage nobody who may live is
//! rescued until a whole lease of own successful heartbeats has passed, because until then every beat looks
//! old. A job that the database says is mine and whose call was never begun goes back to the store.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    pipeline::{Hub, record::note_end},
    process,
    store::{Error, rescue::Rescued, worker::Beat},
    telemetry::metric::Metric,
};

/// Heartbeats in one lease.
pub const BEATS_PER_LEASE: u32 = 4;
/// Every so many heartbeats the jobs that the database says are mine are compared.
const BEATS_PER_COMPARISON: u64 = 3;
/// Lines about jobs that workers die over, of one rescue.
const SUSPECTS_TOLD_MAX: usize = 10;
/// How long the end of the relay's round is waited for; one that takes longer waits for its broker, and
/// keeps its partitions until the next balance.
const ROUND_WAIT_MAX: Duration = Duration::from_secs(1);

/// What this worker has seen of the others.
#[derive(Debug, Default)]
pub struct Observations {
    seen: HashMap<Uuid, (i64, Instant)>,
    steady_since: Option<Instant>,
    /// The last look.
    noted: Option<Instant>,
    /// Who can publish.
    publishing: HashSet<Uuid>,
}

impl Observations {
    /// My own heartbeat failed: everything seen so far proves nothing.
    pub fn interrupted(&mut self) {
        *self = Self::default();
    }

    /// What a worker that was taken for dead says of its process. Who beat all the time was not taken for
    /// dead by its heartbeat: somebody looked its process up and was wrong, and shall not again.
    fn process_of_a_fresh_start(&self, now: Instant, lease: Duration) -> Option<&'static str> {
        let has_beaten = self.noted.is_some_and(|noted| now.duration_since(noted) < lease / 2);
        if has_beaten { None } else { process::own() }
    }

    /// When the first of those that stand still will have stood a whole lease, if nobody beats.
    fn next_end(&self, lease: Duration) -> Option<Instant> {
        let first = self.seen.values().map(|(_, since)| *since).min()?;
        Some(first.max(self.steady_since?) + lease)
    }

    /// Notes everybody's beats; returns those that are gone, or stood still for a whole lease.
    pub fn note(&mut self, me: Uuid, beats: &[Beat], now: Instant, lease: Duration) -> Vec<Beat> {
        // Whoever looked away for that long may have been stopped together with those that it watches.
        if self.noted.replace(now).is_some_and(|noted| now.duration_since(noted) > lease / 2) {
            self.interrupted();
            self.noted = Some(now);
        }
        let steady_since = *self.steady_since.get_or_insert(now);
        self.seen.retain(|worker, _| beats.iter().any(|beat| beat.worker == *worker));
        let mut still = Vec::new();
        for beat in beats.iter().filter(|beat| beat.worker != me) {
            let (last, since) = self.seen.entry(beat.worker).or_insert((beat.beat, now));
            if *last != beat.beat {
                (*last, *since) = (beat.beat, now);
            }
            if beat.gone || now.duration_since((*since).max(steady_since)) >= lease {
                still.push(*beat);
            }
        }
        still
    }
}

/// Beats until cancelled. `partitions` tells the relay what it may publish.
pub async fn run(hub: Arc<Hub>, partitions: watch::Sender<Vec<i16>>, stop: CancellationToken) {
    let every = hub.config.lease / BEATS_PER_LEASE;
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut observations = Observations::default();
    let mut beats: u64 = 0;
    // What the last balance left undone.
    let mut owed = false;
    // What the last heartbeat said of publishing.
    let mut said = None;
    loop {
        tokio::select! {
            // A heartbeat that is due comes before what others say.
            biased;
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
            () = hub.wake.workers.notified() => if said == Some(hub.publishing.is_possible()) {
                owed = !tend_within(&hub, &partitions, (true, false), every).await;
                continue;
            }
        }
        let publishes = hub.publishing.is_possible();
        match tokio::time::timeout(every * 2, beat(&hub, &mut observations, publishes)).await {
            Ok(Ok(seen)) => {
                Metric::DatabaseUp.set(1.0, []);
                if said.replace(publishes) != Some(publishes) {
                    hub.store.tell_of_workers().await;
                }
                if seen.fresh {
                    // What the old identity held is others' by now, or will be.
                    hold(&partitions, Vec::new());
                }
                let changed = take_over(&hub, &seen.still, every * 2).await || seen.changed;
                let compare = beats.is_multiple_of(BEATS_PER_COMPARISON);
                // At the start the others give partitions away, and this worker may not hear it yet.
                let balance = changed || compare || owed || beats < BEATS_PER_COMPARISON;
                beats += 1;
                let tended = tend_within(&hub, &partitions, (balance, compare), every).await;
                owed = balance && !tended;
                // Whoever is dead is not left alone until the next heartbeat.
                let end =
                    observations.next_end(hub.config.lease).map(tokio::time::Instant::from_std);
                let now = tokio::time::Instant::now();
                if let Some(end) = end.filter(|end| now < *end && *end < now + every) {
                    tick.reset_at(end);
                }
            }
            Ok(Err(error)) => {
                observations.interrupted();
                Metric::DatabaseUp.set(0.0, []);
                tracing::warn!(%error, "a heartbeat did not reach the database");
            }
            Err(_) => {
                observations.interrupted();
                Metric::DatabaseUp.set(0.0, []);
                tracing::warn!("a heartbeat had no answer in time");
            }
        }
    }
}

/// What a heartbeat saw.
struct Seen {
    /// Somebody came or went, or lost its broker, or has one again.
    changed: bool,
    /// This worker goes on under a new identity.
    fresh: bool,
    /// Whose beat stood still for a lease.
    still: Vec<Beat>,
}

/// One heartbeat.
async fn beat(hub: &Hub, observations: &mut Observations, publishes: bool) -> Result<Seen, Error> {
    let me = hub.worker();
    let Some(beats) = hub.store.beat(me, publishes).await? else {
        let process = observations.process_of_a_fresh_start(Instant::now(), hub.config.lease);
        observations.interrupted();
        let fresh = hub.chance.uuid();
        hub.store.register_worker(fresh, &worker_name(), process).await?;
        hub.become_worker(fresh);
        tracing::warn!(
            old = %me, new = %fresh,
            "the others took this worker for dead: its results of before are not recorded"
        );
        return Ok(Seen { changed: true, fresh: true, still: Vec::new() });
    };
    let before = observations.seen.len();
    let still = observations.note(me, &beats, Instant::now(), hub.config.lease);
    let mut publishing: HashSet<Uuid> =
        beats.iter().filter(|beat| beat.publishes).map(|beat| beat.worker).collect();
    // The statement shows what was there before it.
    if publishes {
        publishing.insert(me)
    } else {
        publishing.remove(&me)
    };
    let changed = before != observations.seen.len() || publishing != observations.publishing;
    observations.publishing = publishing;
    Ok(Seen { changed, fresh: false, still })
}

/// Takes over from the dead, all within `wait_max`; `true` where there was one. A failure says nothing
/// about my own heartbeat: they are still dead at the next one.
async fn take_over(hub: &Hub, still: &[Beat], wait_max: Duration) -> bool {
    let mut changed = false;
    let until = tokio::time::Instant::now() + wait_max;
    for dead in still {
        let rescued = hub.store.rescue(*dead, &hub.operations);
        match tokio::time::timeout_at(until, rescued).await {
            Ok(Ok(Some(rescued))) => {
                tell(hub, dead.worker, &rescued);
                changed = true;
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, worker = %dead.worker, "a rescue failed; the next beat tries");
            }
            Err(_) => tracing::warn!(worker = %dead.worker, "a rescue took too long"),
        }
    }
    changed
}

fn tell(hub: &Hub, worker: Uuid, rescued: &Rescued) {
    let Rescued { returned, in_doubt, failed, suspects, recorded } = rescued;
    Metric::Rescued.add(*returned as u64, [("result", "returned")]);
    Metric::Rescued.add(*in_doubt as u64, [("result", "in_doubt")]);
    Metric::Rescued.add(*failed as u64, [("result", "failed")]);
    for (operation, after) in recorded {
        note_end(operation, after);
    }
    if worker.is_nil() {
        tracing::warn!(
            returned,
            in_doubt,
            failed,
            "jobs whose worker is not known were taken over"
        );
    } else {
        tracing::warn!(
            %worker, returned, in_doubt, failed, "a worker stopped beating; its jobs were taken over"
        );
    }
    for (job_id, deaths) in suspects.iter().take(SUSPECTS_TOLD_MAX) {
        tracing::warn!(%job_id, deaths, "workers die over this job again and again");
    }
    if suspects.len() > SUSPECTS_TOLD_MAX {
        let jobs = suspects.len() - SUSPECTS_TOLD_MAX;
        tracing::warn!(jobs, "they die over these others no more often");
    }
    hub.wake.claim.notify_one();
    hub.wake.relay.notify_one();
    hub.wake.pull.notify_one();
}

/// Bounded by one beat each: with the heartbeat before them they stay within a lease, so that somebody's
/// lock does not make this worker look dead. `false` where a balance is still owed.
async fn tend_within(
    hub: &Hub,
    partitions: &watch::Sender<Vec<i16>>,
    (balance, compare): (bool, bool),
    every: Duration,
) -> bool {
    let mut done = true;
    if balance {
        let balanced = self::balance(hub, partitions, ROUND_WAIT_MAX.min(every / 2));
        done = match tokio::time::timeout(every, balanced).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the balance of partitions waits");
                false
            }
            Err(_) => {
                tracing::warn!("the balance of partitions took too long");
                false
            }
        };
    }
    if compare {
        match tokio::time::timeout(every, self::compare(hub)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the comparison of owned jobs waits"),
            Err(_) => tracing::warn!("the comparison of owned jobs took too long"),
        }
    }
    done
}

/// The partitions that the relay may publish, from its next round on.
fn hold(partitions: &watch::Sender<Vec<i16>>, mine: Vec<i16>) {
    partitions.send_if_modified(|held| {
        let changed = *held != mine;
        *held = mine;
        changed
    });
}

/// Until it is known what the commit of a balance came to, the relay publishes nothing: others may
/// have what was given away.
struct Unknown<'a>(Option<&'a watch::Sender<Vec<i16>>>);

impl Drop for Unknown<'_> {
    fn drop(&mut self) {
        if let Some(partitions) = self.0 {
            hold(partitions, Vec::new());
        }
    }
}

/// Takes what is free, and gives away between two rounds of the relay: what is given must not be on its
/// way. `false` where a round took too long for that.
async fn balance(
    hub: &Hub,
    partitions: &watch::Sender<Vec<i16>>,
    round_wait_max: Duration,
) -> Result<bool, Error> {
    let between = tokio::time::timeout(round_wait_max, hub.relaying.lock()).await;
    let may_give = between.is_ok();
    let mut unknown = Unknown(Some(partitions));
    let mut mine = hub.store.balance_partitions(hub.worker(), may_give).await?;
    unknown.0 = None;
    mine.sort_unstable();
    hold(partitions, mine);
    drop(between);
    Ok(may_give)
}

/// What the database says is mine, with what runs here.
async fn compare(hub: &Hub) -> Result<(), Error> {
    hand_back_unstarted(hub).await?;
    let orphans = hub.store.rescue_orphans(&hub.operations).await?;
    if orphans != Rescued::default() {
        tell(hub, Uuid::nil(), &orphans);
    }
    Ok(())
}

async fn hand_back_unstarted(hub: &Hub) -> Result<(), Error> {
    let settled = hub.registry.settled().await;
    let owned = hub.store.owned(hub.worker()).await?;
    let unstarted: Vec<(i64, i32)> = owned
        .into_iter()
        .filter(|(_, id, run)| !hub.registry.holds(*id, *run))
        .map(|(seq, _, run)| (seq, run))
        .collect();
    drop(settled);
    let returned = hub.store.hand_back(&unstarted).await?;
    if returned > 0 {
        tracing::warn!(returned, "jobs that were never started went back to the store");
        hub.wake.claim.notify_one();
    }
    Ok(())
}

/// Host and process, for people.
pub fn worker_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    format!("{}:{}", host.trim(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(8);

    fn ids() -> (Uuid, Uuid) {
        (Uuid::from_u128(1), Uuid::from_u128(2))
    }

    fn beats(of_other: i64) -> Vec<Beat> {
        let (me, other) = ids();
        [(me, 9), (other, of_other)]
            .map(|(worker, beat)| Beat { worker, beat, publishes: true, gone: false })
            .into()
    }

    #[test]
    fn a_beat_that_stands_still_for_a_lease_is_dead() {
        let (mut seen, start) = (Observations::default(), Instant::now());
        for second in 0..8 {
            let now = start + Duration::from_secs(second);
            assert!(seen.note(ids().0, &beats(5), now, LEASE).is_empty(), "{second}");
        }
        let still = seen.note(ids().0, &beats(5), start + LEASE, LEASE);
        assert_eq!(still, [Beat { worker: ids().1, beat: 5, publishes: true, gone: false }]);
    }

    #[test]
    fn whoever_is_gone_is_dead_at_once_also_after_an_outage() {
        let (mut seen, start) = (Observations::default(), Instant::now());
        let mut beats = beats(5);
        beats[1].gone = true;
        assert_eq!(seen.note(ids().0, &beats, start, LEASE), [beats[1]]);
        seen.interrupted();
        assert_eq!(seen.note(ids().0, &beats, start, LEASE), [beats[1]]);
    }

    #[test]
    fn whoever_was_stopped_itself_begins_to_count_anew() {
        let (mut seen, start) = (Observations::default(), Instant::now());
        seen.note(ids().0, &beats(5), start, LEASE);
        let thawed = start + LEASE + Duration::from_secs(2);
        assert!(seen.note(ids().0, &beats(5), thawed, LEASE).is_empty());
        let after = |second| thawed + Duration::from_secs(second);
        for second in [2, 4, 6] {
            assert!(seen.note(ids().0, &beats(5), after(second), LEASE).is_empty(), "{second}");
        }
        assert_eq!(seen.note(ids().0, &beats(5), after(8), LEASE).len(), 1);
    }

    #[test]
    fn whoever_beat_and_was_taken_for_dead_hides_its_process() {
        let (mut seen, start) = (Observations::default(), Instant::now());
        assert!(seen.process_of_a_fresh_start(start, LEASE).is_some());
        seen.note(ids().0, &beats(5), start, LEASE);
        let after = |second| start + Duration::from_secs(second);
        assert_eq!(seen.process_of_a_fresh_start(after(2), LEASE), None);
        assert!(seen.process_of_a_fresh_start(after(9), LEASE).is_some(), "it was frozen");
    }

    #[test]
    fn the_next_look_comes_when_the_first_lease_is_over() {
        let (mut seen, start) = (Observations::default(), Instant::now());
        assert_eq!(seen.next_end(LEASE), None);
        let after = |ms| start + Duration::from_millis(ms);
        seen.note(ids().0, &beats(5), start, LEASE);
        seen.note(ids().0, &beats(6), after(1_700), LEASE);
        seen.note(ids().0, &beats(6), after(3_000), LEASE);
        assert_eq!(seen.next_end(LEASE), Some(after(1_700) + LEASE));
    }

    #[test]
    fn a_worker_that_beats_is_alive() {
        let (mut seen, start) = (Observations::default(), Instant::now());
        for second in 0..100 {
            let now = start + Duration::from_secs(u64::try_from(second).expect("small"));
            assert!(seen.note(ids().0, &beats(second / 7), now, LEASE).is_empty());
        }
    }

    #[test]
    fn after_an_outage_nobody_is_rescued_before_a_whole_lease() {
        let (mut seen, start) = (Observations::default(), Instant::now());
        seen.note(ids().0, &beats(5), start, LEASE);
        seen.interrupted();
        let back = start + Duration::from_secs(60);
        assert!(seen.note(ids().0, &beats(5), back, LEASE).is_empty());
        for second in [2, 4, 6, 7] {
            let later = back + Duration::from_secs(second);
            assert!(seen.note(ids().0, &beats(5), later, LEASE).is_empty(), "{second}");
        }
        assert_eq!(seen.note(ids().0, &beats(5), back + LEASE, LEASE).len(), 1);
    }

    #[test]
    fn a_rescue_comes_within_fifteen_seconds() {
        let lease = crate::config::LEASE_MAX;
        let beat = lease / BEATS_PER_LEASE;
        // Its last beat was just seen; then a whole lease; then the next look.
        assert!(beat + lease + beat < Duration::from_secs(15));
    }
}
