//! settle: the only place that acknowledges, and only what is on disk.

use crate::broker::consumer::{self, Ack};

/// Acknowledges deliveries whose messages are committed.
pub async fn settle(committed: Vec<Ack>) {
    consumer::acknowledge(committed).await;
}
