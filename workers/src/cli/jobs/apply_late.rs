//! `hub jobs apply-late`: gives the portal an answer that came after its job had ended.

use std::path::Path;

use contracts::state::State;

use super::super::{WRONG_USE, complain, load, require_schema};
use super::Targets;
use crate::{inbound::late, pipeline::Hub, store::listing::Leave};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    targets: Targets,
    /// The message that counts, where several say different things (`hub jobs show` lists them).
    #[arg(long)]
    message: Option<i64>,
}

pub(in crate::cli) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let config = match load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if arguments.message.is_some() && arguments.targets.ids.len() != 1 {
        complain(&"--message belongs to one job: name that one");
        return WRONG_USE;
    }
    // The adapter reads the answer, so it is needed with its settings; nothing is connected.
    let hub = match Hub::build(config) {
        Ok((hub, _)) => hub,
        Err(error) => {
            complain(&error);
            return WRONG_USE;
        }
    };
    if let Err(code) = require_schema(&hub.store).await {
        return code;
    }
    let step = async |id, act: &_| late::apply(&hub, id, arguments.message, act).await;
    let targets = arguments.targets.leaving_out(Leave::NothingLate);
    let code = targets.act(&hub.store, &[State::Expired], step).await;
    hub.store.close().await;
    code
}
