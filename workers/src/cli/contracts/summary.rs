//! What a replay showed, as a whole: for a terminal and as JSON.

use std::{collections::BTreeMap, time::Duration};

use adapters::replay::{
    drift::Drift,
    live::{Replayed, Verdict},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::print::table,
    style::Style,
    timings::{millis, name},
};

/// A whole run.
pub(super) struct Run {
    /// Where to, without credentials.
    pub(super) target: String,
    pub(super) started: Timestamp,
    pub(super) took: Duration,
    /// In the order of their names.
    pub(super) cases: Vec<Replayed>,
    /// Cases that were chosen; more than were replayed where the run was stopped.
    pub(super) chosen: usize,
}

impl Run {
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.cases.iter().filter(|one| one.verdict == verdict).count()
    }

    /// Something was asked, everything that was asked answered, and nothing drifted.
    pub(super) fn is_good(&self) -> bool {
        self.asked() > 0
            && self.count(Verdict::Drift) == 0
            && self.count(Verdict::Unreached) == 0
            && self.is_whole()
    }

    fn asked(&self) -> usize {
        self.cases.len() - self.count(Verdict::Skipped)
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.cases.len() == self.chosen
    }

    /// Per system: how many of each verdict, in the order of [`Verdict::ALL`].
    pub(super) fn systems(&self) -> BTreeMap<&str, [usize; Verdict::ALL.len()]> {
        let mut all = BTreeMap::new();
        for one in &self.cases {
            let counts: &mut [usize; Verdict::ALL.len()] =
                all.entry(one.system.as_str()).or_default();
            if let Some(at) = Verdict::ALL.iter().position(|verdict| *verdict == one.verdict) {
                counts[at] += 1;
            }
        }
        all
    }

    /// Why cases were left out, and how many for each reason; the commonest first.
    pub(super) fn left_out(&self) -> Vec<(String, usize)> {
        let mut all: BTreeMap<String, usize> = BTreeMap::new();
        for one in self.cases.iter().filter(|one| one.verdict == Verdict::Skipped) {
            // Behaviours are many, and one reason.
            let reason = match one.note.split_once("needs the behaviour ") {
                Some(_) => "needs a behaviour that cannot be ordered from a stand",
                None => one.note.as_str(),
            };
            *all.entry(reason.to_owned()).or_default() += 1;
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all
    }

    /// For a terminal.
    pub(super) fn as_text(&self, style: &Style) -> String {
        let mut out = String::new();
        for one in self.cases.iter().filter(|one| one.verdict == Verdict::Unreached) {
            out.push_str(&format!("{} {}: {}\n", style.note("NO ANSWER"), name(one), one.note));
        }
        for one in self.cases.iter().filter(|one| one.verdict == Verdict::Drift) {
            out.push_str(&drifted(one, style));
        }
        let mut rows = table(&["system", "passed", "drift", "skipped", "no answer"]);
        for (system, counts) in self.systems() {
            let mut row = vec![system.to_owned()];
            row.extend(counts.map(|count| count.to_string()));
            rows.add_row(row);
        }
        out.push_str(&format!("\n{rows}\n"));
        for (reason, count) in self.left_out() {
            out.push_str(&style.quiet(&format!("\nskipped {count}: {reason}")));
        }
        let verdict = self.verdict();
        let verdict = if self.is_good() { style.good(&verdict) } else { style.bad(&verdict) };
        let seconds = self.took.as_secs_f64();
        format!("{out}\n\n{verdict}, {seconds:.1} s, {}", self.target)
    }

    /// In one sentence.
    pub(super) fn verdict(&self) -> String {
        let (drift, lost) = (self.count(Verdict::Drift), self.count(Verdict::Unreached));
        let asked = self.asked();
        let mut told = match (asked, drift, lost) {
            (0, ..) => "nothing was asked, so nothing is known".to_owned(),
            (_, 0, 0) => format!("no drift in {asked} cases"),
            (_, drift, 0) => format!("{drift} of {asked} cases drift"),
            (_, 0, lost) => format!("no answer to {lost} of {asked} cases"),
            (_, drift, lost) => format!("{drift} of {asked} cases drift, no answer to {lost}"),
        };
        if !self.is_whole() {
            told.push_str(&format!("; stopped after {} of {}", self.cases.len(), self.chosen));
        }
        told
    }

    /// For programs; the shape is told in contracts/README.md.
    pub(super) fn as_json(&self) -> Value {
        let counted = |counts: [usize; Verdict::ALL.len()]| -> Value {
            let pairs = Verdict::ALL.iter().zip(counts);
            pairs.map(|(verdict, count)| (verdict.name().to_owned(), json!(count))).collect()
        };
        let systems = self.systems().into_iter().map(|(system, counts)| {
            let mut row = counted(counts);
            row["system"] = json!(system);
            row
        });
        let left_out = self.left_out().into_iter();
        json!({
            "version": 1,
            "target": self.target,
            "started_at": self.started,
            "seconds": self.took.as_secs_f64(),
            "chosen": self.chosen,
            "is_whole": self.is_whole(),
            "counts": counted(Verdict::ALL.map(|verdict| self.count(verdict))),
            "systems": systems.collect::<Vec<_>>(),
            "left_out": left_out.map(|(reason, cases)| json!({ "reason": reason, "cases": cases }))
                .collect::<Vec<_>>(),
            "cases": self.cases.iter().map(case).collect::<Vec<_>>(),
        })
    }
}

fn case(one: &Replayed) -> Value {
    let drift = |drift: &Drift| {
        json!({
            "kind": drift.kind.name(),
            "path": drift.path,
            "expected": drift.expected,
            "got": drift.got,
        })
    };
    json!({
        "system": one.system,
        "case": one.case,
        "title": one.title,
        "operation": one.operation,
        "verdict": one.verdict.name(),
        "note": one.note,
        "ordered": one.ordered,
        "took_ms": one.took.map(millis),
        "drifts": one.drifts.iter().map(drift).collect::<Vec<_>>(),
    })
}

fn drifted(one: &Replayed, style: &Style) -> String {
    let mut out = format!("{} {}: {}\n", style.bad("DRIFT"), style.strong(&name(one)), one.title);
    for drift in &one.drifts {
        let kind = style.note(drift.kind.words());
        out.push_str(&format!("  {kind} at {}\n", drift.path));
        out.push_str(&format!("    expected {}\n", style.good(&drift.expected)));
        out.push_str(&format!("    got      {}\n", style.bad(&drift.got)));
    }
    out
}
