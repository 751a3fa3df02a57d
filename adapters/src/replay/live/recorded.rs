//! The files of a case on their way to a live system: with another number and another date.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use bytes::Bytes;
use contracts::case::{Answer, Case, Found, Transport};
use regex::Regex;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::{
    attempt::Call,
    replay::{compare::Form, stage::Give},
    settings::Settings,
    transport::{
        dates::write_moment,
        http::{Client, HttpAnswer},
        shep_async::{self, Push},
    },
};

/// An answer of a case as a simulator is to give it.
pub(super) struct Letter {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    pub(super) transport: &'static str,
}

impl Letter {
    /// The recorded answer, to the number that this call carries.
    pub(super) fn of(
        found: &Found,
        case: &Case,
        answer: &Answer,
        call: &Call,
    ) -> Result<Self, String> {
        let mut headers = answer.headers.clone();
        let mut body = Vec::new();
        if let Some(file) = &answer.file {
            body = renumbered(read(found, file)?, case, call);
            let content_type = match file.rsplit('.').next() {
                Some("html") => "text/html",
                Some(_) | None => Form::of(file).content_type(),
            };
            headers.entry("Content-Type".to_owned()).or_insert_with(|| content_type.to_owned());
        }
        let transport = match answer.transport {
            Transport::Answer => "answer",
            Transport::Refused => "refused",
            Transport::Reset => "reset",
            Transport::Cut => "cut",
            Transport::Silence => "silence",
        };
        Ok(Self { status: answer.status, headers, body, transport })
    }
}

/// A file of the case.
pub(super) fn read(found: &Found, file: &str) -> Result<Vec<u8>, String> {
    fs::read(found.folder.join(file)).map_err(|error| format!("{file}: {error}"))
}

/// Whether a file of the case holds a text.
pub(super) fn holds(found: &Found, file: &str, text: Option<&str>) -> bool {
    let bytes = read(found, file).unwrap_or_default();
    text.is_some_and(|text| String::from_utf8_lossy(&bytes).contains(text))
}

/// Whether a file is a message as a gateway delivers it.
pub(super) fn is_push(file: &Path) -> bool {
    fs::read(file).is_ok_and(|bytes| matches!(shep_async::read_push(&bytes), Ok(Push::Message(_))))
}

/// The recorded request, with the number and the date of this call.
pub(super) fn request(
    found: &Found,
    case: &Case,
    file: &str,
    call: &Call,
) -> Result<Vec<u8>, String> {
    let bytes = renumbered(read(found, file)?, case, call);
    let text = String::from_utf8(bytes).map_err(|_| format!("{file}: is not in UTF-8"))?;
    let dates =
        Regex::new("(<(?:[A-Za-z0-9_-]+:)?messageDate>)[^<]*<").map_err(|e| e.to_string())?;
    let dated = dates.replace_all(&text, format!("${{1}}{}<", write_moment(call.now)));
    Ok(dated.into_owned().into_bytes())
}

/// Sends it once.
pub(super) async fn send(
    system: &'static str,
    settings: &Settings,
    request: Vec<u8>,
    limit: Duration,
) -> Result<HttpAnswer, String> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=UTF-8"));
    headers.insert(HeaderName::from_static("soapaction"), HeaderValue::from_static("\"\""));
    let client = Client::new(system, settings).map_err(|error| error.to_string())?;
    let sent = client.post(Bytes::from(request), &headers, limit).await;
    sent.map_err(|error| error.to_string())
}

/// What came, for a stage to say again.
pub(super) fn give(answer: HttpAnswer) -> Give {
    let content_type = answer.content_type.unwrap_or_else(|| "text/xml".to_owned());
    Give {
        status: answer.status,
        headers: vec![("Content-Type".to_owned(), content_type)],
        body: answer.body.to_vec(),
        transport: Transport::Answer,
    }
}

/// The same bytes, to another request number.
fn renumbered(bytes: Vec<u8>, case: &Case, call: &Call) -> Vec<u8> {
    let Some(job) = &case.job else { return bytes };
    match String::from_utf8(bytes) {
        Ok(text) => {
            let (old, new) =
                (job.id.hyphenated().to_string(), call.job_id.hyphenated().to_string());
            text.replace(&old, &new).into_bytes()
        }
        // Bytes that are no text hold no number.
        Err(error) => error.into_bytes(),
    }
}
