//! `/labels/<token>`: files that came with answers, for whoever holds the link.
//!
//! *Guarantee*: an unknown, an expired and a malformed link look the same (404). A link says nothing
//! of its order and is never logged.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::Admin;
use crate::{
    pipeline::{Hub, links},
    store::file::{Closed, Served},
};

/// Longer is no token of ours.
const TOKEN_CHARS: usize = 64;

pub(super) async fn serve(State(admin): State<Admin>, Path(token): Path<String>) -> Response {
    if token.len() != TOKEN_CHARS || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return not_found();
    }
    match admin.hub.store.file(&links::hash(&token)).await {
        Ok(Ok(served)) => open(&admin.hub, &served),
        Ok(Err(Closed::Unknown)) => not_found(),
        Ok(Err(Closed::Status)) => {
            let text = "the order is past the statuses in which its label may be downloaded\n";
            (StatusCode::GONE, text).into_response()
        }
        Err(error) => {
            tracing::warn!(%error, "a file could not be read");
            (StatusCode::SERVICE_UNAVAILABLE, "try again later\n").into_response()
        }
    }
}

fn open(hub: &Arc<Hub>, served: &Served) -> Response {
    let Ok(bytes) = hub.sealer.open(links::PURPOSE, &served.sealed) else {
        tracing::error!("a stored file does not open; check seal.key_file");
        return (StatusCode::SERVICE_UNAVAILABLE, "try again later\n").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, served.media_type.as_str()),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, bytes).into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "no such label, or its link has expired\n").into_response()
}
