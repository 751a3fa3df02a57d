//! The oracle: what was promised against what became of it.
//!
//! | promise | compared |
//! |---|---|
//! | none lost | every confirmed message has a job in a terminal state, or stands in quarantine |
//! | one end | all terminal events of a job tell of one state, the one in its row |
//! | every event is published | sequences 1 to the last were all heard, first hearings in order |
//! | one recorded run | no two attempts of one run, none of a run that never was |
//! | nothing executed twice | the simulators' own count, and their journal |
//! | their word is kept | what they executed and answered is the job's end, with their verdict |
//! | newest job owns the row | the portal's row of each subject tells of its newest job |
//! | nothing is left | no live job, timer, unsent event or unread message |

use std::collections::{BTreeSet, HashMap, HashSet};

use contracts::state::State;
use serde_json::Value;
use uuid::Uuid;
use workers::demo::cast::{Fate, Part};

use crate::{
    evidence::Evidence,
    portal::{Portal, Told},
    world::World,
};

/// What is said of a confirmed job that the hub does not know.
pub const UNKNOWN: &str = "is lost: the hub does not know it";
/// Findings that are shown with their rows.
pub const SHOWN_MAX: usize = 8;

/// One broken promise.
#[derive(Debug)]
pub struct Finding {
    /// What is wrong, as a sentence.
    pub what: String,
    /// The job, where it is about one.
    pub job: Option<Uuid>,
}

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
                judge_job(part, id.unwrap_or_default(), evidence, &world.portal, &mut findings);
            }
        }
    }
    let kept = evidence.quarantine.iter().filter(|id| id.is_none()).count();
    if kept < nameless {
        let what = format!("{nameless} messages without id, {kept} in quarantine");
        findings.push(Finding { what, job: None });
    }
    judge_strangers(&world.parts, evidence, &mut findings);
    judge_attempts(evidence, &mut findings);
    judge_portal(evidence, &mut findings);
    judge_government(evidence, &mut findings);
    for (name, count) in evidence.left.iter().filter(|(_, count)| *count > 0) {
        findings.push(Finding { what: format!("{count} {name} are left"), job: None });
    }
    findings
}

fn judge_job(part: &Part, id: Uuid, e: &Evidence, portal: &Portal, findings: &mut Vec<Finding>) {
    let Some(job) = e.jobs.get(&id) else {
        findings.push(finding(id, UNKNOWN));
        return;
    };
    let name = job["state"].as_str().unwrap_or_default();
    let state = State::from_name(name).filter(|state| state.is_terminal());
    let Some(state) = state else {
        findings.push(finding(id, format_args!("is lost: still {name}")));
        return;
    };
    if (part.fate == Fate::Rejected) != (state == State::Rejected) {
        findings.push(finding(id, format_args!("should be {:?}, is {name}", part.fate)));
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
        let what = format!("{} events were written, heard: {firsts:?}", all.len());
        findings.push(finding(id, what));
    }
}

/// Jobs that nobody published.
fn judge_strangers(parts: &[Part], e: &Evidence, findings: &mut Vec<Finding>) {
    let known: HashSet<Uuid> = parts.iter().filter_map(|part| part.id).collect();
    for id in e.jobs.keys().filter(|id| !known.contains(id)) {
        findings.push(finding(*id, "is a job that nobody published"));
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
    let kpsisu = &e.oracle["kpsisu"];
    for number in kpsisu["executed_more_than_once"].as_array().into_iter().flatten() {
        let id = number.as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        findings.push(finding(id, "was executed more than once by KPSiSU"));
    }
    if kpsisu["numbers_cut"] == Value::Bool(true) {
        let what = "the simulators stopped counting request numbers".to_owned();
        findings.push(Finding { what, job: None });
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
