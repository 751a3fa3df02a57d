//! What the government told by itself, or over time, against what the portal has of it: messages of
//! Е-қызмет, and what happened to parcels.
//!
//! *Limits*: of a message that it began, not of the reviewers' later decisions about it; of parcels that
//! were followed to their end, as a look whose answer a line swallowed tells nothing.

use std::collections::BTreeMap;

use contracts::state::State;

use super::{
    Finding, finding,
    journal::{Journal, str_of},
};
use crate::evidence::{Evidence, TRACKING};

pub(super) fn judge(e: &Evidence, journal: &Journal<'_>, findings: &mut Vec<Finding>) {
    judge_messages(e, findings);
    judge_parcels(e, journal, findings);
}

/// One row and an event for every message that was begun.
fn judge_messages(e: &Evidence, findings: &mut Vec<Finding>) {
    for id in &e.begun {
        let mut say = |what: String| {
            findings.push(Finding { what: format!("the message {id} {what}"), job: None });
        };
        match e.message_rows.get(id).copied().unwrap_or(0) {
            1 => {}
            0 => say("is lost: the portal has no row of it".to_owned()),
            rows => say(format!("has {rows} rows in the portal")),
        }
        if e.received.get(id).copied().unwrap_or(0) == 0 {
            say("came, and no event told of it".to_owned());
        }
    }
}

/// The portal has each event of a parcel that was followed to its end, once.
fn judge_parcels(e: &Evidence, journal: &Journal<'_>, findings: &mut Vec<Finding>) {
    let none = Vec::new();
    for (id, job) in e.jobs.iter().filter(|(_, job)| job["operation"] == "kazpost.track") {
        let Some(number) = journal.track_number(str_of(&job["subject"])) else { continue };
        if job["state"] != State::Succeeded.name() {
            continue;
        }
        let kept = counted(e.parcels.get(number).unwrap_or(&none).iter().map(String::as_str));
        let looks = journal.about(TRACKING, number).iter();
        let told: Vec<&str> = looks.filter_map(|look| look["given"].as_str()).collect();
        let count = job["summary"]["events"].as_u64().unwrap_or(0);
        let is_kept = |told: &&str| counted(told.split(' ')) == kept;
        // Who was told more than the job counts was asked after its end.
        let last = told.iter().rfind(|told| told.split(' ').count() as u64 == count);
        let is_told =
            if told.is_empty() { total(&kept) == count } else { last.is_some_and(is_kept) };
        if !is_told {
            let last = told.last().copied().unwrap_or_default();
            let what = format!("{count} events were told, {last}; the portal has {kept:?}");
            findings.push(finding(*id, what));
        }
    }
}

/// How often each code stands there.
fn counted<'c>(codes: impl Iterator<Item = &'c str>) -> BTreeMap<&'c str, u64> {
    let mut counts = BTreeMap::new();
    for code in codes {
        *counts.entry(code).or_default() += 1;
    }
    counts
}

fn total(counts: &BTreeMap<&str, u64>) -> u64 {
    counts.values().sum()
}
