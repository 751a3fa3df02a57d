//! Every metric, declared once: name, kind, unit in the name, help text.
//!
//! *Guarantee*: labels come from closed sets (systems, operations, classes, states), never from
//! data, so the number of series is bounded; [`describe`] makes the series that can be counted
//! exist at zero from the start.

use std::time::Duration;

use contracts::{
    class::Class,
    operation::{ConsentRule, OperationSpec},
    state::State,
};
use metrics::{Label, SharedString};

use crate::store::listing::WAITS_FOR;

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
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 36] = [
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
    ];

    #[expect(clippy::too_many_lines, reason = "one line a metric: the table is the documentation")]
    const fn spec(self) -> (&'static str, Kind, &'static str) {
        use Kind::{Counter, Gauge, Histogram};
        match self {
            Self::Admitted => (
                "hub_jobs_admitted_total",
                Counter,
                "Messages decided, by operation and outcome (job, rejected, known, reused)",
            ),
            Self::Quarantined => ("hub_quarantined_total", Counter, "Messages that are no job"),
            Self::Consents => (
                "hub_consents_total",
                Counter,
                "Checks whose code was verified or not, by operation and result (opened, refused)",
            ),
            Self::Callbacks => (
                "hub_callbacks_total",
                Counter,
                "Tries to deliver an event by HTTP, by result (delivered, again, stopped)",
            ),
            Self::JobDuration => (
                "hub_job_duration_seconds",
                Histogram,
                "Business time from request to end, by operation and state",
            ),
            Self::CallDuration => (
                "hub_call_duration_seconds",
                Histogram,
                "Real time of one call, by system and class (answered, acknowledged, interim, not_done \
                 or a failure class)",
            ),
            Self::CallsInFlight => ("hub_calls_in_flight", Gauge, "Calls under way, by system"),
            Self::Retries => (
                "hub_retries_total",
                Counter,
                "Attempts that will be repeated, by operation and class",
            ),
            Self::SlaAtRisk => (
                "hub_sla_at_risk_total",
                Counter,
                "SLA warning points that passed before the end, by operation",
            ),
            Self::SlaBreaches => (
                "hub_sla_breaches_total",
                Counter,
                "SLA deadlines that passed before the end, by operation",
            ),
            Self::TimerLateness => {
                ("hub_timer_lateness_seconds", Histogram, "Time between due and fired")
            }
            Self::Published => (
                "hub_events_published_total",
                Counter,
                "Events by result (confirmed, unheard, failed, reply)",
            ),
            Self::Inbound => (
                "hub_inbound_messages_total",
                Counter,
                "Messages from government systems, by system and match result",
            ),
            Self::Rescued => (
                "hub_jobs_rescued_total",
                Counter,
                "Jobs taken from dead workers, by result (returned, in_doubt)",
            ),
            Self::Fenced => (
                "hub_results_fenced_total",
                Counter,
                "Results that were not recorded because the job had been taken over",
            ),
            Self::BrokerUp => {
                ("hub_broker_up", Gauge, "1 while connected, by connection (consume, publish)")
            }
            Self::BrokerBlocked => (
                "hub_broker_blocked",
                Gauge,
                "1 while the broker, short of memory or disk, takes no publishes; events wait",
            ),
            Self::DatabaseUp => {
                ("hub_database_up", Gauge, "1 while the last heartbeat reached the database")
            }
            Self::BatchSize => (
                "hub_commit_batch_jobs",
                Histogram,
                "Jobs in one commit, by commit (admit, record)",
            ),
            Self::Jobs => ("hub_jobs", Gauge, "Live jobs, by system and state"),
            Self::JobsCounted => (
                "hub_jobs_counted_seconds",
                Gauge,
                "How long ago the jobs of hub_jobs were counted; 0: by this scrape",
            ),
            Self::OldestJob => (
                "hub_oldest_job_seconds",
                Gauge,
                "Age of the oldest live job in business time, by system",
            ),
            Self::SlaRemaining => (
                "hub_sla_remaining_seconds",
                Gauge,
                "Smallest business time to a deadline that has not passed, by operation",
            ),
            Self::OutboxOldest => {
                ("hub_outbox_oldest_seconds", Gauge, "Age of the oldest unsent event in real time")
            }
            Self::OutboxRows => ("hub_outbox_rows", Gauge, "Unsent events"),
            Self::QuarantineRows => ("hub_quarantine_rows", Gauge, "Messages kept in quarantine"),
            Self::Workers => ("hub_workers", Gauge, "Workers that are registered"),
            Self::CalendarRemaining => (
                "hub_calendar_remaining_seconds",
                Gauge,
                "Business time until the last day of the business calendar ends",
            ),
            Self::CredentialExpiry => (
                "hub_credential_expiry_seconds",
                Gauge,
                "Real time until the certificate of a system's https address ends, by system",
            ),
            Self::Waiting => {
                ("hub_waiting_jobs", Gauge, "Live jobs, by system and what they wait for")
            }
            Self::BreakerState => (
                "hub_breaker_state",
                Gauge,
                "Circuit breaker, by system: 0 closed, 1 half open, 2 open",
            ),
            Self::BreakerMoves => (
                "hub_breaker_transitions_total",
                Counter,
                "Transitions of circuit breakers made by this process, by system and new state",
            ),
            Self::Blocked => (
                "hub_system_blocked",
                Gauge,
                "1 while a system is not called, by system and reason (pause, maintenance, hold, breaker)",
            ),
            Self::InFlightMax => (
                "hub_in_flight_limit_calls",
                Gauge,
                "Calls that all workers together may have under way, by system",
            ),
            Self::InFlightShare => (
                "hub_in_flight_share_calls",
                Gauge,
                "Calls that this process may have under way, by system",
            ),
            Self::PutOff => (
                "hub_starts_put_off_total",
                Counter,
                "Starts that had to wait, by system and reason (in_flight, rate, or why it is not called)",
            ),
        }
    }

    /// The name on the page.
    pub const fn name(self) -> &'static str {
        self.spec().0
    }

    /// The help text on the page.
    pub const fn help(self) -> &'static str {
        self.spec().2
    }

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

/// What can become of a message that came in.
pub const INBOUND_RESULTS: [&str; 14] = [
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
];

/// Describes every metric and makes the countable series exist at zero.
pub fn describe(operations: &[&'static OperationSpec]) {
    for metric in Metric::ALL {
        let (name, kind, help) = metric.spec();
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
        // Alerts ask how much these rose: a series that begins with a burst of failures has not risen.
        for class in Class::ALL.iter().map(|class| class.name()).chain(["answered"]) {
            let labels = vec![of.clone(), label("class", class)];
            drop(metrics::histogram!(Metric::CallDuration.name(), labels));
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
    for result in ["returned", "in_doubt"] {
        zero(Metric::Rescued, vec![label("result", result)]);
    }
    zero(Metric::Fenced, vec![]);
    zero(Metric::Quarantined, vec![]);
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
            Metric::Callbacks => 3,
            Metric::Consents => operations * 2,
            Metric::JobDuration => operations * 6 * histogram(JOB_BUCKETS.len()),
            Metric::CallDuration => systems * (classes + 4) * histogram(CALL_BUCKETS.len()),
            Metric::CallsInFlight | Metric::OldestJob => systems + 1,
            Metric::Retries => operations * classes,
            Metric::SlaAtRisk | Metric::SlaBreaches | Metric::SlaRemaining => operations,
            Metric::TimerLateness => histogram(CALL_BUCKETS.len()),
            Metric::Published => 4,
            Metric::Inbound => (systems + 1) * INBOUND_RESULTS.len(),
            Metric::Rescued | Metric::BrokerUp => 2,
            Metric::BatchSize => 2 * histogram(BATCH_BUCKETS.len()),
            Metric::Jobs => (systems + 1) * states,
            Metric::Quarantined
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
            let (name, kind, _) = metric.spec();
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
