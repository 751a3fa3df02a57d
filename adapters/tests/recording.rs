//! Recording: real exchanges become cases without the person in them.

#[path = "recording/known.rs"]
mod known;
#[path = "recording/traffic.rs"]
mod traffic;
