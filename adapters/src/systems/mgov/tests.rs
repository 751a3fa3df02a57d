use contracts::{class::Class, schema::Checker};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    CodeRules, LOOKUP, Mgov, SEND_CODE, VERIFY_CODE,
    failures::Cause,
    lookup,
    send_code::{self, Question},
    verify_code,
    wire::{self, Request, Sent},
};
use crate::{
    attempt::{Answer, OneTimeCode, Outcome, Write},
    settings::Settings,
    system::System,
    transport::{
        shep_sync::{self, Reply},
        xml::{self, Writer},
    },
};

const IIN: &str = "850100300012";
const ID: Uuid = Uuid::from_u128(0x3f0c_2a52_6f0e_4d0e_9a7b_0000_0000_0001);
const SENT_BY: Uuid = Uuid::from_u128(0x3f0c_2a52_6f0e_4d0e_9a7b_0000_0000_0002);
const OTP: &str = "00000000-0000-4000-8000-000000000040";
const HEAD: &str = "<requestId>3f0c2a52-6f0e-4d0e-9a7b-000000000001</requestId>";

fn now() -> Timestamp {
    "2026-11-22T05:00:00Z".parse().expect("instant")
}

fn rules() -> CodeRules {
    CodeRules::read(&Settings::for_url("http://127.0.0.1:1/")).expect("defaults")
}

fn reply_of(status: &str, data: &str) -> Reply {
    let text = format!(
        "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body>\
         <t:SendMessageResponse xmlns:t='urn:t'><response><responseInfo><status><code>{status}\
         </code></status></responseInfo><responseData>{data}</responseData></response>\
         </t:SendMessageResponse></S:Body></S:Envelope>"
    );
    shep_sync::read(xml::read(text.as_bytes()).expect("reads")).expect("reply")
}

fn reply(fields: &str) -> Reply {
    reply_of("SCSS001", &format!("<data xmlns='urn:sim:mcdb'>{HEAD}{fields}</data>"))
}

fn looked_up(fields: &str, compares: bool) -> Result<Value, Cause> {
    lookup::judge(reply(fields), ID, compares).map(|answer| Value::Object(answer.summary))
}

fn sent(fields: &str) -> Result<Answer, Cause> {
    let question = Question { id: ID, check: "kpsisu.check", now: now(), rules: rules() };
    send_code::judge(reply(fields), question)
}

/// Class and code of a refusal with its writes, or the summary.
fn verified(fields: &str) -> (Value, Vec<Write>) {
    let response = wire::read(reply(fields), ID).expect("reads");
    let (outcome, writes) = verify_code::judge(&response, SENT_BY, rules());
    match outcome {
        Outcome::Answered(answer) => (Value::Object(answer.summary), answer.writes),
        Outcome::Failed(failure) => {
            let has_words = failure.reason.is_some_and(|words| words.ru != words.kk);
            assert_eq!(has_words, failure.class == Class::Refused);
            (json!([failure.class.name(), failure.code]), writes)
        }
        Outcome::Acknowledged(_) | Outcome::Interim(_) | Outcome::NotDone => {
            unreachable!("a code is verified or not")
        }
    }
}

fn told(writes: &[Write]) -> Vec<(&'static str, Map<String, Value>)> {
    writes.iter().map(|write| (write.record.name, write.values.expose().clone())).collect()
}

fn row(name: &'static str, column: &str, value: Value) -> (&'static str, Map<String, Value>) {
    let mut row = Map::new();
    row.insert("code_ref".to_owned(), SENT_BY.to_string().into());
    row.insert(column.to_owned(), value);
    (name, row)
}

fn written(request: Request<'_>) -> (String, usize) {
    let mut xml = Writer::with_capacity(256);
    wire::write(&mut xml, ID, request);
    let omitted = xml.take_omissions().len();
    let text = xml.finish().expect("writable");
    (text.replace(" xmlns=\"urn:sim:mcdb\"", ""), omitted)
}

#[test]
fn requests_follow_the_order_of_the_schema() {
    let head = |operation| format!("<operation>{operation}</operation>{HEAD}<uin>{IIN}</uin>");
    let check = |phone| Request::Check { iin: IIN, phone };
    assert_eq!(written(check(None)), (head("CHECK"), 0));
    let phone = "<phone>77000000001</phone>";
    assert_eq!(written(check(Some("77000000001"))), (head("CHECK") + phone, 0));
    let send = Request::Send { iin: IIN, purpose: "SIM-KPSISU-CHECK", lang: "kk" };
    let fields = "<purpose>SIM-KPSISU-CHECK</purpose><lang>kk</lang>";
    assert_eq!(written(send), (head("SEND") + fields, 0));
}

#[test]
fn every_field_stands_in_their_namespace() {
    let mut xml = Writer::with_capacity(256);
    let sent = Sent::Request(SENT_BY);
    wire::write(&mut xml, ID, Request::Verify { iin: IIN, sent, digits: "0000" });
    let text = format!("<data>{}</data>", xml.finish().expect("writable"));
    let document = xml::read(text.as_bytes()).expect("reads");
    let mut fields = document.root().children();
    assert!(fields.all(|field| field.namespace() == Some("urn:sim:mcdb")));
}

#[test]
fn d4_a_verification_carries_the_code_of_its_own_sending() {
    let head = format!("<operation>VERIFY</operation>{HEAD}<uin>{IIN}</uin>");
    let verify = |sent| written(Request::Verify { iin: IIN, sent, digits: "0000" });
    let code = "<code>0000</code>";
    assert_eq!(
        verify(Sent::Otp(OTP)),
        (format!("{head}<otpId>{OTP}</otpId>{code}"), 1),
        "the digits are sent and not kept"
    );
    let by_request = format!("{head}<sendRequestId>{SENT_BY}</sendRequestId>{code}");
    assert_eq!(verify(Sent::Request(SENT_BY)), (by_request, 1));
}

#[test]
fn d4_a_code_of_another_sending_is_not_sent_at_all() {
    let code = |digits: &str| OneTimeCode {
        sent_by: SENT_BY,
        otp_id: Some(OTP.to_owned()),
        digits: contracts::personal::Personal::new(digits.to_owned()),
    };
    let of = |code: Option<&OneTimeCode>, code_ref: &str| {
        verify_code::code_of(code, code_ref).map(|code| code.sent_by)
    };
    assert_eq!(of(Some(&code("0420")), &SENT_BY.to_string()), Ok(SENT_BY));
    assert_eq!(of(Some(&code("0420")), &ID.to_string()), Err(Cause::OtherCode));
    assert_eq!(of(Some(&code("0420")), "code-1"), Err(Cause::OtherCode));
    assert_eq!(of(None, &SENT_BY.to_string()), Err(Cause::NoCode));
    for digits in ["", "420", "04200", "042a", "٠٤٢٠"] {
        assert_eq!(of(Some(&code(digits)), &SENT_BY.to_string()), Err(Cause::CodeForm), "{digits}");
    }
}

#[test]
fn d3_not_registered_is_a_result_with_the_words_of_the_portal() {
    let answer = looked_up("<status>SIM-NOT-REGISTERED</status><messageRu>?</messageRu>", true);
    let words = super::refusals::NOT_REGISTERED;
    let expected = json!({
        "registered": false, "match": null, "text_ru": words.ru, "text_kk": words.kk,
    });
    assert_eq!(answer, Ok(expected));
}

#[test]
fn a_number_matches_or_not_and_none_is_compared_that_was_not_given() {
    let phone = "<maskedPhone>7700*****01</maskedPhone>";
    let same = format!("<status>SIM-MATCH</status>{phone}");
    let other = format!("<status>SIM-MISMATCH</status>{phone}");
    let registered = |compared: Value| Ok(json!({ "registered": true, "match": compared }));
    assert_eq!(looked_up(&same, true), registered("match".into()));
    assert_eq!(looked_up(&other, true), registered("mismatch".into()));
    assert_eq!(looked_up(&same, false), registered(Value::Null));
    assert_eq!(looked_up(&other, false), Err(Cause::Contradiction));
    let both = format!("<status>SIM-NOT-REGISTERED</status>{phone}");
    assert_eq!(looked_up(&both, true), Err(Cause::Contradiction));
}

#[test]
fn an_unknown_result_is_never_not_registered() {
    for (fields, cause) in [
        ("", Cause::UnknownResult),
        ("<status/>", Cause::UnknownResult),
        ("<status>SIM-4242</status>", Cause::UnknownResult),
        ("<status>sim-not-registered</status>", Cause::UnknownResult),
        ("<status>SIM-SENT</status>", Cause::OutOfPlace),
        ("<status>SIM-MATCH</status><status>SIM-NOT-REGISTERED</status>", Cause::Repeated),
        (HEAD, Cause::Repeated),
    ] {
        assert_eq!(looked_up(fields, true), Err(cause), "{fields}");
    }
}

#[test]
fn an_answer_must_be_about_our_request() {
    let cause = |status: &str, data: &str| wire::read(reply_of(status, data), ID).err();
    let fields = "<status>SIM-MATCH</status>";
    let whole = format!("<data>{HEAD}{fields}</data>");
    assert_eq!(cause("SCSS001", &whole), None);
    let other = whole.replace("9a7b-000000000001", "9a7b-000000000009");
    assert_eq!(cause("SCSS001", &other), Some(Cause::OtherRequest));
    assert_eq!(cause("SCSS001", &format!("<data>{fields}</data>")), Some(Cause::OtherRequest));
    assert_eq!(cause("SCSE001", &whole), Some(Cause::UnknownStatus));
    assert_eq!(cause("SCSS001", "<data/>"), Some(Cause::Payload));
    assert_eq!(cause("SCSS001", "<data>&lt;data&gt;</data>"), Some(Cause::Payload));
}

#[test]
fn data_may_stand_in_its_namespace_or_travel_as_text() {
    let inner = format!("{HEAD}<status>SIM-MATCH</status>");
    let document = format!("<data xmlns='urn:sim:mcdb'>{inner}</data>");
    for data in [
        document.clone(),
        format!(
            "<data xmlns:m='urn:sim:mcdb'>{}</data>",
            inner.replace('<', "<m:").replace("<m:/", "</m:")
        ),
        format!("<data><![CDATA[{document}]]></data>"),
        format!("<data>{}</data>", document.replace('<', "&lt;")),
    ] {
        assert!(wire::read(reply_of("SCSS001", &data), ID).is_ok(), "{data}");
    }
}

#[test]
fn a_sent_code_fills_the_portal_and_what_the_hub_verifies_by() {
    let answer = sent(&format!(
        "<status>SIM-SENT</status><otpId>{OTP}</otpId>\
         <expiresAt>2026-11-22T10:04:00+05:00</expiresAt>"
    ))
    .expect("sent");
    assert_eq!(Value::Object(answer.summary), json!({ "expires_at": "2026-11-22T05:04:00Z" }));
    assert_eq!(
        Value::Object(answer.portal.into_exposed()),
        json!({
            "purpose": "kpsisu.check",
            "sent_at": "2026-11-22T05:00:00Z",
            "expires_at": "2026-11-22T05:04:00Z",
            "resend_at": "2026-11-22T05:01:00Z",
            "attempts_left": 3,
        })
    );
    let kept = json!({
        "code_ref": ID.to_string(),
        "otp_id": OTP,
        "sent_at": "2026-11-22T05:00:00Z",
        "expires_at": "2026-11-22T05:04:00Z",
    });
    let (table, values) = told(&answer.writes).remove(0);
    assert_eq!((table, Value::Object(values)), ("hub.sms_code", kept));
}

#[test]
fn d5_a_code_is_never_said_to_live_longer_than_five_minutes() {
    let expires = |told: &str| {
        let fields = "<status>SIM-SENT</status><otpId>1</otpId>";
        let answer = sent(&format!("{fields}<expiresAt>{told}</expiresAt>"));
        answer.map(|answer| answer.summary["expires_at"].as_str().map(str::to_owned))
    };
    let five = || Ok(Some("2026-11-22T05:05:00Z".to_owned()));
    assert_eq!(expires("2026-11-22T10:05:00+05:00"), five());
    assert_eq!(expires("2026-11-23T10:00:00+05:00"), five());
    assert_eq!(expires("2026-11-22T10:05:02"), five(), "without an offset it is local time");
    for told in ["", "soon", "2026-11-22T10:00:00+05:00", "2026-11-22T09:00:00+05:00"] {
        assert_eq!(expires(told), Err(Cause::Expiry), "{told}");
    }
}

#[test]
fn d6_sent_without_what_is_needed_to_verify_leaves_the_outcome_open() {
    let expires = "<expiresAt>2026-11-22T10:04:00+05:00</expiresAt>";
    let long = format!("<otpId>{}</otpId>", "x".repeat(101));
    for (fields, cause) in [
        (expires.to_owned(), Cause::NoOtp),
        (format!("<otpId>-</otpId>{expires}"), Cause::NoOtp),
        (format!("{long}{expires}"), Cause::NoOtp),
        (format!("<otpId>1</otpId><otpId>2</otpId>{expires}"), Cause::Repeated),
        ("<otpId>1</otpId>".to_owned(), Cause::Expiry),
    ] {
        let found = sent(&format!("<status>SIM-SENT</status>{fields}")).err();
        assert_eq!(found.as_ref(), Some(&cause), "{fields}");
        assert_eq!(super::failures::command(&cause).class, Class::Indeterminate);
    }
    assert_eq!(sent("<status>SIM-OK</status>").err(), Some(Cause::OutOfPlace));
}

#[test]
fn a_person_without_a_phone_is_refused_a_code() {
    let refused = sent("<status>SIM-NOT-REGISTERED</status>").expect_err("refused");
    let failure = super::failures::command(&refused);
    assert_eq!((failure.class, failure.code.name()), (Class::Refused, "not_registered"));
}

#[test]
fn a_right_code_is_verified() {
    let (summary, writes) = verified("<status>SIM-OK</status>");
    assert_eq!(summary, json!({ "verified": true }));
    assert_eq!(told(&writes), [row("portal.sms_code", "result", "verified".into())]);
}

#[test]
fn d5_a_wrong_code_says_how_many_attempts_are_left() {
    let wrong = |left: &str| verified(&format!("<status>SIM-WRONG-CODE</status>{left}"));
    let left = |value: u8| vec![row("portal.sms_code", "attempts_left", value.into())];
    for (text, rows) in [
        ("<attemptsLeft>2</attemptsLeft>", left(2)),
        ("<attemptsLeft> 1 </attemptsLeft>", left(1)),
        ("<attemptsLeft>3</attemptsLeft>", Vec::new()),
        ("<attemptsLeft>99</attemptsLeft>", Vec::new()),
        ("<attemptsLeft>-1</attemptsLeft>", Vec::new()),
        ("", Vec::new()),
    ] {
        let (refused, writes) = wrong(text);
        assert_eq!((refused, told(&writes)), (json!(["refused", "code_wrong"]), rows), "{text}");
    }
    let (_, last) = wrong("<attemptsLeft>0</attemptsLeft>");
    let status = row("portal.sms_code", "result", "attempts_used_up".into());
    assert_eq!(told(&last), [vec![status], left(0)].concat());
}

#[test]
fn each_refusal_tells_the_portal_what_became_of_the_code() {
    for (status, code, result) in [
        ("SIM-EXPIRED", "code_expired", "expired"),
        ("SIM-ALREADY-USED", "code_used", "used"),
        ("SIM-UNKNOWN-OTP", "code_unknown", "unknown"),
        ("SIM-TOO-MANY-ATTEMPTS", "code_attempts_used_up", "attempts_used_up"),
    ] {
        let (refused, writes) = verified(&format!("<status>{status}</status>"));
        assert_eq!(refused, json!(["refused", code]));
        let first = told(&writes).remove(0);
        assert_eq!(first, row("portal.sms_code", "result", result.into()));
    }
    let (open, writes) = verified("<status>SIM-SENT</status>");
    assert_eq!((open, writes.len()), (json!(["indeterminate", "result_out_of_place"]), 0));
}

#[test]
fn the_portal_row_has_every_column_that_is_written() {
    let table = SEND_CODE.portal.as_ref().expect("owns a row");
    let answer = sent(
        "<status>SIM-SENT</status><otpId>1</otpId><expiresAt>2026-11-22T10:04:00+05:00</expiresAt>",
    );
    let row = answer.expect("sent").portal.into_exposed();
    assert!(table.columns.iter().all(|column| row.contains_key(*column)));
    assert_eq!(table.columns.len(), row.len());
}

#[test]
fn inputs_hold_what_is_needed_and_nothing_else() {
    let checker = |operation| Checker::new(&Mgov.input(operation).0).expect("schema");
    let lookup = checker(&LOOKUP);
    assert_eq!(lookup.check(&json!({ "iin": IIN })), []);
    assert_eq!(lookup.check(&json!({ "iin": IIN, "phone": "77000000001" })), []);
    let send = checker(&SEND_CODE);
    let good = json!({ "iin": IIN, "check": "mzrk.check", "check_subject": "specialist:1" });
    assert_eq!(send.check(&good), []);
    let verify = checker(&VERIFY_CODE);
    assert_eq!(verify.check(&json!({ "iin": IIN, "code_ref": "x", "code": "0420" })), []);
    for (checker, input) in [
        (&lookup, json!({})),
        (&lookup, json!({ "iin": "850100300013" })),
        (&lookup, json!({ "iin": IIN, "phone": "87000000001" })),
        (&lookup, json!({ "iin": IIN, "x": 1 })),
        (&send, json!({ "iin": IIN, "check": "mzrk.check" })),
        (&send, json!({ "iin": IIN, "check": "gbdfl.person", "check_subject": "s" })),
        (&send, json!({ "iin": IIN, "check": "mzrk.check", "check_subject": "" })),
        (&send, json!({ "iin": IIN, "check": "mzrk.check", "check_subject": "s", "lang": "en" })),
        (&verify, json!({ "iin": IIN, "code_ref": "x" })),
        (&verify, json!({ "iin": IIN, "code_ref": "x", "code": null })),
        (&verify, json!({ "iin": IIN, "code_ref": "x", "code": "42" })),
        (&verify, json!({ "iin": IIN, "code_ref": "x", "code": "04200" })),
        (&verify, json!({ "iin": IIN, "code_ref": "", "code": "0420" })),
    ] {
        assert!(!checker.check(&input).is_empty(), "{input}");
    }
}
