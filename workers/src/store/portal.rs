//! The portal's tables, written from the description that each operation carries.
//!
//! Two kinds of rows. An *owned* row ([`PortalTable`]) belongs to the newest job of its key: only a job
//! whose number stands in the row changes it (invariant 10), so a late answer to an older job changes
//! nothing. A *shared* row ([`Record`]) belongs to nobody: several operations write parts of it, each
//! by the rule of its record.
//!
//! *Guarantee*: rows are written in the commit of the change that they tell of (invariant 4).

use std::collections::{BTreeMap, HashSet};

use adapters::attempt::Write;
use contracts::operation::{Key, Mode, PortalTable, Record, RowsTable, Takeover};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, Store, Tx,
    admission::{Entry, Fate},
    held::Held,
    read_rows, within,
};

impl Store {
    /// Rows of a portal table that have this value in this column, as the portal would read them.
    pub async fn look_at_portal(
        &self,
        table: &'static str,
        (column, value): (&'static str, &str),
    ) -> Result<Vec<Value>, Error> {
        within(async {
            let statement = format!("SELECT to_jsonb(t) FROM {table} t WHERE t.{column} = $1");
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(value);
            Ok(query.fetch_all(&self.pool).await?)
        })
        .await
    }
}

/// What a change of a job means for its row.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) table: &'static PortalTable,
    /// The subject, or the job's id: what the table's first key column holds.
    pub(super) key: String,
    pub(super) seq: i64,
    pub(super) status: &'static str,
    pub(super) sla: &'static str,
    /// RFC 3339, where the job has ended.
    pub(super) completed_at: Option<String>,
    pub(super) late: bool,
    /// The answer's columns, where there is an answer.
    pub(super) values: Option<Map<String, Value>>,
    /// The answer's rows of the second table.
    pub(super) rows: Option<Vec<Map<String, Value>>>,
}

/// What the first key column of a job's row holds; `None` where the job has no subject.
pub(super) fn key_of(
    table: &PortalTable,
    id: uuid::Uuid,
    subject: Option<&String>,
) -> Option<String> {
    match table.key {
        Key::Subject => subject.cloned(),
        Key::Job(_) => Some(id.to_string()),
    }
}

const fn key_column(table: &PortalTable) -> &'static str {
    match table.key {
        Key::Subject => "subject",
        Key::Job(column) => column,
    }
}

/// The row that a job owns or owned, without the answer's columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Owned {
    /// The table.
    pub table: String,
    /// The state as the portal reads it.
    pub status: String,
    /// The position.
    pub sla: String,
    /// Whether the answer came after the deadline.
    pub late: bool,
    /// When it came.
    pub completed_at: Option<Timestamp>,
    /// Whose row it is now.
    pub job_id: Uuid,
    pub(super) job_seq: i64,
}

/// The row of a job's key, where there is one; `lock` keeps others from it until the commit.
pub(super) async fn owned(
    tx: Tx<'_>,
    table: &PortalTable,
    key: &str,
    lock: bool,
) -> Result<Option<Owned>, Error> {
    let constants: String = table
        .constants
        .iter()
        .map(|(column, value)| format!(" AND {column} = '{value}'"))
        .collect();
    let statement = format!(
        "SELECT jsonb_build_object('table', '{}', 'status', status, 'sla', sla, 'late', late,
           'completed_at', completed_at, 'job_id', job_id, 'job_seq', job_seq)
           FROM {} WHERE {} = $1{constants}{}",
        table.name,
        table.name,
        key_column(table),
        if lock { " FOR UPDATE" } else { "" }
    );
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(key);
    Ok(read_rows(query.fetch_all(&mut *tx).await?)?.pop())
}

/// The newer job that a job's row belongs to; `None` where it is the job's own, or it has none.
pub(super) async fn newer_owner(tx: Tx<'_>, job: &Held) -> Result<Option<Uuid>, Error> {
    let Some(table) = &job.operation.portal else { return Ok(None) };
    let Some(key) = key_of(table, job.id, job.subject.as_ref()) else { return Ok(None) };
    let row = owned(tx, table, &key, true).await?;
    Ok(row.filter(|row| row.job_seq > job.seq).map(|row| row.job_id))
}

/// Gives the rows of these keys to the new jobs.
pub(super) async fn take_over(tx: Tx<'_>, new: &[(i64, &Entry)]) -> Result<(), Error> {
    // In the order in which `change` goes, so that the two never wait for each other in a circle.
    let mut tables: BTreeMap<(&'static str, &'static str), (&'static PortalTable, Vec<i64>)> =
        BTreeMap::new();
    for (seq, entry) in new {
        let (Fate::Job { .. }, Some(operation)) = (&entry.fate, entry.operation) else { continue };
        if let Some(table) = &operation.portal {
            let order = (table.name, operation.name);
            tables.entry(order).or_insert_with(|| (table, Vec::new())).1.push(*seq);
        }
    }
    for (table, seqs) in tables.into_values() {
        let statement = take_over_statement(table);
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(&seqs).execute(&mut *tx).await?;
        if let (Some(rows), Takeover::Clears) = (&table.rows, table.takeover) {
            clear_rows(tx, table, rows, &seqs).await?;
        }
    }
    Ok(())
}

fn take_over_statement(table: &PortalTable) -> String {
    let constants: String = table.constants.iter().map(|(c, _)| format!(", {c}")).collect();
    let values: String = table.constants.iter().map(|(_, v)| format!(", '{v}'")).collect();
    let cleared: String = match table.takeover {
        Takeover::Clears => table.columns.iter().map(|c| format!(", {c} = DEFAULT")).collect(),
        Takeover::Keeps => String::new(),
    };
    let (key, value) = match table.key {
        Key::Subject => ("subject", "j.subject"),
        Key::Job(column) => (column, "j.id::text"),
    };
    let name = table.name;
    format!(
        "INSERT INTO {name} AS p ({key}{constants}, job_id, job_seq, status, requested_at,
           deadline_at, sla)
         SELECT DISTINCT ON ({value}) {value}{values}, j.id, j.seq, 'accepted', j.requested_at,
           j.deadline_at, j.sla
           FROM hub.job_live j WHERE j.seq = ANY($1) ORDER BY {value}, j.seq DESC
         ON CONFLICT ({key}{constants}) DO UPDATE SET
           job_id = excluded.job_id, job_seq = excluded.job_seq, status = excluded.status,
           requested_at = excluded.requested_at, deadline_at = excluded.deadline_at,
           sla = excluded.sla, completed_at = NULL, late = false{cleared}
         WHERE p.job_seq < excluded.job_seq"
    )
}

/// Removes the rows of the second table whose owners are these jobs.
async fn clear_rows(
    tx: Tx<'_>,
    table: &PortalTable,
    rows: &RowsTable,
    seqs: &[i64],
) -> Result<(), Error> {
    let statement = format!(
        "DELETE FROM {} r USING {} p WHERE r.subject = p.subject AND p.job_seq = ANY($1)",
        rows.name, table.name
    );
    sqlx::query(sqlx::AssertSqlSafe(statement)).bind(seqs).execute(&mut *tx).await?;
    Ok(())
}

/// Writes what changed, for the jobs that still own their rows.
pub(super) async fn change(tx: Tx<'_>, mut changes: Vec<Change>) -> Result<(), Error> {
    // Everybody locks rows in the order of their keys, so that nobody waits in a circle.
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    // Only an answer fills the operation's columns; anything else leaves them as they are.
    let mut tables: BTreeMap<(&'static str, bool), Vec<Change>> = BTreeMap::new();
    for change in changes {
        tables.entry((change.table.name, change.values.is_some())).or_default().push(change);
    }
    for ((_, answered), changes) in tables {
        let Some(table) = changes.first().map(|change| change.table) else { continue };
        let batch: Vec<Value> = changes.iter().map(|change| owned_row(table, change)).collect();
        let owners: Vec<i64> = sqlx::query(sqlx::AssertSqlSafe(change_statement(table, answered)))
            .bind(Value::Array(batch))
            .fetch_all(&mut *tx)
            .await?
            .iter()
            .map(|row| row.try_get("job_seq"))
            .collect::<Result<_, _>>()?;
        if let Some(rows) = &table.rows {
            replace_rows(tx, table, rows, &changes, &owners).await?;
        }
    }
    Ok(())
}

fn owned_row(table: &PortalTable, change: &Change) -> Value {
    let mut row = change.values.clone().unwrap_or_default();
    row.insert(key_column(table).to_owned(), change.key.as_str().into());
    row.insert("job_seq".to_owned(), change.seq.into());
    row.insert("status".to_owned(), change.status.into());
    row.insert("sla".to_owned(), change.sla.into());
    row.insert("completed_at".to_owned(), change.completed_at.clone().into());
    row.insert("late".to_owned(), change.late.into());
    Value::Object(row)
}

fn change_statement(table: &PortalTable, answered: bool) -> String {
    let filled: &[&str] = if answered { table.columns } else { &[] };
    let columns: String = filled.iter().map(|c| format!(", {c} = r.{c}")).collect();
    let (name, key) = (table.name, key_column(table));
    format!(
        "UPDATE {name} p SET status = r.status, sla = r.sla, completed_at = r.completed_at,
           late = r.late{columns}
           FROM jsonb_populate_recordset(NULL::{name}, $1) r
          WHERE p.{key} = r.{key} AND p.job_seq = r.job_seq RETURNING p.job_seq"
    )
}

async fn replace_rows(
    tx: Tx<'_>,
    table: &PortalTable,
    rows: &RowsTable,
    changes: &[Change],
    owners: &[i64],
) -> Result<(), Error> {
    let owners: HashSet<i64> = owners.iter().copied().collect();
    let answered: Vec<&Change> = changes
        .iter()
        .filter(|change| change.rows.is_some() && owners.contains(&change.seq))
        .collect();
    if answered.is_empty() {
        return Ok(());
    }
    let seqs: Vec<i64> = answered.iter().map(|change| change.seq).collect();
    clear_rows(tx, table, rows, &seqs).await?;
    let batch: Vec<Value> = answered
        .iter()
        .flat_map(|change| change.rows.iter().flatten().map(move |row| (change, row)))
        .map(|(change, row)| {
            let mut row = row.clone();
            row.insert("subject".to_owned(), change.key.as_str().into());
            Value::Object(row)
        })
        .collect();
    let columns: String = rows.columns.iter().map(|c| format!(", {c}")).collect();
    let name = rows.name;
    let statement = format!(
        "INSERT INTO {name} (subject{columns})
         SELECT subject{columns} FROM jsonb_populate_recordset(NULL::{name}, $1)"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    query.bind(Value::Array(batch)).execute(&mut *tx).await?;
    Ok(())
}

/// Makes the writes into shared rows; `subject` is filled in where the key wants it. Returns how many
/// rows they changed.
pub(super) async fn write(tx: Tx<'_>, writes: &[(Option<&str>, &Write)]) -> Result<u64, Error> {
    let mut rows: Vec<(&'static Record, String, Value)> = Vec::with_capacity(writes.len());
    for (subject, write) in writes {
        let mut values = write.values.expose().clone();
        if let (true, Some(subject)) = (write.record.key.contains(&"subject"), subject) {
            values.entry("subject").or_insert_with(|| (*subject).into());
        }
        let key: Vec<&Value> = write.record.key.iter().filter_map(|k| values.get(*k)).collect();
        let order = format!("{} {key:?}", write.record.name);
        rows.push((write.record, order, Value::Object(values)));
    }
    // Stable: two writes of one row keep their order. Sorted, so that two batches of writes do not wait
    // in a circle; with an owned row of the same table they may, and then one of them is tried again.
    rows.sort_by(|a, b| a.1.cmp(&b.1));
    let mut changed = 0;
    for (record, _, row) in rows {
        let statement = sqlx::AssertSqlSafe(write_statement(record));
        changed += sqlx::query(statement).bind(row).execute(&mut *tx).await?.rows_affected();
    }
    Ok(changed)
}

fn write_statement(record: &Record) -> String {
    let (name, key) = (record.name, record.key.join(", "));
    let all: String = record.columns.iter().map(|c| format!(", {c}")).collect();
    let set = |from: &str| {
        let each: Vec<String> =
            record.columns.iter().map(|c| format!("{c} = {from}.{c}")).collect();
        each.join(", ")
    };
    let insert = format!(
        "INSERT INTO {name} AS t ({key}{all})
         SELECT {key}{all} FROM jsonb_populate_record(NULL::{name}, $1) ON CONFLICT ({key}) DO"
    );
    match record.mode {
        Mode::Once => format!("{insert} NOTHING"),
        Mode::Upsert => format!("{insert} UPDATE SET {}", set("excluded")),
        Mode::Forward(column) => format!(
            "{insert} UPDATE SET {} WHERE t.{column} IS NULL OR excluded.{column} > t.{column}",
            set("excluded")
        ),
        Mode::Update => {
            let same: Vec<String> = record.key.iter().map(|k| format!("t.{k} = r.{k}")).collect();
            format!(
                "UPDATE {name} t SET {} FROM jsonb_populate_record(NULL::{name}, $1) r WHERE {}",
                set("r"),
                same.join(" AND ")
            )
        }
    }
}
