//! Which constructs of XML Schema the schemas of this project may use.
//!
//! *Guarantee*: a construct, an attribute or a reference that is not known here is an error when the
//! schema is loaded. A validator that silently passes over what it does not know would say "valid"
//! of a message that nobody checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use uppsala::{Document, NodeId};

use super::{Name, SchemaError, elements, name_of};

const XS: &str = "http://www.w3.org/2001/XMLSchema";
/// Imports and includes that are followed; more are a circle.
const FILES_MAX: usize = 32;

/// Construct → attributes. All of these are in the differential test against xmllint.
const KNOWN: [(&str, &[&str]); 28] = [
    ("schema", &["targetNamespace", "elementFormDefault", "attributeFormDefault", "version"]),
    ("import", &["namespace", "schemaLocation"]),
    ("include", &["schemaLocation"]),
    ("annotation", &[]),
    ("documentation", &["lang"]),
    ("element", &["name", "type", "ref", "minOccurs", "maxOccurs", "nillable", "form", "fixed"]),
    ("attribute", &["name", "type", "ref", "use", "form", "fixed"]),
    ("complexType", &["name", "mixed"]),
    ("simpleType", &["name"]),
    ("simpleContent", &[]),
    ("complexContent", &[]),
    ("extension", &["base"]),
    ("restriction", &["base"]),
    ("sequence", &["minOccurs", "maxOccurs"]),
    ("choice", &["minOccurs", "maxOccurs"]),
    ("all", &["minOccurs", "maxOccurs"]),
    ("group", &["name", "ref", "minOccurs", "maxOccurs"]),
    ("any", &["namespace", "processContents", "minOccurs", "maxOccurs"]),
    ("anyAttribute", &["namespace", "processContents"]),
    ("enumeration", &["value"]),
    ("pattern", &["value"]),
    ("length", &["value"]),
    ("minLength", &["value"]),
    ("maxLength", &["value"]),
    ("minInclusive", &["value"]),
    ("maxInclusive", &["value"]),
    ("totalDigits", &["value"]),
    ("fractionDigits", &["value"]),
];

/// Types of XML Schema itself that may be used.
const TYPES: [&str; 26] = [
    "anyType",
    "anySimpleType",
    "string",
    "normalizedString",
    "token",
    "boolean",
    "decimal",
    "integer",
    "nonNegativeInteger",
    "positiveInteger",
    "long",
    "int",
    "short",
    "byte",
    "unsignedInt",
    "unsignedLong",
    "float",
    "double",
    "date",
    "dateTime",
    "time",
    "gYear",
    "base64Binary",
    "hexBinary",
    "anyURI",
    "language",
];

/// Checks a schema and everything that it imports; tells its global elements.
pub(super) fn check(file: &Path, text: &str) -> Result<Vec<Name>, SchemaError> {
    let mut schemas = Known { names: BTreeSet::new(), used: Vec::new(), files: BTreeSet::new() };
    let roots = schemas.file(file, text)?;
    for (kind, name, from) in &schemas.used {
        if !schemas.names.contains(&(*kind, name.clone())) {
            let text = format!("{kind} {} is declared nowhere", super::spelt(name));
            return Err(SchemaError { file: from.clone(), text });
        }
    }
    Ok(roots)
}

struct Known {
    /// What is declared, in every file.
    names: BTreeSet<(&'static str, Name)>,
    /// What is referred to, and where.
    used: Vec<(&'static str, Name, std::path::PathBuf)>,
    files: BTreeSet<std::path::PathBuf>,
}

impl Known {
    fn file(&mut self, file: &Path, text: &str) -> Result<Vec<Name>, SchemaError> {
        let fault = |text: String| SchemaError { file: file.to_owned(), text };
        if !self.files.insert(file.to_owned()) {
            return Ok(Vec::new());
        }
        if self.files.len() > FILES_MAX {
            return Err(fault(format!("more than {FILES_MAX} files are imported")));
        }
        let document = uppsala::parse(text).map_err(|error| fault(error.to_string()))?;
        let root = document.document_element().ok_or_else(|| fault("is empty".to_owned()))?;
        if name_of(&document, root) != (Some(XS.to_owned()), "schema".to_owned()) {
            return Err(fault("is no schema".to_owned()));
        }
        let scope = Scope {
            file,
            document: &document,
            target: attribute(&document, root, "targetNamespace"),
        };
        scope.construct(root, self).map_err(&fault)?;
        let mut roots = Vec::new();
        for child in elements(&document, root) {
            let kind = name_of(&document, child).1;
            if let Some(name) = attribute(&document, child, "name") {
                let name = (scope.target.clone(), name);
                if kind == "element" {
                    roots.push(name.clone());
                }
                self.names.insert((kind_of(&kind), name));
            }
            if let Some(location) = attribute(&document, child, "schemaLocation") {
                let next = file.with_file_name(&location);
                let text = fs::read_to_string(&next)
                    .map_err(|error| fault(format!("{location} cannot be read: {error}")))?;
                let more = self.file(&next, &text)?;
                if kind == "include" {
                    roots.extend(more);
                }
            }
        }
        Ok(roots)
    }
}

struct Scope<'a, 'd> {
    file: &'a Path,
    document: &'a Document<'d>,
    target: Option<String>,
}

impl Scope<'_, '_> {
    fn construct(&self, node: NodeId, known: &mut Known) -> Result<(), String> {
        let name = name_of(self.document, node);
        if name.0.as_deref() != Some(XS) {
            return Err(format!("{} is no construct of XML Schema", name.1));
        }
        let allowed: BTreeMap<_, _> = KNOWN.into_iter().collect();
        let Some(attributes) = allowed.get(name.1.as_str()) else {
            return Err(format!("xs:{} is not supported here", name.1));
        };
        let own = self.document.element(node).map(|one| one.attributes.clone()).unwrap_or_default();
        for attribute in own {
            let (local, value) = (attribute.name.local_name.as_ref(), attribute.value.as_ref());
            if !attributes.contains(&local) {
                return Err(format!("xs:{} has an attribute {local}: not supported", name.1));
            }
            let kind = match (name.1.as_str(), local) {
                (_, "type" | "base") => "type",
                ("element", "ref") => "element",
                ("attribute", "ref") => "attribute",
                ("group", "ref") => "group",
                _ => continue,
            };
            let referred = self.resolve(node, value)?;
            if referred.0.as_deref() == Some(XS) {
                if kind != "type" || !TYPES.contains(&referred.1.as_str()) {
                    return Err(format!("xs:{} is not supported here", referred.1));
                }
            } else {
                known.used.push((kind, referred, self.file.to_owned()));
            }
        }
        if name.1 == "documentation" {
            return Ok(()); // holds anything
        }
        elements(self.document, node).into_iter().try_for_each(|child| self.construct(child, known))
    }

    /// A prefixed name in the scope of an element.
    fn resolve(&self, node: NodeId, text: &str) -> Result<Name, String> {
        let (prefix, local) = text.trim().split_once(':').unwrap_or(("", text.trim()));
        let mut scopes = vec![node];
        scopes.extend(self.document.ancestors(node));
        let found = scopes.iter().find_map(|scope| {
            let declared = &self.document.element(*scope)?.namespace_declarations;
            declared.iter().find(|(one, _)| *one == prefix).map(|(_, name)| name.to_string())
        });
        match found {
            Some(namespace) => {
                Ok((Some(namespace).filter(|name| !name.is_empty()), local.to_owned()))
            }
            None if prefix.is_empty() => Ok((None, local.to_owned())),
            None => Err(format!("the prefix {prefix} is not declared")),
        }
    }
}

fn kind_of(construct: &str) -> &'static str {
    match construct {
        "element" => "element",
        "attribute" => "attribute",
        "group" => "group",
        _ => "type",
    }
}

fn attribute(document: &Document<'_>, node: NodeId, name: &str) -> Option<String> {
    document.element(node)?.get_attribute(name).map(str::to_owned)
}
