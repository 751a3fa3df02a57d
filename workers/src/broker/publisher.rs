//! Publishing with confirms, from one supervised connection.
//!
//! *Guarantee*: a publish is [`Published::Confirmed`] only when the broker has confirmed it. With
//! `mandatory`, a message that no queue takes comes back before its confirm and is
//! [`Published::Returned`]: the confirm alone would be an ack all the same.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use secrecy::SecretString;

use super::{Error, within};

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

/// A connection with one confirming channel.
#[derive(Debug)]
pub struct Publisher {
    connection: Connection,
    channel: Channel,
}

/// A publish whose confirm is awaited.
pub struct Pending(PublisherConfirm);

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending")
    }
}

impl Publisher {
    /// Connects.
    pub async fn connect(url: &SecretString, purpose: &str) -> Result<Self, Error> {
        let connection = super::connect(url, purpose).await?;
        let channel = within(connection.create_channel()).await?;
        within(channel.confirm_select(ConfirmSelectOptions { nowait: false })).await?;
        Ok(Self { connection, channel })
    }

    /// Declares exchanges and queues, so that the first event finds its exchange.
    pub async fn declare(&self, systems: &[&str]) -> Result<(), Error> {
        let channel = within(self.connection.create_channel()).await?;
        super::topology::declare(&channel, systems).await?;
        within(channel.close(200, "declared".into())).await
    }

    /// Whether the connection still stands.
    pub fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Sends one message; its confirm comes later.
    pub async fn publish(&self, message: Message<'_>) -> Result<Pending, Error> {
        let mut properties = BasicProperties::default()
            .with_content_type(message.content_type.into())
            .with_delivery_mode(DELIVERY_MODE_PERSISTENT);
        if let Some(id) = message.correlation_id {
            properties = properties.with_correlation_id(id.into());
        }
        if let Some(id) = message.message_id {
            properties = properties.with_message_id(id.into());
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
        Ok(Pending(confirm))
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
    /// Waits for the confirm.
    pub async fn confirmed(self) -> Result<Published, Error> {
        let confirmation =
            tokio::time::timeout(CONFIRM_WAIT_MAX, self.0).await.map_err(|_| Error::Timeout)??;
        Ok(match confirmation {
            Confirmation::Ack(None) => Published::Confirmed,
            Confirmation::Ack(Some(_)) => Published::Returned,
            Confirmation::Nack(_) | Confirmation::NotRequested => Published::Refused,
        })
    }
}
