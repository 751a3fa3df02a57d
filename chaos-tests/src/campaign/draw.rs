//! Which faults there are in a campaign, how often, and for how long.

use std::time::Duration;

use jiff::SignedDuration;
use workers::{chance::Chance, fail_point::Point};

use crate::fault::{
    Deleted, Fault, Line, MemoryAlarm, Minority, NodeLost, Peer, Wrong, broker, database, outside,
    worker,
};

/// What a fault disturbs: two that overlap disturb different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Hub processes, or what one of them can reach.
    Workers,
    /// PostgreSQL, or something that needs it while it begins.
    Database,
    /// RabbitMQ.
    Broker,
    /// Government systems.
    Outside,
    /// Everything: it never overlaps.
    All,
}

/// A kind of fault.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name, in reports and for `--only`.
    pub name: &'static str,
    /// How often it is drawn, against the others.
    pub weight: u64,
    /// What it disturbs.
    pub ground: Ground,
    /// Milliseconds that it lasts: from, and below.
    pub lasts_ms: (u64, u64),
    /// Nodes of RabbitMQ that it needs.
    pub nodes_min: usize,
    make: fn(&Chance, u64) -> Box<dyn Fault>,
}

/// A fault that was drawn.
pub struct Drawn {
    /// Its kind.
    pub kind: Kind,
    /// The fault.
    pub fault: Box<dyn Fault>,
    /// How long it lasts.
    pub lasts: Duration,
}

impl Kind {
    /// Whether a hub that lives through it may have been taken for dead: nobody heard of it.
    pub fn silences(&self) -> bool {
        let frozen = matches!(self.name, "worker_frozen" | "worker_frozen_at_point");
        frozen || self.name == "database_line_half_open"
    }

    /// Draws one of this kind for a stage of so many hubs.
    pub fn draw(self, chance: &Chance, hubs: usize) -> Drawn {
        let (from, below) = self.lasts_ms;
        let lasts = Duration::from_millis(from + chance.below(below.saturating_sub(from)));
        let fault = (self.make)(chance, hubs as u64);
        Drawn { kind: self, fault, lasts }
    }
}

/// Draws a kind by its weight.
pub fn kind(chance: &Chance, kinds: &[Kind]) -> Option<Kind> {
    let mut drawn = chance.below(kinds.iter().map(|kind| kind.weight).sum());
    for kind in kinds {
        if drawn < kind.weight {
            return Some(*kind);
        }
        drawn -= kind.weight;
    }
    None
}

const fn of(
    name: &'static str,
    weight: u64,
    ground: Ground,
    lasts_ms: (u64, u64),
    make: fn(&Chance, u64) -> Box<dyn Fault>,
) -> Kind {
    Kind { name, weight, ground, lasts_ms, nodes_min: 1, make }
}

/// Points that somebody comes by under a steady load in which business time stands.
const POINTS: [Point; 11] = [
    Point::AfterDeliver,
    Point::BeforeAdmitCommit,
    Point::AfterAdmitCommitBeforeAck,
    Point::AfterAck,
    Point::BeforeCall,
    Point::AfterCallBeforeRecord,
    Point::BeforeRecordCommit,
    Point::AfterRecordCommit,
    Point::AfterPublishBeforeConfirm,
    Point::AfterConfirmBeforeOutboxDelete,
    Point::AfterConsentOpened,
];

/// How a system that flaps answers: its name and one of its simulator's behaviours.
pub const BAD: [(&str, &str); 9] = [
    ("gbdfl", "server_error"),
    ("gbdfl", "slow"),
    ("kpsisu", "server_error"),
    ("kpsisu", "reset_before"),
    ("mzrk", "server_error"),
    ("mgov", "server_error"),
    ("mgov", "lost"),
    ("kazpost", "lost_after_issue"),
    ("eqyzmet", "lost"),
];

/// Nodes of a cluster: two of them are a quorum.
const CLUSTER: usize = 3;

/// All kinds. A lease is 8 seconds: what lasts longer is past it.
pub const KINDS: [Kind; 28] = [
    of("worker_killed", 14, Ground::Workers, (0, 3_000), |chance, hubs| {
        Box::new(worker::Killed { hub: hub(chance, hubs) })
    }),
    of("worker_killed_at_point", 24, Ground::Workers, (0, 1_500), |chance, _| {
        Box::new(worker::KilledAt::new(point(chance), nth(chance)))
    }),
    of("worker_stopped", 6, Ground::Workers, (0, 1_000), |chance, hubs| {
        Box::new(worker::Stopped { hub: hub(chance, hubs) })
    }),
    of("worker_frozen", 6, Ground::Workers, (500, 13_000), |chance, hubs| {
        Box::new(worker::Frozen { hub: hub(chance, hubs) })
    }),
    of("worker_frozen_at_point", 7, Ground::Workers, (500, 13_000), |chance, _| {
        Box::new(worker::FrozenAt::new(point(chance), nth(chance)))
    }),
    of("database_stopped", 5, Ground::Database, (0, 2_000), |_, _| {
        Box::new(database::Away { killed: false })
    }),
    of("database_killed", 8, Ground::Database, (0, 4_000), |_, _| {
        Box::new(database::Away { killed: true })
    }),
    of("database_killed_mid_commit", 8, Ground::Database, (20, 1_000), |_, _| {
        Box::new(database::CommitsUnheard::default())
    }),
    of("database_unreachable", 6, Ground::Database, (500, 20_000), |_, _| {
        Box::new(database::Silent)
    }),
    of("sessions_terminated", 8, Ground::Database, (0, 1), |_, _| {
        Box::new(database::SessionsEnded)
    }),
    of("connections_exhausted", 5, Ground::Database, (500, 4_000), |_, _| {
        Box::new(database::Exhausted::default())
    }),
    of("broker_stopped", 3, Ground::Broker, (0, 1_000), |_, _| {
        Box::new(broker::Away { killed: false })
    }),
    of("broker_killed", 6, Ground::Broker, (0, 2_000), |_, _| {
        Box::new(broker::Away { killed: true })
    }),
    of("broker_memory_alarm", 4, Ground::Broker, (500, 4_000), |_, _| Box::new(MemoryAlarm)),
    of("jobs_exchange_deleted", 3, Ground::Broker, (0, 1), |_, _| Box::new(Deleted::Jobs)),
    of("events_exchange_deleted", 3, Ground::Broker, (0, 1), |_, _| Box::new(Deleted::Events)),
    Kind {
        nodes_min: CLUSTER,
        ..of("broker_node_lost", 10, Ground::Broker, (500, 8_000), |_, _| {
            Box::new(NodeLost::default())
        })
    },
    // Longer than the broker needs to see it: a node that pauses after the heal is no hub's affair.
    Kind {
        nodes_min: CLUSTER,
        ..of("broker_node_in_minority", 6, Ground::Broker, (16_000, 24_000), |_, _| {
            Box::new(Minority::default())
        })
    },
    // A heartbeat of 10 s: some are noticed, some end before.
    of("broker_line_half_open", 4, Ground::Workers, (1_000, 25_000), |chance, hubs| {
        line(Peer::Broker, Wrong::HalfOpen, Some(hub(chance, hubs)))
    }),
    of("broker_line_cut", 4, Ground::Broker, (200, 3_000), |chance, _| {
        line(Peer::Broker, cut(chance), None)
    }),
    // For the others this hub is dead once a lease is over; it lives, and comes back.
    of("database_line_half_open", 6, Ground::Workers, (1_000, 20_000), |chance, hubs| {
        line(Peer::Database, Wrong::HalfOpen, Some(hub(chance, hubs)))
    }),
    of("database_line_cut", 6, Ground::Database, (200, 3_000), |chance, _| {
        line(Peer::Database, cut(chance), None)
    }),
    of("database_line_slow", 4, Ground::Database, (1_000, 6_000), |chance, _| {
        line(Peer::Database, slow(chance), None)
    }),
    of("systems_line_half_open", 4, Ground::Outside, (500, 6_000), |chance, hubs| {
        line(Peer::Systems, Wrong::HalfOpen, Some(hub(chance, hubs)))
    }),
    of("systems_line_cut", 8, Ground::Outside, (500, 5_000), |chance, _| {
        line(Peer::Systems, cut(chance), None)
    }),
    of("business_clock_jumped", 6, Ground::Database, (0, 500), |chance, _| {
        let minutes = 1 + chance.below(30 * 60);
        let by = SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(60));
        Box::new(outside::ClockJumped { by })
    }),
    of("destination_flapping", 10, Ground::Outside, (2_000, 8_000), |chance, _| {
        let at = usize::try_from(chance.below(BAD.len() as u64)).unwrap_or(0);
        let (system, behaviour) = BAD[at];
        Box::new(outside::Flapping { system, behaviour })
    }),
    of("all_workers_down_for_days", 2, Ground::All, (0, 1_000), |chance, _| {
        let days = i64::try_from(3 + chance.below(6)).unwrap_or(3);
        Box::new(outside::Deserted { days: SignedDuration::from_hours(24 * days) })
    }),
];

fn line(peer: Peer, wrong: Wrong, hub: Option<usize>) -> Box<dyn Fault> {
    Box::new(Line { peer, wrong, hub })
}

/// In the middle of a handshake, a request, a commit, an answer.
fn cut(chance: &Chance) -> Wrong {
    Wrong::Cut { after_bytes: 1 + chance.below(6_000) }
}

fn slow(chance: &Chance) -> Wrong {
    Wrong::Slow { latency: Duration::from_millis(5 + chance.below(35)), rate_max: None }
}

fn hub(chance: &Chance, hubs: u64) -> usize {
    usize::try_from(chance.below(hubs)).unwrap_or(0)
}

fn point(chance: &Chance) -> Point {
    POINTS[usize::try_from(chance.below(POINTS.len() as u64)).unwrap_or(0)]
}

fn nth(chance: &Chance) -> u32 {
    1 + u32::try_from(chance.below(5)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        let drawn = |seed| -> Vec<(&'static str, Duration)> {
            let chance = Chance::seeded(seed);
            let one = |_| {
                let kind = kind(&chance, &KINDS).expect("weights are positive");
                (kind.name, kind.draw(&chance, 2).lasts)
            };
            (0..50).map(one).collect()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn every_kind_is_drawn_and_no_name_twice() {
        let chance = Chance::seeded(1);
        let drawn: std::collections::BTreeSet<&str> =
            (0..2_000).filter_map(|_| kind(&chance, &KINDS)).map(|kind| kind.name).collect();
        assert_eq!(drawn.len(), KINDS.len());
    }

    #[test]
    fn a_kind_is_called_what_its_fault_is_called() {
        let chance = Chance::seeded(1);
        for kind in KINDS {
            assert_eq!(kind.draw(&chance, 2).fault.name(), kind.name);
        }
    }
}
