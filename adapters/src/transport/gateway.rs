//! Our account at the gateway: who we are, and one POST of an envelope.
//!
//! *Guarantee*: what is kept of a request has the password masked, and leaves out what its writer
//! marked as omitted; the password is written into the request by [`Gateway::write_sender`] alone.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::{
    http::{Client, HttpError, Partial},
    soap,
    trouble::{self, Trouble},
    xml::{Document, Omission, Writer},
};
use crate::{attempt::Exchange, settings::Settings, system::ConnectError};

/// Not as long as the password.
const MASK: &str = "***";

/// Our account at the gateway, and the connection to one of its addresses.
#[derive(Debug)]
pub struct Gateway {
    http: Client,
    headers: HeaderMap,
    sender_id: String,
    password: Option<SecretString>,
}

/// An envelope that is being written.
pub struct Outgoing {
    /// Where its content goes.
    pub xml: Writer,
}

impl Gateway {
    /// Takes account and address from the settings.
    pub fn new(system: &'static str, settings: &Settings) -> Result<Self, ConnectError> {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=UTF-8"));
        headers.insert(HeaderName::from_static("soapaction"), HeaderValue::from_static("\"\""));
        Ok(Self {
            http: Client::new(system, settings)?,
            headers,
            sender_id: settings.sender_id.clone(),
            password: settings.password.clone(),
        })
    }

    /// Our login.
    pub fn sender_id(&self) -> &str {
        &self.sender_id
    }

    /// Writes `sender` with our credentials.
    pub fn write_sender(&self, outgoing: &mut Outgoing) {
        let xml = &mut outgoing.xml;
        xml.open("sender").leaf("senderId", &self.sender_id);
        if let Some(password) = &self.password {
            xml.open("password").omitted(password.expose_secret(), MASK.to_owned());
            xml.close("password");
        }
        xml.close("sender");
    }

    /// Sends an envelope once and reads the answer's envelope.
    pub async fn send(
        &self,
        outgoing: Outgoing,
        limit: Duration,
    ) -> (Result<Document, Trouble>, Exchange) {
        let Outgoing { mut xml } = outgoing;
        soap::close(&mut xml);
        let omissions = xml.take_omissions();
        let Ok(text) = xml.finish() else {
            return (Err(Trouble::Unwritable), Exchange::default());
        };
        let body = Bytes::from(text);
        let request = kept(&body, &omissions);
        match self.http.post(body, &self.headers, limit).await {
            Ok(answer) => {
                let result = trouble::read(&answer);
                let (status, retry_after) = (Some(answer.status), answer.retry_after);
                (result, Exchange { request, response: answer.body, status, retry_after })
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
}

impl Outgoing {
    /// Begins an envelope with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut xml = Writer::with_capacity(capacity);
        soap::open(&mut xml);
        Self { xml }
    }
}

/// What is kept of a request.
fn kept(body: &Bytes, omissions: &[Omission]) -> Bytes {
    if omissions.is_empty() {
        return body.clone();
    }
    let omitted: usize = omissions.iter().map(|one| one.range.len()).sum();
    let stand_ins: usize = omissions.iter().map(|one| one.stand_in.len()).sum();
    let mut kept = Vec::with_capacity(body.len() - omitted + stand_ins);
    let mut from = 0;
    for Omission { range, stand_in } in omissions {
        kept.extend_from_slice(&body[from..range.start]);
        kept.extend_from_slice(stand_in.as_bytes());
        from = range.end;
    }
    kept.extend_from_slice(&body[from..]);
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_request_has_the_password_masked_and_omissions_named() {
        let settings = Settings {
            password: Some("s3cret<".into()),
            ..Settings::for_url("http://127.0.0.1:1/")
        };
        let gateway = Gateway::new("gbdfl", &settings).expect("builds");
        let mut outgoing = Outgoing::with_capacity(64);
        gateway.write_sender(&mut outgoing);
        outgoing.xml.open("file").omitted("JVBERi0=", "[5 bytes]".to_owned()).close("file");
        let omissions = outgoing.xml.take_omissions();
        let body = Bytes::from(outgoing.xml.finish().expect("writable"));
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(text(&body).contains("<password>s3cret&lt;</password>"));
        assert!(text(&body).ends_with("<file>JVBERi0=</file>"));
        let kept = text(&kept(&body, &omissions));
        assert!(
            kept.ends_with(
                "<sender><senderId>hub</senderId><password>***</password></sender>\
                 <file>[5 bytes]</file>"
            ),
            "{kept}"
        );
        assert!(!format!("{gateway:?}").contains("s3cret"));
    }
}
