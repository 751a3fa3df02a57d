//! The raw path: what the work costs without any of the hub's guarantees.

use std::{sync::Arc, time::Duration};

use adapters::attempt::{Call, Outcome};
use adapters::system::Adapter;
use anyhow::Result;
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use workers::demo::stage::Stage;

/// Jobs of the raw path come in here.
pub const EXCHANGE: &str = "raw.jobs";
/// Its events go out here.
pub const EVENTS: &str = "raw.events";
const QUEUE: &str = "raw.jobs.gbdfl";
/// Results in one write, as in the hub.
const BATCH_MAX: usize = 256;

/// A running raw path.
pub struct Raw {
    tasks: Vec<JoinHandle<Result<()>>>,
    // Kept: the channels live as long as their connections.
    _connections: [Connection; 2],
}

impl Raw {
    /// Ends it.
    pub fn stop(self) {
        for task in self.tasks {
            task.abort();
        }
    }
}

struct Done {
    tag: u64,
    id: String,
    subject: String,
    columns: Value,
}

/// Starts consuming.
pub async fn start(stage: &Stage, in_flight: usize) -> Result<Raw> {
    let url = stage.amqp_url();
    let connect = || Connection::connect(url.expose_secret(), ConnectionProperties::default());
    let (consuming, publishing) = (connect().await?, connect().await?);
    let channel = consuming.create_channel().await?;
    declare(&channel).await?;
    channel.basic_qos(256, BasicQosOptions { global: false }).await?;
    let options =
        BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
    let mut consumer =
        channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default()).await?;
    let events = publishing.create_channel().await?;
    events.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
    let table = "CREATE SCHEMA raw; CREATE TABLE raw.person (subject text PRIMARY KEY, data jsonb)";
    stage.own()?.postgres.query(table).await?;
    let (done, results) = mpsc::channel(4_096);
    let adapter = super::adapter(&stage.simulators)?;
    let permits = Arc::new(Semaphore::new(in_flight));
    let calling = tokio::spawn(async move {
        while let Some(delivery) = consumer.next().await {
            let permit = permits.clone().acquire_owned().await?;
            let (adapter, done) = (adapter.clone(), done.clone());
            let delivery = delivery?;
            tokio::spawn(async move {
                let result = call(&*adapter, delivery).await;
                drop(permit);
                if let Some(result) = result {
                    drop(done.send(result).await);
                }
            });
        }
        Ok(())
    });
    let database = stage.servers.database_url.expose_secret().to_owned();
    let writing = tokio::spawn(write(database, channel, events, results));
    Ok(Raw { tasks: vec![calling, writing], _connections: [consuming, publishing] })
}

async fn declare(channel: &Channel) -> Result<()> {
    let durable = ExchangeDeclareOptions {
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        nowait: false,
    };
    for exchange in [EXCHANGE, EVENTS] {
        let none = FieldTable::default();
        channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, none).await?;
    }
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions {
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
    };
    channel.queue_declare(QUEUE.into(), options, arguments).await?;
    let bind = QueueBindOptions { nowait: false };
    let none = FieldTable::default();
    channel.queue_bind(QUEUE.into(), EXCHANGE.into(), "gbdfl.#".into(), bind, none).await?;
    Ok(())
}

async fn call(adapter: &dyn Adapter, delivery: Delivery) -> Option<Done> {
    let job: Value = serde_json::from_slice(&delivery.data).ok()?;
    let operation = &adapters::systems::gbdfl::PERSON;
    let id = job["id"].as_str()?.parse().ok()?;
    let now = workers::clock::real_now();
    let call = Call::first(operation, id, job["input"].clone(), now, Duration::from_secs(10));
    match adapter.attempt(&call).await.outcome {
        Outcome::Answered(answer) => Some(Done {
            tag: delivery.delivery_tag,
            id: job["id"].as_str()?.to_owned(),
            subject: job["subject"].as_str()?.to_owned(),
            columns: Value::Object(answer.portal.into_exposed()),
        }),
        Outcome::Acknowledged(_) | Outcome::Interim(_) | Outcome::NotDone | Outcome::Failed(_) => {
            None
        }
    }
}

/// Writes what has queued, acknowledges it, publishes one event a job and awaits the confirms.
async fn write(
    database: String,
    consuming: Channel,
    publishing: Channel,
    mut results: mpsc::Receiver<Done>,
) -> Result<()> {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(&database).await?;
    let mut batch = Vec::new();
    let mut unacked = std::collections::BTreeSet::new();
    let mut next_tag = 1;
    while results.recv_many(&mut batch, BATCH_MAX).await > 0 {
        sqlx::query(
            "INSERT INTO raw.person SELECT * FROM UNNEST($1::text[], $2::jsonb[])
             ON CONFLICT (subject) DO UPDATE SET data = excluded.data",
        )
        .bind(batch.iter().map(|d| d.subject.clone()).collect::<Vec<_>>())
        .bind(batch.iter().map(|d| d.columns.clone()).collect::<Vec<_>>())
        .execute(&mut connection)
        .await?;
        // Results come out of order: what is complete is acknowledged with one frame.
        unacked.extend(batch.iter().map(|d| d.tag));
        let before = next_tag;
        while unacked.remove(&next_tag) {
            next_tag += 1;
        }
        if next_tag > before {
            consuming.basic_ack(next_tag - 1, BasicAckOptions { multiple: true }).await?;
        }
        let mut confirms = Vec::with_capacity(batch.len());
        for done in batch.drain(..) {
            confirms.push(
                publishing
                    .basic_publish(
                        EVENTS.into(),
                        "gbdfl.person.succeeded".into(),
                        BasicPublishOptions { mandatory: true, immediate: false },
                        format!("{{\"data\":{{\"job_id\":\"{}\"}}}}", done.id).as_bytes(),
                        BasicProperties::default().with_delivery_mode(2),
                    )
                    .await?,
            );
        }
        for confirm in confirms {
            confirm.await?;
        }
    }
    Ok(())
}
