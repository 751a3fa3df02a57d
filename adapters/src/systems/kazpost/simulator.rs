//! A pretended Kazpost: `POST /kazpost/` (SOAP), `/kazpost/ws/` (the same service in another contour,
//! which does not know the first one's numbers), `/kazpost/tracking/api/v2/` and `/kazpost/courier/`
//! (REST).
//!
//! ```text
//! counter  ─ GetAddrLetter … ─→ ledger: order number → track number    (door `kazpost`)
//! tracking ─ GET …/events ────→ ledger: when was it issued → history   (door `kazpost.track`)
//! courier  ─ POST … ──────────→ calls by order number                  (door `kazpost.courier`)
//! ```
//!
//! Each door has behaviours and a journal of its own in the control API.
//!
//! *Guarantee*: an order number is given one track number, for ever; a repetition issues nothing and
//! is answered with 20012. A number counts as issued before its answer is chosen to be lost.
//!
//! *Limits*: [`ledger::PARCELS_MAX`] numbers a contour, [`courier::CALLS_MAX`] courier calls.

mod behaviour;
mod counter;
mod courier;
mod ledger;
mod letter;
mod request;
mod tracking;
mod treatment;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Router,
    routing::{get, post},
};

use self::{
    behaviour::{Counter, Courier, Tracking},
    courier::Calls,
    ledger::Ledger,
};
use crate::simulation::{
    Simulation,
    behaviour::{Behaviour, Profile},
    journal::{Entry, Kind},
    wsdl::Speaks,
};

const COUNTER: &str = "kazpost";
const TRACKING: &str = "kazpost.track";
const COURIER: &str = "kazpost.courier";
/// For its WSDL.
const SPEAKS: &[Speaks] = &[Speaks::Own("kazpost/messages.xsd", letter::NAMESPACE)];

/// The whole company.
struct Kazpost {
    simulation: Arc<Simulation>,
    /// The contours' databases: prod, and the one that some call a test.
    contours: [Mutex<Ledger>; 2],
    calls: Mutex<Calls>,
}

/// What a request came to.
struct Effect {
    kind: Kind,
    executed: bool,
    /// The number that its order has now; the codes that a look was told.
    given: Option<String>,
}

impl Effect {
    /// Whether it took effect; what comes again is recognised and counts nowhere.
    const fn plain(executed: bool) -> Self {
        Self { kind: Kind::Query, executed, given: None }
    }
}

/// One of the contours.
#[derive(Clone)]
struct Contour {
    kazpost: Arc<Kazpost>,
    index: usize,
}

/// The routes below `/kazpost/`.
pub(super) fn router(simulation: Arc<Simulation>) -> Router {
    for (system, behaviours, speaks) in [
        (COUNTER, Counter::LISTED, SPEAKS),
        (TRACKING, Tracking::LISTED, &[]),
        (COURIER, Courier::LISTED, &[]),
    ] {
        simulation.register(Profile { system, behaviours, forge: None, speaks });
    }
    let kazpost = Arc::new(Kazpost {
        simulation,
        contours: ["AP", "QS"].map(|prefix| Mutex::new(Ledger::new(prefix))),
        calls: Mutex::default(),
    });
    let contour = |index| {
        let contour = Contour { kazpost: Arc::clone(&kazpost), index };
        Router::new().route("/", post(counter::serve)).with_state(contour)
    };
    let rest = Router::new()
        .route("/tracking/api/v2/{track}", get(tracking::summary))
        .route("/tracking/api/v2/{track}/events", get(tracking::events))
        .route("/courier/api/auth/v1/sign-in", post(courier::sign_in))
        .route("/courier/api/core/v1/call-courier", post(courier::call))
        .with_state(Arc::clone(&kazpost));
    contour(0).nest("/ws/", contour(1)).merge(rest)
}

impl Kazpost {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self, contour: usize) -> MutexGuard<'_, Ledger> {
        self.contours[contour].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a request down: what it met, whether it changed something, whether that could be
    /// learned at once.
    fn write_down(
        &self,
        door: &'static str,
        number: &str,
        outcome: &'static str,
        effect: &Effect,
        acknowledged: bool,
    ) {
        self.simulation.write_down(Entry {
            system: door,
            request_number: number.to_owned(),
            received_at: self.simulation.now(),
            kind: effect.kind,
            outcome,
            executed: effect.executed,
            given: effect.given.clone(),
            acknowledged,
            correlation_id: None,
            answered: u32::from(acknowledged),
            pushes: 0,
            delivered: 0,
        });
    }
}
