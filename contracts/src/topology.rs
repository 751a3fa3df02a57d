//! Exchanges and queues, as data. `workers/src/broker/topology.rs` declares exactly this.
//!
//! Everything is durable. A job queue is a quorum queue that refuses a publish rather than drop a
//! message, never gives up on a delivery by itself, and dead-letters at least once.

/// Jobs come in here; the routing key is the operation.
pub const JOBS_EXCHANGE: &str = "hub.jobs";
/// Events go out here; the routing key is `<operation>.<event>`.
pub const EVENTS_EXCHANGE: &str = "hub.events";
/// Alternate exchange of [`JOBS_EXCHANGE`]: what no queue is bound for.
pub const UNROUTED_EXCHANGE: &str = "hub.unrouted";
/// The queue behind [`UNROUTED_EXCHANGE`]; consumed and answered with `rejected`.
pub const UNROUTED_QUEUE: &str = "hub.unrouted";
/// Dead letters; consumed into quarantine.
pub const DEAD_EXCHANGE: &str = "hub.dead";
/// The queue behind [`DEAD_EXCHANGE`].
pub const DEAD_QUEUE: &str = "hub.dead";

/// Redeliveries before a broker may drop a message. The default of RabbitMQ 4 is 20, and `-1` on
/// 3.10 drops after one requeue: the hub counts attempts itself, so this only has to be large.
pub const DELIVERY_LIMIT: i32 = 1_000_000;

/// What kind of exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeKind {
    /// Routes by pattern.
    Topic,
    /// Routes to all.
    Fanout,
}

/// An exchange to declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: ExchangeKind,
    /// Where messages go that match no binding.
    pub alternate: Option<&'static str>,
}

/// A quorum queue to declare and bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// The exchange it is bound to.
    pub exchange: &'static str,
    /// The binding key.
    pub binding: String,
    /// Where rejected and expired messages go.
    pub dead_letter: Option<&'static str>,
}

/// The name of a system's job queue.
pub fn job_queue(system: &str) -> String {
    format!("{JOBS_EXCHANGE}.{system}")
}

/// All exchanges.
pub fn exchanges() -> Vec<Exchange> {
    let exchange = |name, kind, alternate| Exchange { name, kind, alternate };
    vec![
        exchange(UNROUTED_EXCHANGE, ExchangeKind::Fanout, None),
        exchange(DEAD_EXCHANGE, ExchangeKind::Fanout, None),
        exchange(JOBS_EXCHANGE, ExchangeKind::Topic, Some(UNROUTED_EXCHANGE)),
        exchange(EVENTS_EXCHANGE, ExchangeKind::Topic, None),
    ]
}

/// All queues for these systems.
pub fn queues<'a>(systems: impl IntoIterator<Item = &'a str>) -> Vec<Queue> {
    let mut all = vec![
        Queue {
            name: UNROUTED_QUEUE.to_owned(),
            exchange: UNROUTED_EXCHANGE,
            binding: String::new(),
            dead_letter: Some(DEAD_EXCHANGE),
        },
        Queue {
            name: DEAD_QUEUE.to_owned(),
            exchange: DEAD_EXCHANGE,
            binding: String::new(),
            dead_letter: None,
        },
    ];
    all.extend(systems.into_iter().map(|system| Queue {
        name: job_queue(system),
        exchange: JOBS_EXCHANGE,
        binding: format!("{system}.#"),
        dead_letter: Some(DEAD_EXCHANGE),
    }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrouted_jobs_and_dead_letters_always_have_a_queue() {
        let queues = queues(["gbdfl"]);
        for exchange in exchanges().iter().filter_map(|e| e.alternate) {
            assert!(queues.iter().any(|q| q.exchange == exchange));
        }
        for dead in queues.iter().filter_map(|q| q.dead_letter) {
            assert!(queues.iter().any(|q| q.exchange == dead));
        }
        assert!(queues.iter().any(|q| q.name == "hub.jobs.gbdfl" && q.binding == "gbdfl.#"));
    }
}
