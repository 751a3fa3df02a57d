//! One year's file: read, checked against the rules that it states, and laid out day by day.
//!
//! *Guarantee*: a file that contradicts itself is not used. A holiday on a weekend names the day that
//! is off instead, and it must be the next working day; a day off is moved from a day off to a
//! working day, by somebody who is named. What is moved over the end of the year stands in the files
//! of both years.

use std::{collections::BTreeSet, fmt};

use jiff::civil::{Date, Weekday};
use serde::Deserialize;

/// A year of working time.
#[derive(Debug, Clone)]
pub struct Year {
    /// 2026.
    pub number: i16,
    /// Raised with every correction.
    pub revision: u32,
    /// Where the days are from.
    pub sources: Vec<String>,
    /// What is not settled yet.
    pub uncertain: Option<String>,
    /// The file as it was read.
    pub text: String,
    days: Vec<Reason>,
    transfers: BTreeSet<(Date, Date)>,
    /// Holidays of this year's or last year's end whose day off lies in the year after, with that day.
    carried: BTreeSet<(Date, Date)>,
}

/// Why a day is worked or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Monday to Friday.
    Workday,
    /// A day off that was moved away.
    Worked {
        /// The day that is off for it.
        off: Date,
        /// Who decided.
        by: String,
    },
    /// Saturday or Sunday.
    Weekend,
    /// A holiday, or a day off by law.
    Holiday(String),
    /// Off because a holiday falls on a weekend.
    Instead {
        /// The holiday.
        of: Date,
        /// Its name.
        name: String,
    },
    /// A day off that was moved here.
    Off {
        /// The day that is worked for it.
        works: Date,
        /// Who decided.
        by: String,
    },
}

/// A file of the calendar cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// What should stand there.
    pub expected: String,
}

impl Reason {
    /// Whether the day is worked.
    pub const fn is_working(&self) -> bool {
        match self {
            Self::Workday | Self::Worked { .. } => true,
            Self::Weekend | Self::Holiday(_) | Self::Instead { .. } | Self::Off { .. } => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workday => f.write_str("working day"),
            Self::Worked { off, by } => write!(f, "worked instead of {off} ({by})"),
            Self::Weekend => f.write_str("weekend"),
            Self::Holiday(name) => f.write_str(name),
            Self::Instead { of, name } => write!(f, "off instead of {of} ({name})"),
            Self::Off { works, by } => write!(f, "off instead of {works} ({by})"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}", self.file, self.expected)
    }
}

/// The form of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    year: i16,
    revision: u32,
    sources: Vec<String>,
    uncertain: Option<String>,
    holidays: Vec<Holiday>,
    #[serde(default)]
    transfers: Vec<Transfer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Holiday {
    date: Date,
    name: String,
    instead: Option<Date>,
    #[serde(default)]
    stays: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    works: Date,
    off: Date,
    by: String,
}

/// The years that files may speak of.
const YEARS: std::ops::RangeInclusive<i16> = 1992..=2200;

impl Year {
    /// Reads a file; `file` is its name, which must be that of the year.
    pub fn read(file: &str, text: &str) -> Result<Self, Fault> {
        read(file, text).map_err(|expected| Fault { file: file.to_owned(), expected })
    }

    /// The first of January.
    pub fn first(&self) -> Date {
        first_of(self.number)
    }

    /// The days, from the first of January on.
    pub fn days(&self) -> impl Iterator<Item = (Date, &Reason)> {
        self.first().series(jiff::Span::new().days(1)).zip(&self.days)
    }

    /// How many days are worked.
    pub fn working_days(&self) -> usize {
        self.days.iter().filter(|reason| reason.is_working()).count()
    }

    /// Days off that were moved over the end of the year must stand in the files of both.
    pub(super) fn agrees_with(&self, other: &Self) -> Result<(), Fault> {
        let touches = |year: i16| {
            move |(works, off): &&(Date, Date)| works.year() == year || off.year() == year
        };
        let between = |of: &BTreeSet<(Date, Date)>, year| -> Vec<(Date, Date)> {
            of.iter().filter(touches(year)).copied().collect()
        };
        let agree = |mine, theirs| between(mine, other.number) == between(theirs, self.number);
        let what = if !agree(&self.transfers, &other.transfers) {
            "transfers"
        } else if !agree(&self.carried, &other.carried) {
            "holidays whose `instead` lies"
        } else {
            return Ok(());
        };
        let (file, other) = (format!("{}.toml", self.number), other.number);
        let expected = format!("the same {what} between this year and {other} as {other}.toml");
        Err(Fault { file, expected })
    }
}

fn first_of(year: i16) -> Date {
    Date::new(year, 1, 1).unwrap_or(Date::ZERO)
}

fn read(file: &str, text: &str) -> Result<Year, String> {
    let parsed: File = toml::from_str(text)
        .map_err(|error| format!("a year's file ({})", error.to_string().trim_end()))?;
    let File { year, revision, sources, uncertain, holidays, transfers } = parsed;
    if file != format!("{year}.toml") || !YEARS.contains(&year) {
        return Err(format!("the year of its name, not year = {year}"));
    }
    if revision == 0 || revision > i32::MAX.cast_unsigned() {
        return Err("a revision from 1 on".to_owned());
    }
    if sources.iter().all(|source| source.trim().is_empty()) {
        return Err("at least one source: where these days are from".to_owned());
    }
    let mut layout = Layout::weekends(year);
    layout.enter_holidays(&holidays)?;
    layout.move_days_off(&transfers)?;
    Ok(Year {
        number: year,
        revision,
        sources,
        uncertain,
        text: text.to_owned(),
        days: layout.days,
        carried: layout.carried,
        transfers: transfers.iter().map(|transfer| (transfer.works, transfer.off)).collect(),
    })
}

/// The days of a year while they are laid out.
struct Layout {
    year: i16,
    days: Vec<Reason>,
    carried: BTreeSet<(Date, Date)>,
}

impl Layout {
    fn weekends(year: i16) -> Self {
        let first = first_of(year);
        let days = first.series(jiff::Span::new().days(1)).take_while(|day| day.year() == year);
        let reason = |day| if is_weekend(day) { Reason::Weekend } else { Reason::Workday };
        Self { year, days: days.map(reason).collect(), carried: BTreeSet::new() }
    }

    /// The day's place, where it belongs to this year.
    fn at(&mut self, day: Date) -> Option<&mut Reason> {
        let index = usize::try_from(day.day_of_year() - 1).ok()?;
        self.days.get_mut(index).filter(|_| day.year() == self.year)
    }

    fn enter_holidays(&mut self, holidays: &[Holiday]) -> Result<(), String> {
        let (carried, own): (Vec<&Holiday>, Vec<&Holiday>) =
            holidays.iter().partition(|holiday| self.is_carried_in(holiday));
        for Holiday { date, name, .. } in holidays {
            if name.trim().is_empty() {
                return Err(format!("a name for the holiday of {date}"));
            }
        }
        for Holiday { date, name, .. } in &own {
            let place = self.at(*date).ok_or_else(|| format!("{date} ({name}) within the year"))?;
            if matches!(place, Reason::Holiday(_)) {
                return Err(format!("one entry for {date}, with both names"));
            }
            *place = Reason::Holiday(name.clone());
        }
        // The older holiday has the earlier day off.
        carried.into_iter().chain(own).try_for_each(|holiday| self.enter_day_off(holiday))
    }

    /// Whether a holiday of last year's end has its day off in this year.
    fn is_carried_in(&self, holiday: &Holiday) -> bool {
        holiday.date.year() == self.year - 1
            && holiday.instead.is_some_and(|day| day.year() == self.year)
    }

    /// The day that is off because a holiday falls on a weekend.
    fn enter_day_off(&mut self, holiday: &Holiday) -> Result<(), String> {
        let Holiday { date, name, instead, stays } = holiday;
        let (moves, day) = (is_weekend(*date) && !stays, weekday(*date));
        let from = (*date).max(first_of(self.year));
        let wanted = moves.then(|| self.next_working_day(from)).flatten();
        if moves && wanted.is_none() {
            return self.carry_out(holiday);
        }
        if *instead != wanted {
            let wanted = wanted.map_or("no `instead`".to_owned(), |d| format!("instead = {d}"));
            return Err(format!("{wanted} for {date} ({name}), a {day}"));
        }
        if let Some(off) = wanted {
            if let Some(place) = self.at(off) {
                *place = Reason::Instead { of: *date, name: name.clone() };
            }
            if date.year() != self.year {
                self.carried.insert((*date, off));
            }
        }
        Ok(())
    }

    /// No working day is left in this year: which one it is in the next, that year's file knows.
    fn carry_out(&mut self, Holiday { date, name, instead, .. }: &Holiday) -> Result<(), String> {
        let next = self.year + 1;
        match instead {
            Some(off) if off.year() == next && !is_weekend(*off) => {
                self.carried.insert((*date, *off));
                Ok(())
            }
            Some(_) | None => Err(format!(
                "instead = the first working day of {next} for {date} ({name}), with the same entry \
                 in {next}.toml: no working day of this year is left"
            )),
        }
    }

    /// The next working day of this year; `None` where there is none left.
    fn next_working_day(&mut self, from: Date) -> Option<Date> {
        let year = self.year;
        let mut days = from.series(jiff::Span::new().days(1)).take_while(|day| day.year() == year);
        days.find(|day| self.at(*day).is_some_and(|reason| reason.is_working()))
    }

    fn move_days_off(&mut self, transfers: &[Transfer]) -> Result<(), String> {
        for Transfer { works, off, by } in transfers {
            let (works, off) = (*works, *off);
            if by.trim().is_empty() {
                return Err(format!("by = who moved the day off from {works} to {off}"));
            }
            if works.year() != self.year && off.year() != self.year {
                return Err(format!("a transfer of this year, not {works} to {off}"));
            }
            if let Some(place) = self.at(works) {
                if !matches!(place, Reason::Weekend | Reason::Instead { .. }) {
                    return Err(format!(
                        "works = {works} to be a day off and no holiday ({place})"
                    ));
                }
                *place = Reason::Worked { off, by: by.clone() };
            }
            if let Some(place) = self.at(off) {
                if *place != Reason::Workday {
                    return Err(format!("off = {off} to be a working day ({place})"));
                }
                *place = Reason::Off { works, by: by.clone() };
            }
        }
        Ok(())
    }
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn weekday(day: Date) -> String {
    day.strftime("%A").to_string()
}
