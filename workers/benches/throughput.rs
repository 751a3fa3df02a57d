//! Throughput and latency of `gbdfl.person`, beside the raw path in the same run.
//!
//! *Raw path*: consume with prefetch 256 → one HTTP call → XML parse → batched write → batched ack →
//! one confirmed event. The same broker, database, simulator, HTTP client and XML reader, and none of
//! the hub's guarantees: no idempotency, no state, no outbox, no rescue, no exchange kept.
//!
//! The two run in turns, so that a noisy machine disturbs both; the ratio of the medians is the figure.
//! `cargo bench -p workers` (`-- --jobs 20000 --rounds 5 --latency-ms 100` to change it).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::time::{Duration, Instant};

use adapters::{settings::Settings, systems};
use anyhow::{Context, Result};
use contracts::topology::{EVENTS_EXCHANGE, JOBS_EXCHANGE};
use secrecy::SecretString;
use serde_json::json;
use workers::{
    broker::{
        publisher::{Message, Publisher},
        subscriber::Subscriber,
    },
    chance::Chance,
    demo::stage::{Plan, Stage},
};

#[path = "throughput/raw.rs"]
mod raw;

struct Arguments {
    jobs: usize,
    rounds: usize,
    latency: Duration,
    rate: usize,
    settings: String,
}

fn arguments() -> Arguments {
    let mut found = Arguments {
        jobs: 20_000,
        rounds: 3,
        latency: Duration::ZERO,
        rate: 300,
        settings: String::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|n| n.parse().ok());
        match word.as_str() {
            "--jobs" => found.jobs = number().unwrap_or(found.jobs),
            "--rounds" => found.rounds = number().unwrap_or(found.rounds),
            "--rate" => found.rate = number().unwrap_or(found.rate),
            "--latency-ms" => {
                found.latency = Duration::from_millis(number().unwrap_or(0) as u64);
            }
            "--settings" => found.settings = words.next().unwrap_or_default(),
            // `cargo bench` adds --bench.
            _ => {}
        }
    }
    found
}

#[tokio::main]
async fn main() -> Result<()> {
    workers::telemetry::logs::start("warn");
    let arguments = arguments();
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_hub").into(),
        hubs: 1,
        seed: 1,
        fault_permille: 0,
        latency: arguments.latency,
        settings: format!("in_flight_max = 256\n{}", arguments.settings),
        environment: Vec::new(),
        servers: None,
        fsync: true,
        say: |text| eprintln!("{text}"),
    };
    let stage = Stage::build(&plan).await?;
    let raw = raw::start(&stage, 256).await?;
    let mut rates = (Vec::new(), Vec::new());
    for round in 0..=arguments.rounds {
        // Round 0 warms both up and does not count.
        let jobs = if round == 0 { arguments.jobs / 4 } else { arguments.jobs };
        let raw_rate = flood(&stage, raw::EXCHANGE, raw::EVENTS, jobs).await?;
        let hub_rate = flood(&stage, JOBS_EXCHANGE, EVENTS_EXCHANGE, jobs).await?;
        println!("round {round}: raw {raw_rate:.0} jobs/s, hub {hub_rate:.0} jobs/s");
        if round > 0 {
            rates.0.push(raw_rate);
            rates.1.push(hub_rate);
        }
    }
    let raw_delays = paced(&stage, raw::EXCHANGE, raw::EVENTS, arguments.rate).await?;
    let hub_delays = paced(&stage, JOBS_EXCHANGE, EVENTS_EXCHANGE, arguments.rate).await?;
    let (raw_rate, hub_rate) = (median(&mut rates.0), median(&mut rates.1));
    println!("\ngbdfl.person, {} jobs, upstream latency {:?}", arguments.jobs, arguments.latency);
    println!("raw path: {raw_rate:.0} jobs/s (median of {})", arguments.rounds);
    println!("hub:      {hub_rate:.0} jobs/s (median of {})", arguments.rounds);
    println!("ratio:    {:.2}", hub_rate / raw_rate);
    println!("at {} jobs/s, publish to event:", arguments.rate);
    println!("raw path: p50 {:?}, p99 {:?}", raw_delays.0, raw_delays.1);
    println!("hub:      p50 {:?}, p99 {:?}", hub_delays.0, hub_delays.1);
    if let Some(pid) = stage.hubs[0].as_ref().map(workers::services::Owned::pid) {
        println!("memory of the hub: {}", memory(pid));
    }
    raw.stop();
    stage.strike().await;
    Ok(())
}

fn job(chance: &Chance, n: usize) -> (uuid::Uuid, Vec<u8>) {
    let id = chance.uuid();
    let iin = contracts::number::Iin::synthetic(u32::try_from(n % 150_000).unwrap_or(0));
    let body = json!({
        "id": id, "operation": "gbdfl.person", "version": 1, "subject": format!("person:{id}"),
        "requested_at": workers::clock::real_now(), "requested_by": "organisation:990140000007",
        "input": {"iin": iin.expose()},
    });
    (id, body.to_string().into_bytes())
}

/// Publishes everything at once; jobs a second until the last final event.
async fn flood(stage: &Stage, exchange: &str, events: &str, jobs: usize) -> Result<f64> {
    let url = stage.amqp_url();
    let mut heard = Subscriber::bind(&url, events, "#").await?;
    let chance = Chance::from_entropy();
    let bodies: Vec<Vec<u8>> = (0..jobs).map(|n| job(&chance, n).1).collect();
    let began = Instant::now();
    let publishing = tokio::spawn(publish_all(url, exchange.to_owned(), bodies));
    let mut done = 0;
    while done < jobs {
        let next = tokio::time::timeout(Duration::from_secs(60), heard.next()).await;
        let (key, _) = next.context("no event for a minute")?.context("the subscription ended")?;
        done += usize::from(key.ends_with(".succeeded"));
    }
    let took = began.elapsed();
    publishing.await??;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(jobs as f64 / took.as_secs_f64())
}

async fn publish_all(url: SecretString, exchange: String, bodies: Vec<Vec<u8>>) -> Result<()> {
    const UNCONFIRMED_MAX: usize = 500;
    let publisher = Publisher::connect(&url, "bench").await?;
    let mut waiting = std::collections::VecDeque::new();
    for body in &bodies {
        waiting.push_back(publisher.publish(message(&exchange, body)).await?);
        if waiting.len() >= UNCONFIRMED_MAX
            && let Some(oldest) = waiting.pop_front()
        {
            oldest.confirmed().await?;
        }
    }
    for pending in waiting {
        pending.confirmed().await?;
    }
    publisher.close().await;
    Ok(())
}

fn message<'a>(exchange: &'a str, body: &'a [u8]) -> Message<'a> {
    Message {
        exchange,
        routing_key: "gbdfl.person",
        body,
        mandatory: true,
        correlation_id: None,
        message_id: None,
        content_type: "application/json",
    }
}

/// Publishes at a fixed rate for ten seconds; p50 and p99 from publish to final event.
async fn paced(
    stage: &Stage,
    exchange: &str,
    events: &str,
    rate: usize,
) -> Result<(Duration, Duration)> {
    let url = stage.amqp_url();
    let mut heard = Subscriber::bind(&url, events, "#").await?;
    let publisher = Publisher::connect(&url, "bench").await?;
    let chance = Chance::from_entropy();
    let jobs = rate * 10;
    let (told, mut sent) = tokio::sync::mpsc::channel(jobs);
    let exchange = exchange.to_owned();
    let publishing = tokio::spawn(async move {
        let mut tick =
            tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap_or(1));
        for n in 0..jobs {
            tick.tick().await;
            let (id, body) = job(&chance, n);
            told.send((id, Instant::now())).await?;
            publisher.publish(message(&exchange, &body)).await?;
        }
        anyhow::Ok(publisher)
    });
    let mut began = std::collections::HashMap::new();
    let mut delays = Vec::with_capacity(jobs);
    while delays.len() < jobs {
        let next = tokio::time::timeout(Duration::from_secs(60), heard.next()).await;
        let (key, body) =
            next.context("no event for a minute")?.context("the subscription ended")?;
        if key.ends_with(".succeeded") {
            while let Ok((id, at)) = sent.try_recv() {
                began.insert(id, at);
            }
            let event: serde_json::Value = serde_json::from_slice(&body)?;
            let id = event["data"]["job_id"].as_str().and_then(|id| id.parse().ok());
            if let Some(at) = id.and_then(|id| began.get(&id)) {
                delays.push(at.elapsed());
            }
        }
    }
    publishing.await??.close().await;
    delays.sort();
    Ok((delays[jobs / 2], delays[jobs * 99 / 100]))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn memory(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let wanted =
        status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    wanted.map(|line| line.replace('\t', " ")).collect::<Vec<_>>().join(", ")
}

/// The adapter that both paths use.
fn adapter(simulators: &str) -> Result<std::sync::Arc<dyn adapters::system::Adapter>> {
    let all = systems::all();
    let gbdfl = all.iter().find(|s| s.spec().name == "gbdfl").context("gbdfl is registered")?;
    Ok(gbdfl.connect(&Settings::for_url(&format!("{simulators}/gbdfl/")))?)
}
