//! What the simulators really put on the wire, what their journals say, and the contract's files.

#[path = "simulators/contract.rs"]
mod contract;
#[path = "simulators/control.rs"]
mod control;
#[path = "simulators/gbdfl.rs"]
mod gbdfl;
#[path = "simulators/kpsisu.rs"]
mod kpsisu;
#[path = "simulators/mailbox.rs"]
mod mailbox;
#[path = "simulators/world.rs"]
mod world;
