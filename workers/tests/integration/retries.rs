//! Retry policies: stopped and allowed again by an operator, and bounded by age.

use std::time::Instant;

use jiff::SignedDuration;
use serde_json::{Value, json};
use workers::{config::Config, policy::retry::Policy};

use crate::{
    orders::label,
    protection::{blocked, done, hub},
    servers::run,
    world::{Scene, World, check, id, person, until},
};

/// Failures that wait for ever, unless somebody ends them.
const WAITING: &str = "
[operations.gbdfl.person]
at_risk_s = 3600
deadline_s = 7200
call_timeout_ms = 1200
retry_base_ms = 86000000
retry_max_ms = 86000000
";

/// A job that failed once and waits.
async fn failed_once(world: &World, name: &str) {
    world.play(&person(name), &["server_error"]).await;
    // The pause is drawn from zero on: its timer is moved far away where it is near.
    let job = world.in_state(id(name), "waiting").await;
    assert_eq!(job["code"], "server_error");
}

#[test]
fn stopping_retries_ends_what_waits_for_one_and_allowing_them_revives_nothing() {
    run(async {
        let settings = WAITING.to_owned();
        let world = World::build(Scene { hubs: 2, settings, ..Scene::default() }).await;
        for n in 0..5 {
            failed_once(&world, &format!("waits {n}")).await;
        }
        world.play(&check("pends"), &[]).await;
        world.in_state(id("pends"), "pending").await;
        // One was put off, which is no failure; one was never started.
        world.play(&check("doubts"), &["ack_lost_never"]).await;
        world.in_state(id("doubts"), "in_doubt").await;
        let stop = ["retries", "disable", "gbdfl.person", "kpsisu.check", "--reason", "a storm"];
        let dry = done(&world, &[stop.as_slice(), &["--dry-run"]].concat()).await;
        assert!(dry.contains("5 jobs now") && dry.contains("0 jobs now"), "{dry}");
        done(&world, &stop).await;
        let stopped = Instant::now();
        for n in 0..5 {
            let job = world.ended(id(&format!("waits {n}"))).await;
            assert_eq!(
                (&job["state"], &job["code"]),
                (&json!("failed"), &json!("retries_disabled"))
            );
            assert_eq!(job["summary"]["last_code"], "server_error");
            assert_eq!(job["summary"]["class"], "unreachable");
            let event = world.events.wait_for(id(&format!("waits {n}")), "failed").await;
            assert_eq!(event["data"]["summary"]["code"], "retries_disabled");
        }
        assert!(stopped.elapsed().as_secs() < 10, "at the next tick, not when they are due");
        // A new failure ends at once; a first attempt is made; what they hold goes on.
        world.play(&person("fails now"), &["server_error"]).await;
        let job = world.ended(id("fails now")).await;
        assert_eq!((&job["code"], &job["attempts"]), (&json!("retries_disabled"), &json!(1)));
        assert_eq!(world.attempts(id("fails now")).await[0]["code"], "server_error");
        world.send(&person("succeeds now")).await;
        assert_eq!(world.ended(id("succeeds now")).await["state"], "succeeded");
        assert_eq!(world.job(id("pends")).await.unwrap()["state"], "pending");
        assert_eq!(world.job(id("doubts")).await.unwrap()["state"], "in_doubt");
        let (code, text) = hub(&world, &stop).await;
        assert!(code == 1 && text.contains("before"), "{text}");
        let list = done(&world, &["retries", "list", "--json"]).await;
        let list: Value = serde_json::from_str(&list).unwrap();
        let of =
            |name: &str| list.as_array().unwrap().iter().find(|r| r["operation"] == name).cloned();
        let row = of("gbdfl.person").unwrap();
        assert_eq!(
            (&row["enabled"], &row["stopped"]["reason"]),
            (&json!(false), &json!("a storm"))
        );
        assert_eq!(of("gbdul.organization").unwrap()["enabled"], true);
        let allow = ["retries", "enable", "gbdfl.person", "--reason", "over"];
        done(&world, &allow).await;
        until("a new failure waits again", async || {
            let name = format!("after {}", world.rows("SELECT 1 FROM hub.job").await.len());
            world.play(&person(&name), &["server_error"]).await;
            until("it failed once", async || {
                world.job(id(&name)).await.filter(|job| !job["code"].is_null())
            })
            .await;
            (world.job(id(&name)).await?["state"] == "waiting").then_some(())
        })
        .await;
        for n in 0..5 {
            let job = world.job(id(&format!("waits {n}"))).await.unwrap();
            assert_eq!((&job["state"], &job["run"]), (&json!("failed"), &job["run"]));
            assert_eq!(world.journal(id(&format!("waits {n}"))).await.len(), 1);
        }
        let audit = done(&world, &["audit", "list", "--target", "gbdfl.person"]).await;
        assert!(audit.contains("retries.disable") && audit.contains("retries.enable"), "{audit}");
        world.strike().await;
    });
}

#[test]
fn a_job_that_is_too_old_makes_no_further_attempt() {
    run(async {
        let settings = "
[operations.gbdfl.person]
at_risk_s = 36000
deadline_s = 72000
call_timeout_ms = 1200
[operations.gbdfl.person.retry]
age_max_s = 3600
[operations.gbdfl.person.retry.unreachable]
base_ms = 600000
max_ms = 600000
"
        .to_owned();
        let world = World::build(Scene { settings, ..Scene::default() }).await;
        world.play(&person("too old"), &["server_error"]).await;
        world.in_state(id("too old"), "waiting").await;
        done(&world, &["pause", "gbdfl", "--reason", "for two hours"]).await;
        blocked(&world, "gbdfl", "pause", true).await;
        world.send(&person("first attempt")).await;
        let now = world.stage.store.business_now().await.unwrap();
        let later = now.checked_add(SignedDuration::from_hours(2)).unwrap();
        world.stage.store.jump_to(later).await.unwrap();
        world.in_state(id("too old"), "accepted").await;
        done(&world, &["resume", "gbdfl", "--reason", "on"]).await;
        let job = world.ended(id("too old")).await;
        assert_eq!(
            (&job["state"], &job["code"]),
            (&json!("failed"), &json!("retry_budget_used_up"))
        );
        assert_eq!(job["summary"]["last_code"], "server_error");
        assert_eq!(world.journal(id("too old")).await.len(), 1);
        let job = world.ended(id("first attempt")).await;
        assert_eq!(job["state"], "succeeded", "a first attempt is no retry: {job}");
        world.strike().await;
    });
}

#[test]
fn a_pause_that_would_end_behind_the_budget_ends_the_job_with_its_failure() {
    run(async {
        let settings = "
[operations.gbdfl.person]
at_risk_s = 36000
deadline_s = 72000
call_timeout_ms = 1200
[operations.gbdfl.person.retry]
age_max_s = 1
[operations.gbdfl.person.retry.unreachable]
base_ms = 1000
max_ms = 86000000
"
        .to_owned();
        let world = World::build(Scene { settings, ..Scene::default() }).await;
        // Every answer fails: sooner or later a pause does not fit into the second.
        let all = ["server_error"; 8];
        world.play(&person("no time"), &all).await;
        let job = world.ended(id("no time")).await;
        assert_eq!(
            (&job["state"], &job["code"]),
            (&json!("failed"), &json!("retry_budget_used_up"))
        );
        assert_eq!(job["summary"]["last_code"], "server_error");
        let event = world.events.wait_for(id("no time"), "failed").await;
        assert_eq!(event["data"]["summary"], job["summary"]);
        world.strike().await;
    });
}

#[test]
fn jobs_that_may_go_on_do_not_keep_a_stopped_policy_from_those_behind_them() {
    run(async {
        let world = World::build(Scene { settings: WAITING.to_owned(), ..Scene::default() }).await;
        let names = ["put off 1", "put off 2", "failed behind them"];
        for name in names {
            failed_once(&world, name).await;
        }
        // The first two were told to come later since: that is no failure, and they go on.
        let put_off = format!("'{}', '{}'", id(names[0]), id(names[1]));
        world
            .execute(&format!(
                "UPDATE hub.job_live SET summary = summary || '{{\"class\": \"not_now\"}}'
                  WHERE id IN ({put_off})"
            ))
            .await;
        let config = Config::load(Some(&world.stage.settings_file(0)), Vec::new()).unwrap();
        let of = |name: &str| config.operations[name].retry;
        let disabled = Policy { enabled: false, age_max: None, ..of("gbdfl.person") };
        let disabled = [(&adapters::systems::gbdfl::PERSON, disabled)];
        // With room for one job in a look, the one behind the others is the one.
        let (stopped, _) = world.stage.store.stop_retries(&disabled, 0, 1).await.unwrap();
        assert_eq!((stopped.seen, stopped.ended.len()), (1, 1));
        assert_eq!(world.job(id(names[2])).await.unwrap()["code"], "retries_disabled");
        let (stopped, _) = world.stage.store.stop_retries(&disabled, 0, 1).await.unwrap();
        assert_eq!(stopped.seen, 0, "what goes on is not even locked");
        // Too old for another attempt, they end as well.
        let policy = Policy { age_max: Some(std::time::Duration::ZERO), ..disabled[0].1 };
        let too_old = [(&adapters::systems::gbdfl::PERSON, policy)];
        let (stopped, _) = world.stage.store.stop_retries(&too_old, 0, 10).await.unwrap();
        assert_eq!(stopped.ended.len(), 2);
        for name in &names[..2] {
            assert_eq!(world.job(id(name)).await.unwrap()["code"], "retry_budget_used_up");
        }
        world.strike().await;
    });
}

/// A label is sent three times at most.
const LABELS: &str = "
[operations.kazpost.label]
call_timeout_ms = 1500
attempts_max = 3
retry_base_ms = 40
retry_max_ms = 100
";

/// How often a label was sent: the attempts that lost their answer, not the questions.
async fn sendings(world: &World, name: &str) -> usize {
    let attempts = world.attempts(id(name)).await;
    attempts.iter().filter(|attempt| attempt["class"] == "indeterminate").count()
}

#[test]
fn what_their_system_says_was_not_done_is_sent_again_within_its_budget_alone() {
    run(async {
        let world = World::build(Scene { settings: LABELS.to_owned(), ..Scene::default() }).await;
        // Each sending gets a 503, each question is told that the number is not known.
        world.at_the_counter("unlucky", &["server_error", "label"].repeat(5)).await;
        world.send(&label("unlucky", "unlucky label")).await;
        world.live_until_ended(&["unlucky label".to_owned()]).await;
        let job = world.ended(id("unlucky label")).await;
        assert_eq!((&job["state"], &job["code"]), (&json!("failed"), &json!("not_done")), "{job}");
        assert_eq!(job["summary"]["class"], "unreachable");
        assert_eq!((sendings(&world, "unlucky label").await, &job["attempts"]), (3, &json!(3)));
        let names = world.events.names(id("unlucky label"));
        let waits = names.iter().filter(|name| *name == "waiting").count();
        assert_eq!(waits, 2, "the third answer is the last: {names:?}");
        world.strike().await;
    });
}

#[test]
fn stopped_retries_also_stop_what_their_system_says_was_not_done() {
    run(async {
        let settings = format!("{WAITING}{LABELS}");
        let world = World::build(Scene { settings, ..Scene::default() }).await;
        failed_once(&world, "tells when").await;
        world.at_the_counter("stopped", &["server_error", "label"].repeat(3)).await;
        world.send(&label("stopped", "stopped label")).await;
        world.in_state(id("stopped label"), "in_doubt").await;
        let stop = ["retries", "disable", "gbdfl.person", "kazpost.label", "--reason", "a storm"];
        done(&world, &stop).await;
        // The hub has seen both when it ends what waits for the one.
        world.ended(id("tells when")).await;
        world.live_until_ended(&["stopped label".to_owned()]).await;
        let job = world.ended(id("stopped label")).await;
        assert_eq!(
            (&job["state"], &job["code"]),
            (&json!("failed"), &json!("retries_disabled")),
            "{job}"
        );
        assert_eq!(job["summary"]["last_code"], "not_done");
        assert_eq!(sendings(&world, "stopped label").await, 1);
        world.strike().await;
    });
}
