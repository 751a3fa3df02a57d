//! `hub retries list|disable|enable`: how often failed attempts are repeated, and stopping that.

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use super::{DONE, FAILED, batch::Acting, complain, filter, open, print};
use crate::{
    config::Config,
    policy::retry::Pauses,
    store::{Error, Store, retries::Disabled},
};

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Show the policy of every operation, as this process's settings have it, and who stopped it.
    List {
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Repeat no failed attempt of these operations; what waits for a retry ends as `failed`.
    Disable {
        #[command(flatten)]
        change: Change,
    },
    /// Repeat failed attempts again; what has ended stays as it is.
    Enable {
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Change {
    /// The operations: gbdfl.person
    #[arg(required = true, value_parser = filter::operations())]
    operations: Vec<String>,
    #[command(flatten)]
    acting: Acting,
}

/// One operation's policy.
#[derive(Serialize)]
struct Row<'a> {
    operation: &'a str,
    enabled: bool,
    attempts_max: u16,
    age_max_s: Option<u64>,
    unreachable: Class,
    contract: Class,
    defect: Class,
    stopped: Option<&'a Disabled>,
}

#[derive(Serialize)]
struct Class {
    base_ms: u128,
    max_ms: u128,
    attempts_max: u16,
}

impl From<Pauses> for Class {
    fn from(pauses: Pauses) -> Self {
        Self {
            base_ms: pauses.base.as_millis(),
            max_ms: pauses.max.as_millis(),
            attempts_max: pauses.attempts_max,
        }
    }
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let (config, store) = match open(path).await {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let code = match arguments {
        Arguments::List { json } => match list(&config, &store, json).await {
            Ok(()) => DONE,
            Err(error) => {
                complain(&error);
                FAILED
            }
        },
        Arguments::Disable { change } => {
            let step = async |operation: &str, act: &_| store.disable_retries(operation, act).await;
            change.acting.run(&names(&change.operations), step).await
        }
        Arguments::Enable { change } => {
            let step = async |operation: &str, act: &_| store.enable_retries(operation, act).await;
            change.acting.run(&names(&change.operations), step).await
        }
    };
    store.close().await;
    code
}

fn names(operations: &[String]) -> Vec<&str> {
    operations.iter().map(String::as_str).collect()
}

async fn list(config: &Config, store: &Store, json: bool) -> Result<(), Error> {
    let stopped = store.retries_disabled().await?;
    let rows: Vec<Row<'_>> = config
        .operations
        .iter()
        .map(|(operation, settings)| {
            let stopped = stopped.iter().find(|one| one.operation == *operation);
            let policy = settings.retry;
            Row {
                operation,
                enabled: policy.enabled && stopped.is_none(),
                attempts_max: policy.attempts_max,
                age_max_s: policy.age_max.map(|age| age.as_secs()),
                unreachable: policy.unreachable.into(),
                contract: policy.contract.into(),
                defect: policy.defect.into(),
                stopped,
            }
        })
        .collect();
    if json {
        print::tell_json(&rows);
    } else {
        table(&rows);
    }
    Ok(())
}

fn table(rows: &[Row<'_>]) {
    let header = [
        "operation",
        "retries",
        "attempts",
        "age",
        "unreachable",
        "contract",
        "defect",
        "stopped by",
    ];
    let mut table = print::table(&header);
    let class = |c: &Class| format!("{}x {}-{} ms", c.attempts_max, c.base_ms, c.max_ms);
    for row in rows {
        let stopped = row.stopped.map(|s| format!("{} at {}: {}", s.by, print::at(s.at), s.reason));
        table.add_row([
            row.operation.to_owned(),
            if row.enabled { "on" } else { "off" }.to_owned(),
            row.attempts_max.to_string(),
            row.age_max_s.map_or("any".to_owned(), |age| format!("{age} s")),
            class(&row.unreachable),
            class(&row.contract),
            class(&row.defect),
            stopped.unwrap_or_default(),
        ]);
    }
    print::tell(table);
}
