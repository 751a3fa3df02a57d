//! What travels in `data`, both ways: one universal envelope of named parameters (gov-services §8).
//!
//! ```text
//! Request[@serviceName]  │ Response[@serviceName]
//!   └─ param*: key, type?, values/value+       n-th value of each param = n-th record
//! ```
//!
//! The envelope, the service id and the gap word are FOUND; service names, keys and codes are
//! DESIGNED from the portal's manual and begin with `SIM` where they are values.
//!
//! *Guarantee*: a key that stands twice, a `param` without values, and parallel lists of different
//! length are refused, never read half: a value in the wrong record is worse than no value.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use uuid::Uuid;

use crate::{
    attempt::Attachment,
    transport::xml::{Element, Writer, is_writable},
};

/// The interaction in the gateway's registry (FOUND).
pub(super) const SERVICE_ID: &str = "EKyzmetUniversalService";
/// Stands where a list has nothing to say (FOUND).
pub(super) const GAP: &str = "Не задано";

/// Service names (DESIGNED).
pub(super) const NOTICE: &str = "SIM_noticeMessage";
pub(super) const EDITABLE: &str = "SIM_editableMessage";
pub(super) const SUBMIT: &str = "SIM_submitMessage";
pub(super) const STATUS: &str = "SIM_messageStatus";

/// `resultCode` of success, as in the contract's example; the others are DESIGNED.
pub(super) const RESULT_DONE: &str = "0";
pub(super) const RESULT_NOT_FOUND: &str = "SIM-NOT-FOUND";
pub(super) const RESULT_NOT_EDITABLE: &str = "SIM-NOT-EDITABLE";
pub(super) const RESULT_ALREADY_SUBMITTED: &str = "SIM-ALREADY-SUBMITTED";
pub(super) const RESULT_SIGNATURE: &str = "SIM-SIGNATURE-INVALID";
pub(super) const RESULT_ORGANISATION: &str = "SIM-OTHER-ORGANISATION";

/// What a status answer says about a submission (DESIGNED).
pub(super) const SUBMISSION_DONE: &str = "SIM-DONE";
pub(super) const SUBMISSION_UNKNOWN: &str = "SIM-UNKNOWN";

/// Longer message ids cannot be any.
pub(super) const MESSAGE_ID_CHARS_MAX: usize = 64;

/// Why parameters do not read. Holds nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// Another element than `Request` or `Response`.
    #[error("not the expected element")]
    Root,
    /// No `serviceName`.
    #[error("serviceName is missing")]
    ServiceName,
    /// A `param` without a key, or an element that may stand once stands twice.
    #[error("a param has no single key")]
    Key,
    /// Two `param`s of one key.
    #[error("a key stands twice")]
    KeyTwice,
    /// A `param` without values.
    #[error("a param has no values")]
    Values,
    /// Lists that belong together differ in length, or a single value is a list.
    #[error("lists of different length")]
    Lengths,
    /// A value that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that is none of its kind.
    #[error("{0} cannot be read")]
    Value(&'static str),
}

/// The parameters of one request or answer.
pub(super) struct Params<'d> {
    pub(super) service_name: &'d str,
    all: Vec<(&'d str, Vec<&'d str>)>,
}

impl<'d> Params<'d> {
    /// Reads the parameters of the element of this name.
    pub(super) fn read(root: Element<'d>, local: &str) -> Result<Self, Malformed> {
        if root.local() != local {
            return Err(Malformed::Root);
        }
        let named = root.attributes().find(|attribute| attribute.local == "serviceName");
        let service_name = named.map(|attribute| attribute.value.trim());
        let service_name =
            service_name.filter(|name| !name.is_empty()).ok_or(Malformed::ServiceName)?;
        let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
        for param in root.children().filter(|child| child.local() == "param") {
            let key = param.only("key").map_err(|_| Malformed::Key)?;
            let key = key.and_then(Element::value).ok_or(Malformed::Key)?;
            if all.iter().any(|(known, _)| *known == key) {
                return Err(Malformed::KeyTwice);
            }
            let values = param.only("values").map_err(|_| Malformed::Values)?;
            let values = values.ok_or(Malformed::Values)?.children();
            let values: Vec<&str> =
                values.filter(|child| child.local() == "value").map(Element::text).collect();
            if values.is_empty() {
                return Err(Malformed::Values);
            }
            all.push((key, values));
        }
        Ok(Self { service_name, all })
    }

    fn list(&self, key: &str) -> &[&'d str] {
        self.all.iter().find(|(known, _)| *known == key).map_or(&[], |(_, values)| values)
    }

    /// A single value; `None` where it is absent, blank or a gap.
    pub(super) fn optional(&self, key: &str) -> Result<Option<&'d str>, Malformed> {
        match self.list(key) {
            [] => Ok(None),
            [one] => Ok(known(one)),
            [..] => Err(Malformed::Lengths),
        }
    }

    /// A single value that must be there.
    pub(super) fn required(&self, key: &'static str) -> Result<&'d str, Malformed> {
        self.optional(key)?.ok_or(Malformed::Missing(key))
    }

    /// A whole number that counts something, from 1.
    pub(super) fn count(&self, key: &'static str) -> Result<i32, Malformed> {
        let number = self.required(key)?.parse().map_err(|_| Malformed::Value(key))?;
        if number < 1 { Err(Malformed::Value(key)) } else { Ok(number) }
    }

    /// Parallel lists as records: all of one length, or all absent.
    pub(super) fn records<const N: usize>(
        &self,
        keys: [&str; N],
    ) -> Result<Vec<[Option<&'d str>; N]>, Malformed> {
        let lists = keys.map(|key| self.list(key));
        let length = lists.first().map_or(0, |list| list.len());
        if lists.iter().any(|list| list.len() != length) {
            return Err(Malformed::Lengths);
        }
        Ok((0..length).map(|at| lists.map(|list| known(list[at]))).collect())
    }
}

fn known(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty() && text != GAP).then_some(text)
}

/// What is submitted.
#[derive(Clone, Copy)]
pub(super) struct Submission<'a> {
    pub(super) message_id: &'a str,
    pub(super) request_number: Uuid,
    pub(super) organisation_bin: &'a str,
    pub(super) fields: &'a [(&'a str, &'a str)],
    pub(super) files: &'a [Attachment],
    pub(super) signature: &'a str,
}

/// Writes a submission. The bytes of its files are sent and not kept: they are in the portal's
/// table.
pub(super) fn write_submission(xml: &mut Writer, submission: &Submission<'_>) {
    let Submission { message_id, request_number, organisation_bin, fields, files, signature } =
        *submission;
    open(xml, SUBMIT);
    write_question_keys(xml, message_id, request_number);
    param(xml, "organisationBin", [organisation_bin]);
    if !fields.is_empty() {
        param(xml, "fieldKey", fields.iter().map(|(key, _)| *key));
        let values = fields.iter().map(|(_, value)| *value);
        param(xml, "fieldValue", values.map(|v| if v.trim().is_empty() { GAP } else { v }));
    }
    if !files.is_empty() {
        let names: Vec<String> = files.iter().map(|file| writable(file.name.expose())).collect();
        param(xml, "attachmentName", names.iter().map(String::as_str));
        let types: Vec<String> = files.iter().map(|file| writable(&file.media_type)).collect();
        param(xml, "attachmentType", types.iter().map(String::as_str));
        open_param(xml, "attachmentContent");
        for Attachment { id, bytes, .. } in files {
            xml.open("value").omitted(&encode(bytes), format!("[{id}: {} bytes]", bytes.len()));
            xml.close("value");
        }
        close_param(xml);
    }
    param(xml, "signature", [signature]);
    xml.close("Request");
}

/// Writes the question what became of a submission.
pub(super) fn write_question(xml: &mut Writer, message_id: &str, request_number: Uuid) {
    open(xml, STATUS);
    write_question_keys(xml, message_id, request_number);
    xml.close("Request");
}

fn write_question_keys(xml: &mut Writer, message_id: &str, request_number: Uuid) {
    param(xml, "messageId", [message_id]);
    let mut buffer = Uuid::encode_buffer();
    param(xml, "requestNumber", [&*request_number.hyphenated().encode_lower(&mut buffer)]);
}

fn open(xml: &mut Writer, service_name: &str) {
    xml.raw("<Request serviceName=\"").raw(service_name).raw("\">");
}

fn param<'a>(xml: &mut Writer, key: &str, values: impl IntoIterator<Item = &'a str>) {
    open_param(xml, key);
    for value in values {
        xml.leaf("value", value);
    }
    close_param(xml);
}

fn open_param(xml: &mut Writer, key: &str) {
    xml.open("param").leaf("key", key).open("values");
}

fn close_param(xml: &mut Writer) {
    xml.close("values").close("param");
}

fn encode(bytes: &Bytes) -> String {
    STANDARD.encode(bytes)
}

/// The name of a file as XML can hold it: a person chose it, and it decides nothing.
fn writable(text: &str) -> String {
    text.chars().map(|c| if is_writable(c) { c } else { '_' }).collect()
}
