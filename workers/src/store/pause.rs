//! What people do to whole systems: pause, resume, reset; and what there is to see of them.
//!
//! *Guarantee*: the change and its row of the audit are one commit, and every worker hears of it.

use contracts::code;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::{
    Error, Store,
    audit::{self, Act, Outcome},
    instant,
    protection::{self, BLOCKED_BY},
    read_rows, within,
};

/// One system, as operators see it. Times named `…_at` and `…_until` without a mark are real time;
/// those of a pause and of maintenance are business time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Destination {
    /// Its name.
    pub system: String,
    /// Why it is not called: `pause`, `maintenance`, `hold`, `breaker`.
    pub blocked: Option<String>,
    /// When an operator paused it; business time.
    pub paused_at: Option<Timestamp>,
    /// When that ends by itself; business time.
    pub paused_until: Option<Timestamp>,
    /// Who.
    pub paused_by: Option<String>,
    /// Why.
    pub paused_reason: Option<String>,
    /// When announced maintenance ends; business time.
    pub maintenance_until: Option<Timestamp>,
    /// What people are told.
    pub maintenance_ru: Option<String>,
    /// In Kazakh.
    pub maintenance_kk: Option<String>,
    /// Until when our rejected credential holds it.
    pub held_until: Option<Timestamp>,
    /// Why.
    pub held_reason: Option<String>,
    /// When they told us to come again.
    pub told_until: Option<Timestamp>,
    /// Why.
    pub told_reason: Option<String>,
    /// `closed`, `open`, `half_open`.
    pub breaker: String,
    /// Openings in a row.
    pub breaker_trips: i32,
    /// When it last moved.
    pub breaker_changed_at: Option<Timestamp>,
    /// When one call may try; when that call counts as lost.
    pub breaker_next_at: Option<Timestamp>,
    /// Code of a failure that opened it.
    pub breaker_cause: Option<String>,
    /// Calls of the breaker's last moments.
    pub recent_calls: i64,
    /// Those of them that failed.
    pub recent_failed: i64,
    /// The limit of calls under way.
    pub in_flight_max: i32,
    /// Calls under way.
    pub calling: i64,
    /// Starts a second; 0: no limit.
    pub rate_per_s: i32,
    /// Starts at once.
    pub rate_burst: i32,
    /// Jobs that are stored and could be started.
    pub stored: i64,
    /// Shares of the limit.
    pub shares: Vec<Shared>,
}

/// One worker's part of the limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shared {
    /// Host and process.
    pub worker: String,
    /// So many calls.
    pub share: i32,
}

impl Store {
    /// All systems, or one.
    pub async fn destinations(&self, system: Option<&str>) -> Result<Vec<Destination>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            destinations(&mut tx, system).await
        })
        .await
    }

    /// Starts nothing of a system until somebody resumes it, or until an instant of business time.
    /// Who pauses it again says anew until when and why; a pause that lasts longer gives way only to who
    /// replaces it.
    pub async fn pause(
        &self,
        system: &str,
        (until, replaces): (Option<Timestamp>, bool),
        act: &Act,
    ) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let longer = longer_pause(&mut tx, system, until).await?;
            if let Some(text) = longer.filter(|_| !replaces) {
                return Ok(Outcome::refused(code!("paused_longer"), text));
            }
            let paused = sqlx::query(
                "UPDATE hub.destination SET paused_at = hub.now(), paused_by = $3,
                   paused_reason = $4, paused_until = to_timestamp(0) + $2 * interval '1 microsecond'
                  WHERE system = $1
                    AND coalesce(to_timestamp(0) + $2 * interval '1 microsecond' > hub.now(), true)",
            )
            .bind(system)
            .bind(until.map(Timestamp::as_microsecond))
            .bind(&act.actor)
            .bind(&act.reason)
            .execute(&mut *tx)
            .await?;
            let outcome = if paused.rows_affected() == 1 {
                let until = until.map_or("resumed".to_owned(), |until| format!("{until:.0}"));
                audit::note(&mut tx, act, "systems.pause", system, &until).await?;
                Outcome::done(code!("paused"), format!("no job of it is started until {until}"))
            } else if until.is_some() && known(&mut tx, system).await? {
                Outcome::refused(code!("in_the_past"), "--until lies in the past of business time")
            } else {
                unknown_system()
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }

    /// Ends a pause.
    pub async fn resume(&self, system: &str, act: &Act) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let resumed = sqlx::query(
                "UPDATE hub.destination SET paused_at = NULL, paused_by = NULL,
                   paused_reason = NULL, paused_until = NULL
                  WHERE system = $1 AND paused_at IS NOT NULL",
            )
            .bind(system)
            .execute(&mut *tx)
            .await?;
            let outcome = if resumed.rows_affected() == 1 {
                audit::note(&mut tx, act, "systems.resume", system, "resumed").await?;
                Outcome::done(code!("resumed"), "its jobs are started again")
            } else if known(&mut tx, system).await? {
                let text = "it is not paused; `hub systems list` says why it is not called";
                Outcome::refused(code!("not_paused"), text)
            } else {
                unknown_system()
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }

    /// Closes the breaker, ends the holds of a system and takes back what was said of maintenance: the
    /// cause is mended. A hub whose settings have the window keeps to it all the same.
    pub async fn reset(&self, system: &str, act: &Act) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let mut rows = protection::lock(&mut tx, &[system]).await?;
            let Some(row) = rows.first_mut() else { return Ok(unknown_system()) };
            let was = row.breaker.state.name();
            let now = row.now_ms;
            row.breaker.reset(now);
            protection::write_breakers(&mut tx, &[(&*row, None)]).await?;
            sqlx::query(
                "UPDATE hub.destination SET held_until = NULL, held_reason = NULL,
                   told_until = NULL, told_reason = NULL, maintenance_until = NULL,
                   maintenance_ru = NULL, maintenance_kk = NULL WHERE system = $1",
            )
            .bind(system)
            .execute(&mut *tx)
            .await?;
            audit::note(&mut tx, act, "systems.reset", system, was).await?;
            let text = format!("the breaker was {was}; it is closed, and nothing holds the system");
            audit::finish(tx, act, Outcome::done(code!("reset"), text)).await
        })
        .await
    }
}

/// The same, at the moment that the caller's transaction sees.
pub(super) async fn destinations(
    tx: super::Tx<'_>,
    system: Option<&str>,
) -> Result<Vec<Destination>, Error> {
    let statement = format!(
        "SELECT to_jsonb(t) FROM (
               SELECT d.*, {BLOCKED_BY} AS blocked,
                 recent.calls AS recent_calls, recent.failed AS recent_failed,
                 (SELECT count(*) FROM hub.job_live j WHERE j.system = d.system
                    AND j.state = 'calling') AS calling,
                 (SELECT count(*) FROM (SELECT 1 FROM hub.job_live j WHERE j.system = d.system
                    AND j.state = 'accepted' LIMIT 100000) few) AS stored,
                 coalesce((SELECT jsonb_agg(jsonb_build_object('worker', w.name, 'share', p.share)
                             ORDER BY w.name)
                   FROM hub.destination_share p JOIN hub.worker w ON w.id = p.worker
                  WHERE p.system = d.system), '[]') AS shares
                 FROM hub.destination d
                CROSS JOIN LATERAL (SELECT coalesce(sum(s.calls), 0)::bigint AS calls,
                     coalesce(sum(s.failed), 0)::bigint AS failed
                   FROM jsonb_to_recordset(d.breaker_recent)
                     s (calls bigint, failed bigint, until_ms bigint)
                  WHERE s.until_ms > extract(epoch FROM statement_timestamp()) * 1000) recent
                WHERE $1::text IS NULL OR d.system = $1
                ORDER BY d.system) t"
    );
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(system);
    read_rows(query.fetch_all(&mut *tx).await?)
}

/// The pause that lasts longer than until then, in words. Locks the system's row.
async fn longer_pause(
    tx: super::Tx<'_>,
    system: &str,
    until: Option<Timestamp>,
) -> Result<Option<String>, Error> {
    let Some(until) = until else { return Ok(None) };
    let row = sqlx::query(
        "SELECT paused_by, paused_reason,
                (extract(epoch FROM paused_until) * 1000000)::bigint AS paused_until
           FROM hub.destination
          WHERE system = $1 AND paused_at IS NOT NULL
            AND coalesce(paused_until > greatest(hub.now(),
                                        to_timestamp(0) + $2 * interval '1 microsecond'), true)
            FOR UPDATE",
    )
    .bind(system)
    .bind(until.as_microsecond());
    let Some(row) = row.fetch_optional(&mut *tx).await? else { return Ok(None) };
    let by: String = row.try_get("paused_by")?;
    let reason: String = row.try_get("paused_reason")?;
    let ends: Option<i64> = row.try_get("paused_until")?;
    let ends = ends.map_or("somebody resumes it".to_owned(), |at| format!("{:.0}", instant(at)));
    Ok(Some(format!(
        "{by} paused it until {ends} (\"{reason}\"), which is longer: say --replace if you know that \
         this may end sooner"
    )))
}

async fn known(tx: super::Tx<'_>, system: &str) -> Result<bool, Error> {
    let known =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM hub.destination WHERE system = $1)");
    Ok(known.bind(system).fetch_one(&mut *tx).await?)
}

fn unknown_system() -> Outcome {
    let text = "no hub has run with an address for it; `hub systems list` shows which there are";
    Outcome::refused(code!("unknown_system"), text)
}
