//! Kazpost (АО «Казпочта»): labels and track numbers, courier calls, tracking, cancellation; over
//! plain SOAP and REST of its own (D13-D18, D23).
//!
//! Wire format: `contracts/systems/kazpost/README.md` (kazpost §1-§11).
//!
//! ```text
//! label ─ GetAddrLetter ─ number, PDF ─→ answered ─→ follow-up: track
//!    │          └ number, no PDF ─→ interim ─ GetAddrLetterUsingBarcode ─→ answered
//!    └ answer lost ─→ reconcile: GetBarCodeFromOrderNum ─ number ─→ interim │ unknown ─→ not done
//! track ─ …/events ─ hourly ─→ interim … ─ terminal code stands for 72 hours ─→ answered
//! ```

mod call_courier;
mod callback;
mod cancel;
mod codes;
mod courier;
mod failures;
mod history;
mod input;
mod label;
mod office;
mod portal;
mod simulator;
mod status;
#[cfg(test)]
mod tests;
mod track;
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

pub use self::callback::{Callback, CallbackError};
use crate::{
    settings::{OptionSpec, Settings},
    simulation::Simulation,
    system::{Adapter, ConnectError, System},
};

/// The registered system.
#[derive(Debug)]
pub struct Kazpost;

/// Name and operations.
pub static SPEC: SystemSpec = SystemSpec {
    name: "kazpost",
    title: "АО «Казпочта»: labels, couriers and tracking",
    operations: &[&LABEL, &CALL_COURIER, &TRACK, &CANCEL],
};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `kazpost.label`: a track number and an address label for an order (D13-D15).
pub static LABEL: OperationSpec = OperationSpec {
    name: "kazpost.label",
    system: "kazpost",
    effect: Effect::Command,
    consent: ConsentRule::NotNeeded,
    sla: SlaSpec::plain(
        Duration::from_secs(5 * MINUTE),
        Duration::from_secs(10 * MINUTE),
        Duration::from_secs(DAY),
    ),
    call_timeout: Duration::from_secs(45),
    attempts_max: 20,
    reconcile: Reconcile::Ask { every: Duration::from_secs(30) },
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: Some(PortalTable {
        name: portal::DELIVERY,
        key: Key::Subject,
        constants: &[],
        columns: portal::NUMBER_COLUMNS,
        takeover: Takeover::Keeps,
        rows: None,
    }),
};

/// `kazpost.call_courier`: a courier fetches the goods at the address that the supplier chose (D14).
pub static CALL_COURIER: OperationSpec = OperationSpec {
    name: "kazpost.call_courier",
    system: "kazpost",
    effect: Effect::Command,
    consent: ConsentRule::NotNeeded,
    sla: SlaSpec::plain(
        Duration::from_secs(5 * MINUTE),
        Duration::from_secs(10 * MINUTE),
        Duration::from_secs(DAY),
    ),
    call_timeout: Duration::from_secs(45),
    attempts_max: 20,
    reconcile: Reconcile::Ask { every: Duration::from_secs(5 * MINUTE) },
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: None,
};

/// `kazpost.track`: follows a parcel until a terminal code has stood for 72 hours (D17). An outage
/// must not end a job that lives for months, so attempts are as good as unlimited: the give-up time
/// ends it.
pub static TRACK: OperationSpec = OperationSpec {
    name: "kazpost.track",
    system: "kazpost",
    effect: Effect::Query,
    consent: ConsentRule::NotNeeded,
    sla: SlaSpec::plain(
        Duration::from_secs(21 * DAY),
        Duration::from_secs(30 * DAY),
        Duration::from_secs(90 * DAY),
    ),
    call_timeout: Duration::from_secs(20),
    attempts_max: 10_000,
    reconcile: Reconcile::Nobody,
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: None,
};

/// `kazpost.cancel`: gives a track number back («Отмена ШПИ»).
pub static CANCEL: OperationSpec = OperationSpec {
    name: "kazpost.cancel",
    system: "kazpost",
    effect: Effect::Command,
    consent: ConsentRule::NotNeeded,
    sla: SlaSpec::plain(
        Duration::from_secs(5 * MINUTE),
        Duration::from_secs(10 * MINUTE),
        Duration::from_secs(DAY),
    ),
    call_timeout: Duration::from_secs(45),
    attempts_max: 20,
    reconcile: Reconcile::Ask { every: Duration::from_secs(MINUTE) },
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: None,
};

impl System for Kazpost {
    fn spec(&self) -> &'static SystemSpec {
        &SPEC
    }

    fn input(&self, operation: &OperationSpec) -> (Value, InputCheck) {
        match operation.name {
            "kazpost.call_courier" => {
                (schema::of::<call_courier::Input>(), call_courier::check_input)
            }
            "kazpost.track" => (schema::of::<track::Input>(), |_| Vec::new()),
            "kazpost.cancel" => (schema::of::<cancel::Input>(), |_| Vec::new()),
            _ => (schema::of::<label::Input>(), label::check_input),
        }
    }

    fn options(&self) -> &'static [OptionSpec] {
        office::OPTIONS
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Adapter>, ConnectError> {
        Ok(Arc::new(office::Office::new(settings)?))
    }

    fn simulator(&self, simulation: Arc<Simulation>) -> axum::Router {
        simulator::router(simulation)
    }
}
