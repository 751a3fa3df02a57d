//! `hub quarantine list|show|requeue|drop`: messages that are no job.
//!
//! `requeue` publishes the bytes as they came, with their routing key, and notes it after the broker's
//! confirm; a `reply_to` that the message had is not kept. A crash in between publishes it again the
//! next time, which the id inside makes harmless.

use std::path::Path;

use clap::Subcommand;
use contracts::{code, topology::JOBS_EXCHANGE};

use super::{DONE, FAILED, WRONG_USE, batch, complain, open, print, say};
use crate::{
    broker::{
        self,
        publisher::{Message, Published, Publisher},
    },
    chance::Chance,
    config::Config,
    pipeline::decode::QUARANTINE,
    seal::Sealer,
    store::{
        Error, Store,
        audit::{Act, Outcome},
        quarantine::{Filter, Kept, Leaves},
    },
};

/// Rows shown unless more are asked for.
const ROWS: i64 = 100;
/// Rows shown at most.
const ROWS_MAX: i64 = 10_000;
/// What a message without a content type is published with.
const UNTYPED: &str = "application/octet-stream";
/// The states of a message.
const STATES: [&str; 3] = ["kept", "requeued", "dropped"];

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// Show messages, newest first.
    List(List),
    /// Show one message: where it came from and why it is no job.
    Show(Show),
    /// Publish messages again, after the cause was mended.
    Requeue(Requeue),
    /// Drop messages that nobody needs: their bytes are erased.
    Drop(Targets),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    narrow: Narrow,
    /// In this state, or `all`.
    #[arg(long, default_value = "kept",
          value_parser = clap::builder::PossibleValuesParser::new(STATES.iter().chain(&["all"])))]
    state: String,
    /// At most so many.
    #[arg(long, default_value_t = ROWS, value_parser = clap::value_parser!(i64).range(1..=ROWS_MAX))]
    limit: i64,
    /// One JSON array instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct Narrow {
    /// With this reason: not_json
    #[arg(long)]
    code: Option<String>,
    /// From this queue: hub.jobs.gbdfl
    #[arg(long)]
    queue: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The message.
    id: i64,
    /// One JSON document instead of text; never with the content.
    #[arg(long, conflicts_with = "reveal")]
    json: bool,
    /// Also its content, which may be personal; the audit keeps who read it.
    #[arg(long, requires = "reason")]
    reveal: bool,
    /// Why it must be read; kept in the audit.
    #[arg(long, value_parser = batch::reason)]
    reason: Option<String>,
    /// Who; kept in the audit.
    #[arg(long, env = "USER")]
    actor: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Requeue {
    #[command(flatten)]
    targets: Targets,
    /// Publish with this content type instead of their own.
    #[arg(long)]
    content_type: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Targets {
    /// These messages.
    #[arg(required_unless_present = "all_matching")]
    ids: Vec<i64>,
    /// Every kept message that the filters find.
    #[arg(long, conflicts_with = "ids")]
    all_matching: bool,
    #[command(flatten)]
    narrow: Narrow,
    #[command(flatten)]
    size: batch::Size,
    #[command(flatten)]
    batch: batch::Acting,
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let (config, store) = match open(path).await {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let code = match arguments {
        Arguments::List(list) => show_list(&store, list).await,
        Arguments::Show(show) => show_one(&config, &store, show).await,
        Arguments::Requeue(requeue) => publish_again(&config, &store, requeue).await,
        Arguments::Drop(targets) => {
            let step = async |id, act: &_| store.leave_quarantine(id, Leaves::Dropped, act).await;
            act(&store, targets, step).await
        }
    };
    store.close().await;
    code
}

fn failed(error: &dyn std::fmt::Display) -> u8 {
    complain(error);
    FAILED
}

async fn show_list(store: &Store, list: List) -> u8 {
    let Narrow { code, queue } = list.narrow;
    let state = Some(list.state).filter(|state| state != "all");
    let filter = Filter { state, code, queue };
    let mut rows = match store.quarantine(&filter, list.limit + 1).await {
        Ok(rows) => rows,
        Err(error) => return failed(&error),
    };
    let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
    let is_cut = rows.len() > limit;
    rows.truncate(limit);
    if list.json {
        print::tell_json(&rows);
    } else {
        let header = ["id", "received", "queue", "routing key", "reason", "job", "bytes", "state"];
        let mut table = print::table(&header);
        for row in &rows {
            table.add_row([
                row.id.to_string(),
                print::at(row.received_at),
                row.queue.clone(),
                row.routing_key.clone(),
                row.code.clone(),
                row.job_id.map(|id| id.to_string()).unwrap_or_default(),
                row.bytes.to_string(),
                row.state.clone(),
            ]);
        }
        print::tell(table);
        print::tell(format!("{} messages", rows.len()));
    }
    if is_cut {
        complain(&format!("cut: the newest {limit} are shown; filter, or give a higher --limit"));
    }
    DONE
}

async fn show_one(config: &Config, store: &Store, show: Show) -> u8 {
    let kept = match store.quarantined(show.id).await {
        Ok(Some(kept)) => kept,
        Ok(None) => return failed(&unknown(show.id).text),
        Err(error) => return failed(&error),
    };
    if show.json {
        print::tell_json(&kept);
        return DONE;
    }
    print::tell(text(&kept));
    if !show.reveal {
        return DONE;
    }
    let (Some(reason), Some(actor)) = (show.reason, show.actor) else {
        complain(&"--reveal needs --reason and --actor (or USER)");
        return WRONG_USE;
    };
    let act = Act { actor, reason, dry_run: false };
    let content = match Sealer::from_file(&config.seal_key_file, Chance::from_entropy()) {
        Ok(sealer) => match store.reveal(show.id, &act).await {
            Ok(Some(sealed)) => sealer.open(QUARANTINE, &sealed).map_err(|e| e.to_string()),
            Ok(None) => Err("it was dropped: its bytes are erased".to_owned()),
            Err(error) => Err(error.to_string()),
        },
        Err(error) => Err(error.to_string()),
    };
    match content {
        Ok(bytes) => {
            complain(&"what follows may be personal data; the audit has noted that you read it");
            say(&String::from_utf8_lossy(&bytes));
            DONE
        }
        Err(error) => failed(&error),
    }
}

fn text(kept: &Kept) -> String {
    let job = kept.job_id.map_or_else(|| "none could be read".to_owned(), |id| id.to_string());
    let content_type = kept.content_type.as_deref().unwrap_or("none");
    format!(
        "message      {}\nstate        {}\nreceived     {}\nreason       {}: {}\nqueue        {}\n\
         routing key  {}\ncontent type {content_type}\njob          {job}\nbytes        {}, sealed \
         with key {}",
        kept.id,
        kept.state,
        print::at(kept.received_at),
        kept.code,
        kept.text,
        kept.queue,
        kept.routing_key,
        kept.bytes,
        kept.key_id
    )
}

fn unknown(id: i64) -> Outcome {
    let text =
        format!("no message has the number {id}; `hub quarantine list` shows which there are");
    Outcome::refused(code!("unknown_message"), text)
}

/// Acts on each message.
async fn act(
    store: &Store,
    targets: Targets,
    step: impl AsyncFn(i64, &Act) -> Result<Outcome, Error>,
) -> u8 {
    let Targets { ids, all_matching, narrow: Narrow { code, queue }, size, batch } = targets;
    let filtered = code.is_some() || queue.is_some();
    if let Err(code) = batch::check_targets(!ids.is_empty(), all_matching, filtered) {
        return code;
    }
    if !all_matching {
        return batch.run(&ids, step).await;
    }
    let filter = Filter { state: Some("kept".to_owned()), code, queue };
    let mut rows = match store.quarantine(&filter, size.wanted()).await {
        Ok(rows) => rows,
        Err(error) => return failed(&error),
    };
    if rows.is_empty() {
        return batch.nothing("no message matches");
    }
    let is_cut = size.cut(&mut rows, "messages");
    let ids: Vec<i64> = rows.iter().rev().map(|row| row.id).collect();
    let code = batch.run(&ids, step).await;
    if is_cut { FAILED } else { code }
}

async fn publish_again(config: &Config, store: &Store, requeue: Requeue) -> u8 {
    let Requeue { targets, content_type } = requeue;
    let sealer = match Sealer::from_file(&config.seal_key_file, Chance::from_entropy()) {
        Ok(sealer) => sealer,
        Err(error) => return failed(&error),
    };
    let publisher = match Publisher::connect(&config.amqp_url, "requeue").await {
        Ok(publisher) => publisher,
        Err(error) => return failed(&error),
    };
    let door = Door { store, sealer, publisher, content_type };
    let code = act(store, targets, async |id, act: &_| door.requeue(id, act).await).await;
    door.publisher.close().await;
    code
}

/// What publishing again needs.
struct Door<'a> {
    store: &'a Store,
    sealer: Sealer,
    publisher: Publisher,
    content_type: Option<String>,
}

impl Door<'_> {
    async fn requeue(&self, id: i64, act: &Act) -> Result<Outcome, Error> {
        let Some(kept) = self.store.quarantined(id).await? else { return Ok(unknown(id)) };
        if kept.state != "kept" {
            let text = format!("it was {} before", kept.state);
            return Ok(Outcome::refused(code!("not_kept"), text));
        }
        let Some(sealed) = self.store.requeueable(id).await? else { return Ok(unknown(id)) };
        let Ok(bytes) = self.sealer.open(QUARANTINE, &sealed) else {
            let text = format!("it was sealed with key {}, not with this one", kept.key_id);
            return Ok(Outcome::refused(code!("other_key"), text));
        };
        if act.dry_run {
            let text = format!("would be published to {JOBS_EXCHANGE} as {}", kept.routing_key);
            return Ok(Outcome::done(code!("requeued"), text));
        }
        match self.publish(&kept, &bytes).await {
            Ok(Published::Confirmed) => {
                self.store.leave_quarantine(id, Leaves::Requeued, act).await
            }
            Ok(Published::Returned) => {
                Ok(Outcome::refused(code!("returned"), "no queue takes its key"))
            }
            Ok(Published::Refused) => {
                Ok(Outcome::refused(code!("queue_full"), "its queue is full: try again later"))
            }
            Err(error) => Ok(Outcome::refused(code!("broker"), format!("{error}: try again"))),
        }
    }

    async fn publish(&self, kept: &Kept, bytes: &[u8]) -> Result<Published, broker::Error> {
        let own = self.content_type.as_deref().or(kept.content_type.as_deref());
        let job_id = kept.job_id.map(|id| id.to_string());
        let message = Message {
            exchange: JOBS_EXCHANGE,
            routing_key: &kept.routing_key,
            body: bytes,
            mandatory: true,
            correlation_id: None,
            message_id: job_id.as_deref(),
            content_type: own.unwrap_or(UNTYPED),
        };
        self.publisher.publish(message).await?.confirmed().await
    }
}
