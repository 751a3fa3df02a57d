//! The lines of hubs to what they dial: half open, lost, slow, or cut again and again. Needs a proxied scene.

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
    /// Connections that stand are lost for ever, and neither side hears of it; new ones pass.
    Lost,
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
            (Peer::Broker, Wrong::Lost) => "broker_path_lost",
            (Peer::Broker, Wrong::Slow { .. }) => "broker_line_slow",
            (Peer::Broker, Wrong::Cut { .. }) => "broker_line_cut",
            (Peer::Database, Wrong::HalfOpen) => "database_line_half_open",
            (Peer::Database, Wrong::Lost) => "database_path_lost",
            (Peer::Database, Wrong::Slow { .. }) => "database_line_slow",
            (Peer::Database, Wrong::Cut { .. }) => "database_line_cut",
            (Peer::Systems, Wrong::HalfOpen) => "systems_line_half_open",
            (Peer::Systems, Wrong::Lost) => "systems_path_lost",
            (Peer::Systems, Wrong::Slow { .. }) => "systems_line_slow",
            (Peer::Systems, Wrong::Cut { .. }) => "systems_line_cut",
        }
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        match self.wrong.conditions() {
            Some(conditions) => self.each(world, |line| line.set(conditions))?,
            None => self.each(world, Proxy::lose_connections)?,
        }
        let wrong = self.wrong;
        world.fault(format_args!("{}: {wrong:?}", self.told()));
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        self.each(world, Proxy::heal)?;
        world.fault(format_args!("{}: good again", self.told()));
        Ok(())
    }
}

impl Line {
    fn told(&self) -> String {
        let whose = self.hub.map_or_else(|| "of all hubs".into(), |hub| format!("of hub {hub}"));
        format!("the lines {whose} to {:?}", self.peer)
    }

    fn each(&self, world: &World, order: impl Fn(&Proxy)) -> Outcome<()> {
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
                order(line);
            }
        }
        Ok(())
    }
}

impl Wrong {
    /// `None` where only connections that stand are concerned.
    fn conditions(self) -> Option<Conditions> {
        Some(match self {
            Self::Lost => return None,
            Self::HalfOpen => Conditions::flow(Flow::Swallowed),
            Self::Slow { latency, rate_max } => Conditions::slow(latency, latency / 4, rate_max),
            Self::Cut { after_bytes } => {
                let cut = Some(Cut { after_bytes, ending: Ending::Reset });
                let way = Way { cut, ..Way::default() };
                Conditions { up: way, down: way, ..Conditions::default() }
            }
        })
    }
}
