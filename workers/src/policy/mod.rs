//! Decisions without input or output: the clock and the chance are passed in.

pub mod breaker;
pub mod calendar;
pub mod limits;
pub mod maintenance;
pub mod pause;
pub mod retry;
