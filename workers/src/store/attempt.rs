//! Attempts: one row for each call that came back, and its raw exchange where that is kept.
//!
//! *Guarantee*: what came back from a run that had lost its job is kept too, marked as `fenced`: it
//! changes nothing, and may be the only evidence of what became of a command. Each run has one row,
//! also where a commit whose answer was lost is made again.

use std::collections::HashSet;

use contracts::class::Class;
use serde_json::Value;
use sqlx::Row;

use super::{Error, Tx, record::AttemptRow};
use crate::seal::Sealed;

/// An attempt on its way to its table.
pub(super) struct Kept<'a> {
    pub(super) seq: i64,
    pub(super) row: &'a AttemptRow,
    /// Whether its run had lost the job.
    pub(super) fenced: bool,
}

/// Inserts what came back, in the caller's commit.
pub(super) async fn insert(tx: Tx<'_>, rows: Vec<Kept<'_>>) -> Result<(), Error> {
    let (fenced, mut kept): (Vec<_>, Vec<_>) = rows.into_iter().partition(|kept| kept.fenced);
    if !fenced.is_empty() {
        let there = recorded(tx, &fenced).await?;
        kept.extend(fenced.into_iter().filter(|kept| !there.contains(&(kept.seq, kept.row.run))));
    }
    if kept.is_empty() {
        return Ok(());
    }
    let batch: Vec<Value> = kept
        .iter()
        .map(|Kept { seq, row: a, fenced }| {
            serde_json::json!({
                "job_seq": seq, "fenced": fenced, "run": a.run,
                "class": a.class.map(Class::name), "code": a.code,
                "remote_code": a.remote_code, "http_status": a.http_status,
                "phase": a.phase.name(), "duration_ms": a.duration_ms,
                "waited_ms": super::millis(a.ended.elapsed()),
            })
        })
        .collect();
    sqlx::query(
        "INSERT INTO hub.attempt (job_seq, run, phase, class, code, remote_code, http_status, fenced,
           started_at, answered_at, recorded_at)
         SELECT r.job_seq, r.run, r.phase, r.class, r.code, r.remote_code, r.http_status, r.fenced,
           n.now - (r.waited_ms + r.duration_ms) * interval '1 millisecond',
           n.now - r.waited_ms * interval '1 millisecond', n.now
           FROM jsonb_to_recordset($1) AS r (job_seq bigint, run int, phase text, class text,
             code text, remote_code text, http_status smallint, fenced boolean, duration_ms bigint,
             waited_ms bigint)
          CROSS JOIN (SELECT hub.now() AS now) n",
    )
    .bind(Value::Array(batch))
    .execute(&mut *tx)
    .await?;
    let exchanges: Vec<(i64, i32, &Sealed)> = kept
        .iter()
        .filter_map(|kept| Some((kept.seq, kept.row.run, kept.row.exchange.as_ref()?)))
        .collect();
    if exchanges.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO hub.exchange (job_seq, run, recorded_at, key_id, sealed)
         SELECT seq, run, hub.now(), key_id, sealed
           FROM UNNEST($1::bigint[], $2::int[], $3::text[], $4::bytea[]) t (seq, run, key_id, sealed)",
    )
    .bind(exchanges.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>())
    .bind(exchanges.iter().map(|(_, run, _)| *run).collect::<Vec<_>>())
    .bind(exchanges.iter().map(|(.., s)| s.key_id.as_str()).collect::<Vec<_>>())
    .bind(exchanges.iter().map(|(.., s)| s.bytes.as_slice()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Runs that have their row.
async fn recorded(tx: Tx<'_>, fenced: &[Kept<'_>]) -> Result<HashSet<(i64, i32)>, Error> {
    let rows = sqlx::query(
        "SELECT a.job_seq, a.run FROM UNNEST($1::bigint[], $2::int[]) t (seq, run)
           JOIN hub.attempt a ON a.job_seq = t.seq AND a.run = t.run",
    )
    .bind(fenced.iter().map(|kept| kept.seq).collect::<Vec<_>>())
    .bind(fenced.iter().map(|kept| kept.row.run).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("job_seq")?, row.try_get("run")?))).collect()
}
