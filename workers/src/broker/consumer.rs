//! Consuming: deliveries of all queues, in order, from one supervised connection.
//!
//! ```text
//! connect → declare → one channel a queue → consume ──deliveries──→ the queue's own task
//!    ↑                                          │ any error, or a stall
//!    └────────── jittered pause ←───────────────┘
//! ```
//!
//! *Guarantee*: an [`Ack`] belongs to the channel that delivered it, and deliveries of one channel
//! are handed on in their order, so acknowledging the last of a batch with `multiple` acknowledges
//! exactly the batch and what came before it.
//!
//! What somebody deleted is declared anew within [`STALL_LOOK_EVERY`]: a queue at once, as its
//! consumer hears of it.
//!
//! *Limits*: prefetch unacknowledged deliveries a queue. A queue that has messages while its consumer
//! has free slots and nothing came for [`STALL_AFTER`] is stalled: the connection is dropped.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use contracts::trace::{STATE_BYTES_MAX, TRACEPARENT, TRACESTATE, TraceContext};
use futures_util::StreamExt;
use lapin::{
    Channel, Connection,
    message::Delivery as Raw,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Address, Error, topology, within};
use crate::{chance::Chance, policy::pause::Pause, telemetry::metric::Metric};

/// How often a queue's depth is compared with what came from it.
pub const STALL_LOOK_EVERY: Duration = Duration::from_secs(5);
/// Looks without a delivery, with messages ready, after which a consumer counts as stalled.
pub const STALL_LOOKS_MAX: u32 = 3;

/// One message, as the pipeline takes it.
#[derive(Debug)]
pub struct Delivery {
    /// The queue it came from.
    pub queue: Arc<str>,
    /// Its routing key (of a dead letter: the key it was published with).
    pub routing_key: String,
    /// Its content type.
    pub content_type: Option<String>,
    /// Where a waiting user interface wants the answer.
    pub reply_to: Option<String>,
    /// Its mark on the answer.
    pub correlation_id: Option<String>,
    /// The place of its publisher in a trace.
    pub trace: Option<TraceContext>,
    /// The bytes.
    pub body: Vec<u8>,
    /// What must be acknowledged once the message is on disk.
    pub ack: Ack,
}

/// The right to acknowledge one delivery, on the channel that delivered it.
#[derive(Debug, Clone)]
pub struct Ack {
    channel: Arc<Session>,
    tag: u64,
}

impl Ack {
    /// The channel, by a number that no other one of this process has.
    pub fn channel(&self) -> u64 {
        self.channel.number
    }
}

/// One channel with its consumer.
#[derive(Debug)]
struct Session {
    number: u64,
    channel: Channel,
    /// The highest delivery that was acknowledged.
    acknowledged: Arc<AtomicU64>,
}

/// Acknowledges deliveries: one frame a channel. Failures are left to the supervisor: what was not
/// acknowledged comes again and is recognised by its id.
pub async fn acknowledge(acks: Vec<Ack>) {
    let mut last: HashMap<u64, Ack> = HashMap::new();
    for ack in acks {
        let entry = last.entry(ack.channel.number).or_insert_with(|| ack.clone());
        if ack.tag > entry.tag {
            *entry = ack;
        }
    }
    for ack in last.into_values() {
        ack.channel.acknowledged.fetch_max(ack.tag, Ordering::Relaxed);
        let done = ack.channel.channel.basic_ack(ack.tag, BasicAckOptions { multiple: true }).await;
        if let Err(error) = done {
            tracing::debug!(%error, "an acknowledgement did not reach the broker");
        }
    }
}

/// A queue to consume, and what paces it.
#[derive(Debug, Clone)]
pub struct Source {
    /// The queue.
    pub queue: Arc<str>,
    /// Where its deliveries go.
    pub sink: mpsc::Sender<Delivery>,
    /// While `true`, the backlog stays in the broker.
    pub closed: watch::Receiver<bool>,
}

/// The state that readiness looks at.
#[derive(Debug, Default)]
pub struct Health {
    connected: AtomicBool,
    stalled: AtomicBool,
}

impl Health {
    /// Connected and not stalled.
    pub fn is_ready(&self) -> bool {
        self.connected.load(Ordering::Relaxed) && !self.stalled.load(Ordering::Relaxed)
    }
}

/// What the supervisor needs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The broker: one URL, or those of its nodes.
    pub url: SecretString,
    /// The systems whose queues are declared.
    pub systems: Vec<&'static str>,
    /// Unacknowledged deliveries a queue.
    pub prefetch: u16,
    /// The queues to consume.
    pub sources: Vec<Source>,
}

/// Consumes until cancelled.
pub async fn supervise(
    options: Options,
    health: Arc<Health>,
    chance: Chance,
    stop: CancellationToken,
) {
    let address = Address::beginning_anywhere(&options.url, &chance);
    let mut pause = Pause::reconnecting(chance);
    while !stop.is_cancelled() {
        let ended = tokio::select! {
            ended = consume(&options, &address, &health, &mut pause) => ended,
            () = stop.cancelled() => break,
        };
        health.connected.store(false, Ordering::Relaxed);
        Metric::BrokerUp.set(0.0, [("connection", "consume")]);
        let wait = pause.next();
        if let Err(error) = ended {
            tracing::warn!(%error, wait_ms = wait.as_millis(), "consuming stopped; starting again");
        }
        tokio::select! { () = tokio::time::sleep(wait) => {}, () = stop.cancelled() => {} }
    }
    health.connected.store(false, Ordering::Relaxed);
}

/// What went through one channel, from its opening on.
#[derive(Debug, Clone, Default)]
struct Flow {
    delivered: Arc<AtomicU64>,
    acknowledged: Arc<AtomicU64>,
}

impl Flow {
    /// Whether the broker may deliver more before something is acknowledged.
    fn has_free_slots(&self, prefetch: u16) -> bool {
        let acknowledged = self.acknowledged.load(Ordering::Relaxed);
        let open = self.delivered.load(Ordering::Relaxed).saturating_sub(acknowledged);
        open < u64::from(prefetch)
    }
}

async fn consume(
    options: &Options,
    address: &Address,
    health: &Health,
    pause: &mut Pause,
) -> Result<(), Error> {
    let connection = address.connect("consume").await?;
    let setup = within(connection.create_channel()).await?;
    topology::declare(&setup, &options.systems).await?;
    health.connected.store(true, Ordering::Relaxed);
    health.stalled.store(false, Ordering::Relaxed);
    Metric::BrokerUp.set(1.0, [("connection", "consume")]);
    tracing::info!(queues = options.sources.len(), "consuming");
    let flows: Vec<Flow> = options.sources.iter().map(|_| Flow::default()).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (source, flow) in options.sources.iter().zip(&flows) {
        let channel = within(connection.create_channel()).await?;
        tasks.spawn(drain(channel, source.clone(), options.prefetch, flow.clone()));
    }
    pause.reset();
    let ended = tokio::select! {
        ended = tasks.join_next() => match ended {
            Some(Ok(ended)) => ended,
            Some(Err(_)) | None => Err(Error::Ended("consumer task")),
        },
        stalled = watch_for_stall(&setup, options, &flows) => {
            health.stalled.store(true, Ordering::Relaxed);
            stalled
        }
    };
    tasks.abort_all();
    close(&connection).await;
    ended
}

async fn close(connection: &Connection) {
    let closed = within(connection.close(200, "starting again".into())).await;
    if let Err(error) = closed {
        tracing::debug!(%error, "the connection was gone already");
    }
}

/// Hands deliveries of one queue on; while its source is closed, consumes nothing.
async fn drain(
    channel: Channel,
    mut source: Source,
    prefetch: u16,
    flow: Flow,
) -> Result<(), Error> {
    static SESSIONS: AtomicU64 = AtomicU64::new(0);
    // Not global: the limit is for this consumer.
    within(channel.basic_qos(prefetch, BasicQosOptions { global: false })).await?;
    let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
    let acknowledged = flow.acknowledged.clone();
    let session = Arc::new(Session { number, channel: channel.clone(), acknowledged });
    loop {
        while *source.closed.borrow_and_update() {
            if source.closed.changed().await.is_err() {
                return Ok(());
            }
        }
        let options =
            BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
        let queue = source.queue.as_ref();
        let mut consumer =
            within(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()))
                .await?;
        let tag = consumer.tag();
        let mut cancelled = false;
        loop {
            let next = tokio::select! {
                biased;
                next = consumer.next() => next,
                changed = source.closed.changed(), if !cancelled => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    if *source.closed.borrow_and_update() {
                        let options = BasicCancelOptions { nowait: false };
                        within(channel.basic_cancel(tag.clone(), options)).await?;
                        cancelled = true;
                    }
                    continue;
                }
            };
            match next {
                Some(delivery) => {
                    flow.delivered.fetch_add(1, Ordering::Relaxed);
                    let delivery = unwrap(&source.queue, delivery?, &session);
                    if source.sink.send(delivery).await.is_err() {
                        return Ok(());
                    }
                }
                None if cancelled => break,
                None => return Err(Error::Ended("consumer")),
            }
        }
    }
}

fn unwrap(queue: &Arc<str>, raw: Raw, session: &Arc<Session>) -> Delivery {
    let short = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string);
    Delivery {
        queue: queue.clone(),
        routing_key: raw.routing_key.to_string(),
        content_type: short(raw.properties.content_type()),
        reply_to: short(raw.properties.reply_to()),
        correlation_id: short(raw.properties.correlation_id()),
        trace: raw.properties.headers().as_ref().and_then(trace),
        body: raw.data,
        ack: Ack { channel: session.clone(), tag: raw.delivery_tag },
    }
}

/// The trace of a message. A bad one is no reason to refuse a job: it is counted, and ignored.
fn trace(headers: &FieldTable) -> Option<TraceContext> {
    let parent = headers.inner().get(TRACEPARENT)?;
    let state = headers.inner().get(TRACESTATE).and_then(text);
    let trace = text(parent).and_then(|parent| TraceContext::read(parent, state));
    if trace.is_none() {
        Metric::TraceIgnored.count([]);
        tracing::debug!("the traceparent of a message is not one and is ignored");
    }
    trace
}

/// A text no longer than any that we know of; clients write short and long ones.
fn text(value: &AMQPValue) -> Option<&str> {
    let long = value.as_long_string().and_then(|text| std::str::from_utf8(text.as_bytes()).ok());
    let text = long.or_else(|| value.as_short_string().map(ShortString::as_str));
    text.filter(|text| text.len() <= STATE_BYTES_MAX)
}

/// Returns when a queue has messages, is open, and gave nothing for several looks in a row.
/// Declares everything anew at each look: an exchange or a binding that somebody deleted tells no
/// consumer of it.
async fn watch_for_stall(
    channel: &Channel,
    options: &Options,
    flows: &[Flow],
) -> Result<(), Error> {
    let sources = &options.sources;
    let mut last: Vec<u64> = vec![0; sources.len()];
    let mut idle: Vec<u32> = vec![0; sources.len()];
    loop {
        tokio::time::sleep(STALL_LOOK_EVERY).await;
        topology::declare(channel, &options.systems).await?;
        for (i, source) in sources.iter().enumerate() {
            let passive = QueueDeclareOptions {
                passive: true,
                durable: true,
                exclusive: false,
                auto_delete: false,
                nowait: false,
            };
            let queue = source.queue.as_ref();
            let declared =
                within(channel.queue_declare(queue.into(), passive, FieldTable::default())).await?;
            let count = flows[i].delivered.load(Ordering::Relaxed);
            let moved = count != std::mem::replace(&mut last[i], count);
            // Without free slots it is our own slowness, not a stall of the consumer.
            let waits = *source.closed.borrow() || !flows[i].has_free_slots(options.prefetch);
            idle[i] = if moved || waits || declared.message_count() == 0 { 0 } else { idle[i] + 1 };
            if idle[i] >= STALL_LOOKS_MAX {
                tracing::warn!(queue, "messages are ready and nothing is delivered");
                return Err(Error::Ended("deliveries"));
            }
        }
    }
}
