//! `hub jobs cancel`: withdraws jobs: commands that were not executed, and queries that are stored or wait.

use std::path::Path;

use contracts::state::State;

use super::{Targets, open};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    targets: Targets,
}

pub(in crate::cli) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let store = match open(path).await {
        Ok((_, store)) => store,
        Err(code) => return code,
    };
    let step = async |id, act: &_| store.cancel_by(id, act).await;
    let code = arguments.targets.act(&store, &[State::Accepted, State::Waiting], step).await;
    store.close().await;
    code
}
