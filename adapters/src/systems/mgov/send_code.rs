//! `mgov.send_code`: sends one code for one check (D4, D6).
//!
//! *Guarantee*: one attempt, one SMS at most. Whatever leaves open whether it was sent is
//! indeterminate, also "sent" without what is needed to verify: the code can then still be verified
//! by the number of this request.
//!
//! *Limits*: a code is never said to live longer than the settings allow, whatever they answer.

use contracts::number::Iin;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Bmg, CodeRules,
    failures::{Cause, command},
    refusals::Refusal,
    rows,
    wire::{self, Request, Response, Status},
};
use crate::{
    attempt::{Answer, Attempt, Call, Outcome, Write},
    transport::{dates::read_moment, shep_sync::Reply},
};

/// Longer ids of theirs cannot be sent back.
const OTP_ID_CHARS_MAX: usize = 100;

/// What the portal asks.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Whose phone.
    pub(super) iin: Iin,
    /// The one check that the code may open.
    check: Check,
    /// The portal's record that the check will belong to, for example `specialist:4711`.
    #[schemars(length(min = 1, max = 200))]
    #[expect(dead_code, reason = "the hub binds the code to it; M-Gov has no use for it")]
    check_subject: String,
    /// Language of the SMS; `ru` where absent.
    lang: Option<Lang>,
}

/// A check that needs a code of its own (D4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
enum Check {
    #[serde(rename = "kpsisu.check")]
    Kpsisu,
    #[serde(rename = "mzrk.check")]
    Mzrk,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Lang {
    Ru,
    Kk,
}

impl Check {
    const fn operation(self) -> &'static str {
        match self {
            Self::Kpsisu => "kpsisu.check",
            Self::Mzrk => "mzrk.check",
        }
    }

    /// Their word for it (DESIGNED).
    const fn purpose(self) -> &'static str {
        match self {
            Self::Kpsisu => "SIM-KPSISU-CHECK",
            Self::Mzrk => "SIM-MZRK-CHECK",
        }
    }
}

pub(super) async fn attempt(bmg: &Bmg, call: &Call) -> Attempt {
    let Ok(input) = Input::deserialize(call.input.expose()) else {
        return Attempt::unsent(command(&Cause::Input));
    };
    let lang = match input.lang.unwrap_or(Lang::Ru) {
        Lang::Ru => "ru",
        Lang::Kk => "kk",
    };
    let purpose = input.check.purpose();
    let request = Request::Send { iin: input.iin.expose(), purpose, lang };
    let (reply, exchange) = bmg.ask(call, request).await;
    let question = Question {
        id: call.job_id,
        check: input.check.operation(),
        now: call.now,
        rules: bmg.rules,
    };
    let (outcome, writes) = match reply.and_then(|reply| judge(reply, question)) {
        Ok(answer) => (Outcome::Answered(answer), Vec::new()),
        Err(cause) => (Outcome::Failed(command(&cause)), after(&cause, call.job_id)),
    };
    Attempt { outcome, exchange, writes }
}

/// What was asked, to hold the answer against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub(super) id: Uuid,
    /// The operation that the code may open.
    pub(super) check: &'static str,
    pub(super) now: Timestamp,
    pub(super) rules: CodeRules,
}

pub(super) fn judge(reply: Reply, question: Question) -> Result<Answer, Cause> {
    let response = wire::read(reply, question.id)?;
    match response.status {
        Status::Sent => sent(&response, question),
        Status::NotRegistered => Err(Cause::Refused(Refusal::NotRegistered)),
        Status::Match
        | Status::Mismatch
        | Status::Ok
        | Status::WrongCode
        | Status::Expired
        | Status::TooManyAttempts
        | Status::AlreadyUsed
        | Status::UnknownOtp => Err(Cause::OutOfPlace),
    }
}

fn sent(response: &Response, question: Question) -> Result<Answer, Cause> {
    let Question { id, check, now, rules } = question;
    let fits = |id: &&str| id.chars().count() <= OTP_ID_CHARS_MAX;
    let otp_id = response.otp_id.as_deref().filter(fits).ok_or(Cause::NoOtp)?;
    let told = response.expires_at.as_deref().and_then(|text| read_moment(text).ok());
    let told = told.map(|moment| moment.at).filter(|told| *told > now).ok_or(Cause::Expiry)?;
    let expires_at = told.min(later(now, rules.lifetime.as_secs()));
    let mut summary = Map::new();
    summary.insert("expires_at".to_owned(), json!(expires_at));
    let portal = [
        ("purpose", check.into()),
        ("sent_at", json!(now)),
        ("expires_at", json!(expires_at)),
        ("resend_at", json!(later(now, rules.resend_after.as_secs()))),
        ("attempts_left", rules.attempts.into()),
    ];
    let portal: Map<String, Value> =
        portal.into_iter().map(|(column, value)| (column.to_owned(), value)).collect();
    let writes = vec![rows::sent(&id.to_string(), otp_id, now, expires_at)];
    Ok(Answer { writes, ..Answer::new(summary, portal) })
}

/// A refusal proves that no code is on its way.
fn after(cause: &Cause, id: Uuid) -> Vec<Write> {
    match cause {
        Cause::Refused(_) => vec![rows::not_sent(&id.to_string())],
        Cause::Input
        | Cause::NoCode
        | Cause::OtherCode
        | Cause::CodeForm
        | Cause::Trouble(_)
        | Cause::UnknownStatus
        | Cause::Payload
        | Cause::Repeated
        | Cause::OtherRequest
        | Cause::UnknownResult
        | Cause::OutOfPlace
        | Cause::Contradiction
        | Cause::NoOtp
        | Cause::Expiry => Vec::new(),
    }
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    let by = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.saturating_add(by).unwrap_or(now)
}
