//! Everything that touches RabbitMQ: the only `lapin` in the program.
//!
//! *Guarantee*: one connection consumes and another publishes, so a blocked publisher never stops
//! the acks. There is no recovery inside a connection: on any error the connection is dropped and
//! opened anew after a jittered pause, because a half-recovered channel loses prefetch and confirms.
//! Of a cluster, the next node is tried then.

pub mod address;
pub mod consumer;
pub mod examine;
pub mod greeting;
pub mod publisher;
pub mod subscriber;
pub mod topology;

use std::time::Duration;

pub use address::Address;

/// Opening a connection or a channel, or any one operation on it, ends within this.
pub const OPERATION_WAIT_MAX: Duration = Duration::from_secs(10);

/// What can go wrong with the broker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The library's or the broker's error.
    #[error("broker: {0}")]
    Amqp(#[from] lapin::Error),
    /// The address cannot be used.
    #[error("the broker's address is not of the form amqp://user:password@host:port/vhost")]
    Address,
    /// No answer in time.
    #[error("no answer from the broker in time")]
    Timeout,
    /// The connection or the consumer ended.
    #[error("the broker ended the {0}")]
    Ended(&'static str),
}

async fn within<T>(call: impl Future<Output = lapin::Result<T>>) -> Result<T, Error> {
    within_of(OPERATION_WAIT_MAX, call).await
}

async fn within_of<T>(
    wait_max: Duration,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(wait_max, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Timeout),
    }
}
