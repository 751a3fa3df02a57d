//! M-Gov (МГОВ, БМГ): the mobile citizens' database, over the synchronous channel of SHEP.
//!
//! ```text
//! mgov.lookup ─→ CHECK    is this person's phone known?            harmless
//! mgov.send_code ─→ SEND  one SMS with four digits (D6)            never re-sent
//! mgov.verify_code ─→ VERIFY  are these the digits of *that* SEND? uses up an attempt (D4, D5)
//! ```
//!
//! The job that sends a code gives it its name: `code_ref` is that job's id. What only the hub can
//! decide (which check, which person, how often) stands in `hub.sms_code`; the words for its
//! refusals are in [`refusals`], so that a person reads the same whoever refuses.
//!
//! Wire format: `contracts/systems/mgov/README.md` (gov-services §7.2, DESIGNED).
//!
//! *What this does not do*: consent tokens of KDP (gov-services §7.1).

mod failures;
mod lookup;
pub mod refusals;
mod rows;
pub mod rules;
mod send_code;
mod simulator;
#[cfg(test)]
mod tests;
mod verify_code;
mod wire;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use contracts::{
    job::InputCheck,
    operation::{
        Again, Answers, ConsentRule, Effect, Key, OperationSpec, Parts, PortalTable, Reconcile,
        SlaSpec, SystemSpec, Takeover,
    },
    schema,
};
use serde_json::Value;

pub use self::{refusals::Refusal, rules::CodeRules};
use crate::{
    attempt::{Attempt, Call, Exchange},
    settings::{OptionSpec, Settings},
    simulation::Simulation,
    system::{Adapter, ConnectError, System},
    transport::{
        gateway::Gateway,
        shep_sync::{self, Head, Reply},
    },
};

/// The registered system.
#[derive(Debug)]
pub struct Mgov;

/// Name and operations.
pub static SPEC: SystemSpec = SystemSpec {
    name: "mgov",
    title: "M-Gov (БМГ): phones of persons, one-time codes",
    operations: &[&LOOKUP, &SEND_CODE, &VERIFY_CODE],
};

/// D5: nobody waits longer than a code lives.
const SLA: SlaSpec =
    SlaSpec::plain(Duration::from_secs(20), Duration::from_secs(30), Duration::from_secs(300));

/// `mgov.lookup`: whether a person is registered, and whether a number is theirs (D3).
pub static LOOKUP: OperationSpec = OperationSpec {
    name: "mgov.lookup",
    system: "mgov",
    effect: Effect::Query,
    consent: ConsentRule::NotNeeded,
    sla: SLA,
    call_timeout: Duration::from_secs(10),
    attempts_max: 8,
    reconcile: Reconcile::Nobody,
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: None,
};

/// `mgov.send_code`: sends one code for one check (D4, D6).
pub static SEND_CODE: OperationSpec = OperationSpec {
    name: "mgov.send_code",
    effect: Effect::Command,
    again: Again::Person,
    portal: Some(PortalTable {
        name: "portal.sms_code",
        key: Key::Job("code_ref"),
        constants: &[],
        columns: &["purpose", "sent_at", "expires_at", "resend_at", "attempts_left"],
        takeover: Takeover::Clears,
        rows: None,
    }),
    ..LOOKUP
};

/// `mgov.verify_code`: verifies what the person typed (D4, D5).
pub static VERIFY_CODE: OperationSpec = OperationSpec {
    name: "mgov.verify_code",
    effect: Effect::Command,
    parts: Parts::Code,
    portal: None,
    ..LOOKUP
};

impl System for Mgov {
    fn spec(&self) -> &'static SystemSpec {
        &SPEC
    }

    fn input(&self, operation: &OperationSpec) -> (Value, InputCheck) {
        let schema = if operation.name == SEND_CODE.name {
            schema::of::<send_code::Input>()
        } else if operation.name == VERIFY_CODE.name {
            schema::of::<verify_code::Input>()
        } else {
            schema::of::<lookup::Input>()
        };
        (schema, |_| Vec::new())
    }

    fn options(&self) -> &'static [OptionSpec] {
        rules::OPTIONS
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Adapter>, ConnectError> {
        let gateway = Gateway::new(SPEC.name, settings)?;
        Ok(Arc::new(Bmg { gateway, rules: CodeRules::read(settings)? }))
    }

    fn simulator(&self, simulation: Arc<Simulation>) -> axum::Router {
        simulator::router(simulation)
    }
}

/// The adapter.
#[derive(Debug)]
struct Bmg {
    gateway: Gateway,
    rules: CodeRules,
}

#[async_trait]
impl Adapter for Bmg {
    async fn attempt(&self, call: &Call) -> Attempt {
        if call.operation.name == SEND_CODE.name {
            send_code::attempt(self, call).await
        } else if call.operation.name == VERIFY_CODE.name {
            verify_code::attempt(self, call).await
        } else {
            lookup::attempt(self, call).await
        }
    }
}

impl Bmg {
    /// Sends one request, which carries the job's id as its number.
    async fn ask(
        &self,
        call: &Call,
        request: wire::Request<'_>,
    ) -> (Result<Reply, failures::Cause>, Exchange) {
        let head = Head { service_id: wire::SERVICE_ID, message_id: call.job_id, now: call.now };
        let (reply, exchange) = shep_sync::send(&self.gateway, head, call.time_limit, |xml| {
            wire::write(xml, call.job_id, request);
        })
        .await;
        (reply.map_err(failures::Cause::from), exchange)
    }
}
