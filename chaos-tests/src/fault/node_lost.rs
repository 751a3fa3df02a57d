//! A node of the broker is killed, and comes back later with what it had on its disk.

use async_trait::async_trait;

use super::Fault;
use crate::{Error, Outcome, world::World};

/// SIGKILL to one node of a cluster.
#[derive(Debug, Default)]
pub struct NodeLost {
    /// The node; else the one that leads the queue of `gbdfl` when the fault begins.
    pub node: Option<usize>,
    killed: Option<usize>,
}

/// The busiest queue of every test.
const BUSIEST: &str = "hub.jobs.gbdfl";

impl NodeLost {
    /// This node, whatever it does.
    pub const fn of(node: usize) -> Self {
        Self { node: Some(node), killed: None }
    }

    /// The node that is down.
    pub const fn killed(&self) -> Option<usize> {
        self.killed
    }
}

#[async_trait]
impl Fault for NodeLost {
    fn name(&self) -> &'static str {
        "broker_node_lost"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        let node = match self.node {
            Some(node) => node,
            None => leader_of(world, BUSIEST).await?,
        };
        world.fault(format_args!("node {node} of RabbitMQ is killed"));
        self.killed = Some(node);
        world.node(node)?.kill().await;
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        let Some(node) = self.killed else { return Ok(()) };
        world.node(node)?.start().await?;
        self.killed = None;
        world.fault(format_args!("node {node} of RabbitMQ is back, with what it had"));
        Ok(())
    }
}

/// The node that leads a quorum queue.
async fn leader_of(world: &mut World, queue: &str) -> Outcome<usize> {
    let services = world.stage.own()?;
    let listing = ["list_queues", "--quiet", "--no-table-headers", "name", "leader"];
    let text = services.rabbitmq.ctl(&listing).await?;
    let leader = text.lines().find_map(|line| line.strip_prefix(queue)?.split_whitespace().next());
    let mut nodes = std::iter::once(&services.rabbitmq).chain(&services.others);
    nodes
        .position(|node| Some(node.node_name()) == leader)
        .ok_or_else(|| Error::Told(format!("nobody leads {queue}:\n{text}")))
}
