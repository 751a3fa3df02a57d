//! What the simulators really put on the wire, what their journals say, and the contract's files.
//!
//! `cfg(test)` tells the lints that helpers here are test code too.

#[cfg(test)]
#[path = "simulators/contract.rs"]
mod contract;
#[cfg(test)]
#[path = "simulators/control.rs"]
mod control;
#[cfg(test)]
#[path = "simulators/gbdfl.rs"]
mod gbdfl;
#[cfg(test)]
#[path = "simulators/kpsisu.rs"]
mod kpsisu;
#[cfg(test)]
#[path = "simulators/mailbox.rs"]
mod mailbox;
#[cfg(test)]
#[path = "simulators/realestate.rs"]
mod realestate;
#[cfg(test)]
#[path = "simulators/world.rs"]
mod world;
