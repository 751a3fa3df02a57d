//! `hub calendar`: working time of Kazakhstan, and deadlines in business days. Asks no database.

use std::path::Path;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::{DONE, FAILED, WRONG_USE, complain, say};
use crate::{
    config,
    policy::calendar::{Calendar, MissingYear, Reason, Year, in_almaty},
};

/// Days that one question may list.
const DAYS_MAX: usize = 4_000;

/// What is asked.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The instant at which a promise of N business days is broken (exclusive).
    Deadline {
        /// When it was requested, with the offset from UTC: 2026-11-16T09:00:00+05:00
        #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
        from: Timestamp,
        /// Business days after the day of the request, which is not counted.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        business_days: u16,
        /// For a program.
        #[arg(long)]
        json: bool,
    },
    /// Which days are worked, and why.
    Check {
        /// First day: 2026-12-14
        #[arg(long, value_name = "DATE", value_parser = parse_date)]
        from: Date,
        /// Last day, included.
        #[arg(long, value_name = "DATE", value_parser = parse_date)]
        to: Date,
        /// For a program.
        #[arg(long)]
        json: bool,
    },
    /// A year to read.
    Show {
        /// 2026
        year: i16,
        /// For a program.
        #[arg(long, conflicts_with = "file")]
        json: bool,
        /// The year's file, to copy into the folder that calendar.folder names.
        #[arg(long)]
        file: bool,
    },
}

fn parse_instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        "expected an instant from year 1 to 9999 with its offset from UTC, like \
         2026-11-16T09:00:00+05:00"
            .to_owned()
    })
}

fn parse_date(text: &str) -> Result<Date, String> {
    // A longer text (an instant) would be cut to its date, whatever its offset.
    let date = text.parse().ok().filter(|date: &Date| date.to_string() == text);
    date.ok_or_else(|| "expected a date like 2026-12-16".to_owned())
}

pub(super) fn run(path: Option<&Path>, command: &Command) -> u8 {
    let calendar = match config::calendar(path, std::env::vars()) {
        Ok(calendar) => calendar,
        Err(error) => {
            complain(&error);
            return WRONG_USE;
        }
    };
    if let Command::Check { from, to, .. } = *command {
        if to < from {
            complain(&format!("--to {to} lies before --from {from}"));
            return WRONG_USE;
        }
        let days = (to - from).get_days();
        if usize::try_from(days).map_or(true, |days| days >= DAYS_MAX) {
            complain(&format!("--to {to}: at most {DAYS_MAX} days can be listed at once"));
            return WRONG_USE;
        }
    }
    match answer(&calendar, command) {
        Ok(answer) => {
            say(&answer);
            DONE
        }
        Err(missing) => {
            complain(&missing);
            FAILED
        }
    }
}

fn answer(calendar: &Calendar, command: &Command) -> Result<String, MissingYear> {
    match *command {
        Command::Deadline { from, business_days, json } => {
            let deadline = shown(calendar.deadline(from, business_days)?);
            Ok(if json { json!({ "deadline": deadline }).to_string() } else { deadline })
        }
        Command::Check { from, to, json } => {
            let days = from.series(1.day()).take_while(|day| *day <= to);
            let days: Result<Vec<_>, _> = days.map(|day| Ok((day, calendar.day(day)?))).collect();
            let days = days?;
            Ok(if json {
                Value::Array(days.iter().map(|(day, reason)| as_json(*day, reason)).collect())
                    .to_string()
            } else {
                lines(days.into_iter())
            })
        }
        Command::Show { year, file: true, .. } => {
            Ok(calendar.year(year)?.text.trim_end().to_owned())
        }
        Command::Show { year, json: true, .. } => Ok(year_as_json(calendar.year(year)?)),
        Command::Show { year, .. } => Ok(page(calendar.year(year)?)),
    }
}

/// An instant with the offset that Almaty has then.
fn shown(at: Timestamp) -> String {
    let offset = in_almaty(at).offset();
    at.to_zoned(TimeZone::fixed(offset)).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn as_json(day: Date, reason: &Reason) -> Value {
    json!({ "date": day, "working": reason.is_working(), "reason": reason.to_string() })
}

fn lines<'a>(days: impl Iterator<Item = (Date, &'a Reason)>) -> String {
    let line = |(day, reason): (Date, &Reason)| {
        let working = if reason.is_working() { "works" } else { "off" };
        format!("{day} {} {working:<6} {reason}", day.strftime("%a"))
    };
    days.map(line).collect::<Vec<_>>().join("\n")
}

fn year_as_json(year: &Year) -> String {
    json!({
        "year": year.number,
        "revision": year.revision,
        "working_days": year.working_days(),
        "sources": year.sources,
        "uncertain": year.uncertain,
        "days": year.days().map(|(day, reason)| as_json(day, reason)).collect::<Vec<_>>(),
    })
    .to_string()
}

/// A year as a person reads it: how long, what differs from plain weeks, month by month, and why.
fn page(year: &Year) -> String {
    let mut text = format!(
        "{}, revision {}: {} working days of {}. Days off in brackets.\n",
        year.number,
        year.revision,
        year.working_days(),
        year.days().count(),
    );
    if let Some(uncertain) = &year.uncertain {
        text.push_str(&format!("Not settled: {uncertain}.\n"));
    }
    for month in 1..=12 {
        text.push_str(&format!("\n{}", month_grid(year, month)));
    }
    text.push('\n');
    let special =
        |(_, reason): &(Date, &Reason)| !matches!(reason, Reason::Workday | Reason::Weekend);
    text.push_str(&lines(year.days().filter(special)));
    text.push_str("\n\nSources\n");
    let sources: Vec<String> = year.sources.iter().map(|source| format!("- {source}")).collect();
    text.push_str(&sources.join("\n"));
    text
}

fn month_grid(year: &Year, month: i8) -> String {
    let days: Vec<_> = year.days().filter(|(day, _)| day.month() == month).collect();
    let working = days.iter().filter(|(_, reason)| reason.is_working()).count();
    let Some((first, _)) = days.first() else { return String::new() };
    let name = first.strftime("%B");
    let mut text = format!("{name} ({working})\n  Mo   Tu   We   Th   Fr   Sa   Su\n");
    text.push_str(
        &"     ".repeat(usize::try_from(first.weekday().to_monday_zero_offset()).unwrap_or(0)),
    );
    for (day, reason) in days {
        let number = day.day();
        text.push_str(&if reason.is_working() {
            format!("  {number:>2} ")
        } else {
            format!(" {:>4}", format!("[{number}]"))
        });
        if day.weekday() == jiff::civil::Weekday::Sunday {
            text.push('\n');
        }
    }
    format!("{}\n", text.trim_end())
}
