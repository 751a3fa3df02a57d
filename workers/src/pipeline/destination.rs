//! One government system as this process sees it: permits for calls, and the gate of its queue.
//!
//! *Guarantee*: calls under way never exceed the permits. A job starts at once only while nothing
//! that is stored waits for the same destination, so that a newcomer does not overtake.
//!
//! *States of the gate*: open → closed when `stored_max` jobs are stored and not started (the backlog
//! then stays in RabbitMQ) → open when all of them are gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use adapters::{settings::Settings, system::Adapter};
use contracts::operation::SystemSpec;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// One government system.
pub struct Destination {
    /// Name and operations.
    pub spec: &'static SystemSpec,
    /// How it is asked.
    pub adapter: Arc<dyn Adapter>,
    /// Its settings.
    pub settings: Settings,
    permits: Arc<Semaphore>,
    backlog: AtomicBool,
    claimable: AtomicBool,
    held: AtomicBool,
    stored: AtomicUsize,
    stored_max: usize,
    gate: watch::Sender<bool>,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Destination").field("system", &self.spec.name).finish_non_exhaustive()
    }
}

impl Destination {
    /// A destination with all permits free.
    pub fn new(
        spec: &'static SystemSpec,
        adapter: Arc<dyn Adapter>,
        settings: Settings,
        stored_max: usize,
    ) -> Self {
        Self {
            spec,
            adapter,
            permits: Arc::new(Semaphore::new(settings.in_flight_max)),
            settings,
            backlog: AtomicBool::new(true),
            claimable: AtomicBool::new(true),
            held: AtomicBool::new(false),
            stored: AtomicUsize::new(0),
            stored_max,
            gate: watch::Sender::new(false),
        }
    }

    /// Whether messages wait there to be pulled, and the settings say that they are.
    pub fn is_pulled(&self) -> bool {
        self.adapter.channel().is_some() && self.settings.pull_interval_s > 0
    }

    /// A permit for a job that has just arrived: at once, or after a short wait; none while stored
    /// jobs wait.
    pub async fn permit(&self, wait: Duration) -> Option<OwnedSemaphorePermit> {
        if self.has_backlog() || self.is_held() {
            return None;
        }
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Some(permit);
        }
        let permit = tokio::time::timeout(wait, self.permits.clone().acquire_owned()).await;
        if let Ok(Ok(permit)) = permit {
            return Some(permit);
        }
        // A slow destination: store what comes instead of waiting again for each.
        self.backlog.store(true, Ordering::Relaxed);
        None
    }

    /// Up to `most` permits for stored jobs.
    pub fn permits(&self, most: usize) -> Vec<OwnedSemaphorePermit> {
        let free = self.permits.available_permits().min(most);
        (0..free).map_while(|_| self.permits.clone().try_acquire_owned().ok()).collect()
    }

    /// Whether newcomers must be stored, because stored jobs wait for a permit.
    fn has_backlog(&self) -> bool {
        self.backlog.load(Ordering::Relaxed)
    }

    /// Whether nothing may be started: our credential was rejected.
    pub fn note_held(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Whether nothing may be started.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
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

    /// The database's count of stored jobs.
    pub fn note_count(&self, count: usize) {
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
