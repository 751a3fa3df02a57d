//! Probe jobs at a steady rate, and how long it takes until they end at that rate again.
//!
//! *What is compared*. The baseline is the mean of [`BASELINE_WINDOWS`] windows of [`WINDOW`] before the
//! fault, under the same probes. After the fault a window counts as full where
//!
//! - the portal heard the end of at least [`ENOUGH`] of the baseline, or of what it published in that
//!   window, if that is less: nobody can end more than what is offered;
//! - it published at least [`OFFERED_MIN`] of what it did before: else the portal itself, or the broker
//!   that it publishes to, is not back, and the window counts for nobody;
//! - each hub recorded at least [`ENOUGH_OF_ONE`] of its own former part, in the same proportion.
//!
//! *When*. [`World::back_to_rate`] is called at once when a fault has ended: when the node takes clients
//! again, the line is healed, the queue is declared. From then on it is the hub's time, [`BACK_WAIT_MAX`].
//! [`World::moves_on`] is called while a fault lasts. Then the broker's own time counts as well: the net
//! tick, the pause of a minority, the election of leaders; so its deadline, [`MOVE_ON_WAIT_MAX`], only
//! says that somebody serves before the fault ends.
//!
//! *A busy machine*. Where the windows of the baseline differ by more than [`VARIATION_MAX`] of their mean,
//! the machine has not enough time for this measure: that is said aloud, and the deadline is
//! [`BACK_WAIT_MAX_BUSY`].
//!
//! *Guarantee*: every probe that was published is a part of the world's cast, so that the oracle asks
//! for it as for all others. A rate that is not reached fails the test at its end, after the oracle.
//!
//! *Limits*: [`PROBES_MAX`] probes. Between two rounds of a broker that is away nothing is owed: the
//! rate is what it was, not more.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use contracts::number::Iin;
use tokio::task::JoinHandle;
use uuid::Uuid;
use workers::{
    chance::Chance,
    clock::real_now,
    demo::cast::{self, Part},
};

use crate::{
    Error, Outcome,
    portal::{Letter, Portal},
    world::{World, line},
};

/// Probes of one world.
pub const PROBES_MAX: usize = 8_000;
/// Everything, and every hub, is back to the full rate within this, after the end of a fault.
pub const BACK_WAIT_MAX: Duration = Duration::from_secs(10);
/// The same on a machine that was not steady before the fault.
pub const BACK_WAIT_MAX_BUSY: Duration = Duration::from_secs(30);
/// Who is left is at the full rate within this, while a fault lasts.
pub const MOVE_ON_WAIT_MAX: Duration = Duration::from_secs(60);
/// A rate is that of so long a time.
pub const WINDOW: Duration = Duration::from_secs(2);
/// Windows of the baseline.
pub const BASELINE_WINDOWS: u8 = 3;
/// Between the fastest and the slowest window of a steady baseline, of their mean.
pub const VARIATION_MAX: f64 = 0.5;
/// Of the baseline, or of what is offered.
pub const ENOUGH: f64 = 0.9;
/// Of its former rate, for one hub: the broker deals jobs out, not evenly.
pub const ENOUGH_OF_ONE: f64 = 0.5;
/// Of what was offered before.
pub const OFFERED_MIN: f64 = 0.5;
/// Probes end as they are published within this, before a fault.
const FULL_WAIT_MAX: Duration = Duration::from_secs(60);
/// Rounds of publishing in a second.
const ROUNDS: u32 = 10;
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Looks of which one is told where a rate was not reached.
const TOLD_EVERY: usize = 5;
/// The numbers of the probes' persons begin here; the cast's end below.
const PERSONS_FROM: u32 = 150_000;

/// Probes that are published until this is ended, and their rate when nothing was wrong.
#[derive(Debug)]
pub struct Steady {
    probes: Probes,
    full: Full,
}

#[derive(Debug)]
struct Probes {
    first: usize,
    ids: Vec<Uuid>,
    published: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// The baseline: the rate at which jobs end when nothing is wrong.
#[derive(Debug)]
pub struct Full {
    /// The mean of the windows.
    pub rate: Rate,
    /// Whether the machine has time for this measure.
    pub is_steady: bool,
}

/// What happens in a second.
#[derive(Debug)]
pub struct Rate {
    /// Terminal events that the portal heard.
    pub all: f64,
    /// Jobs that each hub recorded.
    pub each: Vec<f64>,
    /// Probes that the portal published.
    pub offered: f64,
}

/// A look at everything that counts.
struct Look {
    at: Instant,
    heard: usize,
    published: usize,
    recorded: Vec<Option<f64>>,
}

impl World {
    /// Publishes probes at this rate from now on, and measures the baseline. One at a time.
    pub async fn begin_steady(&mut self, rate: u32) -> Outcome<Steady> {
        let probes = self.begin_probes(rate);
        let full = self.full_rate(&probes, rate).await?;
        Ok(Steady { probes, full })
    }

    fn begin_probes(&mut self, rate: u32) -> Probes {
        let first = self.parts.len();
        let chance = Chance::seeded(self.chance.below(u64::MAX));
        let now = real_now();
        let probes: Vec<Part> = (0..PROBES_MAX)
            .map(|n| {
                let number = PERSONS_FROM + u32::try_from(n).unwrap_or(0);
                let iin = Iin::synthetic(number);
                cast::person(&chance, iin.expose(), &format!("probe:{first}-{n}"), now)
            })
            .collect();
        self.parts.extend(probes.iter().cloned());
        let ids = probes.iter().filter_map(|probe| probe.id).collect();
        let (published, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let rounds = publish(
            (self.portal.clone(), probes, first),
            (rate / ROUNDS).max(1) as usize,
            published.clone(),
            ended.clone(),
        );
        Probes { first, ids, published, ended, task: tokio::spawn(rounds) }
    }

    /// Waits until probes end as they are published, and measures the baseline.
    async fn full_rate(&mut self, probes: &Probes, rate_asked: u32) -> Outcome<Full> {
        let asked = f64::from(rate_asked);
        let flows = |rate: &Rate| {
            let fair = rate.offered >= OFFERED_MIN * asked;
            fair && rate.all >= ENOUGH * rate.offered && rate.each.iter().all(|rate| *rate > 0.0)
        };
        self.rate_that(probes, FULL_WAIT_MAX, flows).await?;
        let mut windows = Vec::new();
        let mut last = self.look(probes).await;
        for _ in 0..BASELINE_WINDOWS {
            self.pass(WINDOW).await;
            let look = self.look(probes).await;
            windows.push(rate(&last, &look));
            last = look;
        }
        let full = Full::of(&windows);
        self.fault(format_args!("the full rate is {}", full.rate));
        if !full.is_steady {
            let shown: Vec<String> = windows.iter().map(ToString::to_string).collect();
            self.fault(format_args!(
                "WARNING: this machine is too busy to measure rates: {}. The hubs are given {:?} \
                 instead of {:?}, which proves less",
                shown.join("; "),
                BACK_WAIT_MAX_BUSY,
                BACK_WAIT_MAX
            ));
        }
        Ok(full)
    }

    /// Waits until everything, and every hub, is as fast as before the fault, which ends now. What is
    /// too slow is told after the oracle's findings.
    pub async fn back_to_rate(&mut self, steady: &Steady) {
        let wait_max = if steady.full.is_steady { BACK_WAIT_MAX } else { BACK_WAIT_MAX_BUSY };
        self.as_before("back to", steady, wait_max).await;
    }

    /// As [`World::back_to_rate`], where nobody can know at once that a fault has begun.
    pub async fn back_to_rate_within(&mut self, steady: &Steady, wait_max: Duration) {
        let spare = if steady.full.is_steady { BACK_WAIT_MAX } else { BACK_WAIT_MAX_BUSY };
        let spare = spare.saturating_sub(BACK_WAIT_MAX);
        self.as_before("back to", steady, wait_max + spare).await;
    }

    /// As [`World::back_to_rate`], while the fault lasts.
    pub async fn moves_on(&mut self, steady: &Steady) {
        self.as_before("moved on, to", steady, MOVE_ON_WAIT_MAX).await;
    }

    async fn as_before(&mut self, what: &str, steady: &Steady, wait_max: Duration) {
        let full = &steady.full;
        let is_full = |rate: &Rate| full.is_reached_by(rate);
        // The window that ends last began in time.
        match self.rate_that(&steady.probes, wait_max + WINDOW, is_full).await {
            Ok((rate, took)) => {
                let took = took.saturating_sub(WINDOW);
                self.fault(format_args!("{what} {rate} after {took:.1?}"));
            }
            Err(error) => {
                self.fault(format_args!("NOT {what} {} within {wait_max:?}", full.rate));
                self.slow.push(error.to_string());
            }
        }
    }

    /// Publishes no more; what was published is confirmed when this returns.
    pub async fn end_steady(&mut self, steady: Steady) -> Outcome<()> {
        let Probes { first, published, ended, task, .. } = steady.probes;
        ended.store(true, Ordering::Relaxed);
        let ended = tokio::time::timeout(crate::world::END_WAIT_MAX, task).await;
        if !matches!(ended, Ok(Ok(()))) {
            return Err(Error::Told("the probes were not all confirmed".into()));
        }
        let published = published.load(Ordering::Relaxed);
        let unpublished = first + published..first + PROBES_MAX;
        self.parts.drain(unpublished);
        self.fault(format_args!("{published} probes were published"));
        Ok(())
    }

    /// The first window that holds what is asked, and the time until its end.
    async fn rate_that(
        &self,
        probes: &Probes,
        wait_max: Duration,
        holds: impl Fn(&Rate) -> bool,
    ) -> Outcome<(Rate, Duration)> {
        let began = Instant::now();
        let mut looks: Vec<Look> = Vec::new();
        let mut told = String::new();
        while began.elapsed() <= wait_max {
            let look = self.look(probes).await;
            let oldest = looks.iter().rev().find(|old| look.at - old.at >= WINDOW);
            if let Some(rate) = oldest.map(|old| rate(old, &look)) {
                if holds(&rate) {
                    return Ok((rate, look.at - began));
                }
                if looks.len().is_multiple_of(TOLD_EVERY) {
                    let second = began.elapsed().as_secs_f64();
                    line(&mut told, format_args!("    {second:.1} s: {rate}"));
                }
            }
            looks.push(look);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(Error::Late(wait_max, format!("the full rate\n{told}")))
    }

    async fn look(&self, probes: &Probes) -> Look {
        let mut recorded = Vec::new();
        for hub in 0..self.stage.hubs.len() {
            recorded.push(self.metric(hub, "hub_job_duration_seconds_count").await.ok());
        }
        let published = probes.published.load(Ordering::Relaxed);
        let heard = self.portal.ended_of(&probes.ids[..published]);
        Look { at: Instant::now(), heard, published, recorded }
    }
}

impl Full {
    /// The baseline of some windows.
    pub fn of(windows: &[Rate]) -> Self {
        let count = f64::from(u32::try_from(windows.len()).unwrap_or(u32::MAX));
        let mean = |of: &dyn Fn(&Rate) -> f64| windows.iter().map(of).sum::<f64>() / count;
        let hubs = windows.first().map_or(0, |rate| rate.each.len());
        let rate = Rate {
            all: mean(&|rate| rate.all),
            each: (0..hubs).map(|hub| mean(&|rate| rate.each[hub])).collect(),
            offered: mean(&|rate| rate.offered),
        };
        let most = windows.iter().map(|rate| rate.all).fold(0.0, f64::max);
        let least = windows.iter().map(|rate| rate.all).fold(f64::INFINITY, f64::min);
        let is_steady = most - least <= VARIATION_MAX * rate.all;
        Self { rate, is_steady }
    }

    /// Whether a window after a fault is as full as before it; see the module's own words.
    pub fn is_reached_by(&self, now: &Rate) -> bool {
        let share = (now.offered / self.rate.offered).min(1.0);
        let mut each = now.each.iter().zip(&self.rate.each);
        share >= OFFERED_MIN
            && now.all >= ENOUGH * self.rate.all.min(now.offered)
            && each.all(|(now, before)| *now >= ENOUGH_OF_ONE * before * share)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> = self.each.iter().map(|rate| format!("{rate:.0}")).collect();
        let (all, offered, each) = (self.all, self.offered, each.join(" and "));
        write!(f, "{all:.0} jobs a second of {offered:.0} offered, the hubs {each}")
    }
}

fn rate(old: &Look, new: &Look) -> Rate {
    let seconds = (new.at - old.at).as_secs_f64();
    let each = old.recorded.iter().zip(&new.recorded).map(|counts| match counts {
        (Some(old), Some(new)) => (new - old) / seconds,
        (None | Some(_), _) => 0.0,
    });
    let between = |old: usize, new: usize| {
        f64::from(u32::try_from(new.saturating_sub(old)).unwrap_or(u32::MAX)) / seconds
    };
    let (all, offered) = (between(old.heard, new.heard), between(old.published, new.published));
    Rate { all, each: each.collect(), offered }
}

async fn publish(
    (portal, probes, first): (Portal, Vec<Part>, usize),
    size: usize,
    published: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / ROUNDS);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut line = None;
    for (number, round) in probes.chunks(size).enumerate() {
        tick.tick().await;
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let place = first + number * size;
        let letters: Vec<Letter<'_>> =
            round.iter().enumerate().map(|(n, part)| Letter { place: place + n, part }).collect();
        // Counted first: what is under way when the world ends was published.
        published.fetch_add(round.len(), Ordering::Relaxed);
        portal.publish_on(&mut line, &letters).await;
    }
}
