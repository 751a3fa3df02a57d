//! `kpsisu.check`: every way in which a check goes on after it was started, over four weeks.

use serde_json::{Value, json};
use workers::policy::calendar::Calendar;

use crate::{
    servers::run,
    told::{Told, names, told},
    world::id,
};

/// State, verdict of the portal's row and events; every command was sent once.
fn expect(told: &Told, name: &str, state: &str, verdict: &str, events: &[&str]) {
    let job = told.job(name);
    assert_eq!(job["state"], state, "{name}: {job}");
    let row = told.portal(name);
    assert_eq!((&row["status"], &row["verdict"]), (&json!(state), &json!(verdict)), "{name}");
    assert_eq!(told.names(name), events, "{name}");
    assert_eq!(told.journal(name).len(), 1, "{name}: asked once");
}

fn applied(told: &Told, name: &str) -> usize {
    told.messages(name).iter().filter(|(state, _)| *state == "applied").count()
}

#[test]
fn a_clear_check_fills_the_portals_row_with_its_certificate() {
    run(async {
        let told = told().await;
        expect(told, "clear", "succeeded", "clear", &["accepted", "pending", "succeeded"]);
        let row = told.portal("clear");
        assert!(row["certificate_number"].as_str().unwrap().starts_with("SIM-"));
        assert!(row["certificate_date"].is_string());
        let summary = &told.job("clear")["summary"];
        assert_eq!(summary["certificate_number"], row["certificate_number"]);
        assert_eq!(row["late"], false);
    });
}

#[test]
fn a_conviction_is_an_answer() {
    run(async {
        let told = told().await;
        expect(told, "convicted", "succeeded", "found", &["accepted", "pending", "succeeded"]);
    });
}

#[test]
fn an_additional_check_is_told_as_progress_and_does_not_end_the_job() {
    run(async {
        let told = told().await;
        let events = ["accepted", "pending", "progress", "succeeded"];
        for (name, status) in
            [("additional_check", "additional_check"), ("in_progress", "in_progress")]
        {
            expect(told, name, "succeeded", "clear", &events);
            let progress = &told.events.of(id(name))[2].event["data"];
            assert_eq!(
                (&progress["state"], &progress["summary"]["status"]),
                (&json!("pending"), &json!(status))
            );
        }
        let progress = &told.events.of(id("additional_check"))[2].event["data"];
        assert!(progress["summary"]["planned_date"].is_string());
    });
}

#[test]
fn a_person_who_is_not_identified_is_refused_with_words_in_two_languages() {
    run(async {
        let told = told().await;
        expect(told, "not_identified", "refused", "unknown", &["accepted", "pending", "refused"]);
        let reason = &told.job("not_identified")["summary"]["reason"];
        assert!(reason["ru"].is_string() && reason["kk"].is_string(), "{reason}");
    });
}

#[test]
fn a_late_answer_breaches_the_promise_and_still_counts() {
    run(async {
        let told = told().await;
        let events = ["accepted", "pending", "sla_at_risk", "sla_breached", "succeeded"];
        expect(told, "late", "succeeded", "clear", &events);
        let row = told.portal("late");
        assert_eq!((&row["sla"], &row["late"]), (&json!("breached"), &json!(true)));
        let heard = told.events.of(id("late"));
        let slas: Vec<&Value> = heard.iter().map(|heard| &heard.event["data"]["sla"]).collect();
        assert_eq!(slas, ["on_time", "on_time", "at_risk", "breached", "breached"]);
        let time = |at: usize| heard[at].event["time"].as_str().unwrap().parse().unwrap();
        let (asked, warned): (jiff::Timestamp, jiff::Timestamp) = (time(0), time(2));
        let due = Calendar::built_in().deadline(asked, 4).unwrap();
        let late = warned.duration_since(due).as_secs_f64();
        assert!((0.0..600.0).contains(&late), "asked {asked}, warned {warned}, due {due}");
    });
}

#[test]
fn nobody_answers_and_the_job_expires_after_one_more_look() {
    run(async {
        let told = told().await;
        let events = ["accepted", "pending", "sla_at_risk", "sla_breached", "expired"];
        expect(told, "never", "expired", "unknown", &events);
        assert_eq!(told.job("never")["code"], "no_answer");
        let instant = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let looked = instant(&told.destination["pulled_at"]);
        assert!(looked >= instant(&told.job("never")["give_up_at"]));
    });
}

#[test]
fn an_answer_that_comes_twice_counts_once_and_is_kept_as_late() {
    run(async {
        let told = told().await;
        expect(told, "twice", "succeeded", "clear", &["accepted", "pending", "succeeded"]);
        let mut states: Vec<&str> =
            told.messages("twice").iter().map(|(state, _)| *state).collect();
        states.sort_unstable();
        assert_eq!(states, ["applied", "late"]);
    });
}

#[test]
fn a_second_answer_that_says_otherwise_changes_nothing() {
    run(async {
        let told = told().await;
        expect(told, "two_different", "succeeded", "clear", &["accepted", "pending", "succeeded"]);
        assert_eq!(told.messages("two_different").len(), 2);
        assert_eq!(applied(told, "two_different"), 1);
    });
}

#[test]
fn an_answer_before_its_acknowledgement_counts() {
    run(async {
        let told = told().await;
        let job = told.job("early");
        assert_eq!(
            (&job["state"], &told.portal("early")["verdict"]),
            (&json!("succeeded"), &json!("clear"))
        );
        assert_eq!(told.names("early").last().unwrap(), "succeeded");
        assert_eq!(applied(told, "early"), 1);
        assert!(told.has_conversation("early"), "the acknowledgement is kept all the same");
    });
}

#[test]
fn an_answer_that_is_never_pushed_is_pulled_and_its_delivery_confirmed() {
    run(async {
        let told = told().await;
        expect(told, "pull_only", "succeeded", "clear", &["accepted", "pending", "succeeded"]);
        assert_eq!(told.messages("pull_only"), [("applied", "pull")]);
        let entry = told.journal("pull_only")[0];
        assert_eq!((&entry["pushes"], &entry["delivered"]), (&json!(0), &json!(1)));
        assert_eq!(told.mailbox, 0);
    });
}

#[test]
fn a_contradiction_fails_and_is_never_clear() {
    run(async {
        let told = told().await;
        for name in ["contradiction", "unknown_status"] {
            expect(told, name, "failed", "unknown", &["accepted", "pending", "failed"]);
            assert_eq!(told.job(name)["summary"]["class"], "contract");
        }
    });
}

#[test]
fn an_unreadable_answer_is_kept_and_not_believed() {
    run(async {
        let told = told().await;
        assert_eq!(told.job("broken_answer")["state"], "expired");
        assert_eq!(told.portal("broken_answer")["verdict"], "unknown");
        // Nothing in it can be matched, so only its conversation says whose it is.
        assert_eq!(applied(told, "broken_answer"), 0);
    });
}

#[test]
fn a_message_about_another_person_or_request_is_refused_and_the_right_one_counts() {
    run(async {
        let told = told().await;
        for name in ["wrong_person", "wrong_request_number"] {
            expect(told, name, "succeeded", "clear", &["accepted", "pending", "succeeded"]);
            let mut states: Vec<_> = told.messages(name).iter().map(|(state, _)| *state).collect();
            states.sort_unstable();
            assert_eq!(states, ["applied", "refused"], "{name}");
        }
    });
}

#[test]
fn an_answer_in_an_unknown_conversation_waits_and_the_right_one_counts() {
    run(async {
        let told = told().await;
        let events = ["accepted", "pending", "succeeded"];
        expect(told, "unknown_correlation", "succeeded", "clear", &events);
        assert_eq!(applied(told, "unknown_correlation"), 1);
        let nobodys =
            |row: &&Value| ["parked", "unmatched"].contains(&row["state"].as_str().unwrap());
        let nobodys: Vec<&Value> = told.inbound().iter().filter(nobodys).collect();
        assert_eq!(nobodys.len(), 1, "{nobodys:?}");
        assert_eq!(nobodys[0]["job_seq"], Value::Null);
    });
}

#[test]
fn invariant_3_a_lost_acknowledgement_is_in_doubt_until_the_answer_names_the_request() {
    run(async {
        let told = told().await;
        for name in ["ack_lost", "ack_cut", "ack_html", "ack_garbage"] {
            expect(told, name, "succeeded", "clear", &["accepted", "in_doubt", "succeeded"]);
            assert_eq!(applied(told, name), 1, "{name}");
            assert!(!told.has_conversation(name), "{name}: only the request number told");
            assert_eq!(told.journal(name)[0]["executed"], true);
        }
    });
}

#[test]
fn invariant_3_a_command_in_doubt_is_never_sent_again_and_ends_honestly() {
    run(async {
        let told = told().await;
        let events = ["accepted", "in_doubt", "sla_at_risk", "sla_breached", "failed"];
        for (name, executed) in [("ack_lost_never", true), ("server_error", false)] {
            expect(told, name, "failed", "unknown", &events);
            assert_eq!(told.job(name)["code"], "outcome_unknown");
            assert_eq!(told.journal(name)[0]["executed"], executed);
        }
    });
}

#[test]
fn a_command_that_was_certainly_not_executed_is_sent_again() {
    run(async {
        let told = told().await;
        assert_eq!(told.job("unavailable_once")["state"], "succeeded");
        let sent = told.journal("unavailable_once");
        let executed: Vec<&Value> = sent.iter().map(|entry| &entry["executed"]).collect();
        assert_eq!(executed, [false, true]);
        assert_eq!(told.names("unavailable_once"), ["accepted", "waiting", "pending", "succeeded"]);
    });
}

#[test]
fn invariant_10_an_older_jobs_late_answer_does_not_overwrite_the_newer_one() {
    run(async {
        let told = told().await;
        assert_eq!(told.job("older")["state"], "succeeded");
        assert_eq!(told.job("older")["summary"]["verdict"], "clear");
        let ended = |name: &str| told.job(name)["ended_at"].as_str().unwrap().to_owned();
        assert!(ended("older") > ended("newer"), "the older was answered last");
        let row = told.both();
        assert_eq!(row["job_id"], id("newer").to_string());
        assert_eq!((&row["verdict"], &row["late"]), (&json!("found"), &json!(false)));
    });
}

#[test]
fn invariant_5_every_confirmed_job_ends_once_and_its_end_is_told_once() {
    run(async {
        let told = told().await;
        for name in names() {
            let state = told.job(name)["state"].as_str().unwrap();
            let terminal = ["succeeded", "refused", "failed", "expired", "cancelled", "rejected"];
            assert!(terminal.contains(&state), "{name}: {state}");
            let told_of: Vec<String> = told.names(name);
            let ends: Vec<&String> =
                told_of.iter().filter(|event| terminal.contains(&event.as_str())).collect();
            assert_eq!(ends, [state], "{name}");
            assert_eq!(told_of.last().unwrap(), state, "{name}: nothing comes after the end");
        }
        assert_eq!(told.oracle["executed_more_than_once"], json!([]));
    });
}

#[test]
fn invariant_9_leases_and_workers_do_not_notice_that_business_time_jumped() {
    run(async {
        let told = told().await;
        assert_eq!(told.workers.0, told.workers.1);
        let rescued = crate::world::sum(&told.page, "hub_jobs_rescued_total", &[]);
        assert!(rescued < 0.5, "{rescued} jobs were taken from a worker that was alive");
    });
}
