//! Logs: sentences with fields, to standard error. Level by who must act.
//!
//! The way of a job is told at `debug`: at the default level it costs a look at a flag, and what
//! somebody must know of it (it failed, it was rejected) stands at `info` and above. Every line about
//! a job has its id.
//!
//! *Guarantee*: whatever `HUB_LOG` says, no library traces: a client of a broker or of HTTP then prints
//! the bytes that it carries, and with them persons and codes (invariant 8).

use std::io::IsTerminal as _;

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

/// Every field that a line of ours can have; JSON adds `timestamp`, `level`, `target` and `message`.
/// A search or an alarm may rely on these names.
pub const FIELDS: [&str; 51] = [
    // Of a job: which one, what it does, how it went.
    "job_id",
    "system",
    "operation",
    "attempt",
    "duration_ms",
    "outcome",
    "state",
    "class",
    "code",
    "remote_code",
    "trace_id",
    "span_id",
    // Of everything else.
    "deaths",
    "error",
    "failed",
    "fired",
    "folder",
    "here",
    "in_doubt",
    "inbound_id",
    "jobs",
    "keys",
    "messages",
    "month",
    "new",
    "node",
    "nodes",
    "old",
    "path",
    "pause_s",
    "pid",
    "queue",
    "queues",
    "reason",
    "returned",
    "running",
    "spans",
    "status",
    "systems",
    "table",
    "there",
    "took_ms",
    "total",
    "uncertain",
    "unreadable",
    "until",
    "wait_ms",
    "why",
    "worker",
    "year",
    "years",
];

/// Starts logging. `HUB_LOG` sets the level (`info` by default), `HUB_LOG_FORMAT` the form: `json` or
/// `text`, which is the default.
pub fn start(default_level: &str) {
    start_as(default_level, Form::Text);
}

/// As [`start`], for a service: text on a terminal, else JSON.
pub fn start_service(default_level: &str) {
    let is_watched = std::io::stderr().is_terminal();
    start_as(default_level, if is_watched { Form::Text } else { Form::Json });
}

fn start_as(default_level: &str, default_form: Form) {
    let filter = std::env::var("HUB_LOG").unwrap_or_else(|_| {
        // lapin logs every reconnection as an error of its own; the supervisor says it once.
        format!("{default_level},lapin=off,sqlx=off")
    });
    let form = match std::env::var("HUB_LOG_FORMAT").as_deref() {
        Ok("json") => Form::Json,
        Ok("text") => Form::Text,
        Ok(_) | Err(_) => default_form,
    };
    let filter = EnvFilter::new(filter).and_then(filter_fn(may_be_printed)).boxed();
    let registry = Registry::default().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let started = match form {
        // Flat, so that one name finds a field in every line; there are no spans to list.
        Form::Json => {
            let lines = lines.json().flatten_event(true);
            registry.with(lines.with_current_span(false).with_span_list(false)).try_init()
        }
        Form::Text => registry.with(lines.with_target(false)).try_init(),
    };
    // A second start (in tests) leaves the first in place.
    drop(started);
}

/// A library may say what it does, and not what it carries.
fn may_be_printed(line: &Metadata<'_>) -> bool {
    let owner = line.target().split("::").next().unwrap_or_default();
    *line.level() != Level::TRACE || OURS.contains(&owner)
}
