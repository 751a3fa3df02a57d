use super::*;
use crate::doctor::Light::{Fail, Ok as Good, Warn};

#[test]
fn a_file_that_everybody_may_read_is_told() {
    for (mode, light) in
        [(0o100_400, Good), (0o100_640, Good), (0o100_644, Warn), (0o100_604, Warn)]
    {
        assert_eq!(rights(Ok(mode)).light, light, "{mode:o}");
    }
    assert_eq!(rights(Err(io::ErrorKind::NotFound.into())).light, Warn);
}

#[test]
fn a_key_must_be_there_and_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    assert_eq!(key(&path).light, Fail);
    std::fs::write(&path, "abc").unwrap();
    assert_eq!(key(&path).light, Fail);
    std::fs::write(&path, "ab".repeat(32)).unwrap();
    assert_eq!(key(&path).light, Good);
}

#[test]
fn a_breaker_that_cannot_open_is_told() {
    for (key, value, light) in [
        ("IN_FLIGHT_MAX", "256", Good),
        ("IN_FLIGHT_MAX", "4", Warn),
        // All that hang end together.
        ("IN_FLIGHT_MAX", "20", Good),
        ("IN_FLIGHT_MAX", "19", Warn),
        ("RATE_PER_S", "1", Warn),
        ("RATE_PER_S", "10", Good),
        ("BREAKER_CALLS_MIN", "1000", Warn),
        ("BREAKER_FAILED_PERCENT", "0", Good),
    ] {
        let environment = [
            (format!("HUB_SYSTEMS__REALESTATE__{key}"), value.to_owned()),
            ("HUB_SYSTEMS__REALESTATE__URL".to_owned(), "http://x".to_owned()),
        ];
        let examined = crate::config::Examined::load(None, environment);
        assert_eq!(breaker(&examined.config, "realestate").light, light, "{key} = {value}");
    }
}

#[test]
fn links_that_people_cannot_open_are_told() {
    for (url, system, light) in [
        ("https://portal.example", "", Good),
        ("http://portal.example", "", Warn),
        ("http://127.0.0.1:9464", "", Good),
        ("http://127.0.0.1:9464", "kazpost", Warn),
        ("nonsense", "", Fail),
    ] {
        let environment = [
            ("HUB_LINKS__PUBLIC_URL".to_owned(), url.to_owned()),
            (format!("HUB_SYSTEMS__{}__URL", system.to_uppercase()), "http://x".to_owned()),
        ];
        let examined = crate::config::Examined::load(None, environment);
        assert_eq!(public_url(&examined.config).light, light, "{url} {system}");
    }
}
