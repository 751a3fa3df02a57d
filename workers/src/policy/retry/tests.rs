use std::time::Duration;

use contracts::operation::SlaSpec;

use super::*;

fn settings(attempts_max: u16) -> OperationSettings {
    let day = Duration::from_secs(86_400);
    OperationSettings {
        sla: SlaSpec::plain(day, day, day),
        call_timeout: Duration::from_secs(1),
        attempts_max,
        retry_base: Duration::from_millis(100),
        retry_max: Duration::from_secs(10),
    }
}

fn after_failure(class: Class, effect: Effect, attempts: i32, strikes: i16) -> Decision {
    let failure = Failure::new(class, "test");
    decide(&failure, effect, &settings(3), Spent { attempts, strikes }, &Chance::seeded(1))
}

#[test]
fn unreachable_is_repeated_until_attempts_are_used_up() {
    assert_eq!(after_failure(Class::Unreachable, Effect::Query, 0, 0).to, State::Waiting);
    assert_eq!(after_failure(Class::Unreachable, Effect::Query, 1, 0).to, State::Waiting);
    let last = after_failure(Class::Unreachable, Effect::Query, 2, 0);
    assert_eq!((last.to, last.spends_attempt), (State::Failed, true));
}

#[test]
fn a_command_whose_answer_was_lost_is_never_repeated() {
    for class in [Class::Indeterminate, Class::Contract] {
        assert_eq!(after_failure(class, Effect::Command, 0, 0).to, State::InDoubt, "{class:?}");
    }
}

#[test]
fn a_broken_answer_to_a_query_is_repeated_once() {
    assert_eq!(after_failure(Class::Contract, Effect::Query, 0, 0).to, State::Waiting);
    assert_eq!(after_failure(Class::Contract, Effect::Query, 1, 1).to, State::Failed);
}

#[test]
fn a_defect_before_anything_was_sent_is_repeated_once() {
    for effect in [Effect::Query, Effect::Command] {
        assert_eq!(after_failure(Class::Defect, effect, 0, 0).to, State::Waiting);
        assert_eq!(after_failure(Class::Defect, effect, 1, 1).to, State::Failed);
    }
}

#[test]
fn not_now_and_denied_wait_without_spending_an_attempt() {
    for class in [Class::NotNow, Class::Denied] {
        let decision = after_failure(class, Effect::Query, 100, 0);
        assert_eq!((decision.to, decision.spends_attempt), (State::Waiting, false));
        assert_eq!(decision.hold, class == Class::Denied);
    }
}

#[test]
fn refused_and_bad_requests_end_at_once() {
    assert_eq!(after_failure(Class::Refused, Effect::Query, 0, 0).to, State::Refused);
    assert_eq!(after_failure(Class::BadRequest, Effect::Query, 0, 0).to, State::Rejected);
}
