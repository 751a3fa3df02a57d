//! Protection of a system for all hubs together: calls under way, starts a second, the circuit breaker,
//! pauses and maintenance. What the government saw is the judge.

use std::{process::Stdio, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;
use workers::services::Owned;

use crate::{
    servers::run,
    world::{QUICK, Scene, World, check, id, person, until, within},
};

const LIMIT: u64 = 6;
const PATIENCE: Duration = Duration::from_mins(3);

/// Runs `hub` with the settings of the world's first hub; its exit code and what it printed.
pub async fn hub(world: &World, arguments: &[&str]) -> (i32, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hub"));
    command.args(arguments).arg("--config").arg(world.stage.settings_file(0));
    command.env("USER", "tester").stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

/// The same, where it must be done.
pub async fn done(world: &World, arguments: &[&str]) -> String {
    let (code, text) = hub(world, arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {text}");
    text
}

/// What `hub systems list` says of a system.
async fn listed(world: &World, system: &str) -> Value {
    let text = done(world, &["systems", "list", system, "--json"]).await;
    let rows: Value = serde_json::from_str(&text).unwrap();
    rows[0].clone()
}

/// Waits until every hub knows why a system is not called; or that it is.
pub async fn blocked(world: &World, system: &str, reason: &str, is: bool) {
    for hub in 0..world.stage.hubs.len() {
        until(&format!("hub {hub}: {system} {reason} is {is}"), async || {
            let labels = [("system", system), ("reason", reason)];
            let value = world.metric(hub, "hub_system_blocked", &labels).await;
            ((value > 0.5) == is).then_some(())
        })
        .await;
    }
}

async fn all_in_state(world: &World, names: &[String], state: &str) {
    let ids: Vec<String> = names.iter().map(|name| format!("'{}'", id(name))).collect();
    let query =
        format!("SELECT 1 FROM hub.job WHERE state = '{state}' AND id IN ({})", ids.join(","));
    within(PATIENCE, &format!("{} jobs are {state}", names.len()), async || {
        (world.rows(&query).await.len() == names.len()).then_some(())
    })
    .await;
}

async fn send_all(world: &World, names: &[String]) {
    for name in names {
        world.send(&person(name)).await;
    }
}

fn named(what: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{what} {n}")).collect()
}

/// Leased permits of all workers, and how many workers have some.
async fn leased(world: &World) -> (u64, usize) {
    let shares = world.rows("SELECT share FROM hub.destination_share WHERE system = 'gbdfl'").await;
    let share = |row: &Value| row["share"].as_u64().unwrap();
    (shares.iter().map(share).sum(), shares.iter().filter(|row| share(row) > 0).count())
}

#[test]
fn calls_under_way_never_exceed_the_limit_of_all_hubs_whoever_comes_and_goes() {
    run(async {
        let mut world = World::build(Scene {
            hubs: 3,
            latency: Duration::from_millis(150),
            settings: format!(
                "in_flight_max = {LIMIT}\n[operations.gbdfl.person]\n\
                at_risk_s = 3600\ndeadline_s = 7200\ncall_timeout_ms = 9000\n"
            ),
            ..Scene::default()
        })
        .await;
        until("three hubs share the limit", async || {
            (leased(&world).await == (LIMIT, 3)).then_some(())
        })
        .await;
        let first = named("share", 60);
        send_all(&world, &first).await;
        // One dies in the middle: the others take its share when its lease is over.
        world.stage.kill_hub(0).await;
        let second = named("share after a death", 60);
        send_all(&world, &second).await;
        until("two hubs have the whole limit", async || {
            (leased(&world).await == (LIMIT, 2)).then_some(())
        })
        .await;
        // A new one gets a share, although the others have enough to do.
        world.stage.start_hub(0).unwrap();
        let third = named("share after a birth", 60);
        send_all(&world, &third).await;
        world.stage.ready(0).await.unwrap();
        until("three hubs share again", async || {
            (leased(&world).await == (LIMIT, 3)).then_some(())
        })
        .await;
        for names in [&first, &second, &third] {
            all_in_state(&world, names, "succeeded").await;
        }
        let oracle = &world.stage.control("oracle").await.unwrap()["gbdfl"];
        let at_once = oracle["at_once_max"].as_u64().unwrap();
        assert!(at_once <= LIMIT, "{oracle}");
        assert!(at_once >= LIMIT - 2, "the limit is used: {oracle}");
        world.strike().await;
    });
}

#[test]
fn starts_a_second_never_exceed_the_rate_of_two_hubs_together() {
    run(async {
        const RATE: f64 = 20.0;
        const BURST: f64 = 10.0;
        let world = World::build(Scene {
            hubs: 2,
            settings: "rate_per_s = 20\nrate_burst = 10\n[operations.gbdfl.person]\n\
                at_risk_s = 3600\ndeadline_s = 7200\ncall_timeout_ms = 9000\n"
                .to_owned(),
            ..Scene::default()
        })
        .await;
        let names = named("rate", 120);
        send_all(&world, &names).await;
        all_in_state(&world, &names, "succeeded").await;
        keeps_to(&world, names.len(), RATE, BURST).await;
        let put_off = world.metric(0, "hub_starts_put_off_total", &[("reason", "rate")]).await
            + world.metric(1, "hub_starts_put_off_total", &[("reason", "rate")]).await;
        assert!(put_off > 0.0);
        world.strike().await;
    });
}

/// What the government saw of so many calls, all of them, kept to the rate.
async fn keeps_to(world: &World, calls: usize, rate: f64, burst: f64) {
    let entries = world.stage.control("journal").await.unwrap();
    let mut times: Vec<Timestamp> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["received_at"].as_str().unwrap().parse().unwrap())
        .collect();
    times.sort();
    assert_eq!(times.len(), calls);
    for (i, from) in times.iter().enumerate() {
        for (j, to) in times.iter().enumerate().skip(i) {
            // From the start of a call to their journal a busy machine may take a while.
            let stretch = to.duration_since(*from).as_secs_f64() + 0.5;
            let seen = f64::from(u32::try_from(j - i + 1).unwrap());
            assert!(seen <= rate * stretch + burst, "{seen} in {stretch} s");
        }
    }
    let took = times[calls - 1].duration_since(times[0]).as_secs_f64();
    let calls = f64::from(u32::try_from(calls).unwrap());
    assert!(took >= (calls - burst) / rate - 0.5, "{took} s");
}

/// Instants of the shortest burst that is allowed: the first job after a rest gets one that still lives.
#[test]
fn a_lone_job_after_a_rest_is_started() {
    run(async {
        let settings = format!("rate_per_s = 20\nrate_burst = 6\n{QUICK}");
        let world = World::build(Scene { settings, ..Scene::default() }).await;
        for name in named("after a rest", 5) {
            world.send(&person(&name)).await;
            assert_eq!(world.ended(id(&name)).await["state"], "succeeded");
            // It was an instant of the rate that let it start: the row has dealt one out.
            until("nothing was started for three seconds", async || {
                let rested = "SELECT 1 FROM hub.destination WHERE system = 'gbdfl'
                   AND next_token_at < statement_timestamp() - interval '3 s'";
                world.rows(rested).await.pop()
            })
            .await;
        }
        world.strike().await;
    });
}

#[test]
fn the_rate_of_the_hub_that_started_last_holds_for_the_one_that_has_none() {
    run(async {
        const PATIENT: &str = "[operations.gbdfl.person]\nat_risk_s = 3600\n\
            deadline_s = 7200\ncall_timeout_ms = 9000\n";
        let settings = format!("in_flight_max = 40\n{PATIENT}");
        let mut world = World::build(Scene { hubs: 2, settings, ..Scene::default() }).await;
        world.stage.kill_hub(1).await;
        let file = world.stage.settings_file(1);
        let text = std::fs::read_to_string(&file).unwrap();
        let limits = "in_flight_max = 41\nrate_per_s = 20\nrate_burst = 10";
        std::fs::write(&file, text.replace("in_flight_max = 40", limits)).unwrap();
        world.stage.start_hub(1).unwrap();
        world.stage.ready(1).await.unwrap();
        for hub in 0..2 {
            until(&format!("hub {hub} has seen the new limits"), async || {
                let most =
                    world.metric(hub, "hub_in_flight_limit_calls", &[("system", "gbdfl")]).await;
                (most > 40.5).then_some(())
            })
            .await;
        }
        let names = named("rate of the last", 120);
        send_all(&world, &names).await;
        all_in_state(&world, &names, "succeeded").await;
        keeps_to(&world, names.len(), 20.0, 10.0).await;
        let put_off = world.metric(0, "hub_starts_put_off_total", &[("reason", "rate")]).await;
        assert!(put_off > 0.0, "the one without a rate in its settings");
        world.strike().await;
    });
}

#[test]
fn a_stored_job_says_that_it_waits_for_a_place_or_for_the_rate() {
    run(async {
        let settings = "in_flight_max = 1\n[operations.gbdfl.person]\nat_risk_s = 3600\n\
            deadline_s = 7200\ncall_timeout_ms = 60000\n"
            .to_owned();
        let environment = vec![("HUB_SYSTEMS__KPSISU__RATE_PER_S", "1")];
        let world = World::build(Scene { settings, environment, ..Scene::default() }).await;
        let order = json!({"system": "gbdfl", "behaviour": "slow", "count": 1});
        world.stage.order("next", &order).await.unwrap();
        let names = named("behind a call", 3);
        send_all(&world, &names).await;
        wait_for(&world, "gbdfl", "in_flight", 2).await;
        for n in 0..15 {
            world.send(&check(&format!("behind the rate {n}"))).await;
        }
        wait_for(&world, "kpsisu", "rate", 1).await;
        world.strike().await;
    });
}

/// Until so many jobs of a system wait for that.
async fn wait_for(world: &World, system: &str, what: &str, jobs: usize) {
    until(&format!("{jobs} jobs of {system} wait for {what}"), async || {
        let list = ["jobs", "list", "--system", system, "--waiting-for", what, "--json"];
        let found: Value = serde_json::from_str(&done(world, &list).await).unwrap();
        (found.as_array().unwrap().len() >= jobs).then_some(())
    })
    .await;
}

#[test]
fn recent_calls_are_those_of_the_breakers_window() {
    run(async {
        let settings = format!("breaker_window_ms = 15000\n{QUICK}");
        let world = World::build(Scene { settings, ..Scene::default() }).await;
        for name in named("recent", 3) {
            world.send(&person(&name)).await;
            assert_eq!(world.ended(id(&name)).await["state"], "succeeded");
        }
        let calls = async || listed(&world, "gbdfl").await["recent_calls"].as_i64().unwrap();
        until("calls are seen", async || (calls().await > 0).then_some(())).await;
        until("they are no longer recent", async || (calls().await == 0).then_some(())).await;
        let row = breaker(&world).await;
        assert_ne!(row["breaker_recent"], json!([]), "nobody has cleared them: no call followed");
        world.strike().await;
    });
}

/// A breaker that opens after five failed calls, and jobs that are patient.
const BRITTLE: &str = "
breaker_calls_min = 5
breaker_open_base_ms = 1000
breaker_open_max_ms = 1500
[operations.gbdfl.person]
at_risk_s = 3600
deadline_s = 7200
call_timeout_ms = 20000
attempts_max = 9
retry_base_ms = 3000
retry_max_ms = 3000
";

async fn brittle() -> World {
    World::build(Scene { hubs: 3, settings: BRITTLE.to_owned(), ..Scene::default() }).await
}

async fn breaker(world: &World) -> Value {
    world.row("SELECT * FROM hub.destination WHERE system = 'gbdfl'").await
}

#[test]
fn a_breaker_opens_one_probe_after_the_other_is_made_and_no_job_fails_meanwhile() {
    run(async {
        let world = brittle().await;
        let order = json!({"system": "gbdfl", "behaviour": "server_error", "count": 26});
        world.stage.order("next", &order).await.unwrap();
        let first = named("broken", 12);
        send_all(&world, &first).await;
        until("the breaker opens", async || {
            (breaker(&world).await["breaker"] != "closed").then_some(())
        })
        .await;
        // Whoever has not heard of it yet may still call: only then is a job kept from the first moment.
        blocked(&world, "gbdfl", "breaker", true).await;
        let second = named("kept", 10);
        send_all(&world, &second).await;
        all_in_state(&world, &first, "succeeded").await;
        all_in_state(&world, &second, "succeeded").await;
        for name in &second {
            let job = world.job(id(name)).await.unwrap();
            assert_eq!(job["attempts"], 1, "the one that succeeded: {job}");
        }
        let row = until("it is closed", async || {
            Some(breaker(&world).await).filter(|row| row["breaker"] == "closed")
        })
        .await;
        assert_eq!(row["breaker_next_at"], Value::Null);
        // Every probe was one request: what failed after the opening, and the one that closed it.
        let mut moves = [0.0; 3];
        for hub in 0..3 {
            for (n, to) in ["open", "half_open", "closed"].into_iter().enumerate() {
                let labels = [("system", "gbdfl"), ("to", to)];
                moves[n] += world.metric(hub, "hub_breaker_transitions_total", &labels).await;
            }
        }
        let [opened, probes, closed] = moves;
        assert!(closed >= 1.0 && probes >= 1.0, "{moves:?}");
        assert!(opened >= 1.0 && probes >= closed, "{moves:?}");
        let seen = world.rows("SELECT class FROM hub.attempt WHERE class = 'unreachable'").await;
        assert_eq!(seen.len(), 26, "each failed answer is one attempt of the record");
        world.strike().await;
    });
}

/// Opens the breaker as a worker would, with its next probe so far away.
async fn open_breaker(world: &World, away: &str) {
    world
        .execute(&format!(
            "UPDATE hub.destination SET breaker = 'open', breaker_epoch = breaker_epoch + 1,
               breaker_trips = 1, breaker_changed_at = statement_timestamp(),
               breaker_next_at = statement_timestamp() + interval '{away}'
              WHERE system = 'gbdfl'"
        ))
        .await;
}

#[test]
fn one_probe_is_under_way_in_three_hubs_and_another_is_made_when_its_holder_dies() {
    run(async {
        let mut world = brittle().await;
        open_breaker(&world, "1 hour").await;
        blocked(&world, "gbdfl", "breaker", true).await;
        let names = named("behind the breaker", 15);
        send_all(&world, &names).await;
        all_in_state(&world, &names, "accepted").await;
        let story = done(&world, &["jobs", "show", &id(&names[0]).to_string()]).await;
        assert!(
            story.contains("waits for: breaker") && story.contains("one call tries"),
            "{story}"
        );
        // The probe hangs, and its worker dies with it.
        let order = json!({"system": "gbdfl", "behaviour": "slow", "count": 1});
        world.stage.order("next", &order).await.unwrap();
        open_breaker(&world, "0 s").await;
        let owner = until("a probe is under way", async || {
            let calling = world.rows("SELECT owner FROM hub.job WHERE state = 'calling'").await;
            assert!(calling.len() <= 1, "more than one probe: {calling:?}");
            let seen = world.stage.control("journal").await.unwrap();
            (seen.as_array().unwrap().len() == 1).then(|| calling.into_iter().next()).flatten()
        })
        .await;
        let owner = owner["owner"].as_str().unwrap().to_owned();
        let name = world.row(&format!("SELECT name FROM hub.worker WHERE id = '{owner}'")).await;
        let pid = name["name"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        let holder = (0..3).find(|n| {
            world.stage.hubs[*n].as_ref().map(Owned::pid).map(|pid| pid.to_string())
                == Some(pid.clone())
        });
        let before = breaker(&world).await["breaker_epoch"].as_i64().unwrap();
        world.stage.kill_hub(holder.unwrap()).await;
        within(PATIENCE, "another probe closes the breaker", async || {
            let seen = world.stage.control("journal").await.unwrap();
            let row = breaker(&world).await;
            assert!(row["breaker"] == "closed" || seen.as_array().unwrap().len() <= 2, "{seen}");
            (row["breaker"] == "closed" && row["breaker_epoch"].as_i64().unwrap() > before)
                .then_some(())
        })
        .await;
        all_in_state(&world, &names, "succeeded").await;
        world.strike().await;
    });
}

#[test]
fn a_job_that_always_fails_does_not_keep_the_breaker_open_for_the_others() {
    run(async {
        let world = brittle().await;
        open_breaker(&world, "1 hour").await;
        blocked(&world, "gbdfl", "breaker", true).await;
        let bad = named("always fails", 3);
        for name in &bad {
            world.play(&person(name), &["server_error"; 200]).await;
        }
        all_in_state(&world, &bad, "accepted").await;
        let good = named("behind those", 3);
        send_all(&world, &good).await;
        all_in_state(&world, &good, "accepted").await;
        open_breaker(&world, "0 s").await;
        all_in_state(&world, &good, "succeeded").await;
        world.strike().await;
    });
}

#[test]
fn an_operator_sees_an_open_breaker_and_resets_it() {
    run(async {
        let world = World::build(Scene::default()).await;
        open_breaker(&world, "1 hour").await;
        blocked(&world, "gbdfl", "breaker", true).await;
        let row = listed(&world, "gbdfl").await;
        assert_eq!((&row["blocked"], &row["breaker"]), (&json!("breaker"), &json!("open")));
        world.send(&person("behind a reset")).await;
        world.in_state(id("behind a reset"), "accepted").await;
        done(&world, &["systems", "reset", "gbdfl", "--reason", "mended"]).await;
        assert_eq!(world.ended(id("behind a reset")).await["state"], "succeeded");
        let audit = done(&world, &["audit", "list", "--target", "gbdfl"]).await;
        assert!(audit.contains("systems.reset") && audit.contains("mended"), "{audit}");
        world.strike().await;
    });
}

#[test]
fn who_only_waits_for_an_answer_does_not_wait_for_ever_behind_a_breaker() {
    run(async {
        let world = World::build(Scene::default()).await;
        world.send(&check("pull_only")).await;
        world.in_state(id("pull_only"), "pending").await;
        world
            .execute(
                "UPDATE hub.destination SET breaker = 'open', breaker_epoch = breaker_epoch + 1,
                   breaker_trips = 1, breaker_changed_at = statement_timestamp(),
                   breaker_next_at = statement_timestamp() + interval '1 hour'
                  WHERE system = 'kpsisu'",
            )
            .await;
        blocked(&world, "kpsisu", "breaker", true).await;
        let pulled = "SELECT breaker, breaker_epoch FROM hub.destination WHERE system = 'kpsisu'";
        let before = world.row(pulled).await["breaker_epoch"].as_i64().unwrap();
        // No job is stored that could make the probe: the pull that is due is one.
        world
            .execute(
                "UPDATE hub.destination SET breaker_next_at = statement_timestamp(),
                   next_pull_at = hub.now() WHERE system = 'kpsisu'",
            )
            .await;
        let row = until("a pull closes the breaker", async || {
            Some(world.row(pulled).await).filter(|row| row["breaker"] == "closed")
        })
        .await;
        assert_eq!(row["breaker_epoch"].as_i64().unwrap(), before + 2, "taken, and ended");
        world.strike().await;
    });
}

async fn waiting_for(world: &World, job: Uuid) -> String {
    let story = done(world, &["jobs", "show", &job.to_string(), "--json"]).await;
    let story: Value = serde_json::from_str(&story).unwrap();
    story["job"]["waiting_for"].as_str().unwrap().to_owned()
}

#[test]
fn while_a_system_is_paused_its_jobs_are_stored_and_the_others_go_on() {
    run(async {
        let world = World::build(Scene { hubs: 2, ..Scene::default() }).await;
        done(&world, &["pause", "gbdfl", "--reason", "they asked us to"]).await;
        blocked(&world, "gbdfl", "pause", true).await;
        let names = named("paused", 20);
        send_all(&world, &names).await;
        world.send(&check("not paused")).await;
        world.in_state(id("not paused"), "pending").await;
        all_in_state(&world, &names, "accepted").await;
        let job = id(&names[0]);
        assert_eq!(waiting_for(&world, job).await, "pause");
        let story = done(&world, &["jobs", "show", &job.to_string()]).await;
        assert!(
            story.contains("paused by tester") && story.contains("they asked us to"),
            "{story}"
        );
        assert_eq!(world.journal(job).await.len(), 0);
        let row = listed(&world, "gbdfl").await;
        assert_eq!((&row["blocked"], &row["stored"]), (&json!("pause"), &json!(20)));
        assert_eq!(world.events.names(job), ["accepted"], "a pause tells no event");
        // A hub that starts now keeps to it.
        let mut world = world;
        world.stage.kill_hub(1).await;
        world.stage.start_hub(1).unwrap();
        world.stage.ready(1).await.unwrap();
        blocked(&world, "gbdfl", "pause", true).await;
        all_in_state(&world, &names, "accepted").await;
        done(&world, &["resume", "gbdfl", "--reason", "they are back"]).await;
        all_in_state(&world, &names, "succeeded").await;
        assert_eq!(world.job(job).await.unwrap()["attempts"], 1);
        let audit = done(&world, &["audit", "list", "--target", "gbdfl"]).await;
        assert!(audit.contains("systems.pause") && audit.contains("systems.resume"), "{audit}");
        world.strike().await;
    });
}

#[test]
fn a_pause_ends_by_itself_and_wrong_use_changes_nothing() {
    run(async {
        let world = World::build(Scene::default()).await;
        let (code, text) = hub(&world, &["resume", "gbdfl", "--reason", "x"]).await;
        assert!(code == 1 && text.contains("not_paused"), "{code} {text}");
        let (code, _) = hub(&world, &["pause", "gbdfl"]).await;
        assert_eq!(code, 2, "without a reason");
        let (code, _) = hub(&world, &["pause", "gbdul2", "--reason", "x"]).await;
        assert_eq!(code, 2, "an unknown system");
        let past = ["pause", "gbdfl", "--reason", "x", "--until", "2020-01-01T00:00:00Z"];
        let (code, text) = hub(&world, &past).await;
        assert!(code == 1 && text.contains("in_the_past"), "{code} {text}");
        let dry = ["pause", "gbdfl", "--reason", "x", "--dry-run"];
        done(&world, &dry).await;
        assert_eq!(listed(&world, "gbdfl").await["blocked"], Value::Null);
        done(&world, &["pause", "gbdfl", "--reason", "two hours", "--until", "2h"]).await;
        blocked(&world, "gbdfl", "pause", true).await;
        let sooner = ["pause", "gbdfl", "--reason", "a short one", "--until", "1h"];
        let (code, text) = hub(&world, &sooner).await;
        assert!(code == 1 && text.contains("paused_longer"), "{code} {text}");
        assert!(text.contains("tester") && text.contains("two hours"), "{text}");
        assert_eq!(listed(&world, "gbdfl").await["paused_reason"], "two hours");
        done(&world, &[sooner.as_slice(), &["--replace"]].concat()).await;
        assert_eq!(listed(&world, "gbdfl").await["paused_reason"], "a short one");
        done(&world, &["pause", "gbdfl", "--reason", "longer again", "--until", "2h"]).await;
        world.send(&person("until two hours")).await;
        world.in_state(id("until two hours"), "accepted").await;
        let now = world.stage.store.business_now().await.unwrap();
        let later = now.checked_add(SignedDuration::from_hours(3)).unwrap();
        world.stage.store.jump_to(later).await.unwrap();
        assert_eq!(world.ended(id("until two hours")).await["state"], "succeeded");
        world.strike().await;
    });
}

#[test]
fn d6_d15_a_pause_in_the_middle_of_a_command_does_not_send_it_twice() {
    run(async {
        let world = World::build(Scene {
            hubs: 2,
            latency: Duration::from_secs(4),
            settings: "[operations.kpsisu.check]\ncall_timeout_ms = 30000\n".to_owned(),
            ..Scene::default()
        })
        .await;
        let job = world.send(&check("paused in the middle")).await;
        world.in_state(job, "calling").await;
        done(&world, &["pause", "kpsisu", "--reason", "in the middle"]).await;
        blocked(&world, "kpsisu", "pause", true).await;
        world.in_state(job, "pending").await;
        done(&world, &["resume", "kpsisu", "--reason", "on"]).await;
        blocked(&world, "kpsisu", "pause", false).await;
        world.live_through(1).await;
        let oracle = &world.stage.control("oracle").await.unwrap()["kpsisu"];
        assert_eq!(oracle["executed_more_than_once"], json!([]));
        assert_eq!(world.journal(job).await.len(), 1);
        world.strike().await;
    });
}

#[test]
fn announced_maintenance_begins_and_ends_with_business_time() {
    run(async {
        let begins =
            workers::clock::real_now().checked_add(SignedDuration::from_hours(24)).unwrap();
        let ends = begins.checked_add(SignedDuration::from_hours(2)).unwrap();
        let settings = format!(
            "[[systems.gbdfl.maintenance]]\nfrom = \"{begins}\"\nuntil = \"{ends}\"\n\
             text_ru = \"Плановые работы\"\ntext_kk = \"Жоспарлы жұмыстар\"\n"
        );
        let world = World::build(Scene { hubs: 2, settings, ..Scene::default() }).await;
        world.send(&person("before maintenance")).await;
        assert_eq!(world.ended(id("before maintenance")).await["state"], "succeeded");
        world.stage.store.jump_to(begins).await.unwrap();
        blocked(&world, "gbdfl", "maintenance", true).await;
        let name = "during maintenance";
        world.send(&person(name)).await;
        world.in_state(id(name), "accepted").await;
        assert_eq!(waiting_for(&world, id(name)).await, "maintenance");
        assert_eq!(listed(&world, "gbdfl").await["maintenance_ru"], "Плановые работы");
        assert_eq!(world.journal(id(name)).await.len(), 0);
        world.stage.store.jump_to(ends).await.unwrap();
        assert_eq!(world.ended(id(name)).await["state"], "succeeded");
        world.strike().await;
    });
}
