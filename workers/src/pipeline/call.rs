//! call: one attempt, with a time limit, outside of any transaction.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use adapters::attempt::{Attempt, Call, Outcome};
use contracts::{
    class::{Class, Failure},
    code,
    operation::{Effect, OperationSpec},
    personal::Personal,
    state::Phase,
};
use futures_util::FutureExt;
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
    telemetry::metric::Metric,
};

/// An adapter keeps its own time limit; past it by this much, the hub ends the attempt itself.
pub const OVERTIME_MAX: Duration = Duration::from_secs(2);

/// Runs a started job to its record, in a task of its own.
pub fn spawn(hub: &Arc<Hub>, start: Start) {
    let hub = hub.clone();
    tokio::spawn(async move {
        let id = start.id;
        let finished = attempt(&hub, start).await;
        fail_point::reach(Point::AfterCallBeforeRecord);
        record::send(&hub, id, finished).await;
    });
}

async fn attempt(hub: &Hub, start: Start) -> Finished {
    let Start { permit, phase, operation, .. } = start;
    let (id, attempts, probe) = (start.id, start.attempts, start.probe);
    let system = operation.system;
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
            bounded(hub, &call, phase).await
        }
        Err(unready) => {
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
    log(&attempt.outcome, id, operation.name, took, attempts);
    Finished {
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
    // A question changes nothing, whatever became of it: it is asked again.
    let effect = if phase == Phase::Ask { Effect::Query } else { call.operation.effect };
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

fn log(outcome: &Outcome, job_id: Uuid, operation: &str, took: Duration, attempts: i32) {
    let duration_ms = took.as_millis();
    match outcome {
        Outcome::Answered(_)
        | Outcome::Acknowledged(_)
        | Outcome::Interim(_)
        | Outcome::NotDone => {
            tracing::debug!(%job_id, operation, duration_ms, "they answered");
        }
        Outcome::Failed(failure) => {
            let remote_code =
                failure.remote_code.as_ref().map(contracts::class::RemoteCode::as_str);
            let class = failure.class.name();
            let code = failure.code.name();
            tracing::info!(%job_id, operation, attempts, duration_ms, class, code, remote_code, "an attempt failed");
        }
    }
}
