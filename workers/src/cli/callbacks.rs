//! `hub callbacks list|replay`: deliveries by HTTP, and opening again what stopped.

use std::path::Path;

use clap::Subcommand;
use comfy_table::Table;
use uuid::Uuid;

use super::{DONE, FAILED, complain, load, say};
use crate::store::{Error, Store, audit::Act, callback::Listed};

/// Rows shown unless more are asked for.
const ROWS: i64 = 100;

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Show what is not delivered, or everything of one job.
    List {
        /// Only this job, with what was delivered.
        #[arg(long)]
        job: Option<Uuid>,
        /// At most so many rows.
        #[arg(long, default_value_t = ROWS)]
        limit: i64,
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Open stopped deliveries again, and enable their host.
    Replay {
        /// Those of this job.
        #[arg(long, required_unless_present_any = ["host", "all"])]
        job: Option<Uuid>,
        /// Those to this host.
        #[arg(long)]
        host: Option<String>,
        /// Every one that stopped.
        #[arg(long, conflicts_with_all = ["job", "host"])]
        all: bool,
        /// Why; kept in the audit. No personal data.
        #[arg(long, value_parser = super::batch::reason)]
        reason: String,
        /// Who; kept in the audit. Without it: USER, LOGNAME, or the user's number and the host.
        #[arg(long, env = "USER", hide_env_values = true, hide_default_value = true,
              default_value_t = super::batch::nobody_named())]
        actor: String,
        /// Only say how many would be opened.
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let config = match load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let done = async {
        let store = Store::new(&config.database_url, config.connections_max)?;
        match arguments {
            Arguments::List { job, limit, json } => list(&store, job, limit, json).await?,
            Arguments::Replay { job, host, reason, actor, dry_run, .. } => {
                let act = Act { actor, reason, dry_run };
                let opened = store.replay_callbacks(job, host.as_deref(), &act).await?;
                let are = if dry_run { "would be" } else { "are" };
                say(&format!("{opened} deliveries {are} open again"));
            }
        }
        store.close().await;
        Ok::<(), Error>(())
    };
    match done.await {
        Ok(()) => DONE,
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

async fn list(store: &Store, job: Option<Uuid>, limit: i64, json: bool) -> Result<(), Error> {
    let rows = store.list_callbacks(job, limit).await?;
    if json {
        let rows: Vec<_> = rows.iter().map(as_json).collect();
        say(&serde_json::Value::Array(rows).to_string());
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(["job", "event", "host", "state", "why", "tries", "status", "next try"]);
    for row in &rows {
        table.add_row([
            row.job_id.to_string(),
            row.sequence.to_string(),
            row.host.clone(),
            row.state.clone(),
            row.why.clone().unwrap_or_default(),
            row.tries.to_string(),
            row.http_status.map(|status| status.to_string()).unwrap_or_default(),
            row.due_s.map(|s| format!("in {:.0} s", s.max(0.0))).unwrap_or_default(),
        ]);
    }
    say(&table.to_string());
    say(&format!("{} deliveries", rows.len()));
    Ok(())
}

fn as_json(row: &Listed) -> serde_json::Value {
    serde_json::json!({
        "job_id": row.job_id, "sequence": row.sequence, "host": row.host, "state": row.state,
        "why": row.why, "tries": row.tries, "http_status": row.http_status,
        "next_try_in_s": row.due_s.map(|s| s.max(0.0)),
    })
}
