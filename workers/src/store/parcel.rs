//! News of parcels: a look at one that is asked for out of turn.
//!
//! *Guarantee*: after news a parcel is looked at once more, whatever its job does at that moment. A poll
//! that is under way may have read before the news: then a look is owed, and the commit that records
//! the poll pays it.
//!
//! | its job is | the next look |
//! |---|---|
//! | `pending`, `waiting`, `in_doubt` | now, instead of when it was due |
//! | `accepted` | is about to begin |
//! | `calling` | owed: as soon as that call is recorded |

use sqlx::Row as _;

use super::{Error, Kind, Store, Tx, within};

/// The operation that follows parcels.
pub(super) const FOLLOWS: &str = "kazpost.track";
/// A job that ends at this moment moves to another partition, and is looked for again.
const TRIES_MAX: u32 = 3;

impl Store {
    /// Brings the next look at a parcel forward to now; `false` where nobody follows it.
    pub async fn look_at_parcel(&self, track_number: &str) -> Result<bool, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            match within(self.look_once(track_number)).await {
                Err(error) if error.kind() == Kind::Conflict && tries < TRIES_MAX => {}
                done => return done,
            }
        }
    }

    async fn look_once(&self, track_number: &str) -> Result<bool, Error> {
        let mut tx = super::begin(&self.pool).await?;
        // Locked: what is being recorded comes first, and its timers are seen below.
        let rows = sqlx::query(
            "SELECT seq, state = 'calling' AS is_called FROM hub.job_live
              WHERE operation = 'kazpost.track' AND input ->> 'track_number' = $1
              ORDER BY seq FOR UPDATE",
        )
        .bind(track_number)
        .fetch_all(&mut *tx)
        .await?;
        let (mut called, mut waiting) = (Vec::new(), Vec::new());
        for row in &rows {
            let list = if row.try_get("is_called")? { &mut called } else { &mut waiting };
            list.push(row.try_get::<i64, _>("seq")?);
        }
        sqlx::query(
            "WITH owed AS (
               INSERT INTO hub.look_owed (job_seq) SELECT UNNEST($1::bigint[])
               ON CONFLICT (job_seq) DO NOTHING)
             UPDATE hub.timer SET due_at = least(due_at, hub.now())
              WHERE job_seq = ANY($2) AND kind = 'wake'",
        )
        .bind(&called)
        .bind(&waiting)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(!rows.is_empty())
    }
}

/// Those of these jobs to whom a look was owed; it is paid by the caller's commit.
pub(super) async fn pay_looks(tx: Tx<'_>, seqs: &[i64]) -> Result<Vec<i64>, Error> {
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    let paid = "DELETE FROM hub.look_owed WHERE job_seq = ANY($1) RETURNING job_seq";
    Ok(sqlx::query_scalar(paid).bind(seqs).fetch_all(&mut *tx).await?)
}
