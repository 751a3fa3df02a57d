//! Our account at the gateway: who we are, and one POST of an envelope.
//!
//! *Guarantee*: what is kept of a request has the password masked; the password is written into
//! the request by [`Outgoing`] alone.

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::{
    http::{Client, HttpError, Partial},
    soap,
    trouble::{self, Trouble},
    xml::{Document, Writer},
};
use crate::{attempt::Exchange, settings::Settings, system::ConnectError};

const MASK: u8 = b'*';

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
    password: Option<Range<usize>>,
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
            xml.open("password");
            let start = xml.len();
            xml.text(password.expose_secret());
            outgoing.password = Some(start..xml.len());
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
        let Outgoing { mut xml, password } = outgoing;
        soap::close(&mut xml);
        let Ok(text) = xml.finish() else {
            return (Err(Trouble::Unwritable), Exchange::default());
        };
        let body = Bytes::from(text);
        let request = mask(&body, password);
        match self.http.post(body, &self.headers, limit).await {
            Ok(answer) => {
                let result = trouble::read(&answer);
                let status = Some(answer.status);
                (result, Exchange { request, response: answer.body, status })
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
}

impl Outgoing {
    /// Begins an envelope with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut xml = Writer::with_capacity(capacity);
        soap::open(&mut xml);
        Self { xml, password: None }
    }
}

fn mask(body: &Bytes, password: Option<Range<usize>>) -> Bytes {
    let Some(range) = password else { return body.clone() };
    let mut masked = Vec::with_capacity(body.len());
    masked.extend_from_slice(&body[..range.start]);
    masked.extend_from_slice(&[MASK; 3]); // not as long as the password
    masked.extend_from_slice(&body[range.end..]);
    masked.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_request_has_the_password_masked() {
        let settings = Settings {
            password: Some("s3cret<".into()),
            ..Settings::for_url("http://127.0.0.1:1/")
        };
        let gateway = Gateway::new("gbdfl", &settings).expect("builds");
        let mut outgoing = Outgoing::with_capacity(64);
        gateway.write_sender(&mut outgoing);
        let password = outgoing.password.clone();
        let body = Bytes::from(outgoing.xml.finish().expect("writable"));
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(text(&body).contains("<password>s3cret&lt;</password>"));
        let masked = text(&mask(&body, password));
        assert!(
            masked.ends_with("<sender><senderId>hub</senderId><password>***</password></sender>")
        );
        assert!(!format!("{gateway:?}").contains("s3cret"));
    }
}
