//! Withdrawing jobs that were not sent.

use contracts::{
    operation::{Effect, OperationSpec},
    state::{Phase, State},
};
use serde_json::Map;
use sqlx::Row;
use uuid::Uuid;

use super::{
    Error, Store, of_build,
    record::{self, Change, Guard},
    within,
};

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

impl Store {
    /// Withdraws a job, if nothing of it can have been sent. `reason` is told in its event.
    pub async fn cancel(&self, id: Uuid, reason: &str) -> Result<Cancelled, Error> {
        within(async {
            let mut tx = self.pool.begin().await?;
            let row = sqlx::query(
                "SELECT j.seq, j.operation, j.state, j.phase, j.attempts
                   FROM hub.job_key k JOIN hub.job j ON j.seq = k.seq
                  WHERE k.id = $1 FOR UPDATE OF j",
            )
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(row) = row else { return Ok(Cancelled::Unknown) };
            let (state, phase): (String, String) = (row.try_get("state")?, row.try_get("phase")?);
            let name: String = row.try_get("operation")?;
            let state = State::from_name(&state).unwrap_or(State::Failed);
            let phase = Phase::from_name(&phase).unwrap_or(Phase::Ask);
            let Some(operation) = of_build(&name) else { return Ok(Cancelled::TooLate) };
            if state == State::Cancelled {
                return Ok(Cancelled::Before);
            }
            if !is_unsent(state, phase, operation, row.try_get("attempts")?) {
                return Ok(Cancelled::TooLate);
            }
            let mut summary = Map::new();
            summary.insert("code".to_owned(), "withdrawn".into());
            summary.insert("why".to_owned(), reason.into());
            let seq = row.try_get("seq")?;
            let change = Change {
                code: Some("withdrawn"),
                summary,
                ..Change::to(State::Cancelled, seq, operation, Guard::Unsent)
            };
            record::record(&mut tx, &[change]).await?;
            tx.commit().await?;
            Ok(Cancelled::Done)
        })
        .await
    }
}

/// Whether nothing of a job can have reached their system. A command that is stored or waits was
/// certainly not executed; a query that was tried may have been read.
fn is_unsent(state: State, phase: Phase, operation: &OperationSpec, attempts: i32) -> bool {
    let waits = matches!(state, State::Accepted | State::Waiting);
    let first = matches!(phase, Phase::Consent | Phase::Send);
    waits && first && (attempts == 0 || operation.effect == Effect::Command)
}

#[cfg(test)]
mod tests {
    use adapters::systems::{gbdfl, kpsisu};

    use super::*;

    #[test]
    fn what_may_have_been_sent_is_not_withdrawn() {
        let command = &kpsisu::CHECK;
        for phase in [Phase::Continue, Phase::Ask] {
            assert!(!is_unsent(State::Accepted, phase, command, 1), "{phase:?}");
        }
        for state in
            State::ALL.into_iter().filter(|s| !matches!(s, State::Accepted | State::Waiting))
        {
            assert!(!is_unsent(state, Phase::Send, command, 0), "{state:?}");
        }
        assert!(!is_unsent(State::Waiting, Phase::Send, &gbdfl::PERSON, 1), "a query may be read");
    }

    #[test]
    fn what_certainly_was_not_sent_is_withdrawn() {
        assert!(is_unsent(State::Waiting, Phase::Consent, &kpsisu::CHECK, 0));
        assert!(is_unsent(State::Waiting, Phase::Send, &kpsisu::CHECK, 3));
        assert!(is_unsent(State::Accepted, Phase::Send, &gbdfl::PERSON, 0));
    }
}
