//! What the database knows of the whole hub: read on scrape.
//!
//! *Guarantee*: a scrape reads the first rows of indexes and a few small rows, however many jobs wait.
//! Only counting jobs by state is more. While their table is small a scrape counts them itself; past
//! [`COUNTED_BYTES_MAX`] one process counts them from time to time ([`Store::recount`]), and a scrape
//! says what was counted, and how long ago.

use std::{collections::BTreeMap, time::Duration};

use sqlx::{PgConnection, Row};

use super::{Error, Store, listing::WAITING_FOR, within};

/// A larger table of live jobs is not counted by a scrape.
pub const COUNTED_BYTES_MAX: i64 = 16 << 20;
/// Events and kept messages are counted up to this.
pub const ROWS_COUNTED_MAX: i64 = 10_000;
/// Jobs are counted again after this at the earliest …
pub const RECOUNT_EVERY: Duration = Duration::from_secs(15);
/// … and after so many times what the last count took: at most a thirtieth of one core.
const RECOUNT_PAUSES: i64 = 30;
/// A count ends within this.
const RECOUNT_WAIT_MAX: Duration = Duration::from_mins(2);

/// Figures for the service metrics.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Live jobs by system and state.
    pub jobs: BTreeMap<(String, String), i64>,
    /// The same by what they wait for, where their table is small enough to be read by a scrape.
    pub waiting: Option<BTreeMap<(String, String), i64>>,
    /// How long ago they were counted, in seconds; infinite where they never were.
    pub jobs_age_s: f64,
    /// Whether somebody should count them again.
    pub recount: bool,
    /// Age of the live job with the earliest deadline, in seconds of business time, by operation.
    pub oldest_s: BTreeMap<String, f64>,
    /// Smallest time to a deadline that has not passed, in seconds, by operation.
    pub sla_left_s: BTreeMap<String, f64>,
    /// Age of the oldest unsent event, in seconds of real time.
    pub outbox_oldest_s: f64,
    /// Unsent events.
    pub outbox: i64,
    /// Messages that are no job: kept, or somebody began to publish them again.
    pub quarantined: i64,
    /// Workers alive.
    pub workers: i64,
    /// Business time that the business calendar reaches, in seconds.
    pub calendar_left_s: f64,
}

/// Live jobs by system and state, from indexes alone but for calls under way, which are few.
const COUNT: &str = "
    SELECT system, state, count(*) AS jobs FROM hub.job_live
     WHERE state IN ('waiting', 'pending', 'in_doubt') GROUP BY 1, 2
    UNION ALL
    SELECT system, 'accepted', count(*) FROM hub.job_live WHERE state = 'accepted' GROUP BY 1
    UNION ALL
    SELECT system, 'calling', count(*) FROM hub.job_live WHERE state = 'calling' GROUP BY 1";

impl Store {
    /// Reads the figures; those of promises for these operations.
    pub async fn summary(&self, operations: &[&str]) -> Result<Summary, Error> {
        within(async {
            let mut connection = self.pool.acquire().await?;
            let mut summary = promises(&mut connection, operations).await?;
            figures(&mut connection, &mut summary).await?;
            counts(&mut connection, &mut summary).await?;
            connection.done();
            Ok(summary)
        })
        .await
    }

    /// Counts live jobs, unless somebody does or did a moment ago; `true` where it was done.
    pub async fn recount(&self) -> Result<bool, Error> {
        let counted = async {
            let mut tx = super::begin(&self.pool).await?;
            let wait = format!("SET LOCAL statement_timeout = {}", RECOUNT_WAIT_MAX.as_millis());
            sqlx::query(sqlx::AssertSqlSafe(wait)).execute(&mut *tx).await?;
            // One core, for a little longer: nobody waits for it.
            sqlx::query("SET LOCAL max_parallel_workers_per_gather = 0").execute(&mut *tx).await?;
            let mine = sqlx::query(
                "UPDATE hub.job_counting SET began_at = clock_timestamp()
                  WHERE id = (SELECT id FROM hub.job_counting FOR UPDATE SKIP LOCKED)
                    AND began_at < clock_timestamp()
                        - greatest($1, $2 * took_ms) * interval '1 millisecond'",
            )
            .bind(super::millis(RECOUNT_EVERY))
            .bind(RECOUNT_PAUSES)
            .execute(&mut *tx)
            .await?;
            if mine.rows_affected() == 0 {
                return Ok(false);
            }
            let count = format!(
                "WITH counted AS MATERIALIZED ({COUNT}),
                 gone AS (
                   DELETE FROM hub.job_count c WHERE NOT EXISTS (SELECT 1 FROM counted n
                     WHERE n.system = c.system AND n.state = c.state))
                 INSERT INTO hub.job_count (system, state, jobs) SELECT * FROM counted
                 ON CONFLICT (system, state) DO UPDATE SET jobs = excluded.jobs"
            );
            sqlx::query(sqlx::AssertSqlSafe(count)).execute(&mut *tx).await?;
            sqlx::query(
                "UPDATE hub.job_counting SET counted_at = began_at,
                   took_ms = extract(epoch FROM clock_timestamp() - began_at) * 1000",
            )
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(true)
        };
        tokio::time::timeout(RECOUNT_WAIT_MAX, counted).await.unwrap_or(Err(Error::Timeout))
    }
}

async fn promises(connection: &mut PgConnection, operations: &[&str]) -> Result<Summary, Error> {
    let rows = sqlx::query(
        "SELECT o.operation,
           extract(epoch FROM hub.now() - (SELECT j.requested_at FROM hub.job_live j
             WHERE j.operation = o.operation ORDER BY j.deadline_at LIMIT 1))::float8 AS oldest,
           extract(epoch FROM (SELECT j.deadline_at FROM hub.job_live j
             WHERE j.operation = o.operation AND j.deadline_at > hub.now()
             ORDER BY j.deadline_at LIMIT 1) - hub.now())::float8 AS sla_left
           FROM UNNEST($1::text[]) o (operation)",
    )
    .bind(operations)
    .fetch_all(connection)
    .await?;
    let mut summary = Summary::default();
    for row in rows {
        let operation: String = row.try_get("operation")?;
        if let Some(oldest) = row.try_get::<Option<f64>, _>("oldest")? {
            summary.oldest_s.insert(operation.clone(), oldest);
        }
        if let Some(left) = row.try_get::<Option<f64>, _>("sla_left")? {
            summary.sla_left_s.insert(operation, left);
        }
    }
    Ok(summary)
}

async fn figures(connection: &mut PgConnection, summary: &mut Summary) -> Result<(), Error> {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM hub.outbox LIMIT $1) o) AS outbox,
           coalesce((SELECT extract(epoch FROM statement_timestamp() - min(o.created_at))
             FROM hub.relay_partition p CROSS JOIN LATERAL (
               SELECT created_at FROM hub.outbox WHERE partition = p.partition
                ORDER BY id LIMIT 1) o), 0)::float8 AS oldest,
           (SELECT count(*) FROM (
             (SELECT 1 FROM hub.quarantine WHERE state = 'kept' ORDER BY id LIMIT $1) UNION ALL
             (SELECT 1 FROM hub.quarantine WHERE state = 'requeueing' ORDER BY id LIMIT $1)
             LIMIT $1) q) AS quarantined,
           (SELECT count(*) FROM hub.worker) AS workers,
           coalesce((SELECT extract(epoch FROM d.ends_at - hub.now()) FROM hub.calendar_day d
             ORDER BY d.starts_at DESC LIMIT 1), 0)::float8 AS calendar_left",
    )
    .bind(ROWS_COUNTED_MAX)
    .fetch_one(connection)
    .await?;
    summary.outbox = row.try_get("outbox")?;
    summary.outbox_oldest_s = row.try_get("oldest")?;
    summary.quarantined = row.try_get("quarantined")?;
    summary.workers = row.try_get("workers")?;
    summary.calendar_left_s = row.try_get("calendar_left")?;
    Ok(())
}

async fn counts(connection: &mut PgConnection, summary: &mut Summary) -> Result<(), Error> {
    let row = sqlx::query(
        "SELECT pg_relation_size('hub.job_live') > $1 AS large,
           coalesce(extract(epoch FROM statement_timestamp() - counted_at), 'infinity')::float8
             AS age,
           began_at < statement_timestamp()
             - greatest($2, $3 * took_ms) * interval '1 millisecond' AS due
           FROM hub.job_counting",
    )
    .bind(COUNTED_BYTES_MAX)
    .bind(super::millis(RECOUNT_EVERY))
    .bind(RECOUNT_PAUSES)
    .fetch_one(&mut *connection)
    .await?;
    let large: bool = row.try_get("large")?;
    let statement = if large { "SELECT system, state, jobs FROM hub.job_count" } else { COUNT };
    if large {
        summary.jobs_age_s = row.try_get("age")?;
        summary.recount = row.try_get("due")?;
    }
    for row in sqlx::query(statement).fetch_all(&mut *connection).await? {
        summary.jobs.insert((row.try_get("system")?, row.try_get("state")?), row.try_get("jobs")?);
    }
    if !large {
        summary.waiting = Some(waiting(connection).await?);
    }
    Ok(())
}

/// Live jobs by system and what they wait for: reads the whole table.
async fn waiting(connection: &mut PgConnection) -> Result<BTreeMap<(String, String), i64>, Error> {
    let statement = format!(
        "SELECT system, {WAITING_FOR} AS reason, count(*) AS jobs FROM hub.job_live j GROUP BY 1, 2"
    );
    let mut waiting = BTreeMap::new();
    for row in sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(connection).await? {
        waiting.insert((row.try_get("system")?, row.try_get("reason")?), row.try_get("jobs")?);
    }
    Ok(waiting)
}
