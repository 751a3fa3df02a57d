//! One message, value by value: what a rule lets stay, what becomes something else.
//!
//! ```text
//! bytes ─ XML, JSON, else ─ every text and attribute ─┬ a document inside: opened, rewritten, packed again
//!                                                     ├ a blob: a small one of the same kind
//!                                                     └ a value: Rules → stay or StandIns
//! ```
//!
//! *Guarantee*: nothing is copied that is neither an element name, a key, a namespace, nor kept by
//! the rules. Each original value that did not stay is remembered for the guard.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{
    guard::Guard,
    markup::{self, Content, Node},
    rules::{self, Rules, Verdict},
    stand_in::StandIns,
};
use crate::transport::xml::DEPTH_MAX;

/// A PDF that every reader opens as an empty file.
const PDF: &[u8] = b"%PDF-1.4\n%%EOF\n";
/// What stands where bytes stood that cannot be read at all.
const UNREADABLE: &str = "<html><head><title>Recorded: a page, its text removed</title></head>\
                          <body></body></html>\n";
/// Attributes of XML Schema's instances and of SOAP; there they have a prefix.
const ATTRIBUTES: [&str; 5] = ["type", "nil", "mustUnderstand", "encodingStyle", "schemaLocation"];
/// Where the names of algorithms begin.
const ALGORITHMS: [&str; 2] = ["http://www.w3.org/", "urn:"];
/// Shorter texts are no packed document.
const PACKED_BYTES_MIN: usize = 8;

/// A value that did not stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Original {
    /// Where it stood.
    pub(super) path: String,
    /// The last name of the path, or its kind.
    pub(super) value: String,
}

/// Rewrites the messages of one recording.
pub(super) struct Rewriter<'r> {
    pub(super) rules: &'r Rules,
    pub(super) stand_ins: &'r mut StandIns,
    /// What no text may hold that would stay.
    pub(super) guard: &'r Guard,
}

/// What a text is, apart from a value.
enum Packed {
    Xml(markup::Tree),
    Json(Value),
    /// Base64 of a document.
    Document(String),
    /// A document that is escaped once more than it should be.
    Escaped(String),
    /// Base64 of something else: a stand-in of its kind.
    Blob(Vec<u8>),
}

impl Rewriter<'_> {
    /// A whole message.
    pub(super) fn message(&mut self, bytes: &[u8]) -> Vec<u8> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = String::from_utf8_lossy(bytes);
        if let Some(packed) = document(&text) {
            return self.pack(packed, &text, &mut Vec::new()).into_bytes();
        }
        if text.trim().is_empty() { Vec::new() } else { UNREADABLE.as_bytes().to_vec() }
    }

    /// The stand-in of the first text in an element of this name.
    pub(super) fn leaf_of(&mut self, bytes: &[u8], local: &str) -> Option<String> {
        fn find(node: &Node, local: &str) -> Option<String> {
            if node.local() == local {
                return Some(node.text());
            }
            node.children().find_map(|child| find(child, local))
        }
        let tree = markup::read(&String::from_utf8_lossy(bytes))?;
        let text = find(&tree.root, local).filter(|text| !text.trim().is_empty())?;
        Some(self.text(&text, &mut vec![local.to_owned()]))
    }

    /// A JSON value: the job's input.
    pub(super) fn json(&mut self, value: &Value, path: &mut Vec<String>) -> Value {
        match value {
            Value::Object(all) => {
                let each = all.iter().map(|(key, value)| {
                    path.push(key.clone());
                    let value = self.json(value, path);
                    path.pop();
                    (key.clone(), value)
                });
                Value::Object(each.collect())
            }
            Value::Array(all) if path.len() < DEPTH_MAX => {
                all.iter().map(|value| self.json(value, path)).collect()
            }
            Value::String(text) => Value::String(self.text(text, path)),
            Value::Number(number) => {
                let text = number.to_string();
                let made = self.text(&text, path);
                serde_json::from_str(&made).unwrap_or(Value::Null)
            }
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Array(_) => Value::Null,
        }
    }

    fn element(&mut self, node: &mut Node, path: &mut Vec<String>) {
        path.push(node.local().to_owned());
        for (name, value) in &mut node.attributes {
            if name == "xmlns" || name.starts_with("xmlns:") {
                continue;
            }
            let local = markup::local(name).to_owned();
            if !is_protocol(name, value) {
                path.push(local);
                *value = self.text(value, path);
                path.pop();
            }
        }
        // A list of `param`s: the key says what its values are.
        let key = node.children().find(|child| child.local() == "key").map(Node::text);
        let is_param = node.local() == "param" && key.is_some();
        if let Some(key) = key.filter(|_| is_param) {
            path.push(key);
        }
        let is_leaf = node.children().next().is_none();
        for content in &mut node.content {
            match content {
                Content::Element(child) if is_param && child.local() == "key" => {
                    self.param_key(child, path);
                }
                Content::Element(child) if child.local() == "values" && is_param => {
                    let children = child.content.iter_mut().filter_map(|content| match content {
                        Content::Element(child) => Some(child),
                        Content::Text { .. } => None,
                    });
                    children.for_each(|child| self.element(child, path));
                }
                Content::Element(child) => self.element(child, path),
                Content::Text { text, .. } if is_leaf || !text.trim().is_empty() => {
                    *text = self.text(text, path);
                }
                Content::Text { .. } => {}
            }
        }
        if is_param {
            path.pop();
        }
        path.pop();
    }

    /// The name of a parameter is a name of the contract, unless it does not look like one.
    fn param_key(&mut self, node: &mut Node, path: &mut Vec<String>) {
        let key = node.text();
        let looks_like_one = key.chars().all(|c| c.is_ascii_alphabetic()) && key.len() <= 40;
        if !looks_like_one {
            self.element(node, path);
        }
    }

    /// One text: a document inside, a blob, or a value.
    fn text(&mut self, text: &str, path: &mut Vec<String>) -> String {
        let value = text.trim();
        if value.is_empty() || value == "-" {
            return text.to_owned();
        }
        match self.rules.of(path, value) {
            Verdict::Constant(constant) => {
                let constant = constant.to_owned();
                self.stand_ins.set(value, &constant);
                return constant;
            }
            Verdict::Keep => return text.to_owned(),
            Verdict::Text if !self.guard.is_in(value) => return text.to_owned(),
            Verdict::Text | Verdict::Name | Verdict::Replace => {}
        }
        if let Some(given) = self.stand_ins.get(value) {
            return text.replace(value, given);
        }
        if path.len() < DEPTH_MAX
            && let Some(packed) = document(value).or_else(|| in_base64(value))
        {
            return self.pack(packed, value, path);
        }
        let made = match self.rules.of(path, value) {
            Verdict::Name => self.stand_ins.of_name(value),
            Verdict::Keep | Verdict::Text | Verdict::Constant(_) | Verdict::Replace => {
                self.stand_ins.of(value)
            }
        };
        text.replace(value, &made)
    }

    fn pack(&mut self, packed: Packed, value: &str, path: &mut Vec<String>) -> String {
        match packed {
            Packed::Xml(mut tree) => {
                self.element(&mut tree.root, path);
                tree.write()
            }
            Packed::Json(json) => {
                let made = self.json(&json, path);
                let has_lines = value.contains('\n');
                let pretty = if has_lines {
                    serde_json::to_string_pretty(&made)
                } else {
                    Ok(made.to_string())
                };
                pretty.unwrap_or_default()
            }
            Packed::Document(inner) => {
                let made = match document(&inner) {
                    Some(document) => self.pack(document, &inner, path),
                    None => String::new(),
                };
                BASE64_STANDARD.encode(made)
            }
            Packed::Escaped(inner) => {
                let made = match document(&inner) {
                    Some(document) => self.pack(document, &inner, path),
                    None => String::new(),
                };
                quick_xml::escape::escape(&made).into_owned()
            }
            Packed::Blob(stand_in) => {
                let made = BASE64_STANDARD.encode(stand_in);
                self.stand_ins.set(value, &made);
                made
            }
        }
    }
}

/// The values of a message, with their places: what the guard must not find again.
pub(super) fn originals(bytes: &[u8], rules: &Rules) -> Vec<Original> {
    let mut found = Vec::new();
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    if let Some(packed) = document(&text) {
        collect(&packed, rules, &mut Vec::new(), &mut found);
    } else {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| is_telling(word));
        let original = |word: &str| Original { path: "text".to_owned(), value: word.to_owned() };
        found.extend(words.map(original));
    }
    found
}

/// Of a text that is no document only what may name a person: markup and its words are everywhere.
fn is_telling(word: &str) -> bool {
    const DIGITS: usize = 6;
    let is_name = !word.is_ascii() && word.chars().next().is_some_and(char::is_uppercase);
    is_name || word.chars().filter(char::is_ascii_digit).count() >= DIGITS
}

/// The values of a JSON document.
pub(super) fn originals_of_json(
    value: &Value,
    rules: &Rules,
    path: &mut Vec<String>,
    found: &mut Vec<Original>,
) {
    match value {
        Value::Object(all) => {
            for (key, value) in all {
                path.push(key.clone());
                originals_of_json(value, rules, path, found);
                path.pop();
            }
        }
        Value::Array(all) => {
            for value in all {
                originals_of_json(value, rules, path, found);
            }
        }
        Value::String(text) => leaf(text, rules, path, found),
        Value::Number(number) => leaf(&number.to_string(), rules, path, found),
        Value::Null | Value::Bool(_) => {}
    }
}

fn collect(packed: &Packed, rules: &Rules, path: &mut Vec<String>, found: &mut Vec<Original>) {
    match packed {
        Packed::Xml(tree) => collect_node(&tree.root, rules, path, found),
        Packed::Json(json) => originals_of_json(json, rules, path, found),
        Packed::Document(inner) | Packed::Escaped(inner) => {
            if let Some(packed) = document(inner) {
                collect(&packed, rules, path, found);
            }
        }
        Packed::Blob(_) => {}
    }
}

/// Whether an attribute belongs to the form of a message, and not to what it tells.
fn is_protocol(name: &str, value: &str) -> bool {
    let local = markup::local(name);
    let is_algorithm =
        local == "Algorithm" && ALGORITHMS.iter().any(|begin| value.starts_with(begin));
    is_algorithm || (name.contains(':') && ATTRIBUTES.contains(&local))
}

fn collect_node(node: &Node, rules: &Rules, path: &mut Vec<String>, found: &mut Vec<Original>) {
    path.push(node.local().to_owned());
    for (name, value) in &node.attributes {
        let local = markup::local(name);
        if !name.starts_with("xmlns") && !is_protocol(name, value) {
            path.push(local.to_owned());
            leaf(value, rules, path, found);
            path.pop();
        }
    }
    let key = node.children().find(|child| child.local() == "key").map(Node::text);
    let key = key.filter(|_| node.local() == "param");
    let is_param = key.is_some();
    path.extend(key);
    let is_leaf = node.children().next().is_none();
    for content in &node.content {
        match content {
            Content::Element(child) if is_param && child.local() == "key" => {}
            Content::Element(child) if is_param && child.local() == "values" => {
                child.children().for_each(|value| collect_node(value, rules, path, found));
            }
            Content::Element(child) => collect_node(child, rules, path, found),
            Content::Text { text, .. } if is_leaf || !text.trim().is_empty() => {
                leaf(text, rules, path, found);
            }
            Content::Text { .. } => {}
        }
    }
    if is_param {
        path.pop();
    }
    path.pop();
}

fn leaf(text: &str, rules: &Rules, path: &mut Vec<String>, found: &mut Vec<Original>) {
    let value = text.trim();
    if value.is_empty() || value == "-" {
        return;
    }
    // A rule may let a value stay; the form of a person's number or name never does.
    let stays = matches!(rules.of(path, value), Verdict::Keep | Verdict::Text);
    let is_kept = stays && !rules::is_person_name(path);
    if let Some(packed) = document(value).or_else(|| in_base64(value)) {
        return collect(&packed, rules, path, found);
    }
    if value.starts_with('<') {
        // Markup that cannot be read.
        let parts = value.split(|c: char| c.is_whitespace() || "<>\"'=".contains(c));
        let words = parts.filter(|part| !part.contains("://"));
        let words = words.flat_map(|part| part.split(|c: char| !c.is_alphanumeric()));
        let original = |word: &str| Original { path: path.join("/"), value: word.to_owned() };
        found.extend(words.filter(|word| is_telling(word)).map(original));
    } else if !is_kept {
        found.push(Original { path: path.join("/"), value: value.to_owned() });
    }
}

fn document(text: &str) -> Option<Packed> {
    let start = text.trim_start();
    if start.starts_with('<') {
        return markup::read(start).map(Packed::Xml);
    }
    if start.starts_with("&lt;") {
        let inner = quick_xml::escape::unescape(start).ok()?.into_owned();
        return markup::read(&inner).map(|_| Packed::Escaped(inner));
    }
    if start.starts_with('{') || start.starts_with('[') {
        let json = serde_json::from_str(start).ok();
        return json.filter(|json: &Value| json.is_object() || json.is_array()).map(Packed::Json);
    }
    None
}

fn in_base64(text: &str) -> Option<Packed> {
    if text.len() < PACKED_BYTES_MIN {
        return None;
    }
    let text: String = text.split_whitespace().collect();
    let bytes = BASE64_STANDARD.decode(&text).ok()?;
    if bytes.starts_with(b"%PDF") {
        return Some(Packed::Blob(PDF.to_vec()));
    }
    let inner = String::from_utf8(bytes).ok()?;
    document(&inner).map(|_| Packed::Document(inner))
}

#[cfg(test)]
mod tests {
    use super::is_protocol;

    #[test]
    fn an_attribute_stays_only_where_it_belongs_to_the_form_of_a_message() {
        assert!(is_protocol("xsi:type", "p:Person") && is_protocol("soap:mustUnderstand", "1"));
        assert!(is_protocol("Algorithm", "http://www.w3.org/2001/04/xmlenc#sha256"));
        assert!(!is_protocol("type", "TESTOV-TEST") && !is_protocol("Algorithm", "TESTOV"));
    }
}
