//! The messages that ИИС «Е-қызмет» sends: good ones, and ones that break a rule on purpose.

use jiff::{SignedDuration, Timestamp};

use super::answer::{list, param};
use crate::simulation::envelope::{date, date_time};

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    LengthsDiffer,
    KeyTwice,
    NoValues,
    NoServiceName,
    UnknownService,
    NoMessageId,
    NoRevision,
    UnknownState,
    PersonInId,
    Huge,
}

/// A message as it stands at one revision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter<'a> {
    pub(super) message_id: &'a str,
    pub(super) organisation: &'a str,
    pub(super) is_editable: bool,
    pub(super) revision: u32,
    pub(super) state: &'a str,
    pub(super) at: Timestamp,
}

/// Past every limit of a text, and within what the hub takes as a body.
const HUGE_REPEATS: usize = 12_000;

/// `Request` as a document.
pub(super) fn letter(letter: Letter<'_>, flaw: Flaw) -> String {
    let Letter { message_id, organisation, is_editable, revision, state, at } = letter;
    let service = match (flaw, is_editable) {
        (Flaw::NoServiceName, _) => "",
        (Flaw::UnknownService, _) => " serviceName=\"sendEventFromACSList\"",
        (_, true) => " serviceName=\"SIM_editableMessage\"",
        (_, false) => " serviceName=\"SIM_noticeMessage\"",
    };
    let mut params = String::new();
    if flaw == Flaw::PersonInId {
        params += &param("messageId", "850100300012");
    } else if flaw != Flaw::NoMessageId {
        params += &param("messageId", message_id);
    }
    if flaw != Flaw::NoRevision {
        params += &param("revision", &revision.to_string());
    }
    params += &param("organisationBin", organisation);
    params += &param("reviewer", "Тестовый проверяющий орган");
    params += &param("sentAt", &date_time(at));
    if is_editable {
        let state = if flaw == Flaw::UnknownState { "SIM-5150" } else { state };
        params += &param("state", state);
        params += &param("title", "Запрос сведений о кадровом составе");
        let due = at.checked_add(SignedDuration::from_hours(10 * 24)).unwrap_or(at);
        params += &param("dueDate", &date(due));
        params += &editable(flaw);
    } else {
        params += &param("title", "Уведомление о проверке");
    }
    params += &match flaw {
        Flaw::NoValues => "<param><key>text</key></param>".to_owned(),
        Flaw::Huge => param("text", &"слово ".repeat(HUGE_REPEATS * 2)),
        Flaw::KeyTwice => param("text", "Первый") + &param("text", "Второй"),
        Flaw::None
        | Flaw::LengthsDiffer
        | Flaw::NoServiceName
        | Flaw::UnknownService
        | Flaw::NoMessageId
        | Flaw::NoRevision
        | Flaw::UnknownState
        | Flaw::PersonInId => param("text", "Ознакомьтесь с сообщением & ответьте в срок."),
    };
    format!("<Request{service}>{params}</Request>")
}

fn editable(flaw: Flaw) -> String {
    let values: &[&str] = match flaw {
        Flaw::LengthsDiffer => &["12"],
        Flaw::None
        | Flaw::KeyTwice
        | Flaw::NoValues
        | Flaw::NoServiceName
        | Flaw::UnknownService
        | Flaw::NoMessageId
        | Flaw::NoRevision
        | Flaw::UnknownState
        | Flaw::PersonInId
        | Flaw::Huge => &["12", "Не задано"],
    };
    [
        list("fieldKey", &["staffCount", "Пояснение"]),
        list("fieldLabel", &["Штатная численность", "Пояснение к ответу"]),
        list("fieldType", &["SIM-NUMBER", "SIM-TEXT"]),
        list("fieldValue", values),
        list("attachmentId", &["sim-file-0001"]),
        list("attachmentName", &["Форма <1>.xlsx"]),
        list("attachmentType", &["application/vnd.ms-excel"]),
    ]
    .concat()
}
