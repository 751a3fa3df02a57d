//! What the gateway calls at us: `sendMessage` and `changeMassageStatusNotification` (shep §2.2).
//!
//! *Guarantee*: pure. A push that cannot be read is answered with a fault and nothing of it is
//! repeated in the answer. Reading believes nothing: the sender is checked by
//! [`crate::channel::AsyncChannel::knows_sender`], the payload by its `judge`.
//!
//! Read laxly: either namespace, any prefix, unknown headers, empty optional elements. SOAPAction
//! is not looked at. Written strictly.

use bytes::Bytes;
use contracts::personal::Personal;
use jiff::Timestamp;

use super::{CLIENT_TYPES, TYPES, close, open_wrapper};
use crate::{
    channel::{Message, MessageKind},
    transport::{
        dates::write_moment,
        soap::{self, Body},
        xml::{self, Element, Writer, XmlError},
    },
};

/// Sent back where a callback named no session but the schema wants one (shep §2.7).
const NO_SESSION: &str = "{00000000-0000-0000-0000-000000000000}";
const ANSWER_BYTES: usize = 768;

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// A message of a conversation.
    Message(Message),
    /// What became of a message of ours.
    StatusChange(StatusChange),
}

/// What became of a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// The notification's own id.
    pub notification_id: String,
    /// Our message.
    pub message_id: String,
    /// How its delivery stands.
    pub state: MessageState,
    /// Their code; the list is open.
    pub status_code: Option<String>,
    /// To be echoed.
    pub session_id: Option<String>,
}

/// How a delivery stands (shep §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// Under way.
    OnDelivery,
    /// Delivered.
    Delivered,
    /// Not delivered.
    NotDelivered,
    /// Given up.
    DeliveryStopped,
}

/// Why a push cannot be read. Holds nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Not XML as we read it.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Not a SOAP envelope.
    #[error("the message is not a SOAP envelope")]
    NotSoap,
    /// No operation of this endpoint.
    #[error("no such operation here")]
    Operation,
    /// An element is missing, empty, repeated or has a value that is not in the schema.
    #[error("{0} is missing, repeated or not in the schema")]
    Field(&'static str),
}

impl PushError {
    /// The code to answer with: "message does not match the format" (shep §1.5).
    pub const fn code(self) -> &'static str {
        match self {
            Self::Xml(_) | Self::NotSoap | Self::Operation | Self::Field(_) => "SCE001",
        }
    }
}

/// Reads what the gateway posted to us.
pub fn read_push(bytes: &[u8]) -> Result<Push, PushError> {
    let document = xml::read(bytes)?;
    let content = match soap::body(&document) {
        Ok(Body::Content(content)) => content,
        Ok(Body::Fault(_)) => return Err(PushError::Operation),
        Err(soap::NotSoap) => return Err(PushError::NotSoap),
    };
    if !content.namespace().is_some_and(|one| one == TYPES || one == CLIENT_TYPES) {
        return Err(PushError::Operation);
    }
    let request = only(content, "request")?.ok_or(PushError::Field("request"));
    match content.local() {
        "sendMessage" => read_message(request?, bytes).map(Push::Message),
        "changeMassageStatusNotification" => read_status(request?).map(Push::StatusChange),
        _ => Err(PushError::Operation),
    }
}

/// Reads an element that holds `messageInfo` and `messageData`.
pub(super) fn read_message(holder: Element<'_>, bytes: &[u8]) -> Result<Message, PushError> {
    let info = only(holder, "messageInfo")?.ok_or(PushError::Field("messageInfo"))?;
    let kind = match required(info, "messageType")?.as_str() {
        "REQUEST" => MessageKind::Request,
        "RESPONSE" => MessageKind::Response,
        "NOTIFICATION" => MessageKind::Notification,
        "UPDATE" => MessageKind::Update,
        _ => return Err(PushError::Field("messageType")),
    };
    let correlation_id = match optional(info, "correlationId")? {
        Some(id) => id,
        None if kind == MessageKind::Request => String::new(), // the only kind that starts a chain
        None => return Err(PushError::Field("correlationId")),
    };
    let sender = only(info, "sender")?;
    let of_sender = |local| match sender {
        Some(sender) => optional(sender, local),
        None => Ok(None),
    };
    let data = match only(holder, "messageData")? {
        Some(holder) => only(holder, "data")?,
        None => None,
    };
    let data = data.map(|data| Bytes::copy_from_slice(data.content_of(bytes)));
    Ok(Message {
        message_id: required(info, "messageId")?,
        correlation_id,
        service_id: required(info, "serviceId")?,
        kind,
        sender_id: of_sender("senderId")?.unwrap_or_default(),
        sender_password: of_sender("password")?.map(Personal::new),
        session_id: optional(info, "sessionId")?,
        data: Personal::new(data.unwrap_or_default()),
    })
}

fn read_status(request: Element<'_>) -> Result<StatusChange, PushError> {
    let notification = only(request, "notification")?.ok_or(PushError::Field("notification"))?;
    let state = match required(notification, "messageState")?.as_str() {
        "ON_DELIVERY" => MessageState::OnDelivery,
        "DELIVERED" => MessageState::Delivered,
        "NOT_DELIVERED" => MessageState::NotDelivered,
        "DELIVERY_STOPPED" => MessageState::DeliveryStopped,
        _ => return Err(PushError::Field("messageState")),
    };
    let status_code = match only(notification, "status")? {
        Some(status) => optional(status, "statusCode")?,
        None => None,
    };
    Ok(StatusChange {
        notification_id: optional(notification, "notificationId")?.unwrap_or_default(),
        message_id: required(notification, "messageId")?,
        state,
        status_code,
        session_id: optional(request, "sessionId")?,
    })
}

/// The answer to a message that is stored: its own ids (shep §2.8).
pub fn write_push_ack(message: &Message, now: Timestamp) -> String {
    envelope("sendMessageResponse", TYPES, |xml| {
        xml.open("response").leaf("messageId", &message.message_id);
        xml.leaf("correlationId", &message.correlation_id);
        xml.leaf("responseDate", &write_moment(now));
        xml.optional("sessionId", message.session_id.as_deref()).close("response");
    })
}

/// The answer to a status change: the session that came, or a zero one.
pub fn write_status_ack(session_id: Option<&str>, now: Timestamp) -> String {
    envelope("changeMassageStatusNotificationResponse", CLIENT_TYPES, |xml| {
        xml.open("response").leaf("responseDate", &write_moment(now));
        xml.leaf("sessionId", session_id.unwrap_or(NO_SESSION)).close("response");
    })
}

/// A fault, to be sent with HTTP status 500. `text` must hold nothing of the message.
pub fn write_fault(code: &str, text: &str, now: Timestamp) -> String {
    let mut xml = Writer::with_capacity(ANSWER_BYTES);
    soap::open(&mut xml);
    xml.raw("<soapenv:Fault><faultcode>soapenv:Server</faultcode>");
    xml.leaf("faultstring", text).open("detail");
    let wrapper = "sendMessageFault1_sendMessageFault";
    open_wrapper(&mut xml, wrapper, TYPES);
    xml.leaf("errorCode", code).leaf("errorMessage", text).leaf("errorDate", &write_moment(now));
    close(&mut xml, wrapper);
    xml.close("detail").raw("</soapenv:Fault>");
    soap::close(&mut xml);
    xml.finish_lossy()
}

fn envelope(wrapper: &str, namespace: &str, write: impl FnOnce(&mut Writer)) -> String {
    let mut xml = Writer::with_capacity(ANSWER_BYTES);
    soap::open(&mut xml);
    open_wrapper(&mut xml, wrapper, namespace);
    write(&mut xml);
    close(&mut xml, wrapper);
    soap::close(&mut xml);
    xml.finish_lossy()
}

fn only<'d>(parent: Element<'d>, local: &'static str) -> Result<Option<Element<'d>>, PushError> {
    parent.only(local).map_err(|_| PushError::Field(local))
}

fn optional(parent: Element<'_>, local: &'static str) -> Result<Option<String>, PushError> {
    Ok(only(parent, local)?.and_then(Element::value).map(str::to_owned))
}

fn required(parent: Element<'_>, local: &'static str) -> Result<String, PushError> {
    optional(parent, local)?.ok_or(PushError::Field(local))
}
