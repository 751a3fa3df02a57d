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
//! timer's removal are one commit. Timers of operations that this build does not know stay as they
//! are, for one that knows them.

use std::collections::{HashMap, HashSet};

use contracts::{
    code,
    code::Code,
    operation::OperationSpec,
    state::{Phase, Sla, State},
};
use serde_json::Map;
use sqlx::Row;
use uuid::Uuid;

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

/// Business milliseconds until the next timer of the operations `$1`.
pub const NEXT_MS: &str = "(
    SELECT (extract(epoch FROM t.due_at - hub.now()) * 1000)::bigint
      FROM hub.timer t JOIN hub.job_live j ON j.seq = t.job_seq
     WHERE j.operation = ANY($1) ORDER BY t.due_at LIMIT 1)";

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
    /// How often it was put off.
    pub postponed: i16,
    /// Workers that died over it, one after the other.
    pub deaths: i16,
    /// For `give_up`: whether their system was pulled from after that time, and what came is read.
    pub looked: bool,
    /// For `give_up`: whether some process pulls from their system, or did.
    pub pulled: bool,
    /// For `give_up`: whether somebody tried to within the last hours.
    pub pulled_lately: bool,
    /// For `give_up`: the attempts that were recorded.
    pub tries: Tries,
    /// For `give_up`: business milliseconds until the job is started again, where it is.
    pub next_ms: Option<i64>,
}

/// The attempts of a job that is past its give-up time. What came back from a run that had lost the job
/// is only evidence: it counts as a try, and for nothing else.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// Whether there was any, ever.
    pub any: bool,
    /// Questions what became of a command, that began past the give-up time.
    pub questions: Looks,
    /// Looks for the next part of an answer, that began past it.
    pub polls: Looks,
}

/// Looks past a give-up time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// All.
    pub made: i64,
    /// Those that reached their system, whatever it said.
    pub reached: i64,
}

/// What is known of a job past its give-up time; other timers are not slowed down by it.
const PAST_GIVE_UP: &str = "
    SELECT coalesce((SELECT d.pulled_at >= j.give_up_at AND NOT EXISTS (
                         SELECT 1 FROM hub.inbound i WHERE i.system = j.system
                            AND i.state = 'stored' AND i.received_at <= d.pulled_at)
                       FROM hub.destination d WHERE d.system = j.system), false)
             AND NOT EXISTS (SELECT 1 FROM hub.correlation c JOIN hub.inbound i
                 ON i.system = c.system AND i.correlation_id = c.correlation_id
                AND i.state IN ('stored', 'parked') WHERE c.job_seq = j.seq)
             AS looked,
           coalesce((SELECT d.next_pull_at < 'infinity' FROM hub.destination d
                      WHERE d.system = j.system), false) AS pulled,
           coalesce((SELECT d.next_pull_at < 'infinity'
                        AND d.next_pull_at > hub.now() - interval '4 hours' FROM hub.destination d
                      WHERE d.system = j.system), false) AS pulled_lately,
           (SELECT (extract(epoch FROM w.due_at - hub.now()) * 1000)::bigint
              FROM hub.timer w WHERE w.job_seq = j.seq AND w.kind = 'wake') AS next_ms,
           a.tried, a.asks, a.asks_reached, a.polls, a.polls_reached
      FROM (SELECT count(*) > 0 AS tried,
              count(*) FILTER (WHERE past AND phase = 'ask') AS asks,
              count(*) FILTER (WHERE past AND phase = 'ask' AND reached) AS asks_reached,
              count(*) FILTER (WHERE past AND phase = 'continue') AS polls,
              count(*) FILTER (WHERE past AND phase = 'continue' AND reached) AS polls_reached
              FROM (SELECT phase, started_at >= j.give_up_at AND NOT fenced AS past,
                      coalesce(class, 'answered') NOT IN ('unreachable', 'not_now', 'denied')
                        AS reached
                      FROM hub.attempt
                     WHERE job_seq = j.seq AND recorded_at >= j.admitted_at) made) a
     WHERE t.kind = 'give_up'";

/// Locks due timers with their jobs. Whoever is busy with one of them deals with it later; timers of
/// operations that this build does not know are left to one that does.
pub(super) async fn lock_due(tx: Tx<'_>, limit: i64, known: &[&str]) -> Result<Vec<Due>, Error> {
    let statement = format!(
        "WITH due AS MATERIALIZED (
           SELECT t.job_seq, t.kind, t.due_at, t.postponed, j.state, j.phase, j.system,
                  j.operation, j.sla, j.seq, j.deaths, j.give_up_at, j.admitted_at
             FROM hub.timer t JOIN hub.job_live j ON j.seq = t.job_seq
            WHERE t.due_at <= hub.now() AND j.operation = ANY($2)
            ORDER BY t.due_at LIMIT $1
            FOR UPDATE OF t, j SKIP LOCKED)
         SELECT t.job_seq, t.kind, t.state, t.phase, t.system, t.operation, t.sla, t.postponed, t.deaths,
                (extract(epoch FROM hub.now() - t.due_at) * 1000)::bigint AS late_ms,
                coalesce(p.looked, false) AS looked, coalesce(p.pulled, false) AS pulled,
                coalesce(p.pulled_lately, false) AS pulled_lately,
                p.next_ms, coalesce(p.tried, false) AS tried,
                coalesce(p.asks, 0) AS asks, coalesce(p.asks_reached, 0) AS asks_reached,
                coalesce(p.polls, 0) AS polls, coalesce(p.polls_reached, 0) AS polls_reached
           FROM due t CROSS JOIN LATERAL (SELECT t.*) j
           LEFT JOIN LATERAL ({PAST_GIVE_UP}) p ON true
          ORDER BY t.due_at"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(limit)
        .bind(known)
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
                postponed: row.try_get("postponed")?,
                deaths: row.try_get("deaths")?,
                looked: row.try_get("looked")?,
                pulled: row.try_get("pulled")?,
                pulled_lately: row.try_get("pulled_lately")?,
                tries: Tries {
                    any: row.try_get("tried")?,
                    questions: Looks {
                        made: row.try_get("asks")?,
                        reached: row.try_get("asks_reached")?,
                    },
                    polls: Looks {
                        made: row.try_get("polls")?,
                        reached: row.try_get("polls_reached")?,
                    },
                },
                next_ms: row.try_get("next_ms")?,
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

/// Looks at timers of this kind again later. The pause doubles with each time, from
/// [`LOOK_AGAIN_MS`] to 128 times as much, a quarter more or less by the job's number: timers that
/// wait for the same system do not come back together, nor for ever in a row.
async fn put_off(tx: Tx<'_>, seqs: &[i64], kind: &str) -> Result<(), Error> {
    if seqs.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE hub.timer SET postponed = least(postponed + 1, 1000),
            due_at = hub.now() + $3 * (1 << least(postponed, 7)) * (0.75 + (job_seq % 101) / 200.0)
                                 * interval '1 millisecond'
          WHERE job_seq = ANY($1) AND kind = $2",
    )
    .bind(seqs)
    .bind(kind)
    .bind(LOOK_AGAIN_MS)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Looks at timers of this kind again after so many milliseconds of business time.
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
        "UPDATE hub.timer SET postponed = least(postponed + 1, 1000),
            due_at = hub.now() + $3 * interval '1 millisecond'
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
    /// Business milliseconds until the next timer of these operations; negative where one is due.
    pub async fn next_timer_ms(&self, known: &[&str]) -> Result<Option<i64>, Error> {
        within(async {
            Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT {NEXT_MS}")))
                .bind(known)
                .fetch_one(&self.pool)
                .await?)
        })
        .await
    }

    /// Operations that this build does not know, of which timers are due: the first few.
    pub async fn unknown_due(&self, known: &[&str]) -> Result<Vec<String>, Error> {
        within(async {
            Ok(sqlx::query_scalar(
                "SELECT DISTINCT operation FROM (
                   SELECT j.operation FROM hub.timer t JOIN hub.job_live j ON j.seq = t.job_seq
                    WHERE t.due_at <= hub.now() AND j.operation <> ALL($1)
                    ORDER BY t.due_at LIMIT 100) due ORDER BY operation",
            )
            .bind(known)
            .fetch_all(&self.pool)
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
    /// Their system must be pulled from once more before the job may end.
    LookFirst,
    /// Their system must be asked about it once more before the job may end: at once.
    AskFirst,
    /// A question is on its way, or is put at its own pace while nobody answers: the job may not end.
    Keep,
    /// Nothing of it was ever sent: one try, if a call comes free within [`LAST_TRY_MS`].
    TryFirst,
    /// The timer has nothing to say any more.
    Drop,
}

/// What was fired.
#[derive(Debug, Default)]
pub struct Fired {
    /// Due timers with what was done.
    pub done: Vec<(Due, Action)>,
    /// Positions that moved, by operation: from, to.
    pub moved: Vec<(&'static str, Sla, Sla)>,
    /// Jobs that ended.
    pub ended: Vec<(&'static str, Recorded)>,
}

/// Firing failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unfired {
    /// Why.
    #[source]
    pub error: Error,
    /// The oldest of the timers that were to fire, where it came that far: job and kind.
    pub first: Option<(i64, String)>,
}

/// Business time until a timer that could not be decided is looked at again, the first time.
const LOOK_AGAIN_MS: i64 = 5_000;
/// Business time in which a job that was never tried may still be, past its give-up time.
pub const LAST_TRY_MS: i64 = 60_000;
/// Business time for which a timer that cannot be committed is set aside.
pub const SET_ASIDE_MS: i64 = 10 * 60_000;

impl Store {
    /// Fires what is due of the operations that are known, up to `limit`, in one commit.
    pub async fn fire_due(
        &self,
        limit: i64,
        decide: impl Fn(&Due) -> Action,
        operations: &HashMap<&'static str, &'static OperationSpec>,
    ) -> Result<Fired, Unfired> {
        let mut first = None;
        let fired = within(async {
            let mut tx = super::begin(&self.pool).await?;
            let known: Vec<&str> = operations.keys().copied().collect();
            let due = lock_due(&mut tx, limit, &known).await?;
            let Some(oldest) = due.first() else { return Ok(Fired::default()) };
            first = Some((oldest.seq, oldest.kind.clone()));
            let done: Vec<(Due, Action)> =
                due.into_iter().map(|d| (decide(&d), d)).map(flip).collect();
            let moved = carry_out(&mut tx, &done, operations).await?;
            let ended = end_jobs(&mut tx, &done, operations).await?;
            fail_point::reach(Point::BeforeTimerCommit);
            tx.commit().await?;
            Ok(Fired { done, moved, ended })
        })
        .await;
        fired.map_err(|error| Unfired { error, first })
    }

    /// Sets aside a timer that cannot be committed; returns its job.
    pub async fn set_aside(&self, seq: i64, kind: &str) -> Result<Option<Uuid>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            postpone(&mut tx, &[seq], kind, SET_ASIDE_MS).await?;
            let id = sqlx::query_scalar("SELECT id FROM hub.job_live WHERE seq = $1")
                .bind(seq)
                .fetch_optional(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(id)
        })
        .await
    }
}

fn flip((action, due): (Action, Due)) -> (Due, Action) {
    (due, action)
}

/// Everything but the ends. A job whose give-up time decides is not woken beside that: it would end
/// as something that it is no more.
async fn carry_out(
    tx: Tx<'_>,
    done: &[(Due, Action)],
    operations: &HashMap<&'static str, &'static OperationSpec>,
) -> Result<Vec<(&'static str, Sla, Sla)>, Error> {
    let of = |action: Action| -> Vec<i64> {
        done.iter().filter(|(_, a)| *a == action).map(|(d, _)| d.seq).collect()
    };
    let ends: HashSet<i64> =
        done.iter().filter(|(_, action)| end_of(*action).is_some()).map(|(d, _)| d.seq).collect();
    let asked = of(Action::AskFirst);
    let mut woken = of(Action::Wake);
    woken.retain(|seq| !ends.contains(seq));
    woken.extend(&asked);
    wake(tx, &woken).await?;
    let moved = sla::advance(tx, &of(Action::MoveSla), operations).await?;
    let kept = [of(Action::LookFirst), asked, of(Action::Keep)].concat();
    put_off(tx, &kept, "give_up").await?;
    postpone(tx, &of(Action::TryFirst), "give_up", LAST_TRY_MS).await?;
    postpone(tx, &of(Action::LookAtConsent), "wake", LOOK_AGAIN_MS).await?;
    drop_timers(tx, done).await?;
    Ok(moved)
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

/// The state that an action ends a job in, and why.
const fn end_of(action: Action) -> Option<(State, Code)> {
    match action {
        Action::Expire => Some((State::Expired, code!("no_answer"))),
        Action::EndDoubt => Some((State::Failed, code!("outcome_unknown"))),
        Action::UseUp => Some((State::Failed, code!("time_used_up"))),
        Action::Wake
        | Action::MoveSla
        | Action::LookFirst
        | Action::AskFirst
        | Action::Keep
        | Action::TryFirst
        | Action::LookAtConsent
        | Action::Drop => None,
    }
}

async fn end_jobs(
    tx: Tx<'_>,
    done: &[(Due, Action)],
    operations: &HashMap<&'static str, &'static OperationSpec>,
) -> Result<Vec<(&'static str, Recorded)>, Error> {
    let mut changes = Vec::new();
    for (due, action) in done {
        let Some((to, code)) = end_of(*action) else { continue };
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
