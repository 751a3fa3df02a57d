//! What the program says about itself: metrics, logs and traces.

pub mod logs;
pub mod metric;
pub mod traces;
