//! `gbdfl.person`: asks for one person by IIN (D12).
//!
//! *Guarantee*: an answer is taken only when it is about the person asked for and names our message
//! id. "Not found" is taken in its two known forms only: success with the exact code and no
//! persons, or the status `SCSE001` with empty data. Every other combination breaks the contract.

use async_trait::async_trait;
use contracts::number::Iin;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    failures::{Cause, failure},
    wire::{self, Address, Coded, IdentityDocument, Person, Spell},
};
use crate::{
    attempt::{Answer, Attempt, Call, Exchange, Outcome},
    system::Adapter,
    transport::{
        dates::local_date,
        gateway::Gateway,
        shep_sync::{self, Head, Reply},
        xml::Element,
    },
};

const LIFE_NORMAL: &str = "0";
const LIFE_DECEASED: &str = "3";
const DOCUMENT_VALID: &str = "00";
/// Identity card before passport (gov-services §2.2).
const DOCUMENT_KINDS: [&str; 2] = ["002", "001"];

/// What the portal asks.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Whose data.
    pub(super) iin: Iin,
}

/// The adapter.
#[derive(Debug)]
pub(super) struct Persons {
    pub(super) gateway: Gateway,
}

#[async_trait]
impl Adapter for Persons {
    async fn attempt(&self, call: &Call) -> Attempt {
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            let outcome = Outcome::Failed(failure(&Cause::Input));
            return Attempt::new(outcome, Exchange::default());
        };
        let head = Head { service_id: wire::SERVICE_ID, message_id: call.job_id, now: call.now };
        let (reply, exchange) = shep_sync::send(&self.gateway, head, call.time_limit, |xml| {
            let sender_code = self.gateway.sender_id();
            wire::write(xml, call.job_id, call.now, sender_code, input.iin.expose());
        })
        .await;
        let answer = reply.map_err(Cause::from).and_then(|reply| {
            judge(reply, Question { id: call.job_id, iin: &input.iin, today: local_date(call.now) })
        });
        let outcome = match answer {
            Ok(answer) => Outcome::Answered(answer),
            Err(cause) => Outcome::Failed(failure(&cause)),
        };
        Attempt::new(outcome, exchange)
    }
}

/// What was asked, to hold the answer against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) id: Uuid,
    pub(super) iin: &'a Iin,
    pub(super) today: Date,
}

pub(super) fn judge(reply: Reply, question: Question<'_>) -> Result<Answer, Cause> {
    match reply.status() {
        shep_sync::SUCCESS => {}
        wire::STATUS_NOT_FOUND if reply.is_empty() => return Ok(not_found(question.iin)),
        wire::STATUS_NOT_FOUND => return Err(Cause::NotFoundWithData),
        _ => return Err(Cause::UnknownStatus),
    }
    let payload = reply.into_payload().map_err(|_| Cause::Payload)?;
    let response = wire::read(payload.root())?;
    let request_id = response.request_id.and_then(|id| Uuid::try_parse(id).ok());
    if request_id != Some(question.id) {
        return Err(Cause::OtherRequest);
    }
    match (response.result, response.persons) {
        (Some(wire::RESULT_FOUND), Some(persons)) => found(persons, question),
        (Some(wire::RESULT_FOUND), None) => Err(Cause::NoPerson),
        (Some(wire::RESULT_NOT_FOUND), None) => Ok(not_found(question.iin)),
        (Some(wire::RESULT_NOT_FOUND), Some(_)) => Err(Cause::NotFoundWithPersons),
        (Some(_) | None, _) => Err(Cause::UnknownResult),
    }
}

fn found(persons: Element<'_>, question: Question<'_>) -> Result<Answer, Cause> {
    let mut all = persons.children().filter(|child| child.local() == "person");
    let person = Person::read(all.next().ok_or(Cause::NoPerson)?)?;
    if person.iin != question.iin.expose() {
        return Err(Cause::OtherPerson);
    }
    if all.next().is_some() {
        return Err(Cause::SeveralPersons);
    }
    let life_status = life_status(&person);
    let mut summary = Map::new();
    summary.insert("found".to_owned(), true.into());
    summary.insert("life_status".to_owned(), life_status.into());
    Ok(Answer::new(summary, columns(&person, life_status, question.today)))
}

fn not_found(iin: &Iin) -> Answer {
    let mut summary = Map::new();
    summary.insert("found".to_owned(), false.into());
    let mut portal = Map::new();
    portal.insert("found".to_owned(), false.into());
    portal.insert("iin".to_owned(), iin.expose().into());
    portal.insert("flags".to_owned(), Value::Array(Vec::new()));
    Answer::new(summary, portal)
}

fn life_status(person: &Person<'_>) -> &'static str {
    match (person.life_status, person.death_date) {
        (Some(LIFE_DECEASED), _) | (_, Some(_)) => "deceased",
        (Some(LIFE_NORMAL), None) => "normal",
        (Some(_) | None, None) => "unknown",
    }
}

fn columns(person: &Person<'_>, life_status: &str, today: Date) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("found".to_owned(), true.into());
    row.insert("iin".to_owned(), person.iin.into());
    put(&mut row, "surname", person.surname);
    put(&mut row, "name", person.name);
    put(&mut row, "patronymic", person.patronymic);
    put_date(&mut row, "birth_date", person.birth_date);
    put_date(&mut row, "death_date", person.death_date);
    put(&mut row, "gender", person.gender.and_then(gender));
    put(&mut row, "citizenship", person.citizenship);
    put(&mut row, "nationality", person.nationality);
    row.insert("life_status".to_owned(), life_status.into());
    if let Some(address) = &person.reg_address {
        row.insert("reg_address".to_owned(), address_json(address));
    }
    if let Some(document) = current_document(&person.documents) {
        row.insert("document".to_owned(), document_json(document));
    }
    row.insert("flags".to_owned(), flags(person, life_status, today));
    row
}

fn gender(code: &str) -> Option<&'static str> {
    match code {
        "1" => Some("male"),
        "2" => Some("female"),
        _ => None, // a dictionary of theirs: what we do not know stays empty
    }
}

fn flags(person: &Person<'_>, life_status: &str, today: Date) -> Value {
    let holds =
        |spell: Option<Spell>| spell.is_some_and(|spell| spell.end.is_none_or(|end| end > today));
    let all = [
        ("deceased", life_status == "deceased"),
        ("excluded", person.excluded),
        ("removed", person.removed),
        ("incapable", holds(person.incapable)),
        ("missing", holds(person.missing)),
        ("disappeared", holds(person.disappeared)),
    ];
    all.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect()
}

/// The valid document: an identity card before a passport, the youngest of a kind. An answer may
/// hold one document twice (gov-services §2.2), which changes nothing here.
fn current_document<'p, 'd>(
    documents: &'p [IdentityDocument<'d>],
) -> Option<&'p IdentityDocument<'d>> {
    DOCUMENT_KINDS.iter().find_map(|kind| {
        documents
            .iter()
            .filter(|one| one.status == Some(DOCUMENT_VALID))
            .filter(|one| one.kind.and_then(|coded| coded.code) == Some(kind))
            .max_by_key(|one| one.begin_date)
    })
}

fn address_json(address: &Address<'_>) -> Value {
    let mut out = Map::new();
    for (name, place) in
        [("country", address.country), ("district", address.district), ("region", address.region)]
    {
        if let Some(coded) = place {
            out.insert(name.to_owned(), coded_json(coded));
        }
    }
    for (name, line) in address.lines {
        put(&mut out, name, line);
    }
    put_date(&mut out, "begin_date", address.begin_date);
    put_date(&mut out, "end_date", address.end_date);
    Value::Object(out)
}

fn document_json(document: &IdentityDocument<'_>) -> Value {
    let mut out = Map::new();
    if let Some(kind) = document.kind {
        out.insert("type".to_owned(), coded_json(kind));
    }
    put(&mut out, "number", document.number);
    put(&mut out, "series", document.series);
    put_date(&mut out, "begin_date", document.begin_date);
    put_date(&mut out, "end_date", document.end_date);
    if let Some(issuer) = document.issuer {
        out.insert("issuer".to_owned(), coded_json(issuer));
    }
    Value::Object(out)
}

fn coded_json(coded: Coded<'_>) -> Value {
    json!({ "code": coded.code, "name_ru": coded.name_ru, "name_kk": coded.name_kk })
}

fn put(row: &mut Map<String, Value>, column: &str, value: Option<&str>) {
    if let Some(value) = value {
        row.insert(column.to_owned(), value.into());
    }
}

fn put_date(row: &mut Map<String, Value>, column: &str, date: Option<Date>) {
    if let Some(date) = date {
        row.insert(column.to_owned(), date.to_string().into());
    }
}
