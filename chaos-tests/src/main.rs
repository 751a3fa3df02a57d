//! `cargo run -p chaos-tests -- --faults 200 --seed 1`: a campaign, and its report; `rolling` measures
//! a rolling restart, `alerts` how long each alert takes to fire.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use chaos_tests::{
    alerts,
    campaign::{self, Plan},
    rolling, world,
};
use clap::{Args, Parser, Subcommand};
use serde_json::Value;

/// Draws faults against the built program under load, and compares what was promised with what
/// became of it.
#[derive(Debug, Parser)]
#[command(name = "chaos-tests", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    scene: Option<Scene>,
    #[command(flatten)]
    campaign: Campaign,
}

#[derive(Debug, Subcommand)]
enum Scene {
    /// Restarts each hub under a steady load, and measures from publish to end
    Rolling(Rolling),
    /// Injects the fault that each alert is for, and measures until Prometheus says that it fires
    Alerts(Alerts),
}

#[derive(Debug, Args)]
struct Alerts {
    /// These alerts only: HubBrokerDown,HubWorkersDie
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Decides what is drawn (default: HUB_CHAOS_SEED, or a fixed one)
    #[arg(long)]
    seed: Option<u64>,
    /// Write the report to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Rolling {
    /// Jobs a second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// How often each hub is restarted
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Hub processes
    #[arg(long, default_value_t = 2)]
    hubs: usize,
    /// Seconds before the first restart, and after each
    #[arg(long, default_value_t = 10)]
    calm: u64,
    /// Decides what is drawn (default: HUB_CHAOS_SEED, or a fixed one)
    #[arg(long)]
    seed: Option<u64>,
    /// Write the report to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Campaign {
    /// No more faults after this many minutes (default: 60, or none where --faults is given)
    #[arg(long)]
    minutes: Option<u64>,
    /// Faults in all; fewer in the time are a failure (default: 200, or no end where --minutes is given)
    #[arg(long)]
    faults: Option<usize>,
    /// Decides the faults, their order and lengths (default: HUB_CHAOS_SEED, or a fixed one)
    #[arg(long)]
    seed: Option<u64>,
    /// Hub processes
    #[arg(long, default_value_t = 2)]
    hubs: usize,
    /// Nodes of RabbitMQ: with 3, nodes are also killed and cut off from the others
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// Hubs that do not see each other's processes, as in containers: the lease alone tells who is dead
    #[arg(long)]
    apart: bool,
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
    match arguments.scene {
        None => campaign(arguments.campaign).await,
        Some(Scene::Rolling(arguments)) => rolling(arguments).await,
        Some(Scene::Alerts(arguments)) => alerts(arguments).await,
    }
}

async fn campaign(arguments: Campaign) -> ExitCode {
    if let Err(wrong) = campaign::kinds(&arguments.only, arguments.nodes) {
        print(&wrong);
        return ExitCode::from(2);
    }
    let demanded = match (arguments.faults, arguments.minutes) {
        (None, None) => Some(200),
        (faults, _) => faults,
    };
    let minutes = match (arguments.minutes, arguments.faults) {
        (Some(minutes), _) => minutes,
        (None, None) => 60,
        (None, Some(_)) => 24 * 60,
    };
    let plan = Plan {
        seed: arguments.seed.unwrap_or_else(world::seed),
        wait_max: Duration::from_secs(minutes.saturating_mul(60)),
        faults: demanded.unwrap_or(usize::MAX),
        hubs: arguments.hubs.max(1),
        nodes: arguments.nodes.max(1),
        apart: arguments.apart,
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
    let shortfall = report.shortfall(demanded.unwrap_or(1));
    if let Some(shortfall) = &shortfall {
        print(shortfall);
    }
    let is_good = report.violations.is_empty() && shortfall.is_none();
    end(arguments.json, &report.json(), is_good)
}

async fn rolling(arguments: Rolling) -> ExitCode {
    let plan = rolling::Plan {
        seed: arguments.seed.unwrap_or_else(world::seed),
        rate: arguments.rate.max(1),
        hubs: arguments.hubs.max(1),
        rounds: arguments.rounds,
        calm: Duration::from_secs(arguments.calm),
        say: print,
    };
    let report = match rolling::run(plan).await {
        Ok(report) => report,
        Err(error) => {
            print(&format!("the rolling restart could not be played: {error}"));
            return ExitCode::FAILURE;
        }
    };
    print(&report.table());
    end(arguments.json, &report.json(), report.broken().is_empty())
}

async fn alerts(arguments: Alerts) -> ExitCode {
    if let Some(wrong) = alerts::unknown(&arguments.only) {
        print(&wrong);
        return ExitCode::from(2);
    }
    let seed = arguments.seed.unwrap_or_else(world::seed);
    let plan = alerts::Plan { seed, only: arguments.only, say: print };
    let report = match alerts::run(plan).await {
        Ok(report) => report,
        Err(error) => {
            print(&format!("the faults could not be injected: {error}"));
            return ExitCode::FAILURE;
        }
    };
    print(&report.table());
    end(arguments.json, &report.json(), report.silent().is_empty())
}

/// Writes the report, where somebody wants it; the exit code says whether the promises were kept.
fn end(path: Option<PathBuf>, report: &Value, kept: bool) -> ExitCode {
    if let Some(path) = path
        && let Err(error) = std::fs::write(&path, report.to_string())
    {
        print(&format!("{}: {error}", path.display()));
        return ExitCode::FAILURE;
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn print(text: &str) {
    println!("{text}");
}
