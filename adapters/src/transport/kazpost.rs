//! Kazpost's own channels: plain SOAP 1.1 with a key in the body, and REST with JSON (kazpost §1,
//! §6, §10). No gateway stands in between.
//!
//! *Guarantee*: what is kept of a request has key, login and password masked. A fault's words are
//! searched for an Oracle error number and for nothing else: they may hold personal data.
//!
//! *Limits*: as [`super::http`], but silence is bounded by [`SILENCE_MAX_MS`] at least, since
//! Kazpost has been seen to think for a minute before the first byte (kazpost §11.10): the time
//! limit of the call decides.

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use contracts::personal::Personal;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

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

/// A REST service.
#[derive(Debug)]
pub struct Rest {
    http: Client,
    headers: HeaderMap,
}

/// A success whose body is JSON, and its status.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status, 200 to 299.
    pub status: u16,
    /// The body. Personal.
    pub body: Personal<Value>,
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

impl Rest {
    /// The service at `url`, with the settings' limits.
    pub fn new(
        system: &'static str,
        settings: &Settings,
        url: String,
    ) -> Result<Self, ConnectError> {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let settings = Settings { url, ..patient(settings) };
        Ok(Self { http: Client::new(system, &settings)?, headers })
    }

    /// Fetches JSON once, whatever the status.
    pub async fn get(
        &self,
        path: &[&str],
        limit: Duration,
    ) -> (Result<HttpAnswer, Trouble>, Exchange) {
        kept(Bytes::new(), self.http.get(path, &self.headers, limit).await)
    }

    /// Sends JSON once, under a token where there is one; the answer comes whatever its status.
    /// `shown` is kept instead of what was sent.
    pub async fn post(
        &self,
        path: &[&str],
        body: &Value,
        shown: Bytes,
        token: Option<&SecretString>,
        limit: Duration,
    ) -> (Result<HttpAnswer, Trouble>, Exchange) {
        let mut headers = self.headers.clone();
        if let Some(token) = token {
            let bearer = format!("Bearer {}", token.expose_secret());
            let Ok(mut bearer) = HeaderValue::try_from(bearer) else {
                return (Err(Trouble::Unwritable), Exchange::default());
            };
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let sent = Bytes::from(body.to_string());
        kept(shown, self.http.post_to(path, sent, &headers, limit).await)
    }

    /// Signs in: `{username, password}` → `{token}` (kazpost §10). Neither the login nor the token is
    /// kept.
    pub async fn sign_in(
        &self,
        path: &[&str],
        username: &str,
        password: &SecretString,
        limit: Duration,
    ) -> (Result<SecretString, Trouble>, Exchange) {
        let body = json!({ "username": username, "password": password.expose_secret() });
        let shown = json!({ "username": "***", "password": "***" }).to_string().into();
        let (answer, mut exchange) = self.post(path, &body, shown, None, limit).await;
        let token = answer.and_then(|answer| json(&answer)).and_then(|reply| {
            let token = reply.body.expose()["token"].as_str().map(str::trim);
            let token = token.filter(|token| !token.is_empty()).ok_or(Trouble::Unreadable)?;
            Ok(SecretString::from(token))
        });
        if token.is_ok() {
            exchange.response = Bytes::new();
        }
        (token, exchange)
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
            (Ok(answer), Exchange { request, response, status })
        }
        Err(error) => {
            let Partial { status, body } = match &error {
                HttpError::Timeout(partial)
                | HttpError::Cut(partial)
                | HttpError::TooLarge(partial) => partial.clone(),
                HttpError::Connect | HttpError::Other => Partial::default(),
            };
            let exchange = Exchange { request, response: body.into_exposed(), status };
            (Err(error.into()), exchange)
        }
    }
}

/// A copy without the key.
fn mask(body: &Bytes, key: Option<Range<usize>>) -> Bytes {
    let Some(range) = key else { return body.clone() };
    [&body[..range.start], MASK, &body[range.end..]].concat().into()
}

/// Reads a success as JSON.
pub fn json(answer: &HttpAnswer) -> Result<Reply, Trouble> {
    if let Some(trouble) = trouble::of_status(answer) {
        return Err(trouble);
    }
    let body = serde_json::from_slice(&answer.body).map_err(|_| Trouble::Unreadable)?;
    Ok(Reply { status: answer.status, body: Personal::new(body) })
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

    #[tokio::test]
    async fn what_is_kept_of_a_sign_in_has_login_and_password_masked() {
        let settings = Settings::for_url("http://127.0.0.1:1/");
        let url = settings.url.clone();
        let rest = Rest::new("kazpost", &settings, url).expect("builds");
        let limit = Duration::from_secs(5);
        let (_, exchange) = rest.sign_in(&["sign-in"], "login", &"word".into(), limit).await;
        let kept = String::from_utf8_lossy(&exchange.request).into_owned();
        assert_eq!(kept, r#"{"password":"***","username":"***"}"#);
    }

    fn fault(text: &str) -> Option<Trouble> {
        let body = format!(
            "<S:Envelope xmlns:S='{}'><S:Body><S:Fault><faultcode>S:Server</faultcode>\
             <faultstring>{text}</faultstring></S:Fault></S:Body></S:Envelope>",
            soap::SOAP_1_1
        );
        let body = Bytes::from(body);
        read(&HttpAnswer { status: 500, content_type: None, has_retry_after: false, body }).err()
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
