//! Limits that all workers share: calls under way, and starts a second.
//!
//! *Calls under way*: the limit is the system's. Each worker leases a share of it and calls within its
//! share without asking anybody; [`fair`] says what each should have.
//!
//! *Starts a second*: the shared row deals out instants, each once, one every `1/rate`. A start at an
//! instant is made between it and [`Rate::life`] later, or never; so in any stretch of time the starts
//! of all workers together are at most `rate × stretch + burst`.
//!
//! After a rest the first instants have passed, so that several calls may start at once; but by no more
//! than [`RESTED`] of a life, so that they still live when the answer is there.
//!
//! *Guarantee*: pure; the clock is passed in.
//!
//! *Limits*: whoever waits longer for the database than an instant lives starts nothing.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde::Deserialize;

/// Instants are reserved at most so far in advance.
pub const AHEAD: Duration = Duration::from_secs(1);
/// The part of its life that the first instant after a rest has behind it: as much of a burst starts at
/// once, and what is left is for the answer's way.
pub const RESTED: f64 = 0.75;
/// So many lives of the shortest burst that is allowed make a second.
const LIVES_MAX: u32 = 4;

/// A worker as the shared table shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Calls under way.
    pub in_use: usize,
    /// Whether it had no permit for a job.
    pub hungry: bool,
}

/// What each worker should have of a limit, in the order of `members`. The sum is the limit.
///
/// While nobody is hungry everybody has the same, so that shares rest. Else those who are not hungry
/// keep what they use, with room to grow, and the hungry ones share the rest.
pub fn fair(limit: usize, members: &[Member]) -> Vec<usize> {
    let hungry = members.iter().filter(|member| member.hungry).count();
    if hungry == 0 || hungry == members.len() {
        return even(limit, members.len());
    }
    let equal = limit / members.len();
    let keeps = |member: &Member| (member.in_use + 1).next_power_of_two().min(equal);
    let kept: usize = members.iter().filter(|member| !member.hungry).map(keeps).sum();
    let mut rest = even(limit - kept, hungry).into_iter();
    members
        .iter()
        .map(|member| if member.hungry { rest.next().unwrap_or(0) } else { keeps(member) })
        .collect()
}

/// The first ones have one more, where it does not come out even.
fn even(limit: usize, parts: usize) -> Vec<usize> {
    (0..parts).map(|n| limit / parts + usize::from(n < limit % parts)).collect()
}

/// What a worker may lease now: never more than is free, never less than it cannot give back.
pub const fn lease(limit: usize, others: usize, held: usize, target: usize) -> usize {
    let free = limit.saturating_sub(others).saturating_sub(held);
    let wish = target.saturating_sub(held);
    if wish < free { held + wish } else { held + free }
}

/// How often calls may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Rate {
    /// Starts a second; 0: as many as you like.
    pub per_s: u32,
    /// What may start beyond the rate in any stretch of time; at least [`Rate::burst_min`].
    pub burst: u32,
}

impl Rate {
    /// As many as you like.
    pub const NONE: Self = Self { per_s: 0, burst: 2 };

    /// The least burst of so many starts a second: an instant lives for a quarter of a second, which a
    /// busy database and a busy machine leave something of.
    pub const fn burst_min(per_s: u32) -> u32 {
        let burst = per_s.div_ceil(LIVES_MAX) + 1;
        if burst > 2 { burst } else { 2 }
    }

    /// Whether there is a limit.
    pub const fn is_limited(self) -> bool {
        self.per_s > 0
    }

    /// How long an instant may be used: after that it is given up.
    pub fn life(self) -> Duration {
        Duration::from_secs(1) * self.burst.saturating_sub(1) / self.per_s.max(1)
    }

    /// Between two instants.
    pub fn gap(self) -> Duration {
        Duration::from_secs(1) / self.per_s.max(1)
    }

    /// How many instants one worker takes at once: a quarter of a second's, so that others get some.
    pub fn block(self, wanted: usize) -> usize {
        wanted.min(usize::try_from(self.per_s.div_ceil(4)).unwrap_or(1).max(1))
    }
}

/// Instants that this worker has reserved and not used, oldest first.
#[derive(Debug, Default)]
pub struct Tokens(VecDeque<Token>);

/// The right to start one call, at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Not before.
    pub from: Instant,
    /// Not after.
    pub until: Instant,
}

impl Tokens {
    /// Adds a block whose first instant lies `first_ms` behind (or before) the moment at which the
    /// database answered. The call to it began at `asked` and ended at `told`: whatever the truth in
    /// between, no token is used before its instant or after its life.
    pub fn add(&mut self, count: usize, first_ms: f64, rate: Rate, asked: Instant, told: Instant) {
        for n in 0..count {
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            let offset = first_ms / 1_000.0 + (rate.gap() * n).as_secs_f64();
            self.0.push_back(Token {
                from: at(told, offset),
                until: at(asked, offset) + rate.life(),
            });
        }
    }

    /// One that may be used now.
    pub fn take(&mut self, now: Instant) -> Option<Token> {
        while self.0.front().is_some_and(|token| token.until < now) {
            self.0.pop_front();
        }
        self.0.pop_front_if(|token| token.from <= now)
    }

    /// Gives back one that was not used.
    pub fn give_back(&mut self, token: Token) {
        self.0.push_front(token);
    }

    /// When the next one may be used, where one is there.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.0.iter().find(|token| token.until >= now).map(|token| token.from.max(now))
    }
}

fn at(base: Instant, offset_s: f64) -> Instant {
    let offset = Duration::from_secs_f64(offset_s.abs().min(3_600.0));
    if offset_s < 0.0 { base.checked_sub(offset).unwrap_or(base) } else { base + offset }
}

#[cfg(test)]
mod tests;
