//! Messages that ИИС «Е-қызмет» begins: which there are, and whether the portal heard of each.
//!
//! ```text
//! begun ─ pushed ─→ hub ─→ portal.message, message_received
//!           └ no hub took it in time: mailbox ─ the next look into it ─→ hub
//! ```
//!
//! *Guarantee*: a round is over only after each was heard of. Where nothing else is due, business time
//! moves to the next look into the mailbox.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use serde_json::Value;
use workers::demo::time;

use crate::{
    Error, Outcome,
    world::{World, text},
};

/// Business time between two looks into the mailbox: `pull_interval_s` of these worlds.
const LOOK_EVERY: SignedDuration = SignedDuration::from_hours(48);
/// What lies in the mailbox is heard of this long after a look is due, or the next one is waited for.
const FETCH_WAIT_MAX: Duration = Duration::from_secs(5);

impl World {
    /// The ids of the messages that were begun in this round, and the number of the next one.
    pub(crate) async fn begun(&self) -> Outcome<(Vec<String>, u64)> {
        let from = self.since.begun;
        let page = self.stage.control(&format!("begun?from={from}")).await?;
        // Simulators of an older release.
        if page["error"] == "no such page" {
            return Ok((Vec::new(), from));
        }
        if page["start"] != from {
            return Err(Error::Told("the simulators forgot messages of this round".into()));
        }
        let all = page["conversations"].as_array().into_iter().flatten();
        let ids = all.filter_map(|begun: &Value| text(&begun["key"])).collect();
        Ok((ids, page["end"].as_u64().unwrap_or(from)))
    }

    /// Whether the portal heard of every message that was begun in this round.
    pub(crate) async fn received_all(&self) -> Outcome<bool> {
        Ok(self.portal.received_all(&self.begun().await?.0))
    }

    /// Moves business time to the next look into the mailbox where a message was not heard of and nothing
    /// else is due; `true` if it moved.
    pub(crate) async fn fetch(&self) -> Outcome<bool> {
        if self.received_all().await? || self.has_just_fetched() {
            return Ok(false);
        }
        // Not whether a breaker is open: the look behind it is what closes it.
        let look = time::look(&self.stage).await?;
        let is_still = look.pulse.live == 0 && look.pulse.outbox == 0 && look.pulse.unread == 0;
        let is_pushed = self.stage.control("state").await?["in_flight"] != 0;
        if !is_still || is_pushed || look.next.is_some() {
            return Ok(false);
        }
        *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let to = look.now.checked_add(LOOK_EVERY).unwrap_or(look.now);
        self.stage.store.jump_to(to).await?;
        Ok(true)
    }

    fn has_just_fetched(&self) -> bool {
        let fetched = *self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.is_some_and(|at| at.elapsed() < FETCH_WAIT_MAX)
    }
}
