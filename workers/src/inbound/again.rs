//! Reading again: messages that an older reader refused, at the start of a newer one.
//!
//! *Guarantee*: before any timer runs, what this build can read goes back to matching as if it had just
//! come. What it cannot read stays as it is.
//!
//! *Limits*: messages of the last [`DAYS_MAX`](crate::store::unread::DAYS_MAX) days, the newest
//! [`BATCHES_MAX`] × [`BATCH`], once a start. One without an id of theirs is not read again: it could
//! not be confirmed, so it still lies at the gateway and comes by itself.

use adapters::{
    channel::Message,
    transport::shep_async::{self, Push},
};

use super::{INBOUND, kind_name, printable, pull};
use crate::{
    pipeline::Hub,
    store::{Error, inbound::Arrival, unread::Unread},
};

/// Messages in one batch.
pub const BATCH: i64 = 20;
/// Batches in one start.
pub const BATCHES_MAX: usize = 50;

/// Reads again what could not be read.
pub async fn read_again(hub: &Hub) {
    let mut before = i64::MAX;
    for _ in 0..BATCHES_MAX {
        match batch(hub, before).await {
            Ok(Some(oldest)) => before = oldest,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "messages that could not be read wait for the next start");
                return;
            }
        }
    }
}

/// The oldest row of the batch; `None` where nothing is left.
async fn batch(hub: &Hub, before: i64) -> Result<Option<i64>, Error> {
    let rows = hub.store.unread(&hub.systems(), before, BATCH).await?;
    for row in &rows {
        let Some(destination) = hub.destinations.get(row.system.as_str()) else { continue };
        let Some(message) = read(hub, row) else { continue };
        let arrival = Arrival {
            system: destination.spec.name,
            source: "pull",
            peer: None,
            verified: true,
            why: None,
            message_id: printable(&message.message_id),
            correlation_id: printable(&message.correlation_id),
            kind: kind_name(message.kind),
            sealed: match row.source.as_str() {
                "pull" => hub.sealer.seal(INBOUND, &pull::encode(&message)),
                _ => row.sealed.clone(),
            },
        };
        if let Some(inbound_id) = hub.store.give_back_unread(&arrival).await? {
            tracing::info!(
                system = arrival.system,
                inbound_id,
                "a message that could not be read is read now"
            );
        }
    }
    Ok(rows.last().map(|row| row.id))
}

/// With this build's readers: as it is kept, or as it came.
fn read(hub: &Hub, row: &Unread) -> Option<Message> {
    let raw = hub.sealer.open(INBOUND, &row.sealed).ok()?;
    if row.source == "pull" {
        return pull::decode(&raw).or_else(|| shep_async::read_kept(&raw).ok());
    }
    match shep_async::read_push(&raw).ok()? {
        Push::Message(message) => Some(message),
        Push::StatusChange(_) => None,
    }
}
