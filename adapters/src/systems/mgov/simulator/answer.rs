//! The answers of BMG (gov-services §7.2), and what can be wrong with them.

use jiff::{SignedDuration, Timestamp};

use super::{
    NAMESPACE,
    behaviour::Behaviour as Act,
    codes::{LIFETIME, Tried},
};
use crate::simulation::{
    chance::Chance,
    envelope::{self, Form, Payload, Soap, date_time},
    template::escape,
};

const PHONE: &str = "7700*****01";

/// What BMG has to say.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// To CHECK.
    Phone { masked: String, is_same: bool },
    /// To SEND.
    Sent { id: String, ends_at: Timestamp },
    /// To VERIFY.
    Tried(Tried),
    /// To CHECK and SEND.
    NotRegistered,
}

/// A whole answer to this request.
pub(super) fn write(
    act: Act,
    said: &Said,
    request: &str,
    now: Timestamp,
    chance: &mut Chance,
) -> Vec<u8> {
    let form = if act == Act::Doctype { Form::Canonical } else { Form::draw(chance) };
    let stranger = (act == Act::WrongRequestId).then(|| chance.uuid().to_string());
    let number = stranger.as_deref().unwrap_or(request);
    let number = if act == Act::NoRequestId { String::new() } else { leaf("requestId", number) };
    let data = if act == Act::BrokenText {
        "<data>&lt;data&gt;&lt;status&gt;&lt;/data&gt;</data>".to_owned()
    } else {
        data(&format!("{number}{}", fields(act, said, now)), form)
    };
    let status = if act == Act::UnknownStatus { "SIM-7777" } else { "SCSS001" };
    let inner = format!(
        "<responseInfo><messageId>{}</messageId><responseDate>{}</responseDate><status>\
         <code>{status}</code><message>Message has been processed successfully</message></status>\
         <sessionId>{{{}}}</sessionId></responseInfo><responseData>{data}</responseData>",
        chance.uuid(),
        date_time(now),
        chance.uuid()
    );
    let soap = Soap {
        header: "",
        body_attributes: "",
        namespace: envelope::SYNC,
        wrapper: "SendMessageResponse",
        child: "response",
        inner: &inner,
    };
    let entity = if act == Act::Doctype { "<!DOCTYPE a [<!ENTITY x \"x\">]>" } else { "" };
    format!("{entity}{}", soap.text(form)).into_bytes()
}

/// `data` belongs to the gateway and has no namespace, so its fields bring their own; in the notes
/// and in a document that travels as text it is the root of theirs.
fn data(elements: &str, form: Form) -> String {
    let document = format!("<data xmlns=\"{NAMESPACE}\">{elements}</data>");
    if form == Form::NamespacedData {
        return document;
    }
    let prefixed = elements.replace('<', "<m:").replace("<m:/", "</m:");
    let payload = Payload { elements: &prefixed, document: &document, type_attributes: "" };
    let declared = format!("<data xmlns:m=\"{NAMESPACE}\"");
    payload.data(form).replacen("<data", &declared, 1)
}

/// What stands after `requestId`.
fn fields(act: Act, said: &Said, now: Timestamp) -> String {
    if act == Act::UnknownResult {
        return leaf("status", "SIM-4242");
    }
    if act == Act::OutOfPlace {
        return leaf(
            "status",
            match said {
                Said::Phone { .. } | Said::NotRegistered => "SIM-OK",
                Said::Sent { .. } => "SIM-MATCH",
                Said::Tried(_) => "SIM-SENT",
            },
        );
    }
    let plain = match said {
        Said::NotRegistered => not_registered(act),
        Said::Phone { masked, is_same } => {
            let status = leaf("status", if *is_same { "SIM-MATCH" } else { "SIM-MISMATCH" });
            format!("{status}{}", leaf("maskedPhone", masked))
        }
        Said::Sent { id, ends_at } => sent(act, id, *ends_at, now),
        Said::Tried(result) => tried(act, *result),
    };
    if act == Act::StatusTwice {
        return format!("{plain}{}", leaf("status", "SIM-EXPIRED"));
    }
    plain
}

fn not_registered(act: Act) -> String {
    let phone = if act == Act::Contradiction { leaf("maskedPhone", PHONE) } else { String::new() };
    let text = leaf("messageRu", "ИИН не зарегистрирован в БМГ");
    format!("{}{phone}{text}", leaf("status", "SIM-NOT-REGISTERED"))
}

fn tried(act: Act, result: Tried) -> String {
    let status = leaf(
        "status",
        match result {
            Tried::Right => "SIM-OK",
            Tried::Wrong { .. } => "SIM-WRONG-CODE",
            Tried::TooOld => "SIM-EXPIRED",
            Tried::TooOften => "SIM-TOO-MANY-ATTEMPTS",
            Tried::Again => "SIM-ALREADY-USED",
            Tried::NeverSent => "SIM-UNKNOWN-OTP",
        },
    );
    let Tried::Wrong { left } = result else { return status };
    let left = if act == Act::WrongCounter { 99 } else { left };
    format!("{status}{}", leaf("attemptsLeft", &left.to_string()))
}

fn sent(act: Act, id: &str, ends_at: Timestamp, now: Timestamp) -> String {
    let after = |by| date_time(now.checked_add(by).unwrap_or(now));
    let mut out = leaf("status", "SIM-SENT");
    if act != Act::NoCodeId {
        out.push_str(&leaf("otpId", id));
    }
    if act == Act::CodeIdTwice {
        out.push_str(&leaf("otpId", "SIM-OTHER"));
    }
    let told = [
        (Act::LongLife, SignedDuration::from_hours(24)),
        (Act::PastExpiry, SignedDuration::from_hours(-1)),
        (Act::ExpiresEarly, LIFETIME),
    ];
    let told = told.into_iter().find(|(odd, _)| *odd == act).map(|(_, by)| after(by));
    if act != Act::NoExpiry {
        out.push_str(&leaf("expiresAt", &told.unwrap_or_else(|| date_time(ends_at))));
    }
    out
}

fn leaf(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}
