//! Matching: from a stored message to the job that it is about.
//!
//! | the message | what happens |
//! |---|---|
//! | its conversation is ours, number and person match, final | the job is recorded, also during `calling` |
//! | the same, an interim notice | event `progress`; during `calling` it is parked |
//! | either, for a job that we hold for unsent | evidence that it left: the same, and it is not sent again |
//! | the job waits for its consent, so it was not sent | parked as long as the job lives |
//! | it does not open: another seal key | parked as long as its job lives, or nobody knows whose it is |
//! | it opens, its form is not read by this build | parked; `refused` after [`LOOKS_MAX`], till a start reads it |
//! | no conversation yet, but our request number, and the job has none | the same: evidence for `in_doubt` |
//! | the job has ended | kept as `late`, shown, changes nothing |
//! | number or person do not match | `refused`, counted, alert |
//! | nobody knows it | parked; both sides look again; after [`LOOKS_MAX`] looks `unmatched` |
//!
//! An answer may arrive before the acknowledgement that names its conversation is committed: the
//! push looks for the job after its own commit, the acknowledgement looks for parked messages after
//! its commit, and the sweeper looks again. One of the three always comes second.

use std::{sync::Arc, time::Duration};

use adapters::{
    attempt::Call,
    channel::{Message, Mismatch, Reading, Received},
    transport::shep_async::{self, Push},
};
use contracts::{
    class::{Class, Failure},
    code,
    event::EventName,
    operation::OperationSpec,
    state::{Phase, State, Step, after},
};
use tokio_util::sync::CancellationToken;

use super::{INBOUND, count, pull};
use crate::{
    pipeline::{
        Hub,
        record::{Record, answered, failure_summary},
    },
    seal::Sealed,
    store::{
        Error, Kind,
        inbound::{Candidate, Intake, Stored, Which},
        record::{Change, Guard},
    },
};

/// Messages in one sweep.
pub const SWEEP_MAX: i64 = 200;
/// Looks after which a message that opens and that nobody knows is left alone.
pub const LOOKS_MAX: i32 = 30;

/// Looks at one message, right after it was stored.
pub async fn look_at(hub: &Hub, id: i64) {
    look(hub, Which::Id(id)).await;
}

/// Sweeps until cancelled.
pub async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = hub.wake.sweep.notified() => look(&hub, Which::Due).await,
            () = hub.wake.rematch.notified() => look(&hub, Which::Known).await,
        };
    }
}

/// Looks at everything that is open: what came in before this process started goes first.
pub async fn catch_up(hub: &Hub) {
    let mut after = 0;
    while let Some(last) = look(hub, Which::All { after }).await {
        after = last;
    }
}

/// Returns the id of the last message that was looked at.
async fn look(hub: &Hub, which: Which) -> Option<i64> {
    match hub.store.open_messages(which, &hub.systems(), SWEEP_MAX).await {
        Ok(messages) => {
            for stored in &messages {
                if let Err(error) = place(hub, stored).await {
                    tracing::warn!(%error, inbound_id = stored.id, "a message waits for its match");
                }
            }
            messages.last().map(|stored| stored.id)
        }
        Err(error) => {
            tracing::debug!(%error, "messages wait for the database");
            None
        }
    }
}

/// Why a stored message cannot be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// The key that sealed it is not here.
    Key,
    /// It opens, and this build does not read the form in which it is kept.
    Form,
}

/// Opens a stored message again.
pub(super) fn open(hub: &Hub, source: &str, sealed: &Sealed) -> Result<Message, Closed> {
    let raw = hub.sealer.open(INBOUND, sealed).map_err(|_| Closed::Key)?;
    if source == "pull" {
        return pull::decode(&raw).ok_or(Closed::Form);
    }
    match shep_async::read_push(&raw) {
        Ok(Push::Message(message)) => Ok(message),
        Ok(Push::StatusChange(_)) | Err(_) => Err(Closed::Form),
    }
}

async fn place(hub: &Hub, stored: &Stored) -> Result<(), Error> {
    let destination = hub.destinations.get(stored.system.as_str());
    let channel = destination.and_then(|d| d.adapter.channel());
    let Some(channel) = channel else { return Ok(()) };
    let message = match open(hub, &stored.source, &stored.sealed) {
        Ok(message) => message,
        Err(Closed::Key) => {
            tracing::error!(
                inbound_id = stored.id,
                "a stored message does not open: it was sealed with another key; check seal.key_file"
            );
            return keep(hub, stored, "unreadable", None).await;
        }
        Err(Closed::Form) => return leave_to_another_build(hub, stored).await,
    };
    if let Some(read) = channel.receive(&message) {
        return receive(hub, stored, read).await;
    }
    let number = channel.request_number(&message);
    let found = hub.store.find_candidate(&stored.system, &message.correlation_id, number).await?;
    let Some(candidate) = found else { return park(hub, stored, "unmatched").await };
    let operation = hub.operations.get(candidate.operation.as_str()).copied();
    let Some(operation) = operation else { return park(hub, stored, "unmatched").await };
    let input = candidate.input.clone();
    let call = Call::first(operation, candidate.id, input, candidate.now, Duration::ZERO);
    let reading = channel.judge(&message, &call);
    apply(hub, stored, &candidate, operation, reading).await
}

/// A message that begins a conversation needs no job: it becomes the portal's.
async fn receive(
    hub: &Hub,
    stored: &Stored,
    read: Result<Received, Mismatch>,
) -> Result<(), Error> {
    match read {
        Ok(received) => {
            let taken = match hub.store.receive(stored.id, &received).await {
                Err(error) if error.kind() == Kind::Data => {
                    count(&stored.system, "unreadable");
                    tracing::error!(
                        system = stored.system,
                        inbound_id = stored.id,
                        "the database cannot hold a message of theirs; it is kept as it came"
                    );
                    let why = code!("cannot_be_stored").name();
                    return hub.store.close_message(stored.id, "refused", why, None).await;
                }
                taken => taken?,
            };
            match taken {
                Intake::Told => {
                    count(&stored.system, "received");
                    hub.wake.relay.notify_one();
                }
                Intake::Known => count(&stored.system, "duplicate"),
                Intake::Elsewhere => {}
            }
            Ok(())
        }
        Err(mismatch) => {
            count(&stored.system, "mismatch");
            tracing::error!(
                system = stored.system,
                inbound_id = stored.id,
                why = mismatch.name(),
                "a message of theirs cannot be taken; it is kept"
            );
            hub.store.close_message(stored.id, "refused", mismatch.name(), None).await
        }
    }
}

async fn park(hub: &Hub, stored: &Stored, result: &'static str) -> Result<(), Error> {
    if stored.looks >= LOOKS_MAX {
        count(&stored.system, "given_up");
        tracing::warn!(system = stored.system, inbound_id = stored.id, "nobody knows a message");
        return hub.store.close_message(stored.id, "unmatched", "nobody knows it", None).await;
    }
    if stored.looks == 0 {
        count(&stored.system, result);
    }
    hub.store.park_message(stored.id, pause_ms(stored.looks)).await
}

/// Whoever stored it reads it, if that build still runs; else the next start of one that can.
async fn leave_to_another_build(hub: &Hub, stored: &Stored) -> Result<(), Error> {
    if stored.looks >= LOOKS_MAX {
        count(&stored.system, "given_up");
        let why = code!("other_build").name();
        return hub.store.close_message(stored.id, "refused", why, None).await;
    }
    if stored.looks == 0 {
        count(&stored.system, "unreadable");
        tracing::error!(
            system = stored.system,
            inbound_id = stored.id,
            "a stored message opens, and this build does not read its form: another build kept it; run \
             that one, or a newer one, which reads it at its start"
        );
    }
    hub.store.park_message(stored.id, pause_ms(stored.looks)).await
}

/// Parks a message that may count later, whatever time passes; with its job, where that is known.
async fn keep(
    hub: &Hub,
    stored: &Stored,
    result: &'static str,
    seq: Option<i64>,
) -> Result<(), Error> {
    if stored.looks == 0 {
        count(&stored.system, result);
    }
    hub.store.keep_message(stored.id, seq, pause_ms(stored.looks)).await
}

/// 1, 2, 4 … up to 64 seconds.
fn pause_ms(looks: i32) -> i64 {
    1_000_i64 << looks.clamp(0, 6)
}

async fn apply(
    hub: &Hub,
    stored: &Stored,
    candidate: &Candidate,
    operation: &'static OperationSpec,
    reading: Reading,
) -> Result<(), Error> {
    let mut state = State::from_name(&candidate.state).unwrap_or(State::Failed);
    let mut change = Change {
        inbound_id: Some(stored.id),
        ..Change::to(State::Succeeded, candidate.seq, operation, Guard::Live)
    };
    let step = match reading {
        Reading::NotOurs(mismatch) => {
            count(&stored.system, "mismatch");
            tracing::error!(
                system = stored.system,
                inbound_id = stored.id,
                why = mismatch.name(),
                "a message names our job and is not about it; it is kept and not believed"
            );
            let seq = Some(candidate.seq);
            return hub.store.close_message(stored.id, "refused", mismatch.name(), seq).await;
        }
        Reading::Progress { .. } if state == State::Calling => {
            return keep(hub, stored, "early", Some(candidate.seq)).await;
        }
        // Nothing is sent before its consent is proven: this cannot be about it yet.
        _ if is_unsent(state) && candidate.phase == Phase::Consent => {
            return keep(hub, stored, "early", Some(candidate.seq)).await;
        }
        Reading::Progress { summary } => {
            change.summary = summary;
            change.event = Some(EventName::Progress);
            Step::Acknowledge
        }
        Reading::Answered(answer) => {
            answered(hub, &mut change, answer);
            Step::Answer
        }
        Reading::Failed(failure) => {
            change.summary = failure_summary(&failure);
            change.code = Some(failure.code);
            step_of(&failure)
        }
    };
    // They speak of a job that we hold for unsent: it left all the same, and must not leave again.
    if is_unsent(state) {
        state = after(state, Step::LoseOutcome).unwrap_or(state);
        change.guard = Guard::Unsent;
        tracing::warn!(
            job_id = %candidate.id,
            system = stored.system,
            inbound_id = stored.id,
            "they answer a job that was held for unsent; it is not sent again"
        );
    }
    // A notice for a job that is pending already leaves it pending.
    let to = if state == State::Pending && step == Step::Acknowledge {
        Some(State::Pending)
    } else {
        after(state, step)
    };
    let Some(to) = to else {
        count(&stored.system, "late");
        let seq = Some(candidate.seq);
        return hub.store.close_message(stored.id, "late", "the job had ended", seq).await;
    };
    change.to = to;
    count(&stored.system, "applied");
    // The queue is bounded and its reader never gives up; a closed queue means the process ends.
    if hub.record.send(Record::of(change, None)).await.is_err() {
        tracing::debug!(inbound_id = stored.id, "the hub stops; the message stays stored");
    }
    Ok(())
}

/// Whether we hold a job for one that did not leave, or not yet again.
const fn is_unsent(state: State) -> bool {
    matches!(state, State::Accepted | State::Waiting)
}

/// A failure inside a believed message ends the job: they will say no more.
const fn step_of(failure: &Failure) -> Step {
    match failure.class {
        Class::Refused => Step::Refuse,
        Class::Unreachable
        | Class::NotNow
        | Class::Indeterminate
        | Class::BadRequest
        | Class::Malformed
        | Class::Denied
        | Class::Contract
        | Class::Defect => Step::Fail,
    }
}
