//! The recorded cases as answers: those of this program, and those in a folder of the tester's.
//!
//! A folder (`--cases`) is laid over what was compiled in and read anew at every order, so a case
//! that was just written can be chosen at once. It holds `<system>/cases/<case>/`, as
//! `contracts/systems` does.
//!
//! *Limits*: [`contracts::case::FILE_BYTES_MAX`] a file, [`contracts::case::STEPS_MAX`] steps.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use contracts::case::{self, Case, Kind, Step, Transport};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{envelope, xml};

/// Everything below `contracts/systems` but the texts: path, bytes.
pub(super) static CONTRACTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/contracts.in"));

const ENDS: [&str; 4] = ["xml", "json", "html", "txt"];
/// Business time of a case that names none.
const RECORDED_AT: Timestamp = Timestamp::constant(1_772_427_600, 0);

/// Where cases come from.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    folder: Option<PathBuf>,
}

/// A case by its name, for lists.
#[derive(Debug, Clone, Serialize)]
pub struct Title {
    /// `gbdfl/found`.
    pub case: String,
    /// What it shows.
    pub title: String,
    /// The operation of the hub.
    pub operation: String,
}

/// What a recorded case answers, request by request.
#[derive(Debug, Clone)]
pub struct Script {
    /// `gbdfl/found`.
    pub name: String,
    /// `gbdfl`.
    pub system: String,
    /// Business time when it was recorded.
    pub recorded_at: Timestamp,
    /// Requests that are answered, in order.
    pub turns: VecDeque<Turn>,
    /// Messages that follow: business time after the last answer.
    pub pushes: Vec<(SignedDuration, Vec<u8>)>,
}

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The request that was recorded; empty for one without a body.
    pub request: Vec<u8>,
    /// HTTP method.
    pub method: String,
    /// End of its path, where that is said.
    pub path: Option<String>,
    /// What comes back; `None`: the gateway's own acknowledgement.
    pub answer: Option<Answer>,
}

/// What comes back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// HTTP headers besides the content type.
    pub headers: BTreeMap<String, String>,
    /// The end of the file's name.
    pub form: &'static str,
    /// The bytes.
    pub body: Vec<u8>,
    /// How it comes.
    pub transport: Transport,
}

/// Why a case cannot be an answer.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// There is none of this name.
    #[error("there is no case {0}")]
    Unknown(String),
    /// A file cannot be read.
    #[error("{file}: {source}")]
    File {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `case.toml` has a mistake.
    #[error(transparent)]
    Case(#[from] case::CaseError),
    /// It has no answer.
    #[error("the case {0} has no answer: it shows a request alone")]
    NoAnswer(String),
}

impl Shelf {
    /// The cases of this program, and a folder laid over them.
    pub const fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// All cases that can be read, by name.
    pub fn titles(&self) -> Vec<Title> {
        let mut all = BTreeSet::new();
        for (path, _) in CONTRACTS {
            if let Some(name) = name_of(path) {
                all.insert(name);
            }
        }
        let found = self.folder.as_deref().map(case::find).and_then(Result::ok);
        for one in found.into_iter().flatten() {
            all.insert(format!("{}/{}", one.system, one.name));
        }
        all.into_iter().filter_map(|name| self.title(name)).collect()
    }

    /// Reads a case as a script.
    pub fn script(&self, name: &str) -> Result<Script, ShelfError> {
        let unknown = || ShelfError::Unknown(name.to_owned());
        let is_plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        let (system, short) = name.split_once('/').ok_or_else(unknown)?;
        if !is_plain(system) || !is_plain(short) {
            return Err(unknown());
        }
        let folder = format!("{system}/cases/{short}");
        let case = self.case(&folder)?.ok_or_else(unknown)?;
        let mut script = Script {
            name: name.to_owned(),
            system: system.to_owned(),
            recorded_at: case.now.unwrap_or(RECORDED_AT),
            turns: VecDeque::new(),
            pushes: Vec::new(),
        };
        if case.steps.is_empty() {
            self.plain(&folder, &case, &mut script)?;
        } else {
            self.story(&folder, &case.steps, &mut script)?;
        }
        if script.turns.is_empty() && script.pushes.is_empty() {
            return Err(ShelfError::NoAnswer(name.to_owned()));
        }
        Ok(script)
    }

    fn title(&self, name: String) -> Option<Title> {
        let (system, short) = name.split_once('/')?;
        let case = self.case(&format!("{system}/cases/{short}")).ok()??;
        Some(Title { case: name, title: case.title, operation: case.operation })
    }

    fn case(&self, folder: &str) -> Result<Option<Case>, ShelfError> {
        let file = format!("{folder}/{}", case::CASE_FILE);
        let Some(bytes) = self.read(&file)? else { return Ok(None) };
        Ok(Some(Case::read(Path::new(&file), &String::from_utf8_lossy(&bytes))?))
    }

    fn plain(&self, folder: &str, case: &Case, script: &mut Script) -> Result<(), ShelfError> {
        let request = self.one_of(folder, "request")?.map(|(_, bytes)| bytes).unwrap_or_default();
        let response = self.one_of(folder, "response")?;
        let delay = |bytes: &[u8]| sent_after(bytes, script.recorded_at);
        if matches!(case.message, Some(Kind::Request | Kind::Update)) {
            // They begin: the message is what there is.
            let bytes = response.map_or(request, |(_, bytes)| bytes);
            script.pushes.push((SignedDuration::ZERO, bytes));
            return Ok(());
        }
        let mut turn = Turn {
            request,
            method: case.method.clone().unwrap_or_else(|| "POST".to_owned()),
            path: case.path.clone(),
            answer: None,
        };
        let has_no_body = turn.request.is_empty() && case.method.is_none();
        if has_no_body {
            "GET".clone_into(&mut turn.method);
        }
        let may_be_push = matches!(case.message, Some(Kind::Response | Kind::Notification));
        match response {
            Some((_, bytes)) if may_be_push && is_push(&bytes) => {
                script.pushes.push((delay(&bytes), bytes));
            }
            response => {
                let (form, body) = response.unwrap_or(("xml", Vec::new()));
                turn.answer = Some(Answer {
                    status: case.http_status,
                    headers: case.http_headers.clone(),
                    form,
                    body,
                    transport: case.transport,
                });
            }
        }
        script.turns.push_back(turn);
        Ok(())
    }

    fn story(&self, folder: &str, steps: &[Step], script: &mut Script) -> Result<(), ShelfError> {
        let mut after = SignedDuration::ZERO;
        let mut is_open = false;
        for step in steps {
            let wait = step.wait.as_deref().and_then(case::duration).unwrap_or(Duration::ZERO);
            after += SignedDuration::try_from(wait).unwrap_or_default();
            if let Some(file) = &step.out {
                let request = self.file(folder, file)?.unwrap_or_default();
                let method = step.method.clone().unwrap_or_else(|| "POST".to_owned());
                let path = step.path.clone();
                script.turns.push_back(Turn { request, method, path, answer: None });
                is_open = true;
            }
            let Some(file) = &step.input else { continue };
            let body = self.file(folder, file)?.unwrap_or_default();
            if is_push(&body) {
                script.pushes.push((after, body));
            } else if let Some(turn) = script.turns.back_mut().filter(|_| is_open) {
                let form = ENDS.into_iter().find(|end| file.ends_with(end)).unwrap_or("xml");
                let (status, headers) = (step.status.unwrap_or(200), step.headers.clone());
                let transport = step.transport;
                turn.answer = Some(Answer { status, headers, form, body, transport });
                is_open = false;
            }
        }
        Ok(())
    }

    fn one_of(
        &self,
        folder: &str,
        stem: &str,
    ) -> Result<Option<(&'static str, Vec<u8>)>, ShelfError> {
        for end in ENDS {
            if let Some(bytes) = self.file(folder, &format!("{stem}.{end}"))? {
                return Ok(Some((end, bytes)));
            }
        }
        Ok(None)
    }

    fn file(&self, folder: &str, name: &str) -> Result<Option<Vec<u8>>, ShelfError> {
        if name.is_empty() || name.contains(['/', '\\']) {
            return Ok(None);
        }
        Ok(self.read(&format!("{folder}/{name}"))?.map(Cow::into_owned))
    }

    /// A file of the folder, else one that was compiled in.
    fn read(&self, path: &str) -> Result<Option<Cow<'static, [u8]>>, ShelfError> {
        if let Some(own) = self.folder.as_ref().map(|folder| folder.join(path))
            && own.is_file()
        {
            let fault = |source| ShelfError::File { file: own.display().to_string(), source };
            if own.metadata().map_err(fault)?.len() > case::FILE_BYTES_MAX {
                return Err(fault(io::Error::other("the file is too long")));
            }
            return Ok(Some(std::fs::read(&own).map_err(fault)?.into()));
        }
        Ok(built_in(path).map(Cow::Borrowed))
    }
}

/// A file that was compiled in, by its path below `contracts/systems`.
pub(super) fn built_in(path: &str) -> Option<&'static [u8]> {
    let at = CONTRACTS.binary_search_by_key(&path, |(name, _)| name).ok()?;
    Some(CONTRACTS[at].1)
}

fn name_of(path: &str) -> Option<String> {
    let (system, rest) = path.split_once("/cases/")?;
    let (case, file) = rest.split_once('/')?;
    (file == case::CASE_FILE).then(|| format!("{system}/{case}"))
}

/// Whether a file is a message as the gateway delivers it.
fn is_push(bytes: &[u8]) -> bool {
    let root = xml::parse(bytes).ok();
    let body = root.as_ref().and_then(|root| root.child("Body"));
    body.and_then(|body| body.children.first()).is_some_and(|first| {
        first.name == "sendMessage" && first.namespace.as_deref() == Some(envelope::ASYNC)
    })
}

/// How long after the request a message was sent, by its own date.
fn sent_after(bytes: &[u8], recorded_at: Timestamp) -> SignedDuration {
    let root = xml::parse(bytes).unwrap_or_default();
    let date = root.text_at(&["Body", "sendMessage", "request", "messageInfo", "messageDate"]);
    let after = date.parse::<Timestamp>().map(|at| at.duration_since(recorded_at));
    after.unwrap_or_default().max(SignedDuration::ZERO)
}
