//! A message as a tree of places.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Form, Place};
use crate::{
    replay::schema::{Name, tree, tree::Node},
    transport::soap::SOAP_1_1,
};

/// Attributes of these namespaces say how a value is written or signed, not what it is.
const PASSED_OVER: [&str; 3] = [
    "http://www.w3.org/2001/XMLSchema-instance",
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
];
/// Documents in documents in documents.
const NESTED_MAX: usize = 4;

impl Place {
    /// Reads a message. An error says why it has no structure.
    pub fn read(form: Form, bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "bytes that are no UTF-8".to_owned())?;
        match form {
            Form::Xml => {
                let text = text.trim_start_matches('\u{feff}').trim_start();
                let root = tree::read(text).map_err(|error| format!("no XML that reads: {error}"));
                Ok(Self::of_node(&root?, NESTED_MAX))
            }
            Form::Json => {
                let value = serde_json::from_str::<Value>(text);
                let value = value.map_err(|_| "no JSON that reads".to_owned())?;
                Ok(Self::of_value(String::new(), &value))
            }
            Form::Text => Ok(Self::leaf(String::new(), text)),
        }
    }

    fn leaf(label: String, text: &str) -> Self {
        Self {
            name: label.clone(),
            label,
            attributes: BTreeSet::new(),
            value: Some(text.to_owned()),
            children: Vec::new(),
            has_order: false,
        }
    }

    fn of_node(node: &Node, nested_max: usize) -> Self {
        let label = node.name.1.clone();
        // The gateway writes its `data` in one namespace or another.
        let name = if label == "data" { label.clone() } else { spelt(&node.name) };
        let is_said = |name: &&(Name, String)| {
            !name.0.0.as_deref().is_some_and(|space| PASSED_OVER.contains(&space))
        };
        let attributes = node.attributes.iter().filter(is_said);
        let attributes = attributes.map(|(name, _)| spelt(name)).collect();
        let children = children(node, nested_max);
        let value = children.is_empty().then(|| node.text());
        Self { label, name, attributes, value, children, has_order: true }
    }

    fn of_value(label: String, value: &Value) -> Self {
        let inside = |children: Vec<Self>| Self {
            name: label.clone(),
            label: label.clone(),
            attributes: BTreeSet::new(),
            value: None,
            children,
            has_order: false,
        };
        match value {
            Value::Object(all) => {
                inside(all.iter().map(|(key, value)| Self::of_value(key.clone(), value)).collect())
            }
            Value::Array(all) => {
                inside(all.iter().map(|value| Self::of_value(String::new(), value)).collect())
            }
            Value::String(text) => Self::leaf(label, text),
            Value::Null => Self::leaf(label, ""),
            Value::Bool(_) | Value::Number(_) => Self::leaf(label, &value.to_string()),
        }
    }
}

/// How `data` carries its document: its namespace, as elements or as text, with which root. Gateways
/// choose anew for every message, and a schema describes one of these ways.
pub fn carriage(bytes: &[u8]) -> Option<(Option<String>, bool, Vec<String>)> {
    fn data(node: &Node) -> Option<&Node> {
        let own = node.elements().find(|child| child.name.1 == "data");
        own.or_else(|| node.elements().find_map(data))
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let root = tree::read(text.trim_start_matches('\u{feff}').trim_start()).ok()?;
    let data = data(&root)?;
    let names = |node: &Node| node.elements().map(|child| spelt(&child.name)).collect::<Vec<_>>();
    let inside = names(data);
    let is_text = inside.is_empty();
    let inside = if is_text {
        tree::read(data.text().trim()).map(|inner| vec![spelt(&inner.name)]).unwrap_or_default()
    } else {
        inside
    };
    let roots = if inside.len() == 1 { inside } else { Vec::new() };
    Some((data.name.0.clone(), is_text, roots))
}

/// The elements in an element; or those of the document that it holds as text.
fn children(node: &Node, nested_max: usize) -> Vec<Place> {
    if node.elements().next().is_some() {
        let said = node.elements().filter(|child| !is_empty_header(child));
        return said.map(|child| Place::of_node(child, nested_max)).collect();
    }
    let text = node.text();
    let inner = Some(text.trim()).filter(|text| text.starts_with('<') && nested_max > 0);
    match inner.and_then(|text| tree::read(text).ok()) {
        Some(inner) if inner.name.1 == node.name.1 => children(&inner, nested_max - 1),
        Some(inner) => vec![Place::of_node(&inner, nested_max - 1)],
        None => Vec::new(),
    }
}

fn is_empty_header(node: &Node) -> bool {
    node.name.0.as_deref() == Some(SOAP_1_1)
        && node.name.1 == "Header"
        && node.elements().next().is_none()
}

fn spelt((namespace, local): &Name) -> String {
    match namespace {
        Some(namespace) => format!("{{{namespace}}}{local}"),
        None => local.clone(),
    }
}
