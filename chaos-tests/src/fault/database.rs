//! Faults of PostgreSQL: restarted, killed during commits, unreachable, sessions ended, full of
//! foreign sessions.

use std::time::Duration;

use async_trait::async_trait;
use rustix::process::Signal;

use super::{Fault, session::Session};
use crate::{Error, Outcome, world::World};

/// Sessions that fill the server, at most: it takes 200.
const SESSIONS_MAX: usize = 260;
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

/// Every process of the server is stopped where it is, during commits: connections stand and nothing
/// is answered. At the end it goes on, or is killed and started: then nobody ever hears what became
/// of the commits under way.
#[derive(Debug)]
pub struct Silent {
    /// Killed at the end instead of going on.
    pub killed: bool,
}

#[async_trait]
impl Fault for Silent {
    fn name(&self) -> &'static str {
        if self.killed { "database_killed_mid_commit" } else { "database_unreachable" }
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        world.fault("PostgreSQL is frozen: connections stand, nothing is answered");
        world.stage.own()?.postgres.signal(Signal::STOP);
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        if self.killed {
            world.fault("PostgreSQL is killed as it stands, and starts");
            world.stage.own_mut()?.postgres.kill().await;
            return Ok(world.stage.own_mut()?.postgres.start().await?);
        }
        world.fault("PostgreSQL is thawed");
        world.stage.own()?.postgres.signal(Signal::CONT);
        Ok(())
    }
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
