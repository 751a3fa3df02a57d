//! Timers: every wait is a row with a due time in business time.
//!
//! | kind | due | what happens |
//! |---|---|---|
//! | `wake` | retry, next part of an answer, question after a lost command | the job may be started again |
//! | `sla` | warning point, then deadline | the position changes, the portal and subscribers are told |
//! | `give_up` | give-up time | expired where they hold it, else failed: unknown outcome, or time used up |
//!
//! *Guarantee*: timers are claimed with SKIP LOCKED together with their jobs, so any number of
//! processes may fire them and none fires twice; the change, the portal row, the event and the
//! timer's removal are one commit.

use std::collections::HashMap;

use contracts::{
    code,
    operation::OperationSpec,
    state::{Phase, Sla, State},
};
use serde_json::Map;
use sqlx::Row;

use super::{
    Error, Store, Tx,
    record::{self, Change, Guard, Recorded},
    sla, within,
};
use crate::fail_point::{self, Point};

/// Writes the timers that the present state of these jobs needs; `wake_ms` delays waiting ones.
pub(super) async fn arm(tx: Tx<'_>, seqs: &[i64], wake_ms: &[(i64, i64)]) -> Result<(), Error> {
    if seqs.is_empty() {
        return Ok(());
    }
    let delays: Vec<Option<i64>> = seqs
        .iter()
        .map(|seq| wake_ms.iter().find(|(s, _)| s == seq).map(|(_, delay)| *delay))
        .collect();
    sqlx::query(
        "INSERT INTO hub.timer (job_seq, kind, due_at)
         SELECT j.seq, k.kind, k.due
           FROM UNNEST($1::bigint[], $2::bigint[]) u (seq, delay_ms)
           JOIN hub.job_live j ON j.seq = u.seq
          CROSS JOIN LATERAL (VALUES
            ('wake', CASE WHEN j.state = 'waiting' OR u.delay_ms IS NOT NULL
                          THEN hub.now() + coalesce(u.delay_ms, 0) * interval '1 millisecond' END),
            ('sla', CASE j.sla WHEN 'on_time' THEN j.at_risk_at
                               WHEN 'at_risk' THEN j.deadline_at END),
            ('give_up', j.give_up_at)
          ) k (kind, due)
          WHERE k.due IS NOT NULL
          ORDER BY j.seq, k.kind
         ON CONFLICT (job_seq, kind) DO UPDATE SET due_at = excluded.due_at",
    )
    .bind(seqs)
    .bind(delays)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Removes all timers of jobs that have ended.
pub(super) async fn disarm(tx: Tx<'_>, seqs: &[i64]) -> Result<(), Error> {
    if seqs.is_empty() {
        return Ok(());
    }
    sqlx::query("DELETE FROM hub.timer WHERE job_seq = ANY($1)")
        .bind(seqs)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Removes the wake timer of a job that must not be started by it any more.
pub(super) async fn disarm_wake(tx: Tx<'_>, seq: i64) -> Result<(), Error> {
    sqlx::query("DELETE FROM hub.timer WHERE job_seq = $1 AND kind = 'wake'")
        .bind(seq)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// A timer that is due, with what is needed to decide.
#[derive(Debug, Clone)]
pub struct Due {
    /// The job.
    pub seq: i64,
    /// `wake`, `sla` or `give_up`.
    pub kind: String,
    /// The job's state.
    pub state: State,
    /// What its next call does.
    pub phase: Phase,
    /// Its system.
    pub system: String,
    /// Its operation.
    pub operation: String,
    /// Its position now.
    pub sla: Sla,
    /// How late the timer is, in milliseconds of business time.
    pub late_ms: i64,
    /// Whether their system was asked once more after the give-up time, and what came is read.
    pub looked: bool,
}

/// Locks due timers with their jobs. Whoever is busy with one of them deals with it later.
pub(super) async fn lock_due(tx: Tx<'_>, limit: i64) -> Result<Vec<Due>, Error> {
    let rows = sqlx::query(
        "SELECT t.job_seq, t.kind, j.state, j.phase, j.system, j.operation, j.sla,
                (extract(epoch FROM hub.now() - t.due_at) * 1000)::bigint AS late_ms,
                coalesce((SELECT d.pulled_at >= j.give_up_at FROM hub.destination d
                           WHERE d.system = j.system), false)
                  AND NOT EXISTS (SELECT 1 FROM hub.inbound i WHERE i.system = j.system
                    AND (i.state = 'stored' OR (i.state = 'parked' AND EXISTS (
                      SELECT 1 FROM hub.correlation c WHERE c.system = i.system
                         AND c.correlation_id = i.correlation_id AND c.job_seq = j.seq))))
                  AS looked
           FROM hub.timer t JOIN hub.job_live j ON j.seq = t.job_seq
          WHERE t.due_at <= hub.now()
          ORDER BY t.due_at LIMIT $1
          FOR UPDATE OF t, j SKIP LOCKED",
    )
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    rows.iter()
        .map(|row| {
            let state: String = row.try_get("state")?;
            let sla: String = row.try_get("sla")?;
            let phase: String = row.try_get("phase")?;
            Ok(Due {
                seq: row.try_get("job_seq")?,
                kind: row.try_get("kind")?,
                state: State::from_name(&state).unwrap_or(State::Accepted),
                phase: Phase::from_name(&phase).unwrap_or(Phase::Send),
                system: row.try_get("system")?,
                operation: row.try_get("operation")?,
                sla: Sla::from_name(&sla).unwrap_or(Sla::OnTime),
                late_ms: row.try_get("late_ms")?,
                looked: row.try_get("looked")?,
            })
        })
        .collect()
}

/// Makes due jobs startable again.
pub(super) async fn wake(tx: Tx<'_>, seqs: &[i64]) -> Result<(), Error> {
    if seqs.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "WITH woken AS (
           UPDATE hub.job_live
              SET state = 'accepted', phase = CASE state WHEN 'in_doubt' THEN 'ask' ELSE phase END
            WHERE seq = ANY($1) AND state IN ('waiting', 'pending', 'in_doubt')
              AND phase <> 'consent')
         DELETE FROM hub.timer WHERE job_seq = ANY($1) AND kind = 'wake'",
    )
    .bind(seqs)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Looks again later, in milliseconds of business time.
pub(super) async fn postpone(
    tx: Tx<'_>,
    seqs: &[i64],
    kind: &str,
    by_ms: i64,
) -> Result<(), Error> {
    if seqs.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE hub.timer SET due_at = hub.now() + $3 * interval '1 millisecond'
          WHERE job_seq = ANY($1) AND kind = $2",
    )
    .bind(seqs)
    .bind(kind)
    .bind(by_ms)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

impl Store {
    /// Business milliseconds until the next timer; negative where one is due.
    pub async fn next_timer_ms(&self) -> Result<Option<i64>, Error> {
        within(async {
            Ok(sqlx::query_scalar(
                "SELECT (extract(epoch FROM t.due_at - hub.now()) * 1000)::bigint
                   FROM hub.timer t ORDER BY t.due_at LIMIT 1",
            )
            .fetch_optional(&self.pool)
            .await?)
        })
        .await
    }
}

/// What to do about a due timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The job may be started again.
    Wake,
    /// The promise moves.
    MoveSla,
    /// Nobody answered: the job ends as `expired`.
    Expire,
    /// Nobody can tell whether it was executed: the job ends as `failed`.
    EndDoubt,
    /// It never came to an answer: the job ends as `failed`.
    UseUp,
    /// The consent that it waits for may be there.
    LookAtConsent,
    /// Their system must be asked once more before the job may end.
    LookFirst,
    /// The timer has nothing to say any more.
    Drop,
}

/// What was fired.
#[derive(Debug, Default)]
pub struct Fired {
    /// Due timers with what was done.
    pub done: Vec<(Due, Action)>,
    /// Positions that moved, by operation.
    pub moved: Vec<(&'static str, Sla)>,
    /// Jobs that ended.
    pub ended: Vec<(&'static str, Recorded)>,
}

/// Business time until their system is looked at again before a job ends.
const LOOK_AGAIN_MS: i64 = 5_000;

impl Store {
    /// Fires what is due, up to `limit`, in one commit.
    pub async fn fire_due(
        &self,
        limit: i64,
        decide: impl Fn(&Due) -> Action,
        operations: &HashMap<&'static str, &'static OperationSpec>,
    ) -> Result<Fired, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let due = lock_due(&mut tx, limit).await?;
            if due.is_empty() {
                return Ok(Fired::default());
            }
            let done: Vec<(Due, Action)> =
                due.into_iter().map(|d| (decide(&d), d)).map(flip).collect();
            let of = |action: Action| -> Vec<i64> {
                done.iter().filter(|(_, a)| *a == action).map(|(d, _)| d.seq).collect()
            };
            wake(&mut tx, &of(Action::Wake)).await?;
            let moved = sla::advance(&mut tx, &of(Action::MoveSla), operations).await?;
            postpone(&mut tx, &of(Action::LookFirst), "give_up", LOOK_AGAIN_MS).await?;
            postpone(&mut tx, &of(Action::LookAtConsent), "wake", LOOK_AGAIN_MS).await?;
            drop_timers(&mut tx, &done).await?;
            let ended = end_jobs(&mut tx, &done, operations).await?;
            fail_point::reach(Point::BeforeTimerCommit);
            tx.commit().await?;
            Ok(Fired { done, moved, ended })
        })
        .await
    }
}

fn flip((action, due): (Action, Due)) -> (Due, Action) {
    (due, action)
}

async fn drop_timers(tx: Tx<'_>, done: &[(Due, Action)]) -> Result<(), Error> {
    for (due, _) in done.iter().filter(|(_, action)| *action == Action::Drop) {
        sqlx::query("DELETE FROM hub.timer WHERE job_seq = $1 AND kind = $2")
            .bind(due.seq)
            .bind(&due.kind)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

async fn end_jobs(
    tx: Tx<'_>,
    done: &[(Due, Action)],
    operations: &HashMap<&'static str, &'static OperationSpec>,
) -> Result<Vec<(&'static str, Recorded)>, Error> {
    let mut changes = Vec::new();
    for (due, action) in done {
        let (to, code) = match action {
            Action::Expire => (State::Expired, code!("no_answer")),
            Action::EndDoubt => (State::Failed, code!("outcome_unknown")),
            Action::UseUp => (State::Failed, code!("time_used_up")),
            Action::Wake
            | Action::MoveSla
            | Action::LookFirst
            | Action::LookAtConsent
            | Action::Drop => continue,
        };
        let guard = match due.state {
            State::Accepted | State::Waiting => Guard::Unsent,
            State::Calling
            | State::Pending
            | State::InDoubt
            | State::Succeeded
            | State::Refused
            | State::Failed
            | State::Expired
            | State::Cancelled
            | State::Rejected => Guard::Live,
        };
        let Some(operation) = operations.get(due.operation.as_str()).copied() else { continue };
        let mut summary = Map::new();
        summary.insert("code".to_owned(), code.into());
        changes.push(Change {
            code: Some(code),
            summary,
            ..Change::to(to, due.seq, operation, guard)
        });
    }
    let recorded = record::record(tx, &changes).await?;
    let ended = changes.iter().zip(recorded);
    Ok(ended.filter_map(|(change, after)| Some((change.operation.name, after?))).collect())
}
