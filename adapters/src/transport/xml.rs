//! Reading and writing the little XML that government systems speak.
//!
//! A document is read in one pass into a flat [`Document`]: all elements in one vector, all text in
//! one string, so that an answer of a hundred elements costs a handful of allocations. Elements are
//! matched by *local* name, because prefixes and even namespaces vary between peers (shep §4.1).
//!
//! *Guarantee*: no input makes the reader panic, follow an entity or open anything. DOCTYPE is
//! refused, so only the five predefined entities and character references exist; anything else is
//! an error. An error never repeats what was read.
//!
//! *Limits*: [`BYTES_MAX`], [`DEPTH_MAX`], [`ELEMENTS_MAX`], [`ATTRIBUTES_MAX`] per element, and
//! [`NAMESPACES_MAX`] namespaces, in all and bound at once.
//!
//! *What this does not do*: no schema validation, no encodings but UTF-8, no mixed content (an
//! element with child elements has no text, so a code that hides children reads as empty).

mod document;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use document::{Attribute, Children, Document, Element, Repeated};
pub use read::{fragment, read};
pub use write::{Omission, Unwritable, Writer, is_writable};

/// Longer documents are refused.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deeper documents are refused.
pub const DEPTH_MAX: usize = 64;
/// Documents with more elements are refused.
pub const ELEMENTS_MAX: usize = 50_000;
/// Elements with more attributes, namespace declarations included, are refused.
pub const ATTRIBUTES_MAX: usize = 32;
/// Documents with more namespaces, or more bindings in scope, are refused.
pub const NAMESPACES_MAX: usize = 64;

/// Why bytes are not a document that we read. Never holds what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Nothing there.
    #[error("the document is empty")]
    Empty,
    /// More than [`BYTES_MAX`].
    #[error("the document is too long")]
    TooLong,
    /// Not UTF-8, or declared to be something else.
    #[error("the document is not in UTF-8")]
    Encoding,
    /// Not well-formed.
    #[error("the document is not well-formed")]
    Syntax,
    /// A document type definition.
    #[error("the document holds a DOCTYPE")]
    Doctype,
    /// An entity that is not one of the five predefined.
    #[error("the document holds an unknown entity")]
    Entity,
    /// A character that XML 1.0 cannot hold.
    #[error("the document holds a character that XML cannot hold")]
    Character,
    /// A prefix without a declaration.
    #[error("the document holds an undeclared prefix")]
    Prefix,
    /// More than [`DEPTH_MAX`].
    #[error("the document is too deep")]
    TooDeep,
    /// More than [`ELEMENTS_MAX`].
    #[error("the document has too many elements")]
    TooManyElements,
    /// More than [`ATTRIBUTES_MAX`] or [`NAMESPACES_MAX`].
    #[error("the document has too many attributes or namespaces")]
    TooManyAttributes,
}
