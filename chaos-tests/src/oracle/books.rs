//! The government's books against the jobs: what was executed how often, and for whom.
//!
//! The simulators count from the first round on: what the books said at the beginning of a round was judged
//! then, and only what comes on top is judged now, be it for a job of an earlier round.
//!
//! *Limits*: two jobs for one order share its number, so each may send it once; what one of them sends
//! blindly beyond that shows, what stays within does not.

use std::collections::{HashMap, HashSet};

use contracts::state::State;
use serde_json::Value;

use super::{
    COMMANDED, Finding, TWICE, finding,
    journal::{Journal, is, number_of, str_of, system_of},
};
use crate::evidence::{Evidence, order_number};

pub(super) fn judge(e: &Evidence, journal: &Journal<'_>, findings: &mut Vec<Finding>) {
    if e.lost_entries > 0 {
        let what = "the simulators' journal is full: what was executed cannot be compared".into();
        findings.push(Finding { what, job: None });
    }
    judge_counts(e, findings);
    judge_strangers(e, findings);
    judge_rejected(e, journal, findings);
    judge_presses(e, findings);
    judge_orders(e, journal, findings);
    judge_errands(e, journal, findings);
}

fn of_number(number: &str, what: impl std::fmt::Display) -> Finding {
    Finding { what: format!("{number}: {what}"), job: number.parse().ok() }
}

/// By the simulators' own count.
fn judge_counts(e: &Evidence, findings: &mut Vec<Finding>) {
    for system in COMMANDED {
        let (counted, before) = (&e.oracle[system], &e.before.counted[system]);
        let told = list(&before["executed_more_than_once"]);
        let repeated = list(&counted["executed_more_than_once"]);
        let repeated: Vec<&Value> = repeated.iter().filter(|one| !told.contains(one)).collect();
        for number in &repeated {
            findings.push(of_number(str_of(number), format_args!("{TWICE} by {system}")));
        }
        for (number, count) in counted["sent_again"].as_object().into_iter().flatten() {
            let earlier = before["sent_again"][number].as_u64().unwrap_or(0);
            let count = count.as_u64().unwrap_or(0).saturating_sub(earlier);
            // Each further job for an order may send it once.
            let may = |jobs: &HashMap<String, u64>| match jobs.get(number) {
                Some(jobs) if system == "kazpost" => jobs.saturating_sub(1),
                _ => 0,
            };
            let used = earlier.min(may(&e.before.label_jobs));
            let is_told = repeated.iter().any(|one| *one == number.as_str());
            if count > may(&e.label_jobs).saturating_sub(used) && !is_told {
                let what = format!("was sent to {system} again {count} times, and nobody asked");
                findings.push(of_number(number, what));
            }
        }
        if counted["numbers_cut"] == Value::Bool(true) {
            let what = format!("the simulator of {system} stopped counting request numbers");
            findings.push(Finding { what, job: None });
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Executed numbers and messages that belong to no job.
fn judge_strangers(e: &Evidence, findings: &mut Vec<Finding>) {
    let known: HashSet<String> = e.jobs.values().map(number_of).collect();
    let is_known = |number: &str| known.contains(number) || e.earlier.contains(number);
    for entry in e.journal.iter().filter(|entry| is(entry, "executed")) {
        let number = str_of(&entry["request_number"]);
        if !is_known(number) {
            let system = str_of(&entry["system"]);
            findings
                .push(of_number(number, format_args!("{system} executed it, and no job asked")));
        }
    }
    for number in e.messages.keys().filter(|number| !is_known(number)) {
        findings.push(of_number(number, "a message came to a phone, and nobody pressed"));
    }
}

/// Nothing is sent for what was rejected.
fn judge_rejected(e: &Evidence, journal: &Journal<'_>, findings: &mut Vec<Finding>) {
    let rejected = |job: &&Value| job["state"] == State::Rejected.name();
    for (id, job) in e.jobs.iter().filter(|(_, job)| rejected(job)) {
        let is_shared = job["operation"] == "kazpost.label";
        if !is_shared && journal.of_job(job).iter().any(|entry| is(entry, "executed")) {
            findings
                .push(finding(*id, format_args!("is rejected, {} executed it", system_of(job))));
        }
    }
}

/// One press, one SMS, by the phones.
fn judge_presses(e: &Evidence, findings: &mut Vec<Finding>) {
    for (id, job) in e.jobs.iter().filter(|(_, job)| job["operation"] == "mgov.send_code") {
        let messages = e.messages.get(&id.to_string()).copied().unwrap_or(0);
        if messages > 1 {
            findings.push(finding(*id, format_args!("{TWICE}: {messages} messages on the phone")));
        }
        if messages == 0 && job["state"] == State::Succeeded.name() {
            findings.push(finding(*id, "succeeded, and no message came"));
        }
    }
}

/// One order, one number, by Kazpost's book; one job follows each parcel.
fn judge_orders(e: &Evidence, journal: &Journal<'_>, findings: &mut Vec<Finding>) {
    let mut owners: HashMap<&str, &str> = HashMap::new();
    for (id, job) in e.jobs.iter().filter(|(_, job)| job["operation"] == "kazpost.label") {
        if job["state"] != State::Succeeded.name() {
            continue;
        }
        let subject = str_of(&job["subject"]);
        let entries = journal.about("kazpost", &order_number(subject));
        if !entries.iter().any(|entry| is(entry, "executed")) {
            findings.push(finding(*id, "succeeded, and Kazpost gave its order no number"));
            continue;
        }
        let row = e.portal.get(&("kazpost.label".to_owned(), subject.to_owned()));
        // Without a row, or with another number in it, the rows tell.
        let Some(row) = row.filter(|row| row["answer"].as_str() == journal.track_number(subject))
        else {
            continue;
        };
        if row["values"]["followed"] != 1 {
            let followed = &row["values"]["followed"];
            findings.push(finding(*id, format_args!("is followed by {followed} jobs")));
        }
        let other = owners.insert(str_of(&row["answer"]), subject);
        if let Some(other) = other.filter(|other| *other != subject) {
            findings.push(finding(*id, format_args!("{subject} and {other} share a number")));
        }
    }
}

/// A courier is called once, and a number given back once, where the job says so; never twice.
fn judge_errands(e: &Evidence, journal: &Journal<'_>, findings: &mut Vec<Finding>) {
    for (id, job) in &e.jobs {
        if !matches!(str_of(&job["operation"]), "kazpost.call_courier" | "kazpost.cancel") {
            continue;
        }
        let entries = journal.of_job(job).iter();
        let executed = entries.filter(|entry| is(entry, "executed")).count();
        if executed > 1 {
            findings.push(finding(*id, format_args!("{TWICE}: {executed} times, by the journal")));
        }
        if executed == 0 && job["state"] == State::Succeeded.name() {
            let what = format!("succeeded, and {} executed nothing", system_of(job));
            findings.push(finding(*id, what));
        }
    }
}
