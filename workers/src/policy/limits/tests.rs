use proptest::prelude::*;

use super::*;

const fn idle() -> Member {
    Member { in_use: 0, hungry: false }
}

const fn hungry(in_use: usize) -> Member {
    Member { in_use, hungry: true }
}

#[test]
fn one_worker_alone_has_the_whole_limit() {
    assert_eq!(fair(24, &[idle()]), [24]);
    assert_eq!(fair(24, &[hungry(24)]), [24]);
}

#[test]
fn idle_workers_and_busy_workers_share_evenly() {
    assert_eq!(fair(10, &[idle(), idle(), idle()]), [4, 3, 3]);
    assert_eq!(fair(10, &[hungry(9), hungry(1), hungry(0)]), [4, 3, 3]);
}

#[test]
fn the_hungry_one_takes_what_the_others_do_not_use() {
    assert_eq!(fair(24, &[hungry(8), idle(), idle()]), [22, 1, 1]);
    let busy = Member { in_use: 5, hungry: false };
    assert_eq!(fair(24, &[hungry(8), busy, idle()]), [15, 8, 1]);
}

#[test]
fn nobody_takes_the_last_permit_of_somebody_who_may_need_it() {
    assert_eq!(fair(2, &[idle(), hungry(2)]), [1, 1]);
    assert_eq!(fair(1, &[idle(), hungry(0)]), [0, 1], "where there is only one, hunger has it");
}

#[test]
fn a_lease_never_takes_more_than_is_free_nor_less_than_is_held() {
    assert_eq!(lease(10, 4, 0, 10), 6);
    assert_eq!(lease(10, 4, 0, 3), 3);
    assert_eq!(lease(10, 10, 0, 5), 0);
    assert_eq!(lease(10, 4, 6, 3), 6, "calls under way are not taken away");
    assert_eq!(lease(3, 0, 6, 3), 6, "the limit was lowered: no more, and no less than under way");
}

#[test]
fn a_token_is_used_from_its_instant_on_and_within_its_life() {
    let rate = Rate { per_s: 10, burst: 5 };
    let start = Instant::now();
    let mut tokens = Tokens::default();
    tokens.add(3, 0.0, rate, start, start);
    assert!(tokens.take(start).is_some());
    assert!(tokens.take(start).is_none(), "the second one is 100 ms away");
    assert_eq!(tokens.next(start), Some(start + Duration::from_millis(100)));
    let late = start + Duration::from_millis(550);
    assert!(tokens.take(late).is_some(), "the third one lives until 600 ms");
    assert!(tokens.take(late).is_none(), "the second one was given up at 500 ms");
}

#[test]
fn an_answer_that_took_long_makes_tokens_later_and_shorter_never_earlier_or_longer() {
    let rate = Rate { per_s: 10, burst: 5 };
    let asked = Instant::now();
    let told = asked + Duration::from_millis(300);
    let mut tokens = Tokens::default();
    tokens.add(1, 0.0, rate, asked, told);
    assert!(tokens.take(told.checked_sub(Duration::from_millis(1)).unwrap()).is_none());
    let token = tokens.take(told).unwrap();
    assert_eq!(token.until, asked + rate.life());
}

#[test]
fn the_shortest_burst_lets_an_instant_live_for_a_quarter_of_a_second() {
    assert_eq!([1, 4, 5, 20, 10_000].map(Rate::burst_min), [2, 2, 3, 6, 2_501]);
    for per_s in 1..=10_000 {
        let burst = Rate::burst_min(per_s);
        assert!(Rate { per_s, burst }.life() >= Duration::from_millis(250), "{per_s}/s");
    }
    assert_eq!(Rate::burst_min(0), 2, "where there is no rate it says nothing");
}

#[test]
fn a_block_is_a_quarter_of_a_second() {
    let rate = Rate { per_s: 100, burst: 100 };
    assert_eq!((rate.block(1_000), rate.block(3)), (25, 3));
    assert_eq!(Rate { per_s: 1, burst: 2 }.block(9), 1);
}

proptest! {
    #[test]
    fn shares_add_up_to_the_limit_and_hunger_never_has_less(
        limit in 1_usize..300,
        members in proptest::collection::vec((0_usize..300, any::<bool>()), 1..9),
    ) {
        let members: Vec<Member> =
            members.into_iter().map(|(in_use, hungry)| Member { in_use, hungry }).collect();
        let shares = fair(limit, &members);
        prop_assert_eq!(shares.iter().sum::<usize>(), limit);
        let least = |hungry: bool| {
            members.iter().zip(&shares).filter(move |(m, _)| m.hungry == hungry).map(|(_, s)| *s)
        };
        if let (Some(full), Some(empty)) = (least(false).max(), least(true).min())
            && limit >= members.len() {
            prop_assert!(empty >= full.min(limit / members.len()), "{:?}", shares);
        }
    }

    /// Workers lease in any order from a table that is locked for each; the sum never exceeds.
    #[test]
    fn however_workers_lease_the_sum_stays_within_the_limit(
        limit in 1_usize..50,
        acts in proptest::collection::vec((0_usize..4, any::<bool>(), 0_usize..50), 1..100),
    ) {
        let mut held = [0_usize; 4];
        let mut members = [idle(); 4];
        for (who, hungry, in_use) in acts {
            members[who] = Member { in_use: in_use.min(held[who]), hungry };
            let target = fair(limit, &members)[who];
            // What is not in use is given back first.
            held[who] = held[who].min(target.max(members[who].in_use));
            let others = held.iter().sum::<usize>() - held[who];
            held[who] = lease(limit, others, held[who], target);
            prop_assert!(held.iter().sum::<usize>() <= limit, "{:?}", held);
        }
    }

    /// A lone job after a rest: its instant lives when the answer is there, however short the burst.
    #[test]
    fn one_wanted_instant_can_be_taken_when_the_answer_is_there(
        per_s in 1_u32..=10_000,
        more in 0_u32..100,
        rests in proptest::collection::vec((1_u64..5_000, 0_u64..=25, 0_u64..=25), 1..20),
    ) {
        let rate = Rate { per_s, burst: Rate::burst_min(per_s) + more };
        let mut now = Instant::now() + Duration::from_secs(100);
        let mut row = Row { next: now, rate };
        for (rest, there, back) in rests {
            now += rate.life() + AHEAD + Duration::from_millis(rest);
            let mut tokens = Tokens::default();
            let told = row.reserve_into(&mut tokens, 1, RESTED, now, [there, back]);
            prop_assert!(tokens.take(told).is_some(), "{:?}, {} ms", rate, there + back);
            now = told;
        }
    }

    /// Where that is not enough, the second question is answered with an instant that has its whole life.
    #[test]
    fn a_slow_database_is_asked_again_for_an_instant_that_lasts(
        per_s in 1_u32..=10_000,
        more in 0_u32..100,
        there in 0_u64..125,
        back in 0_u64..125,
    ) {
        let rate = Rate { per_s, burst: Rate::burst_min(per_s) + more };
        let now = Instant::now() + Duration::from_secs(100);
        let mut row = Row { next: now.checked_sub(rate.life() * 2).unwrap(), rate };
        let mut tokens = Tokens::default();
        let mut told = row.reserve_into(&mut tokens, 1, RESTED, now, [there, back]);
        if tokens.next(told).is_none() {
            told = row.reserve_into(&mut tokens, 1, 0.0, told, [there, back]);
        }
        let from = tokens.next(told);
        prop_assert!(from.is_some(), "{:?}, {} ms", rate, there + back);
        prop_assert!(tokens.take(from.unwrap()).is_some());
    }

    /// Two workers reserve blocks of one row, over ways of any length and after rests, and start
    /// whenever they like within the lives.
    #[test]
    fn starts_in_any_stretch_are_at_most_rate_times_stretch_and_burst(
        per_s in 1_u32..50,
        burst in 2_u32..60,
        acts in proptest::collection::vec(
            (0_usize..2, 0_u64..400, any::<bool>(), 1_usize..30, any::<bool>(), [0_u64..26, 0_u64..26]),
            1..120,
        ),
    ) {
        let rate = Rate { per_s, burst };
        let mut now = Instant::now() + Duration::from_secs(100);
        let mut row = Row { next: now.checked_sub(Duration::from_secs(50)).unwrap(), rate };
        let mut workers = [Tokens::default(), Tokens::default()];
        let mut starts = Vec::new();
        for (who, passes, rests, wanted, whole, way) in acts {
            now += Duration::from_millis(if rests { passes * 10 } else { passes });
            let rested = if whole { 0.0 } else { RESTED };
            let mut reserved = Tokens::default();
            let told = row.reserve_into(&mut reserved, rate.block(wanted), rested, now, way);
            // The other one starts while this one waits for its answer.
            for at in [now, now + Duration::from_millis(way[0]), told] {
                for worker in &mut workers {
                    while worker.take(at).is_some() {
                        starts.push(at);
                    }
                }
            }
            workers[who].0.append(&mut reserved.0);
            now = told;
            while workers[who].take(now).is_some() {
                starts.push(now);
            }
        }
        for (i, from) in starts.iter().enumerate() {
            for (j, to) in starts.iter().enumerate().skip(i) {
                let most = (*to - *from).as_secs_f64() * f64::from(per_s) + f64::from(burst);
                let count = u32::try_from(j - i + 1).unwrap();
                prop_assert!(f64::from(count) <= most + 0.01, "{} in {:?}", count, *to - *from);
            }
        }
    }
}

/// The shared row.
struct Row {
    next: Instant,
    rate: Rate,
}

impl Row {
    /// What `Store::reserve` does in its statement, asked now; `way`: milliseconds there and back. When
    /// the answer is there.
    fn reserve_into(
        &mut self,
        tokens: &mut Tokens,
        wanted: usize,
        rested: f64,
        asked: Instant,
        way: [u64; 2],
    ) -> Instant {
        let rate = self.rate;
        let [now, told] = [way[0], way[0] + way[1]].map(|ms| asked + Duration::from_millis(ms));
        let next = self.next.min(now + AHEAD + rate.gap());
        let first = next.max(now.checked_sub(rate.life().mul_f64(rested)).unwrap());
        let room = (now + AHEAD).saturating_duration_since(first);
        let most = room.as_nanos() * u128::from(rate.per_s) / 1_000_000_000 + 1;
        let most = usize::try_from(most).unwrap();
        let count = if first > now + AHEAD { 0 } else { wanted.min(most) };
        self.next = first + rate.gap() * u32::try_from(count).unwrap();
        let first_ms =
            if first >= now { (first - now).as_secs_f64() } else { -(now - first).as_secs_f64() }
                * 1_000.0;
        tokens.add(count, first_ms, rate, asked, told);
        told
    }
}
