//! A document as a tree that keeps what [`crate::transport::xml`] drops on purpose: prefixes, text
//! beside elements, and how to write it again.

use std::{fmt, sync::Arc};

use quick_xml::{
    NsReader,
    events::{BytesStart, Event},
    name::ResolveResult,
};

use super::Name;
use crate::transport::xml::{BYTES_MAX, DEPTH_MAX};

/// An element.
#[derive(Clone)]
pub struct Node {
    /// Namespace and local name.
    pub name: Name,
    /// In the order of the document; declarations of namespaces are not among them.
    pub attributes: Vec<(Name, String)>,
    /// Elements and text, in order.
    pub content: Vec<Content>,
    /// Prefixes that are bound here, the innermost last.
    scope: Arc<Vec<(String, String)>>,
}

/// What stands inside an element.
#[derive(Clone)]
pub enum Content {
    /// An element.
    Element(Node),
    /// Text or CDATA, decoded.
    Text(String),
}

/// Reads a document. A DOCTYPE is passed over: a schema says nothing of it.
pub fn read(text: &str) -> Result<Node, String> {
    if text.len() > BYTES_MAX {
        return Err("too long".to_owned());
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX || (open.is_empty() && root.is_some()) {
                    return Err("too deep, or a second root".to_owned());
                }
                let outer = open.last().map(|node| Arc::clone(&node.scope)).unwrap_or_default();
                open.push(Node::open(&reader, &start, outer)?);
            }
            Event::End(_) => {
                let node = open.pop().ok_or("an end without a start")?;
                match open.last_mut() {
                    Some(parent) => parent.content.push(Content::Element(node)),
                    None => root = Some(node),
                }
            }
            Event::Text(text) => push(&mut open, &text.xml10_content())?,
            Event::CData(text) => push(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let text = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(character) => character.to_string(),
                    None => predefined(&reference)?.to_owned(),
                };
                push(&mut open, &text)?;
            }
            Event::Eof => break,
            Event::Comment(_)
            | Event::PI(_)
            | Event::Decl(_)
            | Event::DocType(_)
            | Event::Empty(_) => {}
        }
    }
    if open.is_empty() {
        root.ok_or("there is no element".to_owned())
    } else {
        Err("cut".to_owned())
    }
}

fn predefined(name: &str) -> Result<&'static str, String> {
    match name {
        "lt" => Ok("<"),
        "gt" => Ok(">"),
        "amp" => Ok("&"),
        "apos" => Ok("'"),
        "quot" => Ok("\""),
        _ => Err("an unknown entity".to_owned()),
    }
}

fn push(open: &mut [Node], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(node) => match node.content.last_mut() {
            Some(Content::Text(before)) => before.push_str(text),
            Some(Content::Element(_)) | None => node.content.push(Content::Text(text.to_owned())),
        },
        None if text.trim().is_empty() => {}
        None => return Err("text outside the root".to_owned()),
    }
    Ok(())
}

impl Node {
    fn open(
        reader: &NsReader<&[u8]>,
        start: &BytesStart<'_>,
        outer: Arc<Vec<(String, String)>>,
    ) -> Result<Self, String> {
        let name_of = |name, is_element| {
            let namespace = match reader.resolver().resolve(name, is_element).0 {
                ResolveResult::Bound(namespace) => Some(namespace.0.to_owned()),
                ResolveResult::Unbound => None,
                ResolveResult::Unknown(_) => return Err("an undeclared prefix".to_owned()),
            };
            Ok((namespace, name.local_name().into_inner().to_owned()))
        };
        let (mut attributes, mut declared) = (Vec::new(), Vec::new());
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = quick_xml::escape::unescape(&attribute.value);
            let value = value.map_err(|error| error.to_string())?.into_owned();
            let key: &str = attribute.key.into_inner();
            match key.strip_prefix("xmlns") {
                Some("") => declared.push((String::new(), value)),
                Some(prefix) if prefix.starts_with(':') => {
                    declared.push((prefix[1..].to_owned(), value));
                }
                Some(_) | None => attributes.push((name_of(attribute.key, false)?, value)),
            }
        }
        let scope = if declared.is_empty() {
            outer
        } else {
            Arc::new(outer.iter().cloned().chain(declared).collect())
        };
        let name = name_of(start.name(), true)?;
        Ok(Self { name, attributes, content: Vec::new(), scope })
    }

    /// Its child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Self> {
        self.content.iter().filter_map(|one| match one {
            Content::Element(node) => Some(node),
            Content::Text(_) => None,
        })
    }

    /// Its own text, without that of its children.
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter_map(|one| match one {
            Content::Text(text) => Some(text.as_str()),
            Content::Element(_) => None,
        });
        texts.collect()
    }

    /// An attribute in no namespace.
    pub fn attribute(&self, local: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(name, _)| name.0.is_none() && name.1 == local);
        found.map(|(_, value)| value.as_str())
    }

    /// A prefixed name as a value, in the scope of this element; `None`: its prefix is not bound.
    pub fn resolve(&self, text: &str) -> Option<Name> {
        let (prefix, local) = text.trim().split_once(':').unwrap_or(("", text.trim()));
        let bound = self.scope.iter().rev().find(|(one, _)| one == prefix);
        match bound {
            Some((_, namespace)) => {
                Some((Some(namespace.clone()).filter(|one| !one.is_empty()), local.to_owned()))
            }
            None if prefix.is_empty() => Some((None, local.to_owned())),
            None => None,
        }
    }

    /// Writes it as a document of its own, with the prefixes that values may refer to.
    pub fn to_xml(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None, None);
        out
    }

    fn write(
        &self,
        out: &mut String,
        default: Option<&str>,
        outer: Option<&Arc<Vec<(String, String)>>>,
    ) {
        out.push('<');
        out.push_str(&self.name.1);
        let own = self.name.0.as_deref();
        if own != default {
            attribute(out, "xmlns", own.unwrap_or_default());
        }
        if outer.is_none_or(|outer| !Arc::ptr_eq(outer, &self.scope)) {
            let mut written: Vec<&str> = Vec::new();
            for (prefix, namespace) in self.scope.iter().rev() {
                if !prefix.is_empty() && !written.contains(&prefix.as_str()) {
                    attribute(out, &format!("xmlns:{prefix}"), namespace);
                    written.push(prefix);
                }
            }
        }
        for (at, (name, value)) in self.attributes.iter().enumerate() {
            match &name.0 {
                Some(namespace) if namespace == XML => {
                    attribute(out, &format!("xml:{}", name.1), value);
                }
                Some(namespace) => {
                    attribute(out, &format!("xmlns:a{at}"), namespace);
                    attribute(out, &format!("a{at}:{}", name.1), value);
                }
                None => attribute(out, &name.1, value),
            }
        }
        out.push('>');
        for one in &self.content {
            match one {
                Content::Element(node) => node.write(out, own, Some(&self.scope)),
                Content::Text(text) => out.push_str(&escaped(text)),
            }
        }
        out.push_str("</");
        out.push_str(&self.name.1);
        out.push('>');
    }
}

const XML: &str = "http://www.w3.org/XML/1998/namespace";

fn attribute(out: &mut String, name: &str, value: &str) {
    out.push_str(&format!(" {name}=\"{}\"", escaped(value).replace('"', "&quot;")));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content")
    }
}
