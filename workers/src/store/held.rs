//! A job as an act on it sees it: locked, so that a running hub and an operator never fight.

use contracts::{
    operation::OperationSpec,
    state::{Phase, State},
    trace::TraceContext,
};
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use super::{Error, Tx, of_build, trace_of};

/// A job whose row is locked until the act's commit.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is known or not, by itself")]
pub(super) struct Held {
    pub(super) seq: i64,
    pub(super) id: Uuid,
    pub(super) operation: &'static OperationSpec,
    pub(super) subject: Option<String>,
    pub(super) state: State,
    pub(super) phase: Phase,
    pub(super) attempts: i32,
    /// Workers that died over it, one after the other.
    pub(super) deaths: i16,
    /// The number of its last event.
    pub(super) events: i32,
    /// The numbers of those that only told that the promise moved.
    pub(super) warnings: Vec<i32>,
    pub(super) code: Option<String>,
    pub(super) requested_by: Option<String>,
    pub(super) priority: i16,
    /// Personal.
    pub(super) input: Option<Value>,
    pub(super) consent: Option<Value>,
    pub(super) callback_url: Option<String>,
    pub(super) trace: Option<TraceContext>,
    /// Whether a call of it was recorded, whatever it brought.
    pub(super) called: bool,
    /// Whether they acknowledged it once.
    pub(super) acknowledged: bool,
    /// Whether something is kept that says that they had it, and that did not end it: a late message,
    /// also one that was applied, or an answer to a call that had lost the job, unless it says «not done».
    pub(super) evidence: bool,
    /// Whether its code is that of a call that did not reach them, or of a defect of ours.
    pub(super) unreached: bool,
}

/// Whether job `j` has the code of a call that brought no answer of theirs.
pub(super) const UNREACHED: &str = "EXISTS (SELECT 1 FROM hub.attempt a
   WHERE a.job_seq = j.seq AND a.code = j.code AND NOT a.fenced
     AND a.class IN ('unreachable', 'defect'))";
/// Whether something says of job `j` that they had it, and did not end it.
const EVIDENCE: &str = "(EXISTS (SELECT 1 FROM hub.inbound i
   WHERE i.job_seq = j.seq
     AND (i.state = 'late' OR i.state = 'applied' AND i.why = 'by an operator'))
   OR EXISTS (SELECT 1 FROM hub.attempt a
   WHERE a.job_seq = j.seq AND a.fenced AND a.class IS NULL AND a.code IS DISTINCT FROM 'not_done'))";

/// The events of job `j` that say nothing of what became of it.
const WARNINGS: &str = "ARRAY(SELECT split_part(t, ' ', 1)::integer FROM unnest(j.told) t
   WHERE split_part(t, ' ', 2) IN ('sla_at_risk', 'sla_breached'))";

/// What holding a job came to.
#[derive(Debug)]
pub(super) enum Hold {
    Job(Box<Held>),
    /// No such job.
    Unknown,
    /// It does what this build knows nothing of.
    OtherBuild,
}

/// Locks a job. A worker that records it meanwhile comes first, and what it wrote is seen; where that
/// moved the row to another partition, the call fails with a conflict and is made again.
pub(super) async fn hold(tx: Tx<'_>, id: Uuid) -> Result<Hold, Error> {
    let statement = format!(
        "SELECT j.seq, j.operation, j.subject, j.state, j.phase, j.attempts, j.deaths, j.events, j.code,
                j.requested_by, j.priority, j.input, j.consent, j.callback_url, j.traceparent, j.tracestate,
                {EVIDENCE} AS evidence, {UNREACHED} AS unreached, {WARNINGS} AS warnings,
                EXISTS (SELECT 1 FROM hub.attempt a WHERE a.job_seq = j.seq) AS called,
                EXISTS (SELECT 1 FROM hub.correlation c WHERE c.job_seq = k.seq) AS acknowledged
           FROM hub.job_key k JOIN hub.job j ON j.seq = k.seq
          WHERE k.id = $1 FOR UPDATE OF j",
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id).fetch_optional(&mut *tx).await?;
    let Some(row) = row else { return Ok(Hold::Unknown) };
    let text = |column: &str| row.try_get::<String, _>(column);
    let Some(operation) = of_build(&text("operation")?) else { return Ok(Hold::OtherBuild) };
    Ok(Hold::Job(Box::new(Held {
        seq: row.try_get("seq")?,
        id,
        operation,
        subject: row.try_get("subject")?,
        state: State::from_name(&text("state")?).unwrap_or(State::Failed),
        phase: Phase::from_name(&text("phase")?).unwrap_or(Phase::Ask),
        attempts: row.try_get("attempts")?,
        deaths: row.try_get("deaths")?,
        events: row.try_get("events")?,
        warnings: row.try_get("warnings")?,
        code: row.try_get("code")?,
        requested_by: row.try_get("requested_by")?,
        priority: row.try_get("priority")?,
        input: row.try_get("input")?,
        consent: row.try_get("consent")?,
        callback_url: row.try_get("callback_url")?,
        trace: trace_of(&row)?,
        called: row.try_get("called")?,
        acknowledged: row.try_get("acknowledged")?,
        evidence: row.try_get("evidence")?,
        unreached: row.try_get("unreached")?,
    })))
}
