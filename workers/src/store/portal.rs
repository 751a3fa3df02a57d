//! The portal's tables, written from the description that each operation carries.
//!
//! *Guarantee*: from its admission on, the newest job of a subject owns the row (invariant 10): only
//! a job whose number stands in the row changes it, so a late answer to an older job changes
//! nothing. A job that takes a row over clears what the older one left.

use std::collections::BTreeMap;

use contracts::operation::PortalTable;
use serde_json::{Map, Value};

use super::{Error, Tx, admission::Entry, admission::Fate};

/// What a change of a job means for its row.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) table: &'static PortalTable,
    pub(super) subject: String,
    pub(super) seq: i64,
    pub(super) status: &'static str,
    pub(super) sla: &'static str,
    /// RFC 3339, where the job has ended.
    pub(super) completed_at: Option<String>,
    pub(super) late: bool,
    /// The answer's columns, where there is an answer.
    pub(super) values: Option<Map<String, Value>>,
}

/// Gives the rows of these subjects to the new jobs.
pub(super) async fn take_over(tx: Tx<'_>, new: &[(i64, &Entry)]) -> Result<(), Error> {
    let mut tables: BTreeMap<&'static str, (&'static PortalTable, Vec<i64>)> = BTreeMap::new();
    for (seq, entry) in new {
        if let (Fate::Job { .. }, Some(operation)) = (&entry.fate, entry.operation) {
            let key = operation.name;
            tables.entry(key).or_insert_with(|| (&operation.portal, Vec::new())).1.push(*seq);
        }
    }
    for (table, seqs) in tables.into_values() {
        let statement = take_over_statement(table);
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(seqs).execute(&mut *tx).await?;
    }
    Ok(())
}

fn take_over_statement(table: &PortalTable) -> String {
    let constants: String = table.constants.iter().map(|(c, _)| format!(", {c}")).collect();
    let values: String = table.constants.iter().map(|(_, v)| format!(", '{v}'")).collect();
    let cleared: String = table.columns.iter().map(|c| format!(", {c} = DEFAULT")).collect();
    let name = table.name;
    format!(
        "INSERT INTO {name} AS p (subject{constants}, job_id, job_seq, status, requested_at,
           deadline_at, sla)
         SELECT DISTINCT ON (j.subject) j.subject{values}, j.id, j.seq, 'accepted', j.requested_at,
           j.deadline_at, j.sla
           FROM hub.job_live j WHERE j.seq = ANY($1) ORDER BY j.subject, j.seq DESC
         ON CONFLICT (subject{constants}) DO UPDATE SET
           job_id = excluded.job_id, job_seq = excluded.job_seq, status = excluded.status,
           requested_at = excluded.requested_at, deadline_at = excluded.deadline_at,
           sla = excluded.sla, completed_at = NULL, late = false{cleared}
         WHERE p.job_seq < excluded.job_seq"
    )
}

/// Writes what changed, for the jobs that still own their rows.
pub(super) async fn change(tx: Tx<'_>, mut changes: Vec<Change>) -> Result<(), Error> {
    // Everybody locks rows in the order of their subjects, so that nobody waits in a circle.
    changes.sort_by(|a, b| a.subject.cmp(&b.subject));
    let mut tables: BTreeMap<&'static str, (&'static PortalTable, Vec<Value>)> = BTreeMap::new();
    for change in changes {
        let mut row = change.values.unwrap_or_default();
        row.insert("subject".to_owned(), change.subject.into());
        row.insert("job_seq".to_owned(), change.seq.into());
        row.insert("status".to_owned(), change.status.into());
        row.insert("sla".to_owned(), change.sla.into());
        row.insert("completed_at".to_owned(), change.completed_at.into());
        row.insert("late".to_owned(), change.late.into());
        let entry = tables.entry(change.table.name);
        entry.or_insert_with(|| (change.table, Vec::new())).1.push(Value::Object(row));
    }
    for (table, rows) in tables.into_values() {
        let statement = change_statement(table);
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(Value::Array(rows))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

fn change_statement(table: &PortalTable) -> String {
    // Only an answer fills the operation's columns; anything else leaves them as they are.
    let columns: String = table
        .columns
        .iter()
        .map(|c| format!(", {c} = CASE WHEN r.status = 'succeeded' THEN r.{c} ELSE p.{c} END"))
        .collect();
    let name = table.name;
    format!(
        "UPDATE {name} p SET status = r.status, sla = r.sla, completed_at = r.completed_at,
           late = r.late{columns}
           FROM jsonb_populate_recordset(NULL::{name}, $1) r
          WHERE p.subject = r.subject AND p.job_seq = r.job_seq"
    )
}
