//! The signature inside a payload (shep §3.4): that of a request is checked, an answer gets one.
//!
//! *Limits*: a digest is checked where it is SHA-256, a signature where it is ECDSA on P-256 and
//! its certificate stands beside it. Others (GOST) only have to be there. Certificates are not
//! judged.

use base64::{Engine, prelude::BASE64_STANDARD};
use p256::ecdsa::{
    Signature, SigningKey, VerifyingKey,
    signature::hazmat::{PrehashSigner, PrehashVerifier},
};
use sha2::{Digest, Sha256};

use super::tree::{self, Element};

const NAMESPACE: &str = "http://www.w3.org/2000/09/xmldsig#";
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
/// What stands before a key on P-256 in a certificate: the curve, then the head of the point.
const P256_KEY: [u8; 13] =
    [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00];
const POINT_BYTES: usize = 65;
const KEY_WORDS: &str = "the simulated GBD UL signs with a key that everybody knows";

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// There is none, as the last child of the root.
    Missing,
    /// It does not fit the document.
    Wrong,
}

/// Checks the signature of a document.
pub(super) fn check(document: &str) -> Result<(), Flaw> {
    let root = tree::read(document).map_err(|_| Flaw::Wrong)?;
    let signature = root.children().next_back().filter(|last| is_signature(last));
    let signature = signature.ok_or(Flaw::Missing)?;
    let info = signature.at(&["SignedInfo"]).ok_or(Flaw::Wrong)?;
    if is_good(&root, signature, info).unwrap_or(false) { Ok(()) } else { Err(Flaw::Wrong) }
}

/// Puts a signature into a document, before its last end tag.
pub(super) fn sign(document: &str) -> Option<String> {
    let digest = Sha256::digest(tree::read(document).ok()?.canonical(None));
    let digest = BASE64_STANDARD.encode(digest);
    let unsigned = format!(
        "<ds:Signature xmlns:ds=\"{NAMESPACE}\"><ds:SignedInfo>\
         <ds:CanonicalizationMethod Algorithm=\"{INCLUSIVE}\"/>\
         <ds:SignatureMethod Algorithm=\"{ECDSA_SHA256}\"/><ds:Reference URI=\"\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{ENVELOPED}\"/>\
         <ds:Transform Algorithm=\"{INCLUSIVE}#WithComments\"/></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{SHA256}\"/><ds:DigestValue>{digest}</ds:DigestValue>\
         </ds:Reference></ds:SignedInfo><ds:SignatureValue/>\
         <ds:KeyInfo><ds:KeyName>SIM-GBDUL</ds:KeyName></ds:KeyInfo></ds:Signature>"
    );
    let at = document.rfind("</")?;
    let whole = format!("{}{unsigned}{}", &document[..at], &document[at..]);
    let root = tree::read(&whole).ok()?;
    let info = root.at(&["Signature", "SignedInfo"])?.canonical(None);
    let key = SigningKey::from_slice(&Sha256::digest(KEY_WORDS)).ok()?;
    let value: Signature = key.sign_prehash(&Sha256::digest(info)).ok()?;
    let value = BASE64_STANDARD.encode(value.to_bytes());
    let value = format!("<ds:SignatureValue>{value}</ds:SignatureValue>");
    Some(whole.replace("<ds:SignatureValue/>", &value))
}

fn is_signature(element: &Element) -> bool {
    element.local() == "Signature" && element.namespace() == NAMESPACE
}

/// `None` where something is missing or cannot be decoded.
fn is_good(root: &Element, signature: &Element, info: &Element) -> Option<bool> {
    let algorithm = |path: &[&str]| info.at(path)?.attribute("Algorithm");
    let reference = info.at(&["Reference"])?;
    let is_whole = reference.attribute("URI")?.is_empty();
    if algorithm(&["CanonicalizationMethod"])? != INCLUSIVE || !is_whole {
        return None;
    }
    let transforms = reference.at(&["Transforms"])?.children();
    let transforms: Option<Vec<&str>> = transforms.map(|one| one.attribute("Algorithm")).collect();
    let [ENVELOPED, canonical] = transforms?[..] else { return None };
    if canonical.strip_suffix("#WithComments").unwrap_or(canonical) != INCLUSIVE {
        return None;
    }
    let digest = decoded(reference.at(&["DigestValue"])?)?;
    if algorithm(&["Reference", "DigestMethod"])? == SHA256
        && digest != Sha256::digest(root.canonical(Some(signature))).as_slice()
    {
        return Some(false);
    }
    let value = decoded(signature.at(&["SignatureValue"])?)?;
    let certificate = decoded(signature.at(&["KeyInfo", "X509Data", "X509Certificate"])?)?;
    if algorithm(&["SignatureMethod"])? != ECDSA_SHA256 {
        return Some(!value.is_empty());
    }
    let key = public_key(&certificate)?;
    let value = Signature::from_slice(&value).ok()?;
    Some(key.verify_prehash(&Sha256::digest(info.canonical(None)), &value).is_ok())
}

fn public_key(certificate: &[u8]) -> Option<VerifyingKey> {
    let head = P256_KEY.len();
    let at = certificate.windows(head).position(|window| window == P256_KEY)? + head;
    VerifyingKey::from_sec1_bytes(certificate.get(at..at + POINT_BYTES)?).ok()
}

fn decoded(element: &Element) -> Option<Vec<u8>> {
    let text: String = element.text().split_whitespace().collect();
    BASE64_STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}
