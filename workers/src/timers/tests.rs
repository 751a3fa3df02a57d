use contracts::state::{Phase, Sla, State};

use super::{
    decide::{ELSEWHERE_MAX, LAST_POLLS_MAX, PART_SOON_MAX_MS},
    pulls::PULL_EVERY,
    *,
};
use crate::store::timer::{Looks, Tries};

const PULLS: Can = Can { pull: Pull::Here, ask: false };
const ASKS: Can = Can { pull: Pull::Nobody, ask: true };
const NOBODY: Can = Can { pull: Pull::Nobody, ask: false };

fn due(kind: &str, state: State, looked: bool) -> Due {
    Due {
        seq: 1,
        kind: kind.to_owned(),
        state,
        phase: Phase::Send,
        system: "kpsisu".to_owned(),
        operation: "kpsisu.check".to_owned(),
        sla: Sla::OnTime,
        late_ms: 0,
        postponed: 0,
        deaths: 0,
        looked,
        pulled: false,
        pulled_lately: false,
        tries: Tries { any: true, ..Tries::default() },
        next_ms: None,
    }
}

/// With so many looks past its give-up time: questions, or polls in [`Phase::Continue`].
fn past(state: State, phase: Phase, made: i64, reached: i64) -> Due {
    let (looks, none) = (Looks { made, reached }, Looks::default());
    let (questions, polls) = if phase == Phase::Continue { (none, looks) } else { (looks, none) };
    Due { phase, tries: Tries { any: true, questions, polls }, ..due("give_up", state, false) }
}

#[test]
fn a_job_that_they_hold_ends_only_after_a_look_past_its_give_up_time() {
    assert_eq!(decide(&due("give_up", State::Pending, false), PULLS), Action::LookFirst);
    assert_eq!(decide(&due("give_up", State::InDoubt, false), PULLS), Action::LookFirst);
    assert_eq!(decide(&due("give_up", State::Pending, true), PULLS), Action::Expire);
    assert_eq!(decide(&due("give_up", State::InDoubt, true), PULLS), Action::EndDoubt);
}

#[test]
fn a_process_that_does_not_pull_leaves_the_end_for_hours_to_one_that_does() {
    let elsewhere = Can { pull: Pull::Elsewhere, ask: false };
    for (state, end) in [(State::Pending, Action::Expire), (State::InDoubt, Action::EndDoubt)] {
        let put_off = |postponed, looked| Due { postponed, ..due("give_up", state, looked) };
        assert_eq!(decide(&put_off(0, false), elsewhere), Action::LookFirst);
        assert_eq!(decide(&put_off(ELSEWHERE_MAX - 1, false), elsewhere), Action::LookFirst);
        assert_eq!(decide(&put_off(ELSEWHERE_MAX, false), elsewhere), end, "nobody came");
        assert_eq!(decide(&put_off(0, true), elsewhere), end);
        let tries = Due { pulled_lately: true, ..put_off(1000, false) };
        assert_eq!(
            decide(&tries, elsewhere),
            Action::LookFirst,
            "it is there, and their gateway is not"
        );
    }
}

#[test]
fn where_nobody_can_be_asked_the_give_up_time_decides_alone() {
    assert_eq!(decide(&due("give_up", State::Pending, false), NOBODY), Action::Expire);
    assert_eq!(decide(&due("give_up", State::InDoubt, false), NOBODY), Action::EndDoubt);
}

#[test]
fn a_doubt_ends_only_after_a_question_that_reached_them() {
    let doubt = |tried, reached| past(State::InDoubt, Phase::Send, tried, reached);
    assert_eq!(decide(&doubt(0, 0), ASKS), Action::AskFirst);
    assert_eq!(decide(&doubt(1, 1), ASKS), Action::EndDoubt);
    assert_eq!(decide(&doubt(1, 0), ASKS), Action::AskFirst, "nothing would ask again");
    let asks_again = Due { next_ms: Some(30_000), ..doubt(3, 0) };
    assert_eq!(decide(&asks_again, ASKS), Action::Keep);
    // Woken, and its system is not called now.
    let woken = |tried, reached| past(State::Accepted, Phase::Ask, tried, reached);
    assert_eq!(decide(&woken(0, 0), ASKS), Action::AskFirst);
    assert_eq!(decide(&woken(2, 0), ASKS), Action::Keep);
    assert_eq!(decide(&woken(2, 1), ASKS), Action::EndDoubt);
}

#[test]
fn an_answer_in_parts_is_polled_once_more_and_read_on_while_the_next_part_is_near() {
    let polled = |past_give_up| past(State::Pending, Phase::Continue, past_give_up, past_give_up);
    assert_eq!(decide(&polled(0), NOBODY), Action::AskFirst);
    assert_eq!(decide(&polled(1), NOBODY), Action::Expire);
    let next = |polls, next_ms| Due { next_ms: Some(next_ms), ..polled(polls) };
    assert_eq!(decide(&next(1, 5_000), NOBODY), Action::Keep);
    assert_eq!(decide(&next(1, PART_SOON_MAX_MS + 1), NOBODY), Action::Expire);
    assert_eq!(decide(&next(LAST_POLLS_MAX, 5_000), NOBODY), Action::Expire);
    let woken = past(State::Accepted, Phase::Continue, 1, 1);
    assert_eq!(decide(&woken, NOBODY), Action::Keep, "it waits for a free call");
    let unreached = past(State::Waiting, Phase::Continue, LAST_POLLS_MAX, 0);
    assert_eq!(decide(&unreached, NOBODY), Action::Keep, "its retries are counted elsewhere");
}

#[test]
fn a_job_that_was_never_tried_is_tried_once_if_a_call_comes_free_soon() {
    let fresh = Due { tries: Tries::default(), ..due("give_up", State::Accepted, false) };
    assert_eq!(decide(&fresh, NOBODY), Action::TryFirst);
    assert_eq!(decide(&Due { postponed: 1, ..fresh }, NOBODY), Action::UseUp);
}

#[test]
fn a_job_over_which_workers_die_is_not_called_at_once_because_its_time_is_over() {
    let calls = [
        (State::InDoubt, Phase::Send),
        (State::Waiting, Phase::Ask),
        (State::Waiting, Phase::Continue),
        (State::Waiting, Phase::Send),
    ];
    for (state, phase) in calls {
        let killer = Due { deaths: 2, next_ms: Some(1), ..past(state, phase, 0, 0) };
        assert_eq!(decide(&killer, ASKS), Action::Keep, "{state:?} {phase:?}");
    }
    let doubt = Due { deaths: 2, ..past(State::InDoubt, Phase::Send, 0, 0) };
    assert_eq!(decide(&doubt, ASKS), Action::AskFirst, "nothing would ask again");
    let worn = Due { deaths: 2, tries: Tries::default(), ..due("give_up", State::Waiting, false) };
    assert_eq!(decide(&worn, NOBODY), Action::TryFirst, "a downtime outlasted its pause");
}

#[test]
fn a_job_between_two_tries_ends_at_its_give_up_time() {
    for state in [State::Accepted, State::Waiting] {
        assert_eq!(decide(&due("give_up", state, false), PULLS), Action::UseUp, "{state:?}");
    }
}

#[test]
fn a_job_without_consent_is_not_started_by_its_timer() {
    let waits = Due { phase: Phase::Consent, ..due("wake", State::Waiting, false) };
    assert_eq!(decide(&waits, PULLS), Action::LookAtConsent);
}

#[test]
fn a_timer_of_a_state_that_is_past_says_nothing() {
    assert_eq!(decide(&due("wake", State::Calling, false), PULLS), Action::Drop);
    assert_eq!(decide(&due("wake", State::Accepted, false), PULLS), Action::Drop);
    assert_eq!(decide(&due("give_up", State::Calling, true), PULLS), Action::Drop);
}

#[test]
fn jobs_past_their_give_up_time_do_not_make_a_pull_of_every_look() {
    let (mut pulls, began) = (Pulls::default(), Instant::now());
    let mut made = 0;
    for second in 0..600 {
        made += usize::from(pulls.may("kpsisu", false, began + Duration::from_secs(second)));
    }
    assert_eq!(made, 10, "one a minute");
    let later = began + Duration::from_secs(545);
    assert!(pulls.may("kpsisu", true, later + PULL_EVERY[0]), "a new one does not wait so long");
    assert!(pulls.may("eqyzmet", false, later), "each system for itself");
}
