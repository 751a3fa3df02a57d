//! What travels inside `data`, in every shape that was seen (shep §4.1, gov-services §1.2): child
//! elements with or without a type, escaped XML with its own declaration, CDATA, a namespaced
//! `data`.
//!
//! *Guarantee*: entities are decoded once, plus once more for a document that travels as text.

use super::xml::{self, Document, Element, XmlError};

/// A payload: where its element lies, and the document it lies in.
#[derive(Debug)]
pub struct Payload {
    document: Document,
    root: usize,
}

impl Payload {
    /// The element that holds the payload's fields: the one child element of `data` where there is
    /// one with children of its own, else `data` itself.
    pub fn root(&self) -> Element<'_> {
        self.document.at(self.root).unwrap_or_else(|| self.document.root())
    }
}

/// Decodes the content of `data`, cut out of its message.
pub fn payload(data: &[u8]) -> Result<Payload, XmlError> {
    let document = xml::fragment(data)?;
    let element = document.root();
    if element.has_children() {
        let root = fields(element).index();
        return Ok(Payload { document, root });
    }
    of_text(element.text())
}

/// Decodes `data` inside a document that was read whole, without reading its elements again.
pub fn within(document: Document, data: usize) -> Result<Payload, XmlError> {
    let Some(element) = document.at(data) else { return Err(XmlError::Empty) };
    if element.has_children() {
        let root = fields(element).index();
        return Ok(Payload { document, root });
    }
    of_text(element.text())
}

fn of_text(text: &str) -> Result<Payload, XmlError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(XmlError::Empty);
    }
    let document = xml::fragment(text.as_bytes())?;
    if !document.root().has_children() {
        return Err(XmlError::Syntax); // text that is no XML: no format of ours
    }
    let root = fields(document.root()).index();
    Ok(Payload { document, root })
}

fn fields(data: Element<'_>) -> Element<'_> {
    let mut children = data.children();
    match (children.next(), children.next()) {
        (Some(one), None) if one.has_children() => one,
        _ => data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(data: &str) -> String {
        let payload = payload(data.as_bytes()).expect(data);
        payload.root().child_value("code").unwrap_or_default().to_owned()
    }

    #[test]
    fn every_shape_of_a_payload_reads_alike() {
        for data in [
            "<code>&amp;1</code><text>x</text>",
            "<p:answer><code>&amp;1</code><p:text>x</p:text></p:answer>",
            "<answer xmlns='urn:x'><code>&amp;1</code><text>x</text></answer>",
            "&lt;?xml version='1.0' encoding='UTF-16'?&gt;&lt;a&gt;&lt;code&gt;&amp;amp;1\
             &lt;/code&gt;&lt;/a&gt;",
            "<![CDATA[<?xml version='1.0'?><a><code>&amp;1</code></a>]]>",
            " <![CDATA[<a><code>&am]]><![CDATA[p;1</code></a>]]> ",
            "&lt;code&gt;&amp;amp;1&lt;/code&gt;&lt;text/&gt;",
            "<code>&amp;1</code>",
        ] {
            assert_eq!(code(data), "&1", "{data}");
        }
    }

    #[test]
    fn text_that_is_no_document_is_refused() {
        assert_eq!(payload(b"").err(), Some(XmlError::Empty));
        assert_eq!(payload(b" \n ").err(), Some(XmlError::Empty));
        assert_eq!(payload(b"text").err(), Some(XmlError::Syntax));
        assert_eq!(payload(b"&lt;a&gt;").err(), Some(XmlError::Syntax));
        let doctype = payload(b"<![CDATA[<!DOCTYPE a><a><b/></a>]]>");
        assert_eq!(doctype.err(), Some(XmlError::Doctype));
    }
}
