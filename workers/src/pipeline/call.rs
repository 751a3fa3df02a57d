//! call: one attempt, with a time limit, outside of any transaction.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use adapters::{
    attempt::{Attempt, Call, Outcome},
    transport::http,
};
use contracts::{
    class::{Class, Failure, RemoteCode},
    code,
    operation::{Effect, OperationSpec},
    personal::Personal,
    state::Phase,
    trace::{SpanId, TraceContext, TraceId},
};
use futures_util::FutureExt;
use tracing::field::{DisplayValue, display};
use uuid::Uuid;

use super::{
    Hub,
    admit::Start,
    prepare, protect,
    record::{self, Finished},
};
use crate::{
    fail_point::{self, Point},
    policy::breaker::Verdict,
    store::protection::Probe,
    telemetry::{
        metric::Metric,
        traces::{self, Open, Step},
    },
};

/// An adapter keeps its own time limit; past it by this much, the hub ends the attempt itself.
pub const OVERTIME_MAX: Duration = Duration::from_secs(2);

/// Runs a started job to its record, in a task of its own.
pub fn spawn(hub: &Arc<Hub>, start: Start) {
    let hub = hub.clone();
    tokio::spawn(async move {
        let finished = attempt(&hub, start).await;
        fail_point::reach(Point::AfterCallBeforeRecord);
        record::send(&hub, finished).await;
    });
}

async fn attempt(hub: &Hub, start: Start) -> Finished {
    let Start { permit, phase, operation, .. } = start;
    let (id, attempts, probe) = (start.id, start.attempts, start.probe);
    let system = operation.system;
    let tracked = Tracked::begin(hub, start.trace.as_ref(), id, operation, attempts);
    let began = Instant::now();
    Metric::CallsInFlight.shift(1.0, [("system", system)]);
    let call = Call {
        subject: start.subject,
        carry: Personal::new(start.carry),
        ..Call::first(
            operation,
            id,
            start.input,
            crate::clock::business_now(),
            hub.config.operations[operation.name].call_timeout,
        )
    };
    let mut errors = Vec::new();
    let mut sent = true;
    let attempt = match prepare::prepare(hub, call, phase).await {
        Ok(call) => {
            fail_point::reach(Point::BeforeCall);
            tracked.told(hub, bounded(hub, &call, phase)).await
        }
        Err(unready) => {
            if let Some(error) = unready.error {
                tracing::warn!(job_id = %id, system, %error, "a call waits for the database");
            }
            errors = unready.errors;
            sent = false;
            Attempt { writes: unready.writes, ..Attempt::unsent(unready.failure) }
        }
    };
    // The permit is for the call, not for the commit that follows.
    drop(permit);
    hub.wake.claim.notify_one();
    let took = began.elapsed();
    note_health(hub, operation, probe, sent, &attempt.outcome).await;
    Metric::CallsInFlight.shift(-1.0, [("system", system)]);
    Metric::CallDuration.observe(took, [("system", system), ("class", label(&attempt.outcome))]);
    tracked.end(&attempt.outcome, took);
    Finished {
        id,
        trace: start.trace,
        seq: start.seq,
        operation,
        phase,
        run: start.run,
        attempts,
        strikes: start.strikes,
        may_have_timers: start.may_have_timers,
        probe: probe.is_some(),
        attempt,
        errors,
        took,
    }
}

/// An attempt as logs and traces see it.
struct Tracked {
    job_id: Uuid,
    operation: &'static OperationSpec,
    /// Counted from 1.
    attempt: i32,
    span: Open,
    /// The place of this attempt in the job's trace.
    place: Option<TraceContext>,
}

impl Tracked {
    fn begin(
        hub: &Hub,
        trace: Option<&TraceContext>,
        job_id: Uuid,
        operation: &'static OperationSpec,
        attempts: i32,
    ) -> Self {
        let attempt = attempts.saturating_add(1);
        let mut span = hub.traces.begin(Step::Call, trace);
        span.about(job_id, operation.system, operation.name);
        span.attempt(attempt);
        let place = span.context().or_else(|| trace.cloned());
        let tracked = Self { job_id, operation, attempt, span, place };
        let (trace_id, span_id) = tracked.ids();
        let OperationSpec { name, system, .. } = operation;
        tracing::debug!(%job_id, system, operation = name, attempt, trace_id, span_id, "a call begins");
        tracked
    }

    /// Makes the attempt; their gateway hears of the trace where the settings say so.
    async fn told(&self, hub: &Hub, attempt: impl Future<Output = Attempt>) -> Attempt {
        let tells = hub.destination(self.operation).is_some_and(|d| d.settings.trace_context);
        match self.place.as_ref().filter(|_| tells) {
            // Without a span of our own, the attempt has a number all the same.
            Some(place) if !hub.traces.is_on() => {
                http::traced(&place.at(traces::span_id(&hub.chance)), attempt).await
            }
            Some(place) => http::traced(place, attempt).await,
            None => attempt.await,
        }
    }

    fn ids(&self) -> (Option<DisplayValue<TraceId>>, Option<DisplayValue<SpanId>>) {
        let place = self.place.as_ref();
        (place.map(|place| display(place.trace_id())), place.map(|place| display(place.span_id())))
    }

    fn end(mut self, outcome: &Outcome, took: Duration) {
        let (trace_id, span_id) = self.ids();
        let Self { job_id, attempt, .. } = self;
        let OperationSpec { name: operation, system, .. } = self.operation;
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.span.outcome(label(outcome));
        let Outcome::Failed(failure) = outcome else {
            let outcome = label(outcome);
            tracing::debug!(
                %job_id, system, operation, attempt, duration_ms, outcome, trace_id, span_id,
                "they answered"
            );
            return;
        };
        let (class, code) = (failure.class.name(), failure.code.name());
        self.span.failed(failure.class, code);
        let remote_code = failure.remote_code.as_ref().map(RemoteCode::as_str);
        tracing::info!(
            %job_id, system, operation, attempt, duration_ms, class, code, remote_code, trace_id,
            span_id, "an attempt failed"
        );
    }
}

/// What was not sent says nothing of their health.
async fn note_health(
    hub: &Hub,
    operation: &OperationSpec,
    probe: Option<Probe>,
    sent: bool,
    outcome: &Outcome,
) {
    let Some(destination) = hub.destination(operation) else { return };
    let learned = if sent { protect::verdict(outcome) } else { (Verdict::Nothing, None) };
    protect::note_call(hub, destination, probe, learned).await;
}

async fn bounded(hub: &Hub, call: &Call, phase: Phase) -> Attempt {
    let Some(destination) = hub.destination(call.operation) else {
        return Attempt::unsent(Failure::new(Class::NotNow, code!("system_not_configured")));
    };
    let effect = phase.effect(call.operation.effect);
    let attempt = async {
        match phase {
            Phase::Ask => destination.adapter.reconcile(call).await,
            Phase::Send | Phase::Continue => destination.adapter.attempt(call).await,
            // Nothing is sent before its consent is proven (D1).
            Phase::Consent => {
                Attempt::unsent(Failure::new(Class::Defect, code!("consent_not_proven")))
            }
        }
    };
    let attempt = AssertUnwindSafe(attempt).catch_unwind();
    match tokio::time::timeout(call.time_limit + OVERTIME_MAX, attempt).await {
        Ok(Ok(attempt)) => attempt,
        Ok(Err(_)) => Attempt::unsent(match effect {
            Effect::Query => Failure::new(Class::Defect, code!("adapter_panicked")),
            // Nobody knows how far it came.
            Effect::Command => Failure::new(Class::Indeterminate, code!("adapter_panicked")),
        }),
        Err(_) => Attempt::unsent(match effect {
            Effect::Query => Failure::new(Class::Unreachable, code!("no_answer_in_time")),
            Effect::Command => Failure::new(Class::Indeterminate, code!("no_answer_in_time")),
        }),
    }
}

const fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Answered(_) => "answered",
        Outcome::Acknowledged(_) => "acknowledged",
        Outcome::Interim(_) => "interim",
        Outcome::NotDone => "not_done",
        Outcome::Failed(failure) => failure.class.name(),
    }
}
