//! Why the hub does not take a message: said so that a publisher can mend it without asking.

use serde::{Deserialize, Serialize};

use crate::{code, code::Code};

/// One fault in one field of a job.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct FieldError {
    /// JSON Pointer to the field, for example `/input/iin`.
    pub path: String,
    /// Stable code, for example `field_missing`; explained in `contracts/CODES.md`.
    pub code: String,
    /// One sentence for a developer. Never holds the value.
    pub text: String,
}

impl FieldError {
    /// A fault in the field at `path`.
    pub fn new(path: &str, code: Code, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), code: code.name().to_owned(), text: text.into() }
    }
}

/// A message that could be read but breaks a contract or a domain rule: it becomes a job that is
/// `rejected`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Stable code of the whole rejection, for example `invalid_fields`.
    pub code: Code,
    /// One entry a field; empty where the fault is not in a field.
    pub errors: Vec<FieldError>,
}

impl Rejection {
    /// Fields are missing, unknown, of a wrong type or of a wrong form.
    pub const INVALID_FIELDS: Code = code!("invalid_fields");
    /// No such operation, or no such routing key.
    pub const UNKNOWN_OPERATION: Code = code!("unknown_operation");
    /// The routing key and the field `operation` name different operations.
    pub const ROUTING_KEY_MISMATCH: Code = code!("routing_key_mismatch");
    /// The operation needs a recorded consent (D1).
    pub const CONSENT_MISSING: Code = code!("consent_missing");
    /// This kind of consent cannot be verified yet.
    pub const CONSENT_UNSUPPORTED: Code = code!("consent_unsupported");
    /// The id was used before with other content.
    pub const ID_REUSED: Code = code!("id_reused");
    /// The id was used before with the same content; the job's history has had its time.
    pub const HISTORY_GONE: Code = code!("history_gone");
    /// The hub cannot decode the message at all; it is kept in quarantine.
    pub const MALFORMED: Code = code!("malformed");

    /// A rejection with one entry.
    pub fn single(code: Code, path: &str, text: impl Into<String>) -> Self {
        Self { code, errors: vec![FieldError::new(path, code, text)] }
    }
}
