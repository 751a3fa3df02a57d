//! The check: what the portal was promised against what it got, and what the government saw.
//!
//! *Lost*: a message that the broker confirmed and that did not end: no terminal state, no terminal
//! event, or (for what is no job) no entry in quarantine. *Doubled*: a command that the simulators,
//! by their own count, executed more than once for one job.

use std::collections::{BTreeMap, HashMap};

use contracts::state::State;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    cast::{Fate, Part},
    portal::{Confirmed, Heard},
    stories::Told,
};
use crate::store::jobs::Listed;

/// One job, or one message that was none.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The publisher's id; of a message without one, its place in the quarantine.
    pub id: String,
    /// What it asked for.
    pub operation: String,
    /// How it ended; `quarantined` for what was no job.
    pub state: String,
    /// How it stood to its promise.
    pub sla: Option<String>,
    /// Attempts that were made.
    pub attempts: i64,
    /// What was learned, or why not.
    pub verdict: Option<String>,
    /// Business seconds from request to end.
    pub took_s: Option<f64>,
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Decides the cast and the simulators.
    pub seed: u64,
    /// One line a job.
    pub jobs: Vec<Line>,
    /// Counts by operation and state.
    pub totals: BTreeMap<String, BTreeMap<String, usize>>,
    /// Messages that the broker confirmed, with duplicates.
    pub confirmed: usize,
    /// Confirmed, and not ended.
    pub lost: usize,
    /// Why each of them counts as lost.
    pub lost_why: Vec<String>,
    /// Commands that were executed more than once for one job.
    pub doubled_commands: usize,
    /// Commands that the simulators executed.
    pub executed_commands: u64,
    /// The manuals' stories: what the portal shows at the end of each.
    pub stories: Vec<Told>,
    /// How often business time jumped.
    pub jumps: usize,
    /// Business time that passed, in seconds.
    pub business_s: f64,
    /// Real time that passed, in seconds.
    pub real_s: f64,
}

/// What the check looks at.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What was published.
    pub parts: &'a [Part],
    /// What the broker confirmed.
    pub confirmed: &'a Confirmed,
    /// What the hub has.
    pub jobs: &'a [Listed],
    /// What the quarantine has: id of the row, id of the message, code.
    pub quarantine: &'a [(i64, Option<Uuid>, String)],
    /// What the portal heard.
    pub heard: &'a Heard,
    /// The simulators' own count.
    pub oracle: &'a Value,
}

/// How much must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Jobs, also rejected ones.
    pub jobs: usize,
    /// Messages that are none.
    pub quarantined: usize,
}

/// How much must end, of what was confirmed.
pub fn expected(parts: &[Part], confirmed: &Confirmed) -> Expected {
    let sure = parts.iter().zip(&confirmed.parts).filter(|(_, confirmed)| **confirmed);
    let quarantined = sure.clone().filter(|(part, _)| part.fate == Fate::Quarantined).count();
    Expected { jobs: sure.count() - quarantined, quarantined }
}

/// Compares. The times are filled in by the caller.
pub fn check(seed: u64, evidence: &Evidence<'_>) -> Report {
    let jobs: HashMap<Uuid, &Listed> = evidence.jobs.iter().map(|job| (job.id, job)).collect();
    let mut nameless = evidence.quarantine.iter().filter(|(_, id, _)| id.is_none());
    let mut lines = Vec::with_capacity(evidence.parts.len());
    let mut lost_why = Vec::new();
    for (part, confirmed) in evidence.parts.iter().zip(&evidence.confirmed.parts) {
        if !confirmed {
            continue;
        }
        let (line, why) = match part.fate {
            Fate::Quarantined => quarantine_line(part, evidence.quarantine, &mut nameless),
            Fate::Runs | Fate::Rejected => job_line(part, &jobs, evidence.heard),
        };
        lost_why.extend(why);
        lines.push(line);
    }
    let mut totals: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for line in &lines {
        *totals
            .entry(line.operation.clone())
            .or_default()
            .entry(line.state.clone())
            .or_default() += 1;
    }
    let kpsisu = &evidence.oracle["kpsisu"];
    let doubled = kpsisu["executed_more_than_once"].as_array().map_or(0, Vec::len);
    Report {
        seed,
        jobs: lines,
        totals,
        confirmed: evidence.confirmed.messages,
        lost: lost_why.len(),
        lost_why,
        doubled_commands: doubled,
        executed_commands: kpsisu["executed"].as_u64().unwrap_or(0),
        stories: Vec::new(),
        jumps: 0,
        business_s: 0.0,
        real_s: 0.0,
    }
}

fn job_line(part: &Part, jobs: &HashMap<Uuid, &Listed>, heard: &Heard) -> (Line, Option<String>) {
    let id = part.id.unwrap_or_default();
    let Some(job) = jobs.get(&id) else {
        let line = line(id.to_string(), part, "lost", None);
        return (line, Some(format!("{id}: the hub does not know it")));
    };
    let line = Line {
        id: id.to_string(),
        operation: job.operation.clone(),
        state: job.state.clone(),
        sla: Some(job.sla.clone()),
        attempts: job.attempts,
        verdict: job.verdict.clone(),
        took_s: job.took_s,
    };
    let terminal = State::from_name(&job.state).is_some_and(State::is_terminal);
    let ended = heard.of(id).iter().any(|event| event.name == job.state && event.sequence > 0);
    let why = match (terminal, ended, part.fate) {
        (false, ..) => Some(format!("{id}: still {}", job.state)),
        (_, false, _) => Some(format!("{id}: no event tells that it is {}", job.state)),
        (_, _, Fate::Rejected) if job.state != State::Rejected.name() => {
            Some(format!("{id}: should have been rejected, is {}", job.state))
        }
        (_, _, Fate::Runs) if job.state == State::Rejected.name() => {
            Some(format!("{id}: should have run, was rejected"))
        }
        _ => None,
    };
    (line, why)
}

fn quarantine_line<'a>(
    part: &Part,
    quarantine: &'a [(i64, Option<Uuid>, String)],
    nameless: &mut impl Iterator<Item = &'a (i64, Option<Uuid>, String)>,
) -> (Line, Option<String>) {
    let found = match part.id {
        Some(id) => quarantine.iter().find(|(_, of, _)| *of == Some(id)),
        None => nameless.next(),
    };
    if let Some((row, of, code)) = found {
        let id = of.map_or_else(|| format!("quarantine:{row}"), |id| id.to_string());
        (line(id, part, "quarantined", Some(code.clone())), None)
    } else {
        let id = part.id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        let why = format!("{id}: not in quarantine");
        (line(id, part, "lost", None), Some(why))
    }
}

fn line(id: String, part: &Part, state: &str, verdict: Option<String>) -> Line {
    Line {
        id,
        operation: part.operation.clone(),
        state: state.to_owned(),
        sla: None,
        attempts: 0,
        verdict,
        took_s: None,
    }
}

impl Report {
    /// Nothing lost, nothing doubled.
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.doubled_commands == 0 && self.stories.iter().all(|story| story.good)
    }
}
