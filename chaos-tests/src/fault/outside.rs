//! What happens outside of the hub: business time jumps, systems flap, nobody works for days.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::json;

use super::Fault;
use crate::{
    Outcome,
    world::{LOOK_EVERY, World},
};

/// The database takes a jump within this.
const JUMP_WAIT_MAX: Duration = Duration::from_secs(20);

/// Business time jumps while everything runs.
#[derive(Debug)]
pub struct ClockJumped {
    /// How far.
    pub by: SignedDuration,
}

#[async_trait]
impl Fault for ClockJumped {
    fn name(&self) -> &'static str {
        "business_clock_jumped"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        world.fault(format_args!("business time jumps by {:#}", self.by));
        world.jump(self.by).await
    }

    async fn end(&mut self, _: &mut World) -> Outcome<()> {
        Ok(())
    }
}

/// One system answers in one bad way until the end.
#[derive(Debug)]
pub struct Flapping {
    /// The system, as the simulators know it.
    pub system: &'static str,
    /// Its behaviour, as the simulators know it.
    pub behaviour: &'static str,
}

#[async_trait]
impl Fault for Flapping {
    fn name(&self) -> &'static str {
        "destination_flapping"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        world.fault(format_args!("{} answers with {} only", self.system, self.behaviour));
        let order = json!({"system": self.system, "behaviour": self.behaviour});
        Ok(world.stage.order("standing", &order).await?)
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.fault(format_args!("{} answers as before", self.system));
        let order = json!({"system": self.system, "behaviour": null});
        Ok(world.stage.order("standing", &order).await?)
    }
}

/// All hubs die, business days pass, and they start again.
#[derive(Debug)]
pub struct Deserted {
    /// Business time that passes without a hub.
    pub days: SignedDuration,
}

#[async_trait]
impl Fault for Deserted {
    fn name(&self) -> &'static str {
        "all_workers_down_for_days"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        for hub in 0..world.stage.hubs.len() {
            world.kill(hub).await;
        }
        world.fault(format_args!("nobody works, and {:#} pass", self.days));
        world.jump(self.days).await
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.start_dead()
    }
}

impl World {
    /// Moves business time. Connections that a fault of before has ended are met once each.
    pub async fn jump(&self, by: SignedDuration) -> Outcome<()> {
        self.jumped.store(true, Ordering::Relaxed);
        let store = &self.stage.store;
        let began = Instant::now();
        let now = loop {
            match store.business_now().await {
                Ok(now) => break now,
                Err(error) if began.elapsed() > JUMP_WAIT_MAX => return Err(error.into()),
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        let to = now.checked_add(by).unwrap_or(now);
        loop {
            // To an instant: a jump whose answer was lost is not made twice.
            match store.jump_to(to).await {
                Ok(()) => return Ok(()),
                Err(error) if began.elapsed() > JUMP_WAIT_MAX => return Err(error.into()),
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }
}
