//! What a due timer means: pure, so that each row of the table in [`super`] has its test.

use contracts::state::{Phase, Sla, State};

use crate::store::timer::{Action, Due, Looks};

/// The next part of an answer is waited for past the give-up time if it is asked for within this.
pub const PART_SOON_MAX_MS: i64 = 120_000;
/// Polls of one job past its give-up time.
pub const LAST_POLLS_MAX: i64 = 10;

/// How often a give-up is put off for a process that pulls where this one does not, and that has not for
/// hours: about four hours.
pub const ELSEWHERE_MAX: i16 = 30;

/// Who could know more of a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Can {
    /// Answers of its system are pulled.
    pub(super) pull: Pull,
    /// Its system can be asked what became of a command.
    pub(super) ask: bool,
}

/// Who pulls from a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pull {
    /// Nobody.
    Nobody,
    /// This process.
    Here,
    /// A process that has other settings, or an earlier one: nobody knows whether it comes back.
    Elsewhere,
}

/// What a due timer means. Pure.
pub(super) fn decide(due: &Due, can: Can) -> Action {
    match (due.kind.as_str(), due.state) {
        ("wake", State::Waiting) if due.phase == Phase::Consent => Action::LookAtConsent,
        ("wake", State::Waiting | State::Pending | State::InDoubt) => Action::Wake,
        ("sla", state) if !state.is_terminal() && due.sla != Sla::Breached => Action::MoveSla,
        ("give_up", state) => give_up(due, state, can),
        _ => Action::Drop,
    }
}

/// What the give-up time means: the end, unless somebody could know better.
fn give_up(due: &Due, state: State, can: Can) -> Action {
    // Whoever called for it died, and so may the next one: it is called at its own pace, not at once.
    let is_spared = due.deaths > 1 && due.next_ms.is_some_and(|next| next > 0);
    let not_yet = match (state, due.phase) {
        _ if is_spared => Some(Action::Keep),
        (State::Pending | State::InDoubt, _) if is_worth_a_look(due, can) => {
            Some(Action::LookFirst)
        }
        (State::InDoubt, _) if can.ask => look_first(due, due.tries.questions),
        (State::Accepted | State::Waiting, Phase::Ask) => look_first(due, due.tries.questions),
        (State::Accepted | State::Waiting | State::Pending, Phase::Continue) => poll_first(due),
        // One that waits and was never tried has worn out its workers.
        (State::Accepted | State::Waiting, Phase::Send) if !due.tries.any && due.postponed == 0 => {
            Some(Action::TryFirst)
        }
        _ => None,
    };
    not_yet.unwrap_or(match (state, due.phase) {
        (State::Pending, _) => Action::Expire,
        // Between two starts: what it waits for says how it ends.
        (State::InDoubt, _) | (State::Accepted | State::Waiting, Phase::Ask) => Action::EndDoubt,
        (State::Accepted | State::Waiting, _) => Action::UseUp,
        _ => Action::Drop,
    })
}

/// Whether an answer may lie in their mailbox that nobody has read.
fn is_worth_a_look(due: &Due, can: Can) -> bool {
    !due.looked
        && match can.pull {
            Pull::Nobody => false,
            Pull::Here => true,
            Pull::Elsewhere => due.pulled_lately || due.postponed < ELSEWHERE_MAX,
        }
}

/// A look that reached them is enough; one that did not is made again at its own pace.
fn look_first(due: &Due, looks: Looks) -> Option<Action> {
    let sleeps = matches!(due.state, State::InDoubt | State::Pending) && due.next_ms.is_none();
    match looks.made {
        _ if looks.reached > 0 => None,
        0 => Some(Action::AskFirst),
        _ if sleeps => Some(Action::AskFirst),
        _ => Some(Action::Keep),
    }
}

/// One more poll; where the next part is near, that too.
fn poll_first(due: &Due) -> Option<Action> {
    // One that was woken waits for a free call.
    let is_near =
        due.state == State::Accepted || due.next_ms.is_some_and(|next| next <= PART_SOON_MAX_MS);
    let polls = due.tries.polls;
    let next_part = (is_near && polls.made < LAST_POLLS_MAX).then_some(Action::Keep);
    look_first(due, polls).or(next_part)
}
