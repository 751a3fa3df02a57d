//! Whether two messages say the same, and where they do not.
//!
//! XML is compared by expanded names: prefixes, the order of attributes, blanks around values, and
//! comments do not count; a document that travels as text (escaped or CDATA) is compared as XML.
//! JSON is compared by keys. Everything else is compared as text.
//!
//! *Guarantee*: a masked value must be there and of the same form (an instant for an instant, an id
//! for an id): a mask hides a value, not its absence.
//!
//! *Limits*: [`DIFFERENCES_MAX`] differences, [`SHOWN_CHARS_MAX`] characters of a value.
//!
//! *What this does not do*: mixed content is not seen, as no reader of ours sees it.

mod json;
mod mask;
#[cfg(test)]
mod tests;
mod xml;

use std::fmt;

use serde_json::Value;

pub use mask::{Mask, Masks};

/// More are not listed.
pub const DIFFERENCES_MAX: usize = 20;
/// Longer values are cut where they are shown.
pub const SHOWN_CHARS_MAX: usize = 80;

/// One place where two messages differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: `/Envelope/Body/SendMessage/request`.
    pub path: String,
    /// What the case holds.
    pub expected: String,
    /// What came.
    pub got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.path, self.expected, self.got)
    }
}

/// What the bytes of a message are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// XML.
    Xml,
    /// JSON.
    Json,
    /// Neither.
    Text,
}

impl Form {
    /// By the end of a file's name.
    pub fn of(file: &str) -> Self {
        match file.rsplit('.').next() {
            Some("xml") => Self::Xml,
            Some("json") => Self::Json,
            Some(_) | None => Self::Text,
        }
    }

    /// The content type that a server would say.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Xml => "text/xml; charset=utf-8",
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

/// Compares two messages of one form; an empty answer means that they say the same.
pub fn compare(form: Form, expected: &[u8], got: &[u8], masks: &mut Masks) -> Vec<Difference> {
    let mut differences = match form {
        Form::Xml => xml::compare(expected, got, masks),
        Form::Json => json::compare(expected, got, masks),
        Form::Text => text(expected, got),
    };
    differences.truncate(DIFFERENCES_MAX);
    differences
}

/// Compares two JSON values.
pub fn json_values(expected: &Value, got: &Value, masks: &mut Masks) -> Vec<Difference> {
    json::values(expected, got, masks)
}

fn text(expected: &[u8], got: &[u8]) -> Vec<Difference> {
    let (expected, got) = (String::from_utf8_lossy(expected), String::from_utf8_lossy(got));
    if expected.trim() == got.trim() {
        return Vec::new();
    }
    vec![Difference { path: "/".to_owned(), expected: shown(&expected), got: shown(&got) }]
}

/// A value, cut, in quotation marks.
fn shown(value: &str) -> String {
    let value = value.trim();
    let mut cut: String = value.chars().take(SHOWN_CHARS_MAX).collect();
    if cut.len() < value.len() {
        cut.push('…');
    }
    format!("\"{cut}\"")
}
