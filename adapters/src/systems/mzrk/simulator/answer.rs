//! The answers of MZ RK (gov-services §6.2), in every form of an envelope.
//!
//! Written anew for each request, because which registers stand in it depends on the question.

use jiff::Timestamp;

use super::behaviour::Behaviour as Act;
use crate::simulation::{
    chance::Chance,
    envelope::{self, Form, Payload, Soap},
    template::escape,
};

/// What the ministry reads from a request.
pub(super) struct Asked {
    /// `requestInfo/messageId`: the same at every attempt of a job.
    pub(super) envelope_id: String,
    /// `RequestId`: comes back.
    pub(super) request_id: String,
    /// The person.
    pub(super) iin: String,
    /// Which registers, in the order of the request.
    pub(super) registers: Vec<Register>,
}

/// A register that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Register {
    Narcology,
    Psychiatry,
}

const NAMESPACE: &str = "urn:sim:mz:integra";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// `StatusCode` and `Message` of what is no success (the codes FOUND, the texts DESIGNED).
const HEADS: [(Act, &str, &str); 5] = [
    (Act::NotFound, "400", "ИИН не найден в РПН"),
    (Act::BadRequest, "400", "Поле Registers не заполнено"),
    (Act::InternalError, "500", "Внутренняя ошибка"),
    (Act::NotImplemented, "501", "Отправитель не сопоставлен"),
    (Act::UnknownStatusCode, "202", "ACCEPTED"),
];
const STRANGE_ACCOUNT: &str =
    "<Account><Register>TUBERCULOSIS</Register><OnRecord>true</OnRecord></Account>";
/// What nobody asked for and nobody may keep (D11).
const DIAGNOSIS: &str = "<ICD10>SIM-F00.0</ICD10><Diagnosis>ВЫДУМАННЫЙ ДИАГНОЗ</Diagnosis>\
    <RegistrationDate>2019-05-06</RegistrationDate>";
const SUCCESS: (&str, &str) = ("SCSS001", "Message has been processed successfully");

impl Register {
    /// As it is spelt on the wire.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "NARCOLOGY" => Some(Self::Narcology),
            "PSYCHIATRY" => Some(Self::Psychiatry),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Narcology => "NARCOLOGY",
            Self::Psychiatry => "PSYCHIATRY",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Narcology => Self::Psychiatry,
            Self::Psychiatry => Self::Narcology,
        }
    }

    /// The words of a certificate, Russian and Kazakh.
    const fn texts(self, on_record: bool) -> [&'static str; 2] {
        match (self, on_record) {
            (Self::Narcology, false) => [
                "Не состоит на учете в наркологической организации",
                "Наркологиялық ұйымда диспансерлік есепте тұрмайды",
            ],
            (Self::Narcology, true) => [
                "Состоит на учете в наркологической организации",
                "Наркологиялық ұйымда диспансерлік есепте тұрады",
            ],
            (Self::Psychiatry, false) => [
                "Не состоит на учете в психоневрологической организации",
                "Психоневрологиялық ұйымда диспансерлік есепте тұрмайды",
            ],
            (Self::Psychiatry, true) => [
                "Состоит на учете в психоневрологической организации",
                "Психоневрологиялық ұйымда диспансерлік есепте тұрады",
            ],
        }
    }
}

/// One whole answer. `recovered`: the register that was down at first is up again.
pub(super) fn write(
    act: Act,
    asked: &Asked,
    recovered: bool,
    now: Timestamp,
    chance: &mut Chance,
) -> Vec<u8> {
    let form = if act == Act::Doctype { Form::Canonical } else { Form::draw(chance) };
    let data = if act == Act::BrokenText {
        "<data>&lt;ResponseInfo&gt;&lt;StatusCode&gt;200</data>".to_owned()
    } else {
        data(&elements(act, asked, recovered, now, chance), form)
    };
    let status = if act == Act::UnknownStatus { ("SIM-7777", "unknown") } else { SUCCESS };
    let inner = format!(
        "<responseInfo><messageId>{}</messageId><responseDate>{}</responseDate><status>\
         <code>{}</code><message>{}</message></status><sessionId>{{{}}}</sessionId>\
         </responseInfo><responseData>{data}</responseData>",
        chance.uuid(),
        envelope::date_time(now),
        status.0,
        status.1,
        chance.uuid(),
    );
    let soap = Soap {
        header: "",
        body_attributes: "",
        namespace: envelope::SYNC,
        wrapper: "SendMessageResponse",
        child: "response",
        inner: &inner,
    };
    let text = soap.text(form);
    if act == Act::Doctype {
        return format!("<!DOCTYPE a [<!ENTITY x \"x\">]>{text}").into_bytes();
    }
    text.into_bytes()
}

/// The element `data`; where it holds elements, the ministry names their type.
fn data(elements: &str, form: Form) -> String {
    let prefix = if form == Form::ForeignPrefixes { "mz" } else { "q1" };
    let kind = format!(
        " xmlns:{prefix}=\"{NAMESPACE}\" xmlns:xsi=\"{XSI}\" \
         xsi:type=\"{prefix}:IntegraResponse\""
    );
    match form {
        Form::Canonical | Form::ForeignPrefixes | Form::Bom | Form::Pretty => {
            format!("<data{kind}>{elements}</data>")
        }
        Form::Cdata | Form::EscapedText | Form::TwoTextNodes | Form::NamespacedData => {
            let document = format!(
                "<{prefix}:IntegraResponse xmlns:{prefix}=\"{NAMESPACE}\">{elements}\
                 </{prefix}:IntegraResponse>"
            );
            Payload { elements, document: &document, type_attributes: &kind }.data(form)
        }
    }
}

fn elements(
    act: Act,
    asked: &Asked,
    recovered: bool,
    now: Timestamp,
    chance: &mut Chance,
) -> String {
    let operation =
        if act == Act::OtherOperation { "Sim_VaccinationStatus" } else { "Sim_DispensaryStatus" };
    let (code, message) = head(act, recovered);
    let mut info = [
        format!("<RequestType>{operation}</RequestType>"),
        format!("<StatusCode>{code}</StatusCode>"),
        format!("<Message>{message}</Message>"),
    ];
    if act == Act::Reordered {
        info.reverse();
    }
    let info = format!("<ResponseInfo>{}</ResponseInfo>", info.concat());
    if code != "200" || act == Act::NoResponse {
        return info;
    }
    let stranger = act == Act::WrongRequestId;
    let request = if stranger { chance.uuid().to_string() } else { asked.request_id.clone() };
    let iin = if act == Act::WrongPerson { another(&asked.iin) } else { &asked.iin };
    let mut body = [
        format!("<RequestId>{}</RequestId>", escape(&request)),
        format!("<IIN>{iin}</IIN>"),
        format!("<ActualDate>{}</ActualDate>", envelope::date_time(now)),
        accounts(act, asked, recovered),
        errors(act, asked, recovered),
    ];
    if act == Act::Reordered {
        body.reverse();
    }
    let body =
        format!("<Sim_DispensaryStatusResponse>{}</Sim_DispensaryStatusResponse>", body.concat());
    if act == Act::Reordered { format!("{body}{info}") } else { format!("{info}{body}") }
}

fn another(iin: &str) -> &'static str {
    if iin == "850100300012" { "920300400029" } else { "850100300012" }
}

fn head(act: Act, recovered: bool) -> (&'static str, &'static str) {
    match HEADS.iter().find(|(listed, ..)| *listed == act) {
        Some((_, code, message)) => (code, message),
        None if is_partial(act, recovered) => ("200", "PARTIAL"),
        None => ("200", "OK"),
    }
}

/// Whether a register does not answer.
fn is_partial(act: Act, recovered: bool) -> bool {
    if matches!(act, Act::Partial | Act::PartialRecord) {
        return !recovered;
    }
    matches!(
        act,
        Act::PartialForever
            | Act::PartialSilent
            | Act::AllDown
            | Act::OtherRegister
            | Act::UnknownError
    )
}

fn is_down(act: Act, register: Register, recovered: bool) -> bool {
    is_partial(act, recovered) && (act == Act::AllDown || register == Register::Psychiatry)
}

fn is_on_record(act: Act, register: Register) -> bool {
    let acts: &[Act] = match register {
        Register::Narcology => &[Act::BothRecords, Act::NarcologicalRecord, Act::PartialRecord],
        Register::Psychiatry => &[Act::BothRecords, Act::PsychiatricRecord, Act::Diagnosis],
    };
    acts.contains(&act)
}

/// The registers that an answer tells of.
fn told(act: Act, asked: &Asked, recovered: bool) -> Vec<Register> {
    if act == Act::OtherRegister {
        return match asked.registers.as_slice() {
            [one] => vec![one.other()],
            _ => vec![Register::Narcology],
        };
    }
    let up = |register: &Register| !is_down(act, *register, recovered);
    asked.registers.iter().copied().filter(up).collect()
}

fn accounts(act: Act, asked: &Asked, recovered: bool) -> String {
    let registers = told(act, asked, recovered).into_iter();
    let mut out: Vec<String> = registers.map(|register| account(act, register)).collect();
    if act == Act::DuplicateRegister {
        out.extend(out.first().cloned());
    }
    if act == Act::UnknownRegister {
        out.push(STRANGE_ACCOUNT.to_owned());
    }
    if act == Act::Reordered {
        out.reverse();
    }
    format!("<Accounts>{}</Accounts>", out.concat())
}

fn account(act: Act, register: Register) -> String {
    let on_record = is_on_record(act, register);
    let about = if act == Act::OtherText { register.other() } else { register };
    let [ru, kk] = about.texts(on_record != (act == Act::Contradiction));
    let mut parts = vec![format!("<Register>{}</Register>", register.name())];
    if act == Act::OddOnRecord {
        parts.push("<OnRecord>нет</OnRecord>".to_owned());
    } else if act == Act::NumericFlags {
        parts.push(format!("<OnRecord>{}</OnRecord>", u8::from(on_record)));
    } else if act != Act::NoOnRecord {
        parts.push(format!("<OnRecord>{on_record}</OnRecord>"));
    }
    if act != Act::FlagsOnly {
        parts.push(format!("<TextRu>{ru}</TextRu><TextKz>{kk}</TextKz>"));
    }
    if act == Act::Diagnosis && on_record {
        parts.push(DIAGNOSIS.to_owned());
    }
    if act == Act::Reordered {
        parts.reverse();
    }
    format!("<Account>{}</Account>", parts.concat())
}

fn errors(act: Act, asked: &Asked, recovered: bool) -> String {
    let is_told = |register: &&Register| {
        let down = is_down(act, **register, recovered)
            && !matches!(act, Act::PartialSilent | Act::OtherRegister);
        down || (act == Act::ErrorAndAccount && **register == Register::Psychiatry)
    };
    let code = if act == Act::UnknownError { "SIM-4242" } else { "SIM-SOURCE-UNAVAILABLE" };
    let error = |register: &Register| {
        let name = register.name();
        format!("<Error><Register>{name}</Register><Code>{code}</Code></Error>")
    };
    let all: String = asked.registers.iter().filter(is_told).map(error).collect();
    if all.is_empty() { all } else { format!("<Errors>{all}</Errors>") }
}
