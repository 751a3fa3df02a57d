//! Delivery: retry, mailbox, pull, receipts, hostile pushes.

use std::time::Duration;

use adapters::simulation::xml::{self, Node};
use jiff::SignedDuration;
use serde_json::json;

use crate::{
    kpsisu::{CLEAR, acknowledged},
    world::{Hub, World},
};

async fn operation(world: &World, name: &str, inner: &str) -> (u16, Node) {
    let body = format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
        <t:{name} xmlns:t="http://bip.bee.kz/AsyncChannel/v10/Types"><request>{inner}</request>
        </t:{name}></s:Body></s:Envelope>"#
    );
    let (status, bytes) = world.send("/kpsisu/", body).await;
    let body = xml::parse(&bytes).unwrap().child("Body").unwrap().clone();
    let answer = body.children.into_iter().next().unwrap();
    (status, answer.child("response").cloned().unwrap_or(answer))
}

async fn pulled(world: &World, filter: &str) -> Vec<String> {
    let inner = format!("{filter}<serviceId>sim.kpsisu.criminalRecord</serviceId>");
    let (status, response) = operation(world, "getMessages", &inner).await;
    assert_eq!(status, 200);
    assert!(response.text_at(&["sessionId"]).starts_with('{'));
    let messages = response.children.iter().filter(|child| child.name == "messages");
    messages.map(|message| message.text_at(&["messageInfo", "messageId"]).to_owned()).collect()
}

async fn receipt(world: &World, id: &str, receive: &str, resend: &str) -> u16 {
    let inner = format!(
        "<notification><messageId>{id}</messageId><serviceId>sim.kpsisu.criminalRecord</serviceId>\
         <notificationDate>2026-03-02T10:00:00+05:00</notificationDate><deliveryStatus>\
         <receiveStatus>{receive}</receiveStatus><statusDate>2026-03-02T10:00:00+05:00</statusDate>\
         <resendMessage>{resend}</resendMessage></deliveryStatus></notification>\
         <requestDate>2026-03-02T10:00:00+05:00</requestDate>"
    );
    operation(world, "sendDeliveryNotification", &inner).await.0
}

async fn status(world: &World, id: &str) -> String {
    let inner =
        format!("<messageId>{id}</messageId><requestDate>2026-03-02T10:00:00+05:00</requestDate>");
    let (_, response) = operation(world, "getMessageStatus", &inner).await;
    response.text_at(&["messageState"]).to_owned()
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

#[tokio::test]
async fn a_push_that_fails_is_tried_again_and_then_waits_in_the_mailbox() {
    let hub = Hub::start().await;
    hub.answer(500);
    let world = World::start(vec![hub.url.clone()]).await;
    world.order("kpsisu", "clear").await;
    acknowledged(&world, "n1", CLEAR).await;
    world.clock.advance(minutes(10));
    let pushes = hub.pushes(3).await;
    world.until("in the mailbox", |state| state["mailbox"] == 1 && state["in_flight"] == 0).await;
    assert_eq!(pulled(&world, "").await, [pushes[0].info("messageId")]);
    let entry = &world.journal("kpsisu").await[0];
    assert_eq!((&entry["pushes"], &entry["delivered"]), (&json!(3), &json!(0)));
}

#[tokio::test]
async fn a_push_goes_to_the_next_address_when_one_is_dead() {
    let hub = Hub::start().await;
    let dead = "http://127.0.0.1:9/shep/async".to_owned();
    let world = World::start(vec![dead, hub.url.clone()]).await;
    world.simulation.post().set_patience(100, Duration::from_millis(5));
    world.order("kpsisu", "clear").await;
    acknowledged(&world, "n1", CLEAR).await;
    world.clock.advance(minutes(10));
    hub.pushes(1).await;
    let entry = &world.until_quiet().await;
    assert_eq!(entry["mailbox"], 0);
}

#[tokio::test]
async fn pulled_messages_stay_until_they_are_accepted() {
    let world = World::start(vec![]).await;
    world.order("kpsisu", "twice").await;
    let (request_id, chain) = acknowledged(&world, "n1", CLEAR).await;
    acknowledged(&world, "n2", CLEAR).await;
    world.clock.advance(minutes(30));
    world.until("three wait", |state| state["mailbox"] == 3).await;
    let all = pulled(&world, "").await;
    assert_eq!(pulled(&world, "").await, all, "pulling does not remove");
    assert_eq!(pulled(&world, "<amount>1</amount>").await.len(), 1);
    let own = pulled(&world, &format!("<correlationId>{chain}</correlationId>")).await;
    assert_eq!(own.len(), 2);
    assert_eq!(
        pulled(&world, &format!("<messageId>{}</messageId>", own[1])).await,
        [own[1].clone()]
    );
    assert_eq!(status(&world, &own[0]).await, "ON_DELIVERY");
    assert_eq!(receipt(&world, &own[0], "MESSAGE_ACCEPTED", "NOT_RESEND").await, 200);
    assert_eq!(receipt(&world, &own[0], "MESSAGE_ACCEPTED", "NOT_RESEND").await, 200, "again");
    assert_eq!(receipt(&world, &own[1], "MESSAGE_NOT_ACCTEPTED", "NOT_RESEND").await, 200);
    assert_eq!(status(&world, &own[0]).await, "DELIVERED");
    assert_eq!(status(&world, &own[1]).await, "DELIVERY_STOPPED");
    assert_eq!(status(&world, &request_id).await, "DELIVERED");
    assert_eq!(pulled(&world, "").await.len(), 1);
    assert_eq!(world.journal("kpsisu").await[0]["delivered"], 1);
    assert_eq!(receipt(&world, "7", "MESSAGE_ACCEPTED", "NOT_RESEND").await, 500);
    assert_eq!(
        receipt(&world, &own[0], "MESSAGE_NOT_ACCEPTED", "RESEND").await,
        500,
        "the typo is law"
    );
}

#[tokio::test]
async fn resend_brings_the_message_again() {
    let world = World::start(vec![]).await;
    world.order("kpsisu", "clear").await;
    acknowledged(&world, "n1", CLEAR).await;
    world.clock.advance(minutes(10));
    world.until("one waits", |state| state["mailbox"] == 1).await;
    let id = pulled(&world, "").await.remove(0);
    assert_eq!(receipt(&world, &id, "MESSAGE_ACCEPTED", "NOT_RESEND").await, 200);
    let hub = Hub::start().await;
    world.post("/control/push-urls", json!({ "urls": [hub.url.clone()] })).await;
    world.simulation.post().set_patience(3, Duration::from_millis(10));
    assert_eq!(receipt(&world, &id, "MESSAGE_NOT_ACCTEPTED", "RESEND").await, 200);
    // It waits where it waited before, or is pushed, according to the seed.
    let pull_only = world.until_quiet().await["mailbox"] == 1;
    assert_eq!(hub.count(), usize::from(!pull_only));
}

#[tokio::test]
async fn every_hostile_push_reaches_the_hub() {
    let hub = Hub::start().await;
    let world = World::start(vec![hub.url.clone()]).await;
    world.order("kpsisu", "early").await;
    acknowledged(&world, "n1", CLEAR).await;
    world.until_quiet().await;
    let behaviours = world.get("/control/behaviours").await;
    let kinds = behaviours["kpsisu"]["forge"].as_object().unwrap();
    assert_eq!(kinds.len(), 13);
    for kind in kinds.keys() {
        let before = hub.count();
        let order = json!({ "system": "kpsisu", "kind": kind });
        let (status, answer) = world.post("/control/forge", order).await;
        // The pretended hub takes no more than two megabytes, which is its right.
        let expected = if kind == "oversize" { [200, 413] } else { [200, 200] };
        assert_eq!(status, 200, "{kind}: {answer}");
        assert!(expected.iter().any(|status| answer["status"] == *status), "{kind}: {answer}");
        assert!(hub.count() > before || kind == "oversize", "{kind}");
    }
}

#[tokio::test]
async fn open_connections_close_when_the_simulation_ends() {
    use tokio::io::AsyncReadExt;
    let world = World::start(vec![]).await;
    let mut stream = tokio::net::TcpStream::connect(&world.address).await.unwrap();
    world.get("/control/state").await;
    drop(world);
    let mut byte = [0];
    let end = tokio::time::timeout(crate::world::PATIENCE, stream.read(&mut byte)).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}
