//! What every request to a simulator passes, before and after.
//!
//! ```text
//! request ─→ limit ─→ latency ─→ SOAP 1.1? ─→ an ordered case? ─────────────────┐
//!                                          └→ the simulator, within a visit ──┴→ exchange kept
//! nobody understood it ─→ near miss ─→ its sentences in the fault ────────────┘
//! ```
//!
//! *Guarantee*: a request counts as in flight until its answer begins to leave.
//!
//! *Limits*: [`BODY_BYTES_MAX`] of a request.

use std::sync::{Arc, OnceLock};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request, State},
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::Instant;

use super::{
    Simulation,
    exchanges::{Exchange, KEPT_BYTES_MAX},
    misread::Misread,
    near::{self, Missed},
    recorded::{self, Came},
    reply::Ending,
    visit::{self, Visit},
    wire::Line,
    wsdl,
};

/// Longer requests are refused; most services refuse shorter ones.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Passes a request on, and keeps what became of it.
pub(super) async fn pass(
    State(simulation): State<Arc<Simulation>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() == Method::GET
        && let Some(response) = wsdl::answer(&simulation, request.uri(), request.headers())
    {
        return response;
    }
    let answering = simulation.answering();
    let (started, at) = (Instant::now(), simulation.now());
    let (parts, body) = request.into_parts();
    let method = parts.method.clone();
    let path = parts.uri.path().to_owned();
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX).await;
    let is_too_long = bytes.is_err();
    let bytes = bytes.unwrap_or_default();
    let system = path.split('/').nth(1).unwrap_or_default().to_owned();
    let latency = simulation.latency_of(&system);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let line = parts.extensions.get::<ConnectInfo<Line>>();
    let line = line.map_or_else(Line::default, |ConnectInfo(line)| line.clone());
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let objection = if is_too_long {
        let words = format!("the request is longer than {BODY_BYTES_MAX} bytes");
        Some(Misread::soap("Client", &words, at))
    } else if method == Method::POST && content_type.contains("xml") {
        near::objection(content_type, &bytes, at)
    } else {
        None
    };
    let came = Came { method: method.as_str(), path: &path, body: &bytes };
    let handed_on = Request::from_parts(parts, Body::from(Bytes::clone(&bytes)));
    let treating = async {
        if let Some(objection) = objection {
            return objection.into_response();
        }
        match recorded::answer(&simulation, &system, &came, &line).await {
            Some(response) => response,
            None => next.run(handed_on).await,
        }
    };
    let (response, visit) = visit::open(treating).await;
    let missed = Missed { method: method.as_str(), path: &path, body: &bytes, at };
    let response = explain(&simulation, &missed, response);
    let is_misread = response.extensions().get::<Misread>().is_some();
    drop(answering);
    let ending = response.extensions().get::<Ending>().map_or("", |ending| ending.0);
    let (response, shown) = copy(response).await;
    let Visit { behaviour, executed, .. } = visit;
    simulation.exchanges.keep(Exchange {
        at,
        system,
        method: method.to_string(),
        path,
        behaviour,
        status: response.status().as_u16(),
        ending,
        took: started.elapsed(),
        executed,
        is_misread,
        request: bytes,
        response: shown,
        asked: OnceLock::new(),
    });
    response
}

/// The answer to a path that no simulator has.
pub(super) async fn lost(State(simulation): State<Arc<Simulation>>, request: Request) -> Response {
    let method = request.method().to_string();
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.to_owned();
    let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await.unwrap_or_default();
    near::no_such_path(&method, &content_type, &bytes, simulation.now()).into_response()
}

/// A request that was not understood becomes a near miss, and its answer says what came close.
fn explain(simulation: &Simulation, missed: &Missed<'_>, response: Response) -> Response {
    let Some(misread) = response.extensions().get::<Misread>().cloned() else { return response };
    let words = simulation.near_misses.keep(&simulation.options.shelf, missed, &misread);
    misread.answer(&words)
}

/// A copy of the body, where it is whole and not too long.
async fn copy(response: Response) -> (Response, Bytes) {
    let size = response.body().size_hint().exact().and_then(|size| usize::try_from(size).ok());
    let Some(size) = size.filter(|size| *size <= BODY_BYTES_MAX) else {
        return (response, Bytes::new());
    };
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, size).await.unwrap_or_default();
    let shown = bytes.slice(..bytes.len().min(KEPT_BYTES_MAX));
    (Response::from_parts(parts, Body::from(bytes)), shown)
}
