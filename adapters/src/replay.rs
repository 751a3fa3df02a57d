//! Replays contract cases against the adapters, without anything outside this process.
//!
//! ```text
//! case.toml ─ job ─→ Adapter ─ request ─→ stage ─ request.xml: the same? its XSD?
//!                       ↑                   │
//!                       └── response.xml ←──┘  its XSD, as the case says
//!                       └─→ what was learned ─ [expected]: the same?
//! ```
//!
//! A message that a gateway delivers later is read by [`crate::transport::shep_async`] and judged
//! by the adapter's channel, as the hub does it.
//!
//! *Guarantee*: [`Engine::check`] opens sockets on the loopback address alone and ends within the
//! operation's own time limit for each call. It never panics on what a case holds: every fault is a
//! [`Finding`] that names the file and what was expected.
//!
//! *What this does not do*: it knows no system by name, so a new one needs nothing here.

pub mod compare;
pub mod drift;
mod learned;
pub mod live;
pub mod schema;
mod stage;
mod story;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use contracts::case::{self, Case, Found};
use futures_util::{StreamExt, stream};

pub(crate) use self::story::Rehearsal;
use self::{
    compare::Difference,
    schema::{SchemaError, Schemas},
};
use crate::{system::System, systems};

/// Cases replayed at once.
const AT_ONCE: usize = 8;

/// Cases, schemas and systems, ready to be replayed.
pub struct Engine {
    schemas: Schemas,
    systems: Vec<Box<dyn System>>,
    cases: Vec<Found>,
}

/// Why nothing can be replayed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be read.
    #[error("{}: {source}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// What a replay of one case showed.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The system's folder.
    pub system: String,
    /// The case's folder.
    pub case: String,
    /// The case's title; empty where it cannot be read.
    pub title: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// What is wrong; empty: the case holds.
    pub findings: Vec<Finding>,
    /// What should be looked at, and does not fail the case.
    pub warnings: Vec<String>,
    /// Another case of the operation that expects what was learned here.
    pub closest: Option<String>,
}

/// Which part of a case does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The case itself: it cannot be read, or asks for something that cannot be.
    Case,
    /// What the hub sent.
    Request,
    /// What the hub made of the answer.
    Outcome,
    /// A message and its XSD.
    Schema,
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which part.
    pub what: What,
    /// The file that says otherwise: `request.xml`.
    pub file: String,
    /// In words; empty where the differences say everything.
    pub text: String,
    /// Where two things differ.
    pub differences: Vec<Difference>,
}

impl What {
    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::Request => "request",
            Self::Outcome => "outcome",
            Self::Schema => "schema",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what.name(), self.file)?;
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        for difference in &self.differences {
            write!(f, "\n    {difference}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}/{}: {}", self.system, self.case, self.title)?;
        write!(f, "  {}", self.folder.display())?;
        for finding in &self.findings {
            write!(f, "\n  {finding}")?;
        }
        if let Some(closest) = &self.closest {
            write!(f, "\n  that is what the case {closest} expects")?;
        }
        Ok(())
    }
}

impl Report {
    /// Whether the case holds.
    pub const fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("cases", &self.cases.len()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Reads all schemas and cases below a folder of systems: `contracts/systems`.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let unreadable = |source| OpenError::Folder { folder: folder.to_owned(), source };
        let cases = case::find(folder).map_err(unreadable)?;
        Ok(Self { schemas: Schemas::load(folder)?, systems: systems::all(), cases })
    }

    /// All cases, in the order of their names.
    pub fn cases(&self) -> &[Found] {
        &self.cases
    }

    /// The schemas.
    pub const fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// Replays some cases, several at once; `seen` hears of each as it ends. The reports are in the
    /// order of the cases.
    pub async fn check_all<'a>(
        &self,
        cases: impl IntoIterator<Item = &'a Found>,
        mut seen: impl FnMut(&Report),
    ) -> Vec<Report> {
        let cases = cases.into_iter();
        let mut running = stream::iter(cases.map(|found| self.check(found))).buffered(AT_ONCE);
        let mut reports = Vec::new();
        while let Some(report) = running.next().await {
            seen(&report);
            reports.push(report);
        }
        reports
    }

    /// Replays one case.
    pub async fn check(&self, found: &Found) -> Report {
        let (system, name) = (found.system.clone(), found.name.clone());
        let mut report = Report::of(system, name, found.folder.clone());
        match &found.case {
            Ok(case) => {
                report.title.clone_from(&case.title);
                story::Replay::new(self, found, case, &mut report).run().await;
            }
            Err(error) => report.add(What::Case, case::CASE_FILE, error.to_string()),
        }
        report
    }

    /// What the hub sends and learns with a case, whatever the case expects.
    pub(crate) async fn rehearse(&self, found: &Found) -> Result<Rehearsal, String> {
        let case = found.case.as_ref().map_err(ToString::to_string)?;
        let (system, name) = (found.system.clone(), found.name.clone());
        let mut report = Report::of(system, name, found.folder.clone());
        story::Replay::new(self, found, case, &mut report).rehearse().await
    }

    /// The systems.
    pub(crate) fn systems(&self) -> &[Box<dyn System>] {
        &self.systems
    }

    /// Another case of the operation that expects what was learned.
    fn closest(&self, own: &Found, case: &Case, learned: &learned::Learned) -> Option<String> {
        let others = self.cases.iter().filter(|other| other.folder != own.folder);
        let mut alike = others.filter(|other| {
            other.case.as_ref().is_ok_and(|other| {
                other.operation == case.operation && learned.against(&other.expected).is_empty()
            })
        });
        alike.next().map(|found| format!("{}/{}", found.system, found.name))
    }
}

impl Report {
    fn of(system: String, case: String, folder: PathBuf) -> Self {
        let (findings, warnings) = (Vec::new(), Vec::new());
        Self { system, case, title: String::new(), folder, findings, warnings, closest: None }
    }

    fn add(&mut self, what: What, file: &str, text: String) {
        self.findings.push(Finding { what, file: file.to_owned(), text, differences: Vec::new() });
    }

    fn differ(&mut self, what: What, file: &str, differences: Vec<Difference>) {
        if !differences.is_empty() {
            let (file, text) = (file.to_owned(), String::new());
            self.findings.push(Finding { what, file, text, differences });
        }
    }
}
