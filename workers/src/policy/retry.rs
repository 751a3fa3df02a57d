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
mod tests {
    use std::time::Duration;

    use contracts::operation::SlaSpec;

    use super::*;

    fn settings(attempts_max: u16) -> OperationSettings {
        let day = Duration::from_secs(86_400);
        OperationSettings {
            sla: SlaSpec::plain(day, day, day),
            call_timeout: Duration::from_secs(1),
            attempts_max,
            retry_base: Duration::from_millis(100),
            retry_max: Duration::from_secs(10),
        }
    }

    fn after_failure(class: Class, effect: Effect, attempts: i32, strikes: i16) -> Decision {
        let failure = Failure::new(class, "test");
        decide(&failure, effect, &settings(3), Spent { attempts, strikes }, &Chance::seeded(1))
    }

    #[test]
    fn unreachable_is_repeated_until_attempts_are_used_up() {
        assert_eq!(after_failure(Class::Unreachable, Effect::Query, 0, 0).to, State::Waiting);
        assert_eq!(after_failure(Class::Unreachable, Effect::Query, 1, 0).to, State::Waiting);
        let last = after_failure(Class::Unreachable, Effect::Query, 2, 0);
        assert_eq!((last.to, last.spends_attempt), (State::Failed, true));
    }

    #[test]
    fn a_command_whose_answer_was_lost_is_never_repeated() {
        for class in [Class::Indeterminate, Class::Contract] {
            assert_eq!(after_failure(class, Effect::Command, 0, 0).to, State::InDoubt, "{class:?}");
        }
    }

    #[test]
    fn a_broken_answer_to_a_query_is_repeated_once() {
        assert_eq!(after_failure(Class::Contract, Effect::Query, 0, 0).to, State::Waiting);
        assert_eq!(after_failure(Class::Contract, Effect::Query, 1, 1).to, State::Failed);
    }

    #[test]
    fn a_defect_before_anything_was_sent_is_repeated_once() {
        for effect in [Effect::Query, Effect::Command] {
            assert_eq!(after_failure(Class::Defect, effect, 0, 0).to, State::Waiting);
            assert_eq!(after_failure(Class::Defect, effect, 1, 1).to, State::Failed);
        }
    }

    #[test]
    fn not_now_and_denied_wait_without_spending_an_attempt() {
        for class in [Class::NotNow, Class::Denied] {
            let decision = after_failure(class, Effect::Query, 100, 0);
            assert_eq!((decision.to, decision.spends_attempt), (State::Waiting, false));
            assert_eq!(decision.hold, class == Class::Denied);
        }
    }

    #[test]
    fn refused_and_bad_requests_end_at_once() {
        assert_eq!(after_failure(Class::Refused, Effect::Query, 0, 0).to, State::Refused);
        assert_eq!(after_failure(Class::BadRequest, Effect::Query, 0, 0).to, State::Rejected);
    }
}
