//! The real-estate register: what the real adapter learns from each behaviour, and the wire.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use adapters::{
    attempt::{Answer, Attempt, Call, Outcome},
    settings::Settings,
    system::Adapter,
    systems,
};
use contracts::{class::Failure, operation::OperationSpec};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{PATIENCE, World};

const ENCUMBERED: &str = "750500300132";
const NOTHING: &str = "831200400128";
const COMPANY: &str = "100540000008";
const SHORT: Duration = Duration::from_millis(300);

pub(crate) fn request(number: &str, owner: &str) -> String {
    let is_person = owner.as_bytes()[4] < b'4';
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
        <t:SendMessage xmlns:t="http://bip.bee.kz/SyncChannel/v10/Types"><request><requestInfo>
        <messageId>{number}</messageId><serviceId>sim.rn.rightsByIinBin</serviceId>
        <messageDate>2026-03-02T10:00:00.000+05:00</messageDate>
        <sender><senderId>hub</senderId></sender></requestInfo><requestData><data>
        <n:Request xmlns:n="urn:sim:egkn:rightsbyiinbin"><SystemInfo>
        <RequestNumber>{number}</RequestNumber><ChainId>{number}</ChainId>
        <RequestDate>2026-03-02T10:00:00.000+05:00</RequestDate></SystemInfo><BusinessData>
        <IINBIN>{owner}</IINBIN><IsFl>{is_person}</IsFl><ActualOnly>true</ActualOnly>
        </BusinessData></n:Request></data></requestData></request></t:SendMessage></s:Body>
        </s:Envelope>"#
    )
}

/// The adapter, and what it can be asked.
fn adapter(world: &World) -> (&'static OperationSpec, Arc<dyn Adapter>) {
    let all = systems::all();
    let system = all.iter().find(|one| one.spec().name == "realestate").unwrap();
    let settings = Settings::for_url(&world.url("/realestate/"));
    (system.spec().operations[0], system.connect(&settings).unwrap())
}

async fn attempt(world: &World, number: u128, input: Value, limit: Duration) -> Attempt {
    let (operation, adapter) = adapter(world);
    let now = world.simulation.now();
    adapter.attempt(&Call::first(operation, Uuid::from_u128(number), input, now, limit)).await
}

async fn asked(world: &World, number: u128, owner: &str) -> Result<Answer, Failure> {
    let kind = if owner.as_bytes()[4] < b'4' { "iin" } else { "bin" };
    match attempt(world, number, json!({ kind: owner }), PATIENCE).await.outcome {
        Outcome::Answered(answer) => Ok(answer),
        Outcome::Failed(failure) => Err(failure),
        other @ (Outcome::Acknowledged(_) | Outcome::Interim(_) | Outcome::NotDone) => {
            panic!("{other:?}")
        }
    }
}

#[tokio::test]
async fn d12_the_owners_of_the_contract_have_what_it_says() {
    let world = World::start(vec![]).await;
    for n in 0..20 {
        let answer = asked(&world, n, NOTHING).await.unwrap();
        assert_eq!(answer.summary["found"], json!(0));
        assert!(answer.rows.expose().is_empty());
    }
    for n in 20..40 {
        let answer = asked(&world, n, ENCUMBERED).await.unwrap();
        let rows = answer.rows.into_exposed();
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row["object_type"].as_str(), row["area_unit"].as_str()))
            .collect();
        assert_eq!(told, [(Some("premises"), Some("m2")), (Some("land_plot"), Some("ha"))]);
        let burdens = rows[0]["encumbrances"].as_array().unwrap();
        let codes: Vec<_> = burdens.iter().map(|one| one["type"]["code"].as_str()).collect();
        assert_eq!(codes, [Some("SIM-PLEDGE"), Some("SIM-ARREST")]);
        assert_eq!(rows[1]["encumbrances"], json!([]));
        assert_eq!(rows[0]["rights"][0]["share"], json!("1/2"));
    }
}

#[tokio::test]
async fn d14_a_company_has_two_addresses_that_a_courier_can_be_sent_to() {
    let world = World::start(vec![]).await;
    let answer = asked(&world, 1, COMPANY).await.unwrap();
    assert_eq!(answer.summary["pickup_addresses"], json!(2));
    let codes: BTreeSet<_> = answer.rows.expose().iter().map(|row| row["rka"].as_str()).collect();
    assert_eq!(codes.len(), 2, "two different addresses");
}

#[tokio::test]
async fn d12_no_spoilt_answer_reads_as_no_property_or_as_somebody_elses() {
    let world = World::start(vec![]).await;
    for (n, (behaviour, class, code)) in [
        ("other_owner", "contract", "other_owner"),
        ("right_without_owner", "contract", "right_without_owner"),
        ("no_id", "contract", "object_without_id"),
        ("clashing_objects", "contract", "objects_differ"),
        ("broken_date", "contract", "date_unreadable"),
        ("too_many", "contract", "too_many_objects"),
        ("no_objects", "contract", "no_objects"),
        ("nil_objects", "contract", "no_objects"),
        ("foreign_objects", "contract", "objects_unreadable"),
        ("result_001", "contract", "unknown_result"),
        ("result_40", "contract", "unknown_result"),
        ("unknown_result", "contract", "unknown_result"),
        ("unknown_status", "contract", "unknown_status"),
        ("status_not_found", "contract", "unknown_status"),
        ("wrong_request_number", "contract", "other_request"),
        ("broken_text", "contract", "payload_unreadable"),
        ("doctype", "contract", "answer_unreadable"),
        ("html_ok", "contract", "answer_unreadable"),
        ("garbage", "contract", "answer_unreadable"),
        ("oversize", "contract", "answer_too_large"),
        ("oversize_announced", "contract", "answer_too_large"),
        ("unknown_fault", "contract", "fault"),
        ("unavailable", "unreachable", "fault"),
        ("server_error", "unreachable", "server_error"),
        ("html_bad_gateway", "unreachable", "server_error"),
        ("reset", "unreachable", "connection_cut"),
        ("cut", "unreachable", "connection_cut"),
        ("cut_by_reset", "unreachable", "connection_cut"),
    ]
    .into_iter()
    .enumerate()
    {
        for (owner, half) in [(NOTHING, 0), (COMPANY, 1)] {
            world.order("realestate", behaviour).await;
            let number = 2 * n as u128 + half;
            let failure = asked(&world, number, owner).await.expect_err(behaviour);
            assert_eq!((failure.class.name(), failure.code.name()), (class, code), "{behaviour}");
        }
    }
    let journal = world.journal("realestate").await;
    let lost = |entry: &&Value| entry["executed"] == true && entry["acknowledged"] == false;
    assert_eq!(journal.iter().filter(lost).count(), 2 * 6, "{journal:?}");
}

#[tokio::test]
async fn flawed_and_untidy_answers_are_taken_as_far_as_they_go() {
    let world = World::start(vec![]).await;
    let plain = asked(&world, 1, ENCUMBERED).await.unwrap();
    for (n, behaviour) in
        ["other_spelling", "doubled_object", "no_request_number"].iter().enumerate()
    {
        world.order("realestate", behaviour).await;
        let answer = asked(&world, 10 + n as u128, ENCUMBERED).await.unwrap();
        assert_eq!(answer.rows.expose(), plain.rows.expose(), "{behaviour}");
    }
    world.order("realestate", "untidy").await;
    let untidy = asked(&world, 20, ENCUMBERED).await.unwrap().rows.into_exposed();
    assert_eq!(untidy[0]["encumbrances"].as_array().map(Vec::len), Some(2));
    assert_eq!(untidy[0]["rights"], plain.rows.expose()[0]["rights"]);
    for (n, (behaviour, flaws, is_pickup)) in [
        ("short_rka", json!(["rka_malformed"]), false),
        ("comma_area", json!(["area_malformed"]), true),
        ("no_address", json!([]), false),
    ]
    .into_iter()
    .enumerate()
    {
        world.order("realestate", behaviour).await;
        let answer = asked(&world, 30 + n as u128, ENCUMBERED).await.unwrap();
        let rows = answer.rows.into_exposed();
        assert_eq!(rows[0]["flaws"], flaws, "{behaviour}");
        assert_eq!(rows[0]["pickup_address"], json!(is_pickup), "{behaviour}");
        assert_eq!(rows[1]["pickup_address"], json!(true), "{behaviour}");
    }
}

#[tokio::test]
async fn a_former_right_is_told_only_where_it_is_asked_for() {
    let world = World::start(vec![]).await;
    for (actual_only, found, pickups) in [(true, 2, 2), (false, 3, 0)] {
        let input = json!({ "bin": COMPANY, "actual_only": actual_only });
        let attempt = attempt(&world, 1, input, PATIENCE).await;
        let Outcome::Answered(answer) = attempt.outcome else { panic!("{attempt:?}") };
        assert_eq!(answer.summary["found"], json!(found));
        assert_eq!(answer.summary["pickup_addresses"], json!(pickups));
    }
}

#[tokio::test]
async fn a_silent_register_is_not_waited_for_beyond_the_limit() {
    let world = World::start(vec![]).await;
    for behaviour in ["slow", "silent"] {
        world.order("realestate", behaviour).await;
        let lost = attempt(&world, 1, json!({ "iin": ENCUMBERED }), SHORT).await;
        let Outcome::Failed(failure) = lost.outcome else { panic!("{lost:?}") };
        assert_eq!((failure.class.name(), failure.code.name()), ("unreachable", "timed_out"));
    }
    world.until_quiet().await;
}

#[tokio::test]
async fn owners_who_are_not_listed_have_none_to_five_objects_always_the_same() {
    let world = World::start(vec![]).await;
    let mut counts = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for n in 0..60 {
        let iin = contracts::number::Iin::synthetic(n).expose().to_owned();
        let first = asked(&world, 2 * u128::from(n), &iin).await.unwrap();
        let again = asked(&world, 2 * u128::from(n) + 1, &iin).await.unwrap();
        assert_eq!(first.rows.expose(), again.rows.expose(), "{iin}");
        counts.insert(first.rows.expose().len());
        for row in first.rows.expose() {
            kinds.insert(row["object_type"].as_str().unwrap().to_owned());
            let rights = row["rights"].as_array().unwrap();
            assert!(rights.iter().any(|right| right["is_requested_person"] == true));
        }
    }
    assert!(counts.is_superset(&BTreeSet::from([0, 1, 5])), "{counts:?}");
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

#[tokio::test]
async fn one_answer_is_written_in_every_form_and_read_alike() {
    let world = World::start(vec![]).await;
    let mut forms = BTreeSet::new();
    let mut answers = Vec::new();
    for n in 0..120 {
        let attempt = attempt(&world, n, json!({ "bin": COMPANY }), PATIENCE).await;
        let text = String::from_utf8(attempt.exchange.response.to_vec()).unwrap();
        let Outcome::Answered(answer) = attempt.outcome else { panic!("{n}: {text}") };
        answers.push(answer.rows.into_exposed());
        forms.insert(match &text {
            text if text.starts_with('\u{feff}') => "bom",
            text if text.contains("SOAP-ENV") && text.contains("<egkn:Response") => "prefixes",
            text if text.contains("<data><![CDATA[") => "cdata",
            text if text.contains("<![CDATA[") => "two nodes",
            text if text.contains("&lt;?xml") => "escaped",
            text if text.contains("<ns4:data") => "namespaced",
            text if text.contains("<!-- simulated -->") => "pretty",
            _ => "canonical",
        });
    }
    assert_eq!(forms.len(), 8, "{forms:?}");
    assert!(answers.iter().all(|rows| *rows == answers[0]));
}

#[tokio::test]
async fn requests_that_break_the_contract_get_a_fault_that_says_why() {
    let world = World::start(vec![]).await;
    let good = request("x", COMPANY);
    let (status, _) = world.send("/realestate/", good.clone()).await;
    assert_eq!(status, 200);
    for (from, to, code) in [
        ("SyncChannel/v10", "SyncChannel/v11", "SCE001"),
        ("<senderId>hub</senderId>", "", "SCE001"),
        ("sim.rn.rightsByIinBin", "sim.rn.other", "SCE004"),
        ("urn:sim:egkn:rightsbyiinbin", "urn:sim:egkn:other", "SCE001"),
        ("<RequestNumber>x</RequestNumber>", "", "SCE001"),
        (
            "<IsFl>false</IsFl><ActualOnly>true</ActualOnly>",
            "<ActualOnly>true</ActualOnly>",
            "SCSE002",
        ),
        ("<IsFl>false", "<IsFl>true", "SCSE002"),
        ("<ActualOnly>true", "<ActualOnly>yes", "SCE001"),
        (COMPANY, "10054000000", "SCSE002"),
        ("<IINBIN>", "<Surprise/><IINBIN>", "SCE001"),
        ("<BusinessData>", "<BusinessData xmlns=\"urn:sim:egkn:rightsbyiinbin\">", "SCE001"),
        ("<s:Body>", "<s:Body", "SCE001"),
    ] {
        assert!(good.contains(from), "{from}");
        let (status, bytes) = world.send("/realestate/", good.replace(from, to)).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(status, 500, "{from}");
        assert!(text.contains(&format!("<errorCode>{code}</errorCode>")), "{from}: {text}");
    }
    assert_eq!(world.get("/control/state").await["requests"], 1);
}
