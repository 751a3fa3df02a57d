//! Reading a request as strictly as the contract allows (shep §1.2, gov-services §8).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::SERVICE_ID;
use crate::simulation::{
    envelope,
    gateway::{NO_SERVICE, Refusal, format_error},
    xml::{self, Node},
};

/// A file may be as large as this (manual 003).
const FILE_BYTES_MAX: usize = 3 * 1024 * 1024;

/// What is asked.
pub(super) enum Asked {
    /// `SIM_submitMessage`.
    Submit(Question),
    /// `SIM_messageStatus`.
    Status(Question),
}

/// What a request is about.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) service: String,
    pub(super) message_id: String,
    pub(super) number: String,
    /// Empty in a question.
    pub(super) organisation: String,
}

/// Reads `SendMessage`.
pub(super) fn read(operation: &Node) -> Result<Asked, Refusal> {
    let is_ours =
        operation.name == "SendMessage" && operation.namespace.as_deref() == Some(envelope::SYNC);
    if !is_ours {
        return Err(format_error("the body is no SendMessage of SyncChannel/v10/Types"));
    }
    let info = operation.at(&["request", "requestInfo"]);
    let info = info.ok_or_else(|| format_error("no requestInfo"))?;
    if info.namespace.is_some() {
        return Err(format_error("children of SendMessage must be unqualified"));
    }
    if info.text_at(&["serviceId"]) != SERVICE_ID {
        return Err(Refusal(NO_SERVICE, "no such service".to_owned()));
    }
    for path in [&["messageId"][..], &["messageDate"], &["sender", "senderId"]] {
        if info.text_at(path).is_empty() {
            return Err(format_error(&format!("{} must not be empty", path.join("/"))));
        }
    }
    let data = operation.at(&["request", "requestData", "data"]);
    let data = data.ok_or_else(|| format_error("no data"))?;
    let payload = match data.children.as_slice() {
        [] => xml::parse_text(data.text.trim()).map_err(|error| format_error(&error.0))?,
        [only] => only.clone(),
        _ => return Err(format_error("data takes one element")),
    };
    of_payload(&payload)
}

fn of_payload(payload: &Node) -> Result<Asked, Refusal> {
    if payload.name != "Request" || payload.namespace.is_some() {
        return Err(format_error("data takes Request without a namespace"));
    }
    let params = params(payload)?;
    let one = |key: &str| match params.iter().find(|(name, _)| *name == key) {
        Some((_, values)) if values.len() == 1 && !values[0].trim().is_empty() => {
            Ok(values[0].trim().to_owned())
        }
        Some(_) | None => Err(format_error(&format!("{key} takes exactly one value"))),
    };
    let service = payload.attribute("serviceName").to_owned();
    let question = |organisation| -> Result<Question, Refusal> {
        Ok(Question {
            service: service.clone(),
            message_id: one("messageId")?,
            number: one("requestNumber")?,
            organisation,
        })
    };
    match service.as_str() {
        "SIM_messageStatus" => question(String::new()).map(Asked::Status),
        "SIM_submitMessage" => {
            let organisation = one("organisationBin")?;
            let has_digits = organisation.bytes().all(|byte| byte.is_ascii_digit());
            if organisation.len() != 12 || !has_digits {
                return Err(format_error("organisationBin must be 12 digits"));
            }
            STANDARD.decode(one("signature")?).map_err(|_| format_error("signature: base64"))?;
            lists(&params)?;
            question(organisation).map(Asked::Submit)
        }
        _ => Err(Refusal(NO_SERVICE, "no such serviceName".to_owned())),
    }
}

type Params<'n> = Vec<(&'n str, Vec<&'n str>)>;

fn params(payload: &Node) -> Result<Params<'_>, Refusal> {
    let mut all: Params<'_> = Vec::new();
    for param in &payload.children {
        let shape: Vec<&str> = param.children.iter().map(|child| child.name.as_str()).collect();
        if param.name != "param"
            || !matches!(shape[..], ["key", "values"] | ["key", "type", "values"])
        {
            return Err(format_error("Request takes param{key, type?, values}"));
        }
        let key = param.text_at(&["key"]);
        if key.is_empty() || all.iter().any(|(known, _)| *known == key) {
            return Err(format_error("a key is empty or stands twice"));
        }
        let values = param.child("values").map(|values| values.children.as_slice());
        let values = values.unwrap_or_default();
        if values.is_empty() || values.iter().any(|value| value.name != "value") {
            return Err(format_error("values takes value, once or more"));
        }
        all.push((key, values.iter().map(|value| value.text.as_str()).collect()));
    }
    Ok(all)
}

/// Parallel lists have one length; a gap is never empty; files are base64 and not too large.
fn lists(params: &Params<'_>) -> Result<(), Refusal> {
    let list = |key: &str| {
        params.iter().find(|(name, _)| *name == key).map_or(&[][..], |(_, values)| values)
    };
    for group in [
        &["fieldKey", "fieldValue"][..],
        &["attachmentName", "attachmentType", "attachmentContent"],
    ] {
        let length = list(group[0]).len();
        if group.iter().any(|key| list(key).len() != length) {
            return Err(format_error(&format!("{} differ in length", group.join(", "))));
        }
        if group.iter().flat_map(|key| list(key)).any(|value| value.trim().is_empty()) {
            return Err(format_error("a gap in a list is written in words"));
        }
    }
    for content in list("attachmentContent") {
        let bytes = STANDARD.decode(content).map_err(|_| format_error("attachment: base64"))?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(format_error("an attachment is larger than 3 MiB"));
        }
    }
    Ok(())
}
