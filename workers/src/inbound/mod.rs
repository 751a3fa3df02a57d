//! What the government calls at us: pushes of the SHEP asynchronous channel.
//!
//! ```text
//! POST /shep/async → size → XML → whose? → peer and sender known? → store (sealed) → acknowledge
//!                                                     └ no: stored as refused, counted, 403
//! stored → matching: find the job → judge against it → record │ park │ refuse
//! ```
//!
//! *Guarantee*: a message is on disk before it is acknowledged, and nothing that came in is believed
//! before its peer and sender are verified and its request number and person match the job
//! (invariant 11). While the database is away a push is answered with 503, so the gateway keeps it.
//!
//! *Limits*: `inbound.body_bytes_max`; of strangers so many rows a minute ([`strangers`]);
//! [`MATCHES_MAX`] messages are matched at once, the rest by the sweeper.

pub mod again;
pub mod kazpost;
pub mod late;
pub mod matching;
pub mod pull;
pub mod strangers;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use adapters::{
    channel::{Message, MessageKind},
    transport::shep_async::{self, Push, StatusChange},
};
use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use contracts::{code, personal::Personal};
use secrecy::SecretString;

use self::strangers::{Room, Strangers};
use crate::{
    clock::business_now,
    fail_point::{self, Point},
    pipeline::{Hub, destination::Destination},
    store::inbound::Arrival,
    telemetry::metric::{INBOUND_RESULTS, Metric},
};

/// The path that the gateway is told.
pub const PUSH_PATH: &str = "/shep/async";
/// The purpose that raw messages are sealed for.
pub const INBOUND: &str = "inbound";
/// Messages matched at once outside the sweeper.
pub const MATCHES_MAX: usize = 64;

/// The routes that the government calls.
pub fn router(hub: Arc<Hub>) -> Router {
    let limit = DefaultBodyLimit::max(hub.config.inbound_body_bytes_max);
    let matching = Arc::new(tokio::sync::Semaphore::new(MATCHES_MAX));
    let strangers = Arc::new(Strangers::new(hub.config.inbound_unverified_per_minute));
    let parcels = kazpost::router(&hub);
    let pushes =
        Router::new().route(PUSH_PATH, post(receive)).with_state((hub, matching, strangers));
    pushes.merge(parcels).layer(limit)
}

type Shared = State<(Arc<Hub>, Arc<tokio::sync::Semaphore>, Arc<Strangers>)>;

async fn receive(
    State((hub, matching, strangers)): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Response {
    let peer = peer.ip();
    match shep_async::read_push(&body) {
        Err(error) => {
            tracing::warn!(%error, "a push could not be read");
            store_unreadable(&hub, error.code(), peer, &body).await
        }
        Ok(Push::Message(message)) => {
            let stored = store_message(&hub, &strangers, &message, peer, &body).await;
            if let Ok(Some(id)) = stored.outcome
                && let Ok(permit) = matching.try_acquire_owned()
            {
                tokio::spawn(async move {
                    matching::look_at(&hub, id).await;
                    drop(permit);
                });
            }
            stored.answer
        }
        Ok(Push::StatusChange(change)) => {
            store_status(&hub, &strangers, &change, peer, &body).await
        }
    }
}

/// What became of a message, and what the gateway is told.
struct Receipt {
    outcome: Result<Option<i64>, ()>,
    answer: Response,
}

async fn store_message(
    hub: &Hub,
    strangers: &Strangers,
    message: &Message,
    peer: IpAddr,
    raw: &Bytes,
) -> Receipt {
    let owner = owner(hub, &message.service_id);
    let password = message.sender_password.as_ref();
    let why = match &owner {
        None => Some(code!("unknown_service").name()),
        Some(d) => refusal(d, peer, &message.sender_id, password),
    };
    let system = owner.as_ref().map_or("unknown", |d| d.spec.name);
    if why.is_some() && !has_room(strangers, system) {
        return Receipt { outcome: Err(()), answer: not_known() };
    }
    let arrival = Arrival {
        system,
        source: "push",
        peer: Some(peer.to_string()),
        verified: why.is_none(),
        why,
        message_id: printable(&message.message_id),
        correlation_id: printable(&message.correlation_id),
        kind: kind_name(message.kind),
        sealed: hub.sealer.seal(INBOUND, raw),
    };
    match hub.store.store_arrival(&arrival).await {
        Err(error) => {
            tracing::warn!(%error, "a push could not be stored; the gateway keeps it");
            count(arrival.system, "not_stored");
            let answer = fault(StatusCode::SERVICE_UNAVAILABLE, "SCE909", "try again later");
            Receipt { outcome: Err(()), answer }
        }
        Ok(stored) => {
            if let Some(why) = why {
                count(arrival.system, why);
                tracing::error!(system = arrival.system, why, "a push was stored and not believed");
                Receipt { outcome: Err(()), answer: not_known() }
            } else {
                if stored.is_none() {
                    count(arrival.system, "duplicate");
                }
                fail_point::reach(Point::AfterInboundStoreBeforeReply);
                let text = shep_async::write_push_ack(message, business_now());
                Receipt { outcome: Ok(stored), answer: xml(StatusCode::OK, text) }
            }
        }
    }
}

/// What a known peer sent is kept, also where nobody can read it; a stranger's noise is counted only.
async fn store_unreadable(hub: &Hub, code: &str, peer: IpAddr, raw: &Bytes) -> Response {
    let owner = hub.destinations.values().find(|d| d.settings.push_peers.contains(&peer));
    let system = owner.map_or("unknown", |d| d.spec.name);
    count(system, "unreadable");
    if owner.is_some() {
        let arrival = Arrival {
            system,
            source: "push",
            peer: Some(peer.to_string()),
            verified: false,
            why: Some(code!("unreadable").name()),
            message_id: String::new(),
            correlation_id: String::new(),
            kind: "UNREADABLE",
            sealed: hub.sealer.seal(INBOUND, raw),
        };
        if let Err(error) = hub.store.store_arrival(&arrival).await {
            tracing::warn!(%error, "a push could not be stored; the gateway keeps it");
            return fault(StatusCode::SERVICE_UNAVAILABLE, "SCE909", "try again later");
        }
    }
    fault(StatusCode::BAD_REQUEST, code, "the message does not match the format")
}

/// A status of a message of ours is kept and counted; it decides nothing: only an answer does.
async fn store_status(
    hub: &Hub,
    strangers: &Strangers,
    change: &StatusChange,
    peer: IpAddr,
    raw: &Bytes,
) -> Response {
    let owner = hub
        .destinations
        .values()
        .find(|d| d.adapter.channel().is_some() && d.settings.push_peers.contains(&peer));
    let system = owner.map_or("unknown", |d| d.spec.name);
    if owner.is_none() && !has_room(strangers, system) {
        return not_known();
    }
    let arrival = Arrival {
        system,
        source: "push",
        peer: Some(peer.to_string()),
        verified: false,
        why: Some(if owner.is_some() {
            code!("status_only").name()
        } else {
            code!("unknown_peer").name()
        }),
        message_id: printable(&change.notification_id),
        correlation_id: printable(&change.message_id),
        kind: "STATUS",
        sealed: hub.sealer.seal(INBOUND, raw),
    };
    if let Err(error) = hub.store.store_arrival(&arrival).await {
        tracing::warn!(%error, "a status could not be stored; the gateway keeps it");
        return fault(StatusCode::SERVICE_UNAVAILABLE, "SCE909", "try again later");
    }
    if owner.is_none() {
        count(arrival.system, "unknown_peer");
        return not_known();
    }
    count(arrival.system, "status");
    tracing::info!(system = arrival.system, state = ?change.state, "the gateway reported a status");
    xml(StatusCode::OK, shep_async::write_status_ack(change.session_id.as_deref(), business_now()))
}

/// Whether a row of somebody who is not known here is stored; it is counted where not.
fn has_room(strangers: &Strangers, system: &'static str) -> bool {
    match strangers.take(Instant::now()) {
        Room::Free => return true,
        Room::JustFull => {
            tracing::error!(
                system,
                "strangers push more than inbound.unverified_per_minute: the rest of this minute is \
                 counted and not stored"
            );
        }
        Room::Full => {}
    }
    count(system, "over_limit");
    false
}

fn not_known() -> Response {
    fault(StatusCode::FORBIDDEN, "SCE005", "the sender is not known here")
}

/// The destination that a service belongs to.
pub(crate) fn owner<'a>(hub: &'a Hub, service_id: &str) -> Option<&'a Arc<Destination>> {
    hub.destinations.values().find(|destination| {
        destination.adapter.channel().is_some_and(|channel| channel.service_id() == service_id)
    })
}

/// Why a push is not believed; `None` where peer and sender are both known.
fn refusal(
    destination: &Destination,
    peer: IpAddr,
    sender_id: &str,
    password: Option<&Personal<String>>,
) -> Option<&'static str> {
    if !destination.settings.push_peers.contains(&peer) {
        return Some(code!("unknown_peer").name());
    }
    let password: Option<SecretString> = password.map(|p| p.expose().clone().into());
    let password = password.as_ref().map(secrecy::ExposeSecret::expose_secret);
    let known = destination.adapter.channel().is_some_and(|c| c.knows_sender(sender_id, password));
    (!known).then_some(code!("unknown_sender").name())
}

/// The name of a kind in the table.
pub(crate) const fn kind_name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Request => "REQUEST",
        MessageKind::Response => "RESPONSE",
        MessageKind::Notification => "NOTIFICATION",
        MessageKind::Update => "UPDATE",
    }
}

/// Ids come from outside: bounded before they become rows.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// Counts a message by what became of it.
pub(crate) fn count(system: &str, result: &'static str) {
    debug_assert!(INBOUND_RESULTS.contains(&result), "{result} is not declared");
    let known = adapters::systems::all();
    let known = known.iter().map(|s| s.spec().name).find(|name| *name == system);
    Metric::Inbound.count([("system", known.unwrap_or("unknown")), ("result", result)]);
}

fn fault(status: StatusCode, code: &str, text: &str) -> Response {
    xml(status, shep_async::write_fault(code, text, business_now()))
}

fn xml(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml; charset=UTF-8")], body).into_response()
}
