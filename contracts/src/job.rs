//! A job as the portal publishes it, and how bytes become one.
//!
//! ```text
//! bytes ─ not JSON, no id, unknown version … → Malformed (quarantine)
//!    └─ JSON with an id ─ breaks schema or rule → Rejected (a job that ends at once)
//!          └─ fits → Job
//! ```
//!
//! *Guarantee*: the decision is a pure function of the bytes, the routing key and the catalogue, so
//! a redelivery decides the same. A one-time code leaves this module apart from its job's content.
//!
//! *Limits*: [`BODY_BYTES_MAX`]; U+0000 is refused because PostgreSQL's `jsonb` cannot hold it.

use std::collections::HashMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    code,
    code::Code,
    operation::{ConsentRule, OperationSpec, Parts},
    personal::Personal,
    rejection::{FieldError, Rejection},
    schema::{self, Checker, SchemaError},
};

/// Larger bodies are quarantined.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// The content type of jobs and events.
pub const CONTENT_TYPE: &str = "application/json";
/// The version of the envelope that this hub reads.
pub const VERSION: u64 = 1;

/// The envelope of every job, as published; `input` depends on the operation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Hub job, version 1")]
pub struct Envelope {
    /// Chosen by the publisher: the idempotency key.
    pub id: Uuid,
    /// For example `kpsisu.check`; also the routing key.
    pub operation: String,
    /// Version of this envelope: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u64,
    /// The portal's own record that the result belongs to, for example `specialist:4711`.
    #[schemars(length(min = 1, max = 200))]
    pub subject: String,
    /// When the person pressed the button; the SLA counts from here.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub requested_at: Timestamp,
    /// Who asks, for example `organisation:990140000007`.
    #[schemars(length(min = 1, max = 200))]
    pub requested_by: String,
    /// `interactive` (a person waits) or `bulk`.
    #[serde(default)]
    pub priority: Priority,
    /// The person's recorded agreement to the check (D1).
    pub consent: Option<Consent>,
    /// Where to deliver events by HTTP as well.
    #[schemars(length(max = 2000))]
    pub callback_url: Option<String>,
    /// What the operation needs.
    pub input: Value,
}

/// The order of the claim among stored jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// A person waits.
    #[default]
    Interactive,
    /// Nobody waits.
    Bulk,
}

impl Priority {
    /// Smaller is claimed first.
    pub const fn rank(self) -> i16 {
        match self {
            Self::Interactive => 0,
            Self::Bulk => 1,
        }
    }
}

/// How the person agreed (D1, D2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentKind {
    /// Signed with their own digital signature (ЭЦП).
    Eds,
    /// By the one-time code that M-Gov sent.
    SmsCode,
}

/// The recorded agreement; `kind` or `verified_by` says how it was given.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// How the person agreed.
    pub kind: Option<ConsentKind>,
    /// The id of a finished `mgov.verify_code` job.
    pub verified_by: Option<Uuid>,
    /// Which code, for `sms_code`.
    #[schemars(length(max = 100))]
    pub code_ref: Option<String>,
    /// The four digits, for `sms_code`; never stored with the job.
    #[schemars(regex(pattern = "^[0-9]{4}$"))]
    pub code: Option<String>,
    /// When the person agreed.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub accepted_at: Option<Timestamp>,
    /// Which wording they agreed to.
    #[schemars(length(min = 1, max = 50))]
    pub text_version: Option<String>,
}

impl std::fmt::Debug for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consent").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A job that may run.
#[derive(Debug, Clone)]
pub struct Job {
    /// Chosen by the publisher.
    pub id: Uuid,
    /// What is asked.
    pub operation: &'static OperationSpec,
    /// The portal's record.
    pub subject: String,
    /// When the person asked, as the publisher said it.
    pub requested_at: Timestamp,
    /// Who asks.
    pub requested_by: String,
    /// Order among stored jobs.
    pub priority: Priority,
    /// How and when the person agreed; kept as proof.
    pub consent: Option<ConsentRecord>,
    /// Where to deliver events by HTTP as well.
    pub callback_url: Option<String>,
    /// What the operation needs; personal.
    pub input: Personal<Value>,
    /// The one-time code, split off from consent or input: never stored with the job.
    pub code: Option<Personal<String>>,
    /// SHA-256 of the content that an id stands for.
    pub content_hash: [u8; 32],
}

/// How the person agreed, as it is kept as proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ConsentBy {
    /// With their own digital signature; the portal has the signed acceptance.
    Eds,
    /// By a one-time code that came with this job.
    SmsCode {
        /// Which code.
        code_ref: String,
    },
    /// By a one-time code that another job verifies.
    VerifiedBy {
        /// That job.
        verify_job: Uuid,
    },
}

/// What is kept of a consent: everything but the code.
#[derive(Debug, Clone, Serialize)]
pub struct ConsentRecord {
    /// How the person agreed.
    #[serde(flatten)]
    pub by: ConsentBy,
    /// When.
    pub accepted_at: Timestamp,
    /// To which wording.
    pub text_version: String,
}

/// What bytes from the broker turned out to be.
#[derive(Debug)]
pub enum Decoded {
    /// A job that may run.
    Job(Box<Job>),
    /// A job that ends at once.
    Rejected(Box<RejectedJob>),
    /// No job at all.
    Malformed(Malformed),
}

/// A message with an id that breaks a contract or a domain rule.
#[derive(Debug)]
pub struct RejectedJob {
    /// Chosen by the publisher.
    pub id: Uuid,
    /// The operation, where it is a known one.
    pub operation: Option<&'static OperationSpec>,
    /// The portal's record, where it could be read.
    pub subject: Option<String>,
    /// SHA-256 of the content that the id stands for.
    pub content_hash: [u8; 32],
    /// Why.
    pub rejection: Rejection,
}

/// Bytes that are no job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The id, where one can be read: its publisher is told.
    pub id: Option<Uuid>,
    /// Stable code, for example `not_json`.
    pub code: Code,
    /// One sentence for a developer.
    pub text: &'static str,
}

/// A message as the broker delivers it.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The routing key it was published with.
    pub routing_key: &'a str,
    /// The content type it was published with.
    pub content_type: Option<&'a str>,
    /// The bytes.
    pub body: &'a [u8],
}

/// What the hub can be asked, with the schema of each operation's job.
#[derive(Debug, Default)]
pub struct Catalogue {
    entries: HashMap<&'static str, Entry>,
}

/// Rules about an input that a schema cannot say.
pub type InputCheck = fn(&Value) -> Vec<FieldError>;

#[derive(Debug)]
struct Entry {
    spec: &'static OperationSpec,
    checker: Checker,
    check_input: InputCheck,
}

/// The whole schema of one operation's job: the envelope with the operation's input in its place.
pub fn job_schema(operation: &str, input: &Value) -> Value {
    let mut whole = schema::of::<Envelope>();
    whole["title"] = format!("Job of {operation}, version 1").into();
    whole["properties"]["operation"] = serde_json::json!({ "const": operation });
    let mut input = input.clone();
    // The dialect is named once, by the whole document.
    if let Some(schema) = input.as_object_mut() {
        schema.remove("$schema");
    }
    whole["properties"]["input"] = input;
    whole
}

impl Catalogue {
    /// Adds an operation with the schema of its input.
    pub fn add(
        &mut self,
        spec: &'static OperationSpec,
        input: &Value,
        check_input: InputCheck,
    ) -> Result<(), SchemaError> {
        let checker = Checker::new(&job_schema(spec.name, input))?;
        self.entries.insert(spec.name, Entry { spec, checker, check_input });
        Ok(())
    }

    /// The operation of this name.
    pub fn operation(&self, name: &str) -> Option<&'static OperationSpec> {
        self.entries.get(name).map(|entry| entry.spec)
    }

    /// All operations, by name.
    pub fn operations(&self) -> Vec<&'static OperationSpec> {
        let mut all: Vec<_> = self.entries.values().map(|entry| entry.spec).collect();
        all.sort_by_key(|spec| spec.name);
        all
    }

    /// Decides what a message is.
    pub fn decode(&self, incoming: Incoming<'_>) -> Decoded {
        let value = match read_json(incoming) {
            Ok(value) => value,
            Err(malformed) => return Decoded::Malformed(malformed),
        };
        let id = match read_id(&value) {
            Ok(id) => id,
            Err(malformed) => return Decoded::Malformed(malformed),
        };
        let malformed = |code, text| Decoded::Malformed(Malformed { id: Some(id), code, text });
        if incoming.content_type != Some(CONTENT_TYPE) {
            return malformed(code!("content_type"), "the content type must be application/json");
        }
        if value.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return malformed(code!("unknown_version"), "this hub reads version 1 of a job");
        }
        let operation = self.operation(incoming.routing_key);
        let content_hash = content_hash(&value, operation);
        let subject = value.get("subject").and_then(Value::as_str).map(|s| cut(s, 200));
        match self.judge(incoming.routing_key, value, id, content_hash) {
            Ok(job) => Decoded::Job(Box::new(job)),
            Err(rejection) => Decoded::Rejected(Box::new(RejectedJob {
                id,
                operation,
                subject,
                content_hash,
                rejection,
            })),
        }
    }

    fn judge(
        &self,
        routing_key: &str,
        value: Value,
        id: Uuid,
        content_hash: [u8; 32],
    ) -> Result<Job, Rejection> {
        let named = value.get("operation").and_then(Value::as_str);
        let known = |name: &str| self.entries.contains_key(name);
        if named.is_some_and(|name| !known(name)) || !known(routing_key) {
            let text = "no such operation or routing key; the README lists them";
            return Err(Rejection::single(Rejection::UNKNOWN_OPERATION, "/operation", text));
        }
        if named.is_some_and(|name| name != routing_key) {
            let text = "the routing key and the field name different operations";
            return Err(Rejection::single(Rejection::ROUTING_KEY_MISMATCH, "/operation", text));
        }
        let entry = &self.entries[routing_key];
        let mut errors = entry.checker.check(&value);
        if errors.is_empty() {
            errors = (entry.check_input)(&value["input"]);
        }
        let envelope: Option<Envelope> =
            if errors.is_empty() { serde_json::from_value(value).ok() } else { None };
        let Some(envelope) = envelope else {
            return Err(Rejection { code: Rejection::INVALID_FIELDS, errors });
        };
        let Envelope { mut input, .. } = envelope;
        let (consent, mut code) = check_consent(entry.spec.consent, envelope.consent)?.unzip();
        if entry.spec.parts == Parts::Code
            && let Some(Value::String(digits)) =
                input.as_object_mut().and_then(|i| i.remove("code"))
        {
            code = Some(Some(Personal::new(digits)));
        }
        Ok(Job {
            id,
            operation: entry.spec,
            subject: envelope.subject,
            requested_at: envelope.requested_at,
            requested_by: envelope.requested_by,
            priority: envelope.priority,
            consent,
            callback_url: envelope.callback_url,
            input: Personal::new(input),
            code: code.flatten(),
            content_hash,
        })
    }
}

/// What is kept of a consent, and the code that is split off.
type Agreed = (ConsentRecord, Option<Personal<String>>);

/// D1: who, when and which text version must be on record before anything is sent. A code belongs to
/// a check (D4), so only an operation that needs consent takes one.
fn check_consent(rule: ConsentRule, consent: Option<Consent>) -> Result<Option<Agreed>, Rejection> {
    let Some(consent) = consent else {
        return match rule {
            ConsentRule::NotNeeded => Ok(None),
            ConsentRule::Required => Err(Rejection::single(
                Rejection::CONSENT_MISSING,
                "/consent",
                "this operation needs the person's recorded consent",
            )),
        };
    };
    let Consent { kind, verified_by, code_ref, code, accepted_at, text_version } = consent;
    let mut errors = Vec::new();
    let mut missing = |path: &str| {
        errors.push(FieldError::new(
            path,
            code!("field_missing"),
            "a consent without it proves nothing",
        ));
    };
    let by = match (kind, verified_by) {
        (Some(_), Some(_)) => {
            let text = "give either the kind of a consent, or the job that verified it";
            let errors = vec![FieldError::new("/consent/verified_by", code!("not_allowed"), text)];
            return Err(Rejection { code: Rejection::INVALID_FIELDS, errors });
        }
        (Some(ConsentKind::Eds), None) => Some(ConsentBy::Eds),
        (Some(ConsentKind::SmsCode), None) => {
            if code.is_none() {
                missing("/consent/code");
            }
            if code_ref.is_none() {
                missing("/consent/code_ref");
            }
            code_ref.map(|code_ref| ConsentBy::SmsCode { code_ref })
        }
        (None, Some(verify_job)) => Some(ConsentBy::VerifiedBy { verify_job }),
        (None, None) => {
            missing("/consent/kind");
            None
        }
    };
    if accepted_at.is_none() {
        missing("/consent/accepted_at");
    }
    if text_version.is_none() {
        missing("/consent/text_version");
    }
    let (Some(by), Some(accepted_at), Some(text_version), true) =
        (by, accepted_at, text_version, errors.is_empty())
    else {
        return Err(Rejection { code: Rejection::CONSENT_MISSING, errors });
    };
    if rule == ConsentRule::NotNeeded && by != ConsentBy::Eds {
        let text = "this operation needs no consent, so no code is spent on it";
        return Err(Rejection::single(Rejection::CONSENT_UNSUPPORTED, "/consent", text));
    }
    let code = match by {
        ConsentBy::SmsCode { .. } => code.map(Personal::new),
        ConsentBy::Eds | ConsentBy::VerifiedBy { .. } => None,
    };
    Ok(Some((ConsentRecord { by, accepted_at, text_version }, code)))
}

fn read_json(incoming: Incoming<'_>) -> Result<Value, Malformed> {
    let no = |code, text| Err(Malformed { id: None, code, text });
    if incoming.body.len() > BODY_BYTES_MAX {
        return no(code!("too_large"), "a job is at most 256 KiB; attachments travel by reference");
    }
    let Ok(value) = serde_json::from_slice::<Value>(incoming.body) else {
        return no(code!("not_json"), "the body is not one JSON document in UTF-8");
    };
    if has_nul_escape(incoming.body) && holds_nul(&value) {
        let id = read_id(&value).ok();
        return Err(Malformed {
            id,
            code: code!("nul_character"),
            text: "U+0000 cannot be stored",
        });
    }
    Ok(value)
}

fn read_id(value: &Value) -> Result<Uuid, Malformed> {
    let no = |code, text| Err(Malformed { id: None, code, text });
    if !value.is_object() {
        return no(code!("not_an_object"), "a job is a JSON object");
    }
    // Only the hyphenated form: an id must look the same in every place that shows it.
    let id = value.get("id").and_then(Value::as_str).filter(|text| text.len() == 36);
    match id.and_then(|text| Uuid::try_parse(text).ok()) {
        Some(id) => Ok(id),
        None => no(code!("no_id"), "a job needs an id: a UUID in its hyphenated form"),
    }
}

/// Cheap look before the walk: almost no job holds the escape.
fn has_nul_escape(body: &[u8]) -> bool {
    body.windows(6).any(|six| six == b"\\u0000")
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(map) => map.iter().any(|(k, v)| k.contains('\0') || holds_nul(v)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What the id stands for: everything but when and how urgently it was asked, where to call back,
/// and the one-time code.
fn content_hash(value: &Value, operation: Option<&OperationSpec>) -> [u8; 32] {
    let mut skipped = vec!["/requested_at", "/priority", "/callback_url", "/consent/code"];
    if operation.is_some_and(|spec| spec.parts == Parts::Code) {
        skipped.push("/input/code");
    }
    let mut hasher = Sha256::new();
    hash_value(&mut hasher, value, "", &skipped);
    hasher.finalize().into()
}

fn hash_value(hasher: &mut Sha256, value: &Value, path: &str, skipped: &[&str]) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            hasher.update(b"{");
            for key in keys {
                let inner = format!("{path}/{key}");
                // Null and absent mean the same to the schema, so they are the same content.
                if skipped.contains(&inner.as_str()) || map[key].is_null() {
                    continue;
                }
                hasher.update(key.len().to_be_bytes());
                hasher.update(key);
                hash_value(hasher, &map[key], &inner, skipped);
            }
            hasher.update(b"}");
        }
        Value::Array(items) => {
            hasher.update(b"[");
            for item in items {
                hash_value(hasher, item, "[]", skipped);
            }
            hasher.update(b"]");
        }
        Value::String(text) => {
            hasher.update(b"s");
            hasher.update(text.len().to_be_bytes());
            hasher.update(text);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            hasher.update(b"v");
            hasher.update(value.to_string());
            hasher.update(b";");
        }
    }
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
