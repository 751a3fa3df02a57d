//! Every metric, declared once: name, kind, unit, labels, help text (the table is `metric/spec.rs`).
//!
//! *Guarantee*: labels come from closed sets (systems, operations, classes, states), never from
//! data, so the number of series is bounded; [`describe`] makes counters and histograms exist at
//! zero from the start, so that the first failure of its kind is a rise and not a new series.

use std::time::Duration;

use contracts::{
    class::Class,
    operation::{ConsentRule, OperationSpec},
    state::State,
};
use metrics::{Label, SharedString};

use crate::store::listing::WAITS_FOR;

mod spec;

pub use spec::{Kind, Source, Spec};

/// A metric of this process ("instance") or of the whole hub, read from the database on scrape
/// ("service").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Jobs admitted, by operation and outcome.
    Admitted,
    /// Messages quarantined, by reason class.
    Quarantined,
    /// Checks that waited for a code, by operation and result.
    Consents,
    /// Deliveries by HTTP, by result.
    Callbacks,
    /// Jobs ended, by operation and state.
    JobDuration,
    /// Calls, by system and class.
    CallDuration,
    /// Calls under way.
    CallsInFlight,
    /// Attempts that will be repeated.
    Retries,
    /// SLA warning points passed.
    SlaAtRisk,
    /// SLA deadlines missed.
    SlaBreaches,
    /// How late timers fire.
    TimerLateness,
    /// Events published, by result.
    Published,
    /// Messages that came in, by match result.
    Inbound,
    /// Jobs taken from dead workers.
    Rescued,
    /// Results that came from a lost run.
    Fenced,
    /// Broker connection.
    BrokerUp,
    /// The broker takes no publishes.
    BrokerBlocked,
    /// Database connection.
    DatabaseUp,
    /// Jobs in a commit.
    BatchSize,
    /// Live jobs (service).
    Jobs,
    /// How old the count of live jobs is (service).
    JobsCounted,
    /// Oldest live job (service).
    OldestJob,
    /// Smallest time to a deadline (service).
    SlaRemaining,
    /// Oldest unsent event (service).
    OutboxOldest,
    /// Unsent events (service).
    OutboxRows,
    /// Kept quarantine entries (service).
    QuarantineRows,
    /// Workers alive (service).
    Workers,
    /// How far the business calendar reaches (service).
    CalendarRemaining,
    /// Until a system's certificate ends.
    CredentialExpiry,
    /// Live jobs by what they wait for (service).
    Waiting,
    /// State of the circuit breaker.
    BreakerState,
    /// Its transitions made here.
    BreakerMoves,
    /// Whether a system is not called, by reason.
    Blocked,
    /// The limit of calls under way, of all workers.
    InFlightMax,
    /// This worker's share of it.
    InFlightShare,
    /// Starts that were put off.
    PutOff,
    /// Trace contexts of jobs that were ignored.
    TraceIgnored,
    /// Spans that did not reach the collector.
    SpansDropped,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 38] = [
        Self::Admitted,
        Self::Quarantined,
        Self::Consents,
        Self::Callbacks,
        Self::JobDuration,
        Self::CallDuration,
        Self::CallsInFlight,
        Self::Retries,
        Self::SlaAtRisk,
        Self::SlaBreaches,
        Self::TimerLateness,
        Self::Published,
        Self::Inbound,
        Self::Rescued,
        Self::Fenced,
        Self::BrokerUp,
        Self::BrokerBlocked,
        Self::DatabaseUp,
        Self::BatchSize,
        Self::Jobs,
        Self::JobsCounted,
        Self::OldestJob,
        Self::SlaRemaining,
        Self::OutboxOldest,
        Self::OutboxRows,
        Self::QuarantineRows,
        Self::Workers,
        Self::CalendarRemaining,
        Self::CredentialExpiry,
        Self::Waiting,
        Self::BreakerState,
        Self::BreakerMoves,
        Self::Blocked,
        Self::InFlightMax,
        Self::InFlightShare,
        Self::PutOff,
        Self::TraceIgnored,
        Self::SpansDropped,
    ];

    /// Adds to a counter.
    pub fn add<const N: usize>(self, by: u64, labels: [(&'static str, &'static str); N]) {
        if by > 0 {
            metrics::counter!(self.name(), to_labels(labels)).increment(by);
        }
    }

    /// Adds one to a counter.
    pub fn count<const N: usize>(self, labels: [(&'static str, &'static str); N]) {
        self.add(1, labels);
    }

    /// Sets a gauge.
    pub fn set<const N: usize>(self, to: f64, labels: [(&'static str, &'static str); N]) {
        metrics::gauge!(self.name(), to_labels(labels)).set(to);
    }

    /// Sets a gauge whose label values were read from the database (closed sets all the same).
    pub fn set_read(self, to: f64, labels: &[(&'static str, &str)]) {
        let labels: Vec<Label> = labels
            .iter()
            .map(|(k, v)| Label::new(*k, SharedString::from((*v).to_owned())))
            .collect();
        metrics::gauge!(self.name(), labels).set(to);
    }

    /// Moves a gauge.
    pub fn shift<const N: usize>(self, by: f64, labels: [(&'static str, &'static str); N]) {
        metrics::gauge!(self.name(), to_labels(labels)).increment(by);
    }

    /// Observes a duration, in seconds.
    pub fn observe<const N: usize>(self, d: Duration, labels: [(&'static str, &'static str); N]) {
        self.observe_value(d.as_secs_f64(), labels);
    }

    /// Observes a value.
    pub fn observe_value<const N: usize>(
        self,
        value: f64,
        labels: [(&'static str, &'static str); N],
    ) {
        metrics::histogram!(self.name(), to_labels(labels)).record(value);
    }
}

fn to_labels<const N: usize>(labels: [(&'static str, &'static str); N]) -> Vec<Label> {
    labels.into_iter().map(|(key, value)| Label::from_static_parts(key, value)).collect()
}

/// Buckets of real durations, seconds.
pub const CALL_BUCKETS: [f64; 12] =
    [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0];
/// Buckets of business durations, seconds: from a second to a month.
pub const JOB_BUCKETS: [f64; 12] = [
    0.01,
    0.1,
    1.0,
    10.0,
    60.0,
    600.0,
    3_600.0,
    86_400.0,
    259_200.0,
    432_000.0,
    864_000.0,
    2_592_000.0,
];
/// Buckets of batch sizes.
pub const BATCH_BUCKETS: [f64; 8] = [1.0, 4.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Why a start is put off.
pub const PUT_OFF: [&str; 6] = ["in_flight", "rate", "pause", "maintenance", "hold", "breaker"];

/// How a call ends that did not fail.
const ANSWERS: [&str; 4] = ["answered", "acknowledged", "interim", "not_done"];

/// What can become of a message that came in.
pub const INBOUND_RESULTS: [&str; 15] = [
    "applied",
    "received",
    "late",
    "mismatch",
    "unmatched",
    "early",
    "given_up",
    "duplicate",
    "status",
    "unreadable",
    "not_stored",
    "unknown_peer",
    "unknown_sender",
    "unknown_service",
    "over_limit",
];

/// Describes every metric and makes the countable series exist at zero.
pub fn describe(operations: &[&'static OperationSpec]) {
    for metric in Metric::ALL {
        let Spec { name, kind, help, .. } = metric.spec();
        match kind {
            Kind::Counter => metrics::describe_counter!(name, help),
            Kind::Gauge => metrics::describe_gauge!(name, help),
            Kind::Histogram => metrics::describe_histogram!(name, help),
        }
    }
    let zero = |metric: Metric, labels: Vec<Label>| {
        metrics::counter!(metric.name(), labels).absolute(0);
    };
    let label = Label::from_static_parts;
    for operation in operations {
        let of = label("operation", operation.name);
        for outcome in ["job", "rejected", "known", "reused"] {
            zero(Metric::Admitted, vec![of.clone(), label("outcome", outcome)]);
        }
        for class in Class::ALL.into_iter().filter(|class| class.spends_attempt()) {
            zero(Metric::Retries, vec![of.clone(), label("class", class.name())]);
        }
        if operation.consent == ConsentRule::Required {
            for result in ["opened", "refused"] {
                zero(Metric::Consents, vec![of.clone(), label("result", result)]);
            }
        }
        zero(Metric::SlaAtRisk, vec![of.clone()]);
        zero(Metric::SlaBreaches, vec![of]);
    }
    let unknown = vec![label("operation", "unknown"), label("outcome", "rejected")];
    zero(Metric::Admitted, unknown);
    let mut systems: Vec<&str> = operations.iter().map(|operation| operation.system).collect();
    systems.dedup();
    for system in systems.iter().copied() {
        let of = label("system", system);
        for reason in PUT_OFF {
            zero(Metric::PutOff, vec![of.clone(), label("reason", reason)]);
        }
        for to in ["closed", "open", "half_open"] {
            zero(Metric::BreakerMoves, vec![of.clone(), label("to", to)]);
        }
    }
    systems.push("unknown");
    systems.dedup();
    for system in systems {
        for result in INBOUND_RESULTS {
            zero(Metric::Inbound, vec![label("system", system), label("result", result)]);
        }
    }
    for result in ["confirmed", "unheard", "failed", "reply"] {
        zero(Metric::Published, vec![label("result", result)]);
    }
    for result in ["delivered", "again", "stopped"] {
        zero(Metric::Callbacks, vec![label("result", result)]);
    }
    for result in ["returned", "in_doubt", "failed"] {
        zero(Metric::Rescued, vec![label("result", result)]);
    }
    for reason in ["queue_full", "not_taken"] {
        zero(Metric::SpansDropped, vec![label("reason", reason)]);
    }
    zero(Metric::TraceIgnored, vec![]);
    zero(Metric::Fenced, vec![]);
    zero(Metric::Quarantined, vec![]);
    begin_durations(operations);
}

/// Histograms, and the gauge beside them, begin without an observation: alerts ask how much they rose,
/// and a series that begins with a burst of failures has not risen.
fn begin_durations(operations: &[&'static OperationSpec]) {
    // Asking for a histogram is what makes it exist.
    let begin =
        |metric: Metric, labels: Vec<Label>| drop(metrics::histogram!(metric.name(), labels));
    let label = Label::from_static_parts;
    for operation in operations {
        for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
            let of = label("operation", operation.name);
            begin(Metric::JobDuration, vec![of, label("state", state.name())]);
        }
    }
    let mut systems: Vec<&str> = operations.iter().map(|operation| operation.system).collect();
    systems.dedup();
    for system in systems {
        for class in Class::ALL.into_iter().map(Class::name).chain(ANSWERS) {
            begin(Metric::CallDuration, vec![label("system", system), label("class", class)]);
        }
        Metric::CallsInFlight.set(0.0, [("system", system)]);
    }
    for commit in ["admit", "record"] {
        begin(Metric::BatchSize, vec![label("commit", commit)]);
    }
    begin(Metric::TimerLateness, vec![]);
}

/// The most series that this page can have, from the closed sets of labels.
pub fn series_max(systems: usize, operations: usize) -> usize {
    let states = State::ALL.len();
    let classes = Class::ALL.len();
    let histogram = |buckets: usize| buckets + 3;
    Metric::ALL
        .into_iter()
        .map(|metric| match metric {
            Metric::Waiting => systems * WAITS_FOR.len(),
            Metric::BreakerState
            | Metric::CredentialExpiry
            | Metric::InFlightMax
            | Metric::InFlightShare => systems,
            Metric::BreakerMoves => systems * 3,
            Metric::Blocked => systems * 4,
            Metric::PutOff => systems * PUT_OFF.len(),
            Metric::Admitted => (operations + 1) * 4,
            Metric::Callbacks | Metric::Rescued => 3,
            Metric::Consents => operations * 2,
            Metric::JobDuration => operations * 6 * histogram(JOB_BUCKETS.len()),
            Metric::CallDuration => {
                systems * (classes + ANSWERS.len()) * histogram(CALL_BUCKETS.len())
            }
            Metric::CallsInFlight | Metric::OldestJob => systems + 1,
            Metric::Retries => operations * classes,
            Metric::SlaAtRisk | Metric::SlaBreaches | Metric::SlaRemaining => operations,
            Metric::TimerLateness => histogram(CALL_BUCKETS.len()),
            Metric::Published => 4,
            Metric::Inbound => (systems + 1) * INBOUND_RESULTS.len(),
            Metric::BrokerUp | Metric::SpansDropped => 2,
            Metric::BatchSize => 2 * histogram(BATCH_BUCKETS.len()),
            Metric::Jobs => (systems + 1) * states,
            Metric::Quarantined
            | Metric::TraceIgnored
            | Metric::Fenced
            | Metric::BrokerBlocked
            | Metric::DatabaseUp
            | Metric::OutboxOldest
            | Metric::OutboxRows
            | Metric::QuarantineRows
            | Metric::Workers
            | Metric::JobsCounted
            | Metric::CalendarRemaining => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_prefix_and_counters_end_in_total() {
        for metric in Metric::ALL {
            let Spec { name, kind, .. } = metric.spec();
            assert!(name.starts_with("hub_"), "{name}");
            assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        }
    }

    #[test]
    fn failures_that_alerts_ask_about_are_there_at_zero_before_the_first() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || describe(contracts::own::SPEC.operations));
        let page = recorder.handle().render();
        for class in ["unreachable", "indeterminate", "contract", "denied", "defect"] {
            let name =
                format!("hub_call_duration_seconds_count{{system=\"hub\",class=\"{class}\"}} 0");
            assert!(page.lines().any(|line| line == name), "{name}");
        }
    }

    #[test]
    fn eight_systems_with_twelve_operations_stay_below_four_thousand_series() {
        assert!(series_max(8, 12) < 4_000, "{}", series_max(8, 12));
    }
}
