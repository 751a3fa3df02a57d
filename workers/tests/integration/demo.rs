//! `hub demo`: its report, and that its check notices what is done behind the hub's back.

use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::{servers::run, world::SEED};

const DEMO_WAIT_MAX: Duration = Duration::from_mins(4);

async fn demo(arguments: &[&str]) -> (Option<i32>, Value) {
    let seed = SEED.to_string();
    println!("seed {seed}");
    let hub = Command::new(env!("CARGO_BIN_EXE_hub"))
        .args(["demo", "--once", "--json", "--seed", &seed])
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEMO_WAIT_MAX, hub).await.unwrap().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_str(&said);
    let report = report.unwrap_or_else(|error| panic!("{error}: {said}\n{complained}"));
    (output.status.code(), report)
}

#[test]
fn a_demo_reports_every_job_and_nothing_is_lost_or_doubled() {
    run(async {
        let (code, report) = demo(&["--jobs", "30"]).await;
        assert_eq!(code, Some(0), "{report:#}");
        let jobs = report["jobs"].as_array().unwrap();
        assert_eq!(jobs.len(), 30);
        for job in jobs {
            for field in ["id", "operation", "state", "sla", "attempts", "verdict", "took_s"] {
                assert!(job.get(field).is_some(), "no {field} in {job}");
            }
        }
        let count = |states: &Value| -> u64 {
            states.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum()
        };
        let totals = report["totals"].as_object().unwrap();
        assert_eq!(totals.values().map(count).sum::<u64>(), 30);
        for (field, value) in [("lost", 0), ("doubled_commands", 0), ("seed", *SEED)] {
            assert_eq!(report[field], value, "{field}");
        }
        assert!(report["confirmed"].as_u64().unwrap() >= 30, "duplicates come on top");
        assert!(report["jumps"].as_u64().unwrap() > 0);
        assert!(report["business_s"].as_f64().unwrap() > 86_400.0);
        assert!(report["real_s"].as_f64().unwrap() < 120.0);
    });
}

#[test]
fn a_demo_notices_a_lost_job() {
    run(async {
        let (code, report) = demo(&["--jobs", "20", "--sabotage", "lose"]).await;
        assert_eq!(code, Some(1));
        assert_eq!(report["lost"], 1, "{:#}", report["lost_why"]);
        assert_eq!(report["lost_why"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_demo_notices_a_command_that_was_executed_twice() {
    run(async {
        let (code, report) = demo(&["--jobs", "20", "--sabotage", "double"]).await;
        assert_eq!(code, Some(1));
        assert_eq!((&report["doubled_commands"], &report["lost"]), (&1.into(), &0.into()));
    });
}
