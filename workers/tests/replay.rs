//! Contract cases as a tester uses them: `hub contracts check` on spoilt copies, `hub contracts
//! replay` against `hub simulate` in another process.
//!
//! `cfg(test)` tells the lints that helpers here are test code too.

#[cfg(test)]
#[path = "replay/bench.rs"]
mod bench;
#[cfg(test)]
#[path = "replay/check.rs"]
mod check;
#[cfg(test)]
#[path = "replay/live.rs"]
mod live;
#[cfg(test)]
#[path = "replay/reports.rs"]
mod reports;
