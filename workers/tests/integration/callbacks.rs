//! Events delivered by HTTP, to a receiver that answers as it is told.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tokio::sync::OnceCell;
use workers::{
    callback::Secret,
    store::{
        audit::Act,
        callback::{HOST_IN_FLIGHT_MAX, SEEN_MAX},
    },
};

use crate::{
    servers::run,
    world::{QUICK, Scene, World, id, person, until},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One delivery as it came.
#[derive(Debug, Clone)]
struct Delivery {
    path: String,
    id: String,
    event: Value,
    is_signed: bool,
    answered: u16,
}

/// A receiver that answers each path with the statuses in turn, then with 204.
#[derive(Debug, Clone, Default)]
struct Receiver {
    statuses: Arc<Mutex<HashMap<String, Vec<u16>>>>,
    came: Arc<Mutex<Vec<Delivery>>>,
}

impl Receiver {
    async fn start() -> (Self, SocketAddr) {
        let receiver = Self::default();
        let app = Router::new().route("/{path}", post(take)).with_state(receiver.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (receiver, address)
    }

    fn will_answer(&self, path: &str, statuses: &[u16]) {
        self.statuses.lock().unwrap().insert(path.to_owned(), statuses.to_vec());
    }

    fn of(&self, path: &str) -> Vec<Delivery> {
        self.came.lock().unwrap().iter().filter(|d| d.path == path).cloned().collect()
    }
}

async fn take(
    State(receiver): State<Receiver>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let expected = Secret::read(SECRET).unwrap().sign(&id, &timestamp, &body);
    let mut statuses = receiver.statuses.lock().unwrap();
    let answered = match statuses.get_mut(&path) {
        Some(turns) if !turns.is_empty() => turns.remove(0),
        _ => 204,
    };
    receiver.came.lock().unwrap().push(Delivery {
        path,
        id,
        event: serde_json::from_slice(&body).unwrap(),
        is_signed: header("webhook-signature") == expected,
        answered,
    });
    StatusCode::from_u16(answered).unwrap()
}

/// A world whose jobs may call back to the receiver.
async fn called() -> &'static (World, Receiver, SocketAddr) {
    static CALLED: OnceCell<(World, Receiver, SocketAddr)> = OnceCell::const_new();
    CALLED
        .get_or_init(async || {
            let (receiver, address) = Receiver::start().await;
            let more = format!(
                "[callbacks]\nhosts = [\"127.0.0.1\"]\nsecret = \"{SECRET}\"\nallow_private = true\n"
            );
            let scene = Scene { settings: format!("{QUICK}{more}"), ..Scene::default() };
            (World::build(scene).await, receiver, address)
        })
        .await
}

fn calling(name: &str, address: SocketAddr) -> Value {
    let mut job = person(name);
    job["callback_url"] = format!("http://{address}/{}", name.replace(' ', "-")).into();
    job
}

async fn rows(world: &World, name: &str) -> Vec<Value> {
    let sql = format!(
        "SELECT c.* FROM hub.callback c JOIN hub.job_key k ON k.seq = c.job_seq
          WHERE k.id = '{}' ORDER BY c.sequence",
        id(name)
    );
    world.rows(&sql).await
}

#[test]
fn callbacks_come_signed_and_in_order_also_after_a_failure() {
    run(async {
        let (world, receiver, address) = called().await;
        receiver.will_answer("callback-order", &[500]);
        world.play(&calling("callback order", *address), &["found"]).await;
        world.ended(id("callback order")).await;
        let came = until("both events were taken", async || {
            let came = receiver.of("callback-order");
            (came.iter().filter(|d| d.answered == 204).count() == 2).then_some(came)
        })
        .await;
        let types: Vec<&str> = came.iter().map(|d| d.event["type"].as_str().unwrap()).collect();
        let accepted = "kz.aleumet.hub.job.accepted.v1";
        // The first was refused once; the second waited for it.
        assert_eq!(types, [accepted, accepted, "kz.aleumet.hub.job.succeeded.v1"]);
        assert!(came.iter().all(|d| d.is_signed), "{came:?}");
        assert_eq!(came[0].id, came[1].id, "a repetition has the same id");
        let rows = until("both deliveries are noted", async || {
            let rows = rows(world, "callback order").await;
            rows.iter().all(|row| row["state"] == "delivered").then_some(rows)
        })
        .await;
        let tries: Vec<_> = rows.iter().map(|row| (&row["state"], &row["tries"])).collect();
        assert_eq!(tries, [(&"delivered".into(), &2.into()), (&"delivered".into(), &1.into())]);
    });
}

#[test]
fn gone_stops_the_callbacks_of_a_job_until_they_are_replayed() {
    run(async {
        let (world, receiver, address) = called().await;
        receiver.will_answer("callback-gone", &[410]);
        world.play(&calling("callback gone", *address), &["found"]).await;
        world.ended(id("callback gone")).await;
        until("everything of the job has stopped", async || {
            let rows = rows(world, "callback gone").await;
            (rows.len() == 2 && rows.iter().all(|row| row["state"] == "stopped")).then_some(())
        })
        .await;
        assert_eq!(receiver.of("callback-gone").len(), 1, "nothing is sent after 410");
        let listed = world.stage.store.list_callbacks(Some(id("callback gone")), 10).await.unwrap();
        assert!(listed.iter().all(|row| row.why.as_deref() == Some("gone")), "{listed:?}");

        let job = Some(id("callback gone"));
        let (actor, reason) = ("tester".to_owned(), "mended".to_owned());
        let act = Act { actor, reason, dry_run: false };
        let opened = world.stage.store.replay_callbacks(job, None, &act).await.unwrap();
        assert_eq!(opened, 2);
        let came = until("both were delivered", async || {
            let came = receiver.of("callback-gone");
            (came.len() == 3).then_some(came)
        })
        .await;
        let sequences: Vec<_> = came.iter().map(|d| d.event["data"]["sequence"].clone()).collect();
        assert_eq!(sequences, [1, 1, 2]);
    });
}

#[test]
fn a_host_that_is_not_listed_is_not_called_and_the_job_goes_on() {
    run(async {
        let (world, ..) = called().await;
        let mut job = person("callback elsewhere");
        job["callback_url"] = "https://elsewhere.example/hook".into();
        world.play(&job, &["found"]).await;
        assert_eq!(world.ended(id("callback elsewhere")).await["state"], "succeeded");
        let stopped = until("the deliveries have stopped", async || {
            let rows = rows(world, "callback elsewhere").await;
            rows.iter().all(|row| row["state"] == "stopped").then_some(rows)
        })
        .await;
        assert!(stopped.iter().all(|row| row["why"] == "host_not_allowed"), "{stopped:?}");
    });
}

/// Deliveries of jobs that nobody asks about, to this host.
async fn deliveries(world: &World, jobs: std::ops::Range<u32>, host: SocketAddr) {
    world
        .execute(&format!(
            "INSERT INTO hub.callback (job_seq, sequence, url, host, body, created_at, due_at)
             SELECT -n, 1, 'http://{host}/crowd', '{host}',
                    convert_to('{{\"id\": \"' || n || '/1\"}}', 'UTF8'),
                    statement_timestamp(), statement_timestamp()
               FROM generate_series({}, {}) n",
            jobs.start,
            jobs.end - 1
        ))
        .await;
}

#[test]
fn a_slow_host_alone_gets_all_places_and_a_second_one_is_served_all_the_same() {
    run(async {
        let (receiver, quick) = Receiver::start().await;
        // It takes connections and never answers.
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let hanging = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                held.push(connection);
            }
        });
        let more = format!(
            "[callbacks]\nhosts = [\"127.0.0.1\"]\nsecret = \"{SECRET}\"\nallow_private = true\n"
        );
        let settings = format!("{QUICK}{more}");
        let world = World::build(Scene { hubs: 2, settings, ..Scene::default() }).await;
        deliveries(&world, 1..401, hanging).await;
        let under_way = async || {
            let sql = format!(
                "SELECT count(*) AS n FROM hub.callback WHERE host = '{hanging}'
                    AND state = 'open' AND leased_until > statement_timestamp()"
            );
            world.row(&sql).await["n"].as_i64().unwrap()
        };
        until("the host has more than its part", async || {
            (under_way().await > 2 * i64::from(HOST_IN_FLIGHT_MAX)).then_some(())
        })
        .await;
        deliveries(&world, 401..421, quick).await;
        until("the other host has all of its own", async || {
            (receiver.of("crowd").len() >= 20).then_some(())
        })
        .await;
        let untried = format!("SELECT 1 FROM hub.callback WHERE host = '{hanging}' AND tries = 0");
        let untried = world.rows(&untried).await.len();
        assert!(untried > 100, "the hanging host is not through: {untried} are left");
        world.strike().await;
    });
}

/// Takes as a process with ten free places does; jobs and sequences.
async fn taken(world: &World) -> Option<Vec<(i64, i32)>> {
    let lease = Duration::from_secs(60);
    let due = world.stage.store.take_callbacks(10, lease).await.unwrap()?;
    Some(due.iter().map(|due| (due.job_seq, due.sequence)).collect())
}

#[test]
fn thousands_that_wait_for_a_host_that_is_down_cost_a_bounded_part_of_each_turn() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let host = "down.example";
        // Of each job one delivery waits for its next try, or has stopped, and a later one is due.
        for (jobs, state, later) in [("1, 3000", "open", "1 hour"), ("3001, 6000", "stopped", "0")]
        {
            let ended = if state == "open" { "NULL::timestamptz" } else { "statement_timestamp()" };
            world
                .execute(&format!(
                    "INSERT INTO hub.callback (job_seq, sequence, url, host, body, state, why,
                       created_at, due_at, ended_at)
                     SELECT -n, s, 'https://{host}/', '{host}', 'x',
                       CASE s WHEN 1 THEN '{state}' ELSE 'open' END, CASE s WHEN 1 THEN 'gone' END,
                       statement_timestamp(), statement_timestamp()
                         + CASE s WHEN 1 THEN interval '{later}' ELSE '-1 day' END,
                       CASE s WHEN 1 THEN {ended} END
                       FROM generate_series({jobs}) n, generate_series(1, 2) s"
                ))
                .await;
        }
        let well = SocketAddr::from(([127, 0, 0, 1], 1));
        deliveries(&world, 7001..7002, well).await;
        let due = async || {
            let sql = "SELECT count(*) AS n FROM hub.callback
                        WHERE state = 'open' AND due_at <= statement_timestamp()";
            world.row(sql).await["n"].as_i64().unwrap()
        };
        assert_eq!(due().await, 6_001);
        assert_eq!(
            taken(&world).await,
            Some(vec![(-7_001, 1)]),
            "the other host waits for no turn"
        );
        assert_eq!(due().await, 6_000 - SEEN_MAX, "one turn looks at so many, and no more");
        for left in (0..6_000 - SEEN_MAX).rev().step_by(usize::try_from(SEEN_MAX).unwrap()) {
            assert_eq!(taken(&world).await, Some(Vec::new()));
            assert_eq!(due().await, left + 1 - SEEN_MAX);
        }
        let sql =
            "SELECT count(*) FILTER (WHERE c.state = 'stopped' AND c.why = 'gone') AS stopped,
                     count(*) FILTER (WHERE c.state = 'open' AND c.due_at >= e.due_at) AS waiting
                     FROM hub.callback c JOIN hub.callback e USING (job_seq)
                    WHERE c.sequence = 2 AND e.sequence = 1";
        let row = world.row(sql).await;
        assert_eq!((&row["stopped"], &row["waiting"]), (&3_000.into(), &3_000.into()));
        world.strike().await;
    });
}

#[test]
fn who_finds_another_taking_comes_again() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        deliveries(&world, 1..2, SocketAddr::from(([127, 0, 0, 1], 1))).await;
        let turn = "SELECT pg_advisory_xact_lock(hashtext('hub.take_callbacks'))";
        let other = world.hold(turn).await;
        assert_eq!(taken(&world).await, None);
        other.rollback().await.unwrap();
        assert_eq!(taken(&world).await, Some(vec![(-1, 1)]));
        world.strike().await;
    });
}

#[test]
fn an_event_written_while_the_one_before_is_noted_is_not_put_off() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let write = |sequence: i32| {
            format!(
                "INSERT INTO hub.callback (job_seq, sequence, url, host, body, created_at, due_at)
                 VALUES (-1, {sequence}, 'https://portal.example/', 'portal.example', 'x',
                   statement_timestamp(), statement_timestamp())"
            )
        };
        world.execute(&write(1)).await;
        assert_eq!(taken(&world).await, Some(vec![(-1, 1)]));
        // Its note has looked for later events, found none, and is not committed.
        let noting = world
            .hold("UPDATE hub.callback SET state = 'delivered', leased_until = NULL WHERE job_seq = -1")
            .await;
        world.execute(&write(2)).await;
        assert_eq!(taken(&world).await, Some(Vec::new()), "it waits");
        noting.commit().await.unwrap();
        assert_eq!(taken(&world).await, Some(vec![(-1, 2)]), "and not for ten minutes");
        world.strike().await;
    });
}
