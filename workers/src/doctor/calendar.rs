//! The program's years of the business calendar, and its time zone.

use jiff::{SignedDuration, Timestamp, tz::Offset};

use super::{Findings, Subject, Verdict};
use crate::policy::calendar::{AHEAD_MONTHS, Calendar, in_almaty};

/// UTC+5 since 2024-03-01.
const OFFSET: Offset = jiff::tz::offset(5);

pub(super) fn look(subject: &Subject, findings: &mut Findings) {
    let calendar = &subject.settings.config.calendar;
    let (missing, soon) = (calendar.missing(subject.now), calendar.missing_soon(subject.now));
    let known: Vec<i16> = calendar.years().map(|year| year.number).collect();
    findings.add("years", years(&known, &missing, &soon));
    findings.add("settled", settled(calendar, subject.now));
    findings.add("time_zone", time_zone(in_almaty(subject.now).offset()));
}

fn years(known: &[i16], missing: &[i16], soon: &[i16]) -> Verdict {
    let mend = "`hub calendar show YEAR --file` prints a file to start from; calendar.folder names the \
                folder of all years (workers/README.md, Business days)";
    if !missing.is_empty() {
        let found = format!("missing: {missing:?}: `hub run` does not start");
        return Verdict::fail(found, mend);
    }
    if !soon.is_empty() {
        let found = format!("missing within {AHEAD_MONTHS} months: {soon:?}; then nothing starts");
        return Verdict::fail(found, mend);
    }
    match (known.first(), known.last()) {
        (Some(first), Some(last)) => Verdict::ok(format!("{first} to {last}")),
        _ => Verdict::fail("none", mend),
    }
}

/// A year that is about to begin should not be a guess any more.
fn settled(calendar: &Calendar, now: Timestamp) -> Verdict {
    let soon = now + SignedDuration::from_hours(31 * 24);
    let years = [in_almaty(now).year(), in_almaty(soon).year()];
    let guessed = calendar.years().filter(|year| year.uncertain.is_some());
    let guessed: Vec<i16> = guessed.map(|y| y.number).filter(|year| years.contains(year)).collect();
    if guessed.is_empty() {
        return Verdict::ok("this year's days are decreed");
    }
    Verdict::warn(
        format!("not settled when the file was made: {guessed:?}"),
        "`hub calendar show YEAR` says what was not: compare with the decree, raise `revision`",
    )
}

fn time_zone(offset: Offset) -> Verdict {
    let found = format!("Asia/Almaty is UTC{offset}, from the program's own data");
    if offset == OFFSET {
        return Verdict::ok(found);
    }
    Verdict::warn(found, "It has been UTC+05 since 2024-03-01: is this machine's date right?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Light::{Fail, Ok as Good, Warn};

    #[test]
    fn a_missing_year_fails_three_months_ahead() {
        assert_eq!(years(&[2025, 2026], &[], &[]).light, Good);
        assert_eq!(years(&[2025, 2026], &[], &[2027]).light, Fail);
        assert_eq!(years(&[2025, 2026], &[2027], &[2027]).light, Fail);
        assert_eq!(years(&[], &[], &[]).light, Fail);
        let calendar = Calendar::built_in();
        for (day, light) in [("2027-09-30", Good), ("2027-10-02", Fail), ("2028-01-05", Fail)] {
            let now: Timestamp = format!("{day}T12:00:00Z").parse().unwrap();
            let verdict = years(&[2019, 2028], &calendar.missing(now), &calendar.missing_soon(now));
            assert_eq!(verdict.light, light, "{day}: {verdict:?}");
        }
    }

    #[test]
    fn a_year_that_was_not_decreed_is_told_before_it_begins() {
        let calendar = Calendar::built_in();
        for (day, light) in [("2026-11-22", Good), ("2026-12-15", Warn), ("2027-06-01", Warn)] {
            let now = format!("{day}T12:00:00Z").parse().unwrap();
            assert_eq!(settled(&calendar, now).light, light, "{day}");
        }
    }

    #[test]
    fn almaty_is_five_hours_ahead() {
        assert_eq!(time_zone(jiff::tz::offset(5)).light, Good);
        assert_eq!(time_zone(jiff::tz::offset(6)).light, Warn);
    }
}
