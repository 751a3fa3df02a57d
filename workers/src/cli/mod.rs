//! The command line: one file a subcommand.
//!
//! Exit codes: 0 done, 1 a check failed or the hub cannot run, 2 wrong use (also wrong settings).

mod audit;
mod batch;
mod calendar;
mod callbacks;
mod check_config;
mod contracts;
mod demo;
mod doctor;
mod filter;
mod health;
mod jobs;
mod migrate;
mod pause;
mod print;
mod quarantine;
mod resume;
mod retention;
mod retries;
mod run;
mod simulate;
mod systems;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, Error},
    store::Store,
};

/// Done.
pub const DONE: u8 = 0;
/// A check failed, or the hub cannot run.
pub const FAILED: u8 = 1;
/// Wrong use.
pub const WRONG_USE: u8 = 2;

/// The message-queue driven integration hub of the portal of social services.
#[derive(Debug, Parser)]
#[command(name = "hub", version, about)]
struct Arguments {
    /// Settings file (TOML). Every setting can also be given as HUB_<SECTION>__<KEY>.
    #[arg(long, global = true, env = "HUB_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Do everything: consume, call, record, publish, wait.
    Run(run::Arguments),
    /// Bring the database schema up to date.
    Migrate,
    /// Read the settings and report every fault in them.
    CheckConfig,
    /// Look at everything that the hub depends on: a light each, why it matters, how to mend it.
    Doctor(doctor::Arguments),
    /// Ask a running hub how it is, for health checks.
    Health(health::Arguments),
    /// Jobs: look at them, repeat, withdraw, decide.
    #[command(subcommand)]
    Jobs(jobs::Arguments),
    /// Messages that are no job: look at them, send them again, drop them.
    #[command(subcommand)]
    Quarantine(quarantine::Arguments),
    /// Start nothing of a system until it is resumed.
    Pause(pause::Arguments),
    /// Start the jobs of a paused system again.
    Resume(resume::Arguments),
    /// Systems: which are called, why the others are not, what of their limits is used.
    #[command(subcommand)]
    Systems(systems::Arguments),
    /// Retries: how often failed attempts are repeated, and stopping that.
    #[command(subcommand)]
    Retries(retries::Arguments),
    /// What people did, and why.
    #[command(subcommand)]
    Audit(audit::Arguments),
    /// How long history is kept, and which month goes next.
    #[command(subcommand)]
    Retention(retention::Arguments),
    /// Working time of Kazakhstan, and deadlines in business days.
    #[command(subcommand)]
    Calendar(calendar::Command),
    /// Events delivered by HTTP: look at them, open stopped ones again.
    #[command(subcommand)]
    Callbacks(callbacks::Arguments),
    /// The contract cases: replay them against the adapters.
    #[command(subcommand)]
    Contracts(contracts::Command),
    /// Simulators of the government systems, on one port.
    Simulate(simulate::Arguments),
    /// Private PostgreSQL and RabbitMQ, simulators, the hub, and a pretend portal.
    Demo(demo::Arguments),
}

/// Runs the program with the arguments of the process.
pub async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let config = arguments.config.as_deref();
    let code = match arguments.command {
        Command::Run(run) => run::run(config, run).await,
        Command::Migrate => migrate::run(config).await,
        Command::CheckConfig => check_config::run(config),
        Command::Doctor(doctor) => doctor::run(config, doctor).await,
        Command::Health(health) => health::run(config, health).await,
        Command::Jobs(jobs) => jobs::run(config, jobs).await,
        Command::Quarantine(quarantine) => quarantine::run(config, quarantine).await,
        Command::Pause(pause) => pause::run(config, pause).await,
        Command::Resume(resume) => resume::run(config, resume).await,
        Command::Systems(systems) => systems::run(config, systems).await,
        Command::Retries(retries) => retries::run(config, retries).await,
        Command::Audit(audit) => audit::run(config, audit).await,
        Command::Retention(retention) => retention::run(config, retention).await,
        Command::Calendar(question) => calendar::run(config, &question),
        Command::Callbacks(callbacks) => callbacks::run(config, callbacks).await,
        Command::Contracts(command) => contracts::run(config, command).await,
        Command::Simulate(simulate) => simulate::run(simulate).await,
        Command::Demo(demo) => demo::run(demo).await,
    };
    ExitCode::from(code)
}

/// The settings, or every fault in them on standard error.
fn load(path: Option<&std::path::Path>) -> Result<Config, u8> {
    Config::load(path, std::env::vars()).map_err(|error: Error| {
        complain(&error);
        WRONG_USE
    })
}

/// The settings and the database, where its schema is this program's.
async fn open(path: Option<&std::path::Path>) -> Result<(Config, Store), u8> {
    let config = load(path)?;
    let store = Store::new(&config.database_url, config.connections_max).map_err(|error| {
        complain(&error);
        WRONG_USE
    })?;
    require_schema(&store).await?;
    Ok((config, store))
}

/// Complains where the schema is older than this program.
async fn require_schema(store: &Store) -> Result<(), u8> {
    match store.schema_versions().await {
        Ok((applied, known)) if applied >= known => Ok(()),
        Ok((applied, known)) => {
            let text = "`hub migrate` brings it up to date";
            complain(&format!("the schema is at {applied}, this program needs {known}: {text}"));
            Err(FAILED)
        }
        Err(error) => {
            complain(&error);
            Err(FAILED)
        }
    }
}

/// Says what went wrong, to a person.
#[expect(clippy::print_stderr, reason = "the command line speaks to a person")]
fn complain(error: &dyn std::fmt::Display) {
    eprintln!("hub: {error}");
}

/// Says what was done, to a person or a program.
fn say(text: &dyn std::fmt::Display) {
    // Who reads may have seen enough (`| head`) and gone away.
    drop(writeln!(std::io::stdout(), "{text}"));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn no_two_arguments_of_a_command_share_a_name() {
        super::Arguments::command().debug_assert();
    }
}
