//! The running hub: all loops, started and stopped in the right order.
//!
//! *Start*: settings → database (waited for) → schema → business time and calendar → identity → beats,
//! relay, listeners, claims, consuming; beside them what came in is matched, then what waits is pulled,
//! and only then timers run, or after a minute: a gateway that is slow holds up nobody else for longer.
//!
//! *Stop*: consuming ends → what may be called and is not goes to the others → running calls finish,
//! within the limit → results are recorded → events are published, by the others where there are any →
//! what is left is handed back (queries) or put in doubt (commands) → exit.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use contracts::topology;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch as channel},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    admin,
    broker::consumer::{self, Delivery, Health, Source},
    callback, clock,
    config::Config,
    doctor::expiry,
    fail_point::{self, Point},
    inbound::{self, again, matching, pull},
    pipeline::{BuildError, Hub, admit, claim, decode, decode::Candidate, record, retries},
    policy::{
        calendar::{MissingYear, day_of},
        pause::Pause,
    },
    process, relay, rescue,
    store::{Store, calendar::Conflict, rescue::Rescued},
    telemetry::metric,
    timers, watch,
};

/// Deliveries of one queue that wait for their decoding.
const DELIVERIES_MAX: usize = 64;
/// How long events may still be published after the last record.
const LAST_EVENTS_WAIT_MAX: Duration = Duration::from_secs(3);
/// After a start timers wait for the answers of slow gateways no longer than this.
const FIRST_PULL_WAIT_MAX: Duration = Duration::from_secs(60);
/// Between two looks at the outbox while stopping.
const OUTBOX_LOOK_EVERY: Duration = Duration::from_millis(50);

/// The hub cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be built from its settings.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A listener's address is taken or forbidden.
    #[error("{what} cannot listen on {address}: {source}")]
    Listen {
        /// `admin.listen` or `inbound.listen`.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Business time is shifted and the settings do not allow it.
    #[error(
        "business time is shifted by {0} ms, and clock.allow_shift is false: this database belongs to \
         a demo or a test"
    )]
    Shifted(i64),
    /// Fail points are armed where nobody may arm them.
    #[error("{0}")]
    FailPoints(&'static str),
    /// The schema is older than the program.
    #[error("the schema is at version {0}, this program needs {1}: run `hub migrate`")]
    Schema(i64, i64),
    /// The business calendar lacks a year that a job may need.
    #[error(transparent)]
    Calendar(#[from] MissingYear),
    /// The business calendar contradicts that of the database.
    #[error(transparent)]
    CalendarConflict(#[from] Conflict),
    /// The recorder of metrics cannot be installed.
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Runs until `stop` is cancelled and everything is in order. `only` limits what is consumed.
pub async fn run(
    config: Config,
    only: Option<Vec<String>>,
    stop: CancellationToken,
) -> Result<(), Error> {
    fail_point::permit(config.allow_shift).map_err(Error::FailPoints)?;
    let page = admin::install_recorder()?;
    let (hub, records) = Hub::build(config)?;
    let operations: Vec<_> = hub.catalogue.operations();
    metric::describe(&operations);
    let admin_listener = listen("admin.listen", hub.config.admin_listen).await?;
    let inbound_listener = listen("inbound.listen", hub.config.inbound_listen).await?;
    let health = Arc::new(Health::default());
    let background = CancellationToken::new();
    let admin = admin::router(hub.clone(), health.clone(), page.clone());
    serve(admin_listener, admin, background.clone());
    tokio::spawn(admin::upkeep(page, background.clone()));
    if !prepare(&hub, &stop).await? {
        background.cancel();
        return Ok(());
    }
    let exporting = hub.traces.start_exporting();
    let loops = Loops::start(&hub, records, inbound_listener, &background);
    let consuming = start_consuming(&hub, health, only, &stop);
    tracing::info!(worker = %hub.worker(), systems = ?hub.systems(), "the hub runs");
    stop.cancelled().await;
    tracing::info!("stopping: no new jobs; running calls finish");
    loops.finish(hub, consuming, background).await;
    if let Some(exporting) = exporting {
        exporting.finish().await;
    }
    Ok(())
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { what, address, source })
}

fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move {
        let serving = axum::serve(listener, service)
            .with_graceful_shutdown(async move { stop.cancelled().await });
        if let Err(error) = serving.await {
            tracing::error!(%error, "a listener ended");
        }
    });
}

/// Waits for the database and makes this worker known; `false` where the hub was stopped meanwhile.
async fn prepare(hub: &Hub, stop: &CancellationToken) -> Result<bool, Error> {
    let mut pause = Pause::reconnecting(hub.chance.clone());
    loop {
        match introduce(hub).await {
            Ok(()) => return Ok(true),
            Err(Introduce::Fatal(error)) => return Err(error),
            Err(Introduce::Unavailable(error)) => {
                let wait = pause.next();
                tracing::warn!(%error, wait_ms = wait.as_millis(), "waiting for the database");
                tokio::select! {
                    () = stop.cancelled() => return Ok(false),
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
}

enum Introduce {
    Fatal(Error),
    Unavailable(crate::store::Error),
}

impl From<crate::store::Error> for Introduce {
    fn from(error: crate::store::Error) -> Self {
        Self::Unavailable(error)
    }
}

async fn introduce(hub: &Hub) -> Result<(), Introduce> {
    let (applied, known) = hub.store.schema_versions().await?;
    if applied < known {
        return Err(Introduce::Fatal(Error::Schema(applied, known)));
    }
    let shift = clock::refresh(&hub.store).await?;
    if shift != 0 && !hub.config.allow_shift {
        return Err(Introduce::Fatal(Error::Shifted(shift)));
    }
    load_calendar(hub).await?;
    clock::make_months(&hub.store).await;
    let pulled: Vec<bool> = hub.destinations.values().map(|d| d.is_pulled()).collect();
    hub.store.ensure_destinations(&hub.systems(), &pulled).await?;
    let limits: Vec<_> = hub
        .destinations
        .values()
        .map(|d| (d.spec.name, d.settings.in_flight_max, d.protection.rate))
        .collect();
    hub.store.set_limits(&limits).await?;
    hub.store.register_worker(hub.worker(), &rescue::worker_name(), process::own()).await?;
    Ok(())
}

/// Brings our years into the database. A year that is missing now ends the start; one that will be
/// missing soon is told of.
async fn load_calendar(hub: &Hub) -> Result<(), Introduce> {
    let calendar = &hub.config.calendar;
    let now = hub.store.business_now().await?;
    calendar.check(now).map_err(|missing| Introduce::Fatal(missing.into()))?;
    let loaded = hub.store.load_calendar(calendar).await?;
    let loaded = loaded.map_err(|conflict| Introduce::Fatal(conflict.into()))?;
    loaded.tell();
    for year in calendar.years().filter(|year| year.number >= day_of(now).year()) {
        if let Some(uncertain) = &year.uncertain {
            tracing::info!(year = year.number, uncertain, "a year of the calendar is not settled");
        }
    }
    for year in calendar.missing_soon(now) {
        tracing::warn!(
            year,
            "the business calendar will lack a year within three months, and no process starts then"
        );
    }
    Ok(())
}

/// The loops that run beside consuming.
struct Loops {
    recording: JoinHandle<()>,
    relaying: JoinHandle<()>,
    relay_stop: CancellationToken,
}

impl Loops {
    fn start(
        hub: &Arc<Hub>,
        records: mpsc::Receiver<record::Record>,
        inbound_listener: TcpListener,
        background: &CancellationToken,
    ) -> Self {
        let relay_stop = CancellationToken::new();
        let recording = tokio::spawn(record::run(hub.clone(), records));
        let (partitions, mine) = channel::channel(Vec::new());
        tokio::spawn(rescue::run(hub.clone(), partitions, background.clone()));
        // Nobody else publishes the events of the partitions that the others leave to it.
        tokio::spawn(clock::follow(hub.clone(), background.clone()));
        let relaying = tokio::spawn(relay::run(hub.clone(), mine, relay_stop.clone()));
        serve(inbound_listener, inbound::router(hub.clone()), background.clone());
        tokio::spawn(answers_then_timers(hub.clone(), background.clone()));
        tokio::spawn(watch::run(hub.clone(), background.clone()));
        tokio::spawn(callback::run(hub.clone(), background.clone()));
        tokio::spawn(expiry::run(hub.clone(), background.clone()));
        tokio::spawn(retries::run(hub.clone(), background.clone()));
        Self { recording, relaying, relay_stop }
    }

    async fn finish(self, hub: Arc<Hub>, consuming: Consuming, background: CancellationToken) {
        let limit = hub.config.shutdown_limit;
        let leaving =
            tokio::time::timeout(LAST_EVENTS_WAIT_MAX, hub.store.leave(hub.worker())).await;
        if !matches!(leaving, Ok(Ok(()))) {
            tracing::debug!("the others do not know that this worker goes");
        }
        let finished = tokio::time::timeout(limit, async {
            consuming.stopped().await;
            give_back_shares(&hub).await;
            hub.registry.empty().await;
        });
        if finished.await.is_err() {
            tracing::warn!(running = hub.registry.len(), "calls did not finish within the limit");
        }
        background.cancel();
        let me = hub.worker();
        // The others take the partitions at once. Their events come in here all the time, and nobody is
        // left who would wake this relay for them.
        let company = hub.store.has_company(me, hub.config.lease);
        let company = tokio::time::timeout(LAST_EVENTS_WAIT_MAX, company).await;
        if !matches!(company, Ok(Ok(true))) {
            let last = tokio::time::timeout(LAST_EVENTS_WAIT_MAX, outbox_empty(&hub.store, me));
            if last.await.is_err() {
                tracing::info!("events are left for the other workers or the next start");
            }
        }
        // The relay ends before its partitions go to others, and between two rounds: one publisher a
        // job, and nothing is published twice because of a stop.
        let between = tokio::time::timeout(LAST_EVENTS_WAIT_MAX, hub.relaying.lock()).await;
        self.relay_stop.cancel();
        let relayed = tokio::time::timeout(LAST_EVENTS_WAIT_MAX, self.relaying).await;
        drop((relayed, between));
        give_up_ownership(&hub).await;
        self.recording.abort();
        hub.store.close().await;
        tracing::info!("stopped");
    }
}

/// Answers before timers: what waited for us is read before anything is given up. A gateway that is slow
/// holds up the timers of the others for [`FIRST_PULL_WAIT_MAX`] at most: its own jobs end only after a
/// look that succeeded, whenever their timers run.
async fn answers_then_timers(hub: Arc<Hub>, stop: CancellationToken) {
    let look = async {
        again::read_again(&hub).await;
        matching::catch_up(&hub).await;
    };
    tokio::select! { () = stop.cancelled() => return, () = look => {} }
    tokio::spawn(matching::run(hub.clone(), stop.clone()));
    let (read, is_read) = oneshot::channel::<()>();
    let pulls = async {
        tokio::select! { () = stop.cancelled() => return, () = pull::pull_due(&hub) => {} }
        drop(read);
        pull::run(hub.clone(), stop.clone()).await;
    };
    let timers = async {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tokio::time::timeout(FIRST_PULL_WAIT_MAX, is_read) => {}
        }
        timers::run(hub.clone(), stop.clone()).await;
    };
    tokio::join!(pulls, timers);
}

/// Permits that nobody uses any more are the others' at once, not when the last call has ended.
async fn give_back_shares(hub: &Hub) {
    let shared = hub.destinations.values().filter(|destination| destination.is_shared);
    let kept: Vec<_> = shared.map(|d| (d.spec.name, d.slots.resize(0))).collect();
    if let Err(error) = hub.store.give_back_shares(hub.worker(), &kept).await {
        tracing::info!(%error, "the others get the shares of this worker when it has ended");
    }
}

/// What still runs is taken from us as from a dead worker: queries go back, commands are in doubt.
async fn give_up_ownership(hub: &Hub) {
    let me = hub.worker();
    let left = async {
        hub.store.remove_worker(me).await?;
        hub.store.rescue_orphans(&hub.operations).await
    };
    match left.await {
        Ok(rescued) if rescued == Rescued::default() => {}
        Ok(rescued) => {
            let Rescued { returned, in_doubt, failed, .. } = rescued;
            tracing::warn!(returned, in_doubt, failed, "unfinished jobs were handed back");
            for (operation, after) in &rescued.recorded {
                record::note_end(operation, after);
            }
        }
        Err(error) => tracing::warn!(%error, "the others will rescue what is left"),
    }
}

async fn outbox_empty(store: &Store, me: Uuid) {
    while store.has_unsent(me).await.is_ok_and(|unsent| unsent) {
        tokio::time::sleep(OUTBOX_LOOK_EVERY).await;
    }
}

/// Consuming, decoding, admitting and claiming: everything that starts calls.
struct Consuming {
    tasks: Vec<JoinHandle<()>>,
}

impl Consuming {
    async fn stopped(self) {
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of consuming ended badly");
            }
        }
    }
}

fn start_consuming(
    hub: &Arc<Hub>,
    health: Arc<Health>,
    only: Option<Vec<String>>,
    stop: &CancellationToken,
) -> Consuming {
    let (admitting, candidates) = mpsc::channel(admit::ADMISSION_QUEUE_MAX);
    let mut tasks = vec![tokio::spawn(admit::run(hub.clone(), candidates, stop.clone()))];
    let mut sources = Vec::new();
    let (open, never_closed) = channel::channel(false);
    for destination in hub.destinations.values() {
        let name = destination.spec.name;
        // What the hub does itself, every process does.
        let wanted = only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name));
        if wanted || name == contracts::own::SPEC.name {
            let queue = topology::job_queue(name);
            sources.push(source(hub, &queue, destination.gate(), &admitting, &mut tasks));
        }
    }
    tasks.push(tokio::spawn(claim::run(hub.clone(), only, stop.clone())));
    for queue in [topology::UNROUTED_QUEUE, topology::DEAD_QUEUE] {
        sources.push(source(hub, queue, never_closed.clone(), &admitting, &mut tasks));
    }
    let options = consumer::Options {
        url: hub.config.amqp_url.clone(),
        systems: hub.systems(),
        prefetch: hub.config.pipeline.prefetch,
        sources,
    };
    let chance = hub.chance.clone();
    let stop = stop.clone();
    tasks.push(tokio::spawn(async move {
        consumer::supervise(options, health, chance, stop).await;
        // Kept until here: a gate whose keeper is gone would end its consumer.
        drop(open);
    }));
    Consuming { tasks }
}

/// A queue with the task that decodes its deliveries, in order.
fn source(
    hub: &Arc<Hub>,
    queue: &str,
    closed: channel::Receiver<bool>,
    admitting: &mpsc::Sender<Candidate>,
    tasks: &mut Vec<JoinHandle<()>>,
) -> Source {
    let (sink, mut deliveries) = mpsc::channel::<Delivery>(DELIVERIES_MAX);
    let (hub, admitting) = (hub.clone(), admitting.clone());
    tasks.push(tokio::spawn(async move {
        while let Some(delivery) = deliveries.recv().await {
            fail_point::reach(Point::AfterDeliver);
            let candidate = decode::decode(&hub, delivery).await;
            if let Err(unsent) = admitting.send(candidate).await {
                admit::leave(&hub, &unsent.0);
                return;
            }
        }
    }));
    Source { queue: queue.into(), sink, closed }
}
