//! A document against a [`Model`].
//!
//! A content model is matched as a set of places: after each part, everywhere the next part may
//! begin. The type of a child follows from its name, as XML Schema demands that elements of one name
//! in one model have one type.

use std::collections::BTreeSet;

use super::{
    Name,
    model::{
        Complex, Declaration, Field, Model, Particle, Process, SimpleRef, Term, Type, TypeRef,
        Unique, Wildcard,
    },
    simple, spelt,
    tree::{Content, Node},
};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// What is wrong with a document.
pub(super) fn faults(model: &Model, root: &Node) -> Vec<String> {
    let mut check = Check { model, path: Vec::new(), found: Vec::new() };
    match model.elements.get(&root.name) {
        Some(declaration) => check.element(root, declaration),
        None => check.fault(format!("{} is not declared", spelt(&root.name))),
    }
    check.found
}

struct Check<'m> {
    model: &'m Model,
    path: Vec<String>,
    found: Vec<String>,
}

impl<'m> Check<'m> {
    fn fault(&mut self, text: impl std::fmt::Display) {
        self.found.push(format!("/{}: {text}", self.path.join("/")));
    }

    fn element(&mut self, node: &Node, declaration: &'m Declaration) {
        self.path.push(node.name.1.clone());
        let nil = xsi(node, "nil").map(str::trim);
        if nil.is_some() && !declaration.is_nillable {
            self.fault("xsi:nil where it is not allowed");
        }
        let is_nil = matches!(nil, Some("true" | "1"));
        let found = self.found.len();
        match self.actual(node, &declaration.kind) {
            Ok(kind) => self.typed(node, kind, is_nil),
            Err(text) => self.fault(text),
        }
        if let Some(fixed) = &declaration.fixed
            && found == self.found.len()
            && !is_nil
            && !node.content.is_empty()
            && node.text() != *fixed
        {
            self.fault(format!("must be \"{fixed}\""));
        }
        for rule in &declaration.unique {
            self.unique(node, rule);
        }
        self.path.pop();
    }

    fn unique(&mut self, node: &Node, rule: &Unique) {
        let mut seen = BTreeSet::new();
        for child in node.elements().filter(|child| child.name == rule.selector) {
            let value = match &rule.field {
                Field::Child(name) => {
                    child.elements().find(|one| one.name == *name).map(Node::text)
                }
                Field::Attribute(name) => {
                    let found = child.attributes.iter().find(|(one, _)| one == name);
                    found.map(|(_, value)| value.clone())
                }
            };
            if value.is_some_and(|value| !seen.insert(value)) {
                self.fault(format!("two {} with one value", rule.selector.1));
            }
        }
    }

    /// The type of an element: the declared one, or the one that `xsi:type` names.
    fn actual(&self, node: &Node, declared: &'m TypeRef) -> Result<Actual<'m>, String> {
        let Some(text) = xsi(node, "type") else { return Ok(self.of(declared)) };
        let shown = simple::cut(text);
        let unknown = || format!("xsi:type=\"{shown}\" names no type");
        let name = node.resolve(text).ok_or_else(unknown)?;
        let kind = self.model.types.get(&name).ok_or_else(unknown)?;
        let is_good = match declared {
            TypeRef::Named(base) => self.model.derives(&name, base),
            TypeRef::Anything => true,
            TypeRef::Here(declared) => declared.is_plainly(kind),
        };
        if is_good {
            Ok(of_type(kind))
        } else {
            Err(format!("xsi:type=\"{shown}\" is not derived"))
        }
    }

    fn of(&self, kind: &'m TypeRef) -> Actual<'m> {
        match kind {
            TypeRef::Named(name) => self.model.types.get(name).map_or(Actual::Anything, of_type),
            TypeRef::Here(kind) => of_type(kind),
            TypeRef::Anything => Actual::Anything,
        }
    }

    fn typed(&mut self, node: &Node, kind: Actual<'m>, is_nil: bool) {
        let has_content = node.elements().next().is_some() || !node.text().is_empty();
        match kind {
            Actual::Anything => {
                self.wild_children(node);
                return;
            }
            Actual::Simple(simple) => {
                self.attributes(node, &[]);
                if !is_nil {
                    self.simple(node, simple);
                }
            }
            Actual::Complex(complex) => {
                let chain = self.model.chain(complex);
                self.attributes(node, &chain);
                if !is_nil {
                    self.content(node, &chain);
                }
            }
        }
        if is_nil && has_content {
            self.fault("holds something beside xsi:nil");
        }
    }

    fn simple(&mut self, node: &Node, simple: &'m SimpleRef) {
        if node.elements().next().is_some() {
            self.fault("holds elements, not a value");
        } else if let Some(text) = self.value(simple, &node.text()) {
            self.fault(text);
        }
    }

    fn value(&self, simple: &'m SimpleRef, text: &str) -> Option<String> {
        let mut next = Some(simple);
        while let Some(simple) = next {
            if let Some(fault) = simple.own.fault(text) {
                return Some(fault);
            }
            next = match simple.base.as_ref().and_then(|name| self.model.types.get(name)) {
                Some(Type::Simple(base)) => Some(base),
                Some(Type::Complex(_)) | None => None,
            };
        }
        None
    }

    fn attributes(&mut self, node: &Node, chain: &[&'m Complex]) {
        let declared: Vec<_> = chain.iter().flat_map(|one| &one.attributes).collect();
        for (name, value) in &node.attributes {
            if name.0.as_deref() == Some(XSI) {
                continue;
            }
            if let Some(attribute) = declared.iter().find(|one| one.name == *name) {
                let global = || self.model.attributes.get(name);
                if let Some(kind) = attribute.kind.as_ref().or_else(global) {
                    self.attribute(name, value, kind);
                }
                if attribute.fixed.as_ref().is_some_and(|fixed| fixed != value) {
                    self.fault(format!("the attribute {} has another value", name.1));
                }
            } else if let Some(wildcard) = chain.iter().find_map(|one| one.any_attribute.as_ref()) {
                self.wild_attribute(name, value, wildcard);
            } else {
                self.fault(format!("the attribute {} is not declared", spelt(name)));
            }
        }
        for attribute in declared.iter().filter(|one| one.is_required) {
            if !node.attributes.iter().any(|(name, _)| *name == attribute.name) {
                self.fault(format!("the attribute {} is missing", attribute.name.1));
            }
        }
    }

    fn attribute(&mut self, name: &Name, value: &str, kind: &'m TypeRef) {
        if let Actual::Simple(simple) = self.of(kind)
            && let Some(text) = self.value(simple, value)
        {
            self.fault(format!("the attribute {}: {text}", name.1));
        }
    }

    fn wild_attribute(&mut self, name: &Name, value: &str, wildcard: &Wildcard) {
        let global = self.model.attributes.get(name);
        if !wildcard.allows(name.0.as_deref()) {
            self.fault(format!("the attribute {} is not allowed", spelt(name)));
        } else if let Some(kind) = global.filter(|_| wildcard.process != Process::Skip) {
            self.attribute(name, value, kind);
        } else if wildcard.process == Process::Strict {
            self.fault(format!("the attribute {} is not declared", spelt(name)));
        }
    }

    fn content(&mut self, node: &Node, chain: &[&'m Complex]) {
        let has_elements = node.elements().next().is_some();
        if let Some(text) = chain.iter().find_map(|one| one.text.as_ref()) {
            if let Actual::Simple(simple) = self.of(text) {
                self.simple(node, simple);
            }
            return;
        }
        let is_mixed = chain.iter().any(|one| one.is_mixed);
        if !is_mixed && !node.text().trim().is_empty() {
            self.fault("holds text beside or instead of elements");
        }
        let particles: Vec<&Particle> =
            chain.iter().filter_map(|one| one.particle.as_ref()).collect();
        if particles.is_empty() && !is_mixed && !has_elements && !node.text().is_empty() {
            self.fault("must be empty");
        }
        let children: Vec<&Node> = node.elements().collect();
        let mut matching =
            Matching { model: self.model, children: &children, reach: 0, wanted: Vec::new() };
        let ends = particles.iter().fold(BTreeSet::from([0]), |from, particle| {
            from.into_iter().flat_map(|at| matching.ends(particle, at)).collect()
        });
        if !ends.contains(&children.len()) {
            let text = matching.fault();
            self.fault(text);
        }
        for child in children {
            match find(self.model, &particles, &child.name) {
                Some(Found::Declared(declaration)) => self.element(child, declaration),
                Some(Found::Wild(wildcard)) => self.wild(child, wildcard.process),
                None => {} // said already: it fits nowhere
            }
        }
    }

    /// An element that a wildcard let in.
    fn wild(&mut self, node: &Node, process: Process) {
        if process == Process::Skip {
            return;
        }
        if let Some(declaration) = self.model.elements.get(&node.name) {
            self.element(node, declaration);
        } else if process == Process::Strict {
            self.fault(format!("{} is not declared", spelt(&node.name)));
        } else {
            self.path.push(node.name.1.clone());
            match self.actual(node, &TypeRef::Anything) {
                Ok(kind) => self.typed(node, kind, false),
                Err(text) => self.fault(text),
            }
            self.path.pop();
        }
    }

    fn wild_children(&mut self, node: &Node) {
        for one in &node.content {
            match one {
                Content::Element(child) => self.wild(child, Process::Lax),
                Content::Text(_) => {}
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Actual<'m> {
    Simple(&'m SimpleRef),
    Complex(&'m Complex),
    Anything,
}

const fn of_type(kind: &Type) -> Actual<'_> {
    match kind {
        Type::Simple(simple) => Actual::Simple(simple),
        Type::Complex(complex) => Actual::Complex(complex),
    }
}

fn xsi<'n>(node: &'n Node, local: &str) -> Option<&'n str> {
    let is_it = |name: &Name| name.0.as_deref() == Some(XSI) && name.1 == local;
    node.attributes.iter().find(|(name, _)| is_it(name)).map(|(_, value)| value.as_str())
}

enum Found<'m> {
    Declared(&'m Declaration),
    Wild(&'m Wildcard),
}

/// What a child of this name is in a content model; a declaration before a wildcard.
fn find<'m>(model: &'m Model, particles: &[&'m Particle], name: &Name) -> Option<Found<'m>> {
    let mut wild = None;
    for particle in particles {
        let found = match &particle.term {
            Term::Element(one) => (one.name == *name).then_some(Found::Declared(one)),
            Term::Reference(global) if global == name => {
                model.elements.get(global).map(Found::Declared)
            }
            Term::Reference(_) => None,
            Term::Group(group) => {
                model.groups.get(group).and_then(|inner| find(model, &[inner], name))
            }
            Term::Sequence(parts) | Term::Choice(parts) | Term::All(parts) => {
                find(model, &parts.iter().collect::<Vec<_>>(), name)
            }
            Term::Any(one) => one.allows(name.0.as_deref()).then_some(Found::Wild(one)),
        };
        match found {
            Some(Found::Declared(_)) => return found,
            Some(Found::Wild(_)) => wild = wild.or(found),
            None => {}
        }
    }
    wild
}

struct Matching<'m, 'n> {
    model: &'m Model,
    children: &'n [&'n Node],
    /// The furthest child that no part has taken yet.
    reach: usize,
    /// What could have stood there.
    wanted: Vec<String>,
}

impl<'m> Matching<'m, '_> {
    /// Where the next part may begin after a particle that begins at `at`.
    fn ends(&mut self, particle: &'m Particle, at: usize) -> BTreeSet<usize> {
        let mut ends = BTreeSet::new();
        let mut from = BTreeSet::from([at]);
        let mut times = 0;
        loop {
            if times >= particle.min {
                let before = ends.len();
                ends.extend(&from);
                if ends.len() == before && times > particle.min {
                    return ends; // nothing new: no end of a repetition lies further
                }
            }
            if particle.max == Some(times) || from.is_empty() {
                return ends;
            }
            // A part that took nothing may stand for all the times that are still missing.
            let next: BTreeSet<usize> =
                from.iter().flat_map(|at| self.once(&particle.term, *at)).collect();
            if next == from && times >= particle.min {
                return ends;
            }
            from = next;
            times += 1;
        }
    }

    fn once(&mut self, term: &'m Term, at: usize) -> BTreeSet<usize> {
        match term {
            Term::Element(one) => self.take(at, &spelt(&one.name), |name| one.name == *name),
            Term::Reference(one) => self.take(at, &spelt(one), |name| one == name),
            Term::Any(one) => {
                self.take(at, "another element", |name| one.allows(name.0.as_deref()))
            }
            Term::Group(name) => {
                let model = self.model;
                model.groups.get(name).map(|inner| self.ends(inner, at)).unwrap_or_default()
            }
            Term::Sequence(parts) => parts.iter().fold(BTreeSet::from([at]), |from, part| {
                from.into_iter().flat_map(|at| self.ends(part, at)).collect()
            }),
            Term::Choice(parts) => parts.iter().flat_map(|part| self.ends(part, at)).collect(),
            Term::All(parts) => self.all(parts, at),
        }
    }

    fn take(&mut self, at: usize, wanted: &str, fits: impl Fn(&Name) -> bool) -> BTreeSet<usize> {
        if self.children.get(at).is_some_and(|child| fits(&child.name)) {
            return BTreeSet::from([at + 1]);
        }
        if at > self.reach {
            self.reach = at;
            self.wanted.clear();
        }
        if at == self.reach && !self.wanted.iter().any(|one| one == wanted) {
            self.wanted.push(wanted.to_owned());
        }
        BTreeSet::new()
    }

    /// Each part at most once, in any order.
    fn all(&mut self, parts: &'m [Particle], mut at: usize) -> BTreeSet<usize> {
        let mut open: Vec<&Particle> = parts.iter().collect();
        loop {
            let taken = open.iter().position(|part| self.once(&part.term, at).contains(&(at + 1)));
            match taken {
                Some(index) => {
                    open.remove(index);
                    at += 1;
                }
                None if open.iter().all(|part| part.min == 0) => return BTreeSet::from([at]),
                None => return BTreeSet::new(),
            }
        }
    }

    fn fault(&self) -> String {
        let wanted = self.wanted.join(" or ");
        match self.children.get(self.reach) {
            Some(child) if wanted.is_empty() => format!("{} is not allowed", spelt(&child.name)),
            Some(child) => format!("{} where {wanted} belongs", spelt(&child.name)),
            None => format!("ends where {wanted} belongs"),
        }
    }
}
