//! Ends of a hub, in good order and not: nothing is lost, no command is sent twice.

use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

use crate::{
    servers::run,
    world::{QUICK, Scene, World, check, id, person, until},
};

/// Two hubs that notice each other's death within two seconds and stop within one.
async fn two_hubs(latency: Duration, call_timeout_ms: &'static str) -> World {
    let settings = format!("{QUICK}\n[worker]\nlease_ms = 1000\nshutdown_limit_ms = 1000");
    let environment = vec![
        ("HUB_OPERATIONS__GBDFL__PERSON__CALL_TIMEOUT_MS", call_timeout_ms),
        ("HUB_OPERATIONS__KPSISU__CHECK__CALL_TIMEOUT_MS", call_timeout_ms),
    ];
    World::build(Scene { hubs: 2, latency, settings, environment, ..Scene::default() }).await
}

/// Which hub calls for a job, once the request arrived.
async fn caller(world: &World, id: Uuid) -> usize {
    until("the call began", async || (!world.journal(id).await.is_empty()).then_some(())).await;
    let sql = format!(
        "SELECT w.name FROM hub.job j JOIN hub.worker w ON w.id = j.owner WHERE j.id = '{id}'"
    );
    let name = world.row(&sql).await["name"].as_str().unwrap().to_owned();
    let pid = |hub: &Option<workers::services::Owned>| hub.as_ref().unwrap().pid().to_string();
    world.stage.hubs.iter().position(|hub| name.ends_with(&format!(":{}", pid(hub)))).unwrap()
}

#[test]
fn sigterm_during_a_slow_query_hands_it_to_another_hub() {
    run(async {
        let mut world = two_hubs(Duration::ZERO, "20000").await;
        world.play(&person("handed over"), &["slow", "found"]).await;
        let hub = caller(&world, id("handed over")).await;
        let began = Instant::now();
        let stopped = world.stage.hubs[hub].take().unwrap();
        let status = stopped.stop(Duration::from_secs(30)).await;
        assert_eq!(status.code(), Some(0), "{}", world.stage.tail(hub));
        assert!(began.elapsed() < Duration::from_secs(10), "took {:?}", began.elapsed());
        let job = world.ended(id("handed over")).await;
        assert_eq!(job["state"], "succeeded");
        assert_eq!(world.journal(id("handed over")).await.len(), 2);
        assert_eq!(world.rows("SELECT 1 FROM hub.worker").await.len(), 1);
        world.strike().await;
    });
}

#[test]
fn a_hub_that_stops_with_many_jobs_in_flight_loses_none() {
    run(async {
        let mut world = two_hubs(Duration::from_millis(200), "3000").await;
        let names: Vec<String> = (0..150).map(|n| format!("many {n}")).collect();
        let jobs: Vec<_> = names.iter().map(|name| person(name)).collect();
        futures_util::future::join_all(jobs.iter().map(|job| world.send(job))).await;
        until("some are under way", async || {
            let ended = world.stage.store.count_ended().await.unwrap();
            (ended.live > 20 || ended.jobs > 100).then_some(())
        })
        .await;
        let stopped = world.stage.hubs[0].take().unwrap();
        assert_eq!(stopped.stop(Duration::from_secs(30)).await.code(), Some(0));
        for name in &names {
            let job = world.ended(id(name)).await;
            assert_eq!(job["state"], "succeeded", "{name}");
            let names = world.events.names(id(name));
            assert_eq!(names.last().unwrap(), "succeeded");
        }
        world.strike().await;
    });
}

#[test]
fn invariant_3_a_command_of_a_killed_hub_is_in_doubt_and_is_not_sent_again() {
    run(async {
        let mut world = two_hubs(Duration::ZERO, "60000").await;
        let job = check("killed");
        world.play(&job, &["ack_slow"]).await;
        let hub = caller(&world, id("killed")).await;
        let killed = Instant::now();
        world.stage.kill_hub(hub).await;
        let doubtful = world.in_state(id("killed"), "in_doubt").await;
        assert!(killed.elapsed() < Duration::from_secs(15), "rescued after {:?}", killed.elapsed());
        assert_eq!(doubtful["code"], "worker_died");
        assert_eq!(world.portal("specialist_check", &job).await["status"], "in_doubt");
        let left = 1 - hub;
        let counted = world.metric(left, "hub_jobs_rescued_total", &[("result", "in_doubt")]).await;
        assert!((counted - 1.0).abs() < 0.1);
        // The simulators hold the lost answer open, so time is moved by hand: the answer is due.
        let now = world.stage.store.business_now().await.unwrap();
        let later = now.checked_add(jiff::SignedDuration::from_hours(13)).unwrap();
        world.stage.store.jump_to(later).await.unwrap();
        assert_eq!(world.ended(id("killed")).await["state"], "succeeded");
        assert_eq!(world.journal(id("killed")).await.len(), 1, "sent once");
        assert_eq!(world.events.names(id("killed")), ["accepted", "in_doubt", "succeeded"]);
        world.strike().await;
    });
}

#[test]
fn a_query_of_a_killed_hub_is_asked_again_by_another() {
    run(async {
        let mut world = two_hubs(Duration::ZERO, "60000").await;
        world.play(&person("killed query"), &["slow", "found"]).await;
        let hub = caller(&world, id("killed query")).await;
        world.stage.kill_hub(hub).await;
        assert_eq!(world.ended(id("killed query")).await["state"], "succeeded");
        assert_eq!(world.journal(id("killed query")).await.len(), 2);
        world.strike().await;
    });
}

#[test]
fn two_hubs_and_the_simulators_share_one_business_time() {
    run(async {
        let world = World::build(Scene { hubs: 2, ..Scene::default() }).await;
        let names: Vec<String> = (0..8).map(|n| format!("shared time {n}")).collect();
        for name in &names {
            world.play(&check(name), &["additional_check"]).await;
        }
        world.live_through(names.len()).await;
        for name in &names {
            let job = world.ended(id(name)).await;
            assert_eq!(job["state"], "succeeded");
            // Three to four days, and half a day more where the answer had to be pulled.
            assert_ne!(job["sla"], "breached", "{name}");
        }
        let oracle = world.stage.control("oracle").await.unwrap();
        assert_eq!(oracle["kpsisu"]["executed_more_than_once"], json!([]));
        world.strike().await;
    });
}
