//! The settings of the program: one TOML file, overridden by the environment.
//!
//! *Guarantee*: [`Config::load`] reports every fault at once, with key, value and expectation, and
//! nothing has been started by then.

mod promise;
mod protection;
mod reader;
mod retention;
mod retry;
mod stands;
mod telemetry;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use adapters::{
    settings::{Form, OptionSpec, Sender, Settings},
    systems,
};
use contracts::operation::{OperationSpec, SlaSpec, SystemSpec};
use secrecy::SecretString;

use self::reader::Reader;
pub use self::{
    protection::Protection,
    reader::{Problem, Secrets},
    retention::Retention,
    stands::{Stand, stands},
    telemetry::Telemetry,
};
use crate::{
    broker::address,
    callback::Secret,
    policy::{calendar::Calendar, retry::Policy},
};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// A dead worker's jobs are rescued within 15 seconds: a lease and two of its quarters.
pub const LEASE: Duration = Duration::from_secs(8);
/// The longest lease that keeps that promise.
pub const LEASE_MAX: Duration = Duration::from_secs(9);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `amqp.url`.
    pub amqp_url: SecretString,
    /// `database.url`.
    pub database_url: SecretString,
    /// `database.connections_max`.
    pub connections_max: u32,
    /// `admin.listen`.
    pub admin_listen: SocketAddr,
    /// `inbound.listen`.
    pub inbound_listen: SocketAddr,
    /// `inbound.body_bytes_max`.
    pub inbound_body_bytes_max: usize,
    /// `inbound.unverified_per_minute`: messages of strangers that a process stores.
    pub inbound_unverified_per_minute: u32,
    /// `seal.key_file`.
    pub seal_key_file: PathBuf,
    /// The business calendar: the program's own, or that of `calendar.folder`.
    pub calendar: Arc<Calendar>,
    /// `clock.allow_shift`.
    pub allow_shift: bool,
    /// `worker.lease_ms`.
    pub lease: Duration,
    /// `worker.shutdown_limit_ms`.
    pub shutdown_limit: Duration,
    /// `[pipeline]`.
    pub pipeline: Pipeline,
    /// `[operations.<system>.<operation>]`, by the operation's full name.
    pub operations: BTreeMap<&'static str, OperationSettings>,
    /// Links to files.
    pub links: Links,
    /// How long history is kept.
    pub retention: Retention,
    /// Events delivered by HTTP as well.
    pub callbacks: Callbacks,
    /// Where traces go.
    pub telemetry: Telemetry,
    /// `[systems.<name>]`: the systems that have an address.
    pub systems: BTreeMap<&'static str, Settings>,
    /// How each of them is protected.
    pub protection: BTreeMap<&'static str, Protection>,
}

/// Limits of the way through the hub.
#[derive(Debug, Clone, Copy)]
pub struct Pipeline {
    /// Unacknowledged deliveries a queue.
    pub prefetch: u16,
    /// Jobs in one commit.
    pub batch_max: usize,
    /// Jobs of one system that are stored and not started, before its queue is left alone.
    pub stored_max: usize,
    /// How long a delivery waits for a permit before it is stored.
    pub permit_wait: Duration,
    /// Events that the broker has not confirmed.
    pub unconfirmed_max: usize,
    /// Keep the raw exchange of every attempt, not only of those that failed.
    pub keep_all_exchanges: bool,
}

/// Links to files that came with answers.
#[derive(Debug, Clone)]
pub struct Links {
    /// Where people reach the admin listener's `/labels/`, without a slash at the end.
    pub public_url: String,
    /// How long a link works, in business time.
    pub life: Duration,
}

/// Events delivered by HTTP to the jobs' `callback_url`.
#[derive(Debug, Clone)]
pub struct Callbacks {
    /// Hosts that may be called; nobody else is.
    pub hosts: Vec<String>,
    /// The key that deliveries are signed with; required where there are hosts.
    pub secret: Option<Secret>,
    /// Whether private addresses and plain HTTP are allowed.
    pub allow_private: bool,
}

/// Settings of one operation; the defaults stand in its specification.
#[derive(Debug, Clone, Copy)]
pub struct OperationSettings {
    /// The promise.
    pub sla: SlaSpec,
    /// Time limit of one attempt.
    pub call_timeout: Duration,
    /// How often it is tried.
    pub retry: Policy,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("settings file {path}: {source}")]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("settings file {path}: {text}")]
    Toml {
        /// Where.
        path: PathBuf,
        /// The parser's words: line, column, what was expected.
        text: String,
    },
    /// Settings are wrong: all of them are listed.
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    let lines: String = problems.iter().map(|p| format!("\n  {p}")).collect();
    match problems.len() {
        1 => format!("1 setting is wrong:{lines}"),
        many => format!("{many} settings are wrong:{lines}"),
    }
}

impl Config {
    /// Reads the file, where one is given, and the environment.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut reader = Reader::new(table(path)?, environment);
        let config = read(&mut reader);
        match reader.finish() {
            problems if problems.is_empty() => Ok(config),
            problems => Err(Error::Problems(problems)),
        }
    }
}

/// Settings as far as they can be read, beside what is wrong with them.
#[derive(Debug)]
pub struct Examined {
    /// The settings; defaults stand where a fault is.
    pub config: Config,
    /// Every fault.
    pub problems: Vec<Problem>,
    /// Where the secrets came from.
    pub secrets: Secrets,
}

impl Examined {
    /// Reads what can be read. A file that cannot be read, or is no TOML, is one more fault.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let (table, unread) = match table(path) {
            Ok(table) => (table, None),
            Err(error) => (toml::Table::new(), Some(error)),
        };
        let mut reader = Reader::new(table, environment);
        let config = read(&mut reader);
        let secrets = reader.take_secrets();
        if let Some(error) = unread {
            let value = path.map(|path| path.display().to_string()).unwrap_or_default();
            let expected = match error {
                Error::File { source, .. } => format!("a readable file ({})", source.kind()),
                // The parser's words may repeat a line, and with it a secret.
                Error::Toml { .. } => "TOML: `hub check-config` says where it is not".to_owned(),
                Error::Problems(_) => "settings".to_owned(),
            };
            reader.problem("--config", &value, &expected, ());
        }
        Self { config, problems: reader.finish(), secrets }
    }
}

/// The calendar alone, for questions that need no other setting.
pub fn calendar(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Arc<Calendar>, Error> {
    let mut reader = Reader::new(table(path)?, environment);
    let calendar = read_calendar(&mut reader);
    let mut problems = reader.finish();
    problems.retain(|problem| problem.key.starts_with("calendar."));
    if problems.is_empty() { Ok(calendar) } else { Err(Error::Problems(problems)) }
}

fn table(path: Option<&Path>) -> Result<toml::Table, Error> {
    let Some(path) = path else { return Ok(toml::Table::new()) };
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::File { path: path.to_owned(), source })?;
    text.parse().map_err(|error: toml::de::Error| Error::Toml {
        path: path.to_owned(),
        text: error.message().to_owned(),
    })
}

fn read(r: &mut Reader) -> Config {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let listen = |r: &mut Reader, key: &str, default: &str| -> SocketAddr {
        let text = r.text(key, Some(default));
        text.parse().unwrap_or_else(|_| r.problem(key, &text, "address:port", any))
    };
    let calendar = read_calendar(r);
    let mut operations = BTreeMap::new();
    let mut configured = BTreeMap::new();
    let mut protected = BTreeMap::new();
    for operation in contracts::own::SPEC.operations {
        operations.insert(operation.name, read_operation(r, operation, &calendar));
    }
    for system in systems::all() {
        let spec = system.spec();
        for operation in spec.operations {
            operations.insert(operation.name, read_operation(r, operation, &calendar));
        }
        protected.insert(spec.name, protection::read(r, spec.name));
        if let Some(settings) = read_system(r, spec, system.options(), &operations) {
            configured.insert(spec.name, settings);
        }
    }
    Config {
        amqp_url: read_amqp_url(r),
        database_url: read_url(r, "database.url", &["postgres://", "postgresql://"]),
        connections_max: u32::try_from(r.number("database.connections_max", 12, 6..=200))
            .unwrap_or(12),
        admin_listen: listen(r, "admin.listen", "127.0.0.1:9464"),
        inbound_listen: listen(r, "inbound.listen", "127.0.0.1:8081"),
        inbound_body_bytes_max: r.size("inbound.body_bytes_max", 1 << 20, 1_024..=16 << 20),
        inbound_unverified_per_minute: u32::try_from(r.number(
            "inbound.unverified_per_minute",
            20,
            0..=10_000,
        ))
        .unwrap_or(20),
        seal_key_file: r.text("seal.key_file", None).into(),
        calendar,
        allow_shift: r.flag("clock.allow_shift", false),
        lease: r.millis("worker.lease_ms", LEASE, LEASE_MAX),
        shutdown_limit: r.millis(
            "worker.shutdown_limit_ms",
            Duration::from_secs(25),
            Duration::from_secs(600),
        ),
        pipeline: read_pipeline(r),
        links: read_links(r),
        retention: retention::read(r),
        callbacks: read_callbacks(r),
        telemetry: telemetry::read(r),
        operations,
        systems: configured,
        protection: protected,
    }
}

fn read_links(r: &mut Reader) -> Links {
    let key = "links.public_url";
    let url = r.text(key, Some("http://127.0.0.1:9464"));
    if !url.starts_with("http://") && !url.starts_with("https://") {
        r.problem(key, &url, "a URL that begins with http:// or https://", ());
    }
    Links {
        public_url: url.trim_end_matches('/').to_owned(),
        life: r.seconds("links.life_s", 30 * DAY, YEAR),
    }
}

fn read_callbacks(r: &mut Reader) -> Callbacks {
    let key = "callbacks.secret";
    let hosts = r.list("callbacks.hosts");
    let secret = r.secret(key).and_then(|text| {
        let read = Secret::read(secrecy::ExposeSecret::expose_secret(&text));
        if let Err(error) = read {
            r.problem(key, "(hidden)", &error.to_string(), ());
        }
        read.ok()
    });
    if secret.is_none() && !hosts.is_empty() {
        r.problem(key, "missing", "a key, because callbacks.hosts names hosts", ());
    }
    Callbacks { hosts, secret, allow_private: r.flag("callbacks.allow_private", false) }
}

fn read_pipeline(r: &mut Reader) -> Pipeline {
    Pipeline {
        prefetch: u16::try_from(r.number("pipeline.prefetch", 512, 1..=10_000)).unwrap_or(512),
        batch_max: r.size("pipeline.batch_max", 256, 1..=1_000),
        stored_max: r.size("pipeline.stored_max", 10_000, 1..=1_000_000),
        permit_wait: r.millis(
            "pipeline.permit_wait_ms",
            Duration::from_millis(50),
            Duration::from_secs(10),
        ),
        unconfirmed_max: r.size("pipeline.unconfirmed_max", 1_000, 1..=10_000),
        keep_all_exchanges: r.flag("pipeline.keep_all_exchanges", true),
    }
}

fn read_url(r: &mut Reader, key: &str, schemes: &[&str]) -> SecretString {
    let url = r.secret(key).unwrap_or_else(|| {
        let expected = format!("a URL that begins with {}", schemes.join(" or "));
        r.problem(key, "missing", &expected, SecretString::default())
    });
    let text = secrecy::ExposeSecret::expose_secret(&url);
    if !text.is_empty() && !schemes.iter().any(|scheme| text.starts_with(scheme)) {
        let expected = format!("a URL that begins with {}", schemes.join(" or "));
        r.problem(key, "(hidden)", &expected, ());
    }
    url
}

/// Every node of a list is looked at: the others are dialled only when the first is away.
fn read_amqp_url(r: &mut Reader) -> SecretString {
    let key = "amqp.url";
    let url = read_url(r, key, &address::SCHEMES);
    let text = secrecy::ExposeSecret::expose_secret(&url);
    let begins = address::SCHEMES.iter().any(|scheme| text.starts_with(scheme));
    if begins && !address::is_readable(&url) {
        let expected = "URLs of the form amqp://user:password@host:port/vhost, with commas between";
        r.problem(key, "(hidden)", expected, ());
    }
    url
}

/// Every fault in the files is told at once; the program's own years stand in meanwhile.
fn read_calendar(r: &mut Reader) -> Arc<Calendar> {
    let folder = r.optional("calendar.folder");
    let calendar = Calendar::load(folder.as_deref().map(Path::new)).unwrap_or_else(|faults| {
        for fault in faults {
            r.problem("calendar.folder", &fault.file, &fault.expected, ());
        }
        Calendar::built_in()
    });
    Arc::new(calendar)
}

fn read_operation(r: &mut Reader, spec: &OperationSpec, calendar: &Calendar) -> OperationSettings {
    let key = |name: &str| format!("operations.{}.{name}", spec.name);
    OperationSettings {
        sla: promise::read(r, spec, calendar),
        call_timeout: r.millis(&key("call_timeout_ms"), spec.call_timeout, DAY),
        retry: retry::read(r, spec),
    }
}

fn read_system(
    r: &mut Reader,
    spec: &SystemSpec,
    options: &[OptionSpec],
    operations: &BTreeMap<&'static str, OperationSettings>,
) -> Option<Settings> {
    let name = spec.name;
    let key = |field: &str| format!("systems.{name}.{field}");
    let url = r.optional(&key("url"));
    let d = Settings::for_url("");
    // A silence is no shorter than the longest call: their slowest answer begins after it.
    let timeout =
        |o: &&OperationSpec| operations.get(o.name).map_or(o.call_timeout, |s| s.call_timeout);
    let longest = spec.operations.iter().map(timeout).max().unwrap_or_default();
    let ms = Duration::from_millis;
    let as_ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let minute = Duration::from_secs(60);
    let mut peers = Vec::new();
    for text in r.list(&key("push_peers")) {
        match text.parse() {
            Ok(peer) => peers.push(peer),
            Err(_) => r.problem(&key("push_peers"), &text, "a list of IP addresses", ()),
        }
    }
    let sender_password = r.secret(&key("push_sender_password"));
    let senders = r.list(&key("push_senders")).into_iter();
    let settings = Settings {
        url: url.clone().unwrap_or_default(),
        sender_id: r.text(&key("sender_id"), Some(&d.sender_id)),
        password: r.secret(&key("password")),
        requestor_bin: r.text(&key("requestor_bin"), Some(&d.requestor_bin)),
        connect_timeout_ms: as_ms(r.millis(
            &key("connect_timeout_ms"),
            ms(d.connect_timeout_ms),
            minute,
        )),
        read_timeout_ms: as_ms(r.millis(
            &key("read_timeout_ms"),
            ms(d.read_timeout_ms).max(longest),
            DAY,
        )),
        call_timeout_ms: None,
        idle_timeout_ms: as_ms(r.millis(
            &key("idle_timeout_ms"),
            ms(d.idle_timeout_ms),
            10 * minute,
        )),
        body_bytes_max: r.size(&key("body_bytes_max"), d.body_bytes_max, 1_024..=64 << 20),
        in_flight_max: r.size(&key("in_flight_max"), d.in_flight_max, 1..=10_000),
        pull_interval_s: r.number(
            &key("pull_interval_s"),
            d.pull_interval_s,
            0..=30 * DAY.as_secs(),
        ),
        trace_context: r.flag(&key("trace_context"), d.trace_context),
        push_peers: peers,
        push_senders: senders
            .map(|sender_id| Sender { sender_id, password: sender_password.clone() })
            .collect(),
        options: options.iter().filter_map(|option| read_option(r, name, option)).collect(),
    };
    if settings.requestor_bin.parse::<contracts::number::Bin>().is_err() {
        r.problem(&key("requestor_bin"), "(hidden)", "a BIN: 12 digits with its check digit", ());
    }
    let url = url?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        r.problem(&key("url"), "(hidden)", "a URL that begins with http:// or https://", ());
    }
    Some(settings)
}

/// A setting that only one system has. Kept as a secret whatever its form: some are.
fn read_option(r: &mut Reader, system: &str, spec: &OptionSpec) -> Option<(String, SecretString)> {
    let key = format!("systems.{system}.{}", spec.name);
    let text = match spec.form {
        Form::Secret => r.secret(&key)?,
        Form::Flag => {
            let default = spec.default == Some("true");
            r.flag(&key, default).to_string().into()
        }
        Form::Number => {
            let default = spec.default.and_then(|text| text.parse().ok()).unwrap_or(0);
            r.number(&key, default, 0..=u64::from(u32::MAX)).to_string().into()
        }
        Form::Text | Form::Url | Form::Link => {
            let text = r.optional(&key).or_else(|| spec.default.map(str::to_owned))?;
            if spec.form != Form::Text
                && !text.starts_with("http://")
                && !text.starts_with("https://")
            {
                let expected = "a URL that begins with http:// or https://";
                r.problem(&key, "(hidden)", expected, ());
            }
            text.into()
        }
    };
    Some((spec.name.to_owned(), text))
}
