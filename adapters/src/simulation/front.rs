//! What every request to a simulator passes, before and after.
//!
//! ```text
//! request ─→ read, latency ─→ a recorded case that was ordered? ──────────────┐
//!                          └→ the simulator, within a visit ─→ misread? near miss ─┴→ exchange kept
//! ```
//!
//! *Guarantee*: a request counts as in flight until its answer begins to leave.
//!
//! *Limits*: [`BODY_BYTES_MAX`] of a request.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};

use super::{
    Simulation,
    recorded::{self, Came},
    visit,
    wire::Line,
};

/// Longer requests are refused; most services refuse shorter ones.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Passes a request on.
pub(super) async fn pass(
    State(simulation): State<Arc<Simulation>>,
    request: Request,
    next: Next,
) -> Response {
    let answering = simulation.answering();
    let (parts, body) = request.into_parts();
    let bytes = match axum::body::to_bytes(body, BODY_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(_) => {
            return axum::response::IntoResponse::into_response(
                axum::http::StatusCode::PAYLOAD_TOO_LARGE,
            );
        }
    };
    let latency = simulation.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let line = parts.extensions.get::<ConnectInfo<Line>>();
    let line = line.map_or_else(Line::default, |ConnectInfo(line)| line.clone());
    let path = parts.uri.path().to_owned();
    let method = parts.method.clone();
    let system = path.split('/').nth(1).unwrap_or_default().to_owned();
    let came = Came { method: method.as_str(), path: &path, body: &bytes };
    let handed_on = Request::from_parts(parts, Body::from(Bytes::clone(&bytes)));
    let treating = async {
        match recorded::answer(&simulation, &system, &came, &line).await {
            Some(response) => response,
            None => next.run(handed_on).await,
        }
    };
    let (response, _visit) = visit::open(treating).await;
    drop(answering);
    response
}
