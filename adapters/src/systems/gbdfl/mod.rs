//! GBD FL (ГБД ФЛ): persons by IIN, over the synchronous channel of SHEP.
//!
//! Wire format: `contracts/systems/gbdfl/README.md` (gov-services §2).

mod failures;
mod person;
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

pub use self::simulator::{Looks, looks};
use crate::{
    settings::Settings,
    simulation::Simulation,
    system::{Adapter, ConnectError, System},
    transport::gateway::Gateway,
};

/// The registered system.
#[derive(Debug)]
pub struct Gbdfl;

/// Name and operations.
pub static SPEC: SystemSpec =
    SystemSpec { name: "gbdfl", title: "ГБД ФЛ: persons by IIN", operations: &[&PERSON] };

/// `gbdfl.person`: one person by IIN (D12).
pub static PERSON: OperationSpec = OperationSpec {
    name: "gbdfl.person",
    system: "gbdfl",
    effect: Effect::Query,
    consent: ConsentRule::NotNeeded,
    sla: SlaSpec::plain(Duration::from_secs(12), Duration::from_secs(15), Duration::from_hours(24)),
    call_timeout: Duration::from_secs(10),
    attempts_max: 8,
    reconcile: Reconcile::Nobody,
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: Some(PortalTable {
        name: "portal.person",
        key: Key::Subject,
        constants: &[],
        columns: &[
            "found",
            "iin",
            "surname",
            "name",
            "patronymic",
            "birth_date",
            "death_date",
            "gender",
            "citizenship",
            "nationality",
            "life_status",
            "reg_address",
            "document",
            "flags",
        ],
        takeover: Takeover::Clears,
        rows: None,
    }),
};

impl System for Gbdfl {
    fn spec(&self) -> &'static SystemSpec {
        &SPEC
    }

    fn input(&self, _: &OperationSpec) -> (Value, InputCheck) {
        (schema::of::<person::Input>(), |_| Vec::new())
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Adapter>, ConnectError> {
        Ok(Arc::new(person::Persons { gateway: Gateway::new(SPEC.name, settings)? }))
    }

    fn simulator(&self, simulation: Arc<Simulation>) -> axum::Router {
        simulator::router(simulation)
    }
}
