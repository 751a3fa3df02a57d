//! IIN and BIN: the twelve digits that name a person or an organisation.
//!
//! Both carry the same two-pass check digit (gov-services §9.2). The date inside an IIN is *not*
//! checked: officially a mismatch with the date of birth is not an error (gov-services §9.1, D22).
//!
//! *Guarantee*: a value of these types has twelve digits and the right check digit, and prints as
//! stars.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// How many digits an IIN or a BIN has.
pub const NUMBER_DIGITS: usize = 12;

const WEIGHTS_FIRST: [u32; 11] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const WEIGHTS_SECOND: [u32; 11] = [3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2];

/// Why twelve characters are not an IIN or a BIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not exactly twelve ASCII digits.
    #[error("must be exactly 12 digits")]
    NotTwelveDigits,
    /// The last digit is not the check digit of the first eleven.
    #[error("the check digit is wrong")]
    CheckDigit,
    /// Digit 5 says the other kind of number: 0-3 is an IIN, 4-6 is a BIN.
    #[error("digit 5 does not fit this kind of number (0-3: IIN, 4-6: BIN)")]
    Kind,
}

/// Individual identification number of a person (ИИН).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Iin(String);

/// Business identification number of an organisation (БИН).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bin(String);

/// The check digit of eleven digits, or `None` where no number with this beginning can exist.
pub fn check_digit(first_eleven: &[u8; 11]) -> Option<u8> {
    let sum = |weights: &[u32; 11]| {
        let total: u32 = first_eleven.iter().zip(weights).map(|(d, w)| u32::from(*d) * w).sum();
        u8::try_from(total % 11).unwrap_or(u8::MAX)
    };
    match sum(&WEIGHTS_FIRST) {
        10 => Some(sum(&WEIGHTS_SECOND)).filter(|digit| *digit < 10),
        digit => Some(digit),
    }
}

fn check(text: &str, kind: std::ops::RangeInclusive<u8>) -> Result<(), NumberError> {
    let digits: [u8; NUMBER_DIGITS] =
        text.as_bytes().try_into().map_err(|_| NumberError::NotTwelveDigits)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::NotTwelveDigits);
    }
    let mut first = [0_u8; 11];
    for (to, from) in first.iter_mut().zip(digits) {
        *to = from - b'0';
    }
    if check_digit(&first) != Some(digits[11] - b'0') {
        return Err(NumberError::CheckDigit);
    }
    if kind.contains(&first[4]) { Ok(()) } else { Err(NumberError::Kind) }
}

impl Iin {
    /// The digits: for the wire and the portal's table only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The `n`-th synthetic IIN: day 00, so it belongs to nobody, and a right check digit
    /// (gov-services §9.4). Different `n` below 200 000 give different numbers.
    pub fn synthetic(n: u32) -> Self {
        // Serials whose both passes give 10 do not exist; the month moves on to find one that does.
        for skip in 0.. {
            let (year, serial) = ((n / 10_000) % 20 + 60, n % 10_000);
            let (month, sex) = (1 + (n + skip) % 12, 3 + (n + skip) / 12 % 2);
            let eleven = format!("{year:02}{month:02}00{sex}{serial:04}");
            let mut digits = [0_u8; 11];
            for (to, from) in digits.iter_mut().zip(eleven.bytes()) {
                *to = from - b'0';
            }
            if let Some(last) = check_digit(&digits) {
                return Self(format!("{eleven}{last}"));
            }
        }
        unreachable!("one month in eleven at most has no check digit")
    }
}

impl Bin {
    /// The digits: for the wire and the portal's table only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Iin {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        check(text, 0..=3).map(|()| Self(text.to_owned()))
    }
}

impl FromStr for Bin {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        check(text, 4..=6).map(|()| Self(text.to_owned()))
    }
}

macro_rules! number_traits {
    ($name:ident, $format:literal, $title:literal) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(************)"))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|error: NumberError| de::Error::custom(error))
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": "^[0-9]{12}$",
                    "format": $format,
                    "description": $title,
                })
            }
        }
    };
}

number_traits!(Iin, "iin", "ИИН: 12 digits with the two-pass check digit; digit 5 is 0-3");
number_traits!(Bin, "bin", "БИН: 12 digits with the two-pass check digit; digit 5 is 4-6");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// gov-services §9.4.
    const SYNTHETIC_IINS: [&str; 17] = [
        "850100300012",
        "920300400029",
        "010500500032",
        "040800600045",
        "480200300055",
        "700700300061",
        "791100300079",
        "880600400081",
        "900900300090",
        "660300300106",
        "770700300113",
        "831200400128",
        "750500300132",
        "690100300144",
        "720400300153",
        "850100300012",
        "880600400081",
    ];

    #[test]
    fn every_synthetic_number_of_the_contract_passes() {
        for text in SYNTHETIC_IINS {
            assert!(text.parse::<Iin>().is_ok(), "{text}");
        }
        for text in ["990140000007", "100540000008", "150641000006", "180842000004", "200350000006"]
        {
            assert!(text.parse::<Bin>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_wrong_check_digit_is_refused() {
        assert_eq!("850100300013".parse::<Iin>(), Err(NumberError::CheckDigit));
    }

    #[test]
    fn a_beginning_whose_passes_both_give_ten_has_no_number() {
        assert_eq!(check_digit(&[8, 5, 0, 1, 0, 0, 3, 0, 0, 0, 5]), None);
    }

    #[test]
    fn other_lengths_letters_and_foreign_digits_are_refused() {
        for text in ["", "85010030001", "8501003000122", "85010030001a", "٨٥٠١٠٠٣٠٠٠١٢"]
        {
            assert_eq!(text.parse::<Iin>(), Err(NumberError::NotTwelveDigits), "{text}");
        }
    }

    #[test]
    fn an_iin_is_not_a_bin_and_a_bin_is_not_an_iin() {
        assert_eq!("850100300012".parse::<Bin>(), Err(NumberError::Kind));
        assert_eq!("990140000007".parse::<Iin>(), Err(NumberError::Kind));
    }

    #[test]
    fn numbers_print_as_stars() {
        let iin: Iin = "850100300012".parse().expect("synthetic");
        assert_eq!(format!("{iin:?}"), "Iin(************)");
    }

    proptest! {
        #[test]
        fn synthetic_numbers_are_valid_and_differ(a in 0_u32..200_000, b in 0_u32..200_000) {
            let (first, second) = (Iin::synthetic(a), Iin::synthetic(b));
            prop_assert!(first.expose().parse::<Iin>().is_ok());
            prop_assert_eq!(a == b, first == second);
        }

        #[test]
        fn changing_one_digit_never_goes_unnoticed_twice_in_a_row(n in 0_u32..200_000, at in 0_usize..11) {
            // Weight 11 is 0 modulo 11 in the first pass, so digit 11 is not protected by it.
            prop_assume!(at != 10);
            let text = Iin::synthetic(n).expose().to_owned();
            let wrong = (0..10).filter(|d| {
                let mut changed = text.clone().into_bytes();
                changed[at] = b'0' + d;
                String::from_utf8(changed).expect("digits").parse::<Iin>().is_ok()
            });
            prop_assert!(wrong.count() <= 2);
        }
    }
}
