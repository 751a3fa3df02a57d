//! RabbitMQ stopped in order or killed; away until the end.

use async_trait::async_trait;

use super::Fault;
use crate::{Outcome, world::World};

/// One broker, away.
#[derive(Debug)]
pub struct Away {
    /// SIGKILL instead of an orderly stop.
    pub killed: bool,
}

#[async_trait]
impl Fault for Away {
    fn name(&self) -> &'static str {
        if self.killed { "broker_killed" } else { "broker_stopped" }
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        if self.killed {
            world.fault("RabbitMQ is killed");
            world.stage.own_mut()?.rabbitmq.kill().await;
        } else {
            world.fault("RabbitMQ is stopped in order");
            world.stage.own_mut()?.rabbitmq.stop().await;
        }
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.fault("RabbitMQ starts");
        Ok(world.stage.own_mut()?.rabbitmq.start().await?)
    }
}
