//! What a person's word does to a command in doubt, and what no word can do. What the simulators saw
//! is the judge.

use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    press::{check_by_code, introduce, verification_of, wrong},
    protection::hub,
    servers::run,
    world::{Scene, World, id},
};

/// What `hub jobs …` says of one job.
async fn act(world: &World, command: &str, job: Uuid, more: &[&str]) -> Value {
    let job = job.to_string();
    let arguments = ["jobs", command, &job, "--reason", "asked them", "--json"];
    let (_, text) = hub(world, &[&arguments, more].concat()).await;
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    assert_eq!(rows.len(), 1, "{text}");
    rows[0].clone()
}

async fn resolve(world: &World, job: Uuid, word: &str) -> Value {
    act(world, "resolve", job, &["--as", word]).await
}

#[test]
fn d4_nobodys_word_opens_a_check_whose_code_was_never_answered() {
    run(async {
        let world = World::build(Scene::default()).await;
        let person = introduce(&world, "word for a code").await;
        let (code_ref, code) = world.sent(&person, "word press", "kpsisu.check").await;
        let own = verification_of(id("word check"));
        let order = json!({"system": "mgov", "behaviour": "lost", "request_number": own});
        world.stage.order("next", &order).await.unwrap();
        let digits = wrong(&code);
        let check = check_by_code(&person, "word check", "kpsisu.check", code_ref, &digits);
        world.send(&check).await;
        world.in_state(own, "in_doubt").await;
        let said = resolve(&world, own, "done").await;
        assert_eq!((&said["done"], &said["code"]), (&json!(false), &json!("answer_needed")));
        assert_eq!(world.job(own).await.unwrap()["state"], "in_doubt");
        world.pass(SignedDuration::from_secs(301)).await;
        let job = world.ended(id("word check")).await;
        assert_eq!((&job["state"], &job["code"]), (&json!("refused"), &json!("code_unverified")));
        assert!(world.journal(id("word check")).await.is_empty(), "something was sent");
        let noted = format!("SELECT verified_by FROM hub.sms_code WHERE code_ref = '{code_ref}'");
        assert_eq!(world.row(&noted).await["verified_by"], Value::Null);
        world.strike().await;
    });
}
