//! What all workers share to protect a system: why it is not called, shares of its limit, its breaker,
//! and the instants at which calls may start.
//!
//! *Guarantee*: everything that depends on what the others do is decided under the lock of the row of
//! `hub.destination`, so the shares never add up to more than the limit, an instant is dealt out once,
//! and one probe is under way. [`Store::look`] takes no lock; it is the one question of an idle hub.

use std::time::{Duration, Instant};

use serde::Deserialize;
use sqlx::Row;
use uuid::Uuid;

use super::{Error, NOW_MICROS, Store, Tx, claim::Claimed, millis, read_rows, turn, within};
use crate::{
    chance::Chance,
    policy::{
        breaker::{Breaker, Rules, State, Verdict},
        limits::{self, Member, Rate},
    },
};

/// Why a destination `d` is not called, as a literal to be put together with others.
macro_rules! blocked_by {
    () => {
        "CASE
    WHEN d.paused_at IS NOT NULL AND coalesce(d.paused_until > hub.now(), true) THEN 'pause'
    WHEN d.maintenance_until > hub.now() THEN 'maintenance'
    WHEN greatest(d.held_until, d.told_until) > statement_timestamp() THEN 'hold'
    WHEN d.breaker <> 'closed' THEN 'breaker' END"
    };
}
pub(super) use blocked_by;

/// Whether one call may try whether a destination `d` is there again, the breaker being open;
/// [`crate::policy::breaker::Breaker::wants_probe`] decides under the lock.
macro_rules! probe_due {
    () => {
        "coalesce(d.breaker_next_at <= statement_timestamp() OR (d.breaker_next_at IS NOT NULL
           AND d.breaker_changed_at > statement_timestamp() + interval '10 s'), false)"
    };
}
pub(super) use probe_due;

/// Why a destination `d` is not called; NULL where it is.
pub(super) const BLOCKED_BY: &str = blocked_by!();
const PROBE_DUE: &str = probe_due!();

/// Why a system is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// An operator paused it.
    Pause,
    /// Maintenance was announced, and is on.
    Maintenance,
    /// It rejected our credential, or told us when to come again.
    Hold,
    /// Its circuit breaker is open.
    Breaker,
}

impl Blocked {
    /// All of them, in the order in which they count.
    pub const ALL: [Self; 4] = [Self::Pause, Self::Maintenance, Self::Hold, Self::Breaker];

    /// The name in listings and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Maintenance => "maintenance",
            Self::Hold => "hold",
            Self::Breaker => "breaker",
        }
    }
}

/// One look at everything that is shared.
#[derive(Debug, Clone, Deserialize)]
pub struct Look {
    /// Business time, in microseconds since 1970.
    pub now: i64,
    /// Operations whose retries an operator stopped.
    pub retries_disabled: Vec<String>,
    /// In the order in which they were asked for.
    pub systems: Vec<Seen>,
}

/// One system, as the shared tables show it.
#[derive(Debug, Clone, Deserialize)]
pub struct Seen {
    /// Jobs that are stored and startable; counting stops where it was told to.
    pub stored: usize,
    /// Why it is not called.
    pub blocked: Option<Blocked>,
    /// The breaker.
    pub breaker: State,
    /// Whether one call may try whether they are there again.
    pub probe_due: bool,
    /// Business time at which maintenance ends, as a worker wrote it, in microseconds.
    pub maintenance_until: Option<i64>,
    /// The limit of all workers together.
    pub in_flight_max: usize,
    /// The rate of all workers together.
    pub rate: Rate,
    /// Shares, by worker.
    pub shares: Vec<Share>,
}

/// A worker's part of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Share {
    /// Whose.
    pub worker: Uuid,
    /// So many calls.
    pub share: usize,
    /// So many of them were under way.
    pub in_use: usize,
    /// Whether it needs more.
    pub hungry: bool,
}

/// What a worker tells of a system.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// The system.
    pub system: &'static str,
    /// The permits that it has, under way or free: no less can be leased.
    pub held: usize,
    /// Calls under way.
    pub in_use: usize,
    /// Whether it needs more.
    pub hungry: bool,
    /// Calls that ended since it last told.
    pub calls: u32,
    /// Those of them that failed.
    pub failed: u32,
    /// The code of the last one that failed.
    pub cause: Option<&'static str>,
    /// When the breaker opens.
    pub rules: Rules,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tended {
    /// The permits that this worker may have.
    pub share: usize,
    /// Whether the breaker opened.
    pub opened: bool,
}

/// A call that tries whether they are there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Fencing: its result counts in this epoch alone.
    pub epoch: i64,
}

/// A block of instants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// How many; none where all of the next second are taken.
    pub count: usize,
    /// From the answer's moment to the first of them, in milliseconds; negative: it has passed.
    pub first_ms: f64,
    /// The rate at which they were dealt out: the row's.
    pub rate: Rate,
    /// When the question was asked.
    pub asked: Instant,
    /// When the answer was there.
    pub told: Instant,
}

impl Store {
    /// One look at these systems: no lock, one statement. Stored jobs of each are counted as far as it
    /// says, which is a row read each.
    pub async fn look(&self, systems: &[(&str, usize)]) -> Result<Look, Error> {
        let statement = format!(
            "SELECT jsonb_build_object('now', {NOW_MICROS}, 'retries_disabled',
               coalesce((SELECT jsonb_agg(r.operation) FROM hub.retries_disabled r), '[]'),
               'systems', coalesce(jsonb_agg(jsonb_build_object(
                 'stored', (SELECT count(*) FROM (SELECT 1 FROM hub.job_live j
                    WHERE j.state = 'accepted' AND j.system = s.system LIMIT s.most) few),
                 'blocked', {BLOCKED_BY}, 'breaker', d.breaker,
                 'probe_due', {PROBE_DUE},
                 'maintenance_until',
                    (extract(epoch FROM d.maintenance_until) * 1000000)::bigint,
                 'in_flight_max', d.in_flight_max,
                 'rate', jsonb_build_object('per_s', d.rate_per_s, 'burst', d.rate_burst),
                 'shares', coalesce((SELECT jsonb_agg(to_jsonb(p) ORDER BY p.worker)
                    FROM hub.destination_share p WHERE p.system = s.system), '[]'))
                 ORDER BY s.ord), '[]'))
               FROM UNNEST($1::text[], $2::bigint[]) WITH ORDINALITY s (system, most, ord)
               JOIN hub.destination d ON d.system = s.system"
        );
        within(async {
            let row = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .bind(systems.iter().map(|(system, _)| *system).collect::<Vec<_>>())
                .bind(systems.iter().map(|(_, most)| count(*most)).collect::<Vec<_>>())
                .fetch_one(&self.pool)
                .await?;
            let mut looks: Vec<Look> = read_rows(vec![row])?;
            looks.pop().ok_or(Error::Timeout)
        })
        .await
    }

    /// Tells of calls and of need, and leases permits: one commit.
    pub async fn tend(
        &self,
        worker: Uuid,
        reports: &[Report],
        chance: &Chance,
    ) -> Result<Vec<Tended>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let systems: Vec<&str> = reports.iter().map(|report| report.system).collect();
            let mut rows = lock(&mut tx, &systems).await?;
            let shares = sqlx::query_scalar(
                "SELECT to_jsonb(p) FROM hub.destination_share p WHERE p.system = ANY($1)
                  ORDER BY p.worker",
            )
            .bind(&systems)
            .fetch_all(&mut *tx)
            .await?;
            let shares: Vec<OfSystem> = read_rows(shares)?;
            let mut tended = Vec::with_capacity(reports.len());
            for report in reports {
                let Some(row) = rows.iter_mut().find(|row| row.system == report.system) else {
                    tended.push(Tended { share: report.held, opened: false });
                    continue;
                };
                let of: Vec<Share> =
                    shares.iter().filter(|s| s.system == row.system).map(|s| s.share).collect();
                let share = leased(row.in_flight_max, &of, worker, report);
                let (now, breaker) = (row.now_ms, &mut row.breaker);
                let opened = breaker.note(report.calls, report.failed, now, &report.rules, chance);
                tended.push(Tended { share, opened });
            }
            let moved: Vec<_> = reports
                .iter()
                .zip(&tended)
                .filter(|(report, _)| report.calls > 0)
                .filter_map(|(report, now)| {
                    let row = rows.iter().find(|row| row.system == report.system)?;
                    Some((row, report.cause.filter(|_| now.opened)))
                })
                .collect();
            write_breakers(&mut tx, &moved).await?;
            write_shares(&mut tx, worker, reports, &tended).await?;
            tx.commit().await?;
            Ok(tended)
        })
        .await
    }

    /// Takes the one probe of a system with the stored job that makes it; nothing where it is not time,
    /// somebody else has it, or no job is there. Jobs take turns ([`turn`]).
    pub async fn take_probe(
        &self,
        worker: Uuid,
        system: &str,
        commands: &[&str],
        lasts: Duration,
    ) -> Result<Option<(Probe, Claimed)>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let mut rows = lock(&mut tx, &[system]).await?;
            let Some(row) = rows.first_mut().filter(|row| row.is_only_broken) else {
                return Ok(None);
            };
            let now = row.now_ms;
            let Some(epoch) = row.breaker.take_probe(now, lasts) else { return Ok(None) };
            let turn = turn::Probe { worker, system, commands, trips: row.breaker.trips };
            let Some(job) = turn::next(&mut tx, turn).await? else {
                tx.commit().await?;
                return Ok(None);
            };
            write_breakers(&mut tx, &[(&*row, None)]).await?;
            tx.commit().await?;
            Ok(Some((Probe { epoch }, job)))
        })
        .await
    }

    /// Takes the one probe of a system for a pull, which needs no job; nothing where it is not time,
    /// or somebody else has it.
    pub async fn take_pull_probe(
        &self,
        system: &str,
        lasts: Duration,
    ) -> Result<Option<Probe>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let mut rows = lock(&mut tx, &[system]).await?;
            let Some(row) = rows.first_mut().filter(|row| row.is_only_broken) else {
                return Ok(None);
            };
            let now = row.now_ms;
            let Some(epoch) = row.breaker.take_probe(now, lasts) else { return Ok(None) };
            write_breakers(&mut tx, &[(&*row, None)]).await?;
            // No job's: nobody's death loses it.
            sqlx::query("UPDATE hub.destination SET breaker_probe = NULL WHERE system = $1")
                .bind(system)
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(Some(Probe { epoch }))
        })
        .await
    }

    /// Tells what a probe learned; the state that follows, where it was believed.
    pub async fn end_probe(
        &self,
        system: &str,
        probe: Probe,
        learned: (Verdict, Option<&str>),
        rules: &Rules,
        chance: &Chance,
    ) -> Result<Option<State>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let mut rows = lock(&mut tx, &[system]).await?;
            let Some(row) = rows.first_mut() else { return Ok(None) };
            let now = row.now_ms;
            let (verdict, cause) = learned;
            if !row.breaker.end_probe(probe.epoch, verdict, now, rules, chance) {
                return Ok(None);
            }
            write_breakers(&mut tx, &[(&*row, cause)]).await?;
            tx.commit().await?;
            Ok(Some(row.breaker.state))
        })
        .await
    }

    /// Reserves up to `wanted` instants at which calls may start, none further away than
    /// [`limits::AHEAD`]. No more than that was ever reserved: what lies behind it is of a clock
    /// that went back since. After a rest the first one lies behind by the part `rested` of its life.
    pub async fn reserve(&self, system: &str, wanted: usize, rested: f64) -> Result<Block, Error> {
        let asked = Instant::now();
        let row = within(async {
            Ok(sqlx::query(
                "WITH d AS MATERIALIZED (
                   SELECT system, rate_per_s, rate_burst, statement_timestamp() AS now,
                          1.0 / rate_per_s AS gap,
                          greatest(least(coalesce(next_token_at, '-infinity'),
                            statement_timestamp()
                            + $3 * interval '1 millisecond' + interval '1 s' / rate_per_s),
                            statement_timestamp() - $4::float8
                            * (rate_burst - 1) / rate_per_s * interval '1 second') AS first
                     FROM hub.destination WHERE system = $1 AND rate_per_s > 0 FOR UPDATE),
                 t AS MATERIALIZED (
                   SELECT *, greatest(0, least($2::bigint, floor(extract(epoch FROM
                            now + $3 * interval '1 millisecond' - first) / gap)::bigint + 1)) AS n
                     FROM d)
                 UPDATE hub.destination x SET next_token_at = t.first + t.n * t.gap * interval '1 s'
                   FROM t WHERE x.system = t.system
                 RETURNING t.n, t.rate_per_s, t.rate_burst,
                   (extract(epoch FROM t.first - t.now) * 1000)::float8 AS first_ms",
            )
            .bind(system)
            .bind(count(wanted))
            .bind(millis(limits::AHEAD))
            .bind(rested)
            .fetch_optional(&self.pool)
            .await?)
        })
        .await?;
        let told = Instant::now();
        // Without a rate in the row there is no limit to keep: whoever started last took it away.
        let Some(row) = row else {
            return Ok(Block { count: 0, first_ms: 0.0, rate: Rate::NONE, asked, told });
        };
        let number = |column: &str| Ok::<_, Error>(row.try_get::<i32, _>(column)?);
        let rate = Rate {
            per_s: u32::try_from(number("rate_per_s")?).unwrap_or(0),
            burst: u32::try_from(number("rate_burst")?).unwrap_or(2),
        };
        let count = usize::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0);
        Ok(Block { count, first_ms: row.try_get("first_ms")?, rate, asked, told })
    }

    /// They told us when to come again: nothing is started until then, in real time. A hold that reaches
    /// about as far is left alone: each change of one is a commit, and rings a bell in every worker.
    pub async fn told(&self, system: &str, pause: Duration, reason: &str) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "UPDATE hub.destination d SET told_reason = $3, told_until = n.until
                   FROM (SELECT statement_timestamp() + $2 * interval '1 millisecond' AS until) n
                  WHERE d.system = $1 AND (d.told_until IS NULL OR d.told_until
                    < greatest(n.until - interval '1 s', statement_timestamp()))",
            )
            .bind(system)
            .bind(millis(pause))
            .bind(reason)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Writes down that maintenance is on, for everybody to see; or that it is not.
    pub async fn announce(
        &self,
        system: &str,
        window: Option<(jiff::Timestamp, &str, &str)>,
    ) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "UPDATE hub.destination SET maintenance_ru = $3, maintenance_kk = $4,
                   maintenance_until = to_timestamp(0) + $2 * interval '1 microsecond'
                  WHERE system = $1",
            )
            .bind(system)
            .bind(window.map(|(until, ..)| until.as_microsecond()))
            .bind(window.map(|(_, ru, _)| ru))
            .bind(window.map(|(.., kk)| kk))
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Writes the limits of this process's settings, for all.
    pub async fn set_limits(&self, limits: &[(&str, usize, Rate)]) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "UPDATE hub.destination d SET in_flight_max = u.most, rate_per_s = u.rate,
                   rate_burst = u.burst
                   FROM UNNEST($1::text[], $2::int[], $3::int[], $4::int[])
                     u (system, most, rate, burst)
                  WHERE d.system = u.system AND (d.in_flight_max, d.rate_per_s, d.rate_burst)
                    IS DISTINCT FROM (u.most, u.rate, u.burst)",
            )
            .bind(limits.iter().map(|(system, ..)| *system).collect::<Vec<_>>())
            .bind(limits.iter().map(|(_, most, _)| int(*most)).collect::<Vec<_>>())
            .bind(limits.iter().map(|(.., rate)| int(rate.per_s as usize)).collect::<Vec<_>>())
            .bind(limits.iter().map(|(.., rate)| int(rate.burst as usize)).collect::<Vec<_>>())
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }
}

/// A locked row of `hub.destination`.
#[derive(Deserialize)]
pub(super) struct Locked {
    pub(super) system: String,
    pub(super) now_ms: i64,
    in_flight_max: usize,
    /// Nothing but the breaker stands in the way.
    is_only_broken: bool,
    pub(super) breaker: Breaker,
}

#[derive(Deserialize)]
struct OfSystem {
    system: String,
    #[serde(flatten)]
    share: Share,
}

/// Locks rows in the order of their names, so that two workers never wait in a circle.
pub(super) async fn lock(tx: Tx<'_>, systems: &[&str]) -> Result<Vec<Locked>, Error> {
    let ms = |column: &str| format!("(extract(epoch FROM {column}) * 1000)::bigint");
    let statement = format!(
        "SELECT jsonb_build_object('system', d.system, 'in_flight_max', d.in_flight_max,
           'now_ms', {now}, 'is_only_broken', coalesce(({BLOCKED_BY}) = 'breaker', false),
           'breaker', jsonb_build_object('state', d.breaker, 'epoch', d.breaker_epoch,
             'trips', d.breaker_trips, 'changed_ms', {changed}, 'next_ms', {next},
             'recent', d.breaker_recent))
           FROM hub.destination d WHERE d.system = ANY($1) ORDER BY d.system FOR UPDATE",
        now = ms("clock_timestamp()"),
        changed = ms("d.breaker_changed_at"),
        next = ms("d.breaker_next_at"),
    );
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(systems);
    read_rows(query.fetch_all(&mut *tx).await?)
}

/// What this worker may have now.
fn leased(limit: usize, shares: &[Share], me: Uuid, report: &Report) -> usize {
    let Report { held, in_use, hungry, .. } = *report;
    let mut shares: Vec<Share> = shares.iter().copied().filter(|s| s.worker != me).collect();
    let others = shares.iter().map(|s| s.share).sum();
    shares.push(Share { worker: me, share: held, in_use, hungry });
    shares.sort_by_key(|share| share.worker);
    let target = targets(limit, &shares, me);
    limits::lease(limit, others, held, target)
}

/// What a worker should have; the same for whoever computes it.
pub fn targets(limit: usize, shares: &[Share], me: Uuid) -> usize {
    let members: Vec<Member> =
        shares.iter().map(|s| Member { in_use: s.in_use, hungry: s.hungry }).collect();
    let place = shares.iter().position(|share| share.worker == me);
    place.and_then(|place| limits::fair(limit, &members).get(place).copied()).unwrap_or(0)
}

/// Writes what became of breakers; `cause` where it is known.
pub(super) async fn write_breakers(
    tx: Tx<'_>,
    rows: &[(&Locked, Option<&str>)],
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let batch: Vec<serde_json::Value> = rows
        .iter()
        .map(|(row, cause)| {
            serde_json::json!({"system": row.system, "breaker": row.breaker, "cause": cause})
        })
        .collect();
    sqlx::query(
        "UPDATE hub.destination d SET breaker = b.state, breaker_epoch = b.epoch,
           breaker_trips = b.trips, breaker_recent = b.recent,
           breaker_changed_at = to_timestamp(b.changed_ms / 1000.0),
           breaker_next_at = to_timestamp(b.next_ms / 1000.0),
           breaker_cause = CASE WHEN b.state = 'closed' THEN NULL
                                ELSE coalesce(u.cause, d.breaker_cause) END,
           breaker_probe = CASE WHEN b.state = 'half_open' THEN d.breaker_probe END,
           breaker_turns = CASE WHEN b.state = 'closed' THEN '{}' ELSE d.breaker_turns END
           FROM jsonb_to_recordset($1) u (system text, breaker jsonb, cause text)
          CROSS JOIN LATERAL jsonb_to_record(u.breaker) b (state text, epoch bigint, trips int,
             changed_ms bigint, next_ms bigint, recent jsonb)
          WHERE d.system = u.system",
    )
    .bind(serde_json::Value::Array(batch))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn write_shares(
    tx: Tx<'_>,
    worker: Uuid,
    reports: &[Report],
    tended: &[Tended],
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO hub.destination_share AS p (system, worker, share, in_use, hungry)
         SELECT u.system, $1, u.share, u.in_use, u.hungry
           FROM UNNEST($2::text[], $3::int[], $4::int[], $5::bool[])
             u (system, share, in_use, hungry)
           JOIN hub.destination d ON d.system = u.system
          ORDER BY u.system
         ON CONFLICT (system, worker) DO UPDATE
            SET share = excluded.share, in_use = excluded.in_use, hungry = excluded.hungry
          WHERE (p.share, p.in_use, p.hungry)
             IS DISTINCT FROM (excluded.share, excluded.in_use, excluded.hungry)",
    )
    .bind(worker)
    .bind(reports.iter().map(|r| r.system).collect::<Vec<_>>())
    .bind(tended.iter().map(|t| int(t.share)).collect::<Vec<_>>())
    .bind(reports.iter().map(|r| int(r.in_use)).collect::<Vec<_>>())
    .bind(reports.iter().map(|r| r.hungry).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn int(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
