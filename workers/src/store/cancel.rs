//! Withdrawing jobs: what was not sent and, by an operator, what only asks.

use adapters::systems::mgov;
use contracts::{
    code,
    operation::{Effect, OperationSpec},
    state::{Phase, State},
};
use serde_json::Map;
use uuid::Uuid;

use super::{
    Error, Store, Tx,
    audit::{self, Act, Outcome},
    held::{self, Hold},
    record::{self, Change, Guard},
    within,
};
use crate::pipeline::follow_up;

/// What became of a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The job is withdrawn now.
    Done,
    /// It was withdrawn before.
    Before,
    /// It has been sent, or has ended.
    TooLate,
    /// No such job.
    Unknown,
}

/// What an operator's withdrawal says in the event: the words themselves stay in the audit.
const BY_OPERATOR: &str = "operator";

/// Who withdraws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// Their system has seen nothing of what the portal takes back.
    Portal,
    /// Nothing was done, even where their system may have read what was asked.
    Operator,
}

impl Store {
    /// Withdraws a job, if nothing of it can have been sent. `reason` is told in its event.
    pub async fn cancel(&self, id: Uuid, reason: &str) -> Result<Cancelled, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let cancelled = cancel(&mut tx, id, reason, By::Portal).await?;
            tx.commit().await?;
            Ok(cancelled)
        })
        .await
    }

    /// The same, for an operator: also a query that was sent before, and is not under way.
    pub async fn cancel_by(&self, id: Uuid, act: &Act) -> Result<Outcome, Error> {
        within(async {
            let mut tx = super::begin(&self.pool).await?;
            let outcome = match cancel(&mut tx, id, BY_OPERATOR, By::Operator).await? {
                Cancelled::Done => {
                    audit::note(&mut tx, act, "jobs.cancel", &id.to_string(), "cancelled").await?;
                    Outcome::done(code!("cancelled"), "withdrawn; the portal is told")
                }
                Cancelled::Before => {
                    Outcome::refused(code!("cancelled_before"), "it was withdrawn before")
                }
                Cancelled::TooLate => Outcome::refused(
                    code!("too_late"),
                    "it is being called, or they hold it, or it has ended, or is a command that may \
                     have been sent: what they do with it cannot be taken back; wait for its end",
                ),
                Cancelled::Unknown => Outcome::unknown_job(),
            };
            audit::finish(tx, act, outcome).await
        })
        .await
    }
}

/// Withdraws a job in the caller's commit.
async fn cancel(tx: Tx<'_>, id: Uuid, why: &str, by: By) -> Result<Cancelled, Error> {
    let job = match held::hold(tx, id).await? {
        Hold::Job(job) => job,
        Hold::Unknown => return Ok(Cancelled::Unknown),
        Hold::OtherBuild => return Ok(Cancelled::TooLate),
    };
    if job.state == State::Cancelled {
        return Ok(Cancelled::Before);
    }
    let tried = job.called || job.attempts > 0 || job.deaths > 0;
    if !is_free(job.state, job.phase, job.operation, tried && by == By::Portal) {
        return Ok(Cancelled::TooLate);
    }
    let mut summary = Map::new();
    summary.insert("code".to_owned(), code!("withdrawn").into());
    summary.insert("why".to_owned(), why.into());
    let change = Change {
        code: Some(code!("withdrawn")),
        summary,
        ..Change::to(State::Cancelled, job.seq, job.operation, Guard::Unsent)
    };
    record::record(tx, &[change]).await?;
    if job.phase == Phase::Consent {
        // Its code is not spent on a check that nobody wants.
        let child = follow_up::child_id(id, mgov::VERIFY_CODE.name);
        Box::pin(cancel(tx, child, why, by)).await?;
    }
    Ok(Cancelled::Done)
}

/// Whether a job can be taken back: nothing was done, and nothing is under way. A command that is stored
/// or waits was certainly not executed. `read`: a query may have been, and that counts.
fn is_free(state: State, phase: Phase, operation: &OperationSpec, read: bool) -> bool {
    let waits = matches!(state, State::Accepted | State::Waiting);
    let first = matches!(phase, Phase::Consent | Phase::Send);
    match operation.effect {
        Effect::Command => waits && first,
        Effect::Query => waits && !(read || phase == Phase::Ask),
    }
}

#[cfg(test)]
mod tests {
    use adapters::systems::{gbdfl, kpsisu};

    use super::*;

    #[test]
    fn what_may_have_been_sent_is_not_withdrawn() {
        let command = &kpsisu::CHECK;
        for phase in [Phase::Continue, Phase::Ask] {
            assert!(!is_free(State::Accepted, phase, command, true), "{phase:?}");
            assert!(!is_free(State::Accepted, phase, command, false), "{phase:?}");
        }
        for state in
            State::ALL.into_iter().filter(|s| !matches!(s, State::Accepted | State::Waiting))
        {
            assert!(!is_free(state, Phase::Send, command, false), "{state:?}");
            assert!(!is_free(state, Phase::Send, &gbdfl::PERSON, false), "{state:?}");
        }
        assert!(!is_free(State::Waiting, Phase::Send, &gbdfl::PERSON, true), "it may be read");
    }

    #[test]
    fn what_certainly_was_not_done_is_withdrawn() {
        assert!(is_free(State::Waiting, Phase::Consent, &kpsisu::CHECK, false));
        assert!(is_free(State::Waiting, Phase::Send, &kpsisu::CHECK, true));
        assert!(is_free(State::Accepted, Phase::Send, &gbdfl::PERSON, false));
    }
}
