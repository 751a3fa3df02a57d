//! How often a system is pulled from because jobs of it are past their give-up time.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Between two pulls of a system that are made because jobs are past their give-up time: the first
/// for a job, and the further ones, after pulls that failed.
pub(super) const PULL_EVERY: [Duration; 2] = [Duration::from_secs(5), Duration::from_mins(1)];

/// When each system was last pulled from because jobs are past their give-up time.
#[derive(Default)]
pub(super) struct Pulls(HashMap<String, Instant>);

impl Pulls {
    /// Whether it may be again, by the real time that it is `now`; if so, it counts as done.
    pub(super) fn may(&mut self, system: &str, is_first: bool, now: Instant) -> bool {
        let every = if is_first { PULL_EVERY[0] } else { PULL_EVERY[1] };
        let last = self.0.get(system);
        if last.is_some_and(|last| now.saturating_duration_since(*last) < every) {
            return false;
        }
        self.0.insert(system.to_owned(), now);
        true
    }
}
