//! Our mailbox at the gateway for one service: who may put messages there, what waits in it, and
//! the word that they are stored.
//!
//! *Guarantee*: an empty list of senders believes nobody.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::{AMOUNT_MAX, confirm, pull};
use crate::{
    channel::Page,
    settings::{Sender, Settings},
    transport::{gateway::Gateway, secret, trouble::Trouble},
};

/// The mailbox of one service.
#[derive(Debug)]
pub struct Mailbox {
    service_id: &'static str,
    /// Time limit of one pull or confirmation.
    limit: Duration,
    amount: usize,
    senders: Vec<(String, Option<SecretString>)>,
}

impl Mailbox {
    /// Takes the believed senders and the time limit from the settings.
    pub fn new(service_id: &'static str, settings: &Settings, limit: Duration) -> Self {
        let limit = settings.call_timeout_ms.map_or(limit, Duration::from_millis);
        let sender = |one: &Sender| (one.sender_id.clone(), one.password.clone());
        let senders = settings.push_senders.iter().map(sender).collect();
        Self { service_id, limit, amount: AMOUNT_MAX, senders }
    }

    /// Asks for fewer messages in one page, where each may be large.
    #[must_use]
    pub const fn with_amount(mut self, amount: usize) -> Self {
        self.amount = amount;
        self
    }

    /// Whether a sender is in the list, with the password that the list may want.
    pub fn knows_sender(&self, sender_id: &str, password: Option<&str>) -> bool {
        self.senders.iter().any(|(id, wanted)| {
            id == sender_id
                && match (wanted, password) {
                    (None, _) => true,
                    (Some(wanted), Some(came)) => secret::is_same(wanted.expose_secret(), came),
                    (Some(_), None) => false,
                }
        })
    }

    /// Fetches one page of what waits. No message is an empty page.
    pub async fn pull(&self, gateway: &Gateway, now: Timestamp) -> Result<Page, Trouble> {
        pull(gateway, self.service_id, self.amount, now, self.limit).await
    }

    /// Tells that messages are stored, one by one.
    pub async fn confirm(
        &self,
        gateway: &Gateway,
        message_ids: &[String],
        now: Timestamp,
    ) -> Result<(), Trouble> {
        for id in message_ids {
            confirm(gateway, self.service_id, id, now, self.limit).await?;
        }
        Ok(())
    }
}
