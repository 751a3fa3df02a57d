//! A short campaign; `cargo run -p chaos-tests` plays long ones.

use std::time::Duration;

use chaos_tests::{
    Error, Outcome,
    campaign::{self, Plan},
    world,
};

const FAULTS: usize = 10;
/// Fewer faults that somebody came by say nothing.
const FAULTS_MIN: usize = 5;
/// Ten take two minutes; a busy machine has time for five at least.
const WAIT_MAX: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drawn_faults_break_no_promise() -> Outcome<()> {
    let report = campaign::run(Plan {
        seed: world::seed(),
        wait_max: WAIT_MAX,
        faults: FAULTS,
        hubs: 2,
        nodes: 1,
        apart: false,
        only: Vec::new(),
        say: |line| println!("{line}"),
    })
    .await?;
    if !report.violations.is_empty() {
        return Err(Error::Told(report.table()));
    }
    match report.shortfall(FAULTS_MIN) {
        None => Ok(()),
        Some(shortfall) => Err(Error::Told(format!("{shortfall}\n{}", report.table()))),
    }
}

#[test]
fn a_kind_that_does_not_exist_is_refused_with_the_names_of_all() {
    let refused = campaign::kinds(&["worker_kiled".to_owned()], 1).expect_err("no such kind");
    assert!(refused.contains("worker_kiled") && refused.contains("worker_killed"), "{refused}");
}

#[test]
fn a_kind_that_needs_a_cluster_is_drawn_in_one_only() {
    let named = ["broker_node_lost".to_owned()];
    let refused = campaign::kinds(&named, 1).expect_err("one node");
    assert!(refused.contains("--nodes 3"), "{refused}");
    assert_eq!(campaign::kinds(&named, 3).map(|kinds| kinds.len()), Ok(1));
    let names = |nodes| campaign::kinds(&[], nodes).map_or(0, |kinds| kinds.len());
    assert!(names(1) < names(3));
}
