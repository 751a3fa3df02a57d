//! Which runs of jobs this process has under way.
//!
//! A run, not a job: where a job was taken from this process and started here again, the end of the
//! old run says nothing of the new one, which would else look as if it had never begun.
//!
//! *Guarantee*: a job is entered before the commit that starts it can be seen, or (for a claim, whose
//! jobs are not known before) while [`Registry::claiming`] is held. So whoever holds
//! [`Registry::settled`] and finds a job in the database that is not here knows that its call was
//! never begun by this process.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use tokio::sync::{Notify, RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;

/// The jobs of this process.
#[derive(Debug, Default)]
pub struct Registry {
    jobs: Mutex<HashSet<(Uuid, i32)>>,
    claims: RwLock<()>,
    emptied: Notify,
}

impl Registry {
    fn jobs(&self) -> std::sync::MutexGuard<'_, HashSet<(Uuid, i32)>> {
        // A set of ids is whole after every single operation, also where its holder panicked.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a run of a job; `false` where it is under way here already.
    pub fn enter(&self, id: Uuid, run: i32) -> bool {
        self.jobs().insert((id, run))
    }

    /// Removes a run.
    pub fn leave(&self, id: Uuid, run: i32) {
        let mut jobs = self.jobs();
        jobs.remove(&(id, run));
        if jobs.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Whether this run is under way here.
    pub fn holds(&self, id: Uuid, run: i32) -> bool {
        self.jobs().contains(&(id, run))
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

    #[test]
    fn the_end_of_an_old_run_leaves_the_new_one_under_way() {
        let (registry, job) = (Registry::default(), Uuid::from_u128(1));
        assert!(registry.enter(job, 1));
        assert!(!registry.enter(job, 1));
        assert!(registry.enter(job, 3));
        registry.leave(job, 1);
        assert!(registry.holds(job, 3) && !registry.holds(job, 1));
    }
}
