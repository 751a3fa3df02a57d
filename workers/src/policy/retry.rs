//! Retries: what follows from an attempt that failed, and whether a failed job may try again.
//!
//! | question | asked | table |
//! |---|---|---|
//! | what follows from this failure? | when an attempt ends | [`decide`] |
//! | may this job try again? | before its next attempt, and once a second while retries are stopped | [`objection`] |
//!
//! *Guarantee*: pure. A first attempt, the next part of an answer, a question about a command in doubt
//! and a job that is put off or held is no retry: no policy ends it.

use std::time::Duration;

use contracts::{
    class::{Class, Failure},
    code,
    code::Code,
    operation::Effect,
    state::{Phase, State, Step, after},
};

use super::pause::full_jitter;
use crate::chance::Chance;

/// Pause of a job whose system said "not now" or rejected our credential.
pub const NOT_NOW_PAUSE: Duration = Duration::from_secs(60);
/// They may put us off for at most this long by one answer.
pub const TOLD_MAX: Duration = Duration::from_secs(3_600);
/// Broken answers (or own defects) after which a query fails, unless the settings say otherwise.
pub const STRIKES_MAX: u16 = 2;
/// Code of a job that ended because retries of its operation are stopped.
pub const DISABLED: Code = code!("retries_disabled");
/// Code of a job that ended because it is too old for another attempt.
pub const TOO_OLD: Code = code!("retry_budget_used_up");

/// How often and how long an operation is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether a failed attempt is repeated at all.
    pub enabled: bool,
    /// Attempts that spend one.
    pub attempts_max: u16,
    /// No attempt but the first after this time from admission, in business time.
    pub age_max: Option<Duration>,
    /// They could not be reached, or a query lost its answer.
    pub unreachable: Pauses,
    /// Their answer broke the contract.
    pub contract: Pauses,
    /// Our own invariant broke.
    pub defect: Pauses,
}

/// Repetitions after one class of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// First pause, before jitter.
    pub base: Duration,
    /// Longest pause, before jitter.
    pub max: Duration,
    /// Failures of this class after which the job fails; `contract` and `defect` are counted together.
    pub attempts_max: u16,
}

/// What to do with the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they do not imply one another")]
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
    /// Whether the wait is one for a retry, which the age of the job bounds.
    pub is_retry: bool,
    /// Why it ended, where that is not the failure itself.
    pub code: Option<Code>,
}

/// What was spent before this attempt.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Attempts.
    pub attempts: i32,
    /// Broken answers and defects.
    pub strikes: i16,
}

/// One failed attempt.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    /// Why.
    pub failure: &'a Failure,
    /// When they told us to come again, if they did.
    pub retry_after: Option<Duration>,
    /// Whether it was a command or a query.
    pub effect: Effect,
    /// What was spent before.
    pub spent: Spent,
    /// Whether it was made only to see whether they are there again: then it costs no attempt.
    pub probe: bool,
}

/// Decides what follows from a failure.
pub fn decide(failed: Failed<'_>, policy: &Policy, chance: &Chance) -> Decision {
    let Failed { failure, effect, spent, probe, .. } = failed;
    let class = failure.class;
    let strikes = i32::from(spent.strikes) + 1;
    let attempts = spent.attempts + i32::from(class.spends_attempt());
    let retry = |pauses: &Pauses, of_class: i32, strike: bool| {
        if !policy.enabled {
            return Decision { code: Some(DISABLED), ..end(Step::Fail, true, strike) };
        }
        let repetition = u32::try_from(attempts).unwrap_or(1).max(1);
        let pause = full_jitter(pauses.base, pauses.max, repetition, chance);
        if probe && !strike {
            return Decision { is_retry: true, ..wait(pause, false, strike) };
        }
        let most = i32::from(policy.attempts_max);
        if attempts < most && of_class < i32::from(pauses.attempts_max) {
            return Decision { is_retry: true, ..wait(pause, true, strike) };
        }
        end(Step::Fail, true, strike)
    };
    match class {
        Class::Unreachable => {
            retry(&policy.unreachable, attempts - i32::from(spent.strikes), false)
        }
        Class::NotNow => wait(put_off(failed.retry_after, chance), false, false),
        Class::Denied => Decision { hold: true, ..wait(put_off(None, chance), false, false) },
        Class::Indeterminate => end(Step::LoseOutcome, false, false),
        Class::Refused => end(Step::Refuse, false, false),
        Class::BadRequest | Class::Malformed => end(Step::Reject, false, false),
        // An answer that cannot be read leaves open whether a command was executed.
        Class::Contract if effect == Effect::Command => end(Step::LoseOutcome, true, true),
        Class::Contract => retry(&policy.contract, strikes, true),
        // A defect is our own: whoever reports one for a command knows that nothing was executed.
        Class::Defect => retry(&policy.defect, strikes, true),
    }
}

/// A job that waits or is stored, before its next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its state.
    pub state: State,
    /// What its next call does.
    pub phase: Phase,
    /// The class of the failure that it told of last.
    pub last: Option<Class>,
    /// Attempts that were spent.
    pub attempts: i32,
    /// Business time since admission.
    pub age: Duration,
}

/// Why a job may not try again; `None` where it may. Named states and classes, no wildcard.
pub fn objection(job: &Waiting, policy: &Policy) -> Option<Code> {
    let waits = match job.state {
        State::Accepted | State::Calling | State::Waiting => true,
        State::Pending
        | State::InDoubt
        | State::Succeeded
        | State::Refused
        | State::Failed
        | State::Expired
        | State::Cancelled
        | State::Rejected => false,
    };
    let sends = match job.phase {
        Phase::Send => true,
        Phase::Consent | Phase::Continue | Phase::Ask => false,
    };
    let failed = match job.last {
        Some(Class::Unreachable | Class::Contract | Class::Defect) => true,
        Some(
            Class::NotNow
            | Class::Indeterminate
            | Class::Refused
            | Class::BadRequest
            | Class::Malformed
            | Class::Denied,
        )
        | None => false,
    };
    if !(waits && sends) {
        None
    } else if failed && !policy.enabled {
        Some(DISABLED)
    } else if (failed || job.attempts > 0) && policy.age_max.is_some_and(|most| job.age >= most) {
        Some(TOO_OLD)
    } else {
        None
    }
}

/// Until they want us, and a little later, so that not all come at once.
fn put_off(retry_after: Option<Duration>, chance: &Chance) -> Duration {
    match retry_after {
        Some(told) => told.min(TOLD_MAX) + Duration::from_secs(1).mul_f64(chance.fraction()),
        None => NOT_NOW_PAUSE.mul_f64(f64::midpoint(1.0, chance.fraction())),
    }
}

fn wait(delay: Duration, spends_attempt: bool, strike: bool) -> Decision {
    Decision {
        to: State::Waiting,
        delay_ms: Some(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)),
        spends_attempt,
        strike,
        hold: false,
        is_retry: false,
        code: None,
    }
}

fn end(step: Step, spends_attempt: bool, strike: bool) -> Decision {
    // Every step used here leads somewhere from `calling`: the table of states is tested.
    let to = after(State::Calling, step).unwrap_or(State::Failed);
    Decision { to, delay_ms: None, ..wait(Duration::ZERO, spends_attempt, strike) }
}

#[cfg(test)]
mod tests;
