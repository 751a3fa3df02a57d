//! The broker is short of memory: it reads no more of who publishes, until it has enough again.

use async_trait::async_trait;

use super::Fault;
use crate::{Outcome, world::World};

/// A limit that is always exceeded, and the one that the stage begins with.
const TINY: &str = "1MB";
const USUAL: &str = "1GB";

/// The memory alarm of the first node, which blocks publishers on all nodes.
#[derive(Debug, Default)]
pub struct MemoryAlarm;

#[async_trait]
impl Fault for MemoryAlarm {
    fn name(&self) -> &'static str {
        "broker_memory_alarm"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        limit(world, TINY).await?;
        world.fault("RabbitMQ raises its memory alarm");
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        limit(world, USUAL).await?;
        world.fault("RabbitMQ has memory again");
        Ok(())
    }
}

async fn limit(world: &mut World, limit: &str) -> Outcome<()> {
    let order = ["set_vm_memory_high_watermark", "absolute", limit];
    world.node(0)?.ctl(&order).await?;
    Ok(())
}
