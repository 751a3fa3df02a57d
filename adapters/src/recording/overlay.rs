//! The recorded request in its own form, with the values that the hub sends for the sanitised job.
//!
//! A value that stands in both comes from the hub's own settings (or from a job that was not
//! sanitised, which the guard sees): the guard lets it stand.
//!
//! *Guarantee*: every value comes from what the hub sends, or is rewritten; where both name the same
//! thing the mapping learns it, so that an echo in the answer fits.

use serde_json::Value;

use super::{
    markup::{self, Content, Node},
    rewrite::Rewriter,
};

/// Shorter values are no identity: the same digit means many things.
const IDENTITY_CHARS_MIN: usize = 4;

/// The request to write.
pub(super) fn overlay(recorded: &[u8], own: &[u8], rewriter: &mut Rewriter<'_>) -> Vec<u8> {
    let (text, own_text) = (String::from_utf8_lossy(recorded), String::from_utf8_lossy(own));
    if let (Some(mut tree), Some(own)) = (markup::read(&text), markup::read(&own_text)) {
        return if put(&mut tree.root, &own.root, rewriter) {
            tree.write().into_bytes()
        } else {
            rewriter.message(recorded)
        };
    }
    let (json, own_json) = (serde_json::from_slice(recorded), serde_json::from_slice(own));
    if let (Ok(json), Ok(own_json)) = (json, own_json)
        && put_json(&json, &own_json, rewriter)
    {
        return serde_json::to_vec_pretty(&own_json).unwrap_or_default();
    }
    rewriter.message(recorded)
}

/// Takes the values of `own`; `false` where the two are not of one form.
fn put(node: &mut Node, own: &Node, rewriter: &mut Rewriter<'_>) -> bool {
    let counts = |node: &Node| node.children().filter(|child| !is_empty_header(child)).count();
    let children = counts(own);
    if node.local() != own.local() || counts(node) != children {
        return false;
    }
    let plain = |node: &Node| {
        let all = node.attributes.iter().filter(|(name, _)| !name.starts_with("xmlns"));
        all.map(|(name, value)| (markup::local(name).to_owned(), value.clone())).collect::<Vec<_>>()
    };
    if plain(node) != plain(own) {
        return false;
    }
    if children > 0 {
        let mut others = own.children().filter(|child| !is_empty_header(child));
        return node.content.iter_mut().all(|content| match content {
            Content::Element(child) if is_empty_header(child) => true,
            Content::Element(child) => others.next().is_some_and(|own| put(child, own, rewriter)),
            Content::Text { text, .. } => text.trim().is_empty(),
        });
    }
    let (text, own_text) = (node.text(), own.text());
    learn(&text, &own_text, rewriter);
    let is_cdata = matches!(node.content.first(), Some(Content::Text { is_cdata: true, .. }));
    node.content.clear();
    if !own_text.is_empty() {
        node.content.push(Content::Text { text: own_text, is_cdata });
    }
    true
}

/// SOAP allows it to be left out.
fn is_empty_header(node: &Node) -> bool {
    node.local() == "Header" && node.children().next().is_none()
}

/// What a value of the recorded request is in the sanitised one.
fn learn(text: &str, own: &str, rewriter: &mut Rewriter<'_>) {
    let (value, own) = (text.trim(), own.trim());
    if value.starts_with('<')
        && let (Some(mut tree), Some(own)) = (markup::read(value), markup::read(own))
    {
        put(&mut tree.root, &own.root, rewriter);
        return;
    }
    let is_identity = value.chars().count() >= IDENTITY_CHARS_MIN && !value.starts_with('*');
    if value == own {
        rewriter.stand_ins.note_same(value);
    }
    if is_identity && value != own && !own.is_empty() {
        rewriter.stand_ins.set(value, own);
    }
}

fn put_json(value: &Value, own: &Value, rewriter: &mut Rewriter<'_>) -> bool {
    match (value, own) {
        (Value::Object(all), Value::Object(others)) => {
            all.len() == others.len()
                && all.iter().all(|(key, value)| {
                    others.get(key).is_some_and(|own| put_json(value, own, rewriter))
                })
        }
        (Value::Array(all), Value::Array(others)) => {
            all.len() == others.len()
                && all.iter().zip(others).all(|(value, own)| put_json(value, own, rewriter))
        }
        (Value::String(text), Value::String(own)) => {
            learn(text, own, rewriter);
            true
        }
        (Value::Number(_), Value::Number(_)) => true,
        (one, other) => one == other,
    }
}
