//! GBD FL: the wire effect of each behaviour.

use std::{collections::BTreeSet, time::Duration};

use adapters::simulation::{reply::OVERSIZE_BYTES, xml};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{World, payload};

const FOUND: &str = "850100300012";

pub(crate) fn request(number: &str, iin: &str) -> String {
    format!(
        r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
            xmlns:typ="http://bip.bee.kz/SyncChannel/v10/Types"><soapenv:Header/><soapenv:Body>
        <typ:SendMessage><request><requestInfo><messageId>{number}</messageId>
        <serviceId>GBDFL_UniversalServiceSync</serviceId>
        <messageDate>2026-03-02T10:00:00.000+05:00</messageDate>
        <sender><senderId>hub</senderId></sender></requestInfo><requestData><data>
        <messageId>{number}</messageId><messageDate>2026-03-02T10:00:00.000+05:00</messageDate>
        <senderCode>TESTSYS</senderCode><iin>{iin}</iin></data></requestData></request>
        </typ:SendMessage></soapenv:Body></soapenv:Envelope>"#
    )
}

async fn ask(world: &World, number: &str, iin: &str) -> (u16, Vec<u8>) {
    world.send("/gbdfl/", request(number, iin)).await
}

/// Status code of the envelope, and the payload where there is one.
fn read(bytes: &[u8]) -> (String, Option<xml::Node>) {
    let root = xml::parse(bytes).unwrap();
    let response = root.at(&["Body", "SendMessageResponse", "response"]).unwrap();
    let code = response.text_at(&["responseInfo", "status", "code"]).to_owned();
    (code, response.at(&["responseData", "data"]).and_then(payload))
}

async fn raw(world: &World, number: &str) -> (Vec<u8>, std::io::Result<usize>) {
    let mut stream = TcpStream::connect(&world.address).await.unwrap();
    let body = request(number, FOUND);
    let head = format!(
        "POST /gbdfl/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await;
    (bytes, end)
}

fn content_length(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    line.parse().unwrap()
}

#[tokio::test]
async fn synthetic_persons_meet_what_the_table_says() {
    let world = World::start(vec![]).await;
    for (iin, persons, life) in [
        (FOUND, true, "0"),
        ("480200300055", true, "3"),
        ("690100300144", true, "0"),
        ("700700300061", false, ""),
    ] {
        let (status, bytes) = ask(&world, &format!("n-{iin}"), iin).await;
        let (code, data) = read(&bytes);
        let data = data.unwrap();
        assert_eq!((status, code.as_str()), (200, "SCSS001"));
        assert_eq!(data.text_at(&["requestId"]), format!("n-{iin}"));
        assert_eq!(data.child("persons").is_some(), persons, "{iin}");
        let person = data.at(&["persons", "person"]).cloned().unwrap_or_default();
        assert_eq!(person.text_at(&["lifeStatus", "code"]), life);
        assert_eq!(person.child("excludeStatus").is_some(), iin == "690100300144");
        if persons {
            assert_eq!(person.text_at(&["iin"]), iin);
        }
    }
}

#[tokio::test]
async fn each_answer_that_is_xml_differs_as_announced() {
    let world = World::start(vec![]).await;
    let person = |data: &Option<xml::Node>| {
        data.as_ref().and_then(|data| data.at(&["persons", "person"]).cloned())
    };
    for behaviour in [
        "not_found_b",
        "wrong_person",
        "wrong_request_id",
        "no_person",
        "no_iin",
        "empty_birth_date",
        "unknown_result",
        "unknown_status",
        "unknown_life_status",
        "untidy",
        "broken_text",
    ] {
        world.order("gbdfl", behaviour).await;
        let (status, bytes) = ask(&world, behaviour, FOUND).await;
        let (code, data) = read(&bytes);
        assert_eq!(status, 200, "{behaviour}");
        let someone = person(&data).unwrap_or_default();
        let (iin, birth) = (someone.text_at(&["iin"]), someone.text_at(&["birthDate"]));
        let result = data.as_ref().map_or("", |data| data.text_at(&["messageResult", "code"]));
        match behaviour {
            "not_found_b" => assert_eq!((code.as_str(), data.is_none()), ("SCSE001", true)),
            "wrong_person" => assert_eq!(iin, "920300400029"),
            "wrong_request_id" => {
                assert_ne!(data.as_ref().unwrap().text_at(&["requestId"]), behaviour);
            }
            "no_person" => {
                assert!(data.as_ref().unwrap().child("persons").unwrap().children.is_empty());
            }
            "no_iin" => assert_eq!((iin, birth.is_empty()), ("", false)),
            "empty_birth_date" => assert_eq!((iin, birth), (FOUND, "")),
            "unknown_result" => assert_eq!(result, "SIM-4242"),
            "unknown_status" => assert_eq!(code, "SIM-7777"),
            "unknown_life_status" => assert_eq!(someone.text_at(&["lifeStatus", "code"]), "SIM-9"),
            "untidy" => {
                assert!(someone.child("deathDate").is_some());
                assert_eq!(someone.child("documents").unwrap().children.len(), 3);
                assert_eq!(someone.text_at(&["regAddress", "region", "code"]), "9901");
            }
            other => assert!(data.is_none(), "{other} must not be readable"),
        }
    }
}

#[tokio::test]
async fn failures_come_with_the_announced_status_and_body() {
    let world = World::start(vec![]).await;
    for (behaviour, status, part) in [
        ("server_error", 503, ""),
        ("html_ok", 200, "<html>"),
        ("html_bad_gateway", 502, "<html>"),
        ("unavailable", 500, "<errorCode>SIM-UNAVAILABLE</errorCode>"),
        ("unknown_fault", 500, "<errorCode>SIM-9999</errorCode>"),
        ("doctype", 200, "<!DOCTYPE a ["),
    ] {
        world.order("gbdfl", behaviour).await;
        let (got, bytes) = ask(&world, behaviour, FOUND).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!((got, part.is_empty()), (status, text.is_empty()), "{behaviour}");
        assert!(text.contains(part), "{behaviour}: {text}");
    }
    world.order("gbdfl", "garbage").await;
    let (_, bytes) = ask(&world, "garbage", FOUND).await;
    assert!(String::from_utf8(bytes).is_err());
}

#[tokio::test]
async fn reset_sends_no_byte_and_a_real_reset() {
    let world = World::start(vec![]).await;
    world.order("gbdfl", "reset").await;
    let (bytes, end) = raw(&world, "reset").await;
    assert_eq!(bytes, b"");
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn cut_ends_in_the_middle_of_the_announced_length() {
    let world = World::start(vec![]).await;
    for (behaviour, by_reset) in [("cut", false), ("cut_by_reset", true)] {
        world.order("gbdfl", behaviour).await;
        let (bytes, end) = raw(&world, behaviour).await;
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").expect("the first half arrived");
        assert!(!body.is_empty() && body.len() < content_length(head), "{behaviour}");
        assert_eq!(end.is_err(), by_reset, "{behaviour}");
    }
}

#[tokio::test]
async fn oversize_is_long_with_and_without_an_announcement() {
    let world = World::start(vec![]).await;
    for behaviour in ["oversize", "oversize_announced"] {
        world.order("gbdfl", behaviour).await;
        let body = request(behaviour, FOUND);
        let url = world.url("/gbdfl/");
        let mut response = world.client.post(url).body(body).send().await.unwrap();
        let announced = response.content_length();
        assert_eq!(announced.is_some(), behaviour == "oversize_announced");
        assert!(announced.is_none_or(|length| length > OVERSIZE_BYTES as u64 / 2));
        let mut bytes = 0;
        while bytes < 8 * 1024 * 1024 {
            bytes += response.chunk().await.unwrap().unwrap().len();
        }
    }
}

#[tokio::test]
async fn slow_outlives_a_deadline_and_leaves_nothing_in_flight() {
    let world = World::start(vec![]).await;
    let body = request("slow", "770700300113");
    let call = world.client.post(world.url("/gbdfl/")).body(body);
    let error = call.timeout(Duration::from_millis(300)).send().await.unwrap_err();
    assert!(error.is_timeout());
    world.until_quiet().await;
    assert_eq!(world.journal("gbdfl").await[0]["outcome"], "slow");
}

#[tokio::test]
async fn one_answer_is_written_in_every_form() {
    let world = World::start(vec![]).await;
    let mut forms = BTreeSet::new();
    for n in 0..120 {
        let (_, bytes) = ask(&world, &format!("form-{n}"), FOUND).await;
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (_, data) = read(&bytes);
        let person = data.unwrap().at(&["persons", "person"]).unwrap().clone();
        assert_eq!((person.text_at(&["iin"]), person.text_at(&["surname"])), (FOUND, "ТЕСТОВ"));
        forms.insert(match &text {
            text if text.starts_with('\u{feff}') => "bom",
            text if text.contains("SOAP-ENV") => "foreign prefixes",
            text if text.contains("<data><![CDATA[") => "cdata",
            text if text.contains("<![CDATA[") => "two nodes",
            text if text.contains("&lt;?xml") => "escaped",
            text if text.contains("<ns4:data") => "namespaced",
            text if text.contains("<!-- simulated -->") => "pretty",
            _ => "canonical",
        });
    }
    assert_eq!(forms.len(), 8, "{forms:?}");
}

#[tokio::test]
async fn requests_that_break_the_contract_get_a_fault_that_says_why() {
    let world = World::start(vec![]).await;
    let good = request("x", FOUND);
    for (from, to, code) in [
        ("SyncChannel/v10", "SyncChannel/v11", "SCE001"),
        ("<senderId>hub</senderId>", "", "SCE001"),
        ("<senderCode>TESTSYS</senderCode>", "", "SCE001"),
        ("GBDFL_UniversalServiceSync", "GBDFL_Other", "SCE004"),
        (FOUND, "85010030001", "SCSE002"),
        ("<soapenv:Header/>", "<soapenv:Header>", "SCE001"),
        ("<soapenv:Envelope", "<!DOCTYPE a><soapenv:Envelope", "SCE001"),
    ] {
        let (status, bytes) = world.send("/gbdfl/", good.replace(from, to)).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(status, 500, "{from}");
        assert!(text.contains(&format!("<errorCode>{code}</errorCode>")), "{from}: {text}");
    }
    let swapped = good.replace("<messageDate>", "<routeId>r</routeId><messageDate>");
    let (status, _) = world.send("/gbdfl/", swapped).await;
    assert_eq!(status, 500, "routeId stands after messageDate here");
    assert_eq!(world.get("/control/state").await["requests"], 0);
}

#[tokio::test]
async fn random_faults_hit_one_number_at_most_twice() {
    let world = World::with(vec![], 3, 1_000).await;
    for number in ["a", "b", "c"] {
        for _ in 0..2 {
            drop(raw(&world, number).await);
        }
        let (status, bytes) = ask(&world, number, FOUND).await;
        assert_eq!((status, read(&bytes).0.as_str()), (200, "SCSS001"));
    }
    let found = world.journal("gbdfl").await;
    assert_eq!(found.iter().filter(|entry| entry["outcome"] == "found").count(), 3);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_outcomes_and_bytes() {
    let mut runs = Vec::new();
    for seed in [11, 11, 12] {
        let world = World::with(vec![], seed, 0).await;
        let mut answers = Vec::new();
        for n in 0..40 {
            let iin = format!("6601003{n:04}0");
            answers.push(ask(&world, &format!("n{n}"), &iin).await);
        }
        let outcomes: Vec<_> =
            world.journal("gbdfl").await.iter().map(|entry| entry["outcome"].clone()).collect();
        runs.push((answers, outcomes));
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn orders_can_be_limited_to_a_number_or_a_person() {
    let world = World::start(vec![]).await;
    let order = json!({"system": "gbdfl", "behaviour": "deceased", "count": 2, "iin": FOUND});
    world.post("/control/next", order).await;
    let order = json!({"system": "gbdfl", "behaviour": "excluded", "request_number": "mine"});
    world.post("/control/next", order).await;
    for (number, iin) in
        [("a", "920300400029"), ("mine", "920300400029"), ("b", FOUND), ("c", FOUND), ("d", FOUND)]
    {
        ask(&world, number, iin).await;
    }
    let journal = world.journal("gbdfl").await;
    let outcomes: Vec<_> = journal.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["found", "excluded", "deceased", "deceased", "found"]);
}
