use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use contracts::{operation::OperationSpec, personal::Personal, schema::Checker};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    CALL_COURIER, CANCEL, Kazpost, LABEL, TRACK, call_courier,
    cancel::cancelled,
    courier,
    failures::Cause,
    label::{self, RELOADS_MAX, issued},
    office::Office,
    portal,
    track::{self, POLL, STANDS_FOR, meaning},
    wire,
};
use crate::{
    attempt::{Answer, Call, Interim, Outcome, Write},
    settings::Settings,
    system::{Adapter, System},
    transport::{
        http::HttpAnswer,
        trouble::Trouble,
        xml::{self, Document},
    },
};

const NUMBER: &str = "AP000000014KZ";
const KEY: &str = "0123456789abcdef0123456789abcdef";
const LIMIT: Duration = Duration::from_secs(5);

fn label_input() -> Value {
    json!({
        "order_number": "5521", "order_status": "reserved", "delivery_method": "courier",
        "recipient": { "iin": "850100300012", "name": "ТЕСТОВ ТЕСТ", "phone": "+7 700 000 00 00",
            "address": { "postcode": "010000", "city": "Астана", "street": "Тестовая", "house": "1" } },
        "sender": { "bin": "990140000007", "name": "ТОО «ТЕСТ»", "phone": "87000000001",
            "address": { "postcode": "050000", "city": "Алматы", "street": "Тестовая", "house": "2" } },
        "weight_g": 250,
    })
}

fn courier_input() -> Value {
    json!({
        "order_number": "5521", "date": "2026-11-23", "weight_g": 1_500,
        "sender": { "bin": "990140000007", "name": "ТОО «ТЕСТ»", "phone": "87000000001" },
        "pickup": { "region_code": "75", "address": "Алматы, Тестовая, 2" },
    })
}

fn settings() -> Settings {
    let mut settings = Settings::for_url("http://127.0.0.1:1/kazpost/");
    settings.options.insert("api_key".to_owned(), KEY.into());
    settings
}

fn office() -> Office {
    Office::new(&settings()).expect("builds")
}

/// Sunday, 22 November 2026, at this local time.
fn at(local: &str) -> Timestamp {
    format!("2026-11-22T{local}:00+05:00").parse().expect("instant")
}

fn call(operation: &'static OperationSpec, input: Value) -> Call {
    Call::first(operation, Uuid::from_u128(1), input, at("10:00"), LIMIT)
}

fn answer_of(operation: &str, content: &str) -> Document {
    let text = format!(
        "<E:Envelope xmlns:E='http://schemas.xmlsoap.org/soap/envelope/'><E:Body><n:{operation} \
         xmlns:n='http://webservices.kazpost.kz/postratesws'>{content}</n:{operation}></E:Body>\
         </E:Envelope>"
    );
    xml::read(text.as_bytes()).expect("reads")
}

fn info(code: &str) -> String {
    format!("<n:ResponseInfo><n:ResponseCode>{code}</n:ResponseCode></n:ResponseInfo>")
}

fn pdf() -> String {
    STANDARD.encode("%PDF-1.4\n%%EOF")
}

fn issued_by(content: &str) -> Result<label::Numbered, Cause> {
    issued(&answer_of("GetAddrLetterResponse", content))
}

fn errors(operation: &OperationSpec, input: &Value) -> Vec<(String, String)> {
    let (schema, check) = Kazpost.input(operation);
    let mut errors = Checker::new(&schema).expect("a schema").check(input);
    errors.extend(check(input));
    errors.into_iter().map(|error| (error.path, error.code)).collect()
}

fn write_of<'w>(writes: &'w [Write], record: &str, column: &str) -> Option<&'w Value> {
    let mut of = writes.iter().filter(|write| write.record.name == record);
    of.find_map(|write| write.values.expose().get(column))
}

#[test]
fn d13_a_label_needs_a_reserved_order_and_delivery_by_courier() {
    assert_eq!(errors(&LABEL, &label_input()), []);
    for (field, value, code) in [
        ("order_status", "awaiting_availability", "order_not_reserved"),
        ("order_status", "track_assigned", "order_not_reserved"),
        ("delivery_method", "pickup", "not_courier_delivery"),
    ] {
        let mut input = label_input();
        input[field] = value.into();
        assert_eq!(errors(&LABEL, &input), [(format!("/input/{field}"), code.to_owned())]);
    }
}

#[test]
fn inputs_with_faults_are_rejected_with_the_field() {
    let broken = |operation: &'static OperationSpec, good: Value, pointer: &str, value: Value| {
        let mut input = good;
        *input.pointer_mut(pointer).expect(pointer) = value;
        errors(operation, &input).first().map(|(_, code)| code.clone()).unwrap_or_default()
    };
    for (pointer, value, code) in [
        ("/recipient/phone", json!("9000000000"), "phone"),
        ("/recipient/iin", json!("850100300013"), "check_digit"),
        ("/recipient/address/postcode", json!("01000"), "wrong_format"),
        ("/recipient/address/house", json!(" "), "blank"),
        ("/sender/name", json!("a\u{1}b"), "control_character"),
        ("/sender/bin", json!("850100300012"), "check_digit"),
        ("/weight_g", json!(0), "too_small"),
        ("/order_number", json!("5521/7"), "wrong_format"),
    ] {
        assert_eq!(broken(&LABEL, label_input(), pointer, value), code, "{pointer}");
    }
    assert_eq!(errors(&CALL_COURIER, &courier_input()), []);
    for (pointer, value, code) in [
        ("/date", json!("23.11.2026"), "wrong_format"),
        ("/sender/phone", json!("+97000000001"), "phone"),
        ("/pickup/address", json!("  "), "blank"),
    ] {
        assert_eq!(broken(&CALL_COURIER, courier_input(), pointer, value), code, "{pointer}");
    }
    let track = json!({ "track_number": "AP000000015KZ" });
    assert_eq!(errors(&TRACK, &track), [("/track_number".to_owned(), "check_digit".to_owned())]);
    let cancel = json!({ "order_number": "5521", "track_number": "AP" });
    assert_eq!(errors(&CANCEL, &cancel), [("/track_number".to_owned(), "wrong_format".to_owned())]);
}

#[test]
fn a_request_follows_the_order_of_addr_info() {
    let (office, input) = (office(), label::Input::deserialize(label_input()).expect("reads"));
    let envelope =
        wire::get_label(&office.soap, &office.form, "SIM-5521", &input).expect("written");
    let text = envelope.xml.finish().expect("writable");
    let body = text.split_once("<soapenv:Body>").expect("a body").1;
    assert_eq!(
        body,
        format!(
            "<p:GetAddrLetterRequest xmlns:p=\"http://webservices.kazpost.kz/postratesws\">\
             <p:Key>{KEY}</p:Key><p:AddrInfo><p:RcpnIIN>850100300012</p:RcpnIIN>\
             <p:RcpnName>ТЕСТОВ ТЕСТ</p:RcpnName><p:RcpnPhone>7000000000</p:RcpnPhone>\
             <p:RcpnIndex>010000</p:RcpnIndex><p:RcpnCity>Астана</p:RcpnCity>\
             <p:RcpnStreet>Тестовая</p:RcpnStreet><p:RcpnHouse>1</p:RcpnHouse>\
             <p:SndrBIN>990140000007</p:SndrBIN><p:SndrName>ТОО «ТЕСТ»</p:SndrName>\
             <p:SndrPhone>7000000001</p:SndrPhone><p:SndrIndex>050000</p:SndrIndex>\
             <p:SndrCity>Алматы</p:SndrCity><p:SndrStreet>Тестовая</p:SndrStreet>\
             <p:SndrHouse>2</p:SndrHouse><p:Weight>0.250</p:Weight>\
             <p:ProductCode>P103</p:ProductCode><p:SendMethod>1</p:SendMethod>\
             <p:MailCtg>3</p:MailCtg><p:OrderNum>SIM-5521</p:OrderNum>\
             <p:MailCount>1</p:MailCount></p:AddrInfo></p:GetAddrLetterRequest>"
        )
    );
    let mut declared = label_input();
    declared["declared_value"] = 5_000.into();
    let input = label::Input::deserialize(declared).expect("reads");
    let envelope =
        wire::get_label(&office.soap, &office.form, "SIM-5521", &input).expect("written");
    let text = envelope.xml.finish().expect("writable");
    assert!(text.contains("<p:DeclaredValue>5000</p:DeclaredValue>"), "{text}");
    assert!(text.contains("<p:MailCtg>2</p:MailCtg>"), "{text}");
}

#[test]
fn the_number_is_read_from_every_element_that_was_seen() {
    for numbers in [
        format!("<n:Barcode>{NUMBER}</n:Barcode>"),
        format!("<n:Barcodes>{NUMBER}</n:Barcodes>"),
        format!("<n:Barcode> {NUMBER} </n:Barcode><n:Barcodes>{NUMBER}</n:Barcodes>"),
        format!("<n:Barcode/><n:Barcodes>{NUMBER}</n:Barcodes>"),
        format!("<n:Barcodes><n:Barcode>{NUMBER}</n:Barcode></n:Barcodes>"),
        format!("<n:barcode>{NUMBER}</n:barcode>"),
    ] {
        for label in ["AddrLetPdf", "AddrLetPdfs"] {
            let content = format!("<n:{label}>{}</n:{label}>{numbers}{}", pdf(), info("0"));
            let numbered =
                issued_by(&content).unwrap_or_else(|cause| panic!("{content}: {cause:?}"));
            assert_eq!(numbered.number.expose(), NUMBER);
            assert!(numbered.is_new && numbered.label.is_some(), "{content}");
        }
    }
}

#[test]
fn d15_an_order_number_that_was_used_before_gives_the_earlier_number() {
    let content = format!("{}<n:Barcodes>{NUMBER}</n:Barcodes>", info("20012"));
    let numbered = issued_by(&content).expect("a success");
    assert_eq!((numbered.number.expose(), numbered.is_new), (NUMBER, false));
    assert!(numbered.label.is_none());
}

#[test]
fn d23_a_number_with_a_wrong_check_digit_is_not_believed() {
    for number in ["AP000000015KZ", "AP00000001", "ТЕСТОВ", "7"] {
        let content = format!("{}<n:Barcodes>{number}</n:Barcodes>", info("0"));
        assert_eq!(issued_by(&content).err(), Some(Cause::NumberBroken), "{number}");
    }
}

#[test]
fn answers_without_one_clear_number_leave_the_command_open_or_refused() {
    let number = format!("<n:Barcodes>{NUMBER}</n:Barcodes>");
    let two = format!("{number}<n:Barcode>QS000000014KZ</n:Barcode>");
    for (content, cause) in [
        (info("0"), Cause::NumberMissing),
        (info("20012"), Cause::NumberMissing),
        (String::new(), Cause::NumberMissing),
        (number.clone(), Cause::NumberBesideCode),
        (format!("{}{number}", info("20099")), Cause::NumberBesideCode),
        (format!("{}{two}", info("0")), Cause::SeveralNumbers),
        (info("20099"), Cause::Refused("20099".to_owned())),
        (info("SIM-KEY"), Cause::Key),
        (info("SIM-RANGE"), Cause::RangeExhausted),
        (info("0").repeat(2), Cause::Command(Trouble::Unreadable)),
    ] {
        assert_eq!(issued_by(&content).err(), Some(cause), "{content}");
    }
    let other = answer_of("GetParcelBarcodeResponse", &format!("{}{number}", info("0")));
    assert_eq!(issued(&other).err(), Some(Cause::Command(Trouble::Unreadable)));
}

#[test]
fn what_is_no_pdf_is_no_label() {
    let label = |text: &str| {
        let content = format!(
            "{}<n:Barcodes>{NUMBER}</n:Barcodes><n:AddrLetPdfs>{text}</n:AddrLetPdfs>",
            info("0")
        );
        issued_by(&content).expect("a number").label
    };
    let (first, last) = (&pdf()[..8], &pdf()[8..]);
    assert_eq!(label(&format!("{first}\n  {last}")).expect("a label"), "%PDF-1.4\n%%EOF");
    let html = STANDARD.encode("<html>%PDF</html>");
    let long = STANDARD.encode([b"%PDF".to_vec(), vec![b' '; wire::LABEL_BYTES_MAX]].concat());
    for text in ["", "???", &pdf()[1..], &html, &long] {
        assert_eq!(label(text), None);
    }
}

fn interim(outcome: Outcome) -> Interim {
    let Outcome::Interim(interim) = outcome else { panic!("{outcome:?}") };
    interim
}

fn answered(outcome: Outcome) -> Answer {
    let Outcome::Answered(answer) = outcome else { panic!("{outcome:?}") };
    answer
}

#[tokio::test]
async fn d14_a_number_stays_when_its_label_cannot_be_fetched() {
    // Nobody listens: every fetch fails, and yet the job ends with its number.
    let office = office();
    let mut call = call(&LABEL, label_input());
    call.carry = Personal::new(json!({ "track_number": NUMBER, "reloads": 0 }));
    let mut pauses = Vec::new();
    let answer = loop {
        let outcome = office.attempt(&call).await.outcome;
        let Outcome::Interim(interim) = outcome else { break answered(outcome) };
        assert!(interim.summary.is_empty() && interim.spends.is_none());
        let number = write_of(&interim.writes, "portal.delivery", "track_number");
        assert_eq!(number, Some(&json!(NUMBER)));
        pauses.push(interim.again_in.as_secs());
        call.carry = interim.carry;
    };
    assert_eq!(pauses, [10, 20, 40, 80]);
    assert_eq!(pauses.len(), usize::try_from(RELOADS_MAX).expect("few") - 1);
    assert_eq!(answer.summary["label"], "missing");
    assert_eq!(answer.portal.expose()["track_number"], NUMBER);
    let number = write_of(&answer.writes, "portal.delivery", "track_number");
    assert_eq!(number, Some(&json!(NUMBER)), "also where a newer job owns the row");
    assert_eq!(answer.portal.expose()["contour"], "127.0.0.1/kazpost/");
    assert_eq!(answer.portal.expose()["tracking_link"], format!("https://track.post.kz/{NUMBER}"));
    assert!(answer.files.is_empty());
    let follow_up = answer.follow_up.expect("tracking begins");
    assert_eq!(follow_up.operation.name, "kazpost.track");
    assert_eq!(errors(&TRACK, follow_up.input.expose()), []);
    assert_eq!(
        write_of(&answer.writes, "portal.delivery", "status_ru"),
        Some(&json!("Трек-номер присвоен, идет передача курьеру на доставку"))
    );
}

#[test]
fn every_column_of_the_label_is_one_that_the_portal_has() {
    let table = LABEL.portal.as_ref().expect("owns a row");
    assert_eq!(table.name, portal::NUMBER.name);
    assert_eq!(table.columns, portal::NUMBER.columns);
}

#[test]
fn a_cancellation_is_done_refused_or_open() {
    let of = |content: &str| cancelled(&answer_of("PunDoInsertResponse", content));
    assert_eq!(of(&info("0")), Ok(()));
    assert_eq!(of(&info("20013")), Err(Cause::CancelRefused("20013".to_owned())));
    assert_eq!(of(&info("SIM-KEY")), Err(Cause::Key));
    assert_eq!(of(""), Err(Cause::Command(Trouble::Unreadable)));
}

#[test]
fn a_cancellation_carries_its_numbers_as_a_document_in_base64() {
    let envelope = wire::cancel(&office().soap, &NUMBER.parse().expect("a vector"), "SIM-5521");
    let text = envelope.xml.finish().expect("writable");
    let (_, rest) = text.split_once("<p:barCode>").expect("numbers");
    let (encoded, rest) = rest.split_once("</p:barCode>").expect("numbers");
    let inner = STANDARD.decode(encoded).expect("base64");
    let expected = format!("<MAILS><MAIL><BARCODE>{NUMBER}</BARCODE></MAIL></MAILS>");
    assert_eq!(String::from_utf8_lossy(&inner), expected);
    let end =
        format!("<p:ordernum>SIM-5521</p:ordernum><p:key>{KEY}</p:key></p:PunDoInsertRequest>");
    assert!(rest.starts_with(&end), "{rest}");
}

#[test]
fn a_courier_comes_today_only_when_called_before_five() {
    let is_open =
        |date: &str, now: &str| call_courier::is_open(date.parse().expect("a date"), at(now));
    assert!(is_open("2026-11-22", "16:59"));
    assert!(!is_open("2026-11-22", "17:00"));
    assert!(is_open("2026-11-23", "23:59"));
    assert!(!is_open("2026-11-21", "00:00"));
}

#[tokio::test]
async fn a_courier_for_a_day_that_is_over_is_a_bad_request_and_nothing_is_sent() {
    let mut input = courier_input();
    input["date"] = "2026-11-22".into();
    let mut call = call(&CALL_COURIER, input);
    call.now = at("17:00");
    let attempt = office().attempt(&call).await;
    let Outcome::Failed(failure) = attempt.outcome else { panic!("{attempt:?}") };
    assert_eq!(failure.code, "courier_date_past");
    assert_eq!(failure.class, contracts::class::Class::BadRequest);
    assert!(attempt.exchange.request.is_empty());
}

#[tokio::test]
async fn a_lost_courier_call_is_sent_again_while_the_day_is_open_and_never_after() {
    let office = office();
    let mut input = courier_input();
    input["date"] = "2026-11-22".into();
    let mut call = call(&CALL_COURIER, input);
    for (now, is_sent_again) in [("16:44", true), ("16:45", false), ("17:30", false)] {
        call.now = at(now);
        let outcome = office.reconcile(&call).await.outcome;
        assert_eq!(matches!(outcome, Outcome::NotDone), is_sent_again, "{now}");
        if let Outcome::Failed(failure) = outcome {
            assert_eq!(failure.class, contracts::class::Class::Indeterminate, "{now}");
        }
    }
}

#[test]
fn d15_a_courier_call_that_exists_already_is_done() {
    let of = |status: u16, body: &str| {
        let body = Bytes::from(body.to_owned());
        let answer = HttpAnswer { status, content_type: None, retry_after: None, body };
        courier::registered(&answer)
    };
    let exists = json!({ "messageRu": "Заявка с таким номером уже существует: SIM-5521" });
    assert_eq!(of(201, "{}"), Ok(false));
    assert_eq!(of(400, &exists.to_string()), Ok(true));
    assert_eq!(of(400, r#"{"message":"Неверный регион"}"#), Err(Cause::CourierRefused));
    assert_eq!(of(401, ""), Err(Cause::TokenRefused));
    let open = |trouble| Err(Cause::Command(trouble));
    assert_eq!(of(400, "<html/>"), open(Trouble::ClientError));
    assert_eq!(of(200, "{}"), open(Trouble::Unreadable));
    assert_eq!(of(403, ""), open(Trouble::Unauthorized));
    assert_eq!(of(500, &exists.to_string()), open(Trouble::ServerError));
}

fn look(call: &Call, days: &Value) -> Outcome {
    let input = track::Input::deserialize(call.input.expose()).expect("reads");
    let body = json!({ "trackid": NUMBER, "events": days }).to_string();
    let answer =
        HttpAnswer { status: 200, content_type: None, retry_after: None, body: body.into() };
    meaning(track::read(&answer, &input.track_number, call.now).expect("reads"), &input, call)
}

fn track_call() -> Call {
    call(&TRACK, json!({ "track_number": NUMBER, "order_kind": "social_package" }))
}

fn day(date: &str, activities: &[(&str, &str)]) -> Value {
    let of = |(time, code): &(&str, &str)| json!({ "time": time, "status": [code] });
    json!([{ "date": date, "activity": activities.iter().map(of).collect::<Vec<_>>() }])
}

#[test]
fn a_number_that_is_not_known_yet_is_asked_for_again_in_an_hour() {
    let call = track_call();
    let input = track::Input::deserialize(call.input.expose()).expect("reads");
    let body = Bytes::from_static(b"not even JSON");
    let answer = HttpAnswer { status: 404, content_type: None, retry_after: None, body };
    let told = track::read(&answer, &input.track_number, call.now).expect("no failure");
    let interim = interim(meaning(told, &input, &call));
    assert!(interim.summary.is_empty() && interim.writes.is_empty() && interim.spends.is_none());
    assert_eq!(interim.again_in, POLL);
}

#[test]
fn d17_an_event_moves_the_portal_once_and_a_repetition_tells_nobody() {
    let mut call = track_call();
    let days = day("22.11.2026", &[("09:00", "RCPOPS")]);
    let first = interim(look(&call, &days));
    assert_eq!(
        Value::Object(first.summary),
        json!({ "status": "handed_to_kazpost", "class": "accepted", "events": 1,
            "is_terminal": false })
    );
    let written = |column| write_of(&first.writes, "portal.delivery", column).cloned();
    assert_eq!(written("status_ru"), Some(json!("Соцпакет передан казпочте")));
    assert_eq!(written("status_at"), Some(json!("2026-11-22T09:00:00.000+05:00")));
    assert_eq!(written("status_rank"), Some(json!(30)));
    let kept = |column| write_of(&first.writes, "portal.delivery_event", column).cloned();
    assert_eq!((kept("code"), kept("class")), (Some(json!("RCPOPS")), Some(json!("accepted"))));
    assert_eq!(first.again_in, POLL);
    call.carry = first.carry;
    let second = interim(look(&call, &days));
    assert!(second.summary.is_empty() && second.writes.is_empty());
    call.carry = second.carry;
    let third = interim(look(&call, &day("22.11.2026", &[("09:00", "RCPOPS"), ("10:00", "SND")])));
    assert_eq!(third.summary["class"], "in_transit");
    assert_eq!(third.summary["status"], "handed_to_kazpost");
}

#[test]
fn d17_tracking_ends_when_a_terminal_code_has_stood_for_72_hours() {
    let mut call = track_call();
    for (code, status) in [
        ("ISSPAY", json!("delivered_by_courier")),
        ("RET", json!("returned")),
        ("UTL", Value::Null),
    ] {
        let days = day("22.11.2026", &[("10:00", code)]);
        let end = at("10:00").checked_add(STANDS_FOR).expect("a time");
        call.carry = Personal::new(Value::Null);
        call.now = at("10:00");
        assert_eq!(interim(look(&call, &days)).again_in, Duration::from_hours(6), "{code}");
        call.now = end.checked_sub(jiff::SignedDuration::from_mins(1)).expect("a time");
        assert_eq!(interim(look(&call, &days)).again_in, POLL, "{code}");
        call.now = end;
        let answer = answered(look(&call, &days));
        let told = answer.summary.get("status").cloned().unwrap_or_default();
        assert_eq!((told, &answer.summary["is_terminal"]), (status.clone(), &json!(true)));
        let rewritten = write_of(&answer.writes, "portal.delivery", "status_code").cloned();
        assert_eq!(
            rewritten.unwrap_or_default(),
            status,
            "after a long outage it is told at the end"
        );
    }
}

#[test]
fn d17_an_undone_terminal_code_does_not_end_tracking() {
    let mut call = track_call();
    call.now = at("10:00").checked_add(STANDS_FOR * 3).expect("a time");
    let days = day("22.11.2026", &[("10:00", "BOXISS"), ("11:00", "BOXISS_UNDO")]);
    let interim = interim(look(&call, &days));
    assert_eq!(interim.summary["is_terminal"], false);
    assert_eq!(interim.again_in, POLL);
}

#[test]
fn d17_no_pause_is_shorter_than_the_hour_for_which_kazpost_caches() {
    let mut call = track_call();
    let days = day("22.11.2026", &[("10:00", "ISSPAY")]);
    for hours in 0..72 {
        call.now =
            at("10:00").checked_add(jiff::SignedDuration::from_hours(hours)).expect("a time");
        assert!(interim(look(&call, &days)).again_in >= POLL, "after {hours} hours");
    }
}
