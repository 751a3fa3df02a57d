//! Real traffic of the simulators about a person under test, of each system.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use adapters::{
    attempt::Call,
    recording::{self, Raw, RawJob},
    replay::Engine,
    simulation::{Clock, Options, Simulation, guard::Hosts, shelf::Shelf},
    systems,
};
use contracts::{
    number::{Bin, Iin},
    s10::TrackNumber,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::known::wish;

/// A person who meets no listed behaviour, and everything that we know of him.
const IIN_SERIAL: u32 = 70_123;
const JOB: Uuid = Uuid::from_u128(0x0199_a2c4_8b7e_7d31_a5f0_6c2e_91d4_b873);

struct Still(Mutex<Timestamp>);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("free")
    }
}

fn iin() -> String {
    Iin::synthetic(IIN_SERIAL).expose().to_owned()
}

/// Operation, input, and the simulator's behaviour where it is not left to the number.
fn jobs() -> Vec<(&'static str, Value, &'static str)> {
    let address = json!({ "postcode": "010017", "city": "Костанай", "street": "Байтурсынова", "house": "47" });
    let label = json!({
        "order_number": "88217", "order_status": "reserved", "delivery_method": "courier",
        "order_kind": "assistive_goods", "weight_g": 250,
        "recipient": { "iin": iin(), "name": "АХМЕТОВ ДАУЛЕТ", "phone": "+77013456789", "address": address },
        "sender": { "bin": "990140000007", "name": "ТОО «Жетысу»", "phone": "87029876543", "address": address },
    });
    vec![
        ("gbdfl.person", json!({ "iin": iin() }), "found"),
        ("gbdul.organization", json!({ "bin": "100540000008" }), ""),
        ("realestate.properties", json!({ "iin": "750500300132" }), ""),
        ("kpsisu.check", json!({ "iin": iin() }), ""),
        ("mzrk.check", json!({ "iin": iin() }), ""),
        ("mgov.lookup", json!({ "iin": iin(), "phone": "77013456789" }), ""),
        ("kazpost.label", label, ""),
    ]
}

/// Every value in a job, and names that the simulators know.
fn values(input: &Value, found: &mut Vec<String>) {
    match input {
        Value::Object(all) => all.values().for_each(|value| values(value, found)),
        Value::Array(all) => all.iter().for_each(|value| values(value, found)),
        Value::String(text)
            if text.chars().count() > 3 && text != "reserved" && text != "courier" =>
        {
            found.push(text.clone());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Numbers in what was written that are not of the form that they should be.
fn wrong_numbers(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_twelve = |word: &str| word.len() == 12 && word.bytes().all(|b| b.is_ascii_digit());
    let wrong = words.filter(|word| {
        let is_track = word.len() == 13 && word.ends_with("KZ");
        (is_twelve(word)
            && !word.starts_with("3f0c")
            && word.parse::<Iin>().is_err()
            && word.parse::<Bin>().is_err())
            || (is_track && word.parse::<TrackNumber>().is_err())
    });
    wrong.filter(|word| *word != "000000000001").map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_case_of_each_system_holds_no_value_of_the_original_person() {
    let now: Timestamp = "2026-03-02T05:00:00Z".parse().expect("an instant");
    let simulation = Simulation::new(Options {
        clock: Arc::new(Still(Mutex::new(now))) as _,
        seed: 7,
        push_urls: Vec::new(),
        fault_permille: 0,
        latency: Duration::ZERO,
        shelf: Shelf::default(),
        is_plain: false,
        hosts: Hosts::default(),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = tokio::spawn(adapters::simulation::serve(listener, simulation));
    let engine = Engine::open(&super::known::systems()).expect("opens");
    for (name, input, behaviour) in jobs() {
        let all = systems::all();
        let system = all.iter().find(|one| name.starts_with(one.spec().name)).expect("registered");
        let operation =
            system.spec().operations.iter().find(|one| one.name == name).expect("known");
        let adapter = super::known::connect(system.as_ref(), &url);
        if !behaviour.is_empty() {
            let order = json!({ "system": system.spec().name, "behaviour": behaviour });
            let client = reqwest_client().post(format!("{url}/control/next"));
            let client = client.header("content-type", "application/json");
            let ordered = client.body(order.to_string()).send().await.expect("answers");
            assert!(ordered.status().is_success(), "{name}: no behaviour {behaviour}");
        }
        let limit = Duration::from_secs(30);
        let call = Call {
            subject: "person:4711".to_owned(),
            ..Call::first(operation, JOB, input.clone(), now, limit)
        };
        let attempt = adapter.attempt(&call).await;
        let mut originals = vec![JOB.to_string(), "person:4711".to_owned()];
        values(&input, &mut originals);
        originals.retain(|value| value != "990140000007" && value != "assistive_goods");
        let raw = Raw {
            operation: name.to_owned(),
            job: Some(RawJob {
                id: JOB,
                subject: "person:4711".to_owned(),
                input,
                ..RawJob::default()
            }),
            request: attempt.exchange.request.to_vec(),
            response: attempt.exchange.response.to_vec(),
            status: attempt.exchange.status,
            captured: now,
        };
        assert!(!raw.response.is_empty(), "{name}: {attempt:?}");
        let scratch = tempfile::tempdir().expect("a folder");
        let recorded =
            recording::record(&engine, &raw, &wish(scratch.path(), "recorded", 11)).await;
        let recorded = recorded.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert!(recorded.report.holds());
        let written: String = recorded
            .files
            .iter()
            .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
            .collect();
        for value in &originals {
            assert!(
                !written.to_uppercase().contains(&value.to_uppercase()),
                "{name} holds {value}"
            );
        }
        assert_eq!(wrong_numbers(&written), Vec::<String>::new(), "{name}");
    }
    serving.abort();
}

fn reqwest_client() -> reqwest::Client {
    adapters::transport::http::install_tls();
    #[expect(clippy::disallowed_methods, reason = "a test talks to a simulator")]
    reqwest::Client::new()
}
