//! What the portal asks: its schema, and the rules that a schema cannot say (D19, D20).
//!
//! *Guarantee*: a [`FieldError`] made here never holds a value.
//!
//! *Limits*: [`FIELDS_MAX`], [`FILES_MAX`], [`CERTIFICATE_CHARS_MAX`], [`SIGNATURE_CHARS_MAX`].

use std::collections::HashSet;

use contracts::{code, code::Code, number::Iin, personal::Personal, rejection::FieldError};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{FILES_MAX, certificate::Holder};
use crate::transport::xml::is_writable;

/// Fields of one submission.
const FIELDS_MAX: usize = 200;
/// A certificate of the authority has some 2 000 characters.
const CERTIFICATE_CHARS_MAX: usize = 16_384;
/// A signature over the content, with certificates and time stamps.
const SIGNATURE_CHARS_MAX: usize = 131_072;
const BASE64: &str = "^[A-Za-z0-9+/]+={0,2}$";

/// What the portal asks.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// Which message: `portal.message.message_id`.
    #[schemars(length(min = 1, max = 64), extend("pattern" = "^[A-Za-z0-9._-]+$"))]
    pub(super) message_id: String,
    /// The edited fields; a key stands once.
    #[serde(default)]
    #[schemars(length(max = FIELDS_MAX))]
    pub(super) fields: Vec<Field>,
    /// Ids of `portal.attachment`, at most 3 MiB each and 9 MiB together.
    #[serde(default)]
    #[schemars(length(max = FILES_MAX))]
    pub(super) attachments: Vec<Uuid>,
    /// The signature (ЭЦП) over the content: base64, handed on as it is.
    #[schemars(length(min = 1, max = SIGNATURE_CHARS_MAX), extend("pattern" = BASE64))]
    pub(super) signature: Personal<String>,
    /// The person's certificate: X.509 in DER, base64 without line breaks.
    #[schemars(length(min = 1, max = CERTIFICATE_CHARS_MAX), extend("pattern" = BASE64))]
    pub(super) person_certificate: Personal<String>,
    /// The certificate of the same person for the organisation.
    #[schemars(length(min = 1, max = CERTIFICATE_CHARS_MAX), extend("pattern" = BASE64))]
    pub(super) organisation_certificate: Personal<String>,
}

/// One edited field.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    /// The key of one of the message's fields.
    #[schemars(length(min = 1, max = 100))]
    pub(super) key: String,
    /// Its value; empty where it was emptied.
    #[schemars(length(max = 10_000))]
    pub(super) value: Personal<String>,
}

/// What a schema cannot say: keys and files that stand twice, characters that cannot be sent, and
/// that both certificates name one person (D20).
pub(super) fn check_input(input: &Value) -> Vec<FieldError> {
    let Ok(input) = Input::deserialize(input) else { return Vec::new() };
    let mut errors = Vec::new();
    let mut add = |path: &str, code: Code, text: &str| {
        errors.push(FieldError::new(path, code, text));
    };
    if holds_iin(&input.message_id) {
        add(
            "/input/message_id",
            code!("personal_number"),
            "holds a person's number; no message id does",
        );
    }
    if input.fields.is_empty() && input.attachments.is_empty() {
        add(
            "/input/fields",
            code!("nothing_to_submit"),
            "neither a field nor an attachment is given",
        );
    }
    let mut keys = HashSet::new();
    for (at, Field { key, value }) in input.fields.iter().enumerate() {
        let path = format!("/input/fields/{at}");
        if !keys.insert(key.trim()) {
            add(&format!("{path}/key"), code!("duplicate"), "this key stands before already");
        }
        for (part, text) in [("key", key), ("value", value.expose())] {
            if !text.chars().all(is_writable) {
                let text = "holds a control character that cannot be sent";
                add(&format!("{path}/{part}"), code!("control_character"), text);
            }
        }
    }
    let mut files = HashSet::new();
    for (at, id) in input.attachments.iter().enumerate() {
        if !files.insert(id) {
            let path = format!("/input/attachments/{at}");
            add(&path, code!("duplicate"), "this attachment stands before already");
        }
    }
    errors.extend(check_certificates(&input));
    errors
}

fn check_certificates(input: &Input) -> Vec<FieldError> {
    const PERSON: &str = "/input/person_certificate";
    const ORGANISATION: &str = "/input/organisation_certificate";
    let read = |path: &str, certificate: &Personal<String>| {
        Holder::read(certificate.expose())
            .map_err(|broken| FieldError::new(path, broken.code(), broken.to_string()))
    };
    let person = read(PERSON, &input.person_certificate);
    let organisation = read(ORGANISATION, &input.organisation_certificate);
    let (person, organisation) = match (person, organisation) {
        (Ok(person), Ok(organisation)) => (person, organisation),
        (person, organisation) => {
            return [person.err(), organisation.err()].into_iter().flatten().collect();
        }
    };
    if organisation.bin.is_none() {
        let text = "its subject holds no OU of the form BIN…: not an organisation's certificate";
        return vec![FieldError::new(ORGANISATION, code!("certificate_without_bin"), text)];
    }
    if person.iin != organisation.iin {
        let text = "its IIN is not that of the person's certificate (D20)";
        return vec![FieldError::new(ORGANISATION, code!("certificate_mismatch"), text)];
    }
    Vec::new()
}

/// Whether twelve digits of a text are somebody's number. Message ids go into events.
pub(super) fn holds_iin(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_digit());
    runs.filter(|run| run.len() == 12).any(|run| run.parse::<Iin>().is_ok())
}
