//! A mailbox at the gateway with messages that nobody can read.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    servers::run,
    world::{Scene, World, check, id, until},
};

/// Checks that are given up soon.
const HASTY: &str = "
[operations.kpsisu.check]
at_risk_s = 60
deadline_s = 120
give_up_s = 300
call_timeout_ms = 2000
";

/// A gateway that acknowledges, and whose mailbox holds one broken message with an id, one without.
struct Gateway {
    url: &'static str,
    confirmed: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Gateway {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).leak();
        let confirmed = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&confirmed);
        let router = axum::Router::new().fallback(async move |body: String| {
            let mut confirmed = noted.lock().unwrap();
            if body.contains("sendDeliveryNotification") {
                let id = body.split("<messageId>").nth(1).unwrap().split('<').next().unwrap();
                confirmed.push(id.to_owned());
                return envelope("sendDeliveryNotification", "");
            }
            if body.contains("getMessages") {
                let named = "<messages><messageInfo><messageId>broken-7</messageId></messageInfo>\
                             </messages>";
                let named = if confirmed.is_empty() { named } else { "" };
                let nameless = "<messages><messageInfo/><torn/></messages>";
                return envelope("getMessages", &format!("{named}{nameless}"));
            }
            envelope("sendMessage", "<messageId>m-1</messageId><correlationId>c-1</correlationId>")
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, confirmed, server }
    }
}

fn envelope(operation: &str, content: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
         <t:{operation}Response xmlns:t=\"http://bip.bee.kz/AsyncChannel/v10/Types\"><response>\
         {content}</response></t:{operation}Response></s:Body></s:Envelope>"
    )
}

#[test]
fn a_message_that_nobody_can_read_is_kept_and_counted_and_stops_no_expiry() {
    run(async {
        let gateway = Gateway::open().await;
        let environment = vec![("HUB_SYSTEMS__KPSISU__URL", gateway.url)];
        let scene = Scene { settings: HASTY.to_owned(), environment, ..Scene::default() };
        let world = World::build(scene).await;
        world.send(&check("beside a broken message")).await;
        world.in_state(id("beside a broken message"), "pending").await;
        let now = world.stage.store.business_now().await.unwrap();
        let past = now.checked_add(SignedDuration::from_mins(6)).unwrap();
        world.stage.store.jump_to(past).await.unwrap();
        let job = world.ended(id("beside a broken message")).await;
        assert_eq!((&job["state"], &job["code"]), (&json!("expired"), &json!("no_answer")));
        assert_eq!(*gateway.confirmed.lock().unwrap(), ["broken-7"]);
        let kept = "SELECT state, why, kind, source FROM hub.inbound ORDER BY id";
        let kept = until("both are kept, each once", async || {
            Some(world.rows(kept).await).filter(|rows| rows.len() == 2)
        })
        .await;
        for row in kept {
            let refused = json!({"state": "refused", "why": "unreadable", "kind": "UNREADABLE", "source": "pull"});
            assert_eq!(row, refused);
        }
        let labels = [("system", "kpsisu"), ("result", "unreadable")];
        assert!(world.metric(0, "hub_inbound_messages_total", &labels).await > 1.5);
        gateway.server.abort();
        world.strike().await;
    });
}
