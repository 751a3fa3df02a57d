//! retries: ends what waits for a retry that will not come.
//!
//! ```text
//! once a second, and at once when a look saw that other operations are stopped
//!     → batch after batch (`store/retries.rs`), while retries of an operation are stopped at all
//! ```
//!
//! *Guarantee*: nothing waits for it: however many jobs there are to end, and however long that takes,
//! jobs are claimed, limits shared and breakers told as ever. Workers share the batches: each takes
//! what no other has locked. While no retries are stopped it asks the database nothing.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Hub, claim::LOOK_EVERY, protect};

/// Ends them until cancelled.
pub async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
            () = hub.wake.retries.notified() => {}
        }
        let stopped = tokio::select! {
            () = stop.cancelled() => return,
            stopped = protect::stop_retries(&hub) => stopped,
        };
        if let Err(error) = stopped {
            tracing::warn!(%error, "jobs whose retries are stopped wait a second to be ended");
        }
    }
}
