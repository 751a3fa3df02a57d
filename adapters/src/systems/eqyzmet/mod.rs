//! ИИС «Е-қызмет»: messages of reviewing bodies to an organisation, and its submissions.
//!
//! ```text
//! inbound: gateway ─ sendMessage REQUEST │ UPDATE ─→ hub ─→ portal.message        (no job)
//! submit:  job ─ SIM_submitMessage ─→ synchronous channel ─→ portal.message        (submit_*)
//! doubt:   SIM_messageStatus, by our request number
//! ```
//!
//! *Guarantee*: what they say of a message is written only forward, by its revision; what we
//! learned of a submission stands in columns of its own. `portal.message.status` is computed from
//! both, so that neither an old push nor a repeated one undoes a submission.
//!
//! Wire format: `contracts/systems/eqyzmet/README.md` (gov-services §8).

mod certificate;
mod failures;
mod inbound;
mod input;
mod simulator;
mod submit;
#[cfg(test)]
mod tests;
mod wire;

use std::{sync::Arc, time::Duration};

use contracts::{
    job::InputCheck,
    operation::{
        Again, Answers, ConsentRule, Effect, Mode, OperationSpec, Parts, Reconcile, Record,
        SlaSpec, SystemSpec,
    },
    schema,
};
use serde_json::Value;

use crate::{
    settings::{Form, OptionSpec, Settings},
    simulation::Simulation,
    system::{Adapter, ConnectError, System},
};

/// The registered system.
#[derive(Debug)]
pub struct Eqyzmet;

/// Name and operations.
pub static SPEC: SystemSpec = SystemSpec {
    name: "eqyzmet",
    title: "ИИС «Е-қызмет»: messages of reviewing bodies",
    operations: &[&SUBMIT],
};

/// The operation that events of messages nobody asked for are named after.
pub const INBOUND: &str = "eqyzmet.inbound";

/// Largest attachment: «до 3 Мб» (manual 003). A file manager shows the users binary megabytes, so
/// that a file of exactly 3 × 1024 × 1024 bytes is "3 МБ" to them, and is taken (D19).
pub const FILE_BYTES_MAX: usize = 3 * 1024 * 1024;
/// All attachments of one submission: three of the largest, 12 MiB of base64 in one request.
pub const FILES_BYTES_MAX: usize = 3 * FILE_BYTES_MAX;
/// Attachments of one submission.
pub const FILES_MAX: usize = 10;

/// `eqyzmet.submit`: returns an editable message to its reviewer, signed (D19, D20).
pub static SUBMIT: OperationSpec = OperationSpec {
    name: "eqyzmet.submit",
    system: "eqyzmet",
    effect: Effect::Command,
    consent: ConsentRule::NotNeeded,
    sla: SlaSpec::plain(Duration::from_mins(45), Duration::from_hours(1), Duration::from_hours(24)),
    // Twelve mebibytes go up.
    call_timeout: Duration::from_secs(60),
    attempts_max: 20,
    reconcile: Reconcile::Ask { every: Duration::from_mins(2) },
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Files { bytes_max: FILE_BYTES_MAX },
    // Messages are there before any job: a submission writes its part of their rows.
    portal: None,
};

/// What they say of a message.
pub static MESSAGE: Record = Record {
    name: "portal.message",
    key: &["message_id"],
    columns: &[
        "kind",
        "organisation",
        "reviewer",
        "title",
        "text",
        "fields",
        "attachments",
        "state",
        "revision",
        "sent_at",
        "due_date",
    ],
    mode: Mode::Forward("revision"),
};

/// A submission that they took.
pub static SUBMITTED: Record = Record {
    name: "portal.message",
    key: &["message_id"],
    columns: &[
        "submit_job_id",
        "submit_status",
        "submit_code",
        "submitted_revision",
        "submitted_at",
    ],
    mode: Mode::Update,
};

/// A submission that they did not take, or not yet, as far as we know.
pub static NOT_SUBMITTED: Record = Record {
    name: "portal.message",
    key: &["message_id"],
    columns: &["submit_job_id", "submit_status", "submit_code"],
    mode: Mode::Update,
};

/// The address of the asynchronous channel, for the mailbox.
const ASYNC_URL: OptionSpec = OptionSpec { name: "async_url", default: None, form: Form::Url };
/// Whether certificates with wrong check digits are taken: the test keys of the authority have
/// them.
const TEST_CERTIFICATES: OptionSpec =
    OptionSpec { name: "test_certificates", default: Some("false"), form: Form::Flag };
/// The organisations whose messages are ours.
const ORGANISATIONS: OptionSpec =
    OptionSpec { name: "organisations", default: None, form: Form::Text };

impl System for Eqyzmet {
    fn spec(&self) -> &'static SystemSpec {
        &SPEC
    }

    fn input(&self, _: &OperationSpec) -> (Value, InputCheck) {
        (schema::of::<input::Input>(), input::check_input)
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[ASYNC_URL, ORGANISATIONS, TEST_CERTIFICATES]
    }

    fn simulated(&self, simulators: &str) -> Vec<(&'static str, Value)> {
        vec![
            ("url", format!("{simulators}/eqyzmet/").into()),
            ("push_peers", vec!["127.0.0.1"].into()),
            ("push_senders", vec![simulator::SENDER.id].into()),
            ("push_sender_password", simulator::SENDER.password.into()),
            ("pull_interval_s", (12 * 3_600).into()),
        ]
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Adapter>, ConnectError> {
        Ok(Arc::new(submit::Messages::new(settings)?))
    }

    fn simulator(&self, simulation: Arc<Simulation>) -> axum::Router {
        simulator::router(simulation)
    }
}
