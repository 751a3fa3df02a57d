//! Probe jobs at a steady rate, and how long it takes until they end at that rate again.
//!
//! *Guarantee*: every probe that was published is a part of the world's cast, so that the oracle asks
//! for it as for all others.
//!
//! *Limits*: [`PROBES_MAX`] probes. Between two rounds of a broker that is away nothing is owed: the
//! rate is what it was, not more.

use std::{
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
/// Every worker is back to the full rate within this, after the end of a fault.
pub const BACK_WAIT_MAX: Duration = Duration::from_secs(10);
/// A rate is that of so long a time.
pub const WINDOW: Duration = Duration::from_secs(2);
/// The full rate is reached within this, before a fault.
const FULL_WAIT_MAX: Duration = Duration::from_secs(60);
/// Of what is offered before a fault, or of what was full after it.
const ENOUGH: f64 = 0.9;
/// Of its former rate, for one hub: the broker deals jobs out, not evenly.
const ENOUGH_OF_ONE: f64 = 0.5;
/// Of the former offer: below this the portal itself is not back.
const OFFERED_MIN: f64 = 0.5;
/// Rounds of publishing in a second.
const ROUNDS: u32 = 10;
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The numbers of the probes' persons begin here; the cast's end below.
const PERSONS_FROM: u32 = 150_000;

/// Probes that are published until this is ended.
#[derive(Debug)]
pub struct Steady {
    first: usize,
    rate: u32,
    published: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// The rate at which jobs end when nothing is wrong.
#[derive(Debug, Clone)]
pub struct Full {
    /// Terminal events that the portal heard in a second.
    pub all: f64,
    /// Jobs that each hub recorded in a second.
    pub each: Vec<f64>,
    /// Probes that the broker was given in a second.
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
    /// Publishes probes at this rate from now on. One at a time.
    pub fn begin_steady(&mut self, rate: u32) -> Steady {
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
        let (published, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let rounds = publish(
            (self.portal.clone(), probes, first),
            (rate / ROUNDS).max(1) as usize,
            published.clone(),
            ended.clone(),
        );
        Steady { first, rate, published, ended, task: tokio::spawn(rounds) }
    }

    /// Waits until probes end as fast as they are published, and says how fast that is.
    pub async fn full_rate(&mut self, steady: &Steady) -> Outcome<Full> {
        let offered = f64::from(steady.rate);
        let enough = |rate: &Full| {
            let fair = rate.offered >= OFFERED_MIN * offered;
            fair && rate.all >= ENOUGH * rate.offered && rate.each.iter().all(|rate| *rate > 0.0)
        };
        let (full, _) = self.rate_that(steady, FULL_WAIT_MAX, enough).await?;
        self.fault(format_args!("the full rate is {:.0} jobs a second", full.all));
        Ok(full)
    }

    /// Waits until everything, and every hub, is as fast as before; how long after this call the
    /// first full stretch of time began.
    pub async fn back_to_rate(&mut self, steady: &Steady, full: &Full) -> Outcome<Duration> {
        let wait_max = BACK_WAIT_MAX + WINDOW;
        // Nobody can end more than what is offered; a machine that is busy otherwise offers less.
        let share = |rate: &Full| (rate.offered / full.offered).min(1.0);
        let each = |rate: &Full| {
            let mut both = rate.each.iter().zip(&full.each);
            both.all(|(now, before)| *now >= ENOUGH_OF_ONE * before * share(rate))
        };
        let enough = |rate: &Full| {
            let fair = share(rate) >= OFFERED_MIN;
            fair && rate.all >= ENOUGH * full.all * share(rate) && each(rate)
        };
        let (rate, took) = self.rate_that(steady, wait_max, enough).await?;
        let took = took.saturating_sub(WINDOW);
        self.fault(format_args!("back to {:.0} jobs a second after {took:.1?}", rate.all));
        Ok(took)
    }

    /// Publishes no more; what was published is confirmed when this returns.
    pub async fn end_steady(&mut self, steady: Steady) -> Outcome<()> {
        steady.ended.store(true, Ordering::Relaxed);
        let ended = tokio::time::timeout(crate::world::END_WAIT_MAX, steady.task).await;
        if !matches!(ended, Ok(Ok(()))) {
            return Err(Error::Told("the probes were not all confirmed".into()));
        }
        let published = steady.published.load(Ordering::Relaxed);
        let unpublished = steady.first + published..steady.first + PROBES_MAX;
        self.parts.drain(unpublished);
        self.fault(format_args!("{published} probes were published"));
        Ok(())
    }

    async fn rate_that(
        &self,
        steady: &Steady,
        wait_max: Duration,
        enough: impl Fn(&Full) -> bool,
    ) -> Outcome<(Full, Duration)> {
        let ids: Vec<Uuid> =
            self.parts[steady.first..].iter().take(PROBES_MAX).filter_map(|p| p.id).collect();
        let began = Instant::now();
        let mut looks: Vec<Look> = Vec::new();
        let mut told = String::new();
        while began.elapsed() <= wait_max {
            let published = steady.published.load(Ordering::Relaxed);
            let look = self.look(&ids[..published]).await;
            let oldest = looks.iter().rev().find(|old| look.at - old.at >= WINDOW);
            if let Some(rate) = oldest.map(|old| rate(old, &look)) {
                if enough(&rate) {
                    return Ok((rate, began.elapsed()));
                }
                let each: Vec<String> = rate.each.iter().map(|r| format!("{r:.0}")).collect();
                line(
                    &mut told,
                    format_args!(
                        "    {:.1} s: {:.0} jobs a second of {:.0}; the hubs: {}",
                        began.elapsed().as_secs_f64(),
                        rate.all,
                        rate.offered,
                        each.join(", ")
                    ),
                );
            }
            looks.push(look);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(Error::Late(wait_max, format!("the full rate\n{told}")))
    }

    async fn look(&self, probes: &[Uuid]) -> Look {
        let mut recorded = Vec::new();
        for hub in 0..self.stage.hubs.len() {
            recorded.push(self.metric(hub, "hub_job_duration_seconds_count").await.ok());
        }
        let heard = self.portal.ended_of(probes);
        Look { at: Instant::now(), heard, published: probes.len(), recorded }
    }
}

fn rate(old: &Look, new: &Look) -> Full {
    let seconds = (new.at - old.at).as_secs_f64();
    let each = old.recorded.iter().zip(&new.recorded).map(|counts| match counts {
        (Some(old), Some(new)) => (new - old) / seconds,
        (None | Some(_), _) => 0.0,
    });
    let between = |old: usize, new: usize| {
        f64::from(u32::try_from(new.saturating_sub(old)).unwrap_or(u32::MAX)) / seconds
    };
    let (all, offered) = (between(old.heard, new.heard), between(old.published, new.published));
    Full { all, each: each.collect(), offered }
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
