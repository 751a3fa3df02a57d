//! Timers at scale: millions of waiting jobs, a thousand due a second, one worker of four killed.
//!
//! Real `hub run` processes on a private PostgreSQL and RabbitMQ, with all systems configured. Waiting
//! jobs are written into the real tables; half are `kpsisu.check` that they hold, half `gbdfl.person`
//! that wait for their next try. Beside them lie the jobs of which a warning is due, evenly spread over
//! the run. Each warning is a change of the job, of the portal's row, an event, and the next timer.
//!
//! *Lateness* is business time of the change minus due time, as the event tells; *heard* is the moment
//! at which a subscriber of the broker has the event.
//! *Autovacuum is off for the hot tables during the run*: the poll after it is the worst case.
//!
//! `cargo bench -p workers --bench timers` (`-- --rows 1000000 --rows 10000000 --seconds 100 --json`).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use contracts::topology::EVENTS_EXCHANGE;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use sqlx::{PgPool, postgres::PgPoolOptions};
use workers::{
    broker::subscriber::Subscriber,
    demo::stage::{Plan, Stage},
};

#[path = "timers/fill.rs"]
mod fill;
#[path = "timers/look.rs"]
mod look;

/// Processes, of which the last one is killed halfway.
const WORKERS: usize = 4;
/// A warning that was not heard by then is missing.
const LAST_WAIT_MAX: Duration = Duration::from_secs(40);

struct Arguments {
    rows: Vec<i64>,
    rate: i64,
    seconds: i64,
    json: bool,
}

/// What one size came to. Durations in milliseconds.
#[derive(Debug, Serialize)]
struct Figures {
    rows: i64,
    due_a_second: i64,
    fired: usize,
    missed: i64,
    fired_twice: i64,
    lateness_p50: i64,
    lateness_p99: i64,
    lateness_max: i64,
    heard_p50: i64,
    heard_p99: i64,
    heard_max: i64,
    idle_queries_a_second: f64,
    poll_before: look::Polls,
    poll_after: look::Polls,
    scrape_p50: f64,
    scrape_max: f64,
    count_ms: i64,
    bytes_a_job: look::Bytes,
    database_mb: i64,
    fill_s: u64,
}

fn arguments() -> Arguments {
    let mut found = Arguments { rows: Vec::new(), rate: 1_000, seconds: 20, json: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|n| n.parse().ok());
        match word.as_str() {
            "--rows" => found.rows.extend(number()),
            "--rate" => found.rate = number().unwrap_or(found.rate),
            "--seconds" => found.seconds = number().unwrap_or(found.seconds),
            "--json" => found.json = true,
            // `cargo bench` adds --bench.
            _ => {}
        }
    }
    if found.rows.is_empty() {
        found.rows.push(100_000);
    }
    found
}

#[tokio::main]
async fn main() -> Result<()> {
    workers::telemetry::logs::start("warn");
    let arguments = arguments();
    let mut all = Vec::new();
    for rows in &arguments.rows {
        let figures = measure(*rows, &arguments).await?;
        if !arguments.json {
            println!("{}", table(&figures));
        }
        all.push(figures);
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    let failed = all.iter().any(|f| f.missed > 0 || f.fired_twice > 0);
    ensure!(!failed, "a timer was missed, or fired twice");
    Ok(())
}

async fn measure(rows: i64, arguments: &Arguments) -> Result<Figures> {
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_hub").into(),
        hubs: WORKERS,
        seed: 1,
        fault_permille: 0,
        latency: Duration::ZERO,
        settings: String::new(),
        environment: Vec::new(),
        servers: None,
        fsync: true,
        say: |text| eprintln!("{text}"),
    };
    let mut stage = Stage::build(&plan).await?;
    let url = stage.servers.database_url.expose_secret().to_owned();
    let db = PgPoolOptions::new().max_connections(2).connect(&url).await?;
    // Filling locks the tables: nobody works meanwhile.
    for number in 0..WORKERS {
        stage.kill_hub(number).await;
    }
    let began = Instant::now();
    fill::waiting(&db, rows).await?;
    let fill_s = began.elapsed().as_secs();
    eprintln!("{rows} waiting jobs after {fill_s} s");
    for number in 0..WORKERS {
        stage.start_hub(number)?;
    }
    for number in 0..WORKERS {
        stage.ready(number).await?;
    }
    let bytes_a_job = look::bytes(&db, rows).await?;
    let (scrape_p50, scrape_max, count_ms) = look::scrapes(&stage, &db).await?;
    let idle_queries_a_second = look::idle(&db, WORKERS).await?;
    let poll_before = look::polls(&stage.store).await?;
    let due = arguments.rate * arguments.seconds;
    let heard = fire(&mut stage, &db, arguments).await?;
    let poll_after = look::polls(&stage.store).await?;
    let (missed, fired_twice) = fill::settled(&db).await?;
    let (fired, told) =
        (quantiles(heard.iter().map(|h| h.0)), quantiles(heard.iter().map(|h| h.1)));
    let figures = Figures {
        rows,
        due_a_second: arguments.rate,
        fired: heard.len(),
        missed: missed.max(due - i64::try_from(heard.len())?),
        fired_twice,
        lateness_p50: fired.0,
        lateness_p99: fired.1,
        lateness_max: fired.2,
        heard_p50: told.0,
        heard_p99: told.1,
        heard_max: told.2,
        idle_queries_a_second,
        poll_before,
        poll_after,
        scrape_p50,
        scrape_max,
        count_ms,
        bytes_a_job,
        database_mb: look::database_mb(&db).await?,
        fill_s,
    };
    db.close().await;
    stage.strike().await;
    Ok(figures)
}

/// Lets the warnings come due, kills a worker halfway, and listens: lateness of the change and of the
/// event, of each job once, in milliseconds.
async fn fire(stage: &mut Stage, db: &PgPool, arguments: &Arguments) -> Result<Vec<(i64, i64)>> {
    let mut events = Subscriber::bind(&stage.amqp_url(), EVENTS_EXCHANGE, "#").await?;
    let due = arguments.rate * arguments.seconds;
    let start = fill::due(db, due, arguments.rate).await?;
    eprintln!("{due} warnings, {} a second", arguments.rate);
    let seconds = Duration::from_secs(u64::try_from(arguments.seconds)?);
    let lead =
        Duration::try_from(start.duration_since(workers::clock::real_now())).unwrap_or_default();
    let began = Instant::now() + lead;
    let mut killed = false;
    let mut seen = HashSet::new();
    let mut heard = Vec::with_capacity(usize::try_from(due)?);
    while seen.len() < usize::try_from(due)? {
        if !killed && Instant::now() >= began + seconds / 2 {
            stage.kill_hub(WORKERS - 1).await;
            eprintln!("one of {WORKERS} workers was killed");
            killed = true;
        }
        let next = tokio::time::timeout(Duration::from_millis(200), events.next()).await;
        let Ok(next) = next else {
            if Instant::now() > began + seconds + LAST_WAIT_MAX {
                break;
            }
            continue;
        };
        let (key, body) = next.context("the subscription ended")?;
        if !key.ends_with(".sla_at_risk") {
            continue;
        }
        let event: serde_json::Value = serde_json::from_slice(&body)?;
        let id = event["data"]["job_id"].as_str().context("an event has its job")?;
        let number = fill::number_of(id)?;
        if seen.insert(number) {
            let at = fill::due_at(start, number, arguments.rate)?;
            let time: Timestamp =
                event["time"].as_str().context("an event has its time")?.parse()?;
            let late = |to: Timestamp| i64::try_from(to.duration_since(at).as_millis());
            heard.push((late(time)?, late(workers::clock::real_now())?));
        }
    }
    Ok(heard)
}

fn quantiles(values: impl Iterator<Item = i64>) -> (i64, i64, i64) {
    let mut all: Vec<i64> = values.collect();
    all.sort_unstable();
    let at = |permille: usize| all.get(all.len().saturating_sub(1) * permille / 1000).copied();
    (at(500).unwrap_or(0), at(990).unwrap_or(0), at(1000).unwrap_or(0))
}

fn table(f: &Figures) -> String {
    let Figures { poll_before: before, poll_after: after, bytes_a_job: bytes, .. } = f;
    format!(
        "\n{} waiting jobs, {} warnings a second, {WORKERS} workers, one killed\n\
         lateness of the change: p50 {} ms, p99 {} ms, max {} ms\n\
         heard at the broker:    p50 {} ms, p99 {} ms, max {} ms\n\
         fired {}, missed {}, fired twice {}\n\
         an idle hub asks:       {:.1} a second\n\
         its question:           {:.2} ms; after {} fired without vacuum {:.2} ms\n\
         looking for due timers: {:.2} ms; after {:.2} ms\n\
         scrape of the metrics:  p50 {:.1} ms, max {:.1} ms; a count of all jobs {} ms\n\
         bytes a waiting job:    {} (job {} + {} of indexes, timers {} + {}, key {}, correlation {})\n\
         database {} MB, filled in {} s",
        f.rows,
        f.due_a_second,
        f.lateness_p50,
        f.lateness_p99,
        f.lateness_max,
        f.heard_p50,
        f.heard_p99,
        f.heard_max,
        f.fired,
        f.missed,
        f.fired_twice,
        f.idle_queries_a_second,
        before.watch_ms,
        f.fired,
        after.watch_ms,
        before.due_ms,
        after.due_ms,
        f.scrape_p50,
        f.scrape_max,
        f.count_ms,
        bytes.all,
        bytes.job,
        bytes.job_indexes,
        bytes.timer,
        bytes.timer_indexes,
        bytes.key,
        bytes.correlation,
        f.database_mb,
        f.fill_s
    )
}
