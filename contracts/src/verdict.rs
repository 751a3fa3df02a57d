//! The three verdicts of a check (D9): an unknown or contradictory answer is never `clear`.

use serde::{Deserialize, Serialize};

/// What a check says about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No record.
    Clear,
    /// There is a record.
    Found,
    /// Nobody answered yet, or the answer does not decide it.
    #[default]
    Unknown,
}

impl Verdict {
    /// The name in tables and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Found => "found",
            Self::Unknown => "unknown",
        }
    }
}
