//! `mgov.verify_code`: verifies what the person typed (D4, D5).
//!
//! *Guarantee*: the digits go along with the code of the sending that the job names, or not at all.
//! A refusal writes what is left of the code as surely as a success does.
//!
//! *What this does not do*: decide whether the code may open a check (which check, which person, used
//! already): that is the hub's, before it asks and after.

use contracts::{number::Iin, personal::Personal};
use serde::Deserialize;
use serde_json::Map;
use uuid::Uuid;

use super::{
    Bmg, CodeRules,
    failures::{Cause, command},
    refusals::Refusal,
    rows::{self, Said},
    rules::CODE_DIGITS,
    wire::{self, Request, Response, Sent, Status},
};
use crate::attempt::{Answer, Attempt, Call, OneTimeCode, Outcome, Write};

/// What the portal asks. The hub takes `code` out before it stores the job.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Whose code.
    pub(super) iin: Iin,
    /// Which code: the id of the `mgov.send_code` job.
    #[schemars(length(min = 1, max = 100))]
    code_ref: String,
    /// What the person typed: four digits. Never stored with the job.
    #[schemars(required, regex(pattern = "^[0-9]{4}$"))]
    #[expect(dead_code, reason = "published, and taken out before an adapter sees the input")]
    code: Option<Personal<String>>,
}

pub(super) async fn attempt(bmg: &Bmg, call: &Call) -> Attempt {
    let Ok(input) = Input::deserialize(call.input.expose()) else {
        return Attempt::unsent(command(&Cause::Input));
    };
    let code = match code_of(call.code.as_ref(), &input.code_ref) {
        Ok(code) => code,
        Err(cause) => return Attempt::unsent(command(&cause)),
    };
    let sent = code.otp_id.as_deref().map_or(Sent::Request(code.sent_by), Sent::Otp);
    let digits = code.digits.expose();
    let request = Request::Verify { iin: input.iin.expose(), sent, digits };
    let (reply, exchange) = bmg.ask(call, request).await;
    let (outcome, writes) = match reply.and_then(|reply| wire::read(reply, call.job_id)) {
        Ok(response) => judge(&response, code.sent_by, bmg.rules),
        Err(cause) => (Outcome::Failed(command(&cause)), Vec::new()),
    };
    Attempt { outcome, exchange, writes }
}

/// D4: the code must be that of the sending that the job names.
pub(super) fn code_of<'a>(
    code: Option<&'a OneTimeCode>,
    code_ref: &str,
) -> Result<&'a OneTimeCode, Cause> {
    let code = code.ok_or(Cause::NoCode)?;
    if Uuid::try_parse(code_ref) != Ok(code.sent_by) {
        return Err(Cause::OtherCode);
    }
    let digits = code.digits.expose().as_bytes();
    if digits.len() != CODE_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Cause::CodeForm);
    }
    Ok(code)
}

/// What an answer means, and the rows to write where it is a refusal.
pub(super) fn judge(response: &Response, sent_by: Uuid, rules: CodeRules) -> (Outcome, Vec<Write>) {
    let code_ref = sent_by.to_string();
    let said = |said| rows::result(&code_ref, said);
    let (refusal, writes) = match response.status {
        Status::Ok => return (verified(said(Said::Verified)), Vec::new()),
        Status::WrongCode => (Refusal::Wrong, wrong(response.attempts_left, &code_ref, rules)),
        Status::Expired => (Refusal::Expired, vec![said(Said::Expired)]),
        Status::TooManyAttempts => (Refusal::AttemptsUsedUp, used_up(&code_ref)),
        Status::AlreadyUsed => (Refusal::Used, vec![said(Said::Used)]),
        Status::UnknownOtp => (Refusal::Unknown, vec![said(Said::Unknown)]),
        Status::Match | Status::Mismatch | Status::NotRegistered | Status::Sent => {
            return (Outcome::Failed(command(&Cause::OutOfPlace)), Vec::new());
        }
    };
    (Outcome::Failed(command(&Cause::Refused(refusal))), writes)
}

fn verified(write: Write) -> Outcome {
    let mut summary = Map::new();
    summary.insert("verified".to_owned(), true.into());
    Outcome::Answered(Answer { writes: vec![write], ..Answer::new(summary, Map::new()) })
}

/// A counter that cannot be right, because one attempt at least is gone, is not written.
fn wrong(left: Option<u8>, code_ref: &str, rules: CodeRules) -> Vec<Write> {
    match left.filter(|left| *left < rules.attempts) {
        Some(0) => used_up(code_ref),
        Some(left) => vec![rows::attempts_left(code_ref, left)],
        None => Vec::new(),
    }
}

fn used_up(code_ref: &str) -> Vec<Write> {
    vec![rows::result(code_ref, Said::AttemptsUsedUp), rows::attempts_left(code_ref, 0)]
}
