//! KPSiSU (КПСиСУ): criminal-record checks, over the asynchronous channel of SHEP.
//!
//! Wire format: `contracts/systems/kpsisu/README.md` (shep §2 FOUND, gov-services §5 DESIGNED).

mod answers;
mod check;
mod failures;
mod simulator;
#[cfg(test)]
mod tests;
mod wire;

use std::{sync::Arc, time::Duration};

use contracts::{
    job::InputCheck,
    operation::{
        Again, Answers, ConsentRule, Effect, Key, OperationSpec, Parts, PortalTable, Reconcile,
        SlaSpec, SystemSpec, Takeover,
    },
    schema,
};
use serde_json::Value;

use crate::{
    settings::Settings,
    simulation::Simulation,
    system::{Adapter, ConnectError, System},
};

/// The registered system.
#[derive(Debug)]
pub struct Kpsisu;

/// Name and operations.
pub static SPEC: SystemSpec =
    SystemSpec {
        name: "kpsisu", title: "КПСиСУ: criminal-record checks", operations: &[&CHECK]
    };

/// `kpsisu.check`: starts a check; the answer comes in ten minutes to five business days (D7).
pub static CHECK: OperationSpec = OperationSpec {
    name: "kpsisu.check",
    system: "kpsisu",
    effect: Effect::Command,
    consent: ConsentRule::Required,
    // D7: the end of the fifth business day after the day of the request; given up after twenty.
    sla: SlaSpec::business_days(4, 5, 20),
    call_timeout: Duration::from_secs(10),
    attempts_max: 20,
    reconcile: Reconcile::Nobody,
    answers: Answers::Later,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: Some(PortalTable {
        name: "portal.specialist_check",
        key: Key::Subject,
        constants: &[("system", "kpsisu")],
        columns: &["verdict", "certificate_number", "certificate_date"],
        takeover: Takeover::Clears,
        rows: None,
    }),
};

impl System for Kpsisu {
    fn spec(&self) -> &'static SystemSpec {
        &SPEC
    }

    fn input(&self, _: &OperationSpec) -> (Value, InputCheck) {
        (schema::of::<check::Input>(), check::check_input)
    }

    fn simulated(&self, simulators: &str) -> Vec<(&'static str, Value)> {
        vec![
            ("url", format!("{simulators}/kpsisu/").into()),
            ("push_peers", vec!["127.0.0.1"].into()),
            ("push_senders", vec![simulator::SENDER.id].into()),
            ("push_sender_password", simulator::SENDER.password.into()),
            ("pull_interval_s", (12 * 3_600).into()),
        ]
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Adapter>, ConnectError> {
        Ok(Arc::new(check::Checks::new(settings)?))
    }

    fn simulator(&self, simulation: Arc<Simulation>) -> axum::Router {
        simulator::router(simulation)
    }
}
