//! XSD validation of messages, with the schemas that lie beside the cases.
//!
//! ```text
//! a message ─ SHEP envelope ─→ shep/soap.xsd ─→ the content of `data` ─→ <system>/*.xsd
//!           ├ other SOAP envelope ─→ its form ─→ the content of the body ─→ <system>/*.xsd
//!           └ anything else ─→ <system>/*.xsd
//! ```
//!
//! The content of `data` is the element that a schema of the system declares: `data` itself, its
//! one child, or the root of the document that travels in it as text.
//!
//! *Guarantee*: what no schema declares is invalid, never passed over; a schema with a construct
//! outside [`vocabulary`] is refused when it is loaded.
//!
//! *What this does not do*: identity constraints, substitution groups and `redefine` are not in the
//! vocabulary. The engine is the crate `uppsala`; `adapters/tests/cases/differential.rs` holds it
//! against xmllint.

mod vocabulary;

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use uppsala::{Document, NodeId, XsdValidator};

use crate::transport::soap::SOAP_1_1;

/// The folder with the schemas of the gateway.
const GATEWAY: &str = "shep";
/// Its entry: a whole message.
const ENTRY: &str = "soap.xsd";
/// Namespaces of the gateway begin so.
const GATEWAY_NAMESPACES: &str = "http://bip.bee.kz/";
/// More are not listed.
const FAULTS_MAX: usize = 5;

/// All schemas below `contracts/systems`.
pub struct Schemas {
    envelope: Option<Schema>,
    of_system: BTreeMap<String, Vec<Schema>>,
}

/// A schema that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {text}", file.display())]
pub struct SchemaError {
    /// Its file.
    pub file: PathBuf,
    /// Why not.
    pub text: String,
}

struct Schema {
    validator: XsdValidator,
    /// Expanded names of the elements that may be a root.
    roots: Vec<Name>,
}

type Name = (Option<String>, String);

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schemas").field("systems", &self.of_system.len()).finish_non_exhaustive()
    }
}

impl Schemas {
    /// Loads every `*.xsd` below a folder of systems.
    pub fn load(systems: &Path) -> Result<Self, SchemaError> {
        let unreadable = |file: &Path, error: &std::io::Error| SchemaError {
            file: file.to_owned(),
            text: error.to_string(),
        };
        let mut all = Self { envelope: None, of_system: BTreeMap::new() };
        for folder in fs::read_dir(systems).map_err(|error| unreadable(systems, &error))? {
            let folder = folder.map_err(|error| unreadable(systems, &error))?.path();
            let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { continue };
            if !folder.is_dir() {
                continue;
            }
            let mut files: Vec<PathBuf> = fs::read_dir(&folder)
                .map_err(|error| unreadable(&folder, &error))?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|end| end == "xsd"))
                .collect();
            files.sort();
            let mut schemas = Vec::new();
            for file in files {
                let schema = Schema::load(&file)?;
                if name == GATEWAY && file.ends_with(ENTRY) {
                    all.envelope = Some(schema);
                } else {
                    schemas.push(schema);
                }
            }
            all.of_system.insert(name.to_owned(), schemas);
        }
        Ok(all)
    }

    /// What is wrong with a message of a system; an empty list means that it fits.
    pub fn faults(&self, system: &str, bytes: &[u8]) -> Vec<String> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return vec!["the message is not in UTF-8".to_owned()];
        };
        let document = match uppsala::parse(text.trim_start_matches('\u{feff}')) {
            Ok(document) => document,
            Err(error) => return vec![format!("not well-formed: {error}")],
        };
        let mut faults = self.of_document(system, &document);
        faults.truncate(FAULTS_MAX);
        faults
    }

    fn of_document(&self, system: &str, document: &Document<'_>) -> Vec<String> {
        let Some(root) = document.document_element() else {
            return vec!["there is no element".to_owned()];
        };
        let is_soap =
            |name: &Name, local: &str| name.0.as_deref() == Some(SOAP_1_1) && name.1 == local;
        let name = name_of(document, root);
        if !is_soap(&name, "Envelope") || self.schema_of(system, &name).is_some() {
            return self.of_element(system, document, root);
        }
        let parts: Vec<_> = elements(document, root);
        let body = parts.iter().find(|part| is_soap(&name_of(document, **part), "Body"));
        let content = body.map(|body| elements(document, *body)).unwrap_or_default();
        let &[content] = content.as_slice() else {
            return vec!["the envelope holds no body with one element".to_owned()];
        };
        let content_name = name_of(document, content);
        let is_gateways =
            content_name.0.as_deref().is_some_and(|name| name.starts_with(GATEWAY_NAMESPACES));
        if !is_gateways && !is_soap(&content_name, "Fault") {
            return self.of_element(system, document, content);
        }
        let Some(envelope) = &self.envelope else {
            return vec![format!("there is no {GATEWAY}/{ENTRY}")];
        };
        let mut faults = envelope.faults(document);
        if let Some(data) = data_of(document, content) {
            faults.extend(self.of_data(system, document, data));
        }
        faults
    }

    fn of_data(&self, system: &str, document: &Document<'_>, data: NodeId) -> Vec<String> {
        let inside = elements(document, data);
        if inside.is_empty() {
            let text = document.text_content_deep(data);
            let text = text.trim();
            if text.is_empty() {
                return Vec::new();
            }
            return match uppsala::parse(text) {
                Ok(inner) => match inner.document_element() {
                    Some(root) => self.of_element(system, &inner, root),
                    None => vec!["the text in `data` holds no element".to_owned()],
                },
                Err(error) => vec![format!("the text in `data` is not well-formed: {error}")],
            };
        }
        if let &[one] = inside.as_slice()
            && self.schema_of(system, &name_of(document, one)).is_some()
        {
            return self.of_element(system, document, one);
        }
        self.of_element(system, document, data)
    }

    /// Validates an element as if it were a document of its own.
    fn of_element(&self, system: &str, document: &Document<'_>, element: NodeId) -> Vec<String> {
        let name = name_of(document, element);
        let Some(schema) = self.schema_of(system, &name) else {
            return vec![format!("no schema of {system} declares {}", spelt(&name))];
        };
        let mut alone = Document::new();
        let Some(root) = alone.import_subtree(document, element) else {
            return vec!["the element cannot be cut out".to_owned()];
        };
        let top = alone.root();
        alone.append_child(top, root);
        // Prefixes that were declared further out; the nearest declaration counts.
        for outer in document.ancestors(element) {
            let declared = document.element(outer).map(|one| one.namespace_declarations.clone());
            for (prefix, namespace) in declared.unwrap_or_default() {
                let known = alone.element(root).is_some_and(|own| {
                    own.namespace_declarations.iter().any(|(one, _)| *one == prefix)
                });
                if !known {
                    let (prefix, namespace) = (prefix.into_owned(), namespace.into_owned());
                    if let Some(own) = alone.element_mut(root) {
                        own.namespace_declarations.push((prefix.into(), namespace.into()));
                    }
                }
            }
        }
        schema.faults(&alone)
    }

    fn schema_of(&self, system: &str, name: &Name) -> Option<&Schema> {
        self.of_system.get(system)?.iter().find(|schema| schema.roots.contains(name))
    }
}

impl Schema {
    fn load(file: &Path) -> Result<Self, SchemaError> {
        let fault = |text: String| SchemaError { file: file.to_owned(), text };
        let text = fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
        let roots = vocabulary::check(file, &text)?;
        let document = uppsala::parse(&text).map_err(|error| fault(error.to_string()))?;
        let validator = XsdValidator::from_schema_with_base_path(&document, Some(file))
            .map_err(|error| fault(error.to_string()))?;
        Ok(Self { validator, roots })
    }

    fn faults(&self, document: &Document<'_>) -> Vec<String> {
        self.validator.validate(document).into_iter().map(|fault| fault.message).collect()
    }
}

fn data_of(document: &Document<'_>, content: NodeId) -> Option<NodeId> {
    let child = |parent: NodeId, names: &[&str]| {
        let all = elements(document, parent);
        all.into_iter().find(|one| names.contains(&name_of(document, *one).1.as_str()))
    };
    let message = child(content, &["request", "response"])?;
    let holder = child(message, &["requestData", "responseData", "messageData"])?;
    child(holder, &["data"])
}

fn elements(document: &Document<'_>, parent: NodeId) -> Vec<NodeId> {
    let all = document.children(parent).into_iter();
    all.filter(|child| document.element(*child).is_some()).collect()
}

fn name_of(document: &Document<'_>, element: NodeId) -> Name {
    document.element(element).map_or_else(Name::default, |element| {
        let namespace = element.name.namespace_uri.as_deref().filter(|name| !name.is_empty());
        (namespace.map(str::to_owned), element.name.local_name.to_string())
    })
}

fn spelt((namespace, local): &Name) -> String {
    match namespace {
        Some(namespace) => format!("{{{namespace}}}{local}"),
        None => format!("{local} (in no namespace)"),
    }
}
