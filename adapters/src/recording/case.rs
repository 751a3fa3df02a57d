//! The files of a recorded case.

use jiff::{SignedDuration, Timestamp, tz::Offset};
use serde_json::{Map, Value, json};

use super::{JOB, Raw, Wish, rewrite::Rewriter};
use crate::replay::Rehearsal;

/// Business time of cases that name none.
const NOW: &str = "2026-03-02T10:00:00+05:00";
/// A week, in hours.
const WEEK_H: i64 = 7 * 24;
/// A one-time code: the real one is deleted with its outcome.
const DIGITS: &str = "4637";
/// What a service of tokens answers.
const TOKEN: &str = "{\"token\": \"recorded-token\"}\n";

/// A case that is being made.
pub(super) struct Draft {
    pub(super) now: Timestamp,
    pub(super) request: Vec<u8>,
    pub(super) response: Vec<u8>,
    pub(super) sign_in: Option<(String, String, Vec<u8>)>,
    pub(super) path: Option<(String, String)>,
    operation: String,
    title: Option<String>,
    month: String,
    status: u16,
    job: Option<Map<String, Value>>,
    is_question: bool,
}

impl Draft {
    pub(super) fn new(raw: &Raw, wish: &Wish, seed: u64) -> Self {
        let day = |at: Timestamp| Offset::constant(5).to_datetime(at).date();
        let first: Timestamp = NOW.parse().unwrap_or_default();
        let weeks = i64::try_from(seed % 16).unwrap_or(0) + 1;
        let mut now = first + SignedDuration::from_hours(WEEK_H * weeks);
        if day(now) == day(raw.captured) {
            now = first + SignedDuration::from_hours(WEEK_H * 20);
        }
        Self {
            now,
            request: Vec::new(),
            response: Vec::new(),
            sign_in: None,
            path: None,
            operation: raw.operation.clone(),
            title: wish.title.clone(),
            month: day(raw.captured).strftime("%Y-%m").to_string(),
            status: raw.status.unwrap_or(200),
            job: None,
            is_question: raw.job.as_ref().is_some_and(|job| job.is_question),
        }
    }

    /// The sanitised job.
    pub(super) fn job(&mut self, raw: &Raw, rewriter: &mut Rewriter<'_>) {
        let Some(job) = &raw.job else { return };
        let mut input = rewriter.json(&job.input, &mut vec!["job".to_owned()]);
        let mut table = Map::new();
        table.insert("id".to_owned(), JOB.to_string().into());
        if !job.subject.is_empty() {
            table.insert("subject".to_owned(), rewriter.stand_ins.of(&job.subject).into());
        }
        if let Some(carry) = &job.carry {
            table.insert("carry".to_owned(), rewriter.json(carry, &mut vec!["carry".to_owned()]));
        }
        // A code and files are handed over beside the input.
        if let Some(sent_by) = input.get("code_ref").cloned() {
            let code = input.get("code").and_then(Value::as_str).unwrap_or(DIGITS).to_owned();
            let otp_id = rewriter.leaf_of(&raw.request, "otpId");
            let code = json!({ "sent_by": sent_by, "digits": code, "otp_id": otp_id });
            table.insert("code".to_owned(), without_null(code));
        }
        if let Some(files) = input.get_mut("attachments").and_then(Value::as_array_mut) {
            let of = |(at, id): (usize, &Value)| {
                let name = format!("file{at}.pdf");
                json!({ "id": id, "name": name, "media_type": "application/pdf",
                        "base64": "JVBERi0=" })
            };
            let all: Vec<Value> = files.iter().enumerate().map(of).collect();
            table.insert("files".to_owned(), all.into());
        }
        table.insert("input".to_owned(), input);
        self.job = Some(table);
    }

    /// The files; without a rehearsal with anything that reads as a case.
    pub(super) fn files(&self, seen: Option<(&Rehearsal, bool)>) -> Vec<(String, Vec<u8>)> {
        let request = (!self.request.is_empty()).then(|| format!("request.{}", end(&self.request)));
        let response =
            (!self.response.is_empty()).then(|| format!("response.{}", end(&self.response)));
        // Before the request is known its place is taken by nothing.
        let request_file = request.clone().or_else(|| self.path.is_none().then(String::new));
        let mut files = Vec::new();
        let toml = self.toml(seen, request_file.as_deref(), response.as_deref());
        files.push(("case.toml".to_owned(), toml.into_bytes()));
        if let Some((_, _, body)) = &self.sign_in {
            files.push(("signin.json".to_owned(), body.clone()));
            files.push(("token.json".to_owned(), TOKEN.as_bytes().to_vec()));
        }
        let named = [(request, &self.request), (response, &self.response)];
        let named = named.into_iter().filter_map(|(name, bytes)| Some((name?, bytes.clone())));
        files.extend(named);
        files
    }

    fn toml(
        &self,
        seen: Option<(&Rehearsal, bool)>,
        request: Option<&str>,
        response: Option<&str>,
    ) -> String {
        let mut top = Map::new();
        let expected = seen.map(|(seen, _)| seen.expected.clone());
        let expected = expected.unwrap_or_else(|| {
            json!({ "outcome": "answered" }).as_object().cloned().unwrap_or_default()
        });
        let outcome = expected.get("outcome").and_then(Value::as_str).unwrap_or_default();
        let made = format!("Recorded: {} ends as {outcome}", self.operation);
        top.insert("title".to_owned(), self.title.clone().unwrap_or(made).into());
        top.insert("operation".to_owned(), self.operation.clone().into());
        top.insert("provenance".to_owned(), "FOUND".into());
        top.insert("now".to_owned(), instant(self.now).into());
        let is_story = self.sign_in.is_some();
        let (seen, is_valid) = (seen.map(|(seen, _)| seen), seen.map(|(_, is_valid)| is_valid));
        let is_xml = response.is_some_and(|name| name.ends_with("xml"));
        if is_story {
            top.insert("steps".to_owned(), self.steps(request, response).into());
        } else {
            top.insert("message".to_owned(), self.kind(seen, outcome).into());
            top.insert("http_status".to_owned(), self.status.into());
            if let Some(is_valid) = is_valid.filter(|_| is_xml) {
                top.insert("schema_valid".to_owned(), is_valid.into());
            }
            match &self.path {
                Some((method, path)) if request.is_none() => {
                    top.insert("method".to_owned(), method.clone().into());
                    top.insert("path".to_owned(), path.clone().into());
                }
                None if self.job.is_some() && self.request.is_empty() => {
                    top.insert("path".to_owned(), "".into());
                }
                Some(_) | None => {}
            }
        }
        if let Some(job) = &self.job {
            top.insert("job".to_owned(), job.clone().into());
        }
        top.insert("expected".to_owned(), expected.into());
        let text = toml::to_string(&without_null(Value::Object(top))).unwrap_or_default();
        let month = &self.month;
        format!(
            "# Recorded in {month} from a real exchange; every value about a person is made up.\n{text}"
        )
    }

    fn kind(&self, seen: Option<&Rehearsal>, outcome: &str) -> &'static str {
        let Some(seen) = seen else {
            return if self.job.is_none() {
                "request"
            } else if self.is_question {
                "status"
            } else {
                "response"
            };
        };
        match outcome {
            _ if self.job.is_none() => "request",
            _ if self.is_question => "status",
            "acknowledged" => "acknowledgement",
            "progress" => "notification",
            _ if seen.has_channel && !seen.is_push => "answer",
            _ => "response",
        }
    }

    fn steps(&self, request: Option<&str>, response: Option<&str>) -> Vec<Value> {
        let mut out = json!({ "out": request.unwrap_or_default() });
        if let (Some((method, path)), Some(out)) = (&self.path, out.as_object_mut()) {
            out.insert("method".to_owned(), method.clone().into());
            out.insert("path".to_owned(), path.clone().into());
        }
        let sign_in = self.sign_in.as_ref().map_or("", |(_, path, _)| path.as_str());
        vec![
            json!({ "out": "signin.json", "method": "POST", "path": sign_in }),
            json!({ "in": "token.json" }),
            out,
            json!({ "in": response.unwrap_or_default(), "status": self.status }),
        ]
    }
}

fn instant(at: Timestamp) -> String {
    Offset::constant(5).to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S+05:00").to_string()
}

/// Whether a request asks for a token.
pub(super) fn is_sign_in(body: &[u8]) -> bool {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    json.is_some_and(|json| {
        json.as_object().is_some_and(|all| {
            all.len() == 2 && all.contains_key("username") && all.contains_key("password")
        })
    })
}

fn end(bytes: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(bytes);
    let start = text.trim_start().to_lowercase();
    match start.as_bytes().first() {
        _ if start.starts_with("<html") || start.starts_with("<!doctype") => "html",
        Some(b'<') => "xml",
        Some(b'{' | b'[') => "json",
        _ => "txt",
    }
}

/// TOML has no null.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(all) => {
            let kept = all.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_null(value))).collect())
        }
        Value::Array(all) => {
            all.into_iter().filter(|one| !one.is_null()).map(without_null).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
