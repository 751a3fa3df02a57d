//! A request that a simulator does not understand, and the answer that says so.
//!
//! The answer is a real fault of that channel. [`super::front`] finds this mark on the response,
//! looks for what came close and writes the fault again with that in its words.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    envelope::{self, Fault},
    reply::Reply,
    template::escape,
    wire::Line,
};

/// What was not understood, and how this channel says so.
#[derive(Debug, Clone)]
pub struct Misread {
    /// Their code; empty where the channel has none.
    pub code: String,
    /// What is wrong, without values of the request.
    pub words: String,
    form: Form,
    at: Timestamp,
}

#[derive(Debug, Clone)]
enum Form {
    /// A fault of a SHEP channel: namespace and detail element.
    Shep(&'static str, String),
    /// A fault without detail: faultcode.
    Plain(&'static str),
    /// A JSON error: HTTP status.
    Json(u16),
}

impl Misread {
    /// On the synchronous channel.
    pub fn synchronous(code: &str, words: &str, at: Timestamp) -> Self {
        let element = "SendMessageFault1_SendMessageFault".to_owned();
        Self::new(code, words, Form::Shep(envelope::SYNC, element), at)
    }

    /// On the asynchronous channel, by one of its operations.
    pub fn asynchronous(operation: &str, code: &str, words: &str, at: Timestamp) -> Self {
        let name = if ASYNC_OPERATIONS.contains(&operation) { operation } else { "sendMessage" };
        let element = format!("{name}Fault1_{name}Fault");
        Self::new(code, words, Form::Shep(envelope::ASYNC, element), at)
    }

    /// By a SOAP service without a fault of its own.
    pub fn plain(words: &str, at: Timestamp) -> Self {
        Self::new("", words, Form::Plain("Server"), at)
    }

    /// By SOAP itself: `Client`, `VersionMismatch`.
    pub fn soap(faultcode: &'static str, words: &str, at: Timestamp) -> Self {
        Self::new("", words, Form::Plain(faultcode), at)
    }

    /// By a JSON service.
    pub fn json(status: u16, words: &str, at: Timestamp) -> Self {
        Self::new("", words, Form::Json(status), at)
    }

    fn new(code: &str, words: &str, form: Form, at: Timestamp) -> Self {
        Self { code: code.to_owned(), words: words.to_owned(), form, at }
    }

    /// The answer with these words, marked with what it is.
    pub fn answer(self, words: &str) -> Response {
        let mut response = match &self.form {
            Form::Shep(namespace, element) => {
                let (code, at) = (&self.code, self.at);
                let fault = Fault { namespace, element, code, message: words, at };
                Reply::Xml(500, fault.bytes()).into_response(&Line::default())
            }
            Form::Plain(faultcode) => {
                let fault = format!(
                    "<soap:Envelope xmlns:soap=\"{soap}\"><soap:Body><soap:Fault>\
                     <faultcode>soap:{faultcode}</faultcode><faultstring>{words}</faultstring>\
                     </soap:Fault></soap:Body></soap:Envelope>",
                    soap = envelope::SOAP,
                    words = escape(words)
                );
                Reply::Xml(500, fault.into_bytes()).into_response(&Line::default())
            }
            Form::Json(status) => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
                let body = json!({ "error": words, "messageRu": words, "status": status.as_u16() });
                let head = [(header::CONTENT_TYPE, "application/json")];
                (status, head, body.to_string()).into_response()
            }
        };
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Misread {
    fn into_response(self) -> Response {
        let words = self.words.clone();
        self.answer(&words)
    }
}

const ASYNC_OPERATIONS: [&str; 4] =
    ["sendMessage", "getMessages", "getMessageStatus", "sendDeliveryNotification"];
