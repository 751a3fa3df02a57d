//! Behaviours that somebody ordered through the control API.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::SignedDuration;

use super::locked;

/// Orders that may wait at once.
pub const ORDERS_MAX: usize = 10_000;

/// Waiting orders, oldest first.
#[derive(Default)]
pub struct Orders {
    waiting: Mutex<Vec<Order>>,
    /// How each request to a system is treated until somebody says otherwise.
    standing: Mutex<BTreeMap<&'static str, &'static str>>,
    /// Spares the locks on the hot path, where nothing was ordered.
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
        self.count(&waiting);
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
        locked(&self.standing).remove(system);
        self.count(&waiting);
    }

    /// Takes the oldest order that fits this request.
    pub fn take(&self, system: &str, number: &str, iin: &str) -> Option<Order> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut waiting = locked(&self.waiting);
        let Some(index) = waiting.iter().position(|order| order.fits(system, number, iin)) else {
            let standing = locked(&self.standing);
            let (system, behaviour) = standing.get_key_value(system)?;
            return Some(Order { system, behaviour, ..Order::default() });
        };
        let taken = waiting[index].clone();
        waiting[index].count -= 1;
        if waiting[index].count == 0 {
            waiting.remove(index);
        }
        self.count(&waiting);
        Some(taken)
    }

    /// From now on every request to this system is treated so; `None` ends that. Orders go first.
    pub fn stand(&self, system: &'static str, behaviour: Option<&'static str>) {
        let waiting = locked(&self.waiting);
        match behaviour {
            Some(behaviour) => drop(locked(&self.standing).insert(system, behaviour)),
            None => drop(locked(&self.standing).remove(system)),
        }
        self.count(&waiting);
    }

    /// The caller holds the lock of the waiting orders: of two changes the later is counted.
    fn count(&self, waiting: &[Order]) {
        let standing = locked(&self.standing).len();
        self.count.store(waiting.len() + standing, Ordering::Release);
    }
}

impl Order {
    fn fits(&self, system: &str, number: &str, iin: &str) -> bool {
        self.system == system
            && self.request_number.as_deref().is_none_or(|wanted| wanted == number)
            && self.iin.as_deref().is_none_or(|wanted| wanted == iin)
    }
}
