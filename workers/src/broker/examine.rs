//! Questions to a broker that change nothing: `hub doctor` asks them.
//!
//! *Guarantee*: nothing is made, taken or bound that was not so before. A queue is declared as the hub
//! does it only after a passive declaration found it: equal arguments change nothing, others are told.
//! The one message that is published names a queue that does not exist, and is dropped.

use contracts::topology::{Exchange, Queue};
use lapin::{
    Channel, Connection, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};
use secrecy::SecretString;

use super::{Error, publisher, topology, within};

/// An exchange that every broker has, and that nobody needs to configure.
const FOREIGN: &str = "amq.direct";

const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;

/// A connection that asks.
#[derive(Debug)]
pub struct Examiner {
    connection: Connection,
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Name or password.
    Login,
    /// The virtual host is not there, or not for this user.
    VirtualHost,
    /// Something else.
    Other,
}

/// What is known of a queue or an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// As the hub declares it.
    AsDeclared {
        /// Messages that are ready.
        messages: u32,
        /// Who consumes.
        consumers: u32,
    },
    /// Nobody has declared it yet.
    Missing,
    /// It has other arguments; the broker's words say which.
    Differs(String),
    /// The user may not configure it.
    Denied,
}

/// What became of a message to nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Taken.
    Taken,
    /// The user may not write to the default exchange.
    Denied,
}

impl Examiner {
    /// Logs in.
    pub async fn connect(url: &SecretString) -> Result<Self, Refused> {
        let connected = super::address::Address::new(url).connect("doctor").await;
        connected.map(|connection| Self { connection }).map_err(|error| match code(&error) {
            Some(ACCESS_REFUSED) => Refused::Login,
            Some(NOT_ALLOWED) => Refused::VirtualHost,
            Some(_) | None => Refused::Other,
        })
    }

    /// Between two signs of life, in seconds; 0 is never.
    pub fn heartbeat_s(&self) -> u16 {
        self.connection.configuration().heartbeat()
    }

    /// Whether the broker holds publishers up: an alarm of memory or disk. Told after a publish only.
    pub fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Whether a queue is there as the hub declares it.
    pub async fn queue(&self, queue: &Queue) -> Result<Known, Error> {
        let passive = QueueDeclareOptions {
            passive: true,
            durable: true,
            exclusive: false,
            auto_delete: false,
            nowait: false,
        };
        let channel = self.channel().await?;
        let name = queue.name.as_str();
        let asked = channel.queue_declare(name.into(), passive, FieldTable::default());
        let there = match within(asked).await {
            Ok(there) => there,
            Err(error) => return known(error),
        };
        let counts = (there.message_count(), there.consumer_count());
        let declared = topology::declare_queue(&channel, queue).await;
        finish(channel, declared, counts).await
    }

    /// Whether an exchange is there as the hub declares it.
    pub async fn exchange(&self, exchange: &Exchange) -> Result<Known, Error> {
        let channel = self.channel().await?;
        let passive = declare_options(true);
        let kind = ExchangeKind::Topic;
        let asked =
            channel.exchange_declare(exchange.name.into(), kind, passive, FieldTable::default());
        if let Err(error) = within(asked).await {
            return known(error);
        }
        let declared = topology::declare_exchange(&channel, exchange).await;
        finish(channel, declared, (0, 0)).await
    }

    /// Whether the user may configure what is not the hub's. Declares a thing that is there anyway.
    pub async fn may_configure_all(&self) -> Result<bool, Error> {
        let channel = self.channel().await?;
        let (kind, options) = (ExchangeKind::Direct, declare_options(false));
        let declared =
            channel.exchange_declare(FOREIGN.into(), kind, options, FieldTable::default());
        let declared = within(declared).await;
        let known = finish(channel, declared, (0, 0)).await?;
        Ok(matches!(known, Known::AsDeclared { .. }))
    }

    /// Publishes to a queue that does not exist, as a reply is published, and waits for the confirm.
    pub async fn reply(&self) -> Result<Reply, Error> {
        let channel = self.channel().await?;
        match publisher::to_nowhere(&channel).await {
            Ok(()) => {
                within(channel.close(200, "asked".into())).await?;
                Ok(Reply::Taken)
            }
            Err(error) if code(&error) == Some(ACCESS_REFUSED) => Ok(Reply::Denied),
            Err(error) => Err(error),
        }
    }

    /// Says goodbye.
    pub async fn close(self) {
        let closed = within(self.connection.close(200, "examined".into())).await;
        if let Err(error) = closed {
            tracing::debug!(%error, "the connection was gone already");
        }
    }

    /// A channel a question: an error ends its channel.
    async fn channel(&self) -> Result<Channel, Error> {
        within(self.connection.create_channel()).await
    }
}

const fn declare_options(passive: bool) -> ExchangeDeclareOptions {
    ExchangeDeclareOptions {
        passive,
        durable: true,
        auto_delete: false,
        internal: false,
        nowait: false,
    }
}

async fn finish(
    channel: Channel,
    declared: Result<(), Error>,
    (messages, consumers): (u32, u32),
) -> Result<Known, Error> {
    match declared {
        Ok(()) => {
            within(channel.close(200, "asked".into())).await?;
            Ok(Known::AsDeclared { messages, consumers })
        }
        Err(error) => known(error),
    }
}

fn known(error: Error) -> Result<Known, Error> {
    match (code(&error), message(&error)) {
        (Some(NOT_FOUND), _) => Ok(Known::Missing),
        (Some(ACCESS_REFUSED), _) => Ok(Known::Denied),
        (Some(PRECONDITION_FAILED), Some(message)) => Ok(Known::Differs(difference(&message))),
        _ => Err(error),
    }
}

fn protocol_error(error: &Error) -> Option<&lapin::protocol::AMQPError> {
    let Error::Amqp(error) = error else { return None };
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    Some(error)
}

fn code(error: &Error) -> Option<u16> {
    protocol_error(error).map(lapin::protocol::AMQPError::get_id)
}

fn message(error: &Error) -> Option<String> {
    protocol_error(error).map(|error| error.get_message().to_string())
}

/// `PRECONDITION_FAILED - inequivalent arg 'x' for queue 'q' in vhost '/': received …` in short.
fn difference(message: &str) -> String {
    let argument = message.split("arg '").nth(1).and_then(|rest| rest.split('\'').next());
    let values = message.split_once("': ").map_or("", |(_, values)| values);
    match argument {
        Some(argument) => format!("{argument}: {values}"),
        None => "other arguments".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_argument_and_both_values() {
        let told = "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'hub.dead' in \
                    vhost '/': received the value '1000000' of type 'signedint' but current is none";
        assert_eq!(
            difference(told),
            "x-delivery-limit: received the value '1000000' of type 'signedint' but current is none"
        );
        assert_eq!(difference("PRECONDITION_FAILED - something new"), "other arguments");
    }
}
