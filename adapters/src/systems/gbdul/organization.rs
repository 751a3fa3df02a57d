//! `gbdul.organization`: asks for the card of one organisation by BIN (D12).
//!
//! ```text
//! BIN → wire::write → Signer::sign → escaped text of data → one SendMessage → judge
//!       └──────────────── one deadline, at most one request to GBD UL ──────┘
//! ```
//!
//! *Guarantee*: an answer is taken only when it is about the organisation asked for. "Not found" is
//! taken in its known codes only, and only without an organisation beside it. Without a signature
//! nothing is sent.
//!
//! *What this does not do*: verify the signature of the answer; there is no list of keys to trust
//! yet.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use contracts::{number::Bin, personal::Personal};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    failures::{Cause, failure},
    wire::{self, Activity, Coded, Head, Kind, Leader, Organization},
};
use crate::{
    attempt::{Answer, Attempt, Call, Outcome},
    settings::Settings,
    system::{Adapter, ConnectError},
    transport::{
        dates::local_date,
        gateway::Gateway,
        shep_sync::{self, Reply},
        signing::{self, Signer, SigningError},
    },
};

/// What the portal asks.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Which organisation.
    pub(super) bin: Bin,
}

/// The adapter.
#[derive(Debug)]
pub(super) struct Organizations {
    gateway: Gateway,
    signer: Arc<dyn Signer>,
    requestor_bin: Personal<String>,
}

impl Organizations {
    /// Takes account, address and signer from the settings.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConnectError> {
        Ok(Self {
            gateway: Gateway::new(super::SPEC.name, settings)?,
            signer: signing::of(super::SPEC.name, settings)?,
            requestor_bin: Personal::new(settings.requestor_bin.clone()),
        })
    }

    async fn signed(&self, bin: &Bin, limit: Duration) -> Result<String, Cause> {
        let document = wire::write(self.requestor_bin.expose(), bin.expose())
            .map_err(|_| SigningError::Unsignable)?;
        Ok(self.signer.sign(&document, limit).await?)
    }
}

#[async_trait]
impl Adapter for Organizations {
    async fn attempt(&self, call: &Call) -> Attempt {
        let started = Instant::now();
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            return nothing_sent(&Cause::Input);
        };
        let document = match self.signed(&input.bin, call.time_limit).await {
            Ok(document) => document,
            Err(cause) => return nothing_sent(&cause),
        };
        let head = shep_sync::Head {
            service_id: wire::SERVICE_ID,
            message_id: call.job_id,
            now: call.now,
        };
        let left = call.time_limit.saturating_sub(started.elapsed());
        let (reply, exchange) = shep_sync::send_text(&self.gateway, head, left, &document).await;
        let question = Question { bin: &input.bin, today: local_date(call.now) };
        let outcome = match reply.map_err(Cause::from).and_then(|reply| judge(reply, question)) {
            Ok(answer) => Outcome::Answered(answer),
            Err(cause) => Outcome::Failed(failure(&cause)),
        };
        Attempt::new(outcome, exchange)
    }
}

/// What was asked, to hold the answer against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) bin: &'a Bin,
    pub(super) today: Date,
}

pub(super) fn judge(reply: Reply, question: Question<'_>) -> Result<Answer, Cause> {
    if reply.status() != shep_sync::SUCCESS {
        return Err(Cause::UnknownResponseStatus(Personal::new(reply.status().to_owned())));
    }
    let payload = reply.into_payload().map_err(|_| Cause::Payload)?;
    let response = wire::read(payload.root())?;
    let status = response.status.unwrap_or_default();
    if wire::NOT_FOUND.contains(&status) {
        return match (response.organization, response.non_resident) {
            (None, None) => Ok(not_found(question.bin, status)),
            (Some(_), _) | (_, Some(_)) => Err(Cause::NotFoundWithData),
        };
    }
    if status != wire::FOUND {
        return Err(Cause::UnknownStatus(Personal::new(status.to_owned())));
    }
    let organization = match (response.organization, response.non_resident) {
        (Some(one), None) => Organization::read(one, Kind::Organization)?,
        (None, Some(one)) => Organization::read(one, Kind::NonResident)?,
        (Some(_), Some(_)) => return Err(Cause::BothKinds),
        (None, None) => return Err(Cause::NoOrganization),
    };
    if organization.bin != question.bin.expose() {
        return Err(Cause::OtherOrganization);
    }
    Ok(found(&organization, question.today))
}

fn nothing_sent(cause: &Cause) -> Attempt {
    Attempt::unsent(failure(cause))
}

/// `status` stays visible, because nobody knows yet what tells the three codes apart.
fn not_found(bin: &Bin, status: &str) -> Answer {
    let mut summary = Map::new();
    summary.insert("found".to_owned(), false.into());
    summary.insert("status".to_owned(), status.into());
    let mut portal = Map::new();
    portal.insert("found".to_owned(), false.into());
    portal.insert("bin".to_owned(), bin.expose().into());
    portal.insert("flags".to_owned(), Value::Array(Vec::new()));
    Answer::new(summary, portal)
}

fn found(organization: &Organization<'_>, today: Date) -> Answer {
    let flags = flags(organization, today);
    let mut summary = Map::new();
    summary.insert("found".to_owned(), true.into());
    summary.insert("kind".to_owned(), kind(organization).into());
    summary.insert("flags".to_owned(), flags.iter().copied().collect());
    Answer::new(summary, columns(organization, &flags))
}

const fn kind(organization: &Organization<'_>) -> &'static str {
    match organization.kind {
        Kind::Organization => "organization",
        Kind::NonResident => "non_resident",
    }
}

/// The code `1` is known to mean "inactive", and `0` stands in the sample of an active company.
fn tax_status(code: &str) -> &'static str {
    match code {
        "0" => "active",
        "1" => "inactive",
        _ => "unknown",
    }
}

fn form<'d>(organization: &Organization<'d>) -> Option<&'d str> {
    organization.org_form.and_then(|form| form.code)
}

/// A branch, or a part whose form is unknown; a representative office is told apart by its form.
fn is_branch(organization: &Organization<'_>) -> bool {
    match form(organization) {
        Some(wire::FORM_BRANCH) => true,
        Some(wire::FORM_REPRESENTATIVE) => false,
        Some(_) | None => organization.head.is_some(),
    }
}

fn flags(organization: &Organization<'_>, today: Date) -> Vec<&'static str> {
    let is_past = |day: Option<Date>| day.is_some_and(|day| day <= today);
    let is_liquidated = is_past(organization.liquidation_date);
    let is_being_liquidated =
        organization.has_liquidation || organization.liquidation_date.is_some();
    let all = [
        ("liquidated", is_liquidated),
        ("in_liquidation", is_being_liquidated && !is_liquidated),
        ("inactive", organization.tax_status.map(tax_status) == Some("inactive")),
        ("leader_removed", organization.leader.is_some_and(|leader| is_past(leader.end_date))),
        ("non_resident", organization.kind == Kind::NonResident),
        ("branch", is_branch(organization)),
        ("representative_office", form(organization) == Some(wire::FORM_REPRESENTATIVE)),
    ];
    all.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
}

fn columns(organization: &Organization<'_>, flags: &[&'static str]) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("found".to_owned(), true.into());
    row.insert("bin".to_owned(), organization.bin.into());
    row.insert("kind".to_owned(), kind(organization).into());
    for (column, name) in organization.names {
        put(&mut row, column, name);
    }
    put(&mut row, "reg_status", organization.reg_status.map(coded_json));
    put(&mut row, "registration_date", organization.registration_date.map(text));
    put(&mut row, "registration_last_date", organization.registration_last_date.map(text));
    put(&mut row, "liquidation_date", organization.liquidation_date.map(text));
    put(&mut row, "org_form", organization.org_form.map(coded_json));
    row.insert("is_branch".to_owned(), is_branch(organization).into());
    put(&mut row, "head", organization.head.map(head_json));
    put(&mut row, "leader", organization.leader.map(leader_json));
    let address: Map<String, Value> = organization
        .address
        .iter()
        .map(|(name, line)| ((*name).to_owned(), (*line).into()))
        .collect();
    put(&mut row, "address", (!address.is_empty()).then_some(address));
    put(&mut row, "activity", organization.activity.map(activity_json));
    put(&mut row, "tax_status", organization.tax_status.map(tax_status));
    put(&mut row, "country", organization.country.map(coded_json));
    row.insert("flags".to_owned(), flags.iter().copied().collect());
    row
}

fn put(row: &mut Map<String, Value>, column: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        row.insert(column.to_owned(), value.into());
    }
}

fn text(date: Date) -> String {
    date.to_string()
}

fn coded_json(coded: Coded<'_>) -> Value {
    json!({ "code": coded.code, "name_ru": coded.name_ru, "name_kk": coded.name_kk })
}

fn head_json(head: Head<'_>) -> Value {
    json!({ "bin": head.bin, "name_ru": head.name_ru, "name_kk": head.name_kk })
}

fn activity_json(activity: Activity<'_>) -> Value {
    json!({ "oked": activity.oked, "name_ru": activity.name_ru, "name_kk": activity.name_kk })
}

fn leader_json(leader: Leader<'_>) -> Value {
    let mut out = Map::new();
    put(&mut out, "iin", leader.iin);
    put(&mut out, "surname", leader.surname);
    put(&mut out, "name", leader.name);
    put(&mut out, "patronymic", leader.patronymic);
    put(&mut out, "position", leader.position.map(coded_json));
    put(&mut out, "begin_date", leader.begin_date.map(text));
    put(&mut out, "end_date", leader.end_date.map(text));
    Value::Object(out)
}
