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
//! *Guarantee*: what no schema declares is invalid, never passed over; a schema with a construct, a
//! type or a reference outside the supported part of XML Schema is refused when it is loaded
//! ([`compile`]).
//!
//! *What this does not do*: keys and references between them, substitution groups, lists, unions, restrictions of
//! complex types, `redefine`. Crates were tried on the schemas of `adapters/tests/cases/zoo.rs`:
//! `uppsala` 0.12 counts lengths in bytes and overlooks attributes of simple types, `xmlschema`
//! 0.0.14 overlooks namespaces, `xsd-schema` 0.3 brings two hundred thousand lines with unsafe code. So
//! this is our own, small, and held against xmllint (`adapters/tests/cases/differential.rs`).

mod check;
mod compile;
mod model;
mod pattern;
mod simple;
pub mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
};

use self::{model::Model, tree::Node};
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

/// A part of a message that one schema describes.
pub struct Piece<'s> {
    schema: &'s Schema,
    root: Node,
}

struct Schema {
    file: PathBuf,
    model: Model,
    /// Expanded names of the elements that may be a root.
    roots: Vec<Name>,
}

/// Namespace and local name.
pub type Name = (Option<String>, String);

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schemas").field("systems", &self.of_system.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece").field("schema", &self.schema.file).finish_non_exhaustive()
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
        let mut faults: Vec<String> = match self.pieces(system, bytes) {
            Ok(pieces) => pieces.iter().flat_map(Piece::faults).collect(),
            Err(fault) => vec![fault],
        };
        faults.truncate(FAULTS_MAX);
        faults
    }

    /// Local names of the elements of a system, and of the envelope, whose values are enumerated.
    pub fn enumerated(&self, system: &str) -> BTreeSet<String> {
        let own = self.of_system.get(system).into_iter().flatten();
        own.chain(&self.envelope).flat_map(|schema| schema.model.enumerated()).collect()
    }

    /// The parts of a message that a schema describes. An error: there is a part that none does.
    pub fn pieces(&self, system: &str, bytes: &[u8]) -> Result<Vec<Piece<'_>>, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "the message is not in UTF-8")?;
        let root = read(text.trim_start_matches('\u{feff}'))?;
        let is_soap =
            |name: &Name, local: &str| name.0.as_deref() == Some(SOAP_1_1) && name.1 == local;
        if !is_soap(&root.name, "Envelope") || self.schema_of(system, &root.name).is_some() {
            return Ok(vec![self.piece(system, root)?]);
        }
        let body = root.elements().find(|part| is_soap(&part.name, "Body"));
        let content: Vec<&Node> = body.map(|body| body.elements().collect()).unwrap_or_default();
        let &[content] = content.as_slice() else {
            return Err("the envelope holds no body with one element".to_owned());
        };
        let namespace = content.name.0.as_deref().unwrap_or_default();
        if !namespace.starts_with(GATEWAY_NAMESPACES) && !is_soap(&content.name, "Fault") {
            return Ok(vec![self.piece(system, content.clone())?]);
        }
        let schema = self.envelope.as_ref().ok_or("there is no schema of the envelope")?;
        let data = data_of(content).map(|data| self.in_data(system, data)).transpose()?.flatten();
        Ok(std::iter::once(Piece { schema, root }).chain(data).collect())
    }

    fn in_data(&self, system: &str, data: &Node) -> Result<Option<Piece<'_>>, String> {
        let inside: Vec<&Node> = data.elements().collect();
        if inside.is_empty() {
            let text = data.text();
            return match text.trim() {
                "" => Ok(None),
                text => {
                    let inner =
                        read(text).map_err(|error| format!("the text in `data`: {error}"))?;
                    self.piece(system, inner).map(Some)
                }
            };
        }
        let one = match inside.as_slice() {
            &[one] if self.schema_of(system, &one.name).is_some() => one,
            _ => data,
        };
        self.piece(system, one.clone()).map(Some)
    }

    fn piece(&self, system: &str, root: Node) -> Result<Piece<'_>, String> {
        match self.schema_of(system, &root.name) {
            Some(schema) => Ok(Piece { schema, root }),
            None => Err(format!("no schema of {system} declares {}", spelt(&root.name))),
        }
    }

    fn schema_of(&self, system: &str, name: &Name) -> Option<&Schema> {
        self.of_system.get(system)?.iter().find(|schema| schema.roots.contains(name))
    }
}

impl Schema {
    fn load(file: &Path) -> Result<Self, SchemaError> {
        let (model, roots) = compile::compile(file)?;
        Ok(Self { file: file.to_owned(), model, roots })
    }
}

impl Piece<'_> {
    /// The schema's file.
    pub fn schema(&self) -> &Path {
        &self.schema.file
    }

    /// The part, as a document of its own.
    pub const fn root(&self) -> &Node {
        &self.root
    }

    /// The same part with other content.
    #[must_use]
    pub const fn with(&self, root: Node) -> Self {
        Self { schema: self.schema, root }
    }

    /// What is wrong with it.
    pub fn faults(&self) -> Vec<String> {
        check::faults(&self.schema.model, &self.root)
    }
}

fn read(text: &str) -> Result<Node, String> {
    tree::read(text).map_err(|error| format!("not well-formed: {error}"))
}

fn data_of(content: &Node) -> Option<&Node> {
    fn child<'n>(parent: &'n Node, names: &[&str]) -> Option<&'n Node> {
        parent.elements().find(|one| names.contains(&one.name.1.as_str()))
    }
    let message = child(content, &["request", "response"])?;
    let holder = child(message, &["requestData", "responseData", "messageData"])?;
    child(holder, &["data"])
}

fn spelt((namespace, local): &Name) -> String {
    match namespace {
        Some(namespace) => format!("{{{namespace}}}{local}"),
        None => local.clone(),
    }
}
