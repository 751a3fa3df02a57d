//! What a replay learned, in the words of a case, and whether that is what the case expects.

use std::time::Duration;

use contracts::{
    case::{Expected, Outcome as Wanted},
    class::Failure,
};
use serde_json::{Map, Value};

use super::{
    compare::{self, Difference, Masks},
    drift::HIDDEN,
};
use crate::{
    attempt::{Answer, Attempt, Outcome, Write},
    channel::{Mismatch, Reading, Received},
};

/// What was learned.
#[derive(Debug, Clone)]
pub(super) struct Learned {
    pub(super) outcome: Wanted,
    summary: Option<Map<String, Value>>,
    class: Option<&'static str>,
    code: Option<&'static str>,
    remote_code: Option<String>,
    mismatch: Option<&'static str>,
    portal: Map<String, Value>,
    rows: Vec<Map<String, Value>>,
    writes: Vec<(&'static str, Map<String, Value>)>,
    files: Vec<&'static str>,
    follow_up: Option<&'static str>,
    pub(super) carry: Value,
    pub(super) again_in: Option<Duration>,
}

impl Learned {
    fn new(outcome: Wanted) -> Self {
        Self {
            outcome,
            summary: None,
            class: None,
            code: None,
            remote_code: None,
            mismatch: None,
            portal: Map::new(),
            rows: Vec::new(),
            writes: Vec::new(),
            files: Vec::new(),
            follow_up: None,
            carry: Value::Null,
            again_in: None,
        }
    }

    /// Of an attempt: what it learned, then what it writes whatever it learned.
    pub(super) fn of_attempt(attempt: &Attempt) -> Self {
        let mut learned = Self::of_outcome(&attempt.outcome);
        learned.writes.extend(writes(&attempt.writes));
        learned
    }

    fn of_outcome(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Answered(answer) => Self::of_answer(answer),
            Outcome::Acknowledged(_) => Self::new(Wanted::Acknowledged),
            Outcome::Interim(interim) => Self {
                summary: Some(interim.summary.clone()),
                writes: writes(&interim.writes),
                files: interim.files.iter().map(|file| file.role).collect(),
                carry: interim.carry.expose().clone(),
                again_in: Some(interim.again_in),
                ..Self::new(Wanted::Interim)
            },
            Outcome::NotDone => Self::new(Wanted::NotDone),
            Outcome::Failed(failure) => Self::of_failure(failure),
        }
    }

    /// Of a message that was delivered.
    pub(super) fn of_reading(reading: &Reading) -> Self {
        match reading {
            Reading::Progress { summary } => {
                Self { summary: Some(summary.clone()), ..Self::new(Wanted::Progress) }
            }
            Reading::Answered(answer) => Self::of_answer(answer),
            Reading::Failed(failure) => Self::of_failure(failure),
            Reading::NotOurs(mismatch) => Self::of_mismatch(*mismatch),
        }
    }

    /// Of a message that nobody asked for.
    pub(super) fn of_received(received: &Received) -> Self {
        Self {
            summary: Some(received.summary.clone()),
            writes: writes(&received.writes),
            ..Self::new(Wanted::Received)
        }
    }

    pub(super) fn of_mismatch(mismatch: Mismatch) -> Self {
        Self { mismatch: Some(mismatch.name()), ..Self::new(Wanted::NotOurs) }
    }

    fn of_answer(answer: &Answer) -> Self {
        Self {
            summary: Some(answer.summary.clone()),
            portal: answer.portal.expose().clone(),
            rows: answer.rows.expose().clone(),
            writes: writes(&answer.writes),
            files: answer.files.iter().map(|file| file.role).collect(),
            follow_up: answer.follow_up.as_ref().map(|next| next.operation.name),
            ..Self::new(Wanted::Answered)
        }
    }

    fn of_failure(failure: &Failure) -> Self {
        Self {
            class: Some(failure.class.name()),
            code: Some(failure.code.name()),
            remote_code: failure.remote_code.as_ref().map(|code| code.as_str().to_owned()),
            ..Self::new(Wanted::Failed)
        }
    }

    /// As `[expected]` of a case says it.
    pub(super) fn in_toml(&self) -> Map<String, Value> {
        let texts = [
            ("outcome", Some(self.outcome.name())),
            ("class", self.class),
            ("code", self.code),
            ("remote_code", self.remote_code.as_deref()),
            ("mismatch", self.mismatch),
            ("follow_up", self.follow_up),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key, text?)));
        let mut all: Map<_, _> = texts.map(|(key, text)| (key.to_owned(), text.into())).collect();
        if let Some(summary) = &self.summary {
            all.insert("summary".to_owned(), summary.clone().into());
        }
        if let Some(again) = self.again_in {
            all.insert("again_in".to_owned(), format!("{}s", again.as_secs()).into());
        }
        all
    }

    /// Where this is not what a case expects.
    pub(super) fn against(&self, expected: &Expected) -> Vec<Difference> {
        let mut found = Vec::new();
        let (wanted, got) = (expected.outcome.name(), self.in_words());
        if expected.outcome != self.outcome {
            found.push(differ("outcome", wanted, &got));
            return found;
        }
        let mut text = |key: &str, wanted: Option<&str>, got: Option<&str>| {
            if let Some(wanted) = wanted.filter(|wanted| got != Some(*wanted)) {
                found.push(differ(key, wanted, got.unwrap_or("none")));
            }
        };
        text("class", expected.class.as_deref(), self.class);
        text("code", expected.code.as_deref(), self.code);
        text("remote_code", expected.remote_code.as_deref(), self.remote_code.as_deref());
        text("mismatch", expected.mismatch.as_deref(), self.mismatch);
        text("follow_up", expected.follow_up.as_deref(), self.follow_up);
        if let Some(wanted) = &expected.summary {
            let mut got = self.summary.clone().unwrap_or_default();
            got.retain(|_, value| !value.is_null()); // TOML has no null
            found.extend(values("summary", &wanted.clone().into(), &got.into()));
        }
        if let Some(wanted) = &expected.portal {
            found.extend(part("portal", wanted, &self.portal));
        }
        if let Some(wanted) = &expected.rows {
            found.extend(rows(wanted, &self.rows));
        }
        self.rest(expected, &mut found);
        found
    }

    /// Where this is not what a case expects, with an answer about another state of their system:
    /// outcome, class and codes; the keys of the summary, its flags and its closed names. Rows,
    /// dates and numbers follow from whom was asked about.
    pub(super) fn drift(&self, expected: &Expected) -> Vec<Difference> {
        let closed = Expected {
            summary: None,
            portal: None,
            rows: None,
            writes: None,
            carry: None,
            again_in: None,
            ..expected.clone()
        };
        let mut found = self.against(&closed);
        let (Some(wanted), true) = (&expected.summary, found.is_empty()) else { return found };
        let got = self.summary.clone().unwrap_or_default();
        for (key, wanted) in wanted {
            let path = format!("summary.{key}");
            match got.get(key) {
                None => found.push(differ(&path, &wanted.to_string(), "no such key")),
                Some(came) if is_closed(wanted) && wanted != came => {
                    let came = if is_closed(came) { came.to_string() } else { HIDDEN.to_owned() };
                    found.push(differ(&path, &wanted.to_string(), &came));
                }
                Some(_) => {}
            }
        }
        for key in got.keys().filter(|key| !wanted.contains_key(*key)) {
            found.push(differ(&format!("summary.{key}"), "no such key", "a value"));
        }
        found
    }

    fn rest(&self, expected: &Expected, found: &mut Vec<Difference>) {
        if let Some(wanted) = &expected.writes {
            let names: Vec<&str> = wanted.iter().map(|one| one.record.as_str()).collect();
            let got: Vec<&str> = self.writes.iter().map(|(record, _)| *record).collect();
            if names == got {
                for (at, (one, (_, values))) in wanted.iter().zip(&self.writes).enumerate() {
                    found.extend(part(&format!("writes[{at}]"), &one.values, values));
                }
            } else {
                found.push(differ("writes", &format!("{names:?}"), &format!("{got:?}")));
            }
        }
        if let Some(wanted) = &expected.files
            && *wanted != self.files
        {
            found.push(differ("files", &format!("{wanted:?}"), &format!("{:?}", self.files)));
        }
        if let Some(wanted) = &expected.carry {
            found.extend(values("carry", wanted, &self.carry));
        }
        if let Some(wanted) = &expected.again_in {
            let again = contracts::case::duration(wanted);
            if again != self.again_in {
                let got = self.again_in.map_or_else(|| "none".to_owned(), |one| format!("{one:?}"));
                found.push(differ("again_in", wanted, &got));
            }
        }
    }

    /// In one line.
    fn in_words(&self) -> String {
        let name = self.outcome.name();
        match (self.class, self.code, self.mismatch) {
            (Some(class), Some(code), _) => format!("{name} ({class}, {code})"),
            (_, _, Some(mismatch)) => format!("{name} ({mismatch})"),
            _ => match &self.summary {
                Some(summary) => format!("{name} {}", Value::Object(summary.clone())),
                None => name.to_owned(),
            },
        }
    }
}

/// A flag, or a name of ours: `normal`, `not_found`.
fn is_closed(value: &Value) -> bool {
    match value {
        Value::Bool(_) => true,
        Value::String(text) => text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

fn writes(all: &[Write]) -> Vec<(&'static str, Map<String, Value>)> {
    all.iter().map(|write| (write.record.name, write.values.expose().clone())).collect()
}

fn differ(key: &str, expected: &str, got: &str) -> Difference {
    let path = format!("expected.{key}");
    Difference { path, expected: expected.to_owned(), got: got.to_owned() }
}

fn rows(wanted: &[Map<String, Value>], got: &[Map<String, Value>]) -> Vec<Difference> {
    if wanted.len() != got.len() {
        return vec![differ("rows", &wanted.len().to_string(), &got.len().to_string())];
    }
    let pairs = wanted.iter().zip(got).enumerate();
    pairs.flat_map(|(at, (wanted, got))| part(&format!("rows[{at}]"), wanted, got)).collect()
}

/// Compares the keys that are wanted. Absent columns become NULL, so `"null"`-free TOML may leave
/// them out, and an empty text says that a column must be absent.
fn part(key: &str, wanted: &Map<String, Value>, got: &Map<String, Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (column, wanted) in wanted {
        let came = got.get(column).cloned().unwrap_or(Value::Null);
        if *wanted == Value::String(String::new()) && came.is_null() {
            continue;
        }
        found.extend(values(&format!("{key}.{column}"), wanted, &came));
    }
    found
}

fn values(key: &str, wanted: &Value, got: &Value) -> Vec<Difference> {
    let mut masks = Masks::new(&[], Vec::new());
    let mut found = compare::json_values(wanted, got, &mut masks);
    for difference in &mut found {
        let below = difference.path.trim_matches('/').replace('/', ".");
        let dot = if below.is_empty() { "" } else { "." };
        difference.path = format!("expected.{key}{dot}{below}");
    }
    found
}
