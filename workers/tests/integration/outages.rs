//! Broker and database come late, go and come back; the hub waits, says so, and goes on.

use std::time::Duration;

use contracts::topology::EVENTS_EXCHANGE;
use lapin::{
    options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    servers::run,
    world::{Scene, World, id, person, until, within},
};

/// Servers and processes start within this on a busy machine.
const START_WAIT_MAX: Duration = Duration::from_secs(90);

async fn private() -> World {
    World::build(Scene { private: true, ..Scene::default() }).await
}

/// Waits until the hub says that it is alive and not ready, and why.
async fn not_ready(world: &World, part: &str) {
    within(START_WAIT_MAX, &format!("not ready for {part}"), async || {
        let (status, body) = world.get(0, "/health/ready").await;
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        (status == 503 && body["ready"] == false && body[part] == false).then_some(())
    })
    .await;
    assert_eq!(world.get(0, "/health/live").await, (200, "live\n".to_owned()));
}

async fn ready(world: &World) {
    within(START_WAIT_MAX, "ready", async || {
        (world.get(0, "/health/ready").await.0 == 200).then_some(())
    })
    .await;
}

/// A queue that outlives the broker's restarts.
async fn bind_durable_queue(world: &World) {
    let channel = world.open_channel().await;
    let options = QueueDeclareOptions {
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
    };
    channel.queue_declare("portal".into(), options, FieldTable::default()).await.unwrap();
    channel
        .queue_bind(
            "portal".into(),
            EVENTS_EXCHANGE.into(),
            "#".into(),
            QueueBindOptions { nowait: false },
            FieldTable::default(),
        )
        .await
        .unwrap();
}

#[test]
fn without_a_broker_the_hub_waits_and_events_stay_in_the_outbox() {
    run(async {
        let mut world = private().await;
        // Long before the broker is killed: a binding of the last moment may not be on its disk yet.
        bind_durable_queue(&world).await;
        world.stage.kill_hub(0).await;
        world.stage.services.as_mut().unwrap().rabbitmq.stop().await;
        world.stage.start_hub(0).unwrap();
        not_ready(&world, "broker").await;
        world.stage.services.as_mut().unwrap().rabbitmq.start().await.unwrap();
        ready(&world).await;
        world.reconnect().await;
        world.play(&person("after a late start"), &["found"]).await;
        world.ended(id("after a late start")).await;

        world.play(&person("invariant 1"), &["slow"; 3]).await;
        world.in_state(id("invariant 1"), "calling").await;
        until("its first event has left", async || {
            world.rows("SELECT 1 FROM hub.outbox").await.is_empty().then_some(())
        })
        .await;
        world.stage.services.as_mut().unwrap().rabbitmq.kill().await;
        world.in_state(id("invariant 1"), "failed").await;
        // Invariant 1: what no broker has confirmed is not forgotten.
        let left = world.rows("SELECT routing_key FROM hub.outbox ORDER BY id").await;
        assert_eq!(left.last().unwrap()["routing_key"], "gbdfl.person.failed");
        not_ready(&world, "broker").await;
        world.stage.services.as_mut().unwrap().rabbitmq.start().await.unwrap();
        ready(&world).await;
        world.reconnect().await;
        let channel = world.open_channel().await;
        let mut names = Vec::new();
        until("the last event arrived", async || {
            let options = BasicGetOptions { no_ack: true };
            while let Some(got) = channel.basic_get("portal".into(), options).await.unwrap() {
                let event: Value = serde_json::from_slice(&got.delivery.data).unwrap();
                if event["data"]["job_id"] == id("invariant 1").to_string() {
                    names.push(event["data"]["sequence"].as_i64().unwrap());
                }
            }
            (names.last() == Some(&4)).then_some(())
        })
        .await;
        names.dedup();
        assert_eq!(names, [1, 2, 3, 4], "in order, at least once");
        world.play(&person("after a restart"), &["found"]).await;
        world.ended(id("after a restart")).await;
        world.strike().await;
    });
}

#[test]
fn invariant_1_without_a_database_nothing_is_acknowledged_and_nothing_is_lost() {
    run(async {
        let mut world = private().await;
        world.play(&person("before"), &["found"]).await;
        world.ended(id("before")).await;
        world.stage.services.as_mut().unwrap().postgres.kill().await;
        not_ready(&world, "database").await;
        world.play(&person("meanwhile"), &["found"]).await;
        until("it was delivered", async || {
            (world.ready_messages("hub.jobs.gbdfl").await == 0).then_some(())
        })
        .await;
        world.stage.kill_hub(0).await;
        until("it came back, as nothing was acknowledged", async || {
            (world.ready_messages("hub.jobs.gbdfl").await == 1).then_some(())
        })
        .await;
        world.stage.start_hub(0).unwrap();
        not_ready(&world, "database").await;
        world.stage.services.as_mut().unwrap().postgres.start().await.unwrap();
        ready(&world).await;
        let job = world.ended(id("meanwhile")).await;
        assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(1)));

        // And once more while a call is under way: its result waits for the database.
        world.play(&person("under way"), &["slow", "found"]).await;
        until("the call began", async || {
            (!world.journal(id("under way")).await.is_empty()).then_some(())
        })
        .await;
        world.stage.services.as_mut().unwrap().postgres.restart().await.unwrap();
        assert_eq!(world.ended(id("under way")).await["state"], "succeeded");
        ready(&world).await;
        world.strike().await;
    });
}

/// Prometheus waits ten seconds for a page.
const SCRAPE_WAIT_MAX: Duration = Duration::from_secs(10);

#[test]
fn a_database_that_hangs_does_not_make_the_metrics_late() {
    run(async {
        let world = private().await;
        world.play(&person("before it hung"), &["found"]).await;
        world.ended(id("before it hung")).await;
        assert!(world.metric(0, "hub_database_up", &[]).await > 0.5);
        let postgres = &world.stage.services.as_ref().unwrap().postgres;
        postgres.signal(Signal::STOP);
        // A scrape that comes too late panics in here.
        let down = async || {
            let page = world.metric(0, "hub_database_up", &[]);
            let up = tokio::time::timeout(SCRAPE_WAIT_MAX, page).await.expect("a page in time");
            (up < 0.5).then_some(())
        };
        until("the metrics say that the database is down", down).await;
        postgres.signal(Signal::CONT);
        ready(&world).await;
        world.strike().await;
    });
}
