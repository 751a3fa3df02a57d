//! What waits in the database, as one question for all loops.

use std::time::Duration;

use sqlx::Row;
use uuid::Uuid;

use super::{Error, Store, timer::NEXT_MS, within};

/// What one look saw.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each loop that may have work")]
pub struct Seen {
    /// Until the next timer; zero where one is due.
    pub next_timer: Option<Duration>,
    /// Events wait in the worker's partitions.
    pub events: bool,
    /// A delivery by HTTP is due.
    pub callbacks: bool,
    /// A message is to be looked at again.
    pub messages: bool,
    /// A pull is due.
    pub pulls: bool,
}

impl Store {
    /// Looks once. `known` are the operations whose timers count, `pulls` the systems that are
    /// pulled, `begins` whether messages of theirs come
    /// without a job that waits. Every part reads the first row of an index.
    pub async fn watch(
        &self,
        me: Uuid,
        known: &[&str],
        systems: &[&str],
        pulls: &[&str],
        begins: &[bool],
    ) -> Result<Seen, Error> {
        let statement = format!(
            "SELECT {NEXT_MS} AS next_ms,
                   EXISTS (SELECT 1 FROM hub.relay_partition p WHERE p.owner = $5
                     AND EXISTS (SELECT 1 FROM hub.outbox o WHERE o.partition = p.partition))
                     AS events,
                   EXISTS (SELECT 1 FROM hub.callback WHERE state = 'open'
                     AND due_at <= statement_timestamp()) AS callbacks,
                   EXISTS (SELECT 1 FROM hub.inbound WHERE state IN ('stored', 'parked')
                     AND look_at <= statement_timestamp() AND system = ANY($2)) AS messages,
                   EXISTS (SELECT 1 FROM UNNEST($3::text[], $4::bool[]) s (system, begins)
                     JOIN hub.destination d ON d.system = s.system
                      AND d.next_pull_at <= hub.now()
                    WHERE s.begins OR EXISTS (SELECT 1 FROM hub.job_live j
                      WHERE j.system = s.system AND j.state IN ('pending', 'in_doubt'))) AS pulls"
        );
        within(async {
            let row = sqlx::query(sqlx::AssertSqlSafe(statement))
                .bind(known)
                .bind(systems)
                .bind(pulls)
                .bind(begins)
                .bind(me)
                .fetch_one(&self.pool)
                .await?;
            let next_ms: Option<i64> = row.try_get("next_ms")?;
            Ok(Seen {
                next_timer: next_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
                events: row.try_get("events")?,
                callbacks: row.try_get("callbacks")?,
                messages: row.try_get("messages")?,
                pulls: row.try_get("pulls")?,
            })
        })
        .await
    }
}
