//! claim: stored jobs are started by whoever has permits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use contracts::{code::Code, operation::OperationSpec};
use tokio_util::sync::CancellationToken;

use super::{
    Hub,
    admit::Start,
    call,
    destination::{Destination, Permit},
    protect,
    record::{self, Record},
};
use crate::{
    fail_point::{self, Point},
    policy::retry::{self, Waiting},
    store::{
        Error,
        claim::Claimed,
        protection::{Blocked, Probe},
        record::Guard,
        retries,
    },
};

/// Stored jobs are looked for at least this often, whatever the bells say.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Jobs in one claim.
pub const CLAIM_MAX: usize = 256;
/// Claims of one system in a row, before the others, a look and a stop have their turn.
pub const ROUNDS_MAX: usize = 4;

/// Claims until cancelled; only for these systems and the hub's own, where they are named.
pub async fn run(hub: Arc<Hub>, only: Option<Vec<String>>, stop: CancellationToken) {
    let is_served = |destination: &&Arc<Destination>| {
        let name = destination.spec.name;
        !destination.is_shared
            || only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name))
    };
    let served: Vec<Arc<Destination>> =
        hub.destinations.values().filter(is_served).cloned().collect();
    let served: Vec<&Destination> = served.iter().map(AsRef::as_ref).collect();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut first = true;
    let mut looked_at: Option<Instant> = None;
    let mut failed = false;
    loop {
        let now = Instant::now();
        let start = served.iter().filter_map(|d| d.next_start(now)).min();
        let start =
            start.filter(|_| !failed).map_or(LOOK_EVERY, |at| at.saturating_duration_since(now));
        failed = false;
        let looks = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = tick.tick() => true,
            () = rung(&hub, looked_at) => true,
            () = hub.wake.claim.notified() => false,
            () = tokio::time::sleep(start) => false,
        };
        if looks {
            looked_at = Some(Instant::now());
            match protect::look(&hub, &served, first).await {
                Ok(()) => first = false,
                Err(error) => {
                    tracing::debug!(%error, "what the workers share could not be looked at");
                    continue;
                }
            }
        }
        for destination in served.iter().filter(|d| d.is_claimable()) {
            let started = match destination.blocked() {
                None => claim(&hub, destination, &stop).await,
                Some(Blocked::Breaker) => probe(&hub, destination).await,
                Some(Blocked::Pause | Blocked::Maintenance | Blocked::Hold) => Ok(()),
            };
            if let Err(error) = started {
                failed = true;
                tracing::warn!(%error, system = destination.spec.name, "stored jobs wait");
            }
        }
    }
}

/// The bell of whoever changed what is shared; it is not answered more often than a table can bear.
async fn rung(hub: &Hub, looked_at: Option<Instant>) {
    if let Some(rest) = looked_at.and_then(|at| protect::LOOKS_APART.checked_sub(at.elapsed())) {
        tokio::time::sleep(rest).await;
    }
    // Last, so that a bell that rings while somebody else is answered is not lost.
    hub.wake.look.notified().await;
}

/// Claims until nothing is there, no permit is left, or others have their turn: the bell brings it
/// back here.
async fn claim(
    hub: &Arc<Hub>,
    destination: &Destination,
    stop: &CancellationToken,
) -> Result<(), Error> {
    for _ in 0..ROUNDS_MAX {
        if stop.is_cancelled() {
            break;
        }
        protect::reserve(hub, destination).await?;
        let mut permits = destination.permits(CLAIM_MAX);
        if permits.is_empty() {
            if destination.slots.available() == 0 {
                destination.note_hungry();
            }
            return Ok(());
        }
        let asked = permits.len();
        destination.note_claiming();
        let claiming = hub.registry.claiming().await;
        let claimed = hub.store.claim(hub.worker(), destination.spec.name, asked).await;
        let claimed = claimed.inspect_err(|_| destination.note_stored(0))?;
        for job in &claimed {
            hub.registry.enter(job.id, job.run);
        }
        drop(claiming);
        if !claimed.is_empty() {
            fail_point::reach(Point::AfterClaimBeforeStart);
        }
        let drained = claimed.len() < asked;
        if claimed.is_empty() {
            // Nothing is there, or the system is not called any more: a look tells which.
            hub.wake.look.notify_one();
        }
        if drained {
            destination.note_drained();
        } else {
            destination.note_more();
        }
        for job in claimed {
            let Some(permit) = permits.pop() else { break };
            start(hub, job, permit, None).await;
        }
        if drained {
            return Ok(());
        }
    }
    hub.wake.claim.notify_one();
    Ok(())
}

/// One call that tries whether they are there again, where it is time.
async fn probe(hub: &Arc<Hub>, destination: &Destination) -> Result<(), Error> {
    if !destination.is_probe_due() {
        return Ok(());
    }
    protect::reserve(hub, destination).await?;
    let Some(permit) = destination.permits(1).pop() else { return Ok(()) };
    let system = destination.spec.name;
    let commands = protect::commands(destination);
    let lasts = protect::probe_lasts(hub, destination);
    let claiming = hub.registry.claiming().await;
    let taken = hub.store.take_probe(hub.worker(), system, &commands, lasts).await?;
    let Some((probe, job)) = taken else { return Ok(()) };
    hub.registry.enter(job.id, job.run);
    drop(claiming);
    protect::note_probe(hub, system);
    start(hub, job, permit, Some(probe)).await;
    Ok(())
}

/// Starts a claimed job; one that may not try again ends instead.
async fn start(hub: &Arc<Hub>, job: Claimed, mut permit: Permit, probe: Option<Probe>) {
    let Some(operation) = hub.operations.get(job.operation.as_str()).copied() else {
        // An operation that this build does not know: the comparison returns the job.
        hub.registry.leave(job.id, job.run);
        return;
    };
    if let Some(code) = objection(hub, operation, &job) {
        give_up(hub, operation, job, code, probe).await;
        return;
    }
    permit.start();
    call::spawn(
        hub,
        Start {
            seq: job.seq,
            id: job.id,
            operation,
            subject: job.subject,
            input: job.input,
            phase: job.phase,
            carry: job.carry.unwrap_or_default(),
            run: job.run,
            attempts: job.attempts,
            strikes: job.strikes,
            may_have_timers: true,
            probe,
            trace: job.trace,
            permit,
        },
    );
}

fn objection(hub: &Hub, operation: &OperationSpec, job: &Claimed) -> Option<Code> {
    let waiting = Waiting {
        state: contracts::state::State::Calling,
        phase: job.phase,
        last: job.last_class(),
        attempts: job.attempts,
        age: job.age,
    };
    retry::objection(&waiting, &protect::policy(hub, operation))
}

async fn give_up(
    hub: &Hub,
    operation: &'static OperationSpec,
    job: Claimed,
    code: Code,
    probe: Option<Probe>,
) {
    let Claimed { seq, id, run, summary, .. } = job;
    if let (Some(_), Some(destination)) = (probe, hub.destination(operation)) {
        let nothing = (crate::policy::breaker::Verdict::Nothing, None);
        protect::note_call(hub, destination, probe, nothing).await;
    }
    let change = retries::given_up(seq, operation, Guard::Run(run), code, summary);
    record::submit(hub, Record::of(change, Some((id, run)))).await;
}
