//! The later half of `kpsisu.check`: what pushed and pulled messages mean.
//!
//! ```text
//! NOTIFICATION ─→ progress, whatever it says: only a RESPONSE ends a check
//! RESPONSE ─ SIM-DONE ─ record 2, no convictions ─→ clear
//!          │          ├ record 0 or 1 ─────────────→ found
//!          │          └ anything else ─────────────→ Contract
//!          ├ SIM-NOT-IDENTIFIED, no record ────────→ Refused
//!          └ anything else ────────────────────────→ Contract
//! ```
//!
//! *Guarantee*: a message counts only when it carries the job's request number and does not name
//! another person; a record must name the person. `clear` needs the exact code and no convictions
//! (D9). Verdict, certificate number and date leave this module, nothing else (D11).
//!
//! A `REQUEST` or `UPDATE` is not something that this service sends: `NotOurs`, so that a strange
//! message is kept and counted but ends no check.

use async_trait::async_trait;
use contracts::{class::Failure, number::Iin, verdict::Verdict};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    check::{Checks, Input},
    failures::{Cause, failure},
    wire::{self, Matching, Response},
};
use crate::{
    attempt::{Answer, Call},
    channel::{AsyncChannel, Message, MessageKind, Mismatch, Page, Reading},
    transport::{payload::payload, xml::Element},
};

/// Longer certificate numbers cannot be any.
const CERTIFICATE_CHARS_MAX: usize = 64;

#[async_trait]
impl AsyncChannel for Checks {
    fn service_id(&self) -> &str {
        wire::SERVICE_ID
    }

    fn knows_sender(&self, sender_id: &str, password: Option<&str>) -> bool {
        self.mailbox.knows_sender(sender_id, password)
    }

    fn request_number(&self, message: &Message) -> Option<Uuid> {
        let payload = payload(message.data.expose()).ok()?;
        let numbers = wire::read_matching(payload.root())?.request_numbers;
        numbers.into_iter().flatten().find_map(|number| Uuid::try_parse(number).ok())
    }

    fn judge(&self, message: &Message, job: &Call) -> Reading {
        judge(message, job)
    }

    async fn pull(&self, now: Timestamp) -> Result<Page, Failure> {
        let page = self.mailbox.pull(&self.gateway, now).await;
        page.map_err(|trouble| failure(&Cause::Pull(trouble)))
    }

    async fn confirm(&self, message_ids: &[String], now: Timestamp) -> Result<(), Failure> {
        let confirmed = self.mailbox.confirm(&self.gateway, message_ids, now).await;
        confirmed.map_err(|trouble| failure(&Cause::Pull(trouble)))
    }
}

fn judge(message: &Message, job: &Call) -> Reading {
    let is_final = match message.kind {
        MessageKind::Response => true,
        MessageKind::Notification => false,
        MessageKind::Request | MessageKind::Update => {
            return Reading::NotOurs(Mismatch::Unreadable);
        }
    };
    let Ok(payload) = payload(message.data.expose()) else {
        return Reading::NotOurs(Mismatch::Unreadable);
    };
    let Some(matching) = wire::read_matching(payload.root()) else {
        return Reading::NotOurs(Mismatch::Unreadable);
    };
    let Ok(input) = Input::deserialize(job.input.expose()) else {
        return Reading::Failed(failure(&Cause::Input));
    };
    if let Some(mismatch) = mismatch(&matching, job.job_id, &input.iin) {
        return Reading::NotOurs(mismatch);
    }
    let response = match matching.data.map(wire::read) {
        Some(Ok(response)) => response,
        Some(Err(cause)) if is_final => return Reading::Failed(failure(&cause)),
        None if is_final => return Reading::Failed(failure(&Cause::UnknownStatus)),
        Some(Err(_)) | None => return progress("unknown", None),
    };
    if !is_final {
        return notice(&response);
    }
    if response.record.is_some() && matching.iin.is_none() {
        return Reading::NotOurs(Mismatch::Person);
    }
    match verdict(&response).and_then(|verdict| answer(verdict, &response, &input.iin)) {
        Ok(answer) => Reading::Answered(answer),
        Err(cause) => Reading::Failed(failure(&cause)),
    }
}

fn mismatch(matching: &Matching<'_>, job_id: Uuid, iin: &Iin) -> Option<Mismatch> {
    let mut numbers = matching.request_numbers.iter().flatten().peekable();
    let is_named = numbers.peek().is_some();
    if !is_named || numbers.any(|number| Uuid::try_parse(number).ok() != Some(job_id)) {
        return Some(Mismatch::RequestNumber);
    }
    matching.iin.filter(|named| *named != iin.expose()).map(|_| Mismatch::Person)
}

fn notice(response: &Response<'_>) -> Reading {
    let status = match response.status {
        Some(wire::STATUS_ADDITIONAL_CHECK) => "additional_check",
        Some(wire::STATUS_IN_PROGRESS) => "in_progress",
        Some(_) | None => "unknown",
    };
    progress(status, response.planned_date.map(|date| date.to_string()))
}

fn progress(status: &str, planned_date: Option<String>) -> Reading {
    let mut summary = Map::new();
    summary.insert("status".to_owned(), status.into());
    if let Some(date) = planned_date {
        summary.insert("planned_date".to_owned(), date.into());
    }
    Reading::Progress { summary }
}

fn verdict(response: &Response<'_>) -> Result<Verdict, Cause> {
    match response.status {
        Some(wire::STATUS_DONE) => {}
        Some(wire::STATUS_NOT_IDENTIFIED) if response.record.is_some() => {
            return Err(Cause::Contradiction);
        }
        Some(wire::STATUS_NOT_IDENTIFIED) => return Err(Cause::NotIdentified),
        Some(_) | None => return Err(Cause::UnknownStatus),
    }
    let code = match response.record {
        Some(record) => wire::record_code(record)?,
        None => None,
    };
    match code {
        Some(wire::RECORD_NONE) if response.has_convictions => Err(Cause::Contradiction),
        Some(wire::RECORD_NONE) => Ok(Verdict::Clear),
        Some(wire::RECORD_SERVING | wire::RECORD_FORMER) => Ok(Verdict::Found),
        Some(_) | None => Err(Cause::UnknownRecord),
    }
}

fn answer(verdict: Verdict, response: &Response<'_>, iin: &Iin) -> Result<Answer, Cause> {
    let (number, date) = match response.certificate.filter(|one| !Element::is_blank(*one)) {
        Some(certificate) => wire::read_certificate(certificate)?,
        None => (None, None),
    };
    // The number goes into events, so a person's number in its place must not pass.
    let is_odd = |number: &str| {
        let mut runs = number.split(|c: char| !c.is_ascii_digit());
        number.chars().count() > CERTIFICATE_CHARS_MAX
            || number.contains(iin.expose())
            || runs.any(|digits| digits.parse::<Iin>().is_ok())
    };
    if number.is_some_and(is_odd) {
        return Err(Cause::Certificate);
    }
    let mut summary: Map<String, Value> = Map::new();
    summary.insert("verdict".to_owned(), verdict.name().into());
    if let Some(number) = number {
        summary.insert("certificate_number".to_owned(), number.into());
    }
    let mut portal = summary.clone();
    if let Some(date) = date {
        portal.insert("certificate_date".to_owned(), date.to_string().into());
    }
    Ok(Answer::new(summary, portal))
}
