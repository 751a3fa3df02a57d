//! The part of the control API that looks: exchanges, near misses, what is pending.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{World, Wrong};
use crate::simulation::{Simulation, locked};

/// The routes.
pub(super) fn router() -> Router<Arc<Simulation>> {
    Router::new()
        .route("/exchanges", get(exchanges))
        .route("/exchanges/{id}", get(exchange))
        .route("/near-misses", get(near_misses))
        .route("/cases", get(cases))
        .route("/begun", get(begun))
        .route("/pending", get(pending))
        .route("/settings", get(settings))
        .route("/phones", get(phones))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    after: u64,
}

/// The last exchanges without their bodies.
async fn exchanges(
    State(simulation): World,
    query: Result<Query<After>, QueryRejection>,
) -> Result<Json<Value>, Wrong> {
    let Ok(Query(query)) = query else {
        return Err(Wrong::new("unknown query", "use /control/exchanges?after=17"));
    };
    let (last, exchanges) = simulation.exchanges.after(query.after);
    Ok(Json(json!({ "last": last, "exchanges": exchanges })))
}

/// One with its bodies.
async fn exchange(State(simulation): World, Path(id): Path<String>) -> Result<Json<Value>, Wrong> {
    let found = id.parse().ok().and_then(|id| simulation.exchanges.one(id));
    found.map(Json).ok_or_else(|| {
        Wrong::missing("no such exchange", "only the last ones are kept: GET /control/exchanges")
    })
}

async fn near_misses(State(simulation): World) -> Json<Value> {
    let (count, list) = (simulation.near_misses.count(), simulation.near_misses.list());
    Json(json!({ "count": count, "near_misses": list }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    #[serde(default)]
    from: u64,
}

/// Conversations that systems began by order, oldest first.
async fn begun(
    State(simulation): World,
    query: Result<Query<Since>, QueryRejection>,
) -> Result<Json<Value>, Wrong> {
    let Ok(Query(query)) = query else {
        return Err(Wrong::new("unknown query", "use /control/begun?from=17"));
    };
    let (first, conversations, next) = simulation.begun().since(query.from);
    Ok(Json(json!({ "start": first, "end": next, "conversations": conversations })))
}

/// All recorded cases that can be ordered.
async fn cases(State(simulation): World) -> Json<Value> {
    Json(json!(simulation.options.shelf.titles()))
}

/// What was ordered and not used, answers that wait by system, and messages that are due later.
async fn pending(State(simulation): World) -> Json<Value> {
    let orders: Vec<Value> = simulation
        .orders()
        .list()
        .into_iter()
        .map(|order| {
            let (system, behaviour, count) = (order.system, order.behaviour, order.count);
            json!({ "system": system, "behaviour": behaviour, "count": count })
        })
        .chain(simulation.recorded.names().into_iter().map(|case| {
            let system = case.split('/').next().unwrap_or_default().to_owned();
            json!({ "system": system, "case": case, "count": 1 })
        }))
        .collect();
    let (now, urls) = (simulation.now(), simulation.post().push_urls());
    let messages = simulation.post().pending();
    let answers = simulation.given().counts();
    Json(json!({
        "now": now,
        "orders": orders,
        "answers": answers,
        "messages": messages,
        "push_urls": urls,
    }))
}

/// Faults and latency, as a whole and by system.
async fn settings(State(simulation): World) -> Json<Value> {
    let names: Vec<&'static str> = locked(&simulation.profiles).keys().copied().collect();
    let systems: Value = names
        .into_iter()
        .map(|name| {
            let latency =
                u64::try_from(simulation.latency_of(name).as_millis()).unwrap_or(u64::MAX);
            let permille = simulation.fault_permille_of(name);
            (name.to_owned(), json!({ "fault_permille": permille, "latency_ms": latency }))
        })
        .collect();
    Json(systems)
}

/// The last messages on all phones, newest first.
async fn phones(State(simulation): World) -> Json<Value> {
    let messages: Vec<Value> = simulation
        .phones()
        .last(PHONES_SHOWN)
        .into_iter()
        .map(|(iin, sms)| json!({ "iin": iin, "sms": sms }))
        .collect();
    Json(json!({ "messages": messages }))
}

const PHONES_SHOWN: usize = 50;
