//! Destinations: what is shared by all workers about one government system.

use std::time::Duration;

use sqlx::Row;

use super::{
    Error, Store, millis,
    protection::{blocked_by, probe_due},
    within,
};

/// A pull that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePull {
    /// Of this system.
    pub system: String,
    /// Its breaker is open, and it is time to try: the pull may be the probe.
    pub probes: bool,
}

impl Store {
    /// Makes the rows of these systems, where they are missing; those that are never pulled from say
    /// so. A process that does not pull takes the next pull from nobody who does.
    pub async fn ensure_destinations(
        &self,
        systems: &[&str],
        pulled: &[bool],
    ) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "INSERT INTO hub.destination AS d (system, next_pull_at)
                 SELECT system, CASE WHEN pulled THEN hub.now() ELSE 'infinity' END
                   FROM UNNEST($1::text[], $2::bool[]) t (system, pulled) ORDER BY system
                 ON CONFLICT (system) DO UPDATE SET next_pull_at = excluded.next_pull_at
                  WHERE d.next_pull_at = 'infinity' AND excluded.next_pull_at < 'infinity'",
            )
            .bind(systems)
            .bind(pulled)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Takes the pulls that are due: one drain for a whole system and interval, in one worker, and
    /// none for a system that is not called, or of which nobody waits, unless they begin conversations.
    /// Behind an open breaker a pull is due when a probe is: who only waits for an answer has no job
    /// to make one.
    pub async fn take_due_pulls(
        &self,
        systems: &[&str],
        intervals: &[Duration],
        begins: &[bool],
    ) -> Result<Vec<DuePull>, Error> {
        within(async {
            let intervals: Vec<i64> = intervals.iter().map(|d| millis(*d)).collect();
            let due = sqlx::query(concat!(
                "UPDATE hub.destination d
                    SET next_pull_at = hub.now() + s.every * interval '1 millisecond'
                   FROM UNNEST($1::text[], $2::bigint[], $3::bool[]) s (system, every, begins)
                  WHERE d.system = s.system AND d.next_pull_at <= hub.now()
                    AND CASE coalesce((",
                blocked_by!(),
                "), 'none') WHEN 'none' THEN true WHEN 'breaker' THEN ",
                probe_due!(),
                " ELSE false END
                    AND (s.begins OR EXISTS (SELECT 1 FROM hub.job_live j WHERE j.system = d.system
                                   AND j.state IN ('pending', 'in_doubt')))
                 RETURNING d.system, d.breaker <> 'closed' AS probes",
            ))
            .bind(systems)
            .bind(intervals)
            .bind(begins)
            .fetch_all(&self.pool)
            .await?;
            let read = |row: &sqlx::postgres::PgRow| {
                Ok(DuePull { system: row.try_get("system")?, probes: row.try_get("probes")? })
            };
            due.iter().map(read).collect()
        })
        .await
    }

    /// Asks for a pull at once.
    pub async fn pull_soon(&self, systems: &[String]) -> Result<(), Error> {
        if systems.is_empty() {
            return Ok(());
        }
        within(async {
            sqlx::query(
                "UPDATE hub.destination SET next_pull_at = least(next_pull_at, hub.now())
                  WHERE system = ANY($1)",
            )
            .bind(systems)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Notes a successful look that began at this business time.
    pub async fn pulled(&self, system: &str, began: jiff::Timestamp) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "UPDATE hub.destination
                    SET pulled_at = greatest(pulled_at,
                          to_timestamp(0) + $2 * interval '1 microsecond')
                  WHERE system = $1",
            )
            .bind(system)
            .bind(began.as_microsecond())
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Starts nothing of this system for a while, in real time: our credential was rejected.
    pub async fn hold(&self, system: &str, pause: Duration, reason: &str) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "UPDATE hub.destination d SET held_reason = $3, held_until = n.until
                   FROM (SELECT statement_timestamp() + $2 * interval '1 millisecond' AS until) n
                  WHERE d.system = $1 AND (d.held_until IS NULL OR d.held_until
                    < greatest(n.until - interval '1 s', statement_timestamp()))",
            )
            .bind(system)
            .bind(millis(pause))
            .bind(reason)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }
}
