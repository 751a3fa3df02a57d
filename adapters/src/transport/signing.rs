//! Signing a business document before it is sent (shep §3.4): apart from the signature of the
//! transport, some services want one inside their payload.
//!
//! ```text
//! document ─→ Signer::sign ─┬ "ncanode": NCANode, which holds the organisation's key   production
//!                           └ "test":    a key that everybody knows                    simulators
//!          ←─ the same document, with an enveloped ds:Signature as the last child of its root
//! ```
//!
//! *Guarantee*: what comes back is the document that went in, with one signature more: what a
//! remote signer returns is compared. Keys and passwords reach no log, no error and no kept exchange.
//!
//! *What this does not do*: verify a signature that comes from outside; there is no list of keys to
//! trust yet. It makes no GOST signature itself: that takes the Kalkan provider, hence NCANode.

mod canonical;
mod known_key;
mod ncanode;
#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    settings::{Form, OptionSpec, Settings},
    system::ConnectError,
};

/// The namespace of XML signatures.
pub const XMLDSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// What a system that signs adds to its settings.
pub static OPTIONS: [OptionSpec; 4] = [
    // Absent: the known key where the system's address is this machine; else the program does not
    // start.
    OptionSpec { name: "signer", default: None, form: Form::Text },
    OptionSpec { name: "ncanode_url", default: None, form: Form::Url },
    // PKCS#12 in base64, with one key: NCANode takes the first (shep §3.6).
    OptionSpec { name: "ncanode_key", default: None, form: Form::Secret },
    OptionSpec { name: "ncanode_key_password", default: None, form: Form::Secret },
];

/// Signs documents.
#[async_trait]
pub trait Signer: fmt::Debug + Send + Sync {
    /// Signs a document as a whole. Ends within `limit`.
    ///
    /// The document is canonical already (`canonical.rs` says which documents are), without an XML
    /// declaration; so is the result, up to the signature.
    async fn sign(&self, document: &str, limit: Duration) -> Result<String, SigningError>;
}

/// Why there is no signature. Nothing has left for the system that the document was meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// Not a document that can be signed: a mistake of ours.
    #[error("the document cannot be signed")]
    Unsignable,
    /// The signer did not answer, or not in time.
    #[error("the signer did not answer")]
    Unreachable,
    /// The signer said no: the key, its password or its certificate.
    #[error("the signer refused")]
    Refused,
    /// What the signer returned is not our document with a signature.
    #[error("the signer's answer is not the signed document")]
    Unreadable,
}

/// The signer that a system's settings choose.
pub fn of(system: &'static str, settings: &Settings) -> Result<Arc<dyn Signer>, ConnectError> {
    let wrong = |text| ConnectError::Option { system, option: "signer", text };
    match settings.option("signer") {
        Some("ncanode") => Ok(Arc::new(ncanode::Ncanode::new(system, settings)?)),
        Some("test") => Ok(Arc::new(known_key::KnownKey::new())),
        None if is_this_machine(&settings.url) => Ok(Arc::new(known_key::KnownKey::new())),
        None => Err(wrong("is needed: \"ncanode\", or \"test\" where a known key will do")),
        Some(_) => Err(wrong("must be \"ncanode\" or \"test\"")),
    }
}

fn is_this_machine(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
