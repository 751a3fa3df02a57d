//! The oracle: what was promised against what became of it.
//!
//! | promise | compared |
//! |---|---|
//! | none lost | every confirmed message has a job in a terminal state, or stands in quarantine |
//! | one end | all terminal events of a job tell of one state, the one in its row |
//! | every event is published | sequences 1 to the last were all heard, first hearings in order |
//! | one recorded run | no two attempts of one run, none of a run that never was |
//! | nothing executed twice | the simulators' own count of every system that takes commands |
//! | every event of a job with a callback was delivered | events by their ids, at the receiver |
//! | one press, one SMS | messages on phones, by press: one where it succeeded, never two |
//! | one order, one number | numbers that Kazpost gave, by order; one job follows each parcel |
//! | their word is kept | what they executed and answered is the job's end, with their verdict |
//! | newest job owns the row | the portal's row of each subject tells of its newest job |
//! | nothing is left | no live job, timer, unsent event or unread message |

use std::collections::{BTreeSet, HashMap, HashSet};

use contracts::state::State;
use serde_json::Value;
use uuid::Uuid;
use workers::{
    demo::cast::{Fate, Part},
    pipeline::{consent::VERIFY, follow_up::child_id},
};

use crate::{
    evidence::Evidence,
    portal::{Portal, Told},
    world::World,
};

/// What is said of a confirmed job that the hub does not know.
pub const UNKNOWN: &str = "is lost: the hub does not know it";
/// Findings that are shown with their rows.
pub const SHOWN_MAX: usize = 8;

/// Systems that take commands, as the simulators count them.
pub const COMMANDED: [&str; 4] = ["kpsisu", "mgov", "kazpost", "eqyzmet"];
/// Operations whose portal row tells of its newest job and nothing else.
const WITH_ROWS: [&str; 3] = ["gbdfl.person", "kpsisu.check", "mzrk.check"];

/// One broken promise.
#[derive(Debug)]
pub struct Finding {
    /// What is wrong, as a sentence.
    pub what: String,
    /// The job, where it is about one.
    pub job: Option<Uuid>,
}

/// The words of a command that was executed again.
pub const TWICE: &str = "was executed more than once";
/// The words of a message without its end.
pub const LOST: &str = "is lost";
/// The words of a job of which events are missing, or came in another order.
pub const UNHEARD: &str = "events were written, heard";

fn finding(job: Uuid, what: impl std::fmt::Display) -> Finding {
    Finding { what: format!("{job}: {what}"), job: Some(job) }
}

/// Compares everything; nothing found is the promise kept.
pub fn judge(world: &World, evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut nameless = 0;
    for (place, part) in world.parts.iter().enumerate() {
        if !world.portal.is_confirmed(place) {
            let what = format!("message {place} was never confirmed");
            findings.push(Finding { what, job: part.id });
            continue;
        }
        match (part.fate, part.id) {
            (Fate::Quarantined, Some(id)) if !evidence.quarantine.contains(&Some(id)) => {
                findings.push(finding(id, "is no job and not in quarantine"));
            }
            (Fate::Quarantined, Some(_)) => {}
            (Fate::Quarantined, None) => nameless += 1,
            (Fate::Runs | Fate::Rejected, id) => {
                let id = id.unwrap_or_default();
                judge_job(part.fate, id, evidence, &world.portal, &mut findings);
            }
        }
    }
    let kept = evidence.quarantine.iter().filter(|id| id.is_none()).count();
    if kept < nameless {
        let what = format!("{nameless} messages without id, {kept} in quarantine");
        findings.push(Finding { what, job: None });
    }
    judge_strangers(&world.parts, evidence, &world.portal, &mut findings);
    judge_attempts(evidence, &mut findings);
    judge_portal(evidence, &mut findings);
    judge_government(evidence, &mut findings);
    judge_callbacks(world, evidence, &mut findings);
    judge_presses(evidence, &mut findings);
    judge_orders(evidence, &mut findings);
    for (name, count) in evidence.left.iter().filter(|(_, count)| *count > 0) {
        findings.push(Finding { what: format!("{count} {name} are left"), job: None });
    }
    findings
}

fn judge_job(fate: Fate, id: Uuid, e: &Evidence, portal: &Portal, findings: &mut Vec<Finding>) {
    let Some(job) = e.jobs.get(&id) else {
        findings.push(finding(id, UNKNOWN));
        return;
    };
    let name = job["state"].as_str().unwrap_or_default();
    let state = State::from_name(name).filter(|state| state.is_terminal());
    let Some(state) = state else {
        findings.push(finding(id, format_args!("{LOST}: still {name}")));
        return;
    };
    if (fate == Fate::Rejected) != (state == State::Rejected) {
        findings.push(finding(id, format_args!("should be {fate:?}, is {name}")));
    }
    let heard: Vec<Told> = portal.heard(id).into_iter().filter(|e| e.sequence > 0).collect();
    let ends: BTreeSet<&str> =
        heard.iter().filter(|e| e.state.is_terminal()).map(|e| e.state.name()).collect();
    if ends != BTreeSet::from([name]) {
        findings.push(finding(id, format_args!("is {name}, its events tell of {ends:?}")));
    }
    let mut firsts = Vec::new();
    for told in &heard {
        if !firsts.contains(&told.sequence) {
            firsts.push(told.sequence);
        }
    }
    // What was read from a table came after what was heard.
    if heard.iter().any(|told| told.late) {
        firsts.sort_unstable();
    }
    let all: Vec<i64> = (1..=job["events"].as_i64().unwrap_or(0)).collect();
    if firsts != all {
        let what = format!("{} {UNHEARD}: {firsts:?}", all.len());
        findings.push(finding(id, what));
    }
}

/// Jobs that nobody published: those that the hub begins itself end as all others do.
fn judge_strangers(parts: &[Part], e: &Evidence, portal: &Portal, findings: &mut Vec<Finding>) {
    let known: HashSet<Uuid> = parts.iter().filter_map(|part| part.id).collect();
    let verifications: HashSet<Uuid> = known.iter().map(|id| child_id(*id, VERIFY)).collect();
    for (id, job) in e.jobs.iter().filter(|(id, _)| !known.contains(id)) {
        let parent = job["begun_by"].as_str().and_then(|text| text.parse().ok());
        if verifications.contains(id) || parent.is_some_and(|parent| known.contains(&parent)) {
            judge_job(Fate::Runs, *id, e, portal, findings);
        } else {
            findings.push(finding(*id, "is a job that nobody published"));
        }
    }
}

fn judge_attempts(e: &Evidence, findings: &mut Vec<Finding>) {
    let jobs: HashMap<i64, (Uuid, i64)> = e
        .jobs
        .iter()
        .map(|(id, job)| {
            (job["seq"].as_i64().unwrap_or(0), (*id, job["run"].as_i64().unwrap_or(0)))
        })
        .collect();
    let mut seen = HashSet::new();
    for (seq, run) in &e.attempts {
        let Some((id, last)) = jobs.get(seq) else { continue };
        if !seen.insert((seq, run)) {
            findings.push(finding(*id, format_args!("run {run} is recorded twice")));
        }
        if run > last {
            findings.push(finding(*id, format_args!("run {run} of {last} is recorded")));
        }
    }
}

fn judge_portal(e: &Evidence, findings: &mut Vec<Finding>) {
    let mut newest: HashMap<(String, String), (i64, Uuid)> = HashMap::new();
    for (id, job) in &e.jobs {
        // What was rejected at the door touches no row (`run` is 0 and it was never attempted).
        let (Some(operation), Some(subject)) = (job["operation"].as_str(), job["subject"].as_str())
        else {
            continue;
        };
        if !WITH_ROWS.contains(&operation) {
            continue;
        }
        if job["state"] == State::Rejected.name() {
            continue;
        }
        let seq = job["seq"].as_i64().unwrap_or(0);
        let entry = newest.entry((operation.to_owned(), subject.to_owned())).or_insert((seq, *id));
        if seq > entry.0 {
            *entry = (seq, *id);
        }
    }
    for (key, (_, id)) in newest {
        let (job, row) = (&e.jobs[&id], e.portal.get(&key));
        let Some(row) = row else {
            findings.push(finding(id, "its subject has no row in the portal"));
            continue;
        };
        if row["job_id"].as_str() != Some(id.to_string().as_str()) {
            let owner = &row["job_id"];
            findings
                .push(finding(id, format_args!("is the newest, the portal's row is {owner}'s")));
        } else if row["status"] != job["state"] || row["sla"] != job["sla"] {
            let what = format!("is {} / {}, the portal's row says {row}", job["state"], job["sla"]);
            findings.push(finding(id, what));
        } else if row["completed_at"].is_null() {
            findings.push(finding(id, "has ended, the portal's row has no time of its end"));
        } else if (job["state"] == State::Succeeded.name()) != (row["answer"] != "unknown") {
            findings.push(finding(id, format_args!("the portal's row says {row}")));
        }
    }
}

/// How they treat a request that brings an answer in the end, and which.
fn verdict_of(outcome: &str) -> Option<&'static str> {
    match outcome {
        "clear" | "additional_check" | "in_progress" | "late" | "twice" | "early" | "pull_only"
        | "ack_lost" | "ack_cut" => Some("clear"),
        "convicted" => Some("found"),
        _ => None,
    }
}

fn judge_government(e: &Evidence, findings: &mut Vec<Finding>) {
    for system in COMMANDED {
        let counted = &e.oracle[system];
        for number in counted["executed_more_than_once"].as_array().into_iter().flatten() {
            let number = number.as_str().unwrap_or_default();
            let what = format!("{number}: {TWICE} by {system}");
            findings.push(Finding { what, job: number.parse().ok() });
        }
        if counted["numbers_cut"] == Value::Bool(true) {
            let what = format!("the simulator of {system} stopped counting request numbers");
            findings.push(Finding { what, job: None });
        }
    }
    let mut executed: HashMap<Uuid, &str> = HashMap::new();
    for entry in e.journal.iter().filter(|entry| entry["executed"] == Value::Bool(true)) {
        let id = entry["request_number"].as_str().and_then(|text| text.parse().ok());
        if let (Some(id), Some(outcome)) = (id, entry["outcome"].as_str()) {
            executed.insert(id, outcome);
        }
    }
    for (id, job) in e.jobs.iter().filter(|(_, job)| job["operation"] == "kpsisu.check") {
        let outcome = executed.get(id).copied();
        let state = job["state"].as_str().unwrap_or_default();
        let verdict = job["verdict"].as_str();
        match outcome.map(verdict_of) {
            None if state == "succeeded" => {
                findings.push(finding(*id, "succeeded, and KPSiSU never executed it"));
            }
            Some(Some(wanted)) if state != "succeeded" || verdict != Some(wanted) => {
                let what = format!("KPSiSU's answer was {wanted}, the job is {state} {verdict:?}");
                findings.push(finding(*id, what));
            }
            None | Some(_) => {}
        }
    }
}

/// Every event of a job that named a callback came to the receiver.
fn judge_callbacks(world: &World, e: &Evidence, findings: &mut Vec<Finding>) {
    let came = world.receiver.came();
    for (id, job) in e.jobs.iter().filter(|(_, job)| job["callback"] == Value::Bool(true)) {
        let events = job["events"].as_i64().unwrap_or(0);
        let missing: Vec<i64> =
            (1..=events).filter(|event| !came.contains(&format!("{id}/{event}"))).collect();
        if !missing.is_empty() {
            findings.push(finding(*id, format_args!("events {missing:?} of {events} never came")));
        }
    }
}

/// One press, one SMS, by the phones.
fn judge_presses(e: &Evidence, findings: &mut Vec<Finding>) {
    for (id, job) in e.jobs.iter().filter(|(_, job)| job["operation"] == "mgov.send_code") {
        let messages = e.messages.get(id).copied().unwrap_or(0);
        if messages > 1 {
            findings.push(finding(*id, format_args!("{TWICE}: {messages} messages on the phone")));
        }
        if messages == 0 && job["state"] == State::Succeeded.name() {
            findings.push(finding(*id, "succeeded, and no message came"));
        }
    }
}

/// One order, one number, by Kazpost's book; one job follows each parcel.
fn judge_orders(e: &Evidence, findings: &mut Vec<Finding>) {
    let mut owners: HashMap<&str, &str> = HashMap::new();
    for (id, job) in e.jobs.iter().filter(|(_, job)| job["operation"] == "kazpost.label") {
        let subject = job["subject"].as_str().unwrap_or_default();
        let order = subject.trim_start_matches("order:");
        let given = e.numbers.get(&format!("SIM-{order}")).copied().unwrap_or(0);
        let succeeded = job["state"] == State::Succeeded.name();
        if given > 1 || (succeeded && given != 1) {
            let what = format!("{TWICE} or never: {given} numbers for one order");
            findings.push(finding(*id, what));
        }
        if !succeeded {
            continue;
        }
        let row = e.parcels.get(subject).unwrap_or(&Value::Null);
        let Some(number) = row["track_number"].as_str() else {
            findings.push(finding(*id, "succeeded, and the portal has no number"));
            continue;
        };
        if row["followed"] != 1 {
            findings.push(finding(*id, format_args!("is followed by {} jobs", row["followed"])));
        }
        if let Some(other) = owners.insert(number, subject).filter(|other| *other != subject) {
            findings.push(finding(*id, format_args!("{subject} and {other} share a number")));
        }
    }
}
