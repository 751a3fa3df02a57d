//! The pretend portal: publishes with confirms, listens to events.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use contracts::{
    state::State,
    topology::{EVENTS_EXCHANGE, JOBS_EXCHANGE},
};
use secrecy::SecretString;
use uuid::Uuid;

use super::cast::{Encore, Fate, Part};
use crate::broker::{
    Error,
    publisher::{Message, Pending, Published, Publisher},
    subscriber::Subscriber,
};

/// Unconfirmed publishes at once.
const UNCONFIRMED_MAX: usize = 200;

/// The events that a portal received.
#[derive(Debug, Default, Clone)]
pub struct Heard(Arc<Mutex<HashMap<Uuid, Vec<Heard1>>>>);

/// One event, as far as the check needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard1 {
    /// `accepted`, `succeeded` …
    pub name: String,
    /// Its place among the events of the job.
    pub sequence: i64,
}

impl Heard {
    /// The events of a job.
    pub fn of(&self, id: Uuid) -> Vec<Heard1> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&id).cloned().unwrap_or_default()
    }

    /// How many jobs were heard of.
    pub fn jobs(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether a terminal event was heard of every confirmed job.
    pub fn all_ended(&self, parts: &[Part], confirmed: &Confirmed) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = |event: &Heard1| {
            event.sequence > 0 && State::from_name(&event.name).is_some_and(State::is_terminal)
        };
        parts
            .iter()
            .zip(&confirmed.parts)
            .filter(|(part, confirmed)| **confirmed && part.fate != Fate::Quarantined)
            .filter_map(|(part, _)| part.id)
            .all(|id| all.get(&id).is_some_and(|events| events.iter().any(ended)))
    }

    fn note(&self, key: &str, body: &[u8]) {
        let Ok(event) = serde_json::from_slice::<contracts::event::Event>(body) else { return };
        let name = key.rsplit('.').next().unwrap_or_default().to_owned();
        let heard = Heard1 { name, sequence: event.data.sequence };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(event.data.job_id).or_default().push(heard);
    }
}

/// Listens to all events from now on.
pub async fn listen(url: SecretString) -> Result<Heard, Error> {
    let mut events = Subscriber::bind(&url, EVENTS_EXCHANGE, "#").await?;
    let heard = Heard::default();
    let notes = heard.clone();
    tokio::spawn(async move {
        while let Some((key, body)) = events.next().await {
            notes.note(&key, &body);
        }
    });
    Ok(heard)
}

/// What was confirmed: how often each part, by its place in the cast.
#[derive(Debug, Clone, Default)]
pub struct Confirmed {
    /// Messages that the broker confirmed.
    pub messages: usize,
    /// Whether the part at this place was confirmed at least once.
    pub parts: Vec<bool>,
}

/// Publishes the cast and its encores; every message is published until it is confirmed.
pub async fn publish(
    url: &SecretString,
    parts: &[Part],
    mut progress: impl FnMut(usize),
) -> Result<Confirmed, Error> {
    let publisher = Publisher::connect(url, "portal").await?;
    let mut confirmed = Confirmed { messages: 0, parts: vec![false; parts.len()] };
    let mut waiting: Vec<(usize, Pending)> = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let reused = String::from_utf8_lossy(&part.body)
            .replace("\"subject\":\"", "\"subject\":\"other-")
            .into_bytes();
        let again: &[&[u8]] = match part.encore {
            Encore::None => &[],
            Encore::Same => &[&part.body],
            Encore::Reused => &[&reused],
        };
        for body in std::iter::once(part.body.as_slice()).chain(again.iter().copied()) {
            let message = Message {
                exchange: JOBS_EXCHANGE,
                routing_key: &part.routing_key,
                body,
                mandatory: true,
                correlation_id: None,
                message_id: None,
                content_type: part.content_type,
            };
            waiting.push((place, publisher.publish(message).await?));
        }
        if waiting.len() >= UNCONFIRMED_MAX || place + 1 == parts.len() {
            for (place, pending) in waiting.drain(..) {
                if pending.confirmed().await? == Published::Confirmed {
                    confirmed.messages += 1;
                    confirmed.parts[place] = true;
                }
            }
            progress(place + 1);
        }
    }
    publisher.close().await;
    Ok(confirmed)
}
