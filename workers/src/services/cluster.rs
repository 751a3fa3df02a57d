//! How many nodes of RabbitMQ make one broker, and by which lines they reach each other.

use std::{fmt, io};

/// A broker of one node or several; the default is one.
#[derive(Default)]
pub struct Cluster {
    /// How many; none counts as one.
    pub nodes: usize,
    /// Where each node finds its neighbours, if not by the common port mapper.
    pub wiring: Option<Wiring>,
}

/// Called once the ports of all nodes are known, and again if some were taken meanwhile: returns,
/// for each node, the port of the port mapper that it asks.
pub type Wiring = Box<dyn Fn(&Neighbours) -> io::Result<Vec<u16>> + Send + Sync>;

/// The nodes of a cluster before their start.
#[derive(Debug, Clone)]
pub struct Neighbours {
    /// The port of the port mapper that all of them register with.
    pub mapper: u16,
    /// The nodes, in their order.
    pub members: Vec<Member>,
}

/// One node, as its neighbours see it.
#[derive(Debug, Clone)]
pub struct Member {
    /// What it registers as: its name without the host.
    pub name: String,
    /// The port that its neighbours dial.
    pub distribution: u16,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}
