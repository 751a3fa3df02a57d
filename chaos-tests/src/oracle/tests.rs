//! One good round, and the same with one thing wrong each: exactly one finding, of the right kind.

mod errands;
mod news;

use std::time::Instant;

use adapters::systems::gbdfl;
use contracts::number::Iin;
use serde_json::json;
use workers::demo::cast::Encore;

use super::*;

const KPSISU: u128 = 1;
const MZRK: u128 = 2;
const PERSON: u128 = 3;
const OTHER_PERSON: u128 = 4;
const COMPANY: u128 = 5;
const ESTATE: u128 = 6;
const SAME_ESTATE: u128 = 7;
const PRESS: u128 = 8;
const LABEL: u128 = 9;
const OTHER_LABEL: u128 = 10;
const SUBMISSION: u128 = 11;
const REJECTED: u128 = 12;
const SILENT: u128 = 13;
const LOOKUP: u128 = 14;
const REFUSED: u128 = 15;
const LOST_PRESS: u128 = 16;
const QUARANTINED: u128 = 17;
const CHILD: u128 = 18;
const UNSENT_PRESS: u128 = 19;
const TRACK: u128 = 30;
const COURIER_CALL: u128 = 31;
const CANCELLATION: u128 = 32;
const PARTIAL: u128 = 20;

/// What is compared.
#[derive(Clone, Default)]
struct Round {
    parts: Vec<Part>,
    e: Evidence,
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn iin(number: u32) -> String {
    Iin::synthetic(number).expose().to_owned()
}

impl Round {
    fn judged(&self) -> Vec<String> {
        judge_all(&self.parts, &self.e).into_iter().map(|finding| finding.what).collect()
    }

    fn publish(&mut self, number: Option<u128>, operation: &str, fate: Fate, input: &Value) {
        self.e.confirmed.insert(self.parts.len());
        self.parts.push(Part {
            id: number.map(id),
            operation: operation.to_owned(),
            routing_key: operation.to_owned(),
            content_type: contracts::job::CONTENT_TYPE,
            body: json!({ "input": input }).to_string().into_bytes(),
            fate,
            encore: Encore::None,
        });
    }

    /// A job that ended, with two events.
    fn end(&mut self, number: u128, operation: &str, subject: &str, state: State, summary: &Value) {
        let told = |sequence, state: State| Told {
            name: state.name().to_owned(),
            sequence,
            state,
            code: None,
            late: false,
            at: Instant::now(),
        };
        let heard = vec![told(1, State::Accepted), told(2, state)];
        self.e.heard.insert(id(number), heard);
        self.e.attempts.push((i64::try_from(number).unwrap(), 1));
        let job = json!({
            "id": id(number), "seq": number, "operation": operation, "subject": subject,
            "state": state.name(), "sla": "on_time", "run": 1, "attempts": 1, "events": 2,
            "code": null, "begun_by": null, "callback": false, "verify_job": null,
            "summary": summary,
        });
        self.e.jobs.insert(id(number), job);
    }

    fn play(&mut self, number: u128, operation: &str, subject: &str, input: &Value, told: &Value) {
        self.publish(Some(number), operation, Fate::Runs, input);
        self.end(number, operation, subject, State::Succeeded, told);
    }

    fn row(&mut self, number: u128, answer: &str, values: &Value) {
        let job = &self.e.jobs[&id(number)];
        let operation = job["operation"].as_str().unwrap();
        let key = if operation == "mgov.send_code" { &job["id"] } else { &job["subject"] };
        let row = json!({
            "job_id": id(number), "status": job["state"], "sla": "on_time", "answer": answer,
            "completed_at": "2026-11-22T10:00:00Z", "values": values,
        });
        self.e.portal.insert((operation.to_owned(), key.as_str().unwrap().to_owned()), row);
    }

    fn entry(&mut self, number: &str, system: &str, kind: &str, outcome: &str) -> &mut Value {
        self.e.journal.push(json!({
            "system": system, "request_number": number, "kind": kind, "outcome": outcome,
            "executed": kind != "unknown", "acknowledged": true, "given": null,
        }));
        self.e.journal.last_mut().unwrap()
    }

    fn job(&mut self, number: u128) -> &mut Value {
        self.e.jobs.get_mut(&id(number)).unwrap()
    }

    fn portal(&mut self, operation: &str, subject: &str) -> &mut Value {
        self.e.portal.get_mut(&(operation.to_owned(), subject.to_owned())).unwrap()
    }

    fn journaled(&mut self, number: &str) -> &mut Value {
        let found = self.e.journal.iter_mut().find(|one| one["request_number"] == number);
        found.unwrap()
    }

    /// Ends a job otherwise: its row, its event and its state agree.
    fn ends(&mut self, number: u128, state: State, code: &str) {
        let job = self.job(number);
        job["state"] = json!(state.name());
        job["code"] = json!(code);
        let last = self.e.heard.get_mut(&id(number)).unwrap().last_mut().unwrap();
        last.state = state;
        for row in self.e.portal.values_mut().filter(|row| row["job_id"] == json!(id(number))) {
            row["status"] = json!(state.name());
            row["answer"] = json!("unknown");
        }
    }
}

fn good() -> Round {
    let mut round = Round::default();
    checks(&mut round);
    registers(&mut round);
    commands(&mut round);
    round.publish(Some(REJECTED), "gbdfl.person", Fate::Rejected, &json!({}));
    round.end(REJECTED, "gbdfl.person", "rejected:1", State::Rejected, &json!({}));
    round.publish(Some(QUARANTINED), "gbdfl.person", Fate::Quarantined, &json!({}));
    round.publish(None, "gbdfl.person", Fate::Quarantined, &json!({}));
    round.e.quarantine = vec![Some(id(QUARANTINED)), None];
    round.e.left = vec![("live jobs", 0)];
    round.e.oracle = json!({});
    for system in COMMANDED {
        round.e.oracle[system] =
            json!({"executed_more_than_once": [], "sent_again": {}, "numbers_cut": false});
    }
    round
}

fn checks(round: &mut Round) {
    let (input, verdict) = (json!({"iin": iin(1)}), json!({"verdict": "clear"}));
    for (number, system) in [(KPSISU, "kpsisu"), (MZRK, "mzrk")] {
        round.play(number, &format!("{system}.check"), "specialist:1", &input, &verdict);
        round.row(number, "clear", &json!({}));
        round.entry(&id(number).to_string(), system, "command", "clear");
    }
    round.job(KPSISU)["callback"] = json!(true);
    round.e.came = [1, 2].map(|event| format!("{}/{event}", id(KPSISU))).into();
    // Another job's come in between.
    round.e.came.insert(1, format!("{}/1", id(MZRK)));
    round.e.access = vec![json!({"subject": "specialist:1", "unlocked": true,
        "verdicts": {"kpsisu": "clear", "mzrk": "clear"}})];
    // One register answered, and days passed before the other one could be asked again.
    for number in PARTIAL..PARTIAL + 5 {
        round.play(number, "mzrk.check", &format!("specialist:{number}"), &input, &json!({}));
        round.row(number, "unknown", &json!({}));
        round.ends(number, State::Failed, "time_used_up");
        round.entry(&id(number).to_string(), "mzrk", "query", "partial_record");
    }
    // Consent by a code that was mistyped: the hub refuses the check and sends nothing.
    round.play(REFUSED, "kpsisu.check", "specialist:2", &input, &json!({}));
    round.row(REFUSED, "unknown", &json!({}));
    let child = child_id(id(REFUSED), VERIFY);
    round.job(REFUSED)["verify_job"] = json!(child);
    round.ends(REFUSED, State::Refused, "code_wrong");
    round.end(CHILD, VERIFY, "specialist:2", State::Refused, &json!({}));
    let mut job = round.e.jobs.remove(&id(CHILD)).unwrap();
    job["id"] = json!(child);
    round.e.jobs.insert(child, job);
    let heard = round.e.heard.remove(&id(CHILD)).unwrap();
    round.e.heard.insert(child, heard);
}

fn registers(round: &mut Round) {
    for (number, person) in [(PERSON, 1), (OTHER_PERSON, 2)] {
        let iin = iin(person);
        let (input, subject) = (json!({ "iin": iin }), format!("person:{person}"));
        round.play(number, "gbdfl.person", &subject, &input, &json!({"found": true}));
        let looks = gbdfl::looks(&iin).unwrap();
        let values = json!({"iin": iin, "surname": looks.surname, "name": looks.name,
            "birth_date": looks.birth_date});
        round.row(number, "true", &values);
        round.entry(&id(number).to_string(), "gbdfl", "query", "found");
    }
    let (bin, found) = (json!({"bin": "100540000008"}), json!({"found": true}));
    round.play(COMPANY, "gbdul.organization", "supplier:1", &bin, &found);
    round.row(COMPANY, "true", &bin);
    round.entry(&id(COMPANY).to_string(), "gbdul", "query", "company");
    for (number, subject) in [(ESTATE, "supplier:2"), (SAME_ESTATE, "supplier:3")] {
        round.play(number, "realestate.properties", subject, &bin, &json!({"found": 2}));
        round.row(number, "2", &json!({"objects": ["a", "b"]}));
        round.entry(&id(number).to_string(), "realestate", "query", "registered");
    }
    let input = json!({"iin": iin(3)});
    round.play(LOOKUP, "mgov.lookup", "specialist:3", &input, &json!({"registered": true}));
    *round.entry(&id(LOOKUP).to_string(), "mgov", "query", "known") = json!({"system": "mgov",
        "request_number": id(LOOKUP), "kind": "query", "outcome": "known", "executed": false,
        "acknowledged": true});
    // Nobody answers: all attempts are used up.
    round.play(SILENT, "gbdfl.person", "person:3", &input, &json!({}));
    round.row(SILENT, "unknown", &json!({}));
    round.ends(SILENT, State::Failed, "timed_out");
    for _ in 0..6 {
        round.entry(&id(SILENT).to_string(), "gbdfl", "query", "slow")["acknowledged"] =
            json!(false);
    }
}

fn commands(round: &mut Round) {
    let press = json!({"iin": iin(1), "check": "kpsisu.check", "check_subject": "specialist:4"});
    for (number, subject) in [(PRESS, "specialist:4"), (LOST_PRESS, "specialist:5")] {
        round.play(number, "mgov.send_code", subject, &press, &json!({}));
        round.row(number, "sent", &json!({"purpose": "kpsisu.check", "code_status": "sent"}));
        round.e.messages.insert(id(number).to_string(), 1);
        round.entry(&id(number).to_string(), "mgov", "command", "known");
    }
    // The message came, its answer was lost, and nobody typed it: an honest end (D6).
    *round.journaled(&id(LOST_PRESS).to_string()) = json!({"system": "mgov", "kind": "command",
        "request_number": id(LOST_PRESS), "outcome": "lost", "executed": true,
        "acknowledged": false});
    round.ends(LOST_PRESS, State::Failed, "outcome_unknown");
    round.play(UNSENT_PRESS, "mgov.send_code", "specialist:6", &press, &json!({}));
    round.row(UNSENT_PRESS, "unknown", &json!({"purpose": null, "code_status": "sending"}));
    round.ends(UNSENT_PRESS, State::Refused, "not_registered");
    let unsent = round.entry(&id(UNSENT_PRESS).to_string(), "mgov", "command", "not_registered");
    unsent["executed"] = json!(false);
    for (number, order) in [(LABEL, 1), (OTHER_LABEL, 2)] {
        let (subject, track) = (format!("order:{order}"), format!("AP00000000{order}KZ"));
        round.play(number, "kazpost.label", &subject, &json!({}), &json!({}));
        round.row(number, &track, &json!({"followed": 1}));
        let entry = round.entry(&format!("SIM-{order}"), "kazpost", "command", "label");
        entry["given"] = json!(track);
        round.e.label_jobs.insert(format!("SIM-{order}"), 1);
    }
    parcel(round);
    round.play(COURIER_CALL, "kazpost.call_courier", "order:1", &json!({}), &json!({}));
    round.entry("SIM-1", COURIER, "query", "lost_after_call")["acknowledged"] = json!(false);
    round.entry("SIM-1", COURIER, "query", "registered")["executed"] = json!(false);
    round.play(CANCELLATION, "kazpost.cancel", "order:2", &json!({}), &json!({}));
    round.entry("cancel SIM-2", "kazpost", "query", "label");
    round.play(SUBMISSION, "eqyzmet.submit", "message:M1", &json!({}), &json!({}));
    round.row(SUBMISSION, "taken", &json!({"submit_status": "submitted"}));
    round.entry(&id(SUBMISSION).to_string(), "eqyzmet", "command", "accepted");
}

/// A parcel that was followed to its end, and messages that nobody asked for.
fn parcel(round: &mut Round) {
    let (number, codes) = ("AP000000001KZ", ["ISSPAY", "RCPOPS", "SND"]);
    round.end(TRACK, "kazpost.track", "order:1", State::Succeeded, &json!({"events": 3}));
    round.job(TRACK)["begun_by"] = json!(id(LABEL));
    for told in ["RCPOPS", "RCPOPS SND ISSPAY", "RCPOPS SND ISSPAY"] {
        let look = round.entry(number, "kazpost.track", "query", "delivered");
        (look["executed"], look["given"]) = (json!(false), json!(told));
    }
    round.e.parcels.insert(number.to_owned(), codes.map(str::to_owned).into());
    for message in ["M1", "M2"] {
        round.e.begun.push(message.to_owned());
        round.e.message_rows.insert(message.to_owned(), 1);
        round.e.received.insert(message.to_owned(), 1);
    }
}

/// A doctored round and the words of its only finding.
type Doctored = (&'static str, fn(&mut Round));

fn expect(table: &[Doctored]) {
    for (place, (words, doctor)) in table.iter().enumerate() {
        let mut round = good();
        doctor(&mut round);
        let findings = round.judged();
        let [only] = findings.as_slice() else {
            panic!("row {place}, {words}: {} findings: {findings:#?}", findings.len());
        };
        assert!(only.contains(words), "row {place}, {words}: {only}");
    }
}

fn set_verdict(round: &mut Round, number: u128, verdict: &str) {
    round.job(number)["summary"]["verdict"] = json!(verdict);
    for row in round.e.portal.values_mut().filter(|row| row["job_id"] == json!(id(number))) {
        row["answer"] = json!(verdict);
    }
}

#[test]
fn nothing_is_found_where_every_promise_was_kept() {
    assert_eq!(good().judged(), Vec::<String>::new());
}

#[test]
fn lost_doubled_and_unheard_jobs_are_found() {
    expect(&[
        ("message 0 was never confirmed", |r| {
            r.e.confirmed.remove(&0);
        }),
        (UNKNOWN, |r| {
            r.e.jobs.remove(&id(LOOKUP));
        }),
        ("still waiting", |r| r.job(LOOKUP)["state"] = json!("waiting")),
        ("still pending", |r| r.job(KPSISU)["state"] = json!("pending")),
        ("should be Rejected", |r| {
            r.ends(REJECTED, State::Failed, "timed_out");
            let row = json!({"job_id": id(REJECTED), "status": "failed", "sla": "on_time",
                "completed_at": "2026-11-22T10:00:00Z", "answer": "unknown", "values": {}});
            r.e.portal.insert(("gbdfl.person".to_owned(), "rejected:1".to_owned()), row);
        }),
        ("its events tell of", |r| {
            r.e.heard.get_mut(&id(LOOKUP)).unwrap()[1].state = State::Refused;
        }),
        (UNHEARD, |r| {
            r.e.heard.get_mut(&id(LOOKUP)).unwrap().remove(0);
        }),
        (UNHEARD, |r| r.e.heard.get_mut(&id(LOOKUP)).unwrap().swap(0, 1)),
        ("not in quarantine", |r| {
            r.e.quarantine.remove(0);
        }),
        ("1 messages without id, 0 in quarantine", |r| {
            r.e.quarantine.pop();
        }),
        ("that nobody published", |r| {
            r.end(99, "mgov.lookup", "x", State::Succeeded, &json!({"registered": true}));
            r.entry(&id(99).to_string(), "mgov", "query", "known");
        }),
        ("run 1 is recorded twice", |r| r.e.attempts.push((1, 1))),
        ("run 2 of 1 is recorded", |r| r.e.attempts.push((1, 2))),
        ("events [2] of 2 never came", |r| r.e.came.truncate(2)),
        ("events came by HTTP in the order [2, 1]", |r| r.e.came.reverse()),
        ("3 live jobs are left", |r| r.e.left[0].1 = 3),
    ]);
}

#[test]
fn commands_that_were_doubled_or_that_nobody_asked_for_are_found() {
    expect(&[
        ("was executed more than once by kpsisu", |r| {
            r.e.oracle["kpsisu"]["executed_more_than_once"] = json!([id(KPSISU)]);
            r.e.oracle["kpsisu"]["sent_again"] = json!({id(KPSISU).to_string(): 1});
        }),
        ("sent to kazpost again 1 times, and nobody asked", |r| {
            r.e.oracle["kazpost"]["sent_again"] = json!({"SIM-1": 1});
        }),
        ("sent to eqyzmet again 2 times", |r| {
            r.e.oracle["eqyzmet"]["sent_again"] = json!({id(SUBMISSION).to_string(): 2});
        }),
        ("sent to mgov again", |r| {
            r.e.oracle["mgov"]["sent_again"] = json!({id(PRESS).to_string(): 1});
        }),
        ("stopped counting", |r| r.e.oracle["mgov"]["numbers_cut"] = json!(true)),
        ("SIM-77: kazpost executed it, and no job asked", |r| {
            r.entry("SIM-77", "kazpost", "command", "label");
        }),
        ("eqyzmet executed it, and no job asked", |r| {
            r.entry(&id(77).to_string(), "eqyzmet", "command", "accepted");
        }),
        ("no number: kpsisu executed it, and no job asked", |r| {
            r.entry("no number", "kpsisu", "command", "clear");
        }),
        ("a message came to a phone, and nobody pressed", |r| {
            r.e.messages.insert("no number".to_owned(), 1);
        }),
        ("is rejected, gbdfl executed it", |r| {
            r.entry(&id(REJECTED).to_string(), "gbdfl", "query", "found");
        }),
        ("2 messages on the phone", |r| {
            r.e.messages.insert(id(PRESS).to_string(), 2);
        }),
        ("succeeded, and no message came", |r| {
            r.e.messages.remove(&id(PRESS).to_string());
        }),
        ("gave its order no number", |r| r.journaled("SIM-1")["executed"] = json!(false)),
        ("is followed by 2 jobs", |r| {
            r.portal("kazpost.label", "order:1")["values"]["followed"] = json!(2);
        }),
        ("share a number", |r| {
            r.journaled("SIM-2")["given"] = json!("AP000000001KZ");
            r.portal("kazpost.label", "order:2")["answer"] = json!("AP000000001KZ");
        }),
    ]);
    let mut two_jobs = good();
    two_jobs.e.label_jobs.insert("SIM-1".to_owned(), 2);
    two_jobs.e.oracle["kazpost"]["sent_again"] = json!({"SIM-1": 1});
    two_jobs.e.earlier.insert(id(77).to_string());
    two_jobs.entry(&id(77).to_string(), "mzrk", "query", "clear");
    assert_eq!(two_jobs.judged(), Vec::<String>::new(), "two jobs may send it once each");
}

#[test]
fn a_full_journal_is_found() {
    let mut round = good();
    round.e.lost_entries = 1;
    assert!(round.judged()[0].contains("journal is full"));
}

#[test]
fn what_one_round_was_blamed_for_no_later_one_is() {
    let press = id(PRESS).to_string();
    let mut first = good();
    first.e.oracle["kpsisu"]["executed_more_than_once"] = json!([id(KPSISU)]);
    first.e.oracle["mgov"]["sent_again"] = json!({&press: 1});
    first.e.oracle["kazpost"]["sent_again"] = json!({"SIM-1": 1});
    assert_eq!(first.judged().len(), 3, "{:?}", first.judged());

    // The simulators go on counting; SIM-1 has another job now, which sent it once.
    let mut second = good();
    second.e.before = first.e.books();
    second.e.oracle = first.e.oracle.clone();
    second.e.oracle["kazpost"]["sent_again"] = json!({"SIM-1": 2});
    second.e.label_jobs = [("SIM-1".to_owned(), 2)].into();
    assert_eq!(second.judged(), Vec::<String>::new());

    // A command of the first round that comes again in the second is the second's.
    let mut late = second.clone();
    late.e.oracle["mgov"]["sent_again"] = json!({&press: 2});
    late.e.oracle["kazpost"]["sent_again"] = json!({"SIM-1": 3});
    late.e.oracle["eqyzmet"]["executed_more_than_once"] = json!([id(SUBMISSION)]);
    let judged = late.judged();
    assert_eq!(judged.len(), 3, "{judged:?}");
    assert!(
        judged.iter().any(|what| what.contains(TWICE) && what.contains("eqyzmet")),
        "{judged:?}"
    );

    // Its order was given a number in the first round, and is given the same again.
    let mut given = second.clone();
    let is_label = |entry: &Value| entry["system"] == "kazpost" && entry["given"].is_string();
    given.e.journal.retain(|entry| !is_label(entry) || entry["request_number"] != "SIM-1");
    assert_ne!(given.judged(), Vec::<String>::new());
    let earlier = given.e.before.labels.clone();
    given.e.journal.splice(0..0, earlier.into_iter().filter(|e| e["request_number"] == "SIM-1"));
    assert_eq!(given.judged(), Vec::<String>::new());
}

#[test]
fn answers_that_the_job_does_not_tell_are_found() {
    expect(&[
        // D9: clear beside a record, in the job and in the portal's row alike.
        ("kpsisu answered Verdict(\"found\")", |r| {
            r.journaled(&id(KPSISU).to_string())["outcome"] = json!("convicted");
        }),
        ("mzrk answered Verdict(\"found\")", |r| {
            r.journaled(&id(MZRK).to_string())["outcome"] = json!("both_records");
        }),
        ("mzrk answered Verdict(\"clear\")", |r| set_verdict(r, MZRK, "found")),
        ("kpsisu answered Verdict(\"clear\")", |r| r.ends(KPSISU, State::Expired, "no_answer")),
        ("kpsisu answered Refused", |r| {
            r.journaled(&id(KPSISU).to_string())["outcome"] = json!("not_identified");
        }),
        ("mzrk never answered it", |r| {
            r.journaled(&id(MZRK).to_string())["acknowledged"] = json!(false);
        }),
        ("gbdfl answered Found(false)", |r| {
            r.journaled(&id(PERSON).to_string())["outcome"] = json!("not_found");
        }),
        ("gbdul answered Found(false)", |r| {
            r.journaled(&id(COMPANY).to_string())["outcome"] = json!("not_found_034");
        }),
        ("realestate answered Found(false)", |r| {
            r.journaled(&id(ESTATE).to_string())["outcome"] = json!("no_property");
        }),
        ("mgov answered Registered(false)", |r| {
            r.journaled(&id(LOOKUP).to_string())["outcome"] = json!("not_registered");
        }),
        ("mgov answered Refused", |r| {
            r.journaled(&id(PRESS).to_string())["executed"] = json!(false);
        }),
        ("eqyzmet never answered it", |r| {
            let entry = r.journaled(&id(SUBMISSION).to_string());
            (entry["executed"], entry["acknowledged"]) = (json!(false), json!(false));
        }),
        ("is refused, mzrk never refused it", |r| {
            r.ends(MZRK, State::Refused, "person_not_known");
            r.journaled(&id(MZRK).to_string())["acknowledged"] = json!(false);
        }),
    ]);
}

#[test]
fn rows_that_tell_something_else_are_found() {
    expect(&[
        ("has no row", |r| {
            r.e.portal.remove(&("gbdul.organization".to_owned(), "supplier:1".to_owned()));
        }),
        ("is the newest, the portal's row is", |r| {
            r.portal("mzrk.check", "specialist:1")["job_id"] = json!(id(99));
        }),
        ("the portal's row says \"failed\"", |r| {
            r.portal("mgov.send_code", &id(PRESS).to_string())["status"] = json!("failed");
        }),
        ("the portal's row says \"succeeded\" / \"breached\"", |r| {
            r.portal("realestate.properties", "supplier:2")["sla"] = json!("breached");
        }),
        ("no time of its end", |r| {
            r.portal("gbdfl.person", "person:1")["completed_at"] = json!(null);
        }),
        ("was answered clear, the portal's row says found", |r| {
            r.portal("kpsisu.check", "specialist:1")["answer"] = json!("found");
        }),
        ("was answered unknown, the portal's row says clear", |r| {
            r.portal("kpsisu.check", "specialist:2")["answer"] = json!("clear");
        }),
        ("was answered true, the portal's row says unknown", |r| {
            r.portal("gbdfl.person", "person:1")["answer"] = json!("unknown");
        }),
        ("was answered sent", |r| {
            r.portal("mgov.send_code", &id(PRESS).to_string())["answer"] = json!("unknown");
        }),
        ("what somebody else was asked about", |r| {
            let other = r.portal("gbdfl.person", "person:2")["values"].clone();
            r.portal("gbdfl.person", "person:1")["values"] = other;
        }),
        ("what somebody else was asked about", |r| {
            r.portal("gbdfl.person", "person:1")["values"]["birth_date"] = json!("1900-01-01");
        }),
        ("what somebody else was asked about", |r| {
            r.portal("gbdul.organization", "supplier:1")["values"]["bin"] = json!("150641000006");
        }),
        ("the portal has 1 of \"2\" objects", |r| {
            r.portal("realestate.properties", "supplier:2")["values"]["objects"] = json!(["a"]);
        }),
        ("what somebody else was asked about", |r| {
            r.portal("realestate.properties", "supplier:3")["values"]["objects"] =
                json!(["a", "c"]);
        }),
        ("what somebody else was asked about", |r| {
            r.portal("mgov.send_code", &id(PRESS).to_string())["values"]["purpose"] =
                json!("mzrk.check");
        }),
        ("says that it is being sent", |r| {
            r.portal("mgov.send_code", &id(PRESS).to_string())["values"]["code_status"] =
                json!("sending");
        }),
        ("its message is \"in_doubt\"", |r| {
            r.portal("eqyzmet.submit", "message:M1")["values"]["submit_status"] = json!("in_doubt");
        }),
        ("another number than the portal's", |r| {
            r.portal("kazpost.label", "order:1")["answer"] = json!("AP000000009KZ");
        }),
        ("another number than the portal's", |r| {
            r.portal("kazpost.label", "order:1")["answer"] = json!("unknown");
        }),
        ("unlocked is true", |r| r.e.access[0]["verdicts"]["mzrk"] = json!("unknown")),
        ("unlocked is false", |r| r.e.access[0]["unlocked"] = json!(false)),
        ("unlocked is true", |r| {
            r.e.access[0]["verdicts"].as_object_mut().unwrap().remove("kpsisu");
        }),
    ]);
}

/// All of one operation end so, beside a hundred times as much as the good round has.
fn all_end(round: &mut Round, operation: &str, state: State, code: &str) {
    let all = (1..=20).map(|number| number + 1_000);
    for number in all {
        let subject = format!("x:{number}");
        let input = json!({"iin": iin(9)});
        round.play(number, operation, &subject, &input, &json!({}));
        round.row(number, "unknown", &json!({"purpose": null}));
        round.ends(number, state, code);
    }
}

#[test]
fn ends_without_a_reason_are_found() {
    expect(&[
        ("is cancelled, and nobody cancelled it", |r| {
            r.ends(LOOKUP, State::Cancelled, "cancelled");
        }),
        // D15: the book holds the number, and nobody asked.
        ("kazpost did it and was asked 0 times", |r| {
            r.ends(LABEL, State::Failed, "outcome_unknown");
        }),
        ("kazpost did it and was asked 2 times, answered 1", |r| {
            r.ends(LABEL, State::Failed, "outcome_unknown");
            for acknowledged in [false, true] {
                let entry = r.entry("SIM-1", "kazpost", "query", "label");
                entry["executed"] = json!(false);
                entry["acknowledged"] = json!(acknowledged);
            }
        }),
        ("eqyzmet did it and was asked 0 times", |r| {
            r.ends(SUBMISSION, State::Expired, "no_answer");
        }),
        ("20 of 24 gbdfl.person ended without", |r| {
            all_end(r, "gbdfl.person", State::Failed, "timed_out");
        }),
        ("20 of 26 mzrk.check ended without", |r| {
            all_end(r, "mzrk.check", State::Expired, "no_answer");
        }),
        ("20 of 22 kazpost.label ended without", |r| {
            all_end(r, "kazpost.label", State::Failed, "outcome_unknown");
        }),
    ]);
    let mut deaf = good();
    deaf.ends(LABEL, State::Failed, "outcome_unknown");
    let entry = deaf.entry("SIM-1", "kazpost", "query", "server_error");
    (entry["executed"], entry["acknowledged"]) = (json!(false), json!(false));
    assert_eq!(deaf.judged(), Vec::<String>::new(), "who does not answer cannot be asked");
}

#[test]
fn an_end_with_fewer_faults_than_attempts_counts_as_one_without_a_reason() {
    let mut round = good();
    for number in 1_001..=1_004 {
        round.play(number, "gbdfl.person", &format!("x:{number}"), &json!({}), &json!({}));
        round.row(number, "unknown", &json!({}));
        round.ends(number, State::Failed, "timed_out");
        for _ in 0..5 {
            let entry = round.entry(&id(number).to_string(), "gbdfl", "query", "slow");
            entry["acknowledged"] = json!(false);
        }
    }
    let findings = round.judged();
    assert!(findings.len() == 1 && findings[0].contains("4 of "), "{findings:?}");
    for number in 1_001..=1_004 {
        let entry = round.entry(&id(number).to_string(), "gbdfl", "query", "slow");
        entry["acknowledged"] = json!(false);
    }
    assert_eq!(round.judged(), Vec::<String>::new());
}
