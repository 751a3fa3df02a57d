//! What a check found: a light, the words, and how to mend it.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    /// As it should be.
    Ok,
    /// The hub runs; somebody should look soon.
    Warn,
    /// The hub does not run, or something of it does not work.
    Fail,
}

impl Light {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What is looked at: one dependency, with one file of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// The settings, and the files that they name.
    Settings,
    /// Years of the business calendar, and the time zone.
    Calendar,
    /// Free space of this machine.
    Disk,
    /// RabbitMQ.
    Broker,
    /// PostgreSQL.
    Database,
    /// What the hub keeps in the database: workers, backlog, partitions, business time.
    Hub,
    /// The government systems.
    Destinations,
    /// Hosts that events are delivered to.
    Callbacks,
}

impl Area {
    /// All, in the order of the report.
    pub const ALL: [Self; 8] = [
        Self::Settings,
        Self::Calendar,
        Self::Disk,
        Self::Broker,
        Self::Database,
        Self::Hub,
        Self::Destinations,
        Self::Callbacks,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Calendar => "calendar",
            Self::Disk => "disk",
            Self::Broker => "broker",
            Self::Database => "database",
            Self::Hub => "hub",
            Self::Destinations => "destinations",
            Self::Callbacks => "callbacks",
        }
    }
}

/// What a decision says; every decision is a pure function that returns one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How bad it is.
    pub light: Light,
    /// What was found.
    pub found: String,
    /// Why it matters and how to mend it; for [`Light::Ok`] there is nothing to mend.
    pub mend: Option<String>,
}

impl Verdict {
    /// As it should be.
    pub fn ok(found: impl Into<String>) -> Self {
        Self { light: Light::Ok, found: found.into(), mend: None }
    }

    /// Somebody should look soon.
    pub fn warn(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { light: Light::Warn, found: found.into(), mend: Some(mend.into()) }
    }

    /// It does not work.
    pub fn fail(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { light: Light::Fail, found: found.into(), mend: Some(mend.into()) }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub area: Area,
    /// The check; its names are stable.
    pub check: &'static str,
    /// Which one, where there are several: a queue, a system, a host.
    pub about: Option<String>,
    /// How bad it is.
    pub light: Light,
    /// What was found.
    pub found: String,
    /// Why it matters and how to mend it.
    pub mend: Option<String>,
}

/// The findings of one area, as they come: what was found before a deadline is kept.
#[derive(Debug)]
pub struct Findings {
    area: Area,
    all: Vec<Finding>,
}

impl Findings {
    /// None yet.
    pub const fn new(area: Area) -> Self {
        Self { area, all: Vec::new() }
    }

    /// Adds one.
    pub fn add(&mut self, check: &'static str, verdict: Verdict) {
        self.add_about(check, None, verdict);
    }

    /// Adds one about one of several.
    pub fn add_about(&mut self, check: &'static str, about: Option<&str>, verdict: Verdict) {
        let Verdict { light, found, mend } = verdict;
        let about = about.map(str::to_owned);
        self.all.push(Finding { area: self.area, check, about, light, found, mend });
    }

    /// Adds those of a part that was looked at on its own.
    pub fn extend(&mut self, more: Vec<Finding>) {
        self.all.extend(more);
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<Finding> {
        self.all
    }
}

/// What `hub doctor` says. Its JSON is a contract: fields are added, never changed; `version` rises if
/// one has to go.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of this shape.
    pub version: u32,
    /// The build that looked.
    pub build: String,
    /// When, in real time.
    pub at: jiff::Timestamp,
    /// The worst light.
    pub light: Light,
    /// Everything that was found, in the order of [`Area::ALL`].
    pub findings: Vec<Finding>,
}

impl Report {
    /// The version of the JSON.
    pub const VERSION: u32 = 1;

    /// The report of these findings.
    pub fn new(build: String, at: jiff::Timestamp, findings: Vec<Finding>) -> Self {
        let light = findings.iter().map(|finding| finding.light).max().unwrap_or(Light::Ok);
        Self { version: Self::VERSION, build, at, light, findings }
    }

    /// How many have this light.
    pub fn count(&self, light: Light) -> usize {
        self.findings.iter().filter(|finding| finding.light == light).count()
    }
}
