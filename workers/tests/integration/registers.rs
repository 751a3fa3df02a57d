//! Registers (D8-D12, D22): what they say, what they leave open, and what that unlocks.

use serde_json::{Value, json};

use crate::{
    servers::run,
    world::{QUICK, Scene, World, common, id, iin, person},
};

fn job(name: &str, operation: &str, subject: &str, input: Value) -> Value {
    let mut job = person(name);
    job["operation"] = operation.into();
    job["subject"] = subject.into();
    job["input"] = input;
    job
}

/// A check that the person signed.
fn check(name: &str, operation: &str, subject: &str) -> Value {
    let mut job = job(name, operation, subject, json!({"iin": iin(name)}));
    job["consent"] = json!({
        "kind": "eds", "accepted_at": workers::clock::real_now(), "text_version": "2019-10",
    });
    job
}

/// The portal's row of a check.
async fn verdict(world: &World, subject: &str, system: &str) -> String {
    let row = world
        .row(&format!(
            "SELECT * FROM portal.specialist_check
              WHERE subject = '{subject}' AND system = '{system}'"
        ))
        .await;
    row["verdict"].as_str().unwrap().to_owned()
}

/// Whether a profile is unlocked, and why.
async fn access(world: &World, subject: &str) -> (bool, String) {
    let sql = format!("SELECT * FROM portal.specialist_access WHERE subject = '{subject}'");
    let row = world.row(&sql).await;
    (row["unlocked"].as_bool().unwrap(), row["why"].as_str().unwrap().to_owned())
}

/// Calls are short and waits are in business time.
async fn quick() -> World {
    let settings = format!(
        "{QUICK}
[operations.mzrk.check]
call_timeout_ms = 1500
[operations.realestate.properties]
call_timeout_ms = 2000
retry_base_ms = 40
retry_max_ms = 100
"
    );
    World::build(Scene { settings, ..Scene::default() }).await
}

#[test]
fn d8_a_register_that_did_not_answer_leaves_the_verdict_unknown_until_it_does() {
    run(async {
        let world = quick().await;
        for (name, behaviour, end) in
            [("partial", "partial", "clear"), ("partial record", "partial_record", "found")]
        {
            let subject = format!("specialist:{name}");
            let fates = vec![behaviour; 4];
            world.play(&check(name, "mzrk.check", &subject), &fates).await;
            world.in_state(id(name), "pending").await;
            assert_eq!(verdict(&world, &subject, "mzrk").await, "unknown", "{name}");
            assert!(!access(&world, &subject).await.0);
            world.live_until_ended(&[name.to_owned()]).await;
            assert_eq!(world.ended(id(name)).await["state"], "succeeded");
            assert_eq!(verdict(&world, &subject, "mzrk").await, end, "{name}");
            let progress = world.events.names(id(name));
            assert!(progress.contains(&"progress".to_owned()), "{progress:?}");
        }
        world.strike().await;
    });
}

#[test]
fn d8_a_register_that_never_answers_never_becomes_clear() {
    run(async {
        let world = quick().await;
        let forever = check("forever", "mzrk.check", "specialist:forever");
        world.play(&forever, &["partial_forever"; 40]).await;
        world.live_until_ended(&["forever".to_owned()]).await;
        let job = world.ended(id("forever")).await;
        assert_eq!(job["state"], "failed", "{job}");
        assert_eq!(verdict(&world, "specialist:forever", "mzrk").await, "unknown");
        world.strike().await;
    });
}

#[test]
fn d9_an_answer_that_is_odd_contradictory_or_somebody_elses_is_never_clear() {
    run(async {
        let world = quick().await;
        let odd = [
            "contradiction",
            "other_text",
            "odd_on_record",
            "no_on_record",
            "wrong_person",
            "unknown_status",
            "unknown_register",
            "duplicate_register",
        ];
        for behaviour in odd {
            let subject = format!("specialist:{behaviour}");
            world.play(&check(behaviour, "mzrk.check", &subject), &[behaviour; 12]).await;
        }
        let names: Vec<String> = odd.iter().map(|name| (*name).to_owned()).collect();
        world.live_until_ended(&names).await;
        for behaviour in odd {
            let job = world.ended(id(behaviour)).await;
            assert_eq!(job["state"], "failed", "{behaviour}: {job}");
            let subject = format!("specialist:{behaviour}");
            assert_eq!(verdict(&world, &subject, "mzrk").await, "unknown", "{behaviour}");
        }
        world.strike().await;
    });
}

#[test]
fn d10_a_profile_is_unlocked_only_while_both_checks_are_clear() {
    run(async {
        let world = common().await;
        let subject = "specialist:unlocked";
        world.play(&check("unlocked mzrk", "mzrk.check", subject), &["clear"]).await;
        world.ended(id("unlocked mzrk")).await;
        assert_eq!(access(world, subject).await, (false, "check_missing".to_owned()));
        world.play(&check("unlocked kpsisu", "kpsisu.check", subject), &["early"]).await;
        world.ended(id("unlocked kpsisu")).await;
        assert_eq!(access(world, subject).await, (true, "both_clear".to_owned()));
        let again = check("unlocked again", "mzrk.check", subject);
        world.play(&again, &["psychiatric_record"]).await;
        world.ended(id("unlocked again")).await;
        assert_eq!(access(world, subject).await, (false, "record_found".to_owned()));
    });
}

#[test]
fn d10_a_new_check_locks_the_profile_until_it_is_answered() {
    run(async {
        let world = common().await;
        let subject = "specialist:locked again";
        world.play(&check("locked mzrk", "mzrk.check", subject), &["clear"]).await;
        world.play(&check("locked kpsisu", "kpsisu.check", subject), &["early"]).await;
        world.ended(id("locked mzrk")).await;
        world.ended(id("locked kpsisu")).await;
        assert!(access(world, subject).await.0);
        world.play(&check("locked anew", "kpsisu.check", subject), &["never"]).await;
        world.in_state(id("locked anew"), "pending").await;
        assert_eq!(access(world, subject).await, (false, "check_open".to_owned()));
    });
}

#[test]
fn d11_a_diagnosis_that_nobody_asked_for_is_in_no_table_and_no_event() {
    run(async {
        let world = common().await;
        let subject = "specialist:asked too little";
        world.play(&check("asked too little", "mzrk.check", subject), &["diagnosis"]).await;
        let job = world.ended(id("asked too little")).await;
        assert_eq!(job["state"], "succeeded");
        assert_eq!(verdict(world, subject, "mzrk").await, "found");
        let rows = world
            .rows(&format!("SELECT * FROM portal.specialist_check WHERE subject = '{subject}'"))
            .await;
        let events: Vec<String> =
            world.events.of(id("asked too little")).into_iter().map(|heard| heard.text).collect();
        let all = format!("{job} {rows:?} {events:?}").to_lowercase();
        for word in ["diagnos", "диагноз", "f00.0", "выдуманный"] {
            assert!(!all.contains(word), "{word}");
        }
    });
}

#[test]
fn d12_an_owners_objects_are_replaced_at_once_and_no_property_empties_them() {
    run(async {
        let world = common().await;
        let subject = "supplier:owner";
        let input = json!({"bin": "100540000008"});
        let objects = format!("SELECT * FROM portal.property WHERE subject = '{subject}'");
        let search = format!("SELECT * FROM portal.property_search WHERE subject = '{subject}'");
        let ask = |name: &str| job(name, "realestate.properties", subject, input.clone());
        world.play(&ask("owner first"), &["registered"]).await;
        assert_eq!(world.ended(id("owner first")).await["state"], "succeeded");
        let first = world.rows(&objects).await;
        assert!(!first.is_empty());
        assert_eq!(world.row(&search).await["found"], first.len());
        // The same question again: the same rows, not twice as many.
        world.play(&ask("owner again"), &["registered"]).await;
        world.ended(id("owner again")).await;
        assert_eq!(world.rows(&objects).await.len(), first.len());
        world.play(&ask("owner empty"), &["no_property"]).await;
        let empty = world.ended(id("owner empty")).await;
        assert_eq!(empty["state"], "succeeded", "no property is an answer");
        assert_eq!(world.row(&search).await["found"], 0);
        assert!(world.rows(&objects).await.is_empty());
    });
}

#[test]
fn d12_an_outage_of_the_register_is_not_no_property() {
    run(async {
        let world = quick().await;
        let subject = "supplier:outage";
        let ask = job("outage", "realestate.properties", subject, json!({"bin": "100540000008"}));
        world.play(&ask, &["unknown_result"; 4]).await;
        world.live_until_ended(&["outage".to_owned()]).await;
        let ended = world.ended(id("outage")).await;
        assert_eq!(ended["state"], "failed", "{ended}");
        let row = format!("SELECT * FROM portal.property_search WHERE subject = '{subject}'");
        assert_eq!(world.row(&row).await["found"], Value::Null);
        world.strike().await;
    });
}

#[test]
fn d12_an_organisations_card_is_filled_and_an_unknown_bin_is_a_result() {
    run(async {
        let world = common().await;
        let input = json!({"bin": "100540000008"});
        let card = |name: &str| job(name, "gbdul.organization", "supplier:card", input.clone());
        let row = "SELECT * FROM portal.organization WHERE subject = 'supplier:card'";
        world.play(&card("card"), &["company"]).await;
        assert_eq!(world.ended(id("card")).await["state"], "succeeded");
        let filled = world.row(row).await;
        assert_eq!((&filled["found"], &filled["bin"]), (&json!(true), &json!("100540000008")));
        assert!(filled["full_name_ru"].is_string());
        world.play(&card("card unknown"), &["not_found"]).await;
        assert_eq!(world.ended(id("card unknown")).await["state"], "succeeded");
        let unknown = world.row(row).await;
        assert_eq!((&unknown["found"], &unknown["full_name_ru"]), (&json!(false), &Value::Null));
    });
}

#[test]
fn d22_a_wrong_check_digit_is_rejected_by_every_operation_and_nothing_is_sent() {
    run(async {
        let world = common().await;
        let (person, company) = (json!({"iin": "850100300013"}), json!({"bin": "100540000009"}));
        for (operation, input) in [
            ("gbdfl.person", &person),
            ("mgov.lookup", &person),
            ("realestate.properties", &company),
            ("gbdul.organization", &company),
        ] {
            let name = format!("digit of {operation}");
            world.send(&job(&name, operation, "anybody:1", input.clone())).await;
            let job = world.ended(id(&name)).await;
            assert_eq!(job["state"], "rejected", "{operation}: {job}");
            assert!(world.journal(id(&name)).await.is_empty(), "{operation}");
        }
        for operation in ["kpsisu.check", "mzrk.check"] {
            let name = format!("digit of {operation}");
            let mut check = check(&name, operation, "anybody:1");
            check["input"] = person.clone();
            world.send(&check).await;
            assert_eq!(world.ended(id(&name)).await["state"], "rejected", "{operation}");
            assert!(world.journal(id(&name)).await.is_empty(), "{operation}");
        }
    });
}
