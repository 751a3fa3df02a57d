//! What a portal's message is answered with, before anything is sent to a government system.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    servers::run,
    world::{QUICK, Scene, World, check, common, id, person, properties, until},
};

/// The paths and codes of a rejection, sorted; the job is rejected and nothing was sent.
async fn faults(world: &World, id: Uuid, code: &str) -> Vec<String> {
    let job = world.ended(id).await;
    assert_eq!((&job["state"], &job["code"]), (&json!("rejected"), &json!(code)), "{job}");
    let event = world.events.wait_for(id, "rejected").await;
    let data = &event["data"];
    assert_eq!((&data["sequence"], &data["summary"]["code"]), (&json!(1), &json!(code)));
    assert_eq!(data["errors"], job["errors"]);
    assert!(world.journal(id).await.is_empty(), "something was sent");
    let portal = format!("SELECT 1 FROM portal.person WHERE job_id = '{id}'");
    assert!(world.rows(&portal).await.is_empty(), "a rejection touches no row of the portal");
    let errors = data["errors"].as_array().unwrap();
    let text =
        |e: &Value| format!("{} {}", e["path"].as_str().unwrap(), e["code"].as_str().unwrap());
    let mut faults: Vec<String> = errors.iter().map(text).collect();
    faults.sort();
    faults
}

#[test]
fn an_unknown_operation_is_rejected_and_counted() {
    run(async {
        let world = common().await;
        let unknown = |name: &str, operation: &str| {
            let mut job = person(name);
            job["operation"] = operation.into();
            job
        };
        for (name, key, job) in [
            ("wrong operation", "gbdfl.persn", unknown("wrong operation", "gbdfl.persn")),
            ("wrong key only", "gbdfl.persn", person("wrong key only")),
            ("no queue", "nobody.knows", unknown("no queue", "nobody.knows")),
        ] {
            let labels = [("operation", "unknown"), ("outcome", "rejected")];
            let before = world.metric(0, "hub_jobs_admitted_total", &labels).await;
            assert!(world.publish(key, job.to_string().as_bytes(), properties()).await, "{key}");
            let faults = faults(world, id(name), "unknown_operation").await;
            assert_eq!(faults, ["/operation unknown_operation"]);
            assert_eq!(world.events.of(id(name))[0].key, "unknown.rejected");
            assert!(world.metric(0, "hub_jobs_admitted_total", &labels).await > before);
        }
    });
}

#[test]
fn a_routing_key_of_another_operation_is_rejected() {
    run(async {
        let world = common().await;
        let body = person("mismatch").to_string();
        assert!(world.publish("kpsisu.check", body.as_bytes(), properties()).await);
        let faults = faults(world, id("mismatch"), "routing_key_mismatch").await;
        assert_eq!(faults, ["/operation routing_key_mismatch"]);
    });
}

#[test]
fn every_wrong_field_is_told_by_its_path_and_nothing_is_sent() {
    run(async {
        let world = common().await;
        let mut digit = person("check digit");
        digit["input"]["iin"] = "850100300013".into();
        let mut several = person("several");
        several["input"] = json!({"inn": "850100300012"});
        several["subject"] = 4711.into();
        several["colour"] = "red".into();
        for job in [&digit, &several] {
            world.send(job).await;
        }
        let digit = faults(world, id("check digit"), "invalid_fields").await;
        assert_eq!(digit.len(), 1, "{digit:?}");
        assert!(digit[0].starts_with("/input/iin "), "{digit:?}");
        let several = faults(world, id("several"), "invalid_fields").await;
        for path in ["/colour ", "/input/iin ", "/input/inn ", "/subject "] {
            let of_path = several.iter().filter(|fault| fault.starts_with(path)).count();
            assert_eq!(of_path, 1, "{path} in {several:?}");
        }
        assert_eq!(several.len(), 4, "{several:?}");
    });
}

#[test]
fn a_check_without_consent_is_not_sent() {
    run(async {
        let world = common().await;
        let mut without = check("no consent");
        without.as_object_mut().unwrap().remove("consent");
        let mut half = check("half a consent");
        half["consent"] = json!({"kind": "eds"});
        let mut by_code = check("consent by code");
        by_code["consent"] = json!({"kind": "sms_code", "code_ref": "r-1", "code": "4711"});
        for job in [&without, &half, &by_code] {
            world.send(job).await;
        }
        let no_consent = faults(world, id("no consent"), "consent_missing").await;
        assert_eq!(no_consent, ["/consent consent_missing"]);
        let half = faults(world, id("half a consent"), "consent_missing").await;
        assert_eq!(
            half,
            ["/consent/accepted_at field_missing", "/consent/text_version field_missing"]
        );
        let by_code = faults(world, id("consent by code"), "consent_missing").await;
        assert_eq!(
            by_code,
            ["/consent/accepted_at field_missing", "/consent/text_version field_missing"]
        );
        // Ids of other tests may hold these digits, but none is these four.
        let stored = world
            .rows("SELECT * FROM hub.job WHERE consent ? 'code' OR consent::text LIKE '%\"4711\"%'")
            .await;
        assert!(stored.is_empty(), "a code is never stored");
    });
}

#[test]
fn the_same_message_again_is_one_job_and_is_answered_from_it() {
    run(async {
        let world = common().await;
        let mut job = person("again");
        world.play(&job, &["found"]).await;
        world.ended(id("again")).await;
        // When and how urgently it was asked is not what the id stands for.
        job["requested_at"] = "2020-01-01T00:00:00Z".into();
        job["priority"] = "bulk".into();
        world.send(&job).await;
        let twice = until("the answer came again", async || {
            let of_job = world.events.of(id("again")).into_iter();
            let again: Vec<_> = of_job.filter(|heard| heard.key.ends_with("succeeded")).collect();
            (again.len() == 2).then_some(again)
        })
        .await;
        assert_eq!(twice[0].event["id"], twice[1].event["id"]);
        assert_eq!(twice[0].event["data"], twice[1].event["data"]);
        assert_eq!(world.journal(id("again")).await.len(), 1);
    });
}

#[test]
fn an_id_with_other_content_is_rejected_and_the_first_job_is_untouched() {
    run(async {
        let world = common().await;
        let mut job = person("reused");
        world.play(&job, &["found"]).await;
        let first = world.ended(id("reused")).await;
        job["subject"] = "person:somebody else".into();
        world.send(&job).await;
        let event = world.events.wait_for(id("reused"), "rejected").await;
        assert_eq!(event["data"]["sequence"], 0);
        assert_eq!(event["data"]["summary"]["code"], "id_reused");
        assert_eq!(world.job(id("reused")).await.unwrap(), first);
        assert_eq!(world.journal(id("reused")).await.len(), 1);
    });
}

#[test]
fn the_same_id_twenty_times_at_once_through_two_hubs_is_executed_once() {
    run(async {
        let settings = format!("{QUICK}\n[pipeline]\nprefetch = 1");
        let world = World::build(Scene { hubs: 2, settings, ..Scene::default() }).await;
        let body = check("twenty times").to_string();
        let publish = || world.publish("kpsisu.check", body.as_bytes(), properties());
        let confirmed = futures_util::future::join_all((0..20).map(|_| publish())).await;
        assert!(confirmed.into_iter().all(|confirmed| confirmed));
        world.in_state(id("twenty times"), "pending").await;
        until("all twenty are decided", async || {
            let mut decided = 0.0;
            for hub in 0..2 {
                for outcome in ["job", "known"] {
                    let labels = [("operation", "kpsisu.check"), ("outcome", outcome)];
                    decided += world.metric(hub, "hub_jobs_admitted_total", &labels).await;
                }
            }
            (decided > 19.0).then_some(())
        })
        .await;
        assert_eq!(world.journal(id("twenty times")).await.len(), 1);
        assert_eq!(world.rows("SELECT seq FROM hub.job").await.len(), 1);
        world.strike().await;
    });
}
