//! Track numbers of the post: UPU S10, thirteen characters with a check digit (kazpost §8, D23).
//!
//! *Guarantee*: a value of this type has the form `AA999999999AA` and the right check digit.
//!
//! *What this does not do*: the two letters in front are not compared with the standard's lists:
//! Kazpost uses ones that the standard reserves (`KZ…KZ`). Nor is the country: a foreign parcel may
//! be followed too.
//!
//! A number opens the names and addresses of its parcel to anybody who types it into Kazpost's page
//! (kazpost §6), so it does not print.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

const CHARS: usize = 13;
const WEIGHTS: [u32; 8] = [8, 6, 4, 2, 3, 5, 9, 7];

/// Why a text is no track number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrackError {
    /// Not two capital letters, nine digits and two capital letters.
    #[error("must be two letters, nine digits and two letters")]
    Form,
    /// The ninth digit is not the check digit of the first eight.
    #[error("the check digit is wrong")]
    CheckDigit,
}

/// A track number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackNumber(String);

/// The check digit of a serial number of eight digits.
pub fn check_digit(serial: &[u8; 8]) -> u8 {
    let total: u32 = serial.iter().zip(WEIGHTS).map(|(d, w)| u32::from(*d) * w).sum();
    match 11 - total % 11 {
        10 => 0,
        11 => 5,
        digit => u8::try_from(digit).unwrap_or(0),
    }
}

impl TrackNumber {
    /// The number: for the wire, the portal's table and its link, nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrackNumber {
    type Err = TrackError;

    /// Reads a number; blanks around it are not part of it.
    fn from_str(text: &str) -> Result<Self, TrackError> {
        let text = text.trim();
        let bytes: &[u8; CHARS] = text.as_bytes().try_into().map_err(|_| TrackError::Form)?;
        let (letters, rest) = bytes.split_at(2);
        let (digits, country) = rest.split_at(9);
        let is_form = letters.iter().chain(country).all(u8::is_ascii_uppercase)
            && digits.iter().all(u8::is_ascii_digit);
        if !is_form {
            return Err(TrackError::Form);
        }
        let mut serial = [0_u8; 8];
        for (to, from) in serial.iter_mut().zip(digits) {
            *to = from - b'0';
        }
        if check_digit(&serial) == digits[8] - b'0' {
            Ok(Self(text.to_owned()))
        } else {
            Err(TrackError::CheckDigit)
        }
    }
}

impl fmt::Debug for TrackNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrackNumber(*************)")
    }
}

impl<'de> Deserialize<'de> for TrackNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: TrackError| de::Error::custom(error))
    }
}

impl JsonSchema for TrackNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TrackNumber".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[A-Z]{2}[0-9]{9}[A-Z]{2}$",
            "format": "s10",
            "description": "Track number, UPU S10: two letters, nine digits of which the last is \
                the check digit, two letters",
        })
    }
}

#[cfg(test)]
mod tests;
