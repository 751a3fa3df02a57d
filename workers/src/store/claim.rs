//! Claiming stored jobs: by system, then priority, then age, never twice (SKIP LOCKED).

use std::time::Duration;

use contracts::{class::Class, state::Phase, trace::TraceContext};
use serde_json::{Map, Value};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{Error, Store, protection::BLOCKED_BY, trace_of, within};

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

    pub(super) fn read(row: &PgRow) -> Result<Self, Error> {
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
pub(super) const COLUMNS: &str =
    "j.seq, j.id, j.operation, j.subject, j.input, j.phase, j.carry, j.run,
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
