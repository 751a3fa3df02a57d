//! Watch: one question a second tells every loop that waits for the database whether it has work.
//!
//! Whoever writes something wakes the loop that waits for it in its own process; this is for the rest:
//! what another process wrote, what has become due, what a bell was too early for.
//!
//! | it sees | it wakes |
//! |---|---|
//! | the next timer | `timers`, at that moment |
//! | events in our partitions of the outbox | `relay` |
//! | deliveries by HTTP that are due | `callback` |
//! | messages whose job is to be looked for again | `inbound::matching` |
//! | a pull that is due | `inbound::pull` |
//!
//! *Limits*: an idle hub asks this once a second, and nothing else for these five.

use std::{sync::Arc, time::Duration};

use adapters::channel::AsyncChannel;
use tokio_util::sync::CancellationToken;

use crate::{pipeline::Hub, store::watch::Seen};

/// The question is asked this often.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Watches until cancelled.
pub async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    let systems = hub.systems();
    let known: Vec<&str> = hub.operations.keys().copied().collect();
    let pulled = || hub.destinations.values().filter(|d| d.is_pulled());
    let pulls: Vec<&str> = pulled().map(|d| d.spec.name).collect();
    let begins: Vec<bool> =
        pulled().map(|d| d.adapter.channel().is_some_and(AsyncChannel::begins)).collect();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = tick.tick() => {} }
        match hub.store.watch(hub.worker(), &known, &systems, &pulls, &begins).await {
            Ok(seen) => wake(&hub, &seen),
            Err(error) => tracing::debug!(%error, "nobody watches: the database does not answer"),
        }
    }
}

fn wake(hub: &Hub, seen: &Seen) {
    if let Some(wait) = seen.next_timer.filter(|wait| *wait <= LOOK_EVERY) {
        hub.wake.timers.within(wait);
    }
    let bells = [
        (seen.events, &hub.wake.unsent),
        (seen.callbacks, &hub.wake.callbacks),
        (seen.messages, &hub.wake.sweep),
        (seen.pulls, &hub.wake.pull),
    ];
    for (_, bell) in bells.iter().filter(|(has_work, _)| *has_work) {
        bell.notify_one();
    }
}
