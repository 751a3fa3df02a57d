//! Recording: the one commit in which a job changes after an attempt, a message or a timer.
//!
//! *Guarantee*: a change that came from a call is recorded only if the job is still in that call's
//! run (fencing, invariant 2); a change that came from a verified message only while the job is
//! live. Job, attempt, portal row, timers, ids of the conversation and events change together
//! (invariant 4). Changes that lost their job are returned as such and change nothing; what their call
//! brought is kept beside the attempts that counted, as evidence.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use adapters::attempt::{Chain, Write};
use contracts::{
    class::Class,
    code::Code,
    event::{EventData, EventName},
    operation::{OperationSpec, Reconcile},
    rejection::FieldError,
    state::{Phase, Sla, State},
    trace::TraceContext,
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    Error, NOW_MICROS, Store, Tx,
    admission::{self, Entry, Reply},
    attempt, consent,
    file::{self, FileRow},
    instant, millis, outbox, parcel, portal, timer, trace_of, within,
};
use crate::{
    fail_point::{self, Point},
    seal::Sealed,
};

/// Who may make a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The call of this run; nobody else has taken the job since.
    Run(i32),
    /// Evidence from outside: the job only has to be live.
    Live,
    /// Nobody runs the job: it waits for its first or next start, and its caller holds its lock.
    Unsent,
}

/// One change of one job.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "parts of a change that do not imply one another"
)]
pub struct Change {
    /// The job.
    pub seq: i64,
    /// What it does.
    pub operation: &'static OperationSpec,
    /// Who may make the change.
    pub guard: Guard,
    /// The new state.
    pub to: State,
    /// The event; by default the one of the new state.
    pub event: Option<EventName>,
    /// Whether an attempt is spent.
    pub spends_attempt: bool,
    /// Whether it was a broken answer or a defect.
    pub strike: bool,
    /// Whether the attempts and strikes of before count no more.
    pub pays_back: bool,
    /// Stable code of the cause, where it is not an answer.
    pub code: Option<Code>,
    /// For the event; no personal data.
    pub summary: Map<String, Value>,
    /// The answer's columns of the portal's row; personal.
    pub portal: Option<Map<String, Value>>,
    /// The answer's rows of the operation's second table; personal.
    pub rows: Option<Vec<Map<String, Value>>>,
    /// Writes into shared rows; personal.
    pub writes: Vec<Write>,
    /// How long until the job is started again; for `pending` and `in_doubt` only where it is.
    pub delay_ms: Option<i64>,
    /// For a retry: business time from admission in which its pause must end.
    pub age_max_ms: Option<i64>,
    /// What the next call does, where that changes.
    pub phase: Option<Phase>,
    /// What the next call must know, where that changes; personal.
    pub carry: Option<Value>,
    /// Whether the change is news: an event tells of it.
    pub tells: bool,
    /// For `rejected`: what is wrong where.
    pub errors: Vec<FieldError>,
    /// Files of the answer, sealed.
    pub files: Vec<FileRow>,
    /// A job that begins with this change.
    pub follow_up: Option<Box<Entry>>,
    /// The ids that their acknowledgement gave.
    pub chain: Option<Chain>,
    /// For the table of attempts.
    pub attempt: Option<AttemptRow>,
    /// The inbound message that is the evidence.
    pub inbound_id: Option<i64>,
    /// Whether the job may have timers (it was stored before it was started).
    pub may_have_timers: bool,
}

impl Change {
    /// A change to a state, without anything else; the rest is filled in by whoever knows it.
    pub fn to(to: State, seq: i64, operation: &'static OperationSpec, guard: Guard) -> Self {
        Self {
            seq,
            operation,
            guard,
            to,
            event: None,
            spends_attempt: false,
            strike: false,
            pays_back: false,
            code: None,
            summary: Map::new(),
            portal: None,
            rows: None,
            writes: Vec::new(),
            delay_ms: None,
            age_max_ms: None,
            phase: None,
            carry: None,
            tells: true,
            errors: Vec::new(),
            files: Vec::new(),
            follow_up: None,
            chain: None,
            attempt: None,
            inbound_id: None,
            may_have_timers: true,
        }
    }
}

/// One row of the table of attempts.
#[derive(Debug, Clone)]
pub struct AttemptRow {
    /// The run it was made in.
    pub run: i32,
    /// What it did.
    pub phase: Phase,
    /// What went wrong; `None` where they answered.
    pub class: Option<Class>,
    /// Our code.
    pub code: Option<Code>,
    /// Their code.
    pub remote_code: Option<String>,
    /// HTTP status.
    pub http_status: Option<u16>,
    /// Milliseconds between the start of the call and its end.
    pub duration_ms: i64,
    /// Its end: the record may come much later.
    pub ended: Instant,
    /// The raw exchange, where it is kept.
    pub exchange: Option<Sealed>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The job.
    pub id: Uuid,
    /// The state the job is in now.
    pub state: State,
    /// The position now.
    pub sla: Sla,
    /// The position before.
    pub sla_before: Sla,
    /// Time since the request, in milliseconds of business time.
    pub age_ms: i64,
}

/// The job as the statement returns it.
struct After {
    id: Uuid,
    subject: Option<String>,
    state: State,
    /// Where it failed instead of waiting.
    summary: Option<Value>,
    sla: Sla,
    sla_before: Sla,
    events: i32,
    reply: Option<Reply>,
    callback: Option<String>,
    trace: Option<TraceContext>,
    now: Timestamp,
    late: bool,
    age_ms: i64,
}

impl After {
    fn read(row: &PgRow) -> Result<Self, Error> {
        let text = |column: &str| row.try_get::<String, _>(column);
        let sla = |name: String| Sla::from_name(&name).unwrap_or(Sla::OnTime);
        let to: Option<String> = row.try_get("reply_to")?;
        let correlation_id = row.try_get("correlation_id")?;
        Ok(Self {
            id: row.try_get("id")?,
            subject: row.try_get("subject")?,
            state: State::from_name(&text("state")?).unwrap_or(State::Failed),
            summary: row.try_get("summary")?,
            sla: sla(text("sla")?),
            sla_before: sla(text("sla_before")?),
            events: row.try_get("events")?,
            reply: to.map(|to| Reply { to, correlation_id }),
            callback: row.try_get("callback_url")?,
            trace: trace_of(row)?,
            now: instant(row.try_get("now")?),
            late: row.try_get("late")?,
            age_ms: row.try_get("age_ms")?,
        })
    }
}

impl Store {
    /// Records a batch; `None` for changes that lost their job.
    pub async fn record(&self, changes: &[Change]) -> Result<Vec<Option<Recorded>>, Error> {
        within(async {
            let mut tx = super::begin(&self.recording).await?;
            let recorded = record(&mut tx, changes).await?;
            fail_point::reach(Point::BeforeRecordCommit);
            tx.commit().await?;
            Ok(recorded)
        })
        .await
    }
}

/// Records a batch in the caller's commit. Changes of one job are made one after the other: the
/// result of a lost run must not stand in the way of the result of the run that has the job.
pub(super) async fn record(tx: Tx<'_>, changes: &[Change]) -> Result<Vec<Option<Recorded>>, Error> {
    let mut results = vec![None; changes.len()];
    let mut todo: Vec<usize> = (0..changes.len()).collect();
    while !todo.is_empty() {
        let mut seen = HashSet::new();
        let (round, later): (Vec<usize>, Vec<usize>) =
            todo.into_iter().partition(|place| seen.insert(changes[*place].seq));
        let unique: Vec<&Change> = round.iter().map(|place| &changes[*place]).collect();
        for (place, recorded) in round.into_iter().zip(record_round(tx, &unique).await?) {
            results[place] = recorded;
        }
        todo = later;
    }
    Ok(results)
}

/// Records changes of different jobs.
async fn record_round(tx: Tx<'_>, changes: &[&Change]) -> Result<Vec<Option<Recorded>>, Error> {
    let open = open_inbound(tx, changes).await?;
    let is_open = |change: &Change| change.inbound_id.is_none_or(|id| open.contains(&id));
    let unique: Vec<&Change> = changes.iter().copied().filter(|change| is_open(change)).collect();
    let after = update_jobs(tx, &unique).await?;
    let done: Vec<(&Change, &After)> =
        unique.iter().filter_map(|c| after.get(&c.seq).map(|a| (*c, a))).collect();
    let kept = unique.iter().filter_map(|change| {
        let (seq, row) = (change.seq, change.attempt.as_ref()?);
        Some(attempt::Kept { seq, row, fenced: !after.contains_key(&seq) })
    });
    attempt::insert(tx, kept.collect()).await?;
    portal::change(tx, done.iter().filter_map(|(c, a)| portal_change(c, a)).collect()).await?;
    let writes: Vec<_> = done
        .iter()
        .flat_map(|(c, a)| c.writes.iter().map(|write| (a.subject.as_deref(), write)))
        .collect();
    portal::write(tx, &writes).await?;
    insert_chains(tx, &unique).await?;
    file::insert(tx, &files(&done)).await?;
    arm_timers(tx, &done).await?;
    outbox::insert(tx, &done.iter().flat_map(|(c, a)| events(c, a)).collect::<Vec<_>>()).await?;
    settle_inbound(tx, &unique, &after).await?;
    end_verifications(tx, &done).await?;
    let begun: Vec<Entry> = done.iter().filter_map(|(c, a)| follow_up(c, a)).collect();
    admission::begin(tx, &begun).await?;
    Ok(changes
        .iter()
        .map(|change| {
            let after = after.get(&change.seq).filter(|_| is_open(change))?;
            let After { id, state, sla, sla_before, age_ms, .. } = *after;
            Some(Recorded { id, state, sla, sla_before, age_ms })
        })
        .collect())
}

async fn update_jobs(tx: Tx<'_>, changes: &[&Change]) -> Result<HashMap<i64, After>, Error> {
    let batch: Vec<Value> = changes.iter().map(|change| input_row(change)).collect();
    let rows = sqlx::query(sqlx::AssertSqlSafe(update_statement()))
        .bind(Value::Array(batch))
        .fetch_all(&mut *tx)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("seq")?, After::read(row)?))).collect()
}

/// The give-up time bounds every wait: a pause that would end after it ends the job instead.
fn update_statement() -> String {
    format!(
        "WITH u AS MATERIALIZED (
           SELECT * FROM jsonb_to_recordset($1) AS u (seq bigint, run int, state text, event text,
             spends int, strikes smallint, code text, summary jsonb, delay_ms bigint, phase text,
             carry jsonb, tells int, errors jsonb, pays_back boolean, made boolean, age_max_ms bigint)),
         held AS MATERIALIZED (
           SELECT j.seq, j.sla AS sla_before, j.events AS told_before, n.now, u.spends, u.strikes,
                  u.summary, u.run, u.event, u.phase, u.carry, u.tells, u.errors, u.pays_back, u.made,
                  CASE WHEN n.now >= j.deadline_at THEN 'breached'
                       WHEN n.now >= j.at_risk_at THEN 'at_risk' ELSE 'on_time' END AS sla,
                  u.state = 'waiting'
                    AND n.now + u.delay_ms * interval '1 millisecond' > j.give_up_at AS late,
                  u.state = 'waiting' AND n.now + u.delay_ms * interval '1 millisecond'
                    >= j.admitted_at + u.age_max_ms * interval '1 millisecond' AS old,
                  u.state, u.code
             FROM u JOIN hub.job_live j ON j.seq = u.seq
            CROSS JOIN (SELECT hub.now() AS now) n
            WHERE (j.run = u.run AND j.state = 'calling')
               OR (u.run IS NULL AND j.state IN ('calling', 'pending', 'in_doubt'))
               OR (u.run = -1 AND j.state IN ('accepted', 'waiting'))
            ORDER BY j.seq FOR UPDATE OF j),
         next AS MATERIALIZED (
           SELECT h.*, o.over, CASE WHEN over THEN 'failed' ELSE state END AS next,
                  CASE WHEN old THEN 'retry_budget_used_up' WHEN over THEN 'time_used_up'
                       ELSE code END AS next_code,
                  CASE WHEN over THEN 'failed' ELSE event END AS next_event
             FROM held h CROSS JOIN LATERAL (SELECT h.late OR coalesce(h.old, false) AS over) o)
         UPDATE hub.job j SET
           state = x.next, owner = NULL, sla = x.sla,
           code = CASE WHEN x.tells = 1 OR over THEN x.next_code ELSE j.code END,
           event = CASE WHEN x.tells = 1 OR over THEN x.next_event ELSE j.event END,
           summary = CASE WHEN over THEN x.summary || jsonb_build_object('code', x.next_code,
                                         'last_code', x.summary -> 'code')
                          WHEN x.tells = 1 THEN x.summary ELSE j.summary END,
           phase = coalesce(x.phase, j.phase),
           carry = CASE WHEN NOT t.terminal THEN coalesce(x.carry, j.carry) END,
           errors = coalesce(x.errors, j.errors),
           run = j.run + (x.run IS NULL OR x.run < 0)::int,
           attempts = CASE WHEN x.pays_back THEN 0 ELSE j.attempts + x.spends END,
           strikes = CASE WHEN x.pays_back THEN 0 ELSE j.strikes + x.strikes END,
           deaths = CASE WHEN x.made THEN 0 ELSE j.deaths END,
           events = j.events + greatest(x.tells, over::int) + (x.sla <> x.sla_before)::int,
           told = {told},
           ended_at = CASE WHEN t.terminal THEN x.now END,
           ended_on = CASE WHEN t.terminal THEN (x.now AT TIME ZONE 'UTC')::date
                           ELSE 'infinity'::date END
          FROM next x
         CROSS JOIN LATERAL (SELECT x.next IN ('succeeded', 'refused', 'failed', 'expired',
           'cancelled', 'rejected') AS terminal) t
         CROSS JOIN LATERAL (SELECT array_remove(ARRAY[
           CASE WHEN x.sla <> x.sla_before THEN {moved} END,
           CASE WHEN greatest(x.tells, over::int) = 1 AND NOT t.terminal THEN {news} END], NULL) AS news) s
         WHERE j.ended_on = 'infinity' AND j.seq = x.seq
        RETURNING j.seq, j.id, j.subject, j.state, j.sla, x.sla_before,
          CASE WHEN x.over THEN j.summary END AS summary, j.events, j.reply_to,
          j.correlation_id, j.callback_url, j.traceparent, j.tracestate,
          {NOW_MICROS} AS now, x.now >= j.deadline_at AS late,
          (extract(epoch FROM x.now - j.requested_at) * 1000)::bigint AS age_ms",
        told = outbox::kept("s.news"),
        moved = outbox::entry("x.told_before + 1", "'sla_' || x.sla", "x.now"),
        news = outbox::entry(
            "x.told_before + 1 + (x.sla <> x.sla_before)::int",
            "x.next_event",
            "x.now"
        ),
    )
}

fn input_row(change: &Change) -> Value {
    let event = change.event.or_else(|| EventName::of_state(change.to));
    serde_json::json!({
        "seq": change.seq,
        "run": match change.guard {
            Guard::Run(run) => Some(run),
            Guard::Live => None,
            Guard::Unsent => Some(-1),
        },
        "state": change.to.name(),
        "event": event.map(EventName::name),
        "pays_back": change.pays_back,
        "made": change.attempt.is_some(),
        "spends": i32::from(change.spends_attempt),
        "strikes": i32::from(change.strike),
        "code": change.code,
        "summary": change.summary,
        "delay_ms": change.delay_ms,
        "age_max_ms": change.age_max_ms,
        "phase": change.phase.map(Phase::name),
        "carry": change.carry,
        "tells": i32::from(change.tells),
        "errors": (!change.errors.is_empty()).then_some(&change.errors),
    })
}

/// A verification that ends leaves no digits behind; its success may end a sending in doubt. What
/// somebody called done proves nothing: an answer has no code.
async fn end_verifications(tx: Tx<'_>, done: &[(&Change, &After)]) -> Result<(), Error> {
    let ended: Vec<(Uuid, bool)> = done
        .iter()
        .filter(|(c, a)| consent::verifies(c.operation) && a.state.is_terminal())
        .map(|(c, a)| (a.id, a.state == State::Succeeded && c.code.is_none()))
        .collect();
    let mut proven = consent::end_verifications(tx, &ended).await?;
    let doubted: Vec<String> = done
        .iter()
        .filter(|(c, a)| a.state == State::InDoubt && consent::sends(c.operation))
        .map(|(_, a)| a.id.to_string())
        .collect();
    proven.extend(consent::prove_sendings(tx, &doubted).await?);
    if proven.is_empty() {
        return Ok(());
    }
    Box::pin(record(tx, &proven)).await.map(|_| ())
}

/// The files of the changes that were made, with what their links need.
fn files<'a>(done: &[(&'a Change, &'a After)]) -> Vec<file::New<'a>> {
    done.iter()
        .flat_map(|(c, a)| c.files.iter().map(move |row| (c, a, row)))
        .filter_map(|(change, after, row)| {
            let subject = after.subject.as_deref()?;
            Some(file::New { seq: change.seq, subject, now: after.now, row })
        })
        .collect()
}

/// The job that begins with this change.
fn follow_up(change: &Change, after: &After) -> Option<Entry> {
    let entry = (**change.follow_up.as_ref()?).clone();
    Some(entry.begun_by(after.id, after.subject.as_ref(), after.trace.as_ref()))
}

fn portal_change(change: &Change, after: &After) -> Option<portal::Change> {
    let ended = after.state.is_terminal();
    let answered = after.state == State::Succeeded;
    let table = change.operation.portal.as_ref()?;
    Some(portal::Change {
        table,
        key: portal::key_of(table, after.id, after.subject.as_ref())?,
        seq: change.seq,
        // A job that the adapter found unusable ends as `rejected`; its row says that it failed.
        status: if after.state == State::Rejected {
            State::Failed.name()
        } else {
            after.state.name()
        },
        sla: after.sla.name(),
        completed_at: ended.then(|| after.now.to_string()),
        late: ended && after.late,
        values: change.portal.clone().filter(|_| answered),
        rows: change.rows.clone().filter(|_| answered),
    })
}

/// The events of a change: first that the promise moved, then what happened.
fn events(change: &Change, after: &After) -> Vec<outbox::Row> {
    let mut summary = change.summary.clone();
    let moved = after.sla != after.sla_before;
    let failed_by_time = change.to == State::Waiting && after.state == State::Failed;
    if failed_by_time {
        summary = after.summary.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    }
    let is_news = change.tells || failed_by_time;
    let data = |sequence: i32, summary: Map<String, Value>| EventData {
        job_id: after.id,
        subject: after.subject.clone(),
        state: after.state,
        sla: after.sla,
        sequence: i64::from(sequence),
        summary,
        errors: change.errors.clone(),
    };
    let mut rows = Vec::with_capacity(3);
    let (operation, trace) = (Some(change.operation), after.trace.as_ref());
    if moved {
        let name = sla_event(after.sla);
        // Before the news, where there is any.
        let data = data(after.events - i32::from(is_news), Map::new());
        let row = outbox::Row::event(change.seq, name, operation, after.now, data, trace);
        rows.push(row.also_to(after.callback.as_ref()));
    }
    if !is_news {
        return rows;
    }
    let by_state = EventName::of_state(after.state).unwrap_or(EventName::Progress);
    let name = if failed_by_time { by_state } else { change.event.unwrap_or(by_state) };
    let data = data(after.events, summary);
    let last = outbox::Row::event(change.seq, name, operation, after.now, data, trace);
    if let Some(reply) = after.reply.as_ref().filter(|_| after.state.is_terminal()) {
        rows.push(last.as_reply(reply));
    }
    rows.push(last.also_to(after.callback.as_ref()));
    rows
}

/// The event that tells of a position.
pub(super) const fn sla_event(sla: Sla) -> EventName {
    match sla {
        Sla::OnTime | Sla::AtRisk => EventName::SlaAtRisk,
        Sla::Breached => EventName::SlaBreached,
    }
}

/// The chain is kept even where the run was lost: the acknowledgement is true whoever recorded the
/// job, and a later message is matched by it.
async fn insert_chains(tx: Tx<'_>, changes: &[&Change]) -> Result<(), Error> {
    for change in changes {
        let Some(chain) = &change.chain else { continue };
        sqlx::query(
            "INSERT INTO hub.correlation (system, correlation_id, job_seq, message_id, created_at)
             VALUES ($1, $2, $3, $4, hub.now()) ON CONFLICT (system, correlation_id) DO NOTHING",
        )
        .bind(change.operation.system)
        .bind(&chain.correlation_id)
        .bind(change.seq)
        .bind(&chain.message_id)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

async fn arm_timers(tx: Tx<'_>, done: &[(&Change, &After)]) -> Result<(), Error> {
    let ended: Vec<i64> = done
        .iter()
        .filter(|(c, a)| a.state.is_terminal() && c.may_have_timers)
        .map(|(c, _)| c.seq)
        .collect();
    timer::disarm(tx, &ended).await?;
    // What they hold now is woken by an answer: a question that was due is no longer asked.
    for (change, _) in done
        .iter()
        .filter(|(c, a)| a.state == State::Pending && c.delay_ms.is_none())
        .filter(|(c, _)| c.operation.reconcile != Reconcile::Nobody || c.guard == Guard::Unsent)
    {
        timer::disarm_wake(tx, change.seq).await?;
    }
    let live: Vec<i64> =
        done.iter().filter(|(_, a)| !a.state.is_terminal()).map(|(c, _)| c.seq).collect();
    let followers = done.iter().filter(|(c, _)| c.operation.name == parcel::FOLLOWS);
    let owed = parcel::pay_looks(tx, &followers.map(|(c, _)| c.seq).collect::<Vec<_>>()).await?;
    let delay_ms = |change: &Change, after: &After| {
        // A call that failed is repeated after its pause, and that reads the news.
        let is_owed = after.state == State::Pending && owed.contains(&change.seq);
        if is_owed { Some(0) } else { change.delay_ms.or_else(|| question_ms(change, after.state)) }
    };
    let delays: Vec<(i64, i64)> =
        done.iter().filter_map(|(c, a)| Some((c.seq, delay_ms(c, a)?))).collect();
    timer::arm(tx, &live, &delays).await
}

/// A command in doubt is asked about, where somebody can tell.
fn question_ms(change: &Change, state: State) -> Option<i64> {
    match (state, change.operation.reconcile) {
        (State::InDoubt, Reconcile::Ask { every }) => Some(millis(every)),
        _ => None,
    }
}

/// Messages that nobody has dealt with yet: a message that was looked at twice counts once.
async fn open_inbound(tx: Tx<'_>, changes: &[&Change]) -> Result<HashSet<i64>, Error> {
    let mut ids: Vec<i64> = changes.iter().filter_map(|change| change.inbound_id).collect();
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    ids.sort_unstable();
    let open: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM hub.inbound WHERE id = ANY($1) AND state IN ('stored', 'parked')
          ORDER BY id FOR UPDATE",
    )
    .bind(ids)
    .fetch_all(&mut *tx)
    .await?;
    Ok(open.into_iter().collect())
}

async fn settle_inbound(
    tx: Tx<'_>,
    changes: &[&Change],
    after: &HashMap<i64, After>,
) -> Result<(), Error> {
    for change in changes {
        let Some(id) = change.inbound_id else { continue };
        let applied = after.contains_key(&change.seq);
        // A message for a job that has ended meanwhile is kept and shown; it changes nothing. Where
        // the job has only moved on (it waits again), the message is looked at again.
        sqlx::query(
            "UPDATE hub.inbound SET job_seq = $3,
                state = CASE WHEN $2 THEN 'applied' WHEN l.live THEN 'parked' ELSE 'late' END,
                look_at = CASE WHEN l.live AND NOT $2
                               THEN statement_timestamp() + interval '2 seconds' END
               FROM (SELECT EXISTS (SELECT 1 FROM hub.job_live WHERE seq = $3) AS live) l
              WHERE id = $1",
        )
        .bind(id)
        .bind(applied)
        .bind(change.seq)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
