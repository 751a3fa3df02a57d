//! What the program says about itself: metrics and logs.

pub mod logs;
pub mod metric;
