//! What strangers send: kept where somebody can read it, but never so much that it fills the disk.
//!
//! *Guarantee*: in any minute (of real time, counted from its first row) this process stores at most
//! `inbound.unverified_per_minute` messages whose peer, sender or service is not known here; what comes
//! beyond is answered in the same way, counted (`over_limit`), and told of once a minute. What known
//! peers send is not limited by it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The limit holds for this long.
const WINDOW: Duration = Duration::from_mins(1);

/// Counts the rows of strangers.
#[derive(Debug)]
pub struct Strangers {
    rows_max: u32,
    window: Mutex<Option<Window>>,
}

/// Whether a row of a stranger is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It is.
    Free,
    /// It is not, and nobody was told in this minute.
    JustFull,
    /// It is not.
    Full,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    seen: u32,
}

impl Strangers {
    /// At most so many rows a minute.
    pub const fn new(rows_max: u32) -> Self {
        Self { rows_max, window: Mutex::new(None) }
    }

    /// Takes the place of one row.
    pub fn take(&self, now: Instant) -> Room {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let current = window.filter(|window| now.duration_since(window.began) < WINDOW);
        let Window { began, seen } = current.unwrap_or(Window { began: now, seen: 0 });
        *window = Some(Window { began, seen: seen.saturating_add(1) });
        match seen.cmp(&self.rows_max) {
            std::cmp::Ordering::Less => Room::Free,
            std::cmp::Ordering::Equal => Room::JustFull,
            std::cmp::Ordering::Greater => Room::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_have_so_many_rows_a_minute_and_the_log_is_told_once() {
        let (strangers, start) = (Strangers::new(2), Instant::now());
        let at = |seconds| strangers.take(start + Duration::from_secs(seconds));
        let taken = [at(0), at(1), at(2), at(59), at(60), at(61), at(119)];
        let (free, just) = (Room::Free, Room::JustFull);
        assert_eq!(taken, [free, free, just, Room::Full, free, free, just]);
    }

    #[test]
    fn a_limit_of_none_keeps_nothing_of_strangers() {
        assert_eq!(Strangers::new(0).take(Instant::now()), Room::JustFull);
    }
}
