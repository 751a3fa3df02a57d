//! What a government system is to the hub: data, a way to connect, and a simulator.

use std::sync::Arc;

use async_trait::async_trait;
use contracts::{
    class::{Class, Failure},
    code,
    job::InputCheck,
    operation::{OperationSpec, SystemSpec},
};
use serde_json::Value;

use crate::{
    attempt::{Attempt, Call, Write},
    channel::AsyncChannel,
    settings::{OptionSpec, Settings},
    simulation::Simulation,
};

/// A registered system. Each lives in a folder of [`crate::systems`].
pub trait System: Send + Sync {
    /// Its name and operations.
    fn spec(&self) -> &'static SystemSpec;

    /// The JSON Schema of an operation's input, and the rules that a schema cannot say.
    fn input(&self, operation: &OperationSpec) -> (Value, InputCheck);

    /// The settings that only this system has.
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    /// Settings with which it speaks to its own simulator, below this address: key and value, as they
    /// would stand in the section `[systems.<name>]`.
    fn simulated(&self, simulators: &str) -> Vec<(&'static str, Value)> {
        vec![("url", format!("{simulators}/{}/", self.spec().name).into())]
    }

    /// Builds the adapter. Opens no connection yet.
    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Adapter>, ConnectError>;

    /// Builds the simulator: routes below `/<system>/` of the simulator's listener.
    fn simulator(&self, simulation: Arc<Simulation>) -> axum::Router;
}

/// A system that is ready to be asked.
#[async_trait]
pub trait Adapter: Send + Sync {
    /// Makes one attempt. Ends within `call.time_limit`.
    async fn attempt(&self, call: &Call) -> Attempt;

    /// Rows to write where the hub itself found that a call may not be made: nothing was sent.
    fn not_called(&self, _: &Call, _: &Failure) -> Vec<Write> {
        Vec::new()
    }

    /// Asks what became of a command whose answer was lost, by our business key; for operations that
    /// say [`Reconcile::Ask`](contracts::operation::Reconcile::Ask). Harmless, however often. Answers
    /// `Answered`, `Interim` or `NotDone`; a failure leaves the doubt.
    async fn reconcile(&self, _: &Call) -> Attempt {
        Attempt::unsent(Failure::new(Class::Defect, code!("cannot_reconcile")))
    }

    /// The later half, where the system answers asynchronously.
    fn channel(&self) -> Option<&dyn AsyncChannel> {
        None
    }
}

/// Settings that cannot work: found when the program starts.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is not an http or https URL.
    #[error("systems.{system}.url: not an http or https URL")]
    Url {
        /// The system's name.
        system: &'static str,
    },
    /// An option is missing or cannot be used.
    #[error("systems.{system}.{option}: {text}")]
    Option {
        /// The system's name.
        system: &'static str,
        /// The option.
        option: &'static str,
        /// What is expected.
        text: &'static str,
    },
    /// The HTTP client cannot be built.
    #[error("systems.{system}: the HTTP client cannot be built: {text}")]
    Client {
        /// The system's name.
        system: &'static str,
        /// The library's words.
        text: String,
    },
}
