//! What a campaign tells: a line a fault, a line a round, a table of kinds, and the same as JSON.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde_json::{Value, json};

/// One fault, or two that overlapped.
#[derive(Debug)]
pub struct Struck {
    /// Its number, from 1; of two, that of the second.
    pub number: usize,
    /// Its kind, or both.
    pub names: Vec<&'static str>,
    /// Where it struck, where its name does not say all.
    pub places: Vec<String>,
    /// How many of them nobody came by: they count as no faults.
    pub missed: usize,
    /// When it began, since the campaign began.
    pub at: Duration,
    /// Between its begin and its end.
    pub lasted: Duration,
    /// Messages a second of each worker before.
    pub before: Vec<f64>,
    /// Until every worker was back at its rate.
    pub back: Option<Duration>,
    /// Calls under way when it began.
    pub in_flight: f64,
    /// Messages published at once when it began.
    pub burst: usize,
    /// Jobs taken from dead workers, since it began and until the next; a line shows them so far.
    pub rescued: f64,
    /// Results that were fenced off, in the same time.
    pub fenced: f64,
    /// Events that told of a doubt, since it began.
    pub in_doubt: usize,
}

/// What the oracle found after some faults.
#[derive(Debug)]
pub struct Round {
    /// Faults until then.
    pub faults: usize,
    /// Messages published in it.
    pub messages: usize,
    /// Jobs, with those that the hub began itself.
    pub jobs: usize,
    /// Messages without a job or an end.
    pub lost: usize,
    /// Commands that were executed again.
    pub doubled: usize,
    /// Everything that was wrong.
    pub findings: usize,
    /// Until everything had ended.
    pub took: Duration,
    /// States and commands, in words.
    pub summary: String,
}

/// A promise that was broken.
#[derive(Debug)]
pub struct Violation {
    /// Which promise.
    pub kind: &'static str,
    /// By what, with the rows that show it.
    pub what: String,
}

impl Violation {
    /// A promise and what broke it.
    pub const fn new(kind: &'static str, what: String) -> Self {
        Self { kind, what }
    }
}

/// A whole campaign.
#[derive(Debug)]
pub struct Report {
    /// What decided it.
    pub seed: u64,
    /// How long it took.
    pub took: Duration,
    /// Faults in their order; two that overlapped are one entry.
    pub faults: Vec<Struck>,
    /// Rounds in their order.
    pub rounds: Vec<Round>,
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// Faults as they were written down and the end of the hubs' logs, where something was broken.
    pub story: String,
}

impl Struck {
    /// As one line.
    pub fn line(&self) -> String {
        let back = self.back.map_or_else(|| "never".into(), seconds);
        format!(
            "{:4}  {:7}  {:60} lasted {:>6}  back after {:>6}  in flight {:3.0}  rescued {:3.0}  \
             fenced {:2.0}  in doubt {:2}{}",
            self.number,
            seconds(self.at),
            self.told(),
            seconds(self.lasted),
            back,
            self.in_flight,
            self.rescued,
            self.fenced,
            self.in_doubt,
            if self.burst > 0 { format!("  burst {}", self.burst) } else { String::new() },
        )
    }

    /// Its name, and where it struck.
    pub fn told(&self) -> String {
        let names = self.names.join(" + ");
        let places = self.places.join(", ");
        if places.is_empty() { names } else { format!("{names} ({places})") }
    }

    fn json(&self) -> Value {
        json!({
            "number": self.number, "faults": self.names, "places": self.places,
            "missed": self.missed, "at_s": self.at.as_secs_f64(),
            "lasted_s": self.lasted.as_secs_f64(), "rates_before": self.before,
            "back_s": self.back.map(|back| back.as_secs_f64()), "in_flight": self.in_flight,
            "burst": self.burst, "rescued": self.rescued, "fenced": self.fenced,
            "in_doubt": self.in_doubt,
        })
    }
}

impl Round {
    /// As one line.
    pub fn line(&self) -> String {
        format!(
            "      round of {} messages: lost {}, doubled {}, findings {}; {} after {}",
            self.messages,
            self.lost,
            self.doubled,
            self.findings,
            self.summary,
            seconds(self.took),
        )
    }

    fn json(&self) -> Value {
        json!({
            "faults": self.faults, "messages": self.messages, "jobs": self.jobs, "lost": self.lost,
            "doubled": self.doubled, "findings": self.findings, "took_s": self.took.as_secs_f64(),
            "summary": self.summary,
        })
    }
}

impl Report {
    /// Nothing has happened yet.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            took: Duration::ZERO,
            faults: Vec::new(),
            rounds: Vec::new(),
            violations: Vec::new(),
            story: String::new(),
        }
    }

    /// Faults, counted one by one.
    pub fn count(&self) -> usize {
        self.faults.iter().map(|struck| struck.names.len() - struck.missed).sum()
    }

    /// What it lacks, where it says nothing: fewer faults than these that somebody came by, or no job.
    pub fn shortfall(&self, demanded: usize) -> Option<String> {
        let (count, jobs) = (self.count(), self.sum(|round| round.jobs));
        let missing = demanded.saturating_sub(count);
        if missing > 0 {
            return Some(format!(
                "{count} faults were played, {missing} are missing: give it more --minutes"
            ));
        }
        (jobs == 0).then(|| format!("{count} faults were played, and no job was judged"))
    }

    /// A sum over the rounds.
    pub fn sum(&self, of: impl Fn(&Round) -> usize) -> usize {
        self.rounds.iter().map(of).sum()
    }

    /// For a person.
    pub fn table(&self) -> String {
        let mut text = format!(
            "\n{:28} {:>5} {:>9} {:>9} {:>9} {:>8} {:>9}\n",
            "fault", "times", "back p50", "back max", "in flight", "rescued", "in doubt"
        );
        for (name, struck) in self.by_kind() {
            let mut back: Vec<f64> = struck
                .iter()
                .map(|s| s.back.map_or(f64::INFINITY, |back| back.as_secs_f64()))
                .collect();
            back.sort_by(f64::total_cmp);
            let sum = |of: fn(&Struck) -> f64| struck.iter().map(|s| of(s)).sum::<f64>();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let doubts = sum(|s| s.in_doubt as f64);
            line(
                &mut text,
                format_args!(
                    "{name:28} {:>5} {:>7.1} s {:>7.1} s {:>9.0} {:>8.0} {:>9.0}",
                    struck.len(),
                    back[back.len() / 2],
                    back[back.len() - 1],
                    sum(|s| s.in_flight),
                    sum(|s| s.rescued),
                    doubts,
                ),
            );
        }
        line(
            &mut text,
            format_args!(
                "\nseed {}: {} faults in {}, {} messages, {} jobs; lost {}, doubled {}, other \
                 findings {}; promises broken: {}",
                self.seed,
                self.count(),
                seconds(self.took),
                self.sum(|round| round.messages),
                self.sum(|round| round.jobs),
                self.sum(|round| round.lost),
                self.sum(|round| round.doubled),
                self.sum(|round| round.findings.saturating_sub(round.lost + round.doubled)),
                self.violations.len(),
            ),
        );
        for violation in &self.violations {
            line(&mut text, format_args!("BROKEN: {}: {}", violation.kind, violation.what));
        }
        text.push_str(&self.story);
        text
    }

    /// For a machine.
    pub fn json(&self) -> Value {
        let violation = |v: &Violation| json!({"promise": v.kind, "what": v.what});
        json!({
            "seed": self.seed, "took_s": self.took.as_secs_f64(), "count": self.count(),
            "lost": self.sum(|round| round.lost), "doubled": self.sum(|round| round.doubled),
            "faults": self.faults.iter().map(Struck::json).collect::<Vec<_>>(),
            "rounds": self.rounds.iter().map(Round::json).collect::<Vec<_>>(),
            "violations": self.violations.iter().map(violation).collect::<Vec<_>>(),
        })
    }

    /// Faults that came alone, by kind, and those that overlapped together.
    fn by_kind(&self) -> BTreeMap<&'static str, Vec<&Struck>> {
        let mut kinds: BTreeMap<&'static str, Vec<&Struck>> = BTreeMap::new();
        for struck in &self.faults {
            let name = match struck.names.as_slice() {
                [one] => one,
                _ => "two that overlap",
            };
            kinds.entry(name).or_default().push(struck);
        }
        kinds
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(faults: usize, missed: usize, jobs: usize) -> Report {
        let struck = |missed| Struck {
            number: 1,
            names: vec!["worker_killed"],
            places: Vec::new(),
            missed,
            at: Duration::ZERO,
            lasted: Duration::ZERO,
            before: Vec::new(),
            back: None,
            in_flight: 0.0,
            burst: 0,
            rescued: 0.0,
            fenced: 0.0,
            in_doubt: 0,
        };
        let faults = (0..faults).map(|_| struck(0)).chain((0..missed).map(|_| struck(1)));
        let round = Round {
            faults: 0,
            messages: 0,
            jobs,
            lost: 0,
            doubled: 0,
            findings: 0,
            took: Duration::ZERO,
            summary: String::new(),
        };
        Report { faults: faults.collect(), rounds: vec![round], ..Report::new(1) }
    }

    #[test]
    fn too_few_faults_or_no_jobs_are_a_shortfall() {
        assert_eq!(report(2, 0, 9).shortfall(2), None);
        let words = |report: &Report| report.shortfall(2).unwrap_or_default();
        assert!(words(&report(0, 0, 9)).contains("0 faults were played, 2 are missing"));
        assert!(words(&report(1, 4, 9)).contains("1 are missing"), "nobody came by four of them");
        assert!(words(&report(2, 0, 0)).contains("no job was judged"));
    }
}
