//! The asynchronous channel of SHEP (shep §2): sending a request here, what the gateway pushes to
//! us in [`push`], what we fetch from it in [`pull`].
//!
//! ```text
//! hub ─ sendMessage REQUEST ─→ gateway        no ids: the gateway makes both
//!     ← sendMessageResponse ─                 messageId, correlationId = the chain
//!     ← sendMessage NOTIFICATION* RESPONSE ─  push, or getMessages + sendDeliveryNotification
//! ```
//!
//! *Guarantee*: an acknowledgement counts only when it names both ids. Names with typos
//! (`changeMassageStatusNotification`, `MESSAGE_NOT_ACCTEPTED`) are the contract.

mod mailbox;
mod pull;
mod push;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

pub use self::{
    mailbox::Mailbox,
    pull::{AMOUNT_MAX, confirm, pull, read_kept},
    push::{
        MessageState, Push, PushError, StatusChange, read_push, write_fault, write_push_ack,
        write_status_ack,
    },
};
use super::{
    dates::write_moment,
    gateway::{Gateway, Outgoing},
    soap::{self, Body},
    trouble::Trouble,
    xml::{Document, Element, Writer},
};
use crate::attempt::{Chain, Exchange};

/// Namespace of the wrappers.
const TYPES: &str = "http://bip.bee.kz/AsyncChannel/v10/Types";
/// Namespace of the wrappers of the callback.
const CLIENT_TYPES: &str = "http://bip.bee.kz/AsyncChannel/v10/Types/Client";
/// Envelope and head without the payload.
const REQUEST_BYTES: usize = 2_048;

/// Sends a `REQUEST` once. `write_data` writes the content of `data`.
pub async fn send(
    gateway: &Gateway,
    service_id: &str,
    now: Timestamp,
    limit: Duration,
    write_data: impl FnOnce(&mut Writer) + Send,
) -> (Result<Chain, Trouble>, Exchange) {
    let outgoing = request(gateway, service_id, now, write_data);
    let (result, exchange) = gateway.send(outgoing, limit).await;
    (result.and_then(|document| read_ack(&document).ok_or(Trouble::Unreadable)), exchange)
}

/// Writes the request in the order of the schema (shep §2.3).
fn request(
    gateway: &Gateway,
    service_id: &str,
    now: Timestamp,
    write_data: impl FnOnce(&mut Writer),
) -> Outgoing {
    let mut outgoing = open("sendMessage");
    let xml = &mut outgoing.xml;
    xml.raw("<request><messageInfo>").leaf("serviceId", service_id);
    xml.leaf("messageType", "REQUEST").leaf("messageDate", &write_moment(now));
    gateway.write_sender(&mut outgoing);
    let xml = &mut outgoing.xml;
    xml.raw("</messageInfo><messageData><data>");
    write_data(xml);
    xml.raw("</data></messageData></request>");
    close(&mut outgoing.xml, "sendMessage");
    outgoing
}

fn read_ack(document: &Document) -> Option<Chain> {
    let response = response(document, "sendMessageResponse")?;
    let id = |local| response.only(local).ok().flatten().and_then(Element::value);
    Some(Chain {
        correlation_id: id("correlationId")?.to_owned(),
        message_id: id("messageId")?.to_owned(),
    })
}

/// Begins an envelope with a wrapper of this channel.
fn open(wrapper: &str) -> Outgoing {
    let mut outgoing = Outgoing::with_capacity(REQUEST_BYTES);
    open_wrapper(&mut outgoing.xml, wrapper, TYPES);
    outgoing
}

fn open_wrapper(xml: &mut Writer, wrapper: &str, namespace: &str) {
    xml.raw("<typ:").raw(wrapper).raw(" xmlns:typ=\"").raw(namespace).raw("\">");
}

fn close(xml: &mut Writer, wrapper: &str) {
    xml.raw("</typ:").raw(wrapper).raw(">");
}

/// The element `response` below the wrapper that is expected.
fn response<'d>(document: &'d Document, wrapper: &str) -> Option<Element<'d>> {
    match soap::body(document) {
        Ok(Body::Content(content)) if content.local() == wrapper => {
            content.only("response").ok().flatten()
        }
        Ok(Body::Content(_) | Body::Fault(_)) | Err(_) => None,
    }
}
