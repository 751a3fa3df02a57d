//! A system that tells when to come again is left alone until then, by all hubs.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::http::{StatusCode, header::RETRY_AFTER};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    servers::run,
    world::{Scene, World, id, person, until},
};

const TOLD: Duration = Duration::from_secs(8);

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
