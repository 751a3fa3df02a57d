//! What travels in `data`: the request written, the answer read (gov-services §7.2, DESIGNED).
//!
//! *Guarantee*: an answer is taken only when it names our request, with one status of the list; what
//! decides must not stand twice. Reading binds by local name, so `data` itself may stand in the
//! namespace or not. The code is sent and not kept.

use uuid::Uuid;

use super::failures::Cause;
use crate::transport::{
    shep_sync::{self, Reply},
    xml::{Element, Writer},
};

/// The interaction in the gateway's registry: known as the service to which a consent token gives
/// access (FOUND, gov-services §7.2); that it is the interaction's id too is INFERRED.
pub(super) const SERVICE_ID: &str = "MCDB_SERVICE";

const NAMESPACE: &str = "urn:sim:mcdb";
/// Not as long as a code.
const MASK: &str = "***";

/// What is asked.
#[derive(Clone, Copy)]
pub(super) enum Request<'a> {
    /// Whether a person is registered, and with this number.
    Check { iin: &'a str, phone: Option<&'a str> },
    /// One SMS.
    Send { iin: &'a str, purpose: &'a str, lang: &'a str },
    /// Whether these are the digits of that SMS.
    Verify { iin: &'a str, sent: Sent<'a>, digits: &'a str },
}

/// Which SMS.
#[derive(Clone, Copy)]
pub(super) enum Sent<'a> {
    /// By their id of the code.
    Otp(&'a str),
    /// By our request, where the answer with their id was lost.
    Request(Uuid),
}

/// `status`. Closed: what is not in it is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Match,
    Mismatch,
    NotRegistered,
    Sent,
    Ok,
    WrongCode,
    Expired,
    TooManyAttempts,
    AlreadyUsed,
    UnknownOtp,
}

/// An answer to our request.
#[derive(Clone)]
pub(super) struct Response {
    pub(super) status: Status,
    pub(super) has_phone: bool,
    pub(super) otp_id: Option<String>,
    pub(super) expires_at: Option<String>,
    pub(super) attempts_left: Option<u8>,
}

/// Writes the content of `data` in the order of the schema.
pub(super) fn write(xml: &mut Writer, id: Uuid, request: Request<'_>) {
    let (operation, iin) = match request {
        Request::Check { iin, .. } => ("CHECK", iin),
        Request::Send { iin, .. } => ("SEND", iin),
        Request::Verify { iin, .. } => ("VERIFY", iin),
    };
    leaf(xml, "operation", operation);
    leaf(xml, "requestId", &id.to_string());
    leaf(xml, "uin", iin);
    match request {
        Request::Check { phone: Some(phone), .. } => leaf(xml, "phone", phone),
        Request::Check { phone: None, .. } => {}
        Request::Send { purpose, lang, .. } => {
            leaf(xml, "purpose", purpose);
            leaf(xml, "lang", lang);
        }
        Request::Verify { sent, digits, .. } => {
            match sent {
                Sent::Otp(id) => leaf(xml, "otpId", id),
                Sent::Request(id) => leaf(xml, "sendRequestId", &id.to_string()),
            }
            open(xml, "code");
            xml.omitted(digits, MASK.to_owned()).close("code");
        }
    }
}

/// Reads an answer to the request with this number.
pub(super) fn read(reply: Reply, id: Uuid) -> Result<Response, Cause> {
    if reply.status() != shep_sync::SUCCESS {
        return Err(Cause::UnknownStatus);
    }
    let payload = reply.into_payload().map_err(|_| Cause::Payload)?;
    let data = payload.root();
    let request_id = text(data, "requestId")?.and_then(|id| Uuid::try_parse(id).ok());
    if request_id != Some(id) {
        return Err(Cause::OtherRequest);
    }
    let status = text(data, "status")?.and_then(Status::named).ok_or(Cause::UnknownResult)?;
    Ok(Response {
        status,
        has_phone: text(data, "maskedPhone")?.is_some(),
        otp_id: text(data, "otpId")?.map(str::to_owned),
        expires_at: text(data, "expiresAt")?.map(str::to_owned),
        attempts_left: text(data, "attemptsLeft")?.and_then(|left| left.parse().ok()),
    })
}

impl Status {
    fn named(text: &str) -> Option<Self> {
        Some(match text {
            "SIM-MATCH" => Self::Match,
            "SIM-MISMATCH" => Self::Mismatch,
            "SIM-NOT-REGISTERED" => Self::NotRegistered,
            "SIM-SENT" => Self::Sent,
            "SIM-OK" => Self::Ok,
            "SIM-WRONG-CODE" => Self::WrongCode,
            "SIM-EXPIRED" => Self::Expired,
            "SIM-TOO-MANY-ATTEMPTS" => Self::TooManyAttempts,
            "SIM-ALREADY-USED" => Self::AlreadyUsed,
            "SIM-UNKNOWN-OTP" => Self::UnknownOtp,
            _ => return None,
        })
    }
}

/// `data` belongs to the gateway and has no namespace (shep §1.2), so each field brings its own.
fn open(xml: &mut Writer, name: &str) {
    xml.raw("<").raw(name).raw(" xmlns=\"").raw(NAMESPACE).raw("\">");
}

fn leaf(xml: &mut Writer, name: &str, text: &str) {
    open(xml, name);
    xml.text(text).close(name);
}

fn text<'d>(data: Element<'d>, local: &str) -> Result<Option<&'d str>, Cause> {
    Ok(data.only(local)?.and_then(Element::value))
}
