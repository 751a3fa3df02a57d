//! The payloads of KPSiSU (gov-services §5.2, DESIGNED).

use jiff::{SignedDuration, Timestamp};

use super::PAYLOAD;
use crate::simulation::{
    envelope::{date, date_time},
    template::escape,
};

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    InProgress,
    AdditionalCheck,
    Clear,
    Convicted,
    NotIdentified,
    Contradiction,
    UnknownStatus,
    Broken,
}

impl Content {
    /// The message type.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::InProgress | Self::AdditionalCheck => "NOTIFICATION",
            Self::Clear
            | Self::Convicted
            | Self::NotIdentified
            | Self::Contradiction
            | Self::UnknownStatus
            | Self::Broken => "RESPONSE",
        }
    }
}

const CLEAR: &str = "<RecordStatus><Code>2</Code><NameRu>Сведений о судимости нет</NameRu>\
    <NameKz>Соттылығы туралы мәлімет жоқ</NameKz></RecordStatus>";
const CONVICTED: &str = "<RecordStatus><Code>1</Code><NameRu>Имеются сведения о судимости</NameRu>\
    <NameKz>Соттылығы туралы мәлімет бар</NameKz></RecordStatus>";
const CONVICTIONS: &str = "<Convictions><Conviction><CourtName>Тестовый суд</CourtName>\
    <VerdictDate>2019-03-01</VerdictDate><Article>SIM-ST</Article><Spent>false</Spent>\
    </Conviction></Convictions>";
const FILE: &str = "<FileId>00000000-0000-4000-8000-000000000001</FileId>";

/// `responseMessage` as a document.
pub(super) fn payload(
    content: Content,
    number: &str,
    iin: &str,
    certificate: u32,
    at: Timestamp,
) -> String {
    let number = escape(number);
    let done = |file: &str, rest: &str| {
        format!(
            "<CurrentStatus>SIM-DONE</CurrentStatus><Certificate>\
             <Number>SIM-{certificate:06}</Number><IssueDate>{}</IssueDate>{file}</Certificate>\
             <IIN>{iin}</IIN>{rest}",
            date(at)
        )
    };
    let status = |code: &str, text: &str| {
        format!(
            "<CurrentStatus>{code}</CurrentStatus><CurrentStatusText>{text}</CurrentStatusText>"
        )
    };
    let data = match content {
        Content::InProgress => status("SIM-IN-PROGRESS", "Запрос в обработке"),
        Content::AdditionalCheck => {
            let planned = at.checked_add(SignedDuration::from_hours(7 * 24)).unwrap_or(at);
            let text = status("SIM-ADDITIONAL-CHECK", "Требуется дополнительная проверка");
            format!("{text}<PlannedDate>{}</PlannedDate>", date(planned))
        }
        Content::Clear => done(FILE, CLEAR),
        Content::Convicted => done("", &format!("{CONVICTED}{CONVICTIONS}")),
        Content::Contradiction => done("", &format!("{CLEAR}{CONVICTIONS}")),
        Content::NotIdentified => status("SIM-NOT-IDENTIFIED", "Лицо не идентифицировано по ИИН"),
        Content::UnknownStatus => status("SIM-5150", "?"),
        Content::Broken => return "<responseMessage><SystemInfo></responseMessage>".to_owned(),
    };
    format!(
        "<responseMessage xmlns=\"{PAYLOAD}\"><SystemInfo><RequestNumber>{number}</RequestNumber>\
         <ChainId>{number}</ChainId><RequestDate>{}</RequestDate></SystemInfo>\
         <ResponseData>{data}</ResponseData></responseMessage>",
        date_time(at)
    )
}
