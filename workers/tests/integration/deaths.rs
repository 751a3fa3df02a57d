//! What becomes of the jobs of workers that die.

use std::collections::HashMap;

use adapters::systems::{gbdfl::PERSON, kpsisu::CHECK};
use contracts::operation::OperationSpec;
use serde_json::json;
use uuid::Uuid;
use workers::store::{
    admission::{Admitted, Body, Entry, Fate},
    timer::Action,
    worker::{Beat, Rescued},
};

use crate::{
    servers::run,
    world::{Scene, World, id},
};

/// A job on its way into the tables.
pub async fn entry(world: &World, operation: &'static OperationSpec) -> Entry {
    let body = Body {
        requested_by: "organisation:990140000007".to_owned(),
        priority: 0,
        input: json!({"iin": "850100300012"}),
        consent: None,
        verify_job: None,
        retry_of: None,
        begun_by: None,
        callback_url: None,
        requested_at: world.stage.store.business_now().await.unwrap(),
        sla: operation.sla,
    };
    Entry {
        id: id("a started job"),
        content_hash: [0; 32],
        operation: Some(operation),
        subject: Some("specialist:1".to_owned()),
        reply: None,
        trace: None,
        code: None,
        child: None,
        fate: Fate::Job { start: true, body: Box::new(body) },
    }
}

/// A worker that started a job, [`entry`].
pub async fn started(world: &World, operation: &'static OperationSpec) -> Uuid {
    let worker = id("a worker that died");
    let store = &world.stage.store;
    store.register_worker(worker, "test", None).await.unwrap();
    let admitted = store.admit(worker, &[entry(world, operation).await], &[]).await.unwrap();
    assert!(matches!(admitted[..], [Admitted::Job { .. }]), "{admitted:?}");
    worker
}

#[test]
fn a_command_that_this_build_does_not_know_is_not_returned_by_a_rescue() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let seen = beat_of(started(&world, &CHECK).await);
        let rescued = world.stage.store.rescue(seen, &HashMap::new()).await.unwrap();
        assert_eq!(rescued, Some(Rescued::default()));
        assert_eq!(world.job(id("a started job")).await.unwrap()["state"], "calling");
        // Whoever knows it finds it without its worker, and puts it in doubt: it may have been sent.
        let known = HashMap::from([(CHECK.name, &CHECK)]);
        let rescued = world.stage.store.rescue_orphans(&known).await.unwrap();
        assert_eq!(rescued, Rescued { returned: 0, paused: 0, in_doubt: 1 });
        assert_eq!(world.job(id("a started job")).await.unwrap()["state"], "in_doubt");
        world.strike().await;
    });
}

/// A worker that has never beaten since it came.
const fn beat_of(worker: Uuid) -> Beat {
    Beat { worker, beat: 0, publishes: true, gone: false }
}

#[test]
fn a_job_over_which_workers_die_comes_back_more_and_more_seldom() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        let known = HashMap::from([(PERSON.name, &PERSON)]);
        let mut worker = started(&world, &PERSON).await;
        // Half to one and a half times 5 s, doubled with each death after the second.
        let pauses_ms = [0..1, 2_400..7_501, 4_900..15_001, 9_900..30_001];
        for (n, pause_ms) in pauses_ms.into_iter().enumerate() {
            let rescued = store.rescue(beat_of(worker), &known).await.unwrap();
            let paused = usize::from(n > 0);
            assert_eq!(rescued, Some(Rescued { returned: 1, paused, in_doubt: 0 }), "death {n}");
            let job = world
                .row(
                    "SELECT j.state, j.deaths, j.attempts, coalesce(
                       (SELECT (extract(epoch FROM t.due_at - hub.now()) * 1000)::bigint
                          FROM hub.timer t WHERE t.job_seq = j.seq AND t.kind = 'wake'), 0) AS ms
                       FROM hub.job_live j",
                )
                .await;
            assert_eq!(job["deaths"], n + 1);
            assert_eq!(job["attempts"], 0, "nothing was tried in vain");
            assert_eq!(job["state"], ["accepted", "waiting"][paused]);
            assert!(pause_ms.contains(&job["ms"].as_i64().unwrap()), "death {n}: {job}");
            worker = id(&format!("worker after death {n}"));
            store.register_worker(worker, "test", None).await.unwrap();
            if paused > 0 {
                let early = store.claim(worker, "gbdfl", 9).await.unwrap();
                assert!(early.is_empty(), "it is not started before its pause is over");
                world.execute("UPDATE hub.timer SET due_at = hub.now() WHERE kind = 'wake'").await;
                let fired = store.fire_due(9, |_| Action::Wake, &known).await.unwrap();
                assert_eq!(fired.done.len(), 1);
            }
            let claimed = store.claim(worker, "gbdfl", 9).await.unwrap();
            assert_eq!(claimed.len(), 1, "it is started again");
        }
        world.strike().await;
    });
}
