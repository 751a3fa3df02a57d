//! Messages of ИИС «Е-қызмет» (D19-D21): they arrive unasked, and go back signed, with files.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    servers::run,
    world::{Scene, World, common, id, person, until},
};

const PERSON: &str = include_str!("../../../contracts/systems/eqyzmet/certificates/person.b64");
const ORGANISATION: &str =
    include_str!("../../../contracts/systems/eqyzmet/certificates/organisation.b64");
const OF_ANOTHER_PERSON: &str = include_str!(
    "../../../contracts/systems/eqyzmet/certificates/organisation_of_another_person.b64"
);
const FILE_BYTES_MAX: usize = adapters::systems::eqyzmet::FILE_BYTES_MAX;

/// Tells the simulators' control page something; returns its answer.
async fn ordered(world: &World, page: &str, order: Value) -> Value {
    let url = format!("{}/control/{page}", world.stage.simulators);
    let request = world.stage.http().post(url).header("content-type", "application/json");
    let answer = request.body(order.to_string()).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// Begins a conversation; returns the message's id.
async fn begin(world: &World, kind: &str) -> String {
    let begun = ordered(world, "begin", json!({"system": "eqyzmet", "kind": kind})).await;
    begun["begun"][0].as_str().unwrap().to_owned()
}

/// The portal's row of a message, once it is there.
async fn arrived(world: &World, message_id: &str) -> Value {
    let sql = format!("SELECT * FROM portal.message WHERE message_id = '{message_id}'");
    until("the message is in the portal's table", async || world.rows(&sql).await.pop()).await
}

/// The events that tell of a message.
fn told(world: &World, message_id: &str) -> Vec<Value> {
    let all = world.events.all().into_iter();
    let received = all.filter(|heard| heard.key.ends_with(".message_received"));
    received
        .map(|heard| heard.event)
        .filter(|event| event["data"]["summary"]["message_id"] == message_id)
        .collect()
}

/// `eqyzmet.submit`, with files.
fn submission(name: &str, message_id: &str, files: &[Uuid]) -> Value {
    let mut job = person(name);
    job["operation"] = "eqyzmet.submit".into();
    job["subject"] = format!("message:{message_id}").into();
    job["input"] = json!({
        "message_id": message_id,
        "fields": [{"key": "staffCount", "value": "12"}],
        "attachments": files,
        "signature": "U0lN",
        "person_certificate": PERSON.trim_end(),
        "organisation_certificate": ORGANISATION.trim_end(),
    });
    job
}

/// Stores a file of this size, as the portal does before it publishes.
async fn attach(world: &World, name: &str, bytes: usize) -> Uuid {
    let file = id(&format!("file {name}"));
    world
        .execute(&format!(
            "INSERT INTO portal.attachment (id, name, media_type, bytes) VALUES
               ('{file}', 'Форма.pdf', 'application/pdf',
                decode(repeat('a5', {bytes}), 'hex'))"
        ))
        .await;
    file
}

/// The job is rejected at this field with this code, and nobody was asked.
async fn rejected(world: &World, name: &str, path: &str, code: &str) {
    let job = world.ended(id(name)).await;
    assert_eq!(job["state"], "rejected", "{job}");
    let error = &job["errors"][0];
    assert_eq!((&error["path"], &error["code"]), (&json!(path), &json!(code)), "{job}");
    let event = world.events.wait_for(id(name), "rejected").await;
    assert_eq!(event["data"]["errors"], job["errors"]);
    assert!(world.journal(id(name)).await.is_empty(), "something was sent");
}

#[test]
fn d19_a_message_that_nobody_asked_for_becomes_a_row_and_one_event() {
    run(async {
        let world = common().await;
        for (kind, told_as) in [("notice", "notice"), ("editable", "editable")] {
            let message_id = begin(world, kind).await;
            let row = arrived(world, &message_id).await;
            assert_eq!(row["kind"], told_as);
            assert_eq!((&row["status"], &row["revision"]), (&json!("new"), &json!(1)));
            assert_eq!(row["organisation"], "990140000007");
            let has_fields = !row["fields"].as_array().unwrap().is_empty();
            assert_eq!(has_fields, kind == "editable", "{row}");
            until("its event", async || (told(world, &message_id).len() == 1).then_some(())).await;
            let event = told(world, &message_id).remove(0);
            let of_event = event["data"]["job_id"].as_str().unwrap().parse().unwrap();
            assert!(world.job(of_event).await.is_none(), "no job asked for it");
            // Texts and names are in the table alone.
            assert!(!event.to_string().contains(row["title"].as_str().unwrap()));
        }
    });
}

#[test]
fn d19_a_push_that_comes_again_changes_nothing_and_tells_nobody() {
    run(async {
        let world = World::build(Scene::default()).await;
        let message_id = begin(&world, "twice").await;
        let row = arrived(&world, &message_id).await;
        let settled = "SELECT 1 FROM hub.inbound WHERE state <> 'stored'";
        until("both were looked at", async || (world.rows(settled).await.len() == 2).then_some(()))
            .await;
        // The very same message of the gateway once more: not even kept.
        let forged = json!({"system": "eqyzmet", "kind": "duplicate"});
        assert_eq!(ordered(&world, "forge", forged).await["status"], 200);
        // A later message shows that all events before it were told.
        let later = begin(&world, "notice").await;
        until("a later one", async || (told(&world, &later).len() == 1).then_some(())).await;
        assert_eq!(told(&world, &message_id).len(), 1);
        assert_eq!(arrived(&world, &message_id).await, row);
        world.strike().await;
    });
}

#[test]
fn d19_an_older_revision_that_comes_late_does_not_undo_a_newer_one() {
    run(async {
        let world = World::build(Scene::default()).await;
        let message_id = begin(&world, "update_first").await;
        assert_eq!(arrived(&world, &message_id).await["revision"], 2);
        let pushed = "SELECT 1 FROM hub.inbound WHERE state <> 'stored'";
        until("the older came too", async || {
            workers::demo::time::advance(&world.stage).await.unwrap();
            (world.rows(pushed).await.len() == 2).then_some(())
        })
        .await;
        assert_eq!(arrived(&world, &message_id).await["revision"], 2);
        let later = begin(&world, "notice").await;
        until("a later one", async || (told(&world, &later).len() == 1).then_some(())).await;
        assert_eq!(told(&world, &message_id).len(), 1, "an old revision is no news");
        world.strike().await;
    });
}

#[test]
fn d19_an_editable_message_goes_back_with_its_file_once() {
    run(async {
        let world = World::build(Scene::default()).await;
        let message_id = begin(&world, "editable").await;
        arrived(&world, &message_id).await;
        let file = attach(&world, "largest", FILE_BYTES_MAX).await;
        let job = submission("goes back", &message_id, &[file]);
        world.play(&job, &["silent"]).await;
        let ended = world.ended(id("goes back")).await;
        assert_eq!(ended["state"], "succeeded", "{ended}");
        let row = arrived(&world, &message_id).await;
        assert_eq!(
            (&row["status"], &row["submit_status"]),
            (&json!("submitted"), &json!("submitted"))
        );
        assert_eq!(world.executed("eqyzmet").await[&id("goes back").to_string()], 1);
        world.strike().await;
    });
}

#[test]
fn d19_a_submission_whose_answer_was_lost_is_asked_about_and_taken_once() {
    run(async {
        let world = World::build(Scene::default()).await;
        for fate in ["lost", "garbage", "cut"] {
            let message_id = begin(&world, "editable").await;
            arrived(&world, &message_id).await;
            let name = format!("{fate} submission");
            world.play(&submission(&name, &message_id, &[]), &[fate]).await;
            world.events.wait_for(id(&name), "in_doubt").await;
            world.live_until_ended(std::slice::from_ref(&name)).await;
            let ended = world.ended(id(&name)).await;
            assert_eq!(ended["state"], "succeeded", "{fate}: {ended}");
            assert_eq!(world.executed("eqyzmet").await[&id(&name).to_string()], 1, "{fate}");
            assert_eq!(arrived(&world, &message_id).await["submit_status"], "submitted");
        }
        world.strike().await;
    });
}

#[test]
fn d19_a_file_that_is_too_large_or_missing_is_rejected_before_anything_is_sent() {
    run(async {
        let world = common().await;
        let message_id = begin(world, "editable").await;
        arrived(world, &message_id).await;
        let small = attach(world, "small", 1_000).await;
        let large = attach(world, "too large", FILE_BYTES_MAX + 1).await;
        world.send(&submission("too large", &message_id, &[small, large])).await;
        let path = "/input/attachments/1";
        rejected(world, "too large", path, "attachment_too_large").await;
        world.send(&submission("missing", &message_id, &[id("no such file")])).await;
        rejected(world, "missing", "/input/attachments/0", "attachment_missing").await;
        let row = arrived(world, &message_id).await;
        assert_eq!(row["submit_status"], "rejected", "the portal sees it in its own row: {row}");
    });
}

#[test]
fn d20_certificates_of_two_persons_are_rejected_before_anything_is_sent() {
    run(async {
        let world = common().await;
        let mut job = submission("two persons", "SIM-1000001.1", &[]);
        job["input"]["organisation_certificate"] = OF_ANOTHER_PERSON.trim_end().into();
        world.send(&job).await;
        let path = "/input/organisation_certificate";
        rejected(world, "two persons", path, "certificate_mismatch").await;
    });
}

#[test]
fn d21_no_message_is_an_empty_list_and_a_message_that_is_never_pushed_is_pulled() {
    run(async {
        let world = World::build(Scene::default()).await;
        let looked =
            "SELECT 1 FROM hub.destination WHERE system = 'eqyzmet' AND pulled_at IS NOT NULL";
        until("the mailbox was looked into", async || {
            (!world.rows(looked).await.is_empty()).then_some(())
        })
        .await;
        assert!(world.rows("SELECT 1 FROM portal.message").await.is_empty());
        assert!(world.rows("SELECT 1 FROM hub.inbound").await.is_empty(), "and it is no error");
        let message_id = begin(&world, "pull_only").await;
        world.pass(jiff::SignedDuration::from_hours(13)).await;
        assert_eq!(arrived(&world, &message_id).await["kind"], "notice");
        world.strike().await;
    });
}
