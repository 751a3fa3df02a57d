//! MZ RK (МЗ РК): the psychiatric and narcological registers of the Ministry of Health, over the
//! synchronous channel of SHEP.
//!
//! Wire format: `contracts/systems/mzrk/README.md` (gov-services §6: DESIGNED in the dialect of the
//! ministry's services, which is FOUND).

mod check;
mod failures;
mod registers;
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
pub struct Mzrk;

/// Name and operations.
pub static SPEC: SystemSpec = SystemSpec {
    name: "mzrk",
    title: "МЗ РК: psychiatric and narcological registers",
    operations: &[&CHECK],
};

/// `mzrk.check`: asks both registers about one person (D8-D11).
///
/// Two whole calls fit into the promise of two minutes. Thirty attempts outlast an outage of about
/// two hours of the ministry, or of six hours of one register; what costs no attempt (a pause that
/// they announce, a rejected account) waits for a day.
pub static CHECK: OperationSpec = OperationSpec {
    name: "mzrk.check",
    system: "mzrk",
    effect: Effect::Query,
    consent: ConsentRule::Required,
    sla: SlaSpec::plain(
        Duration::from_secs(90),
        Duration::from_secs(120),
        Duration::from_hours(24),
    ),
    call_timeout: Duration::from_secs(55),
    attempts_max: 30,
    reconcile: Reconcile::Nobody,
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: Some(PortalTable {
        name: "portal.specialist_check",
        key: Key::Subject,
        constants: &[("system", "mzrk")],
        // The registers issue no certificate: its columns stay empty.
        columns: &["verdict", "certificate_number", "certificate_date"],
        takeover: Takeover::Clears,
        rows: None,
    }),
};

impl System for Mzrk {
    fn spec(&self) -> &'static SystemSpec {
        &SPEC
    }

    fn input(&self, _: &OperationSpec) -> (Value, InputCheck) {
        (schema::of::<check::Input>(), |_| Vec::new())
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Adapter>, ConnectError> {
        Ok(Arc::new(check::Checks::new(settings)?))
    }

    fn simulator(&self, simulation: Arc<Simulation>) -> axum::Router {
        simulator::router(simulation)
    }
}
