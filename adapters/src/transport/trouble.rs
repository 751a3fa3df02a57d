//! Why there is no readable answer: the closed list that every `failures.rs` maps to classes.
//!
//! A fault counts whatever the HTTP status, because SOAP faults travel on 500; without one the
//! status decides. The content type does not matter: peers get it wrong, and a body that is not an
//! envelope is found out by reading it (shep §4.5).

use contracts::{code, code::Code, personal::Personal};

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
    /// The `code` of a failure.
    pub const fn code(&self) -> Code {
        match self {
            Self::NotSent => code!("not_sent"),
            Self::Unwritable => code!("request_unwritable"),
            Self::TimedOut => code!("timed_out"),
            Self::Cut => code!("connection_cut"),
            Self::TooLarge => code!("answer_too_large"),
            Self::Broken => code!("request_broken"),
            Self::Throttled => code!("throttled"),
            Self::ComeLater => code!("come_later"),
            Self::Unauthorized => code!("unauthorized"),
            Self::ServerError => code!("server_error"),
            Self::Redirect => code!("redirected"),
            Self::ClientError => code!("http_status"),
            Self::Unreadable => code!("answer_unreadable"),
            Self::Fault(_) => code!("fault"),
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
        503 if answer.retry_after.is_some() => Some(Trouble::ComeLater),
        500..=599 => Some(Trouble::ServerError),
        _ => Some(Trouble::ClientError),
    }
}

#[cfg(test)]
mod tests;
