//! The invariants that no other theme holds.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    press::{Person, press},
    protection::done,
    servers::{plain, run},
    world::{QUICK, Scene, World, common, id, iin, person, properties, until},
};

#[test]
fn invariant_1_no_transaction_is_open_during_an_outside_call() {
    run(async {
        let world = common().await;
        world.play(&person("no transaction"), &["slow"; 3]).await;
        until("the call began", async || {
            (!world.journal(id("no transaction")).await.is_empty()).then_some(())
        })
        .await;
        let open = "SELECT query FROM pg_stat_activity WHERE datname = current_database()
            AND application_name = 'hub' AND now() - xact_start > interval '500 milliseconds'";
        until("the call ended", async || {
            let open = world.rows(open).await;
            assert!(open.is_empty(), "{open:?}");
            (!world.attempts(id("no transaction")).await.is_empty()).then_some(())
        })
        .await;
    });
}

#[test]
fn invariant_2_a_result_of_a_run_that_was_taken_over_is_not_recorded() {
    run(async {
        let settings = format!("{QUICK}\n[worker]\nlease_ms = 1000");
        let slow = ("HUB_OPERATIONS__GBDFL__PERSON__CALL_TIMEOUT_MS", "4000");
        let scene = Scene { settings, environment: vec![slow], ..Scene::default() };
        let world = World::build(scene).await;
        let job = person("taken over");
        world.play(&job, &["slow", "slow", "found"]).await;
        until("the call began", async || {
            (world.journal(id("taken over")).await.len() == 1).then_some(())
        })
        .await;
        // As another worker does that saw no heartbeat of this one for a whole lease.
        let before = world.row("SELECT id FROM hub.worker").await;
        world.execute("DELETE FROM hub.worker").await;
        // The lost run comes back while the run that took over still waits for its own answer.
        until("the lost run came back", async || {
            (world.metric(0, "hub_results_fenced_total", &[]).await > 0.5).then_some(())
        })
        .await;
        let counted = async || {
            let attempts = world.attempts(id("taken over")).await.into_iter();
            let (fenced, counted): (Vec<_>, Vec<_>) = attempts.partition(|a| a["fenced"] == true);
            let runs: Vec<_> = fenced.iter().map(|attempt| attempt["run"].clone()).collect();
            assert_eq!(runs, [json!(1)], "what the lost run brought is kept as evidence");
            assert!(counted.iter().all(|a| a["run"].as_i64() > Some(1)), "{counted:?}");
            counted.len()
        };
        counted().await;
        assert_eq!(world.ended(id("taken over")).await["state"], "succeeded");
        assert_eq!(counted().await, 2, "only runs that hold the job are recorded");
        // The end of the lost run did not make the new one look as if it had never begun.
        assert_eq!(world.journal(id("taken over")).await.len(), 3);
        assert_ne!(world.row("SELECT id FROM hub.worker").await, before, "a new identity");
        world.strike().await;
    });
}

#[test]
fn invariant_2_an_acknowledgement_that_came_too_late_is_kept_as_evidence_and_changes_nothing() {
    run(async {
        let settings = format!("{QUICK}\n[worker]\nlease_ms = 1000");
        let latency = Duration::from_secs(8);
        let world = World::build(Scene { latency, settings, ..Scene::default() }).await;
        let person = Person { iin: iin("thaws"), subject: "specialist:thaws".into() };
        let job = id("thaws");
        world.play(&press(&person, "thaws", "kpsisu.check"), &["known"]).await;
        until("the call began", async || {
            (world.stage.control("state").await.unwrap()["in_flight"] == 1).then_some(())
        })
        .await;
        world.execute("DELETE FROM hub.worker").await;
        let doubted = world.in_state(job, "in_doubt").await;
        assert_eq!(doubted["code"], "worker_died");
        until("the lost run came back", async || {
            (world.metric(0, "hub_results_fenced_total", &[]).await > 0.5).then_some(())
        })
        .await;
        assert_eq!(world.job(job).await.unwrap()["state"], "in_doubt", "evidence for a person");
        let show = ["jobs", "show", &job.to_string()];
        let story = done(&world, &[&show[..], &["--json"]].concat()).await;
        let story: Value = serde_json::from_str(&story).unwrap();
        let attempt = &story["attempts"][0];
        assert_eq!((&attempt["fenced"], &attempt["class"]), (&json!(true), &Value::Null));
        assert_eq!(attempt["http_status"], 200);
        let table = done(&world, &show).await;
        assert!(table.contains("answered, fenced"), "{table}");
        world.code(&person, job).await;
        world.strike().await;
    });
}

#[test]
fn invariant_4_job_attempt_portal_row_and_events_change_together_or_not_at_all() {
    run(async {
        let world = World::build(Scene::default()).await;
        // The portal's row of one subject cannot be written: what else was in the commit?
        world
            .execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   RAISE EXCEPTION 'refused' USING ERRCODE = '23514'; END $$;
                 CREATE TRIGGER refuse BEFORE UPDATE ON portal.person FOR EACH ROW
                   WHEN (NEW.subject = 'person:bad' AND NEW.status = 'succeeded')
                   EXECUTE FUNCTION refuse();",
            )
            .await;
        let names = ["good 1", "good 2", "bad", "good 3", "good 4"];
        for name in names {
            world.play(&person(name), &["found"]).await;
        }
        for name in names {
            let job = world.ended(id(name)).await;
            let state = if name == "bad" { "failed" } else { "succeeded" };
            assert_eq!(job["state"], state, "{name}: a bad job never fails its neighbours");
            assert_eq!(world.events.names(id(name)), ["accepted", state], "{name}");
            assert_eq!(world.attempts(id(name)).await.len(), 1, "{name}");
        }
        let bad = world.job(id("bad")).await.unwrap();
        assert_eq!((&bad["code"], &bad["events"]), (&json!("answer_cannot_be_stored"), &json!(2)));
        let row = world.portal("person", &person("bad")).await;
        assert_eq!((&row["status"], &row["found"]), (&json!("failed"), &Value::Null));
        world.strike().await;
    });
}

#[test]
fn invariant_7_calls_never_exceed_the_limit_and_the_backlog_stays_with_the_broker() {
    run(async {
        const JOBS: usize = 60;
        let environment = vec![
            ("HUB_SYSTEMS__GBDFL__IN_FLIGHT_MAX", "3"),
            ("HUB_PIPELINE__PREFETCH", "5"),
            ("HUB_PIPELINE__STORED_MAX", "10"),
            ("HUB_PIPELINE__PERMIT_WAIT_MS", "1"),
        ];
        let latency = Duration::from_millis(150);
        let world = World::build(Scene { latency, environment, ..Scene::default() }).await;
        let names: Vec<String> = (0..JOBS).map(|n| format!("limit {n}")).collect();
        for name in &names {
            world.send(&person(name)).await;
        }
        let (mut most_calls, mut most_stored, mut most_left) = (0, 0, 0);
        until("all have ended", async || {
            let calls = world.stage.control("state").await.unwrap()["in_flight"].as_i64();
            let stored = world.rows("SELECT 1 FROM hub.job_live WHERE state = 'accepted'").await;
            most_calls = most_calls.max(calls.unwrap());
            most_stored = most_stored.max(stored.len());
            most_left = most_left.max(world.ready_messages("hub.jobs.gbdfl").await);
            let ended = world.stage.store.count_ended().await.unwrap();
            (ended.jobs == JOBS).then_some(())
        })
        .await;
        assert!((1..=3).contains(&most_calls), "{most_calls} calls at once");
        // What was delivered before the gate closed is stored as well.
        assert!(most_stored < 40, "{most_stored} jobs were stored at once");
        assert!(most_left > 0, "nothing was left to the broker");
        for name in &names {
            assert_eq!(world.ended(id(name)).await["state"], "succeeded");
        }
        world.strike().await;
    });
}

#[test]
fn invariant_9_a_shifted_clock_is_refused_where_it_is_not_allowed() {
    run(async {
        let world = World::build(Scene::default()).await;
        let now = world.stage.store.business_now().await.unwrap();
        let later = now.checked_add(jiff::SignedDuration::from_hours(1)).unwrap();
        world.stage.store.jump_to(later).await.unwrap();
        let hub = Command::new(env!("CARGO_BIN_EXE_hub"))
            .args(["run", "--config"])
            .arg(world.stage.settings_file(0))
            .envs([("HUB_CLOCK__ALLOW_SHIFT", "false"), ("HUB_ADMIN__LISTEN", "127.0.0.1:0")])
            .env("HUB_INBOUND__LISTEN", "127.0.0.1:0")
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(crate::world::WAIT_MAX, hub).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("business time is shifted"), "{text}");
        let url = plain(&world.stage.servers.database_url);
        assert!(!text.contains(url), "an address was printed");
        world.strike().await;
    });
}

#[test]
fn invariant_9_the_promise_counts_from_the_request_and_never_from_the_future() {
    run(async {
        let world = common().await;
        let now = workers::clock::real_now();
        let at = |hours| now.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
        for (name, hours, sla) in
            [("asked tomorrow", 24, "on_time"), ("asked this morning", -3, "breached")]
        {
            let mut job = person(name);
            job["requested_at"] = at(hours).to_string().into();
            world.play(&job, &["found"]).await;
            let ended = world.ended(id(name)).await;
            let instant =
                |column: &str| ended[column].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            assert!(instant("requested_at") <= instant("admitted_at"), "{name}");
            assert_eq!(ended["sla"], sla, "{name}");
            let row = world.portal("person", &job).await;
            assert_eq!((&row["sla"], &row["late"]), (&json!(sla), &json!(sla == "breached")));
        }
        let names = world.events.names(id("asked this morning"));
        assert_eq!(names, ["accepted", "sla_breached", "succeeded"]);
    });
}

#[test]
fn invariant_10_a_job_that_takes_a_row_over_clears_what_the_older_left() {
    run(async {
        let world = common().await;
        let older = person("takes over 1");
        world.play(&older, &["found"]).await;
        world.ended(id("takes over 1")).await;
        let mut newer = person("takes over 2");
        newer["subject"] = older["subject"].clone();
        world.play(&newer, &["slow"; 3]).await;
        world.in_state(id("takes over 2"), "calling").await;
        let row = world.portal("person", &newer).await;
        assert_eq!(row["job_id"], id("takes over 2").to_string());
        for column in ["found", "iin", "surname", "document", "completed_at"] {
            assert_eq!(row[column], Value::Null, "{column}");
        }
        // A rejected job touches nothing.
        let mut rejected = person("takes over 3");
        rejected["subject"] = older["subject"].clone();
        rejected["input"] = json!({});
        assert!(world.publish("gbdfl.person", rejected.to_string().as_bytes(), properties()).await);
        world.ended(id("takes over 3")).await;
        assert_eq!(world.ended(id("takes over 2")).await["state"], "failed");
        let row = world.portal("person", &newer).await;
        assert_eq!(row["job_id"], id("takes over 2").to_string());
    });
}
