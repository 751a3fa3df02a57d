//! `hub jobs resolve`: a person decides what became of a command whose answer was lost.

use std::path::Path;

use clap::ValueEnum;
use contracts::state::State;

use super::{super::WRONG_USE, FAILED, Target, Targets, complain, open};
use crate::store::resolve::{Doubt, Resolution};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    targets: Targets,
    /// What you know of it.
    #[arg(long = "as")]
    known: Known,
    /// Which doubt you mean, where the job was sent again by somebody's word before: the number of
    /// its last event, as `hub jobs show` has it. For one job.
    #[arg(long, conflicts_with = "all_matching")]
    event: Option<i32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Known {
    /// It was executed: the job succeeds, or waits for the answer that comes of it.
    Done,
    /// It was not: it is sent again.
    NotDone,
}

pub(in crate::cli) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let Arguments { targets, known, event } = arguments;
    if event.is_some() && targets.ids.len() > 1 {
        complain(&"--event names the doubt of one job: give one id");
        return WRONG_USE;
    }
    let store = match open(path).await {
        Ok((_, store)) => store,
        Err(code) => return code,
    };
    let resolution = match known {
        Known::Done => Resolution::Done,
        Known::NotDone => Resolution::NotDone,
    };
    // A long batch comes to a job much later: what was known of it was known now.
    let code = match store.last_events(&targets.ids).await {
        Ok(seen) => {
            let step = async |target: Target, act: &_| {
                let seen = target.event.or_else(|| seen.get(&target.id).copied());
                store.resolve(target.id, resolution, Doubt { seen, named: event }, act).await
            };
            targets.act_as_seen(&store, &[State::InDoubt], step).await
        }
        Err(error) => {
            complain(&error);
            FAILED
        }
    };
    store.close().await;
    code
}
