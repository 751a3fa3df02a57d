//! What is slow, or comes in crowds, holds up nobody who has nothing to do with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use adapters::systems::kpsisu::CHECK;
use serde_json::json;
use tokio::net::TcpListener;
use workers::store::consent::{Verdict, Which};

use crate::{
    protection::{blocked, done},
    servers::run,
    timers::held,
    world::{Scene, World, check, id, person, until},
};

/// Checks that failed once and wait for another attempt, with numbers past those that the hub gives
/// here.
async fn failed_before(world: &World, count: usize) {
    world
        .execute(&format!(
            "INSERT INTO hub.job_live (seq, id, system, operation, subject, requested_by, priority,
               input, requested_at, admitted_at, at_risk_at, deadline_at, give_up_at, state, sla,
               run, attempts, events, event, code, summary)
             SELECT 1000000 + n, gen_random_uuid(), 'kpsisu', 'kpsisu.check', 'specialist:' || n,
               'organisation:990140000007', 1, '{{\"iin\": \"850100300012\"}}', c.now, c.now,
               c.now + interval '4 days', c.now + interval '5 days', c.now + interval '20 days',
               'waiting', 'on_time', 1, 1, 1, 'accepted', 'server_error',
               '{{\"code\": \"server_error\", \"class\": \"unreachable\"}}'
               FROM generate_series(1, {count}) n CROSS JOIN (SELECT hub.now() AS now) c"
        ))
        .await;
}

#[test]
fn ending_thousands_of_retries_keeps_no_job_of_another_system_waiting() {
    const RETRIES: usize = 3_000;
    run(async {
        let world = World::build(Scene::default()).await;
        done(&world, &["pause", "gbdfl", "--reason", "so that a job is stored"]).await;
        blocked(&world, "gbdfl", "pause", true).await;
        world.send(&person("stored beside a storm")).await;
        world.in_state(id("stored beside a storm"), "accepted").await;
        failed_before(&world, RETRIES).await;
        // Whoever ends one of them writes the portal's row of it, and waits here.
        let slow = world.hold("LOCK TABLE portal.specialist_check IN EXCLUSIVE MODE").await;
        done(&world, &["retries", "disable", "kpsisu.check", "--reason", "a storm"]).await;
        let waits = "SELECT pid, query_start FROM pg_stat_activity
                      WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let batch = until("a batch waits", async || world.rows(waits).await.pop()).await;
        let resume = "UPDATE hub.destination SET paused_at = NULL, paused_by = NULL,
                        paused_reason = NULL, paused_until = NULL WHERE system = 'gbdfl'";
        world.execute(resume).await;
        world.in_state(id("stored beside a storm"), "succeeded").await;
        assert!(world.rows(waits).await.contains(&batch), "the job was kept waiting for the batch");
        drop(slow);
        let open = "SELECT 1 FROM hub.job_live WHERE operation = 'kpsisu.check' LIMIT 1";
        until("all have ended", async || world.rows(open).await.is_empty().then_some(())).await;
        let ended = "SELECT DISTINCT state, code FROM hub.job WHERE operation = 'kpsisu.check'";
        let ended = world.row(ended).await;
        assert_eq!(ended, json!({"state": "failed", "code": "retries_disabled"}));
        world.strike().await;
    });
}

/// Persons that are asked for when their system is called again.
async fn stored(world: &World, count: usize) {
    world
        .execute(&format!(
            "INSERT INTO hub.job_live (seq, id, system, operation, subject, requested_by, priority,
               input, requested_at, admitted_at, at_risk_at, deadline_at, give_up_at, state, sla,
               events, event)
             SELECT 2000000 + n, gen_random_uuid(), 'gbdfl', 'gbdfl.person', 'person:' || n,
               'organisation:990140000007', 1, '{{\"iin\": \"850100300012\"}}', c.now, c.now,
               c.now + interval '1 day', c.now + interval '2 days', c.now + interval '9 days',
               'accepted', 'on_time', 1, 'accepted'
               FROM generate_series(1, {count}) n CROSS JOIN (SELECT hub.now() AS now) c"
        ))
        .await;
}

/// Scans of the index by which stored jobs are claimed and counted, and rows that they read.
async fn scans(world: &World) -> (f64, f64) {
    let row = "SELECT idx_scan, idx_tup_read FROM pg_stat_user_indexes
                WHERE indexrelname = 'job_live_claim'";
    let row = world.row(row).await;
    (row["idx_scan"].as_f64().unwrap(), row["idx_tup_read"].as_f64().unwrap())
}

#[test]
fn promises_that_move_make_nobody_claim_or_count_stored_jobs() {
    const PROMISES: usize = 1_000;
    const STORED: usize = 3_000;
    run(async {
        let world = World::build(Scene::default()).await;
        done(&world, &["pause", "gbdfl", "--reason", "so that jobs are stored"]).await;
        stored(&world, STORED).await;
        let systems = world.rows("SELECT 1 FROM hub.destination").await.len();
        let (began, (scans_before, rows_before)) = (Instant::now(), scans(&world).await);
        held(&world, PROMISES, 1_000, 10).await;
        let warned = "SELECT 1 FROM hub.job_live WHERE sla = 'at_risk'";
        until("all have been warned of", async || {
            (world.rows(warned).await.len() == PROMISES).then_some(())
        })
        .await;
        let (scans_after, rows_after) = scans(&world).await;
        let (scans, rows) = (scans_after - scans_before, rows_after - rows_before);
        // A look a second, and a little; a count every five seconds. A firing comes every 0.1 s.
        let seconds = began.elapsed().as_secs_f64() + 3.0;
        let scans_max = 2.0 * seconds * f64::from(u32::try_from(systems).unwrap());
        assert!(scans < scans_max, "{scans} scans in {seconds:.1} s, of {systems} systems");
        let rows_max = (seconds / 5.0 + 2.0) * f64::from(u32::try_from(STORED).unwrap());
        assert!(rows < rows_max, "{rows} rows read in {seconds:.1} s, {STORED} are stored");
        assert!(scans > 0.0, "the hub looks");
        world.strike().await;
    });
}

/// A gateway that takes calls and never answers: how many it has taken, and how many of them were given
/// up.
struct Silent {
    url: &'static str,
    taken: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
}

impl Silent {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).leak();
        let silent = Self { url, taken: Arc::default(), gone: Arc::default() };
        let (taken, gone) = (silent.taken.clone(), silent.gone.clone());
        tokio::spawn(async move {
            while let Ok((mut call, _)) = listener.accept().await {
                taken.fetch_add(1, Ordering::Relaxed);
                let gone = gone.clone();
                tokio::spawn(async move {
                    // Reads to the end, which is when the caller hangs up.
                    let read = tokio::io::copy(&mut call, &mut tokio::io::sink()).await;
                    gone.fetch_add(1, Ordering::Relaxed);
                    drop(read);
                });
            }
        });
        silent
    }
}

#[test]
fn starts_put_off_are_counted_by_jobs_and_not_by_the_traffic_of_other_systems() {
    const STORED: usize = 3;
    run(async {
        let environment = vec![("HUB_SYSTEMS__GBDFL__URL", Silent::open().await.url)];
        let settings = "in_flight_max = 1\n[operations.gbdfl.person]\nat_risk_s = 3600\n\
                        deadline_s = 7200\ncall_timeout_ms = 120000\n";
        let settings = settings.to_owned();
        let world = World::build(Scene { settings, environment, ..Scene::default() }).await;
        world.send(&person("holds the permit")).await;
        world.in_state(id("holds the permit"), "calling").await;
        for n in 0..STORED {
            world.send(&person(&format!("waits for it {n}"))).await;
        }
        let waiting = "SELECT 1 FROM hub.job_live WHERE system = 'gbdfl' AND state = 'accepted'";
        until("they are stored", async || {
            (world.rows(waiting).await.len() == STORED).then_some(())
        })
        .await;
        for n in 0..20 {
            let name = format!("traffic {n}");
            world.send(&check(&name)).await;
            world.in_state(id(&name), "pending").await;
        }
        let labels = [("system", "gbdfl"), ("reason", "in_flight")];
        let put_off = world.metric(0, "hub_starts_put_off_total", &labels).await;
        let most = f64::from(u32::try_from(STORED).unwrap());
        assert!((1.0..=most).contains(&put_off), "{put_off} starts of {most} jobs were put off");
        world.strike().await;
    });
}

/// Checks that wait for their consent, each for a verification of its own.
async fn unconsented(world: &World, count: usize) {
    world
        .execute(&format!(
            "INSERT INTO hub.job_live (seq, id, system, operation, subject, requested_by, priority,
               input, requested_at, admitted_at, at_risk_at, deadline_at, give_up_at, state, sla,
               events, event, phase, verify_job)
             SELECT 1000000 + n, gen_random_uuid(), 'kpsisu', 'kpsisu.check', 'specialist:' || n,
               'organisation:990140000007', 1, '{{\"iin\": \"850100300012\"}}', c.now, c.now,
               c.now + interval '4 days', c.now + interval '5 days', c.now + interval '20 days',
               'waiting', 'on_time', 1, 'accepted', 'consent', gen_random_uuid()
               FROM generate_series(1, {count}) n CROSS JOIN (SELECT hub.now() AS now) c"
        ))
        .await;
}

#[test]
fn a_check_is_found_among_thousands_that_wait_for_their_consent_without_reading_them() {
    const CHECKS: usize = 4_000;
    const LOOKS: usize = 12;
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        let look = async |which: Which| {
            let (life, decide) = (Duration::from_mins(5), |_: &_| Verdict::Waits);
            store.settle_consents(&which, life, &[&CHECK], decide).await.unwrap();
        };
        // The statement is planned while nothing waits.
        for _ in 0..LOOKS {
            look(Which { checks: vec![1], verifications: vec![id("nobody")] }).await;
        }
        unconsented(&world, CHECKS).await;
        let read = "SELECT sum(idx_scan)::int AS scans, sum(idx_tup_read)::int AS rows
                      FROM pg_stat_user_indexes WHERE relname = 'job_live'";
        let before = world.row(read).await;
        let known = "SELECT seq, verify_job FROM hub.job_live ORDER BY seq LIMIT 12";
        for row in world.rows(known).await {
            let verification = row["verify_job"].as_str().unwrap().parse().unwrap();
            look(Which { verifications: vec![verification], ..Which::default() }).await;
            look(Which { checks: vec![row["seq"].as_i64().unwrap()], ..Which::default() }).await;
        }
        let since = |row: &serde_json::Value, what: &str| {
            row[what].as_i64().unwrap() - before[what].as_i64().unwrap()
        };
        let looks = i64::try_from(2 * LOOKS).unwrap();
        let after = until("the server has counted the looks", async || {
            let now = world.row(read).await;
            (since(&now, "scans") >= looks).then_some(now)
        })
        .await;
        let rows = since(&after, "rows");
        assert!(rows < 20 * looks, "{rows} rows were read in {looks} looks, {CHECKS} wait");
        world.strike().await;
    });
}

#[test]
fn a_gateway_that_keeps_its_messages_to_itself_at_the_start_keeps_no_new_job_waiting() {
    run(async {
        let gateway = Silent::open().await;
        let environment = vec![
            ("HUB_SYSTEMS__KPSISU__URL", gateway.url),
            ("HUB_SYSTEMS__KPSISU__READ_TIMEOUT_MS", "60000"),
        ];
        let mut world = World::build(Scene { environment, ..Scene::default() }).await;
        world.stage.kill_hub(0).await;
        held(&world, 3, 3_600_000, 0).await;
        let due = "UPDATE hub.destination SET next_pull_at = hub.now() - interval '1 minute'";
        world.execute(due).await;
        world.stage.start_hub(0).unwrap();
        world.stage.ready(0).await.unwrap();
        // It consumes, and has not waited until it gave the gateway up.
        assert_eq!(gateway.gone.load(Ordering::Relaxed), 0, "the start waited for the gateway");
        until("the gateway was asked", async || {
            (gateway.taken.load(Ordering::Relaxed) > 0).then_some(())
        })
        .await;
        world.send(&person("new while they are silent")).await;
        assert_eq!(world.ended(id("new while they are silent")).await["state"], "succeeded");
        world.strike().await;
    });
}
