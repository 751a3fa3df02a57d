//! `eqyzmet.submit`: returns an editable message to its reviewer, signed, with files (D19, D20).
//!
//! *Guarantee*: nothing is sent while a file is too large, a certificate is out of date, or the two
//! certificates name different persons. A submission is sent under the job's id as their request
//! number, by which they recognise a repetition (DESIGNED): a repetition gets the first answer
//! again, and only that makes `NotDone` safe to send again.
//!
//! *Limits*: [`FILE_BYTES_MAX`], [`FILES_BYTES_MAX`]; those of the input are in `input.rs`.
//!
//! *What this does not do*: check the signature. It is handed on as it came.

use std::time::Duration;

use async_trait::async_trait;
use contracts::{
    class::{Class, Failure},
    number::Bin,
    personal::Personal,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    ASYNC_URL, FILE_BYTES_MAX, FILES_BYTES_MAX, NOT_SUBMITTED, ORGANISATIONS, SPEC, SUBMITTED,
    TEST_CERTIFICATES,
    certificate::{Holder, Validity},
    failures::{Cause, failure, of_question},
    input::Input,
    wire::{self, Params, Submission},
};
use crate::{
    attempt::{Answer, Attachment, Attempt, Call, Exchange, Outcome, Write},
    channel::AsyncChannel,
    settings::Settings,
    system::{Adapter, ConnectError},
    transport::{
        dates::read_moment,
        gateway::Gateway,
        shep_async::Mailbox,
        shep_sync::{self, Head, Reply},
        xml::BYTES_MAX,
    },
};

/// Silence while a large request goes up is none: the time limit of the call alone counts.
const SILENCE_MAX_MS: u64 = 600_000;
/// Time limit of one look into the mailbox, or of one confirmation.
const MAIL_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages in one page: ten of the largest that are taken fit into one document, so that no page
/// blocks the mailbox.
const MAIL_AMOUNT: usize = 10;

/// The adapter.
#[derive(Debug)]
pub(super) struct Messages {
    gateway: Gateway,
    /// The same account on the asynchronous channel.
    pub(super) mail_gateway: Gateway,
    pub(super) mailbox: Mailbox,
    /// BINs of the organisations whose messages are ours.
    pub(super) organisations: Vec<String>,
    takes_test_certificates: bool,
}

impl Messages {
    /// Takes account, addresses, believed senders and organisations from the settings.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConnectError> {
        let patient = Settings { read_timeout_ms: SILENCE_MAX_MS, ..settings.clone() };
        let url = settings.option(ASYNC_URL.name).unwrap_or(&settings.url).to_owned();
        let body_bytes_max = settings.body_bytes_max.max(BYTES_MAX);
        let by_async = Settings { url, body_bytes_max, ..settings.clone() };
        Ok(Self {
            gateway: Gateway::new(SPEC.name, &patient)?,
            mail_gateway: Gateway::new(SPEC.name, &by_async)
                .map_err(|error| as_option(error, settings))?,
            mailbox: Mailbox::new(wire::SERVICE_ID, settings, MAIL_TIMEOUT)
                .with_amount(MAIL_AMOUNT),
            organisations: organisations(settings)?,
            takes_test_certificates: settings.option(TEST_CERTIFICATES.name) == Some("true"),
        })
    }
}

/// An address that cannot be used is that of the option, where the option gave it.
fn as_option(error: ConnectError, settings: &Settings) -> ConnectError {
    match error {
        ConnectError::Url { system } if settings.option(ASYNC_URL.name).is_some() => {
            let text = "not an http or https URL";
            ConnectError::Option { system, option: ASYNC_URL.name, text }
        }
        ConnectError::Url { .. } | ConnectError::Option { .. } | ConnectError::Client { .. } => {
            error
        }
    }
}

fn organisations(settings: &Settings) -> Result<Vec<String>, ConnectError> {
    let text = settings.option(ORGANISATIONS.name).unwrap_or(&settings.requestor_bin);
    let all: Vec<String> = text.split(',').map(|bin| bin.trim().to_owned()).collect();
    if all.iter().all(|bin| bin.parse::<Bin>().is_ok()) {
        return Ok(all);
    }
    let text = "BINs separated by commas: 12 digits with the check digit each";
    Err(ConnectError::Option { system: SPEC.name, option: ORGANISATIONS.name, text })
}

#[async_trait]
impl Adapter for Messages {
    fn not_called(&self, call: &Call, failure: &Failure) -> Vec<Write> {
        told(call, failure)
    }

    async fn attempt(&self, call: &Call) -> Attempt {
        let ready = prepare(call, self.takes_test_certificates);
        let (input, organisation_bin) = match &ready {
            Ok(ready) => (&ready.input, ready.organisation_bin.as_str()),
            Err(cause) => return failed(call, cause, Exchange::default()),
        };
        let fields: Vec<(&str, &str)> = input
            .fields
            .iter()
            .map(|one| (one.key.as_str(), one.value.expose().as_str()))
            .collect();
        let submission = Submission {
            message_id: &input.message_id,
            request_number: call.job_id,
            organisation_bin,
            fields: &fields,
            files: &call.files,
            signature: input.signature.expose(),
        };
        let head = Head { service_id: wire::SERVICE_ID, message_id: call.job_id, now: call.now };
        let (reply, exchange) = shep_sync::send(&self.gateway, head, call.time_limit, |xml| {
            wire::write_submission(xml, &submission);
        })
        .await;
        let about = About { message_id: &input.message_id, job_id: call.job_id };
        match reply.map_err(Cause::from).and_then(|reply| judge(reply, about)) {
            Ok(answer) => answered(answer, exchange),
            Err(cause) => failed(call, &cause, exchange),
        }
    }

    async fn reconcile(&self, call: &Call) -> Attempt {
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            return unanswered(&Cause::Input, Exchange::default());
        };
        // An id of its own: a gateway that recognises repetitions by it must not take the question
        // for the submission.
        let message_id = Uuid::new_v5(&call.job_id, wire::STATUS.as_bytes());
        let head = Head { service_id: wire::SERVICE_ID, message_id, now: call.now };
        let (reply, exchange) = shep_sync::send(&self.gateway, head, call.time_limit, |xml| {
            wire::write_question(xml, &input.message_id, call.job_id);
        })
        .await;
        let about = About { message_id: &input.message_id, job_id: call.job_id };
        match reply.map_err(Cause::from).and_then(|reply| judge_status(reply, about)) {
            Ok(Some(answer)) => answered(answer, exchange),
            Ok(None) => Attempt::new(Outcome::NotDone, exchange),
            Err(cause) => unanswered(&cause, exchange),
        }
    }

    fn channel(&self) -> Option<&dyn AsyncChannel> {
        Some(self)
    }
}

fn answered(answer: Answer, exchange: Exchange) -> Attempt {
    Attempt::new(Outcome::Answered(answer), exchange)
}

/// A failed submission is told in the message's row too.
fn failed(call: &Call, cause: &Cause, exchange: Exchange) -> Attempt {
    let failure = failure(cause);
    let writes = told(call, &failure);
    Attempt { outcome: Outcome::Failed(failure), exchange, writes }
}

/// What the message's row says of a submission that failed.
fn told(call: &Call, failure: &Failure) -> Vec<Write> {
    let message_id = call.input.expose().get("message_id").and_then(Value::as_str);
    let writes = message_id.map(|message_id| Write {
        record: &NOT_SUBMITTED,
        values: row(json!({
            "message_id": message_id,
            "submit_job_id": call.job_id,
            "submit_status": submit_status(failure.class),
            "submit_code": failure.code,
        })),
    });
    writes.into_iter().collect()
}

/// A question without an answer says nothing new about the submission.
fn unanswered(cause: &Cause, exchange: Exchange) -> Attempt {
    Attempt::new(Outcome::Failed(of_question(cause)), exchange)
}

/// What the last attempt learned of the submission.
const fn submit_status(class: Class) -> &'static str {
    match class {
        Class::Refused => "refused",
        Class::BadRequest | Class::Malformed => "rejected",
        Class::Indeterminate | Class::Contract => "in_doubt",
        Class::Unreachable | Class::NotNow | Class::Denied | Class::Defect => "not_sent",
    }
}

fn row(value: Value) -> Personal<Map<String, Value>> {
    Personal::new(match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    })
}

/// A submission that may be sent.
struct Ready {
    input: Input,
    organisation_bin: String,
}

/// Everything that can be wrong before anything is sent.
fn prepare(call: &Call, takes_test_certificates: bool) -> Result<Ready, Cause> {
    let input = Input::deserialize(call.input.expose()).map_err(|_| Cause::Input)?;
    let read = |certificate: &Personal<String>| {
        Holder::read(certificate.expose()).map_err(|_| Cause::Input)
    };
    let person = read(&input.person_certificate)?;
    let organisation = read(&input.organisation_certificate)?;
    for holder in [&person, &organisation] {
        if !takes_test_certificates && !holder.has_right_numbers() {
            return Err(Cause::CertificateNumber);
        }
        match holder.validity_at(call.now) {
            Validity::Valid => {}
            Validity::NotYet => return Err(Cause::CertificateNotYetValid),
            Validity::Expired => return Err(Cause::CertificateExpired),
        }
    }
    check_files(&input.attachments, &call.files)?;
    // The admission saw both: whatever differs now is a defect, and must not be sent.
    let bin = organisation.bin.filter(|_| person.iin == organisation.iin).ok_or(Cause::Input)?;
    Ok(Ready { input, organisation_bin: bin.expose().to_owned() })
}

fn check_files(named: &[Uuid], files: &[Attachment]) -> Result<(), Cause> {
    if !files.iter().map(|file| file.id).eq(named.iter().copied()) {
        return Err(Cause::Files);
    }
    if files.iter().any(|file| file.bytes.len() > FILE_BYTES_MAX) {
        return Err(Cause::FileTooLarge);
    }
    let all: usize = files.iter().map(|file| file.bytes.len()).sum();
    if all > FILES_BYTES_MAX { Err(Cause::FilesTooLarge) } else { Ok(()) }
}

/// What was asked about, to hold the answer against.
#[derive(Clone, Copy)]
struct About<'a> {
    message_id: &'a str,
    job_id: Uuid,
}

impl About<'_> {
    /// Whether an answer is about our message; and whose request it speaks of.
    fn check(self, params: &Params<'_>, service: &str) -> Result<Option<Uuid>, Cause> {
        if params.service_name != service {
            return Err(Cause::OtherService);
        }
        if params.optional("messageId")? != Some(self.message_id) {
            return Err(Cause::OtherMessage);
        }
        Ok(params.optional("requestNumber")?.and_then(|number| Uuid::try_parse(number).ok()))
    }
}

fn judge(reply: Reply, about: About<'_>) -> Result<Answer, Cause> {
    if reply.status() != shep_sync::SUCCESS {
        return Err(Cause::UnknownStatus);
    }
    let payload = reply.into_payload().map_err(|_| Cause::Payload)?;
    let params = Params::read(payload.root(), "Response")?;
    let request = about.check(&params, wire::SUBMIT)?;
    let is_ours = request == Some(about.job_id);
    match params.required("resultCode")? {
        // "Already", and by us: an earlier attempt of this job came through.
        wire::RESULT_DONE | wire::RESULT_ALREADY_SUBMITTED if is_ours => success(&params, about),
        wire::RESULT_DONE => Err(Cause::OtherRequest),
        wire::RESULT_ALREADY_SUBMITTED => Err(Cause::AlreadySubmitted),
        wire::RESULT_NOT_FOUND => Err(Cause::NotFound),
        wire::RESULT_NOT_EDITABLE => Err(Cause::NotEditable),
        wire::RESULT_SIGNATURE => Err(Cause::Signature),
        wire::RESULT_ORGANISATION => Err(Cause::Organisation),
        _ => Err(Cause::UnknownResult),
    }
}

/// `None`: they know nothing of our request number.
fn judge_status(reply: Reply, about: About<'_>) -> Result<Option<Answer>, Cause> {
    if reply.status() != shep_sync::SUCCESS {
        return Err(Cause::UnknownStatus);
    }
    let payload = reply.into_payload().map_err(|_| Cause::Payload)?;
    let params = Params::read(payload.root(), "Response")?;
    if about.check(&params, wire::STATUS)? != Some(about.job_id) {
        return Err(Cause::OtherRequest);
    }
    if params.required("resultCode")? != wire::RESULT_DONE {
        return Err(Cause::UnknownResult);
    }
    match params.required("submission")? {
        wire::SUBMISSION_DONE => success(&params, about).map(Some),
        wire::SUBMISSION_UNKNOWN => Ok(None),
        _ => Err(Cause::UnknownResult),
    }
}

fn success(params: &Params<'_>, about: About<'_>) -> Result<Answer, Cause> {
    let revision = params.count("revision")?;
    // A moment that is none is no reason to lose the success that it came with.
    let at = params.optional("submittedAt")?.and_then(|text| read_moment(text).ok());
    let summary = json!({
        "message_id": about.message_id,
        "status": "submitted",
        "revision": revision,
    });
    let write = Write {
        record: &SUBMITTED,
        values: row(json!({
            "message_id": about.message_id,
            "submit_job_id": about.job_id,
            "submit_status": "submitted",
            "submitted_revision": revision,
            "submitted_at": at.map(|moment| moment.at.to_string()),
        })),
    };
    let mut answer = Answer::new(row(summary).into_exposed(), Map::new());
    answer.writes.push(write);
    Ok(answer)
}
