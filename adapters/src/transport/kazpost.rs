//! Kazpost's own channels: plain SOAP 1.1 with a key in the body, and REST with JSON (kazpost §1,
//! §6, §10). No gateway stands in between.
//!
//! *Guarantee*: what is kept of a request has key, login and password masked. A fault's words are
//! searched for an Oracle error number and for nothing else: they may hold personal data.
//!
//! *Limits*: as [`super::http`], but silence is bounded by [`SILENCE_MAX_MS`] at least, since
//! Kazpost has been seen to think for a minute before the first byte (kazpost §11.10): the time
//! limit of the call decides.

mod rest;

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use contracts::personal::Personal;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

pub use self::rest::{Reply, Rest, json};
use super::{
    http::{Client, HttpAnswer, HttpError, Partial},
    soap,
    trouble::{self, Trouble},
    xml::{self, Document, Writer},
};
use crate::{attempt::Exchange, settings::Settings, system::ConnectError};

/// Silence that is always waited out, in milliseconds.
pub const SILENCE_MAX_MS: u64 = 60_000;
/// Namespace of every operation (kazpost §1).
pub const NAMESPACE: &str = "http://webservices.kazpost.kz/postratesws";

/// Not as long as the key.
const MASK: &[u8] = b"***";
const ORACLE_DIGITS: usize = 5;
const ENVELOPE_BYTES: usize = 2_048;

/// The SOAP service of one contour, and our key to it.
#[derive(Debug)]
pub struct Soap {
    http: Client,
    headers: HeaderMap,
    key: SecretString,
}

/// An envelope that is being written.
pub struct Envelope {
    /// Where its content goes.
    pub xml: Writer,
    key: Option<Range<usize>>,
}

impl Soap {
    /// The service at the settings' address.
    pub fn new(
        system: &'static str,
        settings: &Settings,
        key: SecretString,
    ) -> Result<Self, ConnectError> {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
        headers.insert(HeaderName::from_static("soapaction"), HeaderValue::from_static("\"\""));
        Ok(Self { http: Client::new(system, &patient(settings))?, headers, key })
    }

    /// Host and path: contours have databases of their own (kazpost §1), so this stands with each
    /// number.
    pub fn contour(&self) -> String {
        self.http.place()
    }

    /// Writes our key as an element of this name: `Key` or `key` (kazpost §2).
    pub fn write_key(&self, envelope: &mut Envelope, element: &str) {
        envelope.xml.open(element);
        let start = envelope.xml.len();
        envelope.xml.text(self.key.expose_secret());
        envelope.key = Some(start..envelope.xml.len());
        envelope.xml.close(element);
    }

    /// Sends an envelope once and reads the answer's envelope.
    pub async fn send(
        &self,
        envelope: Envelope,
        limit: Duration,
    ) -> (Result<Document, Trouble>, Exchange) {
        let Envelope { mut xml, key } = envelope;
        soap::close(&mut xml);
        let Ok(text) = xml.finish() else {
            return (Err(Trouble::Unwritable), Exchange::default());
        };
        let body = Bytes::from(text);
        let request = mask(&body, key);
        let (answer, exchange) = kept(request, self.http.post(body, &self.headers, limit).await);
        (answer.and_then(|answer| read(&answer)), exchange)
    }
}

impl Default for Envelope {
    fn default() -> Self {
        let mut xml = Writer::with_capacity(ENVELOPE_BYTES);
        soap::open(&mut xml);
        Self { xml, key: None }
    }
}

/// An answer, and what is kept of its exchange.
fn kept(
    request: Bytes,
    result: Result<HttpAnswer, HttpError>,
) -> (Result<HttpAnswer, Trouble>, Exchange) {
    match result {
        Ok(answer) => {
            let (response, status) = (answer.body.clone(), Some(answer.status));
            let retry_after = answer.retry_after;
            (Ok(answer), Exchange { request, response, status, retry_after })
        }
        Err(error) => {
            let Partial { status, body } = match &error {
                HttpError::Timeout(partial)
                | HttpError::Cut(partial)
                | HttpError::TooLarge(partial) => partial.clone(),
                HttpError::Connect | HttpError::Other => Partial::default(),
            };
            let response = body.into_exposed();
            let exchange = Exchange { request, response, status, retry_after: None };
            (Err(error.into()), exchange)
        }
    }
}

/// A copy without the key.
fn mask(body: &Bytes, key: Option<Range<usize>>) -> Bytes {
    let Some(range) = key else { return body.clone() };
    [&body[..range.start], MASK, &body[range.end..]].concat().into()
}

fn read(answer: &HttpAnswer) -> Result<Document, Trouble> {
    match trouble::read(answer) {
        Err(Trouble::Fault(code)) => {
            let oracle = xml::read(&answer.body).ok().and_then(|fault| oracle_error(&fault));
            Err(Trouble::Fault(oracle.map_or(code, Personal::new)))
        }
        other => other,
    }
}

/// The first `ORA-12345` in the words of a fault.
fn oracle_error(fault: &Document) -> Option<String> {
    fault.root().descendants().find_map(|element| {
        let rest = element.text().split("ORA-").nth(1)?;
        let digits = rest.get(..ORACLE_DIGITS)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| format!("ORA-{digits}"))
    })
}

fn patient(settings: &Settings) -> Settings {
    let read_timeout_ms = settings.read_timeout_ms.max(SILENCE_MAX_MS);
    Settings { read_timeout_ms, ..settings.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn service() -> Soap {
        let settings = Settings::for_url("http://127.0.0.1:1/postratesprod/endpoints");
        Soap::new("kazpost", &settings, KEY.into()).expect("builds")
    }

    #[tokio::test]
    async fn what_is_kept_of_a_request_has_the_key_masked() {
        let service = service();
        let mut envelope = Envelope::default();
        service.write_key(&mut envelope, "p:Key");
        let (result, exchange) = service.send(envelope, Duration::from_secs(5)).await;
        assert_eq!(result.err(), Some(Trouble::NotSent));
        let kept = String::from_utf8_lossy(&exchange.request).into_owned();
        assert!(kept.contains("<p:Key>***</p:Key>") && !kept.contains(KEY), "{kept}");
        assert!(!format!("{service:?}").contains(KEY));
        assert_eq!(service.contour(), "127.0.0.1/postratesprod/endpoints");
    }

    fn fault(text: &str) -> Option<Trouble> {
        let body = format!(
            "<S:Envelope xmlns:S='{}'><S:Body><S:Fault><faultcode>S:Server</faultcode>\
             <faultstring>{text}</faultstring></S:Fault></S:Body></S:Envelope>",
            soap::SOAP_1_1
        );
        let body = Bytes::from(body);
        read(&HttpAnswer { status: 500, content_type: None, retry_after: None, body }).err()
    }

    #[test]
    fn an_oracle_error_is_found_in_the_words_of_a_fault_and_nothing_else_is() {
        let code = |text: &str| Some(Trouble::Fault(Personal::new(text.to_owned())));
        assert_eq!(fault("x: ORA-06512: at line 1, ORA-01403"), code("ORA-06512"));
        for other in
            ["ТЕСТОВ 850100300012", "", "ORA-", "ORA-1234", "ORA-12a45 ORA-00001", "ORA-é12"]
        {
            assert_eq!(fault(other), code("S:Server"), "{other}");
        }
    }
}
