//! What travels in `data`: the request written, the answer read (gov-services §4: service id and
//! root DESIGNED, the blocks of an object FOUND).
//!
//! *Guarantee*: reading binds by local name, not by order. Whose the rights are must be certain, or
//! nothing is taken: a block that decides it must not stand twice. Names and numbers of other
//! people are not read, except to see that they are not the owner asked for. Dates are civil: an
//! offset is dropped, the day never shifts.
//!
//! *Limits*: [`OBJECTS_MAX`] objects; [`RIGHTS_MAX`] rights and [`ENCUMBRANCES_MAX`] encumbrances
//! each; [`ID_CHARS_MAX`] characters of an id.

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::failures::Cause;
use crate::transport::{
    dates::{read_date, write_moment},
    xml::{Element, Writer},
};

/// The interaction in the gateway's registry (DESIGNED).
pub(super) const SERVICE_ID: &str = "sim.rn.rightsByIinBin";
/// `ResultCode` of success (FOUND).
pub(super) const RESULT_SUCCESS: &str = "310";
/// Answers with more objects are refused.
pub(super) const OBJECTS_MAX: usize = 1_000;
/// Objects with more rights are refused.
pub(super) const RIGHTS_MAX: usize = 200;
/// Objects with more encumbrances are refused.
pub(super) const ENCUMBRANCES_MAX: usize = 200;
/// Longer ids are refused: the portal finds a row by its id.
pub(super) const ID_CHARS_MAX: usize = 100;

const OPEN: &str = r#"<ns3:Request xmlns:ns3="urn:sim:egkn:rightsbyiinbin"><SystemInfo>"#;
const CLOSE: &str = "</BusinessData></ns3:Request>";
const OBJECT: &str = "ObjectInfo";
/// Code of the address register (РКА).
const RKA_DIGITS: usize = 16;
/// Far beyond any area; the column takes any number.
const AREA_DIGITS_MAX: usize = 15;

/// What is asked.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) id: Uuid,
    pub(super) now: Timestamp,
    /// IIN or BIN.
    pub(super) owner: &'a str,
    pub(super) is_person: bool,
    pub(super) actual_only: bool,
}

/// The head of an answer's payload, and its list where there is one.
#[derive(Clone, Copy)]
pub(super) struct Response<'d> {
    pub(super) request_number: Option<&'d str>,
    pub(super) result: Option<&'d str>,
    pub(super) objects: Option<Element<'d>>,
}

/// A registered object. Two that are equal tell the same.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Object<'d> {
    pub(super) id: &'d str,
    pub(super) type_code: Option<&'d str>,
    pub(super) cadastral_number: Option<&'d str>,
    /// A decimal number as written.
    pub(super) area: Option<&'d str>,
    pub(super) measure: Option<Coded<'d>>,
    /// `AddressCode`: 16 digits.
    pub(super) rka: Option<&'d str>,
    pub(super) address_ru: Option<&'d str>,
    pub(super) address_kk: Option<&'d str>,
    pub(super) rights: Vec<Right<'d>>,
    pub(super) encumbrances: Vec<Encumbrance<'d>>,
    /// What came but could not be used.
    pub(super) flaws: Vec<Flaw>,
}

/// A value that describes an object and was left out, because it is not what the contract says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// `AddressCode` is not 16 digits.
    Rka,
    /// `Area` is no decimal number with a point: in `1,234` the comma may mean either.
    Area,
}

/// `Razdel2`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Right<'d> {
    pub(super) kind: Option<Coded<'d>>,
    pub(super) ownership_form: Option<Coded<'d>>,
    pub(super) general_ownership_form: Option<Coded<'d>>,
    /// As written; the notation was not found.
    pub(super) share: Option<&'d str>,
    pub(super) registered_on: Option<Date>,
    /// It belongs to the owner asked for.
    pub(super) is_requested: bool,
}

/// `Razdel3`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Encumbrance<'d> {
    pub(super) kind: Option<Coded<'d>>,
    pub(super) registered_on: Option<Date>,
}

/// A value of a dictionary, in either of its two spellings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Coded<'d> {
    pub(super) code: Option<&'d str>,
    pub(super) name_ru: Option<&'d str>,
    pub(super) name_kk: Option<&'d str>,
}

/// Writes the request (gov-services §4.3). `InfoAbtToken` is left out: the hub has no such token.
pub(super) fn write(xml: &mut Writer, request: Request<'_>) {
    let mut buffer = Uuid::encode_buffer();
    let id = request.id.hyphenated().encode_lower(&mut buffer);
    xml.raw(OPEN).leaf("RequestNumber", id).leaf("ChainId", id);
    xml.leaf("RequestDate", &write_moment(request.now));
    xml.raw("</SystemInfo><BusinessData>").leaf("IINBIN", request.owner);
    xml.leaf("IsFl", flag(request.is_person)).leaf("ActualOnly", flag(request.actual_only));
    xml.raw(CLOSE);
}

const fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Reads the head of an answer.
pub(super) fn read(root: Element<'_>) -> Result<Response<'_>, Cause> {
    let request_number = match root.only("SystemInfo")? {
        Some(info) => info.only("RequestNumber")?.and_then(Element::value),
        None => None,
    };
    let Some(business) = root.only("BusinessData")? else {
        return Ok(Response { request_number, result: None, objects: None });
    };
    let result = match business.only("Result")? {
        Some(result) => result.only("ResultCode")?.and_then(Element::value),
        None => None,
    };
    // Beside an empty list it would read as "no property".
    if business.child(OBJECT).is_some() {
        return Err(Cause::ObjectsUnreadable);
    }
    let objects = business.only("Objects")?.filter(|list| !is_nil(*list));
    Ok(Response { request_number, result, objects })
}

/// Reads the list. Only a list that is there and holds nothing at all is empty.
pub(super) fn objects<'d>(list: Element<'d>, owner: &str) -> Result<Vec<Object<'d>>, Cause> {
    if list.is_blank() {
        return Ok(Vec::new());
    }
    if !list.has_children() || list.children().any(|one| one.local() != OBJECT) {
        return Err(Cause::ObjectsUnreadable);
    }
    if list.children().count() > OBJECTS_MAX {
        return Err(Cause::TooManyObjects);
    }
    list.children().map(|object| Object::read(object, owner)).collect()
}

impl<'d> Object<'d> {
    fn read(object: Element<'d>, owner: &str) -> Result<Self, Cause> {
        let mut flaws = Vec::new();
        let area = only_value(object, "Area")?;
        if area.is_some_and(|text| !is_area(text)) {
            flaws.push(Flaw::Area);
        }
        let address = object.only("AddressData")?;
        let part = |local| address.map_or(Ok(None), |address| only_value(address, local));
        let rka = part("AddressCode")?;
        if rka.is_some_and(|text| !is_rka(text)) {
            flaws.push(Flaw::Rka);
        }
        Ok(Self {
            id: only_value(object, "Id")?
                .filter(|id| id.chars().count() <= ID_CHARS_MAX)
                .ok_or(Cause::ObjectWithoutId)?,
            type_code: only_value(object, "EstateObjectTypeCode")?,
            cadastral_number: only_value(object, "CadastrNum")?,
            area: area.filter(|text| is_area(text)),
            measure: Coded::read(object, "Measure")?,
            rka: rka.filter(|text| is_rka(text)),
            address_ru: part("AddressNameRu")?,
            address_kk: part("AddressNameKz")?,
            rights: several(object, "Razdel2", RIGHTS_MAX, Cause::TooManyRights)?
                .map(|right| Right::read(right, owner))
                .collect::<Result<_, _>>()?,
            // An optional block that is sent empty says nothing (shep §4.4).
            encumbrances: several(object, "Razdel3", ENCUMBRANCES_MAX, Cause::TooManyEncumbrances)?
                .filter(|one| holds_something(*one))
                .map(Encumbrance::read)
                .collect::<Result<_, _>>()?,
            flaws,
        })
    }
}

impl Flaw {
    /// The name in the portal's table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rka => "rka_malformed",
            Self::Area => "area_malformed",
        }
    }
}

impl<'d> Right<'d> {
    fn read(right: Element<'d>, owner: &str) -> Result<Self, Cause> {
        let holder = right.only("Owner")?.filter(|holder| holds_something(*holder));
        let holder = holder.ok_or(Cause::RightWithoutOwner)?;
        Ok(Self {
            kind: Coded::read(right, "RightType")?,
            ownership_form: Coded::read(right, "OwnershipForm")?,
            general_ownership_form: Coded::read(right, "GenOwnershipForm")?,
            share: only_value(right, "Share")?,
            registered_on: date(right, "RegDate")?,
            is_requested: only_value(holder, "IINBIN")? == Some(owner),
        })
    }
}

impl<'d> Encumbrance<'d> {
    fn read(block: Element<'d>) -> Result<Self, Cause> {
        Ok(Self { kind: Coded::read(block, "BurdenType")?, registered_on: date(block, "RegDate")? })
    }
}

impl<'d> Coded<'d> {
    fn read(holder: Element<'d>, local: &str) -> Result<Option<Self>, Cause> {
        let Some(value) = holder.only(local)? else { return Ok(None) };
        let of = |here, there| value.child_value(here).or_else(|| value.child_value(there));
        let coded = Self {
            // A bare code without its texts is a text itself.
            code: of("ID", "code").or_else(|| value.value()),
            name_ru: of("NameRus", "nameRu"),
            name_kk: of("NameKaz", "nameKz"),
        };
        let is_empty = coded.code.is_none() && coded.name_ru.is_none() && coded.name_kk.is_none();
        Ok((!is_empty).then_some(coded))
    }
}

/// Blocks that may stand several times.
fn several<'d>(
    object: Element<'d>,
    local: &'static str,
    max: usize,
    beyond: Cause,
) -> Result<impl Iterator<Item = Element<'d>>, Cause> {
    let blocks = object.children().filter(move |child| child.local() == local);
    if blocks.clone().count() > max { Err(beyond) } else { Ok(blocks) }
}

fn only_value<'d>(holder: Element<'d>, local: &str) -> Result<Option<&'d str>, Cause> {
    Ok(holder.only(local)?.and_then(Element::value))
}

fn date(holder: Element<'_>, local: &str) -> Result<Option<Date>, Cause> {
    match holder.only(local)? {
        Some(element) => read_date(element.text()).map_err(|_| Cause::Date),
        None => Ok(None),
    }
}

fn holds_something(block: Element<'_>) -> bool {
    block.value().is_some() || block.descendants().any(|inner| inner.value().is_some())
}

/// `xsi:nil`: the list is said to be unknown, which is not empty.
fn is_nil(element: Element<'_>) -> bool {
    element.attributes().any(|one| one.local == "nil" && matches!(one.value.trim(), "true" | "1"))
}

fn is_rka(text: &str) -> bool {
    text.len() == RKA_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_area(text: &str) -> bool {
    let is_digits = |part: &str| {
        (1..=AREA_DIGITS_MAX).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    match text.split_once('.') {
        Some((whole, part)) => is_digits(whole) && is_digits(part),
        None => is_digits(text),
    }
}
