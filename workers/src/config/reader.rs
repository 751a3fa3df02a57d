//! Reads settings and gathers every fault instead of stopping at the first.
//!
//! A setting is named by its dotted path: `amqp.url` is key `url` in section `[amqp]`, and
//! `HUB_AMQP__URL` in the environment overrides it. For a secret, `<key>_file` names a file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use secrecy::SecretString;
use toml::{Table, Value};

/// One fault in the settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Dotted path of the setting.
    pub key: String,
    /// What stands there; hidden for secrets.
    pub value: String,
    /// What should stand there.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; expected {}", self.key, self.value, self.expected)
    }
}

/// Settings being read.
#[derive(Debug)]
pub struct Reader {
    root: Table,
    environment: BTreeMap<String, String>,
    otlp_endpoint: Option<String>,
    known: BTreeSet<String>,
    problems: Vec<Problem>,
    secrets: Secrets,
}

/// Where secrets were read from.
#[derive(Debug, Default)]
pub struct Secrets {
    /// Files that hold one: key and path.
    pub files: Vec<(String, String)>,
    /// Keys whose secret stands in the settings file itself.
    pub inline: Vec<String>,
}

const PREFIX: &str = "HUB_";
/// The name that OpenTelemetry gives to what `telemetry.otlp_endpoint` says.
const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
impl Reader {
    /// Over a parsed file and the environment.
    pub fn new(root: Table, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut otlp_endpoint = None;
        let environment = environment
            .into_iter()
            .inspect(|(name, value)| {
                if name == OTLP_ENDPOINT {
                    otlp_endpoint = Some(value.clone());
                }
            })
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name[PREFIX.len()..].to_lowercase().replace("__", "."), value))
            .collect();
        Self {
            root,
            environment,
            otlp_endpoint,
            known: BTreeSet::new(),
            problems: Vec::new(),
            secrets: Secrets::default(),
        }
    }

    /// A text, or the default; without a default it is required.
    pub fn text(&mut self, key: &str, default: Option<&str>) -> String {
        match (self.find(key), default) {
            (Some(Value::String(text)), _) if !text.trim().is_empty() => text,
            (Some(other), _) => self.problem(key, &shown(&other), "a text", String::new()),
            (None, Some(default)) => default.to_owned(),
            (None, None) => self.problem(key, "missing", "a text", String::new()),
        }
    }

    /// A text that may be absent.
    pub fn optional(&mut self, key: &str) -> Option<String> {
        let value = self.find(key)?;
        let text = value.as_str().map(str::to_owned);
        Some(text.unwrap_or_else(|| self.problem(key, &shown(&value), "a text", String::new())))
    }

    /// A whole number within a range.
    pub fn number(&mut self, key: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> u64 {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let number = match self.find(key) {
            None => return default,
            Some(Value::Integer(number)) => u64::try_from(number).ok(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        if let Some(number) = number.filter(|number| range.contains(number)) {
            number
        } else {
            let value = self.find(key).map_or_else(String::new, |v| shown(&v));
            self.problem(key, &value, &expected, default)
        }
    }

    /// Whether something stands there.
    pub fn is_given(&mut self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// A number within a range, as a size.
    pub fn size(
        &mut self,
        key: &str,
        default: usize,
        range: std::ops::RangeInclusive<u64>,
    ) -> usize {
        usize::try_from(self.number(key, default as u64, range)).unwrap_or(usize::MAX)
    }

    /// A duration in milliseconds; the key ends in `_ms`.
    pub fn millis(&mut self, key: &str, default: Duration, max: Duration) -> Duration {
        let to_ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.number(key, to_ms(default), 1..=to_ms(max)))
    }

    /// A duration in seconds; the key ends in `_s`.
    pub fn seconds(&mut self, key: &str, default: Duration, max: Duration) -> Duration {
        Duration::from_secs(self.number(key, default.as_secs(), 0..=max.as_secs()))
    }

    /// Yes or no.
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.find(key) {
            None => default,
            Some(Value::Boolean(flag)) => flag,
            Some(Value::String(text)) if text == "true" || text == "false" => text == "true",
            Some(other) => self.problem(key, &shown(&other), "true or false", default),
        }
    }

    /// A list of texts; in the environment separated by commas.
    pub fn list(&mut self, key: &str) -> Vec<String> {
        match self.find(key) {
            None => Vec::new(),
            Some(Value::String(text)) => text
                .split(',')
                .map(str::trim)
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
                .collect(),
            Some(Value::Array(items)) if items.iter().all(Value::is_str) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(other) => self.problem(key, &shown(&other), "a list of texts", Vec::new()),
        }
    }

    /// Tables that may stand there any number of times; not from the environment.
    pub fn tables(&mut self, key: &str) -> Vec<Table> {
        match self.find(key) {
            None => Vec::new(),
            Some(Value::Array(items)) if items.iter().all(Value::is_table) => {
                items.iter().filter_map(|item| item.as_table().cloned()).collect()
            }
            Some(other) => {
                let expected = format!("sections [[{key}]]");
                self.problem(key, &shown(&other), &expected, Vec::new())
            }
        }
    }

    /// A secret: from `<key>`, or from the file that `<key>_file` names.
    pub fn secret(&mut self, key: &str) -> Option<SecretString> {
        let file_key = format!("{key}_file");
        match (self.optional(key), self.optional(&file_key)) {
            (Some(_), Some(_)) => {
                let expected = format!("either this or {file_key}, not both");
                self.problem(key, "(hidden)", &expected, None)
            }
            (Some(text), None) => {
                if !self.environment.contains_key(key) {
                    self.secrets.inline.push(key.to_owned());
                }
                Some(text.into())
            }
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) => {
                    self.secrets.files.push((file_key, path));
                    Some(text.trim().to_owned().into())
                }
                Err(error) => {
                    let expected = format!("a readable file ({error})");
                    self.problem(&file_key, &path, &expected, None)
                }
            },
            (None, None) => None,
        }
    }

    /// Adds a fault that only the caller can see.
    pub fn problem<T>(&mut self, key: &str, value: &str, expected: &str, instead: T) -> T {
        self.problems.push(Problem {
            key: key.to_owned(),
            value: value.to_owned(),
            expected: expected.to_owned(),
        });
        instead
    }

    /// What every program of OpenTelemetry is told by the environment.
    pub fn otlp_endpoint(&self) -> Option<String> {
        self.otlp_endpoint.clone()
    }

    /// Where the secrets so far came from.
    pub fn take_secrets(&mut self) -> Secrets {
        std::mem::take(&mut self.secrets)
    }

    /// All faults: those seen while reading, and settings that nobody asked for.
    pub fn finish(mut self) -> Vec<Problem> {
        let mut unknown = Vec::new();
        leaves(&self.root, "", &mut unknown);
        for key in self.environment.keys().cloned().collect::<Vec<_>>() {
            let alike = self.known.iter().find(|known| known.replace('.', "_") == key).cloned();
            // Other programs set names of this prefix too (a service called "hub" has a HUB_PORT): a
            // name without a section is a fault only where it looks like a setting.
            match alike {
                _ if key.contains('.') => unknown.push(key),
                Some(known) => {
                    let meant = known.to_uppercase().replace('.', "__");
                    let name = format!("{PREFIX}{}", key.to_uppercase());
                    self.problem(&name, "unknown", &format!("{PREFIX}{meant}"), ());
                }
                None => {}
            }
        }
        unknown.retain(|key| !self.known.contains(key));
        for key in unknown {
            let expected = "no such setting: check the spelling, or remove it";
            self.problem(&key, "unknown", expected, ());
        }
        self.problems.sort();
        self.problems.dedup();
        self.problems
    }

    fn find(&mut self, key: &str) -> Option<Value> {
        self.known.insert(key.to_owned());
        if let Some(text) = self.environment.get(key) {
            return Some(Value::String(text.clone()));
        }
        let mut path = key.split('.').peekable();
        let mut table = &self.root;
        while let Some(part) = path.next() {
            let value = table.get(part)?;
            if path.peek().is_none() {
                return Some(value.clone());
            }
            table = value.as_table()?;
        }
        None
    }
}

fn leaves(table: &Table, prefix: &str, found: &mut Vec<String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => leaves(inner, &path, found),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => found.push(path),
        }
    }
}

/// A value as shown in a fault; long ones and URLs with credentials are cut.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.contains('@') { "(hidden)".to_owned() } else { text.chars().take(60).collect() }
}
