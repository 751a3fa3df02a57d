//! Writing XML: strictly, in the order of the schema.
//!
//! Names are ours and known when the program is built; only texts come from outside and are
//! escaped.

use std::ops::Range;

/// A text holds a character that XML 1.0 cannot hold, so nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a text holds a character that XML cannot hold")]
pub struct Unwritable;

/// Writes one document into one string.
pub struct Writer {
    out: String,
    is_writable: bool,
    omissions: Vec<Omission>,
}

/// A part of a document that is sent and not kept.
pub struct Omission {
    /// Where it stands.
    pub range: Range<usize>,
    /// What is kept in its place.
    pub stand_in: String,
}

/// Whether XML 1.0 can hold a character.
pub const fn is_writable(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

impl Writer {
    /// An empty document, with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: String::with_capacity(capacity), is_writable: true, omissions: Vec::new() }
    }

    /// How many bytes were written so far.
    pub const fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Writes markup as it is: constants of ours, or a document that was written here before.
    pub fn raw(&mut self, markup: &str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// `<name>`.
    pub fn open(&mut self, name: &str) -> &mut Self {
        self.raw("<").raw(name).raw(">")
    }

    /// `</name>`.
    pub fn close(&mut self, name: &str) -> &mut Self {
        self.raw("</").raw(name).raw(">")
    }

    /// `<name>text</name>`.
    pub fn leaf(&mut self, name: &str, text: &str) -> &mut Self {
        self.open(name).text(text).close(name)
    }

    /// `<name>text</name>`, or nothing.
    pub fn optional(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.leaf(name, text),
            None => self,
        }
    }

    /// Escaped text. A carriage return is written as a reference, or a reader would lose it.
    pub fn text(&mut self, text: &str) -> &mut Self {
        let mut rest = text;
        while let Some(at) = rest.find(needs_care) {
            self.out.push_str(&rest[..at]);
            let mut after = rest[at..].chars();
            match after.next() {
                Some('<') => self.out.push_str("&lt;"),
                Some('>') => self.out.push_str("&gt;"),
                Some('&') => self.out.push_str("&amp;"),
                Some('\r') => self.out.push_str("&#13;"),
                Some(_) | None => {
                    self.is_writable = false;
                    self.out.push(char::REPLACEMENT_CHARACTER);
                }
            }
            rest = after.as_str();
        }
        self.out.push_str(rest);
        self
    }

    /// Escaped text that is sent and not kept: `stand_in` says what it was.
    pub fn omitted(&mut self, text: &str, stand_in: String) -> &mut Self {
        let start = self.out.len();
        self.text(text);
        self.omissions.push(Omission { range: start..self.out.len(), stand_in });
        self
    }

    /// What was written with [`Self::omitted`], in its order.
    pub fn take_omissions(&mut self) -> Vec<Omission> {
        std::mem::take(&mut self.omissions)
    }

    /// The document.
    pub fn finish(self) -> Result<String, Unwritable> {
        if self.is_writable { Ok(self.out) } else { Err(Unwritable) }
    }

    /// The document, with U+FFFD in the place of what XML cannot hold: for acknowledgements, which
    /// must always be writable.
    pub fn finish_lossy(self) -> String {
        self.out
    }
}

const fn needs_care(character: char) -> bool {
    matches!(character, '<' | '>' | '&' | '\r') || !is_writable(character)
}
