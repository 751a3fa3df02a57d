use super::*;
use crate::doctor::Light::{Fail, Ok as Good, Warn};

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn tls(ends: &str) -> Tls {
    Tls { version: "TLS 1.3", ends: Some(ends.parse().unwrap()) }
}

#[test]
fn a_certificate_is_told_of_before_it_ends() {
    let far = Target::of("https://gateway.example/").unwrap();
    for (ends, light) in [
        ("2026-11-21T12:00:00Z", Fail),
        ("2026-11-28T12:00:00Z", Fail),
        ("2026-11-29T12:00:00Z", Warn),
        ("2026-12-22T12:00:00Z", Warn),
        ("2026-12-23T12:00:00Z", Good),
        ("2036-01-01T00:00:00Z", Good),
    ] {
        assert_eq!(encryption(&far, Some(tls(ends)), now()).light, light, "{ends}");
    }
    let unreadable = Some(Tls { version: "TLS 1.2", ends: None });
    assert_eq!(encryption(&far, unreadable, now()).light, Warn);
}

#[test]
fn a_way_in_the_clear_is_told_where_it_leaves_the_machine() {
    for (url, light) in
        [("http://gateway.example/", Warn), ("http://127.0.0.1/", Good), ("http://localhost", Good)]
    {
        assert_eq!(encryption(&Target::of(url).unwrap(), None, now()).light, light, "{url}");
    }
}

#[test]
fn whoever_is_not_reached_fails_with_the_reason() {
    let ends = Some("2026-11-20T00:00:00Z".parse().unwrap());
    for (why, word) in [
        (Unreached::Name, "name"),
        (Unreached::Connect(std::io::ErrorKind::ConnectionRefused), "refused"),
        (Unreached::NoRoots, "roots"),
        (Unreached::Handshake { why: "unknown issuer".into(), ends: None }, "unknown issuer"),
        (Unreached::Handshake { why: "expired".into(), ends }, "3 days ago"),
    ] {
        let verdict = unreached(&why, "systems.gbdfl.url", now());
        assert_eq!(verdict.light, Fail);
        assert!(verdict.found.contains(word), "{verdict:?}");
    }
}
