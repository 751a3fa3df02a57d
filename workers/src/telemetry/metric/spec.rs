//! The table of metrics: one entry each, with all that a reader of the page must know.
//!
//! `workers/METRICS.md` is made from it, and the page of a running hub is held against it.

use super::Metric;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// The name on the page.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What its values count or measure.
    pub unit: &'static str,
    /// Whose it is.
    pub source: Source,
    /// The names of its labels; their values come from closed sets.
    pub labels: &'static [&'static str],
    /// The help text on the page.
    pub help: &'static str,
}

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Observations in buckets, with their count and sum.
    Histogram,
}

impl Kind {
    /// The word on the page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Whose a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// What this process did or sees: add the processes up.
    Instance,
    /// Of the whole hub, from the database, the same from every process: take one of them.
    Service,
}

impl Source {
    /// The word in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Service => "service",
        }
    }
}

const fn counter(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Spec {
    Spec { name, kind: Kind::Counter, unit, source: Source::Instance, labels, help }
}

const fn histogram(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Spec {
    Spec { name, kind: Kind::Histogram, unit, source: Source::Instance, labels, help }
}

const fn gauge(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Spec {
    Spec { name, kind: Kind::Gauge, unit, source: Source::Instance, labels, help }
}

/// A gauge of the whole hub.
const fn service(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Spec {
    Spec { name, kind: Kind::Gauge, unit, source: Source::Service, labels, help }
}

impl Metric {
    /// What this metric is.
    #[expect(clippy::too_many_lines, reason = "one entry a metric: the table is the documentation")]
    pub const fn spec(self) -> Spec {
        match self {
            Self::Admitted => counter(
                "hub_jobs_admitted_total",
                "messages",
                &["operation", "outcome"],
                "Messages decided: job, rejected, known, reused",
            ),
            Self::Quarantined => {
                counter("hub_quarantined_total", "messages", &[], "Messages that are no job")
            }
            Self::Consents => counter(
                "hub_consents_total",
                "jobs",
                &["operation", "result"],
                "Checks that waited for a code: opened, refused",
            ),
            Self::Callbacks => counter(
                "hub_callbacks_total",
                "requests",
                &["result"],
                "Tries to deliver an event by HTTP: delivered, again, stopped",
            ),
            Self::JobDuration => histogram(
                "hub_job_duration_seconds",
                "seconds",
                &["operation", "state"],
                "Business time from request to end, by terminal state",
            ),
            Self::CallDuration => histogram(
                "hub_call_duration_seconds",
                "seconds",
                &["system", "class"],
                "Real time of one call: answered, acknowledged, interim, not_done or a failure class",
            ),
            Self::CallsInFlight => {
                gauge("hub_calls_in_flight", "calls", &["system"], "Calls under way")
            }
            Self::Retries => counter(
                "hub_retries_total",
                "attempts",
                &["operation", "class"],
                "Attempts that will be repeated",
            ),
            Self::SlaAtRisk => counter(
                "hub_sla_at_risk_total",
                "jobs",
                &["operation"],
                "Jobs whose warning point passed before their end, each once",
            ),
            Self::SlaBreaches => counter(
                "hub_sla_breaches_total",
                "jobs",
                &["operation"],
                "Jobs whose deadline passed before their end, each once",
            ),
            Self::TimerLateness => histogram(
                "hub_timer_lateness_seconds",
                "seconds",
                &[],
                "Time between due and fired",
            ),
            Self::Published => counter(
                "hub_events_published_total",
                "events",
                &["result"],
                "Publishes of events: confirmed, unheard (no queue was bound), failed, reply",
            ),
            Self::Inbound => counter(
                "hub_inbound_messages_total",
                "messages",
                &["system", "result"],
                "Pushed and pulled messages by what became of them",
            ),
            Self::Rescued => counter(
                "hub_jobs_rescued_total",
                "jobs",
                &["result"],
                "Jobs taken from dead workers: returned, in_doubt, failed (ten died over it)",
            ),
            Self::Fenced => counter(
                "hub_results_fenced_total",
                "results",
                &[],
                "Results that were not recorded because the job had been taken over",
            ),
            Self::BrokerUp => gauge(
                "hub_broker_up",
                "0 or 1",
                &["connection"],
                "1 while connected: consume, publish",
            ),
            Self::BrokerBlocked => gauge(
                "hub_broker_blocked",
                "0 or 1",
                &[],
                "1 while the broker, short of memory or disk, takes no publishes: calls and acks go on, \
                 events wait",
            ),
            Self::DatabaseUp => gauge(
                "hub_database_up",
                "0 or 1",
                &[],
                "1 while the last heartbeat reached the database, and it answers this page in time",
            ),
            Self::BatchSize => histogram(
                "hub_commit_batch_jobs",
                "jobs",
                &["commit"],
                "Jobs in one commit: admit, record",
            ),
            Self::Jobs => service("hub_jobs", "jobs", &["system", "state"], "Live jobs, by state"),
            Self::JobsCounted => service(
                "hub_jobs_counted_seconds",
                "seconds",
                &[],
                "How long ago the jobs of hub_jobs were counted: 0 while hub.job_live is at most \
                 16 MiB (each scrape counts), later at least every 15 s or thirty times what the count \
                 takes; +Inf until the first",
            ),
            Self::OldestJob => service(
                "hub_oldest_job_seconds",
                "seconds",
                &["system"],
                "Age of the oldest live job in business time: of each operation the job with the \
                 earliest deadline counts",
            ),
            Self::SlaRemaining => service(
                "hub_sla_remaining_seconds",
                "seconds",
                &["operation"],
                "Smallest business time to a deadline that has not passed; +Inf where no job is live",
            ),
            Self::OutboxOldest => service(
                "hub_outbox_oldest_seconds",
                "seconds",
                &[],
                "Age of the oldest unsent event in real time",
            ),
            Self::OutboxRows => {
                service("hub_outbox_rows", "events", &[], "Unsent events, counted up to 10000")
            }
            Self::QuarantineRows => service(
                "hub_quarantine_rows",
                "messages",
                &[],
                "Messages in quarantine that are not decided about, counted up to 10000",
            ),
            Self::Workers => {
                service("hub_workers", "processes", &[], "Workers that are registered")
            }
            Self::CalendarRemaining => service(
                "hub_calendar_remaining_seconds",
                "seconds",
                &[],
                "Business time until the last day of the business calendar ends; no process starts in its last year",
            ),
            Self::CredentialExpiry => gauge(
                "hub_credential_expiry_seconds",
                "seconds",
                &["system"],
                "Real time until the certificate of the system's https address ends, looked at hourly; \
                 absent without https",
            ),
            Self::Waiting => service(
                "hub_waiting_jobs",
                "jobs",
                &["system", "reason"],
                "Live jobs by what they wait for, as hub jobs list --waiting-for names it; counted \
                 while hub.job_live is at most 16 MiB, NaN above",
            ),
            Self::BreakerState => service(
                "hub_breaker_state",
                "0, 1 or 2",
                &["system"],
                "Circuit breaker: 0 closed, 1 half open, 2 open",
            ),
            Self::BreakerMoves => counter(
                "hub_breaker_transitions_total",
                "transitions",
                &["system", "to"],
                "Transitions of circuit breakers made by this process, by new state",
            ),
            Self::Blocked => service(
                "hub_system_blocked",
                "0 or 1",
                &["system", "reason"],
                "1 while a system is not called: pause, maintenance, hold, breaker",
            ),
            Self::InFlightMax => service(
                "hub_in_flight_limit_calls",
                "calls",
                &["system"],
                "Calls that all workers together may have under way",
            ),
            Self::InFlightShare => gauge(
                "hub_in_flight_share_calls",
                "calls",
                &["system"],
                "Calls that this process may have under way",
            ),
            Self::PutOff => counter(
                "hub_starts_put_off_total",
                "starts",
                &["system", "reason"],
                "Starts that had to wait: in_flight, rate, or why the system is not called",
            ),
            Self::TraceIgnored => counter(
                "hub_trace_contexts_ignored_total",
                "jobs",
                &[],
                "Jobs whose traceparent is not one of W3C Trace Context, version 00",
            ),
            Self::SpansDropped => counter(
                "hub_spans_dropped_total",
                "spans",
                &["reason"],
                "Spans that the collector did not get: queue_full, not_taken (away, slow, or it said no)",
            ),
        }
    }

    /// The name on the page.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }
}
