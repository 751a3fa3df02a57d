//! Whose turn it is to probe: the stored jobs of one outage take turns.
//!
//! What always fails, by what it asks, must not keep a breaker open for the others. So each probe is made
//! with another job: those that only ask before commands, but each [`COMMAND_TURN`]th the other way round;
//! urgent ones and bulk in turns, whatever more of the other comes in. Each lane goes on behind its last
//! job, in the order of the store, and begins anew at its end. A closed breaker forgets them.
//!
//! *Cost*: a lane reads at most [`SCANNED_MAX`] jobs under the lock of its system, however many are stored.
//! Where it finds none of its kind among them, it goes on behind them at the next probe, and this one is
//! another lane's.

use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, Tx,
    claim::{COLUMNS, Claimed},
};

/// Each so many probes of one outage are made with a command, if there is one.
const COMMAND_TURN: i32 = 4;
/// Stored jobs that are read to find one of a kind.
const SCANNED_MAX: i64 = 10_000;
/// A job's place in the order of the store: its priority, then its number.
type Turn = (i16, i64);

/// Who probes whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe<'a> {
    pub(super) worker: Uuid,
    pub(super) system: &'a str,
    /// The operations that do more than ask.
    pub(super) commands: &'a [&'a str],
    /// How often the breaker opened since it was closed.
    pub(super) trips: i32,
}

/// Jobs that take turns among themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lane {
    /// They do nothing but ask.
    asks: bool,
    /// Somebody sits before a screen.
    urgent: bool,
}

impl Lane {
    const fn name(self) -> &'static str {
        match (self.asks, self.urgent) {
            (true, true) => "asks_urgent",
            (true, false) => "asks_bulk",
            (false, true) => "commands_urgent",
            (false, false) => "commands_bulk",
        }
    }

    /// Before its first job.
    const fn first(self) -> Turn {
        (if self.urgent { i16::MIN } else { 1 }, i64::MIN)
    }

    /// The last priority of the lane.
    const fn priority_max(self) -> i16 {
        if self.urgent { 0 } else { i16::MAX }
    }
}

/// The lanes of a probe, the first one that has a job makes it. Pure.
fn lanes(trips: i32, has_commands: bool) -> Vec<Lane> {
    let is_commands = trips > 0 && trips % COMMAND_TURN == 0;
    let round = if is_commands { trips / COMMAND_TURN } else { trips };
    let urgent = round % 2 == 1;
    let kinds = [!is_commands, is_commands].into_iter().filter(|asks| *asks || has_commands);
    kinds.flat_map(|asks| [urgent, !urgent].map(|urgent| Lane { asks, urgent })).collect()
}

/// Takes the stored job whose turn it is, in the commit of the caller, who holds the system's row.
pub(super) async fn next(tx: Tx<'_>, probe: Probe<'_>) -> Result<Option<Claimed>, Error> {
    let turns = "SELECT breaker_turns FROM hub.destination WHERE system = $1";
    let turns: Value = sqlx::query_scalar(turns).bind(probe.system).fetch_one(&mut *tx).await?;
    for lane in lanes(probe.trips, !probe.commands.is_empty()) {
        let last = serde_json::from_value(turns[lane.name()].clone());
        let mut behind = last.unwrap_or(lane.first());
        loop {
            if let Some((job, turn)) = take(tx, probe, lane, behind).await? {
                note(tx, probe.system, lane, turn, Some(job.seq)).await?;
                return Ok(Some(job));
            }
            if let Some(turn) = reached(tx, probe.system, lane, behind).await? {
                note(tx, probe.system, lane, turn, None).await?;
                break;
            }
            if behind == lane.first() {
                break;
            }
            behind = lane.first();
        }
    }
    Ok(None)
}

/// Takes the first job of a lane behind a turn, if it is near.
async fn take(
    tx: Tx<'_>,
    probe: Probe<'_>,
    lane: Lane,
    behind: Turn,
) -> Result<Option<(Claimed, Turn)>, Error> {
    // As `job_live_claim` is ordered. Somebody may hold the first one.
    let statement = format!(
        "WITH picked AS MATERIALIZED (
           SELECT seq FROM hub.job_live
            WHERE state = 'accepted' AND seq = ANY(ARRAY(
                SELECT seq FROM (
                  SELECT seq, phase, operation FROM hub.job_live
                   WHERE state = 'accepted' AND system = $2
                     AND (priority, seq) > ($5, $6) AND priority <= $7
                   ORDER BY priority, seq LIMIT $8) near
                 WHERE phase <> 'consent'
                   AND (phase IN ('ask', 'continue') OR operation <> ALL($3)) = $4
                 LIMIT 8))
            ORDER BY priority, seq LIMIT 1 FOR UPDATE SKIP LOCKED)
         UPDATE hub.job_live j SET state = 'calling', owner = $1, run = j.run + 1
           FROM picked WHERE j.seq = picked.seq
         RETURNING {COLUMNS}, j.priority"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(probe.worker)
        .bind(probe.system)
        .bind(probe.commands)
        .bind(lane.asks)
        .bind(behind.0)
        .bind(behind.1)
        .bind(lane.priority_max())
        .bind(SCANNED_MAX)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let job = Claimed::read(&row)?;
    let turn = (row.try_get("priority")?, job.seq);
    Ok(Some((job, turn)))
}

/// How far [`take`] looked; `None` where it saw the last one.
async fn reached(
    tx: Tx<'_>,
    system: &str,
    lane: Lane,
    behind: Turn,
) -> Result<Option<Turn>, Error> {
    let last = sqlx::query_as(
        "SELECT priority, seq FROM hub.job_live
          WHERE state = 'accepted' AND system = $1 AND (priority, seq) > ($2, $3) AND priority <= $4
          ORDER BY priority, seq OFFSET $5 LIMIT 1",
    );
    let last = last.bind(system).bind(behind.0).bind(behind.1).bind(lane.priority_max());
    Ok(last.bind(SCANNED_MAX - 1).fetch_optional(&mut *tx).await?)
}

/// Notes whose turn it was, and which job makes the probe.
async fn note(
    tx: Tx<'_>,
    system: &str,
    lane: Lane,
    turn: Turn,
    probe: Option<i64>,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE hub.destination SET breaker_turns = breaker_turns || $2,
           breaker_probe = coalesce($3, breaker_probe) WHERE system = $1",
    )
    .bind(system)
    .bind(json!({ lane.name(): turn }))
    .bind(probe)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(trips: i32, has_commands: bool) -> Vec<&'static str> {
        lanes(trips, has_commands).into_iter().map(Lane::name).collect()
    }

    #[test]
    fn questions_and_commands_urgent_ones_and_bulk_all_have_their_turn() {
        let commands = ["commands_urgent", "commands_bulk"];
        assert_eq!(names(1, true), [["asks_urgent", "asks_bulk"], commands].concat());
        assert_eq!(names(2, true)[..2], ["asks_bulk", "asks_urgent"]);
        assert_eq!(names(4, true), [commands, ["asks_urgent", "asks_bulk"]].concat());
        assert_eq!(names(8, true)[..2], ["commands_bulk", "commands_urgent"]);
    }

    #[test]
    fn where_nothing_but_questions_is_known_no_command_is_looked_for() {
        assert_eq!(names(3, false), ["asks_urgent", "asks_bulk"]);
        assert_eq!(names(4, false), ["asks_urgent", "asks_bulk"]);
        assert_eq!(names(8, false), ["asks_bulk", "asks_urgent"]);
    }
}
