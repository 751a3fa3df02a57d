//! Everything that touches RabbitMQ: the only `lapin` in the program.
//!
//! *Guarantee*: one connection consumes and another publishes, so a blocked publisher never stops
//! the acks. There is no recovery inside a connection: on any error the connection is dropped and
//! opened anew after a jittered pause, because a half-recovered channel loses prefetch and confirms.

pub mod consumer;
pub mod examine;
pub mod greeting;
pub mod publisher;
pub mod subscriber;
pub mod topology;

use std::time::Duration;

use lapin::{Connection, ConnectionProperties};
use secrecy::{ExposeSecret, SecretString};

/// Opening a connection or a channel, or any one operation on it, ends within this.
pub const OPERATION_WAIT_MAX: Duration = Duration::from_secs(10);

/// What can go wrong with the broker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The library's or the broker's error.
    #[error("broker: {0}")]
    Amqp(#[from] lapin::Error),
    /// No answer in time.
    #[error("no answer from the broker in time")]
    Timeout,
    /// The connection or the consumer ended.
    #[error("the broker ended the {0}")]
    Ended(&'static str),
}

/// Opens a connection that ends at the first error.
async fn connect(url: &SecretString, purpose: &str) -> Result<Connection, Error> {
    let properties =
        ConnectionProperties::default().with_connection_name(format!("hub {purpose}").into());
    within(Connection::connect(url.expose_secret(), properties)).await
}

async fn within<T>(call: impl Future<Output = lapin::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(OPERATION_WAIT_MAX, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Timeout),
    }
}
