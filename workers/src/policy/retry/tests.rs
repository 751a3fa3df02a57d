use super::*;

const PAUSES: Pauses = Pauses {
    base: Duration::from_millis(100),
    max: Duration::from_secs(10),
    attempts_max: u16::MAX,
};

fn policy(attempts_max: u16) -> Policy {
    Policy {
        enabled: true,
        attempts_max,
        age_max: None,
        unreachable: PAUSES,
        contract: Pauses { attempts_max: STRIKES_MAX, ..PAUSES },
        defect: Pauses { attempts_max: STRIKES_MAX, ..PAUSES },
    }
}

fn decided(
    class: Class,
    effect: Effect,
    spent: (i32, i16),
    policy: &Policy,
    probe: bool,
) -> Decision {
    let failure = Failure::new(class, code!("fault"));
    let (attempts, strikes) = spent;
    let spent = Spent { attempts, strikes };
    let failed = Failed { failure: &failure, retry_after: None, effect, spent, probe };
    decide(failed, policy, &Chance::seeded(1))
}

fn after_failure(class: Class, effect: Effect, attempts: i32, strikes: i16) -> Decision {
    decided(class, effect, (attempts, strikes), &policy(3), false)
}

#[test]
fn unreachable_is_repeated_until_attempts_are_used_up() {
    assert_eq!(after_failure(Class::Unreachable, Effect::Query, 0, 0).to, State::Waiting);
    assert_eq!(after_failure(Class::Unreachable, Effect::Query, 1, 0).to, State::Waiting);
    let last = after_failure(Class::Unreachable, Effect::Query, 2, 0);
    assert_eq!((last.to, last.spends_attempt, last.code), (State::Failed, true, None));
}

#[test]
fn a_class_has_its_own_attempts() {
    let two = Policy { unreachable: Pauses { attempts_max: 2, ..PAUSES }, ..policy(10) };
    let to = |attempts, strikes| {
        decided(Class::Unreachable, Effect::Query, (attempts, strikes), &two, false).to
    };
    assert_eq!((to(0, 0), to(1, 0)), (State::Waiting, State::Failed));
    assert_eq!(to(1, 1), State::Waiting, "a broken answer before is not one of these");
    let three = Policy { contract: Pauses { attempts_max: 3, ..PAUSES }, ..policy(10) };
    let strike = |n: i16| decided(Class::Contract, Effect::Query, (n.into(), n), &three, false).to;
    assert_eq!((strike(1), strike(2)), (State::Waiting, State::Failed));
}

#[test]
fn a_pause_keeps_to_the_base_and_the_longest_of_its_class() {
    let slow = Duration::from_secs(100);
    let policy = Policy { defect: Pauses { base: slow, max: slow, attempts_max: 9 }, ..policy(20) };
    let delay = |class| {
        let all = (0..200).map(|seed| {
            let failure = Failure::new(class, code!("fault"));
            let spent = Spent { attempts: 0, strikes: 0 };
            let effect = Effect::Query;
            let failed =
                Failed { failure: &failure, retry_after: None, effect, spent, probe: false };
            decide(failed, &policy, &Chance::seeded(seed)).delay_ms.unwrap()
        });
        all.max().unwrap()
    };
    assert!(delay(Class::Unreachable) <= 100);
    assert!((50_000..=100_000).contains(&delay(Class::Defect)));
}

#[test]
fn a_command_whose_answer_was_lost_is_never_repeated() {
    for class in [Class::Indeterminate, Class::Contract] {
        for probe in [false, true] {
            let decision = decided(class, Effect::Command, (0, 0), &policy(3), probe);
            assert_eq!(decision.to, State::InDoubt, "{class:?}");
        }
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
        assert_eq!((decision.hold, decision.is_retry), (class == Class::Denied, false));
    }
}

#[test]
fn who_was_told_when_to_come_again_comes_then_and_a_little_later() {
    let delay = put_off_by(Duration::from_secs(300));
    assert!((300_000..=301_000).contains(&delay), "{delay}");
}

#[test]
fn who_was_told_to_come_again_in_fifty_years_comes_in_an_hour() {
    for told in [Duration::from_secs(1_790_000_000), Duration::from_secs(u64::MAX)] {
        let delay = put_off_by(told);
        assert!((3_600_000..=3_601_000).contains(&delay), "{delay}");
    }
}

fn put_off_by(told: Duration) -> i64 {
    let failure = Failure::new(Class::NotNow, code!("fault"));
    let failed = Failed {
        failure: &failure,
        retry_after: Some(told),
        effect: Effect::Query,
        spent: Spent { attempts: 0, strikes: 0 },
        probe: false,
    };
    decide(failed, &policy(3), &Chance::seeded(2)).delay_ms.unwrap()
}

#[test]
fn refused_and_bad_requests_end_at_once() {
    assert_eq!(after_failure(Class::Refused, Effect::Query, 0, 0).to, State::Refused);
    assert_eq!(after_failure(Class::BadRequest, Effect::Query, 0, 0).to, State::Rejected);
}

#[test]
fn a_probe_that_finds_nobody_costs_no_attempt_and_ends_nothing() {
    let decision = decided(Class::Unreachable, Effect::Query, (2, 0), &policy(3), true);
    assert_eq!((decision.to, decision.spends_attempt), (State::Waiting, false));
}

#[test]
fn while_retries_are_stopped_a_failure_ends_at_once_and_who_is_put_off_waits() {
    let stopped = Policy { enabled: false, ..policy(9) };
    for class in Class::ALL {
        let decision = decided(class, Effect::Query, (0, 0), &stopped, false);
        let (to, code) = match class {
            Class::Unreachable | Class::Contract | Class::Defect => (State::Failed, Some(DISABLED)),
            Class::NotNow | Class::Denied => (State::Waiting, None),
            Class::Indeterminate => (State::InDoubt, None),
            Class::Refused => (State::Refused, None),
            Class::BadRequest | Class::Malformed => (State::Rejected, None),
        };
        assert_eq!((decision.to, decision.code), (to, code), "{class:?}");
    }
}

fn waiting(state: State, phase: Phase, last: Option<Class>) -> Waiting {
    Waiting { state, phase, last, attempts: 1, age: Duration::from_secs(100) }
}

#[test]
fn stopped_retries_end_what_waits_after_a_failure_and_nothing_else() {
    let stopped = Policy { enabled: false, ..policy(9) };
    for state in State::ALL {
        for phase in [Phase::Consent, Phase::Send, Phase::Continue, Phase::Ask] {
            for last in Class::ALL.into_iter().map(Some).chain([None]) {
                let waits = matches!(state, State::Accepted | State::Calling | State::Waiting);
                let failed = last.is_some_and(Class::spends_attempt);
                let ends = waits && phase == Phase::Send && failed;
                let job = waiting(state, phase, last);
                assert_eq!(objection(&job, &stopped).is_some(), ends, "{job:?}");
                assert_eq!(objection(&job, &policy(9)), None, "enabled, and no age");
            }
        }
    }
}

#[test]
fn who_is_too_old_makes_no_further_attempt_but_the_first() {
    let old = Policy { age_max: Some(Duration::from_secs(100)), ..policy(9) };
    let of = |last, attempts, age| Waiting {
        attempts,
        age: Duration::from_secs(age),
        ..waiting(State::Accepted, Phase::Send, last)
    };
    assert_eq!(objection(&of(Some(Class::Unreachable), 1, 100), &old), Some(TOO_OLD));
    assert_eq!(objection(&of(Some(Class::Unreachable), 1, 99), &old), None);
    assert_eq!(objection(&of(Some(Class::NotNow), 1, 100), &old), Some(TOO_OLD), "it was tried");
    assert_eq!(objection(&of(Some(Class::NotNow), 0, 100), &old), None, "it was only put off");
    assert_eq!(objection(&of(None, 0, 10_000), &old), None, "the first attempt");
    let poll = Waiting { phase: Phase::Continue, ..of(Some(Class::Unreachable), 3, 10_000) };
    assert_eq!(objection(&poll, &old), None, "a poll is no retry");
}
