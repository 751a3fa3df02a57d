//! What travels as the text of `data`: the request written, the answer read (gov-services §3, FOUND
//! in public schemas; the codes of "not found" are a HINT).
//!
//! *Guarantee*: reading binds by local name, not by order or namespace; what is unknown is passed
//! over. Empty text and `-` are absent. Dates are civil: an offset is dropped, the day never
//! shifts. Elements that decide something must not stand twice.
//!
//! *What is not read*: founders. They are persons, and the portal does not need them.

use jiff::civil::Date;

use super::failures::Cause;
use crate::transport::{
    dates::read_date,
    xml::{Element, Unwritable, Writer},
};

/// The interaction in the gateway's registry (FOUND).
pub(super) const SERVICE_ID: &str = "GbdulInfoByBin_v2";
/// `Status/Code` of success (FOUND). Not zeros.
pub(super) const FOUND: &str = "002";
/// `Status/Code` of a BIN that is not registered (HINT: seen on another face of the same register).
pub(super) const NOT_FOUND: [&str; 3] = ["031", "034", "035"];
/// `OrgForm/Code` (FOUND for the reports of the same register).
pub(super) const FORM_BRANCH: &str = "2";
/// See [`FORM_BRANCH`].
pub(super) const FORM_REPRESENTATIVE: &str = "3";

const REQUEST: &str = r#"<ns3:Request xmlns:ns3="http://gbdulinfobybin_v2.egp.gbdul.tamur.kz">"#;
const REQUEST_BYTES: usize = 256;

/// An answer's payload.
#[derive(Clone, Copy)]
pub(super) struct Response<'d> {
    /// `Status/Code`.
    pub(super) status: Option<&'d str>,
    pub(super) organization: Option<Element<'d>>,
    pub(super) non_resident: Option<Element<'d>>,
}

/// Which of the two blocks an organisation came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Organization,
    NonResident,
}

/// An organisation, as far as the portal needs it.
#[derive(Clone)]
pub(super) struct Organization<'d> {
    pub(super) kind: Kind,
    pub(super) bin: &'d str,
    pub(super) names: [(&'static str, Option<&'d str>); 4],
    pub(super) reg_status: Option<Coded<'d>>,
    pub(super) registration_date: Option<Date>,
    pub(super) registration_last_date: Option<Date>,
    pub(super) liquidation_date: Option<Date>,
    /// A liquidation is under way, or was.
    pub(super) has_liquidation: bool,
    pub(super) org_form: Option<Coded<'d>>,
    pub(super) tax_status: Option<&'d str>,
    pub(super) head: Option<Head<'d>>,
    pub(super) leader: Option<Leader<'d>>,
    /// By the portal's names.
    pub(super) address: Vec<(&'static str, &'d str)>,
    pub(super) activity: Option<Activity<'d>>,
    /// Where a non-resident comes from.
    pub(super) country: Option<Coded<'d>>,
}

/// A value of a dictionary.
#[derive(Clone, Copy)]
pub(super) struct Coded<'d> {
    pub(super) code: Option<&'d str>,
    pub(super) name_ru: Option<&'d str>,
    pub(super) name_kk: Option<&'d str>,
}

/// The organisation that a branch belongs to.
#[derive(Clone, Copy)]
pub(super) struct Head<'d> {
    pub(super) bin: Option<&'d str>,
    pub(super) name_ru: Option<&'d str>,
    pub(super) name_kk: Option<&'d str>,
}

/// Who leads it. Absent in a liquidated one, and while leaders change.
#[derive(Clone, Copy)]
pub(super) struct Leader<'d> {
    pub(super) iin: Option<&'d str>,
    pub(super) surname: Option<&'d str>,
    pub(super) name: Option<&'d str>,
    pub(super) patronymic: Option<&'d str>,
    pub(super) position: Option<Coded<'d>>,
    pub(super) begin_date: Option<Date>,
    /// The day of removal from office.
    pub(super) end_date: Option<Date>,
}

/// What it mainly does.
#[derive(Clone, Copy)]
pub(super) struct Activity<'d> {
    pub(super) oked: Option<&'d str>,
    pub(super) name_ru: Option<&'d str>,
    pub(super) name_kk: Option<&'d str>,
}

/// Their tag → the portal's name (gov-services §3.1; one tag is misspelt by contract).
const ADDRESS: [(&str, &str); 20] = [
    ("RKA", "rka"),
    ("ZIPCode", "zip_code"),
    ("KATO", "kato"),
    ("DistrictRu", "district_ru"),
    ("DistrictKz", "district_kk"),
    ("RegionRu", "region_ru"),
    ("RegionKz", "region_kk"),
    ("RuralRu", "rural_ru"),
    ("RuralKz", "rural_kk"),
    ("CityRu", "city_ru"),
    ("CityKz", "city_kk"),
    ("StreetRu", "street_ru"),
    ("StreetKz", "street_kk"),
    ("BuildingType", "building_type"),
    ("BuildingNumber", "building"),
    ("Block", "block"),
    ("Corpus", "corpus"),
    ("RoomType", "room_type"),
    ("AppartmentNumber", "apartment"),
    ("OfficeNumber", "office"),
];

/// Writes the request: canonical, unsigned, without a declaration.
pub(super) fn write(requestor_bin: &str, bin: &str) -> Result<String, Unwritable> {
    let mut xml = Writer::with_capacity(REQUEST_BYTES);
    xml.raw(REQUEST).leaf("RequestorBIN", requestor_bin).leaf("BIN", bin).close("ns3:Request");
    xml.finish()
}

/// Reads an answer's payload. Its root has two names in the field (`Response`,
/// `responseDataType`), so the name does not matter.
pub(super) fn read(root: Element<'_>) -> Result<Response<'_>, Cause> {
    let status = match root.only("Status")? {
        Some(status) => status.only("Code")?.and_then(Element::value),
        None => None,
    };
    Ok(Response {
        status,
        organization: block(root, "Organization")?,
        non_resident: block(root, "IpsNerezident")?,
    })
}

impl<'d> Organization<'d> {
    /// Reads an `Organization`, or an `IpsNerezident`, whose fields are fewer.
    pub(super) fn read(element: Element<'d>, kind: Kind) -> Result<Self, Cause> {
        let (registered, leader) = match kind {
            Kind::Organization => ("RegistrationDate", "OrganizationLeader"),
            Kind::NonResident => ("RegDate", "Leader"),
        };
        let name = |column, local| (column, element.child_value(local));
        let coded = |local| -> Result<_, Cause> { Ok(element.only(local)?.and_then(Coded::read)) };
        let address = element.child("Address");
        let lines =
            ADDRESS.iter().filter_map(|(local, name)| Some((*name, address?.child_value(local)?)));
        Ok(Self {
            kind,
            bin: element.only("BIN")?.and_then(Element::value).ok_or(Cause::NoBin)?,
            names: [
                name("full_name_ru", "FullNameRu"),
                name("full_name_kk", "FullNameKz"),
                name("short_name_ru", "ShortNameRu"),
                name("short_name_kk", "ShortNameKz"),
            ],
            reg_status: coded("RegStatus")?,
            registration_date: date(element, registered)?,
            registration_last_date: date(element, "RegistrationLastDate")?,
            liquidation_date: date(element, "LiquidationDate")?,
            has_liquidation: block(element, "Liquidation")?.is_some(),
            org_form: coded("OrgForm")?,
            tax_status: element.only("TaxOrgStatus")?.and_then(Element::value),
            head: block(element, "HeaderOrganization")?.map(Head::read),
            leader: block(element, leader)?.map(Leader::read).transpose()?,
            address: lines.collect(),
            activity: element.children().find(is_main_activity).map(Activity::read),
            country: coded("CountryNerezident")?,
        })
    }
}

impl<'d> Coded<'d> {
    fn read(value: Element<'d>) -> Option<Self> {
        let of = |local| value.child_value(local);
        let coded = Self { code: of("Code"), name_ru: of("NameRu"), name_kk: of("NameKz") };
        (coded.code.is_some() || coded.name_ru.is_some()).then_some(coded)
    }
}

impl<'d> Head<'d> {
    fn read(head: Element<'d>) -> Self {
        Self {
            bin: head.child_value("BIN"),
            name_ru: head.child_value("OrganizationNameRu"),
            name_kk: head.child_value("OrganizationNameKz"),
        }
    }
}

impl<'d> Leader<'d> {
    fn read(leader: Element<'d>) -> Result<Self, Cause> {
        let position = leader.only("Position")?;
        let day = |local| position.map_or(Ok(None), |position| date(position, local));
        Ok(Self {
            iin: leader.child_value("IIN"),
            surname: leader.child_value("SurName"),
            name: leader.child_value("Name"),
            patronymic: leader.child_value("MiddleName"),
            position: position.and_then(|one| one.child("PositionType")).and_then(Coded::read),
            begin_date: day("IssueDate")?,
            end_date: day("LossDate")?,
        })
    }
}

impl<'d> Activity<'d> {
    fn read(activity: Element<'d>) -> Self {
        Self {
            oked: activity.child_value("OKED"),
            name_ru: activity.child_value("ActivityNameRu"),
            name_kk: activity.child_value("ActivityNameKz"),
        }
    }
}

fn is_main_activity(element: &Element<'_>) -> bool {
    element.local() == "Activity" && matches!(element.child_value("Main"), Some("true" | "1"))
}

fn date(holder: Element<'_>, local: &str) -> Result<Option<Date>, Cause> {
    match holder.only(local)? {
        Some(element) => read_date(element.text()).map_err(|_| Cause::Date),
        None => Ok(None),
    }
}

/// A block that holds something: empty optionals are common on the wire (shep §4.4).
fn block<'d>(holder: Element<'d>, local: &str) -> Result<Option<Element<'d>>, Cause> {
    let element = holder.only(local)?;
    Ok(element.filter(|block| block.descendants().any(|inner| inner.value().is_some())))
}
