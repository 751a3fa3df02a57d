//! GBD UL (ГБД ЮЛ): organisations by BIN, over the synchronous channel of SHEP; the payload is
//! signed and travels as escaped text.
//!
//! Wire format: `contracts/systems/gbdul/README.md` (gov-services §3).

mod failures;
mod organization;
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
    settings::{OptionSpec, Settings},
    simulation::Simulation,
    system::{Adapter, ConnectError, System},
    transport::signing,
};

/// The registered system.
#[derive(Debug)]
pub struct Gbdul;

/// Name and operations.
pub static SPEC: SystemSpec = SystemSpec {
    name: "gbdul",
    title: "ГБД ЮЛ: organisations by BIN",
    operations: &[&ORGANIZATION],
};

/// `gbdul.organization`: the card of one organisation by BIN (D12).
pub static ORGANIZATION: OperationSpec = OperationSpec {
    name: "gbdul.organization",
    system: "gbdul",
    effect: Effect::Query,
    consent: ConsentRule::NotNeeded,
    sla: SlaSpec::plain(Duration::from_secs(10), Duration::from_secs(15), Duration::from_hours(24)),
    call_timeout: Duration::from_secs(10),
    attempts_max: 8,
    reconcile: Reconcile::Nobody,
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: Some(PortalTable {
        name: "portal.organization",
        key: Key::Subject,
        constants: &[],
        columns: &[
            "found",
            "bin",
            "kind",
            "full_name_ru",
            "full_name_kk",
            "short_name_ru",
            "short_name_kk",
            "reg_status",
            "registration_date",
            "registration_last_date",
            "liquidation_date",
            "org_form",
            "is_branch",
            "head",
            "leader",
            "address",
            "activity",
            "tax_status",
            "country",
            "flags",
        ],
        takeover: Takeover::Clears,
        rows: None,
    }),
};

impl System for Gbdul {
    fn spec(&self) -> &'static SystemSpec {
        &SPEC
    }

    fn input(&self, _: &OperationSpec) -> (Value, InputCheck) {
        (schema::of::<organization::Input>(), |_| Vec::new())
    }

    fn options(&self) -> &'static [OptionSpec] {
        &signing::OPTIONS
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Adapter>, ConnectError> {
        Ok(Arc::new(organization::Organizations::new(settings)?))
    }

    fn simulator(&self, simulation: Arc<Simulation>) -> axum::Router {
        simulator::router(simulation)
    }
}
