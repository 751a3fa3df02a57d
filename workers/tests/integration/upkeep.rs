//! What happens around the jobs: months without a partition, and operations that another build knows.

use std::collections::HashMap;

use adapters::systems::kpsisu::CHECK;
use serde_json::json;
use uuid::Uuid;
use workers::store::{
    admission::{Admitted, Body, Entry, Fate},
    worker::{Beat, Rescued},
};

use crate::{
    servers::run,
    world::{Scene, World, id, until},
};

/// A command that a worker started, and the worker.
async fn started(world: &World) -> Uuid {
    let worker = id("a worker that died");
    let store = &world.stage.store;
    store.register_worker(worker, "test").await.unwrap();
    let body = Body {
        requested_by: "organisation:990140000007".to_owned(),
        priority: 0,
        input: json!({"iin": "850100300012"}),
        consent: None,
        verify_job: None,
        retry_of: None,
        begun_by: None,
        callback_url: None,
        requested_at: store.business_now().await.unwrap(),
        sla: CHECK.sla,
    };
    let entry = Entry {
        id: id("a started command"),
        content_hash: [0; 32],
        operation: Some(&CHECK),
        subject: Some("specialist:1".to_owned()),
        reply: None,
        code: None,
        child: None,
        fate: Fate::Job { start: true, body: Box::new(body) },
    };
    let admitted = store.admit(worker, &[entry], &[]).await.unwrap();
    assert!(matches!(admitted[..], [Admitted::Job { .. }]), "{admitted:?}");
    worker
}

#[test]
fn a_command_that_this_build_does_not_know_is_not_returned_by_a_rescue() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let seen = Beat { worker: started(&world).await, beat: 0 };
        let rescued = world.stage.store.rescue(seen, &HashMap::new()).await.unwrap();
        assert_eq!(rescued, Some(Rescued::default()));
        assert_eq!(world.job(id("a started command")).await.unwrap()["state"], "calling");
        // Whoever knows it finds it without its worker, and puts it in doubt: it may have been sent.
        let known = HashMap::from([(CHECK.name, &CHECK)]);
        let rescued = world.stage.store.rescue_orphans(&known).await.unwrap();
        assert_eq!(rescued, Rescued { returned: 0, in_doubt: 1 });
        assert_eq!(world.job(id("a started command")).await.unwrap()["state"], "in_doubt");
        world.strike().await;
    });
}

#[test]
fn rows_of_a_month_without_a_partition_move_there_when_it_is_made() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        store.maintain().await.unwrap();
        let now = store.business_now().await.unwrap();
        let far = now.checked_add(jiff::SignedDuration::from_hours(100 * 24)).unwrap();
        world
            .execute(&format!(
                "INSERT INTO hub.attempt (job_seq, run, started_at, answered_at, recorded_at)
                 VALUES (1, 1, '{far}', '{far}', '{far}')"
            ))
            .await;
        assert_eq!(world.rows("SELECT 1 FROM hub.attempt_other").await.len(), 1);
        store.jump_to(far).await.unwrap();
        store.maintain().await.unwrap();
        assert_eq!(world.rows("SELECT 1 FROM hub.attempt_other").await.len(), 0);
        assert_eq!(world.rows("SELECT 1 FROM hub.attempt").await.len(), 1);
        until("again without a fault", async || store.maintain().await.ok()).await;
        world.strike().await;
    });
}

#[test]
fn months_of_raw_exchanges_are_dropped_when_their_last_day_is_thirty_days_old() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        store.maintain().await.unwrap();
        let now = store.business_now().await.unwrap();
        let after =
            |days: i64| now.checked_add(jiff::SignedDuration::from_hours(days * 24)).unwrap();
        store.jump_to(after(29)).await.unwrap();
        assert_eq!(store.maintain().await.unwrap(), 0, "no month is that old");
        store.jump_to(after(63)).await.unwrap();
        assert!(store.maintain().await.unwrap() > 0, "the first month is");
        world.strike().await;
    });
}
