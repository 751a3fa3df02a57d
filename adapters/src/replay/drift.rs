//! Where a live answer says something of another shape than the recorded one.
//!
//! Both are read into one tree of [`Place`]s, whatever their form. Compared are: which elements and
//! attributes there are, how many, in which order, which are filled, and the values of codes. Other
//! values (names, dates, numbers) belong to the person who was asked about and are not compared.
//!
//! *What is not drift*: prefixes, blanks, comments; how `data` carries its document ([`carriage`]);
//! `xsi:nil`, `xsi:type` and the ids of signatures.
//!
//! *Guarantee*: a document does not drift from itself; one change makes one [`Drift`], whose path
//! leads to it in both documents (`document[2]` is the second of its name).
//!
//! *Limits*: [`DRIFTS_MAX`] an answer, [`SHOWN_CHARS_MAX`] of a value.

mod outline;
mod read;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt};

pub use self::{
    outline::{Line, outline},
    read::carriage,
};
use super::compare::{Form, SHOWN_CHARS_MAX};

/// More are not listed.
pub const DRIFTS_MAX: usize = 50;

/// What changed. Closed; the names are a part of the reports' shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An element, key or attribute that the recorded answer does not have.
    NewElement,
    /// One that it has, and the live answer does not.
    MissingElement,
    /// Another code.
    ChangedCode,
    /// The same elements in another order.
    ChangedOrder,
    /// As many elements of one name as before are not there, or more.
    ChangedCount,
    /// A value that was filled is empty, or a value became elements; or the other way round.
    ChangedForm,
    /// Another HTTP status.
    HttpStatus,
    /// It fits the schemas, and the recorded one does not; or the other way round.
    Schema,
    /// The hub makes something else of it.
    Outcome,
    /// It took longer than the baseline allows.
    Slower,
}

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// What.
    pub kind: Kind,
    /// Where: `/Envelope/Body/SendMessageResponse/response/responseInfo/status/code`.
    pub path: String,
    /// What was recorded.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// Which values are codes.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    paths: Vec<Vec<String>>,
    /// Local names of elements whose type is an enumeration.
    enumerated: BTreeSet<String>,
}

/// One place of a message: an element of XML, a key or an entry of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Local name or key.
    label: String,
    /// The same with its namespace.
    name: String,
    attributes: BTreeSet<String>,
    /// Where it holds no places.
    value: Option<String>,
    children: Vec<Self>,
    /// Whether the order of its children says something.
    has_order: bool,
}

/// Codes of every answer: ends of paths.
const ALWAYS: [&str; 16] = [
    "faultcode",
    "errorCode",
    "responseInfo/status/code",
    "messageResult/code",
    "ResponseInfo/ResponseCode",
    "ResultCode",
    "resultCode",
    "StatusCode",
    "statusCode",
    "Status",
    "data/status",
    "CurrentStatus/code",
    "RequestType",
    "OnRecord",
    "status_code",
    "activity/status",
];

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NewElement,
        Self::MissingElement,
        Self::ChangedCode,
        Self::ChangedOrder,
        Self::ChangedCount,
        Self::ChangedForm,
        Self::HttpStatus,
        Self::Schema,
        Self::Outcome,
        Self::Slower,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewElement => "new_element",
            Self::MissingElement => "missing_element",
            Self::ChangedCode => "changed_code",
            Self::ChangedOrder => "changed_order",
            Self::ChangedCount => "changed_count",
            Self::ChangedForm => "changed_form",
            Self::HttpStatus => "http_status",
            Self::Schema => "schema",
            Self::Outcome => "outcome",
            Self::Slower => "slower",
        }
    }

    /// The same for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NewElement => "new element",
            Self::MissingElement => "missing element",
            Self::ChangedCode => "changed code",
            Self::ChangedOrder => "changed order",
            Self::ChangedCount => "another number of elements",
            Self::ChangedForm => "changed form",
            Self::HttpStatus => "another HTTP status",
            Self::Schema => "schema",
            Self::Outcome => "another outcome",
            Self::Slower => "slower than before",
        }
    }
}

impl Drift {
    /// One thing that changed. What a stand sent may stand in a terminal and in XML.
    pub fn new(kind: Kind, path: &str, expected: &str, got: &str) -> Self {
        let [path, expected, got] = [path, expected, got].map(printable);
        Self { kind, path, expected, got }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, path, expected, got } = self;
        write!(f, "{}: {path}: expected {expected}, got {got}", kind.words())
    }
}

impl Codes {
    /// Those of every answer, of a case, and of the schemas.
    pub fn new(of_case: &[String], enumerated: BTreeSet<String>) -> Self {
        let all = ALWAYS.iter().copied().chain(of_case.iter().map(String::as_str));
        let paths = all.map(|text| text.split('/').map(str::to_owned).collect()).collect();
        Self { paths, enumerated }
    }

    /// Whether the value at these labels is a code.
    fn contains(&self, labels: &[String]) -> bool {
        let ends = |path: &Vec<String>| labels.ends_with(path);
        labels.last().is_some_and(|last| self.enumerated.contains(last))
            || self.paths.iter().any(ends)
    }
}

/// Compares a live answer with the recorded one.
pub fn drift(form: Form, recorded: &[u8], live: &[u8], codes: &Codes) -> Vec<Drift> {
    let (recorded, live) = match (Place::read(form, recorded), Place::read(form, live)) {
        (Ok(recorded), Ok(live)) => (recorded, live),
        // Neither can be read: there is no structure to compare, and the outcome says the rest.
        (Err(_), Err(_)) => return Vec::new(),
        (Ok(_), Err(error)) => {
            let expected = "a document that reads";
            return vec![Drift::new(Kind::ChangedForm, "/", expected, &error)];
        }
        (Err(error), Ok(_)) => {
            return vec![Drift::new(Kind::ChangedForm, "/", &error, "a document that reads")];
        }
    };
    let mut walk = Walk { codes, labels: Vec::new(), path: String::new(), found: Vec::new() };
    walk.root(&recorded, &live);
    walk.found.truncate(DRIFTS_MAX);
    walk.found
}

struct Walk<'c> {
    codes: &'c Codes,
    labels: Vec<String>,
    path: String,
    found: Vec<Drift>,
}

impl Walk<'_> {
    fn add(&mut self, kind: Kind, expected: &str, got: &str) {
        let path = if self.path.is_empty() { "/" } else { self.path.as_str() };
        self.found.push(Drift::new(kind, path, expected, got));
    }

    fn root(&mut self, recorded: &Place, live: &Place) {
        if recorded.name == live.name {
            if recorded.label.is_empty() {
                self.same_name(recorded, live); // JSON has no root element
            } else {
                self.below(recorded, 1, |walk| walk.same_name(recorded, live));
            }
        } else {
            self.add(Kind::MissingElement, &recorded.name, &live.name);
        }
    }

    fn below(&mut self, place: &Place, nth: usize, visit: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(&step(&place.label, nth));
        let is_named = !place.label.is_empty();
        if is_named {
            self.labels.push(place.label.clone());
        }
        visit(self);
        if is_named {
            self.labels.pop();
        }
        self.path.truncate(length);
    }

    fn same_name(&mut self, recorded: &Place, live: &Place) {
        for name in recorded.attributes.difference(&live.attributes) {
            self.add(Kind::MissingElement, &format!("the attribute {name}"), "no such attribute");
        }
        for name in live.attributes.difference(&recorded.attributes) {
            self.add(Kind::NewElement, "no such attribute", &format!("the attribute {name}"));
        }
        match (&recorded.value, &live.value) {
            (None, None) => self.children(recorded, live),
            (Some(expected), Some(got)) => self.values(expected.trim(), got.trim()),
            (Some(expected), None) => self.add(Kind::ChangedForm, filled(expected), "elements"),
            (None, Some(got)) => self.add(Kind::ChangedForm, "elements", filled(got)),
        }
    }

    fn values(&mut self, expected: &str, got: &str) {
        if self.codes.contains(&self.labels) {
            if expected != got {
                self.add(Kind::ChangedCode, &code(expected), &code(got));
            }
        } else if expected.is_empty() != got.is_empty() {
            self.add(Kind::ChangedForm, filled(expected), filled(got));
        }
    }

    fn children(&mut self, recorded: &Place, live: &Place) {
        let (recorded, live) = (recorded.like(live), live.like(recorded));
        let (wanted, came) = (recorded.names(), live.names());
        if recorded.has_order {
            let both = |of: &[String], other: &[String]| -> Vec<String> {
                of.iter().filter(|name| other.contains(name)).cloned().collect()
            };
            let (first, second) = (both(&wanted, &came), both(&came, &wanted));
            if first != second {
                self.add(Kind::ChangedOrder, &listed(&first), &listed(&second));
            }
        }
        for name in &wanted {
            let (wanted, came) = (recorded.named(name), live.named(name));
            let Some(&first) = wanted.first() else { continue };
            if came.is_empty() {
                self.below(first, 1, |walk| {
                    walk.add(Kind::MissingElement, first.words(), "no such element");
                });
                continue;
            }
            if wanted.len() != came.len() {
                let count = |all: &[&Place]| format!("{} of them", all.len());
                self.below(first, 1, |walk| {
                    walk.add(Kind::ChangedCount, &count(&wanted), &count(&came));
                });
            }
            for (at, (recorded, live)) in wanted.iter().zip(&came).enumerate() {
                self.below(recorded, at + 1, |walk| walk.same_name(recorded, live));
            }
        }
        for name in came.iter().filter(|name| !wanted.contains(name)) {
            if let Some(&first) = live.named(name).first() {
                self.below(first, 1, |walk| {
                    walk.add(Kind::NewElement, "no such element", first.words());
                });
            }
        }
    }
}

impl Place {
    /// Names of the children, each once, in the order of their first one.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for child in &self.children {
            if !names.contains(&child.name) {
                names.push(child.name.clone());
            }
        }
        names
    }

    fn named(&self, name: &str) -> Vec<&Self> {
        self.children.iter().filter(|child| child.name == name).collect()
    }

    /// `data` may hold the root of a document, or at once what stands in it: this place, or the one in
    /// it, whichever has children of the other's names.
    fn like(&self, other: &Self) -> &Self {
        let [only] = self.children.as_slice() else { return self };
        let (inner, names) = (only.names(), other.names());
        let is_carrier = self.label == "data" && !names.contains(&only.name);
        if is_carrier && inner.iter().any(|name| names.contains(name)) { only } else { self }
    }

    const fn words(&self) -> &'static str {
        if self.value.is_some() { "an element with a value" } else { "an element with elements" }
    }
}

fn filled(text: &str) -> &'static str {
    if text.trim().is_empty() { "nothing" } else { "a value" }
}

/// A step of a path.
fn step(label: &str, nth: usize) -> String {
    match (label, nth) {
        ("", nth) => format!("[{nth}]"),
        (label, 1) => format!("/{label}"),
        (label, nth) => format!("/{label}[{nth}]"),
    }
}

fn listed(names: &[String]) -> String {
    let local = |name: &String| name.rsplit('}').next().unwrap_or_default().to_owned();
    names.iter().map(local).collect::<Vec<_>>().join(", ")
}

/// A code, cut, in quotation marks. Long runs of digits could be somebody's number.
fn code(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

/// A text without control characters, and without what XML cannot hold.
fn printable(text: &str) -> String {
    let is_odd = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if is_odd(c) { '·' } else { c }).collect()
}

/// A compared value as reports show it.
fn shown(text: &str) -> String {
    if text.bytes().filter(u8::is_ascii_digit).count() >= DIGITS_MAX {
        return HIDDEN.to_owned();
    }
    let mut rest = text.chars();
    let seen = rest.by_ref().take(SHOWN_CHARS_MAX);
    let mut cut = printable(&seen.collect::<String>());
    if rest.next().is_some() {
        cut.push('…');
    }
    cut
}

/// A value with as many digits could be the number of a person or a phone.
const DIGITS_MAX: usize = 9;
/// What stands for a value that is not shown.
pub const HIDDEN: &str = "···";
