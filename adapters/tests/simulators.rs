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
#[path = "simulators/eqyzmet.rs"]
mod eqyzmet;
#[cfg(test)]
#[path = "simulators/eqyzmet_cases.rs"]
mod eqyzmet_cases;
#[cfg(test)]
#[path = "simulators/gbdfl.rs"]
mod gbdfl;
#[cfg(test)]
#[path = "simulators/gbdul.rs"]
mod gbdul;
#[cfg(test)]
#[path = "simulators/gbdul_cases.rs"]
mod gbdul_cases;
#[cfg(test)]
#[path = "simulators/kazpost.rs"]
mod kazpost;
#[cfg(test)]
#[path = "simulators/kpsisu.rs"]
mod kpsisu;
#[cfg(test)]
#[path = "simulators/mailbox.rs"]
mod mailbox;
#[cfg(test)]
#[path = "simulators/mgov.rs"]
mod mgov;
#[cfg(test)]
#[path = "simulators/mzrk.rs"]
mod mzrk;
#[cfg(test)]
#[path = "simulators/realestate.rs"]
mod realestate;
#[cfg(test)]
#[path = "simulators/recorded.rs"]
mod recorded;
#[cfg(test)]
#[path = "simulators/teams.rs"]
mod teams;
#[cfg(test)]
#[path = "simulators/world.rs"]
mod world;
