//! A mailbox at the gateway with messages that nobody can read.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    protection::hub,
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

/// Messages in one answer of the gateway.
const PAGE: usize = 100;

/// A gateway that acknowledges, and whose mailbox holds one broken message with an id, one without; or
/// so many with an id.
struct Gateway {
    url: &'static str,
    confirmed: Arc<Mutex<Vec<String>>>,
    broken: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Gateway {
    async fn open(broken: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).leak();
        let confirmed = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&confirmed);
        let broken = Arc::new(AtomicUsize::new(broken));
        let holds = Arc::clone(&broken);
        let router = axum::Router::new().fallback(async move |body: String| {
            let mut confirmed = noted.lock().unwrap();
            if body.contains("sendDeliveryNotification") {
                let id = body.split("<messageId>").nth(1).unwrap().split('<').next().unwrap();
                confirmed.push(id.to_owned());
                return envelope("sendDeliveryNotification", "");
            }
            let many = holds.load(Ordering::SeqCst);
            if body.contains("getMessages") && many > 0 {
                let ids = (0..many).map(|n| format!("b-{n}")).filter(|id| !confirmed.contains(id));
                let page = ids.take(PAGE).map(|id| {
                    format!("<messages><messageInfo><messageId>{id}</messageId></messageInfo></messages>")
                });
                return envelope("getMessages", &page.collect::<String>());
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
        Self { url, confirmed, broken, server }
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
        let gateway = Gateway::open(0).await;
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

#[test]
fn where_nothing_can_be_read_nothing_is_confirmed_and_no_job_ends() {
    run(async {
        let gateway = Gateway::open(3).await;
        let environment = vec![("HUB_SYSTEMS__KPSISU__URL", gateway.url)];
        let scene = Scene { settings: HASTY.to_owned(), environment, ..Scene::default() };
        let world = World::build(scene).await;
        let job = id("unheard by us");
        world.send(&check("unheard by us")).await;
        world.in_state(job, "pending").await;
        let now = world.stage.store.business_now().await.unwrap();
        let past = now.checked_add(SignedDuration::from_mins(6)).unwrap();
        world.stage.store.jump_to(past).await.unwrap();
        let labels = [("system", "kpsisu"), ("result", "unreadable")];
        until("they were pulled past the give-up time", async || {
            let soon =
                "UPDATE hub.destination SET next_pull_at = hub.now() WHERE system = 'kpsisu'";
            world.execute(soon).await;
            let seen = world.metric(0, "hub_inbound_messages_total", &labels).await;
            (seen > 11.5).then_some(())
        })
        .await;
        assert_eq!(world.job(job).await.unwrap()["state"], "pending", "its answer may be there");
        assert!(gateway.confirmed.lock().unwrap().is_empty(), "they stay at the gateway");
        assert_eq!(world.rows("SELECT 1 FROM hub.inbound").await.len(), 3, "each is kept once");
        gateway.broken.store(PAGE + 3, Ordering::SeqCst);
        until("a whole page is taken: what can be read may lie behind it", async || {
            let soon =
                "UPDATE hub.destination SET next_pull_at = hub.now() WHERE system = 'kpsisu'";
            world.execute(soon).await;
            (gateway.confirmed.lock().unwrap().len() == PAGE).then_some(())
        })
        .await;
        let seen = world.metric(0, "hub_inbound_messages_total", &labels).await;
        until("the rest was looked at, twice", async || {
            let soon =
                "UPDATE hub.destination SET next_pull_at = hub.now() WHERE system = 'kpsisu'";
            world.execute(soon).await;
            let now = world.metric(0, "hub_inbound_messages_total", &labels).await;
            (now > seen + 5.5).then_some(())
        })
        .await;
        assert_eq!(gateway.confirmed.lock().unwrap().len(), PAGE, "the rest stays");
        assert_eq!(world.job(job).await.unwrap()["state"], "pending", "its answer may be there");
        gateway.broken.store(0, Ordering::SeqCst);
        assert_eq!(world.ended(job).await["code"], "no_answer", "single faults keep nobody");
        gateway.server.abort();
        world.strike().await;
    });
}

#[test]
fn an_answer_that_an_older_build_could_not_read_is_read_at_the_next_start() {
    run(async {
        let mut world =
            World::build(Scene { settings: HASTY.to_owned(), ..Scene::default() }).await;
        // The first could not be read at all, the second only by its adapter.
        let both = ["read later", "understood later"];
        for name in both {
            world.play(&check(name), &["clear"]).await;
        }
        world.play(&check("opens the box"), &["never"]).await;
        for name in [both[0], both[1], "opens the box"] {
            world.in_state(id(name), "pending").await;
        }
        let row = "SELECT i.id, i.state, i.source, i.why, i.kind, i.key_id, i.sealed, i.message_id,
                          i.correlation_id, j.id::text AS job
                     FROM hub.inbound i LEFT JOIN hub.job j ON j.seq = i.job_seq";
        let late = async |world: &World| {
            workers::demo::time::advance(&world.stage).await.unwrap();
            let mut rows = world.rows(row).await;
            rows.retain(|row| row["state"] == "late");
            (rows.len() == 2).then_some(rows)
        };
        let came = until("the answers came too late", async || late(&world).await).await;
        let of = |rows: &[Value], name: &str| {
            let job = id(name).to_string();
            rows.iter().find(|row| row["job"] == job).cloned().unwrap()
        };
        world.stage.kill_hub(0).await;
        let first = of(&came, both[0]);
        // As a build leaves it that could not read it: as it came, refused, of no conversation.
        let (key_id, sealed) = world.seal("inbound", as_it_came(&world, &first).as_bytes());
        let refuse = format!(
            "UPDATE hub.inbound SET state = 'refused', why = 'unreadable', kind = 'UNREADABLE',
               source = 'pull', correlation_id = '', job_seq = NULL, key_id = '{key_id}',
               sealed = decode('{sealed}', 'hex') WHERE id = {}",
            first["id"]
        );
        world.execute(&refuse).await;
        // And as one whose adapter did not know its content.
        let refuse = format!(
            "UPDATE hub.inbound SET state = 'refused', why = 'unreadable' WHERE id = {}",
            of(&came, both[1])["id"]
        );
        world.execute(&refuse).await;
        world.stage.start_hub(0).unwrap();
        world.stage.ready(0).await.unwrap();
        let read = until("they are read", async || late(&world).await).await;
        assert_eq!(of(&read, both[0])["correlation_id"], first["correlation_id"]);
        assert_eq!(of(&read, both[0])["kind"], "RESPONSE");
        for name in both {
            let job = id(name).to_string();
            let act = ["jobs", "apply-late", &job, "--reason", "it is read now", "--json"];
            let (code, text) = hub(&world, &act).await;
            assert!(code == 0 && text.contains("\"applied\""), "{text}");
            let row = world.portal("specialist_check", &check(name)).await;
            assert_eq!((&row["status"], &row["verdict"]), (&json!("succeeded"), &json!("clear")));
        }
        world.strike().await;
    });
}

/// The content of one `messages` of the gateway, from what the hub kept of a message.
fn as_it_came(world: &World, row: &Value) -> String {
    let raw = String::from_utf8(world.unseal("inbound", row)).unwrap();
    if row["source"] == "push" {
        let inside = raw.split_once("<messageInfo").unwrap().1.split_once("</request>").unwrap().0;
        return format!("<messageInfo{inside}");
    }
    let kept: Value = serde_json::from_str(&raw).unwrap();
    let text = |name: &str| kept[name].as_str().unwrap();
    format!(
        "<messageInfo><messageId>{}</messageId><correlationId>{}</correlationId><serviceId>{}\
         </serviceId><messageType>{}</messageType><sender><senderId>{}</senderId></sender>\
         </messageInfo><messageData><data>{}</data></messageData>",
        text("message_id"),
        text("correlation_id"),
        text("service_id"),
        text("kind"),
        text("sender_id"),
        text("data"),
    )
}
