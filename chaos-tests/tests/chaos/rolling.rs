//! Both hubs are restarted in good order, one after the other, twice, while jobs come in all the time.
//!
//! How long jobs take meanwhile is not asserted here: `cargo run -p chaos-tests --release -- rolling`
//! measures it.

use std::time::Duration;

use chaos_tests::{
    Error, Outcome,
    rolling::{Plan, run},
    world::seed,
};

/// Jobs a second that a busy machine can carry.
const RATE: u32 = 60;
const RATE_VARIABLE: &str = "HUB_TEST_ROLLING_RATE";
/// Restarts of each hub.
const ROUNDS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_nothing_and_no_publisher_notices() -> Outcome<()> {
    let rate = std::env::var(RATE_VARIABLE).ok().and_then(|rate| rate.parse().ok());
    let report = run(Plan {
        seed: seed(),
        rate: rate.unwrap_or(RATE),
        hubs: 2,
        rounds: ROUNDS,
        calm: Duration::from_secs(3),
        say: |_| {},
    })
    .await?;
    println!("{}", report.table());
    assert_eq!(report.restarts.len(), 2 * ROUNDS);
    assert!(report.restarts.iter().all(|restart| restart.after.count > 0), "the load went on");
    let broken = report.broken();
    if broken.is_empty() { Ok(()) } else { Err(Error::Told(report.table())) }
}
