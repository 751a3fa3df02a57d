//! Settings of one system: the section `[systems.<name>]` of the configuration.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How to reach a system behind the SHEP gateway, and its limits. The defaults are for the
/// simulators; an address has none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the synchronous channel, or of the asynchronous one for systems that use it.
    pub url: String,
    /// Our login at the gateway.
    #[serde(default = "default_sender_id")]
    pub sender_id: String,
    /// Our password at the gateway (`password_file` names a file that holds it).
    pub password: Option<SecretString>,
    /// BIN of the organisation on whose behalf we ask.
    #[serde(default = "default_requestor_bin")]
    pub requestor_bin: String,
    /// Time limit of connecting.
    #[serde(default = "default_connect_timeout_ms")]
    pub connect_timeout_ms: u64,
    /// Longest silence between two reads.
    #[serde(default = "default_read_timeout_ms")]
    pub read_timeout_ms: u64,
    /// Time limit of a whole call; the operation's own limit where absent.
    pub call_timeout_ms: Option<u64>,
    /// How long an unused connection is kept. Must be shorter than the peer's own limit, so that
    /// we never write into a connection that the peer is closing.
    #[serde(default = "default_idle_timeout_ms")]
    pub idle_timeout_ms: u64,
    /// Longer answers are refused while reading.
    #[serde(default = "default_body_bytes_max")]
    pub body_bytes_max: usize,
    /// Calls under way at once, of all workers together.
    #[serde(default = "default_in_flight_max")]
    pub in_flight_max: usize,
    /// How often waiting messages are pulled, in business time; 0 switches pulling off.
    #[serde(default = "default_pull_interval_s")]
    pub pull_interval_s: u64,
    /// Whether requests say which trace they belong to (`traceparent`).
    #[serde(default)]
    pub trace_context: bool,
    /// Addresses that may push messages to us.
    #[serde(default)]
    pub push_peers: Vec<IpAddr>,
    /// Senders whose pushes are believed.
    #[serde(default)]
    pub push_senders: Vec<Sender>,
    /// What only this system has: the options that it names in
    /// [`System::options`](crate::system::System::options), where they are set.
    #[serde(default)]
    pub options: BTreeMap<String, SecretString>,
}

/// A setting that only one system has: `systems.<name>.<option>`.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// Its key.
    pub name: &'static str,
    /// Where absent; `None`: stays unset, and the system says what it does without.
    pub default: Option<&'static str>,
    /// What must be true of it.
    pub form: Form,
}

/// What must be true of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// Any text, which is never shown; `<option>_file` may name a file that holds it.
    Secret,
    /// An address that begins with `http://` or `https://`.
    Url,
    /// The same, for people to open: the hub itself never goes there.
    Link,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
}

/// A sender whose pushes are believed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// Its login at the gateway.
    pub sender_id: String,
    /// What the gateway puts beside it; not compared where absent.
    pub password: Option<SecretString>,
}

impl Settings {
    /// Settings that differ from the defaults only in the address.
    pub fn for_url(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            sender_id: default_sender_id(),
            password: None,
            requestor_bin: default_requestor_bin(),
            connect_timeout_ms: default_connect_timeout_ms(),
            read_timeout_ms: default_read_timeout_ms(),
            call_timeout_ms: None,
            idle_timeout_ms: default_idle_timeout_ms(),
            body_bytes_max: default_body_bytes_max(),
            in_flight_max: default_in_flight_max(),
            pull_interval_s: default_pull_interval_s(),
            trace_context: false,
            push_peers: Vec::new(),
            push_senders: Vec::new(),
            options: BTreeMap::new(),
        }
    }

    /// The value of an option, where it is set; trimmed, because a trailing space in a configured
    /// value has been seen to break a system (kazpost §4).
    pub fn option(&self, name: &str) -> Option<&str> {
        let value = self.options.get(name)?.expose_secret().trim();
        (!value.is_empty()).then_some(value)
    }

    /// Time limit of connecting.
    pub const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// Longest silence between two reads.
    pub const fn read_timeout(&self) -> Duration {
        Duration::from_millis(self.read_timeout_ms)
    }

    /// How long an unused connection is kept.
    pub const fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }
}

fn default_sender_id() -> String {
    "hub".to_owned()
}

/// The synthetic requestor of gov-services §9.4.
fn default_requestor_bin() -> String {
    "990140000007".to_owned()
}

const fn default_connect_timeout_ms() -> u64 {
    2_000
}

const fn default_read_timeout_ms() -> u64 {
    8_000
}

const fn default_idle_timeout_ms() -> u64 {
    15_000
}

const fn default_body_bytes_max() -> usize {
    1024 * 1024
}

const fn default_in_flight_max() -> usize {
    256
}

const fn default_pull_interval_s() -> u64 {
    600
}
