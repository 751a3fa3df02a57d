//! What is measured beside the firing.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use adapters::systems::kpsisu::CHECK;
use anyhow::{Context, Result};
use serde::Serialize;
use sqlx::{PgPool, Row};
use workers::{
    chance::Chance,
    demo::stage::Stage,
    store::{Store, timer::Action},
    timers::FIRED_MAX,
};

/// Looks whose median counts.
const LOOKS: usize = 51;
/// Backends hand in the counts of before within this.
const SETTLE: Duration = Duration::from_secs(15);
/// The window of idleness.
const IDLE: Duration = Duration::from_secs(20);

/// Medians in milliseconds, of one process on an open connection.
#[derive(Debug, Serialize)]
pub struct Polls {
    /// The question of an idle hub.
    pub watch_ms: f64,
    /// Looking for due timers, of which there are none.
    pub due_ms: f64,
}

/// On average.
#[derive(Debug, Serialize)]
pub struct Bytes {
    pub all: i64,
    pub job: i64,
    pub job_indexes: i64,
    pub timer: i64,
    pub timer_indexes: i64,
    pub key: i64,
    pub correlation: i64,
}

pub async fn polls(store: &Store) -> Result<Polls> {
    let me = Chance::from_entropy().uuid();
    let systems = ["kpsisu", "gbdfl"];
    let operations = HashMap::from([(CHECK.name, &CHECK)]);
    let mut watch = Vec::with_capacity(LOOKS);
    let mut due = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        let began = Instant::now();
        store.watch(me, &[CHECK.name], &systems, &[], &[]).await?;
        watch.push(milliseconds(began.elapsed()));
        let began = Instant::now();
        store.fire_due(FIRED_MAX, |_| Action::Drop, &operations).await?;
        due.push(milliseconds(began.elapsed()));
    }
    Ok(Polls { watch_ms: median(&mut watch), due_ms: median(&mut due) })
}

/// Transactions a second of one hub; those of an idle hub are one statement each.
pub async fn idle(db: &PgPool, hubs: usize) -> Result<f64> {
    tokio::time::sleep(SETTLE).await;
    let (began, before) = (Instant::now(), transactions(db).await?);
    tokio::time::sleep(IDLE).await;
    let asked = transactions(db).await? - before;
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    Ok(asked as f64 / began.elapsed().as_secs_f64() / hubs as f64)
}

async fn transactions(db: &PgPool) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "SELECT xact_commit + xact_rollback FROM pg_stat_database
          WHERE datname = current_database()",
    )
    .fetch_one(db)
    .await?)
}

/// Median and maximum of a scrape, in milliseconds, and how long one count of all jobs took.
pub async fn scrapes(stage: &Stage, db: &PgPool) -> Result<(f64, f64, i64)> {
    let url = format!("http://{}/metrics", stage.addresses(0).admin);
    let mut times = Vec::with_capacity(LOOKS);
    let began = Instant::now();
    // The first ones make the hub count; a scrape during the count is a scrape too.
    while times.len() < LOOKS || !is_counted(stage, db, began).await? {
        let began = Instant::now();
        let page = stage.http().get(&url).send().await?.text().await?;
        times.push(milliseconds(began.elapsed()));
        anyhow::ensure!(page.contains("hub_jobs_counted_seconds"), "the page is whole");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = sqlx::query_scalar("SELECT took_ms FROM hub.job_counting").fetch_one(db).await?;
    let max = times.iter().copied().fold(0.0, f64::max);
    Ok((median(&mut times), max, took))
}

async fn is_counted(stage: &Stage, db: &PgPool, began: Instant) -> Result<bool> {
    let row = sqlx::query(
        "SELECT counted_at IS NOT NULL AS counted,
                pg_relation_size('hub.job_live') > $1 AS large FROM hub.job_counting",
    )
    .bind(workers::store::summary::COUNTED_BYTES_MAX)
    .fetch_one(db)
    .await?;
    let waits: bool = row.try_get::<bool, _>("large")? && !row.try_get::<bool, _>("counted")?;
    let late = began.elapsed() > Duration::from_mins(3);
    (!late).then_some(!waits).with_context(|| format!("nobody counts\n{}", stage.tail(0)))
}

pub async fn bytes(db: &PgPool, rows: i64) -> Result<Bytes> {
    let row = sqlx::query(
        "SELECT pg_table_size('hub.job_live') AS job, pg_indexes_size('hub.job_live') AS job_indexes,
                pg_table_size('hub.timer') AS timer, pg_indexes_size('hub.timer') AS timer_indexes,
                pg_total_relation_size('hub.job_key') AS key,
                pg_total_relation_size('hub.correlation') AS correlation",
    )
    .fetch_one(db)
    .await?;
    let of = |name: &str| -> Result<i64> { Ok(row.try_get::<i64, _>(name)? / rows) };
    let bytes = Bytes {
        all: 0,
        job: of("job")?,
        job_indexes: of("job_indexes")?,
        timer: of("timer")?,
        timer_indexes: of("timer_indexes")?,
        key: of("key")?,
        correlation: of("correlation")?,
    };
    let Bytes { job, job_indexes, timer, timer_indexes, key, correlation, .. } = &bytes;
    Ok(Bytes { all: job + job_indexes + timer + timer_indexes + key + correlation, ..bytes })
}

pub async fn database_mb(db: &PgPool) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT pg_database_size(current_database()) >> 20")
        .fetch_one(db)
        .await?)
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
