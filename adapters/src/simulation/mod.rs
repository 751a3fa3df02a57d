//! What all simulators share: a small government that behaves badly on purpose.
//!
//! ```text
//! POST /<system>/ ─→ systems/<system>/simulator.rs ─ choose ─→ behaviour ─→ reply (wire, reply)
//!                         │                    └ journal: what was asked, what was executed
//!                         ├ post: answers due later ─ courier ─→ push to the hub │ mailbox
//!                         └ phones: text messages, as a person reads them
//! /control/       ─→ control: look at the state, order a behaviour, send a hostile push
//! ```
//!
//! *Guarantee*: the journal is the truth that an oracle compares the hub with. A request counts as
//! executed before its answer is chosen to be lost, and never afterwards. Everything is decided by
//! the seed, the request number and how often that number came, so a run can be repeated.
//!
//! *Independence*: nothing here uses the adapters' readers or writers. Both sides were written from
//! the contract alone, so that a misreading on one side shows.
//!
//! *Limits*: each store has a named one: [`journal`], [`post`], [`orders`],
//! [`phones`], [`xml`].
//!
//! *What this does not do*: verify signatures, check consent tokens, or survive a restart.

mod asked;
pub mod begun;
pub mod behaviour;
pub mod chance;
pub mod control;
mod courier;
pub mod envelope;
pub mod exchanges;
pub mod front;
pub mod gateway;
pub mod given;
pub mod guard;
pub mod journal;
pub mod misread;
pub mod near;
pub mod number;
pub mod orders;
mod page;
pub mod phones;
pub mod post;
pub mod recorded;
mod renew;
pub mod reply;
pub mod shelf;
pub mod template;
pub mod visit;
pub mod wire;
pub mod wsdl;
pub mod xml;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    extract::{Request, State},
    middleware::Next,
    response::Response,
    routing::get,
};
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;

use self::{
    begun::Begun,
    behaviour::{Behaviour, Choice, Profile},
    chance::Chance,
    exchanges::Exchanges,
    given::Given,
    guard::Hosts,
    journal::{Entry, Journal},
    near::NearMisses,
    orders::Orders,
    phones::Phones,
    post::{Message, Parcel, Post},
    recorded::Recorded,
    shelf::Shelf,
};

/// Business time. The caller shares it with the hub.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The business time now.
    fn now(&self) -> Timestamp;

    /// The first instant after so many business days, the day of `from` not counted. `Err` says why
    /// that is not known.
    fn after_business_days(&self, _from: Timestamp, _days: u16) -> Result<Timestamp, String> {
        Err("this clock knows no business days".to_owned())
    }

    /// Moves business time forward. `Err` says why it does not move.
    async fn jump(&self, _to: Timestamp) -> Result<(), String> {
        Err("this clock is not to be moved".to_owned())
    }
}

/// How a simulation behaves as a whole.
#[derive(Clone)]
pub struct Options {
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Decides everything that looks random.
    pub seed: u64,
    /// The hub's inbound endpoints, tried in turn. Empty: every answer goes to the mailbox.
    pub push_urls: Vec<String>,
    /// Requests in a thousand that meet a transport fault.
    pub fault_permille: u16,
    /// Real time that passes before a synchronous answer.
    pub latency: Duration,
    /// Recorded cases that can be ordered as answers.
    pub shelf: Shelf,
    /// Answers are written as the schema has it, not in all the ways that were met in the field.
    pub is_plain: bool,
    /// Host names of the control API and the page, besides addresses.
    pub hosts: Hosts,
}

/// What somebody set for one system alone.
#[derive(Debug, Clone, Copy, Default)]
struct Setting {
    fault_permille: Option<u16>,
    latency: Option<Duration>,
}

/// A simulated world: the state behind all simulators.
pub struct Simulation {
    options: Options,
    journal: Mutex<Journal>,
    orders: Orders,
    given: Given,
    recorded: Recorded,
    exchanges: Exchanges,
    near_misses: NearMisses,
    settings: Mutex<BTreeMap<String, Setting>>,
    phones: Phones,
    post: Post,
    begun: Begun,
    profiles: Mutex<BTreeMap<&'static str, Profile>>,
    answering: AtomicUsize,
    fault_permille: AtomicU16,
}

/// A request number meets at most this many random faults, so that retries succeed in the end.
pub const FAULTS_PER_NUMBER_MAX: u32 = 2;

impl Simulation {
    /// A world in which nothing has happened yet.
    pub fn new(options: Options) -> Arc<Self> {
        let post = Post::new(options.clock.now(), options.push_urls.clone());
        Arc::new(Self {
            fault_permille: AtomicU16::new(options.fault_permille),
            options,
            journal: Mutex::default(),
            orders: Orders::default(),
            given: Given::default(),
            recorded: Recorded::default(),
            exchanges: Exchanges::default(),
            near_misses: NearMisses::default(),
            settings: Mutex::default(),
            phones: Phones::default(),
            post,
            begun: Begun::default(),
            profiles: Mutex::default(),
            answering: AtomicUsize::new(0),
        })
    }

    /// The business time now.
    pub fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Real time before an answer of this system (the first part of its path).
    pub fn latency_of(&self, system: &str) -> Duration {
        let own = locked(&self.settings).get(system).and_then(|setting| setting.latency);
        own.unwrap_or(self.options.latency)
    }

    /// Requests in a thousand that meet a transport fault at this system.
    pub fn fault_permille_of(&self, system: &str) -> u16 {
        let own = locked(&self.settings).get(system).and_then(|setting| setting.fault_permille);
        own.unwrap_or_else(|| self.fault_permille.load(Ordering::Relaxed))
    }

    /// Answers that are due later, and the mailbox.
    pub const fn post(&self) -> &Post {
        &self.post
    }

    /// Conversations that systems began.
    pub const fn begun(&self) -> &Begun {
        &self.begun
    }

    /// Text messages that arrived.
    pub const fn phones(&self) -> &Phones {
        &self.phones
    }

    /// Behaviours that were ordered by hand.
    pub const fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Answers that were ordered word by word.
    pub const fn given(&self) -> &Given {
        &self.given
    }

    /// What was asked and executed. Hold it shortly: every request takes it.
    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        locked(&self.journal)
    }

    /// Writes down what was done with a request. Returns its number in the journal.
    pub fn write_down(&self, entry: Entry) -> u64 {
        visit::note(|visit| {
            visit.executed = entry.executed;
            if visit.behaviour.is_empty() {
                entry.outcome.clone_into(&mut visit.behaviour);
            }
        });
        self.journal().append(entry)
    }

    /// Sends a message when business time reaches `due`, unless the order of the request that is
    /// being answered says when and whereto.
    pub fn send(&self, due: Timestamp, message: Message, entry: Option<u64>, pull_only: bool) {
        let now = self.now();
        let order = visit::note(|visit| {
            let moved = visit.push_after.map_or(SignedDuration::ZERO, |wanted| {
                *visit.moved_by.get_or_insert(wanted - due.duration_since(now))
            });
            (moved, visit.push_url.clone())
        });
        let (moved, push_url) = order.unwrap_or_default();
        let due =
            if moved.is_zero() { due } else { due.checked_add(moved).unwrap_or(due).max(now) };
        let pull_only = pull_only && push_url.is_none();
        let parcel = Parcel { message: Arc::new(message), entry, pull_only, push_url, tries: 0 };
        self.post.schedule(due, parcel);
    }

    /// The name of a system, where there is one of this name.
    fn system(&self, name: &str) -> Option<&'static str> {
        locked(&self.profiles).get_key_value(name).map(|(name, _)| *name)
    }

    /// Changes how many requests in a thousand meet a transport fault.
    pub fn set_fault_permille(&self, permille: u16) {
        self.fault_permille.store(permille, Ordering::Relaxed);
    }

    /// Makes a system known to the control API.
    pub fn register(&self, profile: Profile) {
        locked(&self.profiles).insert(profile.system, profile);
    }

    /// Counts a request as being answered until the guard is dropped.
    pub fn answering(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    /// A generator for one purpose; the same parts give the same numbers.
    pub fn chance(&self, parts: &[&str]) -> Chance {
        let chance = Chance::new(self.options.seed, parts);
        if self.options.is_plain { chance.plain() } else { chance }
    }

    /// How this request is treated: as ordered, else by a random fault, else by the person.
    pub fn choose<B: Behaviour>(&self, system: &'static str, number: &str, iin: &str) -> Choice<B> {
        let arrival = self.journal().arrive(system, number);
        let nth = arrival.nth.to_string();
        let mut chance = self.chance(&[system, number, &nth]);
        if let Some(taken) = self.orders.take(system, number, iin)
            && let Some(behaviour) = B::parse(taken.behaviour)
        {
            visit::note(|visit| {
                (visit.push_url, visit.push_after) = (taken.push_url, taken.push_after);
            });
            return Choice { behaviour, chance };
        }
        let hit = chance.permille() < self.fault_permille_of(system);
        if hit && arrival.faults < FAULTS_PER_NUMBER_MAX {
            self.journal().count_fault(system, number);
            return Choice { behaviour: chance.pick(B::FAULTS), chance };
        }
        Choice { behaviour: self.of_person(system, iin), chance }
    }

    /// What the registry knows about this person: the same at every request.
    fn of_person<B: Behaviour>(&self, system: &str, iin: &str) -> B {
        if let Some(behaviour) = B::of_synthetic(iin) {
            return behaviour;
        }
        let drawn = self.chance(&[system, "person", iin]).permille();
        let mut below = 0;
        for (permille, behaviour) in B::OTHERS {
            below += permille;
            if drawn < below {
                return *behaviour;
            }
        }
        B::OTHERS[0].1
    }

    fn busy(&self) -> usize {
        self.answering.load(Ordering::Relaxed) + self.post.active(self.now())
    }
}

/// A request that is being answered.
pub struct Answering(Arc<Simulation>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Every system below `/<system>/` and the control API below `/control/`. Answers that come later
/// also need [`deliver`].
pub fn router(simulation: &Arc<Simulation>) -> Router {
    let mut systems = Router::new();
    for system in crate::systems::all() {
        let path = format!("/{}", system.spec().name);
        systems = systems.nest_service(&path, system.simulator(Arc::clone(simulation)));
    }
    let given = axum::middleware::from_fn_with_state(Arc::clone(simulation), given::answer);
    let systems = systems.layer(given);
    let front = axum::middleware::from_fn_with_state(Arc::clone(simulation), front::pass);
    let systems = systems.fallback(front::lost).with_state(Arc::clone(simulation)).layer(front);
    // Outermost: what a system is slow with is under way, too.
    let counted = axum::middleware::from_fn_with_state(Arc::clone(simulation), count);
    let systems = systems.layer(counted);
    let hosts = Arc::new(simulation.options.hosts.clone());
    let guard = axum::middleware::from_fn_with_state(hosts, guard::pass);
    let control = control::router(simulation).layer(guard.clone());
    let page = Router::new().route("/", get(page::show)).layer(guard);
    systems.nest_service("/control", control).merge(page)
}

/// Counts the requests of a system that are being answered at the same moment; one whose caller goes
/// away counts no more.
async fn count(
    State(simulation): State<Arc<Simulation>>,
    request: Request,
    next: Next,
) -> Response {
    struct Leaves(Arc<Simulation>, &'static str);
    impl Drop for Leaves {
        fn drop(&mut self) {
            self.0.journal().leave(self.1);
        }
    }
    let first = request.uri().path().trim_start_matches('/').split('/').next();
    let names = crate::systems::all().into_iter().map(|system| system.spec().name);
    let Some(system) = names.into_iter().find(|name| Some(*name) == first) else {
        return next.run(request).await;
    };
    simulation.journal().enter(system);
    let _leaves = Leaves(simulation, system);
    next.run(request).await
}

/// Brings due answers to the hub, for as long as it is polled.
pub async fn deliver(simulation: &Arc<Simulation>) {
    courier::run(simulation).await;
}

/// Serves until dropped; then every open connection is closed too.
///
/// # Panics
/// Where no HTTP client for pushes can be built.
pub async fn serve(listener: TcpListener, simulation: Arc<Simulation>) {
    let (open, closing) = tokio::sync::watch::channel(());
    let app = router(&simulation).into_make_service_with_connect_info::<wire::Line>();
    let serving = axum::serve(wire::Doorway::new(listener, closing), app).into_future();
    tokio::select! {
        ended = serving => if let Err(error) = ended {
            tracing::error!(%error, "the simulators stopped serving");
        },
        () = deliver(&simulation) => {}
    }
    drop(open);
}

/// Poisoning is no reason to stop a simulator: its state is only counters and queues.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
