//! Workers: who is alive, and what they own. What happens to the jobs of one that is not: [`super::rescue`].

use std::time::Duration;

use sqlx::Row;
use uuid::Uuid;

use super::{Error, Store, timer, within};

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
