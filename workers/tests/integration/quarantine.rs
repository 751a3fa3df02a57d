//! What is no job: kept with its bytes and the reason, told to whoever can be told, acknowledged.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use workers::store::{audit::Act, quarantine::Requeued};

use crate::{
    ops::hub,
    servers::run,
    world::{Scene, World, common, id, person, properties, until},
};

/// The kept message of this length with this code.
async fn kept(world: &World, code: &str, bytes: &[u8]) -> Value {
    until(&format!("kept as {code}"), async || {
        let sql = format!(
            "SELECT * FROM hub.quarantine WHERE code = '{code}' AND bytes = {}",
            bytes.len()
        );
        let rows = world.rows(&sql).await;
        rows.into_iter().find(|row| world.unseal("quarantine", row) == bytes)
    })
    .await
}

async fn told(world: &World, id: Uuid, code: &str) {
    let event = world.events.wait_for(id, "rejected").await;
    assert_eq!(event["data"]["sequence"], 0);
    assert_eq!(event["data"]["summary"]["code"], "malformed");
    assert_eq!(event["data"]["errors"][0]["code"], code);
    assert!(world.job(id).await.is_none(), "what is no job has no row");
}

#[test]
fn bytes_without_an_id_are_kept_as_they_came_and_nobody_is_told() {
    run(async {
        let world = common().await;
        for (code, body) in [
            ("not_json", b"{ this is no JSON \xff".to_vec()),
            ("not_an_object", b"[\"a list\"]".to_vec()),
            ("no_id", br#"{"operation":"gbdfl.person","version":1}"#.to_vec()),
            ("no_id", br#"{"id":"850100300012","operation":"gbdfl.person"}"#.to_vec()),
        ] {
            assert!(world.publish("gbdfl.person", &body, properties()).await);
            let row = kept(world, code, &body).await;
            assert_eq!(
                (&row["queue"], &row["routing_key"], &row["job_id"], &row["state"]),
                (&json!("hub.jobs.gbdfl"), &json!("gbdfl.person"), &Value::Null, &json!("kept"))
            );
        }
    });
}

#[test]
fn u0000_is_refused_at_the_door_and_its_publisher_is_told() {
    run(async {
        let world = common().await;
        let body = person("nul").to_string().replace("person:nul", "person:\\u0000");
        assert!(world.publish("gbdfl.person", body.as_bytes(), properties()).await);
        let row = kept(world, "nul_character", body.as_bytes()).await;
        assert_eq!(row["job_id"], id("nul").to_string());
        told(world, id("nul"), "nul_character").await;
    });
}

#[test]
fn another_content_type_is_no_job() {
    run(async {
        let world = common().await;
        let body = person("text/plain").to_string().into_bytes();
        let plain = properties().with_content_type("text/plain".into());
        assert!(world.publish("gbdfl.person", &body, plain).await);
        let row = kept(world, "content_type", &body).await;
        assert_eq!(row["content_type"], "text/plain");
        told(world, id("text/plain"), "content_type").await;
    });
}

#[test]
fn another_version_is_no_job_and_its_publisher_is_told() {
    run(async {
        let world = common().await;
        let mut job = person("version 2");
        job["version"] = 2.into();
        let body = job.to_string().into_bytes();
        assert!(world.publish("gbdfl.person", &body, properties()).await);
        kept(world, "unknown_version", &body).await;
        told(world, id("version 2"), "unknown_version").await;
    });
}

#[test]
fn invariant_7_a_body_over_256_kib_is_kept_and_one_below_is_read() {
    run(async {
        let world = common().await;
        let padded = |name: &str, size| {
            let mut body = person(name).to_string().into_bytes();
            body.resize(size, b' ');
            body
        };
        let (fits, large) = (padded("fits", 256 * 1024), padded("large", 256 * 1024 + 1));
        for body in [&fits, &large] {
            assert!(world.publish("gbdfl.person", body, properties()).await);
        }
        assert_eq!(kept(world, "too_large", &large).await["job_id"], Value::Null);
        assert_ne!(world.ended(id("fits")).await["state"], "rejected");
    });
}

#[test]
fn what_is_no_job_is_acknowledged_like_a_job() {
    run(async {
        let mut world = World::build(Scene::default()).await;
        for body in [&b"no JSON"[..], b"{}"] {
            for key in ["gbdfl.person", "kpsisu.check", "nobody.listens"] {
                // An alternate exchange takes what no queue is bound for, so nothing is returned.
                assert!(world.publish(key, body, properties()).await);
            }
        }
        until("all are kept", async || {
            let rows = world.rows("SELECT id FROM hub.quarantine").await;
            (rows.len() == 6).then_some(())
        })
        .await;
        // Batches are settled one after the other: what came before this job is settled by now.
        world.play(&person("after them"), &["found"]).await;
        world.ended(id("after them")).await;
        // Whatever was not acknowledged comes back to its queue when the consumer goes.
        let hub = world.stage.hubs[0].take().unwrap();
        assert_eq!(hub.stop(Duration::from_secs(30)).await.code(), Some(0));
        for queue in ["hub.jobs.gbdfl", "hub.jobs.kpsisu", "hub.unrouted", "hub.dead"] {
            assert_eq!(world.ready_messages(queue).await, 0, "left in {queue}");
        }
        world.strike().await;
    });
}

/// A message that only its content type kept from being a job; its number.
async fn mistyped(world: &World, name: &str) -> i64 {
    let body = person(name).to_string().into_bytes();
    let plain = properties().with_content_type("text/plain".into());
    assert!(world.publish("gbdfl.person", &body, plain).await);
    kept(world, "content_type", &body).await["id"].as_i64().unwrap()
}

fn colleague() -> Act {
    let (actor, reason) = ("colleague".to_owned(), "mended".to_owned());
    Act { actor, reason, dry_run: false }
}

/// Who did what to a message, and what came of it, oldest first.
async fn done_to(world: &World, id: i64) -> Vec<Value> {
    let sql = format!(
        "SELECT actor || ' ' || action || ': ' || result AS said FROM hub.audit
          WHERE target = '{id}' ORDER BY id"
    );
    world.rows(&sql).await.into_iter().map(|row| row["said"].clone()).collect()
}

async fn state(world: &World, id: i64) -> Value {
    world.row(&format!("SELECT state FROM hub.quarantine WHERE id = {id}")).await["state"].clone()
}

#[test]
fn what_somebody_is_publishing_again_is_not_dropped_and_the_audit_knows_both() {
    run(async {
        let world = common().await;
        let number = mistyped(world, "published meanwhile").await;
        let (store, act) = (&world.stage.store, colleague());
        let begun = store.begin_requeue(number, &act).await.unwrap().unwrap();
        assert!(!begun.begun_before);
        // Here the message is on its way to the broker.
        let drop = ["quarantine", "drop", &number.to_string(), "--reason", "noise", "--json"];
        let said = hub(world, &drop).await;
        assert_eq!((said.code, &said.row()["code"]), (1, &json!("being_requeued")));
        store.end_requeue(number, begun.begun_before, Requeued::Confirmed, &act).await.unwrap();
        assert_eq!(state(world, number).await, "requeued");
        let told = ["begun", "requeued"]
            .map(|result| json!(format!("colleague quarantine.requeue: {result}")));
        assert_eq!(done_to(world, number).await, told);
        assert_eq!(hub(world, &drop).await.row()["code"], "not_kept");
    });
}

#[test]
fn what_a_crash_left_half_published_is_published_again_and_becomes_one_job() {
    run(async {
        let world = common().await;
        let number = mistyped(world, "half published").await;
        // Published and confirmed; then the command died.
        let begun = world.stage.store.begin_requeue(number, &colleague()).await;
        assert!(begun.unwrap().is_ok());
        world.send(&person("half published")).await;
        let list = hub(world, &["quarantine", "list", "--code", "content_type", "--json"]).await;
        let rows = list.json();
        let row = rows.as_array().unwrap().iter().find(|row| row["id"] == number).unwrap();
        assert_eq!(row["state"], "requeueing", "what somebody must end is in the listing");

        let number_text = number.to_string();
        let requeue = ["quarantine", "requeue", &number_text, "--reason", "go on", "--json"];
        let requeue = [&requeue[..], &["--content-type", "application/json"]].concat();
        let said = hub(world, &requeue).await;
        assert_eq!((said.code, &said.row()["code"]), (0, &json!("requeued")));
        assert!(said.out.contains("somebody had begun before"), "{}", said.out);
        world.ended(id("half published")).await;
        let jobs = format!("SELECT 1 FROM hub.job WHERE id = '{}'", id("half published"));
        assert_eq!(world.rows(&jobs).await.len(), 1);
        let told = ["colleague quarantine.requeue: begun", "tester quarantine.requeue: begun"];
        let told = [&told[..], &["tester quarantine.requeue: requeued"]].concat();
        assert_eq!(done_to(world, number).await, told);
    });
}

#[test]
fn what_certainly_was_not_published_is_kept_again() {
    run(async {
        let world = common().await;
        let number = mistyped(world, "came back").await;
        let (store, act) = (&world.stage.store, colleague());
        assert!(store.begin_requeue(number, &act).await.unwrap().is_ok());
        let full = Requeued::NotPublished(contracts::code!("queue_full"));
        store.end_requeue(number, false, full, &act).await.unwrap();
        assert_eq!(state(world, number).await, "kept");
        // A second one, whose first may have arrived, is not forgotten by a refusal.
        for came in [Requeued::Unknown, full] {
            let begun = store.begin_requeue(number, &act).await.unwrap().unwrap();
            store.end_requeue(number, begun.begun_before, came, &act).await.unwrap();
            assert_eq!(state(world, number).await, "requeueing");
        }
    });
}

#[test]
fn a_broker_that_goes_in_the_middle_of_a_batch_leaves_the_rest_kept_and_counted() {
    run(async {
        let mut world = World::build(Scene { private: true, ..Scene::default() }).await;
        let mut numbers = Vec::new();
        for name in ["before it goes", "after it went", "never reached", "begun by another"] {
            numbers.push(mistyped(&world, name).await);
        }
        let [first, second, third, begun] = numbers[..] else { unreachable!() };
        let store = &world.stage.store;
        assert!(store.begin_requeue(begun, &colleague()).await.unwrap().is_ok());

        // The second message waits until the broker is gone.
        let lock = format!("SELECT 1 FROM hub.quarantine WHERE id = {second} FOR UPDATE");
        let held = world.hold(&lock).await;
        let texts = [first, second, third].map(|number| number.to_string());
        let command = ["quarantine", "requeue", &texts[0], &texts[1], &texts[2], "--json"];
        let command = [&command[..], &["--reason", "mended", "--rate", "0.2/s"]].concat();
        let command = [&command[..], &["--content-type", "application/json"]].concat();
        let mut rabbitmq = world.stage.services.take().unwrap();
        let lose = async {
            until("the first is published", async || {
                (state(&world, first).await == "requeued").then_some(())
            })
            .await;
            rabbitmq.rabbitmq.kill().await;
            held.rollback().await.unwrap();
        };
        let (said, ()) = tokio::join!(hub(&world, &command), lose);
        assert_eq!((said.code, said.row()["code"].clone()), (1, json!("requeued")));
        let told = "nothing of it was published; what comes after it was not tried";
        assert!(said.err.contains(told), "{}", said.err);
        for number in [second, third] {
            assert_eq!(state(&world, number).await, "kept");
            assert_eq!(done_to(&world, number).await, Vec::<Value>::new());
        }

        // Two that are kept, and one that is marked, are three to be decided about.
        let doctor = hub(&world, &["doctor", "--json"]).await.json().to_string();
        assert!(doctor.contains("3 messages that are no job"), "{doctor}");
        until("the scrape counts them too", async || {
            let rows = world.metric(0, "hub_quarantine_rows", &[]).await;
            ((rows - 3.0).abs() < f64::EPSILON).then_some(())
        })
        .await;
        world.stage.services = Some(rabbitmq);
        world.strike().await;
    });
}
