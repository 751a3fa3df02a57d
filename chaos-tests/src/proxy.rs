//! An own TCP fault proxy: a line between two programs that can be made bad, and good again.
//!
//! ```text
//! client ⇄ [ door → up:   later · slower · held · swallowed · cut ] ⇄ target
//!                   down: the same, on its own
//! ```
//!
//! *Guarantee*: without conditions every byte arrives, in order, with its half-close. Whatever the
//! conditions were, bytes never arrive twice, out of order or changed: a connection that lost some
//! ends, or carries nothing any more. The port stays the proxy's own also while it refuses, so that no
//! stranger can take it.
//! Jitter comes from the seed, the connection's number and the direction.
//!
//! *Limits*: [`IN_FLIGHT_BYTES_MAX`] bytes of one direction of one connection are under way; who sends
//! more has to wait. [`CONNECTIONS_MAX`] at once; more are not taken. The target answers a dial within
//! [`DIAL_WAIT_MAX`], or who dialled is reset.
//!
//! *What this does not do*: it works on streams, not on packets: the sender's system hears an
//! acknowledgement of bytes that are held or swallowed.

mod carry;
mod conditions;
mod door;
mod lines;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{net::TcpSocket, sync::watch, task::JoinHandle};

pub use self::{
    conditions::{Conditions, Cut, Door, Ending, Flow, Way},
    lines::Lines,
};

/// Bytes of one direction of one connection that are under way.
pub const IN_FLIGHT_BYTES_MAX: u32 = 256 * 1024;
/// Connections at once.
pub const CONNECTIONS_MAX: usize = 1_000;
/// The target takes a connection within this.
pub const DIAL_WAIT_MAX: Duration = Duration::from_secs(5);
/// Connections that the system takes before the proxy has.
const BACKLOG: u32 = 1_024;

/// One listener in front of one target; dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    name: String,
    address: SocketAddr,
    line: Arc<Line>,
    door: JoinHandle<()>,
    // Bound and never listening: keeps the port while the door refuses.
    _port: TcpSocket,
}

/// What all connections of a proxy share.
#[derive(Debug)]
struct Line {
    target: SocketAddr,
    seed: u64,
    conditions: watch::Sender<Conditions>,
    /// How often all connections were ended, and how the last time.
    ended: watch::Sender<(u64, Ending)>,
    /// How often the path of all connections was lost.
    lost: watch::Sender<u64>,
    open: AtomicUsize,
    accepted: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

impl Proxy {
    /// Listens on a loopback port of its own. Must be called inside of a runtime.
    pub fn open(name: &str, target: SocketAddr, seed: u64) -> io::Result<Self> {
        let port = door::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = port.local_addr()?;
        let line = Arc::new(Line {
            target,
            seed,
            conditions: watch::Sender::new(Conditions::default()),
            ended: watch::Sender::new((0, Ending::Reset)),
            lost: watch::Sender::new(0),
            open: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
        });
        let listener = door::bind(address)?.listen(BACKLOG)?;
        let door = tokio::spawn(door::keep(address, listener, line.clone()));
        Ok(Self { name: name.to_owned(), address, line, door, _port: port })
    }

    /// What it is called in reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The conditions at this moment.
    pub fn conditions(&self) -> Conditions {
        *self.line.conditions.borrow()
    }

    /// From now on it is like this, for new connections and those that stand.
    pub fn set(&self, conditions: Conditions) {
        self.line.conditions.send_replace(conditions);
    }

    /// Changes some of the conditions.
    pub fn change(&self, change: impl FnOnce(&mut Conditions)) {
        self.line.conditions.send_modify(change);
    }

    /// A perfect line again. Connections that lost something by it are reset.
    pub fn heal(&self) {
        self.set(Conditions::default());
    }

    /// Ends all connections that stand, at once and whatever the conditions are.
    pub fn end_connections(&self, ending: Ending) {
        self.line.ended.send_modify(|ended| *ended = (ended.0 + 1, ending));
    }

    /// The path of all connections that stand is lost for ever, and nobody is told: what either side
    /// sends is swallowed, also its end. New connections pass. As when a virtual address moves, or a
    /// firewall forgets.
    pub fn lose_connections(&self) {
        self.line.lost.send_modify(|lost| *lost += 1);
    }

    /// Connections that stand.
    pub fn connections(&self) -> usize {
        self.line.open.load(Ordering::Relaxed)
    }

    /// Connections that were ever taken.
    pub fn accepted(&self) -> u64 {
        self.line.accepted.load(Ordering::Relaxed)
    }

    /// Bytes that have arrived: at the target, and back.
    pub fn arrived(&self) -> (u64, u64) {
        (self.line.up.load(Ordering::Relaxed), self.line.down.load(Ordering::Relaxed))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.door.abort();
        self.end_connections(Ending::Reset);
    }
}
