//! The rows that more than one job writes: the portal's view of a code, and what the hub keeps of it.
//!
//! *Guarantee*: one record for one fact. A wrong attempt that is recorded late lowers a counter; it
//! does not turn a code that was verified meanwhile back into one that was not.

use contracts::{
    operation::{Mode, Record},
    personal::Personal,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::attempt::Write;

/// `portal.sms_code`: what became of a code.
static STATUS: Record = of_code("portal.sms_code", &["code_status"]);
/// `portal.sms_code`: how often it may still be typed.
static ATTEMPTS_LEFT: Record = of_code("portal.sms_code", &["attempts_left"]);
/// `hub.sms_code`: the same, where the hub decides by it.
static KEPT_ATTEMPTS_LEFT: Record = of_code("hub.sms_code", &["attempts_left"]);
/// `hub.sms_code`: M-Gov took the order to send it.
static KEPT_SENT: Record = of_code("hub.sms_code", &["status", "otp_id", "sent_at", "expires_at"]);

/// What became of a code, in `portal.sms_code`. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeStatus {
    Sent,
    Verified,
    Used,
    Expired,
    AttemptsUsedUp,
    Unknown,
}

impl CodeStatus {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Verified => "verified",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::AttemptsUsedUp => "attempts_used_up",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of a code.
pub(super) fn status(code_ref: &str, status: CodeStatus) -> Write {
    write(&STATUS, json!({ "code_ref": code_ref, "code_status": status.name() }))
}

/// How often a code may still be typed: for the portal, and for the hub.
pub(super) fn attempts_left(code_ref: &str, left: u8) -> [Write; 2] {
    let values = json!({ "code_ref": code_ref, "attempts_left": left });
    [write(&ATTEMPTS_LEFT, values.clone()), write(&KEPT_ATTEMPTS_LEFT, values)]
}

/// What the hub needs to have a code verified.
pub(super) fn sent(code_ref: &str, otp_id: &str, sent_at: Timestamp, expires_at: Timestamp) -> Write {
    let values = json!({
        "code_ref": code_ref,
        "status": "sent",
        "otp_id": otp_id,
        "sent_at": sent_at,
        "expires_at": expires_at,
    });
    write(&KEPT_SENT, values)
}

const fn of_code(name: &'static str, columns: &'static [&'static str]) -> Record {
    Record { name, key: &["code_ref"], columns, mode: Mode::Update }
}

fn write(record: &'static Record, values: Value) -> Write {
    let values = match values {
        Value::Object(values) => values,
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_) => Map::new(), // every caller gives an object
    };
    Write { record, values: Personal::new(values) }
}
