//! A private PostgreSQL.
//!
//! *States.* `running ⇄ down` by [`Postgres::start`], [`Postgres::stop`] and [`Postgres::kill`];
//! the data and the port stay the same until the value is dropped.
//!
//! *Guarantee.* When `stop` or `kill` returns, no process of the server is left. If the owner
//! dies, the server gets SIGQUIT, which ends all its processes at once and frees shared memory.
//!
//! *What this does not do.* It asks for no password: the superuser `hub` may log in over loopback.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::account::Account;
use super::error::Error;
use super::instance::{Instance, KILL_WAIT_MAX};
use super::launch::{Launch, Output};
use super::owned::Owned;
use super::programs::PostgresPrograms;
use super::ready::{self, Probe};
use super::{ports, processes};

/// How long a start may take; recovery after a kill is part of it.
const START_WAIT_MAX: Duration = Duration::from_mins(1);
/// Starts after a kill, until its processes have let go of their memory.
const STARTS_MAX: u32 = 20;
/// Between two of them.
const PAST_PAUSE: Duration = Duration::from_millis(100);
/// Lines of the log that the last start may have written.
const LAST_LINES: usize = 4;
/// How long `initdb` may take.
const INITDB_WAIT_MAX: Duration = Duration::from_mins(2);
/// How long one statement of ours may take.
const STATEMENT_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long an orderly stop may take before it becomes a kill.
const STOP_WAIT_MAX: Duration = Duration::from_secs(15);
/// How long an immediate stop may take before it becomes a kill.
const QUIT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Ports tried when others are faster to take them.
const PORT_TRIES_MAX: u32 = 5;
/// Connections the server accepts.
const CONNECTIONS_MAX: u32 = 200;
/// The longest path of a unix socket, without its terminating zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// The longest name of a socket or lock file in the socket's folder.
const SOCKET_NAME: &str = "/.s.PGSQL.65535.lock";

/// A PostgreSQL of this process; dropping it kills it.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    url: String,
    programs: PostgresPrograms,
    account: Option<Account>,
    folder: PathBuf,
    server: Option<Owned>,
    /// Last, as it removes the folder when nobody uses it any more.
    _instance: Arc<Instance>,
}

impl Postgres {
    /// Makes a cluster with a database `hub` of a superuser `hub`, and starts it.
    pub(super) async fn create(
        programs: &PostgresPrograms,
        instance: &Arc<Instance>,
        fsync: bool,
    ) -> Result<Postgres, Error> {
        let mut postgres = Postgres {
            port: 0,
            url: String::new(),
            programs: programs.clone(),
            account: Account::for_postgres()?,
            folder: instance.folder().join("postgres"),
            server: None,
            _instance: Arc::clone(instance),
        };
        postgres.initdb().await?;
        postgres.configure(fsync)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let [port] = ports::free()?;
            postgres.port = port;
            match postgres.start().await {
                Err(error) if error.is_port_taken() && tries < PORT_TRIES_MAX => {
                    fs::remove_file(postgres.log())
                        .map_err(Error::io("remove", &postgres.log()))?;
                }
                started => break started?,
            }
        }
        postgres.url = format!("postgres://hub@127.0.0.1:{}/hub", postgres.port);
        postgres.psql("postgres", "create database hub").await?;
        Ok(postgres)
    }

    /// The address of the database `hub`, as a `postgres://` URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server's first process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().filter(|server| server.exit().is_none()).map(Owned::pid)
    }

    /// Runs SQL in the database `hub` and returns the bare values, a row a line.
    pub async fn query(&self, sql: &str) -> Result<String, Error> {
        self.psql("hub", sql).await
    }

    /// Starts the server with the same data on the same port, and waits until it answers. Does
    /// nothing if it runs.
    pub async fn start(&mut self) -> Result<(), Error> {
        if self.pid().is_some() {
            return Ok(());
        }
        let mut tries = 0;
        loop {
            let started = self.start_once().await;
            tries += 1;
            if started.is_ok() || tries >= STARTS_MAX || !self.meets_its_past() {
                return started;
            }
            self.server = None;
            tokio::time::sleep(PAST_PAUSE).await;
        }
    }

    async fn start_once(&mut self) -> Result<(), Error> {
        let server = self
            .launch("postgres")
            .on_owner_death("QUIT")
            .arg("-D")
            .arg(self.data())
            .args(["-p".to_owned(), self.port.to_string()])
            .output(Output::Log(self.log()))
            .spawn()?;
        let log = self.log();
        let server = self.server.insert(server);
        let probe = (Probe::Postgres, self.port);
        ready::wait(server, ("PostgreSQL", &log), probe, START_WAIT_MAX).await
    }

    /// Whether the last start ended because shared memory of a killed process is still mapped: such a
    /// process looks gone a moment before it is.
    fn meets_its_past(&self) -> bool {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().rev().take(LAST_LINES).any(|line| line.contains("pre-existing shared memory"))
    }

    /// Stops the server in order: sessions are cut, what is committed is written. Does nothing if
    /// it is down.
    pub async fn stop(&mut self) {
        self.end(Signal::INT, STOP_WAIT_MAX).await;
    }

    /// Kills the server with SIGKILL, all its processes at once, as a crash would.
    pub async fn kill(&mut self) {
        self.end(Signal::KILL, STOP_WAIT_MAX).await;
    }

    /// Sends a signal to all its processes; to the first one first, so that it starts no more children
    /// meanwhile.
    pub fn signal(&self, signal: Signal) {
        if let Some(server) = &self.server {
            server.signal(signal);
        }
        processes::signal_inside(&self.folder, signal);
    }

    /// Stops the server in order and starts it again.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop().await;
        self.start().await
    }

    /// Ends the server fast, without caring for its data.
    pub(super) async fn discard(&mut self) {
        self.end(Signal::QUIT, QUIT_WAIT_MAX).await;
    }

    async fn end(&mut self, signal: Signal, grace: Duration) {
        if let Some(server) = self.server.take() {
            server.stop_by(signal, grace).await;
        }
        let folder = self.folder.clone();
        let ended = move || processes::end_inside(&folder, KILL_WAIT_MAX);
        if !tokio::task::spawn_blocking(ended).await.unwrap_or(false) {
            tracing::warn!(folder = %self.folder.display(), "PostgreSQL's processes do not end");
        }
    }

    async fn initdb(&self) -> Result<(), Error> {
        fs::create_dir(&self.folder).map_err(Error::io("create", &self.folder))?;
        if let Some(Account { uid, gid }) = self.account {
            chown(&self.folder, Some(uid), Some(gid))
                .map_err(Error::io("hand over", &self.folder))?;
        }
        self.launch("initdb")
            .arg("-D")
            .arg(self.data())
            .args(["--username=hub", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"])
            // The cluster is as fresh as this process: there is nothing to save yet.
            .arg("--no-sync")
            .run("initdb", INITDB_WAIT_MAX, &self.folder.join("initdb.log"))
            .await
            .map(drop)
    }

    fn configure(&self, fsync: bool) -> Result<(), Error> {
        let path = self.data().join("postgresql.conf");
        let open = OpenOptions::new().append(true).open(&path);
        open.and_then(|mut file| file.write_all(settings(&self.folder, fsync).as_bytes()))
            .map_err(Error::io("write", &path))
    }

    async fn psql(&self, database: &str, sql: &str) -> Result<String, Error> {
        // A log a call, as calls may overlap; the folder goes with the instance.
        let log = self.folder.join(format!("psql-{}.log", ports::random_word::<4>()?));
        let output = self
            .launch("psql")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "hub", "-d", database])
            // No settings of the user, bare values, and a failing statement is a failure.
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .run("psql", STATEMENT_WAIT_MAX, &log)
            .await?;
        fs::remove_file(&log).map_err(Error::io("remove", &log))?;
        Ok(output.trim_end().to_owned())
    }

    fn launch(&self, program: &str) -> Launch {
        Launch::new(self.programs.bin.join(program))
            // The user's PG* variables are for other servers.
            .clean_env()
            .env("LC_ALL", "C.UTF-8")
            .account(self.account)
            // Also what `processes` knows the server's processes by.
            .folder(&self.folder)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop_blocking(Signal::QUIT, QUIT_WAIT_MAX);
            processes::end_inside(&self.folder, KILL_WAIT_MAX);
        }
    }
}

fn settings(folder: &Path, fsync: bool) -> String {
    let fits = folder.as_os_str().len() + SOCKET_NAME.len() <= SOCKET_PATH_BYTES_MAX;
    // A longer path would keep the server from starting; TCP is what clients are given anyway.
    let socket =
        if fits { folder.display().to_string().replace('\'', "''") } else { String::new() };
    let durable = if fsync { "on" } else { "off" };
    format!(
        "
listen_addresses = '127.0.0.1'
unix_socket_directories = '{socket}'
max_connections = {CONNECTIONS_MAX}
shared_buffers = '128MB'
# Files in the data folder: they go with it, also after a SIGKILL.
dynamic_shared_memory_type = mmap
# Nobody replicates from here.
wal_level = minimal
max_wal_senders = 0
fsync = {durable}
full_page_writes = {durable}
autovacuum = on
# Compiling costs more than the short statements of a queue take.
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_folder_goes_without_a_socket() {
        assert!(settings(Path::new("/tmp/i"), true).contains("directories = '/tmp/i'"));
        let long = format!("/tmp/{}", "i".repeat(90));
        assert!(settings(Path::new(&long), true).contains("directories = ''"));
    }

    #[test]
    fn fsync_is_a_choice() {
        assert!(settings(Path::new("/tmp/i"), true).contains("\nfsync = on\n"));
        assert!(settings(Path::new("/tmp/i"), false).contains("\nfsync = off\n"));
    }
}
