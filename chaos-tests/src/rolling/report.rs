//! What a rolling restart cost, for a person and for a machine.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use crate::{oracle, world::line};

/// What was measured, and what was broken.
#[derive(Debug, Default)]
pub struct Report {
    /// Decided everything that was drawn.
    pub seed: u64,
    /// Jobs a second, as asked for.
    pub rate: u32,
    /// Jobs that were published.
    pub published: usize,
    /// From the first job to the last.
    pub took: Duration,
    /// Before the first restart.
    pub calm: Spread,
    /// In their order.
    pub restarts: Vec<Restart>,
    /// Publishes that were refused, returned, or whose channel ended.
    pub publisher_errors: usize,
    /// Workers that others took for dead.
    pub taken_over: usize,
    /// Ends with jobs that were not finished.
    pub handed_back: usize,
    /// What the oracle found.
    pub findings: Vec<String>,
    /// Counts of the states, and of what the government executed.
    pub summary: String,
    /// What happened, where a promise was broken.
    pub story: String,
}

/// One hub, stopped and started.
#[derive(Debug)]
pub struct Restart {
    /// Which time.
    pub round: usize,
    /// Which hub.
    pub hub: usize,
    /// From SIGTERM until the process had ended.
    pub stop: Duration,
    /// From then until it was ready again.
    pub start: Duration,
    /// Latencies of what was due while it stopped.
    pub stopping: Spread,
    /// The same, while it started.
    pub starting: Spread,
    /// The same, from then on.
    pub after: Spread,
}

/// Latencies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// Of so many jobs.
    pub count: usize,
    /// Half took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// None took longer.
    pub max: Duration,
}

impl Spread {
    /// Of these.
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| {
            let place = (all.len() * percent).div_ceil(100).saturating_sub(1);
            all.get(place).copied().unwrap_or_default()
        };
        Self { count: all.len(), p50: at(50), p99: at(99), max: at(100) }
    }

    fn json(&self) -> Value {
        let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        json!({"jobs": self.count, "p50_ms": ms(self.p50), "p99_ms": ms(self.p99),
               "max_ms": ms(self.max)})
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_millis();
        write!(f, "{:>6} {:>6} {:>6}", ms(self.p50), ms(self.p99), ms(self.max))
    }
}

impl Report {
    /// The promises that were broken, as sentences. How long something took is none.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = self.findings.clone();
        let counted = [
            (self.publisher_errors, "publishes were refused, returned, or lost their channel"),
            (self.taken_over, "hubs that stopped in good order were taken for dead"),
            (self.handed_back, "hubs ended with jobs that were not finished"),
        ];
        let wrong = counted.iter().filter(|(count, _)| *count > 0);
        broken.extend(wrong.map(|(count, what)| format!("{count} {what}")));
        broken
    }

    /// For a person.
    pub fn table(&self) -> String {
        let mut text = format!(
            "\npublish → end heard, in ms      while it stops         while it starts        after\n\
             {:28} {:>6} {:>6} {:>6}   {:>6} {:>6} {:>6}   {:>6} {:>6} {:>6}\n",
            "", "p50", "p99", "max", "p50", "p99", "max", "p50", "p99", "max"
        );
        line(&mut text, format_args!("{:28} {}", "before the first restart", self.calm));
        for restart in &self.restarts {
            let Restart { round, hub, stop, start, stopping, starting, after } = restart;
            let (stop, start) = (stop.as_secs_f64(), start.as_secs_f64());
            let name = format!("round {round}, hub {hub}: {stop:.1} + {start:.1} s");
            line(&mut text, format_args!("{name:28} {stopping}   {starting}   {after}"));
        }
        line(
            &mut text,
            format_args!(
                "\nseed {}: {} jobs in {:.1} s ({:.0} a second, {} asked for); publisher errors {}, \
                 lost {}, doubled {}, with missing events {}, findings {}; taken for dead {}, ended \
                 unfinished {}\n{}",
                self.seed,
                self.published,
                self.took.as_secs_f64(),
                self.reached(),
                self.rate,
                self.publisher_errors,
                self.found(oracle::LOST),
                self.found(oracle::TWICE),
                self.found(oracle::UNHEARD),
                self.findings.len(),
                self.taken_over,
                self.handed_back,
                self.summary,
            ),
        );
        for broken in self.broken().iter().take(oracle::SHOWN_MAX) {
            line(&mut text, format_args!("BROKEN: {broken}"));
        }
        text.push_str(&self.story);
        text
    }

    /// For a machine.
    pub fn json(&self) -> Value {
        let restart = |r: &Restart| {
            json!({"round": r.round, "hub": r.hub, "stop_s": r.stop.as_secs_f64(),
                   "start_s": r.start.as_secs_f64(), "stopping": r.stopping.json(),
                   "starting": r.starting.json(), "after": r.after.json()})
        };
        json!({
            "seed": self.seed, "rate_asked": self.rate, "rate": self.reached(),
            "jobs": self.published, "took_s": self.took.as_secs_f64(), "before": self.calm.json(),
            "restarts": self.restarts.iter().map(restart).collect::<Vec<_>>(),
            "publisher_errors": self.publisher_errors, "lost": self.found(oracle::LOST),
            "doubled": self.found(oracle::TWICE), "events_missed": self.found(oracle::UNHEARD),
            "taken_for_dead": self.taken_over, "ended_unfinished": self.handed_back,
            "broken": self.broken(),
        })
    }

    fn found(&self, words: &str) -> usize {
        self.findings.iter().filter(|finding| finding.contains(words)).count()
    }

    fn reached(&self) -> f64 {
        f64::from(u32::try_from(self.published).unwrap_or(u32::MAX)) / self.took.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn one_in_a_hundred_is_above_p99_and_the_slowest_is_max() {
        let spread = Spread::of((1..=100).rev().map(ms).collect());
        assert_eq!(spread, Spread { count: 100, p50: ms(50), p99: ms(99), max: ms(100) });
        assert_eq!(Spread::of(vec![ms(7)]).p99, ms(7));
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }

    #[test]
    fn what_is_slow_is_not_broken_and_an_error_of_a_publisher_is() {
        let slow = Spread::of(vec![ms(60_000)]);
        let mut report = Report { calm: slow, took: ms(1), ..Report::default() };
        assert!(report.broken().is_empty());
        report.publisher_errors = 1;
        assert_eq!(report.broken().len(), 1);
    }
}
