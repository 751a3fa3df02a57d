//! The rules of the house that a compiler does not know: sizes, doors, registered folders.
//!
//! `cfg(test)` tells the lints that helpers here are test code too.

#[cfg(test)]
#[path = "tidy/codes.rs"]
mod codes;
#[cfg(test)]
#[path = "tidy/doors.rs"]
mod doors;
#[cfg(test)]
#[path = "tidy/files.rs"]
mod files;
#[cfg(test)]
#[path = "tidy/logs.rs"]
mod logs;
#[cfg(test)]
#[path = "tidy/papers.rs"]
mod papers;
#[cfg(test)]
#[path = "tidy/rules.rs"]
mod rules;
#[cfg(test)]
#[path = "tidy/sources.rs"]
mod sources;
