//! What is done to the world, for which alerts, and in which order.
//!
//! Deeds that disturb nobody go on at the same time, each with a system of its own. The others wait:
//! whoever is killed must have told what it counted, and a database that is away hides what the rest is
//! measured by.

use std::time::{Duration, Instant};

use contracts::topology::EVENTS_EXCHANGE;
use lapin::types::FieldTable;
use serde_json::{Value, json};

use super::{jobs, prometheus};
use crate::{
    Outcome,
    fault::{Fault, broker, database},
    portal::QUEUE,
    world::World,
};

/// The hub that dies while the other works on.
const VICTIM: usize = 1;
/// It calls somebody within this.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(60);
/// The system that may be called once a second.
const BEHIND: &str = "mzrk";
/// At one a second, more than its alert needs.
const BACKLOG: u32 = 1_500;
/// More than a breaker and a rate of errors need to be believed.
const ENOUGH: u32 = 60;

/// A fault, and the alerts that are for it.
pub(super) struct Deed {
    pub(super) name: &'static str,
    /// As a sentence for the table.
    pub(super) what: &'static str,
    pub(super) alerts: &'static [&'static str],
    /// Deeds that must be over.
    pub(super) after: &'static [&'static str],
    act: Act,
}

#[derive(Clone, Copy)]
enum Act {
    /// A system answers in one bad way to so many jobs.
    Standing {
        system: &'static str,
        behaviour: &'static str,
        operation: &'static str,
        jobs: u32,
    },
    Backlog,
    Nonsense,
    Unbound,
    Gone,
    HubKilled,
    BrokerAway,
    DatabaseAway,
    AllKilled,
}

const fn standing(
    system: &'static str,
    behaviour: &'static str,
    operation: &'static str,
    jobs: u32,
) -> Act {
    Act::Standing { system, behaviour, operation, jobs }
}

/// All of them.
pub(super) const DEEDS: &[Deed] = &[
    Deed {
        name: "errors",
        what: "every call of GBD UL ends with 503, 60 jobs",
        alerts: &[
            "HubSlaAtRisk",
            "HubSlaBreached",
            "HubErrorBurnFast",
            "HubBreakerOpen",
            "HubErrorBurnSlow",
        ],
        after: &[],
        act: standing("gbdul", "server_error", "gbdul.organization", ENOUGH),
    },
    Deed {
        name: "silence",
        what: "the real-estate register takes requests and never answers",
        alerts: &["HubSystemSilent"],
        after: &[],
        act: standing("realestate", "silent", "realestate.properties", 40),
    },
    Deed {
        name: "backlog",
        what: "1 500 checks of a system that may be called once a second",
        alerts: &["HubJobsNotStarted"],
        after: &[],
        act: Act::Backlog,
    },
    Deed {
        name: "doubt",
        // MGov gives up after five minutes, sooner than the alert: such doubts end by themselves.
        what: "KPSiSU takes checks, the connection is reset before the ack, and no answer comes",
        alerts: &["HubJobsInDoubt"],
        after: &[],
        act: standing("kpsisu", "ack_lost_never", "kpsisu.check", 3),
    },
    Deed {
        name: "credential",
        what: "Kazpost no longer knows our key",
        alerts: &["HubCredentialRejected"],
        after: &[],
        act: standing("kazpost", "wrong_key", "kazpost.label", 2),
    },
    Deed {
        name: "contract",
        what: "GBD FL answers with a status code that no document lists",
        alerts: &["HubContractBroken"],
        after: &[],
        act: standing("gbdfl", "unknown_status", "gbdfl.person", 3),
    },
    Deed {
        name: "nonsense",
        what: "the portal publishes what is no JSON",
        alerts: &["HubQuarantineGrowing"],
        after: &[],
        act: Act::Nonsense,
    },
    Deed {
        name: "unheard",
        what: "the portal's queue is unbound from the events",
        alerts: &["HubEventsUnheard"],
        after: &["contract"],
        act: Act::Unbound,
    },
    Deed {
        name: "gone",
        what: "a receiver of callbacks answers 410 Gone",
        alerts: &["HubCallbacksStopped"],
        after: &["contract"],
        act: Act::Gone,
    },
    Deed {
        name: "hub killed",
        what: "one of two hubs is killed (SIGKILL) during calls",
        alerts: &["HubWorkersDie", "HubInstanceDown"],
        after: &["credential", "contract", "nonsense", "unheard", "gone"],
        act: Act::HubKilled,
    },
    Deed {
        name: "broker away",
        what: "RabbitMQ is killed",
        alerts: &["HubBrokerDown", "HubOutboxStuck"],
        after: &["hub killed"],
        act: Act::BrokerAway,
    },
    Deed {
        name: "database away",
        what: "PostgreSQL is killed",
        alerts: &["HubDatabaseDown"],
        after: &["errors", "silence", "backlog", "doubt", "broker away"],
        act: Act::DatabaseAway,
    },
    Deed {
        name: "all killed",
        what: "every hub is killed, and the portal publishes on",
        alerts: &["HubMetricsAbsent", "HubQueueWaits"],
        after: &["database away"],
        act: Act::AllKilled,
    },
];

impl Deed {
    /// Whether an alert about this system can come of it.
    pub(super) fn is_about(&self, system: Option<&str>) -> bool {
        match self.act {
            Act::Standing { system: broken, .. } => system.is_none_or(|system| system == broken),
            Act::Backlog => system.is_none_or(|system| system == BEHIND),
            Act::Nonsense
            | Act::Unbound
            | Act::Gone
            | Act::HubKilled
            | Act::BrokerAway
            | Act::DatabaseAway
            | Act::AllKilled => true,
        }
    }

    /// Makes it go wrong; the moment from which it did.
    pub(super) async fn begin(&self, world: &mut World) -> Outcome<Instant> {
        world.fault(self.what);
        match self.act {
            Act::Standing { system, behaviour, operation, jobs } => {
                order(world, system, behaviour.into()).await?;
                let began = Instant::now();
                jobs::publish(world, operation, jobs, None).await;
                return Ok(began);
            }
            Act::Backlog => {
                let began = Instant::now();
                jobs::publish(world, "mzrk.check", BACKLOG, None).await;
                return Ok(began);
            }
            Act::Nonsense => jobs::publish_nonsense(world).await,
            Act::Unbound => {
                let (_connection, channel) = world.portal.session().await?;
                let (queue, exchange) = (QUEUE.into(), EVENTS_EXCHANGE.into());
                channel.queue_unbind(queue, exchange, "#".into(), FieldTable::default()).await?;
                jobs::publish(world, "gbdfl.person", 3, None).await;
            }
            Act::Gone => {
                world.receiver.refuse();
                let url = world.receiver.url();
                jobs::publish(world, "gbdfl.person", 1, Some(&url)).await;
            }
            Act::HubKilled => {
                order(world, "gbdfl", "slow".into()).await?;
                let workers = world.workers_of(VICTIM).await?;
                jobs::publish(world, "gbdfl.person", 40, None).await;
                let owned = World::calls_of(&workers);
                let busy = async |world: &World| Ok(world.count(&owned).await? > 0);
                world.until("the hub that dies calls somebody", BUSY_WAIT_MAX, busy).await?;
                world.kill(VICTIM).await;
            }
            Act::BrokerAway => broker::Away { killed: true }.begin(world).await?,
            Act::DatabaseAway => database::Away { killed: true }.begin(world).await?,
            Act::AllKilled => {
                prometheus::let_broker_tell(&world.stage).await?;
                for hub in 0..world.stage.hubs.len() {
                    world.kill(hub).await;
                }
                let began = Instant::now();
                jobs::publish(world, "gbdfl.person", 5, None).await;
                return Ok(began);
            }
        }
        Ok(Instant::now())
    }

    /// Makes it right again.
    pub(super) async fn end(&self, world: &mut World) -> Outcome<()> {
        match self.act {
            Act::Standing { system, .. } => order(world, system, Value::Null).await,
            Act::Backlog | Act::Nonsense => Ok(()),
            Act::Unbound => world.portal.bind().await,
            Act::Gone => {
                world.receiver.take_again();
                Ok(())
            }
            Act::HubKilled => {
                order(world, "gbdfl", Value::Null).await?;
                world.start_dead()
            }
            Act::BrokerAway => broker::Away { killed: true }.end(world).await,
            Act::DatabaseAway => database::Away { killed: true }.end(world).await,
            Act::AllKilled => world.start_dead(),
        }
    }
}

async fn order(world: &World, system: &str, behaviour: Value) -> Outcome<()> {
    let order = json!({"system": system, "behaviour": behaviour});
    Ok(world.stage.order("standing", &order).await?)
}
