//! The nine classes of failure, and what an adapter says about one.
//!
//! An adapter decides the class in its `failures.rs`; the hub decides what happens next from the
//! class alone. Classes are closed: every match names all of them.

use serde::{Deserialize, Serialize};

use crate::code::Code;

/// What a failure means for the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Failed before the request left, or a *query* lost its answer or got a 5xx without a fault.
    Unreachable,
    /// Throttled, breaker open or announced maintenance: wait, spend no attempt.
    NotNow,
    /// A *command* was sent and its answer was lost: it may have been executed.
    Indeterminate,
    /// They understood and said no.
    Refused,
    /// The portal's message breaks a contract or a domain rule; nothing was sent.
    BadRequest,
    /// The portal's message cannot be decoded at all.
    Malformed,
    /// Our certificate or credential was rejected.
    Denied,
    /// Their answer cannot be understood or contradicts itself.
    Contract,
    /// One of our own invariants broke.
    Defect,
}

impl Class {
    /// All classes, for metrics that exist at zero from the start.
    pub const ALL: [Self; 9] = [
        Self::Unreachable,
        Self::NotNow,
        Self::Indeterminate,
        Self::Refused,
        Self::BadRequest,
        Self::Malformed,
        Self::Denied,
        Self::Contract,
        Self::Defect,
    ];

    /// The name in metrics, logs and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NotNow => "not_now",
            Self::Indeterminate => "indeterminate",
            Self::Refused => "refused",
            Self::BadRequest => "bad_request",
            Self::Malformed => "malformed",
            Self::Denied => "denied",
            Self::Contract => "contract",
            Self::Defect => "defect",
        }
    }

    /// Whether the attempt counts against the job's budget of attempts.
    pub const fn spends_attempt(self) -> bool {
        match self {
            Self::Unreachable | Self::Contract | Self::Defect => true,
            Self::NotNow
            | Self::Indeterminate
            | Self::Refused
            | Self::BadRequest
            | Self::Malformed
            | Self::Denied => false,
        }
    }
}

/// Their error code as they sent it, cut down to what may be logged.
///
/// *Limits*: at most [`RemoteCode::CHARS_MAX`] characters of `A-Za-z0-9_.:-`; a code with more
/// than six digits is masked, because a misbehaving peer may put a person's number where a code belongs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteCode(String);

impl RemoteCode {
    /// Longer codes are cut.
    pub const CHARS_MAX: usize = 40;
    const DIGITS_MAX: usize = 6;

    /// Reads a code from outside.
    pub fn new(text: &str) -> Self {
        let clean: String = text
            .trim()
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "_.:-".contains(*c))
            .take(Self::CHARS_MAX)
            .collect();
        let digits = clean.chars().filter(char::is_ascii_digit).count();
        if clean.is_empty() {
            Self("none".to_owned())
        } else if digits > Self::DIGITS_MAX {
            Self("masked".to_owned())
        } else {
            Self(clean)
        }
    }

    /// The code, safe to log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A reason in the two languages of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Localised {
    /// Russian.
    pub ru: &'static str,
    /// Kazakh.
    pub kk: &'static str,
}

/// What an adapter learned when an attempt did not end in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub class: Class,
    /// Our stable name for the cause, for example `not_sent`; explained in `contracts/CODES.md`.
    pub code: Code,
    /// Their code, when they sent one.
    pub remote_code: Option<RemoteCode>,
    /// What the portal may show to a person.
    pub reason: Option<Localised>,
}

impl Failure {
    /// A failure without their code or a reason for the person.
    pub const fn new(class: Class, code: Code) -> Self {
        Self { class, code, remote_code: None, reason: None }
    }

    /// Adds the code that they sent.
    #[must_use]
    pub fn with_remote(mut self, code: &str) -> Self {
        self.remote_code = Some(RemoteCode::new(code));
        self
    }

    /// Adds the words for a person.
    #[must_use]
    pub const fn with_reason(mut self, reason: Localised) -> Self {
        self.reason = Some(reason);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_hidden_in_a_remote_code_is_masked() {
        assert_eq!(RemoteCode::new("IIN 850100300012").as_str(), "masked");
        assert_eq!(RemoteCode::new("850-100-300-012").as_str(), "masked");
        assert_eq!(RemoteCode::new("SCSE-001").as_str(), "SCSE-001");
        assert_eq!(RemoteCode::new(" <b>Ошибка</b> ").as_str(), "bb");
        assert_eq!(RemoteCode::new("Ошибка").as_str(), "none");
        assert_eq!(RemoteCode::new(&"x".repeat(1_000)).as_str().len(), RemoteCode::CHARS_MAX);
    }

    #[test]
    fn class_names_are_unique() {
        let names: std::collections::BTreeSet<_> = Class::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Class::ALL.len());
    }
}
