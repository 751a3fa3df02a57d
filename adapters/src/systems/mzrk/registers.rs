//! What is known of a person, register by register (D8).
//!
//! *Guarantee*: there is a verdict only when both registers answered. What is learned is never
//! unlearned: an answer that differs from an earlier one is a contradiction.

use contracts::verdict::Verdict;
use serde::{Deserialize, Serialize};

use super::failures::Cause;

/// A register that is always asked. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    /// Of the narcological organisations.
    Narcology,
    /// Of the psychoneurological organisations.
    Psychiatry,
}

impl Register {
    /// Both, in the order in which they are asked.
    pub(super) const ALL: [Self; 2] = [Self::Narcology, Self::Psychiatry];

    /// Our name: in events and in what an attempt leaves for the next one.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Narcology => "narcology",
            Self::Psychiatry => "psychiatry",
        }
    }
}

/// What is known so far: for each register whether the person is on record, and nothing else (D11).
/// Kept between the attempts of a job. Personal: does not print.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    narcology: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    psychiatry: Option<bool>,
    /// Answers that left a register open.
    pub(super) partial_answers: u32,
}

impl Known {
    /// Whether the person is on record, where the register answered.
    pub(super) const fn of(&self, register: Register) -> Option<bool> {
        match register {
            Register::Narcology => self.narcology,
            Register::Psychiatry => self.psychiatry,
        }
    }

    /// Takes what a register says.
    pub(super) fn learn(&mut self, register: Register, on_record: bool) -> Result<(), Cause> {
        let known = match register {
            Register::Narcology => &mut self.narcology,
            Register::Psychiatry => &mut self.psychiatry,
        };
        if known.replace(on_record).is_some_and(|earlier| earlier != on_record) {
            return Err(Cause::Contradiction);
        }
        Ok(())
    }

    /// The registers that did not answer yet.
    pub(super) fn missing(&self) -> impl Iterator<Item = Register> {
        Register::ALL.into_iter().filter(|register| self.of(*register).is_none())
    }

    /// The verdict, where both answered.
    pub(super) fn verdict(&self) -> Verdict {
        match (self.narcology, self.psychiatry) {
            (Some(false), Some(false)) => Verdict::Clear,
            (Some(_), Some(_)) => Verdict::Found,
            (None, _) | (_, None) => Verdict::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(narcology: Option<bool>, psychiatry: Option<bool>) -> Known {
        Known { narcology, psychiatry, partial_answers: 0 }
    }

    #[test]
    fn d8_only_two_answers_decide_a_verdict() {
        for (narcology, psychiatry, verdict) in [
            (Some(false), Some(false), Verdict::Clear),
            (Some(true), Some(false), Verdict::Found),
            (Some(false), Some(true), Verdict::Found),
            (Some(true), Some(true), Verdict::Found),
            (Some(false), None, Verdict::Unknown),
            (Some(true), None, Verdict::Unknown),
            (None, Some(false), Verdict::Unknown),
            (None, Some(true), Verdict::Unknown),
            (None, None, Verdict::Unknown),
        ] {
            assert_eq!(known(narcology, psychiatry).verdict(), verdict);
        }
    }

    #[test]
    fn what_was_learned_is_never_unlearned() {
        let mut known = Known::default();
        assert_eq!(known.learn(Register::Narcology, false), Ok(()));
        assert_eq!(known.learn(Register::Narcology, false), Ok(()));
        assert_eq!(known.learn(Register::Narcology, true), Err(Cause::Contradiction));
        assert_eq!(known.missing().collect::<Vec<_>>(), [Register::Psychiatry]);
    }

    #[test]
    fn only_names_and_flags_are_left_for_the_next_attempt() {
        let left = serde_json::to_value(known(None, Some(true))).expect("JSON");
        assert_eq!(left, serde_json::json!({ "psychiatry": true, "partial_answers": 0 }));
        for text in ["null", "{}", r#"{"partial_answers":1,"tuberculosis":true}"#] {
            assert!(serde_json::from_str::<Known>(text).is_err(), "{text}");
        }
    }
}
