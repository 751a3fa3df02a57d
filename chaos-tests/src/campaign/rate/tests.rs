//! Looks as a sampler keeps them, and what is read from them.

use super::*;

/// Looks of hubs that record two of three jobs that they admit; of each job two events are heard.
fn sampler(looks: Vec<(u64, Vec<Option<f64>>)>, start: Instant) -> Sampler {
    let look = |(ms, hubs): (u64, Vec<Option<f64>>)| {
        let admitted: f64 = hubs.iter().flatten().sum();
        let counters =
            |admitted| Counters { admitted, ended: admitted / 1.5, ..Counters::default() };
        let hubs = hubs.into_iter().map(|hub| hub.map(counters)).collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
        let heard = (2.0 * admitted) as usize;
        Look { at: start + Duration::from_millis(ms), hubs, heard }
    };
    let looks = Arc::new(Mutex::new(looks.into_iter().map(look).collect()));
    Sampler { looks, task: tokio::spawn(async {}) }
}

fn before(admitted: &[f64]) -> Baseline {
    let published: f64 = admitted.iter().sum();
    let (ended, heard) = (published / 1.5, published * 2.0);
    Baseline { admitted: admitted.to_vec(), published, ended, heard }
}

#[tokio::test]
async fn a_worker_is_back_when_its_window_is_full_and_not_when_the_other_is() {
    let start = Instant::now();
    let looks = vec![
        (0, vec![Some(0.0), None]),
        (2_000, vec![Some(20.0), Some(0.0)]),
        (4_000, vec![Some(40.0), Some(5.0)]),
        (6_000, vec![Some(60.0), Some(25.0)]),
    ];
    let seen = sampler(looks, start);
    let back = seen.back_at(start, &before(&[10.0, 10.0]));
    assert_eq!(back, Some(start + Duration::from_secs(4)));
    assert_eq!(seen.back_at(start, &before(&[10.0, 20.0])), None);
    assert_eq!(seen.rates(), [10.0, 10.0]);
}

#[tokio::test]
async fn who_admits_and_records_nothing_is_not_back() {
    let start = Instant::now();
    let seen = sampler(vec![(0, vec![Some(0.0)]), (2_000, vec![Some(20.0)])], start);
    assert_eq!(seen.back_at(start, &before(&[10.0])), Some(start));
    seen.looks()[1].hubs[0].as_mut().expect("it answered").ended = 0.0;
    assert_eq!(seen.back_at(start, &before(&[10.0])), None);
}

#[tokio::test]
async fn who_records_and_tells_nobody_is_not_back() {
    let start = Instant::now();
    let seen = sampler(vec![(0, vec![Some(0.0)]), (2_000, vec![Some(20.0)])], start);
    for heard in [0, 20] {
        seen.looks()[1].heard = heard;
        assert_eq!(seen.back_at(start, &before(&[10.0])), None, "{heard} of 40");
    }
    seen.looks()[1].heard = 30;
    assert_eq!(seen.back_at(start, &before(&[10.0])), Some(start));
}

/// One hub; admitted in each look, 250 ms apart.
fn one_hub(admitted: impl IntoIterator<Item = f64>, start: Instant) -> Sampler {
    let looks = admitted.into_iter().zip(0..);
    sampler(looks.map(|(all, look)| (look * 250, vec![Some(all)])).collect(), start)
}

#[tokio::test]
async fn a_burst_and_then_nothing_is_not_back() {
    let start = Instant::now();
    let steady = |look: u32| f64::from(look) * 2.5;
    let calm = before(&[10.0]);
    let burst = |look: u32| if look <= 8 { steady(look) * 3.0 } else { 60.0 };
    assert_eq!(one_hub((0..9).map(burst), start).back_at(start, &calm), Some(start), "so far");
    assert_eq!(one_hub((0..24).map(burst), start).back_at(start, &calm), None);
    // It goes on after 4 s: the first full window after the standstill counts.
    let late = |look: u32| burst(look) + steady(look.saturating_sub(16));
    let back = one_hub((0..40).map(late), start).back_at(start, &calm);
    assert_eq!(back, Some(start + Duration::from_secs(4)));
}

#[tokio::test]
async fn a_window_that_is_only_weak_is_still_held() {
    let start = Instant::now();
    let weak = |look: u32| f64::from(look.min(12)) * 2.5 + f64::from(look.max(12) - 12) * 1.5;
    let back = one_hub((0..40).map(weak), start).back_at(start, &before(&[10.0]));
    assert_eq!(back, Some(start));
}

#[tokio::test]
async fn one_look_without_an_answer_is_no_standstill_and_silence_is() {
    let start = Instant::now();
    let seen = one_hub((0..40).map(|look| f64::from(look) * 2.5), start);
    seen.looks()[20].hubs[0] = None;
    assert_eq!(seen.back_at(start, &before(&[10.0])), Some(start));
    seen.looks().iter_mut().skip(20).for_each(|look| look.hubs[0] = None);
    assert_eq!(seen.back_at(start, &before(&[10.0])), None);
}

#[tokio::test]
async fn each_worker_records_its_share_of_the_ends() {
    let start = Instant::now();
    let looks = vec![(0, vec![Some(0.0), Some(0.0)]), (2_000, vec![Some(20.0), Some(20.0)])];
    let (seen, calm) = (sampler(looks, start), before(&[10.0, 10.0]));
    assert_eq!(seen.back_at(start, &calm), Some(start));
    // The other one makes up for it: together they record as many.
    for (few, many, back) in [(1.0, 26.0, None), (3.0, 24.0, Some(start))] {
        let ended = [few, many];
        for (hub, ended) in ended.into_iter().enumerate() {
            seen.looks()[1].hubs[hub].as_mut().expect("it answered").ended = ended;
        }
        assert_eq!(seen.back_at(start, &calm), back, "{ended:?}");
    }
}

#[tokio::test]
async fn what_calm_is_needs_to_be_looked_at_for_long_enough() {
    let start = Instant::now();
    let steady = |look: u32| f64::from(look) * 2.5;
    assert!(one_hub((0..32).map(steady), start).baseline(10.0).is_none(), "7.75 s");
    let calm = one_hub((0..33).map(steady), start).baseline(10.0).expect("8 s");
    assert!((calm.admitted[0] - 10.0).abs() < 0.1 && (calm.ended - 20.0 / 3.0).abs() < 0.1);
    // What was owed and made up for is no measure.
    let owed = one_hub((0..33).map(|look| steady(look) * 4.0), start).baseline(10.0);
    let owed = owed.expect("8 s");
    assert_eq!((owed.admitted[0], owed.ended, owed.heard), (10.0, 7.5, 20.0));
}

#[tokio::test]
async fn a_counter_that_begins_again_is_another_process() {
    let start = Instant::now();
    let looks = vec![(0, vec![Some(100.0)]), (2_000, vec![Some(5.0)]), (4_000, vec![Some(25.0)])];
    let seen = sampler(looks, start);
    let grown = seen.grown(start, |c| c.admitted);
    assert!((grown - 25.0).abs() < 0.1, "5 and 20 after the 100 of before, not {grown}");
    let back = seen.back_at(start, &before(&[10.0]));
    assert_eq!(back, Some(start + Duration::from_secs(2)));
}
