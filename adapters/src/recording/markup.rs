//! XML as it is rewritten: prefixes, order, blanks and CDATA stay; comments, processing instructions
//! and whatever stands behind the root do not.
//!
//! *Guarantee*: what is written holds element names, attributes and texts of the tree, nothing else.
//! A document that breaks off is written up to the last whole element or text.
//!
//! *Limits*: [`DEPTH_MAX`], and the callers' limit of bytes.

use quick_xml::{
    Reader,
    escape::{partial_escape, unescape},
    events::{BytesStart, Event},
};

use crate::transport::xml::DEPTH_MAX;

/// A document.
#[derive(Clone)]
pub(super) struct Tree {
    pub(super) root: Node,
    has_declaration: bool,
}

/// An element.
#[derive(Clone)]
pub(super) struct Node {
    /// With its prefix.
    pub(super) name: String,
    /// With their prefixes, values decoded; declarations of namespaces among them.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) content: Vec<Content>,
    is_empty: bool,
    /// The document breaks off inside it: it has no end.
    is_open: bool,
}

/// What stands inside an element.
#[derive(Clone)]
pub(super) enum Content {
    Element(Node),
    Text {
        /// Decoded.
        text: String,
        /// Written as CDATA.
        is_cdata: bool,
    },
}

/// Reads a document; `None` where the bytes hold no element, or a DOCTYPE.
pub(super) fn read(text: &str) -> Option<Tree> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Node> = Vec::new();
    let mut has_declaration = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) if open.len() < DEPTH_MAX => open.push(node(&start, false)?),
            Ok(Event::Empty(start)) if open.len() < DEPTH_MAX => {
                let node = node(&start, true)?;
                match open.last_mut() {
                    Some(parent) => parent.content.push(Content::Element(node)),
                    None => return Some(Tree { root: node, has_declaration }),
                }
            }
            Ok(Event::End(_)) => {
                let node = open.pop()?;
                match open.last_mut() {
                    Some(parent) => parent.content.push(Content::Element(node)),
                    None => return Some(Tree { root: node, has_declaration }),
                }
            }
            Ok(Event::Text(text)) => push(&mut open, &text.xml10_content(), false),
            Ok(Event::CData(text)) => push(&mut open, &text.xml10_content(), true),
            Ok(Event::GeneralRef(name)) => {
                let decoded = unescape(&format!("&{};", &*name)).map(std::borrow::Cow::into_owned);
                push(&mut open, &decoded.unwrap_or_default(), false);
            }
            Ok(Event::Decl(_)) => has_declaration = true,
            Ok(Event::DocType(_)) => return None,
            Ok(Event::Comment(_) | Event::PI(_)) => {}
            Ok(Event::Start(_) | Event::Empty(_) | Event::Eof) | Err(_) => break,
        }
    }
    let mut last = Node { is_open: true, ..open.pop()? };
    while let Some(mut parent) = open.pop() {
        parent.content.push(Content::Element(last));
        last = Node { is_open: true, ..parent };
    }
    Some(Tree { root: last, has_declaration })
}

fn node(start: &BytesStart<'_>, is_empty: bool) -> Option<Node> {
    let name = start.name().into_inner().to_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.ok()?;
        let value = unescape(&attribute.value).ok()?.into_owned();
        attributes.push((attribute.key.into_inner().to_owned(), value));
    }
    Some(Node { name, attributes, content: Vec::new(), is_empty, is_open: false })
}

fn push(open: &mut [Node], text: &str, is_cdata: bool) {
    let Some(node) = open.last_mut() else { return };
    if let Some(Content::Text { text: before, is_cdata: was }) = node.content.last_mut() {
        before.push_str(text);
        *was |= is_cdata;
        return;
    }
    node.content.push(Content::Text { text: text.to_owned(), is_cdata });
}

impl Tree {
    /// As text, up to where it was cut.
    pub(super) fn write(&self) -> String {
        let mut out = String::new();
        if self.has_declaration {
            out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        }
        self.root.write(&mut out);
        out
    }
}

impl Node {
    /// Its name without the prefix.
    pub(super) fn local(&self) -> &str {
        local(&self.name)
    }

    /// Its child elements.
    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        self.content.iter().filter_map(|content| match content {
            Content::Element(node) => Some(node),
            Content::Text { .. } => None,
        })
    }

    /// Its text, joined; empty where it has child elements.
    pub(super) fn text(&self) -> String {
        let text = |content: &Content| match content {
            Content::Text { text, .. } => Some(text.clone()),
            Content::Element(_) => None,
        };
        self.content.iter().map(text).collect::<Option<String>>().unwrap_or_default()
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            let value = partial_escape(value.as_str()).replace('"', "&quot;");
            out.push_str(&format!(" {name}=\"{value}\""));
        }
        if self.is_empty && self.content.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for content in &self.content {
            match content {
                Content::Element(node) => node.write(out),
                Content::Text { text, is_cdata: true } => {
                    out.push_str(&format!("<![CDATA[{}]]>", text.replace("]]>", "]] >")));
                }
                Content::Text { text, is_cdata: false } => out.push_str(&partial_escape(text)),
            }
        }
        if !self.is_open {
            out.push_str(&format!("</{}>", self.name));
        }
    }
}

/// A name without its prefix.
pub(super) fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        read(text).expect("reads").write()
    }

    #[test]
    fn prefixes_cdata_blanks_and_attributes_stay_and_comments_go() {
        let text =
            "<a:b xmlns:a=\"u\" x='1 &amp; \"2\"'>\n <c/><d><![CDATA[<e>&]]></d>t &lt;</a:b>";
        let written = "<a:b xmlns:a=\"u\" x=\"1 &amp; &quot;2&quot;\">\n <c/>\
                       <d><![CDATA[<e>&]]></d>t &lt;</a:b>";
        assert_eq!(again(text), written);
        assert_eq!(again("<?pi a?><a><!-- 850100300012 --><?p b?>1</a><!-- c -->"), "<a>1</a>");
        assert_eq!(again("<a>&#x418;&amp;amp;</a>"), "<a>И&amp;amp;</a>");
    }

    #[test]
    fn a_document_that_breaks_off_is_written_up_to_there() {
        assert_eq!(again("<a><b>1</b><c>2"), "<a><b>1</b><c>2");
        assert_eq!(again("<a><b>1</b><c"), "<a><b>1</b>");
        assert!(read("").is_none() && read("text").is_none());
        assert!(read("<!DOCTYPE a [<!ENTITY e 'ИВАНОВ'>]><a>&e;</a>").is_none());
        assert!(read(&"<a>".repeat(100_000)).is_some());
    }
}
