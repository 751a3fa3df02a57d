//! `cargo run -p chaos-tests -- --faults 200 --seed 1`: a campaign, and its report.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use chaos_tests::{
    campaign::{self, Plan},
    world,
};
use clap::Parser;

/// Draws faults against the built program under load, and compares what was promised with what
/// became of it.
#[derive(Debug, Parser)]
#[command(name = "chaos-tests")]
struct Arguments {
    /// No more faults after this many minutes
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Faults in all
    #[arg(long, default_value_t = 200)]
    faults: usize,
    /// Decides the faults, their order and lengths (default: HUB_CHAOS_SEED, or a fixed one)
    #[arg(long)]
    seed: Option<u64>,
    /// Hub processes
    #[arg(long, default_value_t = 2)]
    hubs: usize,
    /// Draw these kinds of faults only: worker_killed,database_killed
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Write the report to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(wrong) = campaign::kinds(&arguments.only) {
        print(&wrong);
        return ExitCode::from(2);
    }
    let plan = Plan {
        seed: arguments.seed.unwrap_or_else(world::seed),
        wait_max: Duration::from_secs(arguments.minutes * 60),
        faults: arguments.faults,
        hubs: arguments.hubs.max(1),
        only: arguments.only,
        say: print,
    };
    let report = match campaign::run(plan).await {
        Ok(report) => report,
        Err(error) => {
            print(&format!("the campaign could not begin: {error}"));
            return ExitCode::FAILURE;
        }
    };
    print(&report.table());
    if let Some(path) = arguments.json
        && let Err(error) = std::fs::write(&path, report.json().to_string())
    {
        print(&format!("{}: {error}", path.display()));
        return ExitCode::FAILURE;
    }
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn print(text: &str) {
    println!("{text}");
}
