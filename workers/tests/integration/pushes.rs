//! Hostile and mistaken pushes: stored where they can be read, counted, and never believed.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    servers::run,
    world::{Scene, World, check, id, sum, until},
};

/// What became of each kind of push.
struct Forged {
    answers: BTreeMap<&'static str, Value>,
    rows: BTreeMap<&'static str, Vec<Value>>,
    page: String,
    job: Value,
    portal: Value,
    events: Vec<String>,
}

const KINDS: [&str; 13] = [
    "duplicate",
    "unknown_correlation",
    "wrong_person",
    "wrong_request_number",
    "unknown_sender",
    "wrong_password",
    "no_correlation",
    "other_service",
    "request",
    "not_xml",
    "cut",
    "doctype",
    "oversize",
];

async fn forged() -> &'static Forged {
    static FORGED: OnceCell<Forged> = OnceCell::const_new();
    FORGED.get_or_init(forge_all).await
}

async fn forge_all() -> Forged {
    let world = World::build(Scene::default()).await;
    // One message that arrived, so that it can come again.
    world.play(&check("delivered"), &["early"]).await;
    world.ended(id("delivered")).await;
    let victim = check("victim");
    world.play(&victim, &["never"]).await;
    world.in_state(id("victim"), "pending").await;
    let (mut answers, mut rows) = (BTreeMap::new(), BTreeMap::new());
    for kind in KINDS {
        let last = "SELECT coalesce(max(id), 0) AS id FROM hub.inbound";
        let before = world.row(last).await["id"].as_i64().unwrap();
        answers.insert(kind, forge(&world, kind).await);
        let open = "SELECT 1 FROM hub.inbound WHERE state = 'stored'";
        until("it was looked at", async || world.rows(open).await.is_empty().then_some(())).await;
        let new = format!("SELECT * FROM hub.inbound WHERE id > {before}");
        rows.insert(kind, world.rows(&new).await);
    }
    let forged = Forged {
        answers,
        rows,
        page: world.get(0, "/metrics").await.1,
        job: world.job(id("victim")).await.unwrap(),
        portal: world.portal("specialist_check", &victim).await,
        events: world.events.names(id("victim")),
    };
    world.strike().await;
    forged
}

async fn forge(world: &World, kind: &str) -> Value {
    let url = format!("{}/control/forge", world.stage.simulators);
    let order = json!({"system": "kpsisu", "kind": kind}).to_string();
    let request = world.stage.http().post(url).header("content-type", "application/json");
    let answer = request.body(order).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

impl Forged {
    /// Status of the answer; state, reason and verification of the row; the count.
    fn expect(&self, kind: &str, status: u16, row: Option<(&str, &str, bool)>, result: &str) {
        assert_eq!(self.answers[kind]["status"], status, "{kind}: {}", self.answers[kind]);
        let rows = &self.rows[kind];
        match row {
            None => assert!(rows.is_empty(), "{kind}: {rows:?}"),
            Some((state, why, verified)) => {
                assert_eq!(rows.len(), 1, "{kind}: {rows:?}");
                let found = (&rows[0]["state"], &rows[0]["verified"]);
                assert_eq!(found, (&json!(state), &json!(verified)), "{kind}");
                assert_eq!(rows[0]["why"].as_str().unwrap_or_default(), why, "{kind}");
            }
        }
        let counted = sum(&self.page, "hub_inbound_messages_total", &[("result", result)]);
        assert!(counted > 0.5, "{kind}: {result} was not counted");
    }
}

#[test]
fn invariant_11_an_unknown_sender_is_stored_and_never_applied() {
    run(async {
        let forged = forged().await;
        for kind in ["unknown_sender", "wrong_password"] {
            let row = Some(("refused", "unknown_sender", false));
            forged.expect(kind, 403, row, "unknown_sender");
        }
        let row = Some(("refused", "unknown_service", false));
        forged.expect("other_service", 403, row, "unknown_service");
    });
}

#[test]
fn invariant_11_a_believed_sender_with_another_person_or_number_is_refused() {
    run(async {
        let forged = forged().await;
        forged.expect("wrong_person", 200, Some(("refused", "person", true)), "mismatch");
        let number = Some(("refused", "request_number", true));
        forged.expect("wrong_request_number", 200, number, "mismatch");
        forged.expect("request", 200, Some(("refused", "unreadable", true)), "mismatch");
    });
}

#[test]
fn an_unknown_conversation_is_parked_until_somebody_knows_it() {
    run(async {
        let parked = Some(("parked", "", true));
        forged().await.expect("unknown_correlation", 200, parked, "unmatched");
    });
}

#[test]
fn a_push_that_cannot_be_read_gets_a_fault() {
    run(async {
        let forged = forged().await;
        for kind in ["not_xml", "cut", "doctype", "no_correlation"] {
            // Its bytes are kept all the same: the peer is a known one.
            forged.expect(kind, 400, Some(("refused", "unreadable", false)), "unreadable");
            let answer = forged.answers[kind]["answer"].as_str().unwrap_or_default();
            assert!(answer.contains("Fault"), "{kind}: {answer}");
        }
        assert_eq!(forged.answers["oversize"]["status"], 413);
        assert!(forged.rows["oversize"].is_empty());
    });
}

#[test]
fn a_message_that_comes_again_is_acknowledged_and_not_kept_twice() {
    run(async {
        forged().await.expect("duplicate", 200, None, "duplicate");
    });
}

#[test]
fn invariant_11_nothing_forged_changed_the_job() {
    run(async {
        let forged = forged().await;
        assert_eq!(forged.job["state"], "pending");
        assert_eq!(forged.portal["verdict"], "unknown");
        assert_eq!(forged.events, ["accepted", "pending"]);
    });
}

#[test]
fn invariant_11_a_right_answer_from_an_unknown_peer_is_stored_and_never_applied() {
    run(async {
        let nobody = [("HUB_SYSTEMS__KPSISU__PUSH_PEERS", "")];
        let scene = Scene { environment: nobody.to_vec(), ..Scene::default() };
        let world = World::build(scene).await;
        // Some answers are never pushed; of several, one is.
        let names = ["unbelieved", "unbelieved too", "nor this one"];
        for name in names {
            world.play(&check(name), &["clear"]).await;
            world.in_state(id(name), "pending").await;
        }
        let now = world.stage.store.business_now().await.unwrap();
        let later = now.checked_add(jiff::SignedDuration::from_mins(11)).unwrap();
        world.stage.store.jump_to(later).await.unwrap();
        let row = until("the push is stored", async || {
            world.rows("SELECT * FROM hub.inbound").await.into_iter().next()
        })
        .await;
        let found = (&row["state"], &row["why"], &row["verified"], &row["peer"]);
        let refused = (json!("refused"), json!("unknown_peer"), json!(false), json!("127.0.0.1"));
        assert_eq!(found, (&refused.0, &refused.1, &refused.2, &refused.3));
        let labels = [("system", "kpsisu"), ("result", "unknown_peer")];
        assert!(world.metric(0, "hub_inbound_messages_total", &labels).await > 0.5);
        for name in names {
            assert_eq!(world.job(id(name)).await.unwrap()["state"], "pending");
        }
        world.strike().await;
    });
}

#[test]
fn a_stranger_who_pushes_without_end_gets_the_same_answer_and_no_more_rows() {
    run(async {
        let environment = vec![("HUB_INBOUND__UNVERIFIED_PER_MINUTE", "2")];
        let world = World::build(Scene { environment, ..Scene::default() }).await;
        world.play(&check("bystander"), &["never"]).await;
        world.in_state(id("bystander"), "pending").await;
        for _ in 0..5 {
            assert_eq!(forge(&world, "unknown_sender").await["status"], 403);
        }
        let refused = "SELECT 1 FROM hub.inbound WHERE state = 'refused'";
        assert_eq!(world.rows(refused).await.len(), 2);
        let page = world.get(0, "/metrics").await.1;
        for (result, count) in [("unknown_sender", 2.0), ("over_limit", 3.0)] {
            let labels = [("system", "kpsisu"), ("result", result)];
            let counted = sum(&page, "hub_inbound_messages_total", &labels);
            assert!((counted - count).abs() < 0.5, "{result}: {counted}");
        }
        // Who is known is heard all the same.
        assert_eq!(forge(&world, "wrong_person").await["status"], 200);
        world.strike().await;
    });
}

#[test]
fn a_message_that_does_not_open_is_kept_as_long_as_its_job_lives() {
    run(async {
        let world = World::build(Scene::default()).await;
        let job = id("sealed by another");
        world.play(&check("sealed by another"), &["clear"]).await;
        world.in_state(job, "pending").await;
        // What was sealed with a key that is not here, and was looked at for a long time.
        let foreign = format!(
            "INSERT INTO hub.inbound (received_at, system, source, verified, message_id,
               correlation_id, kind, key_id, sealed, state, looks, look_at)
             SELECT hub.now(), 'kpsisu', 'push', true, 'foreign', c.correlation_id, 'RESPONSE',
                    'another', decode('00', 'hex'), 'parked', 30, statement_timestamp()
               FROM hub.correlation c JOIN hub.job_key k ON k.seq = c.job_seq
              WHERE k.id = '{job}'"
        );
        world.execute(&foreign).await;
        let row = "SELECT i.state, i.why, k.id AS job FROM hub.inbound i
                     LEFT JOIN hub.job_key k ON k.seq = i.job_seq WHERE message_id = 'foreign'";
        let kept = until("it is put to its job", async || {
            Some(world.row(row).await).filter(|row| !row["job"].is_null())
        })
        .await;
        assert_eq!((&kept["state"], &kept["job"]), (&json!("parked"), &json!(job)));
        // Another message answers; the one that does not open can be applied with its key.
        let now = world.stage.store.business_now().await.unwrap();
        let later = now.checked_add(jiff::SignedDuration::from_mins(11)).unwrap();
        world.stage.store.jump_to(later).await.unwrap();
        world.ended(job).await;
        let soon = "UPDATE hub.inbound SET look_at = statement_timestamp()
                     WHERE message_id = 'foreign'";
        world.execute(soon).await;
        let late = until("it is late", async || {
            Some(world.row(row).await).filter(|row| row["state"] == "late")
        })
        .await;
        assert_eq!(late["job"], json!(job));
        world.strike().await;
    });
}

#[test]
fn a_message_that_another_build_kept_is_not_taken_for_one_with_another_key() {
    run(async {
        let world = World::build(Scene::default()).await;
        let (key_id, sealed) = world.seal("inbound", b"{\"version\": 2}");
        let of_another = format!(
            "INSERT INTO hub.inbound (received_at, system, source, verified, message_id,
               correlation_id, kind, key_id, sealed, state, looks, look_at)
             SELECT hub.now(), 'kpsisu', 'pull', true, 'form ' || looks, 'c', 'RESPONSE', '{key_id}',
                    decode('{sealed}', 'hex'), 'parked', looks, statement_timestamp()
               FROM UNNEST(ARRAY[0, 30]) looks"
        );
        world.execute(&of_another).await;
        let rows = "SELECT state, why, looks FROM hub.inbound ORDER BY message_id";
        let rows = until("both are looked at", async || {
            let rows = world.rows(rows).await;
            (rows[0]["looks"] == 1 && rows[1]["state"] != "parked").then_some(rows)
        })
        .await;
        assert_eq!(rows[0], json!({"state": "parked", "why": null, "looks": 1}));
        assert_eq!(rows[1], json!({"state": "refused", "why": "other_build", "looks": 30}));
        let labels = [("system", "kpsisu"), ("result", "unreadable")];
        assert!(world.metric(0, "hub_inbound_messages_total", &labels).await > 0.5);
        world.strike().await;
    });
}

#[test]
fn an_answer_to_a_job_that_is_held_for_unsent_ends_it_and_nothing_is_sent_again() {
    run(async {
        let world = World::build(Scene::default()).await;
        let job = id("held for unsent");
        world.play(&check("held for unsent"), &["clear"]).await;
        world.in_state(job, "pending").await;
        // As after a failure that seemed to come before the request left: no conversation, a retry.
        let unsent = format!(
            "WITH held AS (UPDATE hub.job_live SET state = 'waiting', phase = 'send'
               WHERE id = '{job}' RETURNING seq),
             forgotten AS (DELETE FROM hub.correlation c USING held WHERE c.job_seq = held.seq)
             INSERT INTO hub.timer (job_seq, kind, due_at)
             SELECT seq, 'wake', hub.now() + interval '1 hour' FROM held"
        );
        world.execute(&unsent).await;
        let now = world.stage.store.business_now().await.unwrap();
        let answered = now.checked_add(jiff::SignedDuration::from_mins(11)).unwrap();
        world.stage.store.jump_to(answered).await.unwrap();
        let ended = world.ended(job).await;
        assert_eq!(ended["state"], "succeeded", "{ended}");
        let past = answered.checked_add(jiff::SignedDuration::from_hours(2)).unwrap();
        world.stage.store.jump_to(past).await.unwrap();
        assert_eq!(world.journal(job).await.len(), 1, "it was not sent again");
        assert!(world.rows("SELECT 1 FROM hub.timer").await.is_empty());
        world.strike().await;
    });
}
