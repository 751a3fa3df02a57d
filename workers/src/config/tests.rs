use super::*;

fn load(toml: &str, environment: &[(&str, &str)]) -> Result<Config, Error> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("hub.toml");
    std::fs::write(&path, toml).expect("writes");
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::load(Some(&path), environment)
}

const MINIMAL: &str = r#"
[amqp]
url = "amqp://guest:guest@127.0.0.1/%2f"
[database]
url = "postgres://hub@127.0.0.1/hub"
[seal]
key_file = "/run/secrets/seal"
[systems.gbdfl]
url = "http://127.0.0.1:1/gbdfl/"
"#;

fn problems(result: Result<Config, Error>) -> Vec<String> {
    match result {
        Err(Error::Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn a_minimal_file_gives_the_defaults_of_the_specifications() {
    let config = load(MINIMAL, &[]).expect("loads");
    assert_eq!(config.operations["gbdfl.person"].sla.deadline, Duration::from_secs(15));
    assert_eq!(config.systems.keys().copied().collect::<Vec<_>>(), ["gbdfl"]);
    assert!(!config.allow_shift);
}

#[test]
fn every_fault_is_reported_at_once_with_key_value_and_expectation() {
    let toml = r#"
        [amqp]
        url = "http://x"
        [worker]
        lease_ms = "soon"
        leese_ms = 3
        [operations.gbdfl.person]
        deadline_s = 1
        [systems.kpsisu]
        url = "ftp://x"
        push_peers = ["here"]
    "#;
    let found = problems(load(toml, &[("HUB_ADMIN__LISTEN", "nowhere")]));
    for wanted in [
        "admin.listen: nowhere; expected address:port",
        "amqp.url: (hidden); expected a URL that begins with amqp:// or amqps://",
        "database.url: missing; expected a URL that begins with postgres:// or postgresql://",
        "operations.gbdfl.person.at_risk_s: 12 / 1 / 86400; expected at_risk_s <= deadline_s <= give_up_s",
        "seal.key_file: missing; expected a text",
        "systems.kpsisu.push_peers: here; expected a list of IP addresses",
        "systems.kpsisu.url: (hidden); expected a URL that begins with http:// or https://",
        "worker.leese_ms: unknown; expected no such setting: check the spelling, or remove it",
        "worker.lease_ms: \"soon\"; expected a whole number from 1 to 9000",
    ] {
        assert!(found.iter().any(|p| p == wanted), "missing {wanted:?} in {found:#?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
}

#[test]
fn the_environment_overrides_the_file_and_files_hold_secrets() {
    let folder = tempfile::tempdir().expect("folder");
    let secret = folder.path().join("url");
    std::fs::write(&secret, "amqp://other/\n").expect("writes");
    let path = secret.to_str().expect("utf-8");
    let toml = MINIMAL.replace("url = \"amqp://guest:guest@127.0.0.1/%2f\"", "");
    let config = load(&toml, &[("HUB_AMQP__URL_FILE", path), ("HUB_PIPELINE__PREFETCH", "7")])
        .expect("loads");
    assert_eq!(secrecy::ExposeSecret::expose_secret(&config.amqp_url), "amqp://other/");
    assert_eq!(config.pipeline.prefetch, 7);
}

#[test]
fn a_setting_and_its_file_together_are_a_fault() {
    let found = problems(load(MINIMAL, &[("HUB_AMQP__URL_FILE", "/nowhere")]));
    assert!(found[0].starts_with("amqp.url: (hidden); expected either this or amqp.url_file"));
}

#[test]
fn credentials_do_not_print() {
    let config = load(MINIMAL, &[]).expect("loads");
    assert!(!format!("{config:?}").contains("guest"));
}

#[test]
fn a_single_underscore_is_noticed_and_foreign_names_are_left_alone() {
    let found = problems(load(MINIMAL, &[("HUB_AMQP_URL", "amqp://x/")]));
    assert_eq!(found, ["HUB_AMQP_URL: unknown; expected HUB_AMQP__URL"]);
    assert!(load(MINIMAL, &[("HUB_PORT", "tcp://10.0.0.1:80"), ("HUB_LOG", "debug")]).is_ok());
}
