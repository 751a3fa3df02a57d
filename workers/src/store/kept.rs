//! The raw exchange of a job, for a person who makes a contract case of it.
//!
//! *Guarantee*: what is handed out is sealed still, and the audit knows who asks, in the same commit:
//! no row of the audit, no bytes.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, Store, Tx,
    audit::{self, Act},
    within,
};
use crate::seal::Sealed;

/// What is kept of a job's exchange. Personal, as far as it is not sealed.
#[derive(Clone)]
pub struct Kept {
    /// What was asked.
    pub operation: String,
    /// The portal's record.
    pub subject: Option<String>,
    /// Its input.
    pub input: Option<Value>,
    /// What the last attempt left for the next one.
    pub carry: Option<Value>,
    /// The run whose exchange it is.
    pub run: i32,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// HTTP status.
    pub http_status: Option<i16>,
    /// Request and answer.
    pub exchange: Sealed,
    /// The newest message that was taken for the job: how it came (`push`, `pull`), and the bytes.
    pub message: Option<(String, Sealed)>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// What asking for an exchange came to.
#[derive(Debug)]
pub enum Asked {
    /// It is there; the audit knows.
    Kept(Box<Kept>),
    /// There is no such job.
    NoJob,
    /// The job has attempts, and no exchange of the one that was asked for: the runs that have one.
    Gone(Vec<i32>),
}

impl Store {
    /// The exchange of an attempt, by default of the last that has one.
    pub async fn kept_exchange(
        &self,
        id: Uuid,
        run: Option<i32>,
        act: &Act,
    ) -> Result<Asked, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let job = sqlx::query(
                "SELECT j.seq, j.operation, j.subject, j.input, j.carry
                   FROM hub.job_key k JOIN hub.job j ON j.seq = k.seq WHERE k.id = $1",
            )
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(job) = job else { return Ok(Asked::NoJob) };
            let seq: i64 = job.try_get("seq")?;
            let Some(row) = exchange(&mut tx, seq, run).await? else {
                return Ok(Asked::Gone(runs(&mut tx, seq).await?));
            };
            let kept = Kept {
                operation: job.try_get("operation")?,
                subject: job.try_get("subject")?,
                input: job.try_get("input")?,
                carry: job.try_get("carry")?,
                run: row.try_get("run")?,
                sent_at: instant(&row.try_get::<String, _>("sent_at")?),
                http_status: row.try_get("http_status")?,
                exchange: sealed(&row)?,
                message: message(&mut tx, seq).await?,
            };
            audit::note(&mut tx, act, "contracts.record", &id.to_string(), "opened").await?;
            tx.commit().await?;
            Ok(Asked::Kept(Box::new(kept)))
        })
        .await
    }
}

async fn exchange(
    tx: Tx<'_>,
    seq: i64,
    run: Option<i32>,
) -> Result<Option<sqlx::postgres::PgRow>, Error> {
    let query = sqlx::query(
        "SELECT e.run, e.key_id, e.sealed, a.http_status,
                to_jsonb(coalesce(a.started_at, e.recorded_at)) #>> '{}' AS sent_at
           FROM hub.exchange e
           LEFT JOIN hub.attempt a ON a.job_seq = e.job_seq AND a.run = e.run
          WHERE e.job_seq = $1 AND ($2::integer IS NULL OR e.run = $2)
          ORDER BY e.run DESC, e.recorded_at DESC LIMIT 1",
    );
    Ok(query.bind(seq).bind(run).fetch_optional(&mut *tx).await?)
}

async fn runs(tx: Tx<'_>, seq: i64) -> Result<Vec<i32>, Error> {
    let query = sqlx::query_scalar(
        "SELECT DISTINCT run FROM hub.exchange WHERE job_seq = $1 ORDER BY run LIMIT 100",
    );
    Ok(query.bind(seq).fetch_all(&mut *tx).await?)
}

async fn message(tx: Tx<'_>, seq: i64) -> Result<Option<(String, Sealed)>, Error> {
    let row = sqlx::query(
        "SELECT source, key_id, sealed FROM hub.inbound
          WHERE job_seq = $1 AND state IN ('applied', 'late') ORDER BY id DESC LIMIT 1",
    )
    .bind(seq)
    .fetch_optional(&mut *tx)
    .await?;
    row.map(|row| Ok((row.try_get("source")?, sealed(&row)?))).transpose()
}

fn sealed(row: &sqlx::postgres::PgRow) -> Result<Sealed, Error> {
    Ok(Sealed { key_id: row.try_get("key_id")?, bytes: row.try_get("sealed")? })
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap_or_default()
}
