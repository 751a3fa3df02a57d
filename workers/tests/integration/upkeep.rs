//! What happens around the jobs: months without a partition, and operations that another build knows.

use adapters::systems::kpsisu::CHECK;
use serde_json::json;
use workers::{
    config::Retention,
    seal::Sealed,
    store::{
        Kind,
        admission::{Admitted, Quarantined},
        maintenance::Maintained,
    },
};

use crate::{
    deaths::{entry, started},
    ops::hub,
    servers::run,
    world::{Scene, World, id, person, until},
};

/// A world without hubs, so that nobody else maintains, with the months of now.
async fn quiet() -> World {
    let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
    world.stage.store.maintain(&KEPT).await.unwrap();
    world
}

const KEPT: Retention = Retention {
    jobs_months: 12,
    attempts_months: 6,
    exchanges_days: 30,
    inbound_months: 12,
    quarantine_months: 12,
    audit_months: 60,
    job_keys_months: 24,
};

impl World {
    /// Jumps so many days ahead and maintains.
    async fn after_days(&self, days: i64) -> Maintained {
        let now = self.stage.store.business_now().await.unwrap();
        let to = now.checked_add(jiff::SignedDuration::from_hours(days * 24)).unwrap();
        self.stage.store.jump_to(to).await.unwrap();
        self.stage.store.maintain(&KEPT).await.unwrap()
    }

    async fn months_of(&self, table: &str) -> usize {
        let months = format!("SELECT 1 FROM hub.month WHERE base = '{table}' AND NOT detached");
        self.rows(&months).await.len()
    }

    /// Jobs that ended now, with a key and an attempt each.
    async fn end_jobs(&self, count: usize) {
        self.execute(&format!(
            "WITH n AS (SELECT nextval('hub.job_seq') AS seq FROM generate_series(1, {count})),
             k AS (INSERT INTO hub.job_key SELECT gen_random_uuid(), seq, sha256('x') FROM n
                   RETURNING id, seq),
             a AS (INSERT INTO hub.attempt (job_seq, run, started_at, answered_at, recorded_at)
                   SELECT seq, 1, hub.now(), hub.now(), hub.now() FROM n),
             c AS (INSERT INTO hub.correlation SELECT 'kpsisu', seq::text, seq, 'm', hub.now() FROM n)
             INSERT INTO hub.job (seq, id, system, operation, priority, requested_at, admitted_at,
               at_risk_at, deadline_at, give_up_at, state, sla, ended_at, ended_on)
             SELECT seq, id, 'gbdfl', 'gbdfl.person', 1, hub.now(), hub.now(), hub.now(), hub.now(),
               hub.now(), 'succeeded', 'on_time', hub.now(), (hub.now() AT TIME ZONE 'UTC')::date
               FROM k"
        ))
        .await;
    }
}

#[test]
fn rows_of_a_month_without_a_partition_move_there_when_it_is_made() {
    run(async {
        let world = quiet().await;
        let store = &world.stage.store;
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
        store.maintain(&KEPT).await.unwrap();
        assert_eq!(world.rows("SELECT 1 FROM hub.attempt_other").await.len(), 0);
        assert_eq!(world.rows("SELECT 1 FROM hub.attempt").await.len(), 1);
        until("again without a fault", async || store.maintain(&KEPT).await.ok()).await;
        world.strike().await;
    });
}

#[test]
fn months_of_raw_exchanges_are_dropped_when_their_last_day_is_thirty_days_old() {
    run(async {
        let world = quiet().await;
        let exchanges = |done: Maintained| {
            done.dropped.into_iter().filter(|(table, _)| table == "exchange").count()
        };
        assert_eq!(exchanges(world.after_days(29).await), 0, "no month is that old");
        assert!(exchanges(world.after_days(34).await) > 0, "the first month is");
        world.strike().await;
    });
}

#[test]
fn a_month_is_dropped_when_its_retention_is_over_and_not_before() {
    run(async {
        let world = quiet().await;
        world.end_jobs(3).await;
        let attempts = async || world.rows("SELECT 1 FROM hub.attempt").await.len();
        let jobs = async || world.rows("SELECT 1 FROM hub.job").await.len();
        world.after_days(31).await;
        world.after_days(119).await;
        assert_eq!((attempts().await, jobs().await), (3, 3), "five months are less than six");
        let done = world.after_days(70).await;
        assert_eq!((attempts().await, jobs().await), (0, 3), "{done:?}");
        world.after_days(100).await;
        assert_eq!(jobs().await, 3, "eleven months are less than twelve");
        world.after_days(90).await;
        assert_eq!(jobs().await, 0);
        assert_eq!(world.rows("SELECT 1 FROM hub.job_key").await.len(), 3, "ids are still known");
        world.after_days(200).await;
        assert_eq!(world.rows("SELECT 1 FROM hub.job_key").await.len(), 3, "for two years");
        world.after_days(200).await;
        assert_eq!(world.rows("SELECT 1 FROM hub.job_key").await.len(), 0);
        assert_eq!(world.rows("SELECT 1 FROM hub.correlation").await.len(), 0);
        world.strike().await;
    });
}

#[test]
fn a_job_that_lives_keeps_the_attempts_of_its_time_and_its_id() {
    run(async {
        let world = quiet().await;
        started(&world, &CHECK).await;
        world.end_jobs(1).await;
        world.after_days(31).await;
        let done = world.after_days(800).await;
        assert!(done.held.iter().any(|(table, ..)| table == "attempt"), "{done:?}");
        assert_eq!(world.rows("SELECT 1 FROM hub.attempt").await.len(), 1);
        assert_eq!(world.rows("SELECT 1 FROM hub.job_key").await.len(), 2);
        world.execute("DELETE FROM hub.job_live").await;
        world.after_days(1).await;
        assert_eq!(world.rows("SELECT 1 FROM hub.attempt").await.len(), 0);
        assert_eq!(world.rows("SELECT 1 FROM hub.job_key").await.len(), 0);
        world.strike().await;
    });
}

#[test]
fn what_a_killed_process_left_detached_is_dropped_by_the_next() {
    run(async {
        let world = quiet().await;
        world.end_jobs(2).await;
        let first = "SELECT min(month)::text AS month FROM hub.month WHERE base = 'attempt'";
        let month = world.row(first).await["month"].as_str().unwrap().to_owned();
        let now = world.stage.store.business_now().await.unwrap();
        let later = now.checked_add(jiff::SignedDuration::from_hours(70 * 24)).unwrap();
        world.stage.store.jump_to(later).await.unwrap();
        let step = format!("SELECT hub.drop_month('attempt', '{month}') AS step");
        assert_eq!(world.row(&step).await["step"], "detached");
        // Killed here: its rows are not seen any more, its table is.
        let left = "SELECT name FROM hub.month WHERE detached";
        assert!(world.row(left).await["name"].as_str().unwrap().starts_with("gone_attempt_"));
        assert_eq!(world.rows("SELECT 1 FROM hub.attempt").await.len(), 0);
        let done = world.stage.store.maintain(&KEPT).await.unwrap();
        assert!(done.dropped.contains(&("attempt".to_owned(), month)), "{done:?}");
        assert!(world.rows(left).await.is_empty());
        world.strike().await;
    });
}

#[test]
fn a_row_that_meets_the_making_of_its_month_is_no_bad_row() {
    run(async {
        let world = quiet().await;
        let store = &world.stage.store;
        let now = store.business_now().await.unwrap();
        let later = now.checked_add(jiff::SignedDuration::from_hours(200 * 24)).unwrap();
        store.jump_to(later).await.unwrap();
        let bad = [Quarantined {
            queue: "hub.jobs.kpsisu".to_owned(),
            routing_key: "kpsisu.check".to_owned(),
            content_type: None,
            code: contracts::code!("not_json"),
            text: "of a month to come".to_owned(),
            job_id: None,
            operation: None,
            size: 1,
            trace: None,
            sealed: Sealed { key_id: "k".to_owned(), bytes: vec![0] },
        }];
        let mut making = store.begin().await.unwrap();
        let month = "SELECT hub.ensure_month((hub.now() AT TIME ZONE 'UTC')::date)";
        sqlx::query(month).execute(&mut *making).await.unwrap();
        let keeping = tokio::spawn({
            let (store, bad) = (store.clone(), bad.clone());
            async move { store.admit(id("a worker"), &[], &bad).await.map(|_| ()) }
        });
        let waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND database =
                       (SELECT oid FROM pg_database WHERE datname = current_database())";
        until("the row waits for its month", async || world.rows(waits).await.pop()).await;
        making.commit().await.unwrap();
        let error = keeping.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{error}");
        store.admit(id("a worker"), &[], &bad).await.unwrap();
        let kept =
            "SELECT code FROM hub.quarantine WHERE received_at >= hub.now() - interval '1 day'";
        assert_eq!(world.row(kept).await["code"], "not_json");
        world.strike().await;
    });
}

#[test]
fn a_month_that_somebody_reads_is_dropped_later_and_holds_nobody_up() {
    run(async {
        let world = quiet().await;
        world.end_jobs(1).await;
        let store = &world.stage.store;
        let mut reader = store.begin().await.unwrap();
        sqlx::query("SELECT * FROM hub.attempt").execute(&mut *reader).await.unwrap();
        let now = store.business_now().await.unwrap();
        let later = now.checked_add(jiff::SignedDuration::from_hours(250 * 24)).unwrap();
        store.jump_to(later).await.unwrap();
        let step = "SELECT hub.drop_month('attempt', (SELECT min(month) FROM hub.month
                     WHERE base = 'attempt')) AS step";
        assert_eq!(world.row(step).await["step"], "busy");
        reader.rollback().await.unwrap();
        assert!(world.months_of("attempt").await > 0);
        world.after_days(0).await;
        assert_eq!(world.rows("SELECT 1 FROM hub.attempt").await.len(), 0);
        world.strike().await;
    });
}

#[test]
fn a_month_whose_table_somebody_reads_is_made_later_and_holds_nobody_up() {
    run(async {
        let world = quiet().await;
        let store = &world.stage.store;
        let worker = started(&world, &CHECK).await;
        let now = store.business_now().await.unwrap();
        let later = now.checked_add(jiff::SignedDuration::from_hours(100 * 24)).unwrap();
        store.jump_to(later).await.unwrap();
        // As an export does, for as long as it takes.
        let reading = "LOCK TABLE hub.job_ended_other IN ACCESS SHARE MODE";
        let reader = world.hold(reading).await;
        let again = [entry(&world, &CHECK).await];
        let (made, known) = tokio::join!(store.make_months(), store.admit(worker, &again, &[]));
        let busy = made.unwrap();
        assert!(!busy.is_empty() && busy.iter().all(|(table, _)| table == "job"), "{busy:?}");
        let known = known.unwrap();
        assert!(matches!(known[..], [Admitted::Known]), "{known:?}");
        drop(reader);
        until("it is made later", async || {
            store.make_months().await.unwrap().is_empty().then_some(())
        })
        .await;
        let months = world.months_of("job").await;
        assert_eq!(months, world.months_of("attempt").await);
        let reader = world.hold(reading).await;
        assert!(store.make_months().await.unwrap().is_empty(), "nothing is left to make");
        drop(reader);
        world.strike().await;
    });
}

#[test]
fn a_month_of_audit_that_cannot_be_made_is_told_and_keeps_no_old_month_of_jobs() {
    run(async {
        let world = World::build(Scene::default()).await;
        world.end_jobs(1).await;
        let reader = world.hold("LOCK TABLE hub.audit_other IN ACCESS SHARE MODE").await;
        let store = &world.stage.store;
        let now = store.business_now().await.unwrap();
        let later = now.checked_add(jiff::SignedDuration::from_hours(430 * 24)).unwrap();
        store.jump_to(later).await.unwrap();
        until("the old month has gone", async || {
            world.rows("SELECT 1 FROM hub.job").await.is_empty().then_some(())
        })
        .await;
        let month = "SELECT to_char(hub.now() AT TIME ZONE 'UTC', 'YYYYMM') AS month";
        let month = world.row(month).await["month"].as_str().unwrap().to_owned();
        let doctor = hub(&world, &["doctor", "--json"]).await.json().to_string();
        assert!(doctor.contains(&format!("audit_{month}")), "{doctor}");
        assert!(!doctor.contains(&format!("job_{month}")), "{doctor}");
        drop(reader);
        world.strike().await;
    });
}

#[test]
fn an_id_whose_key_is_kept_is_still_answered_after_its_job_has_gone() {
    run(async {
        let world = World::build(Scene::default()).await;
        let job = person("remembered");
        let id = world.send(&job).await;
        world.events.wait_for(id, "succeeded").await;
        let now = world.stage.store.business_now().await.unwrap();
        // Default retention: a year for jobs, two for ids.
        let later = now.checked_add(jiff::SignedDuration::from_hours(410 * 24)).unwrap();
        world.stage.store.jump_to(later).await.unwrap();
        until("the job has gone", async || world.job(id).await.is_none().then_some(())).await;
        world.send(&job).await;
        let answer = world.events.wait_for(id, "rejected").await;
        assert_eq!(answer["data"]["summary"]["code"], "history_gone");
        assert_eq!(answer["data"]["sequence"], 0);
        assert!(world.job(id).await.is_none(), "nothing is done again");
        world.strike().await;
    });
}

#[test]
fn a_look_that_is_owed_does_not_outlive_its_job() {
    run(async {
        let world = quiet().await;
        let store = &world.stage.store;
        started(&world, &CHECK).await;
        world.end_jobs(1).await;
        // As a worker of the version before leaves it: it ends the job and pays nothing.
        world.execute("INSERT INTO hub.look_owed SELECT seq FROM hub.job").await;
        assert_eq!(world.rows("SELECT 1 FROM hub.look_owed").await.len(), 2);
        store.maintain(&KEPT).await.unwrap();
        let owed = "SELECT k.id FROM hub.look_owed o JOIN hub.job_key k ON k.seq = o.job_seq";
        assert_eq!(world.row(owed).await["id"], json!(id("a started job")), "the live one");
        world.strike().await;
    });
}
