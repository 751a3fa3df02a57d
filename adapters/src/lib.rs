//! How each government system is spoken to.
//!
//! ```text
//! hub ─ Call ─→ Adapter::attempt ─ one request over transport/ ─→ government system
//!     ←Attempt─ outcome: Answered │ Acknowledged │ Failed(class)
//! hub ─ raw push ─→ AsyncChannel::read → Message → AsyncChannel::judge(message, job) → Reading
//! ```
//!
//! *Guarantee*: an adapter makes one attempt within one deadline and says what it learned. It never
//! retries, never sleeps, knows no broker and no SQL (design invariant 6).
//!
//! Adding a system is a folder in `systems/`, a folder in `contracts/systems/` and its name in
//! [`systems`].

pub mod attempt;
pub mod channel;
pub mod classify;
pub mod recording;
pub mod replay;
pub mod settings;
pub mod simulation;
pub mod system;
pub mod systems;
pub mod transport;
