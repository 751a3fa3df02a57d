//! What the line between two programs is like at the moment.

use std::time::Duration;

/// All of it; the default is a perfect line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// New connections. Those that stand are not touched by it.
    pub door: Door,
    /// From the one who dialled to the target: new connections and those that stand.
    pub up: Way,
    /// From the target back.
    pub down: Way,
}

/// What happens to a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Door {
    /// It is taken and joined to the target.
    #[default]
    Open,
    /// Nobody listens: connection refused.
    Refusing,
    /// The system takes it, the program never does: no byte comes back. Taken after the heal.
    Silent,
}

/// One direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Way {
    /// Every byte arrives this much later.
    pub latency: Duration,
    /// And up to this much later still, drawn anew for each piece; the order is kept.
    pub jitter: Duration,
    /// Bytes a second.
    pub rate_max: Option<u32>,
    /// Whether bytes arrive at all.
    pub flow: Flow,
    /// The connection ends in the middle of what is sent.
    pub cut: Option<Cut>,
}

/// Whether the bytes of one direction, and the news of its end, arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// They do.
    #[default]
    Passing,
    /// They wait, as packets that are sent again until the line is back; nothing is lost.
    Held,
    /// They are swallowed, and nobody learns of it: half-open. A connection that lost something in
    /// this way is reset as soon as the flow is another.
    Swallowed,
}

/// An end in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of each connection that still arrive, from the moment this is set, or it opens.
    pub after_bytes: u64,
    /// How both sides hear of it.
    pub ending: Ending,
}

/// How both sides of a connection hear of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In good order: FIN.
    Closed,
    /// RST: what was under way is lost, also what had arrived and was not read.
    Reset,
}

impl Conditions {
    /// Bytes arrive later, there and back.
    pub fn slow(latency: Duration, jitter: Duration, rate_max: Option<u32>) -> Self {
        let way = Way { latency, jitter, rate_max, ..Way::default() };
        Self { up: way, down: way, ..Self::default() }
    }

    /// The same flow in both directions, and for who knocks: no answer unless it passes.
    pub fn flow(flow: Flow) -> Self {
        let way = Way { flow, ..Way::default() };
        let door = if flow == Flow::Passing { Door::Open } else { Door::Silent };
        Self { door, up: way, down: way }
    }
}
