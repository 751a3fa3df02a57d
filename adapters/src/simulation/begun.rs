//! Conversations that a system began by order: what the hub has to tell of, whether or not it was
//! reached.
//!
//! *Limits*: the last [`BEGUN_MAX`].

use std::{collections::VecDeque, sync::Mutex};

use serde::Serialize;

use super::locked;

/// Conversations that are remembered.
pub const BEGUN_MAX: usize = 100_000;

/// One conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conversation {
    /// Who began it.
    pub system: &'static str,
    /// What happens in it.
    pub kind: String,
    /// The system's key of it: a message's id.
    pub key: String,
}

/// All of them, oldest first.
#[derive(Debug, Default)]
pub struct Begun {
    kept: Mutex<(u64, VecDeque<Conversation>)>,
}

impl Begun {
    /// Remembers one.
    pub fn add(&self, conversation: Conversation) {
        let (first, kept) = &mut *locked(&self.kept);
        if kept.len() == BEGUN_MAX {
            kept.pop_front();
            *first += 1;
        }
        kept.push_back(conversation);
    }

    /// Those from this number on that are kept, with the number of the first one and of the next that
    /// will come.
    pub fn since(&self, from: u64) -> (u64, Vec<Conversation>, u64) {
        let (first, kept) = &*locked(&self.kept);
        let skipped = usize::try_from(from.saturating_sub(*first)).unwrap_or(usize::MAX);
        let wanted: Vec<Conversation> = kept.iter().skip(skipped).cloned().collect();
        let next = *first + kept.len() as u64;
        (next - wanted.len() as u64, wanted, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: usize) -> Conversation {
        Conversation { system: "eqyzmet", kind: "notice".to_owned(), key: key.to_string() }
    }

    #[test]
    fn who_asks_from_a_number_on_hears_of_what_came_later() {
        let begun = Begun::default();
        assert_eq!(begun.since(0), (0, vec![], 0));
        (0..3).for_each(|key| begun.add(one(key)));
        assert_eq!(begun.since(0).1.len(), 3);
        assert_eq!(begun.since(2), (2, vec![one(2)], 3));
        assert_eq!(begun.since(9), (3, vec![], 3));
    }

    #[test]
    fn who_asks_too_late_sees_that_the_oldest_are_gone() {
        let begun = Begun::default();
        (0..=BEGUN_MAX).for_each(|key| begun.add(one(key)));
        let (first, kept, next) = begun.since(0);
        assert_eq!((first, kept.len(), next), (1, BEGUN_MAX, BEGUN_MAX as u64 + 1));
    }
}
