//! Which jobs this process runs.
//!
//! *Guarantee*: a job is entered before the commit that starts it can be seen, or (for a claim, whose
//! jobs are not known before) while [`Registry::claiming`] is held. So whoever holds
//! [`Registry::settled`] and finds a job in the database that is not here knows that its call was
//! never begun by this process.
//!
//! A job may be entered several times at once: a duplicate of it is admitted while a claim starts it.
//! It stays until the last of them has left, so that a duplicate never takes a running call out.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, PoisonError},
};

use tokio::sync::{Notify, RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;

/// The jobs of this process.
#[derive(Debug, Default)]
pub struct Registry {
    /// How often each job is entered.
    jobs: Mutex<HashMap<Uuid, u32>>,
    claims: RwLock<()>,
    emptied: Notify,
}

impl Registry {
    fn jobs(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, u32>> {
        // The map is whole after every single operation, also where its holder panicked.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a job that is here already or not.
    pub fn enter(&self, id: Uuid) {
        *self.jobs().entry(id).or_insert(0) += 1;
    }

    /// Enters a job; `false` where it is here already, and then nothing is entered.
    pub fn enter_first(&self, id: Uuid) -> bool {
        match self.jobs().entry(id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(1);
                true
            }
        }
    }

    /// Takes one entry of a job back.
    pub fn leave(&self, id: Uuid) {
        let mut jobs = self.jobs();
        if let Entry::Occupied(mut entered) = jobs.entry(id) {
            *entered.get_mut() -= 1;
            if *entered.get() == 0 {
                entered.remove();
            }
        }
        if jobs.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Whether a job runs here.
    pub fn holds(&self, id: Uuid) -> bool {
        self.jobs().contains_key(&id)
    }

    /// How many jobs run here.
    pub fn len(&self) -> usize {
        self.jobs().len()
    }

    /// Whether no job runs here.
    pub fn is_empty(&self) -> bool {
        self.jobs().is_empty()
    }

    /// Held from before a claim is sent until its jobs are entered.
    pub async fn claiming(&self) -> RwLockReadGuard<'_, ()> {
        self.claims.read().await
    }

    /// Held while the database's list is compared: no claim is between commit and entry.
    pub async fn settled(&self) -> RwLockWriteGuard<'_, ()> {
        self.claims.write().await
    }

    /// Returns when no job runs here.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: Uuid = Uuid::from_u128(1);

    #[test]
    fn a_duplicate_does_not_take_a_running_call_out() {
        let registry = Registry::default();
        // A duplicate is decoded, a claim starts the job, the duplicate turns out to be known.
        assert!(registry.enter_first(JOB));
        registry.enter(JOB);
        registry.leave(JOB);
        assert!(registry.holds(JOB), "the call is under way");
        registry.leave(JOB);
        assert!(registry.is_empty());
    }

    #[test]
    fn a_job_that_runs_here_is_not_entered_by_its_duplicate() {
        let registry = Registry::default();
        registry.enter(JOB);
        assert!(!registry.enter_first(JOB));
        registry.leave(JOB);
        assert!(!registry.holds(JOB));
    }
}
