//! How long a code lives, and what may be done with it (D5): settings, because the manuals do not
//! say.
//!
//! The number of digits is none: the manual does say (000 step 2.5), and the published schemas of a
//! consent and of `mgov.verify_code` hold it.

use std::time::Duration;

use crate::{
    settings::{Form, OptionSpec, Settings},
    system::ConnectError,
};

/// Digits of a code (D4).
pub const CODE_DIGITS: usize = 4;

const LIFETIME: &str = "code_lifetime_s";
const ATTEMPTS: &str = "code_attempts";
const RESEND: &str = "resend_after_s";

/// The settings that only this system has.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: LIFETIME, default: Some("300"), form: Form::Number },
    OptionSpec { name: ATTEMPTS, default: Some("3"), form: Form::Number },
    OptionSpec { name: RESEND, default: Some("60"), form: Form::Number },
];

/// What may be done with a code (D5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRules {
    /// How long a code lives at most, in business time from its sending.
    pub lifetime: Duration,
    /// How many times it may be typed.
    pub attempts: u8,
    /// Business time before the next code for the same person and check.
    pub resend_after: Duration,
}

impl CodeRules {
    /// Takes the rules from the system's section, where it sets them.
    pub fn read(settings: &Settings) -> Result<Self, ConnectError> {
        let seconds = |option, range| number(settings, option, range).map(Duration::from_secs);
        let attempts = number(settings, ATTEMPTS, 1..=9)?;
        let rules = Self {
            lifetime: seconds(LIFETIME, 30..=3_600)?,
            attempts: u8::try_from(attempts).unwrap_or(u8::MAX),
            resend_after: seconds(RESEND, 0..=3_600)?,
        };
        if rules.resend_after > rules.lifetime {
            return Err(wrong(RESEND));
        }
        Ok(rules)
    }
}

fn number(
    settings: &Settings,
    option: &'static str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, ConnectError> {
    let default = OPTIONS.iter().find(|spec| spec.name == option).and_then(|spec| spec.default);
    let text = settings.option(option).or(default).unwrap_or_default();
    text.parse().ok().filter(|value| range.contains(value)).ok_or_else(|| wrong(option))
}

fn wrong(option: &'static str) -> ConnectError {
    let text = match option {
        LIFETIME => "a number of seconds from 30 to 3600",
        ATTEMPTS => "a number from 1 to 9",
        _ => "a number of seconds up to code_lifetime_s",
    };
    ConnectError::Option { system: super::SPEC.name, option, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<CodeRules, ConnectError> {
        let options = options.iter().map(|(name, text)| ((*name).to_owned(), (*text).into()));
        let settings =
            Settings { options: options.collect(), ..Settings::for_url("http://127.0.0.1:1/") };
        CodeRules::read(&settings)
    }

    #[test]
    fn d5_a_code_lives_five_minutes_allows_three_attempts_and_a_resend_after_one() {
        let rules = read(&[]).expect("defaults");
        let expected = CodeRules {
            lifetime: Duration::from_mins(5),
            attempts: 3,
            resend_after: Duration::from_mins(1),
        };
        assert_eq!(rules, expected);
    }

    #[test]
    fn the_rules_can_be_set() {
        let rules = read(&[(LIFETIME, " 120 "), (ATTEMPTS, "5"), (RESEND, "0")]).expect("in range");
        assert_eq!((rules.lifetime.as_secs(), rules.attempts), (120, 5));
        assert!(rules.resend_after.is_zero());
    }

    #[test]
    fn rules_that_cannot_work_are_found_at_the_start() {
        for options in [
            &[(LIFETIME, "0")][..],
            &[(LIFETIME, "five")],
            &[(ATTEMPTS, "0")],
            &[(ATTEMPTS, "10")],
            &[(RESEND, "-1")],
            &[(LIFETIME, "60"), (RESEND, "61")],
        ] {
            let error = read(options).expect_err("out of range").to_string();
            let (name, _) = options.last().expect("one");
            assert!(error.starts_with(&format!("systems.mgov.{name}: a number")), "{error}");
        }
    }
}
