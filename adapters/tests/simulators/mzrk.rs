//! MZ RK: the wire effect of each behaviour, and the story of a check through the real adapter.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use adapters::{
    attempt::{Answer, Attempt, Call, Interim, Outcome},
    settings::Settings,
    simulation::{Clock, Options, Simulation, guard::Hosts, shelf::Shelf, xml},
    system::{Adapter, System},
    systems::mzrk::{CHECK, Mzrk},
};
use contracts::{class::Failure, personal::Personal};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::world::{World, payload};

const CLEAR: &str = "850100300012";
const NARCOLOGICAL: &str = "900900300090";
const PSYCHIATRIC: &str = "880600400081";
const PEOPLE: [&str; 6] =
    [NARCOLOGICAL, CLEAR, "920300400029", "010500500032", "040800600045", "480200300055"];
const BOTH: &str = "<string>NARCOLOGY</string><string>PSYCHIATRY</string>";

pub(crate) fn request(number: &str, iin: &str) -> String {
    format!(
        r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
            xmlns:typ="http://bip.bee.kz/SyncChannel/v10/Types"><soapenv:Header/><soapenv:Body>
        <typ:SendMessage><request><requestInfo><messageId>{number}</messageId>
        <serviceId>sim.mz.dispensaryStatus</serviceId>
        <messageDate>2026-03-02T10:00:00.000+05:00</messageDate>
        <sender><senderId>hub</senderId></sender></requestInfo><requestData>
        <data xmlns:q1="urn:sim:mz:integra" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
            xsi:type="q1:IntegraRequest"><RequestType>Sim_DispensaryStatus</RequestType>
        <Sim_DispensaryStatusRequest><RequestId>{number}</RequestId><IIN>{iin}</IIN>
        <Registers>{BOTH}</Registers></Sim_DispensaryStatusRequest></data></requestData></request>
        </typ:SendMessage></soapenv:Body></soapenv:Envelope>"#
    )
}

/// A job that asks the simulation, attempt after attempt.
struct Check {
    adapter: Arc<dyn Adapter>,
    id: Uuid,
    iin: &'static str,
    carry: Value,
}

impl Check {
    fn new(world: &World, nth: u128, iin: &'static str) -> Self {
        let settings = Settings::for_url(&world.url("/mzrk/"));
        let adapter = Mzrk.connect(&settings).unwrap();
        let id = Uuid::from_u128(0x0193_9f2e_0000_7000_8000_0000_0000_0000 + nth);
        Self { adapter, id, iin, carry: Value::Null }
    }

    /// The next questions of this job meet a behaviour.
    async fn order(&self, world: &World, behaviour: &str, count: u32) {
        let order = json!({
            "system": "mzrk", "behaviour": behaviour, "count": count, "request_number": self.id,
        });
        let (status, answer) = world.post("/control/next", order).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn attempt(&self, limit: Duration) -> Attempt {
        let now = "2026-03-02T05:00:00Z".parse().unwrap();
        let first = Call::first(&CHECK, self.id, json!({ "iin": self.iin }), now, limit);
        let call = Call { carry: Personal::new(self.carry.clone()), ..first };
        self.adapter.attempt(&call).await
    }

    async fn ask(&self) -> Outcome {
        self.attempt(Duration::from_secs(20)).await.outcome
    }

    async fn failure(&self) -> Failure {
        match self.ask().await {
            Outcome::Failed(failure) => failure,
            other @ (Outcome::Answered(_)
            | Outcome::Acknowledged(_)
            | Outcome::Interim(_)
            | Outcome::NotDone) => panic!("{other:?}"),
        }
    }

    async fn answer(&self) -> Answer {
        match self.ask().await {
            Outcome::Answered(answer) => answer,
            other @ (Outcome::Acknowledged(_)
            | Outcome::Interim(_)
            | Outcome::NotDone
            | Outcome::Failed(_)) => panic!("{other:?}"),
        }
    }

    /// Takes over what the next attempt must know.
    async fn interim(&mut self) -> Interim {
        match self.ask().await {
            Outcome::Interim(interim) => {
                self.carry = interim.carry.expose().clone();
                interim
            }
            other @ (Outcome::Answered(_)
            | Outcome::Acknowledged(_)
            | Outcome::NotDone
            | Outcome::Failed(_)) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn synthetic_persons_meet_what_the_table_says() {
    let world = World::start(vec![]).await;
    for (nth, (iin, verdict)) in
        [(CLEAR, "clear"), (PSYCHIATRIC, "found"), ("791100300079", "clear")]
            .into_iter()
            .enumerate()
    {
        let answer = Check::new(&world, nth as u128, iin).answer().await;
        assert_eq!(Value::Object(answer.summary), json!({ "verdict": verdict }), "{iin}");
    }
    let failure = Check::new(&world, 9, "700700300061").failure().await;
    assert_eq!((failure.class.name(), failure.code.name()), ("refused", "person_not_known"));
    assert!(failure.reason.is_some());
}

#[tokio::test]
async fn d8_a_record_waits_for_the_other_register_and_only_that_one_is_asked_again() {
    let world = World::start(vec![]).await;
    let mut all_questions = BTreeSet::new();
    for (nth, iin) in PEOPLE.into_iter().enumerate() {
        let mut check = Check::new(&world, nth as u128, iin);
        if iin != NARCOLOGICAL {
            check.order(&world, "partial", 3).await;
        }
        let first = check.interim().await;
        assert_eq!(first.summary["missing"], json!(["psychiatry"]));
        assert_eq!(first.carry.expose()["narcology"], json!(iin == NARCOLOGICAL));
        let mut questions = 1;
        let verdict = loop {
            questions += 1;
            let attempt = check.attempt(Duration::from_secs(20)).await;
            let sent = String::from_utf8(attempt.exchange.request.to_vec()).unwrap();
            assert!(sent.contains("<Registers><string>PSYCHIATRY</string></Registers>"), "{sent}");
            match attempt.outcome {
                Outcome::Answered(answer) => break answer.summary["verdict"].clone(),
                Outcome::Interim(interim) => check.carry = interim.carry.into_exposed(),
                other @ (Outcome::Acknowledged(_) | Outcome::NotDone | Outcome::Failed(_)) => {
                    panic!("{other:?}")
                }
            }
        };
        assert_eq!(verdict, if iin == NARCOLOGICAL { "found" } else { "clear" });
        all_questions.insert(questions);
    }
    assert_eq!(all_questions, BTreeSet::from([2, 3]), "which one depends on the person");
    let again = Check::new(&world, 99, NARCOLOGICAL).interim().await;
    assert_eq!(again.carry.expose()["narcology"], json!(true), "a new job starts anew");
}

#[tokio::test]
async fn d8_a_register_that_never_answers_never_gives_a_verdict() {
    let world = World::start(vec![]).await;
    for (nth, behaviour) in
        ["partial_forever", "partial_silent", "other_register"].into_iter().enumerate()
    {
        let mut check = Check::new(&world, nth as u128, CLEAR);
        check.order(&world, behaviour, 8).await;
        for question in 1..=8 {
            let interim = check.interim().await;
            assert_eq!(interim.summary.is_empty(), question > 1, "{behaviour}");
            let carry = json!({ "narcology": false, "partial_answers": question });
            assert_eq!(check.carry, carry, "{behaviour}");
        }
    }
    world.order("mzrk", "all_down").await;
    let failure = Check::new(&world, 50, CLEAR).failure().await;
    assert_eq!(
        (failure.class.name(), failure.code.name()),
        ("unreachable", "register_unavailable")
    );
}

#[tokio::test]
async fn d9_no_broken_answer_becomes_a_verdict() {
    let world = World::start(vec![]).await;
    for (nth, (behaviour, class, code)) in [
        ("bad_request", "contract", "status_400"),
        ("internal_error", "unreachable", "status_500"),
        ("not_implemented", "denied", "status_501"),
        ("unknown_status_code", "contract", "unknown_status_code"),
        ("unknown_status", "contract", "unknown_status"),
        ("no_response", "contract", "no_response"),
        ("other_operation", "contract", "other_operation"),
        ("wrong_person", "contract", "other_person"),
        ("wrong_request_id", "contract", "other_request"),
        ("contradiction", "contract", "contradiction"),
        ("other_text", "contract", "contradiction"),
        ("duplicate_register", "contract", "register_repeated"),
        ("error_and_account", "contract", "contradiction"),
        ("unknown_register", "contract", "unknown_register"),
        ("unknown_error", "contract", "unknown_error"),
        ("no_on_record", "contract", "on_record_unreadable"),
        ("odd_on_record", "contract", "on_record_unreadable"),
        ("server_error", "unreachable", "server_error"),
        ("reset", "unreachable", "connection_cut"),
        ("html_ok", "contract", "answer_unreadable"),
        ("html_bad_gateway", "unreachable", "server_error"),
        ("unavailable", "unreachable", "fault"),
        ("unknown_fault", "contract", "fault"),
        ("cut", "unreachable", "connection_cut"),
        ("cut_by_reset", "unreachable", "connection_cut"),
        ("garbage", "contract", "answer_unreadable"),
        ("broken_text", "contract", "payload_unreadable"),
        ("doctype", "contract", "answer_unreadable"),
        ("oversize", "contract", "answer_too_large"),
        ("oversize_announced", "contract", "answer_too_large"),
    ]
    .into_iter()
    .enumerate()
    {
        world.order("mzrk", behaviour).await;
        let failure = Check::new(&world, nth as u128, CLEAR).failure().await;
        assert_eq!((failure.class.name(), failure.code.name()), (class, code), "{behaviour}");
    }
}

#[tokio::test]
async fn d11_a_diagnosis_is_in_the_sealed_exchange_only() {
    let world = World::start(vec![]).await;
    world.order("mzrk", "diagnosis").await;
    let check = Check::new(&world, 1, CLEAR);
    let attempt = check.attempt(Duration::from_secs(20)).await;
    let raw = String::from_utf8_lossy(&attempt.exchange.response).into_owned();
    assert!(raw.contains("SIM-F00.0"), "it was sent");
    let Outcome::Answered(answer) = attempt.outcome else { panic!("{:?}", attempt.outcome) };
    assert_eq!(*answer.portal.expose(), answer.summary);
    assert_eq!(Value::Object(answer.summary), json!({ "verdict": "found" }));
}

#[tokio::test]
async fn every_good_behaviour_gives_its_verdict_in_every_form() {
    let world = World::start(vec![]).await;
    let mut nth = 0;
    for (behaviour, verdict) in [
        ("clear", "clear"),
        ("flags_only", "clear"),
        ("numeric_flags", "clear"),
        ("reordered", "clear"),
        ("psychiatric_record", "found"),
        ("narcological_record", "found"),
        ("both_records", "found"),
    ] {
        // The form is drawn for each request; eight of them are met in forty.
        for _ in 0..40 {
            nth += 1;
            world.order("mzrk", behaviour).await;
            let answer = Check::new(&world, nth, CLEAR).answer().await;
            assert_eq!(answer.summary["verdict"], verdict, "{behaviour} {nth}");
        }
    }
}

#[tokio::test]
async fn slow_outlives_a_deadline() {
    let world = World::start(vec![]).await;
    let check = Check::new(&world, 1, "770700300113");
    let outcome = check.attempt(Duration::from_millis(300)).await.outcome;
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!((failure.class.name(), failure.code.name()), ("unreachable", "timed_out"));
    world.until_quiet().await;
    assert_eq!(world.journal("mzrk").await[0]["outcome"], "slow");
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-03-02T05:00:00Z".parse().unwrap()
    }
}

#[tokio::test]
async fn a_register_that_thinks_longer_than_the_limit_of_silence_is_waited_for() {
    let simulation = Simulation::new(Options {
        clock: Arc::new(Still),
        seed: 7,
        push_urls: vec![],
        fault_permille: 0,
        latency: Duration::from_millis(300),
        shelf: Shelf::default(),
        is_plain: false,
        hosts: Hosts::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mzrk/", listener.local_addr().unwrap());
    let serving = tokio::spawn(adapters::simulation::serve(listener, simulation));
    let settings = Settings { read_timeout_ms: 50, ..Settings::for_url(&url) };
    let now = Still.now();
    let limit = Duration::from_secs(20);
    let call = Call::first(&CHECK, Uuid::from_u128(1), json!({ "iin": CLEAR }), now, limit);
    let attempt = Mzrk.connect(&settings).unwrap().attempt(&call).await;
    assert!(matches!(attempt.outcome, Outcome::Answered(_)), "{:?}", attempt.outcome);
    serving.abort();
}

#[tokio::test]
async fn requests_that_break_the_contract_get_a_fault_that_says_why() {
    let world = World::start(vec![]).await;
    let good = request("x", CLEAR);
    for (from, to, code) in [
        ("SyncChannel/v10", "SyncChannel/v11", "SCE001"),
        ("<senderId>hub</senderId>", "", "SCE001"),
        ("sim.mz.dispensaryStatus", "sim.mz.other", "SCE004"),
        ("q1:IntegraRequest", "q1:IntegraResponse", "SCE001"),
        ("xsi:type=\"q1:IntegraRequest\"", "", "SCE001"),
        ("urn:sim:mz:integra", "urn:sim:mz:other", "SCE001"),
        (">Sim_DispensaryStatus<", ">Sim_VaccinationStatus<", "SCE001"),
        ("<RequestId>x</RequestId>", "", "SCE001"),
        (BOTH, "", "SCE001"),
        (BOTH, "<string>NARCOLOGY</string><string>NARCOLOGY</string>", "SCE001"),
        (BOTH, "<string>TUBERCULOSIS</string>", "SCE001"),
        (BOTH, "<name>NARCOLOGY</name>", "SCE001"),
        (CLEAR, "85010030001", "SCSE002"),
        ("<soapenv:Envelope", "<!DOCTYPE a><soapenv:Envelope", "SCE001"),
    ] {
        let (status, bytes) = world.send("/mzrk/", good.replace(from, to)).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(status, 500, "{from}");
        assert!(text.contains(&format!("<errorCode>{code}</errorCode>")), "{from}: {text}");
    }
    assert_eq!(world.get("/control/state").await["requests"], 0);
    let token = good.replace("</Registers>", "</Registers><ConsentToken>SIM</ConsentToken>");
    let (status, bytes) = world.send("/mzrk/", token).await;
    let root = xml::parse(&bytes).unwrap();
    let data = root.at(&["Body", "SendMessageResponse", "response", "responseData", "data"]);
    let told = data.and_then(payload).unwrap();
    assert_eq!((status, told.text_at(&["ResponseInfo", "StatusCode"])), (200, "200"));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_outcomes() {
    let mut runs = Vec::new();
    for seed in [11, 11, 12] {
        let world = World::with(vec![], seed, 0).await;
        let mut answers = Vec::new();
        for n in 0..60 {
            let body = request(&format!("n{n}"), &format!("6601003{n:04}0"));
            answers.push(world.send("/mzrk/", body).await);
        }
        runs.push(answers);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}
