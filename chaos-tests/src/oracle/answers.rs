//! What they answered against what the hub says that they answered.
//!
//! *Limits*: behaviours that people meet by themselves or that a campaign orders; of any other nothing
//! is expected, and a success with it is a finding: it is to be listed here.

use contracts::state::State;
use serde_json::{Value, json};

use super::{
    Finding, finding, has_ended,
    journal::{Journal, is, is_question, str_of, system_of},
};
use crate::evidence::Evidence;

/// What an answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// `clear` or `found`.
    Verdict(&'static str),
    /// Whether they know it; objects are counted elsewhere.
    Found(bool),
    /// Whether a person is registered.
    Registered(bool),
    /// It was done.
    Done,
    /// No.
    Refused,
}

/// Operations of which the answer is compared.
const COMPARED: [&str; 8] = [
    "eqyzmet.submit",
    "gbdfl.person",
    "gbdul.organization",
    "kpsisu.check",
    "mgov.lookup",
    "mgov.send_code",
    "mzrk.check",
    "realestate.properties",
];

/// The answer that the government gave to a job, as far as its journal tells; of several the last.
pub(super) fn given(job: &Value, journal: &Journal<'_>) -> Option<Answer> {
    let operation = str_of(&job["operation"]);
    let entries = journal.of_job(job);
    let last = |flag| entries.iter().rfind(|entry| is(entry, flag) && !is_question(entry));
    let told = match operation {
        // Whatever became of its first answer: KPSiSU's comes later, Е-қызмет is asked, a code verifies.
        "kpsisu.check" | "eqyzmet.submit" | "mgov.send_code" => last("executed"),
        _ => entries.iter().rfind(|entry| is(entry, "acknowledged")),
    };
    match told {
        Some(told) => meaning(operation, str_of(&told["outcome"])),
        None if matches!(operation, "eqyzmet.submit" | "mgov.send_code") => {
            last("acknowledged").map(|_| Answer::Refused)
        }
        None => None,
    }
}

/// What a behaviour comes to in the end; `None` where no answer can be told from it.
fn meaning(operation: &str, outcome: &str) -> Option<Answer> {
    Some(match (operation, outcome) {
        (
            "kpsisu.check",
            "clear" | "additional_check" | "in_progress" | "late" | "twice" | "early" | "pull_only"
            | "ack_lost" | "ack_cut" | "ack_html" | "ack_garbage" | "ack_slow",
        )
        | ("mzrk.check", "clear" | "flags_only" | "numeric_flags" | "reordered" | "partial") => {
            Answer::Verdict("clear")
        }
        ("kpsisu.check", "convicted")
        | (
            "mzrk.check",
            "psychiatric_record"
            | "narcological_record"
            | "both_records"
            | "diagnosis"
            | "partial_record",
        ) => Answer::Verdict("found"),
        ("gbdfl.person", "found" | "untidy" | "deceased" | "excluded")
        | (
            "gbdul.organization",
            "company" | "branch" | "representative" | "non_resident" | "leader_removed"
            | "no_leader" | "untidy",
        )
        | (
            "realestate.properties",
            "registered" | "untidy" | "other_spelling" | "doubled_object" | "short_rka"
            | "comma_area" | "slow",
        ) => Answer::Found(true),
        ("gbdfl.person", "not_found" | "not_found_b")
        | ("gbdul.organization", "not_found" | "not_found_034" | "not_found_035")
        | ("realestate.properties", "no_property") => Answer::Found(false),
        ("mgov.lookup", "known") => Answer::Registered(true),
        ("mgov.lookup", "not_registered") => Answer::Registered(false),
        ("mgov.send_code", "known" | "lost" | "cut" | "cut_by_reset" | "slow")
        | (
            "eqyzmet.submit",
            "accepted" | "returned" | "silent" | "returned_first" | "lost" | "lost_deaf" | "cut"
            | "html_ok" | "garbage" | "slow",
        ) => Answer::Done,
        ("kpsisu.check", "not_identified") | ("mzrk.check", "not_found") => Answer::Refused,
        _ => return None,
    })
}

/// Whether the job's end and summary tell this answer.
fn tells(job: &Value, answer: Answer) -> bool {
    let (state, summary) = (str_of(&job["state"]), &job["summary"]);
    let succeeded = state == State::Succeeded.name();
    match answer {
        Answer::Verdict(verdict) => succeeded && summary["verdict"] == verdict,
        Answer::Found(found) if job["operation"] == "realestate.properties" => {
            // An owner in the register may have nothing; one without property has nothing.
            succeeded && summary["found"].as_u64().is_some_and(|count| found || count == 0)
        }
        Answer::Found(found) => succeeded && summary["found"] == json!(found),
        Answer::Registered(registered) => succeeded && summary["registered"] == json!(registered),
        Answer::Done => succeeded,
        Answer::Refused => state == State::Refused.name(),
    }
}

pub(super) fn judge(e: &Evidence, journal: &Journal<'_>, findings: &mut Vec<Finding>) {
    for (id, job) in &e.jobs {
        let operation = str_of(&job["operation"]);
        if !COMPARED.contains(&operation) || !has_ended(job) {
            continue;
        }
        let state = str_of(&job["state"]);
        let (succeeded, refused) =
            (state == State::Succeeded.name(), state == State::Refused.name());
        let system = system_of(job);
        match given(job, journal) {
            // Who did not succeed: `ends` asks why.
            Some(answer) if (succeeded || refused) && !tells(job, answer) => {
                let summary = &job["summary"];
                let what = format!("{system} answered {answer:?}, the job is {state} {summary}");
                findings.push(finding(*id, what));
            }
            // It answers in any case, and can be pulled: only its answer ends such a job.
            Some(answer) if operation == "kpsisu.check" && !tells(job, answer) => {
                let what = format!("{system} answered {answer:?}, the job is {state}");
                findings.push(finding(*id, what));
            }
            None if succeeded => {
                findings.push(finding(*id, format_args!("succeeded, {system} never answered it")));
            }
            // The hub refuses a check whose code does not open it.
            None if refused && job["verify_job"].is_null() => {
                findings.push(finding(*id, format_args!("is refused, {system} never refused it")));
            }
            Some(_) | None => {}
        }
    }
}
