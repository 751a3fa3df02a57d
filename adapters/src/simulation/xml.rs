//! A small tree of a request: namespaces resolved, text and CDATA joined, DOCTYPE refused.
//!
//! *Limits*: [`DEPTH_MAX`] levels; the size is limited where the request is read.

use quick_xml::{
    NsReader,
    escape::resolve_predefined_entity,
    events::{BytesRef, BytesStart, Event},
    name::{QName, ResolveResult},
};

use super::template::escape;

/// Deeper documents are refused.
pub const DEPTH_MAX: usize = 64;

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// One element.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its namespace, where it has one.
    pub namespace: Option<String>,
    /// Its local name.
    pub name: String,
    /// Its attributes without a prefix, in their order.
    pub attributes: Vec<(String, String)>,
    /// The type that `xsi:type` names: namespace and local name.
    pub xsi_type: Option<(Option<String>, String)>,
    /// Its own text, joined.
    pub text: String,
    /// Its children.
    pub children: Vec<Self>,
}

impl Node {
    /// The first child with this local name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element below, name by name.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.child(name))
    }

    /// The value of an attribute without a prefix; empty where there is none.
    pub fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Its local name, where nothing else is needed any more.
    pub fn into_name(self) -> String {
        self.name
    }

    /// The trimmed text of the element below; empty where there is none.
    pub fn text_at(&self, path: &[&str]) -> &str {
        self.at(path).map_or("", |node| node.text.trim())
    }
}

/// Writes the elements in an element, each with its own namespace declarations.
pub fn write_children(node: &Node) -> String {
    let mut out = String::new();
    for child in &node.children {
        write(child, "", &mut out);
    }
    out
}

fn write(node: &Node, around: &str, out: &mut String) {
    let namespace = node.namespace.as_deref().unwrap_or_default();
    out.push_str(&format!("<{}", node.name));
    if namespace != around {
        out.push_str(&format!(" xmlns=\"{}\"", escape(namespace)));
    }
    for (name, value) in &node.attributes {
        out.push_str(&format!(" {name}=\"{}\"", escape(value)));
    }
    out.push('>');
    out.push_str(&escape(&node.text));
    for child in &node.children {
        write(child, namespace, out);
    }
    out.push_str(&format!("</{}>", node.name));
}

/// Reads a document.
pub fn parse(bytes: &[u8]) -> Result<Node, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable("not UTF-8".to_owned()))?;
    parse_text(text.trim_start_matches('\u{feff}'))
}

/// Reads a document that is text already, such as the content of a CDATA payload.
pub fn parse_text(text: &str) -> Result<Node, Unreadable> {
    let mut reader = NsReader::from_str(text.trim_start());
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event().map_err(|error| Unreadable(error.to_string()))?;
        match event {
            Event::Start(start) => {
                if open.len() == DEPTH_MAX || (open.is_empty() && root.is_some()) {
                    return Err(Unreadable("too deep, or more than one root".to_owned()));
                }
                open.push(node(&reader, &start)?);
            }
            Event::Empty(start) => close(node(&reader, &start)?, &mut open, &mut root),
            Event::End(_) => {
                if let Some(node) = open.pop() {
                    close(node, &mut open, &mut root);
                }
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => add(&mut open, &resolve(&reference)?),
            Event::DocType(_) => return Err(Unreadable("DOCTYPE is not allowed".to_owned())),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if open.is_empty() => {
                return root.ok_or_else(|| Unreadable("no element".to_owned()));
            }
            Event::Eof => return Err(Unreadable("ends before its last element does".to_owned())),
        }
    }
}

fn node(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Node, Unreadable> {
    let (namespace, _) = reader.resolver().resolve_element(start.name());
    let namespace = bound(&namespace)?;
    let name = start.local_name().as_ref().to_owned();
    let (mut attributes, mut xsi_type) = (Vec::new(), None);
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| Unreadable(error.to_string()))?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let value = quick_xml::escape::unescape(&attribute.value)
            .map_err(|error| Unreadable(error.to_string()))?;
        if attribute.key.prefix().is_some() {
            let (of, name) = reader.resolver().resolve_attribute(attribute.key);
            if name.as_ref() == "type" && bound(&of)?.as_deref() == Some(XSI) {
                let (of, local) = reader.resolver().resolve_element(QName(value.trim()));
                xsi_type = Some((bound(&of)?, local.as_ref().to_owned()));
            }
            continue;
        }
        attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
    }
    Ok(Node { namespace, name, attributes, xsi_type, ..Node::default() })
}

fn bound(namespace: &ResolveResult<'_>) -> Result<Option<String>, Unreadable> {
    match namespace {
        ResolveResult::Bound(namespace) => Ok(Some(namespace.0.to_owned())),
        ResolveResult::Unbound => Ok(None),
        ResolveResult::Unknown(_) => Err(Unreadable("undeclared prefix".to_owned())),
    }
}

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

fn close(node: Node, open: &mut [Node], root: &mut Option<Node>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None => *root = Some(node),
    }
}

fn add(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, Unreadable> {
    let char = reference.resolve_char_ref().map_err(|error| Unreadable(error.to_string()))?;
    if let Some(char) = char {
        return Ok(char.to_string());
    }
    let name = reference.xml10_content();
    resolve_predefined_entity(&name)
        .map(str::to_owned)
        .ok_or_else(|| Unreadable("undeclared entity".to_owned()))
}
