//! Maintenance that was announced: stretches of business time in which a system is not called.
//!
//! *Guarantee*: pure; business time is passed in. Weekly windows are read by a clock in Almaty, with
//! the program's own copy of the time zone.

use jiff::{SignedDuration, Timestamp, Zoned};

use super::calendar::in_almaty;

const MINUTES_OF_WEEK: i32 = 7 * 24 * 60;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// One announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// When.
    pub when: When,
    /// What people are told, in Russian.
    pub text_ru: String,
    /// In Kazakh.
    pub text_kk: String,
}

/// When a window is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Once.
    Once {
        /// From here.
        from: Timestamp,
        /// Up to here, exclusive.
        until: Timestamp,
    },
    /// Every week; minutes since Monday 00:00 in Almaty. May pass the end of the week.
    Weekly {
        /// Begins.
        from: i32,
        /// Ends, exclusive.
        until: i32,
    },
}

/// Until when one of the windows is on, the one that ends last; `None` where none is.
pub fn active(windows: &[Window], now: Timestamp) -> Option<(&Window, Timestamp)> {
    let on = windows.iter().filter_map(|window| Some((window, window.when.ends(now)?)));
    on.max_by_key(|(_, until)| *until)
}

impl When {
    /// Its end, where it is on at this moment.
    pub fn ends(&self, now: Timestamp) -> Option<Timestamp> {
        match *self {
            Self::Once { from, until } => (from <= now && now < until).then_some(until),
            Self::Weekly { from, until } => {
                let there = in_almaty(now);
                let minute = minute_of_week(&there);
                let left = (until - minute).rem_euclid(MINUTES_OF_WEEK);
                let length = (until - from).rem_euclid(MINUTES_OF_WEEK);
                let into_minute = SignedDuration::from_secs(there.second().into())
                    + SignedDuration::from_nanos(there.subsec_nanosecond().into());
                let until = now.checked_add(SignedDuration::from_mins(left.into()) - into_minute);
                (0 < left && left <= length).then_some(until.ok()?)
            }
        }
    }

    /// Reads `Sat 22:00-Sun 06:00`.
    pub fn weekly(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('-')?;
        let (from, until) = (point(from)?, point(until)?);
        (from != until).then_some(Self::Weekly { from, until })
    }
}

fn minute_of_week(there: &Zoned) -> i32 {
    let day = i32::from(there.weekday().to_monday_zero_offset());
    (day * 24 + i32::from(there.hour())) * 60 + i32::from(there.minute())
}

/// `Sat 22:00` as minutes since Monday 00:00.
fn point(text: &str) -> Option<i32> {
    let (day, time) = text.trim().split_once(' ')?;
    let day = DAYS.iter().position(|name| *name == day)?;
    let (hour, minute) = time.trim().split_once(':')?;
    let two = |digits: &str| (digits.len() == 2).then(|| digits.parse::<i32>().ok()).flatten();
    let (hour, minute) = (two(hour)?, two(minute)?);
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute);
    is_time.then(|| (i32::try_from(day).unwrap_or(0) * 24 + hour) * 60 + minute)
}

#[cfg(test)]
mod tests;
