//! Timers of operations that this build does not know: another build fires them, people are told.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use crate::{pipeline::Hub, store::Error};

/// Between two looks for timers that this build does not know.
const UNKNOWN_LOOK_EVERY: Duration = Duration::from_mins(1);

/// Operations of other builds, each told of once.
#[derive(Default)]
pub(super) struct Unknown {
    told: HashSet<String>,
    looked: Option<Instant>,
}

impl Unknown {
    pub(super) async fn tell(&mut self, hub: &Hub, known: &[&str]) -> Result<(), Error> {
        if self.looked.is_some_and(|looked| looked.elapsed() < UNKNOWN_LOOK_EVERY) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        for operation in hub.store.unknown_due(known).await? {
            if !self.told.contains(&operation) {
                tracing::warn!(
                    operation,
                    "timers of an operation are due that this build does not know: only one that \
                     knows it fires them"
                );
                self.told.insert(operation);
            }
        }
        Ok(())
    }
}
