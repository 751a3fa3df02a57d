//! The way of a job through the hub.
//!
//! ```text
//! delivery → decode → admit ──commit──→ settle (ack)
//!                        └ a permit is free → call → record ──commit──→ relay tells
//!                        └ otherwise stored → claim ─┘
//! ```
//!
//! Each step is a function with a typed input and output; [`Hub`] holds what they share.
//!
//! *Guarantee*: nothing holds a delivery longer than its admission takes (invariant 1); a command is
//! started only by a commit that says so (invariant 3).

pub mod admit;
pub mod call;
pub mod claim;
pub mod consent;
pub mod decode;
pub mod destination;
pub mod exchange;
pub mod follow_up;
pub mod lanes;
pub mod links;
pub mod own;
pub mod prepare;
pub mod protect;
pub mod record;
pub mod registry;
pub mod retries;
pub mod settle;
pub mod slots;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use adapters::{
    system::{ConnectError, System},
    systems,
};
use contracts::{
    job::Catalogue,
    operation::OperationSpec,
    own::{CANCEL, CancelInput, SPEC as OWN},
    schema::{self, SchemaError},
};
use tokio::sync::{Mutex, Notify, mpsc};
use uuid::Uuid;

use self::{destination::Destination, record::Record, registry::Registry};
use crate::{
    alarm::Alarm,
    broker::publisher::Publishing,
    chance::Chance,
    config::{Config, Protection},
    seal::Sealer,
    store::Store,
    telemetry::traces::{self, Traces},
};

/// Results that wait for the record commit.
pub const RECORD_QUEUE_MAX: usize = 4_096;

/// What all parts of a running hub share.
#[derive(Debug)]
pub struct Hub {
    /// The settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// Seals raw messages.
    pub sealer: Sealer,
    /// Randomness.
    pub chance: Chance,
    /// What can be asked.
    pub catalogue: Catalogue,
    /// All operations of this build, by name; also those of systems that are not configured.
    pub operations: HashMap<&'static str, &'static OperationSpec>,
    /// The configured systems.
    pub destinations: BTreeMap<&'static str, Arc<Destination>>,
    /// The jobs whose call this process has under way, or is about to start.
    pub registry: Registry,
    /// Where finished calls and believed messages go.
    pub record: mpsc::Sender<Record>,
    /// Something was committed that a loop waits for.
    pub wake: Wake,
    /// Spans, where somebody collects them.
    pub traces: Traces,
    /// Whether events can be published.
    pub publishing: Publishing,
    /// Held during a round of the relay: whoever holds it gives no partition away whose events are on
    /// their way.
    pub relaying: Mutex<()>,
    worker: RwLock<Uuid>,
    retries_disabled: RwLock<Vec<String>>,
}

/// Bells of the loops.
#[derive(Debug, Default)]
pub struct Wake {
    /// Events were written here.
    pub relay: Notify,
    /// Jobs were stored, or permits came free.
    pub claim: Notify,
    /// What all workers share has changed.
    pub look: Notify,
    /// Retries of other operations are stopped now.
    pub retries: Notify,
    /// Events that another process wrote wait in our partitions.
    pub unsent: Notify,
    /// A worker came or went, or gave partitions away.
    pub workers: Notify,
    /// A timer may be due at that moment.
    pub timers: Alarm,
    /// A pull may be due.
    pub pull: Notify,
    /// Messages are to be looked at again.
    pub sweep: Notify,
    /// A conversation became known.
    pub rematch: Notify,
    /// A delivery by HTTP may be due.
    pub callbacks: Notify,
}

/// The hub cannot be built from these settings.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A system's settings cannot work.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The sealing key cannot be read.
    #[error(transparent)]
    Seal(#[from] crate::seal::Error),
    /// Spans cannot be exported.
    #[error(transparent)]
    Traces(#[from] traces::Error),
    /// The database address cannot be used.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

/// What each system can be asked, with its schemas.
pub fn catalogue<'a>(
    systems: impl IntoIterator<Item = &'a dyn System>,
) -> Result<Catalogue, SchemaError> {
    let mut catalogue = Catalogue::default();
    for system in systems {
        for operation in system.spec().operations {
            let (schema, check) = system.input(operation);
            catalogue.add(operation, &schema, check)?;
        }
    }
    catalogue.add(&CANCEL, &schema::of::<CancelInput>(), |_| Vec::new())?;
    Ok(catalogue)
}

impl Hub {
    /// Builds everything that needs no connection.
    pub fn build(config: Config) -> Result<(Arc<Self>, mpsc::Receiver<Record>), BuildError> {
        let chance = Chance::from_entropy();
        let all = systems::all();
        let configured: Vec<&dyn System> = all
            .iter()
            .map(AsRef::as_ref)
            .filter(|system| config.systems.contains_key(system.spec().name))
            .collect();
        let mut destinations = BTreeMap::new();
        for system in &configured {
            let spec = system.spec();
            let settings = &config.systems[spec.name];
            let adapter = system.connect(settings)?;
            let protection = config.protection.get(spec.name).cloned().unwrap_or(Protection::NONE);
            let stored_max = config.pipeline.stored_max;
            let destination =
                Destination::shared(spec, adapter, settings.clone(), protection, stored_max);
            destinations.insert(spec.name, Arc::new(destination));
        }
        // All that this build knows, also where it has no address: a rescue must know a command from
        // a query whoever could send it.
        let operations = all
            .iter()
            .flat_map(|system| system.spec().operations)
            .chain(OWN.operations)
            .map(|operation| (operation.name, *operation))
            .collect();
        let (record, records) = mpsc::channel(RECORD_QUEUE_MAX);
        let store = Store::new(&config.database_url, config.connections_max)?;
        let worker = chance.uuid();
        let itself = own::destination(store.clone(), config.pipeline.stored_max);
        destinations.insert(OWN.name, Arc::new(itself));
        let hub = Self {
            store,
            sealer: Sealer::from_file(&config.seal_key_file, chance.clone())?,
            catalogue: catalogue(configured)?,
            traces: Traces::new(&config.telemetry, worker, &chance)?,
            worker: RwLock::new(worker),
            retries_disabled: RwLock::default(),
            chance,
            operations,
            destinations,
            registry: Registry::default(),
            record,
            wake: Wake::default(),
            publishing: Publishing::default(),
            relaying: Mutex::default(),
            config,
        };
        Ok((Arc::new(hub), records))
    }

    /// Who this process is to the others now.
    pub fn worker(&self) -> Uuid {
        *self.worker.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new identity, which the database must know already: a job of an unknown owner counts
    /// as left behind.
    pub fn become_worker(&self, fresh: Uuid) {
        *self.worker.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// The operations whose retries an operator stopped, as the last look saw them.
    pub fn set_retries_disabled(&self, operations: Vec<String>) {
        let mut known = self.retries_disabled.write().unwrap_or_else(PoisonError::into_inner);
        if *known != operations {
            *known = operations;
            self.wake.retries.notify_one();
        }
    }

    /// Whether an operator stopped the retries of this operation.
    pub fn has_retries_disabled(&self, operation: &str) -> bool {
        let disabled = self.retries_disabled.read().unwrap_or_else(PoisonError::into_inner);
        disabled.iter().any(|name| name == operation)
    }

    /// The names of the configured systems.
    pub fn systems(&self) -> Vec<&'static str> {
        self.destinations.keys().copied().collect()
    }

    /// The destination of an operation. Operations come from configured systems only.
    pub fn destination(&self, operation: &OperationSpec) -> Option<&Arc<Destination>> {
        self.destinations.get(operation.system)
    }
}
