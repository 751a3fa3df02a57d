//! What clients of other teams send, and what they are told when nobody understands it.

use adapters::simulation::xml;
use serde_json::{Value, json};

use crate::world::{Hub, World};

const SYNC: &str = "http://bip.bee.kz/SyncChannel/v10/Types";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// A request to GBD FL with prefixes of its own and this in `data`.
fn request(data: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<E:Envelope xmlns:E=\"{SOAP}\">\n\
         <E:Body>\n <q7:SendMessage xmlns:q7=\"{SYNC}\"> <request>\n<requestInfo>\
         <messageId> m-1 </messageId><serviceId>\nGBDFL_UniversalServiceSync </serviceId>\
         <messageDate>2026-03-02T10:00:00+05:00</messageDate>\
         <sender><senderId>team</senderId></sender></requestInfo>\
         <requestData><data>{data}</data></requestData></request>\n</q7:SendMessage></E:Body>\
         </E:Envelope>\n"
    )
}

fn fields(iin: &str) -> String {
    format!(
        "<messageId>r-1</messageId><messageDate>2026-03-02T10:00:00+05:00</messageDate>\
         <senderCode>TEAM</senderCode><iin>{iin}</iin>"
    )
}

async fn post(world: &World, path: &str, kind: &str, body: Vec<u8>) -> (u16, String) {
    let request = world.client.post(world.url(path)).header("content-type", kind).body(body);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, String::from_utf8(response.bytes().await.unwrap().to_vec()).unwrap())
}

async fn near_miss(world: &World) -> Value {
    world.get("/control/near-misses").await["near_misses"][0].clone()
}

fn words(miss: &Value) -> String {
    miss["closest"][0]["differences"].to_string()
}

#[tokio::test]
async fn prefixes_white_space_cdata_escapes_and_a_bom_change_nothing() {
    let world = World::start(vec![]).await;
    let plain = fields("850100300012");
    let escaped = plain.replace('<', "&lt;").replace('>', "&gt;");
    let bodies = [
        request(&plain),
        request(&format!("<![CDATA[<data>{plain}</data>]]>")),
        request(&format!("&lt;data&gt;{escaped}&lt;/data&gt;")),
        format!("\u{feff}{}", request(&plain)),
    ];
    for body in bodies {
        let kind = "text/xml; charset=\"UTF-8\"";
        let (status, text) = post(&world, "/gbdfl/", kind, body.into_bytes()).await;
        assert_eq!(status, 200, "{text}");
    }
    assert_eq!(world.get("/control/near-misses").await["count"], 0);
}

#[tokio::test]
async fn what_nobody_understands_is_a_near_miss_without_values() {
    let world = World::start(vec![]).await;
    let good = request(&fields("850100300012"));
    let other = "urn:other";
    for (path, body, said) in [
        ("/gbdfl/", good.replace(SYNC, other), "instead of {http://bip.bee.kz"),
        ("/gbdfl/", request(&fields("850100300013")), "iin has a wrong check digit"),
        (
            "/gbdfl/",
            good.replace("<messageDate>2026-03-02T10:00:00+05:00</messageDate>", ""),
            "messageDate is missing",
        ),
        (
            "/gbdfl/",
            good.replace("GBDFL_UniversalServiceSync", "GBDFL_Sync"),
            "serviceId GBDFL_Sync instead of GBDFL_UniversalServiceSync",
        ),
        ("/mgov/", good.clone(), "path /mgov/ instead of /gbdfl/"),
        ("/gbd/fl", good.clone(), "path /gbd/fl instead of /gbdfl/"),
    ] {
        let (status, text) = post(&world, path, "text/xml", body.into_bytes()).await;
        assert_eq!(status, 500, "{text}");
        let root = xml::parse(text.as_bytes()).unwrap();
        let fault = root.at(&["Body", "Fault"]).unwrap();
        assert!(!fault.text_at(&["faultcode"]).is_empty());
        let miss = near_miss(&world).await;
        assert_eq!(miss["closest"][0]["system"], "gbdfl", "{miss}");
        assert!(words(&miss).contains(said), "{said}: {miss}");
        assert!(fault.text_at(&["faultstring"]).contains(said), "{text}");
        assert!(!miss.to_string().contains("85010030001") && !text.contains("85010030001"));
    }
}

#[tokio::test]
async fn soap_1_2_another_charset_and_json_errors_are_named() {
    let world = World::start(vec![]).await;
    let good = request(&fields("850100300012"));
    let soap12 = good.replace(SOAP, "http://www.w3.org/2003/05/soap-envelope");
    let kind = "application/soap+xml; charset=utf-8";
    let (status, text) = post(&world, "/gbdfl/", kind, soap12.into_bytes()).await;
    assert_eq!(status, 500);
    assert!(text.contains("soap:VersionMismatch") && text.contains("SOAP 1.1"), "{text}");
    let kind = "text/xml; charset=windows-1251";
    let (status, text) = post(&world, "/gbdfl/", kind, good.clone().into_bytes()).await;
    assert_eq!(status, 500);
    assert!(text.contains("UTF-8"), "{text}");
    let path = "/kazpost/courier/api/core/v1/call-courier";
    let (status, text) = post(&world, path, "application/json", b"no json".to_vec()).await;
    assert_eq!(status, 400);
    assert!(serde_json::from_str::<Value>(&text).unwrap()["error"].is_string());
    let (status, text) = post(&world, "/nowhere", "application/json", b"{}".to_vec()).await;
    assert_eq!(status, 404);
    assert!(text.contains("no simulator has this path"), "{text}");
}

#[tokio::test]
async fn the_page_shows_exchanges_with_masked_keys_and_whole_bodies() {
    let world = World::start(vec![]).await;
    let body = request(&fields("850100300012"));
    post(&world, "/gbdfl/", "text/xml", body.clone().into_bytes()).await;
    let list = world.get("/control/exchanges").await;
    let one = &list["exchanges"][0];
    assert_eq!(one["operation"], "SendMessage GBDFL_UniversalServiceSync");
    assert_eq!(one["behaviour"], "found");
    assert_eq!(one["executed"], true);
    assert!(!list.to_string().contains("850100300012"), "{list}");
    let whole = world.get("/control/exchanges/1").await;
    assert_eq!(whole["request"], body);
    assert!(whole["response"].as_str().unwrap().contains("SendMessageResponse"));
    assert_eq!(world.get("/control/exchanges?after=1").await["exchanges"], json!([]));
    assert!(world.get("/control/exchanges/2").await["error"].is_string());
    let page = world.client.get(world.url("/")).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let html = String::from_utf8(page.bytes().await.unwrap().to_vec()).unwrap();
    for foreign in ["src=\"", "http-equiv", "@import", "https://"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    for label in ["+5 business days", "Last exchanges", "Near misses", "Push all"] {
        assert!(html.contains(label), "{label}");
    }
}

#[tokio::test]
async fn a_foreign_page_can_tell_the_simulation_nothing() {
    let world = World::start(vec![]).await;
    let order = json!({ "permille": 1000 }).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let (status, text) =
            post(&world, "/control/faults", kind, order.clone().into_bytes()).await;
        assert_eq!(status, 415, "{text}");
    }
    let request = world.client.get(world.url("/control/state")).header("host", "evil.example");
    assert_eq!(request.send().await.unwrap().status(), 403);
    let request = world.client.get(world.url("/")).header("host", "evil.example:8090");
    assert_eq!(request.send().await.unwrap().status(), 403);
    let request = world.client.get(world.url("/control/state")).header("host", "localhost:8090");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn a_pending_answer_is_pushed_on_a_click_and_where_the_click_says() {
    let hub = Hub::start().await;
    let world = World::start(vec![]).await;
    world.order("kpsisu", "late").await;
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/systems/kpsisu/cases/clear/");
    let body = std::fs::read_to_string(format!("{root}request.xml")).unwrap();
    assert_eq!(world.send("/kpsisu/", body).await.0, 200);
    let pending = world.get("/control/pending").await;
    let id = pending["messages"][0]["message_id"].as_u64().unwrap();
    assert!(pending["messages"][0]["due"].as_str().unwrap() > "2026-03-16");
    let (status, answer) = world.post("/control/push-now", json!({ "message_id": id })).await;
    assert_eq!(status, 409, "{answer}");
    let order = json!({ "message_id": id, "url": hub.url });
    assert_eq!(world.post("/control/push-now", order.clone()).await.0, 200);
    assert_eq!(hub.pushes(1).await[0].code(), "2");
    world.until_quiet().await;
    assert_eq!(world.post("/control/push-now", order).await.0, 404);
}

#[tokio::test]
async fn a_clock_that_cannot_be_moved_says_so() {
    let world = World::start(vec![]).await;
    for (order, status) in [
        (json!({ "seconds": 3600 }), 409),
        (json!({ "business_days": 5 }), 409),
        (json!({ "to": "2020-01-01T00:00:00Z" }), 400),
        (json!({ "to": "2036-01-01T00:00:00Z" }), 400),
        (json!({}), 400),
        (json!({ "seconds": 1, "business_days": 1 }), 400),
    ] {
        assert_eq!(world.post("/control/clock", order.clone()).await.0, status, "{order}");
    }
}

#[tokio::test]
async fn faults_and_latency_belong_to_one_system() {
    let world = World::start(vec![]).await;
    let order = json!({ "system": "gbdfl", "permille": 1000 });
    assert_eq!(world.post("/control/faults", order).await.0, 200);
    let order = json!({ "system": "mgov", "ms": 1 });
    assert_eq!(world.post("/control/latency", order).await.0, 200);
    let settings = world.get("/control/settings").await;
    assert_eq!(settings["gbdfl"], json!({ "fault_permille": 1000, "latency_ms": 0 }));
    assert_eq!(settings["mgov"], json!({ "fault_permille": 0, "latency_ms": 1 }));
    assert_eq!(
        world.post("/control/latency", json!({ "system": "mgov", "ms": 70_000 })).await.0,
        400
    );
}

#[tokio::test]
async fn every_part_of_a_wsdl_is_an_element_of_a_schema_that_is_served() {
    let world = World::start(vec![]).await;
    for system in ["gbdfl", "gbdul", "realestate", "kpsisu", "mzrk", "mgov", "kazpost", "eqyzmet"] {
        let text = fetch(&world, &world.url(&format!("/{system}/?wsdl"))).await;
        let wsdl = xml::parse(text.as_bytes()).unwrap();
        assert!(text.contains(&format!("location=\"{}\"", world.url(&format!("/{system}/")))));
        let mut elements = Vec::new();
        let mut open: Vec<String> = Vec::new();
        for import in &wsdl.at(&["types", "schema"]).unwrap().children {
            open.push(import.attribute("schemaLocation").to_owned());
        }
        let mut seen = Vec::new();
        while let Some(url) = open.pop() {
            if seen.contains(&url) {
                continue;
            }
            let schema = xml::parse(fetch(&world, &url).await.as_bytes()).unwrap();
            assert_eq!(schema.name, "schema", "{url}");
            for child in &schema.children {
                match child.name.as_str() {
                    "import" | "include" => open.push(child.attribute("schemaLocation").to_owned()),
                    "element" => elements.push(child.attribute("name").to_owned()),
                    _ => {}
                }
            }
            seen.push(url);
        }
        let messages: Vec<_> = wsdl.children.iter().filter(|one| one.name == "message").collect();
        assert!(messages.len() >= 2, "{system}");
        for message in messages {
            let element = message.child("part").unwrap().attribute("element");
            let local = element.split_once(':').unwrap().1;
            assert!(elements.iter().any(|name| name == local), "{system}: {element}");
        }
    }
    let response = world.client.get(world.url("/gbdfl/?xsd=../Cargo.toml")).send().await.unwrap();
    assert_eq!(response.status(), 404);
}

async fn fetch(world: &World, url: &str) -> String {
    let response = world.client.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200, "{url}");
    String::from_utf8(response.bytes().await.unwrap().to_vec()).unwrap()
}
