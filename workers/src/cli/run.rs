//! `hub run`: everything, until SIGTERM or Ctrl-C.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{DONE, FAILED, WRONG_USE, complain, load};
use crate::telemetry::logs;

/// What to run.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Consume the queues of these systems, and start their stored jobs, only: kpsisu,mzrk
    #[arg(long, value_delimiter = ',')]
    only: Option<Vec<String>>,
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let config = match load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let unknown = |name: &&String| !config.systems.contains_key(name.as_str());
    if let Some(name) = arguments.only.iter().flatten().find(unknown) {
        let known: Vec<_> = config.systems.keys().copied().collect();
        complain(&format!("--only {name}: not a configured system; these are: {known:?}"));
        return WRONG_USE;
    }
    logs::start_service("info");
    let stop = CancellationToken::new();
    if let Err(error) = stop_on_signals(stop.clone()) {
        complain(&error);
        return FAILED;
    }
    match crate::run::run(config, arguments.only, stop).await {
        Ok(()) => DONE,
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

/// The first signal stops in good order; a second one ends at once.
fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for stopping in [false, true] {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if stopping {
                std::process::exit(i32::from(FAILED));
            }
            stop.cancel();
        }
    });
    Ok(())
}
