//! Real-estate register (ГБД «Регистр недвижимости», EGKN): what a person or an organisation owns,
//! over the synchronous channel of SHEP.
//!
//! Wire format: `contracts/systems/realestate/README.md` (gov-services §4).

mod failures;
mod properties;
mod simulator;
#[cfg(test)]
mod tests;
mod wire;

use std::{sync::Arc, time::Duration};

use contracts::{
    job::InputCheck,
    operation::{
        Again, Answers, ConsentRule, Effect, Key, OperationSpec, Parts, PortalTable, Reconcile,
        RowsTable, SlaSpec, SystemSpec, Takeover,
    },
    schema,
};
use serde_json::Value;

use crate::{
    settings::Settings,
    simulation::Simulation,
    system::{Adapter, ConnectError, System},
    transport::gateway::Gateway,
};

/// The registered system.
#[derive(Debug)]
pub struct Realestate;

/// Name and operations.
pub static SPEC: SystemSpec = SystemSpec {
    name: "realestate",
    title: "ГБД «Регистр недвижимости»: property by IIN or BIN",
    operations: &[&PROPERTIES],
};

/// `realestate.properties`: all objects of one owner, and which of their addresses can be pick-up
/// points (D12, D14).
pub static PROPERTIES: OperationSpec = OperationSpec {
    name: "realestate.properties",
    system: "realestate",
    effect: Effect::Query,
    consent: ConsentRule::NotNeeded,
    sla: SlaSpec::plain(Duration::from_secs(40), Duration::from_secs(60), Duration::from_hours(24)),
    // An answer after half a minute is still taken; after a lost one there is time for another.
    call_timeout: Duration::from_secs(35),
    attempts_max: 8,
    reconcile: Reconcile::Nobody,
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: Some(PortalTable {
        name: "portal.property_search",
        key: Key::Subject,
        constants: &[],
        columns: &["found", "pickup_addresses", "flawed", "actual_only", "checked_at"],
        takeover: Takeover::Clears,
        rows: Some(RowsTable {
            name: "portal.property",
            columns: &[
                "object_id",
                "cadastral_number",
                "object_type",
                "object_type_code",
                "area",
                "area_unit",
                "area_measure",
                "rka",
                "address_ru",
                "address_kk",
                "pickup_address",
                "rights",
                "encumbrances",
                "flaws",
            ],
        }),
    }),
};

impl System for Realestate {
    fn spec(&self) -> &'static SystemSpec {
        &SPEC
    }

    fn input(&self, _: &OperationSpec) -> (Value, InputCheck) {
        (schema::of::<properties::Input>(), properties::check_input)
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Adapter>, ConnectError> {
        Ok(Arc::new(properties::Register { gateway: Gateway::new(SPEC.name, &patient(settings))? }))
    }

    fn simulator(&self, simulation: Arc<Simulation>) -> axum::Router {
        simulator::router(simulation)
    }
}

/// A register that thinks is silent: a limit on silence that is shorter than the call's own limit
/// would cut off every answer that is slow and good. The call's limit still bounds everything.
fn patient(settings: &Settings) -> Settings {
    let call_ms = u64::try_from(PROPERTIES.call_timeout.as_millis()).unwrap_or(u64::MAX);
    let read_timeout_ms = settings.read_timeout_ms.max(call_ms);
    Settings { read_timeout_ms, ..settings.clone() }
}
