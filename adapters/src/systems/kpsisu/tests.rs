use std::time::Duration;

use bytes::Bytes;
use contracts::{
    class::{Class, Failure},
    personal::Personal,
    schema::Checker,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    CHECK,
    check::{Checks, Input, check_input},
    wire::{self, Request},
};
use crate::{
    attempt::Call,
    channel::{AsyncChannel, Message, MessageKind, Mismatch, Reading},
    settings::{Sender, Settings},
    transport::xml::Writer,
};

const IIN: &str = "850100300012";
const ID: &str = "01939f2e-0000-7000-8000-000000000001";
const DONE: &str = "<CurrentStatus>SIM-DONE</CurrentStatus>";
const CERTIFICATE: &str = "<Certificate><Number>SIM-000001</Number>\
    <IssueDate>2025-02-03</IssueDate><FileId>f</FileId></Certificate>";
const CONVICTIONS: &str = "<Convictions><Conviction><CourtName>Тестовый суд</CourtName>\
    <Article>SIM-ST</Article></Conviction></Convictions>";

fn checks(senders: &[(&str, Option<&str>)]) -> Checks {
    let sender = |(id, password): &(&str, Option<&str>)| Sender {
        sender_id: (*id).to_owned(),
        password: password.map(Into::into),
    };
    let push_senders = senders.iter().map(sender).collect();
    let settings = Settings { push_senders, ..Settings::for_url("http://127.0.0.1:1/") };
    Checks::new(&settings).expect("builds")
}

fn job() -> Call {
    let id = Uuid::try_parse(ID).expect("id");
    let now = "2025-02-03T05:30:00Z".parse().expect("instant");
    Call::first(&CHECK, id, json!({ "iin": IIN }), now, Duration::from_secs(1))
}

fn message(kind: MessageKind, number: &str, data: &str) -> Message {
    let payload = format!(
        "<responseMessage xmlns=\"urn:sim:kpsisu\"><SystemInfo><RequestNumber>{number}\
         </RequestNumber><ChainId>{number}</ChainId></SystemInfo><ResponseData>{data}\
         </ResponseData></responseMessage>"
    );
    raw(kind, &payload)
}

fn raw(kind: MessageKind, data: &str) -> Message {
    Message {
        message_id: "21".to_owned(),
        correlation_id: "32".to_owned(),
        service_id: wire::SERVICE_ID.to_owned(),
        kind,
        sender_id: "provider".to_owned(),
        sender_password: None,
        session_id: None,
        data: Personal::new(Bytes::copy_from_slice(data.as_bytes())),
    }
}

fn judged(kind: MessageKind, data: &str) -> Reading {
    checks(&[]).judge(&message(kind, ID, data), &job())
}

fn record(code: &str) -> String {
    format!("<IIN>{IIN}</IIN><RecordStatus><Code>{code}</Code><NameRu>x</NameRu></RecordStatus>")
}

fn answered(data: &str) -> (Map<String, Value>, Map<String, Value>) {
    match judged(MessageKind::Response, data) {
        Reading::Answered(answer) => (answer.summary, answer.portal.into_exposed()),
        Reading::Progress { .. } | Reading::Failed(_) | Reading::NotOurs(_) => Default::default(),
    }
}

fn failed(data: &str) -> Option<Failure> {
    match judged(MessageKind::Response, data) {
        Reading::Failed(failure) => Some(failure),
        Reading::Progress { .. } | Reading::Answered(_) | Reading::NotOurs(_) => None,
    }
}

fn not_ours(message: &Message) -> Option<Mismatch> {
    match checks(&[]).judge(message, &job()) {
        Reading::NotOurs(mismatch) => Some(mismatch),
        Reading::Progress { .. } | Reading::Answered(_) | Reading::Failed(_) => None,
    }
}

fn progress(data: &str) -> Option<Value> {
    match judged(MessageKind::Notification, data) {
        Reading::Progress { summary } => Some(Value::Object(summary)),
        Reading::Answered(_) | Reading::Failed(_) | Reading::NotOurs(_) => None,
    }
}

fn request(is_full: bool) -> String {
    let when = |text: &'static str| is_full.then_some(text);
    let mut xml = Writer::with_capacity(512);
    wire::write(
        &mut xml,
        Request {
            id: job().job_id,
            now: job().now,
            requestor_bin: "990140000007",
            purpose: "SIM-LICENSE",
            iin: IIN,
            surname: when("ТЕСТОВ"),
            name: when("Т<"),
            patronymic: when("ТЕСТОВИЧ"),
            birth_date: when("1979-11-05"),
            previous_surname: when("ПРЕЖНИЙ"),
        },
    );
    xml.finish().expect("writable")
}

#[test]
fn the_request_holds_only_what_is_known_in_the_order_of_the_design() {
    let head = "<requestMessage xmlns=\"urn:sim:kpsisu\"><SystemInfo>\
        <RequestNumber>01939f2e-0000-7000-8000-000000000001</RequestNumber>\
        <ChainId>01939f2e-0000-7000-8000-000000000001</ChainId>\
        <RequestDate>2025-02-03T10:30:00.000+05:00</RequestDate></SystemInfo><RequestData>\
        <RequestorBIN>990140000007</RequestorBIN><Purpose>SIM-LICENSE</Purpose><Person>\
        <IIN>850100300012</IIN>";
    let tail = "</Person></RequestData></requestMessage>";
    let names = "<SurName>ТЕСТОВ</SurName><Name>Т&lt;</Name><MiddleName>ТЕСТОВИЧ</MiddleName>\
        <BirthDate>1979-11-05</BirthDate><PreviousName><SurName>ПРЕЖНИЙ</SurName></PreviousName>";
    assert_eq!(request(false), format!("{head}{tail}"));
    assert_eq!(request(true), format!("{head}{names}{tail}"));
}

#[test]
fn no_record_and_no_convictions_is_clear() {
    let (summary, portal) = answered(&format!("{DONE}{CERTIFICATE}{}", record("2")));
    let expected = json!({ "verdict": "clear", "certificate_number": "SIM-000001" });
    assert_eq!(Value::Object(summary), expected);
    assert_eq!(
        Value::Object(portal),
        json!({
            "verdict": "clear",
            "certificate_number": "SIM-000001",
            "certificate_date": "2025-02-03",
        })
    );
}

#[test]
fn a_record_is_found_and_neither_article_nor_court_leaves() {
    for code in ["0", "1"] {
        let (summary, portal) = answered(&format!("{DONE}{}{CONVICTIONS}", record(code)));
        assert_eq!(Value::Object(summary), json!({ "verdict": "found" }), "{code}");
        assert_eq!(Value::Object(portal), json!({ "verdict": "found" }), "{code}");
    }
}

#[test]
fn what_contradicts_itself_or_is_unknown_is_never_clear() {
    let twice = format!("{}<RecordStatus><Code>1</Code></RecordStatus>", record("2"));
    let repeated = record("2").replace("</Code>", "</Code><Code>1</Code>");
    let long = CERTIFICATE.replace("SIM-000001", &"9".repeat(65));
    let personal = CERTIFICATE.replace("SIM-000001", IIN);
    let another = CERTIFICATE.replace("SIM-000001", "SIM920300400029");
    let undated = CERTIFICATE.replace("2025-02-03", "soon");
    for (data, code) in [
        (format!("{DONE}{}{CONVICTIONS}", record("2")), "contradiction"),
        (format!("{DONE}{}", record("3")), "unknown_record"),
        (format!("{DONE}{}", record("02")), "unknown_record"),
        (format!("{DONE}{}", record("")), "unknown_record"),
        (DONE.to_owned(), "unknown_record"),
        (record("2"), "unknown_status"),
        (format!("<CurrentStatus>OK</CurrentStatus>{}", record("2")), "unknown_status"),
        ("<CurrentStatus>SIM-ADDITIONAL-CHECK</CurrentStatus>".to_owned(), "unknown_status"),
        (format!("{DONE}{DONE}{}", record("2")), "element_repeated"),
        (format!("{DONE}{twice}"), "element_repeated"),
        (format!("{DONE}{repeated}"), "element_repeated"),
        (format!("{DONE}{long}{}", record("2")), "certificate_unreadable"),
        (format!("{DONE}{personal}{}", record("2")), "certificate_unreadable"),
        (format!("{DONE}{another}{}", record("2")), "certificate_unreadable"),
        (format!("{DONE}{undated}{}", record("2")), "certificate_unreadable"),
        (
            format!("<CurrentStatus>SIM-NOT-IDENTIFIED</CurrentStatus>{}", record("2")),
            "contradiction",
        ),
    ] {
        let failure = failed(&data).expect(&data);
        assert_eq!((failure.class, failure.code.name()), (Class::Contract, code), "{data}");
    }
}

#[test]
fn an_empty_list_of_convictions_is_no_conviction() {
    let (summary, _) = answered(&format!("{DONE}{}<Convictions> </Convictions>", record("2")));
    assert_eq!(Value::Object(summary), json!({ "verdict": "clear" }));
}

#[test]
fn a_person_who_is_not_identified_is_a_refusal_with_a_reason() {
    let failure = failed("<CurrentStatus>SIM-NOT-IDENTIFIED</CurrentStatus>").expect("refused");
    assert_eq!(failure.class, Class::Refused);
    assert!(failure.reason.is_some());
}

#[test]
fn a_notification_is_progress_and_never_an_end() {
    let planned = "<CurrentStatus>SIM-ADDITIONAL-CHECK</CurrentStatus>\
        <PlannedDate>2025-02-10</PlannedDate>";
    let expected = json!({ "status": "additional_check", "planned_date": "2025-02-10" });
    assert_eq!(progress(planned), Some(expected));
    for (data, status) in [
        ("<CurrentStatus>SIM-IN-PROGRESS</CurrentStatus>".to_owned(), "in_progress"),
        ("<CurrentStatus>NEW</CurrentStatus>".to_owned(), "unknown"),
        (format!("{DONE}{}", record("2")), "unknown"),
        (DONE.repeat(2), "unknown"),
    ] {
        assert_eq!(progress(&data), Some(json!({ "status": status })), "{data}");
    }
}

#[test]
fn a_message_must_name_our_request_and_our_person() {
    let response = |number, data: &str| message(MessageKind::Response, number, data);
    let clear = format!("{DONE}{}", record("2"));
    for (message, mismatch) in [
        (response("01939f2e-0000-7000-8000-000000000002", &clear), Mismatch::RequestNumber),
        (response("", &clear), Mismatch::RequestNumber),
        (response("SIM-KP-0001", &clear), Mismatch::RequestNumber),
        (
            response(ID, &format!("{clear}<RequestNumber>7</RequestNumber>")),
            Mismatch::RequestNumber,
        ),
        (response(ID, &clear.replace(IIN, "791100300079")), Mismatch::Person),
        (response(ID, &clear.replace(IIN, "")), Mismatch::Person),
        (response(ID, &format!("{clear}<IIN>{IIN}</IIN>")), Mismatch::Unreadable),
        (message(MessageKind::Request, ID, &clear), Mismatch::Unreadable),
        (message(MessageKind::Update, ID, &clear), Mismatch::Unreadable),
        (raw(MessageKind::Response, ""), Mismatch::Unreadable),
        (raw(MessageKind::Response, "<a"), Mismatch::Unreadable),
        (raw(MessageKind::Response, "<requestMessage><a/></requestMessage>"), Mismatch::Unreadable),
    ] {
        assert_eq!(not_ours(&message), Some(mismatch), "{:?}", message.data.expose());
    }
}

#[test]
fn the_request_number_is_read_from_every_shape_of_data() {
    let plain = message(MessageKind::Response, ID, DONE);
    let text = String::from_utf8(plain.data.expose().to_vec()).expect("text");
    let escaped = raw(MessageKind::Response, &text.replace('<', "&lt;"));
    for message in [plain, escaped, raw(MessageKind::Response, &format!("<![CDATA[{text}]]>"))] {
        assert_eq!(checks(&[]).request_number(&message), Some(job().job_id));
    }
    assert_eq!(checks(&[]).request_number(&raw(MessageKind::Response, "x")), None);
}

#[test]
fn only_listed_senders_with_their_password_are_believed() {
    assert!(!checks(&[]).knows_sender("provider", None));
    let checks = checks(&[("provider", Some("aa11")), ("open", None)]);
    assert!(checks.knows_sender("provider", Some("aa11")));
    assert!(!checks.knows_sender("provider", Some("aa12")));
    assert!(!checks.knows_sender("provider", None));
    assert!(!checks.knows_sender("", None));
    assert!(checks.knows_sender("open", Some("anything")));
    assert!(!format!("{checks:?}").contains("aa11"));
}

#[test]
fn the_input_takes_names_and_refuses_what_cannot_be_sent() {
    let checker = Checker::new(&contracts::schema::of::<Input>()).expect("schema");
    let full = json!({
        "iin": IIN, "surname": "ТЕСТОВ", "name": "ТЕСТ", "patronymic": null,
        "birth_date": "1979-11-05", "previous_surname": "ПРЕЖНИЙ", "purpose": "SIM-LICENSE",
    });
    assert!(checker.check(&full).is_empty());
    for (field, value) in [
        ("surname", json!("")),
        ("surname", json!("x".repeat(101))),
        ("birth_date", json!("1979-02-30")),
        ("purpose", json!("a b")),
        ("other", json!(1)),
    ] {
        let mut input = full.clone();
        input[field] = value;
        assert!(!checker.check(&input).is_empty(), "{field}");
    }
    let errors = check_input(&json!({ "iin": IIN, "name": "Т\u{1}" }));
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (errors[0].path.as_str(), errors[0].code.as_str()),
        ("/input/name", "control_character")
    );
}
