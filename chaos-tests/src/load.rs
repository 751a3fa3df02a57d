//! The portal under load: a drawn mix of all commands at a steady rate, with bursts, and people who
//! read their phones and type codes.
//!
//! ```text
//! rate ─→ mix: what is published next ─→ published until confirmed
//!          press ─ event: sent ─ phone ─→ check with the code
//!          message of Е-қызмет ─ event ─→ submission
//!          label ─ event: number ─→ its cancellation, for some
//! ```
//!
//! *Guarantee*: what is published is decided by the seed; when, by the rate. A message that was not
//! confirmed is published again, with the same id.
//!
//! *Limits*: [`OWED_MAX`] messages are made up for after a pause; [`ROUND_MAX`] are under way.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use contracts::state::State;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;
use workers::{
    broker::publisher::Publisher,
    demo::{
        cast::{Encore, Part},
        stage::Http,
    },
};

use crate::{
    Error, Outcome,
    evidence::order_number,
    mix::{Made, Mix},
    portal::{Letter, Portal},
    world::World,
};

/// Messages that are published late after the portal could not publish.
pub const OWED_MAX: f64 = 400.0;
/// Messages under way at once.
pub const ROUND_MAX: usize = 100;
/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(50);
/// One round of publishing ends within this; what was not confirmed comes in the next.
const ROUND_WAIT_MAX: Duration = Duration::from_secs(12);
/// Between two tries to reach a broker that is away.
const RECONNECT_EVERY: Duration = Duration::from_millis(200);

/// Somebody pressed «Отправить код» and waits for the message.
#[derive(Debug, Clone)]
struct Press {
    id: Uuid,
    iin: String,
    check: &'static str,
    subject: String,
}

#[derive(Debug, Default)]
struct Book {
    parts: Vec<Part>,
    /// Places that are not confirmed.
    open: Vec<usize>,
    /// Places that are published once more, confirmed or not.
    again: Vec<usize>,
    presses: Vec<Press>,
    /// Labels whose number is given back when it came: job and order.
    given_back: Vec<(Uuid, String)>,
    submitted: HashSet<String>,
}

#[derive(Debug)]
struct Shared {
    book: Mutex<Book>,
    /// Messages in a thousand seconds.
    rate: AtomicU64,
    burst: AtomicUsize,
    portal: Portal,
    simulators: String,
    http: Http,
}

/// The load; dropping it ends it.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Load {
    /// Begins with nothing: a rate starts it.
    pub fn start(world: &World, seed: u64) -> Self {
        let stage = &world.stage;
        let shared = Arc::new(Shared {
            book: Mutex::default(),
            rate: AtomicU64::new(0),
            burst: AtomicUsize::new(0),
            portal: world.portal.clone(),
            simulators: stage.simulators.clone(),
            http: stage.http().clone(),
        });
        let task = tokio::spawn(run(shared.clone(), Mix::seeded(seed, world.receiver.url())));
        Self { shared, task }
    }

    /// Publishes at this rate from now on.
    pub fn set_rate(&self, per_second: u64) {
        self.shared.rate.store(per_second * 1_000, Ordering::Relaxed);
    }

    /// Publishes so many at once.
    pub fn burst(&self, messages: usize) {
        self.shared.burst.fetch_add(messages, Ordering::Relaxed);
    }

    /// How many messages were made since the last [`Self::take`].
    pub fn made(&self) -> usize {
        self.shared.book().parts.len()
    }

    /// Publishes nothing new; returns when everything is confirmed and every code that came was
    /// typed. People whose message does not come within `patience` give up.
    pub async fn settle(&self, patience: Duration, wait_max: Duration) -> Outcome<()> {
        self.set_rate(0);
        let began = Instant::now();
        loop {
            let (open, presses) = {
                let mut book = self.shared.book();
                book.given_back.clear();
                if began.elapsed() > patience {
                    book.presses.clear();
                }
                (book.open.len() + book.again.len(), book.presses.len())
            };
            if open == 0 && presses == 0 && self.shared.burst.load(Ordering::Relaxed) == 0 {
                return Ok(());
            }
            if began.elapsed() > wait_max {
                let what = format!("the broker confirms every message; {open} are not");
                return Err(Error::Late(wait_max, what));
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Everything that was published since the last time; the load has settled.
    pub fn take(&self) -> Vec<Part> {
        std::mem::take(&mut *self.shared.book()).parts
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A press has its end; where it led to a check that is published now, unless the person gave up
    /// meanwhile.
    fn resolve(&self, press: Uuid, check: Option<Part>) {
        let mut book = self.book();
        let waited = book.presses.len();
        book.presses.retain(|waiting| waiting.id != press);
        if let Some(check) = check.filter(|_| book.presses.len() < waited) {
            book.write_down(check);
        }
    }

    /// A label that was to be given back has its end; where it led to a cancellation that is published
    /// now, unless the round is over.
    fn resolve_label(&self, label: Uuid, cancellation: Option<Part>) {
        let mut book = self.book();
        let waited = book.given_back.len();
        book.given_back.retain(|(id, _)| *id != label);
        if let Some(cancellation) = cancellation.filter(|_| book.given_back.len() < waited) {
            book.write_down(cancellation);
        }
    }

    fn write_down(&self, part: Part) {
        self.book().write_down(part);
    }
}

impl Book {
    fn write_down(&mut self, part: Part) {
        let place = self.parts.len();
        match part.encore {
            Encore::None => {}
            Encore::Same | Encore::Reused => self.again.push(place),
        }
        self.parts.push(part);
        self.open.push(place);
    }
}

async fn run(shared: Arc<Shared>, mut mix: Mix) {
    let mut publisher: Option<Publisher> = None;
    let (mut owed, mut last) = (0.0_f64, Instant::now());
    loop {
        tokio::time::sleep(TICK).await;
        let rate = f64::from(u32::try_from(shared.rate.load(Ordering::Relaxed)).unwrap_or(0));
        owed = (owed + rate / 1_000.0 * last.elapsed().as_secs_f64()).min(OWED_MAX);
        last = Instant::now();
        if rate == 0.0 {
            owed = 0.0;
        }
        let mut due = shared.burst.swap(0, Ordering::Relaxed);
        while owed >= 1.0 {
            (owed, due) = (owed - 1.0, due + 1);
        }
        for _ in 0..due {
            make(&shared, &mut mix).await;
        }
        follow_up(&shared, &mut mix).await;
        if let Err(()) = publish(&shared, &mut publisher).await {
            publisher = None;
            tokio::time::sleep(RECONNECT_EVERY).await;
        }
    }
}

async fn make(shared: &Shared, mix: &mut Mix) {
    match mix.next() {
        Made::Part(part) => shared.write_down(part),
        Made::Press { part, iin, check, subject } => {
            let id = part.id.unwrap_or_default();
            shared.write_down(part);
            shared.book().presses.push(Press { id, iin, check, subject });
        }
        Made::GivenBack { part, order } => {
            let id = part.id.unwrap_or_default();
            shared.write_down(part);
            shared.book().given_back.push((id, order));
        }
        Made::Message => {
            let order = json!({"system": "eqyzmet", "kind": "editable"});
            let url = format!("{}/control/begin", shared.simulators);
            // One that is not begun is one that nobody asked for.
            let request = shared.http.post(url).header("content-type", "application/json");
            drop(request.body(order.to_string()).send().await);
        }
    }
}

/// What people do when something has come.
async fn follow_up(shared: &Shared, mix: &mut Mix) {
    // A message comes again when the reviewer has decided; nobody answers after the round.
    let goes_on = shared.rate.load(Ordering::Relaxed) > 0;
    for message_id in shared.portal.take_messages() {
        if goes_on && shared.book().submitted.insert(message_id.clone()) {
            shared.write_down(mix.submission(&message_id));
        }
    }
    let given_back = shared.book().given_back.clone();
    for (label, order) in given_back.into_iter().filter(|_| goes_on) {
        match shared.portal.state_of(label) {
            Some(State::Succeeded) => {
                let number = read_label(shared, &order).await;
                let cancellation = number.map(|number| mix.cancellation(&order, &number));
                shared.resolve_label(label, cancellation);
            }
            Some(state) if state.is_terminal() => shared.resolve_label(label, None),
            Some(_) | None => {}
        }
    }
    let presses = shared.book().presses.clone();
    for press in presses {
        match shared.portal.state_of(press.id) {
            Some(State::Succeeded | State::InDoubt) => {
                let check = read_phone(shared, &press).await.map(|code| {
                    let (check, iin) = (press.check, press.iin.as_str());
                    mix.check_by_code(check, iin, &press.subject, press.id, &code)
                });
                shared.resolve(press.id, check);
            }
            Some(state) if state.is_terminal() => shared.resolve(press.id, None),
            Some(_) | None => {}
        }
    }
}

/// The number on a label, as Kazpost printed it.
async fn read_label(shared: &Shared, order: &str) -> Option<String> {
    let number = order_number(order);
    let page = format!("journal?system=kazpost&request_number={number}");
    let url = format!("{}/control/{page}", shared.simulators);
    let journal: Value =
        serde_json::from_str(&shared.http.get(url).send().await.ok()?.text().await.ok()?).ok()?;
    journal.as_array()?.iter().find_map(|entry| entry["given"].as_str().map(str::to_owned))
}

async fn read_phone(shared: &Shared, press: &Press) -> Option<String> {
    let url = format!("{}/control/phone/{}", shared.simulators, press.iin);
    let page: Value =
        serde_json::from_str(&shared.http.get(url).send().await.ok()?.text().await.ok()?).ok()?;
    let number = press.id.to_string();
    let mut messages = page["messages"].as_array()?.iter();
    let sms = messages.find(|sms| sms["request_number"] == number.as_str())?;
    sms["code"].as_str().map(str::to_owned)
}

async fn publish(shared: &Shared, publisher: &mut Option<Publisher>) -> Result<(), ()> {
    let (open, letters) = {
        let mut book = shared.book();
        let open: Vec<usize> = book.open.iter().copied().take(ROUND_MAX).collect();
        let room = ROUND_MAX - open.len();
        let extra = book.again.len().min(room);
        let again: Vec<usize> = book.again.drain(..extra).collect();
        let letter = |place: &usize| (*place, book.parts[*place].clone());
        let letters: Vec<(usize, Part)> = open.iter().chain(&again).map(letter).collect();
        (open, letters)
    };
    if letters.is_empty() {
        return Ok(());
    }
    let session = async {
        let ready = match publisher.take().filter(Publisher::is_open) {
            Some(ready) => ready,
            None => shared.portal.connect().await.map_err(drop)?,
        };
        let ready = publisher.insert(ready);
        let mut queue: VecDeque<Letter<'_>> =
            letters.iter().map(|(place, part)| Letter { place: *place, part }).collect();
        shared.portal.publish_over(ready, &mut queue).await.map_err(drop)
    };
    let ended = tokio::time::timeout(ROUND_WAIT_MAX, session).await.unwrap_or(Err(()));
    let confirmed = |place: &usize| shared.portal.is_confirmed(*place);
    shared.book().open.retain(|place| !(open.contains(place) && confirmed(place)));
    ended
}
