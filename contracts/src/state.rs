//! The states of a job, and the one function that moves between them.
//!
//! ```text
//!             ┌────── due (again · the next part · a question) / handed back ──────┐
//! accepted → calling → waiting (retry, limit, maintenance, consent) ───────────────┤
//!    │          │ ├──→ pending (their system works on it; an answer or a poll) ────┤
//!    │          │ └──→ in_doubt (a command's answer was lost; never re-sent blindly)┘
//!    │          └──→ succeeded │ refused │ failed │ expired │ cancelled     terminal
//!    └──→ rejected (the portal's message breaks a contract)                terminal
//! ```
//!
//! What a job does when it is started again is its *phase*, beside the state: it sends, goes on with
//! the next part of an answer, or asks what became of a command.
//!
//! *Guarantee*: a terminal state is never left; what may follow what is told by [`after`], which is
//! tested over every state and step. Statements that move many jobs at once name the states they move
//! from and to; they keep to the same table.

use serde::{Deserialize, Serialize};

use crate::operation::Effect;

/// Where a job stands.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Stored; nobody runs it yet.
    Accepted,
    /// A worker owns it; a request may be under way.
    Calling,
    /// To be tried again at a due time.
    Waiting,
    /// They acknowledged and work on it.
    Pending,
    /// A command was sent and nobody knows whether it arrived.
    InDoubt,
    /// They answered (also with "a record was found").
    Succeeded,
    /// They understood and said no.
    Refused,
    /// Attempts or time are used up, or their answer broke the contract.
    Failed,
    /// Nobody answered before the give-up time.
    Expired,
    /// Withdrawn before anything was sent.
    Cancelled,
    /// The portal's message breaks a contract or a domain rule; nothing was sent.
    Rejected,
}

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A worker takes it.
    Start,
    /// They answered.
    Answer,
    /// They said no.
    Refuse,
    /// It cannot succeed any more.
    Fail,
    /// The adapter found the portal's message unusable before sending.
    Reject,
    /// Try again later.
    Wait,
    /// The wait is over.
    Due,
    /// They took it and will answer later.
    Acknowledge,
    /// A command left and its answer was lost; or it left although we held it for unsent.
    LoseOutcome,
    /// It is certain that a command was not executed.
    ProveNotDone,
    /// Its worker returns it unstarted.
    HandBack,
    /// The give-up time has passed.
    GiveUp,
    /// The portal or an operator withdraws it.
    Cancel,
}

impl State {
    /// All states, in the order of the diagram.
    pub const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Calling,
        Self::Waiting,
        Self::Pending,
        Self::InDoubt,
        Self::Succeeded,
        Self::Refused,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
        Self::Rejected,
    ];

    /// The name in tables, events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Calling => "calling",
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::InDoubt => "in_doubt",
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a job ends here.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Accepted | Self::Calling | Self::Waiting | Self::Pending | Self::InDoubt => false,
            Self::Succeeded
            | Self::Refused
            | Self::Failed
            | Self::Expired
            | Self::Cancelled
            | Self::Rejected => true,
        }
    }
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 13] = [
        Self::Start,
        Self::Answer,
        Self::Refuse,
        Self::Fail,
        Self::Reject,
        Self::Wait,
        Self::Due,
        Self::Acknowledge,
        Self::LoseOutcome,
        Self::ProveNotDone,
        Self::HandBack,
        Self::GiveUp,
        Self::Cancel,
    ];
}

/// The state after a step, or `None` where the step has no meaning in that state.
pub const fn after(state: State, step: Step) -> Option<State> {
    use State as S;
    use Step as T;
    match (state, step) {
        (S::Accepted, T::Start) => Some(S::Calling),
        (S::Waiting | S::Pending | S::InDoubt, T::Due)
        | (S::Calling, T::HandBack)
        | (S::InDoubt, T::ProveNotDone) => Some(S::Accepted),
        (S::Calling, T::Wait) => Some(S::Waiting),
        (S::Calling | S::InDoubt, T::Acknowledge) => Some(S::Pending),
        // One that was held for unsent, where evidence says that it left.
        (S::Accepted | S::Waiting | S::Calling, T::LoseOutcome) => Some(S::InDoubt),
        (S::Calling, T::Reject) => Some(S::Rejected),
        (S::Calling | S::Pending | S::InDoubt, T::Answer) => Some(S::Succeeded),
        (S::Calling | S::Waiting | S::Pending | S::InDoubt, T::Refuse) => Some(S::Refused),
        (S::Calling | S::Pending | S::InDoubt, T::Fail)
        | (S::Accepted | S::Waiting | S::InDoubt, T::GiveUp) => Some(S::Failed),
        (S::Pending, T::GiveUp) => Some(S::Expired),
        (S::Accepted | S::Waiting, T::Cancel) => Some(S::Cancelled),
        _ => None,
    }
}

/// What the next call of a job does; beside the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// None yet: the person's code is being verified.
    Consent,
    /// Sends the request.
    Send,
    /// Fetches the next part of an answer that has begun.
    Continue,
    /// Asks what became of a command whose answer was lost.
    Ask,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 4] = [Self::Consent, Self::Send, Self::Continue, Self::Ask];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Send => "send",
            Self::Continue => "continue",
            Self::Ask => "ask",
        }
    }

    /// What a call in this phase can change out there, for a job of this effect: only the sending of a
    /// command does. The next part of an answer is fetched, and a question asked, as often as needed.
    pub const fn effect(self, of: Effect) -> Effect {
        match self {
            Self::Send => of,
            Self::Consent | Self::Continue | Self::Ask => Effect::Query,
        }
    }

    /// The phase of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }
}

/// How a job stands to its service-level promise; beside the state, never an end of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sla {
    /// Neither point has passed.
    OnTime,
    /// The warning point has passed.
    AtRisk,
    /// The deadline has passed.
    Breached,
}

impl Sla {
    /// All positions.
    pub const ALL: [Self; 3] = [Self::OnTime, Self::AtRisk, Self::Breached];

    /// The name in tables, events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnTime => "on_time",
            Self::AtRisk => "at_risk",
            Self::Breached => "breached",
        }
    }

    /// The position of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sla| sla.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_state_is_never_left() {
        for state in State::ALL.into_iter().filter(|s| s.is_terminal()) {
            for step in Step::ALL {
                assert_eq!(after(state, step), None, "{state:?} {step:?}");
            }
        }
    }

    #[test]
    fn every_live_state_can_reach_an_end() {
        for state in State::ALL.into_iter().filter(|s| !s.is_terminal()) {
            let ends = Step::ALL.iter().filter_map(|step| after(state, *step));
            assert!(ends.into_iter().any(State::is_terminal), "{state:?}");
        }
    }

    #[test]
    fn the_whole_table_is_as_drawn() {
        let mut drawn = Vec::new();
        for state in State::ALL {
            for step in Step::ALL {
                if let Some(next) = after(state, step) {
                    drawn.push(format!("{} {step:?} {}", state.name(), next.name()));
                }
            }
        }
        assert_eq!(drawn.join("\n"), include_str!("state.table.txt").trim_end());
    }

    #[test]
    fn only_a_call_or_evidence_ends_in_an_answer() {
        let answering: Vec<_> =
            State::ALL.into_iter().filter(|state| after(*state, Step::Answer).is_some()).collect();
        assert_eq!(answering, [State::Calling, State::Pending, State::InDoubt]);
    }

    #[test]
    fn what_may_have_been_sent_cannot_be_cancelled() {
        for state in [State::Calling, State::Pending, State::InDoubt] {
            assert_eq!(after(state, Step::Cancel), None);
        }
    }

    #[test]
    fn names_lead_back_to_their_states() {
        for state in State::ALL {
            assert_eq!(State::from_name(state.name()), Some(state));
        }
        assert_eq!(State::from_name("done"), None);
    }
}
