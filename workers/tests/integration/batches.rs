//! One command on many things: a batch that is cut says so, and the next one goes on behind it.

use serde_json::{Value, json};

use crate::{
    ops::hub,
    protection::{blocked, done},
    servers::run,
    world::{Scene, World, id, person, properties, until},
};

/// The targets of a report, in its order.
fn targets(report: &Value) -> Vec<Value> {
    report.as_array().unwrap().iter().map(|row| row["target"].clone()).collect()
}

#[test]
fn a_batch_of_retries_that_was_cut_goes_on_behind_what_has_its_repetition() {
    run(async {
        let world = World::build(Scene::default()).await;
        let names = ["cut 1", "cut 2", "cut 3"];
        for name in names {
            world.play(&person(name), &["reset", "reset", "reset"]).await;
            assert_eq!(world.ended(id(name)).await["state"], "failed");
        }
        // The repetitions stay where they begin.
        done(&world, &["pause", "gbdfl", "--reason", "a test"]).await;
        blocked(&world, "gbdfl", "pause", true).await;
        let retry = async || {
            let all = ["jobs", "retry", "--all-matching", "--state", "failed", "--limit", "2"];
            let more = ["--system", "gbdfl", "--reason", "it works again", "--json"];
            hub(&world, &[&all[..], &more].concat()).await
        };
        let [first, second, third] = names.map(|name| json!(id(name)));
        let cut = retry().await;
        assert_eq!((cut.code, targets(&cut.json())), (1, vec![second, third]));
        assert!(cut.err.contains("more than 2 jobs match"), "{}", cut.err);
        let rest = retry().await;
        assert_eq!((rest.code, targets(&rest.json())), (0, vec![first]));
        assert_eq!(rest.row()["code"], "retried");
        let none = retry().await;
        assert_eq!((none.code, none.json()), (0, json!([])), "an array, also of nothing");
        assert!(none.err.contains("not repeated before"), "{}", none.err);
        world.strike().await;
    });
}

#[test]
fn a_batch_of_messages_that_was_cut_says_so_and_the_next_one_goes_on() {
    run(async {
        let world = World::build(Scene::default()).await;
        for body in ["{ one", "{ two", "{ three"] {
            assert!(world.publish("gbdfl.person", body.as_bytes(), properties()).await);
        }
        until("all are kept", async || {
            (world.rows("SELECT 1 FROM hub.quarantine").await.len() == 3).then_some(())
        })
        .await;
        let drop = async || {
            let all = ["quarantine", "drop", "--all-matching", "--code", "not_json"];
            let more = ["--limit", "2", "--reason", "noise", "--json"];
            hub(&world, &[&all[..], &more].concat()).await
        };
        let cut = drop().await;
        assert_eq!((cut.code, targets(&cut.json()).len()), (1, 2), "{}", cut.err);
        assert!(cut.err.contains("more than 2 messages match"), "{}", cut.err);
        let rest = drop().await;
        assert_eq!((rest.code, rest.row()["code"].clone()), (0, json!("dropped")));
        let none = drop().await;
        assert_eq!((none.code, none.json()), (0, json!([])), "an array, also of nothing");
        let wrong = ["quarantine", "drop", "1", "--limit", "2", "--reason", "noise"];
        assert_eq!(hub(&world, &wrong).await.code, 2, "a limit is of those that match");
        world.strike().await;
    });
}
