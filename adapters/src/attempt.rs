//! What goes into one attempt, and what comes out.

use std::{fmt, time::Duration};

use bytes::Bytes;
use contracts::{class::Failure, operation::OperationSpec, personal::Personal};
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
    /// The job's input; checked against the operation's schema.
    pub input: Personal<Value>,
    /// Business time now, for the dates in the request.
    pub now: Timestamp,
    /// The whole attempt ends within this, from connecting to the last byte.
    pub time_limit: Duration,
}

/// What one attempt learned.
#[derive(Debug)]
pub struct Attempt {
    /// The result.
    pub outcome: Outcome,
    /// What was sent and received, to be kept sealed.
    pub exchange: Exchange,
}

/// The result of an attempt. Closed: matched without a wildcard.
#[derive(Debug)]
pub enum Outcome {
    /// They answered.
    Answered(Answer),
    /// They took it and will answer later, under this chain id.
    Acknowledged(Chain),
    /// No answer.
    Failed(Failure),
}

/// An answer, in two parts that must not mix.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// For events and logs: closed sets, codes, certificate numbers. No personal data.
    pub summary: Map<String, Value>,
    /// For the portal's table: column → value. Columns that are absent become NULL.
    pub portal: Personal<Map<String, Value>>,
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
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("request_bytes", &self.request.len())
            .field("response_bytes", &self.response.len())
            .field("status", &self.status)
            .finish()
    }
}
