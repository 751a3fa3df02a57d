//! Which jobs this process runs.
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
    jobs: Mutex<HashSet<Uuid>>,
    claims: RwLock<()>,
    emptied: Notify,
}

impl Registry {
    fn jobs(&self) -> std::sync::MutexGuard<'_, HashSet<Uuid>> {
        // A set of ids is whole after every single operation, also where its holder panicked.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a job; `false` where it runs here already.
    pub fn enter(&self, id: Uuid) -> bool {
        self.jobs().insert(id)
    }

    /// Removes a job.
    pub fn leave(&self, id: Uuid) {
        let mut jobs = self.jobs();
        jobs.remove(&id);
        if jobs.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Whether a job runs here.
    pub fn holds(&self, id: Uuid) -> bool {
        self.jobs().contains(&id)
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
