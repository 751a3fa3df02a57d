//! A case as a story: the same shape for one request and one answer as for many steps.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{Ask, Case, CaseError, Expected, Kind, Step, Transport, load};

/// One part of a story.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// One attempt or reconciliation of the adapter: its requests and their answers, in order.
    Call {
        /// What is asked of the adapter.
        ask: Ask,
        /// Requests, each with its answer; `None`: the conversation's own acknowledgement.
        exchanges: Vec<(Out, Option<Answer>)>,
        /// What must be learned; `None`: the job waits for a message.
        expected: Option<Expected>,
    },
    /// The question that fetches messages from the mailbox: the file of the case.
    Pull(String),
    /// A message that the gateway delivers.
    Push(Push),
    /// Business time passes.
    Wait(Duration),
}

/// What the hub must send.
#[derive(Debug, Clone, PartialEq)]
pub struct Out {
    /// The file of the case, where the request has a body.
    pub file: Option<String>,
    /// HTTP method.
    pub method: Option<String>,
    /// End of the path.
    pub path: Option<String>,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The file of the case; `None`: no body.
    pub file: Option<String>,
    /// HTTP status.
    pub status: u16,
    /// HTTP headers.
    pub headers: BTreeMap<String, String>,
    /// How it comes.
    pub transport: Transport,
    /// Whether it fits the schemas, where that is said.
    pub schema_valid: Option<bool>,
}

/// A message that the gateway delivers.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// The file of the case.
    pub file: String,
    /// Nobody asked for it.
    pub is_inbound: bool,
    /// Whether it fits the schemas, where that is said.
    pub schema_valid: Option<bool>,
    /// What must be learned.
    pub expected: Option<Expected>,
}

/// Files that a plain case may hold, by their beginning.
const ENDS: [&str; 4] = ["xml", "json", "html", "txt"];

impl Case {
    /// The story of a case that was loaded from `folder`. `is_push` says whether a file is a
    /// message as a gateway delivers it: the response of a plain case may be an answer or one.
    pub fn story(
        &self,
        folder: &Path,
        is_push: impl Fn(&Path) -> bool,
    ) -> Result<Vec<Part>, CaseError> {
        if !self.steps.is_empty() {
            return self.of_steps(folder);
        }
        let file = |stem: &str| {
            let names = ENDS.iter().map(|end| format!("{stem}.{end}"));
            names.into_iter().find(|name| folder.join(name).is_file())
        };
        let response = file("response");
        let out =
            Out { file: file("request"), method: self.method.clone(), path: self.path.clone() };
        let fault = |text: &str| load::whole(folder, text);
        let kind = self.message.ok_or_else(|| fault("`message` is missing"))?;
        let expected = Some(self.expected.clone());
        if matches!(kind, Kind::Request | Kind::Update) {
            let pull = out.file.filter(|_| response.is_some()).map(Part::Pull);
            let file = response.or_else(|| file("request"));
            let file = file.ok_or_else(|| fault("there is no message file"))?;
            let schema_valid = self.schema_valid;
            let push = Part::Push(Push { file, is_inbound: true, schema_valid, expected });
            return Ok(pull.into_iter().chain([push]).collect());
        }
        if out.file.is_none() && self.path.is_none() {
            return Err(fault("there is no request file, and no `path`"));
        }
        let ask = if kind == Kind::Status { Ask::Reconcile } else { self.call };
        let may_be_push = matches!(kind, Kind::Response | Kind::Notification);
        let delivered =
            response.as_deref().filter(|name| may_be_push && is_push(&folder.join(name)));
        if let Some(name) = delivered {
            let push = Push {
                file: name.to_owned(),
                is_inbound: false,
                schema_valid: self.schema_valid,
                expected,
            };
            let call = Part::Call { ask, exchanges: vec![(out, None)], expected: None };
            return Ok(vec![call, Part::Push(push)]);
        }
        let answer = Answer {
            file: response,
            status: self.http_status,
            headers: self.http_headers.clone(),
            transport: self.transport,
            schema_valid: self.schema_valid,
        };
        let exchanges = vec![(out, Some(answer))];
        Ok(vec![Part::Call { ask, exchanges, expected }])
    }

    fn of_steps(&self, folder: &Path) -> Result<Vec<Part>, CaseError> {
        let mut parts = Vec::new();
        // Whether an `out` may still join the call that is open.
        let mut is_open = false;
        let mut waits_for_answer = false;
        for (at, step) in self.steps.iter().enumerate() {
            let last = at + 1 == self.steps.len();
            let expected = step.expected.clone().or_else(|| last.then(|| self.expected.clone()));
            if let Some(file) = &step.out {
                if waits_for_answer {
                    return Err(load::whole(folder, "an `out` needs its `in` before the next"));
                }
                begin(&mut parts, step, file, is_open);
                waits_for_answer = true;
                is_open = true;
            } else if let Some(file) = &step.input {
                if waits_for_answer {
                    answer(&mut parts, step, file, expected.clone());
                } else {
                    parts.push(Part::Push(push(step, file, expected.clone())));
                }
                waits_for_answer = false;
                is_open = is_open && expected.is_none();
            } else if let Some(wait) = step.wait.as_deref().and_then(duration) {
                parts.push(Part::Wait(wait));
                is_open = false;
            }
        }
        if waits_for_answer {
            return Err(load::whole(folder, "the last `out` has no `in`"));
        }
        Ok(parts)
    }
}

fn begin(parts: &mut Vec<Part>, step: &Step, file: &str, is_open: bool) {
    // `out = ""` is a request without a body.
    let file = Some(file.to_owned()).filter(|file| !file.is_empty());
    let out = Out { file, method: step.method.clone(), path: step.path.clone() };
    match parts.last_mut() {
        Some(Part::Call { exchanges, expected: None, .. }) if is_open => {
            exchanges.push((out, None));
        }
        Some(Part::Call { .. } | Part::Pull(_) | Part::Push(_) | Part::Wait(_)) | None => {
            let exchanges = vec![(out, None)];
            parts.push(Part::Call { ask: step.call, exchanges, expected: None });
        }
    }
}

fn answer(parts: &mut [Part], step: &Step, file: &str, expects: Option<Expected>) {
    if let Some(Part::Call { exchanges, expected, .. }) = parts.last_mut()
        && let Some((_, slot)) = exchanges.last_mut()
    {
        *slot = Some(Answer {
            file: Some(file.to_owned()).filter(|file| !file.is_empty()),
            status: step.status.unwrap_or(200),
            headers: step.headers.clone(),
            transport: step.transport,
            schema_valid: step.schema_valid,
        });
        *expected = expects;
    }
}

fn push(step: &Step, file: &str, expected: Option<Expected>) -> Push {
    let is_inbound = expected.as_ref().is_some_and(|one| one.outcome == super::Outcome::Received);
    Push { file: file.to_owned(), is_inbound, schema_valid: step.schema_valid, expected }
}

/// `90s`, `15m`, `2h`, `1d`: whole, and of one unit or several.
pub fn duration(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    Duration::try_from(span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?).ok()
}
