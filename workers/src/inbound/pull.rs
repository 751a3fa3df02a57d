//! Pulling: messages that wait for us at the gateway, one drain for a service and interval.
//!
//! *Guarantee*: a pulled message is stored before it is confirmed to the gateway, so a crash between
//! the two only brings it again. A drain that ended well is noted with the business time at which it
//! began: what has a give-up time before that may end. One message that cannot be read does not stop
//! that: it is kept as `refused`, counted, and confirmed where it has an id. Where nothing of a drain can
//! be read, the fault is not in one message: more than [`UNREADABLE_MAX`] of them are kept, stay at the
//! gateway, and end nothing, until a build that reads them comes ([`super::again`]). A whole page of them
//! is confirmed all the same, because what can be read may lie behind it. Behind an open breaker a
//! pull is the probe when one is due, so a quiet system whose jobs only wait for answers comes back.

use std::{sync::Arc, time::Duration};

use adapters::channel::{AsyncChannel, Message, MessageKind, Page, Unreadable};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use contracts::{class::Failure, code, personal::Personal};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{INBOUND, count, kind_name, matching, printable};
use crate::{
    fail_point::{self, Point},
    pipeline::{Hub, destination::Destination, protect},
    policy::breaker::{self, Verdict},
    store::{
        inbound::Arrival,
        protection::{Blocked, Probe},
    },
};

/// Pages in one drain.
pub const PAGES_MAX: usize = 1_000;
/// Broken messages on a page without any other that are still taken for single faults: they are
/// confirmed, and jobs may expire. One more, and jobs are kept: better than an answer that is lost.
pub const UNREADABLE_MAX: usize = 2;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the gateway did not give its messages: {} ({})", .0.code, .0.class.name())]
    Gateway(Failure),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

/// Pulls when one is due, until cancelled.
pub async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = hub.wake.pull.notified() => {}
        }
        pull_due(&hub).await;
    }
}

/// Drains what is due.
pub async fn pull_due(hub: &Hub) {
    let pulled: Vec<&Arc<Destination>> =
        hub.destinations.values().filter(|d| d.is_pulled() && may_be_pulled(d)).collect();
    if pulled.is_empty() {
        return;
    }
    let systems: Vec<&str> = pulled.iter().map(|d| d.spec.name).collect();
    let intervals: Vec<Duration> =
        pulled.iter().map(|d| Duration::from_secs(d.settings.pull_interval_s)).collect();
    let begins: Vec<bool> =
        pulled.iter().map(|d| d.adapter.channel().is_some_and(AsyncChannel::begins)).collect();
    let due = match hub.store.take_due_pulls(&systems, &intervals, &begins).await {
        Ok(due) => due,
        Err(error) => {
            tracing::debug!(%error, "pulls wait for the database");
            return;
        }
    };
    let probes = |system: &str| due.iter().find(|due| due.system == system).map(|due| due.probes);
    let pulls = pulled.into_iter().filter_map(|d| Some(pull(hub, d, probes(d.spec.name)?)));
    join_all(pulls).await;
}

/// Drains one system; none waits for another.
async fn pull(hub: &Hub, destination: &Destination, probes: bool) {
    let system = destination.spec.name;
    let Some(channel) = destination.adapter.channel() else { return };
    let probe = if probes {
        match take_probe(hub, destination).await {
            Some(probe) => Some(probe),
            None => return,
        }
    } else {
        None
    };
    let drained = drain(hub, system, channel).await;
    if probe.is_some() {
        protect::note_call(hub, destination, probe, learned(&drained)).await;
    }
    match drained {
        Ok(0) => {}
        Ok(messages) => tracing::info!(system, messages, "waiting messages were pulled"),
        Err(error) => {
            tracing::warn!(%error, system, "a pull failed; the next one comes in time");
        }
    }
}

/// Behind an open breaker the database says whether it is time to try.
fn may_be_pulled(destination: &Destination) -> bool {
    match destination.blocked() {
        None | Some(Blocked::Breaker) => true,
        Some(Blocked::Pause | Blocked::Maintenance | Blocked::Hold) => false,
    }
}

/// The right to be the one call that tries whether they are there again; none where somebody has it.
async fn take_probe(hub: &Hub, destination: &Destination) -> Option<Probe> {
    let system = destination.spec.name;
    let lasts = protect::probe_lasts(hub, destination);
    match hub.store.take_pull_probe(system, lasts).await {
        Ok(probe) => probe.inspect(|_| protect::note_probe(hub, system)),
        Err(error) => {
            tracing::debug!(%error, system, "a pull behind the breaker waits for the database");
            None
        }
    }
}

/// What a pull says about their health.
fn learned(drained: &Result<usize, Error>) -> (Verdict, Option<&'static str>) {
    match drained {
        Ok(_) => (Verdict::Answered, None),
        Err(Error::Gateway(failure)) => (breaker::verdict(failure), Some(failure.code.name())),
        Err(Error::Store(_)) => (Verdict::Nothing, None),
    }
}

async fn drain(
    hub: &Hub,
    system: &'static str,
    channel: &dyn AsyncChannel,
) -> Result<usize, Error> {
    let began = hub.store.business_now().await?;
    let (mut total, mut unreadable, mut is_read) = (0, 0, false);
    let mut last: Vec<String> = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = channel.pull(hub.store.business_now().await?).await.map_err(Error::Gateway)?;
        if page.messages.is_empty() && page.unreadable.is_empty() {
            if is_read || unreadable <= UNREADABLE_MAX {
                hub.store.pulled(system, began).await?;
            }
            return Ok(total);
        }
        let ids = keep_page(hub, system, &page).await?;
        is_read |= !page.messages.is_empty();
        unreadable += page.unreadable.len();
        let is_foreign = !is_read && unreadable > UNREADABLE_MAX;
        if is_foreign && !page.is_full {
            tracing::error!(
                system,
                unreadable,
                "nothing that waits at the gateway can be read by this build: it stays there, and open \
                 jobs do not expire"
            );
            return Ok(total);
        }
        // What has no id cannot be confirmed and comes again. It is kept; where nothing else is left,
        // and nothing can hide behind it, this was a look at everything that can be read.
        if ids.is_empty() && !page.is_full {
            hub.store.pulled(system, began).await?;
            return Ok(total);
        }
        // A look that leaves messages behind is none: no job may end because of it.
        if ids.is_empty() || ids == last {
            tracing::error!(
                system,
                unreadable = page.unreadable.len(),
                "messages fill the mailbox at the gateway and cannot be confirmed; open jobs do not \
                 expire"
            );
            return Ok(total);
        }
        fail_point::reach(Point::AfterPullBeforeConfirm);
        total += ids.len();
        channel.confirm(&ids, hub.store.business_now().await?).await.map_err(Error::Gateway)?;
        last = ids;
    }
    tracing::warn!(system, total, "one drain was not enough; the next one goes on");
    Ok(total)
}

/// Stores a page; returns the ids that can be confirmed now.
async fn keep_page(hub: &Hub, system: &'static str, page: &Page) -> Result<Vec<String>, Error> {
    let mut ids = Vec::with_capacity(page.messages.len());
    for message in &page.messages {
        keep(hub, system, message).await?;
        ids.push(message.message_id.clone());
    }
    for unreadable in &page.unreadable {
        keep_unreadable(hub, system, unreadable).await?;
        ids.extend(unreadable.message_id.clone());
    }
    Ok(ids)
}

/// Nobody can tell what it says or whom it is about: it is kept for people, once.
async fn keep_unreadable(
    hub: &Hub,
    system: &'static str,
    unreadable: &Unreadable,
) -> Result<(), Error> {
    let raw = unreadable.raw.expose();
    // Without an id of theirs, what it holds tells that it came before.
    let content = || format!("unreadable {}", &URL_SAFE_NO_PAD.encode(Sha256::digest(raw))[..32]);
    let message_id = unreadable.message_id.as_deref().map_or_else(content, printable);
    let arrival = Arrival {
        system,
        source: "pull",
        peer: None,
        verified: true,
        why: Some(code!("unreadable").name()),
        message_id,
        correlation_id: unreadable.correlation_id.as_deref().map_or_else(String::new, printable),
        kind: "UNREADABLE",
        sealed: hub.sealer.seal(INBOUND, raw),
    };
    let stored = hub.store.store_arrival(&arrival).await?;
    // Counted at every pull that brings it: as long as it lies there, somebody has to act.
    count(system, "unreadable");
    if let Some(inbound_id) = stored {
        tracing::error!(
            system,
            inbound_id,
            "a message at the gateway cannot be read; it is kept as it came"
        );
    }
    Ok(())
}

async fn keep(hub: &Hub, system: &'static str, message: &Message) -> Result<(), Error> {
    let arrival = Arrival {
        system,
        source: "pull",
        peer: None,
        // We asked, over our own authenticated connection.
        verified: true,
        why: None,
        message_id: printable(&message.message_id),
        correlation_id: printable(&message.correlation_id),
        kind: kind_name(message.kind),
        sealed: hub.sealer.seal(INBOUND, &encode(message)),
    };
    let stored = match hub.store.store_arrival(&arrival).await? {
        // It may be one that an older reader could not read, and that was not confirmed.
        None => hub.store.give_back_unread(&arrival).await?,
        stored => stored,
    };
    match stored {
        Some(id) => matching::look_at(hub, id).await,
        None => count(system, "duplicate"),
    }
    Ok(())
}

/// One pulled message as it is stored: a page holds many, so its envelope is not kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    message_id: String,
    correlation_id: String,
    service_id: String,
    kind: String,
    sender_id: String,
    data: String,
}

pub(super) fn encode(message: &Message) -> Vec<u8> {
    let kept = Kept {
        message_id: message.message_id.clone(),
        correlation_id: message.correlation_id.clone(),
        service_id: message.service_id.clone(),
        kind: kind_name(message.kind).to_owned(),
        sender_id: message.sender_id.clone(),
        data: String::from_utf8_lossy(message.data.expose()).into_owned(),
    };
    serde_json::to_vec(&kept).unwrap_or_default()
}

/// Reads a stored pulled message.
pub(crate) fn decode(raw: &[u8]) -> Option<Message> {
    let kept: Kept = serde_json::from_slice(raw).ok()?;
    let kinds = [
        MessageKind::Request,
        MessageKind::Response,
        MessageKind::Notification,
        MessageKind::Update,
    ];
    Some(Message {
        message_id: kept.message_id,
        correlation_id: kept.correlation_id,
        service_id: kept.service_id,
        kind: kinds.into_iter().find(|kind| kind_name(*kind) == kept.kind)?,
        sender_id: kept.sender_id,
        sender_password: None,
        session_id: None,
        data: Personal::new(Bytes::from(kept.data)),
    })
}
