//! Finding cases on disk, and reading `case.toml` with errors that name file, line and key.

use std::{
    fmt, fs,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Attachment, CASE_FILE, Case, Code, Expected, FILE_BYTES_MAX, Job, Kind, Outcome, STEPS_MAX,
    Step,
};

/// A case on disk.
#[derive(Debug)]
pub struct Found {
    /// The system's folder: `gbdfl`.
    pub system: String,
    /// The case's folder: `not_found`.
    pub name: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// What it says, or why it cannot be read.
    pub case: Result<Case, CaseError>,
}

/// A case that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseError {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The key: `expected.outcome`.
    pub key: String,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)
    }
}

impl std::error::Error for CaseError {}

/// All cases below a folder of systems (`contracts/systems`), in the order of their names. A system
/// without `cases/` has none.
pub fn find(systems: &Path) -> std::io::Result<Vec<Found>> {
    let mut all = Vec::new();
    for system in folders(systems)? {
        let cases = systems.join(&system).join("cases");
        if !cases.is_dir() {
            continue;
        }
        for name in folders(&cases)? {
            let folder = cases.join(&name);
            let case = Case::load(&folder);
            all.push(Found { system: system.clone(), name, folder, case });
        }
    }
    Ok(all)
}

fn folders(of: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(of)? {
        let entry = entry?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

impl Case {
    /// Reads a case from its folder.
    pub fn load(folder: &Path) -> Result<Self, CaseError> {
        let file = folder.join(CASE_FILE);
        let unreadable = |error: std::io::Error| whole(folder, &error.to_string());
        if fs::metadata(&file).map_err(unreadable)?.len() > FILE_BYTES_MAX {
            return Err(whole(folder, "the file is too long"));
        }
        let text = fs::read_to_string(&file).map_err(unreadable)?;
        Self::read(&file, &text)
    }

    /// Reads the text of a `case.toml`; `file` is only named in errors.
    pub fn read(file: &Path, text: &str) -> Result<Self, CaseError> {
        let source = Source { file, text };
        let case: Self = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            source.at(&source.key_at(span.start), span, first_line(error.message()))
        })?;
        match faults(&case).into_iter().next() {
            Some((key, text)) => Err(source.at_key(&key, text)),
            None => Ok(case),
        }
    }
}

/// A job, or an empty table where nobody asked.
pub(super) fn job<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Job>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Maybe {
        id: Option<Uuid>,
        #[serde(default)]
        subject: String,
        input: Option<Value>,
        carry: Option<Value>,
        code: Option<Code>,
        #[serde(default)]
        files: Vec<Attachment>,
    }
    let Maybe { id, subject, input, carry, code, files } = Maybe::deserialize(deserializer)?;
    match (id, input) {
        (Some(id), Some(input)) => Ok(Some(Job { id, subject, input, carry, code, files })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(D::Error::missing_field("id")),
        (Some(_), None) => Err(D::Error::missing_field("input")),
    }
}

/// A fault of the case as a whole.
pub(super) fn whole(folder: &Path, text: &str) -> CaseError {
    let file = folder.join(CASE_FILE);
    CaseError { file, line: 0, column: 0, key: String::new(), text: text.to_owned() }
}

/// What a type cannot say: key and text, in the order of the file.
fn faults(case: &Case) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    if case.steps.is_empty() {
        match (case.message, &case.job) {
            (None, _) => all.push(("message".to_owned(), "is missing; or write `[[steps]]`")),
            (Some(Kind::Request | Kind::Update), _) | (Some(_), Some(_)) => {}
            (Some(_), None) => all.push(("job".to_owned(), "is missing")),
        }
    } else {
        if case.message.is_some() {
            all.push(("message".to_owned(), "is for a case without `[[steps]]`"));
        }
        if case.steps.len() > STEPS_MAX {
            all.push(("steps".to_owned(), "there are too many"));
        }
        for (at, step) in case.steps.iter().enumerate() {
            of_step(&mut all, &format!("steps.{at}"), step);
        }
    }
    if let Some(job) = &case.job {
        for (at, file) in job.files.iter().enumerate() {
            let given = [file.file.is_some(), file.text.is_some(), file.base64.is_some()];
            if given.iter().filter(|is_given| **is_given).count() != 1 {
                let text = "needs exactly one of `file`, `text` and `base64`";
                all.push((format!("job.files.{at}"), text));
            }
        }
    }
    of_expected(&mut all, "expected", &case.expected);
    all
}

fn of_step(all: &mut Vec<(String, &'static str)>, key: &str, step: &Step) {
    let kinds = [step.out.is_some(), step.input.is_some(), step.wait.is_some()];
    if kinds.iter().filter(|is_set| **is_set).count() != 1 {
        all.push((key.to_owned(), "needs exactly one of `out`, `in` and `wait`"));
    }
    if let Some(wait) = &step.wait
        && super::story::duration(wait).is_none()
    {
        all.push((format!("{key}.wait"), "is no duration; write for example `90s`, `15m`, `2h`"));
    }
    if let Some(expected) = &step.expected {
        of_expected(all, &format!("{key}.expected"), expected);
    }
}

fn of_expected(all: &mut Vec<(String, &'static str)>, key: &str, expected: &Expected) {
    let mut needs = |is_there: bool, name: &str, text| {
        if !is_there {
            all.push((format!("{key}.{name}"), text));
        }
    };
    match expected.outcome {
        Outcome::Failed => {
            needs(expected.class.is_some(), "class", "is missing beside the outcome `failed`");
            needs(expected.code.is_some(), "code", "is missing beside the outcome `failed`");
        }
        Outcome::NotOurs => {
            needs(expected.mismatch.is_some(), "mismatch", "is missing beside `not_ours`");
        }
        Outcome::Answered
        | Outcome::Acknowledged
        | Outcome::Interim
        | Outcome::NotDone
        | Outcome::Progress
        | Outcome::Received => {
            needs(expected.class.is_none(), "class", "is only for the outcome `failed`");
            needs(expected.code.is_none(), "code", "is only for the outcome `failed`");
        }
    }
    let is_class = |name: &str| crate::class::Class::ALL.iter().any(|class| class.name() == name);
    needs(expected.class.as_deref().is_none_or(is_class), "class", "is no class of failures");
    let again = expected.again_in.as_deref();
    let is_duration = |text: &str| super::story::duration(text).is_some();
    needs(again.is_none_or(is_duration), "again_in", "is no duration; write for example `15m`");
}

struct Source<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn at(&self, key: &str, span: Range<usize>, text: &str) -> CaseError {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let file = self.file.to_owned();
        CaseError { file, line, column, key: key.to_owned(), text: text.to_owned() }
    }

    /// The key whose value stands at a place: the header above it and the word before `=`.
    fn key_at(&self, offset: usize) -> String {
        let start = self.text.get(..offset).unwrap_or_default().rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[start..].lines().next().unwrap_or_default();
        let own = line.split_once('=').map_or("", |(key, _)| key).trim();
        let headers = self.text[..start].lines().rev().map(str::trim);
        let header = headers.filter(|line| line.starts_with('[')).find_map(|line| {
            let (name, _) = line.trim_start_matches('[').split_once(']')?;
            Some(name.trim())
        });
        match (header, own) {
            (Some(header), "") => header.to_owned(),
            (Some(header), own) => format!("{header}.{own}"),
            (None, own) => own.to_owned(),
        }
    }

    /// An error at a key path, or at the nearest table above it that is there.
    fn at_key(&self, key: &str, text: &str) -> CaseError {
        let span = toml::de::DeTable::parse(self.text)
            .ok()
            .map_or(0..0, |table| walk(table.get_ref(), key).unwrap_or(0..0));
        self.at(key, span, text)
    }
}

fn walk(table: &toml::de::DeTable<'_>, key: &str) -> Option<Range<usize>> {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let (name, value) = table.iter().find(|(name, _)| name.get_ref().as_ref() == first)?;
    let deeper = match value.get_ref() {
        toml::de::DeValue::Table(table) if !rest.is_empty() => walk(table, rest),
        toml::de::DeValue::Array(array) => {
            let (at, rest) = rest.split_once('.').unwrap_or((rest, ""));
            let element = at.parse::<usize>().ok().and_then(|at| array.get(at));
            element.map(|element| {
                let table = element.get_ref().as_table().filter(|_| !rest.is_empty());
                table.and_then(|table| walk(table, rest)).unwrap_or_else(|| element.span())
            })
        }
        toml::de::DeValue::Table(_)
        | toml::de::DeValue::String(_)
        | toml::de::DeValue::Integer(_)
        | toml::de::DeValue::Float(_)
        | toml::de::DeValue::Boolean(_)
        | toml::de::DeValue::Datetime(_) => None,
    };
    Some(deeper.unwrap_or_else(|| name.span()))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}
