//! One contract case: what is sent, what comes back, and what the hub must make of it.
//!
//! ```text
//! contracts/systems/<system>/cases/<case>/
//!     case.toml      this format
//!     request.xml    what the hub must send (or request.json)
//!     response.xml   what comes back (or response.json, response.html, response.txt)
//! ```
//!
//! A plain case is one request and one answer. A case with `[[steps]]` is a story: `out` is a
//! request of the hub, the `in` after it its answer, an `in` that stands alone a message that the
//! gateway delivers later, `wait` business time. `expected` at a step says what was learned there;
//! the table `[expected]` is what the last step must show.
//!
//! *Guarantee*: a key that is not known is an error, and an error names file, line and key
//! ([`CaseError`]). The JSON Schema of this format is `contracts/schemas/case.v1.json`.
//!
//! *Limits*: [`FILE_BYTES_MAX`] a file, [`STEPS_MAX`] steps.

mod load;
mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

pub use self::{
    load::{CaseError, Found, find},
    story::{Answer, Out, Part, Push, duration},
};

/// Longer files are refused.
pub const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longer stories are refused.
pub const STEPS_MAX: usize = 64;
/// The file with the case.
pub const CASE_FILE: &str = "case.toml";

/// The file `case.toml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Contract case, version 1")]
pub struct Case {
    /// What the case shows, in one line.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// The operation, for example `gbdfl.person`; for a message that nobody asked for, the one in
    /// its event, for example `eqyzmet.inbound`.
    pub operation: String,
    /// Where the *shape* of the messages comes from.
    pub provenance: Provenance,
    /// What the response file is. Not used with `steps`.
    #[serde(default)]
    pub message: Option<Kind>,
    /// The HTTP status that the response file comes with.
    #[serde(default = "ok")]
    #[schemars(range(min = 100, max = 599))]
    pub http_status: u16,
    /// HTTP headers that it comes with, besides its content type.
    #[serde(default)]
    pub http_headers: BTreeMap<String, String>,
    /// Whether the response file fits the schemas: envelope and data.
    #[serde(default)]
    pub schema_valid: Option<bool>,
    /// How the answer comes, where it does not simply come.
    #[serde(default)]
    pub transport: Transport,
    /// What is asked of the adapter: an attempt, or what became of a lost command.
    #[serde(default)]
    pub call: Ask,
    /// HTTP method of the request.
    #[serde(default)]
    pub method: Option<String>,
    /// End of the path of the request, with its query: `/tracking/AA1` or `?id=1`.
    #[serde(default)]
    pub path: Option<String>,
    /// Business time of the case, for example `2026-03-02T10:00:00+05:00` (the default).
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub now: Option<jiff::Timestamp>,
    /// Places in a request whose values may differ, for example `messageInfo/messageDate`: local
    /// names or keys, the end of the path; a leading `/` means the whole path.
    #[serde(default)]
    pub masks: Vec<String>,
    /// For a replay against a live system: what the other side must be made to do before it gives
    /// this answer. A behaviour of our simulator (`not_found_b`), or `recorded`: the answer of this
    /// case, byte by byte. Absent: a system that holds this person or organisation answers so by
    /// itself.
    #[serde(default)]
    #[schemars(length(min = 1, max = 60))]
    pub behaviour: Option<String>,
    /// For a replay: places in the answer whose values are codes and are compared, written as in
    /// `masks`, for example `lifeStatus/code`. Status and result codes always are.
    #[serde(default)]
    pub compared: Vec<String>,
    /// What the hub was asked; absent or empty where nobody asked.
    #[serde(default, deserialize_with = "load::job")]
    #[schemars(with = "Option<JobSchema>")]
    pub job: Option<Job>,
    /// Settings and options of the system that differ from the defaults.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The story, where it is more than one request and one answer.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// What the hub must make of it.
    pub expected: Expected,
}

/// Where the shape of a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Provenance {
    /// Seen in a public schema, a capture or a working client.
    Found,
    /// Not seen for this service, but for a neighbour of it.
    Hint,
    /// Made for the simulator until the service passport comes.
    Designed,
}

/// What the response file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The answer of a synchronous channel, or the final message of an asynchronous one.
    Response,
    /// The answer of a synchronous channel, in a system that has an asynchronous one too.
    Answer,
    /// The answer to the question what became of a lost command; `call = "reconcile"` goes without
    /// saying.
    Status,
    /// "Taken": the answer to a request of an asynchronous channel.
    Acknowledgement,
    /// An interim message of an asynchronous channel.
    Notification,
    /// A message that begins a conversation of theirs: `response.*` is the message, and
    /// `request.*`, where there is one, the question that would fetch it from the mailbox.
    Request,
    /// As `request`, but about a message that came before.
    Update,
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// It comes.
    #[default]
    Answer,
    /// Nobody listens: the request does not leave.
    Refused,
    /// The request is read, then the connection closes without a byte.
    Reset,
    /// The connection closes in the middle of the body.
    Cut,
    /// The request is read, and nothing comes within the time limit.
    Silence,
}

/// What is asked of the adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// An attempt.
    #[default]
    Attempt,
    /// What became of a command whose answer was lost.
    Reconcile,
}

/// What the hub was asked: as much of a job as an adapter sees.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The job's id.
    pub id: Uuid,
    /// The portal's record that it belongs to.
    #[serde(default)]
    pub subject: String,
    /// Its input; fits the operation's schema.
    pub input: Value,
    /// What an earlier attempt left for this one.
    #[serde(default)]
    pub carry: Option<Value>,
    /// The one-time code to verify.
    #[serde(default)]
    pub code: Option<Code>,
    /// The files that the input names, in its order.
    #[serde(default)]
    pub files: Vec<Attachment>,
}

/// For editors: a job, or an empty table.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum JobSchema {
    /// What was asked.
    Job(Job),
    /// Nobody asked.
    Nobody(Nobody),
}

/// An empty table.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nobody {}

/// A one-time code.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The job that sent it.
    pub sent_by: Uuid,
    /// Their id of the code; absent where the answer to sending was lost.
    #[serde(default)]
    pub otp_id: Option<String>,
    /// What the person typed.
    pub digits: String,
}

/// A file that the job takes along.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// For example `application/pdf`.
    pub media_type: String,
    /// The file in the case's folder that holds its bytes.
    #[serde(default)]
    pub file: Option<String>,
    /// Or its content, where it is a short text.
    #[serde(default)]
    pub text: Option<String>,
    /// Or its content in base64.
    #[serde(default)]
    pub base64: Option<String>,
}

/// One step of a story: exactly one of `out`, `in` and `wait`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What the hub must send: a file of the case.
    #[serde(default)]
    pub out: Option<String>,
    /// What comes: the answer to the `out` before it, or a message that is delivered later.
    #[serde(default, rename = "in")]
    pub input: Option<String>,
    /// Business time that passes, for example `1h`. After an interim answer it must be the time
    /// that the adapter asked for.
    #[serde(default)]
    pub wait: Option<String>,
    /// With `out`: what is asked of the adapter.
    #[serde(default)]
    pub call: Ask,
    /// With `out`: HTTP method.
    #[serde(default)]
    pub method: Option<String>,
    /// With `out`: end of the path, with its query.
    #[serde(default)]
    pub path: Option<String>,
    /// With `in`: HTTP status.
    #[serde(default)]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// With `in`: HTTP headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// With `in`: how it comes.
    #[serde(default)]
    pub transport: Transport,
    /// With `in`: whether it fits the schemas.
    #[serde(default)]
    pub schema_valid: Option<bool>,
    /// With `in`: what was learned here.
    #[serde(default)]
    pub expected: Option<Expected>,
}

/// What the hub must make of it. Keys that are absent are not compared.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The result.
    pub outcome: Outcome,
    /// What events and logs tell, exactly.
    #[serde(default)]
    pub summary: Option<Map<String, Value>>,
    /// The class of a failure.
    #[serde(default)]
    pub class: Option<String>,
    /// Our code of a failure.
    #[serde(default)]
    pub code: Option<String>,
    /// Their code, as it is kept.
    #[serde(default)]
    pub remote_code: Option<String>,
    /// Why a message is not ours.
    #[serde(default)]
    pub mismatch: Option<String>,
    /// Columns of the portal's row, as far as they are compared.
    #[serde(default)]
    pub portal: Option<Map<String, Value>>,
    /// The rows of the operation's second table: as many, and each as far as it is compared.
    #[serde(default)]
    pub rows: Option<Vec<Map<String, Value>>>,
    /// Writes into shared rows, in order, each as far as it is compared.
    #[serde(default)]
    pub writes: Option<Vec<ExpectedWrite>>,
    /// Roles of the files that came with the answer.
    #[serde(default)]
    pub files: Option<Vec<String>>,
    /// The operation of the job that begins with this answer.
    #[serde(default)]
    pub follow_up: Option<String>,
    /// What the next attempt must know, exactly.
    #[serde(default)]
    pub carry: Option<Value>,
    /// Business time until the next attempt, for example `15m`.
    #[serde(default)]
    pub again_in: Option<String>,
}

/// A write into a shared row.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedWrite {
    /// The table: `portal.delivery`.
    pub record: String,
    /// Columns, as far as they are compared.
    pub values: Map<String, Value>,
}

/// The result of a case. Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// They answered.
    Answered,
    /// They took it and will answer later.
    Acknowledged,
    /// They said something, and there is more to come.
    Interim,
    /// They know nothing of the command.
    NotDone,
    /// No answer; with `class` and `code`.
    Failed,
    /// An interim message for the job.
    Progress,
    /// The message is not about this job; with `mismatch`.
    NotOurs,
    /// A message that nobody asked for.
    Received,
}

impl Outcome {
    /// The name in case files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Acknowledged => "acknowledged",
            Self::Interim => "interim",
            Self::NotDone => "not_done",
            Self::Failed => "failed",
            Self::Progress => "progress",
            Self::NotOurs => "not_ours",
            Self::Received => "received",
        }
    }
}

const fn ok() -> u16 {
    200
}
