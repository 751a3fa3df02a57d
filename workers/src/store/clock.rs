//! Business time: the row that all processes and the simulators share.

use std::{io, time::Duration};

use jiff::Timestamp;
use sqlx::{Executor as _, postgres::PgListener};
use tokio::time::timeout;

use super::{Error, NOW_MICROS, Store, instant, within};

/// A connection that heard nothing for so long is asked whether it still stands: a path that was lost
/// without a word is silent too, and firewalls forget who is silent.
pub const PROBE_EVERY: Duration = Duration::from_secs(10);
/// It answers within this, or is lost.
pub const PROBE_WAIT_MAX: Duration = Duration::from_secs(2);

impl Store {
    /// How far business time is ahead of real time, in milliseconds.
    pub async fn clock_shift_ms(&self) -> Result<i64, Error> {
        within(async {
            Ok(sqlx::query_scalar(
                "SELECT (extract(epoch FROM shift) * 1000)::bigint FROM hub.clock",
            )
            .fetch_one(&self.pool)
            .await?)
        })
        .await
    }

    /// Business time now.
    pub async fn business_now(&self) -> Result<Timestamp, Error> {
        within(async {
            let statement = format!("SELECT {NOW_MICROS}");
            let micros: i64 =
                sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(&self.pool).await?;
            Ok(instant(micros))
        })
        .await
    }

    /// Moves business time forward to an instant; never back.
    pub async fn jump_to(&self, to: Timestamp) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "UPDATE hub.clock SET shift = shift + greatest(
                   to_timestamp(0) + $1 * interval '1 microsecond' - hub.now(), interval '0')",
            )
            .bind(to.as_microsecond())
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// A connection that hears of jumps, and of what other processes tell.
    pub async fn listen_for_jumps(&self) -> Result<Jumps, Error> {
        within(async {
            let options = self.options.clone();
            let pool = sqlx::postgres::PgPoolOptions::new()
                .max_connections(1)
                .acquire_timeout(super::CONNECTION_WAIT_MAX)
                .connect_lazy_with(options);
            let mut listener = PgListener::connect_with(&pool).await?;
            // Who listens must know that it heard nothing meanwhile.
            listener.eager_reconnect(false);
            listener.listen_all([CLOCK, DESTINATION, EVENTS, WORKERS]).await?;
            Ok(Jumps(listener))
        })
        .await
    }
}

/// Told by a trigger.
const CLOCK: &str = "hub_clock";
/// Told by whoever changes what the workers share.
const DESTINATION: &str = "hub_destination";
/// Told by a relay.
const EVENTS: &str = "hub_events";

/// Told by a worker that comes, goes, or gives partitions away.
pub(super) const WORKERS: &str = "hub_workers";

/// What can be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Business time jumped.
    Jump,
    /// What the workers share about the systems has changed.
    Destination,
    /// Events were written.
    Events,
    /// A worker came or went, or gave partitions away.
    Workers,
}

/// Hears of jumps of business time, of events, and of what the workers share.
pub struct Jumps(PgListener);

impl std::fmt::Debug for Jumps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jumps")
    }
}

impl Jumps {
    /// Returns what is heard next; fails where the connection is lost, within [`PROBE_EVERY`] and
    /// [`PROBE_WAIT_MAX`]: what was told since then was not heard.
    pub async fn hear(&mut self) -> Result<News, Error> {
        loop {
            let Ok(told) = timeout(PROBE_EVERY, self.0.try_recv()).await else {
                let probed = timeout(PROBE_WAIT_MAX, self.0.execute("SELECT 1")).await;
                probed.map_err(|_| Error::Timeout)??;
                continue;
            };
            let lost = || sqlx::Error::Io(io::ErrorKind::ConnectionAborted.into());
            return Ok(match told?.ok_or_else(lost)?.channel() {
                EVENTS => News::Events,
                DESTINATION => News::Destination,
                WORKERS => News::Workers,
                _ => News::Jump,
            });
        }
    }

    /// Returns at the next jump.
    pub async fn next(&mut self) -> Result<(), Error> {
        while self.hear().await? != News::Jump {}
        Ok(())
    }
}
