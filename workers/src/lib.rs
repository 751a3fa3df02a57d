//! The program `hub`: it waits for government systems so that the portal does not have to.
//!
//! ```text
//! RabbitMQ ─→ broker ─→ pipeline: decode → admit → settle (ack) │ call → record
//!                              ↓ commit                              ↓ commit
//!                           PostgreSQL (store) ←─ timers · rescue · inbound (pushes, pulls)
//!                              ↓ outbox
//! RabbitMQ ←─ broker ←─ relay
//! ```
//!
//! *Guarantee*: the invariants of the README, each held by a named test.

pub mod admin;
pub mod alarm;
pub mod broker;
pub mod build;
pub mod callback;
pub mod chance;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod fail_point;
pub mod inbound;
pub mod pipeline;
pub mod policy;
pub mod process;
pub mod relay;
pub mod rescue;
pub mod run;
pub mod seal;
pub mod services;
pub mod store;
pub mod telemetry;
pub mod timers;
pub mod watch;
