//! Answers that come later: pushed to the hub, or pulled by it.
//!
//! A pushed or pulled message is read twice, on purpose. `transport::shep_async` looks at the
//! envelope alone: it finds the ids to match by. Only when the hub has found the job does
//! [`AsyncChannel::judge`] read the payload *against that job*: our request number and the person
//! must be the same, or the message is not believed (design invariant 11).

use async_trait::async_trait;
use bytes::Bytes;
use contracts::{class::Failure, code};
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::attempt::{Answer, Call, Write};

/// The later half of a system that answers asynchronously.
#[async_trait]
pub trait AsyncChannel: Send + Sync {
    /// The registry id of the interaction: pushes of other services are not ours.
    fn service_id(&self) -> &str;

    /// Whether a message from this sender may be believed: its id, and the password that the
    /// gateway puts beside it where one is configured. Compared in constant time.
    fn knows_sender(&self, sender_id: &str, password: Option<&str>) -> bool;

    /// Our request number inside the payload, where one can be read.
    fn request_number(&self, message: &Message) -> Option<Uuid>;

    /// What a message means for the job it was matched to. Pure.
    fn judge(&self, message: &Message, job: &Call) -> Reading;

    /// What a message means that begins a conversation of theirs. Pure. `None`: this system begins
    /// none, and the message needs a job.
    fn receive(&self, _: &Message) -> Option<Result<Received, Mismatch>> {
        None
    }

    /// Whether they begin conversations: then messages are fetched although no job waits for one.
    fn begins(&self) -> bool {
        false
    }

    /// Fetches messages that wait for us at the gateway: one page for the whole service.
    async fn pull(&self, now: Timestamp) -> Result<Page, Failure>;

    /// Tells the gateway that pulled messages are stored; they are not delivered again.
    async fn confirm(&self, message_ids: &[String], now: Timestamp) -> Result<(), Failure>;
}

/// One page of waiting messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// What could be read.
    pub messages: Vec<Message>,
    /// What could not.
    pub unreadable: Vec<Unreadable>,
    /// It holds as many as were asked for: others may wait behind them.
    pub is_full: bool,
}

/// A waiting message that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The gateway's id of it, where that much can be read: then it can be confirmed.
    pub message_id: Option<String>,
    /// Its conversation, where that much can be read.
    pub correlation_id: Option<String>,
    /// As it came. Personal.
    pub raw: contracts::personal::Personal<Bytes>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The gateway's id of this message: the key to see duplicates by.
    pub message_id: String,
    /// The chain it belongs to.
    pub correlation_id: String,
    /// The service it belongs to.
    pub service_id: String,
    /// Final or not.
    pub kind: MessageKind,
    /// Who the gateway says sent it.
    pub sender_id: String,
    /// The password beside the sender, where one came.
    pub sender_password: Option<contracts::personal::Personal<String>>,
    /// The gateway's session, to be echoed in the acknowledgement.
    pub session_id: Option<String>,
    /// The content of `data`, undecoded. Personal.
    pub data: contracts::personal::Personal<Bytes>,
}

/// The type of a message (shep §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Starts a conversation.
    Request,
    /// The end of it.
    Response,
    /// Something in between.
    Notification,
    /// Changed data; allowed by the schema, seen nowhere.
    Update,
}

/// What a message means for a job.
#[derive(Debug)]
pub enum Reading {
    /// They still work on it.
    Progress {
        /// For the event `progress`; no personal data.
        summary: Map<String, Value>,
    },
    /// The answer.
    Answered(Answer),
    /// The end without an answer: `Refused`, or `Contract` where it contradicts itself.
    Failed(Failure),
    /// It is not about this job: stored and counted, never applied.
    NotOurs(Mismatch),
}

/// A message that nobody asked for.
#[derive(Debug)]
pub struct Received {
    /// Derived from *their* key of the message: a repetition has the same.
    pub id: Uuid,
    /// The operation in the event's routing key: `eqyzmet.inbound`.
    pub operation: &'static str,
    /// For the event `message_received`; no personal data.
    pub summary: Map<String, Value>,
    /// Rows of the portal.
    pub writes: Vec<Write>,
}

/// Why a message is not about the job it was matched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// Another request number, or none.
    RequestNumber,
    /// About another person.
    Person,
    /// For an organisation that is not ours.
    Organisation,
    /// The payload cannot be read at all.
    Unreadable,
}

impl Mismatch {
    /// The name in metrics and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequestNumber => code!("request_number").name(),
            Self::Person => code!("person").name(),
            Self::Organisation => code!("organisation").name(),
            Self::Unreadable => code!("unreadable").name(),
        }
    }
}
