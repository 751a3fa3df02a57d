//! Jobs as people and the demo see them.

use sqlx::Row;
use uuid::Uuid;

use super::{Error, Store, within};

/// One job, without personal data.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The publisher's id.
    pub id: Uuid,
    /// What was asked; `unknown` where the job names nothing that exists.
    pub operation: String,
    /// Its state.
    pub state: String,
    /// How it stands to its promise.
    pub sla: String,
    /// Attempts that were recorded.
    pub attempts: i64,
    /// The verdict of a check, `found` or `not_found` of a lookup, or the code of its end.
    pub verdict: Option<String>,
    /// Business time between request and end, in seconds.
    pub took_s: Option<f64>,
}

/// Whether the hub has anything to do now, and when it will have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Jobs that are being called or could be.
    pub busy: i64,
    /// Events not yet confirmed.
    pub outbox: i64,
    /// Messages that came in and were not looked at.
    pub unread: i64,
    /// Jobs that are not at their end.
    pub live: i64,
    /// Business milliseconds to the next due moment; not positive where something is due.
    pub next_ms: Option<i64>,
    /// Whether a system is not called for a while in real time: held, told off, breaker open.
    pub held: bool,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Ids that were decided.
    pub admitted: usize,
    /// Jobs at their end.
    pub jobs: usize,
    /// Jobs not at their end.
    pub live: usize,
    /// Events not yet confirmed.
    pub outbox: usize,
    /// Messages in quarantine.
    pub quarantined: usize,
}

impl Store {
    /// All jobs, by admission number, up to `limit`.
    pub async fn list_jobs(&self, limit: i64) -> Result<Vec<Listed>, Error> {
        within(async {
            let rows = sqlx::query(
                "SELECT j.id, j.operation, j.state, j.sla,
                   (SELECT count(*) FROM hub.attempt a WHERE a.job_seq = j.seq) AS attempts,
                   coalesce(j.summary ->> 'verdict',
                     CASE j.summary ->> 'found' WHEN 'true' THEN 'found'
                                                WHEN 'false' THEN 'not_found' END,
                     j.code) AS verdict,
                   extract(epoch FROM j.ended_at - j.requested_at)::float8 AS took_s
                   FROM hub.job j ORDER BY j.seq LIMIT $1",
            )
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
            rows.iter()
                .map(|row| {
                    Ok(Listed {
                        id: row.try_get("id")?,
                        operation: row.try_get("operation")?,
                        state: row.try_get("state")?,
                        sla: row.try_get("sla")?,
                        attempts: row.try_get("attempts")?,
                        verdict: row.try_get("verdict")?,
                        took_s: row.try_get("took_s")?,
                    })
                })
                .collect()
        })
        .await
    }

    /// How many messages are in quarantine for each reason.
    pub async fn list_quarantine(
        &self,
        limit: i64,
    ) -> Result<Vec<(i64, Option<Uuid>, String)>, Error> {
        within(async {
            let rows =
                sqlx::query("SELECT id, job_id, code FROM hub.quarantine ORDER BY id LIMIT $1")
                    .bind(limit)
                    .fetch_all(&self.pool)
                    .await?;
            rows.iter()
                .map(|row| Ok((row.try_get("id")?, row.try_get("job_id")?, row.try_get("code")?)))
                .collect()
        })
        .await
    }

    /// How far a run has come.
    pub async fn count_ended(&self) -> Result<Ended, Error> {
        within(async {
            let row = sqlx::query(
                "SELECT (SELECT count(*) FROM hub.job_key) AS admitted,
                   (SELECT count(*) FROM hub.job WHERE ended_on <> 'infinity') AS jobs,
                   (SELECT count(*) FROM hub.job_live) AS live,
                   (SELECT count(*) FROM hub.outbox) AS outbox,
                   (SELECT count(*) FROM hub.quarantine) AS quarantined",
            )
            .fetch_one(&self.pool)
            .await?;
            let count = |column: &str| -> Result<usize, Error> {
                Ok(usize::try_from(row.try_get::<i64, _>(column)?).unwrap_or(0))
            };
            Ok(Ended {
                admitted: count("admitted")?,
                jobs: count("jobs")?,
                live: count("live")?,
                outbox: count("outbox")?,
                quarantined: count("quarantined")?,
            })
        })
        .await
    }

    /// Makes a job disappear: the demo's sabotage, to see that its check notices.
    pub async fn sabotage_lose(&self, id: Uuid) -> Result<(), Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            // Locked first: a record under way may still write timers, and a timer without its job
            // would be due for ever.
            sqlx::query("SELECT 1 FROM hub.job WHERE id = $1 FOR UPDATE")
                .bind(id)
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "WITH k AS (DELETE FROM hub.job_key WHERE id = $1 RETURNING seq),
                 t AS (DELETE FROM hub.timer t USING k WHERE t.job_seq = k.seq)
                 DELETE FROM hub.job j USING k WHERE j.seq = k.seq",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(())
        })
        .await
    }

    /// One look at everything that a jump of business time has to wait for.
    pub async fn pulse(&self) -> Result<Pulse, Error> {
        within(async {
            let row = sqlx::query(
                "SELECT
                   (SELECT count(*) FROM hub.job_live WHERE state IN ('accepted', 'calling')) AS busy,
                   (SELECT count(*) FROM hub.outbox) AS outbox,
                   (SELECT count(*) FROM hub.inbound WHERE state = 'stored') AS unread,
                   (SELECT count(*) FROM hub.job_live) AS live,
                   (SELECT (extract(epoch FROM least(
                      (SELECT min(due_at) FROM hub.timer),
                      (SELECT min(d.next_pull_at) FROM hub.destination d
                        WHERE d.next_pull_at < 'infinity' AND EXISTS (
                         SELECT 1 FROM hub.job_live j WHERE j.system = d.system
                            AND j.state IN ('pending', 'in_doubt')))) - hub.now()) * 1000)::bigint)
                     AS next_ms,
                   EXISTS (SELECT 1 FROM hub.destination WHERE breaker <> 'closed'
                      OR greatest(held_until, told_until) > statement_timestamp()) AS held",
            )
            .fetch_one(&self.pool)
            .await?;
            Ok(Pulse {
                busy: row.try_get("busy")?,
                outbox: row.try_get("outbox")?,
                unread: row.try_get("unread")?,
                live: row.try_get("live")?,
                next_ms: row.try_get("next_ms")?,
                held: row.try_get("held")?,
            })
        })
        .await
    }
}
