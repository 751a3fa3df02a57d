//! One act on many things: one commit each, at a bounded rate, with a report at the end.
//!
//! *Guarantee*: what could not be done is told with its reason and stops nobody else; only when the
//! database or the broker goes away, or Ctrl-C is pressed, the batch ends, and the report says what was
//! done and what was not tried. With `--json` there is always one array, also where nothing matched.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    time::{Duration, Instant},
};

use contracts::code;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use tokio::time::MissedTickBehavior;

use super::{DONE, FAILED, WRONG_USE, complain, print};
use crate::{
    broker,
    store::{
        Error, Kind,
        audit::{Act, Outcome},
    },
};

/// Things in one batch; what is left over is for the next one.
const BATCH_MAX: i64 = 10_000;
/// Acts a second, unless told.
const RATE: &str = "20/s";
/// Acts a second at most: the hub's own commits must not wait.
const RATE_MAX: f64 = 1_000.0;
/// How often an act is made again because a worker was in the way.
const CONFLICTS_MAX: u32 = 5;
/// A reason is at most so long.
const REASON_CHARS_MAX: usize = 500;

/// What every command that changes something takes.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Acting {
    /// Why; kept in the audit. No personal data.
    #[arg(long, value_parser = reason)]
    reason: String,
    /// Who; kept in the audit. Without it: USER, LOGNAME, or the user's number and the host.
    #[arg(long, env = "USER", hide_env_values = true, hide_default_value = true,
          default_value_t = nobody_named())]
    actor: String,
    /// Decide everything, change nothing.
    #[arg(long)]
    dry_run: bool,
    /// How many a second: 20/s
    #[arg(long, default_value = RATE, value_parser = rate)]
    rate: f64,
    /// One JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

/// Who acts where no `USER` is set, as in a container or a unit.
pub(super) fn nobody_named() -> String {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    std::env::var("LOGNAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid:{}@{}", rustix::process::getuid().as_raw(), host().trim()))
}

/// How many of those that match are in one batch.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Size {
    /// At most so many of those that match: the newest.
    #[arg(long, conflicts_with = "ids", default_value_t = BATCH_MAX,
          value_parser = clap::value_parser!(i64).range(1..=BATCH_MAX))]
    limit: i64,
}

impl Size {
    /// One more than are in the batch, so that a cut is seen.
    pub(super) const fn wanted(self) -> i64 {
        self.limit + 1
    }

    /// Leaves out what does not fit, and says so; whether anything did not.
    pub(super) fn cut<T>(self, newest_first: &mut Vec<T>, what: &str) -> bool {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if newest_first.len() <= limit {
            return false;
        }
        newest_first.truncate(limit);
        let text = "only the newest of them are in this batch: run it again for the others, with a \
                    narrower filter where all of these are refused";
        complain(&format!("more than {limit} {what} match; {text}"));
        true
    }
}

/// What came of one.
#[derive(Debug, Serialize)]
struct Row {
    target: String,
    dry_run: bool,
    #[serde(flatten)]
    outcome: Outcome,
}

/// Why one could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Halt {
    /// The database: of this one alone, or of every one.
    #[error(transparent)]
    Store(#[from] Error),
    /// The broker is gone: the next one would meet it as well.
    #[error("{0}; nothing of it was published")]
    Broker(#[from] broker::Error),
}

impl Acting {
    /// Who, why, and whether only to see.
    pub(super) fn act(&self) -> Act {
        Act { actor: self.actor.clone(), reason: self.reason.clone(), dry_run: self.dry_run }
    }

    /// Acts on each and reports; the exit code.
    pub(super) async fn run<T: Copy + std::fmt::Display, E: Into<Halt>>(
        &self,
        targets: &[T],
        step: impl AsyncFn(T, &Act) -> Result<Outcome, E>,
    ) -> u8 {
        let began = Instant::now();
        let rows = self.act_on_each(targets, step).await;
        self.report(&rows, targets.len(), began.elapsed())
    }

    /// Reports that there was nothing to act on.
    pub(super) fn nothing(&self, why: &str) -> u8 {
        complain(&why);
        if self.json {
            print::tell_json(&[(); 0]);
        }
        DONE
    }

    async fn act_on_each<T: Copy + std::fmt::Display, E: Into<Halt>>(
        &self,
        targets: &[T],
        step: impl AsyncFn(T, &Act) -> Result<Outcome, E>,
    ) -> Vec<Row> {
        let act = self.act();
        let mut rows = Vec::with_capacity(targets.len());
        let bar = progress(targets.len());
        let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / self.rate));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for target in targets {
            pace.tick().await;
            let outcome = tokio::select! {
                outcome = again_on_conflict(|| step(*target, &act)) => outcome,
                _ = tokio::signal::ctrl_c() => {
                    complain(&"stopped; the act under way may have been committed");
                    break;
                }
            };
            match outcome.or_else(|halt| odd(&halt).ok_or(halt)) {
                Ok(outcome) => {
                    let target = target.to_string();
                    rows.push(Row { target, dry_run: self.dry_run, outcome });
                }
                Err(halt) => {
                    complain(&format!("{target}: {halt}; what comes after it was not tried"));
                    break;
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        rows
    }

    fn report(&self, rows: &[Row], wanted: usize, took: Duration) -> u8 {
        let done = rows.iter().filter(|row| row.outcome.done).count();
        if self.json {
            print::tell_json(&rows);
        } else {
            let mut table = print::table(&["what", "done", "code", ""]);
            for Row { target, outcome, .. } in rows {
                let mark = if outcome.done { "yes" } else { "no" };
                table.add_row([target.as_str(), mark, outcome.code.name(), &outcome.text]);
            }
            print::tell(table);
            print::tell(self.summary(rows, wanted, took));
        }
        if done == wanted { DONE } else { FAILED }
    }

    fn summary(&self, rows: &[Row], wanted: usize, took: Duration) -> String {
        let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
        for row in rows {
            *codes.entry(row.outcome.code.name()).or_insert(0) += 1;
        }
        let codes: Vec<String> = codes.iter().map(|(code, n)| format!("{n} {code}")).collect();
        let untried = wanted - rows.len();
        let untried = if untried > 0 { format!(", {untried} not tried") } else { String::new() };
        let dry = if self.dry_run { "dry run, nothing was changed: " } else { "" };
        format!("{dry}{}{untried} in {:.1} s", codes.join(", "), took.as_secs_f64())
    }
}

/// Whether the targets of a command are given in one way; the exit code where they are not.
pub(super) fn check_targets(named: bool, all_matching: bool, filtered: bool) -> Result<(), u8> {
    let wrong = match (named, all_matching, filtered) {
        (true, false, true) => "filters and ids exclude each other: name the ones, or filter",
        (false, true, false) => "--all-matching without a filter would mean everything: narrow it",
        (false, false, true) => "filters alone change nothing: say --all-matching to mean them all",
        (true | false, ..) => return Ok(()),
    };
    complain(&wrong);
    Err(WRONG_USE)
}

/// What an error says of its target alone; `None` where the next one would meet it as well.
fn odd(halt: &Halt) -> Option<Outcome> {
    let Halt::Store(error) = halt else { return None };
    let refused = |code, text: &str| Some(Outcome::refused(code, format!("{error}: {text}")));
    match error.kind() {
        Kind::Data if error.outside_calendar().is_some() => {
            refused(code!("calendar_year_missing"), "the business calendar does not reach so far")
        }
        Kind::Data => refused(code!("cannot_be_stored"), "the database refuses what it holds"),
        Kind::Conflict => refused(code!("busy"), "workers were in the way: try again"),
        Kind::Unavailable => None,
    }
}

async fn again_on_conflict<E: Into<Halt>, F: Future<Output = Result<Outcome, E>>>(
    step: impl Fn() -> F,
) -> Result<Outcome, Halt> {
    let mut conflicts = 0;
    loop {
        match step().await.map_err(Into::into) {
            Err(Halt::Store(error))
                if error.kind() == Kind::Conflict && conflicts < CONFLICTS_MAX =>
            {
                conflicts += 1;
            }
            done => return done,
        }
    }
}

fn progress(count: usize) -> ProgressBar {
    let shown = count > 1 && std::io::stderr().is_terminal();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(count as u64), target);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} ({eta} left)");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A reason that says something, and names nobody.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > REASON_CHARS_MAX {
        return Err(format!("a reason has 1 to {REASON_CHARS_MAX} characters"));
    }
    if print::holds_number(text) {
        return Err("a reason is kept: leave the number of the person out".to_owned());
    }
    Ok(text.to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse::<f64>().ok();
    number
        .filter(|rate| *rate > 0.0 && *rate <= RATE_MAX)
        .ok_or_else(|| format!("so many a second: {RATE}, at most {RATE_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acting() -> Acting {
        let (actor, reason) = ("tester".to_owned(), "a test".to_owned());
        Acting { actor, reason, dry_run: false, rate: RATE_MAX, json: true }
    }

    #[tokio::test]
    async fn one_that_the_database_refuses_stops_no_other_and_a_lost_database_ends_the_batch() {
        let step = async |n: i32, _: &Act| match n {
            2 => Err(Error::of_data()),
            5 => Err(Error::Timeout),
            _ => Ok(Outcome::done(code!("retried"), "done")),
        };
        let rows = acting().act_on_each(&[1, 2, 3, 4, 5, 6], step).await;
        let told: Vec<_> = rows.iter().map(|row| (row.outcome.done, row.outcome.code)).collect();
        let done = (true, code!("retried"));
        assert_eq!(told, [done, (false, code!("cannot_be_stored")), done, done]);
        assert_eq!(acting().report(&rows, 6, Duration::ZERO), FAILED);
    }

    #[test]
    fn a_batch_takes_the_newest_and_says_that_it_was_cut() {
        let mut found = vec![3, 2, 1];
        assert!(!Size { limit: 3 }.cut(&mut found, "jobs"));
        assert!(Size { limit: 2 }.cut(&mut found, "jobs"));
        assert_eq!(found, [3, 2]);
    }

    #[test]
    fn a_rate_is_a_positive_number_a_second() {
        assert_eq!(rate("5/s"), Ok(5.0));
        assert_eq!(rate("0.5"), Ok(0.5));
        for wrong in ["0", "-1/s", "NaN", "inf", "1001", "5/m", ""] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_reason_is_given_and_names_nobody() {
        assert_eq!(reason(" the register was down "), Ok("the register was down".to_owned()));
        for wrong in ["", "  ", "for 850100300012", &"x".repeat(501)] {
            assert!(reason(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn targets_are_named_or_filtered_and_never_everything() {
        assert_eq!(check_targets(true, false, false), Ok(()));
        assert_eq!(check_targets(false, true, true), Ok(()));
        assert_eq!(check_targets(true, false, true), Err(WRONG_USE));
        assert_eq!(check_targets(false, true, false), Err(WRONG_USE));
        assert_eq!(check_targets(false, false, true), Err(WRONG_USE));
    }
}
