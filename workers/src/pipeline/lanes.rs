//! Lanes: what waits for the admission commit, one lane a channel; the channels take turns.
//!
//! *Guarantee*: a flood of one system's jobs does not stand before the others': each batch takes one of
//! every lane, then the next of every lane. Within a lane the order of the deliveries is kept, because
//! one acknowledgement covers everything before it on its channel.
//!
//! *Limits*: as many as the queue before it holds, [`super::admit::ADMISSION_QUEUE_MAX`].

use std::collections::VecDeque;

/// What waits.
#[derive(Debug)]
pub struct Lanes<T> {
    /// Whose turn it is stands first; none is empty.
    lanes: VecDeque<(u64, VecDeque<T>)>,
    held: usize,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { lanes: VecDeque::new(), held: 0 }
    }
}

impl<T> Lanes<T> {
    /// How many wait.
    pub const fn len(&self) -> usize {
        self.held
    }

    /// Whether nobody waits.
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Puts one behind all others of its lane.
    pub fn push(&mut self, lane: u64, item: T) {
        self.held += 1;
        match self.lanes.iter_mut().find(|(number, _)| *number == lane) {
            Some((_, items)) => items.push_back(item),
            None => self.lanes.push_back((lane, VecDeque::from([item]))),
        }
    }

    /// Takes so many, in turns.
    pub fn take(&mut self, most: usize) -> Vec<T> {
        let mut taken = Vec::with_capacity(most.min(self.held));
        while taken.len() < most
            && let Some((lane, mut items)) = self.lanes.pop_front()
        {
            taken.extend(items.pop_front());
            if !items.is_empty() {
                self.lanes.push_back((lane, items));
            }
        }
        self.held -= taken.len();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(items: &[(u64, &'static str)]) -> Lanes<&'static str> {
        let mut lanes = Lanes::default();
        for (lane, item) in items {
            lanes.push(*lane, *item);
        }
        lanes
    }

    #[test]
    fn a_lone_job_waits_for_no_flood() {
        let mut waiting = lanes(&[(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1")]);
        assert_eq!(waiting.take(2), ["a1", "b1"]);
        assert_eq!(waiting.take(2), ["a2", "a3"]);
        assert_eq!((waiting.len(), waiting.take(2)), (0, vec![]));
    }

    #[test]
    fn the_turn_goes_on_where_the_batch_before_ended() {
        let mut waiting = lanes(&[(1, "a1"), (1, "a2"), (2, "b1"), (2, "b2"), (3, "c1")]);
        assert_eq!(waiting.take(2), ["a1", "b1"]);
        assert_eq!(waiting.take(2), ["c1", "a2"]);
        waiting.push(1, "a3");
        assert_eq!(waiting.take(9), ["b2", "a3"]);
    }

    #[test]
    fn the_order_of_a_lane_is_kept_whatever_comes_between() {
        let mut waiting = Lanes::default();
        let mut came = Vec::new();
        for n in 0..100_u64 {
            waiting.push(n % 3, n);
            if n % 7 == 0 {
                came.extend(waiting.take(4));
            }
        }
        came.extend(waiting.take(usize::MAX));
        assert_eq!(came.len(), 100);
        for lane in 0..3 {
            let one: Vec<u64> = came.iter().copied().filter(|n| n % 3 == lane).collect();
            assert!(one.is_sorted(), "{one:?}");
        }
    }
}
