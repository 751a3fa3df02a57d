//! One slow system holds only its own slots: delays of `gbdfl.person` alone, and while `realestate` is
//! saturated with answers that take 30 seconds.
//!
//! ```text
//! turn: alone ─ saturate ─ beside ─ until nothing hangs ─ alone again
//! ```
//!
//! The figure is the median over the turns of beside : mean of both alone. *Control*: alone again :
//! alone, with nothing different between them. What it spreads is the machine's noise, and a figure
//! within it says no more. A ratio over [`RATIO_MAX`] is a failure, unless the control is over it too.
//! `cargo bench -p workers --bench isolation`
//! (`-- --turns 8 --seconds 20 --rate 100 --hubs 1 --arrivals 0` to change it).
//!
//! *Saturated*: every permit of `realestate` (its limit is [`SLOTS`]) is taken by a call that hangs, and
//! as many jobs again are stored behind them. With `--arrivals N`, N more a second come in and are stored
//! while `gbdfl.person` is measured beside them: then the two also share the machine and the disk.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use contracts::topology::{EVENTS_EXCHANGE, JOBS_EXCHANGE};
use serde_json::json;
use workers::{
    broker::{
        publisher::{Message, Publisher},
        subscriber::Subscriber,
    },
    chance::Chance,
    demo::stage::{Plan, Stage},
};

/// Calls of `realestate` under way at once.
const SLOTS: u32 = 64;
/// Their answers take so long.
const SLOW: Duration = Duration::from_secs(30);
/// The goal: neighbours move a delay by less than a tenth.
const RATIO_MAX: f64 = 1.10;
const SECOND: Duration = Duration::from_secs(1);
/// From the first call that hangs to the last measured job.
const MEASURED_MAX: Duration = Duration::from_secs(25);

struct Arguments {
    turns: usize,
    seconds: usize,
    rate: usize,
    hubs: usize,
    arrivals: usize,
}

fn arguments() -> Arguments {
    let mut found = Arguments { turns: 8, seconds: 20, rate: 100, hubs: 1, arrivals: 0 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = |otherwise| words.next().and_then(|n| n.parse().ok()).unwrap_or(otherwise);
        match word.as_str() {
            "--turns" => found.turns = number(found.turns),
            "--seconds" => found.seconds = number(found.seconds),
            "--rate" => found.rate = number(found.rate),
            "--arrivals" => found.arrivals = number(found.arrivals),
            "--hubs" => found.hubs = number(found.hubs),
            // `cargo bench` adds --bench.
            _ => {}
        }
    }
    found
}

/// Delays in milliseconds, sorted.
#[derive(Default, Clone)]
struct Delays(Vec<f64>);

impl Delays {
    fn of(mut delays: Vec<f64>) -> Self {
        delays.sort_by(f64::total_cmp);
        Self(delays)
    }

    /// The delay that so many in a hundred do not exceed.
    fn p(&self, hundredths: usize) -> f64 {
        self.0.get(self.0.len() * hundredths / 100).copied().unwrap_or(f64::NAN)
    }

    fn joined(all: &[Self]) -> Self {
        Self::of(all.iter().flat_map(|delays| delays.0.clone()).collect())
    }
}

/// What one turn measured.
struct Turn {
    alone: Delays,
    beside: Delays,
    again: Delays,
}

impl Turn {
    /// Beside : mean of both alone.
    fn ratio(&self, hundredths: usize) -> f64 {
        let alone = f64::midpoint(self.alone.p(hundredths), self.again.p(hundredths));
        self.beside.p(hundredths) / alone
    }

    /// Alone again : alone.
    fn control(&self, hundredths: usize) -> f64 {
        self.again.p(hundredths) / self.alone.p(hundredths)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    workers::telemetry::logs::start("warn");
    let arguments = arguments();
    anyhow::ensure!(
        Duration::from_secs(arguments.seconds as u64) <= MEASURED_MAX,
        "at most {MEASURED_MAX:?}: the slow answers come after {SLOW:?}"
    );
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_hub").into(),
        hubs: arguments.hubs,
        seed: 1,
        fault_permille: 0,
        latency: Duration::from_millis(5),
        settings: String::new(),
        environment: vec![("HUB_SYSTEMS__REALESTATE__IN_FLIGHT_MAX".into(), SLOTS.to_string())],
        servers: None,
        fsync: true,
        say: |text| eprintln!("{text}"),
    };
    let stage = Stage::build(&plan).await?;
    let mut turns = Vec::new();
    // The first turn warms up and does not count.
    for number in 0..=arguments.turns {
        let alone = paced(&stage, &arguments).await?;
        saturate(&stage).await?;
        let arriving = arrive(&stage, arguments.arrivals);
        let beside = paced(&stage, &arguments).await?;
        arriving.abort();
        let hangs = hanging(&stage).await?;
        anyhow::ensure!(hangs > 0, "the slow answers came before the measurement ended");
        calm(&stage).await?;
        let again = paced(&stage, &arguments).await?;
        let turn = Turn { alone, beside, again };
        println!(
            "turn {number}: p50 | p99 in ms: alone {:.1} | {:.1}, beside {:.1} | {:.1}, alone again \
             {:.1} | {:.1}; {hangs} calls hung until the end",
            turn.alone.p(50),
            turn.alone.p(99),
            turn.beside.p(50),
            turn.beside.p(99),
            turn.again.p(50),
            turn.again.p(99),
        );
        if number > 0 {
            turns.push(turn);
        }
    }
    let is_good = report(&turns, &arguments);
    stage.strike().await;
    anyhow::ensure!(
        is_good,
        "p99 beside : alone is over {RATIO_MAX}, and it is not the machine's noise"
    );
    Ok(())
}

/// Prints the figures; `false` where the goal is missed and the control says that it could be reached.
fn report(turns: &[Turn], arguments: &Arguments) -> bool {
    let (rate, count) = (arguments.rate, turns.len());
    let arrivals = arguments.arrivals;
    println!(
        "\ngbdfl.person at {rate} jobs/s, {SLOTS} calls of realestate hang, {arrivals} more a second \
         are stored; {count} turns"
    );
    let alone: Vec<Delays> =
        turns.iter().flat_map(|turn| [turn.alone.clone(), turn.again.clone()]).collect();
    let beside: Vec<Delays> = turns.iter().map(|turn| turn.beside.clone()).collect();
    let (alone, beside) = (Delays::joined(&alone), Delays::joined(&beside));
    for (name, all) in [("alone", &alone), ("beside", &beside)] {
        let (p50, p99, jobs) = (all.p(50), all.p(99), all.0.len());
        println!("{name:8} p50 {p50:6.1} ms  p99 {p99:6.1} ms  of all {jobs} jobs");
    }
    let mut is_good = true;
    for hundredths in [50, 99] {
        let ratios = Delays::of(turns.iter().map(|turn| turn.ratio(hundredths)).collect());
        let controls = Delays::of(turns.iter().map(|turn| turn.control(hundredths)).collect());
        println!(
            "p{hundredths}: beside : alone {:.2} ({:.2} to {:.2}); control {:.2} ({:.2} to {:.2}); of \
             all jobs together {:.2}",
            ratios.p(50),
            ratios.p(0),
            ratios.p(100 - 1),
            controls.p(50),
            controls.p(0),
            controls.p(100 - 1),
            beside.p(hundredths) / alone.p(hundredths),
        );
        is_good &= ratios.p(50) <= RATIO_MAX || controls.p(50) > RATIO_MAX;
    }
    is_good
}

/// A job of an operation, with the person's number.
fn job(chance: &Chance, operation: &str, n: usize) -> (uuid::Uuid, Vec<u8>) {
    let id = chance.uuid();
    let iin = contracts::number::Iin::synthetic(u32::try_from(n % 150_000).unwrap_or(0));
    let body = json!({
        "id": id, "operation": operation, "version": 1, "subject": format!("bench:{id}"),
        "requested_at": workers::clock::real_now(), "requested_by": "organisation:990140000007",
        "input": {"iin": iin.expose()},
    });
    (id, body.to_string().into_bytes())
}

fn message<'a>(operation: &'a str, body: &'a [u8]) -> Message<'a> {
    Message {
        exchange: JOBS_EXCHANGE,
        routing_key: operation,
        body,
        mandatory: true,
        correlation_id: None,
        message_id: None,
        content_type: "application/json",
    }
}

/// Takes every permit of `realestate` with a call that hangs, and stores as many jobs behind them.
async fn saturate(stage: &Stage) -> Result<()> {
    const OPERATION: &str = "realestate.properties";
    let order = json!({"system": "realestate", "behaviour": "slow", "count": SLOTS});
    stage.order("next", &order).await?;
    let publisher = Publisher::connect(&stage.amqp_url(), "bench").await?;
    let chance = Chance::from_entropy();
    for n in 0..2 * SLOTS as usize {
        publisher
            .publish(message(OPERATION, &job(&chance, OPERATION, n).1))
            .await?
            .confirmed()
            .await?;
    }
    publisher.close().await;
    let deadline = Instant::now() + SLOW / 6;
    while hanging(stage).await? < u64::from(SLOTS) {
        anyhow::ensure!(Instant::now() < deadline, "realestate was not saturated in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Publishes jobs of `realestate` at this rate until it is aborted.
fn arrive(stage: &Stage, per_second: usize) -> tokio::task::JoinHandle<Result<()>> {
    const OPERATION: &str = "realestate.properties";
    let url = stage.amqp_url();
    tokio::spawn(async move {
        let Some(every) = u32::try_from(per_second).ok().and_then(|n| SECOND.checked_div(n)) else {
            return Ok(());
        };
        let publisher = Publisher::connect(&url, "bench").await?;
        let (chance, mut tick) = (Chance::from_entropy(), tokio::time::interval(every));
        for n in 0.. {
            tick.tick().await;
            publisher.publish(message(OPERATION, &job(&chance, OPERATION, n).1)).await?;
        }
        Ok(())
    })
}

/// Waits until nothing hangs and no job is live.
async fn calm(stage: &Stage) -> Result<()> {
    let deadline = Instant::now() + 3 * SLOW;
    while stage.store.count_ended().await?.live > 0 {
        anyhow::ensure!(Instant::now() < deadline, "jobs of realestate did not end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn hanging(stage: &Stage) -> Result<u64> {
    let found = stage.store.destinations(Some("realestate")).await?;
    Ok(found.iter().map(|d| u64::try_from(d.calling).unwrap_or(0)).sum())
}

/// Publishes at a fixed rate; the delays from publish to final event.
async fn paced(stage: &Stage, arguments: &Arguments) -> Result<Delays> {
    const OPERATION: &str = "gbdfl.person";
    let url = stage.amqp_url();
    let mut heard = Subscriber::bind(&url, EVENTS_EXCHANGE, "gbdfl.person.succeeded").await?;
    let publisher = Publisher::connect(&url, "bench").await?;
    let chance = Chance::from_entropy();
    let (rate, jobs) = (arguments.rate, arguments.rate * arguments.seconds);
    let (told, mut sent) = tokio::sync::mpsc::channel(jobs);
    let publishing = tokio::spawn(async move {
        let every = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(1);
        let mut tick = tokio::time::interval(every);
        for n in 0..jobs {
            tick.tick().await;
            let (id, body) = job(&chance, OPERATION, n);
            told.send((id, Instant::now())).await?;
            publisher.publish(message(OPERATION, &body)).await?;
        }
        anyhow::Ok(publisher)
    });
    let mut began = HashMap::new();
    let mut delays = Vec::with_capacity(jobs);
    while delays.len() < jobs {
        let next = tokio::time::timeout(Duration::from_secs(60), heard.next()).await;
        let (_, body) = next.context("no event for a minute")?.context("the subscription ended")?;
        let now = Instant::now();
        while let Ok((id, at)) = sent.try_recv() {
            began.insert(id, at);
        }
        let event: serde_json::Value = serde_json::from_slice(&body)?;
        let id = event["data"]["job_id"].as_str().and_then(|id| id.parse().ok());
        if let Some(at) = id.and_then(|id| began.get(&id)) {
            delays.push(now.duration_since(*at).as_secs_f64() * 1_000.0);
        }
    }
    publishing.await??.close().await;
    Ok(Delays::of(delays))
}
