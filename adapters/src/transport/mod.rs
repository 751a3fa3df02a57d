//! How requests travel: HTTP, XML, SOAP and the two channels of the SHEP gateway.
//!
//! ```text
//! systems/* ─→ shep_sync, shep_async ─→ gateway ─→ http       one POST, one deadline
//!                    │                    └─→ xml → soap      answer, fault or trouble
//!       │            ├─→ payload                              what travels inside `data`
//!       │            └─→ signing                              a signature inside the payload
//!       └─→ kazpost ─→ http                                    plain SOAP and REST, no gateway
//! ```
//!
//! *Guarantee*: [`http`] is the only module that opens a socket. Nothing here decides what a
//! failure means for a job: a transport reports a closed [`trouble::Trouble`], and each system's
//! `failures.rs` maps it to a class.

pub mod dates;
pub mod gateway;
pub mod http;
pub mod kazpost;
pub mod payload;
pub mod secret;
pub mod shep_async;
pub mod shep_sync;
pub mod signing;
pub mod soap;
pub mod trouble;
pub mod xml;
