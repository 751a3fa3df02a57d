//! The line between a hub and the broker: half open, or slow. Needs a proxied scene.

use std::time::Duration;

use async_trait::async_trait;

use super::Fault;
use crate::{
    Error, Outcome,
    proxy::{Conditions, Flow},
    world::World,
};

/// One hub's lines to all nodes swallow everything, and neither side hears of it.
#[derive(Debug)]
pub struct HalfOpen {
    /// The hub.
    pub hub: usize,
}

/// Every hub's lines to the broker are slow.
#[derive(Debug)]
pub struct SlowLink {
    /// Of each direction.
    pub latency: Duration,
    /// Bytes a second, of each connection and direction.
    pub rate_max: u32,
}

#[async_trait]
impl Fault for HalfOpen {
    fn name(&self) -> &'static str {
        "the line to the broker is half open"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        set(world, Some(self.hub), Conditions::flow(Flow::Swallowed))?;
        world.fault(format_args!("the lines of hub {} to RabbitMQ are half open", self.hub));
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        set(world, Some(self.hub), Conditions::default())?;
        world.fault(format_args!("the lines of hub {} to RabbitMQ are good", self.hub));
        Ok(())
    }
}

#[async_trait]
impl Fault for SlowLink {
    fn name(&self) -> &'static str {
        "the line to the broker is slow"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        let conditions = Conditions::slow(self.latency, self.latency / 4, Some(self.rate_max));
        set(world, None, conditions)?;
        let SlowLink { latency, rate_max } = *self;
        world.fault(format_args!(
            "all lines to RabbitMQ are slow: {latency:?} each way, {rate_max} bytes a second"
        ));
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        set(world, None, Conditions::default())?;
        world.fault("all lines to RabbitMQ are fast");
        Ok(())
    }
}

/// Of one hub or of all.
fn set(world: &World, hub: Option<usize>, conditions: Conditions) -> Outcome<()> {
    if world.lines.is_empty() {
        return Err(Error::Told("the scene has no proxies".into()));
    }
    let wanted = |number: &usize| hub.is_none_or(|hub| hub == *number);
    for (_, lines) in world.lines.iter().enumerate().filter(|(number, _)| wanted(number)) {
        lines.broker.iter().for_each(|line| line.set(conditions));
    }
    Ok(())
}
