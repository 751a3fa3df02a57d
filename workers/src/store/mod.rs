//! Everything that touches PostgreSQL: the only `sqlx::` in the program.
//!
//! One file a concern, the statements beside the types that they fill. Statements that change a job
//! are batches: a commit carries what has queued up, so that a busy hub pays one `fsync` for
//! hundreds of jobs and a lone job waits for nobody.
//!
//! *Guarantee*: job state, attempt, portal row, timers and outbox rows change in one commit
//! (invariant 4); no transaction is open during an outside call (invariant 1).
//!
//! *Limits*: every statement but a migration ends within [`STATEMENT_WAIT_MAX`], every call within
//! [`CALL_WAIT_MAX`]; errors never repeat a value, because a value may be personal.

pub mod admission;
pub mod attachment;
mod attempt;
pub mod audit;
pub mod calendar;
pub mod callback;
pub mod cancel;
pub mod claim;
pub mod clock;
pub mod consent;
pub mod destination;
pub mod error;
pub mod examine;
pub mod file;
mod held;
pub mod inbound;
pub mod jobs;
pub mod kept;
pub mod late;
pub mod listing;
pub mod maintenance;
mod migrate;
pub mod outbox;
mod parcel;
pub mod pause;
pub mod pool;
pub mod portal;
pub mod protection;
pub mod quarantine;
pub mod record;
pub mod rescue;
pub mod resolve;
pub mod retries;
pub mod retry;
mod sla;
pub mod story;
pub mod summary;
pub mod timer;
mod turn;
pub mod unread;
pub mod watch;
pub mod worker;

use std::{str::FromStr, time::Duration};

use contracts::trace::TraceContext;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    PgConnection, Row as _,
    postgres::{PgConnectOptions, PgRow},
};

use self::pool::{Doubt, Pool};
pub use self::{
    error::{Error, Kind, Outside},
    migrate::MIGRATION_LOCK_WAIT_MAX,
    pool::Transaction,
};

/// The server ends a statement after this.
pub const STATEMENT_WAIT_MAX: Duration = Duration::from_secs(15);
/// The server ends a session that holds a transaction open for this long without a statement: its
/// process is frozen, and its locks would hold up the others. Shorter than a lease.
pub const IDLE_WAIT_MAX: Duration = Duration::from_secs(5);
/// A call on the store ends after this, whatever happens to the server or the network.
pub const CALL_WAIT_MAX: Duration = Duration::from_secs(20);
/// How long a call waits for a free connection.
pub const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(5);
/// What the server does about a session whose client is gone: where nothing says so, it asks an idle one
/// after 30 s and ends it after 30 s more; it ends one that takes no answer for 30 s; and a statement that
/// is at work for somebody who has hung up ends within 2 s, with its locks.
const LOST_CLIENT: [(&str, &str); 5] = [
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "30000"),
    ("client_connection_check_interval", "2000"),
];
/// Ids in one query.
pub const IDS_PER_QUERY_MAX: usize = 1_000;

/// The database.
///
/// The three writers that a busy hub lives by have a connection each, so that their statements are
/// planned once; everything else shares a pool.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pool,
    admitting: Pool,
    recording: Pool,
    relaying: Pool,
    options: PgConnectOptions,
    migrating: PgConnectOptions,
}

/// Connections that are not in the shared pool.
const WRITERS: u32 = 3;

impl Store {
    /// Prepares connections; opens none yet, so that a database that is down is waited for.
    pub fn new(url: &SecretString, connections_max: u32) -> Result<Self, Error> {
        // Every name is written with its schema but that of the table of migrations: without this a
        // login called `hub` would look for it in schema `hub`.
        let plain = PgConnectOptions::from_str(url.expose_secret())?
            .application_name("hub")
            .options([("search_path", "public")])
            .options(LOST_CLIENT);
        // A migration rewrites what is there: it takes as long as it takes, and plans for whole tables.
        let migrating = plain.clone().options([
            ("statement_timeout", "0".to_owned()),
            ("lock_timeout", MIGRATION_LOCK_WAIT_MAX.as_millis().to_string()),
        ]);
        let options = plain.options([
            ("statement_timeout", STATEMENT_WAIT_MAX.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", IDLE_WAIT_MAX.as_millis().to_string()),
            ("jit", "off".to_owned()),
            // Every hot statement goes by an index, row by row. A plan made while a table was empty
            // must not stick to reading all of it, and a bitmap scan never marks dead entries.
            ("enable_seqscan", "off".to_owned()),
            ("enable_bitmapscan", "off".to_owned()),
            ("enable_hashjoin", "off".to_owned()),
            ("enable_mergejoin", "off".to_owned()),
            ("plan_cache_mode", "force_generic_plan".to_owned()),
        ]);
        // A relay that forgets after a crash that an event was confirmed publishes it again, which is
        // what at-least-once means; so its deletes do not wait for the disk.
        let relaxed = options.clone().options([("synchronous_commit", "off")]);
        let doubt = Doubt::default();
        let pool = |most: u32, options: &PgConnectOptions| Pool::new(most, options, &doubt);
        Ok(Self {
            pool: pool(connections_max.saturating_sub(WRITERS).max(2), &options),
            admitting: pool(1, &options),
            recording: pool(1, &options),
            relaying: pool(1, &relaxed),
            options,
            migrating,
        })
    }

    /// Whether the database answers now.
    pub async fn ping(&self) -> Result<(), Error> {
        within(async { Ok(sqlx::query("SELECT 1").execute(&self.pool).await.map(|_| ())?) }).await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        for pool in [&self.pool, &self.admitting, &self.recording, &self.relaying] {
            pool.close().await;
        }
    }

    /// A connection of its own, for the demo's and the tests' questions.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        Ok(begin(&self.pool).await?)
    }
}

/// Begins a transaction, also where the caller gives up meanwhile: whatever it has begun by then is
/// rolled back.
async fn begin(pool: &Pool) -> Result<Transaction, sqlx::Error> {
    pool.begin().await
}

/// The operation of this name, where this build knows it.
pub(crate) fn of_build(name: &str) -> Option<&'static contracts::operation::OperationSpec> {
    let all = adapters::systems::all();
    let known = all.iter().map(|system| system.spec()).chain([&contracts::own::SPEC]);
    known.flat_map(|spec| spec.operations).find(|o| o.name == name).copied()
}

/// Bounds a call on the store.
async fn within<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(CALL_WAIT_MAX, call).await.unwrap_or(Err(Error::Timeout))
}

/// Business time, in microseconds since 1970, as every query returns it.
const NOW_MICROS: &str = "(extract(epoch FROM hub.now()) * 1000000)::bigint";

/// An instant from a database value in microseconds.
fn instant(micros: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// The place in a trace that a row of a job holds.
fn trace_of(row: &PgRow) -> Result<Option<TraceContext>, Error> {
    let parent: Option<&str> = row.try_get("traceparent")?;
    let Some(parent) = parent else { return Ok(None) };
    Ok(TraceContext::read(parent, row.try_get("tracestate")?))
}

/// Milliseconds of a duration, for intervals that the statement adds to business time.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Rows that a statement returned as JSON, as what they are.
fn read_rows<T: serde::de::DeserializeOwned>(
    rows: Vec<serde_json::Value>,
) -> Result<Vec<T>, Error> {
    let read = |row| serde_json::from_value(row).map_err(|e| sqlx::Error::Decode(Box::new(e)));
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// A connection inside a transaction.
type Tx<'a> = &'a mut PgConnection;
