//! One message of the asynchronous channel, as it is pushed or pulled.

use jiff::Timestamp;
use uuid::Uuid;

use crate::simulation::{
    envelope::{self, Form, Payload, Soap},
    template::escape,
};

/// A message to the hub (shep §2.3).
#[derive(Debug, Clone)]
pub struct Message {
    /// The gateway's id.
    pub message_id: u64,
    /// The chain.
    pub correlation_id: u64,
    /// The registry's id of the interaction.
    pub service_id: &'static str,
    /// RESPONSE or NOTIFICATION; REQUEST or UPDATE where the system begins the conversation.
    pub kind: &'static str,
    /// Who sends it.
    pub sender: Sender,
    /// Business time.
    pub at: Timestamp,
    /// The date is written without an offset, as in a captured push.
    pub bare_date: bool,
    /// The gateway's session.
    pub session: Uuid,
    /// How it is written.
    pub form: Form,
    /// The payload: a document with one root.
    pub payload: String,
    /// The whole message, where it was recorded and not made here.
    pub written: Option<Written>,
}

/// A message that was recorded.
#[derive(Debug, Clone)]
pub struct Written {
    /// The push.
    pub push: Vec<u8>,
    /// `messageInfo` and `messageData` of it.
    pub content: String,
    /// The registry's id of the interaction.
    pub service_id: String,
}

/// Who sends a message.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    /// Login at the gateway.
    pub id: &'static str,
    /// What the gateway puts beside it.
    pub password: &'static str,
}

impl Message {
    /// A message that was recorded, with the ids that it has now.
    pub fn written(message_id: u64, correlation_id: u64, at: Timestamp, written: Written) -> Self {
        Self {
            message_id,
            correlation_id,
            service_id: "",
            kind: "",
            sender: Sender { id: "", password: "" },
            at,
            bare_date: false,
            session: Uuid::nil(),
            form: Form::Canonical,
            payload: String::new(),
            written: Some(written),
        }
    }

    /// The registry's id of the interaction.
    pub fn service(&self) -> &str {
        self.written.as_ref().map_or(self.service_id, |written| &written.service_id)
    }

    /// The push.
    pub fn push(&self) -> Vec<u8> {
        if let Some(written) = &self.written {
            return written.push.clone();
        }
        let prefix = if self.form == Form::ForeignPrefixes { "SOAP-ENV" } else { "soapenv" };
        Soap {
            header: &envelope::security_header(prefix),
            body_attributes: &envelope::body_ids(),
            namespace: envelope::ASYNC,
            wrapper: "sendMessage",
            child: "request",
            inner: &self.content(self.form),
        }
        .text(self.form)
        .into_bytes()
    }

    /// `messageInfo` and `messageData`: what getMessages hands out too.
    pub fn content(&self, form: Form) -> String {
        if let Some(written) = &self.written {
            return written.content.clone();
        }
        let session = format!("{{{}}}", self.session);
        let date = if self.bare_date {
            envelope::date_time_without_offset(self.at)
        } else {
            envelope::date_time(self.at)
        };
        let payload =
            Payload { elements: &self.payload, document: &self.payload, type_attributes: "" };
        format!(
            "<messageInfo><messageId>{}</messageId><correlationId>{}</correlationId>\
             <serviceId>{}</serviceId><messageType>{}</messageType>\
             <messageDate>{date}</messageDate><sender><senderId>{}</senderId>\
             <password>{}</password><sessionId>{session}</sessionId></sender>\
             <sessionId>{session}</sessionId></messageInfo><messageData>{}</messageData>",
            self.message_id,
            self.correlation_id,
            self.service_id,
            self.kind,
            escape(self.sender.id),
            escape(self.sender.password),
            payload.data(form),
        )
    }
}
