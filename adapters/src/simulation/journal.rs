//! What was asked, and what was executed: the truth that an oracle compares the hub with.
//!
//! *Guarantee*: a command that came unasked after it had been sent before is counted ([`Kind`]), also
//! where the system knows the number and executes nothing again: a blind second sending is seen at
//! every system, not only at those that would obey it.
//!
//! *Limits*: the last [`ENTRIES_MAX`] requests in full; counts for [`NUMBERS_MAX`] request numbers
//! per system (then `numbers_cut` is set: totals stay right, repetitions of new numbers are not
//! seen). Nothing here is about a person.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
};

use jiff::Timestamp;
use serde::Serialize;

/// Requests kept in full.
pub const ENTRIES_MAX: usize = 200_000;
/// Request numbers counted, per system.
pub const NUMBERS_MAX: usize = 2_000_000;

/// Everything that was asked.
#[derive(Default)]
pub struct Journal {
    ledgers: BTreeMap<&'static str, Ledger>,
    entries: VecDeque<Entry>,
    first: u64,
}

/// What a request is, for who counts what was sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// May come as often as it likes: a query, or a question about a command.
    Query,
    /// Must not come again unless somebody asked first and heard that it was not executed.
    Command,
    /// A command that was not executed, and the answer says so in words that the contract lists: it may
    /// come again.
    Declined,
    /// A question about a command, whose answer says that it was not executed: it may come again, once.
    Unknown,
}

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// The system that was asked.
    pub system: &'static str,
    /// The hub's request number.
    pub request_number: String,
    /// Business time.
    pub received_at: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// The behaviour that was chosen.
    pub outcome: &'static str,
    /// Whether the request took effect.
    pub executed: bool,
    /// Whether the hub could learn so at once: the answer or acknowledgement was not lost.
    pub acknowledged: bool,
    /// What was given for it: the track number of an order, the codes that a look at a parcel was told.
    pub given: Option<String>,
    /// The chain of an asynchronous request.
    pub correlation_id: Option<u64>,
    /// Later messages that became due.
    pub answered: u32,
    /// Pushes tried.
    pub pushes: u32,
    /// Later messages that the hub took.
    pub delivered: u32,
}

/// Later news about a request.
#[derive(Debug, Clone, Copy)]
pub enum Note {
    /// A message became due.
    Answered,
    /// A push was tried.
    Pushed,
    /// The hub took a message.
    Delivered,
}

/// How often a request number came before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arrival {
    /// This is the n-th request of this number, from 1.
    pub nth: u32,
    /// Random faults it met before.
    pub faults: u32,
}

/// What one system saw, for the oracle.
#[derive(Debug, Serialize)]
pub struct Oracle {
    /// Requests that could be read.
    pub requests: u64,
    /// Requests that took effect.
    pub executed: u64,
    /// The most requests that were being answered at the same moment.
    pub at_once_max: usize,
    /// Different request numbers.
    pub distinct_request_numbers: usize,
    /// Numbers that took effect more than once, in order.
    pub executed_more_than_once: Vec<String>,
    /// Commands that came again unasked, by number: how often. Two callers that share a number (two
    /// jobs for one order) count as one that repeats itself.
    pub sent_again: BTreeMap<String, u32>,
    /// More numbers came than are counted.
    pub numbers_cut: bool,
}

#[derive(Default)]
struct Ledger {
    requests: u64,
    executed: u64,
    at_once: usize,
    at_once_max: usize,
    numbers: HashMap<Box<str>, Counts>,
    numbers_cut: bool,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    requests: u32,
    executed: u32,
    faults: u32,
    /// Sendings of a command.
    sent: u32,
    /// How often somebody heard that it may be sent again.
    allowed: u32,
}

impl Counts {
    fn count(&mut self, entry: &Entry) {
        self.executed += u32::from(entry.executed);
        match entry.kind {
            Kind::Query | Kind::Declined => {}
            Kind::Command => self.sent += 1,
            Kind::Unknown => self.allowed += 1,
        }
    }

    /// Sendings that nothing allowed.
    const fn again(&self) -> u32 {
        self.sent.saturating_sub(1 + self.allowed)
    }
}

impl Journal {
    /// Counts a request that could be read.
    pub fn arrive(&mut self, system: &'static str, number: &str) -> Arrival {
        let ledger = self.ledgers.entry(system).or_default();
        ledger.requests += 1;
        if let Some(counts) = ledger.numbers.get_mut(number) {
            counts.requests += 1;
            return Arrival { nth: counts.requests, faults: counts.faults };
        }
        if ledger.numbers.len() < NUMBERS_MAX {
            ledger.numbers.insert(number.into(), Counts { requests: 1, ..Counts::default() });
        } else {
            ledger.numbers_cut = true;
        }
        Arrival { nth: 1, faults: 0 }
    }

    /// A request has come and is being answered.
    pub fn enter(&mut self, system: &'static str) {
        let ledger = self.ledgers.entry(system).or_default();
        ledger.at_once += 1;
        ledger.at_once_max = ledger.at_once_max.max(ledger.at_once);
    }

    /// It is answered, or its caller went away.
    pub fn leave(&mut self, system: &'static str) {
        let ledger = self.ledgers.entry(system).or_default();
        ledger.at_once = ledger.at_once.saturating_sub(1);
    }

    /// Counts a random fault.
    pub fn count_fault(&mut self, system: &'static str, number: &str) {
        if let Some(counts) = self.ledgers.entry(system).or_default().numbers.get_mut(number) {
            counts.faults += 1;
        }
    }

    /// Writes down what was done with a request. Returns its number, for later notes.
    pub fn append(&mut self, entry: Entry) -> u64 {
        let ledger = self.ledgers.entry(entry.system).or_default();
        ledger.executed += u64::from(entry.executed);
        if let Some(counts) = ledger.numbers.get_mut(entry.request_number.as_str()) {
            counts.count(&entry);
        }
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
            self.first += 1;
        }
        self.entries.push_back(entry);
        self.first + self.entries.len() as u64 - 1
    }

    /// Adds news about a request, where it is still kept.
    pub fn note(&mut self, entry: u64, note: Note) {
        let index = entry.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) else { return };
        match note {
            Note::Answered => entry.answered += 1,
            Note::Pushed => entry.pushes += 1,
            Note::Delivered => entry.delivered += 1,
        }
    }

    /// The numbers of the requests that are kept: from the oldest to the next that will come.
    pub fn kept(&self) -> Range<u64> {
        self.first..self.first + self.entries.len() as u64
    }

    /// The last requests from the entry `from` on, oldest first, with how often each number was executed;
    /// of one system, about one request number, where these are given.
    pub fn entries(
        &self,
        system: Option<&str>,
        number: Option<&str>,
        from: u64,
    ) -> Vec<(Entry, u32)> {
        let wanted = |entry: &&Entry| {
            system.is_none_or(|system| entry.system == system)
                && number.is_none_or(|number| entry.request_number == number)
        };
        let skipped = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.entries
            .iter()
            .skip(skipped)
            .filter(wanted)
            .map(|entry| (entry.clone(), self.executed(entry.system, &entry.request_number)))
            .collect()
    }

    /// How often a number was executed.
    pub fn executed(&self, system: &str, number: &str) -> u32 {
        self.ledgers
            .get(system)
            .and_then(|ledger| ledger.numbers.get(number))
            .map_or(0, |counts| counts.executed)
    }

    /// Requests of all systems.
    pub fn requests(&self) -> u64 {
        self.ledgers.values().map(|ledger| ledger.requests).sum()
    }

    /// What each system saw.
    pub fn oracle(&self) -> BTreeMap<&'static str, Oracle> {
        self.ledgers.iter().map(|(system, ledger)| (*system, ledger.oracle())).collect()
    }
}

impl Ledger {
    fn oracle(&self) -> Oracle {
        let repeated = self.numbers.iter().filter(|(_, counts)| counts.executed > 1);
        let mut executed_more_than_once: Vec<_> =
            repeated.map(|(number, _)| number.to_string()).collect();
        executed_more_than_once.sort();
        let again = self.numbers.iter().filter(|(_, counts)| counts.again() > 0);
        Oracle {
            requests: self.requests,
            executed: self.executed,
            at_once_max: self.at_once_max,
            distinct_request_numbers: self.numbers.len(),
            executed_more_than_once,
            sent_again: again.map(|(number, c)| (number.to_string(), c.again())).collect(),
            numbers_cut: self.numbers_cut,
        }
    }
}
