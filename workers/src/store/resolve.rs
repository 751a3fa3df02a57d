//! A person decides what became of a command whose answer was lost.
//!
//! | the job | `done` | `not-done` |
//! |---|---|---|
//! | in doubt, or its question is not asked yet | see below | may be sent again |
//! | its question is under way | the same; what the question brings is fenced off | refused |
//! | anything else | refused | refused |
//!
//! While a question is under way nothing is sent again: it may prove that the command was done.
//!
//! | `done` of a command | means |
//! |---|---|
//! | whose answer comes by a channel | it was started: the job is theirs (`pending`) until that answer |
//! | whose answer can be asked for | they are asked now, or when they are called again, and their answer ends the job |
//! | that checks a code | nothing (D4): that it was checked does not say that the digits are right |
//! | any other | the job succeeds |
//!
//! Where nothing but the portal's shared rows depends on the answer, a question that brought nothing
//! gives way to the person's word.
//!
//! What a person knows is about one doubt. A job that was sent again and lost its answer again is in
//! another one: a command that is repeated, or a batch that comes late, does not decide it. Doubts are
//! told apart by the number of the job's last event, whatever was told of its promise since. Nor does
//! `not-done` undo unasked that somebody else holds it for done and has their system asked.
//!
//! `not-done` is worth one sending, also of a job that is too old for another attempt or whose retries
//! are stopped; what follows from its failure is decided as ever. Past its give-up time nothing is sent:
//! the job fails, also while its system cannot be asked.
//!
//! *Guarantee*: the decision is recorded like any evidence, in one commit with its audit, and only
//! while the job is still in doubt. No timer of the doubt outlives it.

use std::collections::HashMap;

use contracts::{
    code,
    code::Code,
    event::EventName,
    operation::{Answers, OperationSpec, Parts, Reconcile},
    state::{Phase, State},
};
use serde_json::Map;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    Error, Store, Tx,
    audit::{self, Act, Outcome},
    held::{self, Held, Hold},
    protection::BLOCKED_BY,
    record::{self, Change, Guard},
    timer, within,
};

/// The code of a job that a person holds for done.
pub const DONE: Code = code!("resolved_done");
/// The code of a job that a person holds for not done.
pub const NOT_DONE: Code = code!("resolved_not_done");

/// The code of a job whose question a person brought forward.
pub const ASKED: Code = code!("asked_now");
/// The same, where its system is not called at the moment.
pub const ASKED_LATER: Code = code!("asked_later");

/// What a person knows of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It was executed.
    Done,
    /// It was not, and may be sent again.
    NotDone,
}

/// Which doubt a decision is about: the number of the job's last event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Doubt {
    /// When the command looked at the job.
    pub seen: Option<i32>,
    /// As the person names it.
    pub named: Option<i32>,
}

impl Store {
    /// The numbers of the last events of these jobs.
    pub async fn last_events(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, i32>, Error> {
        within(async {
            let rows = sqlx::query(
                "SELECT k.id, j.events FROM hub.job_key k JOIN hub.job j ON j.seq = k.seq
                  WHERE k.id = ANY($1)",
            )
            .bind(ids)
            .fetch_all(&self.pool)
            .await?;
            rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("events")?))).collect()
        })
        .await
    }

    /// Ends a doubt.
    pub async fn resolve(
        &self,
        id: Uuid,
        resolution: Resolution,
        doubt: Doubt,
        act: &Act,
    ) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let outcome = match held::hold(&mut tx, id).await? {
                Hold::Job(job) => resolve(&mut tx, &job, resolution, doubt, act).await?,
                Hold::Unknown => Outcome::unknown_job(),
                Hold::OtherBuild => Outcome::other_build(),
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }
}

/// What a decision does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The job succeeds.
    Ends,
    /// They hold it: their answer ends it.
    Started,
    /// They are asked what became of it, now.
    Asks,
    /// It is sent again.
    Sends,
    /// It was not executed, and is past its give-up time: it fails.
    IsOver,
}

async fn resolve(
    tx: Tx<'_>,
    job: &Held,
    resolution: Resolution,
    doubt: Doubt,
    act: &Act,
) -> Result<Outcome, Error> {
    let guard = match guard(job.state, job.phase, resolution) {
        Ok(guard) => guard,
        Err(refused) => return Ok(refused),
    };
    let meaning = match meaning(job.operation, job.phase, resolution) {
        Ok(meaning) => meaning,
        Err(refused) => return Ok(refused),
    };
    if let Some(refused) = another(doubt, job.events, &job.warnings) {
        return Ok(refused);
    }
    if meaning == Meaning::Sends
        && doubt.named.is_none()
        && let Some(before) = decided(tx, job.id).await?
    {
        return Ok(decided_before(&before, job.events));
    }
    if meaning == Meaning::Asks {
        return ask(tx, job, act).await;
    }
    let is_over = meaning == Meaning::Sends && is_past_its_time(tx, job.seq).await?;
    let meaning = if is_over { Meaning::IsOver } else { meaning };
    let recorded = record::record(tx, &[change(job, meaning, guard)]).await?;
    if recorded.iter().flatten().next().is_none() {
        return Ok(not_in_doubt(job.state));
    }
    timer::disarm_wake(tx, job.seq).await?;
    let (code, text) = match meaning {
        Meaning::Ends => (DONE, "succeeded by your word; the portal is told"),
        Meaning::Started | Meaning::Asks => {
            (DONE, "it is theirs: their answer ends it by itself, or its give-up time does")
        }
        Meaning::Sends => (NOT_DONE, "it will be sent again now; the portal is told"),
        Meaning::IsOver => {
            (NOT_DONE, "its give-up time is over: it has failed, and the portal is told")
        }
    };
    audit::note(tx, act, "jobs.resolve", &job.id.to_string(), code.name()).await?;
    Ok(Outcome::done(code, text))
}

async fn is_past_its_time(tx: Tx<'_>, seq: i64) -> Result<bool, Error> {
    let past =
        "SELECT EXISTS (SELECT 1 FROM hub.job_live WHERE seq = $1 AND give_up_at <= hub.now())";
    Ok(sqlx::query_scalar(past).bind(seq).fetch_one(&mut *tx).await?)
}

/// Who sent it again before, or had it asked about, as the last one.
struct Before {
    actor: String,
    result: String,
}

async fn decided(tx: Tx<'_>, id: Uuid) -> Result<Option<Before>, Error> {
    let before = sqlx::query(
        "SELECT actor, result FROM hub.audit
          WHERE target = $1 AND action = 'jobs.resolve' AND result = ANY($2)
          ORDER BY at DESC LIMIT 1",
    );
    let words = [NOT_DONE, ASKED, ASKED_LATER].map(Code::name);
    let row = before.bind(id.to_string()).bind(words.as_slice()).fetch_optional(&mut *tx).await?;
    let read = |row: PgRow| -> Result<Before, Error> {
        Ok(Before { actor: row.try_get("actor")?, result: row.try_get("result")? })
    };
    row.map(read).transpose()
}

/// Brings the question forward. Whose system is not called is told so, and when it will be asked.
async fn ask(tx: Tx<'_>, job: &Held, act: &Act) -> Result<Outcome, Error> {
    let blocked = if job.state == State::Calling {
        None
    } else {
        not_called(tx, job.operation.system).await?
    };
    if job.state != State::InDoubt {
        return Ok(blocked.map_or_else(being_asked, |text| Outcome::refused(ASKED_LATER, text)));
    }
    timer::postpone(tx, &[job.seq], "wake", 0).await?;
    let (code, text) = blocked.map_or_else(
        || {
            let text = "they are asked now what it brought, and their answer ends it: look at the \
                        job again in a few seconds";
            (ASKED, text.to_owned())
        },
        |text| (ASKED_LATER, text),
    );
    audit::note(tx, act, "jobs.resolve", &job.id.to_string(), code.name()).await?;
    Ok(Outcome::done(code, text))
}

/// What keeps a system from being asked, in words; `None` where nothing does.
async fn not_called(tx: Tx<'_>, system: &str) -> Result<Option<String>, Error> {
    let statement = format!(
        "SELECT {BLOCKED_BY} AS blocked, d.paused_by FROM hub.destination d WHERE d.system = $1"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(system);
    let Some(row) = row.fetch_optional(&mut *tx).await? else { return Ok(None) };
    let Some(blocked) = row.try_get::<Option<String>, _>("blocked")? else { return Ok(None) };
    let by = match row.try_get::<Option<String>, _>("paused_by")? {
        Some(by) if blocked == "pause" => format!(" by {by}"),
        _ => String::new(),
    };
    Ok(Some(format!(
        "its system is not called now: {blocked}{by} (`hub systems list` says until when); it is \
         asked when that ends, and their answer ends the job"
    )))
}

fn change(job: &Held, meaning: Meaning, guard: Guard) -> Change {
    let mut summary = Map::new();
    let (to, code, word) = match meaning {
        Meaning::Ends => (State::Succeeded, DONE, "done"),
        Meaning::Started | Meaning::Asks => (State::Pending, DONE, "done"),
        Meaning::Sends => (State::Accepted, NOT_DONE, "not_done"),
        Meaning::IsOver => (State::Failed, NOT_DONE, "not_done"),
    };
    summary.insert("resolved".to_owned(), word.into());
    let sends = meaning == Meaning::Sends;
    Change {
        code: Some(code),
        summary,
        phase: sends.then_some(Phase::Send),
        event: sends.then_some(EventName::Progress),
        // Whatever was spent before: a decision is worth one sending.
        pays_back: sends,
        ..Change::to(to, job.seq, job.operation, guard)
    }
}

/// What a decision does to a job of this operation, or why it says nothing. Pure.
fn meaning(
    operation: &OperationSpec,
    phase: Phase,
    resolution: Resolution,
) -> Result<Meaning, Outcome> {
    if resolution == Resolution::NotDone {
        return Ok(Meaning::Sends);
    }
    match operation.parts {
        Parts::Plain | Parts::Files { .. } => {}
        Parts::Code => {
            return Err(Outcome::refused(
                code!("answer_needed"),
                "that the code was checked does not say that it is right: only their answer opens \
                 a check (D4). It ends by itself at its give-up time; the person asks for a new \
                 code",
            ));
        }
    }
    Ok(match (operation.answers, operation.reconcile) {
        (Answers::Later, _) => Meaning::Started,
        // The columns of its own row come with the answer alone.
        (Answers::AtOnce, Reconcile::Ask { .. })
            if operation.portal.is_some() || phase != Phase::Ask =>
        {
            Meaning::Asks
        }
        (Answers::AtOnce, Reconcile::Ask { .. } | Reconcile::Nobody) => Meaning::Ends,
    })
}

/// Under which guard the decision is recorded, or why it is not. Pure.
fn guard(state: State, phase: Phase, resolution: Resolution) -> Result<Guard, Outcome> {
    let asks = phase == Phase::Ask;
    match state {
        State::InDoubt => Ok(Guard::Live),
        State::Accepted | State::Waiting if asks => Ok(Guard::Unsent),
        State::Calling if asks && resolution == Resolution::Done => Ok(Guard::Live),
        State::Calling if asks => Err(being_asked()),
        State::Accepted
        | State::Calling
        | State::Waiting
        | State::Pending
        | State::Succeeded
        | State::Refused
        | State::Failed
        | State::Expired
        | State::Cancelled
        | State::Rejected => Err(not_in_doubt(state)),
    }
}

/// Why what is known is not about the doubt that the job is in; `None` where it is. Pure.
fn another(doubt: Doubt, last: i32, warnings: &[i32]) -> Option<Outcome> {
    let meant = doubt.named.or(doubt.seen)?;
    let is_the_same = meant <= last && (meant + 1..=last).all(|event| warnings.contains(&event));
    (!is_the_same).then(|| {
        Outcome::refused(
            code!("other_doubt"),
            format!(
                "you mean it as it was at event {meant}, and its last event is {last} now: look at \
                 it again (`hub jobs show`)"
            ),
        )
    })
}

fn decided_before(before: &Before, last: i32) -> Outcome {
    let Before { actor, result } = before;
    let what = if result == NOT_DONE.name() {
        "had it sent again, and this is a new doubt"
    } else {
        "holds it for done, and their system is asked"
    };
    Outcome::refused(
        code!("decided_before"),
        format!(
            "{actor} {what}: if you know that what was sent last was not done, say --event {last}"
        ),
    )
}

fn being_asked() -> Outcome {
    Outcome::refused(
        code!("being_asked"),
        "their system is being asked whether it was done: look at the job again in a few seconds",
    )
}

fn not_in_doubt(state: State) -> Outcome {
    let name = state.name();
    let text = if state.is_terminal() {
        format!("it has ended as {name}; `hub jobs retry` makes a new job of it")
    } else {
        format!("it is {name}, and nobody doubts what became of it")
    };
    Outcome::refused(code!("not_in_doubt"), text)
}

#[cfg(test)]
mod tests {
    use adapters::systems::{eqyzmet, kazpost, kpsisu, mgov};

    use super::*;

    #[test]
    fn only_a_doubt_is_resolved() {
        for resolution in [Resolution::Done, Resolution::NotDone] {
            for state in State::ALL.into_iter().filter(|state| *state != State::InDoubt) {
                let refused = guard(state, Phase::Send, resolution).expect_err("no doubt");
                assert_eq!(refused.code, "not_in_doubt", "{state:?}");
            }
            assert_eq!(guard(State::InDoubt, Phase::Send, resolution), Ok(Guard::Live));
            assert_eq!(guard(State::Accepted, Phase::Ask, resolution), Ok(Guard::Unsent));
        }
    }

    #[test]
    fn what_is_known_of_one_doubt_decides_no_other() {
        let refusal =
            |seen, named| another(Doubt { seen, named }, 4, &[3]).map(|no| no.code.name());
        assert_eq!(refusal(None, None), None, "the job is looked at for the first time");
        assert_eq!(refusal(Some(4), None), None);
        assert_eq!(refusal(Some(2), None), Some("other_doubt"), "sent again meanwhile");
        assert_eq!(refusal(Some(4), Some(2)), Some("other_doubt"), "the person means the first");
        assert_eq!(refusal(Some(2), Some(4)), None, "a person's word counts");
        assert_eq!(refusal(None, Some(5)), Some("other_doubt"), "there is no such event");
        let late = another(Doubt { seen: Some(2), named: None }, 4, &[3, 4]);
        assert!(late.is_none(), "its promise moved, and it is in the same doubt");
    }

    fn of_done(operation: &OperationSpec, phase: Phase) -> Result<Meaning, &'static str> {
        meaning(operation, phase, Resolution::Done).map_err(|refused| refused.code.name())
    }

    #[test]
    fn d4_nobodys_word_proves_a_code() {
        assert_eq!(of_done(&mgov::VERIFY_CODE, Phase::Send), Err("answer_needed"));
        assert_eq!(of_done(&mgov::SEND_CODE, Phase::Send), Ok(Meaning::Ends));
    }

    #[test]
    fn what_was_done_may_only_have_been_started() {
        assert_eq!(of_done(&kpsisu::CHECK, Phase::Send), Ok(Meaning::Started));
    }

    #[test]
    fn who_can_be_asked_is_asked_before_a_word_counts() {
        for operation in [&kazpost::LABEL, &kazpost::CALL_COURIER, &eqyzmet::SUBMIT] {
            assert_eq!(of_done(operation, Phase::Send), Ok(Meaning::Asks), "{}", operation.name);
        }
        // No word brings a track number; a courier may be called and nobody can be asked any more.
        assert_eq!(of_done(&kazpost::LABEL, Phase::Ask), Ok(Meaning::Asks));
        assert_eq!(of_done(&kazpost::CALL_COURIER, Phase::Ask), Ok(Meaning::Ends));
    }

    #[test]
    fn while_a_question_is_under_way_nothing_is_sent_again() {
        let not_done = guard(State::Calling, Phase::Ask, Resolution::NotDone);
        assert_eq!(not_done.expect_err("may be sent twice").code, "being_asked");
        assert_eq!(guard(State::Calling, Phase::Ask, Resolution::Done), Ok(Guard::Live));
    }
}
