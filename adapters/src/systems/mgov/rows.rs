//! The rows that more than one job writes: the portal's view of a code, and what the hub keeps of it.
//!
//! *Guarantee*: one record for one fact. A code can be typed before the answer to its sending is
//! recorded, and two attempts can be recorded in another order than they were made: none of it turns a
//! code that was verified back into one that was only sent.
//!
//! *What this does not do*: count attempts for the hub. It counts its own before it asks, so that a
//! counter of theirs that never falls allows nobody to go on trying.

use contracts::{
    operation::{Mode, Record},
    personal::Personal,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::attempt::Write;

/// `portal.sms_code`: what M-Gov said of digits that were typed.
static RESULT: Record = of_code("portal.sms_code", &["result"]);
/// `portal.sms_code`: how often a code may still be typed.
static ATTEMPTS_LEFT: Record = of_code("portal.sms_code", &["attempts_left"]);
/// `hub.sms_code`: by what the code is verified, and until when.
static KEPT_SENT: Record = of_code("hub.sms_code", &["otp_id", "sent_at", "expires_at"]);
/// `hub.sms_code`: there is no code, so the next may be sent at once.
static KEPT_FAILED: Record = of_code("hub.sms_code", &["status"]);

/// What M-Gov said of digits that were typed, in `portal.sms_code`. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Verified,
    Used,
    Expired,
    AttemptsUsedUp,
    Unknown,
}

impl Said {
    const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::AttemptsUsedUp => "attempts_used_up",
            Self::Unknown => "unknown",
        }
    }
}

/// What M-Gov said of digits that were typed.
pub(super) fn result(code_ref: &str, said: Said) -> Write {
    write(&RESULT, json!({ "code_ref": code_ref, "result": said.name() }))
}

/// How often a code may still be typed.
pub(super) fn attempts_left(code_ref: &str, left: u8) -> Write {
    write(&ATTEMPTS_LEFT, json!({ "code_ref": code_ref, "attempts_left": left }))
}

/// What the hub needs to have a code verified.
pub(super) fn sent(
    code_ref: &str,
    otp_id: &str,
    sent_at: Timestamp,
    expires_at: Timestamp,
) -> Write {
    let values = json!({
        "code_ref": code_ref,
        "otp_id": otp_id,
        "sent_at": sent_at,
        "expires_at": expires_at,
    });
    write(&KEPT_SENT, values)
}

/// No code was sent.
pub(super) fn not_sent(code_ref: &str) -> Write {
    write(&KEPT_FAILED, json!({ "code_ref": code_ref, "status": "failed" }))
}

const fn of_code(name: &'static str, columns: &'static [&'static str]) -> Record {
    Record { name, key: &["code_ref"], columns, mode: Mode::Update }
}

fn write(record: &'static Record, values: Value) -> Write {
    let values = match values {
        Value::Object(values) => values,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        } // every caller gives an object
    };
    Write { record, values: Personal::new(values) }
}
