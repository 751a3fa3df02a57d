//! Faults against the built program, one file a fault; see the crate's README.

#[path = "chaos/hub_killed.rs"]
mod hub_killed;
