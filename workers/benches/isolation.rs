//! One slow system holds only its own slots: delays of `gbdfl.person` alone, and while `realestate` is
//! saturated with answers that take 30 seconds.
//!
//! The two are measured in turns, alone and beside, so that a noisy machine disturbs both alike; the
//! figure is the ratio of the medians. `cargo bench -p workers --bench isolation`
//! (`-- --pairs 6 --seconds 20 --rate 100 --hubs 1` to change it).
//!
//! *Saturated*: every permit of `realestate` (its limit is [`SLOTS`]) is taken by a call that hangs, and
//! as many jobs again are stored behind them.

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
/// From the first call that hangs to the last measured job.
const MEASURED_MAX: Duration = Duration::from_secs(25);

struct Arguments {
    pairs: usize,
    seconds: usize,
    rate: usize,
    hubs: usize,
}

fn arguments() -> Arguments {
    let mut found = Arguments { pairs: 6, seconds: 15, rate: 100, hubs: 1 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = |otherwise| words.next().and_then(|n| n.parse().ok()).unwrap_or(otherwise);
        match word.as_str() {
            "--pairs" => found.pairs = number(found.pairs),
            "--seconds" => found.seconds = number(found.seconds),
            "--rate" => found.rate = number(found.rate),
            "--hubs" => found.hubs = number(found.hubs),
            // `cargo bench` adds --bench.
            _ => {}
        }
    }
    found
}

#[derive(Default)]
struct Figures {
    p50: Vec<f64>,
    p99: Vec<f64>,
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
    let (mut alone, mut beside) = (Figures::default(), Figures::default());
    // The first pair warms up and does not count.
    for pair in 0..=arguments.pairs {
        let (p50, p99) = paced(&stage, &arguments).await?;
        saturate(&stage).await?;
        let (p50_beside, p99_beside) = paced(&stage, &arguments).await?;
        let hangs = hanging(&stage).await?;
        anyhow::ensure!(hangs > 0, "the slow answers came before the measurement ended");
        println!(
            "pair {pair}: alone p50 {p50:.1} ms, p99 {p99:.1} ms; beside p50 {p50_beside:.1} ms, \
             p99 {p99_beside:.1} ms; {hangs} calls still hang"
        );
        if pair > 0 {
            alone.p50.push(p50);
            alone.p99.push(p99);
            beside.p50.push(p50_beside);
            beside.p99.push(p99_beside);
        }
        calm(&stage).await?;
    }
    let [a50, a99] = [median(&mut alone.p50), median(&mut alone.p99)];
    let [b50, b99] = [median(&mut beside.p50), median(&mut beside.p99)];
    println!("\ngbdfl.person at {} jobs/s, medians of {} pairs", arguments.rate, arguments.pairs);
    println!("alone:  p50 {a50:.1} ms, p99 {a99:.1} ms");
    println!("beside: p50 {b50:.1} ms, p99 {b99:.1} ms ({SLOTS} calls of realestate hang)");
    println!("ratio:  p50 {:.2}, p99 {:.2}", b50 / a50, b99 / a99);
    stage.strike().await;
    Ok(())
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

/// Publishes at a fixed rate; p50 and p99 from publish to final event, in milliseconds.
async fn paced(stage: &Stage, arguments: &Arguments) -> Result<(f64, f64)> {
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
    delays.sort_by(f64::total_cmp);
    Ok((delays[jobs / 2], delays[jobs * 99 / 100]))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
