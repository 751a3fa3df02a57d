//! `hub systems list|reset`: which systems are called, and why the others are not.

use std::path::Path;

use clap::Subcommand;

use super::{DONE, FAILED, batch::Acting, complain, filter, open, print};
use crate::store::pause::Destination;

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Show every system: pause, maintenance, breaker, limits and what of them is used.
    List {
        /// Only this one.
        #[arg(value_parser = filter::systems())]
        system: Option<String>,
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Close the breaker of a system and end its holds: the cause is mended.
    Reset {
        /// The system: realestate
        #[arg(value_parser = filter::systems())]
        system: String,
        #[command(flatten)]
        acting: Acting,
    },
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let store = match open(path).await {
        Ok((_, store)) => store,
        Err(code) => return code,
    };
    let code = match arguments {
        Arguments::List { system, json } => match store.destinations(system.as_deref()).await {
            Ok(found) if json => {
                print::tell_json(&found);
                DONE
            }
            Ok(found) => {
                list(&found);
                DONE
            }
            Err(error) => {
                complain(&error);
                FAILED
            }
        },
        Arguments::Reset { system, acting } => {
            let step = async |system: &str, act: &_| store.reset(system, act).await;
            acting.run(&[system.as_str()], step).await
        }
    };
    store.close().await;
    code
}

fn list(found: &[Destination]) {
    let header = ["system", "called", "breaker", "recent", "calling", "rate", "stored", "shares"];
    let mut table = print::table(&header);
    for d in found {
        let called = if d.blocked.is_some() { "no" } else { "yes" };
        let rate = match d.rate_per_s {
            0 => "any".to_owned(),
            rate => format!("{rate}/s, burst {}", d.rate_burst),
        };
        let shares: Vec<String> = d.shares.iter().map(|s| s.share.to_string()).collect();
        table.add_row([
            d.system.clone(),
            called.to_owned(),
            d.breaker.clone(),
            format!("{} failed of {}", d.recent_failed, d.recent_calls),
            format!("{} of {}", d.calling, d.in_flight_max),
            rate,
            d.stored.to_string(),
            shares.join("+"),
        ]);
    }
    print::tell(table);
    for (d, why) in found.iter().filter_map(|d| Some((d, why(d)?))) {
        print::tell(format!("{}: {why}", d.system));
    }
}

/// Why a system is not called, in one sentence; `None` where it is.
pub(super) fn why(d: &Destination) -> Option<String> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(match d.blocked.as_deref()? {
        "pause" => format!(
            "paused by {} since {} until {}: {}",
            or_none(&d.paused_by),
            print::at_or_blank(d.paused_at),
            d.paused_until.map_or("resumed".to_owned(), print::at),
            or_none(&d.paused_reason),
        ),
        "maintenance" => format!(
            "maintenance until {}: {}",
            print::at_or_blank(d.maintenance_until),
            or_none(&d.maintenance_ru),
        ),
        "hold" if d.held_until > d.told_until => format!(
            "our credential was rejected ({}): held until {} real time, then tried again",
            or_none(&d.held_reason),
            print::at_or_blank(d.held_until),
        ),
        "hold" => format!(
            "they told us to wait ({}) until {} real time",
            or_none(&d.told_reason),
            print::at_or_blank(d.told_until),
        ),
        _ => format!(
            "breaker {} ({}), opened {} times in a row; {} {} real time",
            d.breaker,
            or_none(&d.breaker_cause),
            d.breaker_trips,
            if d.breaker == "open" { "one call tries from" } else { "one call tries, until" },
            print::at_or_blank(d.breaker_next_at),
        ),
    })
}
