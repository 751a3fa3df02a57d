//! Messages that ИИС «Е-қызмет» sends by itself: notices and editable messages (D19, D21).
//!
//! ```text
//! REQUEST, UPDATE ─ SIM_noticeMessage │ SIM_editableMessage ─→ portal.message, message_received
//!                 └ anything else ──────────────────────────→ not believed, kept
//! ```
//!
//! *Guarantee*: a message is taken whole or not at all. A message is known by its id and revision:
//! a repeated or older one changes nothing, in whichever order they come, and an UPDATE may come
//! before its REQUEST. No message at all is an empty page, never an error (D21).
//!
//! *Limits*: [`FIELDS_MAX`], [`REFERENCES_MAX`], [`TITLE_CHARS_MAX`], [`TEXT_CHARS_MAX`].
//!
//! *What this does not do*: fetch files. A message names them by the id of the gateway's file
//! store.

use async_trait::async_trait;
use contracts::{class::Failure, number::Bin, personal::Personal};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::{Uuid, uuid};

use super::{
    INBOUND, MESSAGE,
    failures::{Cause, of_question},
    input::holds_iin,
    submit::Messages,
    wire::{self, Malformed, Params},
};
use crate::{
    attempt::{Call, Write},
    channel::{AsyncChannel, Message, MessageKind, Mismatch, Page, Reading, Received},
    transport::{
        dates::{read_date, read_moment},
        payload::payload,
    },
};

/// Fields of one message.
const FIELDS_MAX: usize = 500;
/// Files that one message names.
const REFERENCES_MAX: usize = 100;
const TITLE_CHARS_MAX: usize = 1_000;
const TEXT_CHARS_MAX: usize = 100_000;
/// Ids of received messages are made within this namespace.
const NAMESPACE: Uuid = uuid!("6a1c1d0e-5d0c-5e0f-9d7e-2f5b8c0f3a11");

/// A message as they describe it.
struct Described<'d> {
    message_id: &'d str,
    kind: &'static str,
    organisation: &'d str,
    state: &'static str,
    revision: i32,
    values: Map<String, Value>,
}

#[async_trait]
impl AsyncChannel for Messages {
    fn service_id(&self) -> &str {
        wire::SERVICE_ID
    }

    fn knows_sender(&self, sender_id: &str, password: Option<&str>) -> bool {
        self.mailbox.knows_sender(sender_id, password)
    }

    /// Their messages answer no request of ours.
    fn request_number(&self, _: &Message) -> Option<Uuid> {
        None
    }

    fn judge(&self, _: &Message, _: &Call) -> Reading {
        Reading::NotOurs(Mismatch::RequestNumber)
    }

    fn receive(&self, message: &Message) -> Option<Result<Received, Mismatch>> {
        match message.kind {
            MessageKind::Request | MessageKind::Update => Some(self.read(message)),
            MessageKind::Response | MessageKind::Notification => None,
        }
    }

    /// Nobody's job waits for a message that they begin: the mailbox is looked into all the same.
    fn begins(&self) -> bool {
        true
    }

    async fn pull(&self, now: Timestamp) -> Result<Page, Failure> {
        let page = self.mailbox.pull(&self.mail_gateway, now).await;
        page.map_err(|trouble| of_question(&Cause::Trouble(trouble)))
    }

    async fn confirm(&self, message_ids: &[String], now: Timestamp) -> Result<(), Failure> {
        let confirmed = self.mailbox.confirm(&self.mail_gateway, message_ids, now).await;
        confirmed.map_err(|trouble| of_question(&Cause::Trouble(trouble)))
    }
}

impl Messages {
    fn read(&self, message: &Message) -> Result<Received, Mismatch> {
        let payload = payload(message.data.expose()).map_err(|_| Mismatch::Unreadable)?;
        let params = Params::read(payload.root(), "Request").map_err(|_| Mismatch::Unreadable)?;
        let described = describe(&params).map_err(|_| Mismatch::Unreadable)?;
        if !self.organisations.iter().any(|bin| bin == described.organisation) {
            return Err(Mismatch::Organisation);
        }
        Ok(received(described))
    }
}

fn received(described: Described<'_>) -> Received {
    let Described { message_id, kind, organisation, state, revision, mut values } = described;
    let summary = json!({
        "message_id": message_id, "kind": kind, "status": state, "revision": revision,
    });
    for (column, value) in [
        ("message_id", json!(message_id)),
        ("kind", kind.into()),
        ("organisation", organisation.into()),
        ("state", state.into()),
        ("revision", revision.into()),
    ] {
        values.insert(column.to_owned(), value);
    }
    Received {
        id: Uuid::new_v5(&NAMESPACE, format!("{message_id}/{revision}").as_bytes()),
        operation: INBOUND,
        summary: summary.as_object().cloned().unwrap_or_default(),
        writes: vec![Write { record: &MESSAGE, values: Personal::new(values) }],
    }
}

fn describe<'d>(params: &Params<'d>) -> Result<Described<'d>, Malformed> {
    let kind = match params.service_name {
        wire::NOTICE => "notice",
        wire::EDITABLE => "editable",
        _ => return Err(Malformed::ServiceName),
    };
    let message_id = params.required("messageId")?;
    let is_id = message_id.len() <= wire::MESSAGE_ID_CHARS_MAX
        && message_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !holds_iin(message_id);
    if !is_id {
        return Err(Malformed::Value("messageId"));
    }
    let organisation = params.required("organisationBin")?;
    organisation.parse::<Bin>().map_err(|_| Malformed::Value("organisationBin"))?;
    let state = match (kind, params.optional("state")?) {
        ("notice", None) | (_, Some("SIM-NEW")) => "new",
        ("editable", Some("SIM-SUBMITTED")) => "submitted",
        ("editable", Some("SIM-ACCEPTED")) => "accepted",
        ("editable", Some("SIM-RETURNED")) => "returned",
        ("editable", None) => return Err(Malformed::Missing("state")),
        _ => return Err(Malformed::Value("state")),
    };
    Ok(Described {
        message_id,
        kind,
        organisation,
        state,
        revision: params.count("revision")?,
        values: content(params)?,
    })
}

/// What a person reads and edits.
fn content(params: &Params<'_>) -> Result<Map<String, Value>, Malformed> {
    let bounded = |key: &'static str, text: Option<&str>, chars_max: usize| match text {
        Some(text) if text.chars().count() > chars_max => Err(Malformed::Value(key)),
        Some(text) => Ok(Value::from(text)),
        None => Ok(Value::Null),
    };
    let title = Some(params.required("title")?);
    let sent_at = params.required("sentAt")?;
    let sent_at = read_moment(sent_at).map_err(|_| Malformed::Value("sentAt"))?.at;
    let due_date = match params.optional("dueDate")? {
        Some(text) => read_date(text).map_err(|_| Malformed::Value("dueDate"))?,
        None => None,
    };
    let mut values = Map::new();
    for (column, value) in [
        ("title", bounded("title", title, TITLE_CHARS_MAX)?),
        ("text", bounded("text", params.optional("text")?, TEXT_CHARS_MAX)?),
        ("reviewer", bounded("reviewer", params.optional("reviewer")?, TITLE_CHARS_MAX)?),
        ("fields", fields(params)?),
        ("attachments", attachments(params)?),
        ("sent_at", sent_at.to_string().into()),
        ("due_date", due_date.map_or(Value::Null, |date| date.to_string().into())),
    ] {
        values.insert(column.to_owned(), value);
    }
    Ok(values)
}

fn fields(params: &Params<'_>) -> Result<Value, Malformed> {
    let records = params.records(["fieldKey", "fieldLabel", "fieldType", "fieldValue"])?;
    let mut seen = std::collections::HashSet::new();
    let mut all = Vec::with_capacity(records.len());
    for [key, label, kind, value] in records {
        let key = key.filter(|key| seen.insert(*key)).ok_or(Malformed::Value("fieldKey"))?;
        let kind = match kind {
            None | Some("SIM-TEXT") => "text",
            Some("SIM-NUMBER") => "number",
            Some("SIM-DATE") => "date",
            Some("SIM-FILE") => "file",
            Some(_) => return Err(Malformed::Value("fieldType")),
        };
        all.push(json!({ "key": key, "label": label, "type": kind, "value": value }));
    }
    if all.len() > FIELDS_MAX { Err(Malformed::Value("fieldKey")) } else { Ok(all.into()) }
}

/// References only: the bytes stay in the gateway's file store (shep §5).
fn attachments(params: &Params<'_>) -> Result<Value, Malformed> {
    let records = params.records(["attachmentId", "attachmentName", "attachmentType"])?;
    if records.len() > REFERENCES_MAX {
        return Err(Malformed::Value("attachmentId"));
    }
    let each = records.into_iter().map(|[id, name, media_type]| {
        let id = id.ok_or(Malformed::Value("attachmentId"))?;
        Ok(json!({ "id": id, "name": name, "media_type": media_type }))
    });
    Ok(Value::Array(each.collect::<Result<_, _>>()?))
}
