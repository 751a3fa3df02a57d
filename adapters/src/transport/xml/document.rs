//! A document that was read: elements in document order in one vector, text in one string.

use std::{fmt, ops::Range};

/// Skipped at the beginning of a document.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A document that was read. Its root may be virtual: see [`super::fragment`].
#[derive(Clone, Default)]
pub struct Document {
    /// In document order: the descendants of an element follow it, up to its `end`.
    pub(super) nodes: Vec<Node>,
    pub(super) attributes: Vec<StoredAttribute>,
    /// Namespaces in order of first use; few, so they are found by looking through them.
    pub(super) namespaces: Vec<String>,
    /// Names, texts and attribute values.
    pub(super) store: String,
}

#[derive(Clone, Default)]
pub(super) struct Node {
    pub(super) namespace: Option<usize>,
    pub(super) local: Range<usize>,
    pub(super) text: Range<usize>,
    pub(super) attributes: Range<usize>,
    pub(super) source: Range<usize>,
    /// One past the last descendant.
    pub(super) end: usize,
}

#[derive(Clone)]
pub(super) struct StoredAttribute {
    pub(super) namespace: Option<usize>,
    pub(super) local: Range<usize>,
    pub(super) value: Range<usize>,
}

/// A place in a document.
#[derive(Clone, Copy)]
pub struct Element<'d> {
    document: &'d Document,
    index: usize,
}

/// The child elements of an element.
#[derive(Clone)]
pub struct Children<'d> {
    document: &'d Document,
    next: usize,
    end: usize,
}

/// An attribute; namespace declarations are not attributes.
#[derive(Clone, Copy)]
pub struct Attribute<'d> {
    /// Its namespace, where its name has a prefix.
    pub namespace: Option<&'d str>,
    /// Its name without the prefix.
    pub local: &'d str,
    /// Its value, entities decoded.
    pub value: &'d str,
}

/// An element that may stand once stands twice: to take the first would be to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an element that may stand once stands twice")]
pub struct Repeated;

impl Document {
    /// The outermost element.
    pub const fn root(&self) -> Element<'_> {
        Element { document: self, index: 0 }
    }

    /// The element at a place that [`Element::index`] told.
    pub fn at(&self, index: usize) -> Option<Element<'_>> {
        (index < self.nodes.len()).then_some(Element { document: self, index })
    }
}

impl<'d> Element<'d> {
    fn node(self) -> &'d Node {
        &self.document.nodes[self.index]
    }

    /// Its place in the document.
    pub const fn index(self) -> usize {
        self.index
    }

    /// Its name without the prefix; empty for a virtual root.
    pub fn local(self) -> &'d str {
        &self.document.store[self.node().local.clone()]
    }

    /// Its namespace, where it has one.
    pub fn namespace(self) -> Option<&'d str> {
        self.node().namespace.map(|at| self.document.namespaces[at].as_str())
    }

    /// Its text and CDATA, joined and decoded; empty where it has child elements.
    pub fn text(self) -> &'d str {
        &self.document.store[self.node().text.clone()]
    }

    /// Its text without blanks around it; `None` where nothing or a lone `-` is left
    /// (gov-services §2.2: both stand for "absent").
    pub fn value(self) -> Option<&'d str> {
        Some(self.text().trim()).filter(|text| !text.is_empty() && *text != "-")
    }

    /// Where its content lies in the bytes that were read (after a byte order mark).
    pub fn source(self) -> Range<usize> {
        self.node().source.clone()
    }

    /// Its content, cut out of the bytes that were read.
    pub fn content_of(self, bytes: &[u8]) -> &[u8] {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        bytes.get(self.source()).unwrap_or_default()
    }

    /// Its child elements.
    pub fn children(self) -> Children<'d> {
        Children { document: self.document, next: self.index + 1, end: self.node().end }
    }

    /// All elements inside it, in document order.
    pub fn descendants(self) -> impl Iterator<Item = Self> {
        let document = self.document;
        (self.index + 1..self.node().end).map(move |index| Element { document, index })
    }

    /// Whether it has child elements.
    pub fn has_children(self) -> bool {
        self.node().end > self.index + 1
    }

    /// Whether it has neither child elements nor text.
    pub fn is_blank(self) -> bool {
        !self.has_children() && self.text().trim().is_empty()
    }

    /// The first child of this local name.
    pub fn child(self, local: &str) -> Option<Self> {
        self.children().find(|child| child.local() == local)
    }

    /// The child of this local name, which must not stand twice.
    pub fn only(self, local: &str) -> Result<Option<Self>, Repeated> {
        let mut found = self.children().filter(|child| child.local() == local);
        let first = found.next();
        if found.next().is_some() { Err(Repeated) } else { Ok(first) }
    }

    /// The value of the first child of this local name.
    pub fn child_value(self, local: &str) -> Option<&'d str> {
        self.child(local).and_then(Self::value)
    }

    /// The element at the end of a path of local names.
    pub fn path(self, locals: &[&str]) -> Option<Self> {
        locals.iter().try_fold(self, |element, local| element.child(local))
    }

    /// Its attributes.
    pub fn attributes(self) -> impl Iterator<Item = Attribute<'d>> {
        let document = self.document;
        document.attributes[self.node().attributes.clone()].iter().map(move |stored| Attribute {
            namespace: stored.namespace.map(|at| document.namespaces[at].as_str()),
            local: &document.store[stored.local.clone()],
            value: &document.store[stored.value.clone()],
        })
    }
}

impl<'d> Iterator for Children<'d> {
    type Item = Element<'d>;

    fn next(&mut self) -> Option<Element<'d>> {
        if self.next >= self.end {
            return None;
        }
        let index = self.next;
        self.next = self.document.nodes[index].end;
        Some(Element { document: self.document, index })
    }
}

// What is inside is about persons: only the shape prints.

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("elements", &self.nodes.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element").field("index", &self.index).finish_non_exhaustive()
    }
}

impl fmt::Debug for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attribute")
    }
}
