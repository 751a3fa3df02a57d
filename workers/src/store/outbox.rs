//! The outbox: events that no broker has confirmed yet.
//!
//! *Guarantee*: a row is written in the commit that makes its event true, and leaves only after the
//! broker confirmed it (or returned it: then it moves to `hub.unheard` in the same statement).

use adapters::channel::Received;
use contracts::{
    event::{self, Event, EventData, EventName},
    operation::OperationSpec,
    state::{Sla, State},
    trace::TraceContext,
};
use jiff::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use super::{Error, Store, Tx, admission::Reply, callback, within};

/// Jobs are dealt out to this many partitions; each is published by one worker.
pub const PARTITIONS: i64 = 16;

/// How many partitions are the worker's (`$1`, of `$2`), and whether what is more is given away.
const SHARE: &str = "
    SELECT CASE WHEN can = 0 THEN ceil($2::numeric / greatest(everybody, 1))
                WHEN i_can THEN ceil($2::numeric / can) ELSE 0 END::int AS n,
           can > 0 AS is_given
      FROM (SELECT count(*) AS everybody, count(*) FILTER (WHERE publishes) AS can,
                   coalesce(bool_or(publishes) FILTER (WHERE id = $1), false) AS i_can
              FROM hub.worker) w";

/// Events between a job's first and last that are kept by name: the first of them, and in all.
const KEPT_FIRST: u8 = 8;
const KEPT_MAX: u8 = 40;

/// SQL: what is kept of one event of a job (`hub.job.told`). Its end is kept by the job itself.
pub(super) fn entry(number: &str, name: &str, time: &str) -> String {
    format!("({number}) || ' ' || {name} || ' ' || (extract(epoch FROM {time}) * 1000)::bigint")
}

/// SQL: what was told of job `j`, with this array of entries.
pub(super) fn kept(news: &str) -> String {
    format!(
        "CASE WHEN cardinality({news}) = 0 THEN j.told
              WHEN coalesce(cardinality(j.told), 0) < {KEPT_MAX} THEN j.told || {news}
              ELSE j.told[:{KEPT_FIRST}] || j.told[{KEPT_FIRST} + 1 + cardinality({news}):] || {news} END"
    )
}

/// An event to be published.
#[derive(Debug, Clone)]
pub struct Row {
    job_seq: i64,
    sequence: i32,
    routing_key: String,
    body: Vec<u8>,
    reply: Option<Reply>,
    /// Where its job wants it by HTTP as well.
    callback: Option<String>,
}

/// An event as the relay takes it.
#[derive(Debug)]
pub struct Unsent {
    /// Partition and id: the row's key.
    pub key: (i16, i64),
    /// The job: one unconfirmed event at most.
    pub job_seq: i64,
    /// Routing key on the events exchange.
    pub routing_key: String,
    /// The CloudEvent.
    pub body: Vec<u8>,
    /// Set: not an event, but a reply to this queue.
    pub reply: Option<Reply>,
}

/// How an attempt to publish ended for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Confirmed, or a reply that had its one try.
    Done,
    /// The broker returned it: no queue is bound.
    Unheard,
}

impl Row {
    /// An event about a job; the operation is `None` where the job names none that exists. Headers
    /// and callbacks take the trace from the event itself.
    pub fn event(
        job_seq: i64,
        name: EventName,
        operation: Option<&OperationSpec>,
        time: Timestamp,
        data: EventData,
        trace: Option<&TraceContext>,
    ) -> Self {
        let operation = operation.map_or(event::UNKNOWN_OPERATION, |o| o.name);
        let sequence = i32::try_from(data.sequence).unwrap_or(i32::MAX);
        let event = Event::new(name, operation, time, data).within(trace);
        Self {
            job_seq,
            sequence,
            routing_key: event::routing_key(operation, name),
            // An event is made of texts and numbers: it always serialises.
            body: serde_json::to_vec(&event).unwrap_or_default(),
            reply: None,
            callback: None,
        }
    }

    /// The event of a message that nobody asked for. It belongs to no job: it is put in order by the
    /// message's own number, which is negative so that it is no job's.
    pub(super) fn received(inbound_id: i64, time: Timestamp, received: &Received) -> Self {
        let name = EventName::MessageReceived;
        let data = EventData {
            job_id: received.id,
            subject: None,
            state: State::Succeeded,
            sla: Sla::OnTime,
            sequence: 1,
            summary: received.summary.clone(),
            errors: Vec::new(),
        };
        let event = Event::new(name, received.operation, time, data);
        Self {
            job_seq: -inbound_id,
            sequence: 1,
            routing_key: event::routing_key(received.operation, name),
            body: serde_json::to_vec(&event).unwrap_or_default(),
            reply: None,
            callback: None,
        }
    }

    /// The same, as a reply.
    #[must_use]
    pub fn as_reply(&self, reply: &Reply) -> Self {
        Self { reply: Some(reply.clone()), callback: None, ..self.clone() }
    }

    /// The same, to be delivered to this address as well.
    #[must_use]
    pub fn also_to(self, callback: Option<&String>) -> Self {
        Self { callback: callback.cloned(), ..self }
    }
}

impl Row {
    fn as_callback(&self) -> Option<callback::New> {
        let url = self.callback.clone()?;
        let (job_seq, sequence) = (self.job_seq, self.sequence);
        Some(callback::New { job_seq, sequence, url, body: self.body.clone() })
    }
}

/// Writes events, in the caller's commit.
pub(super) async fn insert(tx: Tx<'_>, rows: &[Row]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let partition: Vec<i16> =
        rows.iter().map(|r| i16::try_from(r.job_seq.rem_euclid(PARTITIONS)).unwrap_or(0)).collect();
    let seq: Vec<i64> = rows.iter().map(|r| r.job_seq).collect();
    let sequence: Vec<i32> = rows.iter().map(|r| r.sequence).collect();
    let key: Vec<&str> = rows.iter().map(|r| r.routing_key.as_str()).collect();
    let body: Vec<&[u8]> = rows.iter().map(|r| r.body.as_slice()).collect();
    let to: Vec<Option<&str>> =
        rows.iter().map(|r| r.reply.as_ref().map(|x| x.to.as_str())).collect();
    let mark: Vec<Option<&str>> =
        rows.iter().map(|r| r.reply.as_ref().and_then(|x| x.correlation_id.as_deref())).collect();
    sqlx::query(
        "INSERT INTO hub.outbox (partition, job_seq, sequence, routing_key, body, reply_to,
           correlation_id, created_at)
         SELECT partition, job_seq, sequence, routing_key, body, reply_to, correlation_id,
           statement_timestamp()
           FROM UNNEST($1::smallint[], $2::bigint[], $3::int[], $4::text[], $5::bytea[],
                       $6::text[], $7::text[]) WITH ORDINALITY
             AS t (partition, job_seq, sequence, routing_key, body, reply_to, correlation_id, ord)
          ORDER BY ord",
    )
    .bind(partition)
    .bind(seq)
    .bind(sequence)
    .bind(key)
    .bind(body)
    .bind(to)
    .bind(mark)
    .execute(&mut *tx)
    .await?;
    let callbacks: Vec<callback::New> = rows.iter().filter_map(Row::as_callback).collect();
    callback::insert(tx, &callbacks).await
}

impl Store {
    /// The oldest unsent events of these partitions, without those of the jobs that are set aside.
    pub async fn unsent(
        &self,
        partitions: &[i16],
        aside: &[i64],
        limit: usize,
    ) -> Result<Vec<Unsent>, Error> {
        within(async {
            let rows = sqlx::query(
                "SELECT o.* FROM UNNEST($1::smallint[]) p (partition) CROSS JOIN LATERAL (
                   SELECT partition, id, job_seq, routing_key, body, reply_to, correlation_id
                     FROM hub.outbox o WHERE o.partition = p.partition AND o.job_seq <> ALL($3)
                    ORDER BY o.id LIMIT $4) o
                 LIMIT $2",
            )
            .bind(partitions)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(aside)
            // Every partition has its turn, also where another has more than a round holds.
            .bind(i64::try_from(limit.div_ceil(partitions.len().max(1))).unwrap_or(i64::MAX))
            .fetch_all(&self.relaying)
            .await?;
            rows.iter()
                .map(|row| {
                    let to: Option<String> = row.try_get("reply_to")?;
                    let correlation_id = row.try_get("correlation_id")?;
                    Ok(Unsent {
                        key: (row.try_get("partition")?, row.try_get("id")?),
                        job_seq: row.try_get("job_seq")?,
                        routing_key: row.try_get("routing_key")?,
                        body: row.try_get("body")?,
                        reply: to.map(|to| Reply { to, correlation_id }),
                    })
                })
                .collect()
        })
        .await
    }

    /// Tells the other processes that events may wait in their partitions. On its own, not in the
    /// commit that writes them: a commit that notifies waits for every other one that does.
    pub async fn tell_of_events(&self) -> Result<(), Error> {
        within(async {
            sqlx::query("SELECT pg_notify('hub_events', '')").execute(&self.relaying).await?;
            Ok(())
        })
        .await
    }

    /// Whether events wait in the partitions of this worker.
    pub async fn has_unsent(&self, me: Uuid) -> Result<bool, Error> {
        within(async {
            Ok(sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM hub.relay_partition p WHERE p.owner = $1
                   AND EXISTS (SELECT 1 FROM hub.outbox o WHERE o.partition = p.partition))",
            )
            .bind(me)
            .fetch_one(&self.pool)
            .await?)
        })
        .await
    }

    /// Forgets what the broker has confirmed; keeps apart what it returned.
    pub async fn forget_sent(&self, sent: &[((i16, i64), Sent)]) -> Result<(), Error> {
        if sent.is_empty() {
            return Ok(());
        }
        let partition: Vec<i16> = sent.iter().map(|((p, _), _)| *p).collect();
        let id: Vec<i64> = sent.iter().map(|((_, id), _)| *id).collect();
        let unheard: Vec<bool> = sent.iter().map(|(_, how)| *how == Sent::Unheard).collect();
        within(async {
            sqlx::query(
                "WITH done AS (
                   SELECT * FROM UNNEST($1::smallint[], $2::bigint[], $3::bool[])
                     AS t (partition, id, unheard)),
                 gone AS (
                   DELETE FROM hub.outbox o USING done
                    WHERE o.partition = done.partition AND o.id = done.id
                   RETURNING o.job_seq, o.sequence, o.routing_key, o.body, done.unheard)
                 INSERT INTO hub.unheard (job_seq, sequence, routing_key, body, returned_at)
                 SELECT job_seq, sequence, routing_key, body, hub.now() FROM gone WHERE unheard",
            )
            .bind(partition)
            .bind(id)
            .bind(unheard)
            .execute(&self.relaying)
            .await?;
            Ok(())
        })
        .await
    }

    /// Takes and, where it may, returns partitions so that each live worker that can publish has its share,
    /// and who cannot has none. Where nobody can, everybody keeps what it has, and takes what is free.
    /// What it returns the others are told of, in the same commit.
    pub async fn balance_partitions(&self, me: Uuid, may_give: bool) -> Result<Vec<i16>, Error> {
        within(async {
            if let Some(mine) = self.balanced(me).await? {
                return Ok(mine);
            }
            let mut tx = super::begin(&self.pool).await?;
            sqlx::query("SELECT partition FROM hub.relay_partition ORDER BY partition FOR UPDATE")
                .execute(&mut *tx)
                .await?;
            // Free: nobody's, or of a worker that is no more.
            let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
                "WITH share AS ({SHARE}),
                 ranked AS (
                   SELECT p.partition, coalesce(p.owner = $1, false) AS was_mine,
                          row_number() OVER (ORDER BY (p.owner = $1) DESC NULLS LAST, p.partition)
                            AS place
                     FROM hub.relay_partition p
                    WHERE p.owner = $1 OR p.owner IS NULL
                       OR NOT EXISTS (SELECT 1 FROM hub.worker w WHERE w.id = p.owner))
                 UPDATE hub.relay_partition p
                    SET owner = CASE WHEN r.place <= share.n
                                       OR (r.was_mine AND NOT ($3 AND share.is_given)) THEN $1 END
                   FROM ranked r, share WHERE p.partition = r.partition
                 RETURNING p.partition, coalesce(p.owner = $1, false) AS is_mine, r.was_mine"
            )))
            .bind(me)
            .bind(PARTITIONS)
            .bind(may_give)
            .fetch_all(&mut *tx)
            .await?;
            let (mut mine, mut gave) = (Vec::with_capacity(rows.len()), false);
            for row in rows {
                let (is_mine, was_mine): (bool, bool) =
                    (row.try_get("is_mine")?, row.try_get("was_mine")?);
                gave |= was_mine && !is_mine;
                if is_mine {
                    mine.push(row.try_get("partition")?);
                }
            }
            if gave {
                sqlx::query("SELECT pg_notify($1, '')")
                    .bind(super::clock::WORKERS)
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
            Ok(mine)
        })
        .await
    }

    /// The worker's partitions, where it has its share and there is nothing for it to take: no lock,
    /// as almost always nothing is to be done.
    async fn balanced(&self, me: Uuid) -> Result<Option<Vec<i16>>, Error> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT coalesce(array_agg(p.partition) FILTER (WHERE p.owner = $1), '{{}}') AS mine,
                    (count(*) FILTER (WHERE p.owner = $1) > s.n AND s.is_given) OR (
                      count(*) FILTER (WHERE p.owner = $1) < s.n
                      AND count(*) FILTER (WHERE w.id IS NULL) > 0) AS moves
               FROM hub.relay_partition p LEFT JOIN hub.worker w ON w.id = p.owner
              CROSS JOIN ({SHARE}) s
              GROUP BY s.n, s.is_given"
        )))
        .bind(me)
        .bind(PARTITIONS)
        .fetch_one(&self.pool)
        .await?;
        let moves: bool = row.try_get("moves")?;
        Ok(if moves { None } else { Some(row.try_get("mine")?) })
    }
}
