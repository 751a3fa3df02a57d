//! The part of the control API that changes how requests are treated, and business time.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, body::Bytes, extract::State, routing::post};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{World, Wrong, is_http, known_system, read};
use crate::simulation::{Simulation, locked, post::Hurry};

/// The routes.
pub(super) fn router() -> Router<Arc<Simulation>> {
    Router::new()
        .route("/push-urls", post(push_urls))
        .route("/push-now", post(push_now))
        .route("/faults", post(faults))
        .route("/latency", post(latency))
        .route("/forget-orders", post(forget_orders))
        .route("/clock", post(clock))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PushUrls {
    urls: Vec<String>,
}

async fn push_urls(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let wanted: PushUrls = read(&body, r#"{"urls":["http://127.0.0.1:8081/shep/async"]}"#)?;
    if !wanted.urls.iter().all(|url| is_http(url)) {
        return Err(Wrong::no_url());
    }
    let count = wanted.urls.len();
    simulation.post().set_push_urls(wanted.urls);
    Ok(Json(json!({ "push_urls": count })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PushNow {
    /// One message; absent: all that wait.
    message_id: Option<u64>,
    #[serde(default)]
    after_s: u32,
    url: Option<String>,
}

/// Messages that wait, in time or in the mailbox, go out now or after a delay.
async fn push_now(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let wanted: PushNow = read(&body, r#"{"message_id"?:1772427600003,"after_s"?:0,"url"?:"…"}"#)?;
    if wanted.url.as_ref().is_some_and(|url| !is_http(url)) {
        return Err(Wrong::no_url());
    }
    if wanted.url.is_none() && simulation.post().has_nowhere(wanted.message_id) {
        return Err(Wrong::conflict("no push URL", "give url, or POST /control/push-urls first"));
    }
    let after = SignedDuration::from_secs(i64::from(wanted.after_s));
    let due = simulation.now().checked_add(after).unwrap_or(Timestamp::MAX);
    let hurry = Hurry { message_id: wanted.message_id, due, url: wanted.url };
    let moved = simulation.post().hurry(&hurry);
    if moved == 0 && wanted.message_id.is_some() {
        let advice = "GET /control/pending lists what waits";
        return Err(Wrong::missing("no such message waits", advice));
    }
    Ok(Json(json!({ "pushed": moved, "due": due })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    permille: u16,
    system: Option<String>,
}

/// From now on so many requests in a thousand meet a transport fault.
async fn faults(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let wanted: Faults = read(&body, r#"{"permille":0,"system"?:"gbdfl"}"#)?;
    if wanted.permille > 1_000 {
        return Err(Wrong::new("more than a thousand", "give 0 to 1000"));
    }
    match &wanted.system {
        Some(system) => {
            let (system, _) = known_system(&simulation, system)?;
            let mut settings = locked(&simulation.settings);
            settings.entry(system.to_owned()).or_default().fault_permille = Some(wanted.permille);
        }
        None => simulation.set_fault_permille(wanted.permille),
    }
    Ok(Json(json!({ "fault_permille": wanted.permille })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    ms: u32,
    system: String,
}

/// Longer waits are what the behaviours `slow` are for.
const LATENCY_MS_MAX: u32 = 60_000;

/// From now on every answer of a system takes that long.
async fn latency(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let wanted: Latency = read(&body, r#"{"system":"gbdfl","ms":250}"#)?;
    if wanted.ms > LATENCY_MS_MAX {
        return Err(Wrong::new("more than a minute", "give 0 to 60000, or order `slow`"));
    }
    let (system, _) = known_system(&simulation, &wanted.system)?;
    let mut settings = locked(&simulation.settings);
    let latency = Duration::from_millis(u64::from(wanted.ms));
    settings.entry(system.to_owned()).or_default().latency = Some(latency);
    Ok(Json(json!({ "latency_ms": wanted.ms })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forget {
    system: String,
}

/// Orders of a system and answers for it that were not used up are forgotten.
async fn forget_orders(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let wanted: Forget = read(&body, r#"{"system":"gbdfl"}"#)?;
    let (system, _) = known_system(&simulation, &wanted.system)?;
    simulation.orders().clear(system);
    simulation.recorded.clear(system);
    simulation.given().clear(system);
    Ok(Json(json!({ "forgotten": system })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockOrder {
    business_days: Option<u16>,
    seconds: Option<u32>,
    to: Option<Timestamp>,
}

/// Business time jumps forward.
async fn clock(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let shape = r#"{"business_days":5} or {"seconds":3600} or {"to":"2026-12-01T09:00:00+05:00"}"#;
    let wanted: ClockOrder = read(&body, shape)?;
    let now = simulation.now();
    let clock = &simulation.options.clock;
    let to = match (wanted.business_days, wanted.seconds, wanted.to) {
        (Some(days), None, None) => clock
            .after_business_days(now, days)
            .map_err(|why| Wrong::conflict(&why, "give seconds or to"))?,
        (None, Some(seconds), None) => {
            now.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
        }
        (None, None, Some(to)) => to,
        _ => return Err(Wrong::new("not one of three", &format!("send {shape}"))),
    };
    if to < now {
        return Err(Wrong::new("business time goes forward only", "give a later instant"));
    }
    if to.duration_since(now) > JUMP_MAX {
        return Err(Wrong::new("further than a year", "jump in smaller steps"));
    }
    clock.jump(to).await.map_err(|why| {
        Wrong::conflict(&why, "see «Simulators» in adapters/README.md: who may move which clock")
    })?;
    simulation.post().look_again();
    Ok(Json(json!({ "now": simulation.now() })))
}

/// One jump.
const JUMP_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);
