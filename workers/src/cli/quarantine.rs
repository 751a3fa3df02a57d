//! `hub quarantine list|show|requeue|drop`: messages that are no job.
//!
//! `requeue` marks the message, with its row in the audit, then publishes the bytes as they came, with
//! their routing key, and notes what the broker said; a `reply_to` that the message had is not kept.
//! A crash in between leaves the mark: the next `requeue` publishes it again, which the id inside makes
//! harmless, and nobody drops it. A connection that is gone ends the batch before the next mark.

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
        Store,
        audit::{Act, Outcome},
        quarantine::{Filter, Kept, Requeue as Begun, Requeued},
    },
};

/// Rows shown unless more are asked for.
const ROWS: i64 = 100;
/// Rows shown at most.
const ROWS_MAX: i64 = 10_000;
/// What a message without a content type is published with.
const UNTYPED: &str = "application/octet-stream";
/// The states of a message.
const STATES: [&str; 4] = ["kept", "requeueing", "requeued", "dropped"];
/// Those that somebody has to decide about.
const OPEN: [&str; 2] = ["kept", "requeueing"];

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
    /// In this state, or `all`; by default what is kept, or was begun to be published again.
    #[arg(long,
          value_parser = clap::builder::PossibleValuesParser::new(STATES.iter().chain(&["all"])))]
    state: Option<String>,
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
            let step = async |id, act: &_| Ok(store.drop_quarantined(id, act).await?);
            act(&store, targets, &["kept"], step).await
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
    let states = match list.state {
        None => names(&OPEN),
        Some(state) if state == "all" => Vec::new(),
        Some(state) => vec![state],
    };
    let filter = Filter { states, code, queue };
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
        Ok(None) => {
            let text = "`hub quarantine list` shows which there are";
            return failed(&format!("no message has the number {}; {text}", show.id));
        }
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

fn names(states: &[&str]) -> Vec<String> {
    states.iter().map(|state| (*state).to_owned()).collect()
}

/// Acts on each message; `states` are those that the filters look in.
async fn act(
    store: &Store,
    targets: Targets,
    states: &[&str],
    step: impl AsyncFn(i64, &Act) -> Result<Outcome, batch::Halt>,
) -> u8 {
    let Targets { ids, all_matching, narrow: Narrow { code, queue }, size, batch } = targets;
    let filtered = code.is_some() || queue.is_some();
    if let Err(code) = batch::check_targets(!ids.is_empty(), all_matching, filtered) {
        return code;
    }
    if !all_matching {
        return batch.run(&ids, step).await;
    }
    let filter = Filter { states: names(states), code, queue };
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
    let code = act(store, targets, &OPEN, async |id, act: &_| door.requeue(id, act).await).await;
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
    async fn requeue(&self, id: i64, act: &Act) -> Result<Outcome, batch::Halt> {
        // What cannot be read is found before anything is marked.
        let seen = Act { dry_run: true, ..act.clone() };
        let Begun { kept, sealed, .. } = match self.store.begin_requeue(id, &seen).await? {
            Ok(begun) => begun,
            Err(refused) => return Ok(refused),
        };
        let Ok(bytes) = self.sealer.open(QUARANTINE, &sealed) else {
            let text = format!("it was sealed with key {}, not with this one", kept.key_id);
            return Ok(Outcome::refused(code!("other_key"), text));
        };
        if act.dry_run {
            let text = format!("would be published to {JOBS_EXCHANGE} as {}", kept.routing_key);
            return Ok(Outcome::done(code!("requeued"), text));
        }
        // Marked without a broker, each further message would look as if it were on its way.
        if !self.publisher.is_open() {
            return Err(broker::Error::Ended("connection").into());
        }
        let begun_before = match self.store.begin_requeue(id, act).await? {
            Ok(begun) => begun.begun_before,
            Err(refused) => return Ok(refused),
        };
        let (came, outcome) = if self.publisher.is_open() {
            said(self.publish(&kept, &bytes).await, begun_before)
        } else {
            unsent(begun_before)
        };
        self.store.end_requeue(id, begun_before, came, act).await?;
        Ok(outcome)
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

const fn told_twice(begun_before: bool) -> &'static str {
    if begun_before {
        " (somebody had begun before, so it may have been published twice: the id inside tells)"
    } else {
        ""
    }
}

/// The connection ended between the mark and the first byte.
fn unsent(begun_before: bool) -> (Requeued, Outcome) {
    let code = code!("broker");
    let twice = told_twice(begun_before);
    let text = format!("the connection ended before it was published{twice}");
    (Requeued::NotPublished(code), Outcome::refused(code, text))
}

/// What the broker's word means for the message, and for whoever asked. An error once bytes may have
/// left says nothing of whether they arrived.
fn said(answer: Result<Published, broker::Error>, begun_before: bool) -> (Requeued, Outcome) {
    let twice = told_twice(begun_before);
    let refused = |code, text: &str| {
        (Requeued::NotPublished(code), Outcome::refused(code, format!("{text}{twice}")))
    };
    match answer {
        Ok(Published::Confirmed) => {
            let text = format!("published again; the broker has confirmed it{twice}");
            (Requeued::Confirmed, Outcome::done(code!("requeued"), text))
        }
        Ok(Published::Returned) => refused(code!("returned"), "no queue takes its key"),
        Ok(Published::Refused) => {
            refused(code!("queue_full"), "its queue is full: try again later")
        }
        Err(error) => {
            let text = format!("{error}: it may have been published; requeue it again");
            (Requeued::Unknown, Outcome::refused(code!("broker"), text))
        }
    }
}
