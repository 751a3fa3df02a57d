//! The observing portal: publishes until confirmed, and hears every event on a durable queue.
//!
//! *Guarantee*: a message counts as confirmed only after the broker's confirm; what was not confirmed
//! when a connection ended is published again, with the same id. An event is acknowledged after it
//! was noted, and the queue (durable, quorum) outlives every connection and the broker's restart; so
//! an event that is never heard was never published.
//!
//! *Limits*: [`UNCONFIRMED_MAX`] messages under way; every step within [`STEP_WAIT_MAX`].

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use contracts::{
    event::Event,
    state::State,
    topology::{EVENTS_EXCHANGE, JOBS_EXCHANGE},
};
use futures_util::StreamExt;
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use workers::{
    broker::{
        Address,
        address::NODE_WAIT_MAX,
        publisher::{Message, Published, Publisher},
    },
    demo::cast::{Encore, Fate, Part},
};

use crate::{Error, Outcome};

/// Unconfirmed publishes at once.
pub const UNCONFIRMED_MAX: usize = 100;
/// Events that may be under way to this portal.
const PREFETCH: u16 = 500;
/// One step on a connection ends within this.
const STEP_WAIT_MAX: Duration = Duration::from_secs(10);
/// Between two attempts to reach a broker that is away.
const RECONNECT_EVERY: Duration = Duration::from_millis(200);
/// The queue of this portal.
pub(crate) const QUEUE: &str = "chaos.portal";

/// One event, as it was heard.
#[derive(Debug, Clone)]
pub struct Told {
    /// `accepted`, `succeeded` …
    pub name: String,
    /// Its place among the events of its job.
    pub sequence: i64,
    /// The state that it tells of.
    pub state: State,
    /// The code in its summary.
    pub code: Option<String>,
    /// Read from the table of events that no queue took, or delivered once more after a connection
    /// ended: it says nothing about the order.
    pub late: bool,
    /// When.
    pub at: Instant,
}

/// A message of a government system that nobody asked for.
const RECEIVED: &str = "message_received";

#[derive(Debug, Default)]
struct Notes {
    events: HashMap<Uuid, Vec<Told>>,
    confirmed: HashSet<usize>,
    /// Messages that came in, by their ids.
    messages: Vec<String>,
    /// Events that told of each message, of all rounds.
    received: HashMap<String, usize>,
    /// Events that told of a doubt, by operation.
    doubts: HashMap<String, usize>,
    /// Events, in all.
    heard: usize,
}

/// The portal; clones share what was noted.
#[derive(Debug, Clone)]
pub struct Portal {
    broker: Address,
    turn: Arc<AtomicUsize>,
    notes: Arc<Mutex<Notes>>,
    confirms: Arc<AtomicUsize>,
    repeated: Arc<AtomicUsize>,
}

/// One message to publish: a part of the cast, by its place.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// Its place in the cast.
    pub place: usize,
    /// What is published.
    pub part: &'a Part,
}

/// What is published for these parts: each, its duplicates at once or at the end.
pub fn letters(parts: &[Part]) -> Vec<Letter<'_>> {
    let mut now = Vec::with_capacity(parts.len());
    let mut late = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let letter = Letter { place, part };
        now.push(letter);
        match part.encore {
            Encore::None => {}
            Encore::Same => now.push(letter),
            // Other content under the same id could overtake the first where confirms are lost;
            // here the same message comes again when its job has run, waits or has ended.
            Encore::Reused => late.push(letter),
        }
    }
    now.extend(late);
    now
}

impl Portal {
    /// Declares the queue and hears events until the runtime ends.
    pub async fn open(url: SecretString) -> Outcome<Self> {
        let portal = Self {
            broker: Address::new(&url),
            turn: Arc::default(),
            notes: Arc::default(),
            confirms: Arc::default(),
            repeated: Arc::default(),
        };
        let (connection, channel) = portal.session().await?;
        declare(&channel).await?;
        let hearing = portal.clone();
        tokio::spawn(async move {
            let mut open = Some((connection, channel));
            loop {
                let session = match open.take() {
                    Some(session) => Ok(session),
                    None => hearing.session().await,
                };
                let Ok((connection, channel)) = session else {
                    tokio::time::sleep(RECONNECT_EVERY).await;
                    continue;
                };
                // Whatever ended it: what was not acknowledged comes again.
                drop(hearing.hear(&channel).await);
                drop(connection);
            }
        });
        Ok(portal)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hear(&self, channel: &Channel) -> Outcome<()> {
        within(channel.basic_qos(PREFETCH, BasicQosOptions { global: false })).await?;
        let options =
            BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
        let mut consumer =
            within(channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default()))
                .await?;
        while let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            // Delivered before, to a connection that ended: it says nothing about the order.
            let late = delivery.redelivered;
            self.note(delivery.routing_key.as_str(), &delivery.data, late);
            within(delivery.ack(BasicAckOptions { multiple: false })).await?;
        }
        Ok(())
    }

    fn note(&self, key: &str, body: &[u8], late: bool) {
        let Ok(event) = serde_json::from_slice::<Event>(body) else { return };
        let told = Told {
            name: key.rsplit('.').next().unwrap_or_default().to_owned(),
            sequence: event.data.sequence,
            state: event.data.state,
            code: event.data.summary.get("code").and_then(|c| c.as_str()).map(str::to_owned),
            late,
            at: Instant::now(),
        };
        let mut notes = self.notes();
        let heard = notes.events.entry(event.data.job_id).or_default();
        if late && heard.iter().any(|other| other.sequence == told.sequence) {
            return;
        }
        let is_doubt = told.state == State::InDoubt;
        let message = event.data.summary.get("message_id").filter(|_| told.name == RECEIVED);
        heard.push(told);
        if let Some(id) = message.and_then(|id| id.as_str()) {
            notes.messages.push(id.to_owned());
            *notes.received.entry(id.to_owned()).or_default() += 1;
        }
        if let Some((operation, _)) = key.rsplit_once('.').filter(|_| is_doubt) {
            *notes.doubts.entry(operation.to_owned()).or_default() += 1;
        }
        notes.heard += 1;
    }

    /// Publishes these messages, in order, until each is confirmed. Never gives up: the caller's
    /// deadline does.
    pub async fn publish(&self, letters: &[Letter<'_>]) {
        self.publish_on(&mut None, letters).await;
    }

    /// As [`Portal::publish`], over a connection that is kept for the next time.
    pub(crate) async fn publish_on(&self, line: &mut Option<Publisher>, letters: &[Letter<'_>]) {
        let mut open: VecDeque<Letter<'_>> = letters.iter().copied().collect();
        while !open.is_empty() {
            let Some(publisher) = line.take() else {
                match self.connect().await {
                    Ok(publisher) => *line = Some(publisher),
                    Err(_) => tokio::time::sleep(RECONNECT_EVERY).await,
                }
                continue;
            };
            // An error says only that the connection is no more.
            if self.publish_over(&publisher, &mut open).await.is_ok() {
                *line = Some(publisher);
            } else {
                tokio::time::sleep(RECONNECT_EVERY).await;
            }
        }
    }

    /// A connection to publish over.
    pub(crate) async fn connect(&self) -> Outcome<Publisher> {
        Ok(Publisher::connect(&self.broker, "portal").await?)
    }

    /// Publishes what is open, until it is confirmed or the connection is gone.
    pub(crate) async fn publish_over(
        &self,
        publisher: &Publisher,
        open: &mut VecDeque<Letter<'_>>,
    ) -> Outcome<()> {
        while !open.is_empty() {
            let round: Vec<Letter<'_>> = open.drain(..open.len().min(UNCONFIRMED_MAX)).collect();
            let mut waiting = Vec::with_capacity(round.len());
            let mut lost = None;
            for letter in &round {
                let sent = match lost {
                    None => publisher.publish(message(letter.part)).await.map_err(Error::from),
                    Some(()) => Err(Error::Told("the connection is gone".into())),
                };
                lost = lost.or(sent.as_ref().err().map(|_| ()));
                waiting.push(sent);
            }
            let mut again = Vec::new();
            for (letter, sent) in round.into_iter().zip(waiting) {
                let confirmed = match sent {
                    Ok(pending) if lost.is_none() => pending.confirmed().await.map_err(Error::from),
                    // One confirm that is late is late enough for all that came after it.
                    Ok(pending) => pending.confirmed_already().map_err(Error::from),
                    Err(error) => Err(error),
                };
                if matches!(confirmed, Ok(Published::Confirmed)) {
                    self.confirms.fetch_add(1, Ordering::Relaxed);
                    self.notes().confirmed.insert(letter.place);
                } else {
                    // Who was refused needs a new channel too: of a cluster, one that remembers a
                    // leader that was lost refuses everything.
                    lost = Some(());
                    self.repeated.fetch_add(1, Ordering::Relaxed);
                    again.push(letter);
                }
            }
            for letter in again.into_iter().rev() {
                open.push_front(letter);
            }
            if lost.is_some() {
                return Err(Error::Told("the connection is gone".into()));
            }
        }
        Ok(())
    }

    /// The state that the newest event of a job told of.
    pub fn state_of(&self, id: Uuid) -> Option<State> {
        let notes = self.notes();
        notes.events.get(&id)?.iter().max_by_key(|told| told.sequence).map(|told| told.state)
    }

    /// The ids of messages that came in since the last time.
    pub fn take_messages(&self) -> Vec<String> {
        std::mem::take(&mut self.notes().messages)
    }

    /// How many events told of each message that nobody asked for, in all rounds.
    pub fn received(&self) -> HashMap<String, usize> {
        self.notes().received.clone()
    }

    /// Whether an event told of each of these messages.
    pub fn received_all(&self, ids: &[String]) -> bool {
        let notes = self.notes();
        ids.iter().all(|id| notes.received.contains_key(id))
    }

    /// Events that told of a doubt, so far.
    pub fn doubts(&self) -> usize {
        self.notes().doubts.values().sum()
    }

    /// The same, of one operation.
    pub fn doubts_of(&self, operation: &str) -> usize {
        self.notes().doubts.get(operation).copied().unwrap_or_default()
    }

    /// Forgets what was confirmed and heard: a round is over.
    pub fn forget(&self) {
        let mut notes = self.notes();
        notes.confirmed.clear();
        notes.events.clear();
    }

    /// Whether the part at this place was confirmed at least once.
    pub fn is_confirmed(&self, place: usize) -> bool {
        self.notes().confirmed.contains(&place)
    }

    /// Confirms received, and messages that had to be published again.
    pub fn counts(&self) -> (usize, usize) {
        (self.confirms.load(Ordering::Relaxed), self.repeated.load(Ordering::Relaxed))
    }

    /// The events of a job, in the order of their arrival.
    pub fn heard(&self, id: Uuid) -> Vec<Told> {
        self.notes().events.get(&id).cloned().unwrap_or_default()
    }

    /// Events that were heard since the beginning.
    pub fn events(&self) -> usize {
        self.notes().heard
    }

    /// When the end of a job was heard first.
    pub fn ended_at(&self, id: Uuid) -> Option<Instant> {
        let notes = self.notes();
        let ends = notes.events.get(&id)?.iter().filter(|told| told.state.is_terminal());
        ends.map(|told| told.at).min()
    }

    /// How many of these jobs have ended, as far as was heard.
    pub fn ended_of(&self, ids: &[Uuid]) -> usize {
        let notes = self.notes();
        let ended = |told: &Told| told.sequence > 0 && told.state.is_terminal();
        let known = ids.iter().filter_map(|id| notes.events.get(id));
        known.filter(|events| events.iter().any(ended)).count()
    }

    /// Reads an event that no queue took: what came meanwhile was heard before it.
    pub(crate) fn read_unheard(&self, key: &str, body: &[u8]) {
        self.note(key, body, true);
    }

    /// Binds the portal's queue, as at the beginning.
    pub async fn bind(&self) -> Outcome<()> {
        let (_connection, channel) = self.session().await?;
        declare(&channel).await
    }

    /// A connection to a node that takes one, with a channel. Begins with the node after the one that
    /// was tried last: a node may take connections that it cannot serve.
    pub(crate) async fn session(&self) -> Outcome<(Connection, Channel)> {
        let nodes = self.broker.nodes();
        let mut last = Error::Told("the broker has no address".into());
        for _ in nodes {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % nodes.len();
            match connect(&nodes[turn]).await {
                Ok(session) => return Ok(session),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Jobs of which an event with this code was heard.
    pub fn told_of(&self, code: &str) -> Vec<Uuid> {
        let notes = self.notes();
        let told = |events: &[Told]| events.iter().any(|e| e.code.as_deref() == Some(code));
        notes.events.iter().filter(|(_, events)| told(events)).map(|(id, _)| *id).collect()
    }

    /// Whether a terminal event was heard of every confirmed job.
    pub fn heard_all(&self, parts: &[Part]) -> bool {
        let notes = self.notes();
        let ended = |told: &Told| told.sequence > 0 && told.state.is_terminal();
        let jobs = parts.iter().enumerate().filter(|(place, part)| {
            part.fate != Fate::Quarantined && notes.confirmed.contains(place)
        });
        let mut ids = jobs.filter_map(|(_, part)| part.id);
        ids.all(|id| notes.events.get(&id).is_some_and(|events| events.iter().any(ended)))
    }
}

const fn message(part: &Part) -> Message<'_> {
    Message {
        exchange: JOBS_EXCHANGE,
        routing_key: part.routing_key.as_str(),
        body: part.body.as_slice(),
        mandatory: true,
        correlation_id: None,
        message_id: None,
        content_type: part.content_type,
    }
}

async fn connect(url: &SecretString) -> Outcome<(Connection, Channel)> {
    let properties = ConnectionProperties::default().with_connection_name("chaos portal".into());
    let opening = async {
        let connection = Connection::connect(url.expose_secret(), properties).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    };
    within_of(NODE_WAIT_MAX, opening).await
}

async fn declare(channel: &Channel) -> Outcome<()> {
    let options = QueueDeclareOptions {
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
    };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    within(channel.queue_declare(QUEUE.into(), options, arguments)).await?;
    let all = QueueBindOptions { nowait: false };
    let (queue, exchange) = (QUEUE.into(), EVENTS_EXCHANGE.into());
    within(channel.queue_bind(queue, exchange, "#".into(), all, FieldTable::default())).await
}

async fn within<T>(step: impl Future<Output = lapin::Result<T>>) -> Outcome<T> {
    within_of(STEP_WAIT_MAX, step).await
}

async fn within_of<T>(
    wait_max: Duration,
    step: impl Future<Output = lapin::Result<T>>,
) -> Outcome<T> {
    match tokio::time::timeout(wait_max, step).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Error::Late(wait_max, "a step on the portal's connection".into())),
    }
}
