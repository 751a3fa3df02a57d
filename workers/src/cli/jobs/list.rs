//! `hub jobs list`.

use std::path::Path;

use super::super::{DONE, FAILED, complain, filter, open, print};
use crate::store::listing::Found;

/// Rows shown unless more are asked for.
const ROWS: i64 = 100;
/// Rows shown at most.
const ROWS_MAX: i64 = 10_000;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    filter: filter::Filters,
    /// At most so many.
    #[arg(long, default_value_t = ROWS, value_parser = clap::value_parser!(i64).range(1..=ROWS_MAX))]
    limit: i64,
    /// One JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let store = match open(path).await {
        Ok((_, store)) => store,
        Err(code) => return code,
    };
    let found = async {
        let filter = arguments.filter.read(&store, &[]).await?;
        store.find_jobs(&filter, arguments.limit + 1).await
    };
    let mut found = match found.await {
        Ok(found) => found,
        Err(error) => {
            complain(&error);
            return FAILED;
        }
    };
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let is_cut = found.len() > limit;
    found.truncate(limit);
    if arguments.json {
        print::tell_json(&found);
    } else {
        show(&found);
    }
    if is_cut {
        complain(&format!("cut: the newest {limit} are shown; filter, or give a higher --limit"));
    }
    store.close().await;
    DONE
}

fn show(found: &[Found]) {
    let header = [
        "id",
        "operation",
        "subject",
        "state",
        "waits for",
        "sla",
        "tries",
        "code",
        "admitted",
        "ended or due",
    ];
    let mut table = print::table(&header);
    for job in found {
        table.add_row([
            job.id.to_string(),
            job.operation.clone(),
            job.subject.clone().unwrap_or_default(),
            job.state.clone(),
            job.waiting_for.clone(),
            job.sla.clone(),
            job.attempts.to_string(),
            job.code.clone().unwrap_or_default(),
            print::at(job.admitted_at),
            print::at_or_blank(job.ended_at.or(job.due_at)),
        ]);
    }
    print::tell(table);
    print::tell(format!("{} jobs", found.len()));
}
