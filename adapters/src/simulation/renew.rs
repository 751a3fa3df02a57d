//! Makes a recorded answer fit the request that came.
//!
//! ```text
//! recorded request ─┐ leaf by leaf: other value → pair
//! request that came ┘                              ├─→ recorded answer, every pair exchanged,
//! ids of the gateway, made anew ────────────────────┘   dates near the recording moved to now
//! ```
//!
//! *Guarantee*: what differed on purpose goes on differing. A pair is exchanged in both directions,
//! so an answer about another person is about another person still.
//!
//! *What this does not do*: it knows no system by name, and it cannot renew a signature: that of a
//! signed answer no longer fits where a value inside it changed.

use jiff::{SignedDuration, Timestamp, civil::Date};
use regex::Regex;
use serde_json::Value;

use super::xml::{self, Node};

/// Shorter values are words, not keys.
const KEY_CHARS_MIN: usize = 9;
/// Dates further from the recording are facts, and stay.
const NEAR: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Values that take each other's place.
#[derive(Debug, Default, Clone)]
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Pairs of two requests with the same operation.
    pub(super) fn of_requests(recorded: &[u8], came: &[u8]) -> Self {
        let mut pairs = Self::default();
        if let (Ok(recorded), Ok(came)) = (xml::parse(recorded), xml::parse(came)) {
            pairs.of_nodes(&recorded, &came);
        } else if let (Ok(recorded), Ok(came)) =
            (serde_json::from_slice(recorded), serde_json::from_slice(came))
        {
            pairs.of_values(&recorded, &came);
        }
        pairs
    }

    /// Pairs of two paths, from the end: a track number may stand in them.
    pub(super) fn of_paths(&mut self, recorded: &str, came: &str) {
        for (recorded, came) in recorded.rsplit('/').zip(came.rsplit('/')) {
            self.add(recorded, came);
        }
    }

    /// From now on `came` stands where `recorded` stood, and the other way round.
    pub(super) fn add(&mut self, recorded: &str, came: &str) {
        let is_key = |text: &str| {
            text.len() >= KEY_CHARS_MIN
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_known = self.0.iter().any(|(known, _)| known == recorded);
        if recorded == came || is_known || !is_key(recorded) || !is_key(came) {
            return;
        }
        self.0.push((recorded.to_owned(), came.to_owned()));
    }

    /// As [`Self::add`], for a gateway's number, which may be short.
    pub(super) fn put(&mut self, recorded: &str, came: &str) {
        if !recorded.is_empty() && recorded != came {
            self.forget(recorded);
            self.0.push((recorded.to_owned(), came.to_owned()));
        }
    }

    /// This value stays what it is from now on.
    pub(super) fn forget(&mut self, recorded: &str) {
        self.0.retain(|(known, _)| known != recorded);
    }

    fn of_nodes(&mut self, recorded: &Node, came: &Node) {
        let (own, other) = (recorded.text.trim(), came.text.trim());
        if recorded.children.is_empty() && came.children.is_empty() {
            match (xml::parse_text(own), xml::parse_text(other)) {
                (Ok(own), Ok(other)) => self.of_nodes(&own, &other),
                (Ok(_) | Err(_), Ok(_) | Err(_)) => self.add(own, other),
            }
            return;
        }
        // A payload may be elements here and text there.
        let (recorded, came) = (unfolded(recorded), unfolded(came));
        for (at, child) in recorded.children.iter().enumerate() {
            let nth = recorded.children[..at].iter().filter(|one| one.name == child.name).count();
            let twin = came.children.iter().filter(|one| one.name == child.name).nth(nth);
            if let Some(twin) = twin {
                self.of_nodes(child, twin);
            }
        }
    }

    fn of_values(&mut self, recorded: &Value, came: &Value) {
        match (recorded, came) {
            (Value::String(own), Value::String(other)) => self.add(own, other),
            (Value::Object(own), Value::Object(other)) => {
                for (key, value) in own {
                    if let Some(twin) = other.get(key) {
                        self.of_values(value, twin);
                    }
                }
            }
            (Value::Array(own), Value::Array(other)) => {
                for (value, twin) in own.iter().zip(other) {
                    self.of_values(value, twin);
                }
            }
            _ => {}
        }
    }

    /// The text with every pair exchanged, in one pass.
    pub(super) fn exchange(&self, text: &str) -> String {
        let mut both: Vec<(&str, &str)> = Vec::new();
        let forth = self.0.iter().map(|(a, b)| (a.as_str(), b.as_str()));
        let back = self.0.iter().map(|(a, b)| (b.as_str(), a.as_str()));
        for (from, to) in forth.chain(back) {
            if both.iter().all(|(known, _)| *known != from) {
                both.push((from, to));
            }
        }
        // Longer keys first: a shorter one may be a part of them.
        both.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        let names: Vec<String> = both.iter().map(|(from, _)| regex::escape(from)).collect();
        let Ok(pattern) = Regex::new(&format!(r"\b(?:{})\b", names.join("|"))) else {
            return text.to_owned();
        };
        if both.is_empty() {
            return text.to_owned();
        }
        let put = |found: &regex::Captures<'_>| {
            let pair = both.iter().find(|(from, _)| *from == &found[0]);
            pair.map_or_else(String::new, |(_, to)| (*to).to_owned())
        };
        pattern.replace_all(text, put).into_owned()
    }
}

/// Dates within [`NEAR`] of the recording, moved by as much as has passed since.
pub(super) fn move_dates(text: &str, recorded_at: Timestamp, now: Timestamp) -> String {
    const PATTERN: &str = r"\b(\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?)?\b";
    let Ok(pattern) = Regex::new(PATTERN) else { return text.to_owned() };
    let passed = now.duration_since(recorded_at);
    let put = |found: &regex::Captures<'_>| {
        let whole = &found[0];
        let moved = match found.get(2) {
            Some(_) => move_instant(whole, recorded_at, passed),
            None => move_date(whole, recorded_at, now),
        };
        moved.unwrap_or_else(|| whole.to_owned())
    };
    pattern.replace_all(text, put).into_owned()
}

/// `2026-03-02T10:00:00.000+05:00` in the same form; without an offset it is local.
fn move_instant(text: &str, recorded_at: Timestamp, passed: SignedDuration) -> Option<String> {
    let at_zone = text.get(19..)?.find(['Z', '+', '-']).map_or(text.len(), |at| at + 19);
    let (local, zone) = text.split_at(at_zone);
    let local: jiff::civil::DateTime = local.parse().ok()?;
    let offset = match zone {
        "" => LOCAL,
        "Z" => jiff::tz::Offset::UTC,
        text => format!("2000-01-01T00:00:00{text}[{text}]").parse::<jiff::Zoned>().ok()?.offset(),
    };
    let at = offset.to_timestamp(local).ok()?;
    if at.duration_since(recorded_at).abs() > NEAR {
        return None;
    }
    let moved = offset.to_datetime(at.checked_add(passed).ok()?);
    let has_millis = text.as_bytes().get(19) == Some(&b'.');
    let form = if has_millis { "%Y-%m-%dT%H:%M:%S%.3f" } else { "%Y-%m-%dT%H:%M:%S" };
    Some(format!("{}{zone}", moved.strftime(form)))
}

const LOCAL: jiff::tz::Offset = jiff::tz::offset(5);

fn move_date(text: &str, recorded_at: Timestamp, now: Timestamp) -> Option<String> {
    let date: Date = text.parse().ok()?;
    let (then, today) = (LOCAL.to_datetime(recorded_at).date(), LOCAL.to_datetime(now).date());
    if date.duration_since(then).abs() > NEAR {
        return None;
    }
    Some(date.checked_add(today.duration_since(then)).ok()?.to_string())
}

/// A node whose text is a document, as if the document stood in it.
fn unfolded(node: &Node) -> std::borrow::Cow<'_, Node> {
    if node.children.is_empty()
        && let Ok(root) = xml::parse_text(node.text.trim())
    {
        let children = if root.name == "data" { root.children } else { vec![root] };
        return std::borrow::Cow::Owned(Node { children, ..node.clone() });
    }
    std::borrow::Cow::Borrowed(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn keys_of_the_request_take_the_place_of_the_recorded_ones() {
        let recorded = b"<a><id>recorded-id-1</id><iin>850100300012</iin><x>short</x></a>";
        let came =
            b"<b:a xmlns:b='urn:b'><id>new-id-00001</id><iin>920300400029</iin><x>y</x></b:a>";
        let pairs = Pairs::of_requests(recorded, came);
        let text = "850100300012 recorded-id-1 short &lt;iin&gt;850100300012&lt;/iin&gt;";
        let expected = "920300400029 new-id-00001 short &lt;iin&gt;920300400029&lt;/iin&gt;";
        assert_eq!(pairs.exchange(text), expected);
    }

    #[test]
    fn an_answer_about_another_person_stays_one() {
        let pairs = Pairs::of_requests(
            b"<a><iin>850100300012</iin></a>",
            b"<a><iin>920300400029</iin></a>",
        );
        assert_eq!(pairs.exchange("<iin>920300400029</iin>"), "<iin>850100300012</iin>");
    }

    #[test]
    fn a_payload_may_be_elements_here_and_text_there() {
        let recorded = b"<a><data><r><iin>850100300012</iin></r></data></a>";
        let came =
            b"<a><data><![CDATA[<q:r xmlns:q='u'><iin>920300400029</iin></q:r>]]></data></a>";
        let pairs = Pairs::of_requests(recorded, came);
        assert_eq!(pairs.exchange("850100300012"), "920300400029");
    }

    #[test]
    fn only_dates_near_the_recording_move() {
        let (recorded_at, now) = (at("2026-03-02T05:00:00Z"), at("2026-11-22T06:30:00Z"));
        let moved = |text| move_dates(text, recorded_at, now);
        assert_eq!(moved("2026-03-02T10:10:00.000+05:00"), "2026-11-22T11:40:00.000+05:00");
        assert_eq!(moved("2026-03-02T10:10:00"), "2026-11-22T11:40:00");
        assert_eq!(moved("2026-03-05T00:00:00Z"), "2026-11-25T01:30:00Z");
        assert_eq!(moved("<IssueDate>2026-03-03</IssueDate>"), "<IssueDate>2026-11-23</IssueDate>");
        for fact in ["1985-01-15", "2013-09-19T09:44:33+06:00", "1772427600001", "no date"] {
            assert_eq!(moved(fact), fact);
        }
    }
}
