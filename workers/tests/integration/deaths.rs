//! What becomes of the jobs of workers that die.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use adapters::systems::{
    gbdfl::PERSON,
    kazpost::{LABEL, TRACK},
    kpsisu::CHECK,
};
use contracts::{
    class::Class,
    operation::{OperationSpec, Reconcile},
    state::{Phase, State},
};
use serde_json::{Value, json};
use uuid::Uuid;
use workers::store::{
    admission::{Admitted, Body, Entry, Fate},
    audit::Act,
    cancel::Cancelled,
    record::{AttemptRow, Change, Guard},
    rescue::Rescued,
    timer::Action,
    worker::Beat,
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
        assert_eq!(counted(rescued), Rescued { in_doubt: 1, ..Rescued::default() });
        assert_eq!(world.job(id("a started job")).await.unwrap()["state"], "in_doubt");
        world.strike().await;
    });
}

/// A worker that has never beaten since it came.
const fn beat_of(worker: Uuid) -> Beat {
    Beat { worker, beat: 0, publishes: true, gone: false }
}

type Known = HashMap<&'static str, &'static OperationSpec>;

impl World {
    /// The only job: its state, phase, deaths, and the milliseconds until it is started again.
    async fn only_job(&self) -> Value {
        self.row(
            "SELECT j.state, j.phase, j.deaths, j.attempts, j.code,
                    (SELECT (extract(epoch FROM t.due_at - hub.now()) * 1000)::bigint
                       FROM hub.timer t WHERE t.job_seq = j.seq AND t.kind = 'wake') AS ms
               FROM hub.job j",
        )
        .await
    }

    /// The next worker takes the only job, when its pause is over.
    async fn take(&self, known: &Known, n: usize) -> Uuid {
        let store = &self.stage.store;
        let worker = id(&format!("worker {n}"));
        store.register_worker(worker, "test", None).await.unwrap();
        let system = known.values().next().unwrap().name.split('.').next().unwrap();
        if self.only_job().await["state"] != "accepted" {
            let early = store.claim(worker, system, 9).await.unwrap();
            assert!(early.is_empty(), "it is not started before its pause is over");
            self.execute("UPDATE hub.timer SET due_at = hub.now() WHERE kind = 'wake'").await;
            let fired = store.fire_due(9, |_| Action::Wake, known).await.unwrap();
            assert_eq!(fired.done.len(), 1);
        }
        let claimed = store.claim(worker, system, 9).await.unwrap();
        assert_eq!(claimed.len(), 1, "it is started again");
        worker
    }
}

/// Half to one and a half times the pause after so many deaths.
fn pause_ms(deaths: u32) -> RangeInclusive<i64> {
    let pause = 5_000 << (deaths - 2).min(6);
    pause / 2 - 500..=pause / 2 + pause
}

/// What a rescue says that found one job.
fn rescued(place: &str, suspects: Vec<(Uuid, i16)>) -> Rescued {
    let is = |name| usize::from(place == name);
    let (returned, in_doubt, failed) = (is("returned"), is("in_doubt"), is("failed"));
    Rescued { returned, in_doubt, failed, suspects, recorded: vec![] }
}

/// Without what was recorded, which is as much as it counts.
fn counted(mut rescued: Rescued) -> Rescued {
    let recorded = std::mem::take(&mut rescued.recorded);
    assert_eq!(recorded.len(), rescued.in_doubt + rescued.failed);
    let failed = recorded.iter().filter(|(_, after)| after.state == State::Failed);
    assert_eq!(failed.count(), rescued.failed);
    rescued
}

#[test]
fn a_job_over_which_workers_die_comes_back_more_and_more_seldom_and_ends() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        let known = HashMap::from([(PERSON.name, &PERSON)]);
        let mut worker = started(&world, &PERSON).await;
        assert_eq!(
            store.rescue(beat_of(worker), &known).await.unwrap(),
            Some(rescued("returned", vec![]))
        );
        let job = world.only_job().await;
        assert_eq!(job["state"], "accepted", "the first death is nobody's fault");
        for deaths in 2..10 {
            worker = world.take(&known, deaths).await;
            let told = vec![(id("a started job"), i16::try_from(deaths).unwrap())];
            let found = store.rescue(beat_of(worker), &known).await.unwrap().unwrap();
            assert_eq!(counted(found), rescued("returned", told));
            let job = world.only_job().await;
            assert_eq!((&job["state"], &job["deaths"]), (&json!("waiting"), &json!(deaths)));
            let ms = job["ms"].as_i64().unwrap();
            assert!(pause_ms(u32::try_from(deaths).unwrap()).contains(&ms), "{deaths}: {job}");
        }
        worker = world.take(&known, 10).await;
        let found = store.rescue(beat_of(worker), &known).await.unwrap().unwrap();
        assert_eq!(counted(found), rescued("failed", vec![(id("a started job"), 10)]));
        let job = world.only_job().await;
        assert_eq!((&job["state"], &job["code"]), (&json!("failed"), &json!("workers_died")));
        assert_eq!(job["attempts"], 0, "nobody knows of an attempt");
        assert_eq!(job["deaths"], 10, "it is told afterwards, too");
        world.strike().await;
    });
}

#[test]
fn an_operator_ends_a_query_that_workers_die_over() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        let known = HashMap::from([(PERSON.name, &PERSON)]);
        let first = started(&world, &PERSON).await;
        store.rescue(beat_of(first), &known).await.unwrap();
        let second = world.take(&known, 2).await;
        let job = id("a started job");
        assert!(!store.cancel_by(job, &operator()).await.unwrap().done, "it is under way");
        store.rescue(beat_of(second), &known).await.unwrap();
        assert_eq!(store.cancel(job, "withdrawn").await.unwrap(), Cancelled::TooLate);
        assert!(store.cancel_by(job, &operator()).await.unwrap().done);
        let job = world.only_job().await;
        assert_eq!((&job["state"], &job["code"]), (&json!("cancelled"), &json!("withdrawn")));
        world.strike().await;
    });
}

#[test]
fn a_command_whose_questions_kill_is_asked_about_more_and_more_seldom_and_ends_unknown() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        let known = HashMap::from([(LABEL.name, &LABEL)]);
        let Reconcile::Ask { every } = LABEL.reconcile else { panic!("nobody can be asked") };
        let every = i64::try_from(every.as_millis()).unwrap();
        let mut worker = started(&world, &LABEL).await;
        for deaths in 1..10 {
            let told = i16::try_from(deaths).unwrap();
            let suspects = (deaths > 1).then_some((id("a started job"), told));
            let found = store.rescue(beat_of(worker), &known).await.unwrap().unwrap();
            assert_eq!(counted(found), rescued("in_doubt", suspects.into_iter().collect()));
            let job = world.only_job().await;
            assert_eq!((&job["state"], &job["deaths"]), (&json!("in_doubt"), &json!(deaths)));
            let pause = u32::try_from(deaths).ok().filter(|n| *n > 1).map(pause_ms);
            let (least, most) = pause.map_or((0, 0), RangeInclusive::into_inner);
            let ms = job["ms"].as_i64().unwrap();
            assert!((least.max(every - 500)..=most.max(every)).contains(&ms), "{deaths}: {job}");
            worker = world.take(&known, deaths).await;
            assert_eq!(world.only_job().await["phase"], "ask", "it is never sent again");
        }
        let found = store.rescue(beat_of(worker), &known).await.unwrap().unwrap();
        assert_eq!(counted(found), rescued("failed", vec![(id("a started job"), 10)]));
        let job = world.only_job().await;
        assert_eq!((&job["state"], &job["code"]), (&json!("failed"), &json!("outcome_unknown")));
        world.strike().await;
    });
}

#[test]
fn an_attempt_that_came_to_its_end_and_a_worker_that_stopped_count_no_death() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        let known = HashMap::from([(PERSON.name, &PERSON)]);
        let worker = started(&world, &PERSON).await;
        store.remove_worker(worker).await.unwrap();
        let found = store.rescue_orphans(&known).await.unwrap();
        assert_eq!(counted(found), rescued("returned", vec![]));
        assert_eq!(world.only_job().await["deaths"], 0, "it stopped in good order");
        let worker = world.take(&known, 1).await;
        store.rescue(beat_of(worker), &known).await.unwrap();
        assert_eq!(world.only_job().await["deaths"], 1);
        world.take(&known, 2).await;
        let run = world.row("SELECT seq, run FROM hub.job_live").await;
        let guard = Guard::Run(i32::try_from(run["run"].as_i64().unwrap()).unwrap());
        let seq = run["seq"].as_i64().unwrap();
        let attempt = AttemptRow {
            run: 5,
            phase: Phase::Send,
            class: Some(Class::Unreachable),
            code: None,
            remote_code: None,
            http_status: None,
            duration_ms: 1,
            ended: Instant::now(),
            exchange: None,
        };
        let failed = Change {
            delay_ms: Some(1),
            attempt: Some(attempt),
            ..Change::to(State::Waiting, seq, &PERSON, guard)
        };
        assert!(store.record(&[failed]).await.unwrap()[0].is_some());
        assert_eq!(world.only_job().await["deaths"], 0, "its worker lived to tell");
        world.strike().await;
    });
}

#[test]
fn a_probe_dies_with_its_worker_and_the_next_one_is_made_at_once() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        let known = HashMap::from([(PERSON.name, &PERSON)]);
        let worker = started(&world, &PERSON).await;
        store.remove_worker(worker).await.unwrap();
        store.rescue_orphans(&known).await.unwrap();
        store.ensure_destinations(&["gbdfl"], &[false]).await.unwrap();
        world
            .execute(
                "UPDATE hub.destination
                    SET breaker = 'open', breaker_next_at = statement_timestamp()",
            )
            .await;
        let long = Duration::from_secs(60);
        for (n, worker) in [id("a probing worker"), id("the next one")].into_iter().enumerate() {
            store.register_worker(worker, "test", None).await.unwrap();
            let taken = store.take_probe(worker, "gbdfl", &[], long).await.unwrap();
            assert!(taken.is_some(), "probe {n}");
            let due = world
                .row("SELECT breaker_next_at > now() + interval '50 s' AS far FROM hub.destination")
                .await;
            assert_eq!(due["far"], true, "nobody else may probe meanwhile");
            store.rescue(beat_of(worker), &known).await.unwrap();
            let due =
                world.row("SELECT breaker_next_at <= now() AS due FROM hub.destination").await;
            assert_eq!(due["due"], true, "its probe is lost");
        }
        world.strike().await;
    });
}

#[test]
fn stored_queries_and_commands_make_the_probes_of_an_outage_in_turns() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let worker = tracker(&world).await;
        for _ in 0..2 {
            stored(&world, LABEL.name, 0, 1).await;
        }
        let made = probes(&world, worker, 1..=16).await;
        let [query, first, second] = [made[0], made[3], made[7]];
        assert!(query < first && first < second, "{made:?}");
        let expected = (1..=16).map(|trips| match trips {
            4 | 12 => first,
            8 | 16 => second,
            _ => query,
        });
        assert_eq!(made, expected.collect::<Vec<_>>());
        world.strike().await;
    });
}

#[test]
fn bulk_keeps_no_urgent_job_and_many_queries_keep_no_command_from_its_turn() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let worker = tracker(&world).await;
        stored(&world, TRACK.name, 1, 10_500).await;
        stored(&world, LABEL.name, 1, 1).await;
        let order = world.rows("SELECT seq FROM hub.job_live ORDER BY seq").await;
        let order: Vec<i64> = order.iter().map(|row| row["seq"].as_i64().unwrap()).collect();
        let [urgent, first, second, third, ..] = order[..] else { panic!("{order:?}") };
        let last = *order.last().unwrap();
        assert_eq!(probes(&world, worker, [1, 2, 3]).await, [urgent, first, urgent]);
        stored(&world, TRACK.name, 0, 1).await;
        assert_eq!(probes(&world, worker, [2]).await, [second], "not who came later");
        // It is behind more questions than one probe reads.
        assert_eq!(probes(&world, worker, [8, 8]).await, [third, last]);

        let turns = "SELECT breaker_turns <> '{}' AS taken, breaker_probe FROM hub.destination";
        let during = world.row(turns).await;
        assert_eq!((&during["taken"], &during["breaker_probe"]), (&json!(true), &json!(last)));
        assert!(world.stage.store.reset("kazpost", &operator()).await.unwrap().done);
        let after = world.row(turns).await;
        assert_eq!((&after["taken"], &after["breaker_probe"]), (&json!(false), &json!(null)));
        world.strike().await;
    });
}

/// One stored job that tracks, and a worker that has nothing to do.
async fn tracker(world: &World) -> Uuid {
    let store = &world.stage.store;
    let known = HashMap::from([(TRACK.name, &TRACK)]);
    let worker = started(world, &TRACK).await;
    store.remove_worker(worker).await.unwrap();
    store.rescue_orphans(&known).await.unwrap();
    store.ensure_destinations(&["kazpost"], &[false]).await.unwrap();
    store.register_worker(worker, "test", None).await.unwrap();
    worker
}

fn operator() -> Act {
    Act { actor: "tester".to_owned(), reason: "it is over".to_owned(), dry_run: false }
}

/// Stores copies of the one job that tracks.
async fn stored(world: &World, operation: &str, priority: i16, count: usize) {
    world
        .execute(&format!(
            "INSERT INTO hub.job SELECT (jsonb_populate_record(j, jsonb_build_object('seq',
               nextval('hub.job_seq'), 'id', gen_random_uuid(), 'operation', '{operation}',
               'priority', {priority}))).*
               FROM hub.job_live j, generate_series(1, {count})
              WHERE j.seq = (SELECT min(seq) FROM hub.job_live)"
        ))
        .await;
}

/// The jobs of probes after so many failed ones.
async fn probes(world: &World, worker: Uuid, after: impl IntoIterator<Item = i32>) -> Vec<i64> {
    let mut made = Vec::new();
    for trips in after {
        world
            .execute("UPDATE hub.job_live SET state = 'accepted', owner = NULL WHERE state <> 'accepted'")
            .await;
        world
            .execute(&format!(
                "UPDATE hub.destination SET breaker = 'open', breaker_trips = {trips},
                   breaker_next_at = statement_timestamp()"
            ))
            .await;
        let long = Duration::from_secs(60);
        let probe = world.stage.store.take_probe(worker, "kazpost", &[LABEL.name], long).await;
        made.push(probe.unwrap().unwrap().1.seq);
    }
    made
}
