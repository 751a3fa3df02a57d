//! Bytes → [`Document`], in one pass.

use std::ops::Range;

use quick_xml::{
    NsReader,
    errors::Error,
    events::{BytesDecl, BytesRef, BytesStart, Event},
    name::{PrefixDeclaration, ResolveResult},
};

use super::{
    ATTRIBUTES_MAX, BYTES_MAX, DEPTH_MAX, Document, ELEMENTS_MAX, NAMESPACES_MAX, XmlError,
    document::{BYTE_ORDER_MARK, Node, StoredAttribute},
    write::is_writable,
};

/// A first guess at how many source bytes an element takes, to size the vector once.
const BYTES_PER_ELEMENT: usize = 48;
const NODES_RESERVED_MAX: usize = 512;

/// Reads a document: exactly one root element.
pub fn read(bytes: &[u8]) -> Result<Document, XmlError> {
    let text = decode(bytes)?;
    let mut builder = Builder::new(text, Kind::Document);
    builder.run()?;
    Ok(builder.document)
}

/// Reads the content of an element that was cut out of its document: any number of elements, or
/// text. The root is virtual, has no name and holds them. Prefixes declared further out are not
/// known here, so an undeclared one is taken as "no namespace"; a declared encoding is ignored,
/// because the text was decoded already.
pub fn fragment(bytes: &[u8]) -> Result<Document, XmlError> {
    let text = decode(bytes)?;
    let mut builder = Builder::new(text, Kind::Fragment);
    builder.document.nodes.push(Node { source: 0..text.len(), ..Node::default() });
    builder.open.push(0);
    builder.run()?;
    Ok(builder.document)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Document,
    Fragment,
}

fn decode(bytes: &[u8]) -> Result<&str, XmlError> {
    if bytes.len() > BYTES_MAX {
        return Err(XmlError::TooLong);
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Encoding)?;
    // Literal control characters; character references are looked at one by one. A byte of a
    // longer UTF-8 sequence is never below 0x80.
    if bytes.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) {
        return Err(XmlError::Character);
    }
    // U+FFFE and U+FFFF, the only others that UTF-8 can hold and XML cannot.
    if bytes.windows(2).any(|two| two == b"\xBF\xBE" || two == b"\xBF\xBF")
        && text.contains(['\u{FFFE}', '\u{FFFF}'])
    {
        return Err(XmlError::Character);
    }
    Ok(text)
}

struct Builder<'t> {
    reader: NsReader<&'t [u8]>,
    kind: Kind,
    document: Document,
    /// Indices of the elements that are open now.
    open: Vec<usize>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str, kind: Kind) -> Self {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        reader.resolver_mut().set_max_namespace_bindings(NAMESPACES_MAX);
        let mut document = Document::default();
        document.nodes.reserve((text.len() / BYTES_PER_ELEMENT).min(NODES_RESERVED_MAX));
        document.store.reserve(text.len().min(BYTES_PER_ELEMENT * NODES_RESERVED_MAX));
        Self { reader, kind, document, open: Vec::with_capacity(DEPTH_MAX / 4) }
    }

    fn run(&mut self) -> Result<(), XmlError> {
        loop {
            let before = self.position();
            match self.reader.read_event().map_err(|error| read_error(&error))? {
                Event::Start(start) => self.start(&start)?,
                Event::End(_) => self.end(before)?,
                Event::Text(text) => self.text(&text.xml10_content())?,
                Event::CData(text) => self.text(&text.xml10_content())?,
                Event::GeneralRef(reference) => self.reference(&reference)?,
                Event::Decl(declaration) => self.declaration(&declaration)?,
                Event::DocType(_) => return Err(XmlError::Doctype),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Empty(_) => return Err(XmlError::Syntax), // expanded: does not come
                Event::Eof => return self.finish(),
            }
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(XmlError::TooDeep);
        }
        if self.document.nodes.len() >= ELEMENTS_MAX {
            return Err(XmlError::TooManyElements);
        }
        match self.open.last() {
            // What stood before a child element is not text (no mixed content): it is the tail of
            // the store, since nothing was stored after it.
            Some(parent) => {
                let text = &mut self.document.nodes[*parent].text;
                if text.start < text.end && text.end == self.document.store.len() {
                    self.document.store.truncate(text.start);
                }
                *text = 0..0;
            }
            None if self.document.nodes.is_empty() => {}
            None => return Err(XmlError::Syntax), // a second root
        }
        let namespace = self.namespace_of(start.name(), true)?;
        let local = store(&mut self.document.store, start.local_name().into_inner());
        let attributes = self.attributes(start)?;
        let (index, at) = (self.document.nodes.len(), self.position());
        self.open.push(index);
        self.document.nodes.push(Node {
            namespace,
            local,
            text: 0..0,
            attributes,
            source: at..at,
            end: index + 1,
        });
        Ok(())
    }

    fn end(&mut self, before: usize) -> Result<(), XmlError> {
        let index = self.open.pop().ok_or(XmlError::Syntax)?;
        let end = self.document.nodes.len();
        let node = &mut self.document.nodes[index];
        node.end = end;
        node.source.end = before.max(node.source.start);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        let Some(&index) = self.open.last() else {
            return if text.trim().is_empty() { Ok(()) } else { Err(XmlError::Syntax) };
        };
        let count = self.document.nodes.len();
        if count > index + 1 {
            return Ok(()); // after a child element: no mixed content
        }
        let stored = store(&mut self.document.store, text);
        let range = &mut self.document.nodes[index].text;
        *range = if range.start == range.end { stored } else { range.start..stored.end };
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), XmlError> {
        if reference.is_char_ref() {
            let character = reference.resolve_char_ref().map_err(|_| XmlError::Character)?;
            let character = character.filter(|c| is_writable(*c)).ok_or(XmlError::Character)?;
            return self.text(character.encode_utf8(&mut [0; 4]));
        }
        let name: &str = reference;
        let text = match name {
            "lt" => "<",
            "gt" => ">",
            "amp" => "&",
            "apos" => "'",
            "quot" => "\"",
            _ => return Err(XmlError::Entity),
        };
        self.text(text)
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
        match declaration.encoding() {
            Some(Ok(name)) if self.kind == Kind::Document => {
                let known = name.eq_ignore_ascii_case("utf-8")
                    || name.eq_ignore_ascii_case("utf8")
                    || name.eq_ignore_ascii_case("us-ascii");
                if known { Ok(()) } else { Err(XmlError::Encoding) }
            }
            Some(Ok(_)) | None => Ok(()),
            Some(Err(_)) => Err(XmlError::Syntax),
        }
    }

    fn attributes(&mut self, start: &BytesStart<'_>) -> Result<Range<usize>, XmlError> {
        let first = self.document.attributes.len();
        for (count, attribute) in start.attributes().enumerate() {
            if count >= ATTRIBUTES_MAX {
                return Err(XmlError::TooManyAttributes);
            }
            let attribute = attribute.map_err(|_| XmlError::Syntax)?;
            let declares: Option<PrefixDeclaration<'_>> = attribute.key.as_namespace_binding();
            if declares.is_some() {
                continue;
            }
            let namespace = self.namespace_of(attribute.key, false)?;
            let value =
                quick_xml::escape::unescape(&attribute.value).map_err(|_| XmlError::Entity)?;
            if !value.chars().all(is_writable) {
                return Err(XmlError::Character);
            }
            let local = store(&mut self.document.store, attribute.key.local_name().into_inner());
            let value = store(&mut self.document.store, &value);
            self.document.attributes.push(StoredAttribute { namespace, local, value });
        }
        Ok(first..self.document.attributes.len())
    }

    fn namespace_of(
        &mut self,
        name: quick_xml::name::QName<'_>,
        is_element: bool,
    ) -> Result<Option<usize>, XmlError> {
        match self.reader.resolver().resolve(name, is_element).0 {
            ResolveResult::Unbound => Ok(None),
            ResolveResult::Unknown(_) if self.kind == Kind::Fragment => Ok(None),
            ResolveResult::Unknown(_) => Err(XmlError::Prefix),
            ResolveResult::Bound(namespace) => {
                let namespaces = &mut self.document.namespaces;
                if let Some(known) = namespaces.iter().position(|one| one == namespace.0) {
                    return Ok(Some(known));
                }
                if namespaces.len() >= NAMESPACES_MAX {
                    return Err(XmlError::TooManyAttributes);
                }
                namespaces.push(namespace.0.to_owned());
                Ok(Some(namespaces.len() - 1))
            }
        }
    }

    fn finish(&mut self) -> Result<(), XmlError> {
        if self.kind == Kind::Fragment && self.open.len() == 1 {
            let length = self.document.nodes[0].source.end;
            self.end(length)?;
        }
        if !self.open.is_empty() {
            return Err(XmlError::Syntax);
        }
        if self.document.nodes.is_empty() { Err(XmlError::Empty) } else { Ok(()) }
    }
}

fn store(store: &mut String, text: &str) -> Range<usize> {
    let start = store.len();
    store.push_str(text);
    start..store.len()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's list of errors is open; the rest share one honest name"
)]
fn read_error(error: &Error) -> XmlError {
    match error {
        Error::Namespace(quick_xml::name::NamespaceError::TooManyBindings(_)) => {
            XmlError::TooManyAttributes
        }
        _ => XmlError::Syntax,
    }
}
