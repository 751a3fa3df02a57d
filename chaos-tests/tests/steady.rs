//! What counts as the full rate.

use chaos_tests::steady::{Full, Rate};

const fn rate(all: f64, offered: f64, each: Vec<f64>) -> Rate {
    Rate { all, each, offered }
}

fn full() -> Full {
    let window = |all| rate(all, 30.0, vec![all / 2.0, all / 2.0]);
    Full::of(&[window(29.0), window(30.0), window(31.0)])
}

#[test]
fn the_baseline_is_the_mean_of_its_windows() {
    let full = full();
    assert!(full.is_steady);
    assert!((full.rate.all - 30.0).abs() < 1e-9);
    assert!((full.rate.each[1] - 15.0).abs() < 1e-9);
}

#[test]
fn a_baseline_that_differs_by_more_than_half_is_not_steady() {
    let window = |all| rate(all, 30.0, vec![all]);
    assert!(!Full::of(&[window(20.0), window(30.0), window(36.0)]).is_steady);
    assert!(!Full::of(&[window(0.0), window(0.1), window(0.0)]).is_steady);
}

#[test]
fn nine_tenths_of_the_baseline_are_full_and_less_is_not() {
    assert!(full().is_reached_by(&rate(27.1, 30.0, vec![13.0, 14.0])));
    assert!(!full().is_reached_by(&rate(26.0, 30.0, vec![13.0, 13.0])));
}

#[test]
fn nobody_can_end_more_than_what_is_offered() {
    assert!(full().is_reached_by(&rate(18.5, 20.0, vec![9.0, 9.5])));
    assert!(!full().is_reached_by(&rate(17.0, 20.0, vec![9.0, 8.0])));
}

#[test]
fn a_window_in_which_little_is_offered_counts_for_nobody() {
    assert!(!full().is_reached_by(&rate(14.0, 14.0, vec![7.0, 7.0])));
    assert!(!full().is_reached_by(&rate(90.0, 0.0, vec![45.0, 45.0])));
}

#[test]
fn a_hub_that_does_nothing_is_not_back() {
    assert!(!full().is_reached_by(&rate(30.0, 30.0, vec![30.0, 0.0])));
    assert!(!full().is_reached_by(&rate(30.0, 30.0, vec![23.0, 7.0])));
}
