//! A person decides what became of a command whose answer was lost.
//!
//! | the job | `done` | `not-done` |
//! |---|---|---|
//! | in doubt, or its question is not asked yet | succeeds by that evidence | may be sent again |
//! | its question is under way | succeeds; what the question brings is fenced off | refused |
//! | anything else | refused | refused |
//!
//! While a question is under way nothing is sent again: it may prove that the command was done.
//! A code check is never `done` by a word: that it was asked says nothing of the digits (D4).
//!
//! *Guarantee*: the decision is recorded like any evidence, in one commit with its audit, and only
//! while the job is still in doubt. No timer of the doubt outlives it.

use contracts::{
    code,
    code::Code,
    event::EventName,
    operation::{OperationSpec, Parts},
    state::{Phase, State},
};
use serde_json::Map;
use uuid::Uuid;

use super::{
    Error, Store, Tx,
    audit::{self, Act, Outcome},
    held::{self, Held, Hold},
    record::{self, Change, Guard},
    timer, within,
};

/// The code of a job that a person holds for done.
pub const DONE: Code = code!("resolved_done");
/// The code of a job that a person holds for not done.
pub const NOT_DONE: Code = code!("resolved_not_done");

/// What a person knows of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It was executed.
    Done,
    /// It was not, and may be sent again.
    NotDone,
}

impl Store {
    /// Ends a doubt.
    pub async fn resolve(
        &self,
        id: Uuid,
        resolution: Resolution,
        act: &Act,
    ) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let outcome = match held::hold(&mut tx, id).await? {
                Hold::Job(job) => resolve(&mut tx, &job, resolution, act).await?,
                Hold::Unknown => Outcome::unknown_job(),
                Hold::OtherBuild => Outcome::other_build(),
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }
}

async fn resolve(
    tx: Tx<'_>,
    job: &Held,
    resolution: Resolution,
    act: &Act,
) -> Result<Outcome, Error> {
    let guard = match guard(job.state, job.phase, resolution) {
        Ok(guard) => guard,
        Err(refused) => return Ok(refused),
    };
    if resolution == Resolution::Done
        && let Some(refused) = unprovable(job.operation)
    {
        return Ok(refused);
    }
    let recorded = record::record(tx, &[change(job, resolution, guard)]).await?;
    if recorded.iter().flatten().next().is_none() {
        return Ok(not_in_doubt(job.state));
    }
    timer::disarm_wake(tx, job.seq).await?;
    let (code, text) = match resolution {
        Resolution::Done => (DONE, "succeeded by your word; the portal is told"),
        Resolution::NotDone => (NOT_DONE, "it will be sent again now; the portal is told"),
    };
    audit::note(tx, act, "jobs.resolve", &job.id.to_string(), code.name()).await?;
    Ok(Outcome::done(code, text))
}

fn change(job: &Held, resolution: Resolution, guard: Guard) -> Change {
    let mut summary = Map::new();
    match resolution {
        Resolution::Done => {
            summary.insert("resolved".to_owned(), "done".into());
            Change {
                code: Some(DONE),
                summary,
                ..Change::to(State::Succeeded, job.seq, job.operation, guard)
            }
        }
        Resolution::NotDone => {
            summary.insert("resolved".to_owned(), "not_done".into());
            Change {
                code: Some(NOT_DONE),
                summary,
                phase: Some(Phase::Send),
                event: Some(EventName::Progress),
                ..Change::to(State::Accepted, job.seq, job.operation, guard)
            }
        }
    }
}

/// Under which guard the decision is recorded, or why it is not. Pure.
fn guard(state: State, phase: Phase, resolution: Resolution) -> Result<Guard, Outcome> {
    let asks = phase == Phase::Ask;
    match state {
        State::InDoubt => Ok(Guard::Live),
        State::Accepted | State::Waiting if asks => Ok(Guard::Unsent),
        State::Calling if asks && resolution == Resolution::Done => Ok(Guard::Live),
        State::Calling if asks => Err(Outcome::refused(
            code!("being_asked"),
            "their system is being asked at this moment whether it was done: look at the job \
             again in a few seconds",
        )),
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

/// Why nobody's word can say that it was done; `None` where it can. Pure.
fn unprovable(operation: &OperationSpec) -> Option<Outcome> {
    match operation.parts {
        Parts::Plain | Parts::Files { .. } => None,
        Parts::Code => Some(Outcome::refused(
            code!("answer_needed"),
            "that the code was checked does not say that it is right: only their answer opens a \
             check (D4). It ends by itself at its give-up time; the person asks for a new code",
        )),
    }
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
    fn d4_nobodys_word_proves_a_code() {
        use adapters::systems::{kpsisu, mgov};
        let refused = unprovable(&mgov::VERIFY_CODE).expect("refused");
        assert_eq!(refused.code, "answer_needed");
        assert_eq!(unprovable(&mgov::SEND_CODE), None);
        assert_eq!(unprovable(&kpsisu::CHECK), None);
    }

    #[test]
    fn while_a_question_is_under_way_nothing_is_sent_again() {
        let not_done = guard(State::Calling, Phase::Ask, Resolution::NotDone);
        assert_eq!(not_done.expect_err("may be sent twice").code, "being_asked");
        assert_eq!(guard(State::Calling, Phase::Ask, Resolution::Done), Ok(Guard::Live));
    }
}
