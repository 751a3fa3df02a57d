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
    xml::{self, Node},
};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use jiff::{SignedDuration, Timestamp};
use reqwest::Client;
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct ManualClock(Mutex<Timestamp>);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl ManualClock {
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }
}

pub struct World {
    pub simulation: Arc<Simulation>,
    pub clock: Arc<ManualClock>,
    pub client: Client,
    pub address: String,
    serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl World {
    pub async fn start(push_urls: Vec<String>) -> Self {
        Self::with(push_urls, 7, 0).await
    }

    pub async fn with(push_urls: Vec<String>, seed: u64, fault_permille: u16) -> Self {
        let start: Timestamp = "2026-03-02T05:00:00Z".parse().unwrap();
        let clock = Arc::new(ManualClock(Mutex::new(start)));
        let simulation = Simulation::new(Options {
            clock: Arc::clone(&clock) as _,
            seed,
            push_urls,
            fault_permille,
            latency: Duration::ZERO,
        });
        simulation.post().set_patience(3, Duration::from_millis(10));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(adapters::simulation::serve(listener, Arc::clone(&simulation)));
        Self { simulation, clock, client: client(), address, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn send(&self, path: &str, body: String) -> (u16, Vec<u8>) {
        let response = self.client.post(self.url(path)).body(body).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let (status, bytes) = self.send(path, body.to_string()).await;
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    pub async fn order(&self, system: &str, behaviour: &str) {
        let order = serde_json::json!({ "system": system, "behaviour": behaviour });
        let (status, answer) = self.post("/control/next", order).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub async fn journal(&self, system: &str) -> Vec<Value> {
        let journal = self.get(&format!("/control/journal?system={system}")).await;
        journal.as_array().unwrap().clone()
    }

    /// Waits until the state fits.
    pub async fn until(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
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

    pub async fn until_quiet(&self) -> Value {
        self.until("quiet", |state| state["in_flight"] == 0).await
    }
}

/// A pretended hub: keeps what it is sent and answers with the status that it is told.
pub struct Hub {
    pub url: String,
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
    pub async fn start() -> Self {
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

    pub fn answer(&self, status: u16) {
        self.inner.status.store(status, Ordering::SeqCst);
    }

    pub fn count(&self) -> usize {
        self.inner.pushes.lock().unwrap().len()
    }

    /// Waits for that many pushes and reads all of them.
    pub async fn pushes(&self, count: usize) -> Vec<Push> {
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
pub struct Push {
    pub text: String,
    pub info: Node,
    /// `None` where the payload is no XML.
    pub payload: Option<Node>,
}

impl Push {
    pub fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let root = xml::parse(bytes).unwrap();
        let request = root.at(&["Body", "sendMessage", "request"]).unwrap();
        Self {
            text,
            info: request.child("messageInfo").unwrap().clone(),
            payload: payload(request.at(&["messageData", "data"]).unwrap()),
        }
    }

    pub fn info(&self, name: &str) -> &str {
        self.info.text_at(&[name])
    }

    pub fn data(&self, name: &str) -> &str {
        self.payload.as_ref().unwrap().text_at(&["ResponseData", name])
    }

    pub fn code(&self) -> &str {
        self.payload.as_ref().unwrap().text_at(&["ResponseData", "RecordStatus", "Code"])
    }
}

/// The element in `data`, whatever form it has.
pub fn payload(data: &Node) -> Option<Node> {
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
