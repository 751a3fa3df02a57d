//! The demo: private servers, simulators, the hub, and a pretend portal that checks what it got.
//!
//! ```text
//! stage: PostgreSQL · RabbitMQ · hub simulate · hub run      (child processes that die with us)
//! portal: publishes every kind of job with confirms, listens to events, reads the tables
//! time: when nothing is in flight, business time jumps to the next due moment
//! check: what was confirmed against what ended, and the simulators' own count of what they executed
//! ```
//!
//! The same stage serves the chaos tests and the benchmark, so they run what users run.

pub mod cast;
pub mod check;
pub mod portal;
pub mod reach;
pub mod sabotage;
pub mod stage;
pub mod stories;
pub mod time;
