//! Dates and times as government systems write them (shep §4.3, gov-services §1.3).
//!
//! We write milliseconds and `+05:00`, and read what was seen: `+06:00`, `+0500`, `Z`, no offset at
//! all, up to nine digits of a second, a bare date. A time without an offset is taken as local
//! time, `+05:00`, and marked so.
//!
//! *Guarantee*: a civil date (birth, issue, registration) loses its offset and never shifts.

use std::fmt::Write as _;

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::Offset,
};

/// Local time of Kazakhstan since 2024-03-01 (gov-services §9.5).
pub const LOCAL: Offset = Offset::constant(5);

/// A moment that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// No offset came with it: local time was assumed.
    pub offset_assumed: bool,
}

/// A text is neither a date nor empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date")]
pub struct NotADate;

/// `2026-01-15T10:00:00.000+05:00`.
pub fn write_moment(moment: Timestamp) -> String {
    let local = LOCAL.to_datetime(moment);
    let mut out = String::with_capacity(29);
    // Writing into a string cannot fail.
    write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}+05:00",
        local.year(),
        local.month(),
        local.day(),
        local.hour(),
        local.minute(),
        local.second(),
        local.millisecond(),
    )
    .unwrap_or_default();
    out
}

/// The local date of a moment.
pub fn local_date(moment: Timestamp) -> Date {
    LOCAL.to_datetime(moment).date()
}

/// Reads an `xs:dateTime`, or a bare date as its local midnight.
pub fn read_moment(text: &str) -> Result<Moment, NotADate> {
    let text = text.trim();
    let (local, offset) = split_offset(text)?;
    let local: DateTime = if local.contains('T') {
        local.parse().map_err(|_| NotADate)?
    } else {
        read_plain_date(local)?.at(0, 0, 0, 0)
    };
    if local.year() < 1 {
        return Err(NotADate);
    }
    let at = offset.unwrap_or(LOCAL).to_timestamp(local).map_err(|_| NotADate)?;
    Ok(Moment { at, offset_assumed: offset.is_none() })
}

/// Reads a civil date: an offset or a time of day is dropped, the day never shifts. Empty text and
/// `-` are no date.
pub fn read_date(text: &str) -> Result<Option<Date>, NotADate> {
    let text = text.trim();
    if text.is_empty() || text == "-" {
        return Ok(None);
    }
    let day = text.get(..10).ok_or(NotADate)?;
    let rest = &text[10..];
    if rest.starts_with('T') {
        read_moment(text)?;
    } else {
        let (alone, _) = split_offset(text)?;
        if alone.len() != day.len() {
            return Err(NotADate);
        }
    }
    read_plain_date(day).map(Some)
}

fn read_plain_date(text: &str) -> Result<Date, NotADate> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<i16>().ok()).ok_or(NotADate)
    };
    if text.len() != 10 || text.as_bytes()[4] != b'-' || text.as_bytes()[7] != b'-' {
        return Err(NotADate);
    }
    let (month, day) = (i8::try_from(number(5..7)?), i8::try_from(number(8..10)?));
    let (Ok(month), Ok(day)) = (month, day) else { return Err(NotADate) };
    // There is no year 0, and a database refuses it.
    let year = Some(number(0..4)?).filter(|year| *year > 0).ok_or(NotADate)?;
    Date::new(year, month, day).map_err(|_| NotADate)
}

/// Splits `+05:00`, `+0500` or `Z` off the end.
fn split_offset(text: &str) -> Result<(&str, Option<Offset>), NotADate> {
    if !text.is_ascii() {
        return Err(NotADate); // so that every byte below is a character
    }
    if let Some(local) = text.strip_suffix('Z') {
        return Ok((local, Some(Offset::UTC)));
    }
    // A sign after the date is an offset: the date itself holds dashes.
    let after_date = text.get(10..).ok_or(NotADate)?;
    let Some(at) = after_date.rfind(['+', '-']).map(|at| at + 10) else {
        return Ok((text, None));
    };
    let (local, offset) = text.split_at(at);
    let (sign, digits) = offset.split_at(1);
    let (hours, minutes) = match digits.len() {
        4 => (&digits[..2], &digits[2..]),
        5 if digits.as_bytes()[2] == b':' => (&digits[..2], &digits[3..]),
        _ => return Err(NotADate),
    };
    if !hours.bytes().chain(minutes.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(NotADate);
    }
    let (hours, minutes): (i32, i32) =
        (hours.parse().map_err(|_| NotADate)?, minutes.parse().map_err(|_| NotADate)?);
    let seconds = (hours * 60 + minutes) * 60 * if sign == "-" { -1 } else { 1 };
    Ok((local, Some(Offset::from_seconds(seconds).map_err(|_| NotADate)?)))
}

#[cfg(test)]
mod tests;
