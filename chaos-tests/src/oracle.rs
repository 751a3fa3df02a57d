//! The oracle: what was promised against what became of it.
//!
//! | promise | compared | in |
//! |---|---|---|
//! | none lost | every confirmed message has a job in a terminal state, or stands in quarantine | here |
//! | one end | all terminal events of a job tell of one state, the one in its row | here |
//! | every event is published | sequences 1 to the last were all heard, first hearings in order | here |
//! | one recorded run | no two attempts of one run, none of a run that never was | here |
//! | every event of a job with a callback was delivered | events by their ids, at the receiver | here |
//! | deliveries keep the order | first arrivals of a job's events ascend | here |
//! | no message is lost | every message that Е-қызмет began has one row and an event | [`news`] |
//! | nor is what happened to a parcel | what Kazpost told of it stands in the portal, once | [`news`] |
//! | nothing is left | no live job, timer, unsent event or unread message | here |
//! | nothing executed twice | what the simulators executed, by number | [`books`] |
//! | nothing sent again blindly | commands that came again though no answer allowed it | [`books`] |
//! | nothing executed for nobody | every number and SMS belongs to a job, none to a rejected one | [`books`] |
//! | one press, one SMS; one order, one number | phones and Kazpost's numbers, by press and order | [`books`] |
//! | one call, one courier; one cancellation | what Kazpost executed, by order | [`books`] |
//! | their word is kept | what they answered is the job's end and its summary | [`answers`] |
//! | no end without a reason | what did not succeed met faults that the journal shows | [`ends`] |
//! | newest job owns the row | the portal's row of each subject tells of its newest job | [`rows`] |
//! | the row tells the answer | verdict, person, organisation, objects, code, number | [`rows`] |
//! | a profile is unlocked by two clear checks | the view against the verdicts | [`rows`] |

mod answers;
mod books;
mod ends;
mod journal;
mod news;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};

use contracts::state::State;
use serde_json::Value;
use uuid::Uuid;
use workers::{
    demo::cast::{Fate, Part},
    pipeline::{consent::VERIFY, follow_up::child_id},
};

use self::journal::Journal;
use crate::{
    evidence::{COURIER, Evidence},
    portal::Told,
    world::World,
};

/// What is said of a confirmed job that the hub does not know.
pub const UNKNOWN: &str = "is lost: the hub does not know it";
/// Findings that are shown with their rows.
pub const SHOWN_MAX: usize = 8;

/// Systems that take commands, as the simulators count them.
pub const COMMANDED: [&str; 5] = ["kpsisu", "mgov", "kazpost", COURIER, "eqyzmet"];

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
    judge_all(&world.parts, evidence)
}

/// How many jobs of which operations ended without an answer, and without a reason in the journal.
pub fn without_reason(e: &Evidence) -> Vec<(&str, usize)> {
    let all = ends::without_reason(e, &Journal::of(e));
    all.into_iter().map(|(operation, jobs)| (operation, jobs.len())).collect()
}

fn judge_all(parts: &[Part], e: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    let journal = Journal::of(e);
    judge_parts(parts, e, &mut findings);
    judge_strangers(parts, e, &mut findings);
    judge_attempts(e, &mut findings);
    judge_callbacks(e, &mut findings);
    books::judge(e, &journal, &mut findings);
    answers::judge(e, &journal, &mut findings);
    ends::judge(e, &journal, &mut findings);
    rows::judge(parts, e, &journal, &mut findings);
    news::judge(e, &journal, &mut findings);
    for (name, count) in e.left.iter().filter(|(_, count)| *count > 0) {
        findings.push(Finding { what: format!("{count} {name} are left"), job: None });
    }
    findings
}

fn judge_parts(parts: &[Part], e: &Evidence, findings: &mut Vec<Finding>) {
    let mut nameless = 0;
    for (place, part) in parts.iter().enumerate() {
        if !e.confirmed.contains(&place) {
            let what = format!("message {place} was never confirmed");
            findings.push(Finding { what, job: part.id });
            continue;
        }
        match (part.fate, part.id) {
            (Fate::Quarantined, Some(id)) if !e.quarantine.contains(&Some(id)) => {
                findings.push(finding(id, "is no job and not in quarantine"));
            }
            (Fate::Quarantined, Some(_)) => {}
            (Fate::Quarantined, None) => nameless += 1,
            (Fate::Runs | Fate::Rejected, id) => {
                judge_job(part.fate, id.unwrap_or_default(), e, findings);
            }
        }
    }
    let kept = e.quarantine.iter().filter(|id| id.is_none()).count();
    if kept < nameless {
        let what = format!("{nameless} messages without id, {kept} in quarantine");
        findings.push(Finding { what, job: None });
    }
}

fn judge_job(fate: Fate, id: Uuid, e: &Evidence, findings: &mut Vec<Finding>) {
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
    let heard = e.heard.get(&id).map_or(&[][..], Vec::as_slice);
    let heard: Vec<&Told> = heard.iter().filter(|told| told.sequence > 0).collect();
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
fn judge_strangers(parts: &[Part], e: &Evidence, findings: &mut Vec<Finding>) {
    let known: HashSet<Uuid> = parts.iter().filter_map(|part| part.id).collect();
    let verifications: HashSet<Uuid> = known.iter().map(|id| child_id(*id, VERIFY)).collect();
    for (id, job) in e.jobs.iter().filter(|(id, _)| !known.contains(id)) {
        let parent = job["begun_by"].as_str().and_then(|text| text.parse().ok());
        if verifications.contains(id) || parent.is_some_and(|parent| known.contains(&parent)) {
            judge_job(Fate::Runs, *id, e, findings);
        } else {
            findings.push(finding(*id, "is a job that nobody published"));
        }
    }
}

/// Whether a job has ended; of one that has not, being lost is all that is told.
fn has_ended(job: &Value) -> bool {
    job["state"].as_str().and_then(State::from_name).is_some_and(State::is_terminal)
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

/// Every event of a job that named a callback came to the receiver, for the first time in order.
fn judge_callbacks(e: &Evidence, findings: &mut Vec<Finding>) {
    let mut came: HashMap<&str, Vec<i64>> = HashMap::new();
    for (job, sequence) in e.came.iter().filter_map(|id| id.rsplit_once('/')) {
        came.entry(job).or_default().extend(sequence.parse::<i64>());
    }
    for (id, job) in e.jobs.iter().filter(|(_, job)| job["callback"] == Value::Bool(true)) {
        let events = job["events"].as_i64().unwrap_or(0);
        let firsts = came.get(id.to_string().as_str()).map_or(&[][..], Vec::as_slice);
        let missing: Vec<i64> = (1..=events).filter(|event| !firsts.contains(event)).collect();
        if !missing.is_empty() {
            findings.push(finding(*id, format_args!("events {missing:?} of {events} never came")));
        }
        if !firsts.is_sorted() {
            findings
                .push(finding(*id, format_args!("events came by HTTP in the order {firsts:?}")));
        }
    }
}
