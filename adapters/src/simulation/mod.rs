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

pub mod behaviour;
pub mod chance;
pub mod control;
mod courier;
pub mod envelope;
pub mod gateway;
pub mod given;
pub mod journal;
pub mod orders;
pub mod phones;
pub mod post;
pub mod reply;
pub mod template;
pub mod wire;
pub mod xml;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use jiff::Timestamp;
use tokio::net::TcpListener;

use self::{
    behaviour::{Behaviour, Choice, Profile},
    chance::Chance,
    given::Given,
    journal::Journal,
    orders::Orders,
    phones::Phones,
    post::Post,
};

/// Business time. The caller shares it with the hub.
pub trait Clock: Send + Sync {
    /// The business time now.
    fn now(&self) -> Timestamp;
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
}

/// A simulated world: the state behind all simulators.
pub struct Simulation {
    options: Options,
    journal: Mutex<Journal>,
    orders: Orders,
    given: Given,
    phones: Phones,
    post: Post,
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
            phones: Phones::default(),
            post,
            profiles: Mutex::default(),
            answering: AtomicUsize::new(0),
        })
    }

    /// The business time now.
    pub fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Real time before a synchronous answer.
    pub const fn latency(&self) -> Duration {
        self.options.latency
    }

    /// Answers that are due later, and the mailbox.
    pub const fn post(&self) -> &Post {
        &self.post
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
        Chance::new(self.options.seed, parts)
    }

    /// How this request is treated: as ordered, else by a random fault, else by the person.
    pub fn choose<B: Behaviour>(&self, system: &'static str, number: &str, iin: &str) -> Choice<B> {
        let arrival = self.journal().arrive(system, number);
        let nth = arrival.nth.to_string();
        let mut chance = self.chance(&[system, number, &nth]);
        if let Some(name) = self.orders.take(system, number, iin)
            && let Some(behaviour) = B::parse(name)
        {
            return Choice { behaviour, chance };
        }
        let hit = chance.permille() < self.fault_permille.load(Ordering::Relaxed);
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
    let mut router = Router::new().nest_service("/control", control::router(simulation));
    for system in crate::systems::all() {
        let path = format!("/{}", system.spec().name);
        router = router.nest_service(&path, system.simulator(Arc::clone(simulation)));
    }
    router.layer(axum::middleware::from_fn_with_state(Arc::clone(simulation), given::answer))
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
