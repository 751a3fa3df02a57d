//! `mzrk.check`: asks both registers about one person (D8-D11).
//!
//! ```text
//! ask both ─→ both answered ─→ verdict
//!          └→ one answered ─→ interim: its flag is carried along ─→ ask the other alone ─→ …
//!          └→ none answered ─→ unreachable
//! ```
//!
//! *Guarantee*: a verdict needs an answer of both registers; a record in one of them is none before
//! the other has answered. An answer is taken only when it names our request and the person.
//!
//! *Limits*: the pause between two questions grows from [`PAUSE_FIRST`] to [`PAUSE_MAX`]; each
//! question spends an attempt.

use std::time::Duration;

use async_trait::async_trait;
use contracts::{number::Iin, personal::Personal};
use serde::Deserialize;
use serde_json::Map;
use uuid::Uuid;

use super::{
    failures::{Cause, failure},
    registers::{Known, Register},
    wire::{self, Word},
};
use crate::{
    attempt::{Answer, Attempt, Call, Exchange, Interim, Outcome},
    settings::Settings,
    system::{Adapter, ConnectError},
    transport::{
        gateway::Gateway,
        shep_sync::{self, Head, Reply},
        xml::Writer,
    },
};

/// Until the second question: four questions fit into the promise of two minutes.
const PAUSE_FIRST: Duration = Duration::from_secs(15);
/// Between two questions at most.
const PAUSE_MAX: Duration = Duration::from_mins(15);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// What the portal asks.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Who is checked.
    pub(super) iin: Iin,
}

/// The adapter.
#[derive(Debug)]
pub(super) struct Checks {
    gateway: Gateway,
}

impl Checks {
    /// Takes account and address from the settings. Their limit of silence does not apply here: the
    /// registers are searched while the gateway says nothing, so the limit of the call holds alone.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConnectError> {
        let settings = Settings { read_timeout_ms: DAY_MS, ..settings.clone() };
        Ok(Self { gateway: Gateway::new(super::SPEC.name, &settings)? })
    }
}

#[async_trait]
impl Adapter for Checks {
    async fn attempt(&self, call: &Call) -> Attempt {
        let (input, known) = match read(call) {
            Ok(read) => read,
            Err(cause) => {
                let outcome = Outcome::Failed(failure(&cause));
                return Attempt::new(outcome, Exchange::default());
            }
        };
        let head = Head { service_id: wire::SERVICE_ID, message_id: call.job_id, now: call.now };
        let write = |xml: &mut Writer| {
            wire::write(xml, call.job_id, input.iin.expose(), known.missing());
        };
        let (reply, exchange) =
            shep_sync::send_typed(&self.gateway, head, call.time_limit, wire::OPEN_DATA, write)
                .await;
        let question = Question { id: call.job_id, iin: &input.iin, known: &known };
        let outcome = match reply.map_err(Cause::from).and_then(|reply| judge(reply, question)) {
            Ok(outcome) => outcome,
            Err(cause) => Outcome::Failed(failure(&cause)),
        };
        Attempt::new(outcome, exchange)
    }
}

/// What was asked, to hold the answer against.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) id: Uuid,
    pub(super) iin: &'a Iin,
    /// From earlier attempts.
    pub(super) known: &'a Known,
}

/// What an answer means.
pub(super) fn judge(reply: Reply, question: Question<'_>) -> Result<Outcome, Cause> {
    if reply.status() != shep_sync::SUCCESS {
        return Err(Cause::unknown_status(reply.status()));
    }
    let payload = reply.into_payload().map_err(|_| Cause::Payload)?;
    let response = wire::read(payload.root())?;
    if !response.is_ours() {
        return Err(Cause::OtherOperation);
    }
    match response.status {
        Some(wire::STATUS_OK) => {}
        Some(wire::STATUS_BAD_REQUEST) if response.message == Some(wire::NOT_FOUND) => {
            // Whoever is not known has no accounts, neither here nor in an earlier answer.
            let is_told_of = response.body.is_some() || question.known.missing().count() < 2;
            return Err(if is_told_of { Cause::Contradiction } else { Cause::NotKnown });
        }
        Some(wire::STATUS_BAD_REQUEST) => return Err(Cause::Status400),
        Some(wire::STATUS_INTERNAL) => return Err(Cause::Status500),
        Some(wire::STATUS_NOT_IMPLEMENTED) => return Err(Cause::Status501),
        Some(other) => return Err(Cause::unknown_status_code(other)),
        None => return Err(Cause::unknown_status_code("")),
    }
    let body = response.body.ok_or(Cause::NoResponse)?;
    if body.request_id.and_then(|id| Uuid::try_parse(id).ok()) != Some(question.id) {
        return Err(Cause::OtherRequest);
    }
    if body.iin != Some(question.iin.expose()) {
        return Err(Cause::OtherPerson);
    }
    let mut known = question.known.clone();
    for (register, word) in body.words()? {
        match word {
            Word::OnRecord(on_record) => known.learn(register, on_record)?,
            Word::Unavailable => {} // what it said earlier stands
        }
    }
    conclude(known, question.known)
}

fn read(call: &Call) -> Result<(Input, Known), Cause> {
    let input = Input::deserialize(call.input.expose()).map_err(|_| Cause::Input)?;
    let carry = call.carry.expose();
    let known = if carry.is_null() {
        Known::default()
    } else {
        Known::deserialize(carry).map_err(|_| Cause::Carry)?
    };
    if known.missing().next().is_none() {
        return Err(Cause::Carry);
    }
    Ok((input, known))
}

fn conclude(mut known: Known, before: &Known) -> Result<Outcome, Cause> {
    let missing: Vec<Register> = known.missing().collect();
    let mut summary = Map::new();
    match missing.as_slice() {
        [] => {
            summary.insert("verdict".to_owned(), known.verdict().name().into());
            return Ok(Outcome::Answered(Answer::new(summary.clone(), summary)));
        }
        [_, _] => return Err(Cause::RegisterUnavailable),
        [missing] if known != *before => {
            summary.insert("status".to_owned(), "partial".into());
            summary.insert("missing".to_owned(), vec![missing.name()].into());
        }
        _ => {} // nothing new: nobody needs to hear it again
    }
    let again_in = pause(known.partial_answers);
    known.partial_answers = known.partial_answers.saturating_add(1);
    let carry = serde_json::to_value(&known).map_err(|_| Cause::Carry)?;
    Ok(Outcome::Interim(Interim {
        summary,
        writes: Vec::new(),
        files: Vec::new(),
        carry: Personal::new(carry),
        again_in,
        spends: Some(failure(&Cause::RegisterUnavailable)),
    }))
}

/// Doubles with every partial answer.
fn pause(partial_answers: u32) -> Duration {
    let factor = 2_u32.saturating_pow(partial_answers);
    PAUSE_FIRST.saturating_mul(factor).min(PAUSE_MAX)
}
