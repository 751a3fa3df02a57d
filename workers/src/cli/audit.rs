//! `hub audit list`: what people did, and why.

use std::path::Path;

use clap::Subcommand;

use super::{
    DONE, FAILED, complain,
    filter::{When, instant, when},
    open, print,
};
use crate::store::{
    Error, Store,
    audit::{Entry, Filter},
};

/// Rows shown unless more are asked for.
const ROWS: i64 = 100;
/// Rows shown at most.
const ROWS_MAX: i64 = 10_000;

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Show acts, newest first.
    List(List),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Of this person.
    #[arg(long)]
    actor: Option<String>,
    /// This, or what begins so: jobs, jobs.retry
    #[arg(long)]
    action: Option<String>,
    /// Done to this: a job's id, a number in quarantine, a system.
    #[arg(long)]
    target: Option<String>,
    /// Not before: 2026-11-22T10:00:00+05:00, or 90m, 12h, 3d ago.
    #[arg(long, value_parser = when)]
    since: Option<When>,
    /// Before.
    #[arg(long, value_parser = when)]
    until: Option<When>,
    /// At most so many.
    #[arg(long, default_value_t = ROWS, value_parser = clap::value_parser!(i64).range(1..=ROWS_MAX))]
    limit: i64,
    /// One JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let store = match open(path).await {
        Ok((_, store)) => store,
        Err(code) => return code,
    };
    let Arguments::List(list) = arguments;
    let (limit, json) = (list.limit, list.json);
    let code = match read(&store, list).await {
        Ok(rows) => {
            show(rows, usize::try_from(limit).unwrap_or(usize::MAX), json);
            DONE
        }
        Err(error) => {
            complain(&error);
            FAILED
        }
    };
    store.close().await;
    code
}

async fn read(store: &Store, list: List) -> Result<Vec<Entry>, Error> {
    let now = store.business_now().await?;
    let filter = Filter {
        actor: list.actor,
        action: list.action,
        target: list.target,
        since: list.since.map(|when| instant(when, now)),
        until: list.until.map(|when| instant(when, now)),
    };
    store.list_audit(&filter, list.limit + 1).await
}

fn show(mut rows: Vec<Entry>, limit: usize, json: bool) {
    let is_cut = rows.len() > limit;
    rows.truncate(limit);
    if json {
        print::tell_json(&rows);
    } else {
        let mut table = print::table(&["at", "who", "did", "to", "result", "why"]);
        for row in &rows {
            table.add_row([
                print::at(row.at),
                row.actor.clone(),
                row.action.clone(),
                row.target.clone(),
                row.result.clone().unwrap_or_default(),
                row.reason.clone().unwrap_or_default(),
            ]);
        }
        print::tell(table);
        print::tell(format!("{} acts", rows.len()));
    }
    if is_cut {
        complain(&format!("cut: the newest {limit} are shown; filter, or give a higher --limit"));
    }
}
