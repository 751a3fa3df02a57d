//! Operations whose retries an operator stopped.
//!
//! *Guarantee*: what waits for a retry ends by the same decision as a new failure does
//! ([`crate::policy::retry`]), in commits of at most [`STOPPED_MAX`] jobs, each locked, so a job that
//! a worker has just started is left alone. Nothing that has ended is ever touched. Only what ends is
//! read and locked, so jobs that may go on, however many, stand in nobody's way.

use std::{collections::HashMap, time::Duration};

use contracts::{
    code,
    code::Code,
    operation::OperationSpec,
    state::{Phase, State},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::Row;

use super::{
    Error, Store, Tx,
    audit::{self, Act, Outcome},
    claim::class_of,
    millis, read_rows,
    record::{self, Change, Guard, Recorded},
    within,
};
use crate::policy::retry::{Policy, Waiting, objection};

/// So many waiting jobs are counted for whoever stops their retries.
const COUNTED_MAX: i64 = 100_000;

/// Jobs that one commit ends.
pub const STOPPED_MAX: i64 = 500;

/// An operation whose retries are stopped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Disabled {
    /// Which.
    pub operation: String,
    /// Since when, in business time.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What one batch did.
#[derive(Debug, Default)]
pub struct Stopped {
    /// How many jobs were looked at.
    pub seen: usize,
    /// Those that ended.
    pub ended: Vec<(&'static str, Recorded)>,
}

impl Store {
    /// Operations whose retries are stopped.
    pub async fn retries_disabled(&self) -> Result<Vec<Disabled>, Error> {
        within(async {
            let rows = sqlx::query_scalar(
                "SELECT to_jsonb(r) FROM hub.retries_disabled r ORDER BY operation",
            );
            read_rows(rows.fetch_all(&self.pool).await?)
        })
        .await
    }

    /// Stops the retries of an operation.
    pub async fn disable_retries(&self, operation: &str, act: &Act) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let done = sqlx::query(
                "INSERT INTO hub.retries_disabled (operation, at, by, reason)
                 VALUES ($1, hub.now(), $2, $3) ON CONFLICT (operation) DO NOTHING",
            )
            .bind(operation)
            .bind(&act.actor)
            .bind(&act.reason)
            .execute(&mut *tx)
            .await?;
            let outcome = if done.rows_affected() == 1 {
                audit::note(&mut tx, act, "retries.disable", operation, "disabled").await?;
                let waiting = waiting_for_retry(&mut tx, operation).await?;
                let text = format!(
                    "failed attempts are not repeated; who waits for one ends, for good: {waiting} \
                     now (`hub pause` ends none)"
                );
                Outcome::done(code!("disabled"), text)
            } else {
                Outcome::refused(code!("before"), "its retries are stopped already")
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }

    /// Allows the retries of an operation again.
    pub async fn enable_retries(&self, operation: &str, act: &Act) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let done = sqlx::query("DELETE FROM hub.retries_disabled WHERE operation = $1")
                .bind(operation)
                .execute(&mut *tx)
                .await?;
            let outcome = if done.rows_affected() == 1 {
                audit::note(&mut tx, act, "retries.enable", operation, "enabled").await?;
                Outcome::done(
                    code!("enabled"),
                    "new failures are repeated; what has ended stays as it is",
                )
            } else {
                Outcome::refused(code!("not_disabled"), "no operator stopped its retries")
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }

    /// Ends a batch of at most `limit` jobs that may not try again, of operations whose policy is
    /// disabled, behind this number; the last number that was looked at.
    pub async fn stop_retries(
        &self,
        disabled: &[(&'static OperationSpec, Policy)],
        behind: i64,
        limit: i64,
    ) -> Result<(Stopped, i64), Error> {
        let by_name: HashMap<&str, (&'static OperationSpec, &Policy)> = disabled
            .iter()
            .map(|(operation, policy)| (operation.name, (*operation, policy)))
            .collect();
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            // Written like the partial index, so that it serves, and as `policy::retry::objection`
            // decides: what was only put off, and is not too old, goes on and is none of ours.
            let rows = sqlx::query(
                "SELECT seq, operation, state, attempts, summary,
                   (extract(epoch FROM hub.now() - admitted_at) * 1000)::bigint AS age_ms
                   FROM hub.job_live WHERE state IN ('waiting', 'accepted') AND phase = 'send'
                    AND code IS NOT NULL AND operation = ANY($1) AND seq > $2
                    AND (summary->>'class' IN ('unreachable', 'contract', 'defect')
                      OR (attempts > 0 AND hub.now() - admitted_at
                            >= ($4::bigint[])[array_position($1, operation)]
                               * interval '1 millisecond'))
                  ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED",
            )
            .bind(disabled.iter().map(|(operation, _)| operation.name).collect::<Vec<_>>())
            .bind(behind)
            .bind(limit)
            .bind(disabled.iter().map(|(_, policy)| policy.age_max.map(millis)).collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .await?;
            let (mut changes, mut last) = (Vec::new(), behind);
            for row in &rows {
                last = row.try_get("seq")?;
                let name: String = row.try_get("operation")?;
                let Some((operation, policy)) = by_name.get(name.as_str()).copied() else {
                    continue;
                };
                let state: String = row.try_get("state")?;
                let summary: Value = row.try_get("summary")?;
                let summary = summary.as_object().cloned().unwrap_or_default();
                let age_ms: i64 = row.try_get("age_ms")?;
                let job = Waiting {
                    state: State::from_name(&state).unwrap_or(State::Waiting),
                    phase: Phase::Send,
                    last: class_of(&summary),
                    attempts: row.try_get("attempts")?,
                    age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
                };
                if let Some(code) = objection(&job, policy) {
                    changes.push(given_up(last, operation, Guard::Unsent, code, summary));
                }
            }
            let recorded = record::record(&mut tx, &changes).await?;
            tx.commit().await?;
            let ended = changes.iter().zip(recorded);
            let ended = ended.filter_map(|(c, after)| Some((c.operation.name, after?))).collect();
            Ok((Stopped { seen: rows.len(), ended }, last))
        })
        .await
    }
}

/// How many jobs of an operation wait for a retry, in words; the rest of very many is not counted.
async fn waiting_for_retry(tx: Tx<'_>, operation: &str) -> Result<String, Error> {
    // As `stop_retries` takes them, but for the few that are too old for another attempt anyway. What is
    // read is bounded, not what is found: nothing here may hold up the stop.
    let row = sqlx::query(
        "SELECT count(*) FILTER (WHERE class IN ('unreachable', 'contract', 'defect')) AS found,
                count(*) AS read
           FROM (SELECT summary->>'class' AS class FROM hub.job_live
                  WHERE state IN ('waiting', 'accepted') AND phase = 'send'
                    AND code IS NOT NULL AND operation = $1 LIMIT $2) few",
    )
    .bind(operation)
    .bind(COUNTED_MAX)
    .fetch_one(&mut *tx)
    .await?;
    let (found, read): (i64, i64) = (row.try_get("found")?, row.try_get("read")?);
    Ok(if read < COUNTED_MAX { format!("{found} jobs") } else { format!("{found} jobs or more") })
}

/// The end of a job that may not try again: its last failure stays, the code says why it ended.
pub fn given_up(
    seq: i64,
    operation: &'static OperationSpec,
    guard: Guard,
    code: Code,
    mut summary: Map<String, Value>,
) -> Change {
    overrule(&mut summary, code);
    Change { code: Some(code), summary, ..Change::to(State::Failed, seq, operation, guard) }
}

/// Puts the reason of an end before the code of the last failure.
pub fn overrule(summary: &mut Map<String, Value>, code: Code) {
    if let Some(last) = summary.insert("code".to_owned(), code.into()) {
        summary.insert("last_code".to_owned(), last);
    }
}
