//! Which runs of jobs this process has under way.
//!
//! A run, not a job: where a job was taken from this process and started here again, the end of the
//! old run says nothing of the new one, which would else look as if it had never begun. And a run may
//! be entered twice at once: a duplicate is being admitted while a claim starts the job. It stays
//! until the last has left, so that a duplicate never takes a running call out.
//!
//! *Guarantee*: a job is entered before the commit that starts it can be seen, or (for a claim, whose
//! jobs are not known before) while [`Registry::claiming`] is held. So whoever holds
//! [`Registry::settled`] and finds a job in the database that is not here knows that its call was
//! never begun by this process.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, PoisonError},
};

use tokio::sync::{Notify, RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;

/// The jobs of this process.
#[derive(Debug, Default)]
pub struct Registry {
    /// How often each run is entered.
    runs: Mutex<HashMap<(Uuid, i32), u32>>,
    claims: RwLock<()>,
    emptied: Notify,
}

impl Registry {
    fn runs(&self) -> std::sync::MutexGuard<'_, HashMap<(Uuid, i32), u32>> {
        // The map is whole after every single operation, also where its holder panicked.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a run, whether it is here already or not.
    pub fn enter(&self, id: Uuid, run: i32) {
        *self.runs().entry((id, run)).or_insert(0) += 1;
    }

    /// Enters a run; `false` where it is here already, and then nothing is entered.
    pub fn enter_first(&self, id: Uuid, run: i32) -> bool {
        match self.runs().entry((id, run)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(1);
                true
            }
        }
    }

    /// Takes one entry of a run back.
    pub fn leave(&self, id: Uuid, run: i32) {
        let mut runs = self.runs();
        if let Entry::Occupied(mut entered) = runs.entry((id, run)) {
            *entered.get_mut() -= 1;
            if *entered.get() == 0 {
                entered.remove();
            }
        }
        if runs.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Whether this run is under way here.
    pub fn holds(&self, id: Uuid, run: i32) -> bool {
        self.runs().contains_key(&(id, run))
    }

    /// How many jobs run here.
    pub fn len(&self) -> usize {
        self.runs().len()
    }

    /// Whether no job runs here.
    pub fn is_empty(&self) -> bool {
        self.runs().is_empty()
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
    fn the_end_of_an_old_run_leaves_the_new_one_under_way() {
        let registry = Registry::default();
        registry.enter(JOB, 1);
        registry.enter(JOB, 3);
        registry.leave(JOB, 1);
        assert!(registry.holds(JOB, 3) && !registry.holds(JOB, 1));
    }

    #[test]
    fn a_duplicate_does_not_take_a_running_call_out() {
        let registry = Registry::default();
        // A duplicate is decoded, a claim starts the job, the duplicate turns out to be known.
        assert!(registry.enter_first(JOB, 1));
        registry.enter(JOB, 1);
        registry.leave(JOB, 1);
        assert!(registry.holds(JOB, 1), "the call is under way");
        registry.leave(JOB, 1);
        assert!(registry.is_empty());
    }

    #[test]
    fn a_job_that_runs_here_is_not_entered_by_its_duplicate() {
        let registry = Registry::default();
        registry.enter(JOB, 1);
        assert!(!registry.enter_first(JOB, 1));
        registry.leave(JOB, 1);
        assert!(!registry.holds(JOB, 1));
    }
}
