//! What travels in `data`: the request written, the answers read (gov-services §5.2: DESIGNED for
//! the simulator, in the shape of a typical asynchronous body, FOUND).
//!
//! *Guarantee*: articles, courts and sentences are not read at all (D11); only whether convictions
//! are there. Elements that decide something must not stand twice.

use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::failures::Cause;
use crate::transport::{
    dates::{NotADate, read_date, write_moment},
    xml::{Element, Repeated, Writer},
};

/// The interaction in the gateway's registry (DESIGNED).
pub(super) const SERVICE_ID: &str = "sim.kpsisu.criminalRecord";

/// Statuses (DESIGNED).
pub(super) const STATUS_ADDITIONAL_CHECK: &str = "SIM-ADDITIONAL-CHECK";
pub(super) const STATUS_IN_PROGRESS: &str = "SIM-IN-PROGRESS";
pub(super) const STATUS_DONE: &str = "SIM-DONE";
pub(super) const STATUS_NOT_IDENTIFIED: &str = "SIM-NOT-IDENTIFIED";

/// Records (HINT: the dictionary of another state interface).
pub(super) const RECORD_SERVING: &str = "0";
pub(super) const RECORD_FORMER: &str = "1";
pub(super) const RECORD_NONE: &str = "2";

const OPEN: &str = r#"<requestMessage xmlns="urn:sim:kpsisu"><SystemInfo>"#;
const CLOSE: &str = "</RequestData></requestMessage>";

/// What is asked.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) id: Uuid,
    pub(super) now: Timestamp,
    pub(super) requestor_bin: &'a str,
    pub(super) purpose: &'a str,
    pub(super) iin: &'a str,
    pub(super) surname: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) patronymic: Option<&'a str>,
    pub(super) birth_date: Option<&'a str>,
    pub(super) previous_surname: Option<&'a str>,
}

/// The part of an answer by which it is matched.
#[derive(Clone, Copy)]
pub(super) struct Matching<'d> {
    /// Our request number; the number in `SystemInfo` and that in `ResponseData`, where both came.
    pub(super) request_numbers: [Option<&'d str>; 2],
    pub(super) iin: Option<&'d str>,
    /// The rest, to be read when it is ours.
    pub(super) data: Option<Element<'d>>,
}

/// The part of an answer that says something.
#[derive(Clone, Copy)]
pub(super) struct Response<'d> {
    pub(super) status: Option<&'d str>,
    pub(super) planned_date: Option<Date>,
    pub(super) record: Option<Element<'d>>,
    pub(super) has_convictions: bool,
    pub(super) certificate: Option<Element<'d>>,
}

/// Writes the request in the order of the design; no element that we have nothing for.
pub(super) fn write(xml: &mut Writer, request: Request<'_>) {
    let mut buffer = Uuid::encode_buffer();
    let id: &str = request.id.hyphenated().encode_lower(&mut buffer);
    xml.raw(OPEN).leaf("RequestNumber", id).leaf("ChainId", id);
    xml.leaf("RequestDate", &write_moment(request.now)).raw("</SystemInfo><RequestData>");
    xml.leaf("RequestorBIN", request.requestor_bin).leaf("Purpose", request.purpose);
    xml.open("Person").leaf("IIN", request.iin).optional("SurName", request.surname);
    xml.optional("Name", request.name).optional("MiddleName", request.patronymic);
    xml.optional("BirthDate", request.birth_date);
    if let Some(surname) = request.previous_surname {
        xml.open("PreviousName").leaf("SurName", surname).close("PreviousName");
    }
    xml.close("Person").raw(CLOSE);
}

/// Reads what an answer is matched by; `None` where it is no answer of this service, or names more
/// than one request or person.
pub(super) fn read_matching(root: Element<'_>) -> Option<Matching<'_>> {
    if root.local() != "responseMessage" {
        return None;
    }
    matching(root).ok()
}

fn matching(root: Element<'_>) -> Result<Matching<'_>, Repeated> {
    let (system, data) = (root.only("SystemInfo")?, root.only("ResponseData")?);
    Ok(Matching {
        request_numbers: [value(system, "RequestNumber")?, value(data, "RequestNumber")?],
        iin: value(data, "IIN")?,
        data,
    })
}

fn value<'d>(holder: Option<Element<'d>>, local: &str) -> Result<Option<&'d str>, Repeated> {
    match holder {
        Some(holder) => Ok(holder.only(local)?.and_then(Element::value)),
        None => Ok(None),
    }
}

/// Reads what an answer says.
pub(super) fn read(data: Element<'_>) -> Result<Response<'_>, Cause> {
    // Wherever it stands: a list of convictions contradicts "no record" (D9).
    let mut convictions = data.descendants().filter(|element| element.local() == "Convictions");
    Ok(Response {
        status: value(Some(data), "CurrentStatus")?,
        // A date that is none is no reason to lose the news that it came with.
        planned_date: value(Some(data), "PlannedDate")?.and_then(|t| read_date(t).ok().flatten()),
        record: data.only("RecordStatus")?.filter(|record| !record.is_blank()),
        has_convictions: convictions.any(|list| !list.is_blank()),
        certificate: data.only("Certificate")?,
    })
}

/// The code of a record.
pub(super) fn record_code(record: Element<'_>) -> Result<Option<&str>, Repeated> {
    value(Some(record), "Code")
}

/// Number and date of a certificate.
pub(super) fn read_certificate(
    certificate: Element<'_>,
) -> Result<(Option<&str>, Option<Date>), Cause> {
    let date = match value(Some(certificate), "IssueDate")? {
        Some(text) => read_date(text).map_err(|NotADate| Cause::Certificate)?,
        None => None,
    };
    Ok((value(Some(certificate), "Number")?, date))
}
