//! Decisions without input or output: the clock and the chance are passed in.

pub mod calendar;
pub mod pause;
pub mod retry;
