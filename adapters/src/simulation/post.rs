//! Messages that the government sends later.
//!
//! ```text
//! scheduled ─ due in business time ─→ waiting ─→ with the courier ─ 2xx ─→ delivered
//!                     │                  ↑ pause ─────┘ refused     └ TRIES_MAX ─→ mailbox
//!                     └ no push ─────────────────────────────────────────────────→ mailbox
//! mailbox ─ getMessages (stays) ─ MESSAGE_ACCEPTED ─→ delivered │ RESEND ─→ waiting
//! ```
//!
//! *Guarantee*: a message is in exactly one of these places until it is delivered or stopped.
//!
//! *Limits*: [`KEPT_MAX`] delivered messages and states of messages are remembered.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::{
    sync::{Notify, futures::Notified},
    time::Instant,
};

use super::locked;

mod message;

pub use message::{Message, Sender, Written};

/// A push is tried this often before the message goes to the mailbox.
pub const TRIES_MAX: u32 = 25;
/// Real time between two tries: 25 tries take about ten seconds.
pub const TRY_PAUSE: Duration = Duration::from_millis(400);
/// Delivered messages that are remembered, for repetitions and for getMessageStatus.
pub const KEPT_MAX: usize = 10_000;
/// Messages that a list of what waits shows.
pub const PENDING_SHOWN: usize = 500;

/// A message on its way.
#[derive(Clone)]
pub struct Parcel {
    /// What is sent.
    pub message: Arc<Message>,
    /// The journal's entry of the request that it answers.
    pub entry: Option<u64>,
    /// It is not pushed at all: it waits to be pulled.
    pub pull_only: bool,
    /// Where it goes, if not to the usual addresses.
    pub push_url: Option<String>,
    /// Pushes tried so far.
    pub tries: u32,
}

/// Where a message is (shep §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// On its way or in the mailbox.
    OnDelivery,
    /// The receiver took it.
    Delivered,
    /// The receiver does not want it.
    Stopped,
}

/// A message that waits.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// The gateway's id.
    pub message_id: u64,
    /// The registry's id of the interaction.
    pub service: String,
    /// Business time, where that decides.
    pub due: Option<Timestamp>,
    /// Where it waits.
    pub place: &'static str,
    /// It was not to be pushed at all.
    pub pull_only: bool,
    /// Pushes tried so far.
    pub tries: u32,
}

/// An order to send what waits.
#[derive(Debug, Clone)]
pub struct Hurry {
    /// One message; `None`: all.
    pub message_id: Option<u64>,
    /// Business time.
    pub due: Timestamp,
    /// Where it goes, if not to the usual addresses.
    pub url: Option<String>,
}

/// All messages.
pub struct Post {
    rooms: Mutex<Rooms>,
    /// Something may be due now.
    wake: Notify,
    /// A message left the courier, one way or the other.
    settled: Notify,
}

struct Rooms {
    push_urls: Vec<String>,
    tries_max: u32,
    try_pause: Duration,
    next_id: u64,
    scheduled: BTreeMap<(Timestamp, u64), Parcel>,
    waiting: BTreeMap<(Instant, u64), Parcel>,
    carried: HashMap<u64, Parcel>,
    mailbox: BTreeMap<u64, Parcel>,
    kept: VecDeque<(u64, State, Option<Parcel>)>,
}

impl Post {
    /// Ids start at the business time in milliseconds, so that they differ after a restart: the hub
    /// recognises duplicates by them.
    pub fn new(now: Timestamp, push_urls: Vec<String>) -> Self {
        let next_id = u64::try_from(now.as_millisecond()).unwrap_or(1);
        let rooms = Rooms {
            push_urls,
            tries_max: TRIES_MAX,
            try_pause: TRY_PAUSE,
            next_id,
            scheduled: BTreeMap::new(),
            waiting: BTreeMap::new(),
            carried: HashMap::new(),
            mailbox: BTreeMap::new(),
            kept: VecDeque::new(),
        };
        Self { rooms: Mutex::new(rooms), wake: Notify::new(), settled: Notify::new() }
    }

    /// A decimal id, as the gateway makes them: for messages and for chains.
    pub fn next_id(&self) -> u64 {
        let mut rooms = locked(&self.rooms);
        rooms.next_id += 1;
        rooms.next_id
    }

    /// Sends a message when business time reaches `due`.
    pub fn schedule(&self, due: Timestamp, parcel: Parcel) {
        locked(&self.rooms).scheduled.insert((due, parcel.message.message_id), parcel);
        self.wake.notify_one();
    }

    /// Remembers that a message of the hub arrived here.
    pub fn arrived(&self, message_id: u64) {
        locked(&self.rooms).keep(message_id, State::Delivered, None);
    }

    /// Where pushes go from now on.
    pub fn set_push_urls(&self, urls: Vec<String>) {
        locked(&self.rooms).push_urls = urls;
        self.wake.notify_one();
    }

    /// How often and how fast a push is tried, instead of [`TRIES_MAX`] and [`TRY_PAUSE`].
    pub fn set_patience(&self, tries_max: u32, try_pause: Duration) {
        let mut rooms = locked(&self.rooms);
        (rooms.tries_max, rooms.try_pause) = (tries_max, try_pause);
    }

    /// Where pushes go.
    pub fn push_urls(&self) -> Vec<String> {
        locked(&self.rooms).push_urls.clone()
    }

    /// Messages under way, or due now.
    pub fn active(&self, now: Timestamp) -> usize {
        let rooms = locked(&self.rooms);
        let due = rooms.scheduled.range(..=(now, u64::MAX)).count();
        due + rooms.waiting.len() + rooms.carried.len()
    }

    /// When the next scheduled message is due, where it is not due yet.
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let rooms = locked(&self.rooms);
        rooms.scheduled.range((now, u64::MAX)..).next().map(|((due, _), _)| *due)
    }

    /// Messages that wait to be pulled.
    pub fn mailbox_len(&self) -> usize {
        locked(&self.rooms).mailbox.len()
    }

    /// The messages that wait to be pulled, oldest first, as far as they fit.
    pub fn mailbox(&self, amount: usize, fits: impl Fn(&Message) -> bool) -> Vec<Arc<Message>> {
        let rooms = locked(&self.rooms);
        let messages = rooms.mailbox.values().map(|parcel| &parcel.message);
        messages.filter(|message| fits(message)).take(amount).cloned().collect()
    }

    /// The receiver says what became of a message. `None`: nobody knows it.
    pub fn receipt(&self, message_id: u64, receipt: Receipt) -> Option<Parcel> {
        let mut rooms = locked(&self.rooms);
        let parcel = match rooms.mailbox.remove(&message_id) {
            Some(parcel) => parcel,
            None => rooms
                .kept
                .iter()
                .rev()
                .find_map(|(id, _, parcel)| parcel.clone().filter(|_| *id == message_id))?,
        };
        match receipt {
            Receipt::Accepted => rooms.keep(message_id, State::Delivered, Some(parcel.clone())),
            Receipt::Refused => rooms.keep(message_id, State::Stopped, Some(parcel.clone())),
            Receipt::Resend => {
                rooms.kept.retain(|(id, _, _)| *id != message_id);
                rooms.put(Parcel { tries: 0, ..parcel.clone() });
            }
        }
        drop(rooms);
        self.wake.notify_one();
        Some(parcel)
    }

    /// Where a message is. `None`: nobody knows it.
    pub fn state(&self, message_id: u64) -> Option<State> {
        let rooms = locked(&self.rooms);
        let kept = rooms.kept.iter().rev().find(|(id, _, _)| *id == message_id);
        kept.map(|(_, state, _)| *state).or_else(|| rooms.is_open(message_id))
    }

    /// The last message that was delivered.
    pub fn last_delivered(&self) -> Option<Arc<Message>> {
        let rooms = locked(&self.rooms);
        rooms.kept.iter().rev().find_map(|(_, state, parcel)| {
            let parcel = parcel.as_ref().filter(|_| *state == State::Delivered)?;
            Some(Arc::clone(&parcel.message))
        })
    }

    /// Whether a message that waits (or, without a number, one of those that do) has no address.
    pub fn has_nowhere(&self, message_id: Option<u64>) -> bool {
        let rooms = locked(&self.rooms);
        let wanted = |parcel: &&Parcel| {
            message_id.is_none_or(|id| id == parcel.message.message_id) && parcel.push_url.is_none()
        };
        let mut waiting = rooms.scheduled.values().chain(rooms.mailbox.values());
        rooms.push_urls.is_empty() && waiting.any(|parcel| wanted(&parcel))
    }

    /// Messages that wait, the next first: id, business time, place.
    pub fn pending(&self) -> Vec<Waiting> {
        let rooms = locked(&self.rooms);
        let scheduled =
            rooms.scheduled.iter().map(|((due, _), one)| (Some(*due), "scheduled", one));
        let trying = rooms.waiting.values().chain(rooms.carried.values());
        let trying = trying.map(|one| (None, "being pushed", one));
        let mailbox = rooms.mailbox.values().map(|one| (None, "in the mailbox", one));
        let all = trying.chain(scheduled).chain(mailbox).take(PENDING_SHOWN);
        all.map(|(due, place, parcel)| Waiting {
            message_id: parcel.message.message_id,
            service: parcel.message.service().to_owned(),
            due,
            place,
            pull_only: parcel.pull_only,
            tries: parcel.tries,
        })
        .collect()
    }

    /// Messages that wait go out at another time, even those that were to be pulled. Returns how
    /// many.
    pub fn hurry(&self, hurry: &Hurry) -> usize {
        let mut rooms = locked(&self.rooms);
        let is_wanted = |id: u64| hurry.message_id.is_none_or(|wanted| wanted == id);
        let scheduled: Vec<_> =
            rooms.scheduled.keys().filter(|(_, id)| is_wanted(*id)).copied().collect();
        let mailbox: Vec<u64> =
            rooms.mailbox.keys().filter(|id| is_wanted(**id)).copied().collect();
        let mut moved: Vec<Parcel> =
            scheduled.iter().filter_map(|key| rooms.scheduled.remove(key)).collect();
        moved.extend(mailbox.iter().filter_map(|id| rooms.mailbox.remove(id)));
        let count = moved.len();
        for parcel in moved {
            let push_url = hurry.url.clone().or(parcel.push_url);
            let parcel = Parcel { push_url, pull_only: false, tries: 0, ..parcel };
            rooms.scheduled.insert((hurry.due, parcel.message.message_id), parcel);
        }
        drop(rooms);
        self.wake.notify_one();
        count
    }

    /// Business time has jumped.
    pub(super) fn look_again(&self) {
        self.wake.notify_one();
    }

    /// Waits until the courier is done with a message: it was delivered or put to the mailbox.
    pub async fn wait_until_settled(&self, message_id: u64) {
        loop {
            let settled: Notified<'_> = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if locked(&self.rooms).is_settled(message_id) {
                return;
            }
            settled.await;
        }
    }

    /// Waits until something may be due.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Messages that were with a courier who is gone are carried again.
    pub(super) fn take_back_carried(&self) {
        let mut rooms = locked(&self.rooms);
        let carried: Vec<_> = rooms.carried.drain().map(|(_, parcel)| parcel).collect();
        for parcel in carried {
            rooms.waiting.insert((Instant::now(), parcel.message.message_id), parcel);
        }
    }

    /// Hands messages to the courier, at most `room` of them. Also returns the journal entries
    /// whose messages became due just now.
    pub(super) fn collect(&self, now: Timestamp, room: usize) -> (Vec<Parcel>, Vec<u64>) {
        let mut rooms = locked(&self.rooms);
        let mut became_due = Vec::new();
        while let Some(first) = rooms.scheduled.first_entry() {
            if first.key().0 > now {
                break;
            }
            let parcel = first.remove();
            became_due.extend(parcel.entry);
            rooms.put(parcel);
        }
        let instant = Instant::now();
        let mut ready = Vec::new();
        while ready.len() < room
            && let Some(first) = rooms.waiting.first_entry()
            && first.key().0 <= instant
        {
            let parcel = first.remove();
            rooms.carried.insert(parcel.message.message_id, parcel.clone());
            ready.push(parcel);
        }
        drop(rooms);
        self.settled.notify_waiters();
        (ready, became_due)
    }

    /// The courier comes back.
    pub(super) fn settle(&self, mut parcel: Parcel, delivered: bool) {
        let id = parcel.message.message_id;
        let mut rooms = locked(&self.rooms);
        rooms.carried.remove(&id);
        parcel.tries += 1;
        if delivered {
            rooms.keep(id, State::Delivered, Some(parcel));
        } else if parcel.tries >= rooms.tries_max {
            rooms.mailbox.insert(id, parcel);
        } else {
            let again = Instant::now() + rooms.try_pause;
            rooms.waiting.insert((again, id), parcel);
        }
        drop(rooms);
        self.settled.notify_waiters();
    }
}

/// What a receiver says about a message (shep §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// MESSAGE_ACCEPTED.
    Accepted,
    /// MESSAGE_NOT_ACCTEPTED (sic) with NOT_RESEND.
    Refused,
    /// MESSAGE_NOT_ACCTEPTED (sic) with RESEND.
    Resend,
}

impl Rooms {
    /// To the courier, or to the mailbox where nobody is to be called.
    fn put(&mut self, parcel: Parcel) {
        let id = parcel.message.message_id;
        let has_nowhere = self.push_urls.is_empty() && parcel.push_url.is_none();
        if parcel.pull_only || has_nowhere {
            self.mailbox.insert(id, parcel);
        } else {
            self.waiting.insert((Instant::now(), id), parcel);
        }
    }

    fn keep(&mut self, message_id: u64, state: State, parcel: Option<Parcel>) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((message_id, state, parcel));
    }

    fn is_settled(&self, id: u64) -> bool {
        self.mailbox.contains_key(&id) || self.is_open(id).is_none()
    }

    fn is_open(&self, id: u64) -> Option<State> {
        let open = self.carried.contains_key(&id)
            || self.mailbox.contains_key(&id)
            || self.scheduled.keys().any(|(_, scheduled)| *scheduled == id)
            || self.waiting.keys().any(|(_, waiting)| *waiting == id);
        open.then_some(State::OnDelivery)
    }
}
