//! Near misses: for a request that nobody understood, what came close and what differed.
//!
//! ```text
//! recorded requests of all cases ─ by operation ─→ expectations: path, call, payload, elements
//! request that came ─ against each ─→ differences ─→ the closest CANDIDATES_MAX, as sentences
//! ```
//!
//! Names are compared with their namespaces, never with prefixes. A payload may be elements, CDATA
//! or escaped text.
//!
//! *Guarantee*: a sentence holds names and namespaces, never a value of the request, but for ids of
//! services, which must look like ids.
//!
//! *Limits*: [`KEPT_MAX`] near misses, [`CANDIDATES_MAX`] each with [`DIFFERENCES_MAX`] sentences.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, OnceLock},
};

use jiff::Timestamp;
use serde::Serialize;

use super::{asked::Asked, envelope, locked, misread::Misread, number, shelf::Shelf, xml};

mod outline;

use outline::Outline;

/// Near misses that are remembered.
pub const KEPT_MAX: usize = 200;
/// Expectations that are named, closest first.
pub const CANDIDATES_MAX: usize = 3;
/// Sentences about one of them.
pub const DIFFERENCES_MAX: usize = 12;
/// Longer words in a fault are cut.
const FAULT_CHARS_MAX: usize = 900;
/// What says that another service was meant weighs so much.
const HEAVY: usize = 4;

/// A request that nobody understood.
#[derive(Debug, Clone, Serialize)]
pub struct NearMiss {
    /// Its number.
    pub id: u64,
    /// Business time.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path, without keys in it.
    pub path: String,
    /// What it asked, as far as it could be read.
    pub operation: String,
    /// The code of the answer.
    pub code: String,
    /// What the simulator said first.
    pub said: String,
    /// What came close, closest first.
    pub closest: Vec<Candidate>,
}

/// An expectation that came close.
#[derive(Debug, Clone, Serialize)]
pub struct Candidate {
    /// The system.
    pub system: String,
    /// The operation.
    pub operation: String,
    /// A case with such a request.
    pub case: String,
    /// What differed.
    pub differences: Vec<String>,
    #[serde(skip)]
    weight: usize,
}

/// All near misses, and what they are compared with.
#[derive(Default)]
pub struct NearMisses {
    kept: Mutex<(u64, VecDeque<NearMiss>)>,
    expectations: OnceLock<Vec<Expectation>>,
}

/// A request, as far as it is compared.
pub(super) struct Missed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) body: &'a [u8],
    pub(super) at: Timestamp,
}

/// What the recorded requests of one operation have in common.
struct Expectation {
    system: String,
    operation: String,
    case: String,
    method: String,
    path: String,
    outline: Outline,
    /// In every recorded request.
    required: BTreeSet<String>,
}

impl NearMisses {
    /// Keeps a request that was not understood; returns the words for its fault.
    pub(super) fn keep(&self, shelf: &Shelf, missed: &Missed<'_>, misread: &Misread) -> String {
        let closest = self.closest(shelf, missed);
        let first = closest.first().map(|one| {
            let differences = one.differences.join("; ");
            format!(" Closest: {} {}: {differences}.", one.system, one.operation)
        });
        let asked = Asked::read(missed.method, missed.path, missed.body);
        let mut kept = locked(&self.kept);
        let (next, misses) = &mut *kept;
        *next += 1;
        if misses.len() == KEPT_MAX {
            misses.pop_front();
        }
        misses.push_back(NearMiss {
            id: *next,
            at: missed.at,
            method: missed.method.to_owned(),
            path: super::asked::shape(missed.path),
            operation: asked.operation,
            code: misread.code.clone(),
            said: misread.words.clone(),
            closest,
        });
        let words = format!(
            "{}.{} See /control/near-misses, number {next}",
            misread.words.trim_end_matches('.'),
            first.unwrap_or_default(),
        );
        words.chars().take(FAULT_CHARS_MAX).collect()
    }

    /// The last ones, newest first.
    pub fn list(&self) -> Vec<NearMiss> {
        locked(&self.kept).1.iter().rev().cloned().collect()
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        locked(&self.kept).0
    }

    fn closest(&self, shelf: &Shelf, missed: &Missed<'_>) -> Vec<Candidate> {
        let expectations = self.expectations.get_or_init(|| expectations(shelf));
        let came = Outline::read(missed.body);
        let mut all: Vec<Candidate> =
            expectations.iter().map(|one| one.compare(missed, &came)).collect();
        all.sort_by_key(|one| one.weight);
        let best = all.first().map_or(0, |one| one.weight);
        all.retain(|one| one.weight <= best + HEAVY);
        all.truncate(CANDIDATES_MAX);
        all
    }
}

impl Expectation {
    fn compare(&self, missed: &Missed<'_>, came: &Outline) -> Candidate {
        let mut found = Findings::default();
        if !missed.path.trim_end_matches('/').ends_with(self.path.trim_end_matches('/')) {
            found.heavy(format!(
                "path {} instead of {}",
                super::asked::shape(missed.path),
                self.path
            ));
        }
        if missed.method != self.method {
            found.heavy(format!("method {} instead of {}", missed.method, self.method));
        }
        self.compare_outlines(came, &mut found);
        let Findings { sentences: mut differences, weight } = found;
        differences.dedup();
        if differences.len() > DIFFERENCES_MAX {
            let more = differences.len() - DIFFERENCES_MAX + 1;
            differences.truncate(DIFFERENCES_MAX - 1);
            differences.push(format!("and {more} more"));
        }
        if differences.is_empty() {
            differences.push("no name differs: look at the values".to_owned());
        }
        Candidate {
            system: self.system.clone(),
            operation: self.operation.clone(),
            case: self.case.clone(),
            differences,
            weight,
        }
    }

    fn compare_outlines(&self, came: &Outline, found: &mut Findings) {
        let own = &self.outline;
        if let Some(fault) = &came.fault {
            if own.fault.is_none() {
                found.heavy(fault.clone());
            }
            return;
        }
        if came.envelope != own.envelope {
            found.heavy(format!("envelope {} instead of {}", came.envelope, own.envelope));
        }
        if came.call != own.call {
            found.heavy(format!("operation {} instead of {}", came.call, own.call));
        }
        if came.service != own.service {
            found.heavy(format!("serviceId {} instead of {}", id(&came.service), own.service));
        }
        if came.word != own.word {
            found.heavy(format!("operation word {} instead of {}", id(&came.word), id(&own.word)));
        }
        if came.call == own.call {
            self.compare_elements(came, found);
        }
        for (name, text) in &came.numbers {
            if let Err(why) = number::check(text) {
                found.light(format!("{name} {why}"));
            }
        }
    }

    fn compare_elements(&self, came: &Outline, found: &mut Findings) {
        let mut moved: BTreeSet<&String> = BTreeSet::new();
        let mut absent: Vec<&String> = Vec::new();
        for wanted in self.required.difference(&came.elements) {
            // What stands in something absent is absent too; once is enough.
            if absent.iter().any(|above| wanted.starts_with(&format!("{above} > "))) {
                continue;
            }
            absent.push(wanted);
            let local = outline::locals(wanted);
            let twin = came.elements.iter().find(|one| outline::locals(one) == local);
            match twin {
                Some(twin) => {
                    moved.insert(twin);
                    let (has, wants) = outline::namespaces(twin, wanted);
                    found.light(format!("{local} stands in {has}, expected {wants}"));
                }
                None => found.light(format!("{local} is missing")),
            }
        }
        for extra in came.elements.difference(&self.outline.elements) {
            let is_moved = moved.iter().any(|one| extra.starts_with(one.as_str()));
            if !is_moved {
                let local = outline::locals(extra);
                found.light(format!("{local} is in no recorded request"));
            }
        }
        for empty in came.empty.intersection(&self.required) {
            found.light(format!("{} is empty", outline::locals(empty)));
        }
    }
}

#[derive(Default)]
struct Findings {
    sentences: Vec<String>,
    weight: usize,
}

impl Findings {
    fn heavy(&mut self, sentence: String) {
        self.weight += HEAVY;
        self.sentences.push(sentence);
    }

    fn light(&mut self, sentence: String) {
        self.weight += 1;
        self.sentences.push(sentence);
    }
}

/// One expectation for each operation of the recorded cases.
fn expectations(shelf: &Shelf) -> Vec<Expectation> {
    let mut all: BTreeMap<(String, String), Expectation> = BTreeMap::new();
    for title in shelf.titles() {
        let Ok(script) = shelf.script(&title.case) else { continue };
        for turn in &script.turns {
            let outline = Outline::read(&turn.request);
            if outline.call.is_empty() && turn.path.is_none() {
                continue;
            }
            let below = super::asked::shape(turn.path.as_deref().unwrap_or("/"));
            // A path of a case is the end of it; a SOAP service has one address.
            let path = if below == "/" { format!("/{}/", script.system) } else { below };
            let expectation = Expectation {
                system: script.system.clone(),
                operation: turn.operation(),
                case: script.name.clone(),
                method: turn.method.clone(),
                path,
                required: outline.elements.difference(&outline.empty).cloned().collect(),
                outline,
            };
            let key = (expectation.system.clone(), expectation.operation.clone());
            match all.get_mut(&key) {
                None => drop(all.insert(key, expectation)),
                Some(known) => {
                    known.required.retain(|path| expectation.required.contains(path));
                    known.outline.elements.extend(expectation.outline.elements);
                }
            }
        }
    }
    all.into_values().collect()
}

/// A word of the request, where it looks like the id of a service.
fn id(text: &str) -> &str {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match text {
        "" => "(none)",
        text if text.len() <= 80 && digits < 6 && text.bytes().all(is_id) => text,
        _ => "(something that is no id)",
    }
}

/// What SOAP itself says about a request, before any simulator reads it. `None`: go on.
pub(super) fn objection(content_type: &str, body: &[u8], at: Timestamp) -> Option<Misread> {
    let charset = content_type.split(';').skip(1).find_map(|part| {
        let (name, value) = part.trim().split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches('"').to_ascii_lowercase())
    });
    let is_utf8 = |name: &str| matches!(name, "utf-8" | "utf8" | "us-ascii");
    if charset.as_deref().is_some_and(|name| !is_utf8(name)) {
        let words = "Content-Type names another charset; this gateway reads UTF-8";
        return Some(Misread::soap("Client", words, at));
    }
    let head = &body[..body.len().min(HEAD_BYTES)];
    let has = |text: &str| head.windows(text.len()).any(|window| window == text.as_bytes());
    if has(envelope::SOAP) && !has(SOAP_12) {
        return None;
    }
    let root = xml::parse(body).ok()?;
    let namespace = root.namespace.as_deref();
    match (root.name.as_str(), namespace) {
        ("Envelope", Some(envelope::SOAP)) => None,
        ("Envelope", Some(SOAP_12)) => {
            let words = "this is a SOAP 1.2 envelope; this gateway speaks SOAP 1.1 \
                         (http://schemas.xmlsoap.org/soap/envelope/, Content-Type text/xml)";
            Some(Misread::soap("VersionMismatch", words, at))
        }
        ("Envelope", _) => {
            let words = "the Envelope is in no namespace of SOAP 1.1";
            Some(Misread::soap("VersionMismatch", words, at))
        }
        _ => Some(Misread::soap("Client", "the root element is no Envelope of SOAP 1.1", at)),
    }
}

/// The namespace of the envelope stands in the beginning of every usual message.
const HEAD_BYTES: usize = 2_048;
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";

/// The answer to a path that no simulator has.
pub(super) fn no_such_path(
    method: &str,
    content_type: &str,
    body: &[u8],
    at: Timestamp,
) -> Misread {
    let is_xml = content_type.contains("xml") || xml::parse(body).is_ok();
    if method == "POST" && is_xml {
        Misread::soap("Client", "no simulator has this path", at)
    } else {
        Misread::json(404, "no simulator has this path", at)
    }
}
