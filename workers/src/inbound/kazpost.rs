//! `POST /kazpost/callback`: Kazpost says that a parcel has news. Off unless it is switched on and has
//! a secret.
//!
//! *Guarantee*: a believed callback does nothing but bring the next look at the parcel forward to now, or
//! to the end of the look that is under way; what happened is asked for. A callback that is not believed
//! is counted and changes nothing. The payload is DESIGNED: see `contracts/systems/kazpost/README.md`.

use std::sync::Arc;

use adapters::systems::kazpost::{Callback, CallbackError};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};

use super::count;
use crate::pipeline::Hub;

/// The path that Kazpost is told.
pub const CALLBACK_PATH: &str = "/kazpost/callback";
const SYSTEM: &str = "kazpost";

type Shared = State<(Arc<Hub>, Arc<Callback>)>;

/// The route, where callbacks are switched on.
pub(super) fn router(hub: &Arc<Hub>) -> Router {
    let callback = hub.destinations.get(SYSTEM).and_then(|d| Callback::new(&d.settings));
    match callback {
        None => Router::new(),
        Some(callback) => Router::new()
            .route(CALLBACK_PATH, post(receive))
            .with_state((hub.clone(), Arc::new(callback))),
    }
}

async fn receive(State((hub, callback)): Shared, body: Bytes) -> StatusCode {
    let number = match callback.read(&body) {
        Ok(number) => number,
        Err(CallbackError::NotBelieved) => {
            count(SYSTEM, "unknown_sender");
            tracing::error!(system = SYSTEM, "a callback with another secret was not believed");
            return StatusCode::FORBIDDEN;
        }
        Err(CallbackError::Unreadable | CallbackError::Number) => {
            count(SYSTEM, "unreadable");
            return StatusCode::BAD_REQUEST;
        }
    };
    match hub.store.look_at_parcel(number.expose()).await {
        Ok(looked) => {
            count(SYSTEM, if looked { "applied" } else { "unmatched" });
            hub.wake.timers.now();
            StatusCode::NO_CONTENT
        }
        Err(error) => {
            tracing::warn!(%error, system = SYSTEM, "a callback could not be noted");
            count(SYSTEM, "not_stored");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
