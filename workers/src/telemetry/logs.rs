//! Logs: sentences with fields, to standard error. Level by who must act.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

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
    let registry = tracing_subscriber::registry().with(EnvFilter::new(filter));
    let started = match form {
        Form::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init(),
        Form::Text => {
            registry.with(fmt::layer().with_target(false).with_writer(std::io::stderr)).try_init()
        }
    };
    // A second start (in tests) leaves the first in place.
    drop(started);
}
