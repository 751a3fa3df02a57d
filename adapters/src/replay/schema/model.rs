//! A schema in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::{Name, simple::SimpleType};

/// Everything that a schema and what it imports declare.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) elements: BTreeMap<Name, Declaration>,
    pub(super) types: BTreeMap<Name, Type>,
    pub(super) groups: BTreeMap<Name, Particle>,
    pub(super) attributes: BTreeMap<Name, TypeRef>,
}

/// An element's declaration.
#[derive(Debug, Clone)]
pub(super) struct Declaration {
    pub(super) name: Name,
    pub(super) kind: TypeRef,
    pub(super) is_nillable: bool,
    pub(super) fixed: Option<String>,
    pub(super) unique: Vec<Unique>,
}

/// Children of one name must differ in the value of a child or an attribute of theirs.
#[derive(Debug, Clone)]
pub(super) struct Unique {
    pub(super) selector: Name,
    pub(super) field: Field,
}

/// By what they must differ.
#[derive(Debug, Clone)]
pub(super) enum Field {
    Child(Name),
    Attribute(Name),
}

/// A type, or where to find it.
#[derive(Debug, Clone)]
pub(super) enum TypeRef {
    /// Declared in a schema.
    Named(Name),
    /// Declared here, or built in.
    Here(Box<Type>),
    /// `xs:anyType`.
    Anything,
}

#[derive(Debug, Clone)]
pub(super) enum Type {
    Simple(SimpleRef),
    Complex(Complex),
}

/// A simple type that may restrict a named one.
#[derive(Debug, Clone)]
pub(super) struct SimpleRef {
    /// A named type that it restricts; its rules hold too.
    pub(super) base: Option<Name>,
    pub(super) own: SimpleType,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Complex {
    /// A named type that it extends: its content comes first, its attributes hold too.
    pub(super) base: Option<Name>,
    pub(super) particle: Option<Particle>,
    /// Text of this type, and no elements.
    pub(super) text: Option<TypeRef>,
    pub(super) is_mixed: bool,
    pub(super) attributes: Vec<Attribute>,
    pub(super) any_attribute: Option<Wildcard>,
}

#[derive(Debug, Clone)]
pub(super) struct Attribute {
    pub(super) name: Name,
    /// `None`: that of the global attribute of this name.
    pub(super) kind: Option<TypeRef>,
    pub(super) is_required: bool,
    pub(super) fixed: Option<String>,
}

/// A part of a content model, so many times.
#[derive(Debug, Clone)]
pub(super) struct Particle {
    pub(super) min: usize,
    /// `None`: unbounded.
    pub(super) max: Option<usize>,
    pub(super) term: Term,
}

#[derive(Debug, Clone)]
pub(super) enum Term {
    Element(Declaration),
    /// A global element.
    Reference(Name),
    Group(Name),
    Sequence(Vec<Particle>),
    Choice(Vec<Particle>),
    All(Vec<Particle>),
    Any(Wildcard),
}

#[derive(Debug, Clone)]
pub(super) struct Wildcard {
    pub(super) allows: Allows,
    pub(super) process: Process,
}

/// Which namespaces a wildcard allows.
#[derive(Debug, Clone)]
pub(super) enum Allows {
    Any,
    /// Any other than this one, and not "none".
    Other(Option<String>),
    /// These; `None` is "in no namespace".
    These(Vec<Option<String>>),
}

/// How strictly a wildcard looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Strict,
    Lax,
    Skip,
}

impl Wildcard {
    pub(super) fn allows(&self, namespace: Option<&str>) -> bool {
        match &self.allows {
            Allows::Any => true,
            Allows::Other(own) => namespace.is_some() && namespace != own.as_deref(),
            Allows::These(all) => all.iter().any(|one| one.as_deref() == namespace),
        }
    }
}

impl Type {
    /// Whether both are the same built-in type without rules of its own.
    pub(super) fn is_plainly(&self, other: &Self) -> bool {
        let plain = |one: &Self| match one {
            Self::Simple(simple) if simple.base.is_none() => simple.own.as_builtin(),
            Self::Simple(_) | Self::Complex(_) => None,
        };
        plain(self).is_some() && plain(self) == plain(other)
    }
}

impl Model {
    /// A complex type and the types that it extends, the outermost base first.
    pub(super) fn chain<'m>(&'m self, complex: &'m Complex) -> Vec<&'m Complex> {
        let mut chain = vec![complex];
        while let Some(Type::Complex(base)) =
            chain[chain.len() - 1].base.as_ref().and_then(|name| self.types.get(name))
        {
            if chain.len() > CHAIN_MAX {
                break; // a circle: what is checked is checked once more, and no further
            }
            chain.push(base);
        }
        chain.reverse();
        chain
    }

    /// Local names of the elements whose type lists its values.
    pub(super) fn enumerated(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&Particle> = self.groups.values().collect();
        let of_type = |kind| match kind {
            &Type::Complex(Complex { ref particle, .. }) => particle.as_ref(),
            Type::Simple(_) => None,
        };
        open.extend(self.types.values().filter_map(of_type));
        let mut declared: Vec<&Declaration> = self.elements.values().collect();
        loop {
            for one in declared.drain(..) {
                if self.lists_values(&one.kind) {
                    found.insert(one.name.1.clone());
                }
                if let TypeRef::Here(kind) = &one.kind {
                    open.extend(of_type(kind));
                }
            }
            let Some(particle) = open.pop() else { return found };
            match &particle.term {
                Term::Element(one) => declared.push(one),
                Term::Sequence(all) | Term::Choice(all) | Term::All(all) => open.extend(all),
                Term::Reference(_) | Term::Group(_) | Term::Any(_) => {}
            }
        }
    }

    fn lists_values(&self, kind: &TypeRef) -> bool {
        let mut kind = match kind {
            TypeRef::Named(name) => self.types.get(name),
            TypeRef::Here(kind) => Some(kind.as_ref()),
            TypeRef::Anything => None,
        };
        for _ in 0..CHAIN_MAX {
            let Some(Type::Simple(simple)) = kind else { return false };
            if !simple.own.values.is_empty() {
                return true;
            }
            kind = simple.base.as_ref().and_then(|base| self.types.get(base));
        }
        false
    }

    /// Whether a named type is another one, or extends or restricts it.
    pub(super) fn derives(&self, name: &Name, from: &Name) -> bool {
        let mut name = name.clone();
        for _ in 0..CHAIN_MAX {
            if name == *from {
                return true;
            }
            let base = match self.types.get(&name) {
                Some(Type::Complex(complex)) => complex.base.clone(),
                Some(Type::Simple(simple)) => simple.base.clone(),
                None => None,
            };
            match base {
                Some(base) => name = base,
                None => return false,
            }
        }
        false
    }
}

/// Longer chains of derivation are circles.
const CHAIN_MAX: usize = 32;
