//! An operator deletes what the hub has declared.
//!
//! *What cannot hold*: a message that the broker had confirmed and that stood in a deleted queue is
//! gone by the broker's own word; the world is told how many there can be. Events that are published
//! before the portal has bound its queue again are kept as unheard, and the portal reads them there.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use contracts::topology::{EVENTS_EXCHANGE, JOBS_EXCHANGE};
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};

use super::{Fault, look_again};
use crate::{Outcome, world::World};

/// A hub declares anew within this, when it has noticed or by itself.
const DECLARED_WAIT_MAX: Duration = Duration::from_secs(30);

/// A queue or an exchange, deleted while hubs run.
#[derive(Debug)]
pub enum Deleted {
    /// This queue, with what stands in it.
    Queue(&'static str),
    /// The exchange of events, with everybody's bindings.
    Events,
    /// The exchange of jobs: who publishes is refused until it is declared anew.
    Jobs,
}

impl Deleted {
    const fn exchange(&self) -> Option<&'static str> {
        match self {
            Self::Queue(_) => None,
            Self::Events => Some(EVENTS_EXCHANGE),
            Self::Jobs => Some(JOBS_EXCHANGE),
        }
    }
}

#[async_trait]
impl Fault for Deleted {
    fn name(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue_deleted",
            Self::Events => "events_exchange_deleted",
            Self::Jobs => "jobs_exchange_deleted",
        }
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        let (_connection, channel) = world.portal.session().await?;
        if let Some(exchange) = self.exchange() {
            let options = ExchangeDeleteOptions { if_unused: false, nowait: false };
            channel.exchange_delete(exchange.into(), options).await?;
            world.reads_unheard |= matches!(self, Self::Events);
            world.fault(format_args!("the exchange {exchange} is deleted"));
        }
        if let Self::Queue(queue) = *self {
            let options = QueueDeleteOptions { if_unused: false, if_empty: false, nowait: false };
            let gone = channel.queue_delete(queue.into(), options).await?;
            world.destroyed_max += usize::try_from(gone).unwrap_or(usize::MAX);
            world.fault(format_args!("the queue {queue} is deleted, with {gone} messages"));
        }
        Ok(())
    }

    /// Waits until a hub has declared it anew: nobody else does.
    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        let (kind, name) = match *self {
            Self::Queue(queue) => ("list_queues", queue),
            Self::Events => ("list_exchanges", EVENTS_EXCHANGE),
            Self::Jobs => ("list_exchanges", JOBS_EXCHANGE),
        };
        let listing = [kind, "--quiet", "--no-table-headers", "name"];
        let began = Instant::now();
        loop {
            let text = world.stage.own()?.rabbitmq.ctl(&listing).await?;
            if text.lines().any(|line| line.trim() == name) {
                break;
            }
            look_again("a hub declares it anew", began, DECLARED_WAIT_MAX).await?;
        }
        let took = began.elapsed();
        world.fault(format_args!("{name} is there again after {took:.1?}"));
        if matches!(self, Self::Events) {
            world.portal.bind().await?;
            world.fault("the portal has bound its queue again");
        }
        Ok(())
    }
}
