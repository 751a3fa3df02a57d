//! Rows as the hub would have written them.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, PgPool};

/// Admission numbers of the jobs that come due begin here.
const DUE_FROM: i64 = 1_000_000_000;
/// Between writing the jobs that come due and the first of them.
const LEAD_S: i64 = 15;

/// The columns of a job that a portal would have sent. The ids rise, as those of UUID version 7 do.
fn jobs(from: i64, to: i64, state: &str, more: &str) -> String {
    format!(
        "INSERT INTO hub.job_live (seq, id, system, operation, subject, requested_by, priority, input,
           consent, requested_at, admitted_at, at_risk_at, deadline_at, give_up_at, state, sla, run,
           attempts, events, event, code, summary)
         SELECT n, ('01939f2e-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
           CASE WHEN held THEN 'kpsisu' ELSE 'gbdfl' END,
           CASE WHEN held THEN 'kpsisu.check' ELSE 'gbdfl.person' END,
           CASE WHEN held THEN 'specialist:' ELSE 'person:' END || n,
           'organisation:990140000007', 1, '{{\"iin\": \"850100300012\"}}',
           CASE WHEN held THEN '{{\"kind\": \"eds\", \"accepted_at\": \"2026-11-22T10:00:00+05:00\",
             \"text_version\": \"2019-10\"}}'::jsonb END,
           c.now, c.now, {more}, {state}, 'on_time', 1, 1, 2,
           CASE WHEN held THEN 'pending' ELSE 'waiting' END,
           CASE WHEN held THEN NULL ELSE 'connect_refused' END,
           CASE WHEN held THEN '{{}}' ELSE '{{\"code\": \"connect_refused\", \"class\": \"unreachable\"}}'
             END::jsonb
           FROM generate_series({from}, {to}) n
          CROSS JOIN (SELECT hub.now() AS now) c
          CROSS JOIN LATERAL (SELECT {HELD} AS held) h"
    )
}

/// Every second job is held by them; so are all that come due.
const HELD: &str = "(n % 2 = 0 OR n >= 1000000000)";

fn timers(condition: &str) -> String {
    format!(
        "INSERT INTO hub.timer (job_seq, kind, due_at)
         SELECT j.seq, k.kind, k.due FROM hub.job_live j CROSS JOIN LATERAL (VALUES
           ('wake', CASE WHEN j.state = 'waiting'
              THEN j.requested_at + interval '1 day' + (j.seq % 86400) * interval '1 second' END),
           ('sla', j.at_risk_at), ('give_up', j.give_up_at)) k (kind, due)
          WHERE k.due IS NOT NULL AND {condition}"
    )
}

/// Writes jobs that wait, none of which is due for a day, and analyses the tables.
pub async fn waiting(db: &PgPool, rows: i64) -> Result<()> {
    // Written into fresh files, so that nothing of it goes through the log; indexes whose order is
    // not that of the rows are made afterwards.
    let instants = "c.now + interval '2 days' + (n % 500000) * interval '1 second',
           c.now + interval '8 days' + (n % 500000) * interval '1 second',
           c.now + interval '30 days' + (n % 500000) * interval '1 second'";
    let state = "CASE WHEN held THEN 'pending' ELSE 'waiting' END";
    let script = format!(
        "SET synchronous_commit = off; SET maintenance_work_mem = '512MB';
         BEGIN;
         TRUNCATE hub.job_live; TRUNCATE hub.timer; TRUNCATE hub.job_key; TRUNCATE hub.correlation;
         DROP INDEX hub.job_live_open; DROP INDEX hub.job_live_deadline; DROP INDEX hub.timer_due;
         {};
         {};
         INSERT INTO hub.job_key SELECT id, seq, sha256(uuid_send(id)) FROM hub.job_live;
         INSERT INTO hub.correlation SELECT system, id::text, seq, 'm-' || id::text, requested_at
           FROM hub.job_live WHERE state = 'pending';
         CREATE INDEX job_live_deadline ON hub.job_live (operation, deadline_at);
         CREATE INDEX job_live_open ON hub.job_live (system, state)
           WHERE state IN ('waiting', 'pending', 'in_doubt');
         CREATE INDEX timer_due ON hub.timer (due_at);
         COMMIT;",
        jobs(1, rows, state, instants),
        timers("true"),
    );
    run(db, &script).await?;
    for table in ["job_live", "timer", "job_key", "correlation"] {
        run(db, &format!("VACUUM ANALYZE hub.{table}")).await?;
    }
    for table in ["job_live", "timer"] {
        run(db, &format!("ALTER TABLE hub.{table} SET (autovacuum_enabled = off)")).await?;
    }
    run(db, "CHECKPOINT").await
}

/// Writes jobs whose warnings come due at this rate; returns when the first one does.
pub async fn due(db: &PgPool, count: i64, rate: i64) -> Result<Timestamp> {
    let (from, to) = (DUE_FROM, DUE_FROM + count - 1);
    let first: String = sqlx::query_scalar(
        "SELECT to_char((hub.now() + $1 * interval '1 second') AT TIME ZONE 'UTC',
                        'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
    )
    .bind(LEAD_S)
    .fetch_one(db)
    .await?;
    let start: Timestamp = first.parse()?;
    let instants = format!(
        "'{first}'::timestamptz + (n - {from}) * interval '1 second' / {rate},
         c.now + interval '8 days', c.now + interval '30 days'"
    );
    let script = format!(
        "BEGIN; {};
         INSERT INTO portal.specialist_check (subject, system, job_id, job_seq, status, requested_at,
           deadline_at, sla) SELECT subject, system, id, seq, 'pending', requested_at, deadline_at, sla
           FROM hub.job_live WHERE seq >= {DUE_FROM};
         {}; COMMIT;",
        jobs(from, to, "'pending'", &instants),
        timers(&format!("j.seq >= {DUE_FROM}")),
    );
    run(db, &script).await?;
    Ok(start)
}

/// The place of a job among those that come due.
pub fn number_of(id: &str) -> Result<i64> {
    let digits = id.rsplit('-').next().context("a UUID has parts")?;
    Ok(i64::from_str_radix(digits, 16)? - DUE_FROM)
}

/// When its warning is due.
pub fn due_at(start: Timestamp, number: i64, rate: i64) -> Result<Timestamp> {
    Ok(start.checked_add(SignedDuration::from_micros(number * 1_000_000 / rate))?)
}

/// Of the jobs that came due: how many have no warning, and how many more than one.
pub async fn settled(db: &PgPool) -> Result<(i64, i64)> {
    Ok(sqlx::query_as(
        "SELECT count(*) FILTER (WHERE events < 3 OR sla <> 'at_risk'),
                count(*) FILTER (WHERE events > 3) FROM hub.job_live WHERE seq >= $1",
    )
    .bind(DUE_FROM)
    .fetch_one(db)
    .await?)
}

async fn run(db: &PgPool, script: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(script.to_owned())).execute(db).await?;
    Ok(())
}
