//! Text messages that arrived on people's phones: what a person would read there.
//!
//! *Limits*: the last [`MESSAGES_MAX`] of all phones.

use std::{collections::VecDeque, sync::Mutex};

use jiff::Timestamp;
use serde::Serialize;

use super::locked;

/// Messages that are kept.
pub const MESSAGES_MAX: usize = 10_000;

/// All phones.
#[derive(Default)]
pub struct Phones(Mutex<VecDeque<(String, Sms)>>);

/// One message.
#[derive(Clone, Serialize)]
pub struct Sms {
    /// The hub's request that made somebody send it.
    pub request_number: String,
    /// What it is for.
    pub purpose: String,
    /// The digits in it.
    pub code: String,
    /// Its words.
    pub text: String,
    /// Business time.
    pub received_at: Timestamp,
}

impl Phones {
    /// A message arrives on a person's phone.
    pub fn receive(&self, iin: &str, sms: Sms) {
        let mut all = locked(&self.0);
        if all.len() == MESSAGES_MAX {
            all.pop_front();
        }
        all.push_back((iin.to_owned(), sms));
    }

    /// The last messages of all phones, newest first, with whose phone it is.
    pub fn last(&self, amount: usize) -> Vec<(String, Sms)> {
        locked(&self.0).iter().rev().take(amount).cloned().collect()
    }

    /// What a person received, oldest first.
    pub fn of(&self, iin: &str) -> Vec<Sms> {
        let all = locked(&self.0);
        all.iter().filter(|(of, _)| of == iin).map(|(_, sms)| sms.clone()).collect()
    }
}
