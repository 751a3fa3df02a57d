//! What a hub shows of itself, and what it says about wrong settings.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    servers::run,
    world::{Scene, World, check, id, person, properties, sum},
};

#[test]
fn every_declared_series_is_there_at_zero_from_the_start() {
    run(async {
        let world = World::build(Scene::default()).await;
        let (status, page) = world.get(0, "/metrics").await;
        assert_eq!(status, 200);
        for operation in ["gbdfl.person", "kpsisu.check"] {
            for outcome in ["job", "rejected", "known", "reused"] {
                let line = format!(
                    "hub_jobs_admitted_total{{operation=\"{operation}\",outcome=\"{outcome}\"}} 0"
                );
                assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
            }
            let line = format!("hub_sla_breaches_total{{operation=\"{operation}\"}} 0");
            assert!(page.lines().any(|found| found == line), "no {line}");
        }
        for line in [
            "hub_events_published_total{result=\"unheard\"} 0",
            "hub_jobs_rescued_total{result=\"in_doubt\"} 0",
            "hub_inbound_messages_total{system=\"kpsisu\",result=\"unknown_sender\"} 0",
            "hub_inbound_messages_total{system=\"unknown\",result=\"unreadable\"} 0",
            "hub_jobs_admitted_total{operation=\"unknown\",outcome=\"rejected\"} 0",
            "hub_results_fenced_total 0",
            // The first rejected credential must be a rise: a new series has none.
            "hub_call_duration_seconds_count{system=\"kpsisu\",class=\"denied\"} 0",
            "hub_job_duration_seconds_count{operation=\"kpsisu.check\",state=\"expired\"} 0",
            "hub_commit_batch_jobs_count{commit=\"record\"} 0",
            "hub_timer_lateness_seconds_count 0",
            "hub_calls_in_flight{system=\"kpsisu\"} 0",
            "hub_quarantined_total 0",
            "hub_jobs{system=\"kpsisu\",state=\"in_doubt\"} 0",
            "hub_outbox_rows 0",
            "hub_quarantine_rows 0",
            "hub_workers 1",
            "hub_broker_up{connection=\"consume\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
        }
        assert!(sum(&page, "hub_jobs_admitted_total", &[]).abs() < 0.1);
        world.strike().await;
    });
}

#[test]
fn health_pages_tell_what_is_missing_and_the_number_of_series_is_bounded() {
    run(async {
        let world = World::build(Scene::default()).await;
        assert_eq!(world.get(0, "/health/live").await, (200, "live\n".to_owned()));
        let (status, body) = world.get(0, "/health/ready").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let good = json!({"ready": true, "broker": true, "database": true, "schema": true,
            "publishing": "up"});
        assert_eq!((status, body), (200, good));

        world.play(&person("counted"), &["reset", "garbage", "found"]).await;
        world.play(&check("counted check"), &["early"]).await;
        for n in 0..30 {
            // Names from outside must not become labels.
            let mut job = person(&format!("label {n}"));
            job["operation"] = format!("invented.{n}").into();
            let key = format!("invented.{n}");
            assert!(world.publish(&key, job.to_string().as_bytes(), properties()).await);
            world.ended(id(&format!("label {n}"))).await;
        }
        for name in ["counted", "counted check"] {
            world.ended(id(name)).await;
        }
        let (_, page) = world.get(0, "/metrics").await;
        let series = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
        let systems = adapters::systems::all();
        let operations: usize = systems.iter().map(|s| s.spec().operations.len()).sum();
        let own = contracts::own::SPEC.operations.len();
        let most = workers::telemetry::metric::series_max(systems.len() + 1, operations + own);
        assert!(series <= most, "{series} series, at most {most} are declared");
        assert!(!page.contains("invented"));
        assert!(
            (sum(&page, "hub_jobs_admitted_total", &[("operation", "unknown")]) - 30.0).abs() < 0.1
        );
        let ended = [("operation", "gbdfl.person"), ("state", "succeeded")];
        assert!((sum(&page, "hub_job_duration_seconds_count", &ended) - 1.0).abs() < 0.1);
        world.strike().await;
    });
}

#[test]
fn wrong_settings_are_all_told_at_once_and_nothing_starts() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.toml");
        let text = "[amqp]\nurl = \"http://user:secret@x\"\n[worker]\nlease_ms = \"soon\"\n\
                    leese_ms = 3\n[systems.kpsisu]\nurl = \"ftp://x\"\npush_peers = [\"here\"]\n";
        std::fs::write(&path, text).unwrap();
        for command in ["run", "check-config", "migrate"] {
            let hub = Command::new(env!("CARGO_BIN_EXE_hub"))
                .args([command, "--config"])
                .arg(&path)
                .env_remove("HUB_DATABASE__URL")
                .env_remove("HUB_AMQP__URL")
                .kill_on_drop(true)
                .output();
            let output = tokio::time::timeout(crate::world::WAIT_MAX, hub).await.unwrap().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command}: {said}");
            for key in [
                "amqp.url: (hidden); expected",
                "database.url: missing; expected",
                "seal.key_file: missing; expected",
                "systems.kpsisu.push_peers: here; expected",
                "systems.kpsisu.url: (hidden); expected",
                "worker.lease_ms: \"soon\"; expected",
                "worker.leese_ms: unknown; expected",
            ] {
                assert!(said.contains(key), "{command}: no {key} in {said}");
            }
            assert!(said.contains("7 settings are wrong") && !said.contains("secret"), "{said}");
        }
    });
}
