//! record: what an attempt or a believed message means, committed in groups.
//!
//! *Guarantee*: a result is kept in memory until its commit succeeds, however long the database is
//! away; a result that the database cannot hold becomes a defect of that one job, not of its
//! neighbours.

use std::{sync::Arc, time::Duration};

use adapters::attempt::{Answer, Attempt, Outcome};
use contracts::{
    class::{Class, Failure, RemoteCode},
    operation::{Effect, OperationSpec},
    state::State,
};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Hub, admit::count, exchange};
use crate::{
    policy::{
        pause::Pause,
        retry::{self, Spent},
    },
    store::{
        Kind,
        record::{AttemptRow, Change, Guard, Recorded},
    },
    telemetry::metric::Metric,
};

/// A change on its way to its commit.
#[derive(Debug)]
pub struct Record {
    /// What changes.
    pub change: Change,
    /// The run to remove from the registry afterwards.
    pub leaves: Option<(Uuid, i32)>,
}

/// A finished attempt.
#[derive(Debug)]
pub struct Finished {
    /// Admission number.
    pub seq: i64,
    /// What was asked.
    pub operation: &'static OperationSpec,
    /// Fencing token.
    pub run: i32,
    /// Attempts spent before.
    pub attempts: i32,
    /// Broken answers before.
    pub strikes: i16,
    /// Whether the job has timers.
    pub may_have_timers: bool,
    /// What was learned.
    pub attempt: Attempt,
    /// How long it took.
    pub took: Duration,
}

/// Puts a finished attempt into the queue of the record commit.
pub async fn send(hub: &Hub, id: Uuid, finished: Finished) {
    let run = finished.run;
    let change = change(hub, finished).await;
    let record = Record { change, leaves: Some((id, run)) };
    let is_query = record.change.operation.effect == Effect::Query;
    if hub.record.send(record).await.is_err() && is_query {
        // Only at the very end of the process: the rescue of others finds the job.
        hub.registry.leave(id, run);
    }
}

/// What a finished attempt means for its job.
async fn change(hub: &Hub, finished: Finished) -> Change {
    let Finished { seq, operation, run, attempts, strikes, may_have_timers, attempt, took } =
        finished;
    let Attempt { outcome, exchange, writes } = attempt;
    let mut row = AttemptRow {
        run,
        class: None,
        code: None,
        remote_code: None,
        http_status: exchange.status,
        duration_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
        exchange: None,
    };
    let mut change = Change {
        spends_attempt: true,
        may_have_timers,
        ..Change::to(State::Succeeded, seq, operation, Guard::Run(run))
    };
    let mut keep = hub.config.pipeline.keep_all_exchanges;
    match outcome {
        Outcome::Answered(answer) => {
            answered(&mut change, answer);
        }
        Outcome::Acknowledged(chain) => {
            change.to = State::Pending;
            change.chain = Some(chain);
        }
        Outcome::Interim(_) | Outcome::NotDone => {
            let failure = Failure::new(Class::Defect, "outcome_out_of_place");
            fail(hub, &mut change, &failure, Spent { attempts, strikes }).await;
        }
        Outcome::Failed(failure) => {
            keep = true;
            row.class = Some(failure.class);
            row.code = Some(failure.code);
            row.remote_code =
                failure.remote_code.as_ref().map(|code: &RemoteCode| code.as_str().to_owned());
            let spent = Spent { attempts, strikes };
            fail(hub, &mut change, &failure, spent).await;
        }
    }
    change.writes.extend(writes);
    row.exchange = keep.then(|| exchange::seal(&hub.sealer, &exchange)).flatten();
    change.attempt = Some(row);
    change
}

/// Takes an answer apart into what it changes.
pub fn answered(change: &mut Change, answer: Answer) {
    change.summary = answer.summary;
    change.portal = Some(answer.portal.into_exposed());
    change.rows = Some(answer.rows.into_exposed());
    change.writes = answer.writes;
}

async fn fail(hub: &Hub, change: &mut Change, failure: &Failure, spent: Spent) {
    let operation = change.operation;
    let settings = &hub.config.operations[operation.name];
    let decision = retry::decide(failure, operation.effect, settings, spent, &hub.chance);
    change.to = decision.to;
    change.delay_ms = decision.delay_ms;
    change.spends_attempt = decision.spends_attempt;
    change.strike = decision.strike;
    change.code = Some(failure.code);
    change.summary = failure_summary(failure);
    if decision.to == State::Waiting {
        let labels = [("operation", operation.name), ("class", failure.class.name())];
        Metric::Retries.count(labels);
    }
    match failure.class {
        Class::Contract | Class::Defect => tracing::error!(
            operation = operation.name,
            code = failure.code,
            class = failure.class.name(),
            "an answer or our own code broke the contract; the raw exchange is kept"
        ),
        Class::Unreachable
        | Class::NotNow
        | Class::Indeterminate
        | Class::Refused
        | Class::BadRequest
        | Class::Malformed
        | Class::Denied => {}
    }
    if decision.hold {
        hold(hub, operation.system, failure.code).await;
    }
}

/// Our credential was rejected: nothing more is started until somebody or something mends it.
async fn hold(hub: &Hub, system: &str, reason: &str) {
    tracing::error!(system, reason, "our credential was rejected; the system is held");
    if let Some(destination) = hub.destinations.get(system) {
        destination.note_held(true);
    }
    if let Err(error) = hub.store.hold(system, retry::NOT_NOW_PAUSE, reason).await {
        tracing::warn!(%error, system, "the hold could not be written; the next attempt tries again");
    }
}

/// A failure as an event tells it.
pub fn failure_summary(failure: &Failure) -> Map<String, Value> {
    let mut summary = Map::new();
    summary.insert("code".to_owned(), failure.code.into());
    summary.insert("class".to_owned(), failure.class.name().into());
    if let Some(code) = &failure.remote_code {
        summary.insert("remote_code".to_owned(), code.as_str().into());
    }
    if let Some(reason) = failure.reason {
        summary.insert("reason".to_owned(), serde_json::json!(reason));
    }
    summary
}

/// Records until every sender is gone.
pub async fn run(hub: Arc<Hub>, mut queue: mpsc::Receiver<Record>) {
    let mut batch = Vec::new();
    let most = hub.config.pipeline.batch_max;
    while queue.recv_many(&mut batch, most).await > 0 {
        Metric::BatchSize.observe_value(count(batch.len()), [("commit", "record")]);
        record(&hub, std::mem::take(&mut batch)).await;
    }
}

async fn record(hub: &Hub, batch: Vec<Record>) {
    let mut todo = vec![batch];
    let mut pause = Pause::reconnecting(hub.chance.clone());
    while let Some(mut batch) = todo.pop() {
        let changes: Vec<Change> = batch.iter().map(|record| record.change.clone()).collect();
        match hub.store.record(&changes).await {
            Ok(recorded) => {
                pause.reset();
                for (record, recorded) in batch.into_iter().zip(recorded) {
                    finish(hub, record, recorded);
                }
            }
            Err(error) => match error.kind() {
                Kind::Conflict => todo.push(batch),
                Kind::Data if batch.len() > 1 => {
                    let right = batch.split_off(batch.len() / 2);
                    todo.push(right);
                    todo.push(batch);
                }
                Kind::Data => {
                    tracing::error!(%error, "an answer cannot be stored; its job is ended as a defect");
                    todo.push(batch.into_iter().filter_map(|bad| as_defect(hub, bad)).collect());
                }
                Kind::Unavailable => {
                    let wait = pause.next();
                    let wait_ms = wait.as_millis();
                    tracing::warn!(%error, wait_ms, "results wait for the database to record them");
                    tokio::time::sleep(wait).await;
                    todo.push(batch);
                }
            },
        }
        todo.retain(|batch| !batch.is_empty());
    }
    hub.wake.relay.notify_one();
}

/// The change that is left when the answer itself cannot be stored.
fn as_defect(hub: &Hub, bad: Record) -> Option<Record> {
    let Record { mut change, leaves } = bad;
    let was_sent = leaves.is_some() && change.operation.effect == Effect::Command;
    if change.code == Some("answer_cannot_be_stored") {
        // Even that failed: the job stays owned, and the heartbeat's comparison returns it. A command
        // was sent and must not be: it stays with this process, and a rescue puts it in doubt.
        if let Some((id, run)) = leaves.filter(|_| !was_sent) {
            hub.registry.leave(id, run);
        }
        return None;
    }
    let failure = Failure::new(Class::Defect, "answer_cannot_be_stored");
    change.summary = failure_summary(&failure);
    change.to = if was_sent { State::InDoubt } else { State::Failed };
    change.code = Some(failure.code);
    change.portal = None;
    change.rows = None;
    change.writes = Vec::new();
    change.event = None;
    change.delay_ms = None;
    // Any of their words may be what cannot be stored.
    change.chain = None;
    if let Some(attempt) = &mut change.attempt {
        attempt.remote_code = None;
        attempt.exchange = None;
    }
    Some(Record { change, leaves })
}

fn finish(hub: &Hub, record: Record, recorded: Option<Recorded>) {
    let Record { change, leaves } = record;
    if let Some((id, run)) = leaves {
        hub.registry.leave(id, run);
    }
    if change.chain.is_some() {
        hub.wake.rematch.notify_one();
    }
    let operation = change.operation.name;
    match recorded {
        None if change.inbound_id.is_none() => {
            Metric::Fenced.count([]);
            tracing::info!(operation, "a result came from a lost run and was not recorded");
        }
        Some(after) if after.state.is_terminal() => {
            let age = Duration::from_millis(u64::try_from(after.age_ms).unwrap_or(0));
            let labels = [("operation", operation), ("state", after.state.name())];
            Metric::JobDuration.observe(age, labels);
        }
        None | Some(_) => {}
    }
}
