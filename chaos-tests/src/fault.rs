//! Faults as values: what can begin and end in a world, one file a fault.
//!
//! *Guarantee*: after `end` has returned, nothing of the fault is left but its traces. A fault that
//! could not begin has changed nothing that its `end` would not mend.

pub mod broker;
pub mod database;
pub mod disk;
pub mod outside;
pub mod session;
pub mod worker;

use async_trait::async_trait;

use crate::{Outcome, world::World};

/// Something that goes wrong for a while.
#[async_trait]
pub trait Fault: Send {
    /// What it is called in reports.
    fn name(&self) -> &'static str;
    /// Makes it go wrong.
    async fn begin(&mut self, world: &mut World) -> Outcome<()>;
    /// Makes it right again.
    async fn end(&mut self, world: &mut World) -> Outcome<()>;
}
