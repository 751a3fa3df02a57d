//! What goes into one attempt, and what comes out.

use std::{fmt, time::Duration};

use bytes::Bytes;
use contracts::{
    class::Failure,
    operation::{OperationSpec, Record},
    personal::Personal,
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

/// One attempt to ask.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is asked.
    pub operation: &'static OperationSpec,
    /// The job's id. Every attempt of a job carries it as our message id and request number, so
    /// that the other side can recognise a repetition (shep §4.6).
    pub job_id: Uuid,
    /// The portal's record that the job belongs to.
    pub subject: String,
    /// The job's input; checked against the operation's schema.
    pub input: Personal<Value>,
    /// Business time now, for the dates in the request.
    pub now: Timestamp,
    /// The whole attempt ends within this, from connecting to the last byte.
    pub time_limit: Duration,
    /// What an earlier attempt of this job left for this one ([`Interim::carry`]); `Null` at first.
    pub carry: Personal<Value>,
    /// The code to verify, where the operation has one ([`contracts::operation::Parts::Code`]).
    pub code: Option<OneTimeCode>,
    /// The files that the input names, in its order.
    pub files: Vec<Attachment>,
}

/// A one-time code on its way to whoever sent it.
#[derive(Debug, Clone)]
pub struct OneTimeCode {
    /// The job that sent it.
    pub sent_by: Uuid,
    /// Their id of the code; `None` where the answer to sending was lost.
    pub otp_id: Option<String>,
    /// What the person typed.
    pub digits: Personal<String>,
}

/// A file that the portal stored for a job to take along.
#[derive(Clone)]
pub struct Attachment {
    /// Its id in `portal.attachment`.
    pub id: Uuid,
    /// Its name; may name a person.
    pub name: Personal<String>,
    /// For example `application/pdf`.
    pub media_type: String,
    /// The content.
    pub bytes: Bytes,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("id", &self.id)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A first attempt without anything beside its input.
    pub fn first(
        operation: &'static OperationSpec,
        job_id: Uuid,
        input: Value,
        now: Timestamp,
        time_limit: Duration,
    ) -> Self {
        Self {
            operation,
            job_id,
            subject: String::new(),
            input: Personal::new(input),
            now,
            time_limit,
            carry: Personal::new(Value::Null),
            code: None,
            files: Vec::new(),
        }
    }
}

/// What one attempt learned.
#[derive(Debug)]
pub struct Attempt {
    /// The result.
    pub outcome: Outcome,
    /// What was sent and received, to be kept sealed.
    pub exchange: Exchange,
    /// Rows to write whatever the outcome.
    pub writes: Vec<Write>,
}

impl Attempt {
    /// An attempt that writes nothing besides its outcome.
    pub const fn new(outcome: Outcome, exchange: Exchange) -> Self {
        Self { outcome, exchange, writes: Vec::new() }
    }

    /// An attempt of which nothing was sent.
    pub fn unsent(failure: Failure) -> Self {
        Self::new(Outcome::Failed(failure), Exchange::default())
    }
}

/// The result of an attempt. Closed: matched without a wildcard.
#[derive(Debug)]
pub enum Outcome {
    /// They answered.
    Answered(Answer),
    /// They took it and will answer later, under this chain id.
    Acknowledged(Chain),
    /// They said something, and there is more to come: ask again later.
    Interim(Interim),
    /// Only from [`Adapter::reconcile`](crate::system::Adapter::reconcile): they know nothing of the
    /// command, and sending it again does no harm.
    NotDone,
    /// No answer.
    Failed(Failure),
}

/// An answer, in parts that must not mix.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// For events and logs: closed sets, codes, certificate numbers. No personal data.
    pub summary: Map<String, Value>,
    /// For the row that the job owns: column → value. Columns that are absent become NULL.
    pub portal: Personal<Map<String, Value>>,
    /// For the operation's `rows` table: the whole set.
    pub rows: Personal<Vec<Map<String, Value>>>,
    /// Rows that several operations share.
    pub writes: Vec<Write>,
    /// Files to keep and to serve by a link.
    pub files: Vec<File>,
    /// A job of its own that begins with this answer.
    pub follow_up: Option<FollowUp>,
}

impl Answer {
    /// An answer that fills nothing but the job's own row.
    pub fn new(summary: Map<String, Value>, portal: Map<String, Value>) -> Self {
        Self { summary, portal: Personal::new(portal), ..Self::default() }
    }
}

/// A part of an answer, with the wish to come again. The job is `pending` in between. Whatever `carry`
/// leads to is a question: it changes nothing out there, however often it is asked.
#[derive(Debug)]
pub struct Interim {
    /// For the event `progress`; an empty one tells nobody. No personal data.
    pub summary: Map<String, Value>,
    /// Rows that are known already.
    pub writes: Vec<Write>,
    /// Files that are known already.
    pub files: Vec<File>,
    /// What the next attempt must know; small, kept with the job.
    pub carry: Personal<Value>,
    /// Business time until the next attempt.
    pub again_in: Duration,
    /// `Some`: this attempt counts, and where none is left the job ends with this failure. `None`:
    /// waiting costs nothing, and only the give-up time ends it.
    pub spends: Option<Failure>,
}

/// One write into a shared row.
#[derive(Debug, Clone)]
pub struct Write {
    /// Where.
    pub record: &'static Record,
    /// Column → value; the key's columns must be there, others that are absent become NULL.
    pub values: Personal<Map<String, Value>>,
}

/// A file that came with an answer. Stored once a job and role; served by an unguessable link.
#[derive(Clone)]
pub struct File {
    /// What it is: `label`.
    pub role: &'static str,
    /// For example `application/pdf`.
    pub media_type: &'static str,
    /// The content.
    pub bytes: Bytes,
    /// Where the link is told: its key is `subject`, its columns are the link and the instant until
    /// which it works, in this order.
    pub link: &'static Record,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("role", &self.role)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// A job that begins by itself: same subject, its id derived from its parent's.
#[derive(Debug, Clone)]
pub struct FollowUp {
    /// What it does.
    pub operation: &'static OperationSpec,
    /// What it needs; fits the operation's schema.
    pub input: Personal<Value>,
}

/// The ids that a SHEP acknowledgement gives to a conversation (shep §2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The chain: every later message carries it.
    pub correlation_id: String,
    /// The gateway's id of our request.
    pub message_id: String,
}

/// Raw bytes of one exchange. Personal: stored sealed, never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    /// As sent, credentials masked.
    pub request: Bytes,
    /// As received, cut at the body limit; empty where nothing came.
    pub response: Bytes,
    /// HTTP status, where one came.
    pub status: Option<u16>,
    /// When they told us to come again (`Retry-After`), from then on.
    pub retry_after: Option<Duration>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("request_bytes", &self.request.len())
            .field("response_bytes", &self.response.len())
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .finish()
    }
}
