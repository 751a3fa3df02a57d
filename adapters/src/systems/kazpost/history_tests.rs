use serde_json::{Value, json};

use super::*;

const NUMBER: &str = "AP000000014KZ";

fn now() -> Timestamp {
    "2026-04-20T05:00:00Z".parse().expect("instant")
}

fn told(body: &Value) -> Result<Told, Cause> {
    read(body, &NUMBER.parse().expect("a vector"), now())
}

fn activity(time: &str, status: &Value) -> Value {
    json!({
        "time": time, "zip": "050000", "city": "АЛМАТЫ", "name": "ТЕСТОВ ТЕСТ",
        "x_dep_id": "000000", "status": status, "dep_code": "059900/225",
        "nondlv_reason": null, "return_reason": null, "forward_reason": null,
    })
}

/// Days as `(date, [(time, code)])`.
fn history(days: &[(&str, &[(&str, &str)])]) -> Vec<Event> {
    let days: Vec<Value> = days
        .iter()
        .map(|(date, all)| {
            let all: Vec<Value> =
                all.iter().map(|(time, code)| activity(time, &json!([code]))).collect();
            json!({ "date": date, "activity": all })
        })
        .collect();
    match told(&json!({ "trackid": NUMBER, "timestamp": "11:29:37 16.04.2026", "events": days })) {
        Ok(Told::Events(events)) => events,
        other => panic!("{other:?}"),
    }
}

fn status(days: &[(&str, &[(&str, &str)])]) -> Option<Status> {
    judge(&history(days)).status.map(|(status, _)| status)
}

#[test]
fn times_are_local_with_seconds_or_without_and_the_offset_follows_the_year() {
    let at = |day: &str, time: &str| {
        instant(read_date(day).expect("a date").to_datetime(read_time(time).expect("a time")))
    };
    let utc = |text: &str| text.parse::<Timestamp>().ok();
    assert_eq!(at("15.04.2026", "18:59"), utc("2026-04-15T13:59:00Z"));
    assert_eq!(at("15.04.2026", "18:59:07"), utc("2026-04-15T13:59:07Z"));
    assert_eq!(at("29.02.2024", "18:59"), utc("2024-02-29T12:59:00Z"));
    assert_eq!(at("01.03.2024", "00:00"), utc("2024-02-29T19:00:00Z"));
    for text in ["", "2026-04-15", "32.01.2026", "15.04.26x"] {
        assert_eq!(read_date(text), None, "{text}");
    }
    for text in ["", "25:00", "18.59", "18:59:07 15.04.2026"] {
        assert_eq!(read_time(text), None, "{text}");
    }
}

#[test]
fn the_first_activity_of_the_newest_day_is_not_the_state() {
    // As captured: the delivery of the same minute stands second.
    let newest = [("18:59", "TRANSITSND"), ("18:59", "ISSPAY")];
    let days: &[(&str, &[(&str, &str)])] =
        &[("16.04.2026", &newest), ("14.04.2026", &[("09:00", "RCPOPS")])];
    assert_eq!(status(days), Some(Status::DeliveredByCourier));
    assert_eq!(judge(&history(days)).terminal_since, "2026-04-16T13:59:00Z".parse().ok());
}

#[test]
fn d17_an_undone_event_is_history_and_moves_nothing() {
    let days: &[(&str, &[(&str, &str)])] = &[
        ("16.04.2026", &[("12:00", "BOXISS_UNDO"), ("10:00", "BOXISS")]),
        ("14.04.2026", &[("09:00", "RCPOPS")]),
    ];
    let events = history(days);
    assert_eq!(events.len(), 3, "all of it is history");
    let judged = judge(&events);
    assert_eq!(judged.status.map(|(status, _)| status), Some(Status::HandedToKazpost));
    assert_eq!((judged.terminal_since, judged.last), (None, Some(Class::Accepted)));
}

#[test]
fn d17_an_undo_takes_away_one_event_that_is_not_younger() {
    let days: &[(&str, &[(&str, &str)])] =
        &[("16.04.2026", &[("12:00", "RET"), ("11:00", "RET_UNDO"), ("10:00", "RET")])];
    assert_eq!(status(days), Some(Status::Returned), "the later return stands");
    let days: &[(&str, &[(&str, &str)])] =
        &[("16.04.2026", &[("10:00", "RET_UNDO"), ("10:00", "RET")])];
    assert_eq!(status(days), None, "undone within its minute");
    let days: &[(&str, &[(&str, &str)])] = &[("16.04.2026", &[("10:00", "RET_UNDO")])];
    assert_eq!(status(days), None, "an undo of nothing");
}

#[test]
fn d17_a_return_counts_after_a_delivery_and_a_delivery_to_the_sender_does_not_undo_it() {
    let days: &[(&str, &[(&str, &str)])] = &[
        ("18.04.2026", &[("10:00", "ISSPAY")]),
        ("16.04.2026", &[("10:00", "RET")]),
        ("14.04.2026", &[("09:00", "RCPOPS")]),
    ];
    assert_eq!(status(days), Some(Status::Returned));
}

#[test]
fn unknown_codes_move_nothing() {
    let days: &[(&str, &[(&str, &str)])] =
        &[("16.04.2026", &[("10:00", "SIMNEWS"), ("11:00", "SIMNEWS_UNDO")])];
    let events = history(days);
    assert_eq!(events.len(), 2);
    let judged = judge(&events);
    assert_eq!((judged.status, judged.terminal_since, judged.last), (None, None, None));
}

#[test]
fn a_status_may_be_empty_absent_several_or_no_code() {
    for (status, codes) in [
        (json!([]), vec![None]),
        (Value::Null, vec![None]),
        (json!("RCPOPS"), vec![None]),
        (json!([7]), vec![None]),
        (json!(["ТЕСТОВ ТЕСТ 850100300012"]), vec![None]),
        (json!(["RCPOPS", "BAT"]), vec![Some("BAT"), Some("RCPOPS")]),
    ] {
        let days = json!([{ "date": "15.04.2026", "activity": [activity("18:59", &status)] }]);
        let Ok(Told::Events(events)) = told(&json!({ "trackid": NUMBER, "events": days })) else {
            panic!("{status}");
        };
        let found: Vec<_> = events.iter().map(|event| event.code.as_deref()).collect();
        assert_eq!(found, codes, "{status}");
    }
}

#[test]
fn the_same_event_has_the_same_key_however_its_time_is_written() {
    let plain = history(&[("15.04.2026", &[("18:59", "RCPOPS")])]);
    let exact = history(&[("15.04.2026", &[("18:59:07", "RCPOPS")])]);
    assert_eq!(plain[0].key(), "2026-04-15T13:59Z RCPOPS 050000");
    assert_eq!(plain[0].key(), exact[0].key());
    let both = history(&[("15.04.2026", &[("18:59", "RCPOPS"), ("18:59:07", "RCPOPS")])]);
    assert_eq!(both.len(), 1);
}

#[test]
fn what_a_number_was_used_for_half_a_year_ago_is_another_parcel() {
    let days: &[(&str, &[(&str, &str)])] =
        &[("14.04.2026", &[("09:00", "RCPOPS")]), ("14.04.2025", &[("09:00", "ISSPAY")])];
    let events = history(days);
    assert_eq!((events.len(), status(days)), (1, Some(Status::HandedToKazpost)));
}

#[test]
fn not_found_comes_with_success_and_a_summary_moves_nothing() {
    let error = json!({
        "trackid": NUMBER, "timestamp": "x", "exectime": "0ms", "api": "main", "data_name": "prod",
        "error": "Отправление не найдена в трекинговой системе АО \"Казпочта\"",
    });
    assert_eq!(told(&error), Ok(Told::NotKnown));
    let summary = json!({
        "trackid": NUMBER, "status": "В пути", "x_status": "ISSPAY", "x_status_code": "Выдан",
        "receiver": { "name": "ТЕСТОВ ТЕСТ" }, "weight": 1.5,
    });
    assert_eq!(told(&summary), Ok(Told::Summary));
    let none = json!({ "trackid": NUMBER, "events": [], "error": null });
    assert_eq!(told(&none), Ok(Told::Events(Vec::new())));
}

#[test]
fn another_parcel_and_another_form_are_not_taken() {
    let day = |date: &str, activity: Value| json!([{ "date": date, "activity": activity }]);
    for (body, cause) in [
        (json!({ "trackid": "QS000000014KZ", "events": [] }), Cause::OtherParcel),
        (json!({ "events": [] }), Cause::OtherParcel),
        (json!([]), Cause::Form),
        (json!({ "trackid": NUMBER }), Cause::Form),
        (json!({ "trackid": NUMBER, "events": {} }), Cause::Form),
        (json!({ "trackid": NUMBER, "events": [7] }), Cause::Form),
        (json!({ "trackid": NUMBER, "events": day("2026-04-15", json!([])) }), Cause::Form),
        (json!({ "trackid": NUMBER, "events": day("15.04.2026", json!(7)) }), Cause::Form),
        (json!({ "trackid": NUMBER, "events": day("15.04.2026", json!([{}])) }), Cause::Form),
    ] {
        assert_eq!(told(&body), Err(cause), "{body}");
    }
    let many: Vec<Value> =
        (0..=EVENTS_MAX).map(|_| activity("18:59", &json!(["RCPOPS"]))).collect();
    let body = json!({ "trackid": NUMBER, "events": day("15.04.2026", json!(many)) });
    assert_eq!(told(&body), Err(Cause::TooManyEvents));
}

#[test]
fn of_an_activity_only_time_code_post_code_and_city_are_read() {
    let events = history(&[("15.04.2026", &[("18:59", "RCPOPS")])]);
    let shown = format!("{events:?}");
    assert!(shown.contains("АЛМАТЫ") && !shown.contains("ТЕСТОВ"), "{shown}");
}
