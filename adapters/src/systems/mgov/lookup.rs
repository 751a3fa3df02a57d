//! `mgov.lookup`: whether a person is registered, and whether a number is theirs (D3).
//!
//! *Guarantee*: "not registered" and "another number" are results. They come from their two statuses
//! alone: an unknown one is never "not registered".

use contracts::{number::Iin, personal::Personal};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Bmg,
    failures::{Cause, query},
    refusals::NOT_REGISTERED,
    wire::{self, Request, Status},
};
use crate::{
    attempt::{Answer, Attempt, Call, Outcome},
    transport::shep_sync::Reply,
};

/// What the portal asks.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Who.
    pub(super) iin: Iin,
    /// A number to compare with theirs: 11 digits from 7.
    #[schemars(regex(pattern = "^7[0-9]{10}$"))]
    phone: Option<Personal<String>>,
}

pub(super) async fn attempt(bmg: &Bmg, call: &Call) -> Attempt {
    let Ok(input) = Input::deserialize(call.input.expose()) else {
        return Attempt::unsent(query(&Cause::Input));
    };
    let phone = input.phone.as_ref().map(|phone| phone.expose().as_str());
    let request = Request::Check { iin: input.iin.expose(), phone };
    let (reply, exchange) = bmg.ask(call, request).await;
    let answer = reply.and_then(|reply| judge(reply, call.job_id, phone.is_some()));
    let outcome = match answer {
        Ok(answer) => Outcome::Answered(answer),
        Err(cause) => Outcome::Failed(query(&cause)),
    };
    Attempt::new(outcome, exchange)
}

/// What an answer means; `compares` says whether a number was given.
pub(super) fn judge(reply: Reply, id: Uuid, compares: bool) -> Result<Answer, Cause> {
    let response = wire::read(reply, id)?;
    match (response.status, compares) {
        (Status::Match, true) => Ok(registered(Some("match"))),
        (Status::Match, false) => Ok(registered(None)),
        (Status::Mismatch, true) => Ok(registered(Some("mismatch"))),
        (Status::Mismatch, false) => Err(Cause::Contradiction),
        (Status::NotRegistered, _) if response.has_phone => Err(Cause::Contradiction),
        (Status::NotRegistered, _) => Ok(not_registered()),
        (
            Status::Sent
            | Status::Ok
            | Status::WrongCode
            | Status::Expired
            | Status::TooManyAttempts
            | Status::AlreadyUsed
            | Status::UnknownOtp,
            _,
        ) => Err(Cause::OutOfPlace),
    }
}

fn registered(compared: Option<&str>) -> Answer {
    answer(&[("registered", true.into()), ("match", json!(compared))])
}

fn not_registered() -> Answer {
    answer(&[
        ("registered", false.into()),
        ("match", Value::Null),
        ("text_ru", NOT_REGISTERED.ru.into()),
        ("text_kk", NOT_REGISTERED.kk.into()),
    ])
}

fn answer(summary: &[(&str, Value)]) -> Answer {
    let summary = summary.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Answer::new(summary.collect(), Map::new())
}
