//! One press, one SMS; one order, one number: whatever is lost, repeated, killed or raced.
//!
//! The oracle is not the hub: phones and counters of the simulators are counted.

use std::time::Duration;

use serde_json::{Value, json};
use workers::chance::Chance;

use crate::{
    orders::{QUICK_POST, label, number_of},
    press::{Person, check_by_code, check_with, introduce, press, verification_of, verify, wrong},
    servers::run,
    world::{QUICK, SEED, Scene, World, common, id, until},
};

const KPSISU: &str = "kpsisu.check";
/// How many presses and orders one run of a property plays.
const PRESSES: usize = 48;
const ORDERS: usize = 24;
/// All of them have ended, half a minute where nothing else runs.
const LIFE_MAX: Duration = Duration::from_secs(240);

/// Two hubs that notice each other's death within two seconds. So much goes wrong here that breakers open;
/// their pauses are short, as they are real time.
async fn two_hubs() -> World {
    let settings = format!(
        "{QUICK}{QUICK_POST}
[operations.mgov.send_code]
call_timeout_ms = 1200
retry_base_ms = 40
[operations.mgov.verify_code]
call_timeout_ms = 1200
[worker]
lease_ms = 1000
"
    );
    let environment = vec![
        ("HUB_SYSTEMS__MGOV__BREAKER_OPEN_BASE_MS", "100"),
        ("HUB_SYSTEMS__MGOV__BREAKER_OPEN_MAX_MS", "500"),
        ("HUB_SYSTEMS__KAZPOST__BREAKER_OPEN_BASE_MS", "100"),
        ("HUB_SYSTEMS__KAZPOST__BREAKER_OPEN_MAX_MS", "500"),
    ];
    World::build(Scene { hubs: 2, settings, environment, ..Scene::default() }).await
}

/// One of them, by chance.
fn one_of<'a>(chance: &Chance, all: &[&'a str]) -> &'a str {
    all[usize::try_from(chance.below(all.len() as u64)).unwrap()]
}

/// A person whose requests meet these behaviours, in this order.
async fn somebody(world: &World, name: &str, fates: &[(&str, &str)]) -> Person {
    let iin = crate::world::iin(name);
    for (system, behaviour) in fates {
        let order = json!({"system": system, "behaviour": behaviour, "iin": iin});
        world.stage.order("next", &order).await.unwrap();
    }
    Person { iin, subject: format!("specialist:{name}") }
}

/// Publishes each job one to four times, in between kills a hub and starts it again.
async fn publish_through_a_crash(world: &mut World, chance: &Chance, jobs: &[Value]) {
    for (nth, job) in jobs.iter().enumerate() {
        for _ in 0..=chance.below(4) {
            world.send(job).await;
        }
        if nth == jobs.len() / 2 {
            world.stage.kill_hub(0).await;
        }
    }
    world.stage.start_hub(0).unwrap();
    world.stage.ready(0).await.unwrap();
    for job in jobs.iter().filter(|_| chance.below(3) == 0) {
        world.send(job).await;
    }
}

#[test]
fn d6_one_press_sends_one_sms_whatever_is_lost_repeated_or_killed() {
    run(async {
        let mut world = two_hubs().await;
        let chance = Chance::seeded(*SEED);
        let mut jobs = Vec::new();
        for nth in 0..PRESSES {
            let name = format!("press {nth}");
            let person = Person { iin: crate::world::iin(&name), subject: name.clone() };
            let fates = [
                "known",
                "lost",
                "slow",
                "cut",
                "cut_by_reset",
                "html_ok",
                "garbage",
                "reset",
                "fault_after",
                "server_error",
                "html_bad_gateway",
                "unavailable",
                "unknown_fault",
                "wrong_request_id",
                "unknown_result",
                "status_twice",
                "no_code_id",
                "no_expiry",
            ];
            for behaviour in [one_of(&chance, &fates), "known"] {
                let order = json!({
                    "system": "mgov", "behaviour": behaviour, "request_number": id(&name),
                });
                world.stage.order("next", &order).await.unwrap();
            }
            let check = one_of(&chance, &[KPSISU, "mzrk.check"]);
            jobs.push((person.iin.clone(), press(&person, &name, check)));
        }
        let messages: Vec<Value> = jobs.iter().map(|(_, job)| job.clone()).collect();
        publish_through_a_crash(&mut world, &chance, &messages).await;
        world.live_through_within(LIFE_MAX, PRESSES).await;
        let mut ends = std::collections::BTreeSet::new();
        for (iin, job) in &jobs {
            let press = job["id"].as_str().unwrap();
            let phone = world.stage.control(&format!("phone/{iin}")).await.unwrap();
            let messages = phone["messages"].as_array().unwrap().iter();
            let sms = messages.filter(|sms| sms["request_number"] == press).count();
            let end = world.job(press.parse().unwrap()).await.unwrap();
            let (state, code) = (end["state"].as_str().unwrap(), end["code"].as_str());
            match (state, code) {
                ("succeeded", _) => assert_eq!(sms, 1, "{end}"),
                ("failed", Some("outcome_unknown")) => assert!(sms <= 1, "{sms}: {end}"),
                other => panic!("{other:?}: {end}"),
            }
            ends.insert(state.to_owned());
        }
        assert_eq!(ends.len(), 2, "some answers came and some were lost: {ends:?}");
        let oracle = &world.stage.control("oracle").await.unwrap()["mgov"];
        assert_eq!(oracle["executed_more_than_once"], json!([]));
        world.strike().await;
    });
}

#[test]
fn d6_a_code_that_verifies_proves_that_it_was_sent() {
    run(async {
        let world = common().await;
        for fate in ["lost", "garbage", "no_code_id", "fault_after"] {
            let name = format!("proof of {fate}");
            let code_ref = id(&format!("{name} press"));
            let fates = [("mgov", fate), ("mgov", "known"), ("kpsisu", "clear")];
            let person = somebody(world, &name, &fates).await;
            world.send(&press(&person, &format!("{name} press"), KPSISU)).await;
            world.in_state(code_ref, "in_doubt").await;
            let code = world.code(&person, code_ref).await;
            let check = format!("{name} check");
            world.send(&check_by_code(&person, &check, KPSISU, code_ref, &code)).await;
            let sent = world.ended(code_ref).await;
            assert_eq!(sent["state"], "succeeded", "{sent}");
            assert_eq!(sent["summary"]["evidence"], "code_verified");
            until("the check was sent", async || {
                (world.journal(id(&check)).await.len() == 1).then_some(())
            })
            .await;
            let row = format!("SELECT * FROM portal.sms_code WHERE code_ref = '{code_ref}'");
            let row = world.row(&row).await;
            assert_eq!(
                (&row["status"], &row["code_status"]),
                (&json!("succeeded"), &json!("verified"))
            );
        }
    });
}

#[test]
fn d6_a_code_that_is_typed_before_its_sending_is_in_doubt_proves_it_too() {
    run(async {
        let world = common().await;
        let name = "proof while the answer hangs";
        let code_ref = id(&format!("{name} press"));
        // The message is on the phone at once; the answer to the sending never comes in time.
        let fates = [("mgov", "slow"), ("mgov", "known"), ("kpsisu", "clear")];
        let person = somebody(world, name, &fates).await;
        world.send(&press(&person, &format!("{name} press"), KPSISU)).await;
        let code =
            until("the message came", async || world.codes(&person, code_ref).await.pop()).await;
        let check = format!("{name} check");
        world.send(&check_by_code(&person, &check, KPSISU, code_ref, &code)).await;
        until("the check was sent", async || {
            (world.journal(id(&check)).await.len() == 1).then_some(())
        })
        .await;
        assert_eq!(world.job(code_ref).await.unwrap()["state"], "calling", "the answer hangs");
        let sent = world.ended(code_ref).await;
        assert_eq!(sent["state"], "succeeded", "{sent}");
        assert_eq!(sent["summary"]["evidence"], "code_verified");
        let names = world.events.names(code_ref);
        assert!(names.contains(&"in_doubt".to_owned()), "{names:?}");
    });
}

#[test]
fn d6_a_press_whose_code_nobody_types_ends_as_unknown_when_the_code_would_have_expired() {
    run(async {
        let world = World::build(Scene::default()).await;
        let person = Person { iin: crate::world::iin("untyped"), subject: "untyped".into() };
        world.play(&press(&person, "untyped", KPSISU), &["lost"]).await;
        let pressed = world.in_state(id("untyped"), "in_doubt").await;
        world.live_through_within(LIFE_MAX, 1).await;
        let job = world.ended(id("untyped")).await;
        assert_eq!((&job["state"], &job["code"]), (&json!("failed"), &json!("outcome_unknown")));
        let instant = |job: &Value, name: &str| -> jiff::Timestamp {
            job[name].as_str().unwrap().parse().unwrap()
        };
        let took = instant(&job, "ended_at").duration_since(instant(&pressed, "admitted_at"));
        assert!((299.0..310.0).contains(&took.as_secs_f64()), "{took:?}");
        assert_eq!(world.journal(id("untyped")).await.len(), 1, "asked once");
        // The user may press again.
        world.play(&press(&person, "untyped again", KPSISU), &["known"]).await;
        assert_eq!(world.ended(id("untyped again")).await["state"], "succeeded");
        world.strike().await;
    });
}

#[test]
fn d4_of_many_checks_with_one_code_at_once_through_two_hubs_one_opens() {
    run(async {
        let mut world = two_hubs().await;
        let mut races = Vec::new();
        for race in 0..6 {
            let person = introduce(&world, &format!("race {race}")).await;
            let (code_ref, code) = world.sent(&person, &format!("race {race} press"), KPSISU).await;
            let names: Vec<String> = (0..3).map(|n| format!("race {race} check {n}")).collect();
            let digits = [code.clone(), code.clone(), wrong(&code)];
            let checks: Vec<Value> = names
                .iter()
                .zip(&digits)
                .map(|(name, code)| check_by_code(&person, name, KPSISU, code_ref, code))
                .collect();
            races.push((names, checks));
        }
        // All at once, each twice, and a hub dies on the way.
        let all: Vec<&Value> = races.iter().flat_map(|(_, checks)| checks).collect();
        let sent = all.iter().chain(&all).map(|check| world.send(check));
        futures_util::future::join_all(sent).await;
        world.stage.kill_hub(1).await;
        let names: Vec<String> = races.iter().flat_map(|(names, _)| names.clone()).collect();
        world.live_until_ended(&names).await;
        let mut all_opened = 0;
        for (names, _) in &races {
            let mut opened = 0;
            for name in names {
                let (job, sent) =
                    (world.job(id(name)).await.unwrap(), world.journal(id(name)).await);
                assert!(sent.len() <= 1, "{name}: {sent:?}");
                if sent.is_empty() {
                    assert!(
                        ["refused", "failed"].contains(&job["state"].as_str().unwrap()),
                        "{job}"
                    );
                }
                opened += sent.len();
                assert!(world.journal(verification_of(id(name))).await.len() <= 1, "{name}");
            }
            assert!(opened <= 1, "{names:?}: {opened} checks were opened by one code");
            all_opened += opened;
        }
        assert!(all_opened > 0, "no code opened anything: nothing was raced for");
        world.strike().await;
    });
}

#[test]
fn d4_a_verification_whose_answer_was_lost_opens_nothing_and_is_not_asked_again() {
    run(async {
        let world = World::build(Scene::default()).await;
        let fates = [("mgov", "known"), ("mgov", "lost")];
        let person = somebody(&world, "lost verification", &fates).await;
        let (code_ref, code) = world.sent(&person, "lost verification press", KPSISU).await;
        let own = verification_of(id("lost verification check"));
        let check = check_by_code(&person, "lost verification check", KPSISU, code_ref, &code);
        world.send(&check).await;
        world.live_through_within(LIFE_MAX, 3).await;
        let job = world.ended(id("lost verification check")).await;
        assert_eq!((&job["state"], &job["code"]), (&json!("refused"), &json!("code_unverified")));
        assert_eq!(world.journal(own).await.len(), 1);
        assert!(world.journal(id("lost verification check")).await.is_empty());
        world.strike().await;
    });
}

#[test]
fn d15_one_order_has_one_number_whatever_is_lost_repeated_or_killed() {
    run(async {
        let mut world = two_hubs().await;
        let chance = Chance::seeded(SEED.wrapping_add(1));
        let (mut jobs, mut names) = (Vec::new(), Vec::new());
        for nth in 0..ORDERS {
            let order = format!("order-{nth}");
            let fates = [
                "label",
                "no_pdf",
                "lost_after_issue",
                "cut_after_issue",
                "html_after_issue",
                "garbage_after_issue",
                "slow_after_issue",
                "oracle_fault",
                "unknown_fault",
                "server_error",
                "html_bad_gateway",
                "reset_before",
                "slow_before",
                "wrong_check_digit",
                "no_number",
                "several_numbers",
                "number_beside_code",
                "not_a_pdf",
                "broken_base64",
                "both_elements",
            ];
            world.at_the_counter(&order, &[one_of(&chance, &fates), "label", "label"]).await;
            for job in 0..=chance.below(3) {
                let name = format!("{order} label {job}");
                jobs.push(label(&order, &name));
                names.push(name);
            }
        }
        publish_through_a_crash(&mut world, &chance, &jobs).await;
        world.live_until_ended(&names).await;
        for name in &names {
            let job = world.job(id(name)).await.unwrap();
            assert_eq!(job["state"], "succeeded", "{job}");
        }
        let executed = world.executed("kazpost").await;
        let mut numbers = Vec::new();
        for nth in 0..ORDERS {
            let order = format!("order-{nth}");
            assert_eq!(executed[&number_of(&order)], 1, "{order}: numbers that were issued");
            let delivery = world.delivery(&order).await;
            numbers.push(delivery["track_number"].as_str().unwrap().to_owned());
            let trackers = world.trackers(&order).await;
            assert_eq!(trackers.len(), 1, "{order} is followed once: {trackers:?}");
            assert_eq!(trackers[0]["input"]["track_number"], delivery["track_number"]);
        }
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), ORDERS, "no number is shared by two orders");
        world.strike().await;
    });
}

#[test]
fn d15_a_lost_answer_is_in_doubt_until_the_order_number_tells() {
    run(async {
        let world = World::build(Scene::default()).await;
        for (order, fate) in [("lost-1", "lost_after_issue"), ("lost-2", "garbage_after_issue")] {
            world.at_the_counter(order, &[fate, "label", "label"]).await;
            let name = format!("{order} label");
            world.send(&label(order, &name)).await;
            let doubt = world.events.wait_for(id(&name), "in_doubt").await;
            assert_eq!(doubt["data"]["state"], "in_doubt");
            world.live_until_ended(std::slice::from_ref(&name)).await;
            let job = world.ended(id(&name)).await;
            assert_eq!(job["state"], "succeeded", "{job}");
            assert_eq!(world.executed("kazpost").await[&number_of(order)], 1);
            let first = world.delivery(order).await["track_number"].clone();
            // A second request of the same order gets the same number.
            let again = format!("{order} again");
            world.send(&label(order, &again)).await;
            world.live_until_ended(std::slice::from_ref(&again)).await;
            assert_eq!(world.ended(id(&again)).await["state"], "succeeded");
            assert_eq!(world.delivery(order).await["track_number"], first);
            assert_eq!(world.executed("kazpost").await[&number_of(order)], 1);
        }
        world.strike().await;
    });
}

#[test]
fn d15_a_hub_killed_while_it_fetches_the_label_again_loses_neither_number_nor_label() {
    run(async {
        let settings = format!("{QUICK}{QUICK_POST}\n[worker]\nlease_ms = 1000");
        let environment = vec![("HUB_OPERATIONS__KAZPOST__LABEL__CALL_TIMEOUT_MS", "30000")];
        let scene = Scene { hubs: 1, settings, environment, ..Scene::default() };
        let mut world = World::build(scene).await;
        world.at_the_counter("refetched", &["no_pdf"]).await;
        world.send(&label("refetched", "refetched label")).await;
        let known = world.in_state(id("refetched label"), "pending").await;
        assert_eq!(known["summary"]["label"], "awaited");
        let number = world.delivery("refetched").await["track_number"].clone();
        let slow = json!({
            "system": "kazpost", "behaviour": "slow_after_issue", "request_number": number,
        });
        world.stage.order("next", &slow).await.unwrap();
        world.pass(jiff::SignedDuration::from_secs(6)).await;
        let track: String = number.as_str().unwrap().to_owned();
        until("the label is being fetched", async || {
            world.executed("kazpost").await.contains_key(&track).then_some(())
        })
        .await;
        world.stage.kill_hub(0).await;
        world.stage.start_hub(0).unwrap();
        world.stage.ready(0).await.unwrap();
        crate::world::within(Duration::from_secs(40), "the job has ended", async || {
            let ended = world.job(id("refetched label")).await.unwrap();
            if !ended["ended_at"].is_null() {
                return Some(());
            }
            let state = world.stage.control("state").await.unwrap();
            let jobs = world.rows("SELECT 1 FROM hub.job_live WHERE state = 'calling'").await;
            if jobs.is_empty() && state["in_flight"].as_u64() <= Some(1) {
                world.pass(jiff::SignedDuration::from_secs(31)).await;
            }
            None
        })
        .await;
        let job = world.job(id("refetched label")).await.unwrap();
        assert_eq!(
            (&job["state"], &job["summary"]["label"]),
            (&json!("succeeded"), &json!("ready"))
        );
        let delivery = world.delivery("refetched").await;
        assert_eq!(delivery["track_number"], number);
        assert!(delivery["label_link"].is_string());
        assert_eq!(world.executed("kazpost").await[&number_of("refetched")], 1);
        let told = world.events.of(id("refetched label"));
        let doubts = told.iter().filter(|heard| heard.key.ends_with("in_doubt")).count();
        assert_eq!(doubts, 0, "the number was known: nothing was in doubt");
        world.strike().await;
    });
}

#[test]
fn d4_of_many_checks_that_name_one_verification_exactly_one_opens() {
    run(async {
        let world = two_hubs().await;
        let person = introduce(&world, "crowd").await;
        let (code_ref, code) = world.sent(&person, "crowd press", KPSISU).await;
        let names: Vec<String> = (0..8).map(|n| format!("crowd check {n}")).collect();
        let consent = json!({"verified_by": id("crowd verify")});
        let checks = names.iter().map(|name| check_with(&person, name, KPSISU, consent.clone()));
        let checks: Vec<Value> = checks.collect();
        futures_util::future::join_all(checks.iter().map(|check| world.send(check))).await;
        for name in &names {
            world.in_state(id(name), "waiting").await;
        }
        // One commit finds them all, each with a code that nobody has used yet.
        world.send(&verify(&person, "crowd verify", code_ref, &code)).await;
        let settled = until("each was opened or refused", async || {
            let mut jobs = Vec::new();
            for name in &names {
                jobs.push(world.job(id(name)).await?);
            }
            jobs.iter()
                .all(|job| job["phase"] != "consent" || !job["ended_at"].is_null())
                .then_some(jobs)
        })
        .await;
        let refused: Vec<&Value> = settled.iter().filter(|j| j["state"] == "refused").collect();
        assert_eq!(refused.len(), 7, "{settled:?}");
        assert!(refused.iter().all(|job| job["code"] == "code_used"), "{refused:?}");
        let mut sent = 0;
        for name in &names {
            let job = world.job(id(name)).await.unwrap();
            if job["state"] != "refused" {
                until("the opened one was sent", async || {
                    (!world.journal(id(name)).await.is_empty()).then_some(())
                })
                .await;
            }
            sent += world.journal(id(name)).await.len();
        }
        assert_eq!(sent, 1);
        world.strike().await;
    });
}
