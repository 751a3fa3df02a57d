//! Pauses that grow and are jittered.
//!
//! The only user of the crate `backoff`, which is no longer maintained (RUSTSEC-2025-0012): it grows
//! the interval; the jitter is ours, from the injected chance.

use std::time::Duration;

use backoff::{ExponentialBackoff, ExponentialBackoffBuilder, backoff::Backoff};

use crate::chance::Chance;

/// First pause of a reconnection, before jitter.
pub const RECONNECT_FIRST: Duration = Duration::from_millis(200);
/// Longest pause of a reconnection, before jitter.
pub const RECONNECT_MAX: Duration = Duration::from_secs(5);
const GROWTH: f64 = 2.0;

fn growing(first: Duration, max: Duration) -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_interval(first.min(max))
        .with_max_interval(max)
        .with_multiplier(GROWTH)
        .with_randomization_factor(0.0)
        .with_max_elapsed_time(None)
        .build()
}

/// The pause before the attempt with this number (1 is the first repetition): full jitter, that is
/// anything between zero and the grown interval.
pub fn full_jitter(first: Duration, max: Duration, repetition: u32, chance: &Chance) -> Duration {
    let mut backoff = growing(first, max);
    let mut interval = first.min(max);
    // Past 32 doublings every interval is the longest.
    for _ in 0..repetition.clamp(1, 32) {
        interval = backoff.next_backoff().unwrap_or(max);
    }
    interval.mul_f64(chance.fraction())
}

/// A pause between three quarters and five quarters of what is meant.
pub fn jittered(pause: Duration, chance: &Chance) -> Duration {
    pause.mul_f64(0.75 + 0.5 * chance.fraction())
}

/// Pauses between attempts to reconnect: between half and the whole of the grown interval.
#[derive(Debug)]
pub struct Pause {
    backoff: ExponentialBackoff,
    chance: Chance,
}

impl Pause {
    /// For connections.
    pub fn reconnecting(chance: Chance) -> Self {
        Self { backoff: growing(RECONNECT_FIRST, RECONNECT_MAX), chance }
    }

    /// The next pause.
    #[expect(clippy::should_implement_trait, reason = "not an iterator: it never ends")]
    pub fn next(&mut self) -> Duration {
        let interval = self.backoff.next_backoff().unwrap_or(RECONNECT_MAX);
        interval.mul_f64(f64::midpoint(1.0, self.chance.fraction()))
    }

    /// Back to the first pause, after a success.
    pub fn reset(&mut self) {
        self.backoff.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_jitter_stays_between_zero_and_the_grown_interval() {
        let chance = Chance::seeded(3);
        let (first, max) = (Duration::from_millis(500), Duration::from_secs(60));
        for repetition in 1..60 {
            let grown = first.saturating_mul(1 << (repetition - 1).min(20)).min(max);
            let drawn: Vec<_> =
                (0..50).map(|_| full_jitter(first, max, repetition, &chance)).collect();
            assert!(drawn.iter().all(|pause| *pause <= grown), "{repetition}");
            // Spread over the whole interval: both halves are drawn.
            assert!(drawn.iter().any(|pause| *pause < grown / 2), "{repetition}");
            assert!(drawn.iter().any(|pause| *pause > grown / 2), "{repetition}");
        }
    }

    #[test]
    fn the_cap_holds_and_is_reached() {
        let chance = Chance::seeded(4);
        let max = Duration::from_secs(2);
        let most =
            (0..500).map(|_| full_jitter(Duration::from_millis(500), max, 40, &chance)).max();
        assert!(most.is_some_and(|most| most > Duration::from_secs(1) && most <= max));
    }

    #[test]
    fn reconnecting_starts_small_and_begins_again_after_a_success() {
        let mut pause = Pause::reconnecting(Chance::seeded(5));
        let first = pause.next();
        assert!(first <= RECONNECT_FIRST && first >= RECONNECT_FIRST / 2);
        for _ in 0..20 {
            assert!(pause.next() <= RECONNECT_MAX);
        }
        pause.reset();
        assert!(pause.next() <= RECONNECT_FIRST);
    }
}
