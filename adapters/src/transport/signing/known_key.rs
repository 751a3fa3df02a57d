//! A signer for simulators and tests: a real ECDSA signature (P-256, SHA-256, RFC 6979) by a key
//! that everybody knows.
//!
//! *Guarantee*: the same document always gets the same signature, and any tool that knows XMLDSig
//! can verify it.
//!
//! *What this does not do*: prove anything. Whoever reads this file can sign the same.

use std::time::Duration;

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use p256::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner};
use sha2::{Digest, Sha256};

use super::{Signer, SigningError, XMLDSIG, canonical};

/// The key is the SHA-256 of these words.
const KEY_WORDS: &str = "aleumet hub: a key for tests, known to everybody";
/// Self-signed, `CN=TEST aleumet hub`, for 100 years.
const CERTIFICATE: &str = "\
    MIIBPzCB5aADAgECAgEBMAoGCCqGSM49BAMCMCgxCzAJBgNVBAYTAktaMRkwFwYDVQQDDBBURVNU\
    IGFsZXVtZXQgaHViMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAoMQswCQYDVQQG\
    EwJLWjEZMBcGA1UEAwwQVEVTVCBhbGV1bWV0IGh1YjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\
    BPvHg1CYjNOo8dxetFtwkNnE6wAVgG8dHSxNVzg1uwYXH6rzXXHWWghRIWkogSGVJ4/N0yrvoBdT\
    cCpFECiG8xowCgYIKoZIzj0EAwIDSQAwRgIhAKBY5p2xLxY0/Ak3lH4051+pAfs+ZQ1wO83qPTJ1\
    pc/FAiEAyAIsnTaKGJK3oxEoU2VYGoDDUnttVbZwxsl+LHaVV8g=";

/// What is signed, up to the digest: inclusive canonical XML, as services want it (shep §3.4).
const SIGNED_INFO: &str = concat!(
    r#"<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315">"#,
    "</ds:CanonicalizationMethod>",
    r#"<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256">"#,
    r#"</ds:SignatureMethod><ds:Reference URI=""><ds:Transforms>"#,
    r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature">"#,
    r#"</ds:Transform><ds:Transform "#,
    r#"Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"></ds:Transform>"#,
    r#"</ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256">"#,
    "</ds:DigestMethod><ds:DigestValue>",
);
const SIGNED_INFO_END: &str = "</ds:DigestValue></ds:Reference>";

/// The signer.
pub(super) struct KnownKey(SigningKey);

impl KnownKey {
    /// The one that everybody knows.
    pub(super) fn new() -> Self {
        let words = Sha256::digest(KEY_WORDS);
        Self(SigningKey::from_slice(&words).expect("these words give a number below the order"))
    }

    fn sign_whole(&self, document: &str) -> Result<String, SigningError> {
        let root = canonical::read(document).map_err(|_| SigningError::Unsignable)?;
        if root.declarations.iter().any(|(prefix, _)| *prefix == "ds") {
            return Err(SigningError::Unsignable); // ours
        }
        let digest = BASE64_STANDARD.encode(Sha256::digest(document));
        let content = format!("{SIGNED_INFO}{digest}{SIGNED_INFO_END}");
        // The canonical form of a part shows every namespace that is in scope there.
        let mut in_scope = root.declarations;
        in_scope.push(("ds", XMLDSIG));
        in_scope.sort_unstable();
        let in_scope: String = in_scope.into_iter().map(declaration).collect();
        let canonical = format!("<ds:SignedInfo{in_scope}>{content}</ds:SignedInfo>");
        let hash = Sha256::digest(canonical);
        let signature: Signature =
            self.0.sign_prehash(&hash).map_err(|_| SigningError::Unsignable)?;
        let signature = BASE64_STANDARD.encode(signature.to_bytes());
        let (before, end_tag) = document.split_at(root.end_tag_at);
        Ok(format!(
            "{before}<ds:Signature xmlns:ds=\"{XMLDSIG}\"><ds:SignedInfo>{content}</ds:SignedInfo>\
             <ds:SignatureValue>{signature}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>\
             <ds:X509Certificate>{CERTIFICATE}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
             </ds:Signature>{end_tag}"
        ))
    }
}

#[async_trait]
impl Signer for KnownKey {
    async fn sign(&self, document: &str, _: Duration) -> Result<String, SigningError> {
        self.sign_whole(document)
    }
}

impl std::fmt::Debug for KnownKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownKey").finish_non_exhaustive()
    }
}

fn declaration((prefix, namespace): (&str, &str)) -> String {
    let colon = if prefix.is_empty() { "" } else { ":" };
    format!(" xmlns{colon}{prefix}=\"{namespace}\"")
}
