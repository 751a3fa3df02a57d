//! What we fetch from the gateway: `getMessages`, and `sendDeliveryNotification` to say that we
//! have it (shep §2.4, §2.6).
//!
//! *Guarantee*: one message that cannot be read does not hide the others of its page; it is handed
//! over as it came, with its id where that can be read.
//!
//! *Limits*: at most [`AMOUNT_MAX`] messages a page.

use std::time::Duration;

use bytes::Bytes;
use contracts::personal::Personal;
use jiff::Timestamp;

use super::{
    close, open,
    push::{PushError, read_message},
    response,
};
use crate::{
    channel::{Message, Page, Unreadable},
    transport::{
        dates::write_moment,
        gateway::{Gateway, Outgoing},
        trouble::Trouble,
        xml::{self, Element},
    },
};

/// Messages asked for in one page, at most.
pub const AMOUNT_MAX: usize = 100;

/// Fetches one page of the messages of a service that wait for us.
pub async fn pull(
    gateway: &Gateway,
    service_id: &str,
    amount: usize,
    now: Timestamp,
    limit: Duration,
) -> Result<Page, Trouble> {
    let outgoing = pull_request(gateway, service_id, amount, now);
    let (result, exchange) = gateway.send(outgoing, limit).await;
    let document = result?;
    let response = response(&document, "getMessagesResponse").ok_or(Trouble::Unreadable)?;
    let mut page = Page::default();
    for holder in response.children().filter(|child| child.local() == "messages") {
        match read_message(holder, &exchange.response) {
            Ok(message) => page.messages.push(message),
            Err(_) if holder.is_blank() => {} // an empty optional element (shep §4.4)
            Err(_) => page.unreadable.push(unreadable(holder, &exchange.response)),
        }
    }
    page.is_full = page.messages.len() + page.unreadable.len() >= amount.min(AMOUNT_MAX);
    Ok(page)
}

fn unreadable(holder: Element<'_>, bytes: &[u8]) -> Unreadable {
    // Two ids are none: the wrong message would be confirmed.
    let only = |local: &str| {
        let mut found = holder.descendants().filter(|element| element.local() == local);
        match (found.next(), found.next()) {
            (Some(only), None) => only.value().map(str::to_owned),
            _ => None,
        }
    };
    let raw = Bytes::copy_from_slice(holder.content_of(bytes));
    Unreadable {
        message_id: only("messageId"),
        correlation_id: only("correlationId"),
        raw: Personal::new(raw),
    }
}

/// Reads a waiting message again that was kept as it came ([`Unreadable::raw`]).
pub fn read_kept(raw: &[u8]) -> Result<Message, PushError> {
    let document = xml::fragment(raw)?;
    read_message(document.root(), raw)
}

/// Tells the gateway that one message is stored.
pub async fn confirm(
    gateway: &Gateway,
    service_id: &str,
    message_id: &str,
    now: Timestamp,
    limit: Duration,
) -> Result<(), Trouble> {
    let outgoing = confirm_request(gateway, service_id, message_id, now);
    let document = gateway.send(outgoing, limit).await.0?;
    let response = response(&document, "sendDeliveryNotificationResponse");
    response.map(|_| ()).ok_or(Trouble::Unreadable)
}

pub(super) fn pull_request(
    gateway: &Gateway,
    service_id: &str,
    amount: usize,
    now: Timestamp,
) -> Outgoing {
    let mut outgoing = open("getMessages");
    let xml = &mut outgoing.xml;
    xml.open("request").leaf("requestDate", &write_moment(now)).leaf("serviceId", service_id);
    gateway.write_sender(&mut outgoing);
    let xml = &mut outgoing.xml;
    xml.leaf("amount", &amount.min(AMOUNT_MAX).to_string()).close("request");
    close(xml, "getMessages");
    outgoing
}

pub(super) fn confirm_request(
    gateway: &Gateway,
    service_id: &str,
    message_id: &str,
    now: Timestamp,
) -> Outgoing {
    let date = write_moment(now);
    let mut outgoing = open("sendDeliveryNotification");
    let xml = &mut outgoing.xml;
    xml.raw("<request><notification>").leaf("messageId", message_id);
    xml.leaf("serviceId", service_id).leaf("notificationDate", &date);
    xml.open("deliveryStatus").leaf("receiveStatus", "MESSAGE_ACCEPTED");
    xml.leaf("statusDate", &date).leaf("resendMessage", "NOT_RESEND");
    xml.raw("</deliveryStatus></notification>").leaf("requestDate", &date);
    gateway.write_sender(&mut outgoing);
    let xml = &mut outgoing.xml;
    xml.close("request");
    close(xml, "sendDeliveryNotification");
    outgoing
}
