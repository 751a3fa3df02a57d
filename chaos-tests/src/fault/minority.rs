//! One node of the broker is cut off from the others; clients still reach it.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Fault, look_again};
use crate::{Error, Outcome, world::World};

/// The others notice the silence within this (a net tick of 8 s, a quarter more or less).
const NOTICE_WAIT_MAX: Duration = Duration::from_secs(40);
/// After the heal, the node takes clients again within this.
const REJOIN_WAIT_MAX: Duration = Duration::from_secs(60);

/// Silence between one node and the rest of its cluster.
#[derive(Debug, Default)]
pub struct Minority {
    /// The node; else one that hub 0 is connected to (in a proxied scene), or the first.
    pub node: Option<usize>,
    cut: Option<usize>,
}

impl Minority {
    /// The node that is cut off.
    pub const fn cut(&self) -> Option<usize> {
        self.cut
    }

    /// Waits until the node has noticed that it is in the minority, and has paused itself.
    pub async fn noticed(&self, world: &mut World) -> Outcome<()> {
        let Some(node) = self.cut else { return Ok(()) };
        let port = world.node(node)?.port();
        let began = Instant::now();
        while takes_clients(port).await {
            look_again("the node in the minority takes no clients", began, NOTICE_WAIT_MAX).await?;
        }
        let took = began.elapsed();
        world.fault(format_args!("node {node} has paused itself after {took:.1?}"));
        Ok(())
    }
}

#[async_trait]
impl Fault for Minority {
    fn name(&self) -> &'static str {
        "broker_node_in_minority"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        if world.stage.own()?.others.is_empty() {
            return Err(Error::Told("one node alone has no minority".into()));
        }
        let used = world.lines.first().and_then(|lines| lines.nodes_in_use().first().copied());
        let node = self.node.or(used).unwrap_or(0);
        self.cut = Some(node);
        world.mesh.isolate(node);
        world.fault(format_args!("node {node} of RabbitMQ is cut off from the others"));
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        let Some(node) = self.cut else { return Ok(()) };
        world.mesh.heal();
        world.fault(format_args!("node {node} hears the others again"));
        let port = world.node(node)?.port();
        let began = Instant::now();
        while !takes_clients(port).await {
            look_again("the node takes clients again", began, REJOIN_WAIT_MAX).await?;
        }
        self.cut = None;
        Ok(())
    }
}

async fn takes_clients(port: u16) -> bool {
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}
