//! What is said to a submission or a question (gov-services §8: DESIGNED, mirrors the request).

use jiff::Timestamp;

use super::{ledger::Verdict, request::Question};
use crate::simulation::{
    chance::Chance,
    envelope::{self, Form, Payload, Soap},
    template::escape,
};

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    Nothing,
    UnknownResult,
    OtherMessage,
    OtherRequest,
    OtherService,
    KeyTwice,
    NoValues,
    LengthsDiffer,
    NoServiceName,
    NoRevision,
}

/// `Response` as a document.
pub(super) fn answer(asked: &Question, verdict: &Verdict, twist: Twist) -> String {
    let is_question = asked.service == "SIM_messageStatus";
    let (code, words, number) = match verdict {
        Verdict::Done { .. } | Verdict::Unknown => ("0", "OK", asked.number.clone()),
        Verdict::No(code, holder) => {
            let other = "00000000-0000-4000-8000-00000000000f".to_owned();
            let first = || holder.clone().unwrap_or(other);
            let is_taken = *code == "SIM-ALREADY-SUBMITTED";
            let number = if is_taken { first() } else { asked.number.clone() };
            (*code, "Запрос не выполнен", number)
        }
    };
    let code = if twist == Twist::UnknownResult { "SIM-5150" } else { code };
    let other_message = twist == Twist::OtherMessage;
    let message_id = if other_message { "SIM-0.0" } else { asked.message_id.as_str() };
    let other_number = "00000000-0000-4000-8000-00000000000e";
    let number = if twist == Twist::OtherRequest { other_number } else { number.as_str() };
    let mut params = match twist {
        Twist::LengthsDiffer => list("resultCode", &[code, "0"]),
        Twist::KeyTwice => param("resultCode", code) + &param("resultCode", code),
        Twist::NoValues => "<param><key>resultCode</key></param>".to_owned(),
        Twist::Nothing
        | Twist::UnknownResult
        | Twist::OtherMessage
        | Twist::OtherRequest
        | Twist::OtherService
        | Twist::NoServiceName
        | Twist::NoRevision => param("resultCode", code),
    };
    params += &param("resultMessage", words);
    params += &param("messageId", message_id);
    params += &param("requestNumber", number);
    if is_question {
        let done = matches!(verdict, Verdict::Done { .. });
        params += &param("submission", if done { "SIM-DONE" } else { "SIM-UNKNOWN" });
    }
    if let Verdict::Done { revision, at } = verdict {
        if twist != Twist::NoRevision {
            params += &param("revision", &revision.to_string());
        }
        params += &param("submittedAt", &envelope::date_time(*at));
    }
    let service =
        if twist == Twist::OtherService { "PMKR_decisionInvitation" } else { &asked.service };
    let name = if twist == Twist::NoServiceName {
        String::new()
    } else {
        format!(" serviceName=\"{service}\"")
    };
    format!("<Response{name}>{params}</Response>")
}

/// The whole message around a payload.
pub(super) fn envelope(payload: &str, status: &str, at: Timestamp, chance: &mut Chance) -> Vec<u8> {
    let form = Form::draw(chance);
    let data = Payload { elements: payload, document: payload, type_attributes: "" }.data(form);
    let inner = format!(
        "<responseInfo><messageId>{}</messageId><responseDate>{}</responseDate><status>\
         <code>{status}</code><message>Message has been processed</message></status>\
         <sessionId>{{{}}}</sessionId></responseInfo><responseData>{data}</responseData>",
        chance.uuid(),
        envelope::date_time(at),
        chance.uuid()
    );
    Soap {
        header: "",
        body_attributes: "",
        namespace: envelope::SYNC,
        wrapper: "SendMessageResponse",
        child: "response",
        inner: &inner,
    }
    .text(form)
    .into_bytes()
}

/// One parameter with one value.
pub(super) fn param(key: &str, value: &str) -> String {
    list(key, &[value])
}

/// One parameter.
pub(super) fn list(key: &str, values: &[&str]) -> String {
    let values: String =
        values.iter().map(|value| format!("<value>{}</value>", escape(value))).collect();
    format!("<param><key>{}</key><values>{values}</values></param>", escape(key))
}
