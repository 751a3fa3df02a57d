//! A document as a tree that can be written in canonical form (Canonical XML 1.0, inclusive), as a
//! whole, without an element, or one element alone.
//!
//! *Independence*: the adapter digests bytes that it wrote itself; this reads whatever came and
//! makes the canonical form by the rules of the standard. A mistake on either side shows.
//!
//! *Limits*: [`DEPTH_MAX`] levels; comments and processing instructions are left out; no `xml:*`
//! attributes.

use std::collections::BTreeMap;

use quick_xml::{
    Reader,
    escape::{resolve_predefined_entity, unescape},
    events::{BytesStart, Event},
};

/// Deeper documents are refused.
const DEPTH_MAX: usize = 64;

/// A document is not well-formed, or not supported here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// One element. Names are kept as written, with their prefix.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) content: Vec<Content>,
    /// Prefix → namespace, as in scope here.
    scope: BTreeMap<String, String>,
}

/// What stands in an element.
#[derive(Debug)]
pub(super) enum Content {
    Element(Element),
    /// Decoded.
    Text(String),
}

/// Reads a document.
pub(super) fn read(document: &str) -> Result<Element, Unreadable> {
    let mut reader = Reader::from_str(document.trim_start_matches('\u{feff}').trim_start());
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event().map_err(|_| Unreadable)? {
            Event::Start(start) => {
                if open.len() == DEPTH_MAX || root.is_some() {
                    return Err(Unreadable);
                }
                let scope = open.last().map(|parent| parent.scope.clone()).unwrap_or_default();
                open.push(element(&start, scope)?);
            }
            Event::End(_) => {
                let done = open.pop().ok_or(Unreadable)?;
                match open.last_mut() {
                    Some(parent) => parent.content.push(Content::Element(done)),
                    None => root = Some(done),
                }
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|_| Unreadable)?;
                let name = reference.xml10_content();
                let named = || resolve_predefined_entity(&name).map(str::to_owned);
                let text = character.map(|one| one.to_string()).or_else(named);
                add(&mut open, &text.ok_or(Unreadable)?);
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof if open.is_empty() => return root.ok_or(Unreadable),
            Event::Eof | Event::DocType(_) | Event::Empty(_) => return Err(Unreadable),
        }
    }
}

impl Element {
    /// The name without its prefix.
    pub(super) fn local(&self) -> &str {
        self.name.split_once(':').map_or(&*self.name, |(_, local)| local)
    }

    /// Its namespace; empty where it has none.
    pub(super) fn namespace(&self) -> &str {
        self.scope.get(prefix(&self.name)).map_or("", String::as_str)
    }

    /// The elements in it.
    pub(super) fn children(&self) -> impl DoubleEndedIterator<Item = &Self> {
        self.content.iter().filter_map(|content| match content {
            Content::Element(element) => Some(element),
            Content::Text(_) => None,
        })
    }

    /// The element below, by local names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |one, name| one.children().find(|child| child.local() == *name))
    }

    /// Its own text.
    pub(super) fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|content| match content {
            Content::Text(text) => Some(text.as_str()),
            Content::Element(_) => None,
        });
        texts.collect()
    }

    /// The attribute of this name.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The type that `xsi:type` names: namespace and local name, by whatever prefixes.
    pub(super) fn xsi_type(&self) -> Option<(&str, &str)> {
        let is_type = |name: &str| {
            let named = name
                .split_once(':')
                .and_then(|(prefix, local)| Some((self.scope.get(prefix)?.as_str(), local)));
            named == Some(("http://www.w3.org/2001/XMLSchema-instance", "type"))
        };
        let (_, value) = self.attributes.iter().find(|(name, _)| is_type(name))?;
        let (prefix, local) = value.trim().split_once(':').unwrap_or(("", value.trim()));
        Some((self.scope.get(prefix).map_or("", String::as_str), local))
    }

    /// The canonical form, without one element of it.
    pub(super) fn canonical(&self, without: Option<&Self>) -> String {
        let mut out = String::new();
        self.write(&mut out, &BTreeMap::new(), without);
        out
    }

    fn write(&self, out: &mut String, shown: &BTreeMap<String, String>, without: Option<&Self>) {
        if without.is_some_and(|one| std::ptr::eq(one, self)) {
            return;
        }
        out.push('<');
        out.push_str(&self.name);
        for (prefix, namespace) in &self.scope {
            let before = shown.get(prefix).map_or("", String::as_str);
            if before != namespace {
                let colon = if prefix.is_empty() { "" } else { ":" };
                out.push_str(&format!(" xmlns{colon}{prefix}=\"{}\"", quoted(namespace)));
            }
        }
        let mut attributes: Vec<_> = self.attributes.iter().collect();
        attributes.sort_by_key(|(name, _)| match name.split_once(':') {
            Some((prefix, local)) => (self.scope.get(prefix).cloned().unwrap_or_default(), local),
            None => (String::new(), name.as_str()),
        });
        for (name, value) in attributes {
            out.push_str(&format!(" {name}=\"{}\"", quoted(value)));
        }
        out.push('>');
        for content in &self.content {
            match content {
                Content::Element(element) => element.write(out, &self.scope, without),
                Content::Text(text) => out.push_str(&plain(text)),
            }
        }
        out.push_str(&format!("</{}>", self.name));
    }
}

fn element(
    start: &BytesStart<'_>,
    mut scope: BTreeMap<String, String>,
) -> Result<Element, Unreadable> {
    let name = start.name().into_inner().to_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| Unreadable)?;
        let value = unescape(&attribute.value).map_err(|_| Unreadable)?.into_owned();
        let key = attribute.key.into_inner();
        let declared = match key.strip_prefix("xmlns") {
            Some("") => Some(""),
            other => other.and_then(|rest| rest.strip_prefix(':')),
        };
        match declared {
            Some(prefix) => {
                scope.insert(prefix.to_owned(), value);
            }
            None => attributes.push((key.to_owned(), value)),
        }
    }
    if !prefix(&name).is_empty() && !scope.contains_key(prefix(&name)) {
        return Err(Unreadable);
    }
    Ok(Element { name, attributes, content: Vec::new(), scope })
}

fn prefix(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.content.push(Content::Text(text.to_owned()));
    }
}

fn plain(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\r', "&#xD;")
}

fn quoted(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    text.replace('\t', "&#x9;").replace('\n', "&#xA;").replace('\r', "&#xD;")
}
