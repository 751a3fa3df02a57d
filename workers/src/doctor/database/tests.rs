use super::*;
use crate::doctor::Light::{Fail, Ok as Good, Warn};

#[test]
fn versions_that_the_tests_know_are_ok() {
    for (number, light) in
        [(140_011, Warn), (150_018, Good), (160_004, Good), (170_000, Good), (180_000, Warn)]
    {
        assert_eq!(version(number).light, light, "{number}");
    }
    assert_eq!(version(150_018).found, "PostgreSQL 15.18");
}

#[test]
fn whoever_may_do_too_much_is_warned_and_too_little_fails() {
    for (is_superuser, is_member, light) in [
        (false, Some(true), Good),
        (true, Some(true), Warn),
        (false, Some(false), Fail),
        (false, None, Fail),
        (true, None, Fail),
    ] {
        let server = Server { is_superuser, is_member, ..Server::default() };
        assert_eq!(role(&server).light, light, "{is_superuser} {is_member:?}");
    }
}

#[test]
fn settings_that_lose_what_was_acknowledged_fail() {
    for (name, value, light) in [
        ("fsync", "on", Good),
        ("fsync", "off", Fail),
        ("full_page_writes", "off", Fail),
        ("synchronous_commit", "on", Good),
        ("synchronous_commit", "remote_apply", Good),
        ("synchronous_commit", "off", Warn),
        ("autovacuum", "off", Fail),
        ("autovacuum", "on", Good),
        ("fsync", "", Warn),
    ] {
        assert_eq!(durable(name, value).light, light, "{name} = {value}");
    }
}

#[test]
fn whoever_cannot_write_fails() {
    for (is_standby, read_only, light) in
        [(false, "", Good), (true, "", Fail), (false, "on", Fail), (false, "off", Good)]
    {
        assert_eq!(writable(is_standby, read_only).light, light, "{is_standby} {read_only}");
    }
}

#[test]
fn room_for_one_more_hub_is_told() {
    for (sessions, light) in [(10, Good), (84, Good), (85, Warn), (96, Warn), (97, Fail)] {
        assert_eq!(connections(sessions, 97, 12).light, light, "{sessions}");
    }
}

#[test]
fn old_transactions_and_dead_rows_are_told() {
    for (age, unfrozen, light) in [
        (0, 50_000_000, Good),
        (1_000_000, 0, Good),
        (1_000_001, 0, Warn),
        (0, 1_000_000_001, Fail),
    ] {
        assert_eq!(horizon(age, unfrozen).light, light, "{age} {unfrozen}");
    }
    for (dead, live, light) in
        [(0, 0, Good), (100_000, 0, Good), (100_001, 5, Warn), (200_000, 10_000_000, Good)]
    {
        assert_eq!(dead_rows(dead, live).light, light, "{dead} {live}");
    }
}

#[test]
fn a_schema_that_is_not_this_builds_is_told() {
    let good = Schema { applied: 22, known: 22, ..Schema::default() };
    for (found, light) in [
        (Some(good.clone()), Good),
        (None, Fail),
        (Some(Schema { missing: vec![22], ..good.clone() }), Fail),
        (Some(Schema { newer: vec![23], ..good.clone() }), Warn),
        (Some(Schema { changed: vec![3], ..good.clone() }), Fail),
        (Some(Schema { broken: vec![22], newer: vec![23], ..good.clone() }), Fail),
    ] {
        assert_eq!(schema(found.as_ref()).light, light, "{found:?}");
    }
}

#[test]
fn clocks_are_compared_in_the_middle_of_the_round_trip() {
    let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap();
    assert_eq!(offset(at(1_000), 1_050_000, at(1_100)), (0, 51));
    assert_eq!(offset(at(1_000), 6_050_000, at(1_100)), (5_000, 51));
    for (skew, within, light) in [
        (0, 1, Good),
        (1_000, 1, Good),
        (-1_002, 1, Warn),
        (5_000, 6_000, Good),
        (31_000, 1, Fail),
        (-31_000, 1, Fail),
        (0, i64::MAX, Good),
    ] {
        assert_eq!(skew_of(skew, within).light, light, "{skew} ± {within}");
    }
}

#[test]
fn every_reason_of_a_failed_login_fails_with_what_to_do() {
    for why in [
        Unreached::Address,
        Unreached::Login,
        Unreached::Database,
        Unreached::TooMany,
        Unreached::NotReady,
        Unreached::Tls,
        Unreached::Connect(std::io::ErrorKind::ConnectionRefused),
        Unreached::Other("the server says 0A000".to_owned()),
    ] {
        let verdict = unreached(&why);
        assert_eq!(verdict.light, Fail, "{why:?}");
        assert!(verdict.mend.is_some(), "{why:?}");
    }
}

#[test]
fn a_way_in_the_clear_is_told_where_it_leaves_the_machine() {
    for (way, light) in [(Way::Encrypted, Good), (Way::Local, Good), (Way::Open, Warn)] {
        let server = Server { way, ..Server::default() };
        assert_eq!(encryption(&server).light, light, "{way:?}");
    }
}
