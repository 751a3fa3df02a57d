//! Values: the built-in types that the schemas of this project use, and their facets.
//!
//! *Limits*: enumerations compare texts, so they are taken on texts only; lengths are counted in
//! characters, so they are taken on texts only; bounds are taken on numbers only.

use std::cmp::Ordering;

use regex::Regex;

use super::pattern;

/// A simple type without its base, if that is a named one.
#[derive(Debug, Clone)]
pub(super) struct SimpleType {
    pub(super) builtin: Builtin,
    /// Every list is one step of derivation: one of its patterns must match.
    pub(super) patterns: Vec<Vec<Regex>>,
    pub(super) values: Vec<Vec<String>>,
    pub(super) facets: Vec<Facet>,
}

#[derive(Debug, Clone)]
pub(super) enum Facet {
    Length(usize),
    MinLength(usize),
    MaxLength(usize),
    Min(String),
    Max(String),
    TotalDigits(usize),
    FractionDigits(usize),
}

/// A built-in type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builtin {
    Text,
    /// Line ends and tabs become blanks.
    Normalized,
    /// Blanks around are cut, blanks inside joined.
    Token,
    Uri,
    Boolean,
    Decimal,
    /// A whole number within these bounds.
    Whole(i128, i128),
    Double,
    Date,
    Time,
    DateTime,
    Year,
    Base64,
    Hex,
}

impl Builtin {
    /// All of them, by their names in XML Schema.
    #[rustfmt::skip]
    pub(super) const ALL: [(&str, Self); 25] = [
        ("string", Self::Text),
        ("anySimpleType", Self::Text),
        ("normalizedString", Self::Normalized),
        ("token", Self::Token),
        ("anyURI", Self::Uri),
        ("boolean", Self::Boolean),
        ("decimal", Self::Decimal),
        ("integer", Self::Whole(i128::MIN, i128::MAX)),
        ("nonNegativeInteger", Self::Whole(0, i128::MAX)),
        ("positiveInteger", Self::Whole(1, i128::MAX)),
        ("long", Self::Whole(i64::MIN as i128, i64::MAX as i128)),
        ("int", Self::Whole(i32::MIN as i128, i32::MAX as i128)),
        ("short", Self::Whole(i16::MIN as i128, i16::MAX as i128)),
        ("byte", Self::Whole(i8::MIN as i128, i8::MAX as i128)),
        ("unsignedLong", Self::Whole(0, u64::MAX as i128)),
        ("unsignedInt", Self::Whole(0, u32::MAX as i128)),
        ("unsignedShort", Self::Whole(0, u16::MAX as i128)),
        ("double", Self::Double),
        ("float", Self::Double),
        ("date", Self::Date),
        ("time", Self::Time),
        ("dateTime", Self::DateTime),
        ("gYear", Self::Year),
        ("base64Binary", Self::Base64),
        ("hexBinary", Self::Hex),
    ];

    /// By its name in XML Schema; `None`: not supported here.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(one, _)| *one == name).map(|(_, builtin)| *builtin)
    }

    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Normalized | Self::Token | Self::Uri)
    }

    pub(super) const fn is_number(self) -> bool {
        matches!(self, Self::Decimal | Self::Whole(..))
    }

    /// A value as the type sees it.
    pub(super) fn normalize(self, text: &str) -> String {
        match self {
            Self::Text => text.to_owned(),
            Self::Normalized => text.replace(['\t', '\n', '\r'], " "),
            Self::Token
            | Self::Uri
            | Self::Boolean
            | Self::Decimal
            | Self::Whole(..)
            | Self::Double
            | Self::Date
            | Self::Time
            | Self::DateTime
            | Self::Year
            | Self::Base64
            | Self::Hex => text.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Text | Self::Normalized | Self::Token | Self::Uri => true,
            Self::Boolean => matches!(value, "true" | "false" | "1" | "0"),
            Self::Decimal => Decimal::read(value).is_some(),
            Self::Whole(min, max) => {
                let number = value.strip_prefix('+').unwrap_or(value);
                let is_whole = !number.starts_with('+') && number != "-";
                is_whole && number.parse::<i128>().is_ok_and(|n| (min..=max).contains(&n))
            }
            Self::Double => {
                matches!(value, "INF" | "-INF" | "NaN")
                    || value.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
                        && value.parse::<f64>().is_ok()
            }
            Self::Date => zoned(value).is_some_and(is_date),
            Self::Time => zoned(value).is_some_and(is_time),
            Self::DateTime => zoned(value)
                .and_then(|value| value.split_once('T'))
                .is_some_and(|(date, time)| is_date(date) && is_time(time)),
            Self::Year => zoned(value).is_some_and(is_year),
            Self::Base64 => is_base64(value),
            Self::Hex => {
                value.len().is_multiple_of(2) && value.bytes().all(|b| b.is_ascii_hexdigit())
            }
        }
    }
}

impl SimpleType {
    pub(super) const fn of(builtin: Builtin) -> Self {
        Self { builtin, patterns: Vec::new(), values: Vec::new(), facets: Vec::new() }
    }

    /// The built-in type that it is, where it has no rules of its own.
    pub(super) const fn as_builtin(&self) -> Option<Builtin> {
        let is_plain = self.patterns.is_empty() && self.values.is_empty() && self.facets.is_empty();
        if is_plain { Some(self.builtin) } else { None }
    }

    /// What is wrong with a value.
    pub(super) fn fault(&self, text: &str) -> Option<String> {
        let value = self.builtin.normalize(text);
        if !self.builtin.accepts(&value) {
            return Some(format!("\"{}\" is no {}", cut(&value), self.builtin.name()));
        }
        if self.patterns.iter().any(|step| !step.iter().any(|one| pattern::matches(one, &value))) {
            return Some(format!("\"{}\" does not match the pattern", cut(&value)));
        }
        if self.values.iter().any(|step| !step.contains(&value)) {
            return Some(format!("\"{}\" is not in the list of values", cut(&value)));
        }
        let broken = self.facets.iter().find(|facet| !facet.holds(&value))?;
        Some(format!("\"{}\" breaks {broken:?}", cut(&value)))
    }
}

impl Builtin {
    const fn name(self) -> &'static str {
        match self {
            Self::Text | Self::Normalized | Self::Token => "text",
            Self::Uri => "URI",
            Self::Boolean => "boolean",
            Self::Decimal => "decimal number",
            Self::Whole(..) => "whole number within its bounds",
            Self::Double => "number",
            Self::Date => "date",
            Self::Time => "time",
            Self::DateTime => "dateTime",
            Self::Year => "year",
            Self::Base64 => "base64",
            Self::Hex => "hexBinary",
        }
    }
}

impl Facet {
    fn holds(&self, value: &str) -> bool {
        let chars = || value.chars().count();
        let number = || Decimal::read(value);
        match self {
            Self::Length(length) => chars() == *length,
            Self::MinLength(length) => chars() >= *length,
            Self::MaxLength(length) => chars() <= *length,
            Self::Min(bound) => compare(value, bound) != Some(Ordering::Less),
            Self::Max(bound) => compare(value, bound) != Some(Ordering::Greater),
            Self::TotalDigits(digits) => {
                number().is_some_and(|n| n.whole.len() + n.fraction.len() <= *digits)
            }
            Self::FractionDigits(digits) => number().is_some_and(|n| n.fraction.len() <= *digits),
        }
    }
}

/// A decimal number without zeros that mean nothing.
#[derive(PartialEq, Eq)]
struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (is_negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let is_zero = whole.is_empty() && fraction.is_empty();
        Some(Self { is_negative: is_negative && !is_zero, whole, fraction })
    }
}

pub(super) fn is_decimal(text: &str) -> bool {
    Decimal::read(text).is_some()
}

fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (Decimal::read(one)?, Decimal::read(other)?);
    let size = |a: &Decimal<'_>, b: &Decimal<'_>| {
        let whole = a.whole.len().cmp(&b.whole.len()).then_with(|| a.whole.cmp(b.whole));
        whole.then_with(|| a.fraction.cmp(b.fraction))
    };
    Some(match (one.is_negative, other.is_negative) {
        (false, false) => size(&one, &other),
        (true, true) => size(&other, &one),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    })
}

/// Cuts a time zone off; `None`: it is none.
fn zoned(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_suffix('Z') {
        return Some(rest);
    }
    let Some(at) = text.len().checked_sub(6).filter(|at| text.is_char_boundary(*at)) else {
        return Some(text);
    };
    let (rest, zone) = text.split_at(at);
    let is_zone = zone.starts_with(['+', '-']) && zone.as_bytes()[3] == b':';
    if !is_zone {
        return Some(text);
    }
    let hours = number(&zone[1..3], 2)?;
    let minutes = number(&zone[4..6], 2)?;
    let is_good = minutes < 60 && (hours < 14 || hours == 14 && minutes == 0);
    is_good.then_some(rest)
}

fn number(text: &str, digits: usize) -> Option<u32> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

fn is_year(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() >= 4
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.bytes().any(|byte| byte != b'0')
        && (digits.len() == 4 || !digits.starts_with('0'))
}

fn is_date(text: &str) -> bool {
    let Some((rest, day)) = text.rsplit_once('-') else { return false };
    let Some((year, month)) = rest.rsplit_once('-') else { return false };
    let (Some(month), Some(day)) = (number(month, 2), number(day, 2)) else { return false };
    if !is_year(year) {
        return false;
    }
    let last = year.trim_start_matches('-');
    let year: u32 = last[last.len() - 4..].parse().unwrap_or(1);
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_time(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let parts: Vec<Option<u32>> = clock.split(':').map(|part| number(part, 2)).collect();
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let &[Some(hours), Some(minutes), Some(seconds)] = parts.as_slice() else { return false };
    let is_midnight =
        hours == 24 && minutes == 0 && seconds == 0 && fraction.bytes().all(|byte| byte == b'0');
    is_fraction && minutes < 60 && seconds < 60 && (hours < 24 || is_midnight)
}

fn is_base64(text: &str) -> bool {
    let packed: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let padding = packed.iter().rev().take_while(|byte| **byte == b'=').count();
    let (data, _) = packed.split_at(packed.len() - padding);
    let is_data = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    // Bits that no byte uses are zero.
    let last_fits = match (padding, data.last()) {
        (0, _) => true,
        (1, Some(last)) => b"AEIMQUYcgkosw048".contains(last),
        (2, Some(last)) => b"AQgw".contains(last),
        _ => false,
    };
    packed.len().is_multiple_of(4) && last_fits && data.iter().all(is_data)
}

/// The beginning of a value, for quotation marks: it holds none, and nothing that ends a line.
pub(super) fn cut(text: &str) -> String {
    let told = |c: char| match c {
        '"' => '\'',
        c if c.is_control() => '·',
        c => c,
    };
    text.chars().take(40).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_quotes_a_value_once_whatever_the_value_holds() {
        let year = SimpleType::of(Builtin::Year);
        let fault = year.fault("1985 \"AKHMETOV DAULET\"\u{1b}[2J").expect("a fault");
        assert_eq!(fault, "\"1985 'AKHMETOV DAULET'·[2J\" is no year");
    }
}
