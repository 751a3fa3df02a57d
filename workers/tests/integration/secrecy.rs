//! Invariant 8: what a hub prints, shows and publishes, over everything that goes wrong.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    servers::run,
    world::{QUICK, Scene, World, check, id, iin, person, properties, until},
};

/// What the simulators' pushes carry beside the sender's name.
const PUSH_PASSWORD: &str = "daeb30e06dcf80565ac935eca8ec3e87a2cd7194440c14842b470d3cb7fed353";
const IN_QUARANTINE: &str = "a sentence that only the quarantined body holds";
const NAMES: [&str; 4] = ["ТЕСТОВ", "ПРИМЕРОВ", "ОБРАЗЦОВ", "ҮЛГІЛІ"];

const PERSONS: [(&str, &[&str]); 9] = [
    ("found", &["found"]),
    ("reset", &["reset", "found"]),
    ("slow", &["slow", "slow", "slow"]),
    ("wrong person", &["wrong_person", "wrong_person"]),
    ("no iin", &["no_iin", "no_iin"]),
    ("html", &["html_ok", "html_ok"]),
    ("garbage", &["garbage", "garbage"]),
    ("fault", &["unknown_fault", "unknown_fault"]),
    ("doctype", &["doctype", "doctype"]),
];
const CHECKS: [(&str, &str); 5] = [
    ("early", "early"),
    ("person of another", "wrong_person"),
    ("contradiction", "contradiction"),
    ("broken", "broken_answer"),
    ("lost", "ack_lost"),
];

/// Numbers that a hub may not print: of everybody who takes part.
async fn play(world: &World) -> BTreeSet<String> {
    let mut numbers: BTreeSet<String> =
        ["850100300012", "920300400029", "850100300013"].map(str::to_owned).into();
    for (name, behaviours) in PERSONS {
        world.play(&person(name), behaviours).await;
        numbers.insert(iin(name));
    }
    for (name, behaviour) in CHECKS {
        let mut job = check(name);
        job["input"]["surname"] = "ТЕСТОВ".into();
        world.play(&job, &[behaviour]).await;
        numbers.insert(iin(name));
    }
    let mut rejected = person("rejected");
    rejected["input"] = json!({"iin": "850100300013", "surname": "ТЕСТОВ"});
    world.send(&rejected).await;
    let mut malformed = person("malformed");
    malformed["version"] = json!(IN_QUARANTINE);
    let body = malformed.to_string();
    assert!(world.publish("gbdfl.person", body.as_bytes(), properties()).await);
    numbers.insert(iin("malformed"));
    let torn = format!("{{ {IN_QUARANTINE} {}", iin("malformed"));
    assert!(world.publish("gbdfl.person", torn.as_bytes(), properties()).await);
    world.live_through(PERSONS.len() + CHECKS.len() + 1).await;
    until("both are in quarantine", async || {
        (world.rows("SELECT 1 FROM hub.quarantine").await.len() == 2).then_some(())
    })
    .await;
    for kind in ["unknown_sender", "wrong_password", "cut", "other_service"] {
        let order = json!({"system": "kpsisu", "kind": kind});
        world.stage.order("forge", &order).await.unwrap();
    }
    numbers
}

#[test]
fn invariant_8_logs_metrics_and_events_hold_nothing_personal_and_no_secret() {
    run(async {
        let environment = vec![("HUB_LOG", "debug,lapin=off")];
        let settings = format!("{QUICK}\n[pipeline]\nbatch_max = 16");
        let mut world = World::build(Scene { settings, environment, ..Scene::default() }).await;
        let numbers = play(&world).await;
        for (name, _) in PERSONS {
            world.ended(id(name)).await;
        }
        let page = world.get(0, "/metrics").await.1;
        let hub = world.stage.hubs[0].take().unwrap();
        hub.stop(std::time::Duration::from_secs(30)).await;
        let log = std::fs::read_to_string(world.stage.log_file(0)).unwrap();
        assert!(log.contains("DEBUG") && log.contains("an attempt failed"), "the log is too quiet");
        let events: String =
            world.events.all().into_iter().map(|heard| heard.text + "\n").collect();
        let numbers = numbers.iter().map(String::as_str);
        let secrets = NAMES.into_iter().chain([PUSH_PASSWORD, IN_QUARANTINE]);
        for secret in numbers.chain(secrets) {
            for (place, text) in [("log", &log), ("metrics", &page), ("events", &events)] {
                let line = text.lines().find(|line| line.contains(secret));
                assert!(line.is_none(), "{secret} in the {place}: {line:?}");
            }
        }
        // Tables for people hold codes; what is personal stands in the columns made for it.
        for sql in [
            "SELECT class, code, remote_code FROM hub.attempt",
            "SELECT code, text, routing_key FROM hub.quarantine",
            "SELECT why, message_id, correlation_id FROM hub.inbound",
            "SELECT summary, errors, code FROM hub.job",
        ] {
            let text = serde_json::to_string(&world.rows(sql).await).unwrap();
            for name in PERSONS.map(|(name, _)| name) {
                assert!(!text.contains(&iin(name)), "{name} in {sql}");
            }
            assert!(NAMES.iter().all(|name| !text.contains(name)), "a name in {sql}");
        }
        world.strike().await;
    });
}
