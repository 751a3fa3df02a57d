//! What comes in from the government: stored first, believed later.
//!
//! *Guarantee*: a message is on disk, sealed, before it is acknowledged. A verified message is kept
//! once, whatever its sender repeats; an unverified one occupies no key, because the ids of pushes
//! can be guessed.

use adapters::channel::Received;
use contracts::state::Phase;
use sqlx::Row;
use uuid::Uuid;

use super::{Error, NOW_MICROS, Store, instant, outbox, portal, within};
use crate::seal::Sealed;

/// What the looks at a message that is kept count up to: the pause has grown by then.
const KEPT_LOOKS: i32 = 6;

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The system whose endpoint it came to.
    pub system: &'static str,
    /// `push` or `pull`.
    pub source: &'static str,
    /// The peer's address, for a push.
    pub peer: Option<String>,
    /// Whether peer and sender are known.
    pub verified: bool,
    /// Why it is not believed, where it is not.
    pub why: Option<&'static str>,
    /// The gateway's id of the message.
    pub message_id: String,
    /// Its conversation.
    pub correlation_id: String,
    /// `RESPONSE`, `NOTIFICATION` …
    pub kind: &'static str,
    /// The raw message.
    pub sealed: Sealed,
}

/// A stored message that waits for its job.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The row.
    pub id: i64,
    /// Its system.
    pub system: String,
    /// `push` or `pull`.
    pub source: String,
    /// The raw message.
    pub sealed: Sealed,
    /// How often its job was looked for.
    pub looks: i32,
}

/// A job that a message may be about.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Admission number.
    pub seq: i64,
    /// The publisher's id.
    pub id: Uuid,
    /// What was asked.
    pub operation: String,
    /// Personal.
    pub input: serde_json::Value,
    /// Its state.
    pub state: String,
    /// What its next call does.
    pub phase: Phase,
    /// Business time now.
    pub now: jiff::Timestamp,
}

impl Store {
    /// Stores a message; `None` where a verified message with this id was stored before.
    pub async fn store_arrival(&self, arrival: &Arrival) -> Result<Option<i64>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let is_open = arrival.verified && arrival.why.is_none();
            let state = if is_open { "stored" } else { "refused" };
            let id: i64 = sqlx::query_scalar(
                "INSERT INTO hub.inbound (received_at, system, source, peer, verified, message_id,
                   correlation_id, kind, key_id, sealed, state, why, look_at)
                 VALUES (hub.now(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
                   CASE WHEN $12 THEN statement_timestamp() + interval '2 seconds' END)
                 RETURNING id",
            )
            .bind(arrival.system)
            .bind(arrival.source)
            .bind(&arrival.peer)
            .bind(arrival.verified)
            .bind(&arrival.message_id)
            .bind(&arrival.correlation_id)
            .bind(arrival.kind)
            .bind(&arrival.sealed.key_id)
            .bind(&arrival.sealed.bytes)
            .bind(state)
            .bind(arrival.why)
            .bind(is_open)
            .fetch_one(&mut *tx)
            .await?;
            if arrival.verified {
                let new = sqlx::query(
                    "INSERT INTO hub.inbound_key (system, message_id, inbound_id)
                     VALUES ($1, $2, $3) ON CONFLICT (system, message_id) DO NOTHING",
                )
                .bind(arrival.system)
                .bind(&arrival.message_id)
                .bind(id)
                .execute(&mut *tx)
                .await?;
                if new.rows_affected() == 0 {
                    return Ok(None); // dropping the transaction takes the row back
                }
            }
            tx.commit().await?;
            Ok(Some(id))
        })
        .await
    }

    /// Messages of these systems to look at now, oldest first.
    pub async fn open_messages(
        &self,
        which: Which,
        systems: &[&str],
        limit: i64,
    ) -> Result<Vec<Stored>, Error> {
        let (filter, id) = match which {
            Which::Id(id) => ("id = $1", id),
            Which::Due => ("look_at <= statement_timestamp() AND $1 = 0", 0),
            Which::Known => (
                "$1 = 0 AND EXISTS (SELECT 1 FROM hub.correlation c WHERE c.system = i.system
                   AND c.correlation_id = i.correlation_id)",
                0,
            ),
            Which::All { after } => ("id > $1", after),
        };
        let statement = format!(
            "SELECT id, system, source, key_id, sealed, looks FROM hub.inbound i
              WHERE state IN ('stored', 'parked') AND system = ANY($3) AND {filter}
              ORDER BY id LIMIT $2"
        );
        within(async {
            let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
                .bind(id)
                .bind(limit)
                .bind(systems)
                .fetch_all(&self.pool)
                .await?;
            rows.iter().map(stored).collect()
        })
        .await
    }

    /// The job of a conversation, or, for a job that has no conversation yet, of a request number.
    pub async fn find_candidate(
        &self,
        system: &str,
        correlation_id: &str,
        request_number: Option<Uuid>,
    ) -> Result<Option<Candidate>, Error> {
        let statement = format!(
            "SELECT j.seq, j.id, j.operation, j.input, j.state, j.phase, {NOW_MICROS} AS now
               FROM hub.job j
              WHERE j.system = $1 AND j.seq = coalesce(
                (SELECT c.job_seq FROM hub.correlation c
                  WHERE c.system = $1 AND c.correlation_id = $2),
                (SELECT k.seq FROM hub.job_key k WHERE k.id = $3
                    AND NOT EXISTS (SELECT 1 FROM hub.correlation c WHERE c.job_seq = k.seq)))"
        );
        within(async {
            let row = sqlx::query(sqlx::AssertSqlSafe(statement))
                .bind(system)
                .bind(correlation_id)
                .bind(request_number)
                .fetch_optional(&self.pool)
                .await?;
            row.map(|row| {
                let phase: String = row.try_get("phase")?;
                Ok(Candidate {
                    phase: Phase::from_name(&phase).unwrap_or(Phase::Send),
                    seq: row.try_get("seq")?,
                    id: row.try_get("id")?,
                    operation: row.try_get("operation")?,
                    input: row.try_get("input")?,
                    state: row.try_get("state")?,
                    now: instant(row.try_get("now")?),
                })
            })
            .transpose()
        })
        .await
    }

    /// Leaves a message for a later look, in real milliseconds.
    pub async fn park_message(&self, id: i64, next_look_ms: i64) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "UPDATE hub.inbound SET state = 'parked', looks = looks + 1,
                    look_at = statement_timestamp() + $2 * interval '1 millisecond'
                  WHERE id = $1 AND state IN ('stored', 'parked')",
            )
            .bind(id)
            .bind(next_look_ms)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Leaves a message for a later look, in real milliseconds, as long as its job lives: this one, or
    /// that of its conversation. Such looks do not add up to those after which it is given up.
    pub async fn keep_message(
        &self,
        id: i64,
        seq: Option<i64>,
        next_look_ms: i64,
    ) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "UPDATE hub.inbound i SET job_seq = coalesce(l.seq, i.job_seq),
                    state = CASE WHEN l.ended THEN 'late' ELSE 'parked' END,
                    why = CASE WHEN l.ended THEN 'the job had ended' END,
                    looks = least(i.looks + 1, $4),
                    look_at = CASE WHEN NOT l.ended
                      THEN statement_timestamp() + $3 * interval '1 millisecond' END
                   FROM (SELECT k.seq, k.seq IS NOT NULL AND NOT EXISTS (
                           SELECT 1 FROM hub.job_live j WHERE j.seq = k.seq) AS ended
                           FROM (SELECT coalesce($2, (SELECT c.job_seq FROM hub.inbound o
                             JOIN hub.correlation c ON c.system = o.system
                              AND c.correlation_id = o.correlation_id
                            WHERE o.id = $1)) AS seq) k) l
                  WHERE i.id = $1 AND i.state IN ('stored', 'parked')",
            )
            .bind(id)
            .bind(seq)
            .bind(next_look_ms)
            .bind(KEPT_LOOKS)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }

    /// Ends the story of a message that is not applied: `late`, `refused` or `unmatched`.
    pub async fn close_message(
        &self,
        id: i64,
        state: &str,
        why: &str,
        seq: Option<i64>,
    ) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "UPDATE hub.inbound SET state = $2, why = $3, job_seq = $4, look_at = NULL
                  WHERE id = $1 AND state IN ('stored', 'parked')",
            )
            .bind(id)
            .bind(state)
            .bind(why)
            .bind(seq)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }
}

/// What became of a message that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// The portal has it, and is told.
    Told,
    /// The portal has it, or something newer, already: nothing changed.
    Known,
    /// Somebody else has dealt with it.
    Elsewhere,
}

impl Store {
    /// Takes a message in that nobody asked for: its rows, the event that tells of it, and the end of
    /// its story here are one commit. What changes no row is told to nobody.
    pub async fn receive(&self, id: i64, received: &Received) -> Result<Intake, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let taken = sqlx::query(
                "UPDATE hub.inbound SET state = 'applied', look_at = NULL
                  WHERE id = $1 AND state IN ('stored', 'parked')",
            )
            .bind(id)
            .execute(&mut *tx)
            .await?;
            if taken.rows_affected() == 0 {
                return Ok(Intake::Elsewhere);
            }
            let writes: Vec<_> = received.writes.iter().map(|write| (None, write)).collect();
            if portal::write(&mut tx, &writes).await? == 0 {
                tx.commit().await?;
                return Ok(Intake::Known);
            }
            let now = format!("SELECT {NOW_MICROS}");
            let now = sqlx::query_scalar(sqlx::AssertSqlSafe(now)).fetch_one(&mut *tx).await?;
            outbox::insert(&mut tx, &[outbox::Row::received(id, instant(now), received)]).await?;
            tx.commit().await?;
            Ok(Intake::Told)
        })
        .await
    }
}

/// Which open messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// This one.
    Id(i64),
    /// Those whose look is due.
    Due,
    /// Those whose conversation has become known.
    Known,
    /// All with a higher id: the process has just started.
    All {
        /// The last id that was looked at.
        after: i64,
    },
}

fn stored(row: &sqlx::postgres::PgRow) -> Result<Stored, Error> {
    Ok(Stored {
        id: row.try_get("id")?,
        system: row.try_get("system")?,
        source: row.try_get("source")?,
        sealed: Sealed { key_id: row.try_get("key_id")?, bytes: row.try_get("sealed")? },
        looks: row.try_get("looks")?,
    })
}
