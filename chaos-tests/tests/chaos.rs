//! Faults against the built program, one file a fault; see the crate's README.

#[path = "chaos/broker_restarted.rs"]
mod broker_restarted;
#[path = "chaos/clock_jump.rs"]
mod clock_jump;
#[path = "chaos/cluster.rs"]
mod cluster;
#[path = "chaos/database_restarted.rs"]
mod database_restarted;
#[path = "chaos/frozen.rs"]
mod frozen;
#[path = "chaos/hub_killed.rs"]
mod hub_killed;
#[path = "chaos/one_broker.rs"]
mod one_broker;
