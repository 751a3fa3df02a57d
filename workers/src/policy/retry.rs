//! What follows from an attempt that failed: one table over the nine classes.

use contracts::{
    class::{Class, Failure},
    operation::Effect,
    state::{State, Step, after},
};

use super::pause::full_jitter;
use crate::{chance::Chance, config::OperationSettings};

/// Pause of a job whose system said "not now" or rejected our credential.
pub const NOT_NOW_PAUSE: std::time::Duration = std::time::Duration::from_secs(60);
/// Broken answers (or own defects) after which a query fails.
pub const STRIKES_MAX: i16 = 2;

/// What to do with the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Its next state.
    pub to: State,
    /// For `waiting`: how long.
    pub delay_ms: Option<i64>,
    /// Whether an attempt is spent.
    pub spends_attempt: bool,
    /// Whether it was a broken answer or a defect.
    pub strike: bool,
    /// Whether the whole system must be held: it rejected our credential.
    pub hold: bool,
}

/// What was spent before this attempt.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Attempts.
    pub attempts: i32,
    /// Broken answers and defects.
    pub strikes: i16,
}

/// Decides what follows from a failure.
pub fn decide(
    failure: &Failure,
    effect: Effect,
    settings: &OperationSettings,
    spent: Spent,
    chance: &Chance,
) -> Decision {
    let attempts = spent.attempts + i32::from(failure.class.spends_attempt());
    let strikes = spent.strikes + 1;
    let may_repeat = attempts < i32::from(settings.attempts_max);
    let repetition = u32::try_from(attempts).unwrap_or(1).max(1);
    let grown = || full_jitter(settings.retry_base, settings.retry_max, repetition, chance);
    match failure.class {
        Class::Unreachable if may_repeat => wait(grown(), true, false),
        Class::Unreachable => end(Step::Fail, true, false),
        Class::NotNow => {
            wait(NOT_NOW_PAUSE.mul_f64(f64::midpoint(1.0, chance.fraction())), false, false)
        }
        Class::Denied => Decision { hold: true, ..wait(NOT_NOW_PAUSE, false, false) },
        Class::Indeterminate => end(Step::LoseOutcome, false, false),
        Class::Refused => end(Step::Refuse, false, false),
        Class::BadRequest | Class::Malformed => end(Step::Reject, false, false),
        // An answer that cannot be read leaves open whether a command was executed.
        Class::Contract if effect == Effect::Command => end(Step::LoseOutcome, true, true),
        // A defect is our own: whoever reports one for a command knows that nothing was executed.
        Class::Contract | Class::Defect if strikes < STRIKES_MAX && may_repeat => {
            wait(grown(), true, true)
        }
        Class::Contract | Class::Defect => end(Step::Fail, true, true),
    }
}

fn wait(delay: std::time::Duration, spends_attempt: bool, strike: bool) -> Decision {
    Decision {
        to: State::Waiting,
        delay_ms: Some(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)),
        spends_attempt,
        strike,
        hold: false,
    }
}

fn end(step: Step, spends_attempt: bool, strike: bool) -> Decision {
    // Every step used here leads somewhere from `calling`: the table of states is tested.
    let to = after(State::Calling, step).unwrap_or(State::Failed);
    Decision { to, delay_ms: None, spends_attempt, strike, hold: false }
}

#[cfg(test)]
mod tests;
