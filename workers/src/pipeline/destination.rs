//! One government system as this process sees it: whether it is called at all, permits for calls, and
//! the gate of its queue.
//!
//! *Guarantee*: calls under way never exceed the permits, which are this worker's share of the limit of
//! all; starts keep to the instants that were reserved for them. A job starts at once only while
//! nothing that is stored waits for the same destination, so that a newcomer does not overtake. No
//! database is asked on the way of a job: what is shared is brought here by `protect.rs`.
//!
//! *States of the gate*: open → closed when `stored_max` jobs are stored and not started (the backlog
//! then stays in RabbitMQ) → open when all of them are gone.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use adapters::{settings::Settings, system::Adapter};
use contracts::operation::SystemSpec;
use jiff::Timestamp;
use tokio::sync::watch;

use super::slots::{Slot, Slots};
use crate::{
    config::Protection,
    policy::{
        breaker::Verdict,
        limits::{Rate, Token, Tokens},
    },
    store::protection::{Block, Blocked},
    telemetry::metric::Metric,
};

/// Looked for again after this, where all instants of the next second are taken, or what was reserved
/// was over when the database had answered.
const RESERVE_AGAIN: Duration = Duration::from_millis(100);
/// Stored jobs are counted this often; in between a look asks only whether there are any.
pub const COUNT_EVERY: Duration = Duration::from_secs(5);
/// And this often while at least this part of the jobs that close the gate seem to be stored.
const COUNT_NEAR: (usize, Duration) = (2, Duration::from_secs(1));
/// A hold that ends by less than this later is no news.
pub const HOLD_STEP: Duration = Duration::from_secs(1);

/// One government system.
pub struct Destination {
    /// Name and operations.
    pub spec: &'static SystemSpec,
    /// How it is asked.
    pub adapter: Arc<dyn Adapter>,
    /// Its settings.
    pub settings: Settings,
    /// How it is protected, by this process's settings; the rate that it keeps to is the shared row's.
    pub protection: Protection,
    /// This worker's share of its limit.
    pub slots: Arc<Slots>,
    /// Whether the limit is that of all workers together.
    pub is_shared: bool,
    backlog: AtomicBool,
    claimable: AtomicBool,
    blocked: AtomicU8,
    probe_due: AtomicBool,
    announced: AtomicI64,
    holds: Mutex<[Option<Instant>; 2]>,
    hungry: AtomicBool,
    starts: Arc<Mutex<Starts>>,
    tally: Mutex<Tally>,
    stored: AtomicUsize,
    stored_max: usize,
    counted_at: Mutex<Option<Instant>>,
    gate: watch::Sender<bool>,
}

/// The right to call: a permit, and an instant to start at where the rate is limited.
#[derive(Debug)]
pub struct Permit {
    _slot: Slot,
    unused: Option<(Token, Arc<Mutex<Starts>>)>,
}

/// Instants at which calls may start.
#[derive(Debug)]
struct Starts {
    rate: Rate,
    tokens: Tokens,
    again_at: Option<Instant>,
}

/// Why a system is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It rejected our credential.
    Credential,
    /// It told us when to come again.
    Told,
}

/// Calls that ended and that nobody else knows of yet.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// All that say something.
    pub calls: u32,
    /// Those that failed.
    pub failed: u32,
    /// The code of the last one that failed.
    pub cause: Option<&'static str>,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Destination").field("system", &self.spec.name).finish_non_exhaustive()
    }
}

impl Permit {
    /// The call begins: its instant is used.
    pub fn start(&mut self) {
        self.unused = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((token, starts)) = self.unused.take() {
            locked(&starts).tokens.give_back(token);
        }
    }
}

impl Starts {
    fn at(rate: Rate) -> Self {
        Self { rate, tokens: Tokens::default(), again_at: None }
    }

    /// Another rate deals out other instants: those of the old one are given up.
    fn keep_to(&mut self, rate: Rate) {
        if self.rate != rate {
            *self = Self::at(rate);
        }
    }
}

impl Hold {
    const fn place(self) -> usize {
        match self {
            Self::Credential => 0,
            Self::Told => 1,
        }
    }
}

impl Destination {
    /// A system without permits: it has some as soon as the database has dealt them out.
    pub fn shared(
        spec: &'static SystemSpec,
        adapter: Arc<dyn Adapter>,
        settings: Settings,
        protection: Protection,
        stored_max: usize,
    ) -> Self {
        // Its own, until the shared row says what all keep to.
        let starts = Arc::new(Mutex::new(Starts::at(protection.rate)));
        Self {
            spec,
            adapter,
            slots: Slots::new(0),
            is_shared: true,
            settings,
            protection,
            backlog: AtomicBool::new(true),
            claimable: AtomicBool::new(true),
            blocked: AtomicU8::new(0),
            probe_due: AtomicBool::new(false),
            announced: AtomicI64::new(i64::MIN),
            holds: Mutex::default(),
            hungry: AtomicBool::new(false),
            starts,
            tally: Mutex::default(),
            stored: AtomicUsize::new(0),
            stored_max,
            counted_at: Mutex::default(),
            gate: watch::Sender::new(false),
        }
    }

    /// What this process does itself, with permits of its own.
    pub fn own(
        spec: &'static SystemSpec,
        adapter: Arc<dyn Adapter>,
        settings: Settings,
        stored_max: usize,
    ) -> Self {
        let slots = Slots::new(settings.in_flight_max);
        let shared = Self::shared(spec, adapter, settings, Protection::NONE, stored_max);
        Self { slots, is_shared: false, ..shared }
    }

    /// Whether messages wait there to be pulled, and the settings say that they are.
    pub fn is_pulled(&self) -> bool {
        self.adapter.channel().is_some() && self.settings.pull_interval_s > 0
    }

    /// A permit for a job that has just arrived: at once, or after a short wait; none while the system
    /// is not called or stored jobs wait.
    pub async fn permit(&self, wait: Duration) -> Option<Permit> {
        if let Some(blocked) = self.blocked() {
            self.put_off(blocked.name());
            return None;
        }
        if self.has_backlog() {
            if self.waits_for_rate(Instant::now()) {
                self.put_off("rate");
            }
            return None;
        }
        let slot = if let Some(slot) = self.slots.try_take() {
            slot
        } else if let Ok(Some(slot)) = tokio::time::timeout(wait, self.slots.take()).await {
            slot
        } else {
            // A slow destination: store what comes instead of waiting again for each.
            self.backlog.store(true, Ordering::Relaxed);
            self.note_hungry();
            self.put_off("in_flight");
            return None;
        };
        if self.blocked().is_some() {
            return None;
        }
        let permit = self.with_start(slot);
        if permit.is_none() {
            self.put_off("rate");
        }
        permit
    }

    /// Up to `most` permits for stored jobs.
    pub fn permits(&self, most: usize) -> Vec<Permit> {
        let free = self.slots.available().min(most);
        (0..free).map_while(|_| self.with_start(self.slots.try_take()?)).collect()
    }

    /// A permit with its instant, where the rate is limited.
    fn with_start(&self, slot: Slot) -> Option<Permit> {
        let mut starts = locked(&self.starts);
        if !starts.rate.is_limited() {
            return Some(Permit { _slot: slot, unused: None });
        }
        let token = starts.tokens.take(Instant::now())?;
        Some(Permit { _slot: slot, unused: Some((token, Arc::clone(&self.starts))) })
    }

    /// Whether no reserved instant has come.
    fn waits_for_rate(&self, now: Instant) -> bool {
        let starts = locked(&self.starts);
        starts.rate.is_limited() && starts.tokens.next(now).is_none_or(|at| at > now)
    }

    /// The rate that all workers keep to: whoever started last set it.
    pub fn note_rate(&self, rate: Rate) {
        locked(&self.starts).keep_to(rate);
    }

    /// How many instants should be reserved now; `None` where some are there, or none are needed.
    pub fn lacks_starts(&self, now: Instant) -> Option<usize> {
        let starts = locked(&self.starts);
        let lacks = starts.rate.is_limited()
            && starts.tokens.next(now).is_none()
            && starts.again_at.is_none_or(|at| at <= now);
        let wanted = self.stored.load(Ordering::Relaxed).max(1).min(self.slots.available());
        (lacks && wanted > 0).then(|| starts.rate.block(wanted))
    }

    /// Instants were reserved.
    pub fn note_starts(&self, block: &Block) {
        let mut starts = locked(&self.starts);
        let Block { count, first_ms, rate, asked, told } = *block;
        starts.keep_to(rate);
        starts.tokens.add(count, first_ms, rate, asked, told);
        starts.again_at = (count == 0).then(|| told + RESERVE_AGAIN);
    }

    /// What was reserved was over when the database had answered: it is asked again a little later.
    pub fn reserve_later(&self, now: Instant) {
        let mut starts = locked(&self.starts);
        if starts.tokens.next(now).is_none() {
            starts.again_at.get_or_insert(now + RESERVE_AGAIN);
        }
    }

    /// When stored jobs may be started next, where only the rate is in their way.
    pub fn next_start(&self, now: Instant) -> Option<Instant> {
        let starts = locked(&self.starts);
        let waits = starts.rate.is_limited()
            && self.is_claimable()
            && self.blocked().is_none()
            && self.slots.available() > 0;
        if waits { starts.tokens.next(now).or(starts.again_at) } else { None }
    }

    /// Counts a start that was put off.
    pub fn put_off(&self, reason: &'static str) {
        Metric::PutOff.count([("system", self.spec.name), ("reason", reason)]);
    }

    /// A job found no permit: more are asked for. A start was put off only where one was about to be
    /// made; whoever looks for permits as other calls end puts off nothing.
    pub fn note_hungry(&self) {
        self.hungry.store(true, Ordering::Relaxed);
    }

    /// Whether a job found no permit since this was last asked.
    pub fn take_hunger(&self) -> bool {
        self.hungry.swap(false, Ordering::Relaxed)
    }

    /// A call ended.
    pub fn note_call(&self, verdict: Verdict, cause: Option<&'static str>) {
        let mut tally = locked(&self.tally);
        match verdict {
            Verdict::Answered => tally.calls = tally.calls.saturating_add(1),
            Verdict::Failed => {
                tally.calls = tally.calls.saturating_add(1);
                tally.failed = tally.failed.saturating_add(1);
                tally.cause = cause;
            }
            Verdict::Nothing => {}
        }
    }

    /// The calls that ended since this was last asked.
    pub fn take_tally(&self) -> Tally {
        std::mem::take(&mut *locked(&self.tally))
    }

    /// Calls that could not be told: they are told next time.
    pub fn return_tally(&self, told: Tally) {
        let mut tally = locked(&self.tally);
        tally.calls = tally.calls.saturating_add(told.calls);
        tally.failed = tally.failed.saturating_add(told.failed);
        tally.cause = tally.cause.or(told.cause);
    }

    /// Whether newcomers must be stored, because stored jobs wait for a permit.
    fn has_backlog(&self) -> bool {
        self.backlog.load(Ordering::Relaxed)
    }

    /// Why nothing is started, or that calls are made. A hold that is over, or taken back, is known no
    /// more: the next one is written.
    pub fn block(&self, blocked: Option<Blocked>) {
        if blocked != Some(Blocked::Hold) {
            *locked(&self.holds) = [None; 2];
        }
        let code = blocked.and_then(|reason| Blocked::ALL.iter().position(|r| *r == reason));
        let code = code.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0);
        self.blocked.store(code, Ordering::Relaxed);
    }

    /// Nothing is started for that long. `true` where everybody must be told: a hundred calls under way
    /// are answered alike, and the first one tells of it for all.
    pub fn hold(&self, hold: Hold, pause: Duration, now: Instant) -> bool {
        self.block(Some(Blocked::Hold));
        let end = now + pause;
        let enough = end.checked_sub(HOLD_STEP).unwrap_or(now).max(now);
        let mut holds = locked(&self.holds);
        let known = &mut holds[hold.place()];
        if known.is_some_and(|known| known >= enough) {
            return false;
        }
        *known = Some(end);
        true
    }

    /// A hold could not be told: whoever learns of it next tells it.
    pub fn forget_hold(&self, hold: Hold) {
        locked(&self.holds)[hold.place()] = None;
    }

    /// Why nothing is started.
    pub fn blocked(&self) -> Option<Blocked> {
        let code = usize::from(self.blocked.load(Ordering::Relaxed));
        Blocked::ALL.get(code.checked_sub(1)?).copied()
    }

    /// Whether this process has told everybody of the maintenance that ends then.
    pub fn has_announced(&self, until: Timestamp) -> bool {
        self.announced.load(Ordering::Relaxed) == until.as_microsecond()
    }

    /// Everybody knows of the maintenance that ends then.
    pub fn note_announced(&self, until: Timestamp) {
        self.announced.store(until.as_microsecond(), Ordering::Relaxed);
    }

    /// Whether one call may try whether they are there again, as the last look saw it.
    pub fn note_probe(&self, due: bool) {
        self.probe_due.store(due, Ordering::Relaxed);
    }

    /// Whether that is to be tried now; asked once a look.
    pub fn is_probe_due(&self) -> bool {
        self.probe_due.swap(false, Ordering::Relaxed)
    }

    /// Whether a claim may find something.
    pub fn is_claimable(&self) -> bool {
        self.claimable.load(Ordering::Relaxed)
    }

    /// Jobs were stored. They are claimed at once where permits are free; only a claim that finds as
    /// many as it asked for leaves a backlog.
    pub fn note_stored(&self, count: usize) {
        self.claimable.store(true, Ordering::Relaxed);
        let stored = self.stored.fetch_add(count, Ordering::Relaxed) + count;
        if stored >= self.stored_max {
            self.gate.send_if_modified(|closed| !std::mem::replace(closed, true));
        }
    }

    /// A claim begins: what is stored from now on is for the next one.
    pub fn note_claiming(&self) {
        self.claimable.store(false, Ordering::Relaxed);
    }

    /// A claim found as many jobs as it asked for: more may wait.
    pub fn note_more(&self) {
        self.claimable.store(true, Ordering::Relaxed);
        self.backlog.store(true, Ordering::Relaxed);
    }

    /// A claim found fewer jobs than it asked for: nothing waits now.
    pub fn note_drained(&self) {
        self.backlog.store(false, Ordering::Relaxed);
        self.note_count(0);
    }

    /// How far the look at `now` counts stored jobs: a closed gate opens when there are none, so counting
    /// more would be for nothing.
    pub fn counts(&self, now: Instant) -> usize {
        let (part, often) = COUNT_NEAR;
        let is_near = self.stored.load(Ordering::Relaxed) >= self.stored_max / part;
        let every = if is_near { often } else { COUNT_EVERY };
        let mut counted = locked(&self.counted_at);
        let is_recent = counted.is_some_and(|at| now.saturating_duration_since(at) < every);
        if is_recent || *self.gate.borrow() {
            return 1;
        }
        *counted = Some(now);
        self.stored_max
    }

    /// A look found so many stored jobs, and counted no further than `most`.
    pub fn note_seen(&self, count: usize, most: usize) {
        if count >= most && most < self.stored_max {
            self.stored.fetch_max(count, Ordering::Relaxed);
        } else {
            self.note_count(count);
        }
        if count > 0 {
            self.note_stored(0);
        }
    }

    /// The database's count of stored jobs.
    fn note_count(&self, count: usize) {
        self.stored.store(count, Ordering::Relaxed);
        if count == 0 {
            self.gate.send_if_modified(|closed| std::mem::replace(closed, false));
        } else if count >= self.stored_max {
            self.gate.send_if_modified(|closed| !std::mem::replace(closed, true));
        }
    }

    /// Whether its queue is left alone; the consumer follows it.
    pub fn gate(&self) -> watch::Receiver<bool> {
        self.gate.subscribe()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Numbers and queues that are whole after every single operation.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
