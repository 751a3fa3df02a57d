//! Declares what `contracts::topology` describes, with every argument written out.

use contracts::topology::{self, DELIVERY_LIMIT, Exchange, Queue};
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{Error, within};

/// Declares all exchanges, queues and bindings for these systems. Declaring again changes nothing.
pub async fn declare(channel: &Channel, systems: &[&str]) -> Result<(), Error> {
    for exchange in topology::exchanges() {
        declare_exchange(channel, &exchange).await?;
    }
    for queue in topology::queues(systems.iter().copied()) {
        declare_queue(channel, &queue).await?;
    }
    Ok(())
}

pub(super) async fn declare_exchange(channel: &Channel, exchange: &Exchange) -> Result<(), Error> {
    let kind = match exchange.kind {
        topology::ExchangeKind::Topic => ExchangeKind::Topic,
        topology::ExchangeKind::Fanout => ExchangeKind::Fanout,
    };
    let options = ExchangeDeclareOptions {
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        nowait: false,
    };
    let mut arguments = FieldTable::default();
    if let Some(alternate) = exchange.alternate {
        arguments.insert("alternate-exchange".into(), text(alternate));
    }
    within(channel.exchange_declare(exchange.name.into(), kind, options, arguments)).await
}

pub(super) async fn declare_queue(channel: &Channel, queue: &Queue) -> Result<(), Error> {
    let options = QueueDeclareOptions {
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
    };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    // Without it at-least-once dead-lettering silently degrades to at-most-once.
    arguments.insert("x-overflow".into(), text("reject-publish"));
    // The default of RabbitMQ 4 drops a message after 20 deliveries.
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
    if let Some(exchange) = queue.dead_letter {
        arguments.insert("x-dead-letter-exchange".into(), text(exchange));
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    }
    within(channel.queue_declare(queue.name.as_str().into(), options, arguments)).await?;
    within(channel.queue_bind(
        queue.name.as_str().into(),
        queue.exchange.into(),
        queue.binding.as_str().into(),
        QueueBindOptions { nowait: false },
        FieldTable::default(),
    ))
    .await
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
