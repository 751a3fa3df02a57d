//! What people do to jobs and to the quarantine: who, why, and what came of it.
//!
//! *Guarantee*: the row of the audit is written in the commit of the act that it tells of. A dry run
//! is the same transaction, rolled back: it decides what the act would decide, and changes nothing.

use contracts::{code, code::Code};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Store, Tx, read_rows, within};

/// Who acts, why, and whether only to see what would happen.
#[derive(Debug, Clone)]
pub struct Act {
    /// Who.
    pub actor: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// Whether everything is taken back.
    pub dry_run: bool,
}

/// What came of an act on one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Whether it was done (in a dry run: would be).
    pub done: bool,
    /// Stable code.
    pub code: Code,
    /// What happened, or what is wrong and what to do.
    pub text: String,
    /// The job that began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_job: Option<Uuid>,
}

impl Outcome {
    /// It was done.
    pub fn done(code: Code, text: impl Into<String>) -> Self {
        Self { done: true, code, text: text.into(), new_job: None }
    }

    /// It was not done, and nothing changed.
    pub fn refused(code: Code, text: impl Into<String>) -> Self {
        Self { done: false, code, text: text.into(), new_job: None }
    }

    /// There is no such job.
    pub fn unknown_job() -> Self {
        Self::refused(
            code!("unknown_job"),
            "no job has this id; `hub jobs list` shows which there are",
        )
    }

    /// It is another build's.
    pub fn other_build() -> Self {
        Self::refused(
            code!("other_build"),
            "this program does not know its operation: use a newer one",
        )
    }
}

/// One row of the audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// Business time.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// For example `jobs.retry`.
    pub action: String,
    /// The job, the message in quarantine, the system.
    pub target: String,
    /// Why.
    pub reason: Option<String>,
    /// What came of it.
    pub result: Option<String>,
}

/// Which rows of the audit.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Who.
    pub actor: Option<String>,
    /// The action, or what it begins with: `jobs` finds `jobs.retry`.
    pub action: Option<String>,
    /// What it was done to.
    pub target: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

impl Store {
    /// Rows of the audit, newest first.
    pub async fn list_audit(&self, filter: &Filter, limit: i64) -> Result<Vec<Entry>, Error> {
        within(async {
            let query = sqlx::query_scalar(
                "SELECT to_jsonb(a) FROM hub.audit a
                  WHERE ($1::text IS NULL OR actor = $1)
                    AND ($2::text IS NULL OR action = $2 OR starts_with(action, $2 || '.'))
                    AND ($3::text IS NULL OR target = $3)
                    AND ($4::text IS NULL OR at >= $4::timestamptz)
                    AND ($5::text IS NULL OR at < $5::timestamptz)
                  ORDER BY id DESC LIMIT $6",
            )
            .bind(&filter.actor)
            .bind(&filter.action)
            .bind(&filter.target)
            .bind(filter.since.map(|at| at.to_string()))
            .bind(filter.until.map(|at| at.to_string()))
            .bind(limit);
            read_rows(query.fetch_all(&self.pool).await?)
        })
        .await
    }
}

/// Writes the row of an act, in the act's commit.
pub(super) async fn note(
    tx: Tx<'_>,
    act: &Act,
    action: &str,
    target: &str,
    result: &str,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO hub.audit (at, actor, action, target, reason, result)
         VALUES (hub.now(), $1, $2, $3, $4, $5)",
    )
    .bind(&act.actor)
    .bind(action)
    .bind(target)
    .bind(&act.reason)
    .bind(result)
    .execute(tx)
    .await?;
    Ok(())
}

/// Commits what was done; takes everything back where nothing was, or where it was only tried.
pub(super) async fn finish(
    tx: super::Transaction,
    act: &Act,
    outcome: Outcome,
) -> Result<Outcome, Error> {
    if outcome.done && !act.dry_run {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    Ok(outcome)
}
