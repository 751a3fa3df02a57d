//! Admission: the commit after which a delivery may be acknowledged.
//!
//! ```text
//! ids new? ─ no ─ same content → Known (answered from the first) │ other content → Reused
//!    └ yes → job row, portal row taken over, event `accepted` (or `rejected`), timers if stored
//! ```
//!
//! *Guarantee*: one commit for the whole batch, in the order of arrival: the admission number says
//! which job of a subject is the newest. A batch that is admitted twice (its commit's answer was
//! lost) finds its own ids and changes nothing.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use contracts::{
    code::Code,
    event::{EventData, EventName},
    operation::{OperationSpec, SlaSpec},
    rejection::{FieldError, Rejection},
    state::{Sla, State},
    trace::TraceContext,
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, NOW_MICROS, Store, Tx, calendar, consent, instant, outbox, portal, timer, trace_of,
    within,
};
use crate::{
    fail_point::{self, Point},
    seal::Sealed,
};

/// One message that has an id and is to become a job.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The publisher's id.
    pub id: Uuid,
    /// What the id stands for.
    pub content_hash: [u8; 32],
    /// The operation, where it is a known one.
    pub operation: Option<&'static OperationSpec>,
    /// The portal's record.
    pub subject: Option<String>,
    /// Where a waiting user interface wants the answer.
    pub reply: Option<Reply>,
    /// Its place in a trace.
    pub trace: Option<TraceContext>,
    /// A one-time code that came with it.
    pub code: Option<KeptCode>,
    /// A job that begins with it.
    pub child: Option<Box<Entry>>,
    /// What becomes of it.
    pub fate: Fate,
}

/// A one-time code, sealed.
#[derive(Debug, Clone)]
pub struct KeptCode {
    /// Which code.
    pub code_ref: String,
    /// The digits.
    pub sealed: Sealed,
    /// How long it is kept at most.
    pub life: Duration,
}

/// What becomes of a message.
#[derive(Debug, Clone)]
pub enum Fate {
    /// A job, started here in the same commit or stored for whoever has a permit.
    Job {
        /// Started by this worker.
        start: bool,
        /// The job's own part.
        body: Box<Body>,
    },
    /// A job that ends at once.
    Rejected(Rejection),
}

/// The part that only a runnable job has.
#[derive(Debug, Clone)]
pub struct Body {
    /// Who asks.
    pub requested_by: String,
    /// Smaller is claimed first.
    pub priority: i16,
    /// Personal.
    pub input: Value,
    /// The proof of consent, without a code.
    pub consent: Option<Value>,
    /// The job whose success is its consent: it waits for that one.
    pub verify_job: Option<Uuid>,
    /// The job that an operator repeats with this one.
    pub retry_of: Option<Uuid>,
    /// The job with whose answer this one begins.
    pub begun_by: Option<Uuid>,
    /// Where to deliver events by HTTP as well.
    pub callback_url: Option<String>,
    /// When the person asked, as the publisher said it.
    pub requested_at: Timestamp,
    /// The promise.
    pub sla: SlaSpec,
}

/// Where a waiting user interface wants the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The queue.
    pub to: String,
    /// Its own mark on the answer.
    pub correlation_id: Option<String>,
}

/// A message that is no job.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// The queue it came from.
    pub queue: String,
    /// Its routing key.
    pub routing_key: String,
    /// Its content type.
    pub content_type: Option<String>,
    /// Stable code of the reason.
    pub code: Code,
    /// The reason in words.
    pub text: String,
    /// The id, where one could be read: its publisher is told.
    pub job_id: Option<Uuid>,
    /// The operation of its routing key, where that is a known one.
    pub operation: Option<&'static OperationSpec>,
    /// How many bytes it had.
    pub size: usize,
    /// Its place in a trace.
    pub trace: Option<TraceContext>,
    /// The bytes.
    pub sealed: Sealed,
}

/// What happened to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// A job of this admission number and run.
    Job {
        /// Admission number.
        seq: i64,
        /// Business time of admission.
        at: Timestamp,
    },
    /// Rejected, and remembered.
    Rejected,
    /// The same job again; answered with what is known.
    Known,
    /// The id stands for another content.
    Reused,
}

impl Store {
    /// Admits a batch. Entries with the same id within the batch: the first counts.
    pub async fn admit(
        &self,
        worker: Uuid,
        entries: &[Entry],
        quarantined: &[Quarantined],
    ) -> Result<Vec<Admitted>, Error> {
        within(async {
            let mut tx = super::begin(&self.admitting).await?;
            let admitted = admit(&mut tx, worker, entries, quarantined).await?;
            fail_point::reach(Point::BeforeAdmitCommit);
            tx.commit().await?;
            Ok(admitted)
        })
        .await
    }
}

async fn admit(
    tx: Tx<'_>,
    worker: Uuid,
    entries: &[Entry],
    quarantined: &[Quarantined],
) -> Result<Vec<Admitted>, Error> {
    let Entered { now, results: mut admitted, new } = enter(tx, worker, entries).await?;
    let children: Vec<Entry> = entries
        .iter()
        .filter(|entry| new.contains(&entry.id))
        .filter_map(|entry| entry.child.as_deref().cloned())
        .collect();
    begin(tx, &children).await?;
    let old: HashSet<Uuid> = entries
        .iter()
        .zip(&admitted)
        .filter(|(_, result)| **result == Admitted::Known)
        .map(|(entry, _)| entry.id)
        .collect();
    let known = load_known(tx, &old).await?;
    let mut events = Vec::new();
    for (entry, result) in entries.iter().zip(&mut admitted) {
        if *result != Admitted::Known {
            continue;
        }
        let Some(first) = known.get(&entry.id) else { continue };
        if first.content_hash == entry.content_hash {
            // A duplicate inside the same batch needs no second answer: the first is on its way.
            if !new.contains(&entry.id) {
                events.extend(first.again(entry, now));
            }
        } else {
            *result = Admitted::Reused;
            events.extend(reused_event(entry, now));
        }
    }
    for message in quarantined {
        events.extend(quarantine_event(message, now));
    }
    insert_quarantine(tx, quarantined).await?;
    outbox::insert(tx, &events).await?;
    Ok(admitted)
}

/// What entering a batch came to.
struct Entered {
    now: Timestamp,
    /// In the order of the entries; `Known` for every id that was there before.
    results: Vec<Admitted>,
    new: HashSet<Uuid>,
}

/// Makes jobs of the entries whose ids are new, with everything that belongs to them.
async fn enter(tx: Tx<'_>, worker: Uuid, entries: &[Entry]) -> Result<Entered, Error> {
    let (now, mut fresh) = take_keys(tx, entries).await?;
    let mut results = Vec::with_capacity(entries.len());
    let mut new = Vec::new();
    for entry in entries {
        // The first occurrence of a new id takes its number; a second is a duplicate of it.
        if let Some(seq) = fresh.remove(&entry.id) {
            new.push((seq, entry));
            results.push(first_result(seq, entry, now));
        } else {
            results.push(Admitted::Known);
        }
    }
    insert_jobs(tx, worker, &new).await?;
    consent::keep_codes(tx, &new).await?;
    portal::take_over(tx, &new).await?;
    let mut events = Vec::new();
    for (seq, entry) in &new {
        events.push(first_event(*seq, entry, now));
        events.extend(reply_event(*seq, entry, now));
    }
    outbox::insert(tx, &events).await?;
    let stored: Vec<i64> =
        new.iter().filter(|(_, entry)| is_stored(entry)).map(|(seq, _)| *seq).collect();
    timer::arm(tx, &stored, &[]).await?;
    let new = new.into_iter().map(|(_, entry)| entry.id).collect();
    Ok(Entered { now, results, new })
}

impl Entry {
    /// The same, as a job that begins with the answer to another: it belongs to the same subject and
    /// trace.
    pub(super) fn begun_by(
        mut self,
        parent: Uuid,
        subject: Option<&String>,
        trace: Option<&TraceContext>,
    ) -> Self {
        self.subject = subject.cloned();
        self.trace = trace.cloned();
        if let Fate::Job { body, .. } = &mut self.fate {
            body.begun_by = Some(parent);
        }
        self
    }
}

/// Admits jobs that begin inside another commit, and says how many are new; those that began before
/// change nothing.
pub(super) async fn begin(tx: Tx<'_>, entries: &[Entry]) -> Result<usize, Error> {
    if entries.is_empty() {
        return Ok(0);
    }
    // Nobody runs them yet, so they need no owner.
    Ok(enter(tx, Uuid::nil(), entries).await?.new.len())
}

const fn is_stored(entry: &Entry) -> bool {
    matches!(entry.fate, Fate::Job { start: false, .. })
}

const fn first_result(seq: i64, entry: &Entry, at: Timestamp) -> Admitted {
    match entry.fate {
        Fate::Job { .. } => Admitted::Job { seq, at },
        Fate::Rejected(_) => Admitted::Rejected,
    }
}

/// Gives new ids their admission numbers, in the order of arrival; ids are locked in sorted order,
/// so that two batches never wait for each other in a circle.
async fn take_keys(
    tx: Tx<'_>,
    entries: &[Entry],
) -> Result<(Timestamp, HashMap<Uuid, i64>), Error> {
    let ids: Vec<Uuid> = entries.iter().map(|e| e.id).collect();
    let hashes: Vec<&[u8]> = entries.iter().map(|e| e.content_hash.as_slice()).collect();
    let statement = format!(
        "WITH numbered AS MATERIALIZED (
           SELECT id, hash, nextval('hub.job_seq') AS seq
             FROM (SELECT id, hash FROM UNNEST($1::uuid[], $2::bytea[])
                     WITH ORDINALITY AS t (id, hash, ord) ORDER BY ord) o),
         taken AS (
           INSERT INTO hub.job_key (id, content_hash, seq)
             SELECT id, hash, seq FROM numbered ORDER BY id, seq
             ON CONFLICT (id) DO NOTHING RETURNING id, seq)
         SELECT n.now, taken.id, taken.seq
           FROM (SELECT {NOW_MICROS} AS now) n LEFT JOIN taken ON true"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(&ids)
        .bind(&hashes)
        .fetch_all(&mut *tx)
        .await?;
    let mut fresh = HashMap::new();
    let mut now = Timestamp::UNIX_EPOCH;
    for row in rows {
        now = instant(row.try_get("now")?);
        if let (Some(id), Some(seq)) = (row.try_get("id")?, row.try_get("seq")?) {
            fresh.insert(id, seq);
        }
    }
    Ok((now, fresh))
}

async fn insert_jobs(tx: Tx<'_>, worker: Uuid, new: &[(i64, &Entry)]) -> Result<(), Error> {
    if new.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(new.len());
    for (seq, entry) in new {
        rows.push(job_row(*seq, entry, worker));
    }
    let batch = Value::Array(rows);
    // The offset of business time is added by the statement, never from a cached value. Where the
    // units of a promise differ, its instants are put in order here. OFFSET 0: each computed once.
    sqlx::query(
        "INSERT INTO hub.job (seq, id, system, operation, subject, requested_by, priority, input,
           consent, callback_url, reply_to, correlation_id, requested_at, admitted_at, at_risk_at,
           deadline_at, give_up_at, state, phase, verify_job, retry_of, begun_by, sla, owner, run,
           events, event, code, errors, traceparent, tracestate, ended_at, ended_on)
         SELECT r.seq, r.id, r.system, r.operation, r.subject, r.requested_by, r.priority, r.input,
           r.consent, r.callback_url, r.reply_to, r.correlation_id, q.at, c.now,
           LEAST(p.at_risk, p.deadline), p.deadline, GREATEST(p.deadline, p.give_up),
           r.state, CASE WHEN r.verify_job IS NULL THEN 'send' ELSE 'consent' END, r.verify_job,
           r.retry_of, r.begun_by, 'on_time', r.owner, CASE WHEN r.owner IS NULL THEN 0 ELSE 1 END, 1,
           r.event, r.code, r.errors, r.traceparent, r.tracestate,
           CASE WHEN r.state = 'rejected' THEN c.now END,
           CASE WHEN r.state = 'rejected' THEN (c.now AT TIME ZONE 'UTC')::date
                ELSE 'infinity'::date END
         FROM jsonb_to_recordset($1) AS r (seq bigint, id uuid, system text, operation text,
           subject text, requested_by text, priority smallint, input jsonb, consent jsonb,
           callback_url text, reply_to text, correlation_id text, requested_at timestamptz,
           at_risk_ms bigint, at_risk_days int, deadline_ms bigint, deadline_days int,
           give_up_ms bigint, give_up_days int, state text, verify_job uuid, retry_of uuid,
           begun_by uuid, owner uuid, event text, code text, errors jsonb, traceparent text,
           tracestate text)
         CROSS JOIN (SELECT hub.now() AS now, shift FROM hub.clock) c
         CROSS JOIN LATERAL (SELECT LEAST(r.requested_at + c.shift, c.now) AS at) q
         CROSS JOIN LATERAL (SELECT CASE
           WHEN coalesce(r.at_risk_days, r.deadline_days, r.give_up_days) IS NOT NULL
           THEN hub.business_deadlines(q.at, r.at_risk_days, r.deadline_days, r.give_up_days)
           END AS ends OFFSET 0) d
         CROSS JOIN LATERAL (SELECT
           coalesce(d.ends[1], q.at + r.at_risk_ms * interval '1 millisecond') AS at_risk,
           coalesce(d.ends[2], q.at + r.deadline_ms * interval '1 millisecond') AS deadline,
           coalesce(d.ends[3], q.at + r.give_up_ms * interval '1 millisecond') AS give_up
           OFFSET 0) p
         ORDER BY r.seq",
    )
    .bind(batch)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

fn job_row(seq: i64, entry: &Entry, worker: Uuid) -> Value {
    let reply = entry.reply.as_ref();
    let mut row = serde_json::json!({
        "seq": seq,
        "id": entry.id,
        "system": entry.operation.map_or("unknown", |o| o.system),
        "operation": entry.operation.map_or("unknown", |o| o.name),
        "subject": entry.subject,
        "reply_to": reply.map(|r| &r.to),
        "correlation_id": reply.and_then(|r| r.correlation_id.as_ref()),
    });
    let more = match &entry.fate {
        Fate::Job { start, body } => serde_json::json!({
            "requested_by": body.requested_by,
            "priority": body.priority,
            "input": body.input,
            "consent": body.consent,
            "callback_url": body.callback_url,
            "requested_at": body.requested_at,
            "state": match (start, body.verify_job) {
                (_, Some(_)) => State::Waiting.name(),
                (true, None) => State::Calling.name(),
                (false, None) => State::Accepted.name(),
            },
            "verify_job": body.verify_job,
            "retry_of": body.retry_of,
            "begun_by": body.begun_by,
            "owner": start.then_some(worker),
            "event": EventName::Accepted.name(),
        }),
        Fate::Rejected(rejection) => serde_json::json!({
            "priority": 0,
            "requested_at": Timestamp::MAX,
            "at_risk_ms": 0, "deadline_ms": 0, "give_up_ms": 0,
            "state": State::Rejected.name(),
            "event": EventName::Rejected.name(),
            "code": rejection.code,
            "errors": rejection.errors,
        }),
    };
    if let (Value::Object(row), Value::Object(more)) = (&mut row, more) {
        row.extend(more);
        if let Some(trace) = &entry.trace {
            row.insert("traceparent".to_owned(), trace.parent().into());
            row.insert("tracestate".to_owned(), trace.state().into());
        }
        if let Fate::Job { body, .. } = &entry.fate {
            row.extend(calendar::spans(&body.sla));
        }
    }
    row
}

async fn insert_quarantine(tx: Tx<'_>, messages: &[Quarantined]) -> Result<(), Error> {
    for message in messages {
        sqlx::query(
            "INSERT INTO hub.quarantine (received_at, queue, routing_key, content_type, code, text,
               job_id, bytes, key_id, sealed)
             VALUES (hub.now(), $1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&message.queue)
        .bind(&message.routing_key)
        .bind(&message.content_type)
        .bind(message.code.name())
        .bind(&message.text)
        .bind(message.job_id)
        .bind(i32::try_from(message.size).unwrap_or(i32::MAX))
        .bind(&message.sealed.key_id)
        .bind(&message.sealed.bytes)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// What is known of an id that was used before.
struct Known {
    content_hash: Vec<u8>,
    seq: i64,
    state: Option<State>,
    sla: Sla,
    sequence: i32,
    event: Option<EventName>,
    summary: Map<String, Value>,
    errors: Vec<FieldError>,
    trace: Option<TraceContext>,
}

async fn load_known(tx: Tx<'_>, ids: &HashSet<Uuid>) -> Result<HashMap<Uuid, Known>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = ids.iter().copied().collect();
    let rows = sqlx::query(
        "SELECT k.id, k.seq, k.content_hash, j.state, j.sla, j.events, j.event, j.summary, j.errors,
                j.traceparent, j.tracestate
           FROM hub.job_key k LEFT JOIN hub.job j ON j.seq = k.seq WHERE k.id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(&mut *tx)
    .await?;
    let mut known = HashMap::new();
    for row in rows {
        let name = |column: &str| row.try_get::<Option<String>, _>(column);
        let event = name("event")?;
        let summary: Option<Value> = row.try_get("summary")?;
        let errors: Option<Value> = row.try_get("errors")?;
        known.insert(
            row.try_get("id")?,
            Known {
                content_hash: row.try_get("content_hash")?,
                seq: row.try_get("seq")?,
                state: name("state")?.and_then(|s| State::from_name(&s)),
                sla: name("sla")?.and_then(|s| Sla::from_name(&s)).unwrap_or(Sla::OnTime),
                sequence: row.try_get::<Option<i32>, _>("events")?.unwrap_or(0),
                event: EventName::ALL.into_iter().find(|e| Some(e.name()) == event.as_deref()),
                summary: match summary {
                    Some(Value::Object(map)) => map,
                    _ => Map::new(),
                },
                errors: errors.and_then(|e| serde_json::from_value(e).ok()).unwrap_or_default(),
                trace: trace_of(&row)?,
            },
        );
    }
    Ok(known)
}

impl Known {
    /// The last event of the first job again, with its own id and sequence; and the reply.
    fn again(&self, entry: &Entry, now: Timestamp) -> Vec<outbox::Row> {
        let (Some(state), Some(event)) = (self.state, self.event) else {
            let text = "this id was used before, and what became of it is kept no more; \
                        a new job needs a new id";
            return unanswerable(
                entry,
                now,
                &Rejection::single(Rejection::HISTORY_GONE, "/id", text),
            );
        };
        let data = EventData {
            job_id: entry.id,
            subject: entry.subject.clone(),
            state,
            sla: self.sla,
            sequence: i64::from(self.sequence),
            summary: self.summary.clone(),
            errors: self.errors.clone(),
        };
        let trace = self.trace.as_ref();
        let row = outbox::Row::event(self.seq, event, entry.operation, now, data, trace);
        let reply = entry.reply.as_ref().filter(|_| state.is_terminal());
        let reply = reply.map(|reply| row.as_reply(reply));
        [Some(row), reply].into_iter().flatten().collect()
    }
}

fn data(entry: &Entry, state: State, sequence: i64) -> EventData {
    EventData {
        job_id: entry.id,
        subject: entry.subject.clone(),
        state,
        sla: Sla::OnTime,
        sequence,
        summary: Map::new(),
        errors: Vec::new(),
    }
}

fn rejected(entry: &Entry, sequence: i64, rejection: &Rejection) -> EventData {
    let mut data = data(entry, State::Rejected, sequence);
    data.summary.insert("code".to_owned(), rejection.code.into());
    data.errors.clone_from(&rejection.errors);
    data
}

fn first_event(seq: i64, entry: &Entry, now: Timestamp) -> outbox::Row {
    let (event, data) = match &entry.fate {
        Fate::Job { .. } => (EventName::Accepted, data(entry, State::Accepted, 1)),
        Fate::Rejected(rejection) => (EventName::Rejected, rejected(entry, 1, rejection)),
    };
    let callback = match &entry.fate {
        Fate::Job { body, .. } => body.callback_url.as_ref(),
        Fate::Rejected(_) => None,
    };
    let trace = entry.trace.as_ref();
    outbox::Row::event(seq, event, entry.operation, now, data, trace).also_to(callback)
}

/// A rejection is the end: whoever waits for a reply gets it.
fn reply_event(seq: i64, entry: &Entry, now: Timestamp) -> Option<outbox::Row> {
    let reply = entry.reply.as_ref()?;
    match &entry.fate {
        Fate::Job { .. } => None,
        Fate::Rejected(_) => Some(first_event(seq, entry, now).as_reply(reply)),
    }
}

fn reused_event(entry: &Entry, now: Timestamp) -> Vec<outbox::Row> {
    let text = "this id was used before with other content; a new job needs a new id";
    unanswerable(entry, now, &Rejection::single(Rejection::ID_REUSED, "/id", text))
}

/// The answer to an id that stands for something else: about no job, so it has no sequence.
fn unanswerable(entry: &Entry, now: Timestamp, why: &Rejection) -> Vec<outbox::Row> {
    let data = rejected(entry, 0, why);
    let (event, trace) = (EventName::Rejected, entry.trace.as_ref());
    let row = outbox::Row::event(0, event, entry.operation, now, data, trace);
    let reply = entry.reply.as_ref().map(|reply| row.as_reply(reply));
    [Some(row), reply].into_iter().flatten().collect()
}

fn quarantine_event(message: &Quarantined, now: Timestamp) -> Option<outbox::Row> {
    let mut summary = Map::new();
    summary.insert("code".to_owned(), Rejection::MALFORMED.into());
    let data = EventData {
        job_id: message.job_id?,
        subject: None,
        state: State::Rejected,
        sla: Sla::OnTime,
        sequence: 0,
        summary,
        errors: vec![FieldError::new("", message.code, message.text.clone())],
    };
    let trace = message.trace.as_ref();
    Some(outbox::Row::event(0, EventName::Rejected, message.operation, now, data, trace))
}
