//! What the hub must know of an operation, as data: everything else derives from it.
//!
//! Queue names, configuration sections, metric labels, schemas, simulator routes and the statements
//! that write the portal's tables are built from these values, so that a new system is a folder
//! and a line.

use std::{fmt, time::Duration};

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
    /// Who can tell what became of a command whose answer was lost.
    pub reconcile: Reconcile,
    /// When their answer comes.
    pub answers: Answers,
    /// Who may ask for the same once more when it has ended badly.
    pub again: Again,
    /// What the input names besides plain fields.
    pub parts: Parts,
    /// The portal's row that a job of this operation owns. `None`: the result is in the event and
    /// the reply, or in rows that several operations share ([`Record`]).
    pub portal: Option<PortalTable>,
}

/// Whether asking twice does harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reading: may be asked again.
    Query,
    /// Starts or issues something: never re-sent blindly.
    Command,
}

/// Who can tell what became of a command whose answer was lost (design §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconcile {
    /// Nobody: only evidence that comes by itself, a human, or the give-up time ends the doubt.
    Nobody,
    /// Their system can be asked by our business key; asking is harmless.
    Ask {
        /// Pause between two questions; the first is asked after one pause.
        every: Duration,
    },
}

/// When the answer to a job comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// With the call.
    AtOnce,
    /// By their channel: the call is only acknowledged, and a command that was done was started.
    Later,
}

/// Who may ask for the same once more when a job has ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The portal, and an operator in its place.
    Anybody,
    /// Only the person, by another press: it reaches them at once, and who has left wants none (D6).
    Person,
}

/// What a job's input names besides plain fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Nothing.
    Plain,
    /// The field `code` is a one-time code: split off while decoding, kept sealed, never stored
    /// with the job (design §6).
    Code,
    /// The field `attachments` lists ids of `portal.attachment`. A file that is missing or larger
    /// makes the job `rejected` before anything is sent (D19).
    Files {
        /// Largest file.
        bytes_max: usize,
    },
}

/// Whether a recorded consent of the person is needed (D1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentRule {
    /// Not needed.
    NotNeeded,
    /// Without it the job is rejected.
    Required,
}

/// The promise, counted from `requested_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlaSpec {
    /// Warn from here.
    pub at_risk: Span,
    /// Promise broken from here.
    pub deadline: Span,
    /// Stop waiting from here.
    pub give_up: Span,
}

/// How far an instant of the promise lies behind the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// So much time, whatever the day.
    Plain(Duration),
    /// To the end of this business day of Kazakhstan after the day of the request, which is not
    /// counted (D7). One to [`BUSINESS_DAYS_MAX`].
    BusinessDays(u16),
}

/// The most business days of a promise: fewer than any year has, so that no promise reaches further
/// than the year after its own.
pub const BUSINESS_DAYS_MAX: u16 = 240;

/// The portal's table that an operation fills: one row per key (and constant key columns), owned by
/// the newest job of that key.
#[derive(Debug)]
pub struct PortalTable {
    /// Name with schema: `portal.person`.
    pub name: &'static str,
    /// What stands in the first key column.
    pub key: Key,
    /// Key columns besides it that are the same for every job of the operation.
    pub constants: &'static [(&'static str, &'static str)],
    /// Columns that the answer fills.
    pub columns: &'static [&'static str],
    /// Whether the columns are empty again when a newer job takes the row over.
    pub takeover: Takeover,
    /// A second table that the same answer fills, many rows a subject.
    pub rows: Option<RowsTable>,
}

/// The first key column of an owned row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The column `subject`: the portal's own record.
    Subject,
    /// A column of this name that holds the job's id as text.
    Job(&'static str),
}

/// What a newer job does to the columns that an older one filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takeover {
    /// Empties them: an old answer must not stand beside a new question.
    Clears,
    /// Leaves them: they are facts that outlive the job.
    Keeps,
}

/// Many rows a subject: an answer replaces all rows of its subject, while its job owns the row.
#[derive(Debug)]
pub struct RowsTable {
    /// Name with schema: `portal.property`. Its first key column is `subject`; the hub fills it.
    pub name: &'static str,
    /// The other columns, in any order.
    pub columns: &'static [&'static str],
}

/// A row that belongs to no single job: several operations, or messages that nobody asked for, write
/// parts of it. A value that an attempt does not give becomes NULL, so a record names only the columns
/// that are always written together.
#[derive(Debug)]
pub struct Record {
    /// Name with schema: `portal.delivery`.
    pub name: &'static str,
    /// Columns of the unique key; each write gives them.
    pub key: &'static [&'static str],
    /// The other columns that are written.
    pub columns: &'static [&'static str],
    /// What happens to a row that exists.
    pub mode: Mode,
}

/// What a write does to a row that exists, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Written whether it exists or not.
    Upsert,
    /// As `Upsert`, but only where the number in this column (one of `columns`) is larger than the
    /// one that stands there: an old event changes nothing.
    Forward(&'static str),
    /// Written once; a second write changes nothing.
    Once,
    /// Written only where the row exists.
    Update,
}

impl SlaSpec {
    /// A promise in plain time.
    pub const fn plain(at_risk: Duration, deadline: Duration, give_up: Duration) -> Self {
        Self {
            at_risk: Span::Plain(at_risk),
            deadline: Span::Plain(deadline),
            give_up: Span::Plain(give_up),
        }
    }

    /// A promise in business days.
    pub const fn business_days(at_risk: u16, deadline: u16, give_up: u16) -> Self {
        Self {
            at_risk: Span::BusinessDays(at_risk),
            deadline: Span::BusinessDays(deadline),
            give_up: Span::BusinessDays(give_up),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(time) => write!(f, "{} s", time.as_secs()),
            Self::BusinessDays(1) => f.write_str("1 business day"),
            Self::BusinessDays(days) => write!(f, "{days} business days"),
        }
    }
}

impl OperationSpec {
    /// The part of the name after the dot: `check`.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }
}
