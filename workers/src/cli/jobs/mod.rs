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

use super::{DONE, FAILED, batch, complain, filter, open};
use crate::store::{
    Error, Store,
    audit::{Act, Outcome},
    listing::Found,
};

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Show jobs, newest first.
    List(list::Arguments),
    /// Show the whole story of a job.
    Show(show::Arguments),
    /// Make a new job of one that ended without success.
    Retry(retry::Arguments),
    /// Withdraw jobs of which nothing was sent.
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
    batch: batch::Acting,
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
        let Self { ids, all_matching, filter, batch } = self;
        if let Err(code) = batch::check_targets(!ids.is_empty(), all_matching, !filter.is_empty()) {
            return code;
        }
        let targets = if all_matching {
            match find(store, filter, states).await {
                Ok(targets) => targets,
                Err(error) => {
                    complain(&error);
                    return FAILED;
                }
            }
        } else {
            ids.into_iter().map(|id| Target { id, event: None }).collect()
        };
        if targets.is_empty() {
            complain(&"no job matches");
            return DONE;
        }
        batch.run(&targets, step).await
    }
}

/// The jobs that match, oldest first.
async fn find(
    store: &Store,
    filter: filter::Filters,
    states: &[State],
) -> Result<Vec<Target>, Error> {
    let filter = filter.read(store, states).await?;
    let mut found = store.find_jobs(&filter, batch::BATCH_MAX + 1).await?;
    if found.len() > usize::try_from(batch::BATCH_MAX).unwrap_or(usize::MAX) {
        found.pop();
        let text = "only the newest of them are in this batch: run it again for the others";
        complain(&format!("more than {} jobs match; {text}", batch::BATCH_MAX));
    }
    let target = |job: &Found| Target { id: job.id, event: Some(job.events) };
    Ok(found.iter().rev().map(target).collect())
}
