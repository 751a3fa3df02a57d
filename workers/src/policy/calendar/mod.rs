//! The business calendar: working time of Kazakhstan as versioned data, and what a promise in business
//! days means (domain.md §4, D7).
//!
//! ```text
//! request (any instant) → its day in Almaty, not counted → n working days on → the end of that day
//! ```
//!
//! *Guarantee*: pure, and never a guess: an instant that the known years do not reach is an error that
//! names the missing year. The zone is the program's own copy of `Asia/Almaty` (UTC+6 until
//! 2024-03-01, UTC+5 since), whatever the machine has. A deadline never moves back when the request
//! is later.
//!
//! *What this does not do*: the deadlines of jobs are computed by the admitting statement from the copy of
//! these days in the database (`store/calendar.rs`); this module fills it, checks it, and answers people.

mod files;
#[cfg(test)]
mod tests;
mod year;

use std::{collections::BTreeMap, path::Path, sync::LazyLock, time::Duration};

use jiff::{
    SignedDuration, Timestamp, ToSpan, Zoned,
    civil::Date,
    tz::{TimeZone, TimeZoneDatabase},
};

pub use self::year::{Fault, Reason, Year};

/// How far ahead a missing year is told of.
pub const AHEAD_MONTHS: i32 = 3;
/// How long a job may have waited before it reached the hub, without its year being an error.
const BEHIND: SignedDuration = SignedDuration::from_hours(31 * 24);

static ALMATY: LazyLock<TimeZone> = LazyLock::new(|| {
    let zone = TimeZoneDatabase::bundled().get("Asia/Almaty");
    zone.expect("the bundled time zone database has Asia/Almaty")
});

/// The known years, without a gap.
#[derive(Debug, Clone)]
pub struct Calendar {
    years: BTreeMap<i16, Year>,
    first: Date,
    /// Day by day from `first` on: the working days up to it, itself included.
    numbers: Vec<usize>,
}

/// The calendar does not reach as far as it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the calendar has no year {year}: it has {first} to {last}; let calendar.folder name a folder that \
     has {year}.toml beside the others (`hub calendar show {last} --file` prints a file to start from)"
)]
pub struct MissingYear {
    /// The first year that is missing.
    pub year: i16,
    /// The first year that is there.
    pub first: i16,
    /// The last year that is there.
    pub last: i16,
}

/// The day of an instant in Almaty.
pub fn day_of(at: Timestamp) -> Date {
    in_almaty(at).date()
}

/// An instant as a clock in Almaty shows it.
pub fn in_almaty(at: Timestamp) -> Zoned {
    at.to_zoned(ALMATY.clone())
}

/// The instant at which a day begins in Almaty.
pub fn start_of(day: Date) -> Timestamp {
    // No day of Almaty lies outside of what an instant can say, but for the ends of time.
    day.to_zoned(ALMATY.clone()).map_or(Timestamp::MAX, |midnight| midnight.timestamp())
}

impl Calendar {
    /// The program's own years.
    pub fn built_in() -> Self {
        let years = files::built_in().and_then(Self::of);
        years.expect("the program's own years are tested")
    }

    /// The years of a folder, which are then the whole calendar; without one, the program's own.
    pub fn load(folder: Option<&Path>) -> Result<Self, Vec<Fault>> {
        folder.map_or_else(|| Ok(Self::built_in()), |folder| Self::of(files::in_folder(folder)?))
    }

    fn of(years: Vec<Year>) -> Result<Self, Vec<Fault>> {
        let years: BTreeMap<i16, Year> = years.into_iter().map(|y| (y.number, y)).collect();
        let mut faults = Vec::new();
        for (before, after) in years.values().zip(years.values().skip(1)) {
            if before.number + 1 == after.number {
                faults.extend(before.agrees_with(after).err());
            } else {
                let expected = format!("no gap between {} and {}", before.number, after.number);
                faults.push(Fault { file: format!("{}.toml", before.number + 1), expected });
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let first = years.values().next().map_or(Date::ZERO, Year::first);
        let days = years.values().flat_map(Year::days);
        let numbers = days.scan(0, |number, (_, reason)| {
            *number += usize::from(reason.is_working());
            Some(*number)
        });
        Ok(Self { first, numbers: numbers.collect(), years })
    }

    /// The instant at which a promise of so many business days is broken, exclusive: the end of the
    /// last of them. The day of the request is not counted.
    pub fn deadline(&self, request: Timestamp, days: u16) -> Result<Timestamp, MissingYear> {
        let number = self.numbers[self.index(day_of(request))?] + usize::from(days);
        let index = self.numbers.partition_point(|known| *known < number);
        let span = i64::try_from(index + 1).unwrap_or(i64::MAX).days();
        let end = self.first.checked_add(span).ok();
        // The day is found where its number is: beyond the last one, the next year is missing.
        let end = end.filter(|_| index < self.numbers.len());
        end.map(start_of).ok_or_else(|| self.missing_year(self.last() + 1))
    }

    /// Whether a day is worked, and why.
    pub fn day(&self, day: Date) -> Result<&Reason, MissingYear> {
        let year = self.year(day.year())?;
        let index = usize::try_from(day.day_of_year() - 1).unwrap_or(usize::MAX);
        year.days()
            .nth(index)
            .map(|(_, reason)| reason)
            .ok_or_else(|| self.missing_year(day.year()))
    }

    /// A year.
    pub fn year(&self, number: i16) -> Result<&Year, MissingYear> {
        self.years.get(&number).ok_or_else(|| self.missing_year(number))
    }

    /// All years, in order.
    pub fn years(&self) -> impl Iterator<Item = &Year> {
        self.years.values()
    }

    /// The years that are missing for a hub that runs now: this one and the next, because a promise
    /// may reach into it, and last year in January, because its jobs may still wait.
    pub fn missing(&self, now: Timestamp) -> Vec<i16> {
        let oldest = now.checked_sub(BEHIND).map_or(i16::MIN, |at| day_of(at).year());
        let needed = oldest..=day_of(now).year().saturating_add(1);
        needed.filter(|year| !self.years.contains_key(year)).collect()
    }

    /// The years that will be missing within three months, the missing ones included.
    pub fn missing_soon(&self, now: Timestamp) -> Vec<i16> {
        let soon = in_almaty(now).checked_add(AHEAD_MONTHS.months());
        let mut years = self.missing(now);
        years.extend(soon.map_or_else(|_| Vec::new(), |soon| self.missing(soon.timestamp())));
        years.sort_unstable();
        years.dedup();
        years
    }

    /// An error where a year is missing for a hub that runs now.
    pub fn check(&self, now: Timestamp) -> Result<(), MissingYear> {
        self.missing(now).first().map_or(Ok(()), |year| Err(self.missing_year(*year)))
    }

    /// The shortest and the longest time that so many business days can take, from any request in
    /// the known years; `None` where they do not reach that far.
    pub fn reach(&self, days: u16) -> Option<(Duration, Duration)> {
        let all = self.first.series(1.day()).take(self.numbers.len());
        let spans = all.filter_map(|day| {
            let end = self.deadline(start_of(day), days).ok()?;
            let tomorrow = start_of(day.tomorrow().ok()?);
            Some((
                end.duration_since(tomorrow).unsigned_abs(),
                end.duration_since(start_of(day)).unsigned_abs(),
            ))
        });
        spans.reduce(|known, next| (known.0.min(next.0), known.1.max(next.1)))
    }

    fn index(&self, day: Date) -> Result<usize, MissingYear> {
        let days = (day - self.first).get_days();
        let index = usize::try_from(days).ok().filter(|index| *index < self.numbers.len());
        index.ok_or_else(|| self.missing_year(day.year()))
    }

    fn last(&self) -> i16 {
        self.years.keys().next_back().copied().unwrap_or_default()
    }

    fn missing_year(&self, year: i16) -> MissingYear {
        let first = self.years.keys().next().copied().unwrap_or_default();
        MissingYear { year, first, last: self.last() }
    }
}
