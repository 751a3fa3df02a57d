use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules {
    window: Duration::from_secs(10),
    calls_min: 10,
    failed_percent: 50,
    open_base: Duration::from_secs(2),
    open_max: Duration::from_secs(60),
};
const LASTS: Duration = Duration::from_secs(30);

fn chance() -> Chance {
    Chance::seeded(1)
}

fn opened(now_ms: i64) -> Breaker {
    let mut breaker = Breaker::default();
    assert!(breaker.note(10, 10, now_ms, &RULES, &chance()));
    breaker
}

#[test]
fn it_opens_at_the_share_and_not_before_enough_calls() {
    let mut breaker = Breaker::default();
    assert!(!breaker.note(9, 9, 0, &RULES, &chance()), "nine calls prove nothing");
    assert!(!breaker.note(1, 0, 100, &RULES, &chance()), "no failure opens nothing");
    assert!(breaker.note(1, 1, 200, &RULES, &chance()));
    assert_eq!((breaker.state, breaker.trips), (State::Open, 1));
    let mut healthy = Breaker::default();
    assert!(!healthy.note(1_000, 499, 0, &RULES, &chance()));
    assert!(healthy.note(0, 1, 10, &RULES, &chance()), "half of a thousand");
}

#[test]
fn what_is_older_than_the_window_counts_no_more() {
    let mut breaker = Breaker::default();
    breaker.note(9, 9, 0, &RULES, &chance());
    assert!(!breaker.note(9, 9, 10_000, &RULES, &chance()));
    assert!(breaker.recent.len() <= 10);
}

#[test]
fn a_slice_says_when_it_leaves_the_window() {
    let mut breaker = Breaker::default();
    breaker.note(1, 1, 1_900, &RULES, &chance());
    let until = breaker.recent[0].until_ms;
    assert_eq!(until, 11_000, "it began at 1 s, and the window is 10 s long");
    breaker.note(0, 0, until - 1, &RULES, &chance());
    assert_eq!(breaker.recent.len(), 2);
    breaker.note(0, 0, until, &RULES, &chance());
    assert!(breaker.recent.iter().all(|slice| slice.calls == 0), "{:?}", breaker.recent);
}

#[test]
fn what_an_older_hub_counted_is_read_and_not_shown() {
    let slice: Slice = serde_json::from_str(r#"{"at": 3, "calls": 2, "failed": 1}"#).unwrap();
    assert_eq!((slice.calls, slice.until_ms), (2, 0));
}

#[test]
fn a_share_of_zero_switches_it_off() {
    let off = Rules { failed_percent: 0, ..RULES };
    assert!(!Breaker::default().note(1_000, 1_000, 0, &off, &chance()));
}

#[test]
fn one_probe_is_taken_and_only_when_the_pause_is_over() {
    let mut breaker = opened(1_000);
    let due = breaker.next_ms.unwrap();
    assert!((2_000..=3_000).contains(&due), "between half and the whole of two seconds: {due}");
    assert_eq!(breaker.take_probe(due - 1, LASTS), None);
    let epoch = breaker.take_probe(due, LASTS).unwrap();
    assert_eq!(breaker.take_probe(due + 1, LASTS), None, "it is taken");
    assert!(breaker.end_probe(epoch, Verdict::Answered, due + 5, &RULES, &chance()));
    assert_eq!((breaker.state, breaker.next_ms), (State::Closed, None));
    assert!(breaker.recent.is_empty(), "what was bad before does not open it again");
}

#[test]
fn a_probe_that_died_with_its_worker_is_taken_again_and_its_late_result_is_not_believed() {
    let mut breaker = opened(0);
    let lost = breaker.take_probe(5_000, LASTS).unwrap();
    assert_eq!(breaker.take_probe(34_999, LASTS), None);
    let taken = breaker.take_probe(35_000, LASTS).unwrap();
    assert!(!breaker.end_probe(lost, Verdict::Answered, 35_001, &RULES, &chance()));
    assert_eq!(breaker.state, State::HalfOpen);
    assert!(breaker.end_probe(taken, Verdict::Answered, 35_002, &RULES, &chance()));
    assert_eq!(breaker.state, State::Closed);
}

#[test]
fn pauses_grow_to_the_longest_and_begin_anew_after_health() {
    let (mut breaker, chance) = (opened(0), Chance::seeded(3));
    for trips in 2..20 {
        let now = breaker.next_ms.unwrap();
        let epoch = breaker.take_probe(now, LASTS).unwrap();
        breaker.end_probe(epoch, Verdict::Failed, now, &RULES, &chance);
        let pause = breaker.next_ms.unwrap() - now;
        let grown = (2_000 << (trips - 1).min(10)).min(60_000);
        assert!((grown / 2..=grown).contains(&pause), "{trips}: {pause} of {grown}");
    }
    let now = breaker.next_ms.unwrap();
    let epoch = breaker.take_probe(now, LASTS).unwrap();
    breaker.end_probe(epoch, Verdict::Answered, now, &RULES, &chance);
    let mut relapsed = breaker.clone();
    assert!(relapsed.note(10, 10, now + 1_000, &RULES, &chance));
    assert_eq!(relapsed.trips, 20, "it broke again at once: the pause goes on growing");
    assert!(breaker.note(10, 10, now + 61_000, &RULES, &chance));
    assert_eq!(breaker.trips, 1);
}

#[test]
fn a_probe_that_was_not_sent_lets_the_next_job_try_at_once() {
    let mut breaker = opened(0);
    let epoch = breaker.take_probe(9_000, LASTS).unwrap();
    assert!(breaker.end_probe(epoch, Verdict::Nothing, 9_001, &RULES, &chance()));
    assert_eq!((breaker.state, breaker.trips), (State::Open, 1));
    assert!(breaker.wants_probe(9_001));
}

#[test]
fn a_clock_that_went_back_a_day_does_not_make_the_pause_a_day_longer() {
    const DAY: i64 = 86_400_000;
    let mut breaker = opened(DAY);
    assert!(!breaker.wants_probe(DAY), "the pause has just begun");
    assert!(!breaker.wants_probe(DAY - 5_000), "two readings of one clock may differ a little");
    let epoch = breaker.take_probe(0, LASTS).unwrap();
    assert!(breaker.end_probe(epoch, Verdict::Answered, 1, &RULES, &chance()));
    assert_eq!(breaker.state, State::Closed);
}

#[test]
fn an_operator_closes_it_and_the_probe_under_way_says_nothing_any_more() {
    let mut breaker = opened(0);
    let epoch = breaker.take_probe(9_000, LASTS).unwrap();
    breaker.reset(9_100);
    assert!(!breaker.end_probe(epoch, Verdict::Failed, 9_200, &RULES, &chance()));
    assert_eq!((breaker.state, breaker.trips), (State::Closed, 0));
}

#[test]
fn only_what_speaks_of_their_health_counts() {
    for (class, code, expected) in [
        (Class::Unreachable, code!("timed_out"), Verdict::Failed),
        (Class::Indeterminate, code!("timed_out"), Verdict::Failed),
        (Class::Indeterminate, code!("server_error"), Verdict::Failed),
        (Class::Indeterminate, code!("number_missing"), Verdict::Answered),
        (Class::Refused, code!("malformed"), Verdict::Answered),
        (Class::Denied, code!("unauthorized"), Verdict::Answered),
        (Class::Contract, code!("answer_unreadable"), Verdict::Answered),
        (Class::NotNow, code!("throttled"), Verdict::Nothing),
        (Class::BadRequest, code!("attachments"), Verdict::Nothing),
        (Class::Malformed, code!("malformed"), Verdict::Nothing),
        (Class::Defect, code!("adapter_panicked"), Verdict::Nothing),
    ] {
        assert_eq!(verdict(&Failure::new(class, code)), expected, "{class:?} {code}");
    }
}

#[test]
fn the_codes_that_count_are_those_of_the_transport() {
    use adapters::transport::trouble::Trouble;
    let of_transport = [
        Trouble::TimedOut,
        Trouble::Cut,
        Trouble::Broken,
        Trouble::ServerError,
        Trouble::ComeLater,
    ];
    for trouble in of_transport {
        assert!(LOST_ON_THE_WAY.contains(&trouble.code()), "{trouble:?}");
    }
}

proptest! {
    /// Three workers do what they like, late and out of turn, on one row.
    #[test]
    fn however_workers_interleave_at_most_one_probe_is_believed_in_each_epoch(
        acts in proptest::collection::vec((0_u8..5, 0_usize..3, 0_i64..4_000), 1..200),
        seed in 0_u64..1_000,
    ) {
        let chance = Chance::seeded(seed);
        let mut breaker = Breaker::default();
        let mut held: [Option<i64>; 3] = [None; 3];
        let mut now = 0;
        let mut believed = std::collections::BTreeSet::new();
        for (act, worker, passes) in acts {
            now += passes;
            let before = breaker.clone();
            match act {
                0 => { breaker.note(20, 20, now, &RULES, &chance); }
                1 => { breaker.note(20, 0, now, &RULES, &chance); }
                2 => if let Some(epoch) = breaker.take_probe(now, LASTS) {
                    prop_assert!(before.next_ms.unwrap() <= now);
                    held[worker] = Some(epoch);
                },
                _ => if let Some(epoch) = held[worker].take() {
                    let verdict = if act == 3 { Verdict::Answered } else { Verdict::Failed };
                    if breaker.end_probe(epoch, verdict, now, &RULES, &chance) {
                        prop_assert!(believed.insert(epoch), "believed twice");
                        prop_assert_eq!(before.state, State::HalfOpen);
                    }
                },
            }
            prop_assert!(breaker.epoch >= before.epoch);
            prop_assert_eq!(breaker.state == before.state && breaker.epoch == before.epoch
                || breaker.epoch > before.epoch, true);
            prop_assert_eq!(breaker.state == State::Closed, breaker.next_ms.is_none());
        }
    }
}
