//! decode: what a delivery is, and whether its job can start here.

use contracts::{
    code,
    event::UNKNOWN_OPERATION,
    job::{ConsentBy, Decoded, Incoming, Job, Malformed, RejectedJob},
    rejection::Rejection,
    topology::DEAD_QUEUE,
    trace::TraceContext,
};

use super::{Hub, admit::FIRST_RUN, consent, destination::Permit};
use crate::{
    broker::consumer::{Ack, Delivery},
    store::admission::{Body, Entry, Fate, Quarantined, Reply},
    telemetry::traces::{Open, Step},
};

/// The purpose that quarantined bytes are sealed for.
pub const QUARANTINE: &str = "quarantine";

/// A decoded delivery on its way to its commit.
#[derive(Debug)]
pub struct Candidate {
    /// What the database is told.
    pub message: Message,
    /// The right to call, where one was free: then the job starts here.
    pub permit: Option<Permit>,
    /// What is acknowledged after the commit.
    pub ack: Ack,
    /// Kept until the commit: a message that the database cannot hold is quarantined instead.
    pub raw: Raw,
    /// From here to the commit.
    pub span: Open,
}

/// What the database is told.
#[derive(Debug)]
pub enum Message {
    /// A job, or a rejected one.
    Entry(Box<Entry>),
    /// No job.
    Quarantine(Box<Quarantined>),
}

/// A delivery as it came.
#[derive(Debug)]
pub struct Raw {
    queue: std::sync::Arc<str>,
    routing_key: String,
    content_type: Option<String>,
    trace: Option<TraceContext>,
    body: Vec<u8>,
}

/// Whom an answer goes to, and in which trace it is given.
struct Origin {
    reply: Option<Reply>,
    trace: Option<TraceContext>,
}

/// Decodes a delivery and takes a permit for its job, if one is free.
pub async fn decode(hub: &Hub, delivery: Delivery) -> Candidate {
    let Delivery { queue, routing_key, content_type, reply_to, correlation_id, trace, body, ack } =
        delivery;
    let mut span = hub.traces.begin(Step::Admit, trace.as_ref());
    // What follows hangs below our own span; without one, directly below the publisher's.
    let trace = span.context().or(trace);
    let raw = Raw { queue, routing_key, content_type, trace: trace.clone(), body };
    let origin = Origin { reply: reply_to.map(|to| Reply { to, correlation_id }), trace };
    if raw.queue.as_ref() == DEAD_QUEUE {
        let text = "the broker gave up on this message";
        let message =
            quarantined(hub, &raw, &Malformed { id: None, code: code!("dead_lettered"), text });
        return Candidate { message, permit: None, ack, raw, span };
    }
    let incoming = Incoming {
        routing_key: &raw.routing_key,
        content_type: raw.content_type.as_deref(),
        body: &raw.body,
    };
    let (message, permit) = match hub.catalogue.decode(incoming) {
        Decoded::Malformed(malformed) => (quarantined(hub, &raw, &malformed), None),
        Decoded::Rejected(job) => (rejected(*job, origin), None),
        Decoded::Job(job) => accepted(hub, *job, origin).await,
    };
    if let Message::Entry(entry) = &message {
        let (system, operation) =
            entry.operation.map_or((UNKNOWN_OPERATION, UNKNOWN_OPERATION), |o| (o.system, o.name));
        span.about(entry.id, system, operation);
    }
    Candidate { message, permit, ack, raw, span }
}

async fn accepted(hub: &Hub, job: Job, origin: Origin) -> (Message, Option<Permit>) {
    let by_code = job.consent.as_ref().is_some_and(|consent| consent.by != ConsentBy::Eds);
    if by_code && !hub.destinations.contains_key(consent::SYSTEM) {
        let text = "a code cannot be verified here: mgov has no address";
        let rejection = Rejection::single(Rejection::CONSENT_UNSUPPORTED, "/consent", text);
        return (rejected(refused(job, rejection), origin), None);
    }
    let mut permit = match hub.destination(job.operation) {
        Some(destination) if !by_code => destination.permit(hub.config.pipeline.permit_wait).await,
        Some(_) | None => None,
    };
    // Entered before the commit that starts it; a duplicate of a job that runs here only asks.
    if permit.is_some() && !hub.registry.enter_first(job.id, FIRST_RUN) {
        permit = None;
    }
    (Message::Entry(Box::new(entry(hub, job, origin, permit.is_some()))), permit)
}

/// A job as it is admitted, with the verification that its consent needs.
fn entry(hub: &Hub, job: Job, origin: Origin, start: bool) -> Entry {
    let input = job.input.into_exposed();
    // A verification keeps its own code; a check hands it on to the verification that it begins.
    let own_code = match (&job.code, &job.consent) {
        (Some(digits), None) => {
            let code_ref = input["code_ref"].as_str().unwrap_or_default();
            Some(consent::keep(hub, code_ref, digits))
        }
        (None | Some(_), _) => None,
    };
    let body = Body {
        requested_by: job.requested_by,
        priority: job.priority.rank(),
        input,
        consent: job.consent.as_ref().map(|agreed| serde_json::json!(agreed)),
        verify_job: None,
        retry_of: None,
        begun_by: None,
        callback_url: job.callback_url,
        requested_at: job.requested_at,
        sla: hub.config.operations[job.operation.name].sla,
    };
    let mut entry = Entry {
        id: job.id,
        content_hash: job.content_hash,
        operation: Some(job.operation),
        subject: Some(job.subject),
        reply: origin.reply,
        trace: origin.trace,
        code: own_code,
        child: None,
        fate: Fate::Job { start, body: Box::new(body) },
    };
    if let Some(agreed) = &job.consent
        && let Some((verify_job, child)) =
            consent::verification(hub, &entry, agreed, job.code.as_ref())
    {
        entry.child = child.map(Box::new);
        if let Fate::Job { body, .. } = &mut entry.fate {
            body.verify_job = Some(verify_job);
        }
    }
    entry
}

/// A job that fits its schema and still cannot be taken here.
fn refused(job: Job, rejection: Rejection) -> RejectedJob {
    RejectedJob {
        id: job.id,
        operation: Some(job.operation),
        subject: Some(job.subject),
        content_hash: job.content_hash,
        rejection,
    }
}

fn rejected(job: RejectedJob, origin: Origin) -> Message {
    let (system, operation) = (job.operation.map(|o| o.system), job.operation.map(|o| o.name));
    let code = job.rejection.code.name();
    tracing::info!(job_id = %job.id, system, operation, code, "a job was rejected");
    Message::Entry(Box::new(Entry {
        id: job.id,
        content_hash: job.content_hash,
        operation: job.operation,
        subject: job.subject,
        reply: origin.reply,
        trace: origin.trace,
        code: None,
        child: None,
        fate: Fate::Rejected(job.rejection),
    }))
}

fn quarantined(hub: &Hub, raw: &Raw, malformed: &Malformed) -> Message {
    Message::Quarantine(Box::new(quarantine(hub, raw, malformed)))
}

/// A delivery as a quarantine entry: its bytes are sealed, because nobody knows what is in them.
pub fn quarantine(hub: &Hub, raw: &Raw, malformed: &Malformed) -> Quarantined {
    let Malformed { id, code, text } = malformed;
    let job_id = id.map(tracing::field::display);
    tracing::warn!(job_id, queue = %raw.queue, code = code.name(), "a message that is no job went to quarantine");
    let printable = |text: &String| text.chars().filter(|c| *c != '\0').take(255).collect();
    Quarantined {
        queue: raw.queue.to_string(),
        routing_key: printable(&raw.routing_key),
        content_type: raw.content_type.as_ref().map(printable),
        code: *code,
        text: (*text).to_owned(),
        job_id: *id,
        operation: hub.catalogue.operation(&raw.routing_key),
        size: raw.body.len(),
        trace: raw.trace.clone(),
        sealed: hub.sealer.seal(QUARANTINE, &raw.body),
    }
}
