//! A parcel's history as Kazpost tells it: read, put in order, judged (kazpost §6).
//!
//! *Guarantee*: names, addresses and phones are not read at all; of an event its time, code, post
//! code and city leave this module.
//!
//! Traps that are met here: `status` is an array and may be empty or absent; `time` has seconds or
//! not; times are local, without an offset; days come newest first and the order inside a day means
//! nothing; a terminal code counts unless it was undone, wherever it stands; unknown codes move
//! nothing; the summary's own status fields disagree with each other, so a summary moves nothing.
//!
//! *Limits*: [`EVENTS_MAX`] events; texts longer than [`TEXT_CHARS_MAX`] are cut.

use std::collections::HashSet;

use contracts::s10::TrackNumber;
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime, Time, date},
    tz::Offset,
};
use serde_json::Value;

use super::{
    codes::{self, Class},
    failures::Cause,
    status::Status,
};

/// Longer histories are not believed.
pub(super) const EVENTS_MAX: usize = 500;
/// Longer texts are cut.
const TEXT_CHARS_MAX: usize = 80;
/// Longer texts are no codes.
const CODE_CHARS_MAX: usize = 40;
/// Numbers are used again after twelve months (kazpost §8); a parcel is followed for three. An event
/// older than this belongs to an earlier parcel of the same number.
const EARLIER_PARCEL: SignedDuration = SignedDuration::from_hours(180 * 24);
/// Almaty had UTC+6 until this day (kazpost §6).
const FIVE_SINCE: Date = date(2024, 3, 1);

/// What Kazpost says of a number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is not known yet: the parcel was not handed over.
    NotKnown,
    /// A summary: kept raw, moves nothing.
    Summary,
    /// Everything that happened, oldest first.
    Events(Vec<Event>),
}

/// One code of one activity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    /// When.
    pub(super) at: Timestamp,
    /// Their code; `None` where an activity has none that looks like one.
    pub(super) code: Option<String>,
    /// Post code of the office.
    pub(super) postcode: Option<String>,
    /// City of the office.
    pub(super) city: Option<String>,
}

/// What a history comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judged {
    /// The furthest status that stands, and since when.
    pub(super) status: Option<(Status, Timestamp)>,
    /// The latest terminal event that stands.
    pub(super) terminal_since: Option<Timestamp>,
    /// Class of the last event that stands.
    pub(super) last: Option<Class>,
}

impl Event {
    /// What its code means.
    pub(super) fn class(&self) -> Class {
        self.code.as_deref().map_or(Class::Unknown, |code| codes::meaning(code).0)
    }

    /// Kazpost's own title of its code.
    pub(super) fn title_ru(&self) -> Option<&'static str> {
        codes::meaning(self.code.as_deref()?).1
    }

    /// The same for the same event, however its time is written: seconds are left out.
    pub(super) fn key(&self) -> String {
        let minute = self.at.strftime("%Y-%m-%dT%H:%MZ");
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        format!("{minute} {} {}", part(&self.code), part(&self.postcode))
    }
}

/// Reads an answer about a number.
pub(super) fn read(body: &Value, number: &TrackNumber, now: Timestamp) -> Result<Told, Cause> {
    let object = body.as_object().ok_or(Cause::Form)?;
    let about = object.get("trackid").and_then(Value::as_str).map(str::trim);
    if about != Some(number.expose()) {
        return Err(Cause::OtherParcel);
    }
    if object.get("error").is_some_and(|error| !error.is_null()) {
        return Ok(Told::NotKnown);
    }
    let days = match object.get("events") {
        Some(Value::Array(days)) => days,
        Some(Value::Null) | None if object.contains_key("x_status") => return Ok(Told::Summary),
        _ => return Err(Cause::Form),
    };
    let mut events = Vec::new();
    for day in days {
        let of = day["date"].as_str().and_then(read_date).ok_or(Cause::Form)?;
        for activity in day["activity"].as_array().ok_or(Cause::Form)? {
            read_activity(of, activity, &mut events)?;
        }
        if events.len() > EVENTS_MAX {
            return Err(Cause::TooManyEvents);
        }
    }
    let oldest = now.checked_sub(EARLIER_PARCEL).unwrap_or(Timestamp::MIN);
    events.retain(|event| event.at >= oldest);
    events.sort();
    let mut seen = HashSet::new();
    events.retain(|event| seen.insert(event.key()));
    Ok(Told::Events(events))
}

/// What stands after everything that was undone is left out.
pub(super) fn judge(events: &[Event]) -> Judged {
    let standing = standing(events);
    let status = standing
        .iter()
        .filter_map(|event| Some((Status::of(event.class())?, event.at)))
        .max_by_key(|(status, at)| (*status, std::cmp::Reverse(*at)));
    let terminal = standing.iter().filter(|event| event.class().is_terminal());
    Judged {
        status,
        terminal_since: terminal.map(|event| event.at).max(),
        last: standing.iter().rev().map(|event| event.class()).find(|c| *c != Class::Unknown),
    }
}

/// An undo takes away the latest event of its code that is not younger and still stands.
fn standing(events: &[Event]) -> Vec<&Event> {
    let mut standing: Vec<Option<&Event>> = events.iter().map(Some).collect();
    for undo in events {
        let Some(base) = undo.code.as_deref().and_then(codes::undoes) else { continue };
        let undone = standing.iter_mut().rev().find(|slot| {
            slot.is_some_and(|event| event.at <= undo.at && event.code.as_deref() == Some(base))
        });
        if let Some(slot) = undone {
            *slot = None;
        }
    }
    standing.into_iter().flatten().filter(|event| event.class() != Class::Undo).collect()
}

fn read_activity(of: Date, activity: &Value, events: &mut Vec<Event>) -> Result<(), Cause> {
    let time = activity["time"].as_str().and_then(read_time).ok_or(Cause::Form)?;
    let event = |code: Option<&str>| -> Result<Event, Cause> {
        Ok(Event {
            at: instant(of.to_datetime(time)).ok_or(Cause::Form)?,
            code: code.and_then(plain_code),
            postcode: activity["zip"].as_str().and_then(plain),
            city: activity["city"].as_str().and_then(plain),
        })
    };
    let codes = activity["status"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut codes = codes.iter().filter_map(Value::as_str).peekable();
    if codes.peek().is_none() {
        events.push(event(None)?);
    }
    for code in codes {
        events.push(event(Some(code))?);
    }
    Ok(())
}

/// `16.04.2026`.
fn read_date(text: &str) -> Option<Date> {
    Date::strptime("%d.%m.%Y", text.trim()).ok()
}

/// `18:59` or `18:59:07`.
fn read_time(text: &str) -> Option<Time> {
    let text = text.trim();
    Time::strptime("%H:%M:%S", text).or_else(|_| Time::strptime("%H:%M", text)).ok()
}

fn instant(local: DateTime) -> Option<Timestamp> {
    let hours = if local.date() < FIVE_SINCE { 6 } else { 5 };
    Offset::constant(hours).to_timestamp(local).ok()
}

/// A code, where it looks like one: anything else might be about a person.
fn plain_code(text: &str) -> Option<String> {
    let code = text.trim();
    let is_code = (1..=CODE_CHARS_MAX).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_code.then(|| code.to_owned())
}

/// Trimmed, cut, without what a database cannot hold.
fn plain(text: &str) -> Option<String> {
    let clean = text.trim().chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX);
    let clean: String = clean.collect();
    (!clean.is_empty()).then_some(clean)
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
