//! admit: the group commit after which deliveries may be acknowledged.
//!
//! A batch is what queued while the commit before was under way, the channels in turns: no timer, so a
//! lone job waits for nobody, and no flood of one system stands before the others. A batch that fails
//! on data is halved until the one bad message is found; that one goes to quarantine and its
//! neighbours are admitted. So does a job whose deadline lies behind the business calendar; one that
//! was requested before the calendar begins is rejected.
//!
//! *Guarantee*: while the database is down nothing is acknowledged and nothing is lost; the
//! deliveries stay with the broker.

use std::sync::Arc;

use contracts::{
    code,
    code::Code,
    job::Malformed,
    operation::OperationSpec,
    rejection::{FieldError, Rejection},
    state::Phase,
    trace::TraceContext,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Hub, call, consent,
    decode::{Candidate, Message, quarantine},
    destination::Permit,
    lanes::Lanes,
    settle::settle,
};
use crate::{
    fail_point::{self, Point},
    policy::pause::Pause,
    store::{
        Kind, Outside,
        admission::{Admitted, Entry, Fate, Quarantined},
        consent::Which,
        protection::Probe,
    },
    telemetry::metric::Metric,
};

/// Decoded messages that wait for the admission commit; as many again wait in lanes.
pub const ADMISSION_QUEUE_MAX: usize = 2_048;

/// So often a commit that met another one is tried again at once; then with pauses.
const CONFLICTS_MAX: u32 = 20;

/// The run of a job that its admission starts.
pub const FIRST_RUN: i32 = 1;

/// A job whose call begins now.
#[derive(Debug)]
pub struct Start {
    /// Admission number.
    pub seq: i64,
    /// The publisher's id.
    pub id: Uuid,
    /// What is asked.
    pub operation: &'static OperationSpec,
    /// The portal's record.
    pub subject: String,
    /// Personal.
    pub input: serde_json::Value,
    /// What the call does.
    pub phase: Phase,
    /// What an earlier attempt left, or `Null`; personal.
    pub carry: serde_json::Value,
    /// Fencing token.
    pub run: i32,
    /// Attempts spent so far.
    pub attempts: i32,
    /// Broken answers so far.
    pub strikes: i16,
    /// Whether the job was stored before, so that it has timers.
    pub may_have_timers: bool,
    /// Whether the call is to tell if they are there again.
    pub probe: Option<Probe>,
    /// Its place in a trace.
    pub trace: Option<TraceContext>,
    /// The right to call.
    pub permit: Permit,
}

/// Admits until the last sender is gone or the hub stops.
pub async fn run(hub: Arc<Hub>, mut queue: mpsc::Receiver<Candidate>, stop: CancellationToken) {
    let mut lanes = Lanes::default();
    let most = hub.config.pipeline.batch_max;
    while gather(&mut queue, &mut lanes).await {
        let candidates = lanes.take(most);
        Metric::BatchSize.observe_value(count(candidates.len()), [("commit", "admit")]);
        admit(&hub, candidates, &stop).await;
        if stop.is_cancelled() {
            break;
        }
    }
    // What was decoded and not admitted stays with the broker; nobody waits for its call here.
    queue.close();
    for candidate in lanes.take(usize::MAX) {
        leave(&hub, &candidate);
    }
    while let Some(candidate) = queue.recv().await {
        leave(&hub, &candidate);
    }
}

/// Takes what has come, and waits for it where nothing is left; `false` once nobody sends.
async fn gather(queue: &mut mpsc::Receiver<Candidate>, lanes: &mut Lanes<Candidate>) -> bool {
    let mut come = Vec::new();
    if lanes.is_empty() {
        queue.recv_many(&mut come, ADMISSION_QUEUE_MAX).await;
    }
    while lanes.len() + come.len() < ADMISSION_QUEUE_MAX
        && let Ok(candidate) = queue.try_recv()
    {
        come.push(candidate);
    }
    for candidate in come {
        lanes.push(candidate.ack.channel(), candidate);
    }
    !lanes.is_empty()
}

/// A count as a measurement; exact up to 2^32.
pub(super) fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

async fn admit(hub: &Arc<Hub>, candidates: Vec<Candidate>, stop: &CancellationToken) {
    let mut acks = Vec::with_capacity(candidates.len());
    // A stack of batches: halves of a batch that failed on data are tried in order.
    let mut todo = vec![candidates];
    while let Some(mut batch) = todo.pop() {
        match commit(hub, &batch, stop).await {
            Ok(results) => {
                acks.extend(batch.iter().map(|candidate| candidate.ack.clone()));
                finish(hub, batch, results);
            }
            Err(Unsettled::Stopping) => {
                for candidate in batch.into_iter().chain(todo.into_iter().flatten()) {
                    leave(hub, &candidate);
                }
                break;
            }
            Err(Unsettled::Data(_)) if batch.len() > 1 => {
                let right = batch.split_off(batch.len() / 2);
                todo.push(right);
                todo.push(batch);
            }
            Err(Unsettled::Data(outside)) => {
                let apart = batch.into_iter().map(|bad| match outside {
                    Some(Outside::Before) => reject_old(hub, bad),
                    Some(Outside::Behind) => set_apart(hub, bad, NO_YEAR),
                    None => set_apart(hub, bad, NOT_STORABLE),
                });
                todo.push(apart.collect());
            }
        }
    }
    // Deliveries are acknowledged in their order: what is missing here was never settled.
    fail_point::reach(Point::AfterAdmitCommitBeforeAck);
    settle(acks).await;
    fail_point::reach(Point::AfterAck);
}

enum Unsettled {
    /// One of the messages cannot be stored; or its days are not in the calendar.
    Data(Option<Outside>),
    /// The hub stops; the broker keeps the deliveries.
    Stopping,
}

/// Commits a batch; waits for the database as long as it takes.
async fn commit(
    hub: &Hub,
    batch: &[Candidate],
    stop: &CancellationToken,
) -> Result<Vec<Option<Admitted>>, Unsettled> {
    let mut entries: Vec<Entry> = Vec::with_capacity(batch.len());
    let mut bad: Vec<Quarantined> = Vec::new();
    for candidate in batch {
        match &candidate.message {
            Message::Entry(entry) => entries.push((**entry).clone()),
            Message::Quarantine(message) => bad.push((**message).clone()),
        }
    }
    let mut pause = Pause::reconnecting(hub.chance.clone());
    let mut conflicts = 0;
    loop {
        match hub.store.admit(hub.worker(), &entries, &bad).await {
            Ok(admitted) => {
                let mut admitted = admitted.into_iter();
                let results = batch.iter().map(|candidate| match candidate.message {
                    Message::Entry(_) => admitted.next(),
                    Message::Quarantine(_) => None,
                });
                return Ok(results.collect());
            }
            Err(error) => match error.kind() {
                Kind::Data => return Err(Unsettled::Data(error.outside_calendar())),
                Kind::Conflict if conflicts < CONFLICTS_MAX => conflicts += 1,
                Kind::Conflict | Kind::Unavailable => {
                    let wait = pause.next();
                    let wait_ms = wait.as_millis();
                    tracing::warn!(%error, wait_ms, "jobs wait for the database to admit them");
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = stop.cancelled() => return Err(Unsettled::Stopping),
                    }
                }
            },
        }
    }
}

fn finish(hub: &Arc<Hub>, batch: Vec<Candidate>, results: Vec<Option<Admitted>>) {
    for (candidate, result) in batch.into_iter().zip(results) {
        let Candidate { message, permit, mut span, .. } = candidate;
        let Message::Entry(entry) = message else {
            Metric::Quarantined.count([]);
            span.outcome("quarantined");
            continue;
        };
        let operation = entry.operation.map_or("unknown", |o| o.name);
        let outcome = match &result {
            Some(Admitted::Job { .. }) => "job",
            Some(Admitted::Rejected) => "rejected",
            Some(Admitted::Known) | None => "known",
            Some(Admitted::Reused) => "reused",
        };
        Metric::Admitted.count([("operation", operation), ("outcome", outcome)]);
        span.outcome(outcome);
        drop(span);
        log(&entry, operation, outcome);
        match (result, permit) {
            (Some(Admitted::Job { seq, .. }), permit) => start_or_store(hub, *entry, seq, permit),
            // A duplicate had been entered for a start that does not happen.
            (_, Some(_)) => hub.registry.leave(entry.id, FIRST_RUN),
            (_, None) => {}
        }
    }
    hub.wake.relay.notify_one();
}

fn log(entry: &Entry, operation: &'static str, outcome: &'static str) {
    let system = entry.operation.map(|o| o.system);
    let trace_id = entry.trace.as_ref().map(|trace| tracing::field::display(trace.trace_id()));
    let job_id = entry.id;
    tracing::debug!(%job_id, system, operation, outcome, trace_id, "a job was admitted");
}

fn start_or_store(hub: &Arc<Hub>, entry: Entry, seq: i64, permit: Option<Permit>) {
    let (Fate::Job { body, .. }, Some(operation)) = (entry.fate, entry.operation) else { return };
    if body.verify_job.is_some() {
        await_consent(hub, entry.child.is_some(), seq);
        return;
    }
    let Some(mut permit) = permit else {
        if let Some(destination) = hub.destination(operation) {
            destination.note_stored(1);
        }
        hub.wake.claim.notify_one();
        return;
    };
    permit.start();
    call::spawn(
        hub,
        Start {
            seq,
            id: entry.id,
            operation,
            subject: entry.subject.unwrap_or_default(),
            input: body.input,
            phase: Phase::Send,
            carry: serde_json::Value::Null,
            run: FIRST_RUN,
            attempts: 0,
            strikes: 0,
            may_have_timers: false,
            probe: None,
            trace: entry.trace,
            permit,
        },
    );
}

/// Code and text of a message that the database cannot hold.
const NOT_STORABLE: (Code, &str) =
    (code!("cannot_be_stored"), "the message decodes, but the database cannot hold it");
/// Code and text of a job whose promise reaches further than the calendar.
const NO_YEAR: (Code, &str) =
    (code!("calendar_year_missing"), "the business calendar ends before the deadline of this job");

/// A check that waits for its consent: the verification that it brought along is started, or the one
/// that it names may have ended already.
fn await_consent(hub: &Arc<Hub>, brought: bool, seq: i64) {
    if brought {
        if let Some(destination) = hub.destinations.get(consent::SYSTEM) {
            destination.note_stored(1);
        }
        hub.wake.claim.notify_one();
        return;
    }
    let hub = hub.clone();
    tokio::spawn(async move {
        consent::settle(&hub, Which { checks: vec![seq], ..Which::default() }).await;
    });
}

/// A message that cannot be a job here and now: its bytes are kept instead.
fn set_apart(hub: &Hub, bad: Candidate, (code, text): (Code, &'static str)) -> Candidate {
    leave(hub, &bad);
    let id = match &bad.message {
        Message::Entry(entry) => Some(entry.id),
        Message::Quarantine(_) => None,
    };
    let malformed = Malformed { id, code, text };
    let message = Message::Quarantine(Box::new(quarantine(hub, &bad.raw, &malformed)));
    Candidate { message, permit: None, ..bad }
}

/// A job in business days that was requested before the business calendar begins.
fn reject_old(hub: &Hub, mut bad: Candidate) -> Candidate {
    leave(hub, &bad);
    bad.permit = None;
    if let Message::Entry(entry) = &mut bad.message {
        let text = "is before the first year of the business calendar";
        let errors = vec![FieldError::new("/requested_at", code!("outside_calendar"), text)];
        (entry.code, entry.child) = (None, None);
        entry.fate = Fate::Rejected(Rejection { code: Rejection::INVALID_FIELDS, errors });
    }
    bad
}

/// Takes back the entry of a job that will not be started from this delivery.
pub fn leave(hub: &Hub, candidate: &Candidate) {
    if let (Message::Entry(entry), Some(_)) = (&candidate.message, &candidate.permit) {
        hub.registry.leave(entry.id, FIRST_RUN);
    }
}
