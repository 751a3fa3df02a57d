//! claim: stored jobs are started by whoever has permits.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Hub, admit::Start, call, destination::Destination};
use crate::{
    fail_point::{self, Point},
    store::Error,
};

/// Stored jobs are looked for at least this often, whatever the bells say.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Jobs in one claim.
pub const CLAIM_MAX: usize = 256;

/// Claims until cancelled.
pub async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let ticked = tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => true,
            () = hub.wake.claim.notified() => false,
        };
        let looked = if ticked { count_stored(&hub).await } else { Ok(()) };
        if let Err(error) = looked {
            tracing::debug!(%error, "stored jobs could not be counted");
            continue;
        }
        for destination in hub.destinations.values().filter(|d| d.is_claimable() && !d.is_held()) {
            if let Err(error) = claim(&hub, destination).await {
                tracing::warn!(%error, system = destination.spec.name, "stored jobs wait");
            }
        }
    }
}

/// One query tells for which systems anything is stored; an idle hub asks nothing else.
async fn count_stored(hub: &Hub) -> Result<(), Error> {
    let systems = hub.systems();
    let counts = hub.store.stored(&systems, hub.config.pipeline.stored_max).await?;
    for (destination, (count, held)) in hub.destinations.values().zip(counts) {
        destination.note_held(held);
        destination.note_count(count);
        if count > 0 {
            destination.note_stored(0);
        }
    }
    Ok(())
}

async fn claim(hub: &Arc<Hub>, destination: &Destination) -> Result<(), Error> {
    loop {
        let mut permits = destination.permits(CLAIM_MAX);
        if permits.is_empty() {
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
        if drained {
            destination.note_drained();
        } else {
            destination.note_more();
        }
        for job in claimed {
            let operation = hub.operations.get(job.operation.as_str()).copied();
            let (Some(operation), Some(permit)) = (operation, permits.pop()) else {
                // An operation that this build does not know: the comparison returns the job.
                hub.registry.leave(job.id, job.run);
                continue;
            };
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
                    permit,
                },
            );
        }
        if drained {
            return Ok(());
        }
    }
}
