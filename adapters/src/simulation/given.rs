//! Answers that were ordered word by word: a recorded case, or what a tester wants to see read.
//!
//! ```text
//! POST /control/answer ─→ waiting ─┐
//! POST /<system>/ ─────────────────┴─ the request holds the text? ─→ that answer
//!                                                          └ no ─→ the system's simulator
//! ```
//!
//! *Guarantee*: an answer is given once, to the first request of its system whose path or body holds
//! its text; the system's simulator never hears of that request.
//!
//! *Limits*: [`ANSWERS_MAX`] waiting answers, [`REQUEST_BYTES_MAX`] of a request, while one waits.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use contracts::case::Transport;
use serde::{Deserialize, Deserializer, de::Error};

use super::{
    Simulation, locked,
    reply::{Reply, SLOW},
    wire::Line,
};

/// Answers that may wait at once.
pub const ANSWERS_MAX: usize = 10_000;
/// Longer requests are refused while an answer waits.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One answer that waits for its request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The system.
    pub system: String,
    /// A text that the request's path or body holds: its number. Empty: any request.
    #[serde(default)]
    pub containing: String,
    /// HTTP status.
    #[serde(default = "ok")]
    pub status: u16,
    /// HTTP headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; in base64 where it is ordered.
    #[serde(default, deserialize_with = "from_base64")]
    pub body: Vec<u8>,
    /// How it comes.
    #[serde(default)]
    pub transport: Transport,
}

/// Waiting answers, oldest first.
#[derive(Default)]
pub struct Given {
    waiting: Mutex<Vec<Answer>>,
    /// Spares the reading of requests where nothing was ordered.
    count: AtomicUsize,
}

impl Given {
    /// Adds an answer. False: too many wait.
    pub fn add(&self, answer: Answer) -> bool {
        let mut waiting = locked(&self.waiting);
        let fits = waiting.len() < ANSWERS_MAX;
        if fits {
            waiting.push(answer);
        }
        self.count.store(waiting.len(), Ordering::Release);
        fits
    }

    /// How many wait, by system.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for one in locked(&self.waiting).iter() {
            *counts.entry(one.system.clone()).or_default() += 1;
        }
        counts
    }

    /// Forgets all answers for a system.
    pub fn clear(&self, system: &str) {
        let mut waiting = locked(&self.waiting);
        waiting.retain(|one| one.system != system);
        self.count.store(waiting.len(), Ordering::Release);
    }

    fn waits(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    fn take(&self, system: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let mut waiting = locked(&self.waiting);
        let at = waiting.iter().position(|one| {
            one.system == system
                && (path.contains(&one.containing) || holds(body, one.containing.as_bytes()))
        })?;
        let answer = waiting.remove(at);
        self.count.store(waiting.len(), Ordering::Release);
        Some(answer)
    }
}

/// Gives the ordered answer, where one waits for this request.
pub(super) async fn answer(
    State(simulation): State<Arc<Simulation>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let system = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    if !simulation.given().waits() || system == "control" {
        return next.run(request).await;
    }
    let line = request.extensions().get::<ConnectInfo<Line>>();
    let line = line.map_or_else(Line::default, |ConnectInfo(line)| line.clone());
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match simulation.given().take(system, &path, &body) {
        Some(answer) => {
            let _answering = simulation.answering();
            answer.into_response(&line).await
        }
        None => next.run(Request::from_parts(head, Body::from(body))).await,
    }
}

impl Answer {
    async fn into_response(self, line: &Line) -> Response {
        match self.transport {
            Transport::Answer => {}
            Transport::Cut => return Reply::Cut(self.body).into_response(line),
            Transport::Reset | Transport::Refused => return Reply::Reset.into_response(line),
            Transport::Silence => tokio::time::sleep(SLOW).await,
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, self.body).into_response();
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

fn holds(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|part| part == text)
}

const fn ok() -> u16 {
    200
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64_STANDARD.decode(text).map_err(D::Error::custom)
}
