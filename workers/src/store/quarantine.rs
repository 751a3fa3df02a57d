//! Messages that are no job, as operators look at them, send them again, or drop them.
//!
//! ```text
//! kept ─ begin_requeue ─> requeueing ─ published, confirmed ─> requeued
//!   │        ^─ certainly not published ─┘ └ may have been published: begin_requeue again
//!   └ drop ─> dropped
//! ```
//!
//! *Guarantee*: a message leaves the state `kept` in the commit of its audit row, before anything of it
//! is published; what somebody began to publish is not dropped. What is dropped is gone: its bytes are
//! erased, its reason stays. The content is read only by who leaves a row in the audit first.

use contracts::{code, code::Code};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, Store,
    audit::{self, Act, Outcome},
    read_rows, within,
};
use crate::seal::Sealed;

/// A message without its content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// Its number.
    pub id: i64,
    /// Business time.
    pub received_at: Timestamp,
    /// The queue that it came from.
    pub queue: String,
    /// Its routing key.
    pub routing_key: String,
    /// Its content type.
    pub content_type: Option<String>,
    /// Why it is no job.
    pub code: String,
    /// The same in words.
    pub text: String,
    /// Its id, where one could be read.
    pub job_id: Option<Uuid>,
    /// How long it is.
    pub bytes: i32,
    /// Which key opens it.
    pub key_id: String,
    /// `kept`, `requeueing`, `requeued` or `dropped`.
    pub state: String,
}

/// Which messages.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these states; in any where there is none.
    pub states: Vec<String>,
    /// Reason.
    pub code: Option<String>,
    /// Queue.
    pub queue: Option<String>,
}

/// A message that is published again.
#[derive(Debug)]
pub struct Requeue {
    /// The message.
    pub kept: Kept,
    /// Its content.
    pub sealed: Sealed,
    /// Whether somebody began before, so that it may have been published.
    pub begun_before: bool,
}

/// What came of publishing a message again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeued {
    /// The broker has it.
    Confirmed,
    /// The broker does not have it.
    NotPublished(Code),
    /// Nobody knows: it may have it.
    Unknown,
}

const KEPT: &str = "kept";
const REQUEUEING: &str = "requeueing";
/// What the audit calls it.
const REQUEUE: &str = "quarantine.requeue";
/// Everything but the bytes.
const COLUMNS: &str = "id, received_at, queue, routing_key, content_type, code, text, job_id,
    bytes, key_id, state";

impl Store {
    /// Messages, newest first.
    pub async fn quarantine(&self, filter: &Filter, limit: i64) -> Result<Vec<Kept>, Error> {
        let statement = format!(
            "SELECT to_jsonb(q) FROM (SELECT {COLUMNS} FROM hub.quarantine
              WHERE (cardinality($1::text[]) = 0 OR state = ANY($1)) AND ($2::text IS NULL OR code = $2)
                AND ($3::text IS NULL OR queue = $3)
              ORDER BY id DESC LIMIT $4) q ORDER BY q.id DESC"
        );
        within(async {
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .bind(&filter.states)
                .bind(&filter.code)
                .bind(&filter.queue)
                .bind(limit);
            read_rows(query.fetch_all(&self.pool).await?)
        })
        .await
    }

    /// One message without its content.
    pub async fn quarantined(&self, id: i64) -> Result<Option<Kept>, Error> {
        let statement = format!(
            "SELECT to_jsonb(q) FROM (SELECT {COLUMNS} FROM hub.quarantine WHERE id = $1) q"
        );
        within(async {
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(id);
            Ok(read_rows(query.fetch_all(&self.pool).await?)?.pop())
        })
        .await
    }

    /// The sealed content, after the audit knows who reads it. `None`: dropped, or no such message.
    pub async fn reveal(&self, id: i64, act: &Act) -> Result<Option<Sealed>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let sealed = sealed(&mut tx, id).await?;
            audit::note(&mut tx, act, "quarantine.reveal", &id.to_string(), "shown").await?;
            tx.commit().await?;
            Ok(sealed)
        })
        .await
    }

    /// Marks a message as one that may be published from now on, in the commit of its audit row; the
    /// refusal where it cannot be. A dry run decides the same and changes nothing.
    pub async fn begin_requeue(
        &self,
        id: i64,
        act: &Act,
    ) -> Result<Result<Requeue, Outcome>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let Some(kept) = locked(&mut tx, id).await? else { return Ok(Err(unknown(id))) };
            let begun_before = kept.state == REQUEUEING;
            if kept.state != KEPT && !begun_before {
                let text = format!("it was {} before", kept.state);
                return Ok(Err(Outcome::refused(code!("not_kept"), text)));
            }
            let Some(sealed) = sealed(&mut tx, id).await? else { return Ok(Err(unknown(id))) };
            if !act.dry_run {
                set_state(&mut tx, id, REQUEUEING).await?;
                audit::note(&mut tx, act, REQUEUE, &id.to_string(), "begun").await?;
                tx.commit().await?;
            }
            Ok(Ok(Requeue { kept, sealed, begun_before }))
        })
        .await
    }

    /// Notes what came of it. What is certainly not published is kept again, unless somebody had begun
    /// before; what may have been published stays marked.
    pub async fn end_requeue(
        &self,
        id: i64,
        begun_before: bool,
        came: Requeued,
        act: &Act,
    ) -> Result<(), Error> {
        let (state, result) = match came {
            Requeued::Confirmed => ("requeued", "requeued"),
            Requeued::NotPublished(code) if begun_before => (REQUEUEING, code.name()),
            Requeued::NotPublished(code) => (KEPT, code.name()),
            Requeued::Unknown => (REQUEUEING, "not confirmed"),
        };
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            // A colleague who published it as well may have noted it before.
            if locked(&mut tx, id).await?.is_some_and(|kept| kept.state == REQUEUEING) {
                set_state(&mut tx, id, state).await?;
            }
            audit::note(&mut tx, act, REQUEUE, &id.to_string(), result).await?;
            tx.commit().await?;
            Ok(())
        })
        .await
    }

    /// Erases a message that nobody needs.
    pub async fn drop_quarantined(&self, id: i64, act: &Act) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let outcome = match locked(&mut tx, id).await? {
                None => unknown(id),
                Some(kept) if kept.state == REQUEUEING => Outcome::refused(
                    code!("being_requeued"),
                    "somebody began to publish it again, so it may be on its way: requeue it to end \
                     that (twice does no harm), and withdraw the job",
                ),
                Some(kept) if kept.state != KEPT => {
                    let text = "it is not in quarantine (any more); `hub quarantine show` tells";
                    Outcome::refused(code!("not_kept"), text)
                }
                Some(_) => {
                    set_state(&mut tx, id, "dropped").await?;
                    audit::note(&mut tx, act, "quarantine.drop", &id.to_string(), "dropped").await?;
                    Outcome::done(code!("dropped"), "dropped; its bytes are erased")
                }
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }
}

/// No message has this number.
fn unknown(id: i64) -> Outcome {
    let text =
        format!("no message has the number {id}; `hub quarantine list` shows which there are");
    Outcome::refused(code!("unknown_message"), text)
}

/// A message, for this transaction alone.
async fn locked(tx: super::Tx<'_>, id: i64) -> Result<Option<Kept>, Error> {
    let statement = format!(
        "WITH q AS (SELECT {COLUMNS} FROM hub.quarantine WHERE id = $1 FOR UPDATE)
         SELECT to_jsonb(q) FROM q"
    );
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(id);
    Ok(read_rows(query.fetch_all(&mut *tx).await?)?.pop())
}

async fn set_state(tx: super::Tx<'_>, id: i64, state: &str) -> Result<(), Error> {
    sqlx::query(
        "UPDATE hub.quarantine SET state = $2,
            sealed = CASE $2 WHEN 'dropped' THEN ''::bytea ELSE sealed END
          WHERE id = $1",
    )
    .bind(id)
    .bind(state)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The content of a message that was not dropped.
async fn sealed(tx: super::Tx<'_>, id: i64) -> Result<Option<Sealed>, Error> {
    let row = sqlx::query(
        "SELECT key_id, sealed FROM hub.quarantine WHERE id = $1 AND state <> 'dropped'",
    )
    .bind(id)
    .fetch_optional(&mut *tx)
    .await?;
    row.map(|row| Ok(Sealed { key_id: row.try_get("key_id")?, bytes: row.try_get("sealed")? }))
        .transpose()
}
