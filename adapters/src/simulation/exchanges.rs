//! The last exchanges, as they were on the wire: for the page of the browser.
//!
//! Bodies are kept here and shown to whoever opens the page, whatever other teams post; they never
//! reach a log.
//!
//! *Limits*: the last [`EXCHANGES_MAX`], [`KEPT_BYTES_MAX`] of each body.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{asked::Asked, locked};

/// Exchanges that are kept.
pub const EXCHANGES_MAX: usize = 500;
/// More of a body is not kept.
pub const KEPT_BYTES_MAX: usize = 64 * 1024;

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    /// Business time of the request.
    pub at: Timestamp,
    /// The first part of the path.
    pub system: String,
    /// HTTP method.
    pub method: String,
    /// The whole path.
    pub path: String,
    /// What was chosen: a behaviour or a case; empty where nothing was.
    pub behaviour: String,
    /// HTTP status.
    pub status: u16,
    /// How the answer ended, where it is not whole.
    pub ending: &'static str,
    /// Real time until the answer began to leave.
    pub took: Duration,
    /// Whether it took effect.
    pub executed: bool,
    /// The number of its near miss.
    pub is_misread: bool,
    /// The request.
    pub request: Bytes,
    /// The answer, as far as it is known.
    pub response: Bytes,
    /// Read when somebody looks: a benchmark does not look.
    pub(super) asked: OnceLock<Asked>,
}

/// All of them.
#[derive(Default)]
pub struct Exchanges(Mutex<(u64, VecDeque<Arc<Exchange>>)>);

impl Exchanges {
    /// Keeps one.
    pub fn keep(&self, mut exchange: Exchange) {
        exchange.request = shortened(exchange.request);
        exchange.response = shortened(exchange.response);
        let mut kept = locked(&self.0);
        let (count, exchanges) = &mut *kept;
        *count += 1;
        if exchanges.len() == EXCHANGES_MAX {
            exchanges.pop_front();
        }
        exchanges.push_back(Arc::new(exchange));
    }

    /// Those after a number, oldest first, without bodies; and the number of the last.
    pub fn after(&self, number: u64) -> (u64, Vec<Value>) {
        let kept = locked(&self.0);
        let count = kept.0;
        let first = count - kept.1.len() as u64 + 1;
        let wanted = (first..=count).zip(kept.1.iter().cloned()).filter(|(id, _)| *id > number);
        let wanted: Vec<_> = wanted.collect();
        drop(kept);
        (count, wanted.iter().map(|(id, exchange)| exchange.summary(*id)).collect())
    }

    /// One with its bodies.
    pub fn one(&self, number: u64) -> Option<Value> {
        let kept = locked(&self.0);
        let first = kept.0 - kept.1.len() as u64 + 1;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        let exchange = Arc::clone(kept.1.get(at)?);
        drop(kept);
        let mut value = exchange.summary(number);
        value["request"] = json!(String::from_utf8_lossy(&exchange.request));
        value["response"] = json!(String::from_utf8_lossy(&exchange.response));
        Some(value)
    }
}

impl Exchange {
    fn summary(&self, id: u64) -> Value {
        let asked = self.asked.get_or_init(|| Asked::read(&self.method, &self.path, &self.request));
        json!({
            "id": id,
            "at": self.at,
            "system": self.system,
            "path": super::asked::shape(&self.path),
            "operation": asked.operation,
            "key": asked.masked(),
            "behaviour": self.behaviour,
            "status": self.status,
            "ending": self.ending,
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "executed": self.executed,
            "misread": self.is_misread,
        })
    }
}

/// A copy of the beginning, so that the rest is not held.
fn shortened(bytes: Bytes) -> Bytes {
    if bytes.len() <= KEPT_BYTES_MAX {
        bytes
    } else {
        Bytes::copy_from_slice(&bytes[..KEPT_BYTES_MAX])
    }
}
