//! A system that tells when to come again is left alone until then, by all hubs.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::{StatusCode, header::RETRY_AFTER};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use workers::store::cancel::Cancelled;

use crate::{
    servers::run,
    world::{Scene, World, id, person, until},
};

const TOLD: Duration = Duration::from_secs(8);
const CROWD: usize = 96;
/// One; more only where the answers come in over many seconds.
const MOVES_MAX: i64 = 16;

/// A gateway that has no time for anybody, and the moments at which it was asked.
struct Busy {
    url: &'static str,
    asked: Arc<Mutex<Vec<Instant>>>,
    server: JoinHandle<()>,
}

impl Busy {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).leak();
        let asked = Arc::<Mutex<Vec<Instant>>>::default();
        let moments = Arc::clone(&asked);
        let router = axum::Router::new().fallback(async move || {
            moments.lock().unwrap().push(Instant::now());
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, TOLD.as_secs().to_string())])
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, asked, server }
    }

    fn asked(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().clone()
    }
}

/// A gateway that answers everybody alike, as soon as so many wait for it.
async fn crowd(size: usize, status: StatusCode) -> (&'static str, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).leak();
    let (arrived, all) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
    let router = axum::Router::new().fallback(async move || {
        if arrived.fetch_add(1, Ordering::Relaxed) + 1 == size {
            all.add_permits(Semaphore::MAX_PERMITS);
        }
        drop(all.acquire().await.unwrap());
        (status, [(RETRY_AFTER, "60")])
    });
    (url, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

/// A crowd of calls that are answered alike, and how often that moved this end of a hold.
async fn moves_of(column: &str, status: StatusCode) -> i64 {
    let (url, server) = crowd(CROWD, status).await;
    let settings = format!(
        "in_flight_max = {CROWD}\n[operations.gbdfl.person]\n\
         at_risk_s = 3600\ndeadline_s = 7200\ncall_timeout_ms = 60000\n"
    );
    let environment = vec![("HUB_SYSTEMS__GBDFL__URL", url)];
    let world = World::build(Scene { settings, environment, ..Scene::default() }).await;
    world
        .execute(&format!(
            "CREATE SEQUENCE public.moves START 0 MINVALUE 0;
             CREATE FUNCTION public.note_move() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
               AS $$ BEGIN PERFORM nextval('public.moves'); RETURN NULL; END $$;
             CREATE TRIGGER moved AFTER UPDATE OF {column} ON hub.destination
               FOR EACH ROW EXECUTE FUNCTION public.note_move();
             SELECT nextval('public.moves')"
        ))
        .await;
    for n in 0..CROWD {
        world.send(&person(&format!("{column} {n}"))).await;
    }
    let answered = "SELECT 1 FROM hub.attempt WHERE http_status IS NOT NULL";
    until("all were answered", async || (world.rows(answered).await.len() >= CROWD).then_some(()))
        .await;
    let moves = world.row("SELECT last_value AS n FROM public.moves").await["n"].as_i64().unwrap();
    server.abort();
    world.strike().await;
    moves
}

#[test]
fn a_crowd_that_is_told_to_wait_writes_it_down_a_few_times_at_most() {
    run(async {
        let moves = moves_of("told_until", StatusCode::TOO_MANY_REQUESTS).await;
        assert!((1..=MOVES_MAX).contains(&moves), "{moves} commits for {CROWD} answers");
    });
}

#[test]
fn a_crowd_whose_credential_is_rejected_writes_it_down_a_few_times_at_most() {
    run(async {
        let moves = moves_of("held_until", StatusCode::UNAUTHORIZED).await;
        assert!((1..=MOVES_MAX).contains(&moves), "{moves} commits for {CROWD} answers");
    });
}

#[test]
fn nobody_comes_before_the_time_that_they_told_us() {
    run(async {
        let busy = Busy::open().await;
        let environment = vec![("HUB_SYSTEMS__GBDFL__URL", busy.url)];
        let world = World::build(Scene { hubs: 2, environment, ..Scene::default() }).await;
        world.send(&person("put off")).await;
        for hub in 0..2 {
            until("every hub knows of it", async || {
                let labels = [("system", "gbdfl"), ("reason", "hold")];
                let held = world.metric(hub, "hub_system_blocked", &labels).await;
                (held > 0.5).then_some(())
            })
            .await;
        }
        let job = world.in_state(id("put off"), "waiting").await;
        assert_eq!((&job["attempts"], &job["code"]), (&0.into(), &"throttled".into()));
        // They have read what was asked.
        let withdrawn = world.stage.store.cancel(id("put off"), "withdrawn").await.unwrap();
        assert_eq!(withdrawn, Cancelled::TooLate);
        for name in ["one more", "and another"] {
            world.send(&person(name)).await;
        }
        until("they are asked again", async || (busy.asked().len() > 1).then_some(())).await;
        let asked = busy.asked();
        let pause = asked[1].duration_since(asked[0]);
        assert!(pause >= TOLD, "asked again after {pause:?}");
        for name in ["put off", "one more", "and another"] {
            let job = world.job(id(name)).await.unwrap();
            assert_eq!((&job["attempts"], &job["ended_at"]), (&0.into(), &().into()), "{name}");
        }
        busy.server.abort();
        world.strike().await;
    });
}
