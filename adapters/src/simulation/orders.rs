//! Behaviours that somebody ordered through the control API.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use jiff::SignedDuration;

use super::locked;

/// Orders that may wait at once.
pub const ORDERS_MAX: usize = 10_000;

/// Waiting orders, oldest first.
#[derive(Default)]
pub struct Orders {
    waiting: Mutex<Vec<Order>>,
    /// Spares the lock on the hot path, where nothing was ordered.
    count: AtomicUsize,
}

/// "The next `count` requests behave so."
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The system.
    pub system: &'static str,
    /// The behaviour's name.
    pub behaviour: &'static str,
    /// How many requests.
    pub count: u32,
    /// Where later messages go, if not to the usual addresses.
    pub push_url: Option<String>,
    /// Business time until the first later message, if not the usual one.
    pub push_after: Option<SignedDuration>,
    /// Only requests with this number.
    pub request_number: Option<String>,
    /// Only requests about this person.
    pub iin: Option<String>,
}

impl Orders {
    /// Adds an order. False: too many wait.
    pub fn add(&self, order: Order) -> bool {
        let mut waiting = locked(&self.waiting);
        let fits = waiting.len() < ORDERS_MAX;
        if fits {
            waiting.push(order);
        }
        self.count.store(waiting.len(), Ordering::Release);
        fits
    }

    /// Those that wait, oldest first.
    pub fn list(&self) -> Vec<Order> {
        locked(&self.waiting).clone()
    }

    /// Forgets all orders for a system.
    pub fn clear(&self, system: &str) {
        let mut waiting = locked(&self.waiting);
        waiting.retain(|order| order.system != system);
        self.count.store(waiting.len(), Ordering::Release);
    }

    /// Takes the oldest order that fits this request.
    pub fn take(&self, system: &str, number: &str, iin: &str) -> Option<Order> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut waiting = locked(&self.waiting);
        let index = waiting.iter().position(|order| order.fits(system, number, iin))?;
        let taken = waiting[index].clone();
        waiting[index].count -= 1;
        if waiting[index].count == 0 {
            waiting.remove(index);
        }
        self.count.store(waiting.len(), Ordering::Release);
        Some(taken)
    }
}

impl Order {
    fn fits(&self, system: &str, number: &str, iin: &str) -> bool {
        self.system == system
            && self.request_number.as_deref().is_none_or(|wanted| wanted == number)
            && self.iin.as_deref().is_none_or(|wanted| wanted == iin)
    }
}
