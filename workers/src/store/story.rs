//! A job's whole story, as one screen shows it.
//!
//! *Guarantee*: one moment: everything is read in one transaction. Values of the input are not read
//! at all, nor what was carried between attempts; of a callback's address only the host.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, Store, Tx,
    listing::WAITING_FOR,
    of_build,
    pause::{self, Destination},
    portal, read_rows,
    retry::retry_id,
    within,
};

/// Everything that is known of a job.
#[derive(Debug, Clone, Serialize)]
pub struct Story {
    /// The job itself.
    pub job: Job,
    /// Attempts, in their order.
    pub attempts: Vec<Attempt>,
    /// What will happen to it by itself.
    pub timers: Vec<Timer>,
    /// Events, in their order.
    pub events: Vec<Event>,
    /// Messages that came in about it, the newest hundred.
    pub messages: Vec<Message>,
    /// Deliveries by HTTP, the newest hundred.
    pub callbacks: Vec<Callback>,
    /// The portal's row of its subject.
    pub portal: Option<portal::Owned>,
    /// Jobs that belong to it.
    pub relatives: Vec<Relative>,
    /// What people did to it.
    pub acts: Vec<super::audit::Entry>,
}

/// The job itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Admission number.
    pub seq: i64,
    /// The publisher's id.
    pub id: Uuid,
    /// What was asked.
    pub operation: String,
    /// The portal's record.
    pub subject: Option<String>,
    /// Its state.
    pub state: String,
    /// What its next call does.
    pub phase: String,
    /// One of [`super::listing::WAITS_FOR`].
    pub waiting_for: String,
    /// Its system, where that is not called now: why, and until when.
    #[serde(default)]
    pub not_called: Option<Destination>,
    /// How it stands to its promise.
    pub sla: String,
    /// Why it is where it is.
    pub code: Option<String>,
    /// The summary of its last event.
    pub summary: Map<String, Value>,
    /// For a rejected job: what is wrong where.
    pub errors: Option<Value>,
    /// Which fields its input has; never their values.
    pub input_fields: Vec<String>,
    /// When the person asked.
    pub requested_at: Timestamp,
    /// When the hub took it.
    pub admitted_at: Timestamp,
    /// The warning point.
    pub at_risk_at: Timestamp,
    /// The promise.
    pub deadline_at: Timestamp,
    /// When the hub stops waiting.
    pub give_up_at: Timestamp,
    /// Its end.
    pub ended_at: Option<Timestamp>,
    /// Fencing token.
    pub run: i32,
    /// Attempts that were spent.
    pub attempts: i32,
    /// Broken answers and own defects.
    pub strikes: i32,
    /// Workers that died while they called for it.
    pub deaths: i32,
    /// Events so far.
    pub events: i32,
    /// The last of them.
    pub event: Option<String>,
    /// Those before it, as they are kept; [`Story::events`] has them.
    #[serde(skip_serializing)]
    pub told: Option<Vec<String>>,
    /// The worker that calls now.
    pub worker: Option<String>,
    /// How the person agreed: `eds`, `sms_code`, `verified_by`.
    pub consent: Option<String>,
    /// When.
    pub consent_at: Option<Timestamp>,
    /// The job that verifies the person's code.
    pub verify_job: Option<Uuid>,
    /// The job that it repeats.
    pub retry_of: Option<Uuid>,
    /// The job with whose answer it began.
    pub begun_by: Option<Uuid>,
    /// Whether a user interface waits for a reply.
    pub replies: bool,
    /// Conversations that their acknowledgements began.
    pub correlations: Vec<String>,
    /// Business time now.
    pub now: Timestamp,
}

/// One attempt, with its four moments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// The run it was made in.
    pub run: i32,
    /// What it did: `send`, `ask` what became of a sending, or `continue` with the next part of an
    /// answer; `None` of old ones.
    pub phase: Option<String>,
    /// When the hub had taken the job.
    pub accepted_at: Timestamp,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When the answer was there, or the hub stopped waiting for it.
    pub answered_at: Timestamp,
    /// When that was committed.
    pub recorded_at: Timestamp,
    /// The class of a failure.
    pub class: Option<String>,
    /// Our code.
    pub code: Option<String>,
    /// Their code.
    pub remote_code: Option<String>,
    /// HTTP status.
    pub http_status: Option<i16>,
    /// Whether the raw exchange is kept, sealed.
    pub exchange: bool,
    /// Whether its run had lost the job when it came back: evidence that changed nothing.
    pub fenced: bool,
}

/// Something that will happen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Timer {
    /// `wake`, `sla` or `give_up`.
    pub kind: String,
    /// When, in business time.
    pub due_at: Timestamp,
}

/// One event and how far it came.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Its number within the job.
    pub sequence: i32,
    /// Its name. Of a job with more than 40 events, those in the middle have lost it, and so have those
    /// of a build before migration 41.
    pub name: Option<String>,
    /// When what it tells happened, in business time, where the name is known.
    pub at: Option<Timestamp>,
    /// `outbox` (not confirmed yet), `unheard` (no queue was bound) or `confirmed`.
    pub delivery: &'static str,
}

/// A message that came in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// Its number.
    pub id: i64,
    /// When.
    pub received_at: Timestamp,
    /// `push` or `pull`.
    pub source: String,
    /// `RESPONSE`, `NOTIFICATION` …
    pub kind: String,
    /// `applied`, `late`, `refused` …
    pub state: String,
    /// Why it is not applied.
    pub why: Option<String>,
}

/// A delivery by HTTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Callback {
    /// The event.
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
}

/// A job that belongs to another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Relative {
    /// `retry_of`, `retried_by`, `consent`, `begun_by` or `follow_up`.
    pub kind: String,
    /// Its id.
    pub id: Uuid,
    /// What it does; absent where it is only named.
    pub operation: Option<String>,
    /// Its state.
    pub state: Option<String>,
}

/// Messages, deliveries and acts on one screen.
const ROWS_MAX: i64 = 100;

impl Store {
    /// A job's story; `None` where there is no such job.
    pub async fn story(&self, id: Uuid) -> Result<Option<Story>, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .execute(&mut *tx)
                .await?;
            let Some(mut job) = job(&mut tx, id).await? else { return Ok(None) };
            let seq = job.seq;
            if job.ended_at.is_none() {
                let system = job.operation.split('.').next().unwrap_or_default();
                let found = pause::destinations(&mut tx, Some(system)).await?.pop();
                job.not_called = found.filter(|system| system.blocked.is_some());
            }
            let story = Story {
                attempts: rows(&mut tx, ATTEMPTS, seq).await?,
                timers: rows(&mut tx, TIMERS, seq).await?,
                events: events(&mut tx, &job).await?,
                messages: rows(&mut tx, MESSAGES, seq).await?,
                callbacks: rows(&mut tx, CALLBACKS, seq).await?,
                portal: portal_row(&mut tx, &job).await?,
                relatives: relatives(&mut tx, &job).await?,
                acts: acts(&mut tx, id).await?,
                job,
            };
            Ok(Some(story))
        })
        .await
    }
}

const ATTEMPTS: &str = "SELECT to_jsonb(t) FROM (
    SELECT a.run, a.phase, j.admitted_at AS accepted_at, a.started_at AS sent_at, a.answered_at,
           a.recorded_at, a.class, a.code, a.remote_code, a.http_status, a.fenced,
           EXISTS (SELECT 1 FROM hub.exchange e WHERE e.job_seq = $1 AND e.run = a.run) AS exchange
      FROM hub.attempt a JOIN hub.job j ON j.seq = a.job_seq
     WHERE a.job_seq = $1 ORDER BY a.run, a.recorded_at) t";

const TIMERS: &str = "SELECT to_jsonb(t) FROM (
    SELECT kind, due_at FROM hub.timer WHERE job_seq = $1 ORDER BY due_at, kind) t";

const MESSAGES: &str = "SELECT to_jsonb(t) FROM (
    SELECT id, received_at, source, kind, state, why FROM hub.inbound
     WHERE job_seq = $1 OR (state IN ('stored', 'parked') AND EXISTS (
       SELECT 1 FROM hub.correlation c WHERE c.job_seq = $1 AND c.system = inbound.system
          AND c.correlation_id = inbound.correlation_id))
     ORDER BY id DESC LIMIT 100) t ORDER BY t.id";

const CALLBACKS: &str = "SELECT to_jsonb(t) FROM (
    SELECT sequence, host, state, why, tries, http_status FROM hub.callback
     WHERE job_seq = $1 ORDER BY sequence DESC LIMIT 100) t ORDER BY t.sequence";

async fn rows<T: DeserializeOwned>(
    tx: Tx<'_>,
    statement: &'static str,
    seq: i64,
) -> Result<Vec<T>, Error> {
    read_rows(sqlx::query_scalar(statement).bind(seq).fetch_all(&mut *tx).await?)
}

async fn job(tx: Tx<'_>, id: Uuid) -> Result<Option<Job>, Error> {
    let statement = format!(
        "SELECT to_jsonb(t) FROM (
           SELECT j.seq, j.id, j.operation, j.subject, j.state, j.phase,
                  {WAITING_FOR} AS waiting_for, j.sla, j.code, j.summary, j.errors,
                  CASE jsonb_typeof(j.input) WHEN 'object'
                    THEN ARRAY(SELECT jsonb_object_keys(j.input) ORDER BY 1)
                    ELSE '{{}}'::text[] END AS input_fields,
                  j.requested_at, j.admitted_at, j.at_risk_at, j.deadline_at, j.give_up_at,
                  j.ended_at, j.run, j.attempts, j.strikes, j.deaths, j.events, j.event,
                  j.told,
                  coalesce(w.name, j.owner::text) AS worker,
                  j.consent ->> 'kind' AS consent, j.consent ->> 'accepted_at' AS consent_at,
                  j.verify_job, j.retry_of, j.begun_by, j.reply_to IS NOT NULL AS replies,
                  ARRAY(SELECT c.correlation_id FROM hub.correlation c WHERE c.job_seq = j.seq
                         ORDER BY c.created_at) AS correlations,
                  hub.now() AS now
             FROM hub.job_key k JOIN hub.job j ON j.seq = k.seq
             LEFT JOIN hub.worker w ON w.id = j.owner
            WHERE k.id = $1) t"
    );
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(id);
    Ok(read_rows(query.fetch_all(&mut *tx).await?)?.pop())
}

/// Every number up to the last is an event; what is in neither table was confirmed.
async fn events(tx: Tx<'_>, job: &Job) -> Result<Vec<Event>, Error> {
    let held = sqlx::query(
        "SELECT sequence, 'outbox' AS place FROM hub.outbox
          WHERE partition = ($1 % $2)::smallint AND job_seq = $1 AND reply_to IS NULL
         UNION ALL
         SELECT sequence, 'unheard' FROM hub.unheard WHERE job_seq = $1",
    )
    .bind(job.seq)
    .bind(super::outbox::PARTITIONS)
    .fetch_all(&mut *tx)
    .await?;
    let mut places: HashMap<i32, &'static str> = HashMap::new();
    for row in held {
        let is_unsent = row.try_get::<&str, _>("place")? == "outbox";
        places.insert(row.try_get("sequence")?, if is_unsent { "outbox" } else { "unheard" });
    }
    let mut known = names(job);
    let event = |sequence| {
        let (name, at) =
            known.remove(&sequence).map_or((None, None), |(name, at)| (Some(name), at));
        let delivery = places.get(&sequence).copied().unwrap_or("confirmed");
        Event { sequence, name, at, delivery }
    };
    Ok((1..=job.events).map(event).collect())
}

/// Names and moments of events: the first one's, those that were kept, and the end's.
fn names(job: &Job) -> HashMap<i32, (String, Option<Timestamp>)> {
    let mut known = HashMap::new();
    let first = if job.state == "rejected" && job.events == 1 { "rejected" } else { "accepted" };
    known.insert(1, (first.to_owned(), Some(job.admitted_at)));
    for entry in job.told.iter().flatten() {
        let mut words = entry.split(' ');
        let number = words.next().and_then(|word| word.parse().ok());
        let name = words.next().map(str::to_owned);
        let at = words.next().and_then(|word| Timestamp::from_millisecond(word.parse().ok()?).ok());
        if let (Some(number), Some(name)) = (number, name) {
            known.entry(number).or_insert((name, at));
        }
    }
    if let Some(name) = job.event.clone() {
        known.entry(job.events).or_insert((name, job.ended_at));
    }
    known
}

async fn portal_row(tx: Tx<'_>, job: &Job) -> Result<Option<portal::Owned>, Error> {
    let Some(table) = of_build(&job.operation).and_then(|o| o.portal.as_ref()) else {
        return Ok(None);
    };
    match portal::key_of(table, job.id, job.subject.as_ref()) {
        Some(key) => portal::owned(tx, table, &key, false).await,
        None => Ok(None),
    }
}

/// Those that the job names, the one that repeats it (whose id is made from its own), and those that
/// began with its answer.
async fn relatives(tx: Tx<'_>, job: &Job) -> Result<Vec<Relative>, Error> {
    let named = [
        ("retry_of", job.retry_of),
        ("consent", job.verify_job),
        ("begun_by", job.begun_by),
        ("retried_by", Some(retry_id(job.id))),
    ];
    let query = sqlx::query_scalar(
        "SELECT jsonb_build_object('kind', n.kind, 'id', n.id, 'operation', j.operation,
                                   'state', j.state)
           FROM (SELECT kind, id, place FROM UNNEST($1::text[], $2::uuid[]) WITH ORDINALITY
                   u (kind, id, place)
                 UNION ALL
                 SELECT 'follow_up', f.id, 100 + f.seq FROM hub.job f WHERE f.begun_by = $3) n
           LEFT JOIN hub.job_key k ON k.id = n.id
           LEFT JOIN hub.job j ON j.seq = k.seq
          WHERE n.id IS NOT NULL AND (k.id IS NOT NULL OR n.kind <> 'retried_by')
          ORDER BY n.place LIMIT $4",
    )
    .bind(named.iter().map(|(kind, _)| *kind).collect::<Vec<_>>())
    .bind(named.iter().map(|(_, id)| *id).collect::<Vec<_>>())
    .bind(job.id)
    .bind(ROWS_MAX);
    read_rows(query.fetch_all(&mut *tx).await?)
}

async fn acts(tx: Tx<'_>, id: Uuid) -> Result<Vec<super::audit::Entry>, Error> {
    let query = sqlx::query_scalar(
        "SELECT to_jsonb(a) FROM hub.audit a WHERE target = $1 ORDER BY id DESC LIMIT $2",
    )
    .bind(id.to_string())
    .bind(ROWS_MAX);
    let mut newest = query.fetch_all(&mut *tx).await?;
    newest.reverse();
    read_rows(newest)
}
