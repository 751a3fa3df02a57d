//! The last look before anything is written: is a value of the original still there?
//!
//! *Guarantee*: every value that did not stay, every name by its place, every number that is an
//! IIN, a BIN, a track number, a phone or an e-mail address by its form (whatever a rule says), and
//! every value of the user's list is searched in every file, also as capitals and small letters,
//! without blanks, as digits alone, in Latin letters, percent-encoded, as references of XML and JSON
//! and in base64; of names every word, of every other
//! value each part that could be a name or a number. A [`Hit`] names file, place and kind, never the value.
//!
//! *Limits*: words below [`LETTERS_MIN`] letters and numbers below [`DIGITS_MIN`] digits are not
//! searched: they are in every message. So are words of its element names and namespaces, which are
//! searched where they name a person only.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_STANDARD};
use contracts::{
    number::{Bin, Iin},
    s10::TrackNumber,
};
use serde_json::Value;

use super::{
    markup::{self, Content, Node},
    rewrite::Original,
    rules,
};

/// Shorter words are not searched.
pub const LETTERS_MIN: usize = 3;
/// Shorter numbers are not searched.
pub const DIGITS_MIN: usize = 4;
/// Base64 is looked into so deep.
const LAYERS_MAX: usize = 4;
/// Shorter values are no blobs.
const BLOB_BYTES_MIN: usize = 100;
/// Longer words are no words.
const WORD_CHARS_MAX: usize = 40;
/// As many digits may stand inside a longer number.
const DIGITS_ALONE: usize = 9;

/// Words that stand in every `case.toml`.
const CASE_WORDS: &str = "recorded from real exchange every value about person made title operation \
    provenance found message request response answer status http https schema valid true false steps job \
    input subject carry expected outcome answered failed acknowledged progress class code reason \
    summary portal contract";

/// A value that survived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The file that was not written.
    pub file: String,
    /// Where in it.
    pub path: String,
    /// Where the value stood in the original, or what it is.
    pub kind: String,
}

impl std::fmt::Display for Hit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: a value of {} survived", self.file, self.path, self.kind)
    }
}

/// What must not be found.
#[derive(Default)]
pub(super) struct Guard {
    /// In small letters; with the place it came from.
    needles: BTreeMap<String, String>,
    /// Blobs of the project itself, like the certificate of the known key: not looked into.
    known: Vec<String>,
    /// Words of names of elements, keys and namespaces, in small letters: they are always written.
    form: BTreeSet<String>,
}

impl Guard {
    /// For messages of this form, of an operation whose name the case tells.
    pub(super) fn of_form<'m>(
        operation: &str,
        messages: impl IntoIterator<Item = &'m [u8]>,
    ) -> Self {
        let mut form = BTreeSet::new();
        add_words(&mut form, CASE_WORDS);
        add_words(&mut form, operation);
        for message in messages {
            let text = String::from_utf8_lossy(message);
            if let Some(tree) = markup::read(text.trim_start()) {
                form_of(&tree.root, &mut form);
            }
        }
        Self { form, ..Self::default() }
    }

    /// Names in a job are written as the names in a message are.
    pub(super) fn add_keys(&mut self, value: &Value) {
        match value {
            Value::Object(all) => {
                for (key, value) in all {
                    add_words(&mut self.form, key);
                    self.add_keys(value);
                }
            }
            Value::Array(all) => all.iter().for_each(|value| self.add_keys(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// A value and everything it may look like.
    pub(super) fn add(&mut self, kind: &str, value: &str) {
        let value = value.trim().to_lowercase();
        self.needle(kind, &value);
        self.needle(kind, &value.split_whitespace().collect::<String>());
        let digits: String = value.chars().filter(char::is_ascii_digit).collect();
        if digits.len() >= 6 && digits.len() * 2 > value.len() {
            self.needle(kind, &digits);
        }
        if is_words(kind, &value) {
            let words = value.split(|c: char| !c.is_alphanumeric());
            let path: Vec<String> = kind.split('/').map(str::to_owned).collect();
            let is_name = rules::is_person_name(&path);
            // `pdf` is no name, `KIM` in the place of one is.
            let is_telling = |word: &&str| {
                !word.chars().all(|c| c.is_ascii_digit())
                    && (is_name || !word.is_ascii() || word.len() > LETTERS_MIN)
                    && (is_name || !self.form.contains(*word))
            };
            let words: Vec<&str> = words.filter(is_telling).collect();
            for word in words {
                self.needle(kind, word);
                self.needle(kind, &in_latin(word));
            }
        } else if !is_blob(&value) {
            // An id or a path may hold a name or a number: `2013-09-19/N98765432-AKHMETOV`.
            let parts = value.split(|c: char| !c.is_alphanumeric());
            let parts: Vec<&str> =
                parts.filter(|part| is_telling_part(part) && !self.form.contains(*part)).collect();
            for part in parts {
                self.needle(kind, part);
            }
        }
    }

    /// Of an original: its value, and what a number in it looks like.
    pub(super) fn add_original(&mut self, original: &Original) {
        self.add(&original.path, &original.value);
    }

    /// Numbers of people in a whole message, whatever its rules say.
    pub(super) fn add_numbers(&mut self, bytes: &[u8]) {
        for layer in layers(&String::from_utf8_lossy(bytes)) {
            let is_part = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
            for word in layer.split(|c: char| !is_part(c)) {
                if let Some(kind) = number_kind(&word.to_uppercase()) {
                    self.add(kind, word);
                }
            }
        }
    }

    /// This is a synthetic value of the project itself: it may stand there.
    pub(super) fn allow(&mut self, value: &str) {
        if value.len() >= BLOB_BYTES_MIN {
            self.known.push(value.to_owned());
        }
        let mut own = Self::default();
        own.add("", value);
        self.needles.retain(|needle, _| !own.needles.contains_key(needle));
    }

    /// Whether a text holds a value of the original.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.needles.keys().any(|needle| stands_in(&text, needle))
    }

    fn needle(&mut self, kind: &str, value: &str) {
        let letters = value.chars().filter(|c| c.is_alphabetic()).count();
        let digits = value.chars().filter(char::is_ascii_digit).count();
        let is_enough =
            if digits == 0 { letters >= LETTERS_MIN } else { letters + digits >= DIGITS_MIN };
        if is_enough {
            self.needles.entry(value.to_owned()).or_insert_with(|| kind.to_owned());
        }
    }

    /// All values that survived in a file; its name is looked at too.
    pub(super) fn search(&self, file: &str, bytes: &[u8]) -> Vec<Hit> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let text = self.known.iter().fold(text, |text, blob| text.replace(blob, ""));
        let mut hits = Vec::new();
        for layer in layers(&text).into_iter().chain([file.to_lowercase()]) {
            let squeezed: String = layer.split_whitespace().collect();
            for (needle, kind) in &self.needles {
                let is_long = needle.chars().count() >= DIGITS_ALONE;
                if stands_in(&layer, needle) || (is_long && stands_in(&squeezed, needle)) {
                    let path = place(&text, needle).unwrap_or_else(|| "somewhere".to_owned());
                    let hit = Hit { file: file.to_owned(), path, kind: kind.clone() };
                    if !hits.contains(&hit) {
                        hits.push(hit);
                    }
                }
            }
        }
        hits
    }
}

/// Words of the names in a message that every recording of it holds.
fn form_of(node: &Node, form: &mut BTreeSet<String>) {
    add_words(form, &node.name);
    for (name, value) in &node.attributes {
        add_words(form, name);
        if name == "xmlns" || name.starts_with("xmlns:") {
            add_words(form, value);
        }
    }
    node.children().for_each(|child| form_of(child, form));
}

fn add_words(form: &mut BTreeSet<String>, text: &str) {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.is_ascii());
    form.extend(words.map(str::to_lowercase));
}

/// Whether a value is made of words that tell somebody each: not an id, a code or a blob.
fn is_words(kind: &str, value: &str) -> bool {
    let path: Vec<String> = kind.split('/').map(str::to_owned).collect();
    let has_blob = value.split_whitespace().any(|word| word.chars().count() > WORD_CHARS_MAX);
    let is_text = !value.is_ascii() || value.contains(char::is_whitespace);
    !has_blob && (is_text || rules::is_person_name(&path))
}

/// Whether a value can only be bytes in base64, or one long id: its parts tell nothing.
fn is_blob(value: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    value.len() > WORD_CHARS_MAX && value.chars().all(is_part)
}

/// Whether a part of an id could be a name or somebody's number.
fn is_telling_part(part: &str) -> bool {
    const LETTERS: usize = 4;
    const DIGITS: usize = 6;
    part.chars().filter(|c| c.is_alphabetic()).count() >= LETTERS
        || part.chars().filter(char::is_ascii_digit).count() >= DIGITS
}

/// What the form of a word says.
fn number_kind(word: &str) -> Option<&'static str> {
    let digits = word.trim_start_matches('+');
    let is_number = digits.chars().all(|c| c.is_ascii_digit());
    if word.parse::<Iin>().is_ok() {
        return Some("an IIN");
    }
    if word.parse::<Bin>().is_ok() {
        return Some("a BIN");
    }
    if word.parse::<TrackNumber>().is_ok() {
        return Some("a track number");
    }
    if is_number && digits.len() == 11 && (digits.starts_with("77") || digits.starts_with("87")) {
        return Some("a phone");
    }
    let is_mail =
        word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    is_mail.then_some("an e-mail address")
}

/// A text as it may be read: as it is, and with every encoding undone, in small letters.
fn layers(text: &str) -> Vec<String> {
    let mut all = vec![text.to_lowercase()];
    let mut current = text.to_owned();
    for _ in 0..LAYERS_MAX {
        let undone = undo(&current);
        if undone == current {
            break;
        }
        all.push(undone.to_lowercase());
        current = undone;
    }
    let mut packed = vec![text.to_owned(), current];
    for _ in 0..LAYERS_MAX {
        packed = packed.iter().flat_map(|text| unpacked(text)).collect();
        for inner in &packed {
            all.push(inner.to_lowercase());
            all.push(undo(inner).to_lowercase());
        }
    }
    all
}

/// Undoes references of XML, escapes of JSON and percent signs.
fn undo(text: &str) -> String {
    let text = quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), Into::into);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%'
            && let Some(byte) = after.get(..2).and_then(hex)
        {
            bytes.push(byte);
            rest = &after[2..];
            continue;
        }
        if first == b'\\'
            && after.first() == Some(&b'u')
            && let (Some(high), Some(low)) =
                (after.get(1..3).and_then(hex), after.get(3..5).and_then(hex))
            && let Some(c) = char::from_u32(u32::from(high) << 8 | u32::from(low))
        {
            bytes.extend(c.to_string().as_bytes());
            rest = &after[5..];
            continue;
        }
        bytes.push(first);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(two: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()
}

/// Everything in base64 that holds text.
fn unpacked(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let words = text.split(|c: char| !is_part(c)).filter(|word| word.len() >= 8);
    let decode = |word: &str| {
        let bytes = BASE64_STANDARD.decode(word).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    words.filter_map(decode).collect()
}

/// Whether a word stands in a text: a short one not as a part of another.
fn stands_in(text: &str, needle: &str) -> bool {
    let is_long = needle.chars().count() >= DIGITS_ALONE;
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(needle).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + needle.len()..].chars().next();
        is_long || !(joins(before) || joins(after))
    })
}

/// The path of the element or key that holds a value.
fn place(text: &str, needle: &str) -> Option<String> {
    if let Some(tree) = markup::read(text.trim_start()) {
        return place_in(&tree.root, needle);
    }
    let json: Value = serde_json::from_str(text).ok()?;
    place_in_json(&json, needle, String::new())
}

fn place_in(node: &Node, needle: &str) -> Option<String> {
    let own = node.local();
    let holds = |text: &str| layers(text).iter().any(|layer| stands_in(layer, needle));
    for (name, value) in &node.attributes {
        if holds(value) {
            return Some(format!("{own}/@{name}"));
        }
    }
    for content in &node.content {
        match content {
            Content::Element(child) => {
                if let Some(place) = place_in(child, needle) {
                    return Some(format!("{own}/{place}"));
                }
            }
            Content::Text { text, .. } if holds(text) => {
                let inside = place(text, needle).map(|inside| format!("/{inside}"));
                return Some(format!("{own}{}", inside.unwrap_or_default()));
            }
            Content::Text { .. } => {}
        }
    }
    None
}

fn place_in_json(value: &Value, needle: &str, path: String) -> Option<String> {
    match value {
        Value::Object(all) => all
            .iter()
            .find_map(|(key, value)| place_in_json(value, needle, format!("{path}/{key}"))),
        Value::Array(all) => {
            all.iter().find_map(|value| place_in_json(value, needle, path.clone()))
        }
        Value::Null | Value::Bool(_) => None,
        Value::String(text) => {
            layers(text).iter().any(|layer| stands_in(layer, needle)).then_some(path)
        }
        Value::Number(number) => stands_in(&number.to_string(), needle).then_some(path),
    }
}

/// A Russian or Kazakh word in Latin letters, as passports write it.
fn in_latin(word: &str) -> String {
    let letter = |c| match c {
        'а' | 'ә' => "a",
        'б' => "b",
        'в' => "v",
        'г' | 'ғ' => "g",
        'д' => "d",
        'е' | 'э' => "e",
        'ё' => "yo",
        'ж' => "zh",
        'з' => "z",
        'и' | 'і' => "i",
        'й' | 'ы' => "y",
        'к' => "k",
        'қ' => "q",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'ң' => "ng",
        'о' | 'ө' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' | 'ұ' | 'ү' => "u",
        'ф' => "f",
        'х' | 'һ' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ю' => "yu",
        'я' => "ya",
        _ => "",
    };
    word.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(values: &[&str]) -> Guard {
        let mut guard = Guard::default();
        for value in values {
            guard.add("person/surname", value);
        }
        guard
    }

    #[test]
    fn a_value_is_found_in_every_dress() {
        let guard = guard(&["АХМЕТОВ", "Сериков Даулет", "+7 701 234 56 78", "1985-01-15"]);
        let percent: String = "Ахметов".bytes().map(|byte| format!("%{byte:02X}")).collect();
        let references: String =
            "ахметов".chars().map(|c| format!("&#x{:X};", u32::from(c))).collect();
        let json: String = "Ахметов".chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let packed = BASE64_STANDARD.encode("<a>Ахметов</a>");
        let twice = BASE64_STANDARD.encode(&packed);
        for text in [
            "г-н ахметов,",
            "AKHMETOV",
            "Даулет",
            "+77012345678",
            "7 7012345678",
            "19850115",
            "a=1985-01-15T",
            "&amp;lt;a&amp;gt;Ахметов&amp;lt;/a&amp;gt;",
            percent.as_str(),
            references.as_str(),
            json.as_str(),
            packed.as_str(),
            twice.as_str(),
        ] {
            assert!(!guard.search("response.xml", text.as_bytes()).is_empty(), "{text}");
        }
        assert!(!guard.search("ахметов.xml", b"").is_empty());
        for text in ["ахметовский", "1985", "2026-03-02", "<a>ТЕСТОВ</a>"] {
            assert_eq!(guard.search("response.xml", text.as_bytes()), [], "{text}");
        }
    }

    #[test]
    fn a_part_of_an_id_is_found_by_itself() {
        let mut guard = Guard::of_form("gbdfl.person", [b"<person xmlns='urn:gbdfl'/>".as_slice()]);
        guard.add("document/number", "2013-09-19/N98765432-AKHMETOV");
        guard.add(
            "document/file",
            "https://files.portal.test/person/0000017/serikov_daulet.2013.scan",
        );
        for text in ["2014-01-02/N98765432-X", "of Akhmetov,", "0000017", "daulet 5"] {
            assert_eq!(guard.search("response.xml", text.as_bytes()).len(), 1, "{text}");
        }
        for text in ["person", "2013", "19", "N1876543-TESTOV"] {
            assert_eq!(guard.search("response.xml", text.as_bytes()), [], "{text}");
        }
    }

    #[test]
    fn a_hit_names_file_place_and_kind_and_not_the_value() {
        let text = "<e:a xmlns:e='u'><b>&lt;c&gt;&lt;d&gt;АХМЕТОВ&lt;/d&gt;&lt;/c&gt;</b></e:a>";
        let hits = guard(&["АХМЕТОВ"]).search("response.xml", text.as_bytes());
        let told = "response.xml: a/b/c/d: a value of person/surname survived";
        assert_eq!(hits.iter().map(ToString::to_string).collect::<Vec<_>>(), [told]);
        let json = r#"{"receiver": {"name": "Ахметов"}}"#;
        let hits = guard(&["АХМЕТОВ"]).search("response.json", json.as_bytes());
        assert_eq!(hits[0].path, "/receiver/name");
    }

    #[test]
    fn numbers_of_people_are_known_by_their_form() {
        let mut guard = Guard::default();
        guard.add_numbers(b"<x><code>850100300012</code>AP000000014KZ +77012345678 a@b.kz</x>");
        for value in ["850100300012", "AP000000014KZ", "77012345678", "A@B.kz"] {
            assert_eq!(guard.search("f", value.as_bytes()).len(), 1, "{value}");
        }
        assert_eq!(guard.search("f", b"850100300013 SCSS001"), []);
    }
}
