//! The names in a request: expanded, without values.

use std::collections::BTreeSet;

use crate::simulation::{
    asked::{self, PERSONS},
    xml::{self, Node},
};

/// The names in a request.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Why it cannot be read as SOAP.
    pub(super) fault: Option<String>,
    /// Expanded name of the root.
    pub(super) envelope: String,
    /// Expanded name of what stands in the body.
    pub(super) call: String,
    /// `serviceId`.
    pub(super) service: String,
    /// The word in the payload that chooses the operation.
    pub(super) word: String,
    /// Expanded names below the call, joined with ` > `.
    pub(super) elements: BTreeSet<String>,
    /// Those of them without text and children.
    pub(super) empty: BTreeSet<String>,
    /// Numbers of persons and organisations, by local name. Never shown.
    pub(super) numbers: Vec<(String, String)>,
}

impl Outline {
    /// Reads a request.
    pub(super) fn read(body: &[u8]) -> Self {
        let fault = |text: String| Self { fault: Some(text), ..Self::default() };
        if body.is_empty() {
            return fault("there is no body".to_owned());
        }
        let root = match xml::parse(body) {
            Ok(root) => root,
            Err(_) if body.trim_ascii_start().starts_with(b"{") => {
                return fault("the body is JSON, not XML".to_owned());
            }
            Err(_) => return fault("the body is not well-formed XML in UTF-8".to_owned()),
        };
        let mut outline = Self { envelope: expanded(&root), ..Self::default() };
        let Some(call) = root.child("Body").and_then(|body| body.children.first()) else {
            return Self { fault: Some("there is nothing in a SOAP body".to_owned()), ..outline };
        };
        outline.call = expanded(call);
        let request = call.child("request");
        for info in ["requestInfo", "messageInfo"] {
            let service = request.map_or("", |request| request.text_at(&[info, "serviceId"]));
            outline.service.push_str(service);
        }
        if let Some(payload) = request.and_then(asked::payload) {
            outline.word =
                [payload.attribute("serviceName"), payload.text_at(&["operation"])].concat();
        }
        outline.walk(call, "");
        outline
    }

    fn walk(&mut self, node: &Node, above: &str) {
        for child in &node.children {
            // Lists of keys and values: their names say nothing.
            let path = if above.is_empty() {
                expanded(child)
            } else {
                format!("{above} > {}", expanded(child))
            };
            self.elements.insert(path.clone());
            let text = child.text.trim();
            if child.children.is_empty() && text.is_empty() {
                self.empty.insert(path.clone());
            }
            if PERSONS.contains(&child.name.as_str()) && child.children.is_empty() {
                self.numbers.push((child.name.clone(), text.to_owned()));
            }
            if child.children.is_empty() && child.name == "data" {
                if let Ok(root) = xml::parse_text(text) {
                    let folded = Node { children: vec![root], ..Node::default() };
                    self.walk(&folded, &path);
                }
                continue;
            }
            self.walk(child, &path);
        }
    }
}

/// `{namespace}local`; the local name alone where there is no namespace.
fn expanded(node: &Node) -> String {
    let name: String = node.name.chars().take(80).collect();
    match &node.namespace {
        Some(namespace) => format!("{{{}}}{name}", namespace.chars().take(120).collect::<String>()),
        None => name,
    }
}

/// Local names of a path: `request/requestInfo/serviceId`.
pub(super) fn locals(path: &str) -> String {
    let names = path.split(" > ").map(|name| name.rsplit('}').next().unwrap_or(name));
    names.collect::<Vec<_>>().join("/")
}

/// The namespaces of the first element in which two paths differ.
pub(super) fn namespaces(has: &str, wants: &str) -> (String, String) {
    let pairs = has.split(" > ").zip(wants.split(" > "));
    let pair = pairs.into_iter().find(|(has, wants)| has != wants).unwrap_or((has, wants));
    (namespace(pair.0), namespace(pair.1))
}

fn namespace(name: &str) -> String {
    match name.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((namespace, _)) => namespace.to_owned(),
        None => "no namespace".to_owned(),
    }
}
