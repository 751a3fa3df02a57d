//! Names, ports, times and topology that several files must agree on.

use std::{collections::BTreeSet, process::Command};

use contracts::topology;
use serde_json::{Value, json};
use workers::config::Config;

use crate::{folder, read, secrets};

/// What stands between two marks, everywhere.
fn between<'a>(text: &'a str, start: &str, end: &str) -> BTreeSet<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

/// The settings of `hub.toml`, with its secrets where they were made.
fn settings() -> Config {
    let made = secrets();
    let text = read("hub.toml").replace("/run/secrets", made.path().to_str().unwrap());
    let file = made.path().join("hub.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(Some(&file), []).unwrap()
}

#[test]
fn the_settings_are_good_and_name_every_system() {
    let config = settings();
    let all: BTreeSet<_> = adapters::systems::all().iter().map(|s| s.spec().name).collect();
    assert_eq!(config.systems.keys().copied().collect::<BTreeSet<_>>(), all);
    assert!(!config.allow_shift);
}

#[test]
fn check_config_takes_them_too() {
    let made = secrets();
    let text = read("hub.toml").replace("/run/secrets", made.path().to_str().unwrap());
    std::fs::write(made.path().join("hub.toml"), text).unwrap();
    let hub = Command::new(env!("CARGO_BIN_EXE_hub"))
        .arg("check-config")
        .arg("--config")
        .arg(made.path().join("hub.toml"))
        .output()
        .unwrap();
    assert!(hub.status.success(), "{}", String::from_utf8_lossy(&hub.stderr));
}

#[test]
fn every_file_that_compose_names_is_there_and_every_secret_is_made() {
    let made = secrets();
    for file in ["compose.yaml", "compose.cluster.yaml"] {
        let text = read(file);
        for name in between(&text, "file: ./", " }") {
            assert!(folder().join(name).is_file(), "{file} names {name}");
        }
        for name in between(&text, "file: \"${HUB_SECRETS:-./secrets}/", "\"") {
            assert!(made.path().join(name).is_file(), "{file} names the secret {name}");
        }
        for name in between(&text, "- ./", ":") {
            assert!(folder().join(name).is_dir(), "{file} mounts {name}");
        }
    }
    let used = read("hub.toml");
    for name in between(&used, "/run/secrets/", "\"") {
        assert!(made.path().join(name).is_file(), "hub.toml names the secret {name}");
    }
    let explained = read("secrets/README.md");
    for entry in made.path().read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(explained.contains(&format!("`{name}`")), "{name} is not explained");
    }
}

#[test]
fn secrets_that_are_there_stay_and_none_is_committed() {
    let made = secrets();
    let before = std::fs::read(made.path().join("seal_key")).unwrap();
    let script = folder().join("secrets/make.sh");
    let again = Command::new("bash").arg(script).arg(made.path()).status().unwrap();
    assert!(again.success());
    assert_eq!(std::fs::read(made.path().join("seal_key")).unwrap(), before);
    let ignored = read("secrets/.gitignore");
    assert!(ignored.lines().any(|line| line == "*"), "{ignored}");
}

#[test]
fn ports_are_the_same_everywhere() {
    let defaults = Config::load(
        None,
        [
            ("HUB_AMQP__URL".to_owned(), "amqp://x".to_owned()),
            ("HUB_DATABASE__URL".to_owned(), "postgres://x/x".to_owned()),
            ("HUB_SEAL__KEY_FILE".to_owned(), "key".to_owned()),
        ],
    );
    let (defaults, config) = (defaults.unwrap(), settings());
    let (admin, inbound) = (defaults.admin_listen.port(), defaults.inbound_listen.port());
    assert_eq!((config.admin_listen.port(), config.inbound_listen.port()), (admin, inbound));
    assert!(read("Dockerfile").contains(&format!("EXPOSE {admin} {inbound}\n")));
    let compose = read("compose.yaml");
    for published in [format!(":{admin}:{admin}\""), format!(":{inbound}:{inbound}\"")] {
        assert!(compose.contains(&published), "{published}");
    }
    assert!(compose.contains(&format!("--push-url=http://hub-1:{inbound}/shep/async")));
    for file in ["prometheus/prometheus.yml", "prometheus/prometheus.cluster.yml"] {
        let targets = format!("\"hub-1:{admin}\", \"hub-2:{admin}\"");
        assert!(read(file).contains(&targets), "{file}");
    }
    let peer = between(&compose, "ipv4_address: ", " }");
    assert!(
        peer.iter().all(|peer| read("hub.toml").contains(&format!("push_peers = [\"{peer}\"]")))
    );
}

#[test]
fn whoever_stops_the_hub_waits_longer_than_its_calls_may_take() {
    let limit = settings().shutdown_limit.as_secs() + 5;
    for (file, start) in
        [("compose.yaml", "stop_grace_period: "), ("hub.service", "TimeoutStopSec=")]
    {
        let text = read(file);
        let seconds = between(&text, start, "s\n");
        let shortest = seconds.iter().map(|s| s.parse::<u64>().unwrap()).min().unwrap();
        assert!(shortest > limit, "{file}: {shortest} s, calls may take {limit} s");
    }
}

#[test]
fn the_definitions_declare_what_the_hub_declares() {
    let definitions: Value = serde_json::from_str(&read("rabbitmq/definitions.json")).unwrap();
    let systems = adapters::systems::all();
    let mut names: Vec<&str> = systems.iter().map(|s| s.spec().name).collect();
    names.push(contracts::own::SPEC.name);
    let text = |value: &Value| value.to_string();
    let of = |key: &str| -> BTreeSet<String> {
        definitions[key].as_array().unwrap().iter().map(text).collect()
    };
    let wanted = |queue: &topology::Queue| {
        let mut arguments = json!({
            "x-queue-type": "quorum", "x-overflow": "reject-publish",
            "x-delivery-limit": topology::DELIVERY_LIMIT,
        });
        if let Some(exchange) = queue.dead_letter {
            arguments["x-dead-letter-exchange"] = exchange.into();
            arguments["x-dead-letter-strategy"] = "at-least-once".into();
        }
        json!({"name": queue.name, "vhost": "portal", "durable": true, "auto_delete": false,
               "arguments": arguments})
    };
    let queues = topology::queues(names);
    assert_eq!(of("queues"), queues.iter().map(|queue| text(&wanted(queue))).collect());
    let bindings = queues.iter().map(|queue| {
        text(&json!({"source": queue.exchange, "vhost": "portal", "destination": queue.name,
                     "destination_type": "queue", "routing_key": queue.binding, "arguments": {}}))
    });
    assert_eq!(of("bindings"), bindings.collect());
    let exchanges = topology::exchanges();
    let exchanges = exchanges.iter().map(|exchange| {
        let kind = match exchange.kind {
            topology::ExchangeKind::Topic => "topic",
            topology::ExchangeKind::Fanout => "fanout",
        };
        let arguments = exchange.alternate.map_or(json!({}), |a| json!({"alternate-exchange": a}));
        text(&json!({"name": exchange.name, "vhost": "portal", "type": kind, "durable": true,
                     "auto_delete": false, "internal": false, "arguments": arguments}))
    });
    assert_eq!(of("exchanges"), exchanges.collect());
}

#[test]
fn the_builder_gets_every_crate_and_nothing_else() {
    let ignore = read("../.dockerignore");
    let workspace: toml::Table = read("../Cargo.toml").parse().unwrap();
    let workspace = &workspace["workspace"];
    for member in workspace["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        assert!(ignore.lines().any(|line| line == format!("!{member}")), "{member}");
    }
    assert!(ignore.lines().any(|line| line == "*"), "everything else stays away");
    let compiler = workspace["package"]["rust-version"].as_str().unwrap();
    let image = format!("FROM rust:{compiler}-slim");
    assert!(read("Dockerfile").contains(&image), "{image}");
}
