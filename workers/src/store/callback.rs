//! Events that are delivered by HTTP as well.
//!
//! *Guarantee*: a row is written in the commit that makes its event true. Of one job only the lowest
//! open sequence is taken, by one process at a time, so deliveries keep the order; a process that
//! dies between delivery and its note delivers again. While several hosts have something due, all
//! processes together take at most [`HOST_IN_FLIGHT_MAX`] deliveries to each at a time; a host that is
//! alone may have all places but as many of each process, which wait for the next host: one that hangs
//! leaves places to the others.
//!
//! *Limits*: of one host [`SEEN_MAX`] due rows are looked at in one turn. A row that waits for an earlier
//! one of its job is put off, so that a host that is down for days costs no more than that.

use contracts::{code, code::Code};
use std::time::Duration;

use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, Store, Tx,
    audit::{self, Act},
    millis, within,
};

/// Deliveries to one host under way at once, in all processes together, while another host has
/// something due; so many places of each process are left to the others while none has.
pub const HOST_IN_FLIGHT_MAX: u8 = 8;
/// Due rows of one host that are looked at in one turn: the rest comes next time.
pub const SEEN_MAX: i64 = 1_000;
/// A row that waits for an earlier one of its job is looked at again after this at the soonest; the
/// delivery of the earlier one makes it due at once.
pub const BLOCKED_PAUSE: Duration = Duration::from_secs(600);
/// Open rows that stop in the commit that disables their host; the rest stops when it is due.
const STOP_MAX: i64 = 10_000;
/// Why a delivery stopped whose host had no success for days.
const HOST_DISABLED: Code = code!("host_disabled");
/// A host without one success for so long is disabled.
pub const DISABLE_AFTER: Duration = Duration::from_secs(5 * 86_400);
/// A failure after a longer quiet begins anew: nothing was tried in between. Longer than the longest
/// pause between two tries.
const QUIET_MAX: Duration = Duration::from_secs(36 * 3_600);
/// Ended deliveries are kept this long, to be looked at and replayed.
pub const KEEP: Duration = Duration::from_secs(30 * 86_400);

/// A delivery to be written.
#[derive(Debug, Clone)]
pub(super) struct New {
    pub(super) job_seq: i64,
    pub(super) sequence: i32,
    pub(super) url: String,
    pub(super) body: Vec<u8>,
}

/// A delivery to be made.
#[derive(Clone)]
pub struct Due {
    /// Admission number of its job.
    pub job_seq: i64,
    /// Number of the event within its job.
    pub sequence: i32,
    /// Where to.
    pub url: String,
    /// The event.
    pub body: Vec<u8>,
    /// Tries before this one.
    pub tries: i32,
}

impl std::fmt::Debug for Due {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // An address may hold a secret of the portal's.
        f.debug_struct("Due").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// What became of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// They took it.
    Delivered,
    /// Try again after this.
    Again(Duration),
    /// Never try again, for this event and all later ones of its job.
    Stopped(Code),
}

/// A delivery as people see it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The job.
    pub job_id: Uuid,
    /// Number of the event.
    pub sequence: i32,
    /// Where to: the host alone.
    pub host: String,
    /// `open`, `delivered` or `stopped`.
    pub state: String,
    /// Why it stopped.
    pub why: Option<String>,
    /// Tries so far.
    pub tries: i32,
    /// The last status.
    pub http_status: Option<i16>,
    /// Real seconds until the next try, where one comes.
    pub due_s: Option<f64>,
}

/// The host of an address, where it is one.
pub(super) fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_lowercase()
}

/// Writes deliveries, in the caller's commit.
pub(super) async fn insert(tx: Tx<'_>, rows: &[New]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO hub.callback (job_seq, sequence, url, host, body, created_at, due_at)
         SELECT t.*, statement_timestamp(), statement_timestamp()
           FROM UNNEST($1::bigint[], $2::int[], $3::text[], $4::text[], $5::bytea[]) t
         ON CONFLICT (job_seq, sequence) DO NOTHING",
    )
    .bind(rows.iter().map(|row| row.job_seq).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.sequence).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.url.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| host_of(&row.url)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.body.as_slice()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Hosts are found one after the other in an index; of each the first due rows are seen. Those that
/// nothing precedes are taken as far as there is room, the others stop, or wait for what precedes them.
/// A row is put off only under the lock of what precedes it: whoever notes that one as delivered comes
/// later, sees this row, whenever it was written, and makes it due. Where somebody notes it just now, or
/// has noted it, the row stays due.
const TAKE: &str = "
    WITH RECURSIVE hosts AS (
      SELECT (SELECT min(c.host) FROM hub.callback c WHERE c.state = 'open') AS host
      UNION ALL
      SELECT (SELECT min(c.host) FROM hub.callback c WHERE c.state = 'open' AND c.host > h.host)
        FROM hosts h WHERE h.host IS NOT NULL),
    seen AS MATERIALIZED (
      SELECT h.host, c.job_seq, c.sequence, c.due_at, before.state, before.why,
             before.sequence AS before_sequence, before.due_at AS before_due,
             EXISTS (SELECT 1 FROM hub.callback_host d
               WHERE d.host = h.host AND d.disabled_at IS NOT NULL) AS disabled
        FROM hosts h
       CROSS JOIN LATERAL (
         SELECT o.job_seq, o.sequence, o.due_at FROM hub.callback o
          WHERE o.host = h.host AND o.state = 'open' AND o.due_at <= statement_timestamp()
          ORDER BY o.due_at LIMIT $5) c
        LEFT JOIN LATERAL (
         SELECT e.state, e.why, e.due_at, e.sequence FROM hub.callback e
          WHERE e.job_seq = c.job_seq AND e.sequence < c.sequence AND e.state <> 'delivered'
          ORDER BY (e.state = 'stopped') DESC, e.sequence LIMIT 1) before ON true
       WHERE h.host IS NOT NULL),
    free AS MATERIALIZED (
      SELECT s.host, s.job_seq, s.sequence, s.due_at,
             row_number() OVER (PARTITION BY s.host ORDER BY s.due_at) AS place
        FROM seen s WHERE s.state IS NULL AND NOT s.disabled),
    room AS MATERIALIZED (
      SELECT f.host, CASE WHEN count(*) OVER () = 1 THEN $1 - $4
               ELSE $4 - (SELECT count(*) FROM hub.callback l
                           WHERE l.host = f.host AND l.state = 'open'
                             AND l.leased_until > statement_timestamp()) END AS places
        FROM (SELECT DISTINCT host FROM free) f),
    chosen AS MATERIALIZED (
      SELECT f.job_seq, f.sequence FROM free f JOIN room r ON r.host = f.host AND f.place <= r.places
       ORDER BY f.due_at LIMIT $1),
    before AS MATERIALIZED (
      SELECT e.job_seq, e.sequence FROM hub.callback e
        JOIN seen s ON s.job_seq = e.job_seq AND s.before_sequence = e.sequence
       WHERE s.state = 'open' AND NOT s.disabled AND e.state <> 'delivered'
         FOR SHARE OF e SKIP LOCKED),
    fates AS MATERIALIZED (
      SELECT h.job_seq, h.sequence, 'taken' AS fate, NULL AS why,
             statement_timestamp() + $2 * interval '1 millisecond' AS due_at
        FROM chosen h
      UNION ALL
      SELECT s.job_seq, s.sequence,
             CASE WHEN s.disabled OR s.state = 'stopped' THEN 'stopped' ELSE 'put off' END,
             CASE WHEN s.state = 'stopped' THEN s.why ELSE $3 END,
             greatest(s.before_due, statement_timestamp() + $6 * interval '1 millisecond')
        FROM seen s WHERE s.disabled OR s.state = 'stopped' OR EXISTS (SELECT 1 FROM before b
         WHERE b.job_seq = s.job_seq AND b.sequence = s.before_sequence)),
    ours AS MATERIALIZED (
      SELECT f.* FROM fates f
        JOIN hub.callback c ON c.job_seq = f.job_seq AND c.sequence = f.sequence
       WHERE c.state = 'open' AND c.due_at <= statement_timestamp()
         FOR UPDATE OF c SKIP LOCKED),
    ended AS (
      UPDATE hub.callback c SET state = 'stopped', why = o.why, ended_at = statement_timestamp()
        FROM ours o WHERE o.fate = 'stopped' AND c.job_seq = o.job_seq AND c.sequence = o.sequence),
    waiting AS (
      UPDATE hub.callback c SET due_at = o.due_at
        FROM ours o WHERE o.fate = 'put off' AND c.job_seq = o.job_seq AND c.sequence = o.sequence)
    UPDATE hub.callback c SET due_at = o.due_at, leased_until = o.due_at, tries = c.tries + 1
      FROM ours o WHERE o.fate = 'taken' AND c.job_seq = o.job_seq AND c.sequence = o.sequence
    RETURNING c.job_seq, c.sequence, c.url, c.body, c.tries - 1 AS tries";

impl Store {
    /// Takes deliveries that are due, for `lease`: whoever has not noted a result by then has died. An
    /// event that was written after its job's callbacks had stopped stops as well. `None` where another
    /// process takes just now: come again.
    pub async fn take_callbacks(
        &self,
        limit: i64,
        lease: Duration,
    ) -> Result<Option<Vec<Due>>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            // One process at a time counts what is under way and takes what still fits.
            let turn = "SELECT pg_try_advisory_xact_lock(hashtext('hub.take_callbacks'))";
            if !sqlx::query_scalar::<_, bool>(turn).fetch_one(&mut *tx).await? {
                return Ok(None);
            }
            let rows = sqlx::query(TAKE)
                .bind(limit)
                .bind(millis(lease))
                .bind(HOST_DISABLED.name())
                .bind(i64::from(HOST_IN_FLIGHT_MAX))
                .bind(SEEN_MAX)
                .bind(millis(BLOCKED_PAUSE))
                .fetch_all(&mut *tx)
                .await?;
            tx.commit().await?;
            let due = rows.iter().map(|row| {
                Ok(Due {
                    job_seq: row.try_get("job_seq")?,
                    sequence: row.try_get("sequence")?,
                    url: row.try_get("url")?,
                    body: row.try_get("body")?,
                    tries: row.try_get("tries")?,
                })
            });
            due.collect::<Result<_, Error>>().map(Some)
        })
        .await
    }

    /// Notes what became of a try; `true` where the host is disabled by it.
    pub async fn note_callback(
        &self,
        due: &Due,
        tried: Tried,
        status: Option<u16>,
    ) -> Result<bool, Error> {
        let (state, why, pause) = match tried {
            Tried::Delivered => ("delivered", None, None),
            Tried::Again(pause) => ("open", None, Some(millis(pause))),
            Tried::Stopped(why) => ("stopped", Some(why.name()), None),
        };
        let host = host_of(&due.url);
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            sqlx::query(
                "UPDATE hub.callback SET state = $3, why = $4, http_status = $5, leased_until = NULL,
                    due_at = CASE WHEN $6::bigint IS NULL THEN due_at
                                  ELSE statement_timestamp() + $6 * interval '1 millisecond' END,
                    ended_at = CASE WHEN $3 = 'open' THEN NULL ELSE statement_timestamp() END
                  WHERE job_seq = $1 AND state = 'open'
                    AND (sequence = $2 OR ($3 = 'stopped' AND sequence > $2))",
            )
            .bind(due.job_seq)
            .bind(due.sequence)
            .bind(state)
            .bind(why)
            .bind(status.and_then(|status| i16::try_from(status).ok()))
            .bind(pause)
            .execute(&mut *tx)
            .await?;
            if tried == Tried::Delivered {
                free_next(&mut tx, due).await?;
            }
            let disabled = match tried {
                Tried::Delivered => note_success(&mut tx, &host).await?,
                Tried::Again(_) => note_failure(&mut tx, &host).await?,
                // Gone, or not allowed: that says nothing of the host.
                Tried::Stopped(_) => false,
            };
            tx.commit().await?;
            Ok(disabled)
        })
        .await
    }

    /// Deliveries, newest first; those of one job, or all that are not delivered.
    pub async fn list_callbacks(
        &self,
        job: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Listed>, Error> {
        within(async {
            let rows = sqlx::query(
                "SELECT j.id, c.sequence, c.host, c.state, c.why, c.tries, c.http_status,
                   CASE WHEN c.state = 'open'
                        THEN extract(epoch FROM c.due_at - statement_timestamp())::float8 END AS due_s
                   FROM hub.callback c JOIN hub.job j ON j.seq = c.job_seq
                  WHERE CASE WHEN $1::uuid IS NULL THEN c.state <> 'delivered' ELSE j.id = $1 END
                  ORDER BY c.job_seq DESC, c.sequence LIMIT $2",
            )
            .bind(job)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
            rows.iter()
                .map(|row| {
                    Ok(Listed {
                        job_id: row.try_get("id")?,
                        sequence: row.try_get("sequence")?,
                        host: row.try_get("host")?,
                        state: row.try_get("state")?,
                        why: row.try_get("why")?,
                        tries: row.try_get("tries")?,
                        http_status: row.try_get("http_status")?,
                        due_s: row.try_get("due_s")?,
                    })
                })
                .collect()
        })
        .await
    }

    /// Opens stopped deliveries again, of one job or of one host, and enables their hosts.
    pub async fn replay_callbacks(
        &self,
        job: Option<Uuid>,
        host: Option<&str>,
        act: &Act,
    ) -> Result<u64, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let opened = sqlx::query(
                "UPDATE hub.callback c SET state = 'open', why = NULL, tries = 0, ended_at = NULL,
                        leased_until = NULL, due_at = statement_timestamp()
                  WHERE c.state = 'stopped' AND ($2::text IS NULL OR c.host = $2)
                    AND ($1::uuid IS NULL
                         OR c.job_seq = (SELECT k.seq FROM hub.job_key k WHERE k.id = $1))",
            )
            .bind(job)
            .bind(host)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "DELETE FROM hub.callback_host h WHERE EXISTS (SELECT 1 FROM hub.callback c
                  WHERE c.host = h.host AND c.state = 'open')",
            )
            .execute(&mut *tx)
            .await?;
            let target = job.map_or_else(|| host.unwrap_or("all").to_owned(), |id| id.to_string());
            let opened = opened.rows_affected();
            let result = format!("{opened} opened");
            audit::note(&mut tx, act, "callbacks.replay", &target, &result).await?;
            if act.dry_run {
                tx.rollback().await?;
            } else {
                tx.commit().await?;
            }
            Ok(opened)
        })
        .await
    }

    /// Forgets deliveries that ended long ago.
    pub async fn forget_callbacks(&self) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "DELETE FROM hub.callback WHERE state <> 'open'
                    AND ended_at < statement_timestamp() - $1 * interval '1 millisecond'",
            )
            .bind(millis(KEEP))
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }
}

/// What waited for this one is due.
async fn free_next(tx: Tx<'_>, due: &Due) -> Result<(), Error> {
    sqlx::query(
        "UPDATE hub.callback SET due_at = least(due_at, statement_timestamp())
          WHERE job_seq = $1 AND state = 'open' AND sequence = (SELECT min(n.sequence)
            FROM hub.callback n WHERE n.job_seq = $1 AND n.sequence > $2 AND n.state = 'open')",
    )
    .bind(due.job_seq)
    .bind(due.sequence)
    .execute(tx)
    .await?;
    Ok(())
}

async fn note_success(tx: Tx<'_>, host: &str) -> Result<bool, Error> {
    sqlx::query("DELETE FROM hub.callback_host WHERE host = $1").bind(host).execute(tx).await?;
    Ok(false)
}

/// A host that fails for days is disabled: what is open for it stops, and can be replayed.
async fn note_failure(tx: Tx<'_>, host: &str) -> Result<bool, Error> {
    let disabled: bool = sqlx::query_scalar(
        "INSERT INTO hub.callback_host AS h (host, failing_since, failed_at)
         VALUES ($1, statement_timestamp(), statement_timestamp())
         ON CONFLICT (host) DO UPDATE SET
           failed_at = excluded.failed_at,
           failing_since = CASE WHEN h.failed_at < excluded.failed_at - $3 * interval '1 millisecond'
                                THEN excluded.failed_at ELSE h.failing_since END,
           disabled_at = CASE
             WHEN h.failed_at >= excluded.failed_at - $3 * interval '1 millisecond'
              AND h.failing_since < excluded.failed_at - $2 * interval '1 millisecond'
             THEN coalesce(h.disabled_at, excluded.failed_at) END
         RETURNING disabled_at IS NOT NULL",
    )
    .bind(host)
    .bind(millis(DISABLE_AFTER))
    .bind(millis(QUIET_MAX))
    .fetch_one(&mut *tx)
    .await?;
    if disabled {
        sqlx::query(
            "UPDATE hub.callback c SET state = 'stopped', why = $2,
                    ended_at = statement_timestamp()
               FROM (SELECT job_seq, sequence FROM hub.callback
                      WHERE host = $1 AND state = 'open' LIMIT $3) o
              WHERE c.job_seq = o.job_seq AND c.sequence = o.sequence AND c.state = 'open'",
        )
        .bind(host)
        .bind(HOST_DISABLED.name())
        .bind(STOP_MAX)
        .execute(&mut *tx)
        .await?;
    }
    Ok(disabled)
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn a_host_is_what_stands_between_the_scheme_and_the_path() {
        assert_eq!(host_of("https://Portal.example/hooks?x=1"), "portal.example");
        assert_eq!(host_of("http://user:secret@portal.example:8080/a"), "portal.example:8080");
        assert_eq!(host_of("nonsense"), "");
    }
}
