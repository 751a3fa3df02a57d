//! A simulation on a free port, a clock that stands still, and a pretended hub.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use adapters::simulation::{
    Clock, Options, Simulation,
    guard::Hosts,
    shelf::Shelf,
    xml::{self, Node},
};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use jiff::{SignedDuration, Timestamp};
use reqwest::Client;
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct ManualClock(Mutex<Timestamp>);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl ManualClock {
    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

pub(crate) struct World {
    pub(crate) simulation: Arc<Simulation>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) client: Client,
    pub(crate) address: String,
    serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl World {
    pub(crate) async fn start(push_urls: Vec<String>) -> Self {
        Self::with(push_urls, 7, 0).await
    }

    pub(crate) async fn with(push_urls: Vec<String>, seed: u64, fault_permille: u16) -> Self {
        Self::of(push_urls, seed, fault_permille, Shelf::default()).await
    }

    /// With cases of the tester's own.
    pub(crate) async fn with_cases(folder: &std::path::Path) -> Self {
        Self::of(vec![], 7, 0, Shelf::new(Some(folder.to_owned()))).await
    }

    async fn of(push_urls: Vec<String>, seed: u64, fault_permille: u16, shelf: Shelf) -> Self {
        let start: Timestamp = "2026-03-02T05:00:00Z".parse().unwrap();
        let clock = Arc::new(ManualClock(Mutex::new(start)));
        let simulation = Simulation::new(Options {
            clock: Arc::clone(&clock) as _,
            seed,
            push_urls,
            fault_permille,
            latency: Duration::ZERO,
            shelf,
            is_plain: false,
            hosts: Hosts::default(),
        });
        simulation.post().set_patience(3, Duration::from_millis(10));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(adapters::simulation::serve(listener, Arc::clone(&simulation)));
        Self { simulation, clock, client: client(), address, serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn send(&self, path: &str, body: String) -> (u16, Vec<u8>) {
        let response = self.client.post(self.url(path)).body(body).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.post(self.url(path)).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    pub(crate) async fn order(&self, system: &str, behaviour: &str) {
        let order = serde_json::json!({ "system": system, "behaviour": behaviour });
        let (status, answer) = self.post("/control/next", order).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) async fn journal(&self, system: &str) -> Vec<Value> {
        let journal = self.get(&format!("/control/journal?system={system}")).await;
        journal.as_array().unwrap().clone()
    }

    /// Waits until the state fits.
    pub(crate) async fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let state = self.get("/control/state").await;
            if fits(&state) {
                return state;
            }
            assert!(tokio::time::Instant::now() < deadline, "never {what}: {state}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn until_quiet(&self) -> Value {
        self.until("quiet", |state| state["in_flight"] == 0).await
    }
}

/// A pretended hub: keeps what it is sent and answers with the status that it is told.
pub(crate) struct Hub {
    pub(crate) url: String,
    inner: Arc<Inner>,
    serving: JoinHandle<()>,
}

struct Inner {
    status: AtomicU16,
    pushes: Mutex<Vec<Vec<u8>>>,
    came: Notify,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Hub {
    pub(crate) async fn start() -> Self {
        let inner = Arc::new(Inner {
            status: AtomicU16::new(200),
            pushes: Mutex::default(),
            came: Notify::new(),
        });
        let app = Router::new().route("/shep/async", post(take)).with_state(Arc::clone(&inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/shep/async", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner, serving }
    }

    pub(crate) fn answer(&self, status: u16) {
        self.inner.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn count(&self) -> usize {
        self.inner.pushes.lock().unwrap().len()
    }

    /// Waits for that many pushes and reads all of them.
    pub(crate) async fn pushes(&self, count: usize) -> Vec<Push> {
        let wait = async {
            loop {
                let came = self.inner.came.notified();
                if self.count() >= count {
                    return;
                }
                came.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the pushes came in time");
        let pushes = self.inner.pushes.lock().unwrap().clone();
        pushes.iter().map(|bytes| Push::read(bytes)).collect()
    }
}

async fn take(State(inner): State<Arc<Inner>>, body: Bytes) -> (StatusCode, &'static str) {
    inner.pushes.lock().unwrap().push(body.to_vec());
    inner.came.notify_waiters();
    let status = StatusCode::from_u16(inner.status.load(Ordering::SeqCst)).unwrap();
    (
        status,
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <sendMessageResponse xmlns=\"http://bip.bee.kz/AsyncChannel/v10/Types\"/>\
         </s:Body></s:Envelope>",
    )
}

/// A message of KPSiSU, read.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) text: String,
    pub(crate) info: Node,
    /// `None` where the payload is no XML.
    pub(crate) payload: Option<Node>,
}

impl Push {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let root = xml::parse(bytes).unwrap();
        let request = root.at(&["Body", "sendMessage", "request"]).unwrap();
        Self {
            text,
            info: request.child("messageInfo").unwrap().clone(),
            payload: payload(request.at(&["messageData", "data"]).unwrap()),
        }
    }

    pub(crate) fn info(&self, name: &str) -> &str {
        self.info.text_at(&[name])
    }

    pub(crate) fn data(&self, name: &str) -> &str {
        self.payload.as_ref().unwrap().text_at(&["ResponseData", name])
    }

    pub(crate) fn code(&self) -> &str {
        self.payload.as_ref().unwrap().text_at(&["ResponseData", "RecordStatus", "Code"])
    }
}

/// The element in `data`, whatever form it has.
pub(crate) fn payload(data: &Node) -> Option<Node> {
    match data.children.as_slice() {
        [] => xml::parse_text(data.text.trim()).ok(),
        [only] => Some(only.clone()),
        _ => Some(data.clone()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the test is the peer, not the hub")]
fn client() -> Client {
    // A second test may have installed it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(PATIENCE).build().unwrap()
}
