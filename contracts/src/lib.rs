//! What travels between the portal, the hub and the government systems.
//!
//! The portal publishes a [`job::Job`]; the hub answers with events ([`event`]), whose names follow
//! from the states a job may take ([`state`]). Adapters report failures as one of nine classes
//! ([`class`]). Numbers of persons and organisations are types that check themselves and do not
//! print ([`number`], [`personal`]).
//!
//! *Guarantee*: nothing here opens a socket, reads a clock or touches a database, so everything
//! here is tested by calling it.
//!
//! *Layout*: `systems/<system>/` beside `src/` holds what is known of each government system's wire
//! format; `schemas/` holds the JSON Schemas that are generated from the types.

pub mod asyncapi;
pub mod case;
pub mod class;
pub mod code;
pub mod event;
pub mod job;
pub mod number;
pub mod operation;
pub mod own;
pub mod personal;
pub mod rejection;
pub mod s10;
pub mod schema;
pub mod state;
pub mod topology;
pub mod trace;
pub mod verdict;
