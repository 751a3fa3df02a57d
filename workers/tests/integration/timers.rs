//! Many timers, several workers: every warning is given once, whoever dies; one last look before an
//! end; timers that cannot be fired are in nobody's way.

use std::collections::{HashMap, HashSet};

use adapters::systems::kpsisu::CHECK;
use jiff::SignedDuration;
use workers::{
    store::timer::{Action, Due, NEXT_MS},
    timers::FIRED_MAX,
};

use crate::{
    orders::{QUICK_POST, label},
    protection::blocked,
    servers::run,
    world::{QUICK, Scene, World, check, id, person, until},
};

/// Jobs that they hold, with numbers past those that the hub gives here, each with a warning: due
/// `spread_ms` apart from the first, which is due after `lead_ms`.
pub async fn held(world: &World, count: usize, lead_ms: i64, spread_ms: i64) {
    world
        .execute(&format!(
            "WITH jobs AS (
               INSERT INTO hub.job_live (seq, id, system, operation, subject, requested_by, priority,
                 input, requested_at, admitted_at, at_risk_at, deadline_at, give_up_at, state, sla,
                 run, attempts, events, event)
               SELECT m, gen_random_uuid(), 'kpsisu', 'kpsisu.check', 'specialist:' || n,
                 'organisation:990140000007', 1, '{{\"iin\": \"850100300012\"}}', c.now, c.now,
                 c.now + ({lead_ms} + n * {spread_ms}) * interval '1 millisecond',
                 c.now + interval '5 days', c.now + interval '20 days', 'pending', 'on_time',
                 1, 1, 2, 'pending'
                 FROM generate_series(1000001, 1000000 + {count}) m
                CROSS JOIN LATERAL (SELECT m - 1000000 AS n) k CROSS JOIN (SELECT hub.now() AS now) c
               RETURNING seq, at_risk_at, give_up_at)
             INSERT INTO hub.timer (job_seq, kind, due_at)
             SELECT seq, 'sla', at_risk_at FROM jobs UNION ALL
             SELECT seq, 'give_up', give_up_at FROM jobs"
        ))
        .await;
}

const WARNED: &str = "SELECT 1 FROM hub.job_live WHERE sla = 'at_risk'";

#[test]
fn no_warning_is_given_twice_by_four_workers_of_which_one_is_killed() {
    const JOBS: usize = 600;
    run(async {
        let mut world = World::build(Scene { hubs: 4, ..Scene::default() }).await;
        held(&world, JOBS, 500, 5).await;
        until("a part has been warned of", async || {
            (world.rows(WARNED).await.len() > JOBS / 4).then_some(())
        })
        .await;
        world.stage.kill_hub(3).await;
        until("all have been warned of", async || {
            (world.rows(WARNED).await.len() == JOBS).then_some(())
        })
        .await;
        let twice = world.rows("SELECT seq FROM hub.job_live WHERE events <> 3").await;
        assert!(twice.is_empty(), "{twice:?}");
        let left = "SELECT 1 FROM hub.timer t JOIN hub.job_live j ON j.seq = t.job_seq
                     WHERE t.kind = 'sla' AND t.due_at = j.deadline_at";
        assert_eq!(world.rows(left).await.len(), JOBS, "the next timer is that of the deadline");
        // The dead worker's partitions find another owner, and every warning is published.
        until("every warning was heard", async || {
            let heard = world.events.all();
            let warnings = heard.iter().filter(|heard| heard.key.ends_with(".sla_at_risk"));
            let jobs: HashSet<_> =
                warnings.map(|h| h.event["data"]["job_id"].to_string()).collect();
            (jobs.len() == JOBS).then_some(())
        })
        .await;
        world.strike().await;
    });
}

#[test]
fn ten_thousand_timers_of_one_instant_are_fired_in_bounded_batches_oldest_first() {
    const JOBS: usize = 10_000;
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        held(&world, JOBS, -1_000, 0).await;
        let earlier = "UPDATE hub.timer SET due_at = due_at - interval '1 minute'
                        WHERE job_seq = 1010000 AND kind = 'sla'";
        world.execute(earlier).await;
        let known = HashMap::from([(CHECK.name, &CHECK)]);
        let mut batches = Vec::new();
        loop {
            let decide = |_: &Due| Action::MoveSla;
            let fired = store.fire_due(FIRED_MAX, decide, &known).await.unwrap();
            if fired.done.is_empty() {
                break;
            }
            if batches.is_empty() {
                assert!(
                    fired.done.iter().any(|(due, _)| due.seq == 1_010_000),
                    "the oldest is first"
                );
            }
            batches.push(fired.done.len());
        }
        let most = usize::try_from(FIRED_MAX).unwrap();
        assert!(batches.iter().all(|batch| *batch <= most), "{batches:?}");
        assert_eq!(batches.iter().sum::<usize>(), JOBS);
        assert_eq!(world.rows("SELECT 1 FROM hub.job_live WHERE events <> 3").await.len(), 0);
        world.strike().await;
    });
}

#[test]
fn a_jump_over_many_timers_does_not_keep_a_new_job_waiting_for_all_of_them() {
    run(async {
        let world = World::build(Scene::default()).await;
        held(&world, 20_000, 3_600_000, 0).await;
        let now = world.stage.store.business_now().await.unwrap();
        let over = now.checked_add(jiff::SignedDuration::from_hours(2)).unwrap();
        world.stage.store.jump_to(over).await.unwrap();
        let id = world.send(&crate::world::person("beside the flood")).await;
        world.in_state(id, "succeeded").await;
        until("all have been warned of", async || {
            let open = "SELECT 1 FROM hub.job_live WHERE sla = 'on_time'
                           AND operation = 'kpsisu.check' LIMIT 1";
            world.rows(open).await.is_empty().then_some(())
        })
        .await;
        assert!(world.rows("SELECT 1 FROM hub.job_live WHERE events > 3").await.is_empty());
        world.strike().await;
    });
}

/// Lets business time jump so far.
async fn jump(world: &World, by: SignedDuration) {
    let now = world.stage.store.business_now().await.unwrap();
    world.stage.store.jump_to(now.checked_add(by).unwrap()).await.unwrap();
}

/// What Kazpost was asked, in order.
async fn questions(world: &World, order: &str) -> Vec<String> {
    let entries = world.stage.control("journal?system=kazpost").await.unwrap();
    let of_order =
        |entry: &&serde_json::Value| entry["request_number"] == crate::orders::number_of(order);
    let entries = entries.as_array().unwrap().iter().filter(of_order);
    entries.map(|entry| entry["operation"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_label_in_doubt_is_asked_about_before_it_is_given_up() {
    run(async {
        let scene = Scene { settings: QUICK_POST.to_owned(), ..Scene::default() };
        let mut world = World::build(scene).await;
        let name = "lost before a long night";
        world.at_the_counter("order-night", &["lost_after_issue"]).await;
        world.send(&label("order-night", name)).await;
        world.in_state(id(name), "in_doubt").await;
        world.stage.kill_hub(0).await;
        let before = questions(&world, "order-night").await;
        // Question and give-up are due in one batch, and the give-up is a day late.
        jump(&world, SignedDuration::from_hours(30)).await;
        world.stage.start_hub(0).unwrap();
        let job = world.ended(id(name)).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        let delivery = world.delivery("order-night").await;
        assert!(delivery["track_number"].is_string(), "{delivery}");
        let after = questions(&world, "order-night").await;
        let asked = &after[before.len()..];
        assert!(!asked.is_empty() && asked.len() <= 2, "one question, then the label: {after:?}");
        world.strike().await;
    });
}

#[test]
fn a_sending_past_the_give_up_time_is_no_question_what_became_of_it() {
    run(async {
        let scene = Scene { settings: QUICK_POST.to_owned(), ..Scene::default() };
        let world = World::build(scene).await;
        let name = "sent a day late";
        world.at_the_counter("order-late", &["lost_after_issue"]).await;
        let mut late = label("order-late", name);
        let pressed = world.stage.store.business_now().await.unwrap();
        let pressed = pressed.checked_sub(SignedDuration::from_hours(30)).unwrap();
        late["requested_at"] = pressed.to_string().into();
        world.send(&late).await;
        // Its answer was lost, and its give-up time was over before it came.
        world.live_until_ended(&[name.to_owned()]).await;
        let job = world.ended(id(name)).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        let delivery = world.delivery("order-late").await;
        assert!(delivery["track_number"].is_string(), "{delivery}");
        let attempts = world.attempts(id(name)).await;
        let phases: Vec<&str> = attempts.iter().map(|a| a["phase"].as_str().unwrap()).collect();
        assert_eq!(phases[..2], ["send", "ask"], "{phases:?}");
        world.strike().await;
    });
}

#[test]
fn a_doubt_is_kept_while_its_system_cannot_be_asked_and_ends_when_it_can() {
    run(async {
        let scene = Scene { settings: QUICK_POST.to_owned(), ..Scene::default() };
        let world = World::build(scene).await;
        let name = "lost before a pause";
        world.at_the_counter("order-pause", &["lost_after_issue"]).await;
        world.send(&label("order-pause", name)).await;
        world.in_state(id(name), "in_doubt").await;
        let pause = "UPDATE hub.destination SET paused_at = hub.now(), paused_by = 'a test',
                        paused_reason = 'a test' WHERE system = 'kazpost'";
        world.execute(pause).await;
        blocked(&world, "kazpost", "pause", true).await;
        jump(&world, SignedDuration::from_hours(30)).await;
        let put_off = format!(
            "SELECT 1 FROM hub.timer t JOIN hub.job_live j ON j.seq = t.job_seq
              WHERE j.id = '{}' AND t.kind = 'give_up' AND t.postponed > 0",
            id(name)
        );
        until("its give-up was put off", async || {
            (!world.rows(&put_off).await.is_empty()).then_some(())
        })
        .await;
        assert!(world.job(id(name)).await.unwrap()["ended_at"].is_null());
        let resume = "UPDATE hub.destination SET paused_at = NULL, paused_by = NULL,
                         paused_reason = NULL WHERE system = 'kazpost'";
        world.execute(resume).await;
        assert_eq!(world.ended(id(name)).await["state"], "succeeded");
        world.strike().await;
    });
}

#[test]
fn a_process_that_does_not_pull_ends_no_job_whose_answer_another_one_may_read() {
    run(async {
        let environment = vec![("HUB_SYSTEMS__KPSISU__PULL_INTERVAL_S", "0")];
        let scene = Scene { settings: QUICK.to_owned(), environment, ..Scene::default() };
        let world = World::build(scene).await;
        let name = "read elsewhere";
        world.play(&check(name), &["never"]).await;
        world.in_state(id(name), "pending").await;
        // As if a process with other settings had pulled, and were away.
        let pulled = "UPDATE hub.destination SET next_pull_at = hub.now() WHERE system = 'kpsisu'";
        world.execute(pulled).await;
        jump(&world, SignedDuration::from_hours(24 * 60)).await;
        let timer = format!(
            "SELECT t.postponed FROM hub.timer t JOIN hub.job_live j ON j.seq = t.job_seq
              WHERE j.id = '{}' AND t.kind = 'give_up' AND t.postponed > 0",
            id(name)
        );
        until("its give-up was put off", async || {
            (!world.rows(&timer).await.is_empty()).then_some(())
        })
        .await;
        assert_eq!(world.job(id(name)).await.unwrap()["state"], "pending");
        let hours_later = format!(
            "UPDATE hub.timer SET postponed = 30, due_at = hub.now()
              WHERE kind = 'give_up' AND job_seq = (SELECT seq FROM hub.job_key WHERE id = '{}')",
            id(name)
        );
        world.execute(&hours_later).await;
        assert_eq!(world.ended(id(name)).await["state"], "expired");
        world.strike().await;
    });
}

#[test]
fn a_job_that_comes_in_past_its_give_up_time_is_tried_once_whether_a_call_is_free_or_not() {
    run(async {
        // One call at a time: nearly all are stored before they are tried.
        let settings = format!("in_flight_max = 1\n{QUICK}");
        let latency = std::time::Duration::from_millis(100);
        let world = World::build(Scene { latency, settings, ..Scene::default() }).await;
        let ago = SignedDuration::from_hours(30);
        let requested = workers::clock::real_now().checked_sub(ago).unwrap().to_string();
        let names: Vec<String> = (0..20).map(|n| format!("from the day before {n}")).collect();
        for name in &names {
            let mut job = person(name);
            job["requested_at"] = requested.as_str().into();
            world.play(&job, &["found"]).await;
        }
        for name in &names {
            let job = world.ended(id(name)).await;
            assert_eq!(
                (&job["state"], &job["attempts"]),
                (&"succeeded".into(), &1.into()),
                "{job}"
            );
        }
        world.strike().await;
    });
}

#[test]
fn many_jobs_that_cannot_be_looked_at_cost_few_writes_and_hold_up_nobody() {
    const JOBS: usize = 200;
    const ROUNDS: i32 = 120;
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        held(&world, JOBS, 3_600_000, 0).await;
        world
            .execute(
                "UPDATE hub.job_live SET give_up_at = hub.now() - interval '1 day';
                 UPDATE hub.timer SET due_at = hub.now() - interval '1 day' WHERE kind = 'give_up'",
            )
            .await;
        let known = HashMap::from([(CHECK.name, &CHECK)]);
        let decide = |due: &Due| match due.kind.as_str() {
            "sla" => Action::MoveSla,
            _ => Action::LookFirst,
        };
        for _ in 0..ROUNDS {
            // Each round ends: what was put off is not due again in it.
            for batch in 0.. {
                let fired = world.stage.store.fire_due(FIRED_MAX, decide, &known).await.unwrap();
                if fired.done.is_empty() {
                    break;
                }
                assert!(batch < 3, "the same timers are due again and again");
            }
            jump(&world, SignedDuration::from_secs(31)).await;
        }
        let writes = &world.row("SELECT sum(postponed) AS n FROM hub.timer").await["n"];
        let writes = usize::try_from(writes.as_i64().unwrap()).unwrap();
        // An hour: after 5, 10, 20 … 640 seconds, then every 640, each a quarter more or less.
        assert!(writes <= JOBS * 16, "{writes} writes; every five seconds were {}", JOBS * 720);
        assert!(writes >= JOBS * 8, "{writes}");
        assert_eq!(world.rows(WARNED).await.len(), JOBS, "the others fired");
        world.strike().await;
    });
}

#[test]
fn timers_of_an_operation_that_a_build_does_not_know_are_left_to_another() {
    const JOBS: usize = 600;
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        held(&world, JOBS, -60_000, 0).await;
        let one = "UPDATE hub.job_live SET system = 'gbdfl', operation = 'gbdfl.person'
                    WHERE seq = 1000600";
        world.execute(one).await;
        let person = &adapters::systems::gbdfl::PERSON;
        let older = HashMap::from([(person.name, person)]);
        let decide = |due: &Due| match due.kind.as_str() {
            "sla" => Action::MoveSla,
            _ => Action::Expire,
        };
        let fired = store.fire_due(FIRED_MAX, decide, &older).await.unwrap();
        assert_eq!(fired.done.len(), 1, "what it knows, behind 599 that it does not");
        assert_eq!(fired.moved.len(), 1);
        let touched = "SELECT 1 FROM hub.job_live WHERE operation = 'kpsisu.check'
                         AND (sla <> 'on_time' OR events <> 2 OR state <> 'pending')";
        assert!(world.rows(touched).await.is_empty());
        let next = store.next_timer_ms(&[person.name]).await.unwrap().unwrap();
        assert!(next > 0, "nothing that it may fire is due, so it does not spin: {next}");
        assert_eq!(store.unknown_due(&[person.name]).await.unwrap(), ["kpsisu.check"]);
        // A build that knows it fires all of them.
        let newer = HashMap::from([(CHECK.name, &CHECK), (person.name, person)]);
        while !store.fire_due(FIRED_MAX, decide, &newer).await.unwrap().done.is_empty() {}
        assert_eq!(world.rows(WARNED).await.len(), JOBS);
        world.strike().await;
    });
}

#[test]
fn the_next_timer_is_read_from_the_first_row_of_its_index() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        held(&world, 2_000, 3_600_000, 10).await;
        world.execute("ANALYZE hub.timer; ANALYZE hub.job_live").await;
        // On a connection of the hub's own kind, which steers the plans.
        let mut transaction = world.stage.store.begin().await.unwrap();
        let statement = sqlx::AssertSqlSafe(format!("EXPLAIN SELECT {NEXT_MS}"));
        let plan: Vec<String> = sqlx::query_scalar(statement)
            .bind(vec![CHECK.name])
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        drop(transaction);
        let plan = plan.join("\n");
        assert!(plan.contains("timer_due"), "{plan}");
        assert!(plan.contains("job_live_seq"), "{plan}");
        for dear in ["Seq Scan", "Sort", "Bitmap", "Hash"] {
            assert!(!plan.contains(dear), "{dear}: {plan}");
        }
        world.strike().await;
    });
}

#[test]
fn a_timer_that_cannot_be_committed_is_set_aside_and_the_others_fire() {
    const JOBS: usize = 300;
    run(async {
        let world = World::build(Scene::default()).await;
        let bad = "ALTER TABLE hub.job_live ADD CONSTRAINT bad
                     CHECK (seq <> 1000007 OR sla = 'on_time') NOT VALID";
        world.execute(bad).await;
        held(&world, JOBS, 1_000, 0).await;
        until("all but one have been warned of", async || {
            (world.rows(WARNED).await.len() == JOBS - 1).then_some(())
        })
        .await;
        let aside = "SELECT t.postponed, t.due_at > hub.now() + interval '1 minute' AS later
                       FROM hub.timer t WHERE job_seq = 1000007 AND kind = 'sla'";
        let aside = until("it is set aside", async || {
            world.rows(aside).await.pop().filter(|timer| timer["later"] == true)
        })
        .await;
        assert_eq!(aside["postponed"], 1, "and not tried again and again");
        let job = world.row("SELECT id FROM hub.job_live WHERE seq = 1000007").await;
        let log = std::fs::read_to_string(world.stage.log_file(0)).unwrap();
        let told = log.lines().filter(|line| line.contains("a timer cannot be fired"));
        let told: Vec<&str> = told.collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(job["id"].as_str().unwrap()), "{told:?}");
        world.execute("ALTER TABLE hub.job_live DROP CONSTRAINT bad").await;
        jump(&world, SignedDuration::from_mins(11)).await;
        until("it fires in the end", async || {
            (world.rows(WARNED).await.len() == JOBS).then_some(())
        })
        .await;
        world.strike().await;
    });
}

#[test]
fn a_warning_that_the_record_commit_or_a_downtime_sees_is_counted_once() {
    run(async {
        let quick = QUICK.replacen("at_risk_s = 3600", "at_risk_s = 12", 1);
        let mut world = World::build(Scene { settings: quick, ..Scene::default() }).await;
        let counted = async |world: &World, operation: &str, name: &str| {
            world.metric(0, name, &[("operation", operation)]).await
        };
        let mut late = person("asked thirteen seconds ago");
        let ago = SignedDuration::from_secs(13);
        let now = workers::clock::real_now();
        late["requested_at"] = now.checked_sub(ago).unwrap().to_string().into();
        world.play(&late, &["found"]).await;
        assert_eq!(world.ended(id("asked thirteen seconds ago")).await["sla"], "at_risk");
        let warned = async |world: &World, operation: &str| {
            counted(world, operation, "hub_sla_at_risk_total").await
        };
        until("the warning is counted", async || {
            (warned(&world, "gbdfl.person").await > 0.5).then_some(())
        })
        .await;
        assert!(warned(&world, "gbdfl.person").await < 1.5, "once");

        world.play(&check("asleep past its deadline"), &["never"]).await;
        world.in_state(id("asleep past its deadline"), "pending").await;
        world.stage.kill_hub(0).await;
        jump(&world, SignedDuration::from_hours(24 * 10)).await;
        world.stage.start_hub(0).unwrap();
        until("the breach is counted", async || {
            let breaches = counted(&world, "kpsisu.check", "hub_sla_breaches_total").await;
            (breaches > 0.5).then_some(())
        })
        .await;
        let warnings = warned(&world, "kpsisu.check").await;
        assert!((warnings - 1.0).abs() < 0.5, "the warning came with the breach: {warnings}");
        world.strike().await;
    });
}
