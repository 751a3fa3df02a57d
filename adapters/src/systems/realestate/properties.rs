//! `realestate.properties`: asks what one person or organisation owns (D12, D14).
//!
//! *Guarantee*: an answer is taken only when every object in it holds a right of the owner asked
//! for. "No property" is taken in one form only: success with a list that is there and empty. Of
//! other people nothing is kept but that they have a right too.
//!
//! What decides whose an object is must be right, or nothing is taken. What only describes one
//! object (its RKA, its area) is left out of that object where it is malformed, which the object's
//! `flaws` and the summary's `flawed` say: one bad record must not hide all other addresses.

use std::collections::{HashMap, hash_map::Entry};

use async_trait::async_trait;
use contracts::{
    code,
    number::{Bin, Iin},
    personal::Personal,
    rejection::FieldError,
};
use jiff::{Timestamp, civil::Date};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    failures::{Cause, failure},
    wire::{self, Coded, Encumbrance, Flaw, Object, Request, Right},
};
use crate::{
    attempt::{Answer, Attempt, Call, Exchange, Outcome},
    system::Adapter,
    transport::{
        gateway::Gateway,
        shep_sync::{self, Head, Reply},
    },
};

/// What the portal asks. Exactly one of `iin` and `bin` is given.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// The owner, where it is a person.
    iin: Option<Iin>,
    /// The owner, where it is an organisation.
    bin: Option<Bin>,
    /// Leave out rights that have ended.
    #[serde(default = "actual_only")]
    actual_only: bool,
}

const fn actual_only() -> bool {
    true
}

impl Input {
    /// The owner's number, and whether it is a person's.
    fn owner(&self) -> Option<(&str, bool)> {
        match (&self.iin, &self.bin) {
            (Some(iin), None) => Some((iin.expose(), true)),
            (None, Some(bin)) => Some((bin.expose(), false)),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }
}

/// The adapter.
#[derive(Debug)]
pub(super) struct Register {
    pub(super) gateway: Gateway,
}

#[async_trait]
impl Adapter for Register {
    async fn attempt(&self, call: &Call) -> Attempt {
        let input = Input::deserialize(call.input.expose()).ok();
        let asked = input.as_ref().and_then(|input| Some((input.owner()?, input.actual_only)));
        let Some(((owner, is_person), actual_only)) = asked else {
            let outcome = Outcome::Failed(failure(&Cause::Input));
            return Attempt::new(outcome, Exchange::default());
        };
        let (id, now) = (call.job_id, call.now);
        let head = Head { service_id: wire::SERVICE_ID, message_id: id, now };
        let (reply, exchange) = shep_sync::send(&self.gateway, head, call.time_limit, |xml| {
            wire::write(xml, Request { id, now, owner, is_person, actual_only });
        })
        .await;
        let question = Question { id, owner, actual_only, now };
        let answer = reply.map_err(Cause::from).and_then(|reply| judge(reply, question));
        let outcome = match answer {
            Ok(answer) => Outcome::Answered(answer),
            Err(cause) => Outcome::Failed(failure(&cause)),
        };
        Attempt::new(outcome, exchange)
    }
}

/// What was asked, to hold the answer against.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) id: Uuid,
    pub(super) owner: &'a str,
    pub(super) actual_only: bool,
    pub(super) now: Timestamp,
}

pub(super) fn judge(reply: Reply, question: Question<'_>) -> Result<Answer, Cause> {
    if reply.status() != shep_sync::SUCCESS {
        return Err(Cause::UnknownStatus(Personal::new(reply.status().to_owned())));
    }
    let payload = reply.into_payload().map_err(|_| Cause::Payload)?;
    let response = wire::read(payload.root())?;
    // The empty answer of the contract has none; then the HTTP exchange alone tells (shep §1.3).
    let is_ours = |number: &str| Uuid::try_parse(number).is_ok_and(|id| id == question.id);
    if !response.request_number.is_none_or(is_ours) {
        return Err(Cause::OtherRequest);
    }
    if response.result != Some(wire::RESULT_SUCCESS) {
        let code = response.result.unwrap_or_default();
        return Err(Cause::UnknownResult(Personal::new(code.to_owned())));
    }
    let list = response.objects.ok_or(Cause::NoObjects)?;
    let objects = distinct(wire::objects(list, question.owner)?)?;
    let is_theirs = |object: &Object<'_>| object.rights.iter().any(|right| right.is_requested);
    if !objects.iter().all(is_theirs) {
        return Err(Cause::OtherOwner);
    }
    Ok(answer(&objects, question))
}

/// What a schema cannot say: exactly one of `iin` and `bin`.
pub(super) fn check_input(input: &Value) -> Vec<FieldError> {
    let is_given = |name: &str| input.get(name).is_some_and(|value| !value.is_null());
    match (is_given("iin"), is_given("bin")) {
        (true, false) | (false, true) => Vec::new(),
        (false, false) => {
            let text = "one of iin (a person) and bin (an organisation) is required";
            vec![FieldError::new("/input/iin", code!("field_missing"), text)]
        }
        (true, true) => {
            let text = "iin and bin exclude each other: ask about one owner";
            vec![FieldError::new("/input/bin", code!("not_allowed"), text)]
        }
    }
}

/// The same object may be told twice; two different objects of one id contradict each other.
fn distinct(objects: Vec<Object<'_>>) -> Result<Vec<Object<'_>>, Cause> {
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(objects.len());
    let mut all: Vec<Object<'_>> = Vec::with_capacity(objects.len());
    for object in objects {
        match places.entry(object.id) {
            Entry::Vacant(free) => {
                free.insert(all.len());
                all.push(object);
            }
            Entry::Occupied(known) if all[*known.get()] == object => {}
            Entry::Occupied(_) => return Err(Cause::ObjectsDiffer),
        }
    }
    Ok(all)
}

fn answer(objects: &[Object<'_>], question: Question<'_>) -> Answer {
    let actual_only = question.actual_only;
    let pickups = objects.iter().filter(|one| is_pickup_point(one, actual_only)).count();
    let flawed = objects.iter().filter(|one| !one.flaws.is_empty()).count();
    let mut summary = Map::new();
    summary.insert("found".to_owned(), objects.len().into());
    summary.insert("pickup_addresses".to_owned(), pickups.into());
    summary.insert("flawed".to_owned(), flawed.into());
    let mut portal = summary.clone();
    portal.insert("actual_only".to_owned(), actual_only.into());
    portal.insert("checked_at".to_owned(), question.now.to_string().into());
    let rows = objects.iter().map(|object| row(object, actual_only)).collect();
    Answer { rows: Personal::new(rows), ..Answer::new(summary, portal) }
}

/// Where a courier can be sent (D14): the register tells the address in words, and by its code. A
/// search that includes former rights lists what was sold, too: nothing to collect there.
fn is_pickup_point(object: &Object<'_>, actual_only: bool) -> bool {
    actual_only
        && object.rka.is_some()
        && (object.address_ru.is_some() || object.address_kk.is_some())
}

fn row(object: &Object<'_>, actual_only: bool) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("object_id".to_owned(), object.id.into());
    row.insert("object_type".to_owned(), object_type(object.type_code).into());
    for (column, value) in [
        ("cadastral_number", object.cadastral_number),
        ("object_type_code", object.type_code),
        ("area", object.area), // as text: a JSON number would lose digits
        ("area_unit", object.measure.and_then(area_unit)),
        ("rka", object.rka),
        ("address_ru", object.address_ru),
        ("address_kk", object.address_kk),
    ] {
        if let Some(value) = value {
            row.insert(column.to_owned(), value.into());
        }
    }
    if let Some(measure) = object.measure {
        row.insert("area_measure".to_owned(), coded_json(Some(measure)));
    }
    row.insert("pickup_address".to_owned(), is_pickup_point(object, actual_only).into());
    row.insert("rights".to_owned(), object.rights.iter().map(right_json).collect());
    row.insert("encumbrances".to_owned(), object.encumbrances.iter().map(burden_json).collect());
    row.insert("flaws".to_owned(), object.flaws.iter().map(|flaw: &Flaw| flaw.name()).collect());
    row
}

/// `EstateObjectTypeCode` (FOUND).
fn object_type(code: Option<&str>) -> &'static str {
    match code {
        Some("1") => "land_plot",
        Some("3") => "building",
        Some("4") => "premises",
        Some(_) | None => "other",
    }
}

/// The unit by its code. Their text goes along, so an unknown code loses nothing; the kind of the
/// object never decides.
fn area_unit(measure: Coded<'_>) -> Option<&'static str> {
    match measure.code {
        Some("4") => Some("ha"),
        Some("SIM-M2") => Some("m2"),
        Some(_) | None => None,
    }
}

fn right_json(right: &Right<'_>) -> Value {
    json!({
        "right_type": coded_json(right.kind),
        "ownership_form": coded_json(right.ownership_form),
        "general_ownership_form": coded_json(right.general_ownership_form),
        "share": right.share,
        "registered_on": right.registered_on.map(date_text),
        "is_requested_person": right.is_requested,
    })
}

fn burden_json(burden: &Encumbrance<'_>) -> Value {
    json!({
        "type": coded_json(burden.kind),
        "registered_on": burden.registered_on.map(date_text),
    })
}

fn coded_json(coded: Option<Coded<'_>>) -> Value {
    coded.map_or(
        Value::Null,
        |coded| json!({ "code": coded.code, "name_ru": coded.name_ru, "name_kk": coded.name_kk }),
    )
}

fn date_text(date: Date) -> String {
    date.to_string()
}
