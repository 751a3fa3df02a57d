//! Questions to a database server that change nothing: `hub doctor` asks them.
//!
//! *Guarantee*: one connection of its own, beside the pools, so that the reason of a failed login is
//! known at once; only reads; errors are codes, never a server's words.

use std::{collections::BTreeMap, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{Connection, PgConnection, Row, postgres::PgConnectOptions};

use super::{Error, STATEMENT_WAIT_MAX, calendar, migrate::MIGRATIONS};
use crate::policy::calendar::Calendar;

/// A connection that asks.
#[derive(Debug)]
pub struct Examiner(PgConnection);

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreached {
    /// The address cannot be read.
    Address,
    /// Name or password.
    Login,
    /// No such database, or not for this login.
    Database,
    /// The server takes no more connections.
    TooMany,
    /// The server starts or stops.
    NotReady,
    /// TLS was wanted and is not there, or failed.
    Tls,
    /// Nobody answers there.
    Connect(std::io::ErrorKind),
    /// A server's code, or the driver's word.
    Other(String),
}

/// What the server says of itself.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// For example 150018.
    pub version: i32,
    /// Settings by name, as they hold for this login.
    pub settings: BTreeMap<&'static str, String>,
    /// Sessions of programs.
    pub sessions: i64,
    /// It only follows another one.
    pub is_standby: bool,
    /// How this connection goes.
    pub way: Way,
    /// The login is a superuser.
    pub is_superuser: bool,
    /// The login works as `hub_app`; `None` where there is no such role.
    pub is_member: Option<bool>,
    /// Bytes of this database.
    pub bytes: i64,
    /// Where the data lies, if on this machine, and as far as the login may know it.
    pub data_folder: Option<String>,
    /// Transactions since the oldest one that still holds dead rows back.
    pub horizon: i64,
    /// Transactions since the last freeze of this database.
    pub unfrozen: i64,
    /// The table with the most dead rows: its name, dead and live ones.
    pub dead: Option<(String, i64, i64)>,
}

/// How a connection goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// Encrypted.
    Encrypted,
    /// In the clear, and not leaving this machine.
    Local,
    /// In the clear, over a network.
    #[default]
    Open,
}

/// The migrations of the database beside those of this build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The newest that is applied.
    pub applied: i64,
    /// The newest that this build knows.
    pub known: i64,
    /// Known and not applied.
    pub missing: Vec<i64>,
    /// Applied and not known.
    pub newer: Vec<i64>,
    /// Applied with another content.
    pub changed: Vec<i64>,
    /// Begun and not finished.
    pub broken: Vec<i64>,
}

/// What the hub keeps.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    /// How far business time is ahead of real time.
    pub shift_ms: i64,
    /// Partitions of this month and the next that are not there.
    pub missing_partitions: Vec<String>,
    /// Age of the oldest unsent event, in seconds.
    pub outbox_oldest_s: f64,
    /// Unsent events.
    pub outbox: i64,
    /// Messages that are no job: kept, or somebody began to publish them again.
    pub quarantined: i64,
    /// Commands whose outcome is unknown.
    pub in_doubt: i64,
    /// Deliveries by HTTP that stopped.
    pub stopped_callbacks: i64,
    /// Workers that are registered.
    pub workers: Vec<Worker>,
}

/// A worker, for people.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Host and process.
    pub name: String,
    /// Its build; `None` for one that is older than this question.
    pub build: Option<String>,
    /// Heartbeats so far.
    pub beat: i64,
    /// Seconds since the last one.
    pub silent_s: f64,
}

/// Settings that decide over loss and speed.
const SETTINGS: [&str; 7] = [
    "autovacuum",
    "default_transaction_read_only",
    "fsync",
    "full_page_writes",
    "max_connections",
    "superuser_reserved_connections",
    "synchronous_commit",
];
/// Counting stops here: a question must not become a load.
const ROWS_MAX: i64 = 100_000;

impl Examiner {
    /// Logs in.
    pub async fn connect(url: &SecretString) -> Result<Self, Unreached> {
        let options = PgConnectOptions::from_str(url.expose_secret());
        let options = options.map_err(|_| Unreached::Address)?.application_name("hub doctor");
        let options = options.options([
            ("search_path", "public".to_owned()),
            ("statement_timeout", STATEMENT_WAIT_MAX.as_millis().to_string()),
            ("default_transaction_read_only", "on".to_owned()),
        ]);
        PgConnection::connect_with(&options).await.map(Self).map_err(|error| unreached(&error))
    }

    /// What the server says of itself.
    pub async fn server(&mut self) -> Result<Server, Error> {
        let row = sqlx::query(
            "SELECT current_setting('server_version_num')::int AS version,
               (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS sessions,
               pg_is_in_recovery() AS standby,
               coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS ssl,
               inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8'
                 OR inet_server_addr() = '::1' AS local,
               (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
               (SELECT pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles
                 WHERE rolname = 'hub_app') AS member,
               pg_database_size(current_database()) AS bytes,
               (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder,
               (SELECT age(datfrozenxid)::bigint FROM pg_database
                 WHERE datname = current_database()) AS unfrozen,
               greatest(
                 (SELECT max(age(backend_xmin)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()),
                 (SELECT max(age(transaction)) FROM pg_prepared_xacts),
                 (SELECT max(age(xmin)) FROM pg_replication_slots), 0)::bigint AS horizon",
        )
        .fetch_one(&mut self.0)
        .await?;
        let is_local: bool = row.try_get("local")?;
        let mut server = Server {
            version: row.try_get("version")?,
            sessions: row.try_get("sessions")?,
            is_standby: row.try_get("standby")?,
            way: match (row.try_get("ssl")?, is_local) {
                (true, _) => Way::Encrypted,
                (false, true) => Way::Local,
                (false, false) => Way::Open,
            },
            is_superuser: row.try_get("superuser")?,
            is_member: row.try_get("member")?,
            bytes: row.try_get("bytes")?,
            data_folder: row.try_get::<Option<String>, _>("folder")?.filter(|_| is_local),
            unfrozen: row.try_get("unfrozen")?,
            horizon: row.try_get("horizon")?,
            ..Server::default()
        };
        self.add_settings(&mut server).await?;
        Ok(server)
    }

    async fn add_settings(&mut self, server: &mut Server) -> Result<(), Error> {
        for name in SETTINGS {
            // Not as this session has it, which reads only.
            let value: Option<String> = sqlx::query_scalar(
                "SELECT CASE WHEN source IN ('client', 'session') THEN reset_val ELSE setting END
                   FROM pg_settings WHERE name = $1 AND name <> 'default_transaction_read_only'
                 UNION ALL
                 SELECT 'on' FROM pg_db_role_setting s, unnest(s.setconfig) c
                  WHERE $1 = 'default_transaction_read_only' AND c = $1 || '=on'
                    AND s.setdatabase IN (0, (SELECT oid FROM pg_database
                                               WHERE datname = current_database()))
                    AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
                  LIMIT 1",
            )
            .bind(name)
            .fetch_optional(&mut self.0)
            .await?;
            server.settings.insert(name, value.unwrap_or_default());
        }
        let dead = sqlx::query(
            "SELECT relname::text AS name, n_dead_tup AS dead, n_live_tup AS live
               FROM pg_stat_user_tables WHERE schemaname = 'hub' ORDER BY n_dead_tup DESC LIMIT 1",
        )
        .fetch_optional(&mut self.0)
        .await?;
        server.dead = match dead {
            Some(row) => Some((row.try_get("name")?, row.try_get("dead")?, row.try_get("live")?)),
            None => None,
        };
        Ok(())
    }

    /// The migrations, each with its content's mark. `None`: the login may not read of them.
    pub async fn schema(&mut self) -> Result<Option<Schema>, Error> {
        let (exists, readable): (bool, bool) = sqlx::query_as(
            "SELECT to_regclass('_sqlx_migrations') IS NOT NULL,
               coalesce(has_table_privilege(to_regclass('_sqlx_migrations'), 'SELECT'), false)",
        )
        .fetch_one(&mut self.0)
        .await?;
        let mut applied = BTreeMap::new();
        if exists {
            if !readable {
                return Ok(None);
            }
            let rows = sqlx::query("SELECT version, checksum, success FROM _sqlx_migrations")
                .fetch_all(&mut self.0)
                .await?;
            for row in rows {
                let checksum: Vec<u8> = row.try_get("checksum")?;
                applied.insert(row.try_get("version")?, (checksum, row.try_get("success")?));
            }
        }
        let known = MIGRATIONS.iter().map(|m| (m.version, m.checksum.as_ref())).collect();
        Ok(Some(compare(&known, &applied)))
    }

    /// The server's clock, in microseconds since 1970.
    pub async fn clock_micros(&mut self) -> Result<i64, Error> {
        let statement = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        Ok(sqlx::query_scalar(statement).fetch_one(&mut self.0).await?)
    }

    /// What the hub keeps. Where the schema is not this build's, a question may fail.
    pub async fn hub(&mut self) -> Result<Hub, Error> {
        let row = sqlx::query(
            "SELECT (SELECT (extract(epoch FROM shift) * 1000)::bigint FROM hub.clock) AS shift,
               (SELECT count(*) FROM (SELECT FROM hub.outbox LIMIT $1) o) AS outbox,
               coalesce((SELECT extract(epoch FROM statement_timestamp() - min(created_at))
                 FROM (SELECT created_at FROM hub.outbox LIMIT $1) o), 0)::float8 AS oldest,
               (SELECT count(*) FROM (
                 SELECT FROM hub.quarantine WHERE state = 'kept' UNION ALL
                 SELECT FROM hub.quarantine WHERE state = 'requeueing' LIMIT $1) q) AS quarantined,
               (SELECT count(*) FROM (SELECT FROM hub.job_live WHERE state = 'in_doubt' LIMIT $1) j)
                 AS in_doubt,
               (SELECT count(*) FROM (SELECT FROM hub.callback WHERE state = 'stopped' LIMIT $1) c)
                 AS stopped,
               ARRAY(SELECT p.name FROM generate_series(0, 1) n, hub.history h,
                 LATERAL (SELECT h.base || '_' || to_char((hub.now() + n * interval '1 month')
                   AT TIME ZONE 'UTC', 'YYYYMM') AS name) p
                 WHERE to_regclass('hub.' || p.name) IS NULL ORDER BY 1) AS missing",
        )
        .bind(ROWS_MAX)
        .fetch_one(&mut self.0)
        .await?;
        Ok(Hub {
            shift_ms: row.try_get("shift")?,
            outbox: row.try_get("outbox")?,
            outbox_oldest_s: row.try_get("oldest")?,
            quarantined: row.try_get("quarantined")?,
            in_doubt: row.try_get("in_doubt")?,
            stopped_callbacks: row.try_get("stopped")?,
            missing_partitions: row.try_get("missing")?,
            workers: self.workers().await?,
        })
    }

    async fn workers(&mut self) -> Result<Vec<Worker>, Error> {
        let rows = sqlx::query(
            "SELECT name, build, beat,
               extract(epoch FROM statement_timestamp() - seen_at)::float8 AS silent
               FROM hub.worker ORDER BY name",
        )
        .fetch_all(&mut self.0)
        .await?;
        let workers = rows.iter().map(|row| {
            Ok(Worker {
                name: row.try_get("name")?,
                build: row.try_get("build")?,
                beat: row.try_get("beat")?,
                silent_s: row.try_get("silent")?,
            })
        });
        workers.collect()
    }

    /// How the calendar of this process stands to the database's.
    pub async fn calendar(
        &mut self,
        ours: &Calendar,
    ) -> Result<Result<calendar::Loaded, calendar::Conflict>, Error> {
        calendar::look(&mut self.0, ours).await
    }

    /// Says goodbye.
    pub async fn close(self) {
        if let Err(error) = self.0.close().await {
            tracing::debug!(%error, "the connection was gone already");
        }
    }
}

fn unreached(error: &sqlx::Error) -> Unreached {
    let Some(database) = error.as_database_error() else {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the driver's list of errors is open")]
        return match error {
            sqlx::Error::Io(io) => Unreached::Connect(io.kind()),
            sqlx::Error::Tls(_) => Unreached::Tls,
            _ => Unreached::Other("the driver cannot connect".to_owned()),
        };
    };
    let code = database.code().unwrap_or_default();
    match code.as_ref() {
        "28P01" | "28000" => Unreached::Login,
        "3D000" | "42501" => Unreached::Database,
        "53300" => Unreached::TooMany,
        "57P01" | "57P02" | "57P03" => Unreached::NotReady,
        code => Unreached::Other(format!("the server says {code}")),
    }
}

fn compare(known: &BTreeMap<i64, &[u8]>, applied: &BTreeMap<i64, (Vec<u8>, bool)>) -> Schema {
    let missing = known.keys().filter(|version| !applied.contains_key(version));
    let newer = applied.keys().filter(|version| !known.contains_key(version));
    let changed = applied.iter().filter(|(version, (checksum, _))| {
        known.get(version).is_some_and(|ours| *ours != checksum.as_slice())
    });
    let broken = applied.iter().filter(|(_, (_, success))| !success);
    Schema {
        applied: applied.keys().next_back().copied().unwrap_or(0),
        known: known.keys().next_back().copied().unwrap_or(0),
        missing: missing.copied().collect(),
        newer: newer.copied().collect(),
        changed: changed.map(|(version, _)| *version).collect(),
        broken: broken.map(|(version, _)| *version).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_compared_by_number_content_and_success() {
        let known: BTreeMap<i64, &[u8]> = [(1, &b"a"[..]), (2, b"b"), (4, b"d")].into();
        let row = |mark: &[u8], success| (mark.to_vec(), success);
        let applied = [(1, row(b"a", true)), (2, row(b"x", true)), (5, row(b"e", false))].into();
        let schema = compare(&known, &applied);
        assert_eq!((schema.applied, schema.known), (5, 4));
        assert_eq!(schema.missing, [4]);
        assert_eq!(schema.newer, [5]);
        assert_eq!(schema.changed, [2]);
        assert_eq!(schema.broken, [5]);
        let nothing = compare(&known, &BTreeMap::new());
        assert_eq!((nothing.applied, nothing.missing), (0, vec![1, 2, 4]));
    }
}
