//! `hub demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}
pub(super) async fn run(_: Arguments) -> u8 { 0 }
