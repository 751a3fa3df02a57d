use super::*;

fn settings(allow_private: bool) -> Callbacks {
    let hosts = vec!["portal.example".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
    Callbacks { hosts, secret: None, allow_private }
}

#[test]
fn only_listed_hosts_are_called() {
    let strict = settings(false);
    assert!(check(&strict, "https://portal.example/hooks").is_ok());
    assert!(check(&strict, "https://PORTAL.example:8443/hooks").is_ok());
    let denied = [
        ("https://portal.example.evil/hooks", "host_not_allowed"),
        ("https://evil/portal.example", "host_not_allowed"),
        ("https://portal.example@evil/", "host_not_allowed"),
        ("ftp://portal.example/", "not_a_url"),
        ("nonsense", "not_a_url"),
        ("http://portal.example/", "not_https"),
        ("https://127.0.0.1/", "address_not_allowed"),
        ("https://[::1]/", "address_not_allowed"),
        ("https://2130706433/", "address_not_allowed"),
    ];
    for (url, why) in denied {
        assert_eq!(check(&strict, url).err().map(Code::name), Some(why), "{url}");
    }
    assert!(check(&settings(true), "http://127.0.0.1:9/").is_ok());
}

#[test]
fn addresses_inside_are_told_from_public_ones() {
    let inside = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "224.0.0.1",
    ];
    for ip in inside {
        assert!(is_private(ip.parse().expect(ip)), "{ip}");
    }
    for ip in ["8.8.8.8", "2a00:1450:4001::1", "93.184.216.34"] {
        assert!(!is_private(ip.parse().expect(ip)), "{ip}");
    }
}
