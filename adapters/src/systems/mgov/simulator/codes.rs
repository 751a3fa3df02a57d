//! The codes that were sent: each lives for a while, may be typed a few times, and opens once.
//!
//! *Limits*: the last [`CODES_MAX`] codes; older ones are unknown.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

/// Codes that are known.
pub(super) const CODES_MAX: usize = 100_000;
/// How often a code may be typed.
const ATTEMPTS: u8 = 3;

/// How long a code lives.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// All codes.
#[derive(Default)]
pub(super) struct Codes {
    by_id: HashMap<String, Code>,
    /// The newest code of each sending.
    by_request: HashMap<String, String>,
    order: VecDeque<String>,
}

struct Code {
    iin: String,
    request: String,
    digits: String,
    ends_at: Timestamp,
    attempts_left: u8,
    is_used: bool,
}

/// What becomes of digits that were typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    Right,
    Wrong { left: u8 },
    TooOld,
    TooOften,
    Again,
    NeverSent,
}

/// Which code digits were typed for.
pub(super) enum Of<'a> {
    Id(&'a str),
    Request(&'a str),
}

impl Codes {
    /// A code was sent.
    pub(super) fn add(
        &mut self,
        id: &str,
        iin: &str,
        request: &str,
        digits: &str,
        ends_at: Timestamp,
    ) {
        if self.order.len() == CODES_MAX {
            self.forget_oldest();
        }
        let code = Code {
            iin: iin.to_owned(),
            request: request.to_owned(),
            digits: digits.to_owned(),
            ends_at,
            attempts_left: ATTEMPTS,
            is_used: false,
        };
        self.by_id.insert(id.to_owned(), code);
        self.by_request.insert(request.to_owned(), id.to_owned());
        self.order.push_back(id.to_owned());
    }

    /// Digits were typed.
    pub(super) fn try_digits(
        &mut self,
        of: &Of<'_>,
        iin: &str,
        digits: &str,
        now: Timestamp,
    ) -> Tried {
        let id = match of {
            Of::Id(id) => Some((*id).to_owned()),
            Of::Request(request) => self.by_request.get(*request).cloned(),
        };
        let code = id.and_then(|id| self.by_id.get_mut(&id)).filter(|code| code.iin == iin);
        let Some(code) = code else { return Tried::NeverSent };
        if code.is_used {
            return Tried::Again;
        }
        if now >= code.ends_at {
            return Tried::TooOld;
        }
        if code.attempts_left == 0 {
            return Tried::TooOften;
        }
        if code.digits == digits {
            code.is_used = true;
            return Tried::Right;
        }
        code.attempts_left -= 1;
        Tried::Wrong { left: code.attempts_left }
    }

    fn forget_oldest(&mut self) {
        let Some(id) = self.order.pop_front() else { return };
        let Some(code) = self.by_id.remove(&id) else { return };
        if self.by_request.get(&code.request) == Some(&id) {
            self.by_request.remove(&code.request);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IIN: &str = "850100300012";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    #[test]
    fn the_oldest_code_is_forgotten_when_there_are_too_many() {
        let mut codes = Codes::default();
        for n in 0..=CODES_MAX {
            codes.add(&format!("otp-{n}"), IIN, &format!("send-{n}"), "0042", at(300));
        }
        assert_eq!(codes.by_id.len(), CODES_MAX);
        let tried = codes.try_digits(&Of::Request("send-0"), IIN, "0042", at(0));
        assert_eq!(tried, Tried::NeverSent);
        assert_eq!(codes.try_digits(&Of::Id("otp-1"), IIN, "0042", at(0)), Tried::Right);
    }
}
