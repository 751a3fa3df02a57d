//! The invariants that no other theme holds.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;
use workers::store::{
    Store,
    admission::{Body, Entry, Fate},
};

use crate::{
    press::{Person, press},
    protection::done,
    servers::{plain, run},
    world::{QUICK, Scene, World, common, id, iin, person, properties, until, within},
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
fn what_a_killed_process_held_is_taken_over_before_its_lease_is_over() {
    run(async {
        let settings = format!("{QUICK}\n[worker]\nlease_ms = 9000");
        let slow = ("HUB_OPERATIONS__GBDFL__PERSON__CALL_TIMEOUT_MS", "4000");
        let scene = Scene { hubs: 2, settings, environment: vec![slow], ..Scene::default() };
        let mut world = World::build(scene).await;
        let names: Vec<String> = (0..8).map(|nth| format!("held by somebody {nth}")).collect();
        for name in &names {
            world.play(&person(name), &["slow", "found"]).await;
        }
        let owners = "SELECT DISTINCT owner FROM hub.job_live WHERE state = 'calling'";
        until("both call", async || (world.rows(owners).await.len() == 2).then_some(())).await;
        world.stage.kill_hub(0).await;
        // A lease of its last heartbeat would be over after 6.75 s at the earliest.
        within(Duration::from_secs(6), "the kernel knows it no more", async || {
            (world.rows("SELECT 1 FROM hub.worker").await.len() == 1).then_some(())
        })
        .await;
        assert!(world.metric(1, "hub_jobs_rescued_total", &[]).await > 0.5);
        for name in &names {
            assert_eq!(world.ended(id(name)).await["state"], "succeeded");
        }
        world.strike().await;
    });
}

/// What was told by HTTP of a job, and its timers.
async fn callbacks_and_timers(world: &World, name: &str) -> (Vec<String>, usize) {
    let sql = |what: &str, table: &str| {
        let job = format!("(SELECT seq FROM hub.job_key WHERE id = '{}')", id(name));
        format!("SELECT {what} FROM {table} WHERE job_seq = {job}")
    };
    let kind = "convert_from(body, 'UTF8')::jsonb ->> 'type' AS kind, sequence";
    let mut told = world.rows(&sql(kind, "hub.callback")).await;
    told.sort_by_key(|row| row["sequence"].as_i64());
    let name = |row: &Value| row["kind"].as_str().unwrap().split('.').nth(4).unwrap().to_owned();
    (told.iter().map(name).collect(), world.rows(&sql("1", "hub.timer")).await.len())
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
fn invariant_4_job_attempt_portal_row_events_timers_and_callbacks_change_together_or_not_at_all() {
    run(async {
        let world = World::build(Scene::default()).await;
        // The portal's row of two subjects cannot be written: what else was in the commit?
        world
            .execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   RAISE EXCEPTION 'refused' USING ERRCODE = '23514'; END $$;
                 CREATE TRIGGER refuse BEFORE UPDATE ON portal.person FOR EACH ROW
                   WHEN ((NEW.subject = 'person:bad' AND NEW.status = 'succeeded')
                      OR (NEW.subject = 'person:bad wait' AND NEW.status = 'waiting'))
                   EXECUTE FUNCTION refuse();",
            )
            .await;
        let names = ["good 1", "good 2", "bad", "good 3", "bad wait", "good 4"];
        for name in names {
            let mut job = person(name);
            job["callback_url"] = "https://elsewhere.example/hook".into();
            // A wait is a timer, which must not outlive its commit either.
            let plays = if name == "bad wait" { "server_error" } else { "found" };
            world.play(&job, &[plays]).await;
        }
        for name in names {
            let job = world.ended(id(name)).await;
            let state = if name.starts_with("bad") { "failed" } else { "succeeded" };
            assert_eq!(job["state"], state, "{name}: a bad job never fails its neighbours");
            assert_eq!(world.events.names(id(name)), ["accepted", state], "{name}");
            assert_eq!(world.attempts(id(name)).await.len(), 1, "{name}");
            let told = vec!["accepted".to_owned(), state.to_owned()];
            assert_eq!(callbacks_and_timers(&world, name).await, (told, 0), "{name}");
        }
        for name in ["bad", "bad wait"] {
            let bad = world.job(id(name)).await.unwrap();
            let expected = (&json!("answer_cannot_be_stored"), &json!(2));
            assert_eq!((&bad["code"], &bad["events"]), expected, "{name}");
            let row = world.portal("person", &person(name)).await;
            assert_eq!((&row["status"], &row["found"]), (&json!("failed"), &Value::Null));
        }
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

/// A job of one subject, as it is admitted.
fn entry(name: &str) -> Entry {
    Entry {
        id: id(name),
        content_hash: [7; 32],
        operation: Some(&adapters::systems::gbdfl::PERSON),
        subject: Some("person:overtaken".to_owned()),
        reply: None,
        trace: None,
        code: None,
        child: None,
        fate: Fate::Job {
            start: false,
            body: Box::new(Body {
                requested_by: "specialist:1".to_owned(),
                priority: 1,
                input: json!({"iin": iin(name)}),
                consent: None,
                verify_job: None,
                retry_of: None,
                begun_by: None,
                callback_url: None,
                requested_at: workers::clock::real_now(),
                sla: adapters::systems::gbdfl::PERSON.sla,
            }),
        },
    }
}

#[test]
fn invariant_10_an_older_job_that_commits_last_leaves_the_row_to_the_newer_one() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let worker = Uuid::from_u128(10);
        world.stage.store.register_worker(worker, "admits", None).await.unwrap();
        // The older one has its number, and waits before it writes anything else.
        world
            .execute(&format!(
                "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   PERFORM pg_advisory_xact_lock(1010); RETURN NEW; END $$;
                 CREATE TRIGGER hold BEFORE INSERT ON hub.job FOR EACH ROW
                   WHEN (NEW.id = '{}') EXECUTE FUNCTION hold();",
                id("older")
            ))
            .await;
        // Two hubs, as far as the database knows.
        let other = Store::new(&world.stage.servers.database_url, 6).unwrap();
        let mut held = other.begin().await.unwrap();
        sqlx::query("SELECT pg_advisory_xact_lock(1010)").execute(&mut *held).await.unwrap();
        let newer = async {
            until("the older one has its number", async || {
                let waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1010
                                AND NOT granted";
                (!world.rows(waits).await.is_empty()).then_some(())
            })
            .await;
            let newer = [entry("newer")];
            let admitted = other.admit(worker, &newer, &[]).await.unwrap();
            held.rollback().await.unwrap();
            admitted
        };
        let older = [entry("older")];
        let (older, newer) = tokio::join!(world.stage.store.admit(worker, &older, &[]), newer);
        assert_eq!((older.unwrap().len(), newer.len()), (1, 1));
        other.close().await;
        let seq = async |name| world.job(id(name)).await.unwrap()["seq"].as_i64().unwrap();
        assert!(seq("older").await < seq("newer").await, "the older one was admitted first");
        let row = world.row("SELECT * FROM portal.person WHERE subject = 'person:overtaken'").await;
        assert_eq!(row["job_id"], id("newer").to_string());
        world.strike().await;
    });
}
