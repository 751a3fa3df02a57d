use jiff::civil::Weekday;
use proptest::prelude::*;

use super::*;

static CALENDAR: LazyLock<Calendar> = LazyLock::new(Calendar::built_in);

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn reason(day: &str) -> String {
    CALENDAR.day(date(day)).unwrap().to_string()
}

/// An instant of the years that ten business days are known after.
fn instants() -> impl Strategy<Value = Timestamp> {
    let (first, last) =
        (instant("2019-01-01T00:00:00+06:00"), instant("2028-11-30T00:00:00+05:00"));
    (first.as_second()..last.as_second()).prop_map(|second| Timestamp::from_second(second).unwrap())
}

#[test]
fn d7_the_deadline_is_the_end_of_the_fifth_business_day_after_the_request() {
    for (request, deadline) in [
        ("2026-11-16T09:00:00+05:00", "2026-11-24T00:00:00+05:00"),
        ("2026-11-20T18:30:00+05:00", "2026-11-28T00:00:00+05:00"),
        ("2026-11-21T12:00:00+05:00", "2026-11-28T00:00:00+05:00"),
        ("2026-12-10T10:00:00+05:00", "2026-12-19T00:00:00+05:00"),
        // A working Saturday, a decreed day off, and the offset of today: it was +05:00 since March.
        ("2024-04-30T10:00:00+05:00", "2024-05-11T00:00:00+05:00"),
    ] {
        assert_eq!(CALENDAR.deadline(instant(request), 5), Ok(instant(deadline)), "{request}");
    }
}

#[test]
fn the_day_of_the_request_is_the_day_in_almaty() {
    // One second apart, on two sides of midnight there; in UTC both are Monday evening.
    for (request, deadline) in [
        ("2026-11-16T18:59:59Z", "2026-11-17T19:00:00Z"),
        ("2026-11-16T19:00:00Z", "2026-11-18T19:00:00Z"),
    ] {
        assert_eq!(CALENDAR.deadline(instant(request), 1), Ok(instant(deadline)), "{request}");
    }
}

#[test]
fn almaty_was_at_utc_plus_6_until_march_2024_whatever_this_machine_knows() {
    let before = CALENDAR.deadline(instant("2024-02-26T10:00:00+06:00"), 1).unwrap();
    assert_eq!(before, instant("2024-02-28T00:00:00+06:00"));
    let across = CALENDAR.deadline(instant("2024-02-28T10:00:00+06:00"), 1).unwrap();
    assert_eq!(across, instant("2024-03-01T00:00:00+05:00"));
    let day = start_of(date("2024-03-01")).duration_since(start_of(date("2024-02-29")));
    assert_eq!(day, SignedDuration::from_hours(25));
}

#[test]
fn the_hour_that_came_twice_belongs_to_the_29th_of_february_both_times() {
    // 23:30 at +06:00 and again at +05:00.
    for request in ["2024-02-29T17:30:00Z", "2024-02-29T18:30:00Z", "2024-02-29T18:59:59Z"] {
        assert_eq!(day_of(instant(request)), date("2024-02-29"), "{request}");
        let deadline = CALENDAR.deadline(instant(request), 1);
        assert_eq!(deadline, Ok(instant("2024-03-02T00:00:00+05:00")), "{request}");
    }
    assert_eq!(day_of(instant("2024-02-29T19:00:00Z")), date("2024-03-01"));
}

#[test]
fn days_say_why_they_are_worked_or_not() {
    for (day, why) in [
        ("2026-11-20", "working day"),
        ("2026-11-21", "weekend"),
        ("2026-12-16", "Independence Day"),
        ("2026-03-09", "off instead of 2026-03-08 (International Women's Day)"),
        ("2022-05-10", "off instead of 2022-05-07 (Defender of the Fatherland Day)"),
        // The holiday on a weekend, and the day off instead, which was moved itself.
        ("2020-05-09", "Victory Day"),
        (
            "2020-05-11",
            "worked instead of 2020-05-08 (resolution of the Government No. 820 of 2019)",
        ),
        ("2020-05-08", "off instead of 2020-05-11 (resolution of the Government No. 820 of 2019)"),
        // By law a day off and no holiday: nothing is off instead.
        ("2024-06-16", "Kurban Ait, first day"),
        ("2024-06-17", "working day"),
        // No holiday any more since the Constitution of 2026.
        ("2026-08-31", "working day"),
        ("2027-03-15", "Constitution Day"),
    ] {
        assert_eq!(reason(day), why, "{day}");
    }
}

#[test]
fn every_year_agrees_with_the_week_except_where_somebody_named_says_so() {
    for year in CALENDAR.years() {
        assert!(!year.sources.is_empty(), "{}", year.number);
        for (day, reason) in year.days() {
            let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
            match reason {
                Reason::Workday => assert!(!weekend, "{day}"),
                Reason::Weekend => assert!(weekend, "{day}"),
                Reason::Holiday(name) => assert!(!name.is_empty(), "{day}"),
                Reason::Instead { of, .. } => {
                    assert!(!weekend && *of < day, "{day}");
                    assert!(matches!(CALENDAR.day(*of), Ok(Reason::Holiday(_))), "{day}");
                }
                // Each half of a move names the other, and who decided.
                Reason::Worked { off, by } => {
                    let there = Reason::Off { works: day, by: by.clone() };
                    assert_eq!(CALENDAR.day(*off), Ok(&there), "{day}");
                }
                Reason::Off { works, by } => {
                    assert!(!weekend && by.contains("No. "), "{day}");
                    assert!(CALENDAR.day(*works).unwrap().is_working(), "{day}");
                }
            }
        }
    }
}

#[test]
fn the_years_have_the_working_days_that_were_counted_elsewhere() {
    // By the package `holidays` 0.109 of PyPI, country KZ, transferred working days included.
    let counted: Vec<_> = CALENDAR.years().map(|year| (year.number, year.working_days())).collect();
    let known = [
        (2019, 246),
        (2020, 246),
        (2021, 245),
        (2022, 246),
        (2023, 246),
        (2024, 249),
        (2025, 246),
        (2026, 247),
        (2027, 247),
        (2028, 245),
    ];
    assert_eq!(counted, known);
    let most = usize::from(contracts::operation::BUSINESS_DAYS_MAX);
    assert!(known.iter().all(|(_, days)| most < *days), "a promise may reach over a year");
}

#[test]
fn years_to_come_say_what_is_not_settled() {
    let uncertain: Vec<_> =
        CALENDAR.years().filter(|y| y.uncertain.is_some()).map(|y| y.number).collect();
    assert_eq!(uncertain, [2027, 2028]);
}

#[test]
fn what_the_calendar_does_not_reach_is_an_error_that_names_the_year() {
    let early = CALENDAR.deadline(instant("2018-12-31T17:59:59Z"), 1).unwrap_err();
    assert_eq!((early.year, early.first, early.last), (2018, 2019, 2028));
    assert!(CALENDAR.deadline(instant("2018-12-31T18:00:00Z"), 1).is_ok());
    // Friday 29 December 2028 is the last working day.
    let last = instant("2028-12-28T10:00:00+05:00");
    assert_eq!(CALENDAR.deadline(last, 1), Ok(instant("2028-12-30T00:00:00+05:00")));
    assert_eq!(CALENDAR.deadline(last, 2).unwrap_err().year, 2029);
    assert_eq!(CALENDAR.deadline(instant("2029-01-01T00:00:00+05:00"), 1).unwrap_err().year, 2029);
    assert_eq!(CALENDAR.deadline(Timestamp::MAX, u16::MAX).unwrap_err().first, 2019);
    assert_eq!(CALENDAR.deadline(Timestamp::MIN, u16::MAX).unwrap_err().last, 2028);
    assert_eq!(CALENDAR.day(date("2029-01-01")).unwrap_err().year, 2029);
    let text = early.to_string();
    assert!(text.contains("no year 2018") && text.contains("calendar.folder"), "{text}");
}

#[test]
fn this_year_and_the_next_are_needed_and_in_january_the_last() {
    let years = [2024, 2025, 2026].map(|year| CALENDAR.year(year).unwrap().clone());
    let calendar = Calendar::of(years.to_vec()).unwrap();
    for (now, missing, soon) in [
        ("2025-12-31T23:59:59+05:00", vec![], vec![2027]),
        ("2026-01-01T00:00:00+05:00", vec![2027], vec![2027]),
        ("2025-09-30T12:00:00+05:00", vec![], vec![]),
        ("2025-10-01T12:00:00+05:00", vec![], vec![2027]),
        ("2024-01-10T00:00:00+05:00", vec![2023], vec![2023]),
        ("2024-02-10T00:00:00+05:00", vec![], vec![]),
        ("2028-05-01T00:00:00+05:00", vec![2028, 2029], vec![2028, 2029]),
    ] {
        assert_eq!(calendar.missing(instant(now)), missing, "{now}");
        assert_eq!(calendar.missing_soon(instant(now)), soon, "{now}");
        let year = calendar.check(instant(now)).map_err(|missing| missing.year);
        assert_eq!(year.err(), missing.first().copied(), "{now}");
    }
}

#[test]
fn how_long_business_days_can_take_is_known() {
    let days = |n: u64| Duration::from_secs(n * 86_400);
    // From Friday 12 March 2027: two weekends, Constitution Day, and Nauryz with a day off instead.
    assert_eq!(CALENDAR.reach(5), Some((days(5), days(14))));
    assert_eq!(CALENDAR.reach(u16::MAX), None);
}

const YEAR: &str = r#"
year = 2026
revision = 3
sources = ["a law"]
holidays = [
  { date = "2026-03-08", name = "A Sunday", instead = "2026-03-09" },
  { date = "2026-05-27", name = "A Wednesday" },
]
transfers = [{ works = "2026-05-30", off = "2026-05-28", by = "somebody" }]
"#;

#[test]
fn a_file_that_contradicts_itself_is_told_of_and_not_used() {
    assert_eq!(Year::read("2026.toml", YEAR).map(|year| year.revision), Ok(3));
    let cases = [
        ("revision = 3", "", "missing field `revision`"),
        ("revision = 3", "revision = 0", "a revision from 1 on"),
        ("revision = 3", "revision = 3\ncolour = 1", "unknown field `colour`"),
        ("year = 2026", "year = 2025", "the year of its name, not year = 2025"),
        ("[\"a law\"]", "[\" \"]", "at least one source"),
        ("2026-05-27", "2026-02-30", "2026-02-30"),
        ("2026-05-27", "2025-05-27", "2025-05-27 (A Wednesday) within the year"),
        ("A Wednesday", " ", "a name for the holiday of 2026-05-27"),
        ("2026-05-27", "2026-03-08", "one entry for 2026-03-08"),
        (
            ", instead = \"2026-03-09\"",
            "",
            "instead = 2026-03-09 for 2026-03-08 (A Sunday), a Sunday",
        ),
        ("2026-03-09", "2026-03-10", "instead = 2026-03-09 for 2026-03-08"),
        ("\"2026-03-09\"", "\"2026-03-09\", stays = true", "no `instead` for 2026-03-08"),
        ("A Wednesday\"", "A Wednesday\", instead = \"2026-05-28\"", "no `instead` for 2026-05-27"),
        ("somebody", "", "by = who moved the day off"),
        ("2026-05-30", "2026-05-29", "works = 2026-05-29 to be a day off"),
        ("2026-05-28", "2026-05-31", "off = 2026-05-31 to be a working day"),
        ("2026-05-28", "2026-05-27", "off = 2026-05-27 to be a working day (A Wednesday)"),
    ];
    for (from, to, expected) in cases {
        assert!(YEAR.contains(from), "{from}");
        let fault = Year::read("2026.toml", &YEAR.replacen(from, to, 1)).unwrap_err();
        assert!(fault.expected.contains(expected), "{from} → {to}: {fault}");
        assert_eq!(fault.file, "2026.toml");
    }
}

#[test]
fn the_day_off_of_a_holiday_at_the_end_of_a_year_is_never_lost() {
    let file = |year: i16, holidays: &str| {
        let text = format!("year = {year}\nrevision = 1\nsources = ['x']\nholidays = [{holidays}]");
        Year::read(&format!("{year}.toml"), &text)
    };
    // A Saturday; the 1st of January 2034 is a Sunday.
    let last = |instead: &str| format!("{{ date = '2033-12-31', name = 'Last day'{instead} }}, ");
    for wrong in ["", ", instead = '2034-01-01'", ", instead = '2033-12-30'"] {
        let fault = file(2033, &last(wrong)).unwrap_err();
        let expected = "instead = the first working day of 2034 for 2033-12-31";
        assert!(fault.expected.starts_with(expected), "{wrong}: {fault}");
    }
    let stated = last(", instead = '2034-01-03'");
    let new_year = "{ date = '2034-01-02', name = 'New Year' }";
    let calendar = Calendar::of(vec![
        file(2033, &stated).unwrap(),
        file(2034, &format!("{stated}{new_year}")).unwrap(),
    ]);
    let calendar = calendar.unwrap();
    let off = calendar.day(date("2034-01-03")).unwrap();
    assert_eq!(off.to_string(), "off instead of 2033-12-31 (Last day)");
    assert!(calendar.day(date("2034-01-04")).unwrap().is_working());
    // Its own holidays on a weekend come after it.
    let sunday = "{ date = '2034-01-01', name = 'New Year', instead = '2034-01-04' }, ";
    assert!(file(2034, &format!("{stated}{sunday}{new_year}")).is_ok());
    // The next year says which day it is, and both say it.
    let early = format!("{}{new_year}", last(", instead = '2034-01-02'"));
    let early = file(2034, &early).unwrap_err();
    assert!(early.expected.starts_with("instead = 2034-01-03"));
    let monday = last(", instead = '2034-01-02'");
    for (early, late) in [(monday.as_str(), ""), ("", monday.as_str())] {
        let years = vec![file(2033, early).unwrap(), file(2034, late).unwrap()];
        let faults = Calendar::of(years).unwrap_err();
        assert!(faults[0].expected.starts_with("the same holidays"), "{faults:?}");
    }
}

#[test]
fn a_day_off_that_is_moved_over_the_end_of_a_year_stands_in_both_files() {
    let file = |year: i16, transfers: &str| {
        let text =
            format!("year = {year}\nrevision = 1\nsources = ['x']\nholidays = []\n{transfers}");
        Year::read(&format!("{year}.toml"), &text).unwrap()
    };
    let moved = "transfers = [{ works = '2025-12-27', off = '2026-01-05', by = 'x' }]";
    let calendar = Calendar::of(vec![file(2025, moved), file(2026, moved)]).unwrap();
    assert!(calendar.day(date("2025-12-27")).unwrap().is_working());
    assert!(!calendar.day(date("2026-01-05")).unwrap().is_working());
    for (early, late) in [(moved, ""), ("", moved)] {
        let faults = Calendar::of(vec![file(2025, early), file(2026, late)]).unwrap_err();
        assert!(faults[0].expected.starts_with("the same transfers"), "{faults:?}");
    }
    let faults = Calendar::of(vec![file(2024, ""), file(2026, "")]).unwrap_err();
    assert_eq!(faults[0].to_string(), "2025.toml: expected no gap between 2024 and 2026");
}

proptest! {
    #[test]
    fn n_business_days_and_then_m_are_n_and_m(at in instants(), n in 1_u16..8, m in 1_u16..8) {
        // The end of the nth day is the first moment of the day after it: a step from within that day.
        let first = CALENDAR.deadline(at, n).unwrap();
        let within = first.checked_sub(SignedDuration::from_nanos(1)).unwrap();
        prop_assert_eq!(CALENDAR.deadline(within, m), CALENDAR.deadline(at, n + m));
    }

    #[test]
    fn a_later_request_never_has_an_earlier_deadline(a in instants(), b in instants(), n in 1_u16..15) {
        let (earlier, later) = (a.min(b), a.max(b));
        prop_assert!(CALENDAR.deadline(earlier, n).unwrap() <= CALENDAR.deadline(later, n).unwrap());
    }

    #[test]
    fn a_deadline_counts_exactly_its_working_days(at in instants(), n in 1_u16..15) {
        let deadline = CALENDAR.deadline(at, n).unwrap();
        let day = day_of(deadline);
        prop_assert_eq!(start_of(day), deadline);
        let between = day_of(at).tomorrow().unwrap().series(1.day()).take_while(|d| *d < day);
        let worked = between.filter(|d| CALENDAR.day(*d).unwrap().is_working()).count();
        prop_assert_eq!(worked, usize::from(n));
        prop_assert!(CALENDAR.day(day.yesterday().unwrap()).unwrap().is_working());
        prop_assert!(deadline > at);
    }
}
