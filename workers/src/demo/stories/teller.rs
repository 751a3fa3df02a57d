//! What a story is told with: jobs out, events and tables back.

use std::time::{Duration, Instant};

use contracts::{
    job::CONTENT_TYPE,
    state::State,
    topology::{EVENTS_EXCHANGE, JOBS_EXCHANGE},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{
    stage::{Error, Stage},
    time,
};
use crate::{
    broker::{
        publisher::{Message, Publisher},
        subscriber::Subscriber,
    },
    chance::Chance,
    clock::real_now,
};

/// A step of a story takes no longer than this, in real time.
const STEP_WAIT_MAX: Duration = Duration::from_secs(90);
/// The organisation in the stories (gov-services §9.4).
pub(super) const ORGANISATION: &str = "organisation:990140000007";

/// A portal in a story.
pub struct Teller<'a> {
    pub(super) stage: &'a Stage,
    publisher: Publisher,
    chance: Chance,
    events: tokio::sync::Mutex<(Subscriber, Vec<Value>)>,
}

impl std::fmt::Debug for Teller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Teller")
    }
}

impl<'a> Teller<'a> {
    /// Connects, and listens from now on.
    pub async fn start(stage: &'a Stage) -> Result<Self, Error> {
        let url = stage.amqp_url();
        let events = Subscriber::bind(&url, EVENTS_EXCHANGE, "#").await?;
        Ok(Self {
            stage,
            publisher: Publisher::connect(&url, "portal").await?,
            chance: Chance::from_entropy(),
            events: tokio::sync::Mutex::new((events, Vec::new())),
        })
    }

    /// Closes the connection.
    pub async fn finish(self) {
        self.publisher.close().await;
    }

    /// A job of an operation about a subject, ready to be published.
    pub fn job(&self, operation: &str, subject: &str, input: &Value) -> Value {
        json!({
            "id": self.chance.uuid(), "operation": operation, "version": 1, "subject": subject,
            "requested_at": real_now(), "requested_by": ORGANISATION, "input": input,
        })
    }

    /// Publishes a job until the broker has confirmed it; returns its id.
    pub async fn publish(&self, job: &Value) -> Result<Uuid, Error> {
        let operation = job["operation"].as_str().unwrap_or_default();
        let body = job.to_string();
        let message = Message {
            exchange: JOBS_EXCHANGE,
            routing_key: operation,
            body: body.as_bytes(),
            mandatory: true,
            correlation_id: None,
            message_id: None,
            content_type: CONTENT_TYPE,
        };
        self.publisher.publish(message).await?.confirmed().await?;
        let id = job["id"].as_str().and_then(|id| id.parse().ok());
        id.ok_or_else(|| Error::Silent("a story published a job without an id".to_owned()))
    }

    /// Publishes a job and waits for the event of its end.
    pub async fn ask(&self, job: &Value) -> Result<Value, Error> {
        let id = self.publish(job).await?;
        self.end_of(id).await
    }

    /// The `data` of the event that ends a job.
    pub async fn end_of(&self, id: Uuid) -> Result<Value, Error> {
        self.heard(&format!("the end of {id}"), |event| {
            let data = &event["data"];
            let state = data["state"].as_str().and_then(State::from_name);
            data["job_id"] == id.to_string() && state.is_some_and(State::is_terminal)
        })
        .await
        .map(|event| event["data"].clone())
    }

    /// The first event that fits, heard before or to come.
    pub async fn heard(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, Error> {
        let deadline = Instant::now() + STEP_WAIT_MAX;
        loop {
            let mut heard = self.events.lock().await;
            let (subscriber, all) = &mut *heard;
            while let Ok(next) = tokio::time::timeout(time::LOOK_EVERY, subscriber.next()).await {
                let Some((_, body)) = next else { break };
                all.extend(serde_json::from_slice::<Value>(&body).ok());
            }
            if let Some(event) = all.iter().find(|event| fits(event)) {
                return Ok(event.clone());
            }
            drop(heard);
            if Instant::now() > deadline {
                return Err(Error::Silent(format!("a story waited in vain for {what}")));
            }
            time::advance(self.stage).await?;
        }
    }

    /// Rows of a portal table with this value in this column, once they fit.
    pub async fn rows(
        &self,
        table: &'static str,
        key: (&'static str, &str),
        fits: impl Fn(&[Value]) -> bool,
    ) -> Result<Vec<Value>, Error> {
        let deadline = Instant::now() + STEP_WAIT_MAX;
        loop {
            let rows = self.stage.store.look_at_portal(table, key).await?;
            if fits(&rows) {
                return Ok(rows);
            }
            if Instant::now() > deadline {
                return Err(Error::Silent(format!("a story waited in vain for {table}")));
            }
            time::advance(self.stage).await?;
            tokio::time::sleep(time::LOOK_EVERY).await;
        }
    }

    /// The one row of a portal table, as it is now.
    pub async fn row(
        &self,
        table: &'static str,
        key: (&'static str, &str),
    ) -> Result<Value, Error> {
        let rows = self.rows(table, key, |rows| !rows.is_empty()).await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// Orders how a simulator treats a job.
    pub async fn order(&self, job: &Value, behaviour: &str) -> Result<(), Error> {
        let operation = job["operation"].as_str().unwrap_or_default();
        let system = operation.split('.').next().unwrap_or_default();
        let order = json!({"system": system, "behaviour": behaviour, "request_number": job["id"]});
        self.stage.order("next", &order).await
    }
}
