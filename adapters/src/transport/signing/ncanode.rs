//! Signing by NCANode v3, a REST service beside the hub that holds the Kalkan provider
//! (`POST /xml/sign`, shep §3.6).
//!
//! *Guarantee*: one request a document, within the limit. What returns is taken only when it is the
//! document that was sent, with a signature as its last child.
//!
//! The XML declaration that NCANode puts before the document is taken off.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::{Signer, SigningError, XMLDSIG};
use crate::{
    settings::Settings,
    system::ConnectError,
    transport::{
        http::{Client, HttpAnswer, HttpError},
        xml::{self, Element},
    },
};

/// The signer.
pub(super) struct Ncanode {
    http: Client,
    headers: HeaderMap,
    key: SecretString,
    password: SecretString,
}

/// What NCANode answers, good or bad.
#[derive(Deserialize)]
struct Answer {
    /// Repeats the HTTP status. Not in an error page of somebody else.
    status: u16,
    /// In every answer of its own.
    #[serde(rename = "message")]
    _message: serde::de::IgnoredAny,
    xml: Option<String>,
}

impl Ncanode {
    /// Takes address and key from the settings.
    pub(super) fn new(system: &'static str, settings: &Settings) -> Result<Self, ConnectError> {
        let needed = |option| {
            let text = "is needed with signer = \"ncanode\"";
            settings.option(option).ok_or(ConnectError::Option { system, option, text })
        };
        let url = format!("{}/xml/sign", needed("ncanode_url")?.trim_end_matches('/'));
        let http = Client::new(system, &Settings { url, ..settings.clone() });
        let http = http.map_err(|error| match error {
            ConnectError::Url { system } => {
                let text = "not an http or https URL";
                ConnectError::Option { system, option: "ncanode_url", text }
            }
            other @ (ConnectError::Option { .. } | ConnectError::Client { .. }) => other,
        })?;
        let mut headers = HeaderMap::with_capacity(1);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let key = needed("ncanode_key")?.into();
        let password = needed("ncanode_key_password")?.into();
        Ok(Self { http, headers, key, password })
    }
}

#[async_trait]
impl Signer for Ncanode {
    async fn sign(&self, document: &str, limit: Duration) -> Result<String, SigningError> {
        let (key, password) = (self.key.expose_secret(), self.password.expose_secret());
        let request = json!({
            "xml": document,
            "signers": [{ "key": key, "password": password }],
        });
        let body = Bytes::from(request.to_string());
        let answer =
            self.http.post(body, &self.headers, limit).await.map_err(|error| match error {
                HttpError::Connect
                | HttpError::Timeout(_)
                | HttpError::Cut(_)
                | HttpError::Other => SigningError::Unreachable,
                HttpError::TooLarge(_) => SigningError::Unreadable,
            })?;
        let signed = read(&answer)?;
        let is_ours = is_signed(document, &signed).unwrap_or(false);
        is_ours.then_some(signed).ok_or(SigningError::Unreadable)
    }
}

impl std::fmt::Debug for Ncanode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ncanode").finish_non_exhaustive()
    }
}

/// NCANode reports trouble with a key as 400 or 500 and says so in JSON; a 5xx without that is no
/// answer of its own (shep §3.6).
fn read(answer: &HttpAnswer) -> Result<String, SigningError> {
    let said: Option<Answer> = serde_json::from_slice(&answer.body).ok();
    match (answer.status, said) {
        (200, Some(Answer { status: 200, xml: Some(xml), .. })) => Ok(without_declaration(&xml)),
        (200..=399, _) => Err(SigningError::Unreadable),
        (408 | 429 | 502..=504, _) | (500.., None) => Err(SigningError::Unreachable),
        (_, Some(_) | None) => Err(SigningError::Refused),
    }
}

fn without_declaration(xml: &str) -> String {
    let xml = xml.trim_start_matches('\u{feff}').trim();
    let rest = xml.strip_prefix("<?xml ").and_then(|xml| xml.split_once("?>"));
    rest.map_or(xml, |(_, document)| document.trim_start()).to_owned()
}

/// Whether the one is the other with a signature as its last child.
fn is_signed(document: &str, signed: &str) -> Result<bool, xml::XmlError> {
    let (ours, theirs) = (xml::read(document.as_bytes())?, xml::read(signed.as_bytes())?);
    let (ours, theirs) = (ours.root(), theirs.root());
    let Some(signature) = theirs.children().last() else { return Ok(false) };
    let is_signature = signature.local() == "Signature"
        && signature.namespace() == Some(XMLDSIG)
        && signature.child_value("SignatureValue").is_some();
    let before = theirs.children().count() - 1;
    let same = ours.children().count() == before
        && is_alike(ours, theirs)
        && ours.children().zip(theirs.children()).all(|(one, other)| is_same(one, other));
    Ok(is_signature && same)
}

fn is_same(one: Element<'_>, other: Element<'_>) -> bool {
    is_alike(one, other)
        && one.text() == other.text()
        && one.children().count() == other.children().count()
        && one.children().zip(other.children()).all(|(one, other)| is_same(one, other))
}

fn is_alike(one: Element<'_>, other: Element<'_>) -> bool {
    one.local() == other.local()
        && one.namespace() == other.namespace()
        && attributes(one).eq(attributes(other))
}

fn attributes(of: Element<'_>) -> impl Iterator<Item = (Option<&str>, &str, &str)> {
    of.attributes().map(|one| (one.namespace, one.local, one.value))
}
