use std::time::Duration;

use contracts::{number::Iin, operation::ConsentRule, personal::Personal, schema::Checker};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    CHECK,
    check::{Input, Question, judge},
    failures::Cause,
    registers::{Known, Register},
    wire,
};
use crate::{
    attempt::{Call, Interim, Outcome},
    settings::Settings,
    system::System,
    transport::{
        shep_sync,
        xml::{self, Writer},
    },
};

const IIN: &str = "850100300012";
const ID: &str = "3f0c2a52-6f0e-4d0e-9a7b-000000000001";
const INFO: &str = "<ResponseInfo><RequestType>Sim_DispensaryStatus</RequestType>\
    <StatusCode>200</StatusCode><Message>OK</Message></ResponseInfo>";
const NARCOLOGY_CLEAR: &str = "<Account><Register>NARCOLOGY</Register><OnRecord>false</OnRecord>\
    <TextRu>Не состоит на учете в наркологической организации</TextRu>\
    <TextKz>Наркологиялық ұйымда диспансерлік есепте тұрмайды</TextKz></Account>";
const NARCOLOGY_FOUND: &str =
    "<Account><Register>NARCOLOGY</Register><OnRecord>true</OnRecord></Account>";
const PSYCHIATRY_CLEAR: &str =
    "<Account><Register>PSYCHIATRY</Register><OnRecord>false</OnRecord></Account>";
const PSYCHIATRY_FOUND: &str = "<Account><Register>PSYCHIATRY</Register><OnRecord>true</OnRecord>\
    <TextRu>Состоит на учете в психоневрологической организации</TextRu></Account>";
const PSYCHIATRY_DOWN: &str = "<Errors><Error><Register>PSYCHIATRY</Register>\
    <Code>SIM-SOURCE-UNAVAILABLE</Code></Error></Errors>";

fn reply(status: &str, data: &str) -> shep_sync::Reply {
    let text = format!(
        "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body>\
         <t:SendMessageResponse xmlns:t='urn:t'><response><responseInfo><status><code>{status}\
         </code></status></responseInfo><responseData>{data}</responseData></response>\
         </t:SendMessageResponse></S:Body></S:Envelope>"
    );
    shep_sync::read(xml::read(text.as_bytes()).expect("reads")).expect("reply")
}

fn judged_after(carry: &Value, status: &str, data: &str) -> Result<Outcome, Cause> {
    let iin: Iin = IIN.parse().expect("synthetic");
    let id = Uuid::try_parse(ID).expect("id");
    let known = match carry {
        Value::Null => Known::default(),
        Value::Object(_) => Known::deserialize(carry).expect("a carry"),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("{carry}")
        }
    };
    judge(reply(status, data), Question { id, iin: &iin, known: &known })
}

fn judged(data: &str) -> Result<Outcome, Cause> {
    judged_after(&Value::Null, "SCSS001", data)
}

fn body(lists: &str) -> String {
    format!(
        "<Sim_DispensaryStatusResponse><RequestId>{ID}</RequestId><IIN>{IIN}</IIN>\
         <ActualDate>2025-02-03T10:45:00+05:00</ActualDate>{lists}</Sim_DispensaryStatusResponse>"
    )
}

fn data(accounts: &str, errors: &str) -> String {
    let body = body(&format!("<Accounts>{accounts}</Accounts>{errors}"));
    format!("<data>{INFO}{body}</data>")
}

fn head(code: &str, message: &str) -> String {
    let head = INFO.replace(">200<", &format!(">{code}<")).replace(">OK<", &format!(">{message}<"));
    format!("<data>{head}</data>")
}

/// The verdict, or nothing where it is open.
fn verdict(data: &str) -> Option<String> {
    match judged(data).expect("an answer") {
        Outcome::Answered(answer) => {
            assert_eq!(answer.portal.expose(), &answer.summary);
            assert_eq!(answer.summary.len(), 1, "nothing beside the verdict");
            Some(answer.summary["verdict"].as_str().expect("text").to_owned())
        }
        Outcome::Interim(_) => None,
        other @ (Outcome::Acknowledged(_) | Outcome::NotDone | Outcome::Failed(_)) => {
            unreachable!("{other:?}")
        }
    }
}

fn interim(carry: &Value, data: &str) -> Interim {
    match judged_after(carry, "SCSS001", data).expect("an answer") {
        Outcome::Interim(interim) => interim,
        other @ (Outcome::Answered(_)
        | Outcome::Acknowledged(_)
        | Outcome::NotDone
        | Outcome::Failed(_)) => unreachable!("{other:?}"),
    }
}

fn cause(data: &str) -> Option<Cause> {
    judged(data).err()
}

#[test]
fn the_request_follows_the_order_of_the_design() {
    let id = Uuid::try_parse(ID).expect("id");
    let written = |registers: &[Register]| {
        let mut xml = Writer::with_capacity(256);
        wire::write(&mut xml, id, IIN, registers.iter().copied());
        xml.finish().expect("writable")
    };
    assert_eq!(
        written(&Register::ALL),
        format!(
            "<RequestType>Sim_DispensaryStatus</RequestType><Sim_DispensaryStatusRequest>\
             <RequestId>{ID}</RequestId><IIN>{IIN}</IIN><Registers><string>NARCOLOGY</string>\
             <string>PSYCHIATRY</string></Registers></Sim_DispensaryStatusRequest>"
        )
    );
    let again = written(&[Register::Psychiatry]);
    assert!(again.contains("<Registers><string>PSYCHIATRY</string></Registers>"));
}

#[test]
fn d1_a_check_needs_a_recorded_consent() {
    assert_eq!(CHECK.consent, ConsentRule::Required);
}

#[test]
fn d8_both_registers_decide_the_verdict() {
    for (narcology, psychiatry, expected) in [
        (NARCOLOGY_CLEAR, PSYCHIATRY_CLEAR, "clear"),
        (NARCOLOGY_FOUND, PSYCHIATRY_CLEAR, "found"),
        (NARCOLOGY_CLEAR, PSYCHIATRY_FOUND, "found"),
        (NARCOLOGY_FOUND, PSYCHIATRY_FOUND, "found"),
    ] {
        let answer = data(&format!("{narcology}{psychiatry}"), "");
        assert_eq!(verdict(&answer).as_deref(), Some(expected));
        let turned = data(&format!("{psychiatry}{narcology}"), "");
        assert_eq!(verdict(&turned).as_deref(), Some(expected));
    }
}

#[test]
fn d8_a_register_that_did_not_answer_makes_the_verdict_unknown() {
    for known in [NARCOLOGY_CLEAR, NARCOLOGY_FOUND] {
        for errors in [PSYCHIATRY_DOWN, "", "<Errors/>"] {
            assert_eq!(verdict(&data(known, errors)), None);
        }
    }
    assert_eq!(cause(&data("", PSYCHIATRY_DOWN)), Some(Cause::RegisterUnavailable));
    assert_eq!(cause(&data("", "")), Some(Cause::RegisterUnavailable));
    let no_lists = format!("<data>{INFO}{}</data>", body(""));
    assert_eq!(cause(&no_lists), Some(Cause::RegisterUnavailable));
}

#[test]
fn d8_a_partial_answer_says_what_is_missing_and_carries_a_flag_only() {
    let first = interim(&Value::Null, &data(NARCOLOGY_FOUND, PSYCHIATRY_DOWN));
    assert_eq!(
        Value::Object(first.summary),
        json!({ "status": "partial", "missing": ["psychiatry"] })
    );
    assert_eq!(*first.carry.expose(), json!({ "narcology": true, "partial_answers": 1 }));
    assert_eq!(first.again_in, Duration::from_secs(15));
    assert!(first.writes.is_empty() && first.files.is_empty());
    let failure = first.spends.expect("spends an attempt");
    assert_eq!(
        (failure.class.name(), failure.code.name()),
        ("unreachable", "register_unavailable")
    );

    let second = interim(first.carry.expose(), &data("", PSYCHIATRY_DOWN));
    assert!(second.summary.is_empty(), "nothing new to tell");
    assert_eq!(*second.carry.expose(), json!({ "narcology": true, "partial_answers": 2 }));
    assert_eq!(second.again_in, Duration::from_secs(30));
}

#[test]
fn d8_the_register_that_was_missing_completes_the_verdict() {
    for (narcology, psychiatry, expected) in [
        (false, PSYCHIATRY_CLEAR, "clear"),
        (true, PSYCHIATRY_CLEAR, "found"),
        (false, PSYCHIATRY_FOUND, "found"),
    ] {
        let carry = json!({ "narcology": narcology, "partial_answers": 3 });
        let outcome = judged_after(&carry, "SCSS001", &data(psychiatry, "")).expect("an answer");
        let Outcome::Answered(answer) = outcome else { unreachable!("{outcome:?}") };
        assert_eq!(answer.summary["verdict"], json!(expected));
    }
}

#[test]
fn an_answer_may_repeat_what_is_known_but_not_change_it() {
    let carry = json!({ "narcology": false, "partial_answers": 1 });
    let judged = |data: &str| judged_after(&carry, "SCSS001", data);
    let both = |narcology: &str| data(&format!("{narcology}{PSYCHIATRY_CLEAR}"), "");
    assert!(matches!(judged(&both(NARCOLOGY_CLEAR)), Ok(Outcome::Answered(_))));
    assert_eq!(judged(&both(NARCOLOGY_FOUND)).err(), Some(Cause::Contradiction));
    let not_asked = interim(&carry, &data(NARCOLOGY_CLEAR, ""));
    assert_eq!(*not_asked.carry.expose(), json!({ "narcology": false, "partial_answers": 2 }));
    let gone = judged(&head("400", "ИИН не найден в РПН"));
    assert_eq!(gone.err(), Some(Cause::Contradiction));
    let down = "<Errors><Error><Register>NARCOLOGY</Register>\
        <Code>SIM-SOURCE-UNAVAILABLE</Code></Error></Errors>";
    assert!(matches!(judged(&data(PSYCHIATRY_CLEAR, down)), Ok(Outcome::Answered(_))));
}

#[test]
fn the_pause_doubles_up_to_a_quarter_of_an_hour() {
    let pause = |partial_answers: u32| {
        let carry = json!({ "narcology": false, "partial_answers": partial_answers });
        interim(&carry, &data("", PSYCHIATRY_DOWN)).again_in.as_secs()
    };
    let all: Vec<_> = (0..8).map(pause).collect();
    assert_eq!(all, [15, 30, 60, 120, 240, 480, 900, 900]);
    assert_eq!(pause(u32::MAX), 900);
}

#[test]
fn d9_the_flag_decides_and_its_text_must_not_contradict_it() {
    let psychiatry = |flag: &str, text: &str| {
        let account = format!(
            "<Account><Register>PSYCHIATRY</Register><OnRecord>{flag}</OnRecord>{text}</Account>"
        );
        judged(&data(&format!("{NARCOLOGY_CLEAR}{account}"), ""))
    };
    let on = "<TextRu>Состоит на учете в психоневрологической организации</TextRu>";
    let off = "<TextRu> Не состоит на учете в психоневрологической организации </TextRu>";
    let on_kk = "<TextKz>Психоневрологиялық ұйымда диспансерлік есепте тұрады</TextKz>";
    let other = "<TextRu>Не состоит на учете в наркологической организации</TextRu>";
    for (flag, text) in [("false", on), ("0", on_kk), ("true", off), ("false", other)] {
        assert_eq!(psychiatry(flag, text).err(), Some(Cause::Contradiction), "{flag} {text}");
    }
    // What is in no table says nothing, whatever words are in it.
    let unknown = "<TextRu>состоит</TextRu><TextKz>-</TextKz>";
    for (flag, text) in [("false", off), ("false", unknown), ("1", on), ("true", unknown)] {
        assert!(psychiatry(flag, text).is_ok(), "{flag} {text}");
    }
}

#[test]
fn d9_a_missing_or_odd_flag_is_never_clear() {
    for flag in ["", "<OnRecord/>", "<OnRecord>нет</OnRecord>", "<OnRecord>FALSE</OnRecord>"] {
        let account = PSYCHIATRY_CLEAR.replace("<OnRecord>false</OnRecord>", flag);
        let answer = data(&format!("{NARCOLOGY_CLEAR}{account}"), "");
        assert_eq!(cause(&answer), Some(Cause::OnRecord), "{flag}");
    }
    let text_alone = NARCOLOGY_CLEAR.replace("<OnRecord>false</OnRecord>", "");
    assert_eq!(cause(&data(&text_alone, "")), Some(Cause::OnRecord));
    let two = PSYCHIATRY_FOUND.replace("<OnRecord>", "<OnRecord>false</OnRecord><OnRecord>");
    assert_eq!(cause(&data(&two, "")), Some(Cause::Repeated));
}

#[test]
fn d9_a_register_is_told_of_once_and_by_a_known_name() {
    let twice = |first: &str, second: &str| cause(&data(&format!("{first}{second}"), ""));
    assert_eq!(twice(NARCOLOGY_CLEAR, NARCOLOGY_CLEAR), Some(Cause::RegisterTwice));
    assert_eq!(twice(NARCOLOGY_CLEAR, NARCOLOGY_FOUND), Some(Cause::Contradiction));
    let beside = data(PSYCHIATRY_CLEAR, PSYCHIATRY_DOWN);
    assert_eq!(cause(&beside), Some(Cause::Contradiction));
    for name in ["TUBERCULOSIS", "psychiatry", "", "NARCOLOGY PSYCHIATRY"] {
        let strange = PSYCHIATRY_CLEAR.replace("PSYCHIATRY", name);
        assert_eq!(twice(NARCOLOGY_CLEAR, &strange), Some(Cause::UnknownRegister), "{name}");
        let error = PSYCHIATRY_DOWN.replace("PSYCHIATRY", name);
        assert_eq!(cause(&data(NARCOLOGY_CLEAR, &error)), Some(Cause::UnknownRegister), "{name}");
    }
    for code in ["SIM-4242", "", "sim-source-unavailable"] {
        let error = PSYCHIATRY_DOWN.replace("SIM-SOURCE-UNAVAILABLE", code);
        let expected = Some(Cause::unknown_error(code));
        assert_eq!(cause(&data(NARCOLOGY_CLEAR, &error)), expected, "{code}");
    }
}

#[test]
fn d9_a_status_that_is_no_success_is_never_a_verdict() {
    for (code, message, expected) in [
        ("400", "ИИН не найден в РПН", Cause::NotKnown),
        ("400", "ИИН не найден в РПН.", Cause::Status400),
        ("400", "ИИН", Cause::Status400),
        ("500", "ИИН не найден в РПН", Cause::Status500),
        ("501", "Отправитель не сопоставлен", Cause::Status501),
        ("404", "Не найден", Cause::unknown_status_code("404")),
        ("0200", "OK", Cause::unknown_status_code("0200")),
        ("", "OK", Cause::unknown_status_code("")),
    ] {
        assert_eq!(cause(&head(code, message)), Some(expected), "{code} {message}");
    }
    let clear = body(&format!("<Accounts>{NARCOLOGY_CLEAR}{PSYCHIATRY_CLEAR}</Accounts>"));
    let refused = head("400", "ИИН не найден в РПН").replace("</data>", &format!("{clear}</data>"));
    assert_eq!(cause(&refused), Some(Cause::Contradiction));
    let failed = head("500", "OK").replace("</data>", &format!("{clear}</data>"));
    assert_eq!(cause(&failed), Some(Cause::Status500));
    assert_eq!(cause(&format!("<data>{clear}</data>")), Some(Cause::unknown_status_code("")));
    assert_eq!(cause(&head("200", "OK")), Some(Cause::NoResponse));
    for status in ["SCSE001", "SCSE003", "404", ""] {
        let expected = Some(Cause::unknown_status(status));
        let found = judged_after(&Value::Null, status, &data(NARCOLOGY_CLEAR, "")).err();
        assert_eq!(found, expected, "{status}");
    }
}

#[test]
fn an_answer_must_be_about_the_request_and_the_person() {
    let whole = data(&format!("{NARCOLOGY_CLEAR}{PSYCHIATRY_CLEAR}"), "");
    assert_eq!(cause(&whole.replace(ID, &Uuid::nil().to_string())), Some(Cause::OtherRequest));
    assert_eq!(cause(&whole.replace("RequestId>", "Id>")), Some(Cause::OtherRequest));
    assert_eq!(cause(&whole.replace(IIN, "920300400029")), Some(Cause::OtherPerson));
    assert_eq!(cause(&whole.replace("IIN>", "Number>")), Some(Cause::OtherPerson));
    let other = whole.replace(">Sim_DispensaryStatus<", ">Sim_VaccinationStatus<");
    assert_eq!(cause(&other), Some(Cause::OtherOperation));
    let two = whole.replace("<Accounts>", "<Accounts/><Accounts>");
    assert_eq!(cause(&two), Some(Cause::Repeated));
}

#[test]
fn d11_a_diagnosis_reaches_neither_the_portal_nor_the_next_attempt() {
    let secret = "<ICD10>F20.0</ICD10><Diagnosis>ДИАГНОЗ</Diagnosis><Doctor>ТЕСТОВ</Doctor>";
    let with = |account: &str| account.replace("</Account>", &format!("{secret}</Account>"));
    let (narcology, psychiatry) = (with(NARCOLOGY_CLEAR), with(PSYCHIATRY_FOUND));
    let whole = data(&format!("{narcology}{psychiatry}{secret}"), secret);
    assert_eq!(verdict(&whole).as_deref(), Some("found"));
    let partial = interim(&Value::Null, &data(&psychiatry, ""));
    assert_eq!(*partial.carry.expose(), json!({ "psychiatry": true, "partial_answers": 1 }));
    assert_eq!(
        Value::Object(partial.summary),
        json!({ "status": "partial", "missing": ["narcology"] })
    );
}

#[test]
fn order_prefixes_and_the_shape_of_data_do_not_matter() {
    let body = format!(
        "<x:Sim_DispensaryStatusResponse><Errors/><Accounts>{PSYCHIATRY_FOUND}\
         <x:Account><OnRecord> 0 </OnRecord><x:Register> NARCOLOGY </x:Register></x:Account>\
         </Accounts><IIN>{IIN}</IIN><x:RequestId>{ID}</x:RequestId>\
         </x:Sim_DispensaryStatusResponse>"
    );
    let inner = format!("<r xmlns:x='urn:x'>{body}{INFO}</r>");
    let escaped = inner.replace('&', "&amp;").replace('<', "&lt;");
    for data in [
        format!("<n:data xmlns:n='urn:n' xmlns:x='urn:x'>{body}{INFO}</n:data>"),
        format!("<data>{inner}</data>"),
        format!("<data><![CDATA[{inner}]]></data>"),
        format!("<data>&lt;?xml version='1.0'?&gt;{escaped}</data>"),
    ] {
        assert_eq!(verdict(&data).as_deref(), Some("found"), "{data}");
    }
    let refusal = head("400", "ИИН не найден в РПН").replace("data>", "r>");
    let refusal = format!("<data><![CDATA[{refusal}]]></data>");
    assert_eq!(cause(&refusal), Some(Cause::NotKnown));
    for data in ["<data/>", "", "<data>&lt;a&gt;</data>", "<data>text</data>"] {
        assert_eq!(cause(data), Some(Cause::Payload), "{data}");
    }
}

#[tokio::test]
async fn what_an_earlier_attempt_left_must_read_and_leave_something_to_ask() {
    let adapter = super::Mzrk.connect(&Settings::for_url("http://127.0.0.1:1/")).expect("builds");
    let now = "2026-11-22T05:00:00Z".parse().expect("instant");
    let limit = Duration::from_secs(5);
    for (input, carry, code) in [
        (json!({}), Value::Null, "input_unreadable"),
        (json!({ "iin": IIN }), json!([]), "carry_unreadable"),
        (json!({ "iin": IIN }), json!({ "narcology": "no" }), "carry_unreadable"),
        (
            json!({ "iin": IIN }),
            json!({ "narcology": false, "psychiatry": false, "partial_answers": 1 }),
            "carry_unreadable",
        ),
    ] {
        let mut call = Call::first(&CHECK, Uuid::nil(), input, now, limit);
        call.carry = Personal::new(carry);
        let attempt = adapter.attempt(&call).await;
        let Outcome::Failed(failure) = attempt.outcome else { unreachable!("nothing was asked") };
        assert_eq!((failure.class.name(), failure.code.name()), ("defect", code));
        assert!(attempt.exchange.request.is_empty(), "nothing was sent");
    }
}

#[test]
fn every_column_is_one_that_the_portal_has() {
    let known = CHECK.portal.as_ref().expect("owns a row").columns;
    let answer = data(&format!("{NARCOLOGY_CLEAR}{PSYCHIATRY_CLEAR}"), "");
    let Ok(Outcome::Answered(answer)) = judged(&answer) else { unreachable!("an answer") };
    assert!(answer.portal.expose().keys().all(|column| known.contains(&column.as_str())));
}

#[test]
fn d22_the_input_is_one_iin_and_nothing_else() {
    let checker = Checker::new(&contracts::schema::of::<Input>()).expect("schema");
    assert!(checker.check(&json!({ "iin": IIN })).is_empty());
    for input in [json!({}), json!({ "iin": "850100300013" }), json!({ "iin": IIN, "x": 1 })] {
        assert_eq!(checker.check(&input).len(), 1, "{input}");
    }
}
