//! `hub pause SYSTEM`: nothing of a system is started until it is resumed, or until an instant.

use std::path::Path;

use jiff::Timestamp;

use super::{FAILED, batch::Acting, complain, filter, open};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The system: realestate
    #[arg(value_parser = filter::systems())]
    system: String,
    /// When it ends by itself, in business time: 2h, 30m, or an instant with its offset.
    #[arg(long, value_parser = filter::when)]
    until: Option<filter::When>,
    /// Also in the place of a pause that lasts longer.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    acting: Acting,
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let store = match open(path).await {
        Ok((_, store)) => store,
        Err(code) => return code,
    };
    let code = match store.business_now().await {
        Ok(now) => {
            let until = arguments.until.map(|when| ahead(when, now));
            let system = arguments.system.as_str();
            let how = (until, arguments.replace);
            let step = async |system: &str, act: &_| store.pause(system, how, act).await;
            arguments.acting.run(&[system], step).await
        }
        Err(error) => {
            complain(&error);
            FAILED
        }
    };
    store.close().await;
    code
}

/// An instant, or a stretch from now on.
fn ahead(when: filter::When, now: Timestamp) -> Timestamp {
    match when {
        filter::When::At(instant) => instant,
        filter::When::Ago(stretch) => now.checked_add(stretch).unwrap_or(Timestamp::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_begins_now() {
        let now = "2026-11-22T10:00:00Z".parse().expect("an instant");
        let until = ahead(filter::when("2h").expect("two hours"), now);
        assert_eq!(until.to_string(), "2026-11-22T12:00:00Z");
    }
}
