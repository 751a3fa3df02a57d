//! The circuit breaker of one system, shared by all workers.
//!
//! ```text
//!            share of failed calls                     pause over ∧ a job is there
//!   closed ──────────────────────→ open ────────────────────────────→ half_open
//!      ↑                            ↑ └──────── pause grows ────────┐      │
//!      │                            └──── the probe failed ─────────┴──────┤
//!      └──────────────────────────── the probe was answered ───────────────┘
//!                 the probe's time is over: another one may take it (half_open → half_open)
//! ```
//!
//! *Guarantee*: pure; whoever holds the lock of the shared row makes the transitions. Each raises the
//! epoch, and what a probe learned counts only in its own epoch, so at most one probe is believed.
//!
//! *Limits*: [`SLICES`] slices of the window; times are milliseconds of the database's real clock.
//!
//! *What this does not do*: count answers that say no, break the contract or put us off: whoever
//! says so is there.

use std::time::Duration;

use contracts::{
    class::{Class, Failure},
    code,
    code::Code,
};
use serde::{Deserialize, Serialize};

use crate::chance::Chance;

/// A move that lies further in the future was made before the database's clock went back: the pause
/// that began with it would last as long as the step. Also written in the look of the store.
pub const STEPPED_BACK: Duration = Duration::from_secs(10);
/// Parts of the window that are counted apart.
pub const SLICES: i64 = 10;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Calls of so long ago count.
    pub window: Duration,
    /// Fewer calls prove nothing.
    pub calls_min: u32,
    /// It opens at this share of failed calls; 0 switches it off.
    pub failed_percent: u32,
    /// First pause.
    pub open_base: Duration,
    /// Longest pause.
    pub open_max: Duration,
}

/// Whether calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As many as the limits allow.
    Closed,
    /// None.
    Open,
    /// One, to see.
    HalfOpen,
}

impl State {
    /// The name in tables and listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    /// The value of the metric.
    pub const fn gauge(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }
}

/// Calls of one slice of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Its number: time divided by its length.
    pub at: i64,
    /// Calls that ended in it.
    pub calls: u32,
    /// Those of them that failed.
    pub failed: u32,
    /// When it leaves the window: whoever shows it does not know how long that is.
    #[serde(default)]
    pub until_ms: i64,
}

/// What a call says about their health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They are there.
    Answered,
    /// They are not, or are broken.
    Failed,
    /// Nothing was sent, or they only put us off.
    Nothing,
}

/// The shared state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Whether calls are made.
    pub state: State,
    /// Raised by every transition.
    pub epoch: i64,
    /// Openings in a row.
    pub trips: i32,
    /// When it last moved.
    pub changed_ms: Option<i64>,
    /// open: when a probe may be made; `half_open`: when it counts as lost.
    pub next_ms: Option<i64>,
    /// Calls of the window, oldest first.
    pub recent: Vec<Slice>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            epoch: 0,
            trips: 0,
            changed_ms: None,
            next_ms: None,
            recent: Vec::new(),
        }
    }
}

/// What a failure says about their health. Names every class.
pub fn verdict(failure: &Failure) -> Verdict {
    match failure.class {
        Class::Unreachable => Verdict::Failed,
        // A lost answer of a command, where the way was at fault and not what they said.
        Class::Indeterminate if LOST_ON_THE_WAY.contains(&failure.code) => Verdict::Failed,
        Class::Indeterminate | Class::Refused | Class::Denied | Class::Contract => {
            Verdict::Answered
        }
        Class::NotNow | Class::BadRequest | Class::Malformed | Class::Defect => Verdict::Nothing,
    }
}

/// Codes of [`adapters::transport::trouble::Trouble`] that speak of the way or of a broken server,
/// and the hub's own of an attempt that it had to end.
const LOST_ON_THE_WAY: [Code; 6] = [
    code!("timed_out"),
    code!("connection_cut"),
    code!("request_broken"),
    code!("server_error"),
    code!("come_later"),
    code!("no_answer_in_time"),
];

impl Breaker {
    /// Adds calls that ended; `true` where it opened.
    pub fn note(
        &mut self,
        calls: u32,
        failed: u32,
        now_ms: i64,
        rules: &Rules,
        chance: &Chance,
    ) -> bool {
        let length = (millis(rules.window) / SLICES).max(1);
        let slice = now_ms.div_euclid(length);
        self.recent.retain(|known| known.at > slice - SLICES && known.at <= slice);
        if let Some(last) = self.recent.last_mut().filter(|last| last.at == slice) {
            last.calls = last.calls.saturating_add(calls);
            last.failed = last.failed.saturating_add(failed);
        } else {
            let until_ms = slice.saturating_add(SLICES).saturating_mul(length);
            self.recent.push(Slice { at: slice, calls, failed, until_ms });
        }
        let total =
            |of: fn(&Slice) -> u32| self.recent.iter().map(|s| u64::from(of(s))).sum::<u64>();
        let (all, bad) = (total(|s| s.calls), total(|s| s.failed));
        let is_bad = rules.failed_percent > 0
            && all >= rules.calls_min.into()
            && bad * 100 >= all * u64::from(rules.failed_percent);
        if self.state != State::Closed || failed == 0 || !is_bad {
            return false;
        }
        // Whoever stayed closed for the longest pause is healthy: the pauses begin anew.
        let healthy = self.changed_ms.is_none_or(|at| now_ms - at > millis(rules.open_max));
        self.trips = if healthy { 0 } else { self.trips };
        self.open(now_ms, rules, chance);
        true
    }

    /// Whether a call may be tried now.
    pub fn wants_probe(&self, now_ms: i64) -> bool {
        let stepped_back =
            self.changed_ms.is_some_and(|at| at > now_ms.saturating_add(millis(STEPPED_BACK)));
        self.state != State::Closed && self.next_ms.is_some_and(|at| at <= now_ms || stepped_back)
    }

    /// Takes the one probe, where it is time; the epoch that its result needs.
    pub fn take_probe(&mut self, now_ms: i64, lasts: Duration) -> Option<i64> {
        if !self.wants_probe(now_ms) {
            return None;
        }
        self.moves(State::HalfOpen, now_ms, Some(now_ms.saturating_add(millis(lasts))));
        Some(self.epoch)
    }

    /// The probe of this epoch ended; `true` where that moved anything.
    pub fn end_probe(
        &mut self,
        epoch: i64,
        verdict: Verdict,
        now_ms: i64,
        rules: &Rules,
        chance: &Chance,
    ) -> bool {
        if self.state != State::HalfOpen || self.epoch != epoch {
            return false;
        }
        match verdict {
            Verdict::Answered => self.close(now_ms),
            Verdict::Failed => self.open(now_ms, rules, chance),
            // Nothing was learned: the next job may try at once.
            Verdict::Nothing => self.moves(State::Open, now_ms, Some(now_ms)),
        }
        true
    }

    /// An operator closes it.
    pub fn reset(&mut self, now_ms: i64) {
        self.trips = 0;
        self.close(now_ms);
    }

    fn close(&mut self, now_ms: i64) {
        self.recent.clear();
        self.moves(State::Closed, now_ms, None);
    }

    fn open(&mut self, now_ms: i64, rules: &Rules, chance: &Chance) {
        self.trips = self.trips.saturating_add(1);
        let doublings = u32::try_from(self.trips - 1).unwrap_or(0).min(20);
        let grown = rules.open_base.saturating_mul(1 << doublings).min(rules.open_max);
        // At least half of it: a pause of nothing protects nobody.
        let pause = grown.mul_f64(f64::midpoint(1.0, chance.fraction()));
        self.moves(State::Open, now_ms, Some(now_ms.saturating_add(millis(pause))));
    }

    fn moves(&mut self, to: State, now_ms: i64, next_ms: Option<i64>) {
        self.state = to;
        self.epoch += 1;
        self.changed_ms = Some(now_ms);
        self.next_ms = next_ms;
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
