use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("instant")
}

#[test]
fn moments_are_written_in_local_time_with_milliseconds() {
    let moment = at("2026-01-15T20:00:00.1239Z");
    assert_eq!(write_moment(moment), "2026-01-16T01:00:00.123+05:00");
    assert_eq!(local_date(moment).to_string(), "2026-01-16");
}

#[test]
fn every_form_seen_on_the_wire_is_read() {
    let five = at("2026-01-15T05:00:00Z");
    for (text, expected, offset_assumed) in [
        ("2026-01-15T10:00:00+05:00", five, false),
        ("2026-01-15T10:00:00.000+0500", five, false),
        ("2026-01-15T11:00:00+06:00", five, false),
        ("2026-01-15T05:00:00Z", five, false),
        ("2026-01-15T00:00:00-05:00", five, false),
        (" 2026-01-15T10:00:00 ", five, true),
        ("2026-01-15T10:00:00.123456789", at("2026-01-15T05:00:00.123456789Z"), true),
        ("2026-01-15", at("2026-01-14T19:00:00Z"), true),
    ] {
        assert_eq!(read_moment(text), Ok(Moment { at: expected, offset_assumed }), "{text}");
    }
    for text in [
        "",
        "x",
        "15.01.2026",
        "2026-13-01T00:00:00Z",
        "2026-01-15T10:00:00+5",
        "2026-01-15T10:00:00+1é0",
    ] {
        assert_eq!(read_moment(text), Err(NotADate), "{text}");
    }
}

#[test]
fn a_civil_date_loses_its_offset_and_never_shifts() {
    for text in [
        "2020-01-15",
        "2020-01-15+06:00",
        "2020-01-15Z",
        "2020-01-15T00:00:00+06:00",
        "2020-01-15T23:59:59Z",
    ] {
        let date = read_date(text).expect(text).expect(text);
        assert_eq!(date.to_string(), "2020-01-15", "{text}");
    }
    assert_eq!(read_date(""), Ok(None));
    assert_eq!(read_date(" - "), Ok(None));
    for text in ["2020-1-15", "2020-02-30", "20200115", "2020-01-15x", "2020-01-15Tx"] {
        assert_eq!(read_date(text), Err(NotADate), "{text}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics(text in "[0-9TZ:+.-]{0,35}|\\PC{0,20}") {
        prop_assert_eq!(read_moment(&text).is_ok() && text.trim().len() < 10, false);
        prop_assert!(read_date(&text) != Ok(None) || matches!(text.trim(), "" | "-"));
    }
}
