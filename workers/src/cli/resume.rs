//! `hub resume SYSTEM`: ends a pause.

use std::path::Path;

use super::{batch::Acting, filter, open};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The system: realestate
    #[arg(value_parser = filter::systems())]
    system: String,
    #[command(flatten)]
    acting: Acting,
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let store = match open(path).await {
        Ok((_, store)) => store,
        Err(code) => return code,
    };
    let step = async |system: &str, act: &_| store.resume(system, act).await;
    let code = arguments.acting.run(&[arguments.system.as_str()], step).await;
    store.close().await;
    code
}
