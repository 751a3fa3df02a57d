use super::*;

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
        looked,
    }
}

#[test]
fn a_job_that_they_hold_ends_only_after_a_look_past_its_give_up_time() {
    assert_eq!(decide(&due("give_up", State::Pending, false), true), Action::LookFirst);
    assert_eq!(decide(&due("give_up", State::Pending, true), true), Action::Expire);
    assert_eq!(decide(&due("give_up", State::InDoubt, true), true), Action::EndDoubt);
}

#[test]
fn where_nothing_can_be_pulled_the_give_up_time_decides_alone() {
    assert_eq!(decide(&due("give_up", State::Pending, false), false), Action::Expire);
}

#[test]
fn a_job_that_never_came_to_an_answer_ends_at_its_give_up_time() {
    for state in [State::Accepted, State::Waiting] {
        assert_eq!(decide(&due("give_up", state, false), true), Action::UseUp, "{state:?}");
        let asked = Due { phase: Phase::Ask, ..due("give_up", state, false) };
        assert_eq!(decide(&asked, true), Action::EndDoubt, "{state:?}");
    }
}

#[test]
fn a_job_without_consent_is_not_started_by_its_timer() {
    let waits = Due { phase: Phase::Consent, ..due("wake", State::Waiting, false) };
    assert_eq!(decide(&waits, true), Action::LookAtConsent);
}

#[test]
fn a_timer_of_a_state_that_is_past_says_nothing() {
    assert_eq!(decide(&due("wake", State::Calling, false), true), Action::Drop);
    assert_eq!(decide(&due("wake", State::Accepted, false), true), Action::Drop);
    assert_eq!(decide(&due("give_up", State::Calling, true), true), Action::Drop);
}
