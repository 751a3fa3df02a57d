//! Claiming stored jobs: by system, then priority, then age, never twice (SKIP LOCKED).

use std::time::Duration;

use contracts::{class::Class, state::Phase, trace::TraceContext};
use serde_json::{Map, Value};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{Error, Store, Tx, protection::BLOCKED_BY, trace_of, within};

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
    /// The summary of its last event: what its last failure was, where it had one.
    pub summary: Map<String, Value>,
    /// Business time since admission.
    pub age: Duration,
    /// Its place in a trace.
    pub trace: Option<TraceContext>,
}

impl Claimed {
    /// The class of the failure that it told of last.
    pub fn last_class(&self) -> Option<Class> {
        class_of(&self.summary)
    }

    fn read(row: &PgRow) -> Result<Self, Error> {
        let phase: String = row.try_get("phase")?;
        let summary: Value = row.try_get("summary")?;
        let age_ms: i64 = row.try_get("age_ms")?;
        Ok(Self {
            trace: trace_of(row)?,
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
            summary: summary.as_object().cloned().unwrap_or_default(),
            age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
        })
    }
}

/// The class that the summary of a failure names.
pub(super) fn class_of(summary: &Map<String, Value>) -> Option<Class> {
    let name = summary.get("class")?.as_str()?;
    Class::ALL.into_iter().find(|class| class.name() == name)
}

/// What is read of a claimed job `j`.
const COLUMNS: &str = "j.seq, j.id, j.operation, j.subject, j.input, j.phase, j.carry, j.run,
    j.attempts, j.strikes, j.summary, j.traceparent, j.tracestate,
    (extract(epoch FROM hub.now() - j.admitted_at) * 1000)::bigint AS age_ms";

impl Store {
    /// Takes up to `limit` stored jobs of a system, unless it is not called now.
    pub async fn claim(
        &self,
        worker: Uuid,
        system: &str,
        limit: usize,
    ) -> Result<Vec<Claimed>, Error> {
        let statement = format!(
            "WITH picked AS MATERIALIZED (
               SELECT seq FROM hub.job_live
                WHERE state = 'accepted' AND system = $2 AND phase <> 'consent'
                  AND NOT EXISTS (SELECT 1 FROM hub.destination d
                                   WHERE d.system = $2 AND ({BLOCKED_BY}) IS NOT NULL)
                ORDER BY priority, seq LIMIT $3 FOR UPDATE SKIP LOCKED)
             UPDATE hub.job_live j SET state = 'calling', owner = $1, run = j.run + 1
               FROM picked WHERE j.seq = picked.seq
             RETURNING {COLUMNS}"
        );
        within(async {
            let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
                .bind(worker)
                .bind(system)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(Claimed::read).collect()
        })
        .await
    }
}

/// What a stored job may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It does nothing but ask.
    Asks,
    /// It may do more.
    Commands,
}

/// A job's place in the order of the store: its priority, then its number.
pub(super) type Turn = (i16, i64);

/// Takes the first stored job of this kind behind a turn, in the caller's commit. `commands`: the
/// operations that do more than ask.
pub(super) async fn next(
    tx: Tx<'_>,
    worker: Uuid,
    system: &str,
    (kind, behind): (Kind, Turn),
    commands: &[&str],
) -> Result<Option<(Claimed, Turn)>, Error> {
    // As `job_live_claim` is ordered: it ends with the first one, however many are stored.
    let statement = format!(
        "WITH picked AS MATERIALIZED (
           SELECT seq FROM hub.job_live
            WHERE state = 'accepted' AND system = $2 AND phase <> 'consent'
              AND (phase IN ('ask', 'continue') OR operation <> ALL($3)) = $4
              AND (priority, seq) > ($5, $6)
            ORDER BY priority, seq LIMIT 1 FOR UPDATE SKIP LOCKED)
         UPDATE hub.job_live j SET state = 'calling', owner = $1, run = j.run + 1
           FROM picked WHERE j.seq = picked.seq
         RETURNING {COLUMNS}, j.priority"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(worker)
        .bind(system)
        .bind(commands)
        .bind(kind == Kind::Asks)
        .bind(behind.0)
        .bind(behind.1)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let job = Claimed::read(&row)?;
    let turn = (row.try_get("priority")?, job.seq);
    Ok(Some((job, turn)))
}
