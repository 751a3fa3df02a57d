use std::time::Duration;

use bytes::Bytes;
use contracts::{
    class::Class,
    personal::Personal,
    schema::{self, Checker},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    FILE_BYTES_MAX, FILES_BYTES_MAX, INBOUND, MESSAGE, NOT_SUBMITTED, SUBMIT, SUBMITTED,
    certificate::{Broken, Holder, Validity},
    input::{Input, check_input},
    submit::Messages,
    wire::{self, Submission},
};
use crate::{
    attempt::{Attachment, Attempt, Call, Outcome},
    channel::{AsyncChannel, Message, MessageKind, Mismatch, Received},
    settings::Settings,
    system::{Adapter, ConnectError},
    transport::xml::Writer,
};

macro_rules! certificate {
    ($name:literal) => {
        include_str!(concat!("../../../../contracts/systems/eqyzmet/certificates/", $name, ".b64"))
            .trim_ascii_end()
    };
}

const PERSON: &str = certificate!("person");
const ORGANISATION: &str = certificate!("organisation");
const MESSAGE_ID: &str = "SIM-1000001.1";
const ID: &str = "01939f2e-0000-7000-8000-000000000001";
const NOBODY: &str = "http://127.0.0.1:1/";

fn input() -> Value {
    json!({
        "message_id": MESSAGE_ID,
        "fields": [{ "key": "staffCount", "value": "12" }, { "key": "Пояснение", "value": " " }],
        "signature": "U0lN",
        "person_certificate": PERSON,
        "organisation_certificate": ORGANISATION,
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut input = input();
    input[field] = value;
    input
}

fn call(input: Value) -> Call {
    let now = "2026-03-02T05:30:00Z".parse().expect("instant");
    Call::first(&SUBMIT, ID.parse().expect("id"), input, now, Duration::from_secs(5))
}

fn messages(settings: &Settings) -> Messages {
    Messages::new(settings).expect("builds")
}

fn file(n: u128, bytes: usize) -> Attachment {
    Attachment {
        id: Uuid::from_u128(n),
        name: Personal::new("Форма <1>\u{1}.pdf".to_owned()),
        media_type: "application/pdf".to_owned(),
        bytes: Bytes::from(vec![b'%'; bytes]),
    }
}

async fn attempt(input: Value, files: Vec<Attachment>) -> Attempt {
    messages(&Settings::for_url(NOBODY)).attempt(&Call { files, ..call(input) }).await
}

fn failed(attempt: &Attempt) -> (Class, &'static str) {
    match &attempt.outcome {
        Outcome::Failed(failure) => (failure.class, failure.code.name()),
        Outcome::Answered(_)
        | Outcome::Acknowledged(_)
        | Outcome::Interim(_)
        | Outcome::NotDone => unreachable!("{attempt:?}"),
    }
}

fn codes(input: &Value) -> Vec<(String, String)> {
    check_input(input).into_iter().map(|error| (error.path, error.code)).collect()
}

fn the_error(path: &str, code: &str) -> Vec<(String, String)> {
    vec![(format!("/input/{path}"), code.to_owned())]
}

#[test]
fn d20_both_certificates_must_name_the_same_person() {
    assert_eq!(codes(&input()), []);
    let other = certificate!("organisation_of_another_person");
    assert_eq!(
        codes(&with("organisation_certificate", other.into())),
        the_error("organisation_certificate", "certificate_mismatch")
    );
}

#[test]
fn d20_a_certificate_that_does_not_say_whose_it_is_is_rejected() {
    for (field, certificate, code) in [
        ("person_certificate", certificate!("person_without_iin"), "certificate_without_iin"),
        ("person_certificate", certificate!("person_two_iins"), "certificate_without_iin"),
        ("person_certificate", "U0lN", "certificate_unreadable"),
        ("person_certificate", "not base64", "certificate_unreadable"),
        ("organisation_certificate", PERSON, "certificate_without_bin"),
        ("organisation_certificate", certificate!("organisation_two_bins"), "certificate_bin"),
    ] {
        assert_eq!(codes(&with(field, certificate.into())), the_error(field, code), "{code}");
    }
    let both = json!({ "person_certificate": "U0lN", "organisation_certificate": "U0lN" });
    let mut input = input();
    for (field, value) in both.as_object().expect("an object") {
        input[field] = value.clone();
    }
    assert_eq!(codes(&input).len(), 2, "both are told at once");
}

#[test]
fn an_error_about_a_certificate_holds_nothing_of_it() {
    let other = certificate!("organisation_of_another_person");
    let errors = format!("{:?}", check_input(&with("organisation_certificate", other.into())));
    let holder = format!("{:?}", Holder::read(PERSON));
    for number in ["850100300012", "920300400029", "990140000007", "ТЕСТОВ"] {
        assert!(!errors.contains(number) && !holder.contains(number), "{errors} {holder}");
    }
}

#[test]
fn a_certificate_is_read_whole_or_not_at_all() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let der = STANDARD.decode(PERSON).expect("base64");
    let read = |bytes: &[u8]| Holder::read(&STANDARD.encode(bytes));
    assert!(read(&der).is_ok());
    assert_eq!(read(&[der.as_slice(), b"x"].concat()), Err(Broken::Unreadable));
    for length in 0..der.len() {
        assert_eq!(read(&der[..length]), Err(Broken::Unreadable), "{length}");
    }
    let wrapped = format!("{}\n{}", &PERSON[..64], &PERSON[64..]);
    assert_eq!(Holder::read(&wrapped), Err(Broken::Unreadable), "line breaks are not base64");
}

proptest! {
    #[test]
    fn no_bytes_make_the_certificate_reader_panic(at in 0_usize..400, byte in any::<u8>()) {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let mut der = STANDARD.decode(PERSON).expect("base64");
        der[at] = byte;
        if let Ok(holder) = Holder::read(&STANDARD.encode(&der)) {
            prop_assert_eq!(holder.iin.expose().len(), 12);
        }
    }
}

#[test]
fn a_certificate_is_valid_from_its_first_to_its_last_second() {
    let holder = Holder::read(certificate!("person_expired")).expect("reads");
    for (moment, expected) in [
        ("2022-12-31T23:59:59.999Z", Validity::NotYet),
        ("2023-01-01T00:00:00Z", Validity::Valid),
        ("2024-01-01T00:00:00.999Z", Validity::Valid),
        ("2024-01-01T00:00:01Z", Validity::Expired),
    ] {
        assert_eq!(holder.validity_at(moment.parse().expect("instant")), expected, "{moment}");
    }
}

#[tokio::test]
async fn a_certificate_out_of_date_stops_the_submission_before_it_is_sent() {
    for (field, certificate, code) in [
        ("person_certificate", certificate!("person_expired"), "certificate_expired"),
        ("person_certificate", certificate!("person_from_2050"), "certificate_not_yet_valid"),
        ("organisation_certificate", certificate!("organisation_expired"), "certificate_expired"),
    ] {
        let input = with(field, certificate.into());
        assert_eq!(codes(&input), [], "the admission has no clock");
        let attempt = attempt(input, Vec::new()).await;
        assert_eq!(failed(&attempt), (Class::BadRequest, code));
        assert!(attempt.exchange.request.is_empty(), "something was sent");
    }
}

#[tokio::test]
async fn d22_a_wrong_check_digit_stops_a_submission_unless_test_keys_are_taken() {
    let bad_bin = with("organisation_certificate", certificate!("organisation_bad_bin").into());
    let mut test_keys = input();
    for (field, certificate) in [
        ("person_certificate", certificate!("person_test_key")),
        ("organisation_certificate", certificate!("organisation_test_key")),
    ] {
        test_keys[field] = certificate.into();
    }
    let mut settings = Settings::for_url(NOBODY);
    for input in [&bad_bin, &test_keys] {
        assert_eq!(codes(input), []);
        let attempt = messages(&settings).attempt(&call(input.clone())).await;
        assert_eq!(failed(&attempt), (Class::BadRequest, "certificate_check_digit"));
        assert!(attempt.exchange.request.is_empty(), "something was sent");
    }
    settings.options.insert("test_certificates".to_owned(), "true".to_owned().into());
    let attempt = messages(&settings).attempt(&call(test_keys)).await;
    assert_eq!(failed(&attempt), (Class::Unreachable, "not_sent"), "nobody listens there");
    let sent = String::from_utf8_lossy(&attempt.exchange.request).into_owned();
    assert!(sent.contains("<value>123456789021</value>"), "{sent}");
}

#[tokio::test]
async fn d19_a_file_of_three_mebibytes_goes_and_a_larger_one_does_not() {
    let named = |ids: &[u128]| {
        let ids: Vec<String> = ids.iter().map(|n| Uuid::from_u128(*n).to_string()).collect();
        with("attachments", json!(ids))
    };
    let largest = attempt(named(&[1]), vec![file(1, FILE_BYTES_MAX)]).await;
    assert_eq!(failed(&largest), (Class::Unreachable, "not_sent"), "nobody listens there");
    let third = FILES_BYTES_MAX / 3;
    let one = |n| file(n, third);
    let three = attempt(named(&[1, 2, 3]), vec![one(1), one(2), one(3)]).await;
    assert_eq!(failed(&three).1, "not_sent");
    for (ids, files, expected) in [
        (&[1][..], vec![file(1, FILE_BYTES_MAX + 1)], (Class::BadRequest, "attachment_too_large")),
        (
            &[1, 2, 3, 4],
            vec![one(1), one(2), one(3), file(4, 1)],
            (Class::BadRequest, "attachments_too_large"),
        ),
        (&[1], vec![], (Class::Defect, "files_missing")),
        (&[], vec![file(1, 1)], (Class::Defect, "files_missing")),
        (&[1, 2], vec![file(2, 1), file(1, 1)], (Class::Defect, "files_missing")),
    ] {
        let attempt = attempt(named(ids), files).await;
        assert_eq!(failed(&attempt), expected);
        assert!(attempt.exchange.request.is_empty(), "something was sent");
    }
}

#[tokio::test]
async fn a_failed_submission_is_told_in_the_row_of_its_message() {
    for (input, status, code) in [
        (input(), "not_sent", "not_sent"),
        (
            with("person_certificate", certificate!("person_expired").into()),
            "rejected",
            "certificate_expired",
        ),
        (with("signature", json!(1)), "not_sent", "input_unreadable"),
    ] {
        let attempt = attempt(input, Vec::new()).await;
        let [write] = attempt.writes.as_slice() else { unreachable!("{attempt:?}") };
        assert!(std::ptr::eq(write.record, &raw const NOT_SUBMITTED));
        let expected = json!({
            "message_id": MESSAGE_ID, "submit_job_id": ID, "submit_status": status,
            "submit_code": code,
        });
        assert_eq!(Value::Object(write.values.expose().clone()), expected);
    }
}

#[test]
fn the_schema_takes_what_can_be_sent_and_the_rules_the_rest() {
    let checker = Checker::new(&schema::of::<Input>()).expect("schema");
    assert!(checker.check(&input()).is_empty());
    let field = |key: &str, value: &str| json!([{ "key": key, "value": value }]);
    for (name, value) in [
        ("message_id", json!("")),
        ("message_id", json!("a/b")),
        ("message_id", json!("x".repeat(65))),
        ("fields", json!([{ "key": "" , "value": "" }])),
        ("fields", json!([{ "key": "a" }])),
        ("fields", field("a", &"x".repeat(10_001))),
        ("attachments", json!(["1"])),
        ("attachments", json!(vec![ID; 11])),
        ("signature", json!("")),
        ("signature", json!("a b")),
        ("person_certificate", json!("A".repeat(16_385))),
        ("other", json!(1)),
    ] {
        assert!(!checker.check(&with(name, value)).is_empty(), "{name}");
    }
    let twice = json!([{ "key": "a", "value": "1" }, { "key": "a ", "value": "2" }]);
    for (name, value, path, code) in [
        ("fields", twice, "fields/1/key", "duplicate"),
        ("fields", field("a", "\u{1}"), "fields/0/value", "control_character"),
        ("fields", json!([]), "fields", "nothing_to_submit"),
        ("attachments", json!([ID, ID]), "attachments/1", "duplicate"),
        ("message_id", json!("SIM-850100300012"), "message_id", "personal_number"),
    ] {
        assert_eq!(codes(&with(name, value)), the_error(path, code));
    }
}

#[test]
fn a_submission_is_parallel_lists_and_its_files_are_not_kept() {
    let mut xml = Writer::with_capacity(1_024);
    let submission = Submission {
        message_id: MESSAGE_ID,
        request_number: ID.parse().expect("id"),
        organisation_bin: "990140000007",
        fields: &[("staffCount", "12"), ("Пояснение", " ")],
        files: &[file(1, 3), file(2, 1)],
        signature: "U0lN",
    };
    wire::write_submission(&mut xml, &submission);
    let kept: Vec<String> = xml.take_omissions().into_iter().map(|one| one.stand_in).collect();
    let text = xml.finish().expect("writable");
    let param = |key: &str, values: &[&str]| {
        let values: String = values.iter().map(|v| format!("<value>{v}</value>")).collect();
        format!("<param><key>{key}</key><values>{values}</values></param>")
    };
    let expected = [
        "<Request serviceName=\"SIM_submitMessage\">".to_owned(),
        param("messageId", &[MESSAGE_ID]),
        param("requestNumber", &[ID]),
        param("organisationBin", &["990140000007"]),
        param("fieldKey", &["staffCount", "Пояснение"]),
        param("fieldValue", &["12", "Не задано"]),
        param("attachmentName", &["Форма &lt;1&gt;_.pdf", "Форма &lt;1&gt;_.pdf"]),
        param("attachmentType", &["application/pdf", "application/pdf"]),
        param("attachmentContent", &["JSUl", "JQ=="]),
        param("signature", &["U0lN"]),
        "</Request>".to_owned(),
    ];
    assert_eq!(text, expected.concat());
    let one = "[00000000-0000-0000-0000-000000000001: 3 bytes]";
    assert_eq!(kept, [one, "[00000000-0000-0000-0000-000000000002: 1 bytes]"]);
}

#[test]
fn every_column_that_is_written_is_one_of_the_table() {
    let table = include_str!("../../../../migrations/0011_create_message.sql");
    let table = table.split_once("portal.message (").expect("the table").1;
    let table = table.split_once(");").expect("its end").0;
    let columns: Vec<&str> =
        table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for record in [&MESSAGE, &SUBMITTED, &NOT_SUBMITTED] {
        assert_eq!((record.name, record.key), ("portal.message", &["message_id"][..]));
        let stray = record.columns.iter().find(|column| !columns.contains(column));
        assert_eq!(stray, None);
    }
    for status in ["submitted", "refused", "rejected", "in_doubt", "not_sent"] {
        assert!(table.contains(&format!("'{status}'")), "{status}");
    }
}

// === What they send ===

fn param(key: &str, values: &[&str]) -> String {
    let values: String = values.iter().map(|v| format!("<value>{v}</value>")).collect();
    format!("<param><key>{key}</key><values>{values}</values></param>")
}

fn notice() -> String {
    let params = [
        param("messageId", &[MESSAGE_ID]),
        param("revision", &["1"]),
        param("organisationBin", &["990140000007"]),
        param("title", &["Уведомление"]),
        param("text", &["Ознакомьтесь &amp; ответьте"]),
        param("sentAt", &["2026-03-02T10:00:00"]),
    ];
    format!("<Request serviceName=\"SIM_noticeMessage\">{}</Request>", params.concat())
}

fn editable(state: &str) -> String {
    let more = [
        param("state", &[state]),
        param("dueDate", &["2026-03-12+05:00"]),
        param("reviewer", &["Тестовый орган"]),
        param("fieldKey", &["staffCount", "Пояснение"]),
        param("fieldLabel", &["Численность", "Пояснение"]),
        param("fieldType", &["SIM-NUMBER", "Не задано"]),
        param("fieldValue", &["12", "Не задано"]),
        param("attachmentId", &["f-1"]),
        param("attachmentName", &["Форма.xlsx"]),
        param("attachmentType", &["Не задано"]),
    ];
    let whole = notice().replace("noticeMessage", "editableMessage");
    whole.replace("</Request>", &format!("{}</Request>", more.concat()))
}

fn received(kind: MessageKind, data: &str) -> Option<Result<Received, Mismatch>> {
    let message = Message {
        message_id: "21".to_owned(),
        correlation_id: "32".to_owned(),
        service_id: wire::SERVICE_ID.to_owned(),
        kind,
        sender_id: "eqyzmet".to_owned(),
        sender_password: None,
        session_id: None,
        data: Personal::new(Bytes::copy_from_slice(data.as_bytes())),
    };
    let adapter = messages(&Settings::for_url(NOBODY));
    assert_eq!(adapter.request_number(&message), None);
    adapter.receive(&message)
}

fn taken(data: &str) -> Received {
    received(MessageKind::Request, data).expect("begins one").expect(data)
}

fn refused(data: &str) -> Option<Mismatch> {
    received(MessageKind::Request, data).expect("begins one").err()
}

#[test]
fn d19_a_notice_has_no_fields_and_an_editable_message_has() {
    let notice = taken(&notice());
    assert_eq!(notice.operation, INBOUND);
    let summary = json!({
        "message_id": MESSAGE_ID, "kind": "notice", "status": "new", "revision": 1,
    });
    assert_eq!(Value::Object(notice.summary), summary);
    let [write] = notice.writes.as_slice() else { unreachable!() };
    let row = json!({
        "message_id": MESSAGE_ID, "kind": "notice", "organisation": "990140000007",
        "reviewer": null, "title": "Уведомление", "text": "Ознакомьтесь & ответьте", "fields": [],
        "attachments": [], "state": "new", "revision": 1, "sent_at": "2026-03-02T05:00:00Z",
        "due_date": null,
    });
    assert_eq!(Value::Object(write.values.expose().clone()), row);
    let columns: Vec<&str> = MESSAGE.key.iter().chain(MESSAGE.columns).copied().collect();
    assert!(columns.iter().all(|column| row.get(column).is_some()), "a column is not filled");
    assert_eq!(row.as_object().map(serde_json::Map::len), Some(columns.len()));
    let editable = taken(&editable("SIM-NEW"));
    let [write] = editable.writes.as_slice() else { unreachable!() };
    let values = write.values.expose();
    assert_eq!(values["kind"], "editable");
    assert_eq!(values["due_date"], "2026-03-12");
    assert_eq!(
        values["fields"],
        json!([
            { "key": "staffCount", "label": "Численность", "type": "number", "value": "12" },
            { "key": "Пояснение", "label": "Пояснение", "type": "text", "value": null },
        ])
    );
    assert_eq!(
        values["attachments"],
        json!([{ "id": "f-1", "name": "Форма.xlsx", "media_type": null }])
    );
}

#[test]
fn d19_only_a_request_or_an_update_begins_a_conversation() {
    let update = received(MessageKind::Update, &editable("SIM-RETURNED"));
    let update = update.expect("begins one").expect("reads");
    assert_eq!(update.summary["status"], "returned");
    for kind in [MessageKind::Response, MessageKind::Notification] {
        assert!(received(kind, &notice()).is_none());
    }
}

#[test]
fn a_repeated_push_has_the_same_id_and_a_changed_message_another() {
    let first = taken(&notice());
    let (again, changed) = (taken(&notice()), notice().replace(">1<", ">2<"));
    assert_eq!(first.id, again.id);
    assert_ne!(first.id, taken(&changed).id);
    assert_ne!(first.id, taken(&notice().replace(MESSAGE_ID, "SIM-1000002.1")).id);
}

#[test]
fn every_shape_of_a_payload_is_the_same_message() {
    let plain = taken(&editable("SIM-NEW"));
    for data in [
        format!("<![CDATA[<?xml version='1.0'?>{}]]>", editable("SIM-NEW")),
        editable("SIM-NEW").replace('&', "&amp;").replace('<', "&lt;"),
        editable("SIM-NEW")
            .replace("<key>", "<key> ")
            .replace("</key>", " </key><type>String</type>"),
    ] {
        let message = taken(&data);
        assert_eq!(message.id, plain.id);
        assert_eq!(message.writes[0].values.expose(), plain.writes[0].values.expose());
    }
}

#[test]
fn what_breaks_a_rule_of_the_envelope_is_kept_and_never_applied() {
    let editable = || editable("SIM-NEW");
    for (what, data) in [
        ("lists differ", editable().replace("<value>12</value>", "")),
        ("one list is missing", editable().replace("fieldLabel", "other")),
        ("a key twice", notice().replace("<key>text</key>", "<key>title</key>")),
        ("no values", notice().replace("<values><value>Уведомление</value></values>", "")),
        ("empty values", notice().replace("<value>Уведомление</value>", "")),
        ("no serviceName", notice().replace(" serviceName=\"SIM_noticeMessage\"", "")),
        ("unknown serviceName", notice().replace("SIM_noticeMessage", "sendEventFromACSList")),
        ("no message id", notice().replace("messageId", "docUID")),
        ("an empty message id", notice().replace(MESSAGE_ID, "Не задано")),
        ("a message id with a person", notice().replace(MESSAGE_ID, "850100300012")),
        ("a strange message id", notice().replace(MESSAGE_ID, "../1")),
        ("two message ids", notice().replace(MESSAGE_ID, "a</value><value>b")),
        ("no revision", notice().replace("revision", "version")),
        ("revision 0", notice().replace(">1<", ">0<")),
        ("a huge revision", notice().replace(">1<", ">2147483648<")),
        ("no organisation", notice().replace("organisationBin", "БИН")),
        ("a bad BIN", notice().replace("990140000007", "990140000008")),
        ("an unknown state", editable().replace("SIM-NEW", "SIM-5150")),
        ("no state", editable().replace("<key>state</key>", "<key>other</key>")),
        ("a submitted notice", notice().replace("<key>text</key>", "<key>state</key>")),
        ("no title", notice().replace("title", "name")),
        ("a long title", notice().replace("Уведомление", &"я".repeat(1_001))),
        ("a long text", notice().replace("Ознакомьтесь", &"я".repeat(100_001))),
        ("no date", notice().replace("sentAt", "date")),
        ("a broken date", notice().replace("2026-03-02T10:00:00", "soon")),
        ("a field without a key", editable().replace("<value>staffCount</value>", "<value/>")),
        ("a field twice", editable().replace("staffCount", "Пояснение")),
        ("an unknown type", editable().replace("SIM-NUMBER", "Number")),
        ("a file without id", editable().replace("f-1", "")),
        ("an answer", notice().replace("Request", "Response")),
        ("no XML", "<Request".to_owned()),
        ("nothing", String::new()),
        ("text", "Ознакомьтесь".to_owned()),
        ("a DOCTYPE", format!("<![CDATA[<!DOCTYPE a>{}]]>", notice())),
    ] {
        assert_eq!(refused(&data), Some(Mismatch::Unreadable), "{what}");
    }
}

#[test]
fn a_message_for_another_organisation_is_not_ours_unless_it_is_listed() {
    let other = notice().replace("990140000007", "100540000008");
    assert_eq!(refused(&other), Some(Mismatch::Organisation));
    let mut settings = Settings::for_url(NOBODY);
    let both = "990140000007, 100540000008".to_owned();
    settings.options.insert("organisations".to_owned(), both.into());
    assert_eq!(messages(&settings).organisations, ["990140000007", "100540000008"]);
    settings.options.insert("organisations".to_owned(), "990140000007,1".to_owned().into());
    let error = Messages::new(&settings).err();
    assert!(matches!(error, Some(ConnectError::Option { option: "organisations", .. })));
}

#[test]
fn the_mailbox_may_have_an_address_of_its_own() {
    let mut settings = Settings::for_url(NOBODY);
    settings.options.insert("async_url".to_owned(), "ftp://gateway/".to_owned().into());
    let error = Messages::new(&settings).err();
    assert!(matches!(error, Some(ConnectError::Option { option: "async_url", .. })));
    let error = Messages::new(&Settings::for_url("gateway")).err();
    assert!(matches!(error, Some(ConnectError::Url { system: "eqyzmet" })));
}
