//! Publishing with confirms, from one supervised connection.
//!
//! *Guarantee*: a publish is [`Published::Confirmed`] only when the broker has confirmed it. With
//! `mandatory`, a message that no queue takes comes back before its confirm and is
//! [`Published::Returned`]: the confirm alone would be an ack all the same.
//!
//! *States*: a broker that is short of memory or disk blocks who publishes. Then a confirm is waited
//! for as long as the connection stands: the broker has not read the message, so publishing it anew
//! would only make more of it.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use contracts::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use futures_util::{FutureExt, StreamExt};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionStatus, Event, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Address, Error, within};
use crate::telemetry::metric::Metric;

/// The broker confirms within this, or the connection is dropped.
pub const CONFIRM_WAIT_MAX: Duration = Duration::from_secs(15);
/// A reply that nobody fetched is dropped after this, in milliseconds.
pub const REPLY_EXPIRES_MS: &str = "60000";
/// A queue that nobody has.
const NOWHERE: &str = "hub.doctor.nowhere";
/// Persistent: the broker writes the message to disk.
const DELIVERY_MODE_PERSISTENT: u8 = 2;

/// A message to publish.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The exchange; empty for a reply.
    pub exchange: &'a str,
    /// The routing key, or the queue of a reply.
    pub routing_key: &'a str,
    /// The bytes: JSON.
    pub body: &'a [u8],
    /// Return it when no queue takes it.
    pub mandatory: bool,
    /// For a reply: the waiting side's own mark.
    pub correlation_id: Option<&'a str>,
    /// `message_id`.
    pub message_id: Option<&'a str>,
    /// The content type: JSON, unless a test wants otherwise.
    pub content_type: &'a str,
}

/// How a publish ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The broker has it.
    Confirmed,
    /// No queue took it.
    Returned,
    /// The broker refused it (a full queue).
    Refused,
}

/// Whether events can be published, for who looks at this process; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Publishing(Arc<AtomicU8>);

const DOWN: u8 = 0;
const UP: u8 = 1;
const BLOCKED: u8 = 2;

/// A connection with one confirming channel.
#[derive(Debug)]
pub struct Publisher {
    connection: Connection,
    channel: Channel,
}

/// A publish whose confirm is awaited.
pub struct Pending {
    confirm: PublisherConfirm,
    connection: ConnectionStatus,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending")
    }
}

impl Publishing {
    /// `up`, `down` or `blocked`.
    pub fn name(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            UP => "up",
            BLOCKED => "blocked",
            _ => "down",
        }
    }

    /// Whether there is a broker to publish to, be it one that blocks for a while.
    pub fn is_possible(&self) -> bool {
        self.0.load(Ordering::Relaxed) != DOWN
    }

    /// The connection is gone.
    pub fn lost(&self) {
        self.set(DOWN);
    }

    fn set(&self, state: u8) {
        self.0.store(state, Ordering::Relaxed);
        let gauge = |holds: bool| f64::from(u8::from(holds));
        Metric::BrokerUp.set(gauge(state != DOWN), [("connection", "publish")]);
        Metric::BrokerBlocked.set(gauge(state == BLOCKED), []);
    }
}

impl Publisher {
    /// Connects to the broker, or to one of its nodes.
    pub async fn connect(at: impl Into<Address>, purpose: &str) -> Result<Self, Error> {
        let connection = at.into().connect(purpose).await?;
        let channel = confirming(&connection).await?;
        Ok(Self { connection, channel })
    }

    /// Goes on with a new channel. Of a cluster, a channel remembers who led a queue at its first
    /// publish; if that node was lost, it refuses every publish until the node is back.
    pub async fn renew(&mut self) -> Result<(), Error> {
        let fresh = confirming(&self.connection).await?;
        let old = std::mem::replace(&mut self.channel, fresh);
        within(old.close(200, "renewed".into())).await
    }

    /// Declares exchanges and queues, so that the first event finds its exchange.
    pub async fn declare(&self, systems: &[&str]) -> Result<(), Error> {
        let channel = within(self.connection.create_channel()).await?;
        super::topology::declare(&channel, systems).await?;
        within(channel.close(200, "declared".into())).await
    }

    /// Tells of this connection from now on, until the answer is dropped.
    pub fn tell(&self, publishing: Publishing) -> AbortOnDropHandle<()> {
        let mut events = Box::pin(self.connection.events_listener());
        publishing.set(UP);
        AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::ConnectionBlocked(reason) = &event {
                    tracing::warn!(reason, "the broker takes no publishes; events wait");
                    publishing.set(BLOCKED);
                } else if matches!(event, Event::ConnectionUnblocked) {
                    tracing::info!("the broker takes publishes again");
                    publishing.set(UP);
                }
            }
        }))
    }

    /// Whether the connection still stands.
    pub fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Sends one message; its confirm comes later.
    pub async fn publish(&self, message: Message<'_>) -> Result<Pending, Error> {
        self.publish_within(message, None).await
    }

    /// As [`Self::publish`], with headers that say to which trace it belongs.
    pub async fn publish_within(
        &self,
        message: Message<'_>,
        trace: Option<&TraceContext>,
    ) -> Result<Pending, Error> {
        let mut properties = BasicProperties::default()
            .with_content_type(message.content_type.into())
            .with_delivery_mode(DELIVERY_MODE_PERSISTENT);
        if let Some(id) = message.correlation_id {
            properties = properties.with_correlation_id(id.into());
        }
        if let Some(id) = message.message_id {
            properties = properties.with_message_id(id.into());
        }
        if let Some(trace) = trace {
            properties = properties.with_headers(trace_headers(trace));
        }
        if message.exchange.is_empty() {
            properties = properties.with_expiration(REPLY_EXPIRES_MS.into());
        }
        let options = BasicPublishOptions { mandatory: message.mandatory, immediate: false };
        let confirm = within(self.channel.basic_publish(
            message.exchange.into(),
            message.routing_key.into(),
            options,
            message.body,
            properties,
        ))
        .await?;
        Ok(Pending { confirm, connection: self.connection.status().clone() })
    }

    /// Closes the connection in good order.
    pub async fn close(self) {
        let closed = within(self.connection.close(200, "done".into())).await;
        if let Err(error) = closed {
            tracing::debug!(%error, "the connection was gone already");
        }
    }
}

/// Publishes to a queue that nobody has, as a reply is published, and waits for the confirm: whether
/// the user may, and the broker takes messages now. The broker drops it.
pub(super) async fn to_nowhere(channel: &Channel) -> Result<(), Error> {
    within(channel.confirm_select(ConfirmSelectOptions { nowait: false })).await?;
    let options = BasicPublishOptions { mandatory: false, immediate: false };
    let properties = BasicProperties::default();
    let sent = channel.basic_publish("".into(), NOWHERE.into(), options, b"", properties);
    within(within(sent).await?).await?;
    Ok(())
}

impl Pending {
    /// Waits for the confirm; while the broker blocks us, for as long as it does.
    pub async fn confirmed(self) -> Result<Published, Error> {
        let mut confirm = pin!(self.confirm);
        loop {
            match tokio::time::timeout(CONFIRM_WAIT_MAX, confirm.as_mut()).await {
                Ok(confirmation) => return Ok(published(&confirmation?)),
                Err(_) if self.connection.connected() && self.connection.blocked() => {}
                Err(_) => return Err(Error::Timeout),
            }
        }
    }

    /// The confirm that is there already.
    pub fn confirmed_already(self) -> Result<Published, Error> {
        let confirmation = self.confirm.now_or_never().ok_or(Error::Timeout)?;
        Ok(published(&confirmation?))
    }
}

async fn confirming(connection: &Connection) -> Result<Channel, Error> {
    let channel = within(connection.create_channel()).await?;
    within(channel.confirm_select(ConfirmSelectOptions { nowait: false })).await?;
    Ok(channel)
}

fn trace_headers(trace: &TraceContext) -> FieldTable {
    let mut headers = FieldTable::default();
    let long = |text: &str| AMQPValue::LongString(text.into());
    headers.insert(TRACEPARENT.into(), long(&trace.parent()));
    if let Some(state) = trace.state() {
        headers.insert(TRACESTATE.into(), long(state));
    }
    headers
}

const fn published(confirmation: &Confirmation) -> Published {
    match confirmation {
        Confirmation::Ack(None) => Published::Confirmed,
        Confirmation::Ack(Some(_)) => Published::Returned,
        Confirmation::Nack(_) | Confirmation::NotRequested => Published::Refused,
    }
}
