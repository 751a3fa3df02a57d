//! What the hub does itself, asked for like everything else: by a job.
//!
//! The one operation so far withdraws a job: the person takes consent back (D1), or the portal made
//! a mistake. Only what has not been sent can be withdrawn.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::operation::{
    Again, Answers, ConsentRule, Effect, OperationSpec, Parts, Reconcile, SlaSpec, SystemSpec,
};

/// The hub as a system of its own.
pub static SPEC: SystemSpec =
    SystemSpec { name: "hub", title: "The hub itself", operations: &[&CANCEL] };

/// `hub.cancel`: withdraws a job that was not sent yet.
///
/// Asked again it answers the same, so it counts as a query.
pub static CANCEL: OperationSpec = OperationSpec {
    name: "hub.cancel",
    system: "hub",
    effect: Effect::Query,
    consent: ConsentRule::NotNeeded,
    sla: SlaSpec::plain(
        Duration::from_secs(5),
        Duration::from_secs(15),
        Duration::from_secs(3_600),
    ),
    call_timeout: Duration::from_secs(20),
    attempts_max: 5,
    reconcile: Reconcile::Nobody,
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: None,
};

/// What `hub.cancel` needs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelInput {
    /// The job to withdraw.
    pub job_id: Uuid,
    /// Why; kept with the job and told in its event.
    pub reason: CancelReason,
}

/// Why a job is withdrawn. Closed, because it is told in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The person took the consent back.
    ConsentWithdrawn,
    /// The portal should not have asked.
    Mistake,
    /// Nobody needs the answer any more.
    NotNeeded,
}

impl CancelReason {
    /// The name in tables and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::Mistake => "mistake",
            Self::NotNeeded => "not_needed",
        }
    }
}
