//! Where the hubs of a stage find the others, when that is not where they are.

use std::{fmt, io, path::PathBuf};

use secrecy::SecretString;

use crate::services::Cluster;

/// The addresses that one hub is given.
#[derive(Debug, Clone)]
pub struct Reach {
    /// The broker; of a cluster, all nodes.
    pub amqp_url: SecretString,
    /// The database.
    pub database_url: SecretString,
    /// The simulators.
    pub simulators: String,
}

/// Gives the hub with this number other addresses for the true ones.
pub type Detour = Box<dyn Fn(usize, Reach) -> io::Result<Reach> + Send + Sync>;

/// What a stage has beyond its plan; the default is nothing.
#[derive(Default)]
pub struct Surroundings {
    /// Several nodes of RabbitMQ instead of one.
    pub cluster: Cluster,
    /// Lines that go through something.
    pub detour: Option<Detour>,
    /// The program that makes the schema, where it is another build: it goes no further than it knows.
    pub migrator: Option<PathBuf>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}
