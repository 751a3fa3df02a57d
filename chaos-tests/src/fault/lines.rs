//! The lines of hubs to what they dial: half open, slow, or cut again and again. Needs a proxied scene.

use std::time::Duration;

use async_trait::async_trait;

use super::Fault;
use crate::{
    Error, Outcome,
    proxy::{Conditions, Cut, Ending, Flow, Proxy, Way},
    world::World,
};

/// What is at the other end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Every node of RabbitMQ.
    Broker,
    /// PostgreSQL.
    Database,
    /// The government systems, all of them behind one line.
    Systems,
}

/// What is wrong with it, in both directions.
#[derive(Debug, Clone, Copy)]
pub enum Wrong {
    /// It swallows everything, and neither side hears of it.
    HalfOpen,
    /// It is slow.
    Slow {
        /// Of each direction; up to a quarter more is drawn for each piece.
        latency: Duration,
        /// Bytes a second, of each connection and direction.
        rate_max: Option<u32>,
    },
    /// Every connection is reset after so many more bytes, also each new one.
    Cut {
        /// Of each direction.
        after_bytes: u64,
    },
}

/// Bad lines to one peer.
#[derive(Debug)]
pub struct Line {
    /// To whom.
    pub peer: Peer,
    /// What is wrong.
    pub wrong: Wrong,
    /// Of this hub; else of all.
    pub hub: Option<usize>,
}

#[async_trait]
impl Fault for Line {
    fn name(&self) -> &'static str {
        match (self.peer, self.wrong) {
            (Peer::Broker, Wrong::HalfOpen) => "broker_line_half_open",
            (Peer::Broker, Wrong::Slow { .. }) => "broker_line_slow",
            (Peer::Broker, Wrong::Cut { .. }) => "broker_line_cut",
            (Peer::Database, Wrong::HalfOpen) => "database_line_half_open",
            (Peer::Database, Wrong::Slow { .. }) => "database_line_slow",
            (Peer::Database, Wrong::Cut { .. }) => "database_line_cut",
            (Peer::Systems, Wrong::HalfOpen) => "systems_line_half_open",
            (Peer::Systems, Wrong::Slow { .. }) => "systems_line_slow",
            (Peer::Systems, Wrong::Cut { .. }) => "systems_line_cut",
        }
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        self.set(world, self.wrong.conditions())?;
        let wrong = self.wrong;
        world.fault(format_args!("{}: {wrong:?}", self.told()));
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        self.set(world, Conditions::default())?;
        world.fault(format_args!("{}: good again", self.told()));
        Ok(())
    }
}

impl Line {
    fn told(&self) -> String {
        let whose = self.hub.map_or_else(|| "of all hubs".into(), |hub| format!("of hub {hub}"));
        format!("the lines {whose} to {:?}", self.peer)
    }

    fn set(&self, world: &World, conditions: Conditions) -> Outcome<()> {
        if world.lines.is_empty() {
            return Err(Error::Told("the scene has no proxies".into()));
        }
        let wanted = |number: &usize| self.hub.is_none_or(|hub| hub == *number);
        for (_, lines) in world.lines.iter().enumerate().filter(|(number, _)| wanted(number)) {
            let lines: &[Proxy] = match self.peer {
                Peer::Broker => &lines.broker,
                Peer::Database => std::slice::from_ref(&lines.database),
                Peer::Systems => std::slice::from_ref(&lines.simulators),
            };
            for line in lines {
                line.set(conditions);
            }
        }
        Ok(())
    }
}

impl Wrong {
    fn conditions(self) -> Conditions {
        match self {
            Self::HalfOpen => Conditions::flow(Flow::Swallowed),
            Self::Slow { latency, rate_max } => Conditions::slow(latency, latency / 4, rate_max),
            Self::Cut { after_bytes } => {
                let cut = Some(Cut { after_bytes, ending: Ending::Reset });
                let way = Way { cut, ..Way::default() };
                Conditions { up: way, down: way, ..Conditions::default() }
            }
        }
    }
}
