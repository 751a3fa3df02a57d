//! `hub jobs …`: what operators do with jobs.
//!
//! *Guarantee*: no value of an input is ever shown. Every change is one commit with its row in the
//! audit, made in the same way as a running hub makes it, so the two never fight.

mod apply_late;
mod cancel;
mod list;
mod resolve;
mod retry;
mod show;

use std::{fmt, path::Path};

use clap::Subcommand;
use contracts::state::State;
use uuid::Uuid;

use super::{FAILED, batch, complain, filter, open};
use crate::store::{
    Error, Store,
    audit::{Act, Outcome},
    listing::{Found, Leave},
};

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Show jobs, newest first.
    List(list::Arguments),
    /// Show the whole story of a job.
    Show(show::Arguments),
    /// Make a new job of one that ended without success.
    Retry(retry::Arguments),
    /// Withdraw jobs: commands that were not executed, queries that are stored or wait.
    Cancel(cancel::Arguments),
    /// Decide what became of a command whose answer was lost.
    Resolve(resolve::Arguments),
    /// Give the portal an answer that came after its job had ended.
    ApplyLate(apply_late::Arguments),
}

/// Which jobs a command acts on.
#[derive(Debug, Clone, clap::Args)]
struct Targets {
    /// These jobs.
    #[arg(required_unless_present = "all_matching")]
    ids: Vec<Uuid>,
    /// Every job that the filters find.
    #[arg(long, conflicts_with = "ids")]
    all_matching: bool,
    #[command(flatten)]
    filter: filter::Filters,
    #[command(flatten)]
    size: batch::Size,
    #[command(flatten)]
    batch: batch::Acting,
    /// What the act leaves out among those that match.
    #[arg(skip)]
    leave: Option<Leave>,
}

/// A job as the command saw it when it began.
#[derive(Debug, Clone, Copy)]
struct Target {
    id: Uuid,
    /// The number of its last event, where a listing told it.
    event: Option<i32>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    match arguments {
        Arguments::List(list) => list::run(path, list).await,
        Arguments::Show(show) => show::run(path, show).await,
        Arguments::Retry(retry) => retry::run(path, retry).await,
        Arguments::Cancel(cancel) => cancel::run(path, cancel).await,
        Arguments::Resolve(resolve) => resolve::run(path, resolve).await,
        Arguments::ApplyLate(apply) => apply_late::run(path, apply).await,
    }
}

impl Targets {
    /// Without those to which the act was done before: they still match, and would fill each batch.
    fn leaving_out(self, leave: Leave) -> Self {
        Self { leave: Some(leave), ..self }
    }

    /// Acts on each; `states` are those that the filters look in where they name none.
    async fn act(
        self,
        store: &Store,
        states: &[State],
        step: impl AsyncFn(Uuid, &Act) -> Result<Outcome, Error>,
    ) -> u8 {
        let step = async |target: Target, act: &Act| step(target.id, act).await;
        self.act_as_seen(store, states, step).await
    }

    /// The same, where it matters what the listing said of each.
    async fn act_as_seen(
        self,
        store: &Store,
        states: &[State],
        step: impl AsyncFn(Target, &Act) -> Result<Outcome, Error>,
    ) -> u8 {
        let Self { ids, all_matching, filter, size, batch, leave } = self;
        if let Err(code) = batch::check_targets(!ids.is_empty(), all_matching, !filter.is_empty()) {
            return code;
        }
        if !all_matching {
            let targets: Vec<Target> =
                ids.into_iter().map(|id| Target { id, event: None }).collect();
            return batch.run(&targets, step).await;
        }
        let found = async {
            let filter = filter.read(store, states).await?;
            store.find_targets(&filter, leave, size.wanted()).await
        };
        let mut found = match found.await {
            Ok(found) => found,
            Err(error) => {
                complain(&error);
                return FAILED;
            }
        };
        if found.is_empty() {
            return batch.nothing(match leave {
                None => "no job matches",
                Some(Leave::Repeated) => "no job matches that was not repeated before",
                Some(Leave::NothingLate) => "no job matches that has a late answer to apply",
            });
        }
        let is_cut = size.cut(&mut found, "jobs");
        let target = |job: &Found| Target { id: job.id, event: Some(job.events) };
        let targets: Vec<Target> = found.iter().rev().map(target).collect();
        let code = batch.run(&targets, step).await;
        if is_cut { FAILED } else { code }
    }
}
