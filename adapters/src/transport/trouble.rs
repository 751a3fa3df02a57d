//! Why there is no readable answer: the closed list that every `failures.rs` maps to classes.
//!
//! A fault counts whatever the HTTP status, because SOAP faults travel on 500; without one the
//! status decides. The content type does not matter: peers get it wrong, and a body that is not an
//! envelope is found out by reading it (shep §4.5).

use contracts::personal::Personal;

use super::{
    http::{HttpAnswer, HttpError},
    soap::{self, Body},
    xml::{self, Document},
};

/// Why there is no readable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The request certainly did not leave.
    NotSent,
    /// We could not write the request: nothing was sent.
    Unwritable,
    /// No complete answer in time.
    TimedOut,
    /// The connection ended before or within the answer.
    Cut,
    /// The answer is longer than the body limit.
    TooLarge,
    /// The request failed for another reason; it may have left.
    Broken,
    /// 429.
    Throttled,
    /// 503 with `Retry-After`.
    ComeLater,
    /// 401 or 403.
    Unauthorized,
    /// Another 5xx without a fault.
    ServerError,
    /// A redirect, which is not followed.
    Redirect,
    /// Another 4xx, or a status that makes no sense.
    ClientError,
    /// A success that is not the envelope we expect: HTML, garbage, truncated or foreign XML.
    Unreadable,
    /// A SOAP fault with its code. Exact, therefore not to be printed before it is cleaned.
    Fault(Personal<String>),
}

impl Trouble {
    /// Our stable name for it, the `code` of a failure.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Unwritable => "request_unwritable",
            Self::TimedOut => "timed_out",
            Self::Cut => "connection_cut",
            Self::TooLarge => "answer_too_large",
            Self::Broken => "request_broken",
            Self::Throttled => "throttled",
            Self::ComeLater => "come_later",
            Self::Unauthorized => "unauthorized",
            Self::ServerError => "server_error",
            Self::Redirect => "redirected",
            Self::ClientError => "http_status",
            Self::Unreadable => "answer_unreadable",
            Self::Fault(_) => "fault",
        }
    }
}

impl From<HttpError> for Trouble {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Connect => Self::NotSent,
            HttpError::Timeout(_) => Self::TimedOut,
            HttpError::Cut(_) => Self::Cut,
            HttpError::TooLarge(_) => Self::TooLarge,
            HttpError::Other => Self::Broken,
        }
    }
}

/// Reads an answer: a document whose SOAP body holds an answer, or trouble.
pub fn read(answer: &HttpAnswer) -> Result<Document, Trouble> {
    let document = xml::read(&answer.body);
    let is_success = (200..300).contains(&answer.status);
    match document.as_ref().map(soap::body) {
        Ok(Ok(Body::Fault(fault))) => {
            return Err(Trouble::Fault(Personal::new(fault.code.to_owned())));
        }
        Ok(Ok(Body::Content(_))) if is_success => return document.map_err(|_| Trouble::Unreadable),
        Ok(Ok(Body::Content(_)) | Err(_)) | Err(_) => {}
    }
    Err(of_status(answer).unwrap_or(Trouble::Unreadable))
}

/// What a status says without a look at the body; `None` for a success.
pub fn of_status(answer: &HttpAnswer) -> Option<Trouble> {
    match answer.status {
        200..=299 => None,
        300..=399 => Some(Trouble::Redirect),
        401 | 403 => Some(Trouble::Unauthorized),
        429 => Some(Trouble::Throttled),
        503 if answer.has_retry_after => Some(Trouble::ComeLater),
        500..=599 => Some(Trouble::ServerError),
        _ => Some(Trouble::ClientError),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn trouble(status: u16, has_retry_after: bool, body: &'static str) -> Option<Trouble> {
        let body = Bytes::from_static(body.as_bytes());
        read(&HttpAnswer { status, content_type: None, has_retry_after, body }).err()
    }

    const ANSWER: &str = "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body><a/>\
        </Body></Envelope>";
    const FAULT: &str = "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body><Fault>\
        <faultcode xmlns=''>SCE004</faultcode></Fault></Body></Envelope>";

    #[test]
    fn a_fault_counts_whatever_the_status() {
        for status in [200, 401, 429, 500, 503] {
            assert_eq!(
                trouble(status, true, FAULT),
                Some(Trouble::Fault(Personal::new("SCE004".into())))
            );
        }
    }

    #[test]
    fn without_a_fault_the_status_decides() {
        for (status, has_retry_after, expected) in [
            (302, false, Trouble::Redirect),
            (400, false, Trouble::ClientError),
            (401, false, Trouble::Unauthorized),
            (403, false, Trouble::Unauthorized),
            (404, false, Trouble::ClientError),
            (429, false, Trouble::Throttled),
            (500, false, Trouble::ServerError),
            (503, false, Trouble::ServerError),
            (503, true, Trouble::ComeLater),
            (999, false, Trouble::ClientError),
        ] {
            for body in ["", "<html/>", ANSWER] {
                assert_eq!(trouble(status, has_retry_after, body), Some(expected.clone()));
            }
        }
    }

    #[test]
    fn a_success_must_be_an_envelope() {
        assert_eq!(trouble(200, false, ANSWER), None);
        for body in ["", "<html></html>", "<!DOCTYPE html><html></html>", "garbage", "<a>"] {
            assert_eq!(trouble(200, false, body), Some(Trouble::Unreadable));
        }
    }
}
