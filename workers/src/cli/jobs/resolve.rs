//! `hub jobs resolve`: a person decides what became of a command whose answer was lost.

use std::path::Path;

use clap::ValueEnum;
use contracts::state::State;

use super::{Targets, open};
use crate::store::resolve::Resolution;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    targets: Targets,
    /// What you know of it.
    #[arg(long = "as")]
    known: Known,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Known {
    /// It was executed: the job succeeds.
    Done,
    /// It was not: it is sent again.
    NotDone,
}

pub(in crate::cli) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let store = match open(path).await {
        Ok((_, store)) => store,
        Err(code) => return code,
    };
    let resolution = match arguments.known {
        Known::Done => Resolution::Done,
        Known::NotDone => Resolution::NotDone,
    };
    let step = async |id, act: &_| store.resolve(id, resolution, act).await;
    let code = arguments.targets.act(&store, &[State::InDoubt], step).await;
    store.close().await;
    code
}
