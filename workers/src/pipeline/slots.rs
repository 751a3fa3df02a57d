//! Permits for calls: this worker's share of a system's limit.
//!
//! *Guarantee*: permits in existence, free or in use, never exceed what was leased. A share that
//! shrinks takes free permits at once; those in use are taken when they come back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permits of one system in this process.
#[derive(Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Permits in existence.
    issued: usize,
    /// Those of them that are taken when they come back.
    owed: usize,
}

/// The right to make one call.
#[derive(Debug)]
pub struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    slots: Arc<Slots>,
}

impl Slots {
    /// With so many permits, all free.
    pub fn new(count: usize) -> Arc<Self> {
        let counts = Mutex::new(Counts { issued: count, owed: 0 });
        Arc::new(Self { free: Arc::new(Semaphore::new(count)), counts })
    }

    /// A permit, where one is free.
    pub fn try_take(self: &Arc<Self>) -> Option<Slot> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Slot { permit: Some(permit), slots: Arc::clone(self) })
    }

    /// A permit, when one comes free.
    pub async fn take(self: &Arc<Self>) -> Option<Slot> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(Slot { permit: Some(permit), slots: Arc::clone(self) })
    }

    /// Free permits.
    pub fn available(&self) -> usize {
        self.free.available_permits()
    }

    /// Permits in existence.
    pub fn issued(&self) -> usize {
        self.counts().issued
    }

    /// Permits in use.
    pub fn in_use(&self) -> usize {
        let counts = self.counts();
        counts.issued.saturating_sub(self.free.available_permits())
    }

    /// Brings the permits to this number, as far as they are not in use; returns how many there are.
    pub fn resize(&self, to: usize) -> usize {
        let mut counts = self.counts();
        if to >= counts.issued {
            self.free.add_permits(to - counts.issued);
            *counts = Counts { issued: to, owed: 0 };
        } else {
            let surplus = counts.issued - to;
            let taken = self.free.forget_permits(surplus);
            counts.issued -= taken;
            counts.owed = surplus - taken;
        }
        counts.issued
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Two numbers that are right after every statement.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut counts = self.slots.counts();
        if counts.owed > 0 {
            counts.owed -= 1;
            counts.issued -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_shrinks_takes_free_permits_at_once_and_others_when_they_come_back() {
        let slots = Slots::new(4);
        let busy: Vec<Slot> = (0..3).filter_map(|_| slots.try_take()).collect();
        assert_eq!(slots.resize(1), 3, "one was free");
        assert!(slots.try_take().is_none());
        let mut busy = busy.into_iter();
        drop(busy.next());
        assert_eq!((slots.issued(), slots.available()), (2, 0), "it did not become free");
        drop(busy.next());
        assert_eq!((slots.issued(), slots.available()), (1, 0));
        drop(busy.next());
        assert_eq!((slots.issued(), slots.available()), (1, 1), "the last one stays");
    }

    #[test]
    fn what_is_owed_is_forgiven_when_the_share_grows_again() {
        let slots = Slots::new(2);
        let busy: Vec<Slot> = (0..2).filter_map(|_| slots.try_take()).collect();
        assert_eq!(slots.resize(0), 2);
        assert_eq!(slots.resize(3), 3);
        assert_eq!(slots.in_use(), 2);
        drop(busy);
        assert_eq!((slots.issued(), slots.available()), (3, 3));
    }
}
