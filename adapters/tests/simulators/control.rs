//! The control API says what was wrong and what to do.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn errors_say_what_was_wrong_and_what_to_do() {
    let world = World::start(vec![]).await;
    for (path, body, status, error) in [
        ("next", json!({"system": "gbdfl", "behaviour": "nice"}), 400, "unknown behaviour"),
        ("next", json!({"system": "gbd", "behaviour": "found"}), 400, "unknown system"),
        ("next", json!({"system": "gbdfl"}), 400, "missing field"),
        ("next", json!({"system": "gbdfl", "behaviour": "found", "x": 1}), 400, "unknown field"),
        ("next", json!({"system": "gbdfl", "behaviour": "found", "count": 0}), 400, "count is 0"),
        ("push-urls", json!({"urls": ["shep"]}), 400, "not an http URL"),
        ("forge", json!({"system": "gbdfl", "kind": "cut"}), 400, "never pushes"),
        ("forge", json!({"system": "kpsisu", "kind": "nice"}), 400, "unknown kind"),
        ("forge", json!({"system": "kpsisu", "kind": "cut"}), 409, "nothing to forge from"),
        ("forge", json!({"system": "kpsisu", "kind": "not_xml"}), 409, "no push URL"),
        ("nowhere", json!({}), 404, "no such page"),
    ] {
        let (got, answer) = world.post(&format!("/control/{path}"), body).await;
        assert_eq!(got, status, "{path}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(error), "{answer}");
        assert!(!answer["do"].as_str().unwrap().is_empty());
        assert_eq!(
            answer["known"].is_array(),
            error.contains("unknown ") && !error.contains("field")
        );
    }
    assert!(world.get("/control/journal?system=gbd").await["known"].is_array());
    assert!(world.get("/control/journal?sistem=gbdfl").await["error"].is_string());
}

#[tokio::test]
async fn the_state_of_a_fresh_world_is_empty() {
    let world = World::start(vec![]).await;
    let state = world.get("/control/state").await;
    let expected = json!({
        "now": "2026-03-02T05:00:00Z", "in_flight": 0, "next_due": null, "mailbox": 0,
        "requests": 0, "journal": {"start": 0, "end": 0},
    });
    assert_eq!(state, expected);
    assert_eq!(world.get("/control/journal").await, json!([]));
}

#[tokio::test]
async fn answers_that_wait_are_counted_and_forgotten_with_the_orders_of_their_system() {
    let world = World::start(vec![]).await;
    for system in ["gbdfl", "gbdfl", "kpsisu"] {
        let answer = json!({ "system": system, "containing": "r-1", "status": 418 });
        assert_eq!(world.post("/control/answer", answer).await.0, 200);
    }
    let waiting = world.get("/control/pending").await;
    assert_eq!(waiting["answers"], json!({ "gbdfl": 2, "kpsisu": 1 }));
    assert_eq!(world.post("/control/forget-orders", json!({ "system": "gbdfl" })).await.0, 200);
    assert_eq!(world.get("/control/pending").await["answers"], json!({ "kpsisu": 1 }));
    assert_ne!(world.send("/gbdfl/", "<r-1/>".to_owned()).await.0, 418);
    assert_eq!(world.send("/kpsisu/", "<r-1/>".to_owned()).await.0, 418);
    assert_eq!(world.get("/control/pending").await["answers"], json!({}));
}

#[tokio::test]
async fn every_behaviour_is_explained() {
    let world = World::start(vec![]).await;
    let behaviours = world.get("/control/behaviours").await;
    for (system, count) in
        [("eqyzmet", 31), ("gbdfl", 28), ("kpsisu", 29), ("mgov", 32), ("mzrk", 46)]
    {
        let explained = behaviours[system]["behaviours"].as_object().unwrap();
        assert_eq!(explained.len(), count);
        assert!(explained.values().all(|what| !what.as_str().unwrap().is_empty()));
    }
}
