//! `hub retention show`: how long history is kept, and which month goes next.

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use super::{DONE, FAILED, complain, open, print};
use crate::{config::Retention, store::maintenance::History};

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Show the tables of history.
    Show {
        /// One JSON document instead of a table.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Page<'a> {
    tables: &'a [History],
    job_keys_months: i32,
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let Arguments::Show { json } = arguments;
    let (config, store) = match open(path).await {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let code = match store.history(&config.retention).await {
        Ok(tables) => {
            show(&tables, &config.retention, json);
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

fn show(tables: &[History], retention: &Retention, json: bool) {
    let job_keys_months = retention.job_keys_months;
    if json {
        print::tell_json(&Page { tables, job_keys_months });
        return;
    }
    let mut table = print::table(&[
        "table",
        "months",
        "oldest",
        "newest",
        "bytes",
        "next drop",
        "held",
        "misplaced",
    ]);
    let date = |day: Option<jiff::civil::Date>| day.map(|d| d.to_string()).unwrap_or_default();
    for row in tables {
        table.add_row([
            row.table.clone(),
            row.months.to_string(),
            date(row.oldest),
            date(row.newest),
            row.bytes.to_string(),
            print::at_or_blank(row.next_drop),
            row.held.clone().unwrap_or_default(),
            row.misplaced.to_string(),
        ]);
    }
    print::tell(table);
    print::tell(format!("ids of jobs are recognised for {job_keys_months} months"));
}
