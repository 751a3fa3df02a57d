//! What a request asks, read alike for all systems: operation, business key, request number.
//!
//! For lists, for near misses and to match recorded cases. Each simulator reads requests by itself
//! and far more strictly. Names are compared by namespace and local name, never by prefix.

use super::xml::{self, Node};

/// Elements and keys that hold the number of a person or an organisation.
pub(super) const PERSONS: &[&str] =
    &["iin", "IIN", "uin", "BIN", "IINBIN", "organisationBin", "RcpnIIN"];
/// Elements and keys that hold another business key.
const OTHERS: &[&str] = &["OrderNum", "ordernum", "order_number", "Barcode", "barcode"];
/// Elements and keys that hold the caller's number of the request, best first.
const NUMBERS: &[&str] = &["RequestNumber", "requestNumber", "requestId", "RequestId"];

/// What a request asks.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// For example `SendMessage GBDFL_UniversalServiceSync`.
    pub(super) operation: String,
    /// The number of a person or organisation, or an order or track number.
    pub(super) key: String,
    /// The key is a person's or an organisation's.
    pub(super) is_person: bool,
    /// The caller's number of the request.
    pub(super) number: String,
}

impl Asked {
    /// Reads a request; what cannot be read leaves gaps.
    pub(super) fn read(method: &str, path: &str, body: &[u8]) -> Self {
        if let Ok(root) = xml::parse(body) {
            return Self::of_soap(&root);
        }
        let mut asked = Self { operation: format!("{method} {}", shape(path)), ..Self::default() };
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) {
            for name in OTHERS {
                if let Some(text) = json[*name].as_str() {
                    text.clone_into(&mut asked.key);
                    text.clone_into(&mut asked.number);
                }
            }
        } else if let Some(track) = path.split('/').find(|part| is_key(part)) {
            track.clone_into(&mut asked.key);
            track.clone_into(&mut asked.number);
        }
        asked
    }

    /// The key, as a page may show it.
    pub(super) fn masked(&self) -> String {
        if !self.is_person || !self.key.is_ascii() || self.key.len() < 8 {
            return if self.is_person { "•".repeat(self.key.len()) } else { self.key.clone() };
        }
        let hidden = "•".repeat(self.key.len() - 6);
        format!("{}{hidden}{}", &self.key[..4], &self.key[self.key.len() - 2..])
    }

    fn of_soap(root: &Node) -> Self {
        let Some(call) = root.child("Body").and_then(|body| body.children.first()) else {
            return Self { operation: root.name.clone(), ..Self::default() };
        };
        let mut words = vec![call.name.clone()];
        let request = call.child("request");
        let infos =
            request.map(|request| ["requestInfo", "messageInfo"].map(|at| request.child(at)));
        let info = infos.into_iter().flatten().flatten().next().or(request);
        let mut number = String::new();
        if let Some(info) = info {
            words.push(info.text_at(&["serviceId"]).to_owned());
            info.text_at(&["messageId"]).clone_into(&mut number);
        }
        let payload = request.and_then(payload);
        let within = payload.as_ref().unwrap_or(call);
        words.push(within.attribute("serviceName").to_owned());
        words.push(within.text_at(&["operation"]).to_owned());
        words.retain(|word| !word.is_empty());
        let person = first(within, PERSONS);
        let other = first(within, OTHERS).unwrap_or_default();
        let is_person = person.is_some();
        if request.is_none() {
            // Kazpost's own service: the parcel is the subject, whoever receives it.
            let key = if other.is_empty() { person.unwrap_or_default() } else { other };
            return Self { operation: words.join(" "), number: key.clone(), key, is_person: false };
        }
        let own = first(within, NUMBERS);
        Self {
            operation: words.join(" "),
            key: person.unwrap_or(other),
            is_person,
            number: own.filter(|own| !own.is_empty()).unwrap_or(number),
        }
    }
}

/// What stands in `data`: an element, several, or a document as text.
pub(super) fn payload(request: &Node) -> Option<Node> {
    let holder = request.child("requestData").or_else(|| request.child("messageData"))?;
    let data = holder.child("data")?;
    match data.children.as_slice() {
        [] => xml::parse_text(data.text.trim()).ok(),
        [only] => Some(only.clone()),
        _ => Some(data.clone()),
    }
}

/// The first value of one of these names, anywhere below; keys of `param` count as names.
fn first(node: &Node, names: &[&str]) -> Option<String> {
    if names.contains(&node.name.as_str()) && node.children.is_empty() {
        return Some(node.text.trim().to_owned());
    }
    if node.name == "param" && names.contains(&node.text_at(&["key"])) {
        return Some(node.text_at(&["values", "value"]).to_owned());
    }
    node.children.iter().find_map(|child| first(child, names))
}

/// A path without the keys in it.
pub(super) fn shape(path: &str) -> String {
    path.split('/').map(|part| if is_key(part) { "…" } else { part }).collect::<Vec<_>>().join("/")
}

fn is_key(part: &str) -> bool {
    part.bytes().filter(u8::is_ascii_digit).count() >= 6
}
