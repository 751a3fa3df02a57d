//! What the database knows of the whole hub: read on scrape, and by the demo's clock.

use std::collections::BTreeMap;

use sqlx::Row;

use super::{Error, Store, listing::WAITING_FOR, within};

/// Figures for the service metrics.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Live jobs by system and state.
    pub jobs: BTreeMap<(String, String), i64>,
    /// Live jobs by system and what they wait for.
    pub waiting: BTreeMap<(String, String), i64>,
    /// Age of the oldest live job, in seconds of business time, by system.
    pub oldest_s: BTreeMap<String, f64>,
    /// Smallest time to a deadline that has not passed, in seconds, by operation.
    pub sla_left_s: BTreeMap<String, f64>,
    /// Age of the oldest unsent event, in seconds of real time.
    pub outbox_oldest_s: f64,
    /// Unsent events.
    pub outbox: i64,
    /// Kept messages that are no job.
    pub quarantined: i64,
    /// Workers alive.
    pub workers: i64,
    /// Business time that the business calendar reaches, in seconds.
    pub calendar_left_s: f64,
}

impl Store {
    /// Reads the figures. Counts stop at 100 000 rows: a scrape must not become a load.
    pub async fn summary(&self) -> Result<Summary, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            // These few questions are about whole tables: an index would not serve them.
            sqlx::query("SET LOCAL enable_seqscan = on").execute(&mut *tx).await?;
            let mut summary = Summary::default();
            let statement = format!(
                "SELECT system, state, operation, waiting_for, count(*) AS n,
                   extract(epoch FROM hub.now() - min(requested_at))::float8 AS oldest,
                   extract(epoch FROM min(deadline_at) FILTER (WHERE deadline_at > hub.now())
                     - hub.now())::float8 AS sla_left
                   FROM (SELECT j.*, {WAITING_FOR} AS waiting_for
                           FROM (SELECT * FROM hub.job_live LIMIT 100000) j) w
                  GROUP BY 1, 2, 3, 4"
            );
            let query = sqlx::query(sqlx::AssertSqlSafe(statement));
            let rows = query.fetch_all(&mut *tx).await?;
            for row in rows {
                let system: String = row.try_get("system")?;
                let key = (system.clone(), row.try_get("state")?);
                let count: i64 = row.try_get("n")?;
                *summary.jobs.entry(key).or_insert(0) += count;
                let key = (system.clone(), row.try_get("waiting_for")?);
                *summary.waiting.entry(key).or_insert(0) += count;
                let oldest: f64 = row.try_get("oldest")?;
                let known = summary.oldest_s.entry(system).or_insert(oldest);
                *known = known.max(oldest);
                if let Some(left) = row.try_get::<Option<f64>, _>("sla_left")? {
                    let known = summary.sla_left_s.entry(row.try_get("operation")?).or_insert(left);
                    *known = known.min(left);
                }
            }
            let row = sqlx::query(
                "SELECT (SELECT count(*) FROM (SELECT 1 FROM hub.outbox LIMIT 100000) o) AS outbox,
                   coalesce((SELECT extract(epoch FROM statement_timestamp() - min(created_at))
                     FROM (SELECT created_at FROM hub.outbox LIMIT 100000) o), 0)::float8 AS oldest,
                   (SELECT count(*) FROM hub.quarantine WHERE state = 'kept') AS quarantined,
                   (SELECT count(*) FROM hub.worker) AS workers,
                   coalesce((SELECT extract(epoch FROM max(ends_at) - hub.now())
                     FROM hub.calendar_day), 0)::float8 AS calendar_left",
            )
            .fetch_one(&mut *tx)
            .await?;
            summary.outbox = row.try_get("outbox")?;
            summary.outbox_oldest_s = row.try_get("oldest")?;
            summary.quarantined = row.try_get("quarantined")?;
            summary.workers = row.try_get("workers")?;
            summary.calendar_left_s = row.try_get("calendar_left")?;
            Ok(summary)
        })
        .await
    }
}
