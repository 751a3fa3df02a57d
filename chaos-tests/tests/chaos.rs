//! Faults against the built program, one file a fault; see the crate's README.

#[path = "chaos/all_down.rs"]
mod all_down;
#[path = "chaos/broker_restarted.rs"]
mod broker_restarted;
#[path = "chaos/campaign.rs"]
mod campaign;
#[path = "chaos/clock_jump.rs"]
mod clock_jump;
#[path = "chaos/cluster.rs"]
mod cluster;
#[path = "chaos/database_restarted.rs"]
mod database_restarted;
#[path = "chaos/disk_full.rs"]
mod disk_full;
#[path = "chaos/frozen.rs"]
mod frozen;
#[path = "chaos/hub_killed.rs"]
mod hub_killed;
#[path = "chaos/one_broker.rs"]
mod one_broker;
#[path = "chaos/path_lost.rs"]
mod path_lost;
#[path = "chaos/rolling.rs"]
mod rolling;
#[path = "chaos/side_by_side.rs"]
mod side_by_side;
#[path = "chaos/steps.rs"]
mod steps;
