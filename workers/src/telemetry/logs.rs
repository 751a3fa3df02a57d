//! Logs: sentences with fields, to standard error. Level by who must act.
//!
//! *Guarantee*: whatever `HUB_LOG` says, no library traces: a client of a broker or of HTTP then prints
//! the bytes that it carries, and with them persons and codes (invariant 8).

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter,
    filter::filter_fn,
    fmt,
    layer::{Layer, SubscriberExt},
    registry::Registry,
    util::SubscriberInitExt,
};

/// Whose lines hold nothing personal at any level.
const OURS: [&str; 4] = ["hub", "workers", "adapters", "contracts"];

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `HUB_LOG` sets the level (`info` by default), `HUB_LOG_FORMAT=json` the form.
pub fn start(default_level: &str) {
    let filter = std::env::var("HUB_LOG").unwrap_or_else(|_| {
        // lapin logs every reconnection as an error of its own; the supervisor says it once.
        format!("{default_level},lapin=off,sqlx=off")
    });
    let form = match std::env::var("HUB_LOG_FORMAT").as_deref() {
        Ok("json") => Form::Json,
        _ => Form::Text,
    };
    let filter = EnvFilter::new(filter).and_then(filter_fn(may_be_printed)).boxed();
    let registry = Registry::default().with(filter);
    let started = match form {
        Form::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
        Form::Text => {
            registry.with(fmt::layer().with_target(false).with_writer(std::io::stderr)).try_init()
        }
    };
    // A second start (in tests) leaves the first in place.
    drop(started);
}

/// A library may say what it does, and not what it carries.
fn may_be_printed(line: &Metadata<'_>) -> bool {
    let owner = line.target().split("::").next().unwrap_or_default();
    *line.level() != Level::TRACE || OURS.contains(&owner)
}
