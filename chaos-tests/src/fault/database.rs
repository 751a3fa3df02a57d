//! Faults of PostgreSQL: restarted, killed after commits that nobody heard of, unreachable, sessions
//! ended, full of foreign sessions.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use rustix::process::Signal;

use super::{Fault, Struck, session::Session};
use crate::{
    Error, Outcome,
    proxy::{Conditions, Flow, Way},
    world::{LOOK_EVERY, World},
};

/// Sessions that fill the server, at most: it takes 200.
const SESSIONS_MAX: usize = 260;
/// Somebody commits within this, under load.
const UNHEARD_WAIT_MAX: Duration = Duration::from_secs(10);
/// The server answers a session within this.
const SESSION_WAIT_MAX: Duration = Duration::from_secs(10);

/// Stopped in order or killed; away until the end.
#[derive(Debug)]
pub struct Away {
    /// SIGKILL instead of an orderly stop.
    pub killed: bool,
}

#[async_trait]
impl Fault for Away {
    fn name(&self) -> &'static str {
        if self.killed { "database_killed" } else { "database_stopped" }
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        if self.killed {
            world.fault("PostgreSQL is killed");
            world.stage.own_mut()?.postgres.kill().await;
        } else {
            world.fault("PostgreSQL is stopped in order");
            world.stage.own_mut()?.postgres.stop().await;
        }
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.fault("PostgreSQL starts");
        Ok(world.stage.own_mut()?.postgres.start().await?)
    }
}

/// Every process of the server is stopped where it is: connections stand and nothing is answered. At
/// the end it goes on.
#[derive(Debug)]
pub struct Silent;

#[async_trait]
impl Fault for Silent {
    fn name(&self) -> &'static str {
        "database_unreachable"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        world.fault("PostgreSQL is frozen: connections stand, nothing is answered");
        world.stage.own()?.postgres.signal(Signal::STOP);
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.fault("PostgreSQL is thawed");
        world.stage.own()?.postgres.signal(Signal::CONT);
        Ok(())
    }
}

/// What the hubs send arrives, what PostgreSQL answers does not, until at least one commit is durable
/// of which nobody heard; at the end it is killed and started. Where a companion keeps everybody from
/// committing, it is killed all the same and the fault does not count. Needs a proxied scene.
#[derive(Debug, Default)]
pub struct CommitsUnheard {
    is_unheard: bool,
}

/// The number of the next transaction that writes.
const NEXT: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text";

#[async_trait]
impl Fault for CommitsUnheard {
    fn name(&self) -> &'static str {
        "database_killed_mid_commit"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        let down = Way { flow: Flow::Swallowed, ..Way::default() };
        set_lines(world, Conditions { down, ..Conditions::default() })?;
        let next = world.count(NEXT).await?;
        let committed = format!(
            "SELECT count(*) FROM generate_series({next}::bigint, ({NEXT})::bigint - 1) AS number
             WHERE pg_xact_status(number::text::xid8) = 'committed'"
        );
        let began = Instant::now();
        while !self.is_unheard && began.elapsed() < UNHEARD_WAIT_MAX {
            self.is_unheard = world.count(&committed).await? > 0;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let took = began.elapsed();
        let followed = if self.is_unheard { "a commit" } else { "no commit" };
        world.fault(format_args!(
            "PostgreSQL is no longer heard; {followed} followed after {took:.1?}"
        ));
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.fault("PostgreSQL is killed, and starts");
        world.stage.own_mut()?.postgres.kill().await;
        set_lines(world, Conditions::default())?;
        Ok(world.stage.own_mut()?.postgres.start().await?)
    }

    fn struck(&self) -> Struck {
        if self.is_unheard { Struck::Here } else { Struck::Missed("a commit") }
    }
}

fn set_lines(world: &World, conditions: Conditions) -> Outcome<()> {
    if world.lines.is_empty() {
        return Err(Error::Told("the scene has no proxies".into()));
    }
    for lines in &world.lines {
        lines.database.set(conditions);
    }
    Ok(())
}

/// All sessions of the hubs are ended by an administrator.
#[derive(Debug)]
pub struct SessionsEnded;

const END_SESSIONS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = 'hub' AND pid <> pg_backend_pid()";

#[async_trait]
impl Fault for SessionsEnded {
    fn name(&self) -> &'static str {
        "sessions_terminated"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        let ended = world.count(END_SESSIONS).await?;
        world.fault(format_args!("{ended} sessions are terminated"));
        Ok(())
    }

    async fn end(&mut self, _: &mut World) -> Outcome<()> {
        Ok(())
    }
}

/// Strangers take every connection that the server has, also those that the hubs had.
#[derive(Debug, Default)]
pub struct Exhausted {
    strangers: Vec<Session>,
}

#[async_trait]
impl Fault for Exhausted {
    fn name(&self) -> &'static str {
        "connections_exhausted"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        let port = world.stage.own()?.postgres.port();
        self.fill(port).await?;
        let last = self.strangers.last_mut();
        let last = last.ok_or_else(|| Error::Told("no session could be opened".into()))?;
        tokio::time::timeout(SESSION_WAIT_MAX, last.run(END_SESSIONS))
            .await
            .map_err(|_| Error::Late(SESSION_WAIT_MAX, "sessions are terminated".into()))??;
        // Whoever is faster has them; the hubs wait between two tries, strangers do not.
        self.fill(port).await?;
        let count = self.strangers.len();
        world.fault(format_args!("strangers hold {count} connections, the hubs' were ended"));
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.fault("the strangers leave");
        self.strangers.clear();
        Ok(())
    }
}

impl Exhausted {
    async fn fill(&mut self, port: u16) -> Outcome<()> {
        while self.strangers.len() < SESSIONS_MAX {
            let opened = tokio::time::timeout(SESSION_WAIT_MAX, Session::open(port)).await;
            let opened =
                opened.map_err(|_| Error::Late(SESSION_WAIT_MAX, "a session opens".into()))?;
            match opened? {
                Some(session) => self.strangers.push(session),
                None => return Ok(()),
            }
        }
        Ok(())
    }
}
