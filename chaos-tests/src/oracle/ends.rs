//! Ends that are no answer: each needs a reason that the journal shows.
//!
//! | end | reason |
//! |---|---|
//! | `cancelled` | none: nobody cancels here |
//! | not `succeeded`, although Kazpost or Е-қызмет did it | they were asked, and no question was answered (D15) |
//! | `failed`, attempts used up | as many requests without an answer as the operation has attempts |
//! | `failed`, outcome unknown or time used up; `expired` | a request without an answer, or with a part of it |
//! | the same, of KPSiSU | also a request that is never answered |
//! | `failed`, outcome unknown, nobody can be asked | a worker died around its call: the event of the doubt says so |
//! | `failed`, time used up, never tried | business time jumped while it was stored, and not many are such |
//! | `failed`, the consent was not proven | its verification did not succeed |
//!
//! *Limits*: a request that a broken line swallowed, or that a dying hub never sent, is in no journal. So
//! of each operation and round [`Ceiling::of`] ends may lack their reason; one more is a finding.

use std::collections::BTreeMap;

use contracts::state::State;
use serde_json::Value;
use uuid::Uuid;
use workers::pipeline::consent::VERIFY;

use super::{
    Finding,
    answers::given,
    finding,
    journal::{Journal, is, is_question, str_of, system_of},
};
use crate::evidence::Evidence;

/// Commands that nobody can be asked about.
const SENT_ONCE: [&str; 3] = ["kpsisu.check", "mgov.send_code", "mgov.verify_code"];

/// Jobs of one operation that may end in one round without a reason in the journal.
///
/// Whoever can be asked or be sent to again meets its faults in the journal; what is left are lines cut
/// under a request. Of a command that nobody can be asked about, every hub that dies or freezes around
/// the call leaves a doubt for ever, though the request was answered or never sent.
struct Ceiling {
    least: usize,
    permille: usize,
}

impl Ceiling {
    const SENT_AGAIN: Self = Self { least: 3, permille: 20 };
    const SENT_ONCE: Self = Self { least: 10, permille: 60 };
    /// Stored, and overtaken by a jump of business time before a call came free.
    const NEVER_TRIED: Self = Self { least: 10, permille: 150 };

    fn over(&self, jobs: usize) -> usize {
        self.least.max(jobs * self.permille / 1_000)
    }

    fn of(operation: &str, jobs: usize) -> usize {
        let ceiling = match operation {
            operation if SENT_ONCE.contains(&operation) => Self::SENT_ONCE,
            _ => Self::SENT_AGAIN,
        };
        ceiling.over(jobs)
    }
}

/// Attempts of `gbdfl.person`, where the settings of these worlds differ from the operation's own.
const PERSON_ATTEMPTS: usize = 6;
/// Answers that break the contract after which a query fails.
const STRIKES: usize = 2;

fn attempts_of(operation: &str) -> usize {
    if operation == "gbdfl.person" {
        return PERSON_ATTEMPTS;
    }
    let mut all = adapters::systems::all().into_iter().flat_map(|one| one.spec().operations);
    all.find(|one| one.name == operation).map_or(1, |one| usize::from(one.attempts_max))
}

pub(super) fn judge(e: &Evidence, journal: &Journal<'_>, findings: &mut Vec<Finding>) {
    for (id, job) in &e.jobs {
        if job["state"] == State::Cancelled.name() {
            findings.push(finding(*id, "is cancelled, and nobody cancelled it"));
        }
        let what = known_and_not_told(job, journal).filter(|_| is_without_answer(job));
        findings.extend(what.map(|what| finding(*id, what)));
    }
    for (operation, without) in without_reason(e, journal) {
        let jobs = e.jobs.values().filter(|job| job["operation"] == operation).count();
        let untried = without.iter().filter(|id| e.jumped && is_untried(&e.jobs[*id], journal));
        let forgiven = untried.count().min(Ceiling::NEVER_TRIED.over(jobs));
        let most = Ceiling::of(operation, jobs) + forgiven;
        if without.len() > most {
            let (bad, job) = (without.len(), without.first().copied());
            let what = format!(
                "{bad} of {jobs} {operation} ended without an answer and without a fault in the \
                 journal, more than {most}"
            );
            findings.push(Finding { what, job });
        }
    }
}

/// Jobs that ended without an answer, and without a reason that the journal shows, by operation.
pub(super) fn without_reason<'e>(
    e: &'e Evidence,
    journal: &Journal<'_>,
) -> BTreeMap<&'e str, Vec<Uuid>> {
    let mut without: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
    for (id, job) in e.jobs.iter().filter(|(_, job)| is_without_answer(job)) {
        if known_and_not_told(job, journal).is_none() && !has_reason(e, job, journal) {
            without.entry(str_of(&job["operation"])).or_default().push(*id);
        }
    }
    without
}

fn is_without_answer(job: &Value) -> bool {
    job["state"] == State::Failed.name() || job["state"] == State::Expired.name()
}

/// Whoever can be asked knows that it was done, and the job does not tell it.
fn known_and_not_told(job: &Value, journal: &Journal<'_>) -> Option<String> {
    if !matches!(str_of(&job["operation"]), "kazpost.label" | "eqyzmet.submit") {
        return None;
    }
    let entries = journal.of_job(job);
    entries.iter().find(|entry| is(entry, "executed"))?;
    let questions = entries.iter().filter(|entry| is_question(entry));
    let answered = questions.clone().filter(|entry| is(entry, "acknowledged")).count();
    let asked = questions.count();
    if asked > 0 && answered == 0 {
        return None;
    }
    let (system, state) = (system_of(job), str_of(&job["state"]));
    Some(format!("is {state}, {system} did it and was asked {asked} times, answered {answered}"))
}

fn is_untried(job: &Value, journal: &Journal<'_>) -> bool {
    job["code"] == "time_used_up" && journal.of_job(job).is_empty()
}

/// Whether the portal was told that a worker died around the call of a command that nobody can be
/// asked about.
fn is_left_by_the_dead(e: &Evidence, job: &Value) -> bool {
    let is_sent_once = SENT_ONCE.contains(&str_of(&job["operation"]));
    let events = str_of(&job["id"]).parse().ok().and_then(|id: Uuid| e.heard.get(&id));
    let mut events = events.into_iter().flatten();
    is_sent_once && events.any(|told| told.code.as_deref() == Some("worker_died"))
}

/// One register of two has answered: the other one has to be asked again.
fn is_part(entry: &Value) -> bool {
    matches!(str_of(&entry["outcome"]), "partial" | "partial_record")
}

fn has_reason(e: &Evidence, job: &Value, journal: &Journal<'_>) -> bool {
    let operation = str_of(&job["operation"]);
    let verification = str_of(&job["verify_job"]).parse().ok().and_then(|id: Uuid| e.jobs.get(&id));
    if verification.is_some_and(|child| child["state"] != State::Succeeded.name()) {
        return true;
    }
    if is_left_by_the_dead(e, job) {
        return true;
    }
    let entries = journal.of_job(job);
    let is_open = |entry: &&&Value| !is(entry, "acknowledged") || is_part(entry);
    let unanswered = entries.iter().filter(is_open).count();
    let never = operation == "kpsisu.check"
        && entries.iter().any(|entry| is(entry, "executed"))
        && given(job, journal).is_none();
    let broken = entries.len() - unanswered;
    let wanted = match str_of(&job["code"]) {
        "outcome_unknown" | "time_used_up" | "retry_budget_used_up" => 1,
        _ if job["state"] == State::Expired.name() => 1,
        _ => attempts_of(operation),
    };
    let is_broken = operation != VERIFY && given(job, journal).is_none() && broken >= STRIKES;
    never || is_broken || unanswered >= wanted
}
