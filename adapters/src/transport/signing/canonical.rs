//! Which documents are canonical as they stand, so that their digest is that of their bytes.
//!
//! *Guarantee*: whatever passes equals its own inclusive canonical form (Canonical XML 1.0, with or
//! without comments). Everything else is refused, not repaired.
//!
//! *Limits*: elements and text only. No declaration, comment, processing instruction, CDATA or
//! DOCTYPE; no attributes but the root's namespace declarations, sorted and in double quotes; names
//! in ASCII; no `<a/>`; in text `<`, `>` and `&` as `&lt;`, `&gt;` and `&amp;`, and no carriage
//! return.

use crate::transport::xml::is_writable;

/// A document is not canonical, or uses what is not supported here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotCanonical;

/// What a signature must know of a document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Root<'d> {
    /// Prefix (empty for the default namespace) and namespace.
    pub(super) declarations: Vec<(&'d str, &'d str)>,
    /// Where the root's end tag begins.
    pub(super) end_tag_at: usize,
}

/// Reads a document to its end.
pub(super) fn read(document: &str) -> Result<Root<'_>, NotCanonical> {
    let mut open: Vec<&str> = Vec::new();
    let mut declarations = Vec::new();
    let mut at = 0;
    loop {
        let tag = document[at..].strip_prefix('<').ok_or(NotCanonical)?;
        let (tag, after) = tag.split_once('>').ok_or(NotCanonical)?;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(NotCanonical);
            }
            if open.is_empty() {
                let whole = after.is_empty();
                return whole.then_some(Root { declarations, end_tag_at: at }).ok_or(NotCanonical);
            }
        } else {
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            if open.is_empty() {
                declarations = read_declarations(attributes)?;
            }
            let is_alone = tag == name || open.is_empty() && !declarations.is_empty();
            if !is_alone || !is_declared(name, &declarations) {
                return Err(NotCanonical);
            }
            open.push(name);
        }
        let text = after.find('<').map(|end| &after[..end]).ok_or(NotCanonical)?;
        if !is_canonical(text) {
            return Err(NotCanonical);
        }
        at = document.len() - after.len() + text.len();
    }
}

/// `xmlns="…" xmlns:a="…"`: the default first, then by prefix.
fn read_declarations(attributes: &str) -> Result<Vec<(&str, &str)>, NotCanonical> {
    let mut declarations: Vec<(&str, &str)> = Vec::new();
    for one in attributes.split(' ').filter(|_| !attributes.is_empty()) {
        let (name, value) = one.split_once("=\"").ok_or(NotCanonical)?;
        let namespace = value.strip_suffix('"').ok_or(NotCanonical)?;
        let name = name.strip_prefix("xmlns").ok_or(NotCanonical)?;
        let prefix = name.strip_prefix(':').filter(|prefix| is_name(prefix));
        let prefix = if name.is_empty() { "" } else { prefix.ok_or(NotCanonical)? };
        let is_plain = !namespace.is_empty()
            && namespace.bytes().all(|byte| byte.is_ascii_graphic() && !b"<&\"".contains(&byte));
        let is_sorted = declarations.last().is_none_or(|(before, _)| *before < prefix);
        if !is_plain || !is_sorted || prefix.starts_with("xml") {
            return Err(NotCanonical);
        }
        declarations.push((prefix, namespace));
    }
    Ok(declarations)
}

fn is_declared(name: &str, declarations: &[(&str, &str)]) -> bool {
    match name.split_once(':') {
        Some((prefix, local)) => {
            is_name(local)
                && declarations.iter().any(|(known, _)| !known.is_empty() && *known == prefix)
        }
        None => is_name(name),
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn is_canonical(text: &str) -> bool {
    let references_are_plain = text
        .split('&')
        .skip(1)
        .all(|after| ["amp;", "lt;", "gt;"].iter().any(|known| after.starts_with(known)));
    let holds = |char| char != '>' && char != '\r' && is_writable(char);
    references_are_plain && text.chars().all(holds)
}
