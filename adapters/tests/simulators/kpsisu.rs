//! KPSiSU: acknowledgements, answers in business time, and the journal.

use adapters::simulation::xml;
use jiff::SignedDuration;
use serde_json::json;

use crate::world::{Hub, Push, World};

pub(crate) const CLEAR: &str = "850100300012";

pub(crate) fn request(number: &str, iin: &str) -> String {
    format!(
        r#"<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>
        <ns:sendMessage xmlns:ns="http://bip.bee.kz/AsyncChannel/v10/Types"><request><messageInfo>
        <serviceId>sim.kpsisu.criminalRecord</serviceId><messageType>REQUEST</messageType>
        <messageDate>2026-03-02T10:00:00.000+05:00</messageDate>
        <sender><senderId>hub</senderId></sender></messageInfo><messageData><data>
        <requestMessage xmlns="urn:sim:kpsisu"><SystemInfo><RequestNumber>{number}</RequestNumber>
        <ChainId>{number}</ChainId><RequestDate>2026-03-02T10:00:00.000+05:00</RequestDate>
        </SystemInfo><RequestData><RequestorBIN>990140000007</RequestorBIN><Purpose>SIM</Purpose>
        <Person><IIN>{iin}</IIN></Person></RequestData></requestMessage></data></messageData>
        </request></ns:sendMessage></soap:Body></soap:Envelope>"#
    )
}

pub(crate) async fn ask(world: &World, number: &str, iin: &str) -> Result<(u16, Vec<u8>), String> {
    let call = world.client.post(world.url("/kpsisu/")).body(request(number, iin));
    let response = call.send().await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    Ok((status, response.bytes().await.map_err(|error| error.to_string())?.to_vec()))
}

/// messageId and correlationId of an acknowledgement.
pub(crate) async fn acknowledged(world: &World, number: &str, iin: &str) -> (String, String) {
    let (status, bytes) = ask(world, number, iin).await.unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    let root = xml::parse(&bytes).unwrap();
    let response = root.at(&["Body", "sendMessageResponse", "response"]).unwrap();
    let text = |name| response.text_at(&[name]).to_owned();
    (text("messageId"), text("correlationId"))
}

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

#[tokio::test]
async fn an_answer_is_pushed_when_business_time_reaches_it() {
    let hub = Hub::start().await;
    let world = World::start(vec![hub.url.clone()]).await;
    let (message, chain) = acknowledged(&world, "n1", CLEAR).await;
    assert!(message.parse::<u64>().is_ok() && chain.parse::<u64>().is_ok());
    let state = world.until_quiet().await;
    assert_eq!((hub.count(), state["next_due"].as_str()), (0, Some("2026-03-02T05:10:00Z")));
    world.clock.advance(minutes(10));
    let push = &hub.pushes(1).await[0];
    assert_eq!(push.info("correlationId"), chain);
    assert_eq!((push.info("messageType"), push.code()), ("RESPONSE", "2"));
    assert_eq!(push.data("IIN"), CLEAR);
    let system = push.payload.as_ref().unwrap();
    assert_eq!(system.text_at(&["SystemInfo", "RequestNumber"]), "n1");
    assert_eq!(push.info.text_at(&["sender", "senderId"]), "kpsisu");
    assert_eq!(push.info.text_at(&["sender", "password"]).len(), 64);
    assert!(push.info.at(&["sender", "sessionId"]).is_some());
    assert!(push.text.contains("mustUnderstand=\"1\"") && push.text.contains("wsse:Id"));
    world.until_quiet().await;
    let entry = &world.journal("kpsisu").await[0];
    assert_eq!(entry["executed_count"], 1);
    let counts = ["answered", "pushes", "delivered"].map(|name| entry[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1], "{entry}");
    assert!(!entry.to_string().contains(CLEAR));
}

#[tokio::test]
async fn each_behaviour_sends_what_it_announces() {
    let table: [(&str, &[&str]); 14] = [
        ("clear", &["RESPONSE SIM-DONE 2"]),
        ("convicted", &["RESPONSE SIM-DONE 1"]),
        ("additional_check", &["NOTIFICATION SIM-ADDITIONAL-CHECK ", "RESPONSE SIM-DONE 2"]),
        ("in_progress", &["NOTIFICATION SIM-IN-PROGRESS ", "RESPONSE SIM-DONE 2"]),
        ("not_identified", &["RESPONSE SIM-NOT-IDENTIFIED "]),
        ("late", &["RESPONSE SIM-DONE 2"]),
        ("never", &[]),
        ("twice", &["RESPONSE SIM-DONE 2", "RESPONSE SIM-DONE 2"]),
        ("two_different", &["RESPONSE SIM-DONE 2", "RESPONSE SIM-DONE 1"]),
        ("contradiction", &["RESPONSE SIM-DONE 2"]),
        ("wrong_person", &["RESPONSE SIM-DONE 2", "RESPONSE SIM-DONE 2"]),
        ("wrong_request_number", &["RESPONSE SIM-DONE 2", "RESPONSE SIM-DONE 2"]),
        ("unknown_correlation", &["RESPONSE SIM-DONE 2", "RESPONSE SIM-DONE 2"]),
        ("unknown_status", &["RESPONSE SIM-5150 "]),
    ];
    for (behaviour, expected) in table {
        let world = World::start(vec![]).await;
        world.order("kpsisu", behaviour).await;
        let (_, chain) = acknowledged(&world, behaviour, CLEAR).await;
        let pushes = drain(&world, expected.len()).await;
        let seen: Vec<String> = pushes
            .iter()
            .map(|p| format!("{} {} {}", p.info("messageType"), p.data("CurrentStatus"), p.code()))
            .collect();
        assert_eq!(seen, expected, "{behaviour}");
        let odd = pushes.first().map(|push| {
            let number = push.payload.as_ref().unwrap();
            let number = number.text_at(&["SystemInfo", "RequestNumber"]);
            let iin = push.data("IIN");
            (
                push.info("correlationId") != chain,
                number != behaviour,
                iin != CLEAR && !iin.is_empty(),
            )
        });
        let twist = (
            behaviour == "unknown_correlation",
            behaviour == "wrong_request_number",
            behaviour == "wrong_person",
        );
        assert_eq!(odd.unwrap_or(twist), twist, "{behaviour}");
        let convictions =
            pushes.iter().any(|push| push.code() == "2" && push.text.contains("Convictions"));
        assert_eq!(convictions, behaviour == "contradiction");
    }
}

/// Lets twenty days pass, more than the latest answer takes, and reads the mailbox.
async fn drain(world: &World, expected: usize) -> Vec<Push> {
    world.clock.advance(hours(20 * 24));
    world
        .until("all came", |state| {
            state["mailbox"] == expected && state["next_due"].is_null() && state["in_flight"] == 0
        })
        .await;
    let messages = world.simulation.post().mailbox(10, |_| true);
    messages.iter().map(|message| Push::read(&message.push())).collect()
}

#[tokio::test]
async fn the_answer_can_come_before_the_acknowledgement() {
    let hub = Hub::start().await;
    let world = World::start(vec![hub.url.clone()]).await;
    world.order("kpsisu", "early").await;
    let (_, chain) = acknowledged(&world, "early", CLEAR).await;
    assert_eq!(hub.count(), 1, "the push came first");
    assert_eq!(hub.pushes(1).await[0].info("correlationId"), chain);
}

#[tokio::test]
async fn a_lost_acknowledgement_is_executed_and_answered_later() {
    for (behaviour, answers) in [("ack_lost", 1), ("ack_cut", 1), ("ack_lost_never", 0)] {
        let world = World::start(vec![]).await;
        world.order("kpsisu", behaviour).await;
        assert!(ask(&world, behaviour, CLEAR).await.is_err(), "{behaviour}");
        let entry = &world.journal("kpsisu").await[0];
        assert_eq!((&entry["executed"], &entry["acknowledged"]), (&json!(true), &json!(false)));
        assert_eq!(drain(&world, answers).await.len(), answers, "{behaviour}");
    }
    for (behaviour, status) in [("ack_html", 502), ("ack_garbage", 200)] {
        let world = World::start(vec![]).await;
        world.order("kpsisu", behaviour).await;
        assert_eq!(ask(&world, behaviour, CLEAR).await.unwrap().0, status);
        assert_eq!(drain(&world, 1).await.len(), 1, "{behaviour}");
    }
}

#[tokio::test]
async fn what_is_refused_is_not_executed() {
    let world = World::start(vec![]).await;
    for (behaviour, status, part) in [
        ("refused", 503, "<errorCode>SIM-UNAVAILABLE</errorCode>"),
        ("unknown_fault", 500, "sendMessageFault1_sendMessageFault"),
        ("server_error", 503, ""),
        ("html_bad_gateway", 502, "<html>"),
    ] {
        world.order("kpsisu", behaviour).await;
        let (got, bytes) = ask(&world, behaviour, CLEAR).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!((got, text.contains(part)), (status, true), "{behaviour}: {text}");
    }
    world.order("kpsisu", "reset_before").await;
    assert!(ask(&world, "reset_before", CLEAR).await.is_err());
    let oracle = world.get("/control/oracle").await;
    assert_eq!(
        (&oracle["kpsisu"]["requests"], &oracle["kpsisu"]["executed"]),
        (&json!(5), &json!(0))
    );
    assert_eq!(world.get("/control/state").await["next_due"], json!(null));
}

#[tokio::test]
async fn a_repeated_request_is_executed_again_and_the_oracle_sees_it() {
    let world = World::start(vec![]).await;
    let (_, first) = acknowledged(&world, "n1", CLEAR).await;
    let (_, second) = acknowledged(&world, "n1", CLEAR).await;
    acknowledged(&world, "n2", CLEAR).await;
    assert_ne!(first, second);
    let oracle = &world.get("/control/oracle").await["kpsisu"];
    let expected = json!({
        "requests": 3, "executed": 3, "distinct_request_numbers": 2,
        "executed_more_than_once": ["n1"], "sent_again": {"n1": 1}, "numbers_cut": false,
        "at_once_max": 1,
    });
    assert_eq!(*oracle, expected);
}

#[tokio::test]
async fn synthetic_persons_meet_what_the_table_says() {
    let world = World::start(vec![]).await;
    for (iin, outcome) in [
        (CLEAR, "clear"),
        ("791100300079", "convicted"),
        ("770700300113", "never"),
        ("700700300061", "not_identified"),
        ("831200400128", "additional_check"),
        ("750500300132", "late"),
    ] {
        acknowledged(&world, iin, iin).await;
        assert_eq!(world.journal("kpsisu").await.last().unwrap()["outcome"], outcome);
    }
}

#[tokio::test]
async fn random_faults_leave_a_clear_truth_and_stop_after_two() {
    let world = World::with(vec![], 5, 1_000).await;
    for n in 0..20 {
        let number = format!("n{n}");
        for _ in 0..3 {
            // The first two are faults of any kind; the journal says which.
            drop(ask(&world, &number, CLEAR).await);
        }
    }
    let journal = world.journal("kpsisu").await;
    assert_eq!(journal.iter().filter(|entry| entry["outcome"] == "clear").count(), 20);
    let lost =
        |entry: &&serde_json::Value| entry["executed"] == true && entry["acknowledged"] == false;
    assert!(journal.iter().filter(lost).count() > 0);
    for entry in journal {
        let executed =
            ["clear", "ack_lost", "ack_cut"].contains(&entry["outcome"].as_str().unwrap());
        assert_eq!(entry["executed"], executed, "{entry}");
    }
}

#[tokio::test]
async fn requests_that_break_the_contract_are_not_counted() {
    let world = World::start(vec![]).await;
    let good = request("x", CLEAR);
    for (from, to, code) in [
        ("ns:sendMessage", "ns:SendMessage", "SCE001"),
        ("REQUEST", "UPDATE", "SCE001"),
        ("<serviceId>", "<messageId>1</messageId><serviceId>", "SCE001"),
        ("urn:sim:kpsisu", "urn:other", "SCE001"),
        ("sim.kpsisu.criminalRecord", "sim.other", "SCE004"),
        ("990140000007", "", "SCE001"),
        (CLEAR, "1", "SCE001"),
    ] {
        let (status, bytes) = world.send("/kpsisu/", good.replace(from, to)).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(status, 500, "{from}");
        assert!(text.contains(&format!("<errorCode>{code}</errorCode>")), "{from}: {text}");
    }
    assert_eq!(world.get("/control/state").await["requests"], 0);
}
