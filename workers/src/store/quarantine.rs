//! Messages that are no job, as operators look at them, send them again, or drop them.
//!
//! *Guarantee*: a message leaves the state `kept` once, in the commit of its audit row. What is
//! dropped is gone: its bytes are erased, its reason stays. The content is read only by who leaves a
//! row in the audit first.

use contracts::code;
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
    /// `kept`, `requeued` or `dropped`.
    pub state: String,
}

/// Which messages.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// State; all where there is none.
    pub state: Option<String>,
    /// Reason.
    pub code: Option<String>,
    /// Queue.
    pub queue: Option<String>,
}

/// How a message leaves quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// It was published again.
    Requeued,
    /// Nobody needs it.
    Dropped,
}

impl Leaves {
    const fn name(self) -> &'static str {
        match self {
            Self::Requeued => "requeued",
            Self::Dropped => "dropped",
        }
    }
}

/// Everything but the bytes.
const COLUMNS: &str = "id, received_at, queue, routing_key, content_type, code, text, job_id,
    bytes, key_id, state";

impl Store {
    /// Messages, newest first.
    pub async fn quarantine(&self, filter: &Filter, limit: i64) -> Result<Vec<Kept>, Error> {
        let statement = format!(
            "SELECT to_jsonb(q) FROM (SELECT {COLUMNS} FROM hub.quarantine
              WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR code = $2)
                AND ($3::text IS NULL OR queue = $3)
              ORDER BY id DESC LIMIT $4) q ORDER BY q.id DESC"
        );
        within(async {
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .bind(&filter.state)
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

    /// The sealed content of a message that is about to be published again.
    pub async fn requeueable(&self, id: i64) -> Result<Option<Sealed>, Error> {
        within(async {
            let mut connection = self.pool.acquire().await?;
            let sealed = sealed(&mut connection, id).await?;
            connection.done();
            Ok(sealed)
        })
        .await
    }

    /// Notes that a message left. Publishing comes first: who finds that somebody else was faster
    /// has published it twice, and the hub tells by the job's id.
    pub async fn leave_quarantine(
        &self,
        id: i64,
        how: Leaves,
        act: &Act,
    ) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let left = sqlx::query(
                "UPDATE hub.quarantine SET state = $2,
                    sealed = CASE $2 WHEN 'dropped' THEN ''::bytea ELSE sealed END
                  WHERE id = $1 AND state = 'kept'",
            )
            .bind(id)
            .bind(how.name())
            .execute(&mut *tx)
            .await?;
            if left.rows_affected() == 0 {
                let text = "it is not in quarantine (any more); `hub quarantine show` tells";
                return Ok(Outcome::refused(code!("not_kept"), text));
            }
            let action = match how {
                Leaves::Requeued => "quarantine.requeue",
                Leaves::Dropped => "quarantine.drop",
            };
            audit::note(&mut tx, act, action, &id.to_string(), how.name()).await?;
            let outcome = match how {
                Leaves::Requeued => {
                    Outcome::done(code!("requeued"), "published again; the broker has confirmed it")
                }
                Leaves::Dropped => Outcome::done(code!("dropped"), "dropped; its bytes are erased"),
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }
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
