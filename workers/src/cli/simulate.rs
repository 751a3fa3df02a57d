//! `hub simulate`: the simulators of all government systems, on one port.
//!
//! Their state lives in this process, so it outlives the hub that is tested against them. Business
//! time is their own; with `--database-url` it is the hub's, in the row `hub.clock`, which they move
//! only with `--move-shared-clock`.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use adapters::simulation::{self, Clock, Options, Simulation, guard::Hosts, shelf::Shelf};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::net::TcpListener;

use super::{DONE, FAILED, WRONG_USE, complain, say};
use crate::{
    chance::Chance,
    clock,
    policy::{calendar::Calendar, pause::Pause},
    store::Store,
    telemetry::logs,
};

/// Where and how.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Where to push answers, for example http://127.0.0.1:8081/shep/async; repeatable.
    #[arg(long = "push-url")]
    push_urls: Vec<String>,
    /// The hub's database, to share its business time.
    #[arg(long, env = "HUB_DATABASE__URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Lets the control API move the hub's business time; the hub itself wants clock.allow_shift.
    #[arg(long, requires = "database_url")]
    move_shared_clock: bool,
    /// Decides what is not chosen by a number or a control call.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many requests in a thousand meet a transport fault.
    #[arg(long, default_value_t = 0)]
    fault_permille: u16,
    /// Real milliseconds before a synchronous answer.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// A folder of systems with cases (SYSTEM/cases/CASE/), laid over the cases of this program; read
    /// anew at every order.
    #[arg(long)]
    cases: Option<PathBuf>,
    /// How answers are written.
    #[arg(long, value_enum, default_value_t = Forms::Plain)]
    forms: Forms,
    /// A host name that clients of the page and the control API may use; repeatable.
    #[arg(long = "host")]
    hosts: Vec<String>,
}

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Forms {
    /// As the schema has it: what toolkits with a WSDL read.
    Plain,
    /// In all the ways that were met in the field: CDATA, escaped text, other prefixes.
    Any,
}

pub(super) async fn run(arguments: Arguments) -> u8 {
    logs::start("warn");
    if let Some(folder) = arguments.cases.as_deref().filter(|folder| !folder.is_dir()) {
        complain(&format!("--cases {}: expected a folder", folder.display()));
        return WRONG_USE;
    }
    let clock: Arc<dyn Clock> = match &arguments.database_url {
        Some(url) => match Store::new(&SecretString::from(url.clone()), 2) {
            Ok(store) => {
                tokio::spawn(follow(store.clone()));
                Arc::new(Shared { store, may_move: arguments.move_shared_clock })
            }
            Err(error) => {
                complain(&error);
                return FAILED;
            }
        },
        None => Arc::new(Own::default()),
    };
    let listener = match TcpListener::bind(arguments.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            complain(&format!("cannot listen on {}: {error}", arguments.listen));
            return FAILED;
        }
    };
    match listener.local_addr() {
        Ok(address) => say(&format!("simulators listen on http://{address}")),
        Err(error) => complain(&error),
    }
    if !arguments.listen.ip().is_loopback() {
        complain(
            &"WARNING: no login, and the page shows every request: whoever reaches this address \
              reads what is posted and changes how it is answered",
        );
    }
    let simulation = Simulation::new(Options {
        clock,
        seed: arguments.seed,
        push_urls: arguments.push_urls,
        fault_permille: arguments.fault_permille,
        latency: Duration::from_millis(arguments.latency_ms),
        shelf: Shelf::new(arguments.cases),
        is_plain: arguments.forms == Forms::Plain,
        hosts: Hosts(arguments.hosts),
    });
    simulation::serve(listener, simulation).await;
    DONE
}

/// Business time of this process alone: real time, and what it was moved by.
#[derive(Default)]
struct Own {
    shift_ms: AtomicI64,
}

#[async_trait]
impl Clock for Own {
    fn now(&self) -> Timestamp {
        let shift = SignedDuration::from_millis(self.shift_ms.load(Ordering::Relaxed));
        clock::real_now().checked_add(shift).unwrap_or(Timestamp::MAX)
    }

    fn after_business_days(&self, from: Timestamp, days: u16) -> Result<Timestamp, String> {
        after_business_days(from, days)
    }

    async fn jump(&self, to: Timestamp) -> Result<(), String> {
        let by = to.as_millisecond() - self.now().as_millisecond();
        self.shift_ms.fetch_add(by.max(0), Ordering::Relaxed);
        Ok(())
    }
}

/// The hub's business time.
struct Shared {
    store: Store,
    may_move: bool,
}

#[async_trait]
impl Clock for Shared {
    fn now(&self) -> Timestamp {
        clock::business_now()
    }

    fn after_business_days(&self, from: Timestamp, days: u16) -> Result<Timestamp, String> {
        after_business_days(from, days)
    }

    async fn jump(&self, to: Timestamp) -> Result<(), String> {
        if !self.may_move {
            return Err("business time is the hub's; start with --move-shared-clock, on a \
                        database whose hub has clock.allow_shift"
                .to_owned());
        }
        let moved = async {
            self.store.jump_to(to).await?;
            clock::refresh(&self.store).await
        };
        moved.await.map(drop).map_err(|error| format!("the hub's clock did not move: {error}"))
    }
}

fn after_business_days(from: Timestamp, days: u16) -> Result<Timestamp, String> {
    Calendar::built_in().deadline(from, days).map_err(|error| error.to_string())
}

/// Follows jumps of the hub's business time.
async fn follow(store: Store) {
    let mut pause = Pause::reconnecting(Chance::from_entropy());
    loop {
        if let Ok(mut jumps) = store.listen_for_jumps().await {
            pause.reset();
            while clock::refresh(&store).await.is_ok() && jumps.next().await.is_ok() {}
        }
        tokio::time::sleep(pause.next()).await;
    }
}
