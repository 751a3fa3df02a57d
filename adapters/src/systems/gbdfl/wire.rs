//! What travels in `data`: the request written, the answer read (gov-services §2, FOUND in public
//! schemas; the code of "not found" is DESIGNED for the simulator).
//!
//! *Guarantee*: reading binds by local name, not by order (live samples break the order). Empty
//! text and `-` are absent. Dates are civil: an offset is dropped, the day never shifts. Elements
//! that decide something must not stand twice.

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::failures::Cause;
use crate::transport::{
    dates::{read_date, write_moment},
    xml::{Element, Writer},
};

/// The interaction in the gateway's registry (FOUND).
pub(super) const SERVICE_ID: &str = "GBDFL_UniversalServiceSync";
/// `messageResult/code` of success (FOUND).
pub(super) const RESULT_FOUND: &str = "00000";
/// `messageResult/code` of an unknown person (DESIGNED).
pub(super) const RESULT_NOT_FOUND: &str = "SIM-NOT-FOUND";
/// `responseInfo/status/code` that clients of this service read as "no person" (FOUND).
pub(super) const STATUS_NOT_FOUND: &str = "SCSE001";

/// The head of an answer's payload, and its person where there is one.
#[derive(Clone, Copy)]
pub(super) struct Response<'d> {
    pub(super) request_id: Option<&'d str>,
    pub(super) result: Option<&'d str>,
    pub(super) persons: Option<Element<'d>>,
}

/// A person, as far as the portal needs it.
#[derive(Clone)]
pub(super) struct Person<'d> {
    pub(super) iin: &'d str,
    pub(super) surname: Option<&'d str>,
    pub(super) name: Option<&'d str>,
    pub(super) patronymic: Option<&'d str>,
    pub(super) birth_date: Option<Date>,
    pub(super) death_date: Option<Date>,
    /// Codes of dictionaries.
    pub(super) gender: Option<&'d str>,
    pub(super) citizenship: Option<&'d str>,
    pub(super) nationality: Option<&'d str>,
    pub(super) life_status: Option<&'d str>,
    pub(super) reg_address: Option<Address<'d>>,
    pub(super) documents: Vec<IdentityDocument<'d>>,
    pub(super) excluded: bool,
    pub(super) removed: bool,
    pub(super) incapable: Option<Spell>,
    pub(super) missing: Option<Spell>,
    pub(super) disappeared: Option<Spell>,
}

/// A condition, and when it ended.
#[derive(Clone, Copy)]
pub(super) struct Spell {
    pub(super) end: Option<Date>,
}

/// A value of a dictionary.
#[derive(Clone, Copy)]
pub(super) struct Coded<'d> {
    pub(super) code: Option<&'d str>,
    pub(super) name_ru: Option<&'d str>,
    pub(super) name_kk: Option<&'d str>,
}

/// A registered address.
#[derive(Clone)]
pub(super) struct Address<'d> {
    pub(super) country: Option<Coded<'d>>,
    /// The oblast (4-digit code).
    pub(super) district: Option<Coded<'d>>,
    /// The raion (7-digit code).
    pub(super) region: Option<Coded<'d>>,
    /// `city`, `street`, `building`, `corpus`, `flat`, `ar_code`: by the portal's name.
    pub(super) lines: [(&'static str, Option<&'d str>); 6],
    pub(super) begin_date: Option<Date>,
    pub(super) end_date: Option<Date>,
}

/// A document that proves identity; the answer holds invalid ones too.
#[derive(Clone)]
pub(super) struct IdentityDocument<'d> {
    pub(super) kind: Option<Coded<'d>>,
    pub(super) number: Option<&'d str>,
    pub(super) series: Option<&'d str>,
    pub(super) begin_date: Option<Date>,
    pub(super) end_date: Option<Date>,
    pub(super) issuer: Option<Coded<'d>>,
    pub(super) status: Option<&'d str>,
}

/// Writes the request in the order of the schema (gov-services §2.4).
pub(super) fn write(xml: &mut Writer, id: Uuid, now: Timestamp, sender_code: &str, iin: &str) {
    let id = id.hyphenated();
    xml.leaf("messageId", id.encode_lower(&mut Uuid::encode_buffer()));
    xml.leaf("messageDate", &write_moment(now)).leaf("senderCode", sender_code).leaf("iin", iin);
}

/// Reads the head of an answer.
pub(super) fn read(data: Element<'_>) -> Result<Response<'_>, Cause> {
    let result = match data.only("messageResult")? {
        Some(result) => result.only("code")?.and_then(Element::value),
        None => None,
    };
    let request_id = data.only("requestId")?.and_then(Element::value);
    Ok(Response { request_id, result, persons: data.only("persons")? })
}

impl<'d> Person<'d> {
    /// Reads a `person`.
    pub(super) fn read(person: Element<'d>) -> Result<Self, Cause> {
        let code = |local| -> Result<Option<&'d str>, Cause> {
            Ok(person.only(local)?.and_then(|value| value.child_value("code")))
        };
        let documents = person.child("documents").map(Element::children).into_iter().flatten();
        let removed = person.only("removed")?.and_then(Element::value);
        Ok(Self {
            iin: person.only("iin")?.and_then(Element::value).ok_or(Cause::NoIin)?,
            surname: person.child_value("surname"),
            name: person.child_value("name"),
            patronymic: person.child_value("patronymic"),
            birth_date: date(person, "birthDate")?,
            death_date: date(person, "deathDate")?,
            gender: code("gender")?,
            citizenship: code("citizenship")?,
            nationality: code("nationality")?,
            life_status: code("lifeStatus")?,
            reg_address: block(person, "regAddress")?.map(Address::read).transpose()?,
            documents: documents
                .filter(|one| one.local() == "document" && !one.is_blank())
                .map(IdentityDocument::read)
                .collect::<Result<_, _>>()?,
            excluded: block(person, "excludeStatus")?.is_some(),
            removed: removed.is_some_and(|text| !is_no(text)),
            incapable: spell(person, "personCapableStatus", "capableStatus", "capableEndDate")?,
            missing: spell(person, "missingStatus", "missing", "missingEndDate")?,
            disappeared: spell(person, "disappearStatus", "disappear", "disappearEndDate")?,
        })
    }
}

impl<'d> Coded<'d> {
    fn read(holder: Element<'d>, local: &str) -> Option<Self> {
        let value = holder.child(local)?;
        let of = |local| value.child_value(local);
        let coded = Self { code: of("code"), name_ru: of("nameRu"), name_kk: of("nameKz") };
        (coded.code.is_some() || coded.name_ru.is_some()).then_some(coded)
    }

    fn has_code_of(self, length: usize) -> bool {
        self.code.is_some_and(|code| code.len() == length)
    }
}

impl<'d> Address<'d> {
    fn read(address: Element<'d>) -> Result<Self, Cause> {
        let (mut district, mut region) =
            (Coded::read(address, "district"), Coded::read(address, "region"));
        // One sender swaps the two tags: the length of the code tells (gov-services §2.2).
        let is_swapped = district.is_some_and(|place| place.has_code_of(7))
            || region.is_some_and(|place| place.has_code_of(4));
        if is_swapped {
            std::mem::swap(&mut district, &mut region);
        }
        let line = |name, local| (name, address.child_value(local));
        Ok(Self {
            country: Coded::read(address, "country"),
            district,
            region,
            lines: [
                line("city", "city"),
                line("street", "street"),
                line("building", "building"),
                line("corpus", "corpus"),
                line("flat", "flat"),
                line("ar_code", "arCode"),
            ],
            begin_date: date(address, "beginDate")?,
            end_date: date(address, "endDate")?,
        })
    }
}

impl<'d> IdentityDocument<'d> {
    fn read(document: Element<'d>) -> Result<Self, Cause> {
        Ok(Self {
            kind: Coded::read(document, "type"),
            number: document.child_value("number"),
            series: document.child_value("series"),
            begin_date: date(document, "beginDate")?,
            end_date: date(document, "endDate")?,
            issuer: Coded::read(document, "issueOrganization"),
            status: Coded::read(document, "status").and_then(|status| status.code),
        })
    }
}

fn date(holder: Element<'_>, local: &str) -> Result<Option<Date>, Cause> {
    match holder.only(local)? {
        Some(element) => read_date(element.text()).map_err(|_| Cause::Date),
        None => Ok(None),
    }
}

/// A block that holds something.
fn block<'d>(person: Element<'d>, local: &str) -> Result<Option<Element<'d>>, Cause> {
    let element = person.only(local)?;
    Ok(element.filter(|block| block.descendants().any(|inner| inner.value().is_some())))
}

/// A block that tells of a condition. Its dictionary is unknown, so a block that is there counts
/// unless it says no in so many words: a false flag is looked into, a lost one is not.
fn spell(person: Element<'_>, local: &str, flag: &str, end: &str) -> Result<Option<Spell>, Cause> {
    let Some(block) = block(person, local)? else { return Ok(None) };
    if block.child_value(flag).is_some_and(is_no) {
        return Ok(None);
    }
    Ok(Some(Spell { end: date(block, end)? }))
}

/// Whether an `xs:boolean` says no.
fn is_no(text: &str) -> bool {
    text == "false" || text == "0"
}
