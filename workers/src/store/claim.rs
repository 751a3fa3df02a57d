//! Claiming stored jobs: by system, then priority, then age, never twice (SKIP LOCKED).

use contracts::state::Phase;
use sqlx::Row;
use uuid::Uuid;

use super::{Error, Store, within};

/// A job that this worker now owns.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Admission number.
    pub seq: i64,
    /// The publisher's id.
    pub id: Uuid,
    /// What is asked.
    pub operation: String,
    /// The portal's record.
    pub subject: String,
    /// Personal.
    pub input: serde_json::Value,
    /// What the call does.
    pub phase: Phase,
    /// What an earlier attempt left; personal.
    pub carry: Option<serde_json::Value>,
    /// Fencing token.
    pub run: i32,
    /// Attempts spent so far.
    pub attempts: i32,
    /// Broken answers so far.
    pub strikes: i16,
}

impl Store {
    /// Takes up to `limit` stored jobs of a system, unless the system is held.
    pub async fn claim(
        &self,
        worker: Uuid,
        system: &str,
        limit: usize,
    ) -> Result<Vec<Claimed>, Error> {
        within(async {
            let rows = sqlx::query(
                "WITH picked AS MATERIALIZED (
                   SELECT seq FROM hub.job_live
                    WHERE state = 'accepted' AND system = $2 AND phase <> 'consent'
                      AND NOT EXISTS (SELECT 1 FROM hub.destination d
                                       WHERE d.system = $2 AND d.held_until > statement_timestamp())
                    ORDER BY priority, seq LIMIT $3 FOR UPDATE SKIP LOCKED)
                 UPDATE hub.job_live j SET state = 'calling', owner = $1, run = j.run + 1
                   FROM picked WHERE j.seq = picked.seq
                 RETURNING j.seq, j.id, j.operation, j.subject, j.input, j.phase, j.carry, j.run,
                   j.attempts, j.strikes",
            )
            .bind(worker)
            .bind(system)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
            rows.iter()
                .map(|row| {
                    let phase: String = row.try_get("phase")?;
                    Ok(Claimed {
                        subject: row.try_get("subject")?,
                        phase: Phase::from_name(&phase).unwrap_or(Phase::Send),
                        carry: row.try_get("carry")?,
                        seq: row.try_get("seq")?,
                        id: row.try_get("id")?,
                        operation: row.try_get("operation")?,
                        input: row.try_get("input")?,
                        run: row.try_get("run")?,
                        attempts: row.try_get("attempts")?,
                        strikes: row.try_get("strikes")?,
                    })
                })
                .collect()
        })
        .await
    }

    /// Of each system: how many jobs are stored and startable (counting stops at `limit`), and
    /// whether it is held.
    pub async fn stored(
        &self,
        systems: &[&str],
        limit: usize,
    ) -> Result<Vec<(usize, bool)>, Error> {
        within(async {
            let rows = sqlx::query(
                "SELECT (SELECT count(*) FROM (
                           SELECT 1 FROM hub.job_live j
                            WHERE j.state = 'accepted' AND j.system = s.system LIMIT $2) few) AS n,
                        EXISTS (SELECT 1 FROM hub.destination d WHERE d.system = s.system
                                   AND d.held_until > statement_timestamp()) AS held
                   FROM UNNEST($1::text[]) WITH ORDINALITY s (system, ord) ORDER BY ord",
            )
            .bind(systems)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
            rows.iter()
                .map(|row| {
                    let count = usize::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0);
                    Ok((count, row.try_get("held")?))
                })
                .collect()
        })
        .await
    }
}
