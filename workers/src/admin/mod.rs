//! The admin listener: `/metrics`, `/health/live`, `/health/ready`, `/labels/<token>`.
//!
//! *Ready* means: the database answers, the consumer is connected and not stalled, and the schema is
//! the one that this program knows. Whether events can be published is shown beside it (`up`, `down`,
//! `blocked`): jobs are taken all the same. *Live* means that the process answers at all; it says nothing of
//! its neighbours, so that a broken database does not make an orchestrator restart healthy workers.

mod labels;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Json, Response},
    routing::get,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    broker::consumer::Health,
    pipeline::Hub,
    store::{Error, listing::WAITS_FOR, summary::Summary},
    telemetry::metric::{BATCH_BUCKETS, CALL_BUCKETS, JOB_BUCKETS, Metric},
};

/// Histograms are condensed this often.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The database answers a page within this; those who scrape wait ten seconds.
const DATABASE_WAIT_MAX: Duration = Duration::from_secs(4);

/// What the admin listener shows.
#[derive(Clone)]
pub struct Admin {
    hub: Arc<Hub>,
    health: Arc<Health>,
    page: PrometheusHandle,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admin")
    }
}

/// Installs the recorder of this process. Once.
pub fn install_recorder() -> Result<PrometheusHandle, BuildError> {
    let full = |metric: Metric| Matcher::Full(metric.name().to_owned());
    PrometheusBuilder::new()
        .set_buckets(&CALL_BUCKETS)?
        .set_buckets_for_metric(full(Metric::JobDuration), &JOB_BUCKETS)?
        .set_buckets_for_metric(full(Metric::BatchSize), &BATCH_BUCKETS)?
        .install_recorder()
}

/// Condenses histograms until cancelled.
pub async fn upkeep(page: PrometheusHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(UPKEEP_EVERY) => page.run_upkeep(),
        }
    }
}

/// The routes of the admin listener.
pub fn router(hub: Arc<Hub>, health: Arc<Health>, page: PrometheusHandle) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .route("/labels/{token}", get(labels::serve))
        .with_state(Admin { hub, health, page })
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let operations: Vec<&str> = admin.hub.catalogue.operations().iter().map(|o| o.name).collect();
    match in_time(Box::pin(admin.hub.store.summary(&operations))).await {
        Ok(summary) => {
            clear_service_gauges(&admin.hub, summary.waiting.is_some());
            for ((system, state), count) in &summary.jobs {
                Metric::Jobs.set_read(as_gauge(*count), &[("system", system), ("state", state)]);
            }
            for ((system, reason), count) in summary.waiting.iter().flatten() {
                let labels = [("system", system.as_str()), ("reason", reason.as_str())];
                Metric::Waiting.set_read(as_gauge(*count), &labels);
            }
            Metric::JobsCounted.set(summary.jobs_age_s, []);
            for (system, age) in oldest_by_system(&summary) {
                Metric::OldestJob.set_read(age, &[("system", system)]);
            }
            for (operation, left) in &summary.sla_left_s {
                Metric::SlaRemaining.set_read(*left, &[("operation", operation)]);
            }
            Metric::OutboxOldest.set(summary.outbox_oldest_s, []);
            Metric::OutboxRows.set(as_gauge(summary.outbox), []);
            Metric::QuarantineRows.set(as_gauge(summary.quarantined), []);
            Metric::Workers.set(as_gauge(summary.workers), []);
            Metric::CalendarRemaining.set(summary.calendar_left_s, []);
            if summary.recount {
                tokio::spawn(recount(admin.hub.clone()));
            }
        }
        // The instance metrics are shown all the same; this one tells why the others are old.
        Err(error) => {
            tracing::debug!(%error, "service metrics could not be read");
            Metric::DatabaseUp.set(0.0, []);
        }
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, admin.page.render()).into_response()
}

/// A database that hangs must not make the page late: whoever scrapes it waits no longer than this.
async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(DATABASE_WAIT_MAX, asked).await.unwrap_or(Err(Error::Timeout))
}

/// The next scrape is answered with what this counts.
async fn recount(hub: Arc<Hub>) {
    if let Err(error) = hub.store.recount().await {
        tracing::debug!(%error, "live jobs were not counted");
    }
}

fn oldest_by_system(summary: &Summary) -> BTreeMap<&str, f64> {
    let mut oldest = BTreeMap::new();
    for (operation, age) in &summary.oldest_s {
        let system = operation.split('.').next().unwrap_or(operation);
        let known = oldest.entry(system).or_insert(*age);
        *known = known.max(*age);
    }
    oldest
}

/// A state that no job is in any more must read zero, not its last value.
fn clear_service_gauges(hub: &Hub, waiting_is_counted: bool) {
    use contracts::state::State;
    let uncounted = if waiting_is_counted { 0.0 } else { f64::NAN };
    for system in hub.systems() {
        for state in State::ALL.into_iter().filter(|state| !state.is_terminal()) {
            Metric::Jobs.set(0.0, [("system", system), ("state", state.name())]);
        }
        for reason in WAITS_FOR.into_iter().filter(|reason| *reason != "nothing") {
            Metric::Waiting.set(uncounted, [("system", system), ("reason", reason)]);
        }
        Metric::OldestJob.set(0.0, [("system", system)]);
    }
    // No job, no deadline: infinitely far away, so that a minimum over it means what it says.
    for operation in hub.catalogue.operations() {
        Metric::SlaRemaining.set(f64::INFINITY, [("operation", operation.name)]);
    }
}

fn as_gauge(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap_or(i32::MAX))
}

async fn ready(State(admin): State<Admin>) -> Response {
    let broker = admin.health.is_ready();
    let schema = in_time(admin.hub.store.schema_versions()).await;
    let database = schema.is_ok();
    let current = matches!(schema, Ok((applied, known)) if applied >= known);
    let all = broker && database && current;
    let status = if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let publishing = admin.hub.publishing.name();
    let body = json!({"ready": all, "broker": broker, "database": database, "schema": current,
        "publishing": publishing});
    (status, Json(body)).into_response()
}
