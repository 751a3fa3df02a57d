//! Workers: who is alive, what they own, and what happens to the jobs of one that is not.
//!
//! *Guarantee*: a rescue raises the run of every job it takes, so that whatever the old worker still
//! reports is not recorded. A query goes back to the store, and so does a command whose answer was only
//! fetched further; a command that may have left, or that was in doubt, goes to `in_doubt` (invariants 2
//! and 3). A query over which workers die again and again comes back more and more seldom.

use std::{collections::HashMap, time::Duration};

use contracts::{
    class::Class,
    code,
    operation::{Effect, OperationSpec},
    state::{Phase, State},
};
use serde_json::Map;
use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, Store, Tx,
    record::{self, Change, Guard},
    timer, within,
};
use crate::fail_point::{self, Point};

/// A worker as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// The worker.
    pub worker: Uuid,
    /// Its counter of heartbeats.
    pub beat: i64,
    /// Whether it can publish.
    pub publishes: bool,
    /// Its process was on this machine, and is no more.
    pub gone: bool,
}

/// How long a job waits over which a second worker died, on average.
const DEATH_PAUSE_MS: i64 = 5_000;

/// What a rescue did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Back to the store.
    pub returned: usize,
    /// Of these, after a pause: it was not the first worker that died over them.
    pub paused: usize,
    /// Commands whose outcome is unknown.
    pub in_doubt: usize,
}

impl Store {
    /// Makes a worker known; again, where the answer to the first commit was lost. Its relay has still to
    /// connect: until a heartbeat says that it can publish, nobody gives it partitions. `process`: how others
    /// of its machine look it up ([`own`](crate::process::own)).
    pub async fn register_worker(
        &self,
        worker: Uuid,
        name: &str,
        process: Option<&str>,
    ) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "INSERT INTO hub.worker (id, name, build, process, started_at, seen_at, publishes)
                 VALUES ($1, $2, $3, $4, statement_timestamp(), statement_timestamp(), false)
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(worker)
            .bind(name)
            .bind(crate::build::BUILD)
            .bind(process)
            .execute(&self.pool)
            .await?;
            self.tell_of_workers().await;
            Ok(())
        })
        .await
    }

    /// One heartbeat, which says whether this worker can publish; the beats of all workers before it, or
    /// `None` where this one was declared dead.
    pub async fn beat(&self, me: Uuid, publishes: bool) -> Result<Option<Vec<Beat>>, Error> {
        within(async {
            let rows = sqlx::query(
                "WITH mine AS (
                   UPDATE hub.worker
                      SET beat = beat + 1, seen_at = statement_timestamp(), publishes = $2
                    WHERE id = $1 RETURNING id)
                 SELECT w.id, w.beat, w.publishes, w.process, EXISTS (SELECT 1 FROM mine) AS alive
                   FROM hub.worker w",
            )
            .bind(me)
            .bind(publishes)
            .fetch_all(&self.pool)
            .await?;
            let mut beats = Vec::with_capacity(rows.len());
            let mut alive = false;
            for row in rows {
                alive |= row.try_get::<bool, _>("alive")?;
                let process: Option<&str> = row.try_get("process")?;
                beats.push(Beat {
                    worker: row.try_get("id")?,
                    beat: row.try_get("beat")?,
                    publishes: row.try_get("publishes")?,
                    gone: process.is_some_and(crate::process::is_gone),
                });
            }
            Ok(alive.then_some(beats))
        })
        .await
    }

    /// The jobs that the database says this worker runs: number, id and run.
    pub async fn owned(&self, me: Uuid) -> Result<Vec<(i64, Uuid, i32)>, Error> {
        within(async {
            let rows = sqlx::query(
                "SELECT seq, id, run FROM hub.job_live WHERE state = 'calling' AND owner = $1",
            )
            .bind(me)
            .fetch_all(&self.pool)
            .await?;
            rows.iter()
                .map(|row| Ok((row.try_get("seq")?, row.try_get("id")?, row.try_get("run")?)))
                .collect()
        })
        .await
    }

    /// Returns jobs that were never started in these runs: nothing was sent for them.
    pub async fn hand_back(&self, jobs: &[(i64, i32)]) -> Result<usize, Error> {
        if jobs.is_empty() {
            return Ok(0);
        }
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let seqs: Vec<i64> = sqlx::query_scalar(
                "UPDATE hub.job_live j SET state = 'accepted', owner = NULL, run = j.run + 1
                   FROM UNNEST($1::bigint[], $2::int[]) u (seq, run)
                  WHERE j.seq = u.seq AND j.run = u.run AND j.state = 'calling'
                 RETURNING j.seq",
            )
            .bind(jobs.iter().map(|(seq, _)| *seq).collect::<Vec<_>>())
            .bind(jobs.iter().map(|(_, run)| *run).collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .await?;
            timer::arm(&mut tx, &seqs, &[]).await?;
            tx.commit().await?;
            Ok(seqs.len())
        })
        .await
    }

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
            let rescued = rescue_jobs(&mut tx, seen.worker, operations).await?;
            fail_point::reach(Point::BeforeRescueCommit);
            tx.commit().await?;
            Ok(Some(rescued))
        })
        .await
    }

    /// Jobs whose owner is not even known any more: left by a worker that was removed halfway.
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
                let rescued = rescue_jobs(&mut tx, owner, operations).await?;
                tx.commit().await?;
                all.returned += rescued.returned;
                all.paused += rescued.paused;
                all.in_doubt += rescued.in_doubt;
            }
            Ok(all)
        })
        .await
    }

    /// Tells everybody that a worker came or went, or can publish again: they balance at once. Where it is
    /// not told they do at one of their next heartbeats.
    pub async fn tell_of_workers(&self) {
        let told = sqlx::query("SELECT pg_notify($1, '')").bind(super::clock::WORKERS);
        if let Err(error) = told.execute(&self.pool).await {
            let error = Error::from(error);
            tracing::debug!(%error, "the others see at a heartbeat that a worker came or went");
        }
    }

    /// Says that this worker takes nothing any more: whoever goes with it leaves nothing to it.
    pub async fn leave(&self, me: Uuid) -> Result<(), Error> {
        within(async {
            sqlx::query("UPDATE hub.worker SET leaving = true WHERE id = $1")
                .bind(me)
                .execute(&self.pool)
                .await?;
            Ok(())
        })
        .await
    }

    /// Whether somebody else has beaten within a lease, can publish, and stays.
    pub async fn has_company(&self, me: Uuid, lease: Duration) -> Result<bool, Error> {
        within(async {
            Ok(sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM hub.worker WHERE id <> $1 AND NOT leaving AND publishes
                   AND seen_at > statement_timestamp() - $2 * interval '1 millisecond')",
            )
            .bind(me)
            .bind(super::millis(lease))
            .fetch_one(&self.pool)
            .await?)
        })
        .await
    }

    /// Leaves to the others what this worker may call and does not: of each system it keeps the calls
    /// that are under way. A share that shrinks needs no lock.
    pub async fn give_back_shares(&self, me: Uuid, kept: &[(&str, usize)]) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "UPDATE hub.destination_share s SET share = u.kept, in_use = u.kept, hungry = false
                   FROM UNNEST($2::text[], $3::int[]) u (system, kept)
                  WHERE s.worker = $1 AND s.system = u.system AND s.share > u.kept",
            )
            .bind(me)
            .bind(kept.iter().map(|(system, _)| *system).collect::<Vec<_>>())
            .bind(
                kept.iter().map(|(_, n)| i32::try_from(*n).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
            )
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Removes a worker that stops in good order and owns nothing any more.
    pub async fn remove_worker(&self, me: Uuid) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "WITH gone AS (DELETE FROM hub.worker WHERE id = $1)
                 UPDATE hub.relay_partition SET owner = NULL WHERE owner = $1",
            )
            .bind(me)
            .execute(&self.pool)
            .await?;
            self.tell_of_workers().await;
            Ok(())
        })
        .await
    }
}

/// What somebody has locked stays for the next comparison: a worker that was frozen inside a
/// transaction must not hold up the one that rescues.
async fn rescue_jobs(
    tx: Tx<'_>,
    owner: Uuid,
    operations: &HashMap<&'static str, &'static OperationSpec>,
) -> Result<Rescued, Error> {
    let rows = sqlx::query(
        "SELECT seq, operation, phase, run FROM hub.job_live WHERE state = 'calling' AND owner = $1
          ORDER BY seq FOR UPDATE SKIP LOCKED",
    )
    .bind(owner)
    .fetch_all(&mut *tx)
    .await?;
    let mut queries: Vec<i64> = Vec::new();
    let mut commands = Vec::new();
    for row in rows {
        let (seq, run): (i64, i32) = (row.try_get("seq")?, row.try_get("run")?);
        let name: String = row.try_get("operation")?;
        let phase = Phase::from_name(&row.try_get::<String, _>("phase")?);
        match (operations.get(name.as_str()), phase) {
            (Some(spec), Some(Phase::Send | Phase::Ask) | None)
                if spec.effect == Effect::Command =>
            {
                commands.push(in_doubt(seq, run, spec));
            }
            (Some(_), _) => queries.push(seq),
            // Another build's operation: it stays with its unknown owner until somebody knows it.
            (None, _) => {}
        }
    }
    let pauses = give_back(tx, &queries).await?;
    timer::arm(tx, &queries, &pauses).await?;
    let recorded = record::record(tx, &commands).await?;
    // `record` leaves the run to the call that made it; here the call must be fenced off.
    sqlx::query(
        "UPDATE hub.job_live SET run = run + 1, deaths = least(deaths + 1, 1000)
          WHERE seq = ANY($1)",
    )
    .bind(commands.iter().map(|c| c.seq).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    Ok(Rescued {
        returned: queries.len(),
        paused: pauses.len(),
        in_doubt: recorded.iter().flatten().count(),
    })
}

/// Gives a dead worker's jobs back to the store: at once, or after a pause where it was not the first
/// that died over them. A job's content may be what kills: it must not take every worker down with it,
/// and those that were under way beside it come back apart from it. Returns the pauses.
async fn give_back(tx: Tx<'_>, seqs: &[i64]) -> Result<Vec<(i64, i64)>, Error> {
    let rows = sqlx::query(
        "UPDATE hub.job_live
            SET state = CASE WHEN deaths = 0 OR phase = 'consent' THEN 'accepted' ELSE 'waiting' END,
                owner = NULL, run = run + 1, deaths = least(deaths + 1, 1000)
          WHERE seq = ANY($1) RETURNING seq, state, deaths",
    )
    .bind(seqs)
    .fetch_all(&mut *tx)
    .await?;
    let mut pauses = Vec::new();
    for row in rows {
        let seq: i64 = row.try_get("seq")?;
        if row.try_get::<String, _>("state")? == "waiting" {
            pauses.push((seq, death_pause_ms(seq, row.try_get("deaths")?)));
        }
    }
    Ok(pauses)
}

/// Doubles with each death, up to 64 times as much; half more or less by the job's number.
fn death_pause_ms(seq: i64, deaths: i16) -> i64 {
    let pause = DEATH_PAUSE_MS << (deaths - 2).clamp(0, 6);
    pause / 2 + pause * (seq % 101) / 100
}

fn in_doubt(seq: i64, run: i32, operation: &'static OperationSpec) -> Change {
    let mut summary = Map::new();
    summary.insert("code".to_owned(), code!("worker_died").into());
    summary.insert("class".to_owned(), Class::Indeterminate.name().into());
    Change {
        code: Some(code!("worker_died")),
        summary,
        ..Change::to(State::InDoubt, seq, operation, Guard::Run(run))
    }
}
