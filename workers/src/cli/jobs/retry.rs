//! `hub jobs retry`: a new job with the content of one that ended without success.

use std::path::Path;

use contracts::state::State;

use super::{Targets, open};
use crate::{
    clock::real_now,
    store::{listing::Leave, retry::Retry},
};

/// What ended without success.
const ENDED: [State; 5] =
    [State::Refused, State::Failed, State::Expired, State::Cancelled, State::Rejected];

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    targets: Targets,
    /// Also commands that may have been executed: doing it twice does no harm.
    #[arg(long)]
    even_if_done: bool,
}

pub(in crate::cli) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let (config, store) = match open(path).await {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let slas = config.operations.iter().map(|(name, settings)| (*name, settings.sla));
    let retry =
        Retry { even_if_done: arguments.even_if_done, now: real_now(), slas: slas.collect() };
    let step = async |id, act: &_| store.retry(id, &retry, act).await;
    let code = arguments.targets.leaving_out(Leave::Repeated).act(&store, &ENDED, step).await;
    store.close().await;
    code
}
