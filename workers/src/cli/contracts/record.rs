//! `hub contracts record`: a real exchange becomes a contract case without the person in it.
//!
//! *Guarantee*: nothing of the exchange is shown. Where it comes from a job, the audit knows who
//! opened it and why, before it is opened; a dry run opens it too. Exit codes: 0 a case was written,
//! 1 it was not, 2 wrong use.

use std::path::{Path, PathBuf};

use adapters::{
    channel::{Message, MessageKind},
    recording::{self, Raw, RawJob, Recorded, Refusal, Wish},
    replay::Engine,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{DONE, FAILED, WRONG_USE, batch, complain, open, say};
use crate::{
    chance::Chance,
    config::Config,
    inbound,
    pipeline::exchange,
    seal::Sealer,
    store::{
        Store,
        audit::Act,
        kept::{Asked, Kept},
    },
};

/// Endings of files that a message may have.
const ENDS: [&str; 4] = ["xml", "json", "html", "txt"];

/// What to record, and as what.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Record {
    /// Of this job: the raw exchange that the hub keeps for 30 days.
    #[arg(long, conflicts_with = "from", required_unless_present = "from")]
    job: Option<Uuid>,
    /// Of this attempt of the job: its number in `hub jobs show`. Without it the last one, and the
    /// message that came later, where one did.
    #[arg(long, requires = "job")]
    attempt: Option<i32>,
    /// Of a folder with request.xml and response.xml (or .json, .html), and perhaps job.json.
    #[arg(long, requires = "operation")]
    from: Option<PathBuf>,
    /// What was asked, with --from: gbdfl.person
    #[arg(long)]
    operation: Option<String>,
    /// HTTP status of the answer, with --from.
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// When the messages of --from were captured, for example 2026-03-02T10:00:00+05:00. Without it
    /// the time of the file with the answer.
    #[arg(long)]
    captured: Option<Timestamp>,
    /// The messages are the question what became of a lost command, and its answer.
    #[arg(long)]
    question: bool,
    /// The case's folder: small letters, digits, underscores.
    #[arg(long)]
    name: String,
    /// What the case shows, in one line.
    #[arg(long)]
    title: Option<String>,
    /// The folder of the systems.
    #[arg(long, default_value = super::FOLDER)]
    cases: PathBuf,
    /// A file of values that must not survive, one a line.
    #[arg(long)]
    also: Option<PathBuf>,
    /// Replace a case of this name.
    #[arg(long)]
    force: bool,
    /// Do everything, write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Why; kept in the audit. Needed with --job, because you open personal data.
    #[arg(long, value_parser = batch::reason)]
    reason: Option<String>,
    /// Who; kept in the audit.
    #[arg(long, env = "USER")]
    actor: Option<String>,
    /// Tell as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(path: Option<&Path>, record: Record) -> u8 {
    match record_one(path, &record).await {
        Ok(recorded) => {
            tell(&record, &recorded);
            DONE
        }
        Err(code) => code,
    }
}

async fn record_one(path: Option<&Path>, record: &Record) -> Result<Recorded, u8> {
    let also = match &record.also {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| wrong_use(&format!("--also {}: {error}", file.display())))?,
        None => String::new(),
    };
    if !record.cases.is_dir() {
        let text = "is no folder; run it in the project's folder, or name the folder of the systems \
                    with --cases";
        return Err(wrong_use(&format!("--cases {}: {text}", record.cases.display())));
    }
    let raw = match (&record.job, &record.from) {
        (Some(id), _) => of_job(path, record, *id).await?,
        (None, Some(folder)) => of_folder(record, folder)?,
        (None, None) => return Err(wrong_use(&"give --job or --from")),
    };
    let scratch = tempfile::tempdir().map_err(|error| failed(&error))?;
    let wish = Wish {
        name: record.name.clone(),
        title: record.title.clone(),
        systems: record.cases.clone(),
        scratch: scratch.path().to_owned(),
        seed: Chance::from_entropy().below(u64::MAX),
        also: also.lines().map(str::to_owned).filter(|line| !line.trim().is_empty()).collect(),
        replaces: record.force,
        is_trial: record.dry_run,
    };
    let found = record.cases.join(raw.operation.split('.').next().unwrap_or_default());
    if found.join("cases").join(&wish.name).exists() && !wish.replaces {
        let text = "there is such a case; --force replaces it";
        return Err(wrong_use(&format!("--name {}: {text}", wish.name)));
    }
    let engine = Engine::open(&record.cases).map_err(|error| failed(&error))?;
    recording::record(&engine, &raw, &wish).await.map_err(|refusal| match &refusal {
        Refusal::Use(_) => wrong_use(&refusal),
        Refusal::Unusable(_)
        | Refusal::Survived(_)
        | Refusal::DoesNotHold(_)
        | Refusal::File { .. } => failed(&refusal),
    })
}

fn tell(record: &Record, recorded: &Recorded) {
    let files: Vec<&str> = recorded.files.iter().map(|(name, _)| name.as_str()).collect();
    let folder = recorded.folder.display().to_string();
    if record.json {
        say(&json!({
            "folder": folder,
            "files": files,
            "replaced": recorded.replaced,
            "written": !record.dry_run,
            "warnings": recorded.report.warnings,
        }));
        return;
    }
    let did = if record.dry_run { "would be written" } else { "written" };
    say(&format!(
        "{folder}: {did}: {}\n{} values have a stand-in, none of them survived, and the case holds",
        files.join(", "),
        recorded.replaced
    ));
    for warning in &recorded.report.warnings {
        say(&format!("LOOK  {warning}"));
    }
}

/// The messages of a folder.
fn of_folder(record: &Record, folder: &Path) -> Result<Raw, u8> {
    let read = |stem: &str| {
        let files = ENDS.iter().map(|end| folder.join(format!("{stem}.{end}")));
        let Some(file) = files.into_iter().find(|file| file.is_file()) else {
            return Ok(Vec::new());
        };
        let text = |error| wrong_use(&format!("{}: {error}", file.display()));
        std::fs::read(&file).map_err(text)
    };
    let (request, response) = (read("request")?, read("response")?);
    if request.is_empty() && response.is_empty() {
        let text = "holds neither request.xml nor response.xml (or .json, .html, .txt)";
        return Err(wrong_use(&format!("--from {}: {text}", folder.display())));
    }
    let job = read("job")?;
    let job = if job.is_empty() { None } else { Some(job_of(record, &job)?) };
    Ok(Raw {
        operation: record.operation.clone().unwrap_or_default(),
        job,
        request,
        response,
        status: Some(record.status),
        captured: record.captured.or_else(|| written(folder)).unwrap_or_default(),
    })
}

/// When the file with the answer was written.
fn written(folder: &Path) -> Option<Timestamp> {
    let mut files = ENDS.iter().map(|end| folder.join(format!("response.{end}")));
    let time = files.find_map(|file| std::fs::metadata(file).ok()?.modified().ok())?;
    time.try_into().ok()
}

/// The job of `job.json`: a job as it was published, or its input alone.
fn job_of(record: &Record, bytes: &[u8]) -> Result<RawJob, u8> {
    let json: Value = serde_json::from_slice(bytes)
        .map_err(|error| wrong_use(&format!("job.json: line {}: is no JSON", error.line())))?;
    let id = json.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let subject = json.get("subject").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(RawJob {
        id: id.unwrap_or_default(),
        subject,
        input: json.get("input").cloned().unwrap_or(json),
        carry: None,
        is_question: record.question,
    })
}

/// The exchange of a job, opened.
async fn of_job(path: Option<&Path>, record: &Record, id: Uuid) -> Result<Raw, u8> {
    let (Some(reason), Some(actor)) = (record.reason.clone(), record.actor.clone()) else {
        return Err(wrong_use(
            &"--job opens personal data: it needs --reason and --actor (or USER)",
        ));
    };
    let (config, store) = open(path).await?;
    let raw = opened(&config, &store, record, id, &Act { actor, reason, dry_run: false }).await;
    store.close().await;
    raw
}

async fn opened(
    config: &Config,
    store: &Store,
    record: &Record,
    id: Uuid,
    act: &Act,
) -> Result<Raw, u8> {
    let sealer = Sealer::from_file(&config.seal_key_file, Chance::from_entropy());
    let sealer = sealer.map_err(|error| failed(&error))?;
    let kept = match store.kept_exchange(id, record.attempt, act).await {
        Ok(Asked::Kept(kept)) => kept,
        Ok(Asked::NoJob) => {
            let text = "no job has this id; `hub jobs list` shows which there are";
            return Err(failed(&format!("{id}: {text}")));
        }
        Ok(Asked::Gone(runs)) if runs.is_empty() => {
            let text = "no raw exchange is kept: nothing was sent, it is older than 30 days, or \
                        `pipeline.keep_all_exchanges` is off";
            return Err(failed(&format!("{id}: {text}")));
        }
        Ok(Asked::Gone(runs)) => {
            let runs: Vec<String> = runs.iter().map(ToString::to_string).collect();
            let text = format!("this attempt has no raw exchange; there is: {}", runs.join(", "));
            return Err(failed(&format!("{id}: {text}")));
        }
        Err(error) => return Err(failed(&error)),
    };
    raw_of(&sealer, *kept, record, id)
}

fn raw_of(sealer: &Sealer, kept: Kept, record: &Record, id: Uuid) -> Result<Raw, u8> {
    let no_key = |key_id: &str| {
        let text = "seal.key_file holds another key than the one that sealed it";
        failed(&format!("{id}: the exchange does not open with this key: {text} ({key_id})"))
    };
    let Some((request, response)) = exchange::open(sealer, &kept.exchange) else {
        return Err(no_key(&kept.exchange.key_id));
    };
    let mut response = response.to_vec();
    let mut status = kept.http_status.and_then(|status| u16::try_from(status).ok());
    if let (Some((source, sealed)), None) = (&kept.message, record.attempt) {
        let bytes = sealer.open(inbound::INBOUND, sealed).map_err(|_| no_key(&sealed.key_id))?;
        response = match source.as_str() {
            "pull" => inbound::pull::decode(&bytes).map(|message| pushed(&message)),
            _ => Some(bytes),
        }
        .ok_or_else(|| failed(&format!("{id}: the message that came later does not read")))?;
        status = Some(200);
    }
    Ok(Raw {
        operation: kept.operation,
        job: Some(RawJob {
            id,
            subject: kept.subject.unwrap_or_default(),
            input: kept.input.unwrap_or(Value::Null),
            carry: kept.carry,
            is_question: record.question,
        }),
        request: request.to_vec(),
        response,
        status,
        captured: kept.sent_at,
    })
}

/// A pulled message as the gateway would have pushed it.
fn pushed(message: &Message) -> Vec<u8> {
    let kind = match message.kind {
        MessageKind::Request => "REQUEST",
        MessageKind::Response => "RESPONSE",
        MessageKind::Notification => "NOTIFICATION",
        MessageKind::Update => "UPDATE",
    };
    let text = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let data = String::from_utf8_lossy(message.data.expose()).into_owned();
    format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:typ=\"http://bip.bee.kz/AsyncChannel/v10/Types\"><soapenv:Body><typ:sendMessage>\
         <request><messageInfo><messageId>{}</messageId><correlationId>{}</correlationId>\
         <serviceId>{}</serviceId><messageType>{kind}</messageType><sender><senderId>{}</senderId>\
         </sender></messageInfo><messageData><data>{data}</data></messageData></request>\
         </typ:sendMessage></soapenv:Body></soapenv:Envelope>",
        text(&message.message_id),
        text(&message.correlation_id),
        text(&message.service_id),
        text(&message.sender_id),
    )
    .into_bytes()
}

fn wrong_use(text: &dyn std::fmt::Display) -> u8 {
    complain(text);
    WRONG_USE
}

fn failed(text: &dyn std::fmt::Display) -> u8 {
    complain(text);
    FAILED
}
