//! A campaign: drawn faults against a hub under load, for as long as wanted.
//!
//! ```text
//! round: load ─ calm: the full rate ─ gap ─ fault (or two that overlap) ─ back to it? ─ gap ─ fault …
//!        load stops ─ business time leaps until everything has ended ─ oracle
//! ```
//!
//! *Guarantee*: the seed decides the faults, their order, their lengths and the gaps before them. A
//! promise that was broken is reported with the faults in their order and the rows that show it.
//!
//! *Limits*: every worker is back to its rate within [`BACK_MAX`] of a fault's end, and stays so until the
//! next one; a round is judged
//! by its own jobs, and has ended within [`LEAPS_WAIT_MAX`](crate::world::LEAPS_WAIT_MAX).

pub mod draw;
pub mod rate;
pub mod report;

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use workers::chance::Chance;

use self::{
    draw::{Drawn, Ground, KINDS, Kind},
    rate::{Baseline, Sampler},
    report::{Report, Round, Struck, Violation},
};
use crate::{
    Error, Outcome,
    evidence::Evidence,
    fail_points::APART,
    fault,
    load::Load,
    oracle,
    world::{Scene, Since, Wanted, World, evidence_of},
};

/// Every worker is back to its full rate this long after a fault's end.
pub const BACK_MAX: Duration = Duration::from_secs(10);
/// After this nobody waits for the rate any more.
const BACK_WAIT_MAX: Duration = Duration::from_secs(45);
/// A rescue this long after a hub died or froze is one of its jobs.
const RESCUE_AFTER_MAX: Duration = Duration::from_secs(40);
/// People whose message does not come give up after this.
const PATIENCE: Duration = Duration::from_secs(6);
/// The broker takes what is not confirmed within this.
const CONFIRM_MAX: Duration = Duration::from_secs(90);
/// Business time leaps past a due moment by this.
const LEAP: SignedDuration = SignedDuration::from_hours(12);
/// One fault in so many has a companion.
const COMPANION_ONE_IN: u64 = 5;
/// One fault in so many comes with a burst.
const BURST_ONE_IN: u64 = 4;
/// The rate is up within this, also on a busy machine.
const WARM_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a campaign is asked for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// No more faults after this.
    pub wait_max: Duration,
    /// Faults in all.
    pub faults: usize,
    /// Hub processes.
    pub hubs: usize,
    /// Nodes of RabbitMQ; some kinds need three.
    pub nodes: usize,
    /// Hubs that do not see each other's processes, as in containers.
    pub apart: bool,
    /// Names of the kinds that are drawn; empty: all.
    pub only: Vec<String>,
    /// Says what happens, to a person.
    pub say: fn(&str),
}

/// A fault whose way back is over, as far as was seen.
struct WayBack {
    ended: Instant,
    calm: Baseline,
}

/// A campaign that runs.
struct Campaign {
    plan: Plan,
    world: World,
    load: Load,
    sampler: Sampler,
    chance: Chance,
    kinds: Vec<Kind>,
    began: Instant,
    /// Messages a second, of all hubs.
    rate: u64,
    /// When a hub last was dead or frozen.
    last_death: Option<Instant>,
    /// The last fault's, until it is seen whether the rate held.
    way_back: Option<WayBack>,
    /// Until when counters were looked at.
    watched: Instant,
    /// The processes that live, with their names among the workers; a name that is lost was taken by
    /// somebody who thought them dead.
    living: BTreeMap<u32, Vec<String>>,
    report: Report,
}

/// The kinds of these names, or all that so many nodes of RabbitMQ allow. A name that is unknown, or
/// that needs more nodes, is an error.
pub fn kinds(only: &[String], nodes: usize) -> Result<Vec<Kind>, String> {
    for name in only {
        match KINDS.iter().find(|kind| kind.name == name) {
            None => {
                let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
                return Err(format!("no fault is called {name}; these are: {}", known.join(", ")));
            }
            Some(kind) if kind.nodes_min > nodes => {
                let needs = kind.nodes_min;
                return Err(format!("{name} needs {needs} nodes of RabbitMQ: --nodes {needs}"));
            }
            Some(_) => {}
        }
    }
    let named = |kind: &&Kind| only.is_empty() || only.iter().any(|name| name == kind.name);
    let wanted = |kind: &&Kind| kind.nodes_min <= nodes && named(kind);
    Ok(KINDS.iter().filter(wanted).copied().collect())
}

/// Plays a campaign to its end. `Err` where it could not be played; promises that were broken stand
/// in the report.
pub async fn run(plan: Plan) -> Outcome<Report> {
    let kinds = kinds(&plan.only, plan.nodes).map_err(Error::Told)?;
    let wanted = Wanted {
        name: "campaign",
        jobs: 0,
        hubs: plan.hubs,
        latency: Duration::from_millis(40),
        fault_permille: 40,
    };
    let environment: &[_] = if plan.apart { &[APART] } else { &[] };
    let scene = Scene { proxied: true, brokers: plan.nodes, environment };
    // Boxed, as whoever awaits a campaign would hold all that it takes to begin one.
    let mut world = Box::pin(World::seeded(wanted, scene, plan.seed)).await?;
    know_behaviours(&world).await?;
    world.quiet();
    let mut campaign = Campaign {
        load: Load::start(&world, plan.seed),
        sampler: Sampler::start(&world.stage, &world.portal),
        chance: Chance::seeded(plan.seed ^ 0xFA17),
        report: Report::new(plan.seed),
        world,
        kinds,
        began: Instant::now(),
        rate: 0,
        last_death: None,
        way_back: None,
        watched: Instant::now(),
        living: BTreeMap::new(),
        plan,
    };
    let played = campaign.play().await;
    let Campaign { world, mut report, began, .. } = campaign;
    report.took = began.elapsed();
    if let Err(error) = &played {
        report.violations.push(Violation::new("the campaign could not go on", error.to_string()));
    }
    if !report.violations.is_empty() {
        report.story = world.story("promises were broken");
    }
    world.stage.strike().await;
    Ok(report)
}

/// What may be drawn after hours must not be refused then.
async fn know_behaviours(world: &World) -> Outcome<()> {
    let known = world.stage.control("behaviours").await?;
    match draw::BAD.iter().find(|(system, name)| known[system]["behaviours"][name].is_null()) {
        Some((system, name)) => {
            Err(Error::Told(format!("the simulator of {system} has no behaviour {name}")))
        }
        None => Ok(()),
    }
}

/// Where a fault struck, or that nobody came by.
fn place(struck: &fault::Struck) -> Option<String> {
    match struck {
        fault::Struck::Here => None,
        fault::Struck::At(place) => Some((*place).to_owned()),
        fault::Struck::Missed(place) => Some(format!("nobody came by {place}")),
    }
}

impl Campaign {
    async fn play(&mut self) -> Outcome<()> {
        while self.report.count() < self.plan.faults && self.began.elapsed() < self.plan.wait_max {
            let size = 12 + usize::try_from(self.chance.below(7)).unwrap_or(0);
            self.rate = 18 + self.chance.below(7);
            self.load.set_rate(self.rate);
            let calm = self.calm().await?;
            for _ in 0..size {
                if self.report.count() >= self.plan.faults
                    || self.began.elapsed() > self.plan.wait_max
                {
                    break;
                }
                self.strike(&calm).await?;
            }
            self.judge().await?;
        }
        Ok(())
    }

    /// Waits until the load has its rate; `false` where it does not get there.
    async fn warm(&self) -> bool {
        let began = Instant::now();
        let share = self.share() * rate::FULL;
        while began.elapsed() < WARM_MAX {
            let rates = self.sampler.rates();
            if !rates.is_empty() && rates.iter().all(|rate| *rate >= share) {
                return true;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        false
    }

    /// What a full rate is in this round.
    async fn calm(&mut self) -> Outcome<Baseline> {
        self.demand_rate().await;
        tokio::time::sleep(rate::CALM).await;
        let began = Instant::now();
        while began.elapsed() < WARM_MAX {
            if let Some(calm) = self.sampler.baseline(self.share()) {
                return Ok(calm);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(Error::Late(WARM_MAX, "the workers' counters are looked at".into()))
    }

    async fn demand_rate(&mut self) {
        if !self.warm().await {
            let rates = self.sampler.rates();
            self.violate("the workers do not reach their rate", format!("{WARM_MAX:?}: {rates:?}"));
        }
    }

    /// The rate of one worker when all share the load.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn share(&self) -> f64 {
        self.rate as f64 / self.plan.hubs as f64
    }

    fn draw(&self) -> Vec<Drawn> {
        let hubs = self.plan.hubs;
        let Some(first) = draw::kind(&self.chance, &self.kinds) else { return Vec::new() };
        let with = self.chance.below(COMPANION_ONE_IN) == 0 && first.ground != Ground::All;
        let apart = |kind: &&Kind| kind.ground != first.ground && kind.ground != Ground::All;
        let others: Vec<Kind> = self.kinds.iter().filter(apart).copied().collect();
        let mut drawn = vec![first.draw(&self.chance, hubs)];
        if let Some(second) = draw::kind(&self.chance, &others).filter(|_| with) {
            drawn.push(second.draw(&self.chance, hubs));
        }
        drawn
    }

    /// One fault, or two that overlap, and the way back.
    async fn strike(&mut self, calm: &Baseline) -> Outcome<()> {
        let gap = Duration::from_millis(1_500 + self.chance.below(1_500));
        let (burst, drawn) = (self.chance.below(BURST_ONE_IN) == 0, self.draw());
        let messages = 40 + usize::try_from(self.chance.below(80)).unwrap_or(0);
        tokio::time::sleep(gap).await;
        // A fault that meets a worker on its way back would measure nothing.
        self.demand_rate().await;
        self.confirm_back().await;
        self.watch().await?;
        let before = self.sampler.rates();
        if burst {
            self.load.burst(messages);
        }
        let (at, doubts) = (Instant::now(), self.world.portal.doubts());
        let in_flight = self.sampler.in_flight();
        let names: Vec<&'static str> = drawn.iter().map(|drawn| drawn.kind.name).collect();
        let deadly =
            drawn.iter().any(|drawn| matches!(drawn.kind.ground, Ground::Workers | Ground::All));
        if drawn.iter().any(|drawn| drawn.kind.silences()) {
            self.living.clear();
        }
        let struck = self.hold(drawn).await?;
        let missed = struck.iter().filter(|one| matches!(one, fault::Struck::Missed(_))).count();
        let places = struck.iter().filter_map(place).collect();
        let ended = Instant::now();
        if deadly {
            self.last_death = Some(ended);
        }
        let back = self.wait_back(ended, calm).await;
        let rescued = self.sampler.grown(at, |counters| counters.rescued);
        let struck = Struck {
            number: self.report.count() + names.len() - missed,
            names,
            places,
            missed,
            at: at.duration_since(self.began),
            lasted: ended.duration_since(at),
            before,
            back,
            in_flight,
            burst: if burst { messages } else { 0 },
            rescued,
            fenced: self.sampler.grown(at, |counters| counters.fenced),
            in_doubt: self.world.portal.doubts().saturating_sub(doubts),
        };
        self.watched = Instant::now();
        (self.plan.say)(&struck.line());
        self.look_for_violations(&struck, ended);
        self.way_back = back.map(|_| WayBack { ended, calm: calm.clone() });
        self.report.faults.push(struck);
        Ok(())
    }

    /// What came after the last fault's line: rescues take a lease. Then who lives is written down.
    async fn watch(&mut self) -> Outcome<()> {
        let since = std::mem::replace(&mut self.watched, Instant::now());
        let rescued = self.sampler.grown(since, |counters| counters.rescued);
        let fenced = self.sampler.grown(since, |counters| counters.fenced);
        if let Some(last) = self.report.faults.last_mut() {
            last.rescued += rescued;
            last.fenced += fenced;
            let (number, name, lasted) = (last.number, last.told(), last.lasted);
            self.look_for_needless_rescues(rescued, lasted, &format!("fault {number} ({name})"));
        }
        let mut living = BTreeMap::new();
        for hub in 0..self.world.stage.hubs.len() {
            let Some(pid) = self.world.stage.hubs[hub].as_ref().map(workers::services::Owned::pid)
            else {
                continue;
            };
            let mut names = self.world.workers_of(hub).await?;
            names.sort();
            let lost = self.living.get(&pid).filter(|before| **before != names);
            if let Some(before) = lost {
                let what = format!("hub {hub} was {}, is {}", before.join(", "), names.join(", "));
                self.violate("a hub that lived was taken for dead", what);
            }
            // One that has just started has no name yet.
            if !names.is_empty() {
                living.insert(pid, names);
            }
        }
        self.living = living;
        Ok(())
    }

    /// Begins what was drawn, holds it, and ends it; the second begins while the first holds.
    async fn hold(&mut self, drawn: Vec<Drawn>) -> Outcome<Vec<fault::Struck>> {
        let mut drawn = drawn.into_iter();
        let Some(mut first) = drawn.next() else { return Ok(Vec::new()) };
        let Some(mut second) = drawn.next() else {
            first.fault.begin(&mut self.world).await?;
            tokio::time::sleep(first.lasts).await;
            first.fault.end(&mut self.world).await?;
            return Ok(vec![first.fault.struck()]);
        };
        let apart = first.lasts.mul_f64(self.chance.fraction());
        let second_ends_first = self.chance.below(2) == 0;
        first.fault.begin(&mut self.world).await?;
        tokio::time::sleep(apart).await;
        second.fault.begin(&mut self.world).await?;
        tokio::time::sleep(first.lasts.saturating_sub(apart).max(second.lasts / 2)).await;
        if second_ends_first {
            (first, second) = (second, first);
        }
        first.fault.end(&mut self.world).await?;
        tokio::time::sleep(second.lasts / 4).await;
        second.fault.end(&mut self.world).await?;
        Ok(vec![first.fault.struck(), second.fault.struck()])
    }

    /// How long until every worker was back at its rate; `None`: nobody waited longer.
    async fn wait_back(&self, ended: Instant, calm: &Baseline) -> Option<Duration> {
        loop {
            if let Some(back) = self.sampler.back_at(ended, calm) {
                return Some(back.duration_since(ended));
            }
            if ended.elapsed() > BACK_WAIT_MAX {
                return None;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Until now the rate of the last fault's way back has held, or it was not back then: in this case
    /// the moment from which it has counts.
    async fn confirm_back(&mut self) {
        let Some(WayBack { ended, calm }) = self.way_back.take() else { return };
        let back = self.wait_back(ended, &calm).await;
        let Some(last) = self.report.faults.last_mut().filter(|last| last.back != back) else {
            return;
        };
        let found = std::mem::replace(&mut last.back, back);
        let (number, name) = (last.number, last.told());
        let told = back.map_or_else(|| "never".to_owned(), |back| format!("{back:.1?}"));
        (self.plan.say)(&format!("      {number} stood still again: back for good after {told}"));
        if found.is_some_and(|found| found <= BACK_MAX) {
            self.look_for_way_back(number, &name, back, ended);
        }
    }

    fn look_for_violations(&mut self, struck: &Struck, ended: Instant) {
        let name = struck.told();
        let number = struck.number;
        self.look_for_way_back(number, &name, struck.back, ended);
        let fault = format!("fault {number} ({name})");
        self.look_for_needless_rescues(struck.rescued, struck.lasted, &fault);
        for ended in std::mem::take(&mut self.world.ended_by_themselves) {
            self.violate("a hub ended by itself", format!("fault {number} ({name}): {ended}"));
        }
        for hub in 0..self.world.stage.hubs.len() {
            let exit = self.world.stage.hubs[hub].as_ref().and_then(workers::services::Owned::exit);
            if let Some(exit) = exit {
                let what = format!("fault {number} ({name}): hub {hub}: {exit}");
                self.violate("a hub ended by itself", what);
            }
        }
    }

    fn look_for_way_back(
        &mut self,
        number: usize,
        name: &str,
        back: Option<Duration>,
        ended: Instant,
    ) {
        let what = match back {
            Some(back) if back <= BACK_MAX => return,
            Some(back) => {
                format!("fault {number} ({name}): back after {:.1} s", back.as_secs_f64())
            }
            None => format!("fault {number} ({name}): not back after {BACK_WAIT_MAX:?}"),
        };
        let seconds = self.sampler.seconds(ended).join("\n    ");
        let what = format!("{what}\n    {seconds}");
        self.violate("a worker is not back at its full rate within 10 s", what);
    }

    fn look_for_needless_rescues(&mut self, rescued: f64, lasted: Duration, fault: &str) {
        let died = self.last_death.is_some_and(|at| at.elapsed() < RESCUE_AFTER_MAX + lasted);
        if rescued > 0.0 && !died {
            self.violate("living workers were rescued", format!("{fault}: {rescued} jobs"));
        }
    }

    fn violate(&mut self, kind: &'static str, what: String) {
        (self.plan.say)(&format!("  BROKEN: {kind}: {what}"));
        self.report.violations.push(Violation::new(kind, what));
    }

    /// Everything of this round comes to its end; then promises are compared with what became of them.
    async fn judge(&mut self) -> Outcome<()> {
        // As after any other fault, it is seen whether the rate holds.
        tokio::time::sleep(rate::WINDOW).await;
        self.confirm_back().await;
        self.load.settle(PATIENCE, CONFIRM_MAX).await?;
        self.watch().await?;
        self.world.parts = self.load.take();
        let began = Instant::now();
        self.world.leap_to_the_end(LEAP).await;
        let evidence = Evidence::gather(&self.world).await?;
        let findings = oracle::judge(&self.world, &evidence);
        // Of the next round's jobs none is there yet.
        self.world.jumped.store(false, Ordering::Relaxed);
        let count = |words: &str| findings.iter().filter(|f| f.what.contains(words)).count();
        let round = Round {
            faults: self.report.count(),
            messages: self.world.parts.len(),
            jobs: evidence.jobs.len(),
            lost: count(oracle::LOST),
            doubled: count(oracle::TWICE),
            findings: findings.len(),
            took: began.elapsed(),
            summary: evidence.summary(),
        };
        (self.plan.say)(&round.line());
        for finding in findings.iter().take(oracle::SHOWN_MAX) {
            let rows = match finding.job {
                Some(id) => evidence_of(&self.world, id).await,
                None => String::new(),
            };
            self.violate("the oracle found", format!("{}\n{rows}", finding.what));
        }
        self.report.rounds.push(round);
        let newest = evidence.jobs.values().filter_map(|job| job["seq"].as_i64()).max();
        let kept = self.world.count("SELECT coalesce(max(id), 0) FROM hub.quarantine").await?;
        let job = newest.unwrap_or(0).max(self.world.since.job);
        let (entry, begun) = (evidence.next_entry, evidence.next_begun);
        let books = evidence.books();
        self.world.since = Since { job, quarantine: kept, entry, begun, books };
        self.world.portal.forget();
        Ok(())
    }
}
