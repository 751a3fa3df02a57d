//! What the hub must know of an operation, as data: everything else derives from it.
//!
//! Queue names, configuration sections, metric labels, schemas, simulator routes and the statements
//! that write the portal's tables are built from these values, so that a new system is a folder
//! and a line.

use std::time::Duration;

/// A government system.
#[derive(Debug)]
pub struct SystemSpec {
    /// Short name, used everywhere: `kpsisu`.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it can be asked.
    pub operations: &'static [&'static OperationSpec],
}

/// One thing a portal backend can ask for.
#[derive(Debug)]
pub struct OperationSpec {
    /// Full name and routing key: `kpsisu.check`.
    pub name: &'static str,
    /// The system it belongs to; the part of the name before the dot.
    pub system: &'static str,
    /// Whether asking twice does harm.
    pub effect: Effect,
    /// Whether a recorded consent of the person is needed (D1).
    pub consent: ConsentRule,
    /// The business promise; each can be changed in configuration.
    pub sla: SlaSpec,
    /// Time limit of one attempt, from connecting to the last byte.
    pub call_timeout: Duration,
    /// How many attempts that spend one are made.
    pub attempts_max: u16,
    /// Where the portal reads the result.
    pub portal: PortalTable,
}

/// Whether asking twice does harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reading: may be asked again.
    Query,
    /// Starts or issues something: never re-sent blindly.
    Command,
}

/// Whether a recorded consent of the person is needed (D1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentRule {
    /// Not needed.
    NotNeeded,
    /// Without it the job is rejected.
    Required,
}

/// The promise, as plain durations from `requested_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlaSpec {
    /// Warn from here.
    pub at_risk: Duration,
    /// Promise broken from here.
    pub deadline: Duration,
    /// Stop waiting from here.
    pub give_up: Duration,
}

/// The portal's table that an operation fills: one row per subject (and constant key columns).
#[derive(Debug)]
pub struct PortalTable {
    /// Name with schema: `portal.person`.
    pub name: &'static str,
    /// Key columns besides `subject` that are the same for every job of the operation.
    pub constants: &'static [(&'static str, &'static str)],
    /// Columns that the answer fills; empty again when a newer job takes the row over.
    pub columns: &'static [&'static str],
}

impl OperationSpec {
    /// The part of the name after the dot: `check`.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }
}
