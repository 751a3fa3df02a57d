//! The clocks: business time for people's promises, monotonic time for everything technical.
//!
//! Business time is decided by the database (`hub.now()`), inside the statement that writes. What is
//! kept here is a copy for dates inside requests, where a moment's delay after a jump does no harm.
//! Leases, time limits and pauses use `std::time::Instant` and are never shifted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    pipeline::Hub,
    policy::{calendar::day_of, pause::Pause},
    store::{
        Store,
        clock::{Jumps, News},
        maintenance::Maintained,
    },
};

/// Without a jump, partitions are looked after this often.
pub const MAINTENANCE_EVERY: Duration = Duration::from_secs(600);
/// A month that could not be made is tried again after this.
pub const MONTHS_AGAIN: Duration = Duration::from_secs(15);

/// When it is time to let go what is too old. Kept apart from the making of months: one that cannot be
/// made, for however long, keeps no other from going.
#[derive(Debug, Default)]
struct Upkeep {
    /// Year and month of business time that were looked at last, and when.
    last: Option<((i16, i8), Instant)>,
}

impl Upkeep {
    /// Whether it is time: a new month has begun, or the last time is long ago. Then it counts as done.
    fn begins(&mut self, month: (i16, i8), now: Instant) -> bool {
        // A jump within a month makes nothing too old.
        let begins =
            self.last.is_none_or(|(last, at)| last != month || now - at >= MAINTENANCE_EVERY);
        if begins {
            self.last = Some((month, now));
        }
        begins
    }

    /// Until then there is nothing to do.
    fn rest(&self, now: Instant) -> Duration {
        self.last.map_or(Duration::ZERO, |(_, at)| MAINTENANCE_EVERY.saturating_sub(now - at))
    }
}

static SHIFT_MS: AtomicI64 = AtomicI64::new(0);

/// Real time.
#[expect(clippy::disallowed_methods, reason = "the one place where the system clock is read")]
pub fn real_now() -> Timestamp {
    Timestamp::now()
}

/// Business time, as this process last heard of its shift.
pub fn business_now() -> Timestamp {
    let shift = SignedDuration::from_millis(SHIFT_MS.load(Ordering::Relaxed));
    real_now().checked_add(shift).unwrap_or(Timestamp::MAX)
}

/// Reads the shift from the database.
pub async fn refresh(store: &Store) -> Result<i64, crate::store::Error> {
    let shift = store.clock_shift_ms().await?;
    SHIFT_MS.store(shift, Ordering::Relaxed);
    Ok(shift)
}

/// Follows jumps of business time, and what the relays of other processes say, and wakes whoever waits
/// for it.
pub async fn follow(hub: Arc<Hub>, stop: CancellationToken) {
    let mut pause = Pause::reconnecting(hub.chance.clone());
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = hear(&hub, &mut pause) => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "jumps of business time are not heard for a moment");
        }
        tokio::select! { () = tokio::time::sleep(pause.next()) => {}, () = stop.cancelled() => return }
    }
}

async fn hear(hub: &Hub, pause: &mut Pause) -> Result<(), crate::store::Error> {
    let mut jumps = hub.store.listen_for_jumps().await?;
    pause.reset();
    // What others said before was not heard: they may have given partitions to this worker.
    hub.wake.workers.notify_one();
    let mut upkeep = Upkeep::default();
    loop {
        refresh(&hub.store).await?;
        // The partitions of the month that time may have moved into.
        let made = make_months(&hub.store).await;
        hub.wake.timers.now();
        hub.wake.pull.notify_one();
        hub.wake.look.notify_one();
        let today = day_of(business_now());
        if upkeep.begins((today.year(), today.month()), Instant::now()) {
            let_go(hub).await;
        }
        forget(hub).await;
        let rest = upkeep.rest(Instant::now());
        let rest = if made { rest } else { rest.min(MONTHS_AGAIN) };
        if let Ok(jumped) = tokio::time::timeout(rest, jumped(hub, &mut jumps)).await {
            jumped?;
        }
    }
}

/// Makes the partitions of the months to come; `false` where some are still missing: their rows go to
/// the default partitions meanwhile, and are moved.
pub async fn make_months(store: &Store) -> bool {
    match store.make_months().await {
        Ok(busy) => {
            for (table, month) in &busy {
                tracing::info!(table, month, "a month is made later: somebody reads its table");
            }
            busy.is_empty()
        }
        Err(error) => {
            tracing::warn!(%error, "the partitions of the months to come are not made");
            false
        }
    }
}

/// Returns at the next jump; other news is passed on meanwhile.
async fn jumped(hub: &Hub, jumps: &mut Jumps) -> Result<(), crate::store::Error> {
    loop {
        match jumps.hear().await? {
            News::Jump => return Ok(()),
            News::Destination => hub.wake.look.notify_one(),
            News::Events => hub.wake.unsent.notify_one(),
            News::Workers => hub.wake.workers.notify_one(),
        }
    }
}

async fn let_go(hub: &Hub) {
    match hub.store.let_go(&hub.config.retention).await {
        Ok(done) => tell(&done),
        Err(error) => tracing::warn!(%error, "months that are past their time are still there"),
    }
}

async fn forget(hub: &Hub) {
    if let Err(error) = hub.store.forget_callbacks().await {
        tracing::warn!(%error, "deliveries that ended long ago are still there");
    }
    if let Err(error) = hub.store.forget_codes().await {
        tracing::warn!(%error, "codes whose time is over are still there, sealed");
    }
    if let Err(error) = hub.store.forget_files().await {
        tracing::warn!(%error, "files whose links have expired are still there");
    }
}

fn tell(done: &Maintained) {
    for (table, month) in &done.dropped {
        tracing::info!(table, month, "a month of history was dropped");
    }
    for (table, month, why) in &done.held {
        tracing::info!(table, month, why, "a month of history stays although its time is over");
    }
    if done.keys > 0 {
        tracing::info!(keys = done.keys, "ids of jobs that are long gone were forgotten");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_that_cannot_be_made_keep_no_old_month_from_going() {
        let (began, mut upkeep) = (Instant::now(), Upkeep::default());
        assert!(upkeep.begins((2026, 11), began), "at the start");
        // As long as a month cannot be made, everything is looked at every few seconds.
        let tries = MAINTENANCE_EVERY.as_secs() / MONTHS_AGAIN.as_secs();
        for n in 1..u32::try_from(tries).expect("few") {
            let now = began + MONTHS_AGAIN * n;
            assert!(!upkeep.begins((2026, 11), now), "too often, {n}");
            assert_eq!(upkeep.rest(now) + MONTHS_AGAIN * n, MAINTENANCE_EVERY);
        }
        let due = began + MAINTENANCE_EVERY;
        assert_eq!(upkeep.rest(due), Duration::ZERO);
        assert!(upkeep.begins((2026, 11), due), "old months stayed");
        assert!(!upkeep.begins((2026, 11), due + MONTHS_AGAIN));
        assert!(upkeep.begins((2026, 12), due + MONTHS_AGAIN), "a month has begun");
    }
}
