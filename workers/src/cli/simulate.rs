//! `hub simulate`: the simulators of all government systems, on one port.
//!
//! Their state lives in this process, so it outlives the hub that is tested against them. With
//! `--database-url` they share the hub's business time through the row `hub.clock`.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use adapters::simulation::{self, Clock, Options, Simulation, shelf::Shelf};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::net::TcpListener;

use super::{DONE, FAILED, complain, say};
use crate::{chance::Chance, clock, policy::pause::Pause, store::Store, telemetry::logs};

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
    /// Decides what is not chosen by a number or a control call.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many requests in a thousand meet a transport fault.
    #[arg(long, default_value_t = 0)]
    fault_permille: u16,
    /// Real milliseconds before a synchronous answer.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// A folder of systems with cases (`<system>/cases/<case>/`), laid over the cases of this
    /// program; read anew at every order.
    #[arg(long)]
    cases: Option<PathBuf>,
}

struct Shared;

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        clock::business_now()
    }
}

pub(super) async fn run(arguments: Arguments) -> u8 {
    logs::start("warn");
    if let Some(url) = arguments.database_url {
        let store = match Store::new(&SecretString::from(url), 2) {
            Ok(store) => store,
            Err(error) => {
                complain(&error);
                return FAILED;
            }
        };
        tokio::spawn(follow(store));
    }
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
    let simulation = Simulation::new(Options {
        clock: Arc::new(Shared),
        seed: arguments.seed,
        push_urls: arguments.push_urls,
        fault_permille: arguments.fault_permille,
        latency: Duration::from_millis(arguments.latency_ms),
        shelf: Shelf::new(arguments.cases),
    });
    simulation::serve(listener, simulation).await;
    DONE
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
