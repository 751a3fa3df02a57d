//! Rescue: what happens to the jobs of a worker that is no more.
//!
//! *Guarantee*: a rescue raises the run of every job it takes, so that whatever the old worker still
//! reports is not recorded. A query goes back to the store, and so does a command whose answer was only
//! fetched further; a command that may have left, or that was in doubt, goes to `in_doubt` (invariants 2
//! and 3). A job over which workers die again and again comes back more and more seldom, and ends.

use std::collections::HashMap;

use contracts::{
    class::Class,
    code,
    code::Code,
    operation::{Effect, OperationSpec, Reconcile},
    state::{Phase, State},
};
use serde_json::Map;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    Error, Store, Tx, millis, protection,
    record::{self, Change, Guard, Recorded},
    timer, within,
    worker::Beat,
};
use crate::fail_point::{self, Point};

/// How long a job waits over which a second worker died, on average.
const DEATH_PAUSE_MS: i64 = 5_000;
/// Workers that die over one job, one after the other, before it ends: after a quarter of an hour, unless
/// questions about it are further apart than its pauses.
const DEATHS_MAX: i16 = 10;

/// What a rescue did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Back to the store.
    pub returned: usize,
    /// Commands whose outcome is unknown.
    pub in_doubt: usize,
    /// Ended: too many workers died over them.
    pub failed: usize,
    /// Those over which more than one worker died, and how many; most first.
    pub suspects: Vec<(Uuid, i16)>,
    /// What became of those in doubt and those that ended, with their operations.
    pub recorded: Vec<(&'static str, Recorded)>,
}

impl Store {
    /// Takes the jobs of a worker whose beat has stood still. Nothing happens if it beat again.
    pub async fn rescue(
        &self,
        seen: Beat,
        operations: &HashMap<&'static str, &'static OperationSpec>,
    ) -> Result<Option<Rescued>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let dead = sqlx::query("DELETE FROM hub.worker WHERE id = $1 AND beat = $2")
                .bind(seen.worker)
                .bind(seen.beat)
                .execute(&mut *tx)
                .await?;
            if dead.rows_affected() == 0 {
                return Ok(None);
            }
            let rescued = rescue_jobs(&mut tx, seen.worker, operations, true).await?;
            fail_point::reach(Point::BeforeRescueCommit);
            tx.commit().await?;
            Ok(Some(rescued))
        })
        .await
    }

    /// Jobs whose owner is not even known any more: left by a worker that stopped, or was removed halfway.
    /// Nobody died over them.
    pub async fn rescue_orphans(
        &self,
        operations: &HashMap<&'static str, &'static OperationSpec>,
    ) -> Result<Rescued, Error> {
        within(async {
            let owners: Vec<Uuid> = sqlx::query_scalar(
                "SELECT DISTINCT owner FROM hub.job_live j WHERE state = 'calling'
                    AND NOT EXISTS (SELECT 1 FROM hub.worker w WHERE w.id = j.owner)",
            )
            .fetch_all(&self.pool)
            .await?;
            let mut all = Rescued::default();
            for owner in owners {
                let mut tx = super::begin(&self.pool).await?;
                let rescued = rescue_jobs(&mut tx, owner, operations, false).await?;
                tx.commit().await?;
                all.returned += rescued.returned;
                all.failed += rescued.failed;
                all.in_doubt += rescued.in_doubt;
                all.suspects.extend(rescued.suspects);
                all.recorded.extend(rescued.recorded);
            }
            Ok(all)
        })
        .await
    }
}

/// A job of a dead worker.
struct Left {
    seq: i64,
    id: Uuid,
    operation: Option<&'static OperationSpec>,
    phase: Option<Phase>,
    run: i32,
    /// Workers that died over it one after the other, with this one.
    deaths: i16,
}

impl Left {
    /// Whether it may have been executed, or is in doubt already.
    fn is_doubtful(&self) -> bool {
        let is_command = self.operation.is_some_and(|spec| spec.effect == Effect::Command);
        is_command && matches!(self.phase, Some(Phase::Send | Phase::Ask) | None)
    }

    /// Doubles with each death from the second on, up to 64 times as much; half more or less by the
    /// job's number, so that those that died together come back apart.
    fn pause_ms(&self) -> Option<i64> {
        let doublings = self.deaths.checked_sub(2).filter(|n| *n >= 0)?;
        let pause = DEATH_PAUSE_MS << doublings.min(6);
        Some(pause / 2 + pause * (self.seq % 101) / 100)
    }
}

/// What somebody has locked stays for the next comparison: a worker that was frozen inside a
/// transaction must not hold up the one that rescues. `died`: whether a death is counted.
async fn rescue_jobs(
    tx: Tx<'_>,
    owner: Uuid,
    operations: &HashMap<&'static str, &'static OperationSpec>,
    died: bool,
) -> Result<Rescued, Error> {
    let mut left = lock_left(tx, owner, operations, died).await?;
    // Another build's operation: it stays with its unknown owner until somebody knows it.
    left.retain(|job| job.operation.is_some());
    lose_probes(tx, &left).await?;
    let suspects = left.iter().filter(|job| job.deaths > 1).map(|job| (job.id, job.deaths));
    let mut suspects: Vec<(Uuid, i16)> = suspects.collect();
    suspects.sort_by_key(|(_, deaths)| std::cmp::Reverse(*deaths));
    let (ended, live): (Vec<Left>, Vec<Left>) =
        left.into_iter().partition(|job| job.deaths >= DEATHS_MAX);
    let (doubtful, queries): (Vec<Left>, Vec<Left>) = live.into_iter().partition(Left::is_doubtful);
    give_back(tx, &queries).await?;
    count_deaths(tx, doubtful.iter().chain(&ended)).await?;
    let in_doubt = record_all(tx, doubtful.iter().filter_map(in_doubt).collect()).await?;
    // `record` leaves the run to the call that made it; here the call must be fenced off.
    sqlx::query("UPDATE hub.job_live SET run = run + 1 WHERE seq = ANY($1)")
        .bind(doubtful.iter().map(|job| job.seq).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    let failed = record_all(tx, ended.iter().filter_map(end).collect()).await?;
    Ok(Rescued {
        returned: queries.len(),
        in_doubt: in_doubt.len(),
        failed: failed.len(),
        suspects,
        recorded: [in_doubt, failed].concat(),
    })
}

async fn record_all(
    tx: Tx<'_>,
    changes: Vec<Change>,
) -> Result<Vec<(&'static str, Recorded)>, Error> {
    let recorded = record::record(tx, &changes).await?;
    let with =
        |(change, recorded): (&Change, Option<Recorded>)| Some((change.operation.name, recorded?));
    Ok(changes.iter().zip(recorded).filter_map(with).collect())
}

/// Notes how many died over these jobs.
async fn count_deaths(tx: Tx<'_>, jobs: impl Iterator<Item = &Left>) -> Result<(), Error> {
    let (seqs, deaths): (Vec<i64>, Vec<i16>) = jobs.map(|job| (job.seq, job.deaths)).unzip();
    sqlx::query(
        "UPDATE hub.job_live j SET deaths = u.deaths
           FROM UNNEST($1::bigint[], $2::smallint[]) u (seq, deaths) WHERE j.seq = u.seq",
    )
    .bind(seqs)
    .bind(deaths)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn lock_left(
    tx: Tx<'_>,
    owner: Uuid,
    operations: &HashMap<&'static str, &'static OperationSpec>,
    died: bool,
) -> Result<Vec<Left>, Error> {
    let rows = sqlx::query(
        "SELECT seq, id, operation, phase, run, deaths FROM hub.job_live
          WHERE state = 'calling' AND owner = $1 ORDER BY seq FOR UPDATE SKIP LOCKED",
    )
    .bind(owner)
    .fetch_all(&mut *tx)
    .await?;
    let read = |row: &PgRow| -> Result<Left, Error> {
        let name: String = row.try_get("operation")?;
        let deaths: i16 = row.try_get("deaths")?;
        Ok(Left {
            seq: row.try_get("seq")?,
            id: row.try_get("id")?,
            operation: operations.get(name.as_str()).copied(),
            phase: Phase::from_name(&row.try_get::<String, _>("phase")?),
            run: row.try_get("run")?,
            deaths: deaths.saturating_add(i16::from(died)),
        })
    };
    rows.iter().map(read).collect()
}

/// A probe died with the call that made it: another one may be made at once, not when it could have
/// ended.
async fn lose_probes(tx: Tx<'_>, left: &[Left]) -> Result<(), Error> {
    let seqs: Vec<i64> = left.iter().map(|job| job.seq).collect();
    let made = "SELECT system FROM hub.destination
                 WHERE breaker = 'half_open' AND breaker_probe = ANY($1)";
    let systems: Vec<String> = sqlx::query_scalar(made).bind(&seqs).fetch_all(&mut *tx).await?;
    if systems.is_empty() {
        return Ok(());
    }
    let systems: Vec<&str> = systems.iter().map(String::as_str).collect();
    protection::lock(tx, &systems).await?;
    sqlx::query(
        "UPDATE hub.destination SET breaker_next_at = statement_timestamp()
          WHERE breaker = 'half_open' AND breaker_probe = ANY($1)",
    )
    .bind(seqs)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Gives a dead worker's jobs back to the store: at once, or after a pause where it was not the first
/// that died over them. A job's content may be what kills: it must not take every worker down with it.
async fn give_back(tx: Tx<'_>, jobs: &[Left]) -> Result<(), Error> {
    // What waits for a consent is looked at by its timer, and calls nobody.
    let pause = |job: &Left| job.pause_ms().filter(|_| job.phase != Some(Phase::Consent));
    let seqs: Vec<i64> = jobs.iter().map(|job| job.seq).collect();
    sqlx::query(
        "UPDATE hub.job_live j
            SET state = CASE WHEN u.pauses THEN 'waiting' ELSE 'accepted' END,
                owner = NULL, run = j.run + 1, deaths = u.deaths
           FROM UNNEST($1::bigint[], $2::smallint[], $3::boolean[]) u (seq, deaths, pauses)
          WHERE j.seq = u.seq",
    )
    .bind(&seqs)
    .bind(jobs.iter().map(|job| job.deaths).collect::<Vec<_>>())
    .bind(jobs.iter().map(|job| pause(job).is_some()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    let pauses: Vec<(i64, i64)> =
        jobs.iter().filter_map(|job| Some((job.seq, pause(job)?))).collect();
    timer::arm(tx, &seqs, &pauses).await
}

/// Whoever asks about it dies, too: the questions come more and more seldom.
fn in_doubt(job: &Left) -> Option<Change> {
    let operation = job.operation?;
    let every_ms = match operation.reconcile {
        Reconcile::Ask { every } => Some(millis(every)),
        Reconcile::Nobody => None,
    };
    Some(Change {
        delay_ms: every_ms.map(|every| every.max(job.pause_ms().unwrap_or(0))),
        ..told(job, State::InDoubt, operation, code!("worker_died"), Class::Indeterminate)
    })
}

/// The end of a job over which worker after worker died.
fn end(job: &Left) -> Option<Change> {
    let (code, class) = if job.is_doubtful() {
        (code!("outcome_unknown"), Class::Indeterminate)
    } else {
        (code!("workers_died"), Class::Defect)
    };
    let mut end = told(job, State::Failed, job.operation?, code, class);
    end.summary.insert("last_code".to_owned(), code!("workers_died").into());
    Some(end)
}

fn told(
    job: &Left,
    to: State,
    operation: &'static OperationSpec,
    code: Code,
    class: Class,
) -> Change {
    let mut summary = Map::new();
    summary.insert("code".to_owned(), code.into());
    summary.insert("class".to_owned(), class.name().into());
    Change { code: Some(code), summary, ..Change::to(to, job.seq, operation, Guard::Run(job.run)) }
}
