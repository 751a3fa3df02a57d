//! Servers that all worlds share: started once, or named by the environment.
//!
//! A static is not dropped at the end of the process; private servers die with their owner.

use std::{
    future::Future,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use lapin::options::QueueDeleteOptions;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use tokio::{
    runtime::Runtime,
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
};
use workers::{
    demo::stage::Servers,
    services::{Options, Services},
};

/// Virtual hosts that are made when the shared broker starts, by one call of its tool.
const VIRTUAL_HOSTS: usize = 240;

/// One runtime for all tests, so that a shared world outlives the test that built it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});
static SHARED: OnceCell<Shared> = OnceCell::const_new();
static WORLDS: AtomicUsize = AtomicUsize::new(0);

struct Shared {
    database_url: String,
    amqp_url: String,
    /// A named broker has one virtual host for everybody: one world at a time.
    turn: Option<Arc<Semaphore>>,
    admin: PgPool,
    _services: Option<Services>,
}

/// The servers of one world, and its turn.
pub struct Lent {
    pub servers: Servers,
    pub turn: Option<OwnedSemaphorePermit>,
}

/// Runs a test.
pub fn run(test: impl Future<Output = ()>) {
    RUNTIME.block_on(test);
}

/// A fresh database and a fresh virtual host.
pub async fn lend() -> Lent {
    let shared = SHARED.get_or_init(start).await;
    let turn = match &shared.turn {
        Some(turn) => Some(turn.clone().acquire_owned().await.unwrap()),
        None => None,
    };
    let number = WORLDS.fetch_add(1, Ordering::Relaxed) + 1;
    let name = format!("hub_test_{}_{number}", std::process::id());
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&shared.admin)
        .await
        .unwrap();
    let amqp_url = if turn.is_some() {
        forget_queues(&shared.amqp_url).await;
        shared.amqp_url.clone()
    } else {
        assert!(number <= VIRTUAL_HOSTS, "more worlds than virtual hosts");
        with_path(&shared.amqp_url, &format!("world-{number}"))
    };
    let servers = Servers {
        database_url: SecretString::from(with_path(&shared.database_url, &name)),
        amqp_url: SecretString::from(amqp_url),
    };
    Lent { servers, turn }
}

async fn start() -> Shared {
    let named = |name| std::env::var(name).ok().filter(|url| !url.is_empty());
    let (database, amqp) = (named("HUB_TEST_DATABASE_URL"), named("HUB_TEST_AMQP_URL"));
    let services = if database.is_some() && amqp.is_some() {
        None
    } else {
        let say = Box::new(|sentence: &str| println!("{sentence}"));
        let options = Options { fsync: false, say, ..Options::default() };
        Some(Services::start(&options).await.unwrap())
    };
    let own = |url: Option<String>, own: fn(&Services) -> &str| {
        url.unwrap_or_else(|| services.as_ref().map(own).unwrap_or_default().to_owned())
    };
    let database_url = own(database, |services| services.postgres.url());
    let turn = amqp.as_ref().map(|_| Arc::new(Semaphore::new(1)));
    let amqp_url = own(amqp, |services| services.rabbitmq.url());
    if let (Some(services), None) = (&services, &turn) {
        services.rabbitmq.ctl(&["eval", &make_virtual_hosts()]).await.unwrap();
    }
    let admin = PgPoolOptions::new().max_connections(1).connect(&database_url).await.unwrap();
    Shared { database_url, amqp_url, turn, admin, _services: services }
}

fn make_virtual_hosts() -> String {
    format!(
        "lists:foreach(fun(N) -> V = list_to_binary(\"world-\" ++ integer_to_list(N)), \
         rabbit_vhost:add(V, <<\"test\">>), \
         rabbit_auth_backend_internal:set_permissions(<<\"guest\">>, V, <<\".*\">>, <<\".*\">>, \
         <<\".*\">>, <<\"test\">>) end, lists:seq(1, {VIRTUAL_HOSTS}))."
    )
}

/// What an earlier world left in a broker that all share.
async fn forget_queues(url: &str) {
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default());
    let connection = connection.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let systems: Vec<&str> = adapters::systems::all().iter().map(|s| s.spec().name).collect();
    for queue in contracts::topology::queues(systems) {
        let options = QueueDeleteOptions { if_unused: false, if_empty: false, nowait: false };
        channel.queue_delete(queue.name.as_str().into(), options).await.unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}

fn with_path(url: &str, path: &str) -> String {
    let base = url.split('?').next().unwrap_or(url);
    let (server, _) = base.rsplit_once('/').unwrap();
    format!("{server}/{path}")
}

/// The address, for a library that wants it in plain.
pub fn plain(url: &SecretString) -> &str {
    url.expose_secret()
}
