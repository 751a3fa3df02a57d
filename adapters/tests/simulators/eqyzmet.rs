//! ИИС «Е-қызмет», spoken to by the real adapter: submissions, doubts, and messages it begins.

use std::{sync::Arc, time::Duration};

use adapters::{
    attempt::{Attachment, Attempt, Call, Outcome},
    channel::{Message, Mismatch, Received},
    settings::{Sender, Settings},
    system::{Adapter, System},
    systems::eqyzmet::{Eqyzmet, FILE_BYTES_MAX, SUBMIT},
    transport::shep_async::{self, Push},
};
use bytes::Bytes;
use contracts::{class::Class, personal::Personal};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use uuid::Uuid;

use crate::world::{Hub, World};

const PERSON: &str = include_str!("../../../contracts/systems/eqyzmet/certificates/person.b64");
const ORGANISATION: &str =
    include_str!("../../../contracts/systems/eqyzmet/certificates/organisation.b64");
const COMPANY: &str =
    include_str!("../../../contracts/systems/eqyzmet/certificates/organisation_company.b64");
const PASSWORD: &str = "daeb30e06dcf80565ac935eca8ec3e87a2cd7194440c14842b470d3cb7fed353";

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn settings(url: &str) -> Settings {
    let sender = Sender { sender_id: "eqyzmet".to_owned(), password: Some(PASSWORD.into()) };
    Settings { push_senders: vec![sender], ..Settings::for_url(url) }
}

fn adapter(world: &World) -> Arc<dyn Adapter> {
    Eqyzmet.connect(&settings(&world.url("/eqyzmet/"))).unwrap()
}

fn call(n: u128, message_id: &str, organisation: &str, files: Vec<Attachment>) -> Call {
    let input = json!({
        "message_id": message_id,
        "fields": [{ "key": "staffCount", "value": "12" }, { "key": "Пояснение", "value": "" }],
        "attachments": files.iter().map(|file| file.id.to_string()).collect::<Vec<_>>(),
        "signature": "U0lN",
        "person_certificate": PERSON.trim_end(),
        "organisation_certificate": organisation.trim_end(),
    });
    let now = "2026-03-02T05:00:00Z".parse().unwrap();
    let limit = Duration::from_secs(20);
    Call { files, ..Call::first(&SUBMIT, Uuid::from_u128(n), input, now, limit) }
}

fn file(n: u128) -> Attachment {
    Attachment {
        id: Uuid::from_u128(n),
        name: Personal::new("Форма.pdf".to_owned()),
        media_type: "application/pdf".to_owned(),
        bytes: Bytes::from(vec![0xa5; FILE_BYTES_MAX]),
    }
}

fn submission(n: u128, message_id: &str) -> Call {
    call(n, message_id, ORGANISATION, Vec::new())
}

/// Begins conversations and lets their pushes go nowhere in particular.
async fn begin(world: &World, kind: &str) -> String {
    let order = json!({ "system": "eqyzmet", "kind": kind });
    let (status, answer) = world.post("/control/begin", order).await;
    assert_eq!(status, 200, "{answer}");
    answer["begun"][0].as_str().unwrap().to_owned()
}

fn revision(attempt: &Attempt) -> Option<u64> {
    match &attempt.outcome {
        Outcome::Answered(answer) => {
            let row = answer.writes[0].values.expose();
            assert_eq!(row["submit_status"], "submitted");
            assert!(row["submitted_at"].is_string());
            row["submitted_revision"].as_u64()
        }
        Outcome::Acknowledged(_) | Outcome::Interim(_) | Outcome::NotDone | Outcome::Failed(_) => {
            None
        }
    }
}

fn failure(attempt: &Attempt) -> (Class, &'static str) {
    match &attempt.outcome {
        Outcome::Failed(failure) => (failure.class, failure.code.name()),
        Outcome::Answered(_)
        | Outcome::Acknowledged(_)
        | Outcome::Interim(_)
        | Outcome::NotDone => panic!("{attempt:?}"),
    }
}

/// What the hub makes of the pushes that came.
async fn received(world: &World, hub: &Hub, count: usize) -> Vec<Result<Received, Mismatch>> {
    let adapter = adapter(world);
    let channel = adapter.channel().unwrap();
    let read = |push: &crate::world::Push| {
        let message = message(push.text.as_bytes());
        let password = message.sender_password.as_ref().map(|p| p.expose().as_str());
        assert!(channel.knows_sender(&message.sender_id, password));
        assert_eq!(message.service_id, channel.service_id());
        channel.receive(&message).unwrap()
    };
    hub.pushes(count).await.iter().map(read).collect()
}

fn message(push: &[u8]) -> Message {
    match shep_async::read_push(push).unwrap() {
        Push::Message(message) => message,
        Push::StatusChange(change) => panic!("{change:?}"),
    }
}

#[tokio::test]
async fn d19_nine_mebibytes_of_files_go_in_one_request_and_once() {
    let world = World::start(vec![]).await;
    let id = begin(&world, "editable").await;
    let call = call(1, &id, ORGANISATION, vec![file(11), file(12), file(13)]);
    let adapter = adapter(&world);
    let first = adapter.attempt(&call).await;
    assert_eq!(revision(&first), Some(2), "{first:?}");
    let kept = first.exchange.request.len();
    assert!(kept < 4_096, "{kept} bytes are kept of a request whose files are stored already");
    let again = adapter.attempt(&call).await;
    assert_eq!(revision(&again), Some(2), "a repetition gets the first answer");
    let oracle = &world.get("/control/oracle").await["eqyzmet"];
    let expected = json!({
        "requests": 2, "executed": 1, "distinct_request_numbers": 1,
        "executed_more_than_once": [], "sent_again": {call.job_id.to_string(): 1},
        "numbers_cut": false, "at_once_max": 1,
    });
    assert_eq!(*oracle, expected);
}

#[tokio::test]
async fn a_large_request_that_goes_up_slowly_is_not_silence() {
    const SILENCE: Duration = Duration::from_millis(50);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let peer = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // Nothing moves for longer than the longest silence: the line itself is that slow.
        tokio::time::sleep(SILENCE * 4).await;
        let mut stream = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        stream.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        length
    });
    let read_timeout_ms = u64::try_from(SILENCE.as_millis()).unwrap();
    let adapter = Eqyzmet.connect(&Settings { read_timeout_ms, ..settings(&url) }).unwrap();
    let attempt = adapter.attempt(&call(1, "SIM-1.1", ORGANISATION, vec![file(11)])).await;
    assert_eq!(failure(&attempt), (Class::Denied, "unauthorized"));
    assert!(peer.await.unwrap() > FILE_BYTES_MAX);
}

#[tokio::test]
async fn a_lost_or_strange_answer_leaves_a_doubt_that_the_question_ends() {
    for (behaviour, code) in [
        ("lost", "connection_cut"),
        ("cut", "connection_cut"),
        ("html_ok", "server_error"),
        ("garbage", "answer_unreadable"),
        ("unknown_status", "unknown_status"),
        ("unknown_result", "unknown_result"),
        ("other_message", "other_message"),
        ("other_request", "other_request"),
        ("other_service", "other_service"),
        ("key_twice", "parameters_malformed"),
        ("no_values", "parameters_malformed"),
        ("lengths_differ", "parameters_malformed"),
        ("no_service_name", "parameters_malformed"),
        ("no_revision", "parameters_malformed"),
    ] {
        let world = World::start(vec![]).await;
        let call = submission(1, &begin(&world, "editable").await);
        world.order("eqyzmet", behaviour).await;
        let adapter = adapter(&world);
        let attempt = adapter.attempt(&call).await;
        assert_eq!(failure(&attempt), (Class::Indeterminate, code), "{behaviour}");
        assert_eq!(attempt.writes[0].values.expose()["submit_status"], "in_doubt");
        let asked = adapter.reconcile(&call).await;
        assert_eq!(revision(&asked), Some(2), "{behaviour}: {asked:?}");
        assert_eq!(world.journal("eqyzmet").await[0]["executed"], true);
    }
}

#[tokio::test]
async fn what_never_came_through_is_not_done_and_may_be_sent_again() {
    for (behaviour, class) in [
        ("reset_before", Class::Indeterminate),
        ("server_error", Class::Indeterminate),
        ("html_bad_gateway", Class::Indeterminate),
        ("unknown_fault", Class::Indeterminate),
        ("unavailable", Class::Unreachable),
    ] {
        let world = World::start(vec![]).await;
        let call = submission(1, &begin(&world, "editable").await);
        world.order("eqyzmet", behaviour).await;
        let adapter = adapter(&world);
        assert_eq!(failure(&adapter.attempt(&call).await).0, class, "{behaviour}");
        for _ in 0..2 {
            let asked = adapter.reconcile(&call).await;
            assert!(matches!(asked.outcome, Outcome::NotDone), "{behaviour}: {asked:?}");
            assert!(asked.writes.is_empty());
        }
        assert_eq!(revision(&adapter.attempt(&call).await), Some(2), "{behaviour}");
    }
}

#[tokio::test]
async fn a_question_without_an_answer_leaves_the_doubt() {
    let world = World::start(vec![]).await;
    let call = submission(1, &begin(&world, "editable").await);
    world.order("eqyzmet", "lost_deaf").await;
    let adapter = adapter(&world);
    assert_eq!(failure(&adapter.attempt(&call).await).0, Class::Indeterminate);
    let asked = adapter.reconcile(&call).await;
    assert_eq!(failure(&asked), (Class::Unreachable, "server_error"));
    assert!(asked.writes.is_empty(), "nothing new is known");
    assert_eq!(revision(&adapter.reconcile(&call).await), Some(2));
}

#[tokio::test]
async fn their_refusals_have_a_code_and_words() {
    let world = World::start(vec![]).await;
    let (editable, notice) = (begin(&world, "editable").await, begin(&world, "notice").await);
    let adapter = adapter(&world);
    assert_eq!(revision(&adapter.attempt(&submission(1, &editable)).await), Some(2));
    let fresh = begin(&world, "editable").await;
    world.order("eqyzmet", "signature_invalid").await;
    for (call, code) in [
        (submission(2, &fresh), "signature_invalid"),
        (submission(3, "SIM-0.0"), "message_not_found"),
        (submission(4, &notice), "message_not_editable"),
        (submission(5, &editable), "already_submitted"),
        (call(6, &fresh, COMPANY, Vec::new()), "other_organisation"),
    ] {
        let attempt = adapter.attempt(&call).await;
        assert_eq!(failure(&attempt), (Class::Refused, code));
        assert_eq!(attempt.writes[0].values.expose()["submit_status"], "refused");
        assert_eq!(attempt.writes[0].values.expose()["submit_code"], code);
        let Outcome::Failed(failure) = attempt.outcome else { unreachable!() };
        assert!(failure.reason.is_some(), "{code} has no words");
    }
    let executed = &world.get("/control/oracle").await["eqyzmet"]["executed"];
    assert_eq!(*executed, json!(1));
}

#[tokio::test]
async fn d19_a_returned_message_can_be_submitted_again() {
    let hub = Hub::start().await;
    let world = World::start(vec![hub.url.clone()]).await;
    let id = begin(&world, "editable").await;
    hub.pushes(1).await;
    world.order("eqyzmet", "returned").await;
    let adapter = adapter(&world);
    assert_eq!(revision(&adapter.attempt(&submission(1, &id)).await), Some(2));
    assert_eq!(failure(&adapter.attempt(&submission(2, &id)).await).1, "already_submitted");
    world.clock.advance(hours(2));
    let update = received(&world, &hub, 2).await.pop().unwrap().unwrap();
    assert_eq!(
        (&update.summary["status"], &update.summary["revision"]),
        (&json!("returned"), &json!(3))
    );
    assert_eq!(revision(&adapter.attempt(&submission(3, &id)).await), Some(4));
    // The first submission, asked for late, is still the one that made revision 2.
    assert_eq!(revision(&adapter.reconcile(&submission(1, &id)).await), Some(2));
    world.clock.advance(hours(3));
    let update = received(&world, &hub, 3).await.pop().unwrap().unwrap();
    assert_eq!(
        (&update.summary["status"], &update.summary["revision"]),
        (&json!("accepted"), &json!(5))
    );
}

#[tokio::test]
async fn a_return_that_overtakes_the_answer_is_newer_than_it() {
    let hub = Hub::start().await;
    let world = World::start(vec![hub.url.clone()]).await;
    let id = begin(&world, "editable").await;
    hub.pushes(1).await;
    world.order("eqyzmet", "returned_first").await;
    let answered = adapter(&world).attempt(&submission(1, &id)).await;
    assert_eq!(hub.count(), 2, "the return came first");
    let update = received(&world, &hub, 2).await.pop().unwrap().unwrap();
    let returned = update.summary["revision"].as_u64();
    assert!(returned > revision(&answered), "{returned:?}");
}

#[tokio::test]
async fn each_conversation_is_what_it_announces() {
    type Seen = Result<(&'static str, u64), Mismatch>;
    let table: [(&str, &[Seen]); 17] = [
        ("notice", &[Ok(("notice", 1))]),
        ("editable", &[Ok(("editable", 1))]),
        ("changed", &[Ok(("editable", 1)), Ok(("editable", 2))]),
        ("update_first", &[Ok(("editable", 2)), Ok(("editable", 1))]),
        ("twice", &[Ok(("editable", 1)), Ok(("editable", 1))]),
        ("other_organisation", &[Err(Mismatch::Organisation)]),
        ("lengths_differ", &[Err(Mismatch::Unreadable)]),
        ("key_twice", &[Err(Mismatch::Unreadable)]),
        ("no_values", &[Err(Mismatch::Unreadable)]),
        ("no_service_name", &[Err(Mismatch::Unreadable)]),
        ("unknown_service", &[Err(Mismatch::Unreadable)]),
        ("no_message_id", &[Err(Mismatch::Unreadable)]),
        ("no_revision", &[Err(Mismatch::Unreadable)]),
        ("unknown_state", &[Err(Mismatch::Unreadable)]),
        ("person_in_id", &[Err(Mismatch::Unreadable)]),
        ("huge", &[Err(Mismatch::Unreadable)]),
        ("not_xml", &[Err(Mismatch::Unreadable)]),
    ];
    for (kind, expected) in table {
        let hub = Hub::start().await;
        let world = World::start(vec![hub.url.clone()]).await;
        begin(&world, kind).await;
        if expected.len() > 1 {
            hub.pushes(1).await;
            world.clock.advance(SignedDuration::from_mins(10));
        }
        let seen = received(&world, &hub, expected.len()).await;
        let ids: Vec<_> = seen.iter().flatten().map(|one| one.id).collect();
        assert_eq!(kind == "twice", ids.len() == 2 && ids[0] == ids[1], "{kind}");
        let seen: Vec<_> = seen
            .iter()
            .map(|one| match one {
                Ok(one) => {
                    let text = |name: &str| one.summary[name].as_str().unwrap();
                    Ok((text("kind"), one.summary["revision"].as_u64().unwrap()))
                }
                Err(mismatch) => Err(*mismatch),
            })
            .collect();
        assert_eq!(seen, expected, "{kind}");
    }
}

#[tokio::test]
async fn d21_no_message_is_an_empty_mailbox_and_a_message_waits_there_until_confirmed() {
    let world = World::start(vec![]).await;
    let adapter = adapter(&world);
    let channel = adapter.channel().unwrap();
    let now = "2026-03-02T05:00:00Z".parse().unwrap();
    let empty = channel.pull(now).await.unwrap();
    assert_eq!((empty.messages.len(), empty.unreadable.len()), (0, 0));
    begin(&world, "pull_only").await;
    world.until("it waits", |state| state["mailbox"] == 1).await;
    let page = channel.pull(now).await.unwrap();
    let waiting = &page.messages[0];
    assert_eq!(channel.receive(waiting).unwrap().unwrap().summary["kind"], "notice");
    channel.confirm(std::slice::from_ref(&waiting.message_id), now).await.unwrap();
    assert!(channel.pull(now).await.unwrap().messages.is_empty());
}

#[tokio::test]
async fn large_messages_do_not_block_the_mailbox() {
    let world = World::start(vec![]).await;
    let order = json!({ "system": "eqyzmet", "kind": "huge", "count": 12 });
    assert_eq!(world.post("/control/begin", order).await.0, 200);
    world.until("all wait", |state| state["mailbox"] == 12).await;
    let adapter = adapter(&world);
    let channel = adapter.channel().unwrap();
    let now = "2026-03-02T05:00:00Z".parse().unwrap();
    let mut pages = Vec::new();
    loop {
        let page = channel.pull(now).await.unwrap();
        let ids: Vec<String> = page.messages.iter().map(|one| one.message_id.clone()).collect();
        if ids.is_empty() {
            break;
        }
        channel.confirm(&ids, now).await.unwrap();
        pages.push((ids.len(), page.unreadable.len()));
    }
    assert_eq!(pages, [(10, 0), (2, 0)]);
}

#[tokio::test]
async fn messages_begin_by_themselves_at_business_times() {
    let hub = Hub::start().await;
    let world = World::start(vec![hub.url.clone()]).await;
    let order = json!({
        "system": "eqyzmet", "kind": "notice", "count": 3, "every_s": 3600,
        "organisation": "100540000008",
    });
    let (_, answer) = world.post("/control/begin", order).await;
    assert_eq!(answer["begun"].as_array().map(Vec::len), Some(3));
    let begun = world.get("/control/begun?from=1").await;
    assert_eq!((&begun["start"], &begun["end"]), (&json!(1), &json!(3)));
    assert_eq!(
        begun["conversations"][1],
        json!({ "system": "eqyzmet", "kind": "notice", "key": answer["begun"][2] })
    );
    for count in 1..=3 {
        let pushes = hub.pushes(count).await;
        assert_eq!(pushes.len(), count);
        assert!(pushes[count - 1].text.contains("100540000008"));
        world.until_quiet().await;
        assert_eq!(hub.count(), count, "not before its time");
        world.clock.advance(hours(1));
    }
}

#[tokio::test]
async fn the_control_api_says_what_cannot_begin() {
    let world = World::start(vec![]).await;
    for (body, error) in [
        (json!({ "system": "gbdfl", "kind": "notice" }), "begins no conversation"),
        (json!({ "system": "kpsisu", "kind": "notice" }), "begins no conversation"),
        (json!({ "system": "eqyzmet", "kind": "letter" }), "unknown kind"),
        (json!({ "system": "eqyzmet", "kind": "notice", "count": 0 }), "count"),
        (json!({ "system": "eqyzmet", "kind": "notice", "organisation": "1" }), "not a BIN"),
    ] {
        let (status, answer) = world.post("/control/begin", body).await;
        assert_eq!(status, 400);
        assert!(answer["error"].as_str().unwrap().contains(error), "{answer}");
        assert!(!answer["do"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn hostile_pushes_are_not_believed() {
    let hub = Hub::start().await;
    let world = World::start(vec![hub.url.clone()]).await;
    let adapter = adapter(&world);
    let channel = adapter.channel().unwrap();
    let mut count = 0;
    for kind in ["unknown_sender", "wrong_password", "other_service", "response"] {
        let order = json!({ "system": "eqyzmet", "kind": kind });
        assert_eq!(world.post("/control/forge", order).await.0, 200);
        count += 1;
        let message = message(hub.pushes(count).await[count - 1].text.as_bytes());
        let password = message.sender_password.as_ref().map(|p| p.expose().as_str());
        let known = channel.knows_sender(&message.sender_id, password);
        assert_eq!(known, ["other_service", "response"].contains(&kind), "{kind}");
        assert_eq!(message.service_id == channel.service_id(), kind != "other_service");
        assert_eq!(channel.receive(&message).is_none(), kind == "response");
    }
}

#[tokio::test]
async fn requests_that_break_the_contract_are_told_so_and_not_counted() {
    let world = World::start(vec![]).await;
    let id = begin(&world, "editable").await;
    let attempt = adapter(&world).attempt(&submission(1, &id)).await;
    let good = String::from_utf8(attempt.exchange.request.to_vec()).unwrap();
    let file = "<param><key>attachmentName</key><values><value>a</value></values></param>";
    for (from, to, code) in [
        ("typ:SendMessage", "typ:sendMessage", "SCE001"),
        ("EKyzmetUniversalService", "EKyzmet", "SCE004"),
        ("SIM_submitMessage", "SIM_other", "SCE004"),
        ("<Request ", "<Request xmlns=\"urn:x\" ", "SCE001"),
        ("<key>requestNumber", "<key>number", "SCE001"),
        ("<key>fieldValue", "<key>fieldKey", "SCE001"),
        ("<value>12</value>", "", "SCE001"),
        ("<value>12</value>", "<value/>", "SCE001"),
        ("990140000007", "1", "SCE001"),
        ("U0lN", "?", "SCE001"),
        ("</Request>", &format!("{file}</Request>"), "SCE001"),
    ] {
        let (status, bytes) = world.send("/eqyzmet/", good.replace(from, to)).await;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(status, 500, "{from}: {text}");
        assert!(text.contains(&format!("<errorCode>{code}</errorCode>")), "{from}: {text}");
    }
    assert_eq!(world.get("/control/state").await["requests"], json!(1));
}

#[tokio::test]
async fn random_faults_end_and_no_number_is_executed_twice() {
    let world = World::with(vec![], 5, 1_000).await;
    let adapter = adapter(&world);
    for n in 0..20 {
        let call = submission(n, &begin(&world, "editable").await);
        let mut done = None;
        // A fault meets each number twice at most; a question in between ends each doubt.
        for _ in 0..6 {
            let attempt = adapter.attempt(&call).await;
            done = done.or(revision(&attempt)).or(revision(&adapter.reconcile(&call).await));
        }
        assert_eq!(done, Some(2), "{n}");
    }
    let oracle: &Value = &world.get("/control/oracle").await["eqyzmet"];
    assert_eq!((&oracle["executed"], &oracle["executed_more_than_once"]), (&json!(20), &json!([])));
}
