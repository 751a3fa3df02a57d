//! Messages that nobody could read when they came, given back to matching when somebody can.
//!
//! *Guarantee*: only what is verified and still refused for that reason is given back, once, in one
//! statement: its job is found as for any other message. Asking whether there are any costs one read of
//! a partial index.

use sqlx::Row;

use super::{Error, Store, inbound::Arrival, within};
use crate::seal::Sealed;

/// Business days in which a message is read again: later it helps nobody.
pub const DAYS_MAX: i32 = 30;

/// A message that could not be read.
#[derive(Debug, Clone)]
pub struct Unread {
    /// The row.
    pub id: i64,
    /// Its system.
    pub system: String,
    /// `push` or `pull`.
    pub source: String,
    /// As it came, or as a build of another version kept it.
    pub sealed: Sealed,
}

impl Store {
    /// Messages of these systems that could not be read and are older than row `before`, newest first.
    pub async fn unread(
        &self,
        systems: &[&str],
        before: i64,
        limit: i64,
    ) -> Result<Vec<Unread>, Error> {
        within(async {
            let rows = sqlx::query(
                "SELECT id, system, source, key_id, sealed FROM hub.inbound
                  WHERE state = 'refused' AND why IN ('unreadable', 'other_build') AND verified
                    AND system = ANY($1)
                    AND id < $2 AND received_at > hub.now() - make_interval(days => $4)
                  ORDER BY id DESC LIMIT $3",
            )
            .bind(systems)
            .bind(before)
            .bind(limit)
            .bind(DAYS_MAX)
            .fetch_all(&self.pool)
            .await?;
            rows.iter()
                .map(|row| {
                    Ok(Unread {
                        id: row.try_get("id")?,
                        system: row.try_get("system")?,
                        source: row.try_get("source")?,
                        sealed: Sealed {
                            key_id: row.try_get("key_id")?,
                            bytes: row.try_get("sealed")?,
                        },
                    })
                })
                .collect()
        })
        .await
    }

    /// Gives a message back that was refused because nobody could read it, as it is read now; `None`
    /// where the message of this id is no such one.
    pub async fn give_back_unread(&self, read: &Arrival) -> Result<Option<i64>, Error> {
        within(async {
            Ok(sqlx::query_scalar(
                "UPDATE hub.inbound i SET state = 'stored', why = NULL, correlation_id = $3,
                    kind = $4, key_id = $5, sealed = $6, looks = 0,
                    look_at = statement_timestamp() + interval '2 seconds'
                   FROM hub.inbound_key k
                  WHERE k.system = $1 AND k.message_id = $2 AND i.id = k.inbound_id
                    AND i.state = 'refused' AND i.why IN ('unreadable', 'other_build')
                    AND i.verified
                 RETURNING i.id",
            )
            .bind(read.system)
            .bind(&read.message_id)
            .bind(&read.correlation_id)
            .bind(read.kind)
            .bind(&read.sealed.key_id)
            .bind(&read.sealed.bytes)
            .fetch_optional(&self.pool)
            .await?)
        })
        .await
    }
}
