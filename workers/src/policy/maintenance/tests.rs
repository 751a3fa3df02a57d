use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn ends(weekly: &str, now: &str) -> Option<String> {
    let end = When::weekly(weekly).expect("a window").ends(at(now))?;
    Some(in_almaty(end).strftime("%a %H:%M:%S").to_string())
}

#[test]
fn a_weekly_window_is_read_by_a_clock_in_almaty() {
    let night = "Sat 22:00-Sun 06:00";
    // 2026-11-21 is a Saturday.
    assert_eq!(ends(night, "2026-11-21T21:59:59+05:00"), None);
    assert_eq!(ends(night, "2026-11-21T22:00:00+05:00").as_deref(), Some("Sun 06:00:00"));
    assert_eq!(ends(night, "2026-11-22T05:59:59.9+05:00").as_deref(), Some("Sun 06:00:00"));
    assert_eq!(ends(night, "2026-11-22T06:00:00+05:00"), None);
}

#[test]
fn a_window_may_pass_the_end_of_the_week() {
    let night = "Sun 23:00-Mon 01:00";
    assert_eq!(ends(night, "2026-11-22T23:30:20+05:00").as_deref(), Some("Mon 01:00:00"));
    assert_eq!(ends(night, "2026-11-23T00:59:00+05:00").as_deref(), Some("Mon 01:00:00"));
    assert_eq!(ends(night, "2026-11-23T01:00:00+05:00"), None);
    assert_eq!(ends(night, "2026-11-22T22:59:00+05:00"), None);
}

#[test]
fn what_is_no_window_is_not_read() {
    for wrong in [
        "",
        "Sat 22:00",
        "Sat 22:00-",
        "Sat 24:00-Sun 06:00",
        "Sat 22:60-Sun 06:00",
        "sat 22:00-Sun 06:00",
        "Sat 2:00-Sun 06:00",
        "Sat 22:00-Sat 22:00",
        "Sat 22-Sun 06",
    ] {
        assert_eq!(When::weekly(wrong), None, "{wrong}");
    }
}

#[test]
fn of_two_windows_the_one_that_ends_last_counts() {
    let once = |from, until, text: &str| Window {
        when: When::Once { from: at(from), until: at(until) },
        text_ru: text.to_owned(),
        text_kk: String::new(),
    };
    let windows = [
        once("2026-11-21T10:00:00Z", "2026-11-21T12:00:00Z", "short"),
        once("2026-11-21T09:00:00Z", "2026-11-21T13:00:00Z", "long"),
    ];
    let (window, until) = active(&windows, at("2026-11-21T11:00:00Z")).expect("on");
    assert_eq!((window.text_ru.as_str(), until), ("long", at("2026-11-21T13:00:00Z")));
    assert_eq!(active(&windows, at("2026-11-21T13:00:00Z")), None);
    assert_eq!(active(&windows, at("2026-11-21T08:59:59Z")), None);
}
