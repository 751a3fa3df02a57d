//! Faults as values: what can begin and end in a world, one file a fault.
//!
//! *Guarantee*: after `end` has returned, nothing of the fault is left but its traces. A fault that
//! could not begin has changed nothing that its `end` would not mend.

pub mod broker;
pub mod database;
mod deleted;
pub mod disk;
mod lines;
mod memory;
mod minority;
mod node_lost;
pub mod outside;
pub mod session;
pub mod worker;

use std::time::{Duration, Instant};

use async_trait::async_trait;

pub use self::{
    deleted::Deleted,
    lines::{Line, Peer, Wrong},
    memory::MemoryAlarm,
    minority::Minority,
    node_lost::NodeLost,
};
use crate::{
    Error, Outcome,
    world::{LOOK_EVERY, World},
};

/// Something that goes wrong for a while.
#[async_trait]
pub trait Fault: Send {
    /// What it is called in reports.
    fn name(&self) -> &'static str;
    /// Makes it go wrong.
    async fn begin(&mut self, world: &mut World) -> Outcome<()>;
    /// Makes it right again.
    async fn end(&mut self, world: &mut World) -> Outcome<()>;
    /// Where it struck, or that it did not, once it has begun; for reports.
    fn struck(&self) -> Struck {
        Struck::Here
    }
}

/// Whether a fault that has begun is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Struck {
    /// It is, and its name says all.
    Here,
    /// It is, at this place.
    At(&'static str),
    /// Nobody came by this place.
    Missed(&'static str),
}

/// Between two looks at a condition; an error once they have taken too long.
async fn look_again(what: &str, began: Instant, wait_max: Duration) -> Outcome<()> {
    if began.elapsed() > wait_max {
        return Err(Error::Late(wait_max, what.to_owned()));
    }
    tokio::time::sleep(LOOK_EVERY).await;
    Ok(())
}
