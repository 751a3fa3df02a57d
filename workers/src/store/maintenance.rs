//! Maintenance: the months to come, and the end of those that have had their time.
//!
//! ```text
//! month is over ── its retention passes ──→ detached ──→ dropped        (each step a commit)
//!                    └ held: a job or a message of that time still waits
//! keys, which must be unique over all months ──→ deleted by ranges of their numbers
//! ```
//!
//! *Guarantee*: a row of a month without a partition goes to the default partition and is moved when
//! the month is made. A month leaves whole, one process at a time, and what a process that dies leaves
//! half done is done by the next. Nobody waits longer than a quarter of a second for a step: it gives
//! up and comes again. A key is never deleted before its job is. A look that is owed ([`super::parcel`])
//! does not outlive its job, whichever build ended that.
//!
//! *Limits*: [`KEYS_PER_COMMIT`] numbers a commit, [`COMMITS_MAX`] commits a run.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::{Error, Store, Tx, read_rows, within};
use crate::config::Retention;

/// Numbers of keys in one commit.
pub const KEYS_PER_COMMIT: i64 = 10_000;
/// Commits of one run: the rest is for the next one.
pub const COMMITS_MAX: usize = 50;

/// How long the months of a table are kept after their last day.
#[derive(Debug, Clone, Copy)]
struct Keep {
    table: &'static str,
    months: i32,
    days: i32,
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Months that were dropped: table and month.
    pub dropped: Vec<(String, String)>,
    /// Months that are past their time and stay, with the reason.
    pub held: Vec<(String, String, String)>,
    /// Keys that were deleted.
    pub keys: u64,
}

/// A table of history, as people see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct History {
    /// Its name in schema `hub`.
    pub table: String,
    /// Months that have a partition.
    pub months: i64,
    /// The first of them.
    pub oldest: Option<Date>,
    /// The last of them: months are made ahead.
    pub newest: Option<Date>,
    /// Bytes, with indexes.
    pub bytes: i64,
    /// Business time at which the oldest month is dropped.
    pub next_drop: Option<Timestamp>,
    /// Why the oldest month stays, although its time has come.
    pub held: Option<String>,
    /// Rows of months without a partition; zero unless maintenance stopped.
    pub misplaced: i64,
}

fn keeps(retention: &Retention) -> [Keep; 7] {
    let months = |table, months| Keep { table, months, days: 0 };
    [
        months("job", retention.jobs_months),
        months("attempt", retention.attempts_months),
        months("unheard", retention.attempts_months),
        Keep { table: "exchange", months: 0, days: retention.exchanges_days },
        months("inbound", retention.inbound_months),
        months("quarantine", retention.quarantine_months),
        months("audit", retention.audit_months),
    ]
}

impl Store {
    /// Makes the months to come, and lets go what has had its time, also where one cannot be made.
    pub async fn maintain(&self, retention: &Retention) -> Result<Maintained, Error> {
        let made = self.make_months().await;
        let done = self.let_go(retention).await?;
        made.map(|_| done)
    }

    /// Makes the partitions of this month and the next two, in business time, each in a commit of its
    /// own; table and month of those that somebody's work keeps from being made now.
    pub async fn make_months(&self) -> Result<Vec<(String, String)>, Error> {
        let missing = within(async {
            Ok(sqlx::query(
                "SELECT h.base::text AS base, m.month::text AS month FROM hub.history h
                  CROSS JOIN (SELECT date_trunc('month', (hub.now() + n * interval '1 month')
                    AT TIME ZONE 'UTC')::date AS month FROM generate_series(0, 2) n) m
                  WHERE to_regclass(format('hub.%s_%s', h.base, to_char(m.month, 'YYYYMM'))) IS NULL
                  ORDER BY m.month, h.base",
            )
            .fetch_all(&self.pool)
            .await?)
        })
        .await?;
        let mut busy = Vec::new();
        for row in missing {
            let (table, month): (String, String) = (row.try_get("base")?, row.try_get("month")?);
            let step: String = within(async {
                Ok(sqlx::query_scalar("SELECT hub.make_month($1, $2::date)")
                    .bind(&table)
                    .bind(&month)
                    .fetch_one(&self.pool)
                    .await?)
            })
            .await?;
            if step == "busy" {
                busy.push((table, month));
            }
        }
        within(async { Ok(sqlx::query("SELECT hub.mark_month()").execute(&self.pool).await?) })
            .await?;
        Ok(busy)
    }

    /// Lets go what has had its time.
    pub async fn let_go(&self, retention: &Retention) -> Result<Maintained, Error> {
        let mut done = Maintained::default();
        self.drop_months(retention, &mut done).await?;
        for _ in 0..COMMITS_MAX {
            let Some(keys) = self.forget_keys(retention).await? else { break };
            done.keys += keys;
        }
        self.forget_inbound_keys().await?;
        self.forget_looks().await?;
        Ok(done)
    }

    /// The tables of history.
    pub async fn history(&self, retention: &Retention) -> Result<Vec<History>, Error> {
        let (tables, months, days) = columns(retention);
        within(async {
            let rows = sqlx::query_scalar(
                "SELECT to_jsonb(f) FROM (
                   SELECT k.base AS table, count(m.name) AS months, min(m.month) AS oldest,
                          max(m.month) AS newest, o.size + coalesce(sum(
                            pg_total_relation_size(m.part)), 0)::bigint AS bytes,
                          (min(m.month) + interval '1 month') AT TIME ZONE 'UTC'
                            + make_interval(months => k.months, days => k.days) AS next_drop,
                          min(m.held) FILTER (WHERE (m.month + interval '1 month')
                            AT TIME ZONE 'UTC' + make_interval(months => k.months, days => k.days)
                            < hub.now()) AS held,
                          o.rows AS misplaced
                     FROM UNNEST($1::text[], $2::int[], $3::int[])
                       WITH ORDINALITY k (base, months, days, ord)
                     JOIN hub.history h ON h.base = k.base
                    CROSS JOIN LATERAL (SELECT
                      pg_total_relation_size(('hub.' || h.other)::regclass) AS size,
                      hub.misplaced(h.base) AS rows) o
                     LEFT JOIN hub.month m ON m.base = k.base
                    GROUP BY k.base, k.months, k.days, k.ord, o.size, o.rows ORDER BY k.ord) f",
            )
            .bind(tables)
            .bind(months)
            .bind(days)
            .fetch_all(&self.pool)
            .await?;
            read_rows(rows)
        })
        .await
    }

    /// Steps that can be made now; a month that somebody is busy with waits for the next run.
    async fn drop_months(&self, retention: &Retention, done: &mut Maintained) -> Result<(), Error> {
        let (tables, months, days) = columns(retention);
        let due = within(async {
            Ok(sqlx::query(
                "SELECT m.base, m.month::text AS month, m.held FROM hub.month m
                   JOIN UNNEST($1::text[], $2::int[], $3::int[]) k (base, months, days)
                     ON k.base = m.base
                  WHERE m.detached OR (m.month + interval '1 month') AT TIME ZONE 'UTC'
                        + make_interval(months => k.months, days => k.days) < hub.now()
                  ORDER BY m.month, m.base",
            )
            .bind(tables)
            .bind(months)
            .bind(days)
            .fetch_all(&self.pool)
            .await?)
        })
        .await?;
        for row in due {
            let (table, month): (String, String) = (row.try_get("base")?, row.try_get("month")?);
            if let Some(why) = row.try_get("held")? {
                done.held.push((table, month, why));
            } else if self.drop_month(&table, &month).await? {
                done.dropped.push((table, month));
            }
        }
        Ok(())
    }

    /// `true` where it is gone.
    async fn drop_month(&self, table: &str, month: &str) -> Result<bool, Error> {
        loop {
            let step: String = within(async {
                Ok(sqlx::query_scalar("SELECT hub.drop_month($1, $2::date)")
                    .bind(table)
                    .bind(month)
                    .fetch_one(&self.pool)
                    .await?)
            })
            .await?;
            match step.as_str() {
                "detached" => {}
                "dropped" => return Ok(true),
                // busy, held, or another process was faster.
                _ => return Ok(false),
            }
        }
    }

    /// Deletes one range of keys that are past their time, with the ids of their conversations; `None`
    /// where there is nothing to do, or somebody does it.
    async fn forget_keys(&self, retention: &Retention) -> Result<Option<u64>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let Some((low, high)) = range(&mut tx, retention.job_keys_months).await? else {
                return Ok(None);
            };
            // The index of ranges is read as a bitmap.
            sqlx::query("SET LOCAL enable_bitmapscan = on").execute(&mut *tx).await?;
            let gone = sqlx::query("DELETE FROM hub.job_key WHERE seq > $1 AND seq <= $2")
                .bind(low)
                .bind(high)
                .execute(&mut *tx)
                .await?;
            sqlx::query("DELETE FROM hub.correlation WHERE job_seq > $1 AND job_seq <= $2")
                .bind(low)
                .bind(high)
                .execute(&mut *tx)
                .await?;
            sqlx::query("UPDATE hub.forgotten SET through = $1 WHERE what = 'job_key'")
                .bind(high)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(Some(gone.rows_affected()))
        })
        .await
    }

    /// Deletes looks that are owed to jobs that have ended: a worker of the version before pays none.
    /// The table holds parcels that are being called, so it is small.
    async fn forget_looks(&self) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "DELETE FROM hub.look_owed o WHERE o.job_seq IN (
                   SELECT l.job_seq FROM hub.look_owed l
                    WHERE NOT EXISTS (SELECT 1 FROM hub.job_live j WHERE j.seq = l.job_seq)
                    LIMIT $1)",
            )
            .bind(KEYS_PER_COMMIT)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Deletes the keys of messages that have gone with their months.
    async fn forget_inbound_keys(&self) -> Result<(), Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            sqlx::query("SET LOCAL enable_bitmapscan = on").execute(&mut *tx).await?;
            sqlx::query(
                "WITH place AS MATERIALIZED (
                   SELECT through FROM hub.forgotten WHERE what = 'inbound_key'
                      FOR UPDATE SKIP LOCKED),
                 cut AS MATERIALIZED (
                   SELECT p.through AS low, least(p.through + $1, coalesce(
                     (SELECT n.id - 1 FROM hub.inbound n ORDER BY n.id LIMIT 1),
                     (SELECT max(m.inbound_id) FROM hub.month_mark m))) AS high FROM place p),
                 gone AS (
                   DELETE FROM hub.inbound_key k USING cut
                    WHERE k.inbound_id > cut.low AND k.inbound_id <= cut.high)
                 UPDATE hub.forgotten f SET through = cut.high FROM cut
                  WHERE f.what = 'inbound_key' AND cut.high > cut.low",
            )
            .bind(KEYS_PER_COMMIT)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(())
        })
        .await
    }
}

/// The next numbers whose keys may go, up to the first job that is still there. A month may be seen first
/// when it is almost over: so one more is waited for.
async fn range(tx: Tx<'_>, months: i32) -> Result<Option<(i64, i64)>, Error> {
    let row = sqlx::query(
        "WITH place AS MATERIALIZED (
           SELECT through FROM hub.forgotten WHERE what = 'job_key' FOR UPDATE SKIP LOCKED),
         old AS MATERIALIZED (
           SELECT max(m.job_seq) AS seq FROM hub.month_mark m
            WHERE m.month::timestamp AT TIME ZONE 'UTC' + make_interval(months => $1 + 1) <= hub.now()),
         cut AS MATERIALIZED (
           SELECT p.through AS low, least(p.through + $2, o.seq) AS high
             FROM place p JOIN old o ON o.seq > p.through)
         SELECT c.low, least(c.high, (SELECT j.seq - 1 FROM hub.job j
             WHERE j.seq > c.low AND j.seq <= c.high ORDER BY j.seq LIMIT 1)) AS high
           FROM cut c",
    )
    .bind(months)
    .bind(KEYS_PER_COMMIT)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (low, high): (i64, i64) = (row.try_get("low")?, row.try_get("high")?);
    Ok((high > low).then_some((low, high)))
}

fn columns(retention: &Retention) -> (Vec<&'static str>, Vec<i32>, Vec<i32>) {
    let keeps = keeps(retention);
    (
        keeps.iter().map(|keep| keep.table).collect(),
        keeps.iter().map(|keep| keep.months).collect(),
        keeps.iter().map(|keep| keep.days).collect(),
    )
}
