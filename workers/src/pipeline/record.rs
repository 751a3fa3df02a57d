//! record: what an attempt or a believed message means, committed in groups.
//!
//! *Guarantee*: a result is kept in memory until its commit succeeds, however long the database is
//! away; a result that the database cannot hold becomes a defect of that one job, not of its
//! neighbours.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use adapters::attempt::{Answer, Attempt, File, Interim, Outcome};
use contracts::{
    class::{Class, Failure, RemoteCode},
    code,
    code::Code,
    event::EventName,
    operation::{Effect, OperationSpec, Parts},
    rejection::FieldError,
    state::{Phase, Sla, State},
    trace::TraceContext,
};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Hub, admit::count, consent, destination::Hold, exchange, follow_up, links, protect};
use crate::{
    fail_point::{self, Point},
    policy::{
        pause::Pause,
        retry::{self, Failed, Spent},
    },
    store::{
        Kind,
        consent::Which,
        file::FileRow,
        record::{AttemptRow, Change, Guard, Recorded},
        retries::overrule,
    },
    telemetry::{
        metric::Metric,
        traces::{Open, Step},
    },
};

/// A change on its way to its commit.
#[derive(Debug)]
pub struct Record {
    /// What changes.
    pub change: Change,
    /// The run to remove from the registry afterwards.
    pub leaves: Option<(Uuid, i32)>,
    /// From the end of an attempt to the commit.
    pub span: Open,
}

impl Record {
    /// A change that comes from no attempt.
    pub fn of(change: Change, leaves: Option<(Uuid, i32)>) -> Self {
        Self { change, leaves, span: Open::default() }
    }
}

/// A finished attempt.
#[derive(Debug)]
pub struct Finished {
    /// The publisher's id.
    pub id: Uuid,
    /// Its place in a trace.
    pub trace: Option<TraceContext>,
    /// Admission number.
    pub seq: i64,
    /// What was asked.
    pub operation: &'static OperationSpec,
    /// What the call did.
    pub phase: Phase,
    /// Fencing token.
    pub run: i32,
    /// Attempts spent before.
    pub attempts: i32,
    /// Broken answers before.
    pub strikes: i16,
    /// Whether the job has timers.
    pub may_have_timers: bool,
    /// Whether the call was to tell if they are there again.
    pub probe: bool,
    /// What was learned.
    pub attempt: Attempt,
    /// What is wrong where, in a job that is rejected.
    pub errors: Vec<FieldError>,
    /// How long it took.
    pub took: Duration,
}

/// Puts a finished attempt into the queue of the record commit.
pub async fn send(hub: &Hub, finished: Finished) {
    let leaves = Some((finished.id, finished.run));
    let mut span = hub.traces.begin(Step::Record, finished.trace.as_ref());
    span.about(finished.id, finished.operation.system, finished.operation.name);
    span.attempt(finished.attempts.saturating_add(1));
    let change = change(hub, finished).await;
    submit(hub, Record { change, leaves, span }).await;
}

/// Puts a change into the queue of the record commit.
pub async fn submit(hub: &Hub, record: Record) {
    let leaves = record.leaves;
    let is_query = record.change.operation.effect == Effect::Query;
    if hub.record.send(record).await.is_err()
        && is_query
        && let Some((id, run)) = leaves
    {
        // Only at the very end of the process: the rescue of others finds the job.
        hub.registry.leave(id, run);
    }
}

/// What a finished attempt means for its job.
async fn change(hub: &Hub, finished: Finished) -> Change {
    let Finished { id, seq, operation, phase, run, attempts, strikes, probe, .. } = finished;
    let Attempt { outcome, exchange, writes } = finished.attempt;
    let mut row = AttemptRow {
        run,
        phase,
        class: None,
        code: None,
        remote_code: None,
        http_status: exchange.status,
        duration_ms: i64::try_from(finished.took.as_millis()).unwrap_or(i64::MAX),
        ended: Instant::now(),
        exchange: None,
    };
    let mut change = Change {
        spends_attempt: true,
        may_have_timers: finished.may_have_timers,
        errors: finished.errors,
        ..Change::to(State::Succeeded, seq, operation, Guard::Run(run))
    };
    let spent = Spent { attempts, strikes };
    let tried = Tried { job_id: id, phase, spent, probe, told: exchange.retry_after };
    let mut keep = hub.config.pipeline.keep_all_exchanges;
    match outcome {
        Outcome::Answered(answer) => answered(hub, &mut change, answer),
        Outcome::Acknowledged(chain) => {
            change.to = State::Pending;
            change.chain = Some(chain);
        }
        Outcome::Interim(interim) => go_on(hub, &mut change, interim, tried.spent),
        Outcome::NotDone if phase == Phase::Ask => {
            // The sending found nobody who did it: another one is a retry like any other. The
            // question itself was answered, so it is no probe that failed.
            let failure = Failure::new(Class::Unreachable, code!("not_done"));
            // Nothing went wrong with the question, and what it brought is told from «done».
            row.code = Some(failure.code);
            change.phase = Some(Phase::Send);
            fail(hub, &mut change, &failure, Tried { probe: false, ..tried }).await;
        }
        Outcome::NotDone => {
            let failure = Failure::new(Class::Defect, code!("outcome_out_of_place"));
            fail(hub, &mut change, &failure, tried).await;
        }
        Outcome::Failed(failure) => {
            keep = true;
            row.class = Some(failure.class);
            row.code = Some(failure.code);
            row.remote_code =
                failure.remote_code.as_ref().map(|code: &RemoteCode| code.as_str().to_owned());
            match phase {
                Phase::Ask if failure.class != Class::Refused => {
                    still_in_doubt(hub, &mut change, &failure, tried).await;
                }
                Phase::Consent | Phase::Send | Phase::Continue | Phase::Ask => {
                    fail(hub, &mut change, &failure, tried).await;
                }
            }
        }
    }
    change.writes.extend(writes);
    row.exchange = keep.then(|| exchange::seal(&hub.sealer, &exchange)).flatten();
    change.attempt = Some(row);
    change
}

/// A part of an answer: the job is theirs until it is asked again.
fn go_on(hub: &Hub, change: &mut Change, interim: Interim, spent: Spent) {
    let attempts_max = i32::from(hub.config.operations[change.operation.name].retry.attempts_max);
    change.to = State::Pending;
    change.phase = Some(Phase::Continue);
    change.carry = Some(interim.carry.into_exposed());
    change.delay_ms = Some(milliseconds(interim.again_in));
    change.spends_attempt = interim.spends.is_some();
    // A poll that was answered owes nothing: troubles of last month do not add up.
    change.pays_back = interim.spends.is_none();
    change.event = Some(EventName::Progress);
    change.tells = !interim.summary.is_empty();
    change.summary = interim.summary;
    change.writes = interim.writes;
    change.files = file_rows(hub, interim.files);
    if let Some(failure) = interim.spends.filter(|_| spent.attempts + 1 >= attempts_max) {
        change.to = State::Failed;
        change.event = None;
        change.tells = true;
        change.delay_ms = None;
        change.code = Some(failure.code);
        change.summary = failure_summary(&failure);
    }
}

/// A question without an answer leaves the doubt; it tells nobody anything new.
async fn still_in_doubt(hub: &Hub, change: &mut Change, failure: &Failure, tried: Tried) {
    change.to = State::InDoubt;
    change.spends_attempt = false;
    change.tells = false;
    if failure.class == Class::Denied {
        hold(hub, change.operation.system, failure.code.name()).await;
    }
    protect::heed(hub, change.operation.system, failure, tried.told).await;
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Seals files and mints their links.
fn file_rows(hub: &Hub, files: Vec<File>) -> Vec<FileRow> {
    files.into_iter().map(|file| links::mint(hub, &file)).collect()
}

/// Takes an answer apart into what it changes.
pub fn answered(hub: &Hub, change: &mut Change, answer: Answer) {
    change.summary = answer.summary;
    change.portal = Some(answer.portal.into_exposed());
    change.rows = Some(answer.rows.into_exposed());
    change.writes = answer.writes;
    change.files = file_rows(hub, answer.files);
    change.follow_up = answer.follow_up.map(|begins| Box::new(follow_up::entry(hub, begins)));
}

/// What an attempt was, besides its failure.
#[derive(Clone, Copy)]
struct Tried {
    job_id: Uuid,
    phase: Phase,
    spent: Spent,
    probe: bool,
    /// When they told us to come again.
    told: Option<Duration>,
}

async fn fail(hub: &Hub, change: &mut Change, failure: &Failure, tried: Tried) {
    let operation = change.operation;
    let policy = protect::policy(hub, operation);
    let Tried { job_id, phase, spent, probe, told: retry_after } = tried;
    let effect = phase.effect(operation.effect);
    let failed = Failed { failure, retry_after, effect, spent, probe };
    let decision = retry::decide(failed, &policy, &hub.chance);
    change.to = decision.to;
    change.delay_ms = decision.delay_ms;
    change.spends_attempt = decision.spends_attempt;
    change.strike = decision.strike;
    change.code = Some(failure.code);
    change.summary = failure_summary(failure);
    change.age_max_ms = policy.age_max.filter(|_| decision.is_retry).map(milliseconds);
    if let Some(code) = decision.code {
        change.code = Some(code);
        overrule(&mut change.summary, code);
    }
    if decision.is_retry {
        let labels = [("operation", operation.name), ("class", failure.class.name())];
        Metric::Retries.count(labels);
    }
    match failure.class {
        Class::Contract | Class::Defect => tracing::error!(
            %job_id,
            system = operation.system,
            operation = operation.name,
            code = failure.code.name(),
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
        hold(hub, operation.system, failure.code.name()).await;
    }
    protect::heed(hub, operation.system, failure, tried.told).await;
}

/// Our credential was rejected: nothing more is started until somebody or something mends it.
async fn hold(hub: &Hub, system: &str, reason: &str) {
    let (pause, destination) = (retry::NOT_NOW_PAUSE, hub.destinations.get(system));
    if destination.is_some_and(|d| !d.hold(Hold::Credential, pause, Instant::now())) {
        return;
    }
    tracing::error!(system, reason, "our credential was rejected; the system is held");
    if let Err(error) = hub.store.hold(system, pause, reason).await {
        destination.inspect(|d| d.forget_hold(Hold::Credential));
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

async fn record(hub: &Arc<Hub>, batch: Vec<Record>) {
    let mut todo = vec![batch];
    let mut pause = Pause::reconnecting(hub.chance.clone());
    while let Some(mut batch) = todo.pop() {
        let changes: Vec<Change> = batch.iter().map(|record| record.change.clone()).collect();
        match hub.store.record(&changes).await {
            Ok(recorded) => {
                fail_point::reach(Point::AfterRecordCommit);
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
                    let leaves = batch.first().and_then(|record| record.leaves);
                    let job_id = leaves.map(|(id, _)| tracing::field::display(id));
                    tracing::error!(job_id, %error, "an answer cannot be stored; its job is ended as a defect");
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
    hub.wake.callbacks.notify_one();
}

/// The change that is left when the answer itself cannot be stored.
fn as_defect(hub: &Hub, bad: Record) -> Option<Record> {
    let Record { mut change, leaves, span } = bad;
    let was_sent = leaves.is_some() && change.operation.effect == Effect::Command;
    if change.code == Some(code!("answer_cannot_be_stored")) {
        // Even that failed: the job stays owned, and the heartbeat's comparison returns it. A command
        // was sent and must not be: it stays with this process, and a rescue puts it in doubt.
        if let Some((id, run)) = leaves.filter(|_| !was_sent) {
            hub.registry.leave(id, run);
        }
        return None;
    }
    let failure = Failure::new(Class::Defect, code!("answer_cannot_be_stored"));
    change.summary = failure_summary(&failure);
    change.to = if was_sent { State::InDoubt } else { State::Failed };
    change.code = Some(failure.code);
    change.portal = None;
    change.rows = None;
    change.writes = Vec::new();
    change.files = Vec::new();
    change.follow_up = None;
    change.carry = None;
    change.tells = true;
    change.event = None;
    change.delay_ms = None;
    // Any of their words may be what cannot be stored.
    change.chain = None;
    if let Some(attempt) = &mut change.attempt {
        attempt.remote_code = None;
        attempt.exchange = None;
    }
    Some(Record { change, leaves, span })
}

fn finish(hub: &Arc<Hub>, record: Record, recorded: Option<Recorded>) {
    let Record { change, leaves, mut span } = record;
    span.outcome(recorded.map_or("fenced", |after| after.state.name()));
    drop(span);
    if let (Some((id, _)), Parts::Code) = (leaves, change.operation.parts)
        && recorded.is_some_and(|after| after.state.is_terminal())
    {
        let hub = hub.clone();
        tokio::spawn(async move {
            consent::settle(&hub, Which { verifications: vec![id], ..Which::default() }).await;
        });
    }
    if let Some((id, run)) = leaves {
        hub.registry.leave(id, run);
    }
    if change.chain.is_some() {
        hub.wake.rematch.notify_one();
    }
    if let Some(begun) = change.follow_up.as_ref().filter(|_| recorded.is_some())
        && let Some(destination) = begun.operation.and_then(|o| hub.destination(o))
    {
        destination.note_stored(1);
        hub.wake.claim.notify_one();
    }
    if let Some(wait) = change.delay_ms.filter(|_| recorded.is_some()) {
        hub.wake.timers.within(Duration::from_millis(u64::try_from(wait).unwrap_or(0)));
    }
    let (system, operation) = (change.operation.system, change.operation.name);
    let code = change.code.map(Code::name);
    match &recorded {
        Some(after) => {
            note_end(operation, after);
            let (job_id, state) = (after.id, after.state.name());
            tracing::debug!(%job_id, system, operation, state, code, "a change of a job was recorded");
        }
        None if change.inbound_id.is_none() => {
            Metric::Fenced.count([]);
            let job_id = leaves.map(|(id, _)| tracing::field::display(id));
            tracing::info!(
                job_id,
                system,
                operation,
                "a result came from a lost run and was not recorded"
            );
        }
        None => {}
    }
}

/// Counts the points that a promise passed in one commit: both, where the warning came with the breach.
pub fn note_sla(operation: &'static str, before: Sla, now: Sla) {
    if before == Sla::OnTime && now != Sla::OnTime {
        Metric::SlaAtRisk.count([("operation", operation)]);
    }
    if before != Sla::Breached && now == Sla::Breached {
        Metric::SlaBreaches.count([("operation", operation)]);
    }
}

/// Measures a job that moved: its promise, and its end.
pub fn note_end(operation: &'static str, after: &Recorded) {
    note_sla(operation, after.sla_before, after.sla);
    if after.state.is_terminal() {
        let age = Duration::from_millis(u64::try_from(after.age_ms).unwrap_or(0));
        let labels = [("operation", operation), ("state", after.state.name())];
        Metric::JobDuration.observe(age, labels);
    }
}
