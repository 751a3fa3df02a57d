//! A world: one stage, a pretended portal that publishes and listens, and questions to the tables.

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use contracts::{number::Iin, topology};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use tokio::sync::{OnceCell, OwnedSemaphorePermit};
use uuid::Uuid;
use workers::{
    broker::subscriber::Subscriber,
    chance::Chance,
    demo::stage::{Plan, Stage, tail},
    pipeline::exchange,
    seal::{Sealed, Sealer},
};

use crate::servers::{self, plain};

/// A condition comes true within this.
pub const WAIT_MAX: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Decides ids, and with them everything that the simulators draw.
pub static SEED: LazyLock<u64> =
    LazyLock::new(|| std::env::var("HUB_TEST_SEED").map_or(7, |seed| seed.parse().unwrap()));

/// Settings that keep calls short, and promises long enough for a busy machine; the text goes on in
/// `[systems.gbdfl]`.
pub const QUICK: &str = "
[operations.gbdfl.person]
at_risk_s = 3600
deadline_s = 7200
call_timeout_ms = 1200
attempts_max = 3
retry_base_ms = 40
retry_max_ms = 100
[operations.kpsisu.check]
call_timeout_ms = 2000
retry_base_ms = 40
retry_max_ms = 100
";

/// What a world is made of.
pub struct Scene {
    pub hubs: usize,
    pub latency: Duration,
    pub settings: String,
    pub environment: Vec<(&'static str, &'static str)>,
    /// Whether the portal listens to events.
    pub listens: bool,
    /// Servers of its own, to stop and start them.
    pub private: bool,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            hubs: 1,
            latency: Duration::ZERO,
            settings: QUICK.to_owned(),
            environment: Vec::new(),
            listens: true,
            private: false,
        }
    }
}

/// One event as the portal heard it.
#[derive(Debug, Clone)]
pub struct Heard {
    pub key: String,
    pub text: String,
    pub event: Value,
}

/// Events in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Events(Arc<Mutex<Vec<Heard>>>);

pub struct World {
    /// Dropped first: afterwards the files are gone.
    _tells: Tells,
    pub stage: Stage,
    pub events: Events,
    pub channel: Channel,
    db: PgPool,
    connection: Connection,
    _turn: Option<OwnedSemaphorePermit>,
}

/// Shows the end of the hubs' logs when a test fails.
struct Tells(Vec<PathBuf>);

impl Drop for Tells {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for (number, path) in self.0.iter().enumerate() {
            println!("the end of hub {number}'s log:\n{}", tail(path));
        }
    }
}

/// A world for tests that disturb nobody: no jumps of time, own ids.
pub async fn common() -> &'static World {
    static COMMON: OnceCell<World> = OnceCell::const_new();
    COMMON.get_or_init(async || World::build(Scene::default()).await).await
}

/// Waits until `look` finds something.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(WAIT_MAX, what, look).await
}

/// As [`until`], with a limit of its own.
pub async fn within<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {limit:?} (seed {}): {what}", *SEED);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The id of a job by its name in the test: the same in every run with this seed.
pub fn id(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::from_u128(u128::from(*SEED)), name.as_bytes())
}

/// A person by the name of the job: synthetic, and nobody else's in practice.
pub fn iin(name: &str) -> String {
    let number = u32::try_from(id(name).as_u128() % 150_000).unwrap();
    Iin::synthetic(number).expose().to_owned()
}

/// A job of `gbdfl.person`.
pub fn person(name: &str) -> Value {
    json!({
        "id": id(name), "operation": "gbdfl.person", "version": 1, "subject": format!("person:{name}"),
        "requested_at": workers::clock::real_now(), "requested_by": "organisation:990140000007",
        "input": {"iin": iin(name)},
    })
}

/// A job of `kpsisu.check`.
pub fn check(name: &str) -> Value {
    let mut job = person(name);
    job["operation"] = "kpsisu.check".into();
    job["subject"] = format!("specialist:{name}").into();
    job["consent"] = json!({
        "kind": "eds", "accepted_at": workers::clock::real_now(), "text_version": "2019-10",
    });
    job
}

/// JSON, persistent.
pub fn properties() -> BasicProperties {
    BasicProperties::default().with_content_type("application/json".into()).with_delivery_mode(2)
}

impl World {
    pub async fn build(scene: Scene) -> Self {
        println!("seed {} (HUB_TEST_SEED sets another)", *SEED);
        let lent = if scene.private { None } else { Some(servers::lend().await) };
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let plan = Plan {
            program: env!("CARGO_BIN_EXE_hub").into(),
            hubs: scene.hubs,
            seed: *SEED,
            fault_permille: 0,
            latency: scene.latency,
            settings: scene.settings,
            environment: scene.environment.iter().map(owned).collect(),
            servers: lent.as_ref().map(|lent| lent.servers.clone()),
            fsync: false,
            say: |text| println!("{text}"),
        };
        let stage = Stage::build(&plan).await.unwrap();
        let (connection, channel) = connect(&stage).await;
        let db = PgPoolOptions::new()
            .max_connections(2)
            .connect(plain(&stage.servers.database_url))
            .await
            .unwrap();
        let events = Events::default();
        if scene.listens {
            events.listen(&stage).await;
        }
        let turn = lent.and_then(|lent| lent.turn);
        let tells = Tells((0..scene.hubs).map(|number| stage.log_file(number)).collect());
        Self { _tells: tells, stage, events, channel, db, connection, _turn: turn }
    }

    pub async fn strike(self) {
        self.db.close().await;
        self.stage.strike().await;
    }

    /// A channel beside the portal's own.
    pub async fn open_channel(&self) -> Channel {
        self.connection.create_channel().await.unwrap()
    }

    /// Connects and listens again, after the broker was away.
    pub async fn reconnect(&mut self) {
        let (connection, channel) = connect(&self.stage).await;
        (self.connection, self.channel) = (connection, channel);
        self.events.listen(&self.stage).await;
    }

    /// Publishes and waits for the confirm; `true` where a queue took it.
    pub async fn publish(&self, key: &str, body: &[u8], properties: BasicProperties) -> bool {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let exchange = topology::JOBS_EXCHANGE.into();
        let published =
            self.channel.basic_publish(exchange, key.into(), options, body, properties).await;
        matches!(published.unwrap().await.unwrap(), Confirmation::Ack(None))
    }

    /// Publishes a job under its own operation; returns its id.
    pub async fn send(&self, job: &Value) -> Uuid {
        let key = job["operation"].as_str().unwrap();
        assert!(self.publish(key, job.to_string().as_bytes(), properties()).await);
        job["id"].as_str().unwrap().parse().unwrap()
    }

    /// Orders how the simulators treat a job, then publishes it.
    pub async fn play(&self, job: &Value, behaviours: &[&str]) -> Uuid {
        let system = job["operation"].as_str().unwrap().split('.').next().unwrap();
        for behaviour in behaviours {
            let order =
                json!({"system": system, "behaviour": behaviour, "request_number": job["id"]});
            self.stage.order("next", &order).await.unwrap();
        }
        self.send(job).await
    }

    /// Rows as JSON.
    pub async fn rows(&self, sql: &str) -> Vec<Value> {
        let statement = format!("SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM ({sql}) t");
        let rows: Value =
            sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&self.db).await.unwrap();
        rows.as_array().unwrap().clone()
    }

    /// The one row.
    pub async fn row(&self, sql: &str) -> Value {
        let mut rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows.remove(0)
    }

    /// Changes something behind the hub's back.
    pub async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.db).await.unwrap();
    }

    /// A transaction that holds what this statement locks, until it is dropped.
    pub async fn hold(&self, sql: &str) -> sqlx::Transaction<'static, sqlx::Postgres> {
        let mut holder = self.db.begin().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *holder).await.unwrap();
        holder
    }

    /// The row of a job, where there is one.
    pub async fn job(&self, id: Uuid) -> Option<Value> {
        self.rows(&format!("SELECT * FROM hub.job WHERE id = '{id}'")).await.pop()
    }

    /// The row of a job in this state.
    pub async fn in_state(&self, id: Uuid, state: &str) -> Value {
        let what = format!("{id} is {state}");
        until(&what, async || self.job(id).await.filter(|job| job["state"] == state)).await
    }

    /// The row of a job at its end, after its last event was heard.
    pub async fn ended(&self, id: Uuid) -> Value {
        let job = until(&format!("{id} has ended"), async || {
            self.job(id).await.filter(|job| !job["ended_at"].is_null())
        })
        .await;
        self.events.wait_for(id, job["state"].as_str().unwrap()).await;
        job
    }

    pub async fn attempts(&self, id: Uuid) -> Vec<Value> {
        self.rows(&format!(
            "SELECT a.* FROM hub.attempt a JOIN hub.job_key k ON k.seq = a.job_seq
              WHERE k.id = '{id}' ORDER BY a.run"
        ))
        .await
    }

    /// The portal's row of a subject.
    pub async fn portal(&self, table: &str, job: &Value) -> Value {
        let subject = job["subject"].as_str().unwrap();
        self.row(&format!("SELECT * FROM portal.{table} WHERE subject = '{subject}'")).await
    }

    /// What the simulators saw of a job.
    pub async fn journal(&self, id: Uuid) -> Vec<Value> {
        let entries = self.stage.control("journal").await.unwrap();
        let of_job = |entry: &&Value| entry["request_number"] == id.to_string();
        entries.as_array().unwrap().iter().filter(of_job).cloned().collect()
    }

    /// Opens what the hub sealed: hexadecimal, as the table's row shows bytes.
    pub fn unseal(&self, purpose: &str, row: &Value) -> Vec<u8> {
        self.sealer().open(purpose, &sealed(row)).unwrap()
    }

    /// Seals as the hub does: the id of the key, and the bytes as hexadecimal digits.
    pub fn seal(&self, purpose: &str, raw: &[u8]) -> (String, String) {
        let Sealed { key_id, bytes } = self.sealer().seal(purpose, raw);
        (key_id, bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Request and answer of a kept exchange.
    pub fn exchange(&self, row: &Value) -> (Bytes, Bytes) {
        exchange::open(&self.sealer(), &sealed(row)).unwrap()
    }

    fn sealer(&self) -> Sealer {
        Sealer::from_file(&self.stage.key_file(), Chance::seeded(1)).unwrap()
    }

    pub async fn get(&self, hub: usize, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.stage.addresses(hub).admin);
        match self.stage.http().get(url).send().await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap()),
            Err(_) => (0, String::new()),
        }
    }

    /// The sum of the series of this name that have these labels.
    pub async fn metric(&self, hub: usize, name: &str, labels: &[(&str, &str)]) -> f64 {
        let (_, page) = self.get(hub, "/metrics").await;
        sum(&page, name, labels)
    }

    /// Messages in a queue that no consumer holds.
    pub async fn ready_messages(&self, queue: &str) -> u32 {
        let channel = self.open_channel().await;
        let options = QueueDeclareOptions {
            passive: true,
            durable: true,
            exclusive: false,
            auto_delete: false,
            nowait: false,
        };
        let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        let count = declared.unwrap().message_count();
        channel.close(200, "asked".into()).await.unwrap();
        count
    }

    /// Lets business time jump until no job is live and nothing is due any more.
    pub async fn live_through(&self, jobs: usize) {
        self.live_through_within(WAIT_MAX, jobs).await;
    }

    /// As [`Self::live_through`], with a limit of its own.
    pub async fn live_through_within(&self, limit: Duration, jobs: usize) {
        within(limit, "every job has ended", async || {
            let ended = self.stage.store.count_ended().await.unwrap();
            if ended.admitted >= jobs && ended.live == 0 {
                return Some(());
            }
            workers::demo::time::advance(&self.stage).await.unwrap();
            None
        })
        .await;
    }
}

/// The sum of the series on a page that have this name and these labels.
pub fn sum(page: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |line: &&str| {
        let labelled = |(key, value): &(&str, &str)| line.contains(&format!("{key}=\"{value}\""));
        line.split(['{', ' ']).next() == Some(name) && labels.iter().all(labelled)
    };
    let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    page.lines().filter(fits).map(value).sum()
}

async fn connect(stage: &Stage) -> (Connection, Channel) {
    let url = plain(&stage.servers.amqp_url);
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions { nowait: false }).await.unwrap();
    (connection, channel)
}

impl Events {
    async fn listen(&self, stage: &Stage) {
        let bound = Subscriber::bind(&stage.amqp_url(), topology::EVENTS_EXCHANGE, "#").await;
        let (mut events, all) = (bound.unwrap(), self.0.clone());
        tokio::spawn(async move {
            while let Some((key, body)) = events.next().await {
                let text = String::from_utf8(body).unwrap();
                let event = serde_json::from_str(&text).unwrap();
                all.lock().unwrap().push(Heard { key, text, event });
            }
        });
    }

    pub fn all(&self) -> Vec<Heard> {
        self.0.lock().unwrap().clone()
    }

    /// The events about a job, as they came.
    pub fn of(&self, id: Uuid) -> Vec<Heard> {
        let of_job = |heard: &Heard| heard.event["data"]["job_id"] == id.to_string();
        self.all().into_iter().filter(of_job).collect()
    }

    /// Their names.
    pub fn names(&self, id: Uuid) -> Vec<String> {
        let name = |heard: &Heard| heard.key.rsplit('.').next().unwrap().to_owned();
        self.of(id).iter().map(name).collect()
    }

    /// Waits for an event of this name.
    pub async fn wait_for(&self, id: Uuid, name: &str) -> Value {
        until(&format!("{id}: event {name}, heard {:?}", self.names(id)), async || {
            let of_name = |heard: &Heard| heard.key.rsplit('.').next() == Some(name);
            self.of(id).into_iter().find(of_name).map(|heard| heard.event)
        })
        .await
    }
}

fn sealed(row: &Value) -> Sealed {
    let hex = row["sealed"].as_str().unwrap().trim_start_matches("\\x");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes = (0..hex.len()).step_by(2).map(byte).collect();
    Sealed { key_id: row["key_id"].as_str().unwrap().to_owned(), bytes }
}
