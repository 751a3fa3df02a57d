//! M-Gov: phones, codes and attempts, through the real adapter.

use std::{sync::Arc, time::Duration};

use adapters::{
    attempt::{Attempt, Call, OneTimeCode, Outcome},
    settings::Settings,
    simulation::xml,
    system::{Adapter, System},
    systems::mgov::{LOOKUP, Mgov, SEND_CODE, VERIFY_CODE},
};
use contracts::{class::Class, operation::OperationSpec, personal::Personal};
use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{World, payload};

const IIN: &str = "850100300012";
const OTHER_IIN: &str = "920300400029";
const NOT_IN_BMG: &str = "660300300106";
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

/// The adapter, and the simulator that it speaks to.
struct Bmg {
    world: World,
    adapter: Arc<dyn Adapter>,
}

/// One SMS, as its person knows it.
struct Sms {
    send: Uuid,
    otp_id: Option<String>,
    digits: String,
}

impl Bmg {
    async fn start() -> Self {
        let world = World::start(vec![]).await;
        let adapter = Mgov.connect(&Settings::for_url(&world.url("/mgov/"))).unwrap();
        Self { world, adapter }
    }

    async fn attempt(&self, call: Call) -> Attempt {
        self.adapter.attempt(&call).await
    }

    fn call(&self, operation: &'static OperationSpec, id: u128, input: Value) -> Call {
        let now = self.world.simulation.now();
        Call::first(operation, Uuid::from_u128(id), input, now, PATIENCE)
    }

    async fn lookup(&self, id: u128, input: Value) -> Attempt {
        self.attempt(self.call(&LOOKUP, id, input)).await
    }

    async fn send(&self, id: u128, check: &str, limit: Duration) -> Attempt {
        let input = json!({ "iin": IIN, "check": check, "check_subject": "specialist:1" });
        self.attempt(Call { time_limit: limit, ..self.call(&SEND_CODE, id, input) }).await
    }

    /// Sends a code and reads it on the phone.
    async fn sms(&self, id: u128) -> Sms {
        let attempt = self.send(id, "kpsisu.check", PATIENCE).await;
        let Outcome::Answered(answer) = attempt.outcome else { panic!("{:?}", attempt.outcome) };
        let kept = answer.writes[0].values.expose();
        let otp_id = kept["otp_id"].as_str().map(str::to_owned);
        let digits = self.phone(IIN).await.last().unwrap()["code"].as_str().unwrap().to_owned();
        Sms { send: Uuid::from_u128(id), otp_id, digits }
    }

    async fn phone(&self, iin: &str) -> Vec<Value> {
        let page = self.world.get(&format!("/control/phone/{iin}")).await;
        page["messages"].as_array().unwrap().clone()
    }

    async fn verify(&self, id: u128, iin: &str, sms: &Sms, digits: &str) -> Attempt {
        let input = json!({ "iin": iin, "code_ref": sms.send });
        let code = OneTimeCode {
            sent_by: sms.send,
            otp_id: sms.otp_id.clone(),
            digits: Personal::new(digits.to_owned()),
        };
        self.attempt(Call { code: Some(code), ..self.call(&VERIFY_CODE, id, input) }).await
    }

    async fn executed(&self, id: u128) -> u64 {
        let number = Uuid::from_u128(id).to_string();
        let journal = self.world.journal("mgov").await;
        let entry = journal.iter().rfind(|entry| entry["request_number"] == number.as_str());
        entry.unwrap()["executed_count"].as_u64().unwrap()
    }
}

fn summary(attempt: &Attempt) -> Value {
    let Outcome::Answered(answer) = &attempt.outcome else { panic!("{:?}", attempt.outcome) };
    Value::Object(answer.summary.clone())
}

fn failure(attempt: &Attempt) -> (Class, &'static str) {
    let Outcome::Failed(failure) = &attempt.outcome else { panic!("{:?}", attempt.outcome) };
    (failure.class, failure.code.name())
}

/// Four other digits.
fn others(digits: &str) -> String {
    format!("{:04}", (digits.parse::<u32>().unwrap() + 1) % 10_000)
}

#[tokio::test]
async fn d3_who_is_not_registered_gets_a_result() {
    let bmg = Bmg::start().await;
    let found = summary(&bmg.lookup(1, json!({ "iin": NOT_IN_BMG })).await);
    assert_eq!((&found["registered"], &found["match"]), (&json!(false), &Value::Null));
    assert!(found["text_ru"].as_str().unwrap().starts_with("Вы не можете использовать"));
    for (id, phone, compared) in
        [(2, "77000000001", json!("match")), (3, "77000000002", json!("mismatch"))]
    {
        let found = summary(&bmg.lookup(id, json!({ "iin": IIN, "phone": phone })).await);
        assert_eq!(found, json!({ "registered": true, "match": compared }));
    }
    let found = summary(&bmg.lookup(4, json!({ "iin": IIN })).await);
    assert_eq!(found, json!({ "registered": true, "match": null }));
    let oracle = bmg.world.get("/control/oracle").await;
    assert_eq!((&oracle["mgov"]["requests"], &oracle["mgov"]["executed"]), (&json!(4), &json!(0)));
}

#[tokio::test]
async fn one_sending_is_one_sms_and_a_repeated_one_sends_again() {
    let bmg = Bmg::start().await;
    bmg.sms(1).await;
    assert_eq!((bmg.phone(IIN).await.len(), bmg.executed(1).await), (1, 1));
    bmg.sms(1).await;
    let phone = bmg.phone(IIN).await;
    assert_eq!((phone.len(), bmg.executed(1).await), (2, 2));
    assert_ne!(phone[0]["code"], phone[1]["code"]);
    let oracle = bmg.world.get("/control/oracle").await;
    let twice = json!([Uuid::from_u128(1)]);
    assert_eq!(oracle["mgov"]["executed_more_than_once"], twice);
    assert_eq!(phone[0]["purpose"], "SIM-KPSISU-CHECK");
    assert_eq!(phone[0]["request_number"], json!(Uuid::from_u128(1)));
    assert!(bmg.phone(OTHER_IIN).await.is_empty());
    let wrong = bmg.world.get("/control/phone/850100300013").await;
    assert_eq!(wrong["error"], "not an IIN");
}

#[tokio::test]
async fn d4_a_code_verifies_once_and_only_for_its_own_sending() {
    let bmg = Bmg::start().await;
    let first = bmg.sms(1).await;
    let second = bmg.sms(2).await;
    assert_ne!(first.digits, second.digits, "the seed gives two codes that differ");
    let crossed = bmg.verify(3, IIN, &first, &second.digits).await;
    assert_eq!(failure(&crossed), (Class::Refused, "code_wrong"));
    let stranger = bmg.verify(4, OTHER_IIN, &first, &first.digits).await;
    assert_eq!(failure(&stranger), (Class::Refused, "code_unknown"));
    let right = bmg.verify(5, IIN, &first, &first.digits).await;
    assert_eq!(summary(&right), json!({ "verified": true }));
    let again = bmg.verify(6, IIN, &first, &first.digits).await;
    assert_eq!(failure(&again), (Class::Refused, "code_used"));
    let right = bmg.verify(7, IIN, &second, &second.digits).await;
    assert_eq!(summary(&right), json!({ "verified": true }));
}

#[tokio::test]
async fn d4_a_job_without_its_code_sends_nothing() {
    let bmg = Bmg::start().await;
    let sms = bmg.sms(1).await;
    let input = json!({ "iin": IIN, "code_ref": sms.send });
    let none = bmg.attempt(bmg.call(&VERIFY_CODE, 2, input)).await;
    assert_eq!(failure(&none), (Class::Defect, "code_missing"));
    let other = Sms { send: Uuid::from_u128(9), otp_id: sms.otp_id.clone(), digits: String::new() };
    let input = json!({ "iin": IIN, "code_ref": other.send });
    let code =
        OneTimeCode { sent_by: sms.send, otp_id: sms.otp_id, digits: Personal::new(sms.digits) };
    let call = Call { code: Some(code), ..bmg.call(&VERIFY_CODE, 3, input) };
    let crossed = bmg.attempt(call).await;
    assert_eq!(failure(&crossed), (Class::Defect, "code_of_another_sending"));
    assert!(crossed.exchange.request.is_empty());
    assert_eq!(bmg.world.journal("mgov").await.len(), 1, "only the sending");
}

#[tokio::test]
async fn d5_three_wrong_attempts_use_a_code_up() {
    let bmg = Bmg::start().await;
    let sms = bmg.sms(1).await;
    let wrong = others(&sms.digits);
    for (id, left) in [(2, 2), (3, 1), (4, 0)] {
        let attempt = bmg.verify(id, IIN, &sms, &wrong).await;
        assert_eq!(failure(&attempt), (Class::Refused, "code_wrong"));
        let last = attempt.writes.last().unwrap();
        assert_eq!(last.values.expose()["attempts_left"], left);
        assert_eq!(bmg.executed(id).await, 1, "an attempt is gone");
    }
    let late = bmg.verify(5, IIN, &sms, &sms.digits).await;
    assert_eq!(failure(&late), (Class::Refused, "code_attempts_used_up"));
    assert_eq!(bmg.executed(5).await, 0);
}

#[tokio::test]
async fn d5_a_code_ends_by_business_time() {
    let bmg = Bmg::start().await;
    let (sms, early) = (bmg.sms(1).await, bmg.sms(2).await);
    bmg.world.clock.advance(SignedDuration::from_secs(299));
    let right = bmg.verify(3, IIN, &early, &early.digits).await;
    assert_eq!(summary(&right), json!({ "verified": true }));
    bmg.world.clock.advance(SignedDuration::from_secs(1));
    let late = bmg.verify(4, IIN, &sms, &sms.digits).await;
    assert_eq!(failure(&late), (Class::Refused, "code_expired"));
}

#[tokio::test]
async fn a_code_may_end_earlier_than_it_was_told() {
    let bmg = Bmg::start().await;
    bmg.world.order("mgov", "expires_early").await;
    let sms = bmg.sms(1).await;
    bmg.world.clock.advance(SignedDuration::from_secs(61));
    let late = bmg.verify(2, IIN, &sms, &sms.digits).await;
    assert_eq!(failure(&late), (Class::Refused, "code_expired"));
}

#[tokio::test]
async fn d6_a_lost_answer_after_sending_is_indeterminate_and_one_sms() {
    for (number, behaviour) in
        (1..).zip(["lost", "cut", "cut_by_reset", "html_ok", "garbage", "fault_after"])
    {
        let bmg = Bmg::start().await;
        bmg.world.order("mgov", behaviour).await;
        let attempt = bmg.send(number, "kpsisu.check", PATIENCE).await;
        assert_eq!(failure(&attempt).0, Class::Indeterminate, "{behaviour}");
        let phone = bmg.phone(IIN).await;
        assert_eq!((phone.len(), bmg.executed(number).await), (1, 1), "{behaviour}");
        let digits = phone[0]["code"].as_str().unwrap();
        let sms = Sms { send: Uuid::from_u128(number), otp_id: None, digits: digits.to_owned() };
        let proof = bmg.verify(100, IIN, &sms, digits).await;
        assert_eq!(summary(&proof), json!({ "verified": true }), "{behaviour}");
    }
}

#[tokio::test]
async fn d6_a_slow_answer_is_indeterminate_and_leaves_nothing_in_flight() {
    let bmg = Bmg::start().await;
    bmg.world.order("mgov", "slow").await;
    let attempt = bmg.send(1, "mzrk.check", SHORT).await;
    assert_eq!(failure(&attempt), (Class::Indeterminate, "timed_out"));
    bmg.world.until_quiet().await;
    assert_eq!(bmg.phone(IIN).await.len(), 1);
}

#[tokio::test]
async fn what_was_not_sent_leaves_no_sms_and_an_unknown_code() {
    for (behaviour, class) in [
        ("reset", Class::Indeterminate),
        ("server_error", Class::Indeterminate),
        ("html_bad_gateway", Class::Indeterminate),
        ("unknown_fault", Class::Indeterminate),
        ("unavailable", Class::Unreachable),
    ] {
        let bmg = Bmg::start().await;
        bmg.world.order("mgov", behaviour).await;
        let attempt = bmg.send(1, "kpsisu.check", PATIENCE).await;
        assert_eq!(failure(&attempt).0, class, "{behaviour}");
        assert_eq!((bmg.phone(IIN).await.len(), bmg.executed(1).await), (0, 0), "{behaviour}");
        let sms = Sms { send: Uuid::from_u128(1), otp_id: None, digits: String::new() };
        let guess = bmg.verify(2, IIN, &sms, "0000").await;
        assert_eq!(failure(&guess), (Class::Refused, "code_unknown"), "{behaviour}");
    }
}

#[tokio::test]
async fn answers_that_break_the_contract_are_not_taken() {
    for (behaviour, code) in [
        ("wrong_request_id", "other_request"),
        ("no_request_id", "other_request"),
        ("unknown_result", "unknown_result"),
        ("unknown_status", "unknown_status"),
        ("out_of_place", "result_out_of_place"),
        ("status_twice", "element_repeated"),
        ("broken_text", "payload_unreadable"),
        ("doctype", "answer_unreadable"),
    ] {
        let bmg = Bmg::start().await;
        for _ in 0..3 {
            bmg.world.order("mgov", behaviour).await;
        }
        let lookup = bmg.lookup(1, json!({ "iin": IIN })).await;
        assert_eq!(failure(&lookup), (Class::Contract, code), "{behaviour}");
        let send = bmg.send(2, "kpsisu.check", PATIENCE).await;
        assert_eq!(failure(&send), (Class::Indeterminate, code), "{behaviour}");
        let sms = Sms { send: Uuid::from_u128(2), otp_id: None, digits: String::new() };
        let verify = bmg.verify(3, IIN, &sms, "0000").await;
        assert_eq!(failure(&verify), (Class::Indeterminate, code), "{behaviour}");
        assert!(verify.writes.is_empty());
        assert_eq!(bmg.phone(IIN).await.len(), 1, "{behaviour}");
    }
    let bmg = Bmg::start().await;
    bmg.world.order("mgov", "contradiction").await;
    let lookup = bmg.lookup(1, json!({ "iin": IIN })).await;
    assert_eq!(failure(&lookup), (Class::Contract, "contradiction"));
}

#[tokio::test]
async fn a_sending_that_tells_too_little_is_open_and_one_that_tells_too_much_is_cut() {
    let bmg = Bmg::start().await;
    for (id, behaviour, code) in [
        (1, "no_code_id", "code_id_missing"),
        (2, "no_expiry", "expiry_unusable"),
        (3, "past_expiry", "expiry_unusable"),
        (4, "code_id_twice", "element_repeated"),
    ] {
        bmg.world.order("mgov", behaviour).await;
        let attempt = bmg.send(id, "kpsisu.check", PATIENCE).await;
        assert_eq!(failure(&attempt), (Class::Indeterminate, code), "{behaviour}");
    }
    assert_eq!(bmg.phone(IIN).await.len(), 4, "all of them were sent");
    bmg.world.order("mgov", "long_life").await;
    let told = summary(&bmg.send(5, "kpsisu.check", PATIENCE).await);
    assert_eq!(told, json!({ "expires_at": "2026-03-02T05:05:00Z" }));
    bmg.world.order("mgov", "no_sms").await;
    summary(&bmg.send(6, "kpsisu.check", PATIENCE).await);
    assert_eq!((bmg.phone(IIN).await.len(), bmg.executed(6).await), (5, 1));
}

#[tokio::test]
async fn a_counter_that_cannot_be_right_is_not_told() {
    let bmg = Bmg::start().await;
    let sms = bmg.sms(1).await;
    bmg.world.order("mgov", "wrong_counter").await;
    let attempt = bmg.verify(2, IIN, &sms, &others(&sms.digits)).await;
    assert_eq!(failure(&attempt), (Class::Refused, "code_wrong"));
    assert!(attempt.writes.is_empty());
}

#[tokio::test]
async fn who_is_not_registered_is_sent_no_code() {
    let bmg = Bmg::start().await;
    let input =
        json!({ "iin": NOT_IN_BMG, "check": "mzrk.check", "check_subject": "s", "lang": "kk" });
    let attempt = bmg.attempt(bmg.call(&SEND_CODE, 1, input)).await;
    assert_eq!(failure(&attempt), (Class::Refused, "not_registered"));
    assert!(bmg.phone(NOT_IN_BMG).await.is_empty());
    let write = &attempt.writes[0];
    let status = &write.values.expose()["status"];
    assert_eq!((write.record.name, status), ("hub.sms_code", &json!("failed")));
}

pub(crate) fn request(number: &str, fields: &str) -> String {
    format!(
        r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
            xmlns:typ="http://bip.bee.kz/SyncChannel/v10/Types"><soapenv:Header/><soapenv:Body>
        <typ:SendMessage><request><requestInfo><messageId>{number}</messageId>
        <serviceId>MCDB_SERVICE</serviceId><messageDate>2026-03-02T10:00:00.000+05:00</messageDate>
        <sender><senderId>hub</senderId></sender></requestInfo><requestData>
        <data xmlns="urn:sim:mcdb">{}</data></requestData></request>
        </typ:SendMessage></soapenv:Body></soapenv:Envelope>"#,
        fields.replace("{n}", number)
    )
}

pub(crate) const CHECK: &str =
    "<operation>CHECK</operation><requestId>{n}</requestId><uin>850100300012</uin>";

#[tokio::test]
async fn requests_as_the_notes_have_them_are_taken() {
    let bmg = Bmg::start().await;
    for n in 0..40 {
        let (status, bytes) = bmg.world.send("/mgov/", request(&format!("SIM-B-{n}"), CHECK)).await;
        let root = xml::parse(&bytes).unwrap();
        let data = root.at(&["Body", "SendMessageResponse", "response", "responseData", "data"]);
        let data = data.and_then(payload).unwrap();
        let found = (status, data.text_at(&["status"]), data.text_at(&["maskedPhone"]));
        assert_eq!(found, (200, "SIM-MATCH", "7700*****01"));
        assert_eq!(data.text_at(&["requestId"]), format!("SIM-B-{n}"));
    }
}

#[tokio::test]
async fn requests_that_break_the_contract_get_a_fault_that_says_why() {
    let world = World::start(vec![]).await;
    let verify = CHECK.replace("CHECK", "VERIFY") + "<otpId>1</otpId><code>0000</code>";
    let send = CHECK.replace("CHECK", "SEND") + "<purpose>SIM</purpose><lang>ru</lang>";
    for (fields, from, to, code) in [
        (CHECK, "SyncChannel/v10", "SyncChannel/v11", "SCE001"),
        (CHECK, "<senderId>hub</senderId>", "", "SCE001"),
        (CHECK, "MCDB_SERVICE", "MCDB_OTHER", "SCE004"),
        (CHECK, "urn:sim:mcdb", "urn:sim:other", "SCE001"),
        (CHECK, "<operation>CHECK", "<operation>ERASE", "SCE001"),
        (CHECK, "850100300012", "85010030001", "SCE001"),
        (CHECK, "</uin>", "</uin><phone>7700</phone>", "SCE001"),
        (CHECK, "<uin>", "<iin>1</iin><uin>", "SCE001"),
        (&verify, "<code>0000</code>", "<code>42</code>", "SCE001"),
        (&verify, "<code>0000</code>", "", "SCE001"),
        (&verify, "<otpId>", "<sendRequestId>1</sendRequestId><otpId>", "SCE001"),
        (&send, "<lang>ru</lang>", "<lang>en</lang>", "SCE001"),
        (&send, "<purpose>SIM</purpose>", "<purpose/>", "SCE001"),
    ] {
        let (status, bytes) = world.send("/mgov/", request("x", fields).replace(from, to)).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(status, 500, "{to}");
        assert!(text.contains(&format!("<errorCode>{code}</errorCode>")), "{to}: {text}");
    }
    assert_eq!(world.get("/control/state").await["requests"], 0);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_codes() {
    let mut runs = Vec::new();
    for seed in [11, 11, 12] {
        let world = World::with(vec![], seed, 0).await;
        let fields = CHECK.replace("CHECK", "SEND") + "<purpose>SIM</purpose><lang>ru</lang>";
        for n in 0..5 {
            world.send("/mgov/", request(&format!("n{n}"), &fields)).await;
        }
        runs.push(world.get(&format!("/control/phone/{IIN}")).await);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}
