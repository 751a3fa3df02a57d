//! `*.xsd` → [`Model`].
//!
//! *Guarantee*: a construct, an attribute, a type or a reference that is not known here is an error.
//! A validator that passes over what it does not know would say "valid" of a message that nobody
//! checked.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Name, SchemaError,
    model::{
        Allows, Attribute, Complex, Declaration, Field, Model, Particle, Process, SimpleRef, Term,
        Type, TypeRef, Unique, Wildcard,
    },
    pattern,
    simple::{self, Builtin, Facet, SimpleType},
    spelt,
    tree::{self, Node},
};

const XS: &str = "http://www.w3.org/2001/XMLSchema";
/// Imports and includes that are followed.
const FILES_MAX: usize = 32;
const OCCURS: [&str; 2] = ["minOccurs", "maxOccurs"];

/// Compiles a schema with everything that it imports; tells the elements that it declares itself.
pub(super) fn compile(file: &Path) -> Result<(Model, Vec<Name>), SchemaError> {
    let mut compiler = Compiler::default();
    for (name, builtin) in Builtin::ALL {
        let own = SimpleType::of(builtin);
        let name = (Some(XS.to_owned()), name.to_owned());
        compiler.model.types.insert(name, Type::Simple(SimpleRef { base: None, own }));
    }
    let roots = compiler.file(file, None)?;
    for (kind, name, file) in &compiler.used {
        let model = &compiler.model;
        let is_known = match kind {
            Kind::Element => model.elements.contains_key(name),
            Kind::Type => model.types.contains_key(name),
            Kind::Group => model.groups.contains_key(name),
            Kind::Attribute => model.attributes.contains_key(name),
        };
        if !is_known {
            let text = format!("{} is declared nowhere", spelt(name));
            return Err(SchemaError { file: file.clone(), text });
        }
    }
    Ok((compiler.model, roots))
}

#[derive(Clone, Copy)]
enum Kind {
    Element,
    Type,
    Group,
    Attribute,
}

#[derive(Default)]
struct Compiler {
    model: Model,
    used: Vec<(Kind, Name, PathBuf)>,
    files: BTreeSet<PathBuf>,
}

impl Compiler {
    /// Compiles one file. `included` is the namespace of a schema that includes it.
    fn file(&mut self, file: &Path, included: Option<&str>) -> Result<Vec<Name>, SchemaError> {
        let fault = |text: String| SchemaError { file: file.to_owned(), text };
        if !self.files.insert(file.to_owned()) {
            return Ok(Vec::new());
        }
        if self.files.len() > FILES_MAX {
            return Err(fault(format!("more than {FILES_MAX} files are imported")));
        }
        let text = fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
        let root = tree::read(&text).map_err(&fault)?;
        if root.name != (Some(XS.to_owned()), "schema".to_owned()) {
            return Err(fault("is no schema".to_owned()));
        }
        let target = root.attribute("targetNamespace").map(str::to_owned);
        if included.is_some_and(|outer| target.as_deref() != Some(outer)) {
            return Err(fault("an include of another namespace is not supported".to_owned()));
        }
        let qualified = |name| root.attribute(name) == Some("qualified");
        let mut scope = Scope {
            file,
            target: target.clone(),
            elements_are_qualified: qualified("elementFormDefault"),
            attributes_are_qualified: qualified("attributeFormDefault"),
            used: Vec::new(),
        };
        let forms = ["elementFormDefault", "attributeFormDefault"];
        scope
            .only(&root, &[&forms[..], &["targetNamespace", "version"]].concat())
            .map_err(&fault)?;
        let mut roots = Vec::new();
        for node in root.elements() {
            let kind = scope.construct(node).map_err(&fault)?;
            let is_reference = matches!(kind, "import" | "include");
            if let Some(location) = node.attribute("schemaLocation").filter(|_| is_reference) {
                let next = file.with_file_name(location);
                if !next.is_file() {
                    return Err(fault(format!("{location} is not there")));
                }
                let of = Some(target.as_deref().unwrap_or_default()).filter(|_| kind == "include");
                let more = self.file(&next, of)?;
                if kind == "include" {
                    roots.extend(more);
                }
            }
            self.top(&mut scope, node, kind, &mut roots).map_err(&fault)?;
        }
        let used = scope.used.into_iter();
        self.used.extend(used.map(|(kind, name)| (kind, name, file.to_owned())));
        Ok(roots)
    }

    fn top(
        &mut self,
        scope: &mut Scope<'_>,
        node: &Node,
        kind: &str,
        roots: &mut Vec<Name>,
    ) -> Result<(), String> {
        let name = |scope: &Scope<'_>| {
            let local = node.attribute("name").ok_or("a global declaration without a name")?;
            Ok::<Name, String>((scope.target.clone(), local.to_owned()))
        };
        match kind {
            "import" => scope.only(node, &["namespace", "schemaLocation"]),
            "include" => scope.only(node, &["schemaLocation"]),
            "annotation" => Ok(()),
            "element" => {
                let name = name(scope)?;
                let mut declaration = scope.element(node, &[])?;
                declaration.name = name.clone();
                roots.push(name.clone());
                self.model.elements.insert(name, declaration);
                Ok(())
            }
            "complexType" => {
                let complex = scope.complex(node, &["name"])?;
                self.model.types.insert(name(scope)?, Type::Complex(complex));
                Ok(())
            }
            "simpleType" => {
                let simple = scope.simple(node, &["name"])?;
                self.model.types.insert(name(scope)?, Type::Simple(simple));
                Ok(())
            }
            "group" => {
                scope.only(node, &["name"])?;
                let particle = scope.content(node)?.ok_or("an empty group")?;
                self.model.groups.insert(name(scope)?, particle);
                Ok(())
            }
            "attribute" => {
                scope.only(node, &["name", "type"])?;
                let kind = scope.type_of(node)?;
                self.model.attributes.insert(name(scope)?, kind);
                Ok(())
            }
            other => Err(format!("xs:{other} is not supported here")),
        }
    }
}

struct Scope<'a> {
    file: &'a Path,
    target: Option<String>,
    elements_are_qualified: bool,
    attributes_are_qualified: bool,
    used: Vec<(Kind, Name)>,
}

impl Scope<'_> {
    /// The local name of a construct of XML Schema.
    fn construct<'n>(&self, node: &'n Node) -> Result<&'n str, String> {
        if node.name.0.as_deref() == Some(XS) {
            Ok(&node.name.1)
        } else {
            let file = self.file.display();
            Err(format!("{} is no construct of XML Schema ({file})", spelt(&node.name)))
        }
    }

    /// Refuses attributes that are not known.
    fn only(&self, node: &Node, known: &[&str]) -> Result<(), String> {
        let construct = self.construct(node)?;
        for (name, _) in &node.attributes {
            if name.0.is_none() && name.1 != "id" && !known.contains(&name.1.as_str()) {
                return Err(format!("xs:{construct} has an attribute {}: not supported", name.1));
            }
        }
        Ok(())
    }

    fn refer(&mut self, kind: Kind, node: &Node, text: &str) -> Result<Name, String> {
        let name =
            node.resolve(text).ok_or_else(|| format!("the prefix of {text} is not declared"))?;
        self.used.push((kind, name.clone()));
        Ok(name)
    }

    /// The type that an attribute names.
    fn type_named(&mut self, node: &Node, text: &str) -> Result<TypeRef, String> {
        let name =
            node.resolve(text).ok_or_else(|| format!("the prefix of {text} is not declared"))?;
        if name.0.as_deref() != Some(XS) {
            self.used.push((Kind::Type, name.clone()));
            return Ok(TypeRef::Named(name));
        }
        if name.1 == "anyType" {
            return Ok(TypeRef::Anything);
        }
        let builtin =
            Builtin::of(&name.1).ok_or_else(|| format!("xs:{} is not supported here", name.1))?;
        let own = SimpleType::of(builtin);
        Ok(TypeRef::Here(Box::new(Type::Simple(SimpleRef { base: None, own }))))
    }

    fn type_of(&mut self, node: &Node) -> Result<TypeRef, String> {
        if let Some(text) = node.attribute("type") {
            return match self.types_in(node)?.first() {
                None => self.type_named(node, text),
                Some(_) => Err("a type by name and a type inside".to_owned()),
            };
        }
        match self.types_in(node)?.as_slice() {
            [] => Ok(TypeRef::Anything),
            [inner] => Ok(TypeRef::Here(Box::new(match self.construct(inner)? {
                "simpleType" => Type::Simple(self.simple(inner, &[])?),
                "complexType" => Type::Complex(self.complex(inner, &[])?),
                other => return Err(format!("xs:{other} is not supported here")),
            }))),
            _ => Err("more than one type inside".to_owned()),
        }
    }

    /// Child constructs of an element that are no identity constraints.
    fn types_in<'n>(&self, node: &'n Node) -> Result<Vec<&'n Node>, String> {
        let mut all = self.meaningful(node)?;
        all.retain(|child| child.name.1 != "unique");
        Ok(all)
    }

    /// The rules that children differ: of a child's own child or attribute, no longer paths.
    fn unique(&self, node: &Node) -> Result<Vec<Unique>, String> {
        let mut all = Vec::new();
        for rule in node.elements().filter(|child| child.name.1 == "unique") {
            self.only(rule, &["name"])?;
            let parts = self.meaningful(rule)?;
            let &[selector, field] = parts.as_slice() else {
                return Err("xs:unique with more than one field is not supported here".to_owned());
            };
            let path = |part: &Node, name: &str| {
                self.only(part, &["xpath"])?;
                let path = part.attribute("xpath").filter(|_| part.name.1 == name);
                let path = path.ok_or_else(|| format!("xs:unique without xs:{name}"))?;
                let plain = path.strip_prefix('@').unwrap_or(path).to_owned();
                if plain.chars().all(|one| one.is_alphanumeric() || "_-:".contains(one)) {
                    Ok((path.starts_with('@'), plain))
                } else {
                    Err(format!("the path {path} is not supported here"))
                }
            };
            // A name without a prefix is in no namespace: XPath knows no default one.
            let name = |text: &str| {
                let unprefixed = (!text.contains(':')).then(|| (None, text.to_owned()));
                let name = unprefixed.or_else(|| rule.resolve(text));
                name.ok_or_else(|| format!("the prefix of {text} is not declared"))
            };
            let (_, of) = path(selector, "selector")?;
            let field = match path(field, "field")? {
                (true, by) => Field::Attribute(name(&by)?),
                (false, by) => Field::Child(name(&by)?),
            };
            all.push(Unique { selector: name(&of)?, field });
        }
        Ok(all)
    }

    /// Child constructs without annotations.
    fn meaningful<'n>(&self, node: &'n Node) -> Result<Vec<&'n Node>, String> {
        let mut all = Vec::new();
        for child in node.elements() {
            if self.construct(child)? != "annotation" {
                all.push(child);
            }
        }
        Ok(all)
    }

    fn element(&mut self, node: &Node, more: &[&str]) -> Result<Declaration, String> {
        self.only(node, &[&["name", "type", "nillable", "fixed"], more].concat())?;
        let local = node.attribute("name").ok_or("an element without a name")?;
        let is_qualified = match node.attribute("form") {
            Some(form) => form == "qualified",
            None => self.elements_are_qualified,
        };
        Ok(Declaration {
            name: (self.target.clone().filter(|_| is_qualified), local.to_owned()),
            kind: self.type_of(node)?,
            is_nillable: matches!(node.attribute("nillable"), Some("true" | "1")),
            fixed: node.attribute("fixed").map(str::to_owned),
            unique: self.unique(node)?,
        })
    }

    fn complex(&mut self, node: &Node, more: &[&str]) -> Result<Complex, String> {
        self.only(node, &[&["mixed"], more].concat())?;
        let mut complex = Complex {
            is_mixed: matches!(node.attribute("mixed"), Some("true" | "1")),
            ..Complex::default()
        };
        let inside = self.meaningful(node)?;
        if let &[only] = inside.as_slice() {
            match self.construct(only)? {
                "simpleContent" => {
                    let extension = self.extension(only)?;
                    let base = extension.attribute("base").ok_or("an extension without a base")?;
                    complex.text = Some(self.type_named(extension, base)?);
                    self.attributes(&self.meaningful(extension)?, &mut complex)?;
                    return Ok(complex);
                }
                "complexContent" => {
                    let extension = self.extension(only)?;
                    let base = extension.attribute("base").ok_or("an extension without a base")?;
                    complex.base = Some(self.refer(Kind::Type, extension, base)?);
                    complex.particle = self.content(extension)?;
                    self.attributes(&self.meaningful(extension)?, &mut complex)?;
                    return Ok(complex);
                }
                _ => {}
            }
        }
        complex.particle = self.content(node)?;
        self.attributes(&inside, &mut complex)?;
        Ok(complex)
    }

    fn extension<'n>(&self, node: &'n Node) -> Result<&'n Node, String> {
        self.only(node, &[])?;
        match self.meaningful(node)?.as_slice() {
            &[only] if self.construct(only)? == "extension" => {
                self.only(only, &["base"])?;
                Ok(only)
            }
            _ => Err(format!("xs:{} is supported with xs:extension only", node.name.1)),
        }
    }

    /// The content model inside a type, an extension or a group.
    fn content(&mut self, node: &Node) -> Result<Option<Particle>, String> {
        let mut found = None;
        for child in self.meaningful(node)? {
            match self.construct(child)? {
                "sequence" | "choice" | "all" | "group" if found.is_none() => {
                    found = Some(self.particle(child)?);
                }
                "attribute" | "anyAttribute" => {}
                other => return Err(format!("xs:{other} is not supported here")),
            }
        }
        Ok(found)
    }

    fn particle(&mut self, node: &Node) -> Result<Particle, String> {
        let construct = self.construct(node)?;
        let number = |name: &str| match node.attribute(name) {
            None => Ok(Some(1)),
            Some("unbounded") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| format!("{name}=\"{text}\"")),
        };
        let (min, max) =
            (number("minOccurs")?.ok_or("minOccurs=\"unbounded\"")?, number("maxOccurs")?);
        let term = match construct {
            "element" => match node.attribute("ref") {
                Some(text) => {
                    self.only(node, &[&OCCURS[..], &["ref"]].concat())?;
                    Term::Reference(self.refer(Kind::Element, node, text)?)
                }
                None => Term::Element(self.element(node, &[&OCCURS[..], &["form"]].concat())?),
            },
            "group" => {
                self.only(node, &[&OCCURS[..], &["ref"]].concat())?;
                let text = node.attribute("ref").ok_or("a group without a reference")?;
                Term::Group(self.refer(Kind::Group, node, text)?)
            }
            "any" => {
                self.only(node, &[&OCCURS[..], &["namespace", "processContents"]].concat())?;
                Term::Any(self.wildcard(node)?)
            }
            "sequence" | "choice" | "all" => {
                self.only(node, &OCCURS)?;
                let inside = self.meaningful(node)?;
                let parts: Result<Vec<Particle>, String> =
                    inside.into_iter().map(|child| self.particle(child)).collect();
                match construct {
                    "sequence" => Term::Sequence(parts?),
                    "choice" => Term::Choice(parts?),
                    _ => Term::All(parts?),
                }
            }
            other => return Err(format!("xs:{other} is not supported here")),
        };
        Ok(Particle { min, max, term })
    }

    fn wildcard(&self, node: &Node) -> Result<Wildcard, String> {
        let these = |text: &str| {
            let one = |word: &str| match word {
                "##local" => None,
                "##targetNamespace" => self.target.clone(),
                word => Some(word.to_owned()),
            };
            Allows::These(text.split_ascii_whitespace().map(one).collect())
        };
        let allows = match node.attribute("namespace").unwrap_or("##any") {
            "##any" => Allows::Any,
            "##other" => Allows::Other(self.target.clone()),
            text => these(text),
        };
        let process = match node.attribute("processContents").unwrap_or("strict") {
            "strict" => Process::Strict,
            "lax" => Process::Lax,
            "skip" => Process::Skip,
            other => return Err(format!("processContents=\"{other}\"")),
        };
        Ok(Wildcard { allows, process })
    }

    fn attributes(&mut self, nodes: &[&Node], complex: &mut Complex) -> Result<(), String> {
        for node in nodes {
            match self.construct(node)? {
                "attribute" => complex.attributes.push(self.attribute(node)?),
                "anyAttribute" => {
                    self.only(node, &["namespace", "processContents"])?;
                    complex.any_attribute = Some(self.wildcard(node)?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn attribute(&mut self, node: &Node) -> Result<Attribute, String> {
        let fixed = node.attribute("fixed").map(str::to_owned);
        let is_required = match node.attribute("use") {
            None | Some("optional") => false,
            Some("required") => true,
            Some(other) => return Err(format!("use=\"{other}\" is not supported here")),
        };
        if let Some(text) = node.attribute("ref") {
            self.only(node, &["ref", "use", "fixed"])?;
            let name = self.refer(Kind::Attribute, node, text)?;
            return Ok(Attribute { name, kind: None, is_required, fixed });
        }
        self.only(node, &["name", "type", "use", "form", "fixed"])?;
        let local = node.attribute("name").ok_or("an attribute without a name")?;
        let is_qualified = match node.attribute("form") {
            Some(form) => form == "qualified",
            None => self.attributes_are_qualified,
        };
        let name = (self.target.clone().filter(|_| is_qualified), local.to_owned());
        Ok(Attribute { name, kind: Some(self.type_of(node)?), is_required, fixed })
    }

    fn simple(&mut self, node: &Node, more: &[&str]) -> Result<SimpleRef, String> {
        self.only(node, more)?;
        let inside = self.meaningful(node)?;
        let &[restriction] = inside.as_slice() else { return Err("xs:simpleType".to_owned()) };
        if self.construct(restriction)? != "restriction" {
            return Err(format!("xs:{} is not supported here", restriction.name.1));
        }
        self.only(restriction, &["base"])?;
        let base = restriction.attribute("base").ok_or("a restriction without a base")?;
        let mut simple = match self.type_named(restriction, base)? {
            TypeRef::Named(name) => {
                SimpleRef { base: Some(name), own: SimpleType::of(Builtin::Text) }
            }
            TypeRef::Here(inner) => match *inner {
                Type::Simple(simple) => simple,
                Type::Complex(_) => return Err("a restriction of a complex type".to_owned()),
            },
            TypeRef::Anything => return Err("a restriction of xs:anyType".to_owned()),
        };
        self.facets(restriction, &mut simple)?;
        Ok(simple)
    }

    fn facets(&self, restriction: &Node, simple: &mut SimpleRef) -> Result<(), String> {
        let (mut patterns, mut values) = (Vec::new(), Vec::new());
        // Of a named base we know no more than that it is there: its own rules check its own facets.
        let builtin = simple.own.builtin;
        for facet in self.meaningful(restriction)? {
            let name = self.construct(facet)?;
            self.only(facet, &["value"])?;
            let value = facet.attribute("value").ok_or("a facet without a value")?;
            let count = || value.parse().map_err(|_| format!("{name}=\"{value}\""));
            let bound = || {
                let is_good = builtin.is_number() && simple::is_decimal(value);
                if is_good { Ok(value.to_owned()) } else { Err(format!("{name} of no number")) }
            };
            let of_text =
                if builtin.is_text() { Ok(()) } else { Err(format!("{name} of no text")) };
            let facet = match name {
                "pattern" => {
                    patterns.push(pattern::compile(value)?);
                    continue;
                }
                "enumeration" => {
                    of_text?;
                    values.push(builtin.normalize(value));
                    continue;
                }
                "length" => of_text.and_then(|()| count().map(Facet::Length))?,
                "minLength" => of_text.and_then(|()| count().map(Facet::MinLength))?,
                "maxLength" => of_text.and_then(|()| count().map(Facet::MaxLength))?,
                "minInclusive" => Facet::Min(bound()?),
                "maxInclusive" => Facet::Max(bound()?),
                "totalDigits" if builtin.is_number() => Facet::TotalDigits(count()?),
                "fractionDigits" if builtin.is_number() => Facet::FractionDigits(count()?),
                other => return Err(format!("xs:{other} is not supported here")),
            };
            simple.own.facets.push(facet);
        }
        if !patterns.is_empty() {
            simple.own.patterns.push(patterns);
        }
        if !values.is_empty() {
            simple.own.values.push(values);
        }
        Ok(())
    }
}
