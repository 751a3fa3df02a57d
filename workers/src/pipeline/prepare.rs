//! prepare: what a call needs besides its input, fetched before anything is sent.
//!
//! *Guarantee*: whatever is refused or rejected here was never sent. A one-time code is opened for one
//! call and for nothing else.

use adapters::{
    attempt::{Attachment, Call, OneTimeCode, Write},
    systems::mgov::Refusal,
};
use contracts::{
    class::{Class, Failure},
    code,
    operation::Parts,
    personal::Personal,
    rejection::FieldError,
    state::Phase,
};
use uuid::Uuid;

use super::{Hub, consent};
use crate::store::{Error, attachment::Found};

/// Why nothing may be sent.
#[derive(Debug)]
pub struct Unready {
    /// What it means for the job.
    pub failure: Failure,
    /// What is wrong where, for a job that is rejected.
    pub errors: Vec<FieldError>,
    /// Rows that tell of it.
    pub writes: Vec<Write>,
    /// What went wrong with the database, for the log.
    pub error: Option<Error>,
}

impl From<Failure> for Unready {
    fn from(failure: Failure) -> Self {
        Self { failure, errors: Vec::new(), writes: Vec::new(), error: None }
    }
}

impl From<Error> for Unready {
    fn from(error: Error) -> Self {
        let failure = Failure::new(Class::NotNow, code!("database_unavailable"));
        Self { error: Some(error), ..failure.into() }
    }
}

/// Completes a call, or says why nothing may be sent.
pub async fn prepare(hub: &Hub, call: Call, phase: Phase) -> Result<Call, Unready> {
    if phase == Phase::Ask {
        return Ok(call);
    }
    match call.operation.parts {
        Parts::Plain if call.operation.name == consent::SEND => note_sending(hub, call).await,
        Parts::Plain => Ok(call),
        Parts::Code => open_code(hub, call).await,
        Parts::Files { bytes_max } => load_files(hub, call, bytes_max).await,
    }
}

async fn note_sending(hub: &Hub, call: Call) -> Result<Call, Unready> {
    if hub.store.note_sending(call.job_id, consent::rules(hub)).await? {
        Ok(call)
    } else {
        Err(Refusal::ResendTooSoon.failure().into())
    }
}

async fn open_code(hub: &Hub, call: Call) -> Result<Call, Unready> {
    let rules = consent::rules(hub);
    let takes = |code: &crate::store::consent::Code| consent::objection(code).is_none();
    let code = hub.store.take_attempt(call.job_id, rules, takes).await?;
    let code = code.ok_or_else(|| Refusal::Unknown.failure())?;
    if let Some(no) = consent::objection(&code) {
        return Err(no.failure().into());
    }
    let opened = code.sealed.as_ref().and_then(|sealed| {
        let bytes = hub.sealer.open(consent::PURPOSE, sealed).ok()?;
        String::from_utf8(bytes).ok()
    });
    let Some(digits) = opened else {
        tracing::error!(job_id = %call.job_id, "a kept code does not open; check seal.key_file");
        return Err(Failure::new(Class::Defect, code!("code_does_not_open")).into());
    };
    let code =
        OneTimeCode { sent_by: code.sent_by, otp_id: code.otp_id, digits: Personal::new(digits) };
    Ok(Call { code: Some(code), ..call })
}

async fn load_files(hub: &Hub, call: Call, bytes_max: usize) -> Result<Call, Unready> {
    let ids: Vec<Uuid> = call.input.expose()["attachments"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str().and_then(|id| id.parse().ok()))
        .collect();
    let mut found = hub.store.attachments(&ids, bytes_max).await?;
    let mut files = Vec::with_capacity(ids.len());
    let mut errors = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        let path = format!("/input/attachments/{place}");
        match found.remove(id) {
            Some(Found { name, media_type, content: Some(bytes) }) => files.push(Attachment {
                id: *id,
                name: Personal::new(name),
                media_type,
                bytes: bytes.into(),
            }),
            Some(Found { content: None, .. }) => {
                let text = format!("the file is larger than {bytes_max} bytes");
                errors.push(FieldError::new(&path, code!("attachment_too_large"), text));
            }
            None => {
                let text = "no such file in portal.attachment";
                errors.push(FieldError::new(&path, code!("attachment_missing"), text));
            }
        }
    }
    if errors.is_empty() {
        return Ok(Call { files, ..call });
    }
    let failure = Failure::new(Class::BadRequest, code!("attachments"));
    let writes = hub
        .destination(call.operation)
        .map(|destination| destination.adapter.not_called(&call, &failure))
        .unwrap_or_default();
    Err(Unready { failure, errors, writes, error: None })
}
