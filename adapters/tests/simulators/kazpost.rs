//! Kazpost's simulator through the real adapter: what each behaviour comes to, and what the journal
//! says of it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use adapters::{
    attempt::{Answer, Attempt, Call, Interim, Outcome, Write},
    settings::Settings,
    system::Adapter,
    systems,
};
use contracts::{class::Class, operation::OperationSpec, personal::Personal};
use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

const LIMIT: Duration = Duration::from_secs(20);
const SHORT_LIMIT: Duration = Duration::from_millis(300);
const DELIVERY: &str = "portal.delivery";

struct Kazpost {
    world: World,
    adapter: Arc<dyn Adapter>,
}

/// The codes of events that were kept, by their keys, in order.
fn codes(kept: &BTreeSet<String>) -> Vec<String> {
    let code = |key: &String| key.split(' ').nth(1).map(str::to_owned);
    let mut codes: Vec<String> = kept.iter().filter_map(code).collect();
    codes.sort();
    codes
}

fn system() -> Box<dyn adapters::system::System> {
    let mut all = systems::all().into_iter();
    all.find(|system| system.spec().name == "kazpost").expect("registered")
}

fn operation(name: &str) -> &'static OperationSpec {
    let all = system().spec().operations;
    all.iter().find(|operation| operation.name == name).expect("an operation")
}

impl Kazpost {
    async fn start() -> Self {
        let world = World::start(vec![]).await;
        let adapter = connect(&world, "/kazpost/", &[]);
        Self { world, adapter }
    }

    fn call(&self, name: &str, input: Value) -> Call {
        let now = self.world.simulation.now();
        Call::first(operation(name), Uuid::from_u128(7), input, now, LIMIT)
    }

    async fn attempt(&self, name: &str, input: Value) -> Attempt {
        self.adapter.attempt(&self.call(name, input)).await
    }

    /// The codes that the journal's last look at a parcel was told, in order.
    async fn told_of(&self, number: &str) -> Vec<String> {
        let journal = self.world.get("/control/journal?system=kazpost.track").await;
        let mut looks = journal.as_array().expect("entries").iter();
        let last = looks.rfind(|entry| entry["request_number"] == number).expect("a look");
        let given = last["given"].as_str().unwrap_or_default();
        let mut codes: Vec<String> = given.split_whitespace().map(str::to_owned).collect();
        codes.sort();
        codes
    }

    async fn label(&self, order: &str) -> Outcome {
        self.attempt("kazpost.label", label(order)).await.outcome
    }

    /// A number, through as many attempts as it takes.
    async fn number(&self, order: &str) -> String {
        let mut call = self.call("kazpost.label", label(order));
        for _ in 0..10 {
            let outcome = self.adapter.attempt(&call).await.outcome;
            let Outcome::Interim(interim) = outcome else {
                return text(&answered(outcome).portal.expose()["track_number"]);
            };
            call.carry = interim.carry;
        }
        panic!("no label in ten attempts")
    }

    async fn look(&self, call: &mut Call) -> Outcome {
        call.now = self.world.simulation.now();
        let outcome = self.adapter.attempt(call).await.outcome;
        if let Outcome::Interim(interim) = &outcome {
            call.carry = Personal::new(interim.carry.expose().clone());
        }
        outcome
    }

    fn wait(&self, hours: i64) {
        self.world.clock.advance(SignedDuration::from_hours(hours));
    }

    /// Order numbers and whether a number was issued, oldest first.
    async fn issued(&self) -> Vec<(String, bool)> {
        let journal = self.world.journal("kazpost").await;
        let entry = |one: &Value| (text(&one["request_number"]), one["executed"] == json!(true));
        journal.iter().map(entry).collect()
    }
}

fn connect(world: &World, path: &str, options: &[(&str, &str)]) -> Arc<dyn Adapter> {
    let mut settings = Settings::for_url(&world.url(path));
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
    settings.options = options.collect();
    system().connect(&settings).expect("settings are right")
}

fn label(order: &str) -> Value {
    let address =
        json!({ "postcode": "010000", "city": "Астана", "street": "Тестовая", "house": "1" });
    json!({
        "order_number": order, "order_status": "reserved", "delivery_method": "courier",
        "recipient": { "iin": "850100300012", "name": "ТЕСТОВ", "phone": "+77000000000",
            "address": address },
        "sender": { "bin": "990140000007", "name": "ТОО «ТЕСТ»", "phone": "87000000000",
            "address": address },
        "weight_g": 250,
    })
}

fn courier(order: &str, date: &str) -> Value {
    json!({
        "order_number": order, "date": date, "weight_g": 1_500,
        "sender": { "bin": "990140000007", "name": "ТОО «ТЕСТ»", "phone": "87000000000" },
        "pickup": { "region_code": "75", "address": "Алматы, Тестовая, 2" },
    })
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn answered(outcome: Outcome) -> Answer {
    let Outcome::Answered(answer) = outcome else { panic!("{outcome:?}") };
    answer
}

fn interim(outcome: Outcome) -> Interim {
    let Outcome::Interim(interim) = outcome else { panic!("{outcome:?}") };
    interim
}

fn failed(outcome: Outcome) -> (Class, &'static str) {
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    (failure.class, failure.code.name())
}

fn written(writes: &[Write], record: &str, column: &str) -> Value {
    let mut of = writes.iter().filter(|write| write.record.name == record);
    let found = of.find_map(|write| write.values.expose().get(column).cloned());
    found.unwrap_or_default()
}

#[tokio::test]
async fn d14_a_label_comes_with_number_link_and_status_in_every_form() {
    let kazpost = Kazpost::start().await;
    for behaviour in ["label", "old_elements", "new_elements", "both_elements"] {
        for n in 0..3 {
            kazpost.world.order("kazpost", behaviour).await;
            let answer = answered(kazpost.label(&format!("{behaviour}-{n}")).await);
            let number = text(&answer.portal.expose()["track_number"]);
            assert!(number.parse::<contracts::s10::TrackNumber>().is_ok(), "{number}");
            let link = text(&answer.portal.expose()["tracking_link"]);
            assert_eq!(link, format!("https://track.post.kz/{number}"));
            assert_eq!(written(&answer.writes, DELIVERY, "status_code"), "track_assigned");
            assert_eq!(written(&answer.writes, DELIVERY, "track_number_issued_on"), "2026-03-02");
            let file = &answer.files[0];
            assert!(file.bytes.starts_with(b"%PDF-1.4") && file.bytes.ends_with(b"%%EOF\n"));
            assert_eq!((file.role, file.media_type), ("label", "application/pdf"));
            assert!(!format!("{:?}", answer.summary).contains(&number), "not in events");
        }
    }
}

#[tokio::test]
async fn d15_however_often_and_by_whom_an_order_is_asked_for_it_has_one_number() {
    let kazpost = Kazpost::start().await;
    let mut numbers = BTreeSet::new();
    for behaviour in ["label", "lost_after_issue", "cut_after_issue", "label", "no_pdf"] {
        kazpost.world.order("kazpost", behaviour).await;
        let mut call = kazpost.call("kazpost.label", label("5521"));
        call.job_id = Uuid::from_u128(numbers.len() as u128); // another job, another worker
        match kazpost.adapter.attempt(&call).await.outcome {
            Outcome::Failed(failure) => assert_eq!(failure.class, Class::Indeterminate),
            Outcome::Answered(_) | Outcome::Interim(_) => {
                numbers.insert(kazpost.number("5521").await);
            }
            outcome @ (Outcome::Acknowledged(_) | Outcome::NotDone) => panic!("{outcome:?}"),
        }
    }
    assert_eq!(numbers.len(), 1);
    let issued = kazpost.issued().await;
    let new: Vec<_> = issued.iter().filter(|(_, executed)| *executed).collect();
    assert_eq!(new, [&("SIM-5521".to_owned(), true)], "one order, one number");
}

#[tokio::test]
async fn d15_a_lost_answer_is_settled_by_the_order_number() {
    let kazpost = Kazpost::start().await;
    for behaviour in
        ["lost_after_issue", "cut_after_issue", "html_after_issue", "garbage_after_issue"]
    {
        kazpost.world.order("kazpost", behaviour).await;
        let mut call = kazpost.call("kazpost.label", label(behaviour));
        let lost = failed(kazpost.adapter.attempt(&call).await.outcome);
        assert_eq!(lost.0, Class::Indeterminate, "{behaviour}");
        let found = interim(kazpost.adapter.reconcile(&call).await.outcome);
        assert_eq!(found.summary["label"], "awaited");
        let number = written(&found.writes, DELIVERY, "track_number");
        call.carry = found.carry;
        let answer = answered(kazpost.adapter.attempt(&call).await.outcome);
        assert_eq!(answer.portal.expose()["track_number"], number);
        assert_eq!((answer.files.len(), &answer.summary["label"]), (1, &json!("ready")));
        let executed =
            kazpost.world.simulation.journal().executed("kazpost", &format!("SIM-{behaviour}"));
        assert_eq!(executed, 1, "{behaviour}");
    }
}

#[tokio::test]
async fn d15_a_request_that_was_never_executed_is_not_done_and_may_be_sent_again() {
    let kazpost = Kazpost::start().await;
    for behaviour in ["server_error", "html_bad_gateway", "reset_before", "unknown_fault"] {
        kazpost.world.order("kazpost", behaviour).await;
        let call = kazpost.call("kazpost.label", label(behaviour));
        let lost = failed(kazpost.adapter.attempt(&call).await.outcome);
        assert_eq!(lost.0, Class::Indeterminate, "{behaviour}");
        let outcome = kazpost.adapter.reconcile(&call).await.outcome;
        assert!(matches!(outcome, Outcome::NotDone), "{behaviour}: {outcome:?}");
        kazpost.number(behaviour).await;
    }
    let oracle = &kazpost.world.get("/control/oracle").await["kazpost"];
    assert_eq!(oracle["sent_again"], json!({}), "they were asked first");
}

#[tokio::test]
async fn a_label_that_is_sent_again_unasked_is_counted_though_no_second_number_is_given() {
    let kazpost = Kazpost::start().await;
    for behaviour in ["lost_after_issue", "label", "server_error"] {
        kazpost.world.order("kazpost", behaviour).await;
        kazpost.adapter.attempt(&kazpost.call("kazpost.label", label("7"))).await;
    }
    let oracle = &kazpost.world.get("/control/oracle").await["kazpost"];
    assert_eq!(oracle["sent_again"], json!({"SIM-7": 2}));
    assert_eq!((&oracle["executed"], &oracle["executed_more_than_once"]), (&json!(1), &json!([])));
    let journal = kazpost.world.journal("kazpost").await;
    assert_eq!(journal[0]["given"], journal[1]["given"]);
    assert_eq!((&journal[0]["kind"], &journal[2]["given"]), (&json!("command"), &json!(null)));
}

#[tokio::test]
async fn a_request_that_they_declined_may_be_sent_again() {
    let kazpost = Kazpost::start().await;
    for behaviour in ["oracle_fault", "wrong_key", "label"] {
        kazpost.world.order("kazpost", behaviour).await;
        kazpost.adapter.attempt(&kazpost.call("kazpost.label", label("8"))).await;
    }
    let oracle = &kazpost.world.get("/control/oracle").await["kazpost"];
    assert_eq!(oracle["sent_again"], json!({}));
}

#[tokio::test]
async fn a_question_that_fails_leaves_the_doubt() {
    let kazpost = Kazpost::start().await;
    let call = kazpost.call("kazpost.label", label("1"));
    for (behaviour, expected) in [
        ("server_error", (Class::Unreachable, "server_error")),
        ("garbage_after_issue", (Class::Contract, "answer_unreadable")),
        ("oracle_fault", (Class::Defect, "fault")),
    ] {
        kazpost.world.order("kazpost", behaviour).await;
        assert_eq!(failed(kazpost.adapter.reconcile(&call).await.outcome), expected);
    }
}

#[tokio::test]
async fn a_slow_answer_is_cut_off_by_the_time_limit_and_found_later() {
    let kazpost = Kazpost::start().await;
    kazpost.world.order("kazpost", "slow_after_issue").await;
    let mut call = kazpost.call("kazpost.label", label("5521"));
    call.time_limit = SHORT_LIMIT;
    let lost = failed(kazpost.adapter.attempt(&call).await.outcome);
    assert_eq!(lost, (Class::Indeterminate, "timed_out"));
    call.time_limit = LIMIT;
    interim(kazpost.adapter.reconcile(&call).await.outcome);
}

#[tokio::test]
async fn a_number_without_a_label_is_told_at_once_and_its_label_follows() {
    let kazpost = Kazpost::start().await;
    for behaviour in ["no_pdf", "not_a_pdf", "broken_base64"] {
        kazpost.world.order("kazpost", behaviour).await;
        let mut call = kazpost.call("kazpost.label", label(behaviour));
        let first = interim(kazpost.adapter.attempt(&call).await.outcome);
        assert_eq!(first.again_in, Duration::from_secs(5), "{behaviour}");
        assert!(written(&first.writes, DELIVERY, "track_number").is_string());
        call.carry = first.carry;
        let answer = answered(kazpost.adapter.attempt(&call).await.outcome);
        assert_eq!(answer.summary["label"], "ready", "{behaviour}");
    }
}

#[tokio::test]
async fn a_label_that_never_comes_does_not_fail_the_job() {
    let kazpost = Kazpost::start().await;
    let order = json!({ "system": "kazpost", "behaviour": "pdf_never", "count": 10 });
    assert_eq!(kazpost.world.post("/control/next", order).await.0, 200);
    let mut call = kazpost.call("kazpost.label", label("5521"));
    let mut attempts = 1;
    let answer = loop {
        let outcome = kazpost.adapter.attempt(&call).await.outcome;
        let Outcome::Interim(interim) = outcome else { break answered(outcome) };
        call.carry = interim.carry;
        attempts += 1;
    };
    assert_eq!((attempts, &answer.summary["label"]), (6, &json!("missing")));
    assert!(answer.files.is_empty() && answer.follow_up.is_some());
}

#[tokio::test]
async fn d23_refusals_and_odd_answers_have_the_class_that_the_table_says() {
    let kazpost = Kazpost::start().await;
    for (behaviour, expected) in [
        ("wrong_check_digit", (Class::Contract, "number_check_digit")),
        ("several_numbers", (Class::Contract, "several_numbers")),
        ("number_beside_code", (Class::Contract, "number_beside_code")),
        ("no_number", (Class::Indeterminate, "number_missing")),
        ("product_refused", (Class::Refused, "refused_by_kazpost")),
        ("wrong_key", (Class::Denied, "key_refused")),
        ("range_exhausted", (Class::NotNow, "number_range_exhausted")),
        ("oracle_fault", (Class::Defect, "fault")),
    ] {
        kazpost.world.order("kazpost", behaviour).await;
        assert_eq!(failed(kazpost.label(behaviour).await), expected, "{behaviour}");
    }
}

#[tokio::test]
async fn two_contours_do_not_know_each_others_numbers() {
    let kazpost = Kazpost::start().await;
    let other = connect(&kazpost.world, "/kazpost/ws/", &[]);
    let here = kazpost.number("5521").await;
    let call = kazpost.call("kazpost.label", label("5521"));
    let outcome = other.reconcile(&call).await.outcome;
    assert!(matches!(outcome, Outcome::NotDone), "{outcome:?}");
    kazpost.world.order("kazpost", "new_elements").await;
    let answer = answered(other.attempt(&call).await.outcome);
    let there = text(&answer.portal.expose()["track_number"]);
    assert!(here.starts_with("AP") && there.starts_with("QS"), "{here} {there}");
    assert_eq!(answer.portal.expose()["contour"], "127.0.0.1/kazpost/ws/");
}

#[tokio::test]
async fn a_trailing_space_in_a_setting_is_trimmed_before_it_can_break_anything() {
    let kazpost = Kazpost::start().await;
    let options = [("product_code", "P109 "), ("order_prefix", " HUB- ")];
    let adapter = connect(&kazpost.world, "/kazpost/", &options);
    kazpost.world.order("kazpost", "new_elements").await;
    answered(adapter.attempt(&kazpost.call("kazpost.label", label("1"))).await.outcome);
    assert_eq!(kazpost.issued().await, [("HUB-1".to_owned(), true)]);
}

#[tokio::test]
async fn a_number_is_given_back_once_and_a_lost_answer_is_settled_by_looking() {
    let kazpost = Kazpost::start().await;
    let number = kazpost.number("5521").await;
    let input = json!({ "order_number": "5521", "track_number": number });
    let call = kazpost.call("kazpost.cancel", input.clone());
    let outcome = kazpost.adapter.reconcile(&call).await.outcome;
    assert!(matches!(outcome, Outcome::NotDone), "{outcome:?}");
    kazpost.world.order("kazpost", "lost_after_issue").await;
    let lost = failed(kazpost.adapter.attempt(&call).await.outcome);
    assert_eq!(lost.0, Class::Indeterminate);
    let answer = answered(kazpost.adapter.reconcile(&call).await.outcome);
    assert_eq!(written(&answer.writes, DELIVERY, "cancelled_track_number"), number);
    answered(kazpost.attempt("kazpost.cancel", input).await.outcome);
    let executed = kazpost.world.simulation.journal().executed("kazpost", "cancel SIM-5521");
    assert_eq!(executed, 1);
    let unknown = json!({ "order_number": "5521", "track_number": "QS000000014KZ" });
    let refused = failed(kazpost.attempt("kazpost.cancel", unknown).await.outcome);
    assert_eq!(refused, (Class::Refused, "cancel_refused"));
}

#[tokio::test]
async fn d17_a_parcel_is_followed_to_its_end() {
    let kazpost = Kazpost::start().await;
    for (behaviour, statuses) in [
        ("delivered", vec!["handed_to_kazpost", "delivered_by_courier"]),
        ("seconds", vec!["handed_to_kazpost", "delivered_by_courier"]),
        ("same_minute", vec!["handed_to_kazpost", "delivered_by_courier"]),
        ("unknown_code", vec!["handed_to_kazpost", "delivered_by_courier"]),
        ("no_status", vec!["handed_to_kazpost", "delivered_by_courier"]),
        ("reused_number", vec!["handed_to_kazpost", "delivered_by_courier"]),
        ("returned", vec!["handed_to_kazpost", "returned"]),
        ("given_back", vec!["handed_to_kazpost", "returned"]),
        ("destroyed", vec!["handed_to_kazpost"]),
        ("never", vec![]),
    ] {
        let number = kazpost.number(behaviour).await;
        let order = json!({
            "system": "kazpost.track", "behaviour": behaviour, "count": 500,
            "request_number": number,
        });
        assert_eq!(kazpost.world.post("/control/next", order).await.0, 200);
        let mut call = kazpost.call("kazpost.track", json!({ "track_number": number }));
        let mut seen: Vec<String> = Vec::new();
        let mut kept = BTreeSet::new();
        let mut is_ended = false;
        for _ in 0..500 {
            let outcome = kazpost.look(&mut call).await;
            is_ended = matches!(outcome, Outcome::Answered(_));
            let (writes, pause) = if is_ended {
                (answered(outcome).writes, Duration::ZERO)
            } else {
                let told = interim(outcome);
                assert_eq!(told.summary.is_empty(), told.writes.is_empty());
                (told.writes, told.again_in)
            };
            for write in &writes {
                let values = write.values.expose();
                let shown = Value::Object(values.clone()).to_string();
                assert!(!shown.contains("ТЕСТОВ"), "a person leaves the adapter: {shown}");
                if let Some(status) = values.get("status_code") {
                    if seen.last() != status.as_str().map(str::to_owned).as_ref() {
                        seen.push(text(status));
                    }
                } else {
                    kept.insert(text(&values["event_key"]));
                }
            }
            if is_ended {
                break;
            }
            kazpost.wait(i64::try_from(pause.as_secs()).expect("hours") / 3_600);
        }
        assert_eq!(seen, statuses, "{behaviour}");
        assert_eq!(is_ended, behaviour != "never", "{behaviour}");
        assert_eq!(kept.is_empty(), behaviour == "never", "{behaviour}");
        assert_eq!(kazpost.told_of(&number).await, codes(&kept), "{behaviour}");
    }
}

#[tokio::test]
async fn d17_an_undone_delivery_is_history_and_the_later_one_counts() {
    let kazpost = Kazpost::start().await;
    let number = kazpost.number("undone").await;
    let order = json!({
        "system": "kazpost.track", "behaviour": "undone", "count": 10, "request_number": number,
    });
    assert_eq!(kazpost.world.post("/control/next", order).await.0, 200);
    let mut call = kazpost.call("kazpost.track", json!({ "track_number": number }));
    for (hours, status, is_terminal) in [
        (7, "handed_to_kazpost", false),
        (42, "delivered_by_courier", true),
        (2, "handed_to_kazpost", false),
        (46, "delivered_by_courier", true),
    ] {
        kazpost.wait(hours);
        let told = interim(kazpost.look(&mut call).await);
        assert_eq!(
            (&told.summary["status"], &told.summary["is_terminal"]),
            (&json!(status), &json!(is_terminal))
        );
        // Writing the lower status again changes nothing: its rank is lower.
        assert_eq!(written(&told.writes, DELIVERY, "status_code"), status);
    }
}

#[tokio::test]
async fn tracking_failures_have_the_class_that_the_table_says() {
    let kazpost = Kazpost::start().await;
    let number = kazpost.number("5521").await;
    kazpost.wait(10);
    for (behaviour, expected) in [
        ("server_error", (Class::Unreachable, "server_error")),
        ("html_bad_gateway", (Class::Unreachable, "server_error")),
        ("reset", (Class::Unreachable, "connection_cut")),
        ("cut", (Class::Unreachable, "connection_cut")),
        ("no_json", (Class::Contract, "answer_unreadable")),
        ("other_parcel", (Class::Contract, "other_parcel")),
    ] {
        kazpost.world.order("kazpost.track", behaviour).await;
        let outcome =
            kazpost.attempt("kazpost.track", json!({ "track_number": number })).await.outcome;
        assert_eq!(failed(outcome), expected, "{behaviour}");
    }
    for behaviour in ["not_found_404", "not_found_200", "summary"] {
        kazpost.world.order("kazpost.track", behaviour).await;
        let outcome =
            kazpost.attempt("kazpost.track", json!({ "track_number": number })).await.outcome;
        assert!(interim(outcome).summary.is_empty(), "{behaviour}");
    }
}

#[tokio::test]
async fn a_courier_is_called_once_and_a_repetition_is_done() {
    let kazpost = Kazpost::start().await;
    let call = kazpost.call("kazpost.call_courier", courier("5521", "2026-03-03"));
    let first = answered(kazpost.adapter.attempt(&call).await.outcome);
    assert_eq!(first.summary["repetition"], false);
    assert_eq!(written(&first.writes, DELIVERY, "status_code"), "accepted_by_courier");
    assert_eq!(written(&first.writes, DELIVERY, "courier_on"), "2026-03-03");
    let second = answered(kazpost.adapter.attempt(&call).await.outcome);
    assert_eq!(second.summary["repetition"], true);
    let executed = kazpost.world.simulation.journal().executed("kazpost.courier", "SIM-5521");
    assert_eq!(executed, 1);
    let mut again = courier("5521", "2026-03-04");
    again["call_number"] = 2.into();
    let third = answered(kazpost.attempt("kazpost.call_courier", again).await.outcome);
    assert_eq!(third.summary["repetition"], false, "a call of its own");
}

#[tokio::test]
async fn an_old_token_is_renewed_within_the_attempt() {
    let kazpost = Kazpost::start().await;
    answered(kazpost.attempt("kazpost.call_courier", courier("1", "2026-03-03")).await.outcome);
    kazpost.wait(2); // tokens live an hour
    answered(kazpost.attempt("kazpost.call_courier", courier("2", "2026-03-03")).await.outcome);
    kazpost.world.order("kazpost.courier", "token_expired").await;
    answered(kazpost.attempt("kazpost.call_courier", courier("3", "2026-03-03")).await.outcome);
    let order = json!({ "system": "kazpost.courier", "behaviour": "token_expired", "count": 2 });
    assert_eq!(kazpost.world.post("/control/next", order).await.0, 200);
    let outcome = kazpost.attempt("kazpost.call_courier", courier("4", "2026-03-03")).await.outcome;
    assert_eq!(failed(outcome), (Class::Denied, "token_refused"));
}

#[tokio::test]
async fn attempts_at_once_share_one_token() {
    let kazpost = Kazpost::start().await;
    let calls: Vec<Call> = (0..8)
        .map(|n| kazpost.call("kazpost.call_courier", courier(&n.to_string(), "2026-03-03")))
        .collect();
    for _ in 0..2 {
        let attempts = calls.iter().map(|call| kazpost.adapter.attempt(call));
        for attempt in futures_util::future::join_all(attempts).await {
            answered(attempt.outcome);
        }
        kazpost.wait(2); // all find an old token
    }
}

#[tokio::test]
async fn a_lost_courier_call_is_sent_again_and_found_to_exist() {
    let kazpost = Kazpost::start().await;
    for behaviour in ["lost_after_call", "html_after_call", "server_error", "reset_before"] {
        kazpost.world.order("kazpost.courier", behaviour).await;
        let call = kazpost.call("kazpost.call_courier", courier(behaviour, "2026-03-03"));
        let lost = failed(kazpost.adapter.attempt(&call).await.outcome);
        assert_eq!(lost.0, Class::Indeterminate, "{behaviour}");
        let settled = kazpost.adapter.reconcile(&call).await;
        assert!(matches!(settled.outcome, Outcome::NotDone) && settled.exchange.request.is_empty());
        let answer = answered(kazpost.adapter.attempt(&call).await.outcome);
        assert_eq!(answer.summary["repetition"], behaviour.ends_with("_after_call"), "{behaviour}");
        let number = format!("SIM-{behaviour}");
        let executed = kazpost.world.simulation.journal().executed("kazpost.courier", &number);
        assert_eq!(executed, 1, "{behaviour}");
    }
}

#[tokio::test]
async fn courier_refusals_have_the_class_that_the_table_says() {
    let kazpost = Kazpost::start().await;
    kazpost.world.order("kazpost.courier", "refused").await;
    let outcome = kazpost.attempt("kazpost.call_courier", courier("1", "2026-03-03")).await.outcome;
    assert_eq!(failed(outcome), (Class::Refused, "courier_refused"));
    let options = [("courier_password", "wrong")];
    let adapter = connect(&kazpost.world, "/kazpost/", &options);
    let attempt =
        adapter.attempt(&kazpost.call("kazpost.call_courier", courier("1", "2026-03-03"))).await;
    assert_eq!(failed(attempt.outcome), (Class::Denied, "unauthorized"));
    let kept = String::from_utf8_lossy(&attempt.exchange.request).into_owned();
    assert!(kept.contains("***") && !kept.contains("wrong"), "{kept}");
    // 16:59 and 17:00 in Almaty.
    for (minutes, is_open) in [(419, true), (1, false)] {
        kazpost.world.clock.advance(SignedDuration::from_mins(minutes));
        let outcome =
            kazpost.attempt("kazpost.call_courier", courier("2", "2026-03-02")).await.outcome;
        assert_eq!(matches!(outcome, Outcome::Answered(_)), is_open, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_request_that_the_contract_forbids_is_a_fault_that_says_why() {
    let kazpost = Kazpost::start().await;
    for (body, words) in [
        ("<a/>", "nothing of postratesws"),
        ("no XML", "no element"),
        (
            "<E:Envelope xmlns:E='http://schemas.xmlsoap.org/soap/envelope/'><E:Body>\
             <p:Other xmlns:p='http://webservices.kazpost.kz/postratesws'/></E:Body></E:Envelope>",
            "unknown operation",
        ),
    ] {
        let (status, answer) = kazpost.world.send("/kazpost/", body.to_owned()).await;
        let answer = String::from_utf8(answer).expect("UTF-8");
        assert_eq!((status, answer.contains(words)), (500, true), "{answer}");
    }
    assert_eq!(kazpost.issued().await, []);
}
