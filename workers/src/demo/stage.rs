//! The stage: own servers, simulators and hubs, as processes.
//!
//! *Guarantee*: everything on it is its own (ports, data, keys) and ends with it, also when its owner
//! is killed.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use adapters::system::System;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use super::reach::{Reach, Surroundings};
use crate::{
    chance::Chance,
    policy::calendar::Calendar,
    seal::Sealer,
    services::{self, Launch, Options, Output, Owned, Services},
    store::Store,
};

/// A hub is ready within this.
pub const READY_WAIT_MAX: Duration = Duration::from_secs(60);
/// A hub ends within this after it was asked to.
pub const STOP_WAIT_MAX: Duration = Duration::from_secs(30);
/// The system whose section is written last, so that a plan's settings can go on in it.
const LAST: &str = "gbdfl";

/// What talks to the control pages.
pub type Http = reqwest::Client;

const NOT_OWN: &str = "the servers of this stage belong to somebody else";

/// What to put on the stage.
pub struct Plan {
    /// The program `hub`.
    pub program: PathBuf,
    /// How many hubs.
    pub hubs: usize,
    /// Decides everything that looks random.
    pub seed: u64,
    /// Requests in a thousand that meet a transport fault.
    pub fault_permille: u16,
    /// Real time before a synchronous answer.
    pub latency: Duration,
    /// More settings of the hub, in TOML; the first lines belong to `[systems.gbdfl]`.
    pub settings: String,
    /// More environment of the hubs.
    pub environment: Vec<(String, String)>,
    /// Servers that somebody else runs, instead of private ones.
    pub servers: Option<Servers>,
    /// Whether a private PostgreSQL writes to disk before it says so.
    pub fsync: bool,
    /// Says what happens, to a person.
    pub say: fn(&str),
}

/// The addresses of a database and a broker that are the stage's alone.
#[derive(Debug, Clone)]
pub struct Servers {
    /// The database.
    pub database_url: SecretString,
    /// The broker, with its virtual host.
    pub amqp_url: SecretString,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan")
            .field("hubs", &self.hubs)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// What is on the stage.
#[derive(Debug)]
pub struct Stage {
    /// The private PostgreSQL and RabbitMQ, where the plan named no others.
    pub services: Option<Services>,
    /// Where database and broker are.
    pub servers: Servers,
    /// The simulators, by URL.
    pub simulators: String,
    /// The running hubs.
    pub hubs: Vec<Option<Owned>>,
    /// The database, for looking on.
    pub store: Store,
    program: PathBuf,
    environment: Vec<(String, String)>,
    folder: TempDir,
    addresses: Vec<Addresses>,
    simulator_process: Owned,
    http: reqwest::Client,
}

/// Where one hub listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Metrics and health.
    pub admin: SocketAddr,
    /// Pushes.
    pub inbound: SocketAddr,
}

/// The stage could not be built, or something on it failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL or RabbitMQ.
    #[error(transparent)]
    Services(#[from] services::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] crate::broker::Error),
    /// The key.
    #[error(transparent)]
    Seal(#[from] crate::seal::Error),
    /// A file, a port, a process.
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    /// The simulators or a hub did not answer.
    #[error("{0}")]
    Silent(String),
}

impl Stage {
    /// Builds the stage and waits until every hub is ready.
    pub async fn build(plan: &Plan) -> Result<Self, Error> {
        Self::build_in(plan, &Surroundings::default()).await
    }

    /// As [`Stage::build`], with more than one broker, or lines that go through something.
    pub async fn build_in(plan: &Plan, surroundings: &Surroundings) -> Result<Self, Error> {
        let (services, servers) = match &plan.servers {
            Some(servers) => (None, servers.clone()),
            None => start_services(plan, surroundings).await?,
        };
        let store = Store::new(&servers.database_url, 8)?;
        let folder = TempDir::with_prefix("hub-demo-").map_err(|e| Error::Io("work folder", e))?;
        Sealer::create_file(&folder.path().join("seal.key"), &Chance::from_entropy())?;
        match &surroundings.migrator {
            Some(program) => migrate_by(program, folder.path(), &servers).await?,
            None => make_schema(&store).await?,
        }
        let mut addresses = Vec::new();
        for _ in 0..plan.hubs {
            addresses.push(Addresses { admin: free_address()?, inbound: free_address()? });
        }
        let http = http_client();
        let (simulator_process, simulators) =
            start_simulators(plan, folder.path(), &servers.database_url, &addresses).await?;
        let mut stage = Self {
            services,
            servers,
            simulators,
            hubs: Vec::new(),
            store,
            program: plan.program.clone(),
            environment: plan.environment.clone(),
            folder,
            addresses,
            simulator_process,
            http,
        };
        for number in 0..plan.hubs {
            let mut reach = stage.reach();
            if let Some(detour) = &surroundings.detour {
                reach = detour(number, reach).map_err(|e| Error::Io("a detour", e))?;
            }
            stage.write_settings(number, &reach, &plan.settings)?;
            stage.hubs.push(None);
            stage.start_hub(number)?;
        }
        for number in 0..plan.hubs {
            stage.ready(number).await?;
        }
        Ok(stage)
    }

    /// The broker's address.
    pub fn amqp_url(&self) -> SecretString {
        self.servers.amqp_url.clone()
    }

    /// The stage's own servers, to ask them.
    pub fn own(&self) -> Result<&Services, Error> {
        self.services.as_ref().ok_or_else(|| Error::Silent(NOT_OWN.to_owned()))
    }

    /// The stage's own servers, to stop and start them.
    pub fn own_mut(&mut self) -> Result<&mut Services, Error> {
        self.services.as_mut().ok_or_else(|| Error::Silent(NOT_OWN.to_owned()))
    }

    /// Where a hub listens.
    pub fn addresses(&self, number: usize) -> Addresses {
        self.addresses[number]
    }

    /// The key that every hub here seals with.
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("seal.key")
    }

    /// The settings file of a hub.
    pub fn settings_file(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("hub-{number}.toml"))
    }

    /// The log of a hub.
    pub fn log_file(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("hub-{number}.log"))
    }

    /// A client for the simulators' control page and the hubs' admin pages.
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// What is started from now on is this program: another build beside those that run.
    pub fn set_program(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// Lets a program bring the schema as far as it knows it.
    pub async fn migrate_by(&self, program: &Path) -> Result<(), Error> {
        migrate_by(program, self.folder.path(), &self.servers).await
    }

    /// Starts a hub that does not run.
    pub fn start_hub(&mut self, number: usize) -> Result<(), Error> {
        let log = std::env::var("HUB_LOG").unwrap_or_else(|_| "info,lapin=off".into());
        let launch = Launch::new(&self.program)
            .args(["run", "--config"])
            .arg(self.settings_file(number))
            .env("HUB_LOG", log)
            .env("HUB_LOG_FORMAT", "text") // a person reads it
            .output(Output::Log(self.log_file(number)));
        let environment = self.environment.iter();
        let launch = environment.fold(launch, |launch, (name, value)| launch.env(name, value));
        self.hubs[number] = Some(launch.spawn()?);
        Ok(())
    }

    /// Kills a hub as the kernel would: nothing is finished.
    pub async fn kill_hub(&mut self, number: usize) {
        if let Some(hub) = self.hubs[number].take() {
            hub.kill().await;
        }
    }

    /// Waits until a hub is ready.
    pub async fn ready(&self, number: usize) -> Result<(), Error> {
        let url = format!("http://{}/health/ready", self.addresses[number].admin);
        let deadline = Instant::now() + READY_WAIT_MAX;
        while Instant::now() < deadline {
            let answer = self.http.get(&url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(exit) = self.hubs[number].as_ref().and_then(Owned::exit) {
                return Err(Error::Silent(format!(
                    "hub {number} ended: {exit}\n{}",
                    self.tail(number)
                )));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Error::Silent(format!("hub {number} did not become ready\n{}", self.tail(number))))
    }

    /// The last lines of a hub's log.
    pub fn tail(&self, number: usize) -> String {
        tail(&self.log_file(number))
    }

    /// Asks the simulators' control page.
    pub async fn control(&self, page: &str) -> Result<serde_json::Value, Error> {
        let url = format!("{}/control/{page}", self.simulators);
        let text = async { self.http.get(&url).send().await?.text().await };
        let text = text.await.map_err(|e| Error::Silent(format!("simulators: {e}")))?;
        serde_json::from_str(&text).map_err(|e| Error::Silent(format!("simulators: {e}")))
    }

    /// Tells the simulators' control page something.
    pub async fn order(&self, page: &str, body: &serde_json::Value) -> Result<(), Error> {
        let url = format!("{}/control/{page}", self.simulators);
        let request = self.http.post(&url).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await;
        let answer = answer.map_err(|e| Error::Silent(format!("simulators: {e}")))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let text = answer.text().await.unwrap_or_default();
        Err(Error::Silent(format!("the simulators refused an order: {text}")))
    }

    /// Ends everything in good order.
    pub async fn strike(mut self) {
        for hub in self.hubs.iter_mut().filter_map(Option::take) {
            hub.stop(STOP_WAIT_MAX).await;
        }
        self.simulator_process.kill().await;
        self.store.close().await;
        if let Some(services) = self.services {
            services.stop().await;
        }
    }

    fn reach(&self) -> Reach {
        Reach {
            amqp_url: self.servers.amqp_url.clone(),
            database_url: self.servers.database_url.clone(),
            simulators: self.simulators.clone(),
        }
    }

    fn write_settings(&self, number: usize, reach: &Reach, more: &str) -> Result<(), Error> {
        let Addresses { admin, inbound } = self.addresses[number];
        let (amqp, database) = (reach.amqp_url.expose_secret(), reach.database_url.expose_secret());
        let key = self.key_file();
        let systems = simulated_systems(&reach.simulators);
        let text = format!(
            r#"
[amqp]
url = "{amqp}"
[database]
url = "{database}"
[admin]
listen = "{admin}"
[inbound]
listen = "{inbound}"
[seal]
key_file = "{}"
[clock]
allow_shift = true
[links]
public_url = "http://{admin}"
{systems}{more}
"#,
            key.display()
        );
        std::fs::File::create(self.settings_file(number))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| Error::Io("settings file", e))
    }
}

/// The last lines of a log.
pub fn tail(log: &Path) -> String {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// The sections of all systems, each against its simulator.
fn simulated_systems(simulators: &str) -> String {
    let mut systems = adapters::systems::all();
    systems.sort_by_key(|system| system.spec().name == LAST);
    let section = |system: &dyn System| {
        let settings: String = system
            .simulated(simulators)
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n")) // these JSON values are TOML as well
            .collect();
        format!("[systems.{}]\n{settings}", system.spec().name)
    };
    systems.iter().map(|system| section(system.as_ref())).collect()
}

/// A client without limits on redirects or retries of its own: it talks to our own children.
#[expect(clippy::disallowed_methods, reason = "no government system: our own control pages")]
fn http_client() -> reqwest::Client {
    adapters::transport::http::install_tls();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .no_proxy()
        // Loopback only, without TLS: the machine's roots are not needed.
        .tls_certs_only([])
        .build()
        .expect("a plain client needs nothing that can be missing")
}

/// A loopback address with a port that was free a moment ago.
fn free_address() -> Result<SocketAddr, Error> {
    Ok(SocketAddr::from(([127, 0, 0, 1], services::free_port()?)))
}

async fn make_schema(store: &Store) -> Result<(), Error> {
    store.migrate().await?;
    let loaded = store.load_calendar(&Calendar::built_in()).await?;
    loaded.map(drop).map_err(|conflict| Error::Silent(conflict.to_string()))
}

async fn migrate_by(program: &Path, folder: &Path, servers: &Servers) -> Result<(), Error> {
    let log = folder.join("migrate.log");
    let launch = Launch::new(program)
        .arg("migrate")
        .env("HUB_DATABASE__URL", servers.database_url.expose_secret())
        .env("HUB_AMQP__URL", servers.amqp_url.expose_secret())
        .env("HUB_SEAL__KEY_FILE", folder.join("seal.key"))
        .output(Output::Log(log.clone()));
    let ended = tokio::time::timeout(READY_WAIT_MAX, launch.spawn()?.wait()).await;
    if ended.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let log = std::fs::read_to_string(log).unwrap_or_default();
    Err(Error::Silent(format!("{} does not migrate\n{log}", program.display())))
}

async fn start_services(
    plan: &Plan,
    surroundings: &Surroundings,
) -> Result<(Option<Services>, Servers), Error> {
    let say = plan.say;
    let options = Options { fsync: plan.fsync, say: Box::new(say), ..Options::default() };
    let services = Services::start_cluster(&options, &surroundings.cluster).await?;
    let servers = Servers {
        database_url: SecretString::from(services.postgres.url()),
        amqp_url: SecretString::from(services.amqp_urls()),
    };
    Ok((Some(services), servers))
}

async fn start_simulators(
    plan: &Plan,
    folder: &Path,
    database: &SecretString,
    hubs: &[Addresses],
) -> Result<(Owned, String), Error> {
    let address = free_address()?;
    let log = folder.join("simulate.log");
    let mut launch = Launch::new(&plan.program)
        .args(["simulate", "--listen", &address.to_string(), "--forms", "any"])
        .args(["--seed", &plan.seed.to_string()])
        .args(["--fault-permille", &plan.fault_permille.to_string()])
        .args(["--latency-ms", &plan.latency.as_millis().to_string()])
        .env("HUB_DATABASE__URL", database.expose_secret())
        .output(Output::Log(log.clone()));
    for hub in hubs {
        let url = format!("http://{}{}", hub.inbound, crate::inbound::PUSH_PATH);
        launch = launch.args(["--push-url", &url]);
    }
    let process = launch.spawn()?;
    let url = format!("http://{address}");
    let client = http_client();
    let deadline = Instant::now() + READY_WAIT_MAX;
    while Instant::now() < deadline {
        if client.get(format!("{url}/control/state")).send().await.is_ok() {
            return Ok((process, url));
        }
        if process.exit().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let log = std::fs::read_to_string(log).unwrap_or_default();
    Err(Error::Silent(format!("the simulators did not start\n{log}")))
}
