//! Listening to events, as a portal does: for the demo and the tests.

use futures_util::StreamExt;
use lapin::{
    Connection, Consumer,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use secrecy::SecretString;

use super::{Address, Error, within};

/// A subscription with a queue of its own, which goes when the subscription goes.
pub struct Subscriber {
    // Kept: the queue lives as long as its connection.
    _connection: Connection,
    consumer: Consumer,
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscriber")
    }
}

impl Subscriber {
    /// Subscribes to everything on an exchange that matches the binding.
    pub async fn bind(url: &SecretString, exchange: &str, binding: &str) -> Result<Self, Error> {
        let connection = Address::new(url).connect("subscribe").await?;
        let channel = within(connection.create_channel()).await?;
        let options = QueueDeclareOptions {
            passive: false,
            durable: false,
            exclusive: true,
            auto_delete: true,
            nowait: false,
        };
        let queue =
            within(channel.queue_declare("".into(), options, FieldTable::default())).await?;
        let name = queue.name().clone();
        within(channel.queue_bind(
            name.clone(),
            exchange.into(),
            binding.into(),
            QueueBindOptions { nowait: false },
            FieldTable::default(),
        ))
        .await?;
        // Without acks: whoever listens here looks on, and decides nothing.
        let options =
            BasicConsumeOptions { no_local: false, no_ack: true, exclusive: true, nowait: false };
        let consumer =
            within(channel.basic_consume(name, "".into(), options, FieldTable::default())).await?;
        Ok(Self { _connection: connection, consumer })
    }

    /// The next message: routing key and bytes; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<(String, Vec<u8>)> {
        let delivery = self.consumer.next().await?.ok()?;
        Some((delivery.routing_key.to_string(), delivery.data))
    }
}
