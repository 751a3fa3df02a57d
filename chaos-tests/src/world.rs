//! The world of one test: a stage, a portal, a cast, and faults that are written down.
//!
//! *Guarantee*: one world at a time in a process, because each starts servers of its own. A failure
//! shows the seed, the faults in their order and the end of the hubs' logs.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};
use workers::{
    chance::Chance,
    clock::real_now,
    demo::{
        cast::{self, Fate, Part, Repertoire},
        reach::Surroundings,
        stage::{Plan, Stage},
        time,
    },
    services::{Cluster, Owned, RabbitMq},
};

use crate::{
    Error, Outcome,
    cluster::Mesh,
    evidence::{Books, Evidence},
    fail_points::FailPoints,
    fault::disk::Disk,
    oracle,
    portal::{Portal, letters},
    program,
    proxy::Lines,
    receiver::Receiver,
};

/// Decides everything that looks random, where `HUB_CHAOS_SEED` does not.
pub const SEED_DEFAULT: u64 = 20_261_122;
/// Between two looks at a condition.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Everything has ended within this, in real time, after the last fault.
pub const END_WAIT_MAX: Duration = Duration::from_secs(150);
/// Without any progress for this long the oracle says what has not ended.
const STALL_MAX: Duration = Duration::from_secs(30);
/// The same where a delivery by HTTP may be under way: it is tried again a minute after its hub died.
const LEAP_STALL_MAX: Duration = Duration::from_secs(75);
/// As [`END_WAIT_MAX`], where days are leapt over.
pub const LEAPS_WAIT_MAX: Duration = Duration::from_secs(240);
/// Jobs of a dead or frozen worker are taken over within this.
pub const RESCUE_WAIT_MAX: Duration = Duration::from_secs(15);

static ONE: Mutex<()> = Mutex::const_new(());

/// What a test wants.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The test, for the report.
    pub name: &'static str,
    /// Messages in the cast; duplicates come on top.
    pub jobs: usize,
    /// Hub processes.
    pub hubs: usize,
    /// Real time before a synchronous answer.
    pub latency: Duration,
    /// Requests in a thousand that meet a transport fault.
    pub fault_permille: u16,
}

/// Where a round begins: what came before was judged and is over.
#[derive(Debug, Clone, Default)]
pub struct Since {
    /// The last admission number before.
    pub job: i64,
    /// The last entry of the quarantine before.
    pub quarantine: i64,
    /// The first entry of the simulators' journal that is this round's.
    pub entry: u64,
    /// The first message of Е-қызмет that is this round's.
    pub begun: u64,
    /// What the government's books said before.
    pub books: Books,
}

/// What a test wants besides; the default is nothing of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scene {
    /// Proxies between each hub and everything that it dials.
    pub proxied: bool,
    /// Nodes of RabbitMQ; none counts as one. Several have proxies between each other.
    pub brokers: usize,
    /// More environment of the hubs: settings that differ from those of other worlds.
    pub environment: &'static [(&'static str, &'static str)],
}

/// A stage with a portal and a cast.
pub struct World {
    /// Servers, simulators, hubs.
    pub stage: Stage,
    /// Where hubs can be made to end between two steps.
    pub fail_points: FailPoints,
    /// Who takes callbacks.
    pub receiver: Receiver,
    /// The small disk of PostgreSQL, where a test wants one.
    pub disk: Option<Disk>,
    /// How far business time leaps past a due moment when everything is brought to its end; without,
    /// it moves from one due moment to the next.
    pub leaps: Option<SignedDuration>,
    /// Who publishes and hears.
    pub portal: Portal,
    /// What is published.
    pub parts: Vec<Part>,
    /// The schedule of the faults comes from here.
    pub chance: Chance,
    /// What was before the round that is judged.
    pub since: Since,
    /// The lines of each hub, where the scene is proxied.
    pub lines: Vec<Lines>,
    /// The lines between the nodes of a cluster.
    pub mesh: Mesh,
    /// Confirmed messages that an operator may have destroyed with their queue, by the broker's word.
    pub destroyed_max: usize,
    /// Whether the portal reads events that no queue took, because its binding was deleted.
    pub reads_unheard: bool,
    /// Whether business time jumped while jobs were under way.
    pub(crate) jumped: AtomicBool,
    /// When business time last moved to a look into the mailbox.
    pub(crate) fetched: std::sync::Mutex<Option<Instant>>,
    /// Hubs that ended although nobody killed them, and were started again.
    pub(crate) ended_by_themselves: Vec<String>,
    /// Rates that were not reached, with what was measured.
    pub(crate) slow: Vec<String>,
    name: &'static str,
    seed: u64,
    began: Instant,
    faults: Vec<String>,
    tells: bool,
    _one: MutexGuard<'static, ()>,
}

/// Short limits, so that slow systems do not make a test wait; few permits, so that both ways into
/// a call are gone: started at admission, and stored and claimed. Each round of a campaign is a month and
/// more of business time, and what the first one did is judged in the last, too.
const SETTINGS: &str = r#"
pull_interval_s = 172800
in_flight_max = 24
[retention]
jobs_months = 600
attempts_months = 600
inbound_months = 600
quarantine_months = 600
audit_months = 600
job_keys_months = 600
[operations.gbdfl.person]
call_timeout_ms = 2500
attempts_max = 6
[operations.gbdul.organization]
call_timeout_ms = 2500
[operations.realestate.properties]
call_timeout_ms = 2500
[operations.kpsisu.check]
call_timeout_ms = 2500
[operations.mzrk.check]
call_timeout_ms = 2500
[operations.mgov.lookup]
call_timeout_ms = 2500
[operations.mgov.send_code]
call_timeout_ms = 2500
[operations.mgov.verify_code]
call_timeout_ms = 2500
[operations.kazpost.label]
call_timeout_ms = 2500
[operations.kazpost.track]
call_timeout_ms = 2500
[operations.kazpost.call_courier]
call_timeout_ms = 2500
[operations.kazpost.cancel]
call_timeout_ms = 2500
[operations.eqyzmet.submit]
call_timeout_ms = 2500
[callbacks]
hosts = ["127.0.0.1"]
allow_private = true
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"#;
/// A parcel is looked at once a day, so that following many of them takes few looks.
const TRACK_EVERY: (&str, &str) = ("HUB_SYSTEMS__KAZPOST__TRACK_INTERVAL_S", "86400");
/// The longest pause of a breaker. A job that nobody ever answers is a failed probe again and again
/// until its give-up time, and business time does not leap while a breaker pauses.
const BREAKER_PAUSE_MAX_MS: u64 = 5_000;

/// The seed of this run.
pub fn seed() -> u64 {
    std::env::var("HUB_CHAOS_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(SEED_DEFAULT)
}

impl World {
    /// Builds the program and the stage, and opens the portal.
    pub async fn build(wanted: Wanted) -> Outcome<Self> {
        Self::seeded(wanted, Scene::default(), seed()).await
    }

    /// As [`World::build`], with proxies or a cluster.
    pub async fn build_in(wanted: Wanted, scene: Scene) -> Outcome<Self> {
        Self::seeded(wanted, scene, seed()).await
    }

    /// As [`World::build_in`], with a seed of its own.
    pub async fn seeded(wanted: Wanted, scene: Scene, seed: u64) -> Outcome<Self> {
        Self::open(wanted, scene, seed, None).await
    }

    /// As [`World::build`], with hubs of an older build on the schema that it knows.
    pub async fn build_old(wanted: Wanted, hub: &Path) -> Outcome<Self> {
        Self::open(wanted, Scene::default(), seed(), Some(hub)).await
    }

    async fn open(wanted: Wanted, scene: Scene, seed: u64, old: Option<&Path>) -> Outcome<Self> {
        let one = ONE.lock().await;
        let fail_points = FailPoints::open()?;
        let plan = Plan {
            // Its own: whoever builds the program meanwhile must not change it under this world.
            program: match old {
                Some(old) => old.to_owned(),
                None => fail_points.keep(&program::hub().await?)?,
            },
            hubs: wanted.hubs,
            seed,
            fault_permille: wanted.fault_permille,
            latency: wanted.latency,
            settings: SETTINGS.to_owned(),
            environment: environment(&fail_points, scene),
            servers: None,
            fsync: true,
            say: |_| {},
        };
        let (lines, mesh) = (Arc::<std::sync::Mutex<Vec<Lines>>>::default(), Mesh::default());
        let surroundings = surroundings(scene, seed, (&lines, &mesh), old.map(Path::to_owned));
        let stage = Stage::build_in(&plan, &surroundings).await?;
        let lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
        let portal = Portal::open(stage.amqp_url()).await?;
        Ok(Self {
            stage,
            fail_points,
            receiver: Receiver::open().await?,
            disk: None,
            leaps: None,
            portal,
            parts: cast::cast(wanted.jobs, seed, real_now(), Repertoire::MainJob),
            chance: Chance::seeded(seed ^ 0xC4A0_5C4A),
            since: Since::default(),
            lines,
            mesh,
            destroyed_max: 0,
            reads_unheard: false,
            jumped: AtomicBool::new(false),
            fetched: std::sync::Mutex::default(),
            ended_by_themselves: Vec::new(),
            slow: Vec::new(),
            name: wanted.name,
            seed,
            began: Instant::now(),
            faults: Vec::new(),
            tells: true,
            _one: one,
        })
    }

    /// A drawn duration between two milliseconds.
    pub fn drawn(&self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(from_ms + self.chance.below(to_ms - from_ms))
    }

    /// Lets the schedule's time pass: the only sleep that waits for nothing.
    pub async fn pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Writes faults down without telling of them at once: somebody else does.
    pub fn quiet(&mut self) {
        self.tells = false;
    }

    /// Writes a fault down.
    pub fn fault(&mut self, what: impl std::fmt::Display) {
        let line = format!("{:7.2} s  {what}", self.began.elapsed().as_secs_f64());
        if self.tells {
            println(&line);
        }
        self.faults.push(line);
    }

    /// How many faults there were.
    pub const fn faults(&self) -> usize {
        self.faults.len()
    }

    fn hub(&self, number: usize) -> Outcome<&Owned> {
        let hub = self.stage.hubs[number].as_ref();
        hub.ok_or_else(|| Error::Told(format!("hub {number} does not run")))
    }

    /// A node of the stage's own RabbitMQ.
    pub fn node(&mut self, place: usize) -> Outcome<&mut RabbitMq> {
        let node = self.stage.own_mut()?.node(place);
        node.ok_or_else(|| Error::Told(format!("there is no node {place} of RabbitMQ")))
    }

    /// The names that a running hub has in the table of workers begin anew after its restart, so
    /// they are asked for before it dies.
    pub async fn workers_of(&self, number: usize) -> Outcome<Vec<String>> {
        let pid = self.hub(number)?.pid();
        let sql = format!("SELECT id FROM hub.worker WHERE name LIKE '%:{pid}'");
        Ok(self.rows(&sql).await?.iter().filter_map(|row| text(&row["id"])).collect())
    }

    /// Kills a hub with SIGKILL.
    pub async fn kill(&mut self, number: usize) {
        self.fault(format_args!("hub {number} is killed"));
        self.stage.kill_hub(number).await;
    }

    /// Asks a hub to stop in good order; how long that took.
    pub async fn stop(&mut self, number: usize) -> Duration {
        self.fault(format_args!("hub {number} is asked to stop"));
        let began = Instant::now();
        if let Some(hub) = self.stage.hubs[number].take() {
            hub.stop(workers::demo::stage::STOP_WAIT_MAX).await;
        }
        self.fault(format_args!("hub {number} has stopped after {:.1?}", began.elapsed()));
        began.elapsed()
    }

    /// Starts a hub that does not run.
    pub fn start(&mut self, number: usize) -> Outcome<()> {
        self.fault(format_args!("hub {number} starts"));
        Ok(self.stage.start_hub(number)?)
    }

    /// Stops a hub's process where it is.
    pub fn freeze(&mut self, number: usize) -> Outcome<()> {
        self.fault(format_args!("hub {number} is frozen"));
        self.hub(number)?.signal(Signal::STOP);
        Ok(())
    }

    /// Lets a frozen hub go on.
    pub fn thaw(&mut self, number: usize) -> Outcome<()> {
        self.fault(format_args!("hub {number} is thawed"));
        self.hub(number)?.signal(Signal::CONT);
        Ok(())
    }

    /// The series of one metric, summed over the hubs that run.
    pub async fn metric_of_all(&self, name: &str) -> Outcome<f64> {
        let mut sum = 0.0;
        for number in 0..self.stage.hubs.len() {
            sum += self.metric(number, name).await?;
        }
        Ok(sum)
    }

    /// A query that counts the calls of these workers.
    pub fn calls_of(workers: &[String]) -> String {
        let workers = workers.join("', '");
        format!(
            "SELECT count(*) FROM hub.job_live WHERE state = 'calling' AND owner IN ('{workers}')"
        )
    }

    /// The rows of a query, as JSON objects.
    pub async fn rows(&self, sql: &str) -> Outcome<Vec<Value>> {
        let sql = format!("SELECT coalesce(json_agg(t), '[]') FROM ({sql}) t");
        Ok(serde_json::from_str(&self.stage.own()?.postgres.query(&sql).await?)?)
    }

    /// The number that a query returns.
    pub async fn count(&self, sql: &str) -> Outcome<i64> {
        let text = self.stage.own()?.postgres.query(sql).await?;
        text.trim().parse().map_err(|_| Error::Told(format!("no number: {text}")))
    }

    /// The sum of a hub's series of one metric.
    pub async fn metric(&self, number: usize, name: &str) -> Outcome<f64> {
        let url = format!("http://{}/metrics", self.stage.addresses(number).admin);
        let silent = |error| Error::Told(format!("metrics of hub {number}: {error}"));
        let page = async { self.stage.http().get(&url).send().await?.text().await };
        let page = page.await.map_err(|error| silent(error.to_string()))?;
        let lines = page.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        let values: Vec<f64> =
            lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        if values.is_empty() {
            return Err(silent(format!("no series of {name}")));
        }
        Ok(values.iter().sum())
    }

    /// Waits for a condition; returns how long it took. What cannot be asked does not hold yet.
    pub async fn until(
        &self,
        what: &str,
        wait_max: Duration,
        mut holds: impl AsyncFnMut(&Self) -> Outcome<bool>,
    ) -> Outcome<Duration> {
        let began = Instant::now();
        loop {
            let last = match holds(self).await {
                Ok(true) => return Ok(began.elapsed()),
                Ok(false) => None,
                Err(error) => Some(error),
            };
            if began.elapsed() > wait_max {
                let why = last.map_or_else(String::new, |error| format!(" ({error})"));
                return Err(Error::Late(wait_max, format!("{what}{why}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Publishes the parts in this range, with their duplicates, while `faults` happen.
    pub async fn publish_while<T>(
        &mut self,
        range: std::ops::Range<usize>,
        faults: impl AsyncFnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let portal = self.portal.clone();
        let parts = self.parts.clone();
        let publishing = tokio::spawn(async move {
            let mut letters = letters(&parts);
            letters.retain(|letter| range.contains(&letter.place));
            portal.publish(&letters).await;
        });
        let done = faults(self).await;
        match tokio::time::timeout(END_WAIT_MAX, publishing).await {
            Ok(Ok(())) => done,
            Ok(Err(error)) => Err(Error::Told(format!("publishing ended badly: {error}"))),
            Err(_) => Err(Error::Late(END_WAIT_MAX, "the broker confirms every message".into())),
        }
    }

    /// Moves business time once, if nothing is in flight; `false` also where that cannot be told.
    pub async fn advance(&self) -> bool {
        time::advance(&self.stage).await.unwrap_or(false)
    }

    /// Moves business time past the next due moment by so much, if nothing is in flight.
    pub async fn leap(&self, past: SignedDuration) -> Outcome<bool> {
        let (first, second) = (time::look(&self.stage).await?, time::look(&self.stage).await?);
        let Some(next) = second.next.filter(|_| first.quiet && second.quiet) else {
            return Ok(false);
        };
        self.stage.store.jump_to(next.checked_add(past).unwrap_or(next)).await?;
        Ok(true)
    }

    /// Lets business time leap until everything has ended or nothing moves.
    pub async fn leap_to_the_end(&self, past: SignedDuration) {
        let began = Instant::now();
        let (mut seen, mut moved) = (0, Instant::now());
        while began.elapsed() < LEAPS_WAIT_MAX && moved.elapsed() < LEAP_STALL_MAX {
            let (over, progress) = self.all_ended().await.unwrap_or((false, 0));
            if over {
                return;
            }
            let leapt = self.leap(past).await.unwrap_or(false);
            if leapt || self.fetch().await.unwrap_or(false) || progress != seen {
                (seen, moved) = (progress, Instant::now());
            }
            tokio::time::sleep(time::LOOK_EVERY).await;
        }
    }

    /// Whether everything has ended and was heard, and a number that grows with progress.
    pub(crate) async fn all_ended(&self) -> Outcome<(bool, usize)> {
        if self.reads_unheard {
            self.read_unheard().await?;
        }
        let ended = self.stage.store.count_ended().await?;
        let jobs = self.parts.iter().filter(|part| part.fate != Fate::Quarantined).count();
        let over = ended.admitted >= jobs && ended.live == 0 && ended.outbox == 0;
        let told = self.receiver.count() + self.portal.received().len();
        let progress = ended.admitted + ended.jobs + ended.quarantined + told;
        let heard = over && self.came_all().await? && self.portal.heard_all(&self.parts);
        Ok((heard && self.received_all().await?, progress))
    }

    /// Whether no delivery by HTTP is left to be made.
    async fn came_all(&self) -> Outcome<bool> {
        if !self.parts.iter().any(|part| part.operation == "gbdfl.person") {
            return Ok(true);
        }
        let open = "SELECT count(*) FROM hub.callback WHERE state = 'open'";
        Ok(self.count(open).await? == 0)
    }

    /// The portal reads what it could not hear, once each.
    async fn read_unheard(&self) -> Outcome<()> {
        let sql = "SELECT routing_key, convert_from(body, 'UTF8') AS body FROM hub.unheard";
        for row in self.rows(sql).await? {
            if let (Some(key), Some(body)) = (row["routing_key"].as_str(), row["body"].as_str()) {
                self.portal.read_unheard(key, body.as_bytes());
            }
        }
        Ok(())
    }

    /// Lets business time jump until everything has ended or nothing moves; `between` is called
    /// after each jump with their number.
    pub async fn drive(
        &mut self,
        mut between: impl AsyncFnMut(&mut Self, usize) -> Outcome<()>,
    ) -> Outcome<()> {
        let began = Instant::now();
        let (mut jumps, mut seen, mut moved) = (0, 0, Instant::now());
        self.fault("business time may jump");
        while began.elapsed() < END_WAIT_MAX && moved.elapsed() < STALL_MAX {
            let (over, progress) = self.all_ended().await.unwrap_or((false, 0));
            if over {
                break;
            }
            if self.advance().await || self.fetch().await.unwrap_or(false) {
                jumps += 1;
                between(self, jumps).await?;
            }
            if progress + jumps != seen {
                (seen, moved) = (progress + jumps, Instant::now());
            }
            tokio::time::sleep(time::LOOK_EVERY).await;
        }
        self.fault(format_args!("everything has ended or stands still, after {jumps} jumps"));
        Ok(())
    }

    /// Drives everything to its end, asks the oracle, and leaves.
    pub async fn finish(mut self, tested: Outcome<()>) -> Outcome<()> {
        let judged = match tested {
            Ok(()) => self.judge().await,
            Err(error) => Err(error),
        };
        let judged = self.with_rates(judged);
        let report = self.report(&judged);
        let (confirmed, repeated) = self.portal.counts();
        let outcome = judged.map(|summary| {
            println(&format!(
                "{}: seed {}, {} messages, {confirmed} confirms ({repeated} repeated), {} faults, \
                 {summary}; {:.1} s",
                self.name,
                self.seed,
                self.parts.len(),
                self.faults.len(),
                self.began.elapsed().as_secs_f64(),
            ));
        });
        drop(self.disk.take());
        self.stage.strike().await;
        outcome.map_err(|_| Error::Told(report))
    }

    async fn judge(&mut self) -> Outcome<String> {
        match self.leaps {
            Some(past) => self.leap_to_the_end(past).await,
            None => self.drive(async |_, _| Ok(())).await?,
        }
        if !self.ended_by_themselves.is_empty() {
            let ended = self.ended_by_themselves.join("; ");
            return Err(Error::Told(format!("hubs ended by themselves: {ended}")));
        }
        let evidence = Evidence::gather(self).await?;
        let mut findings = oracle::judge(self, &evidence);
        self.forgive(&mut findings);
        if findings.is_empty() {
            return Ok(evidence.summary());
        }
        let mut text = format!("{} findings\n", findings.len());
        for finding in findings.iter().take(oracle::SHOWN_MAX) {
            line(&mut text, format_args!("  {}", finding.what));
            if let Some(id) = finding.job {
                text.push_str(&evidence_of(self, id).await);
            }
        }
        Err(Error::Told(text))
    }

    /// A rate that was not reached fails a test that lost nothing; both are told.
    fn with_rates(&self, judged: Outcome<String>) -> Outcome<String> {
        if self.slow.is_empty() {
            return judged;
        }
        let oracle = match judged {
            Ok(summary) => format!("the oracle finds nothing wrong: {summary}"),
            Err(error) => error.to_string(),
        };
        Err(Error::Told(format!("{}\n{oracle}", self.slow.join("\n"))))
    }

    /// What an operator destroyed is not lost; no more than the broker counted.
    fn forgive(&self, findings: &mut Vec<oracle::Finding>) {
        let mut left = self.destroyed_max;
        findings.retain(|finding| {
            let destroyed = left > 0 && finding.what.ends_with(oracle::UNKNOWN);
            left -= usize::from(destroyed);
            !destroyed
        });
    }

    fn report(&self, judged: &Outcome<String>) -> String {
        let Err(error) = judged else { return String::new() };
        self.story(error)
    }

    /// What went wrong, with the faults in their order and the end of the hubs' logs.
    pub(crate) fn story(&self, wrong: impl std::fmt::Display) -> String {
        let mut text = format!("\n{}: {wrong}\n", self.name);
        text.push_str("faults:\n");
        for fault in &self.faults {
            line(&mut text, format_args!("  {fault}"));
        }
        for number in 0..self.stage.hubs.len() {
            line(&mut text, format_args!("the end of hub {number}'s log:"));
            line(&mut text, format_args!("{}", self.stage.tail(number)));
        }
        line(&mut text, format_args!("again with: HUB_CHAOS_SEED={}", self.seed));
        text
    }
}

fn environment(fail_points: &FailPoints, scene: Scene) -> Vec<(String, String)> {
    let pauses = adapters::systems::all().into_iter().map(|system| {
        let name = system.spec().name.to_uppercase();
        (format!("HUB_SYSTEMS__{name}__BREAKER_OPEN_MAX_MS"), BREAKER_PAUSE_MAX_MS.to_string())
    });
    let mut all: Vec<(String, String)> = pauses.collect();
    all.extend([fail_points.variable(), (TRACK_EVERY.0.to_owned(), TRACK_EVERY.1.to_owned())]);
    // Last, so that they count.
    all.extend(scene.environment.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    all
}

fn surroundings(
    scene: Scene,
    seed: u64,
    (lines, mesh): (&Arc<std::sync::Mutex<Vec<Lines>>>, &Mesh),
    migrator: Option<PathBuf>,
) -> Surroundings {
    let wiring = (scene.brokers > 1).then(|| mesh.wiring(seed));
    let cluster = Cluster { nodes: scene.brokers, wiring };
    if !scene.proxied {
        return Surroundings { cluster, detour: None, migrator };
    }
    let lines = lines.clone();
    let detour = Box::new(move |hub, reach| {
        let (opened, reach) = Lines::open(hub, &reach, seed)?;
        lines.lock().unwrap_or_else(PoisonError::into_inner).push(opened);
        Ok(reach)
    });
    Surroundings { cluster, detour: Some(detour), migrator }
}

pub(crate) async fn evidence_of(world: &World, id: uuid::Uuid) -> String {
    match Evidence::of_job(world, id).await {
        Ok(text) => text,
        Err(error) => format!("    (its rows cannot be read: {error})\n"),
    }
}

/// Adds a line to a text.
pub(crate) fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}

/// The text of a JSON string.
pub fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[expect(clippy::print_stdout, reason = "what a passed test measured, for a person")]
fn println(text: &str) {
    println!("{text}");
}
