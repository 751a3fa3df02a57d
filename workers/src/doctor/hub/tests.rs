use super::*;
use crate::doctor::Light::{Fail, Ok as Good, Warn};

fn worker(build: Option<&str>, silent_s: f64) -> Worker {
    Worker { name: "a:1".into(), build: build.map(str::to_owned), beat: 7, silent_s }
}

#[test]
fn a_worker_that_does_not_beat_and_two_builds_are_told() {
    let lease = Duration::from_secs(8);
    for (all, light, word) in [
        (vec![], Warn, "none"),
        (vec![worker(Some("1"), 1.0)], Good, "build 1"),
        (vec![worker(Some("1"), 1.0), worker(Some("1"), 2.0)], Good, "beat 7"),
        (vec![worker(Some("1"), 1.0), worker(Some("2"), 2.0)], Warn, "build 2"),
        (vec![worker(Some("1"), 1.0), worker(None, 2.0)], Warn, "older"),
        (vec![worker(Some("1"), 1.0), worker(Some("1"), 16.0)], Warn, "16 s ago"),
        (vec![worker(Some("1"), 100.0)], Warn, "none alive"),
    ] {
        let verdict = workers(&all, lease);
        assert_eq!(verdict.light, light, "{all:?}");
        assert!(verdict.found.contains(word), "{verdict:?}");
    }
}

#[test]
fn shifted_time_fails_where_it_is_not_allowed() {
    for (shift, allowed, light) in
        [(0, false, Good), (0, true, Good), (5, true, Good), (5, false, Fail)]
    {
        assert_eq!(business_time(shift, allowed).light, light, "{shift} {allowed}");
    }
}

#[test]
fn events_that_nobody_publishes_are_told() {
    for (rows, oldest, light) in
        [(0, 0.0, Good), (9, 59.0, Good), (9, 60.0, Warn), (9, 900.0, Fail)]
    {
        assert_eq!(outbox(rows, oldest).light, light, "{rows} {oldest}");
    }
    assert_eq!(counted(0, "x", "hub x").light, Good);
    let some = counted(3, "x", "hub x");
    assert_eq!(some.light, Warn);
    assert!(some.mend.unwrap().contains("`hub x`"));
}

#[test]
fn calendars_that_differ_are_told() {
    let loaded = |written: &[i16], newer: &[(i16, u32, u32)]| {
        Ok(Loaded { written: written.to_vec(), newer: newer.to_vec() })
    };
    for (compared, light) in [
        (loaded(&[], &[]), Good),
        (loaded(&[2027], &[]), Warn),
        (loaded(&[], &[(2027, 2, 1)]), Warn),
        (Err(Conflict::Gap), Fail),
    ] {
        assert_eq!(calendar(&compared).light, light, "{compared:?}");
    }
    assert_eq!(partitions(&[]).light, Good);
    assert_eq!(partitions(&["job_202612".to_owned()]).light, Warn);
}
