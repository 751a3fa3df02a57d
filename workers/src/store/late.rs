//! An answer that came after its job had ended, applied by an operator.
//!
//! Some ends are honest because nobody knew better: `expired`, `succeeded` by a person's word, and
//! `failed` by the hub's own decision ([`OURS`]) or because they could not be reached. An answer that
//! came later is kept in `hub.inbound` as `late`.
//!
//! *Guarantee*: the job keeps its state: terminal is terminal. The portal's row gets the answer, with
//! `status` = `succeeded` (it has one) and `late`, only while it still belongs to this job
//! (invariant 10); an event `progress` tells of it. A message is applied once.

use contracts::{
    code,
    code::Code,
    event::{EventData, EventName},
    operation::OperationSpec,
    state::{Sla, State},
};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, NOW_MICROS, Store, Tx, admission,
    audit::{self, Act, Outcome},
    file,
    held::{self, Held, Hold, UNREACHED},
    instant, of_build, outbox, portal,
    record::Change,
    resolve, within,
};
use crate::{
    policy::retry::{DISABLED, TOO_OLD},
    seal::Sealed,
};

/// With these codes the hub ended a job itself: none is an answer of theirs.
const OURS: [Code; 7] = [
    code!("outcome_unknown"),
    code!("time_used_up"),
    code!("not_done"),
    code!("workers_died"),
    resolve::NOT_DONE,
    TOO_OLD,
    DISABLED,
];

/// A job that ended without its answer, with what came later.
#[derive(Debug, Clone)]
pub struct Late {
    /// Admission number.
    pub seq: i64,
    /// What was asked.
    pub operation: &'static OperationSpec,
    /// Personal.
    pub input: Value,
    /// Business time now.
    pub now: Timestamp,
    /// What came, oldest first.
    pub messages: Vec<LateMessage>,
}

/// A message that came too late.
#[derive(Debug, Clone)]
pub struct LateMessage {
    /// Its number in `hub.inbound`.
    pub id: i64,
    /// `push` or `pull`.
    pub source: String,
    /// The raw message.
    pub sealed: Sealed,
}

impl Store {
    /// The late answers to a job; the refusal where none can be applied.
    pub async fn late_messages(&self, id: Uuid) -> Result<Result<Late, Outcome>, Error> {
        within(async {
            let statement = format!(
                "SELECT j.seq, j.operation, j.state, j.code, j.input, {NOW_MICROS} AS now,
                        {UNREACHED} AS unreached
                   FROM hub.job_key k JOIN hub.job j ON j.seq = k.seq WHERE k.id = $1"
            );
            let job = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id);
            let Some(job) = job.fetch_optional(&self.pool).await? else {
                return Ok(Err(Outcome::unknown_job()));
            };
            let state: String = job.try_get("state")?;
            let state = State::from_name(&state).unwrap_or(State::Succeeded);
            let code: Option<String> = job.try_get("code")?;
            let unreached = job.try_get("unreached")?;
            if let Some(refused) = objection(state, code.as_deref(), unreached) {
                return Ok(Err(refused));
            }
            let name: String = job.try_get("operation")?;
            let (Some(operation), Some(input)) = (of_build(&name), job.try_get("input")?) else {
                return Ok(Err(Outcome::other_build()));
            };
            let seq = job.try_get("seq")?;
            let messages = sqlx::query(
                "SELECT id, source, key_id, sealed FROM hub.inbound
                  WHERE job_seq = $1 AND state = 'late' ORDER BY id",
            )
            .bind(seq)
            .fetch_all(&self.pool)
            .await?;
            let messages = messages.iter().map(message).collect::<Result<_, _>>()?;
            Ok(Ok(Late { seq, operation, input, now: instant(job.try_get("now")?), messages }))
        })
        .await
    }

    /// Applies an answer: the parts of it that `change` carries, from this message.
    pub async fn apply_late(
        &self,
        id: Uuid,
        message: i64,
        change: &Change,
        act: &Act,
    ) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let outcome = match held::hold(&mut tx, id).await? {
                Hold::Job(job) => apply(&mut tx, &job, message, change, act).await?,
                Hold::Unknown => Outcome::unknown_job(),
                Hold::OtherBuild => Outcome::other_build(),
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }
}

fn message(row: &sqlx::postgres::PgRow) -> Result<LateMessage, Error> {
    Ok(LateMessage {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        sealed: Sealed { key_id: row.try_get("key_id")?, bytes: row.try_get("sealed")? },
    })
}

async fn apply(
    tx: Tx<'_>,
    job: &Held,
    message: i64,
    change: &Change,
    act: &Act,
) -> Result<Outcome, Error> {
    if let Some(refused) = objection(job.state, job.code.as_deref(), job.unreached) {
        return Ok(refused);
    }
    if let Some(newer) = portal::newer_owner(tx, job).await? {
        let text =
            format!("the subject's row belongs to the newer job {newer}, whose answer counts");
        return Ok(Outcome::refused(code!("superseded"), text));
    }
    let taken = sqlx::query(
        "UPDATE hub.inbound SET state = 'applied', why = 'by an operator'
          WHERE id = $1 AND job_seq = $2 AND state = 'late'",
    )
    .bind(message)
    .bind(job.seq)
    .execute(&mut *tx)
    .await?;
    if taken.rows_affected() == 0 {
        return Ok(Outcome::refused(code!("applied_before"), "somebody has applied this message"));
    }
    write(tx, job, change).await?;
    let result = format!("message {message}");
    audit::note(tx, act, "jobs.apply_late", &job.id.to_string(), &result).await?;
    let text = format!("message {message} is in the portal's row, as late; the portal is told");
    Ok(Outcome::done(code!("applied"), text))
}

/// Everything that the answer brought, and the event that tells of it.
async fn write(tx: Tx<'_>, job: &Held, change: &Change) -> Result<(), Error> {
    let mut summary = change.summary.clone();
    summary.insert("late".to_owned(), true.into());
    // The end is not the last event any more: it is kept with the others.
    let end = outbox::entry("j.events", "j.event", "j.ended_at");
    let applied = outbox::entry("j.events + 1", "'progress'", "hub.now()");
    let told = outbox::kept(&format!("ARRAY[{end}, {applied}]"));
    let statement = format!(
        "UPDATE hub.job j SET events = j.events + 1, event = 'progress', summary = $2,
                told = {told}
          WHERE j.seq = $1 RETURNING j.events, j.sla,
           {NOW_MICROS} AS now"
    );
    let after = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(job.seq)
        .bind(Value::Object(summary.clone()))
        .fetch_one(&mut *tx)
        .await?;
    let sla: String = after.try_get("sla")?;
    let sla = Sla::from_name(&sla).unwrap_or(Sla::Breached);
    let now = instant(after.try_get("now")?);
    let key = |table| portal::key_of(table, job.id, job.subject.as_ref());
    if let Some(table) = &job.operation.portal
        && let Some(key) = key(table)
    {
        let row = portal::Change {
            table,
            key,
            seq: job.seq,
            status: State::Succeeded.name(),
            sla: sla.name(),
            completed_at: Some(now.to_string()),
            late: true,
            values: change.portal.clone(),
            rows: change.rows.clone(),
        };
        portal::change(tx, vec![row]).await?;
    }
    let subject = job.subject.as_deref();
    let writes: Vec<_> = change.writes.iter().map(|write| (subject, write)).collect();
    portal::write(tx, &writes).await?;
    let files: Vec<_> = change
        .files
        .iter()
        .filter_map(|row| Some(file::New { seq: job.seq, subject: subject?, now, row }))
        .collect();
    file::insert(tx, &files).await?;
    if let Some(follow_up) = &change.follow_up {
        let entry = (**follow_up).clone();
        let entry = entry.begun_by(job.id, job.subject.as_ref(), job.trace.as_ref());
        admission::begin(tx, &[entry]).await?;
    }
    let data = EventData {
        job_id: job.id,
        subject: job.subject.clone(),
        state: job.state,
        sla,
        sequence: i64::from(after.try_get::<i32, _>("events")?),
        summary,
        errors: Vec::new(),
    };
    let event = EventName::Progress;
    let trace = job.trace.as_ref();
    let event = outbox::Row::event(job.seq, event, Some(job.operation), now, data, trace);
    outbox::insert(tx, &[event.also_to(job.callback_url.as_ref())]).await
}

/// Why a late answer is not applied to a job that stands so; `None` where it may be. Pure.
fn objection(state: State, code: Option<&str>, unreached: bool) -> Option<Outcome> {
    let is_ours = || code.is_some_and(|code| OURS.iter().any(|one| one.name() == code));
    match state {
        State::Expired => None,
        State::Failed if unreached || is_ours() => None,
        State::Succeeded if code == Some(resolve::DONE.name()) => None,
        State::Accepted | State::Calling | State::Waiting | State::Pending | State::InDoubt => {
            let text = "it has not ended: what comes is applied by itself";
            Some(Outcome::refused(code!("live"), text))
        }
        State::Succeeded | State::Refused | State::Failed => {
            let text = "it has ended with an answer of its own; a second one changes nothing";
            Some(Outcome::refused(code!("answered"), text))
        }
        State::Cancelled | State::Rejected => Some(Outcome::refused(
            code!("never_sent"),
            "it was withdrawn or turned down: what comes is kept and shown",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(state: State, code: Option<&str>, unreached: bool) -> Option<&'static str> {
        objection(state, code, unreached).map(|refused| refused.code.name())
    }

    #[test]
    fn only_an_end_without_knowledge_takes_a_late_answer() {
        assert_eq!(refusal(State::Expired, Some("no_answer"), false), None);
        assert_eq!(refusal(State::Succeeded, Some(resolve::DONE.name()), false), None);
        assert_eq!(refusal(State::Failed, Some("contradiction"), false), Some("answered"));
        assert_eq!(refusal(State::Succeeded, None, false), Some("answered"));
        assert_eq!(refusal(State::Refused, None, false), Some("answered"));
        assert_eq!(refusal(State::Cancelled, None, false), Some("never_sent"));
        for state in State::ALL.into_iter().filter(|state| !state.is_terminal()) {
            assert_eq!(refusal(state, Some("outcome_unknown"), false), Some("live"), "{state:?}");
        }
    }

    #[test]
    fn an_end_that_the_hub_decided_is_no_answer_of_theirs() {
        for code in OURS {
            assert_eq!(refusal(State::Failed, Some(code.name()), false), None, "{code:?}");
        }
        let unreached = refusal(State::Failed, Some("connection_refused"), true);
        assert_eq!(unreached, None, "a second sending that did not reach them");
    }
}
