//! Faults against the built program, and an oracle that compares the portal's view with the
//! government's.
//!
//! ```text
//! program: builds `hub` once · world: stage, portal and faults of one test
//! portal: publishes until confirmed, hears events on a durable queue, survives its broker
//! proxy: a line between two programs that can be made bad · fault: what begins and ends
//! oracle: confirmed × jobs × events × portal rows × what the simulators executed
//! ```
//!
//! *Guarantee*: everything random comes from one seed (`HUB_CHAOS_SEED`), which every failure shows
//! together with the faults in their order and the rows of the jobs that went wrong.
//!
//! *Limits*: one world at a time; every wait has a named deadline.

pub mod alerts;
pub mod campaign;
pub mod cluster;
pub mod evidence;
pub mod fail_points;
pub mod fault;
pub mod load;
mod messages;
pub mod mix;
pub mod oracle;
pub mod portal;
pub mod program;
pub mod proxy;
pub mod receiver;
pub mod rolling;
pub mod steady;
pub mod world;

/// What keeps a test from going on, as a sentence.
#[derive(thiserror::Error)]
pub enum Error {
    /// The stage: servers, simulators, hubs.
    #[error(transparent)]
    Stage(#[from] workers::demo::stage::Error),
    /// A port or a socket.
    #[error("a socket: {0}")]
    Socket(#[from] std::io::Error),
    /// PostgreSQL or RabbitMQ did not start, or a statement failed.
    #[error(transparent)]
    Services(#[from] workers::services::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] workers::store::Error),
    /// The broker, at the portal's side.
    #[error("portal: {0}")]
    Broker(#[from] lapin::Error),
    /// The portal's publishing connection.
    #[error("portal: {0}")]
    Publish(#[from] workers::broker::Error),
    /// A row or an answer is not what it should be.
    #[error("unreadable answer: {0}")]
    Json(#[from] serde_json::Error),
    /// The program could not be built.
    #[error("the program `hub`: {0}")]
    Program(String),
    /// A condition did not come true within its deadline.
    #[error("not within {0:?}: {1}")]
    Late(std::time::Duration, String),
    /// Anything else, in words.
    #[error("{0}")]
    Told(String),
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The result of everything here.
pub type Outcome<T> = Result<T, Error>;
