//! Child processes that die with their owner, also when the owner is killed with SIGKILL.
//!
//! *How.* `setpriv --pdeathsig` asks the kernel for a signal when the parent dies. The kernel
//! takes the *spawning thread* for the parent, so one thread that lives as long as the process
//! spawns them all. Each child leads its own process group: Ctrl-C in a terminal reaches the owner
//! only, which can then stop its children in order.
//!
//! *Guarantee.* A signal never reaches a stranger who got the pid later: signals go through a
//! pidfd. When a child ends, whoever is left in its process group is killed before the pid is
//! released. Dropping [`Owned`] kills and reaps.
//!
//! *What this does not do.* An owner that dies in the few instructions between `fork` and
//! `setpriv` leaves its child alive; for servers, the next start's sweep ends that one.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};
use tokio::sync::watch;

/// Spawn requests that may wait for the spawning thread.
const SPAWNS_WAITING_MAX: usize = 64;
/// How often a wait outside the async runtime looks again.
const BLOCKING_POLL: Duration = Duration::from_millis(5);

/// A running or ended child process; dropping it kills it.
#[derive(Debug)]
pub struct Owned {
    pid: Pid,
    pidfd: OwnedFd,
    exit: watch::Receiver<Option<ExitStatus>>,
    waiter: Option<thread::JoinHandle<()>>,
}

impl Owned {
    /// The process id, which the child keeps through `exec`.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// How the child ended, if it did.
    pub fn exit(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits for the child's end.
    pub async fn wait(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        ended.unwrap_or_else(killed)
    }

    /// Sends one signal; a child that has ended does not mind.
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&self.pidfd, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(pid = self.pid(), %error, "could not signal a child process");
        }
    }

    /// SIGKILL, then waits for the end.
    pub async fn kill(&self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait().await
    }

    /// SIGTERM, then SIGKILL if the child is still there after `grace`.
    pub async fn stop(&self, grace: Duration) -> ExitStatus {
        self.stop_by(Signal::TERM, grace).await
    }

    /// As [`Owned::stop`], with another polite signal.
    pub async fn stop_by(&self, signal: Signal, grace: Duration) -> ExitStatus {
        self.signal(signal);
        match tokio::time::timeout(grace, self.wait()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// As [`Owned::stop_by`] for a `Drop`: blocks, and needs no runtime.
    pub(super) fn stop_blocking(mut self, signal: Signal, grace: Duration) {
        self.signal(signal);
        let deadline = Instant::now() + grace;
        while self.exit().is_none() && Instant::now() < deadline {
            thread::sleep(BLOCKING_POLL);
        }
        self.end();
    }

    fn end(&mut self) {
        if self.exit().is_none() {
            self.signal(Signal::KILL);
        }
        if let Some(waiter) = self.waiter.take()
            && waiter.join().is_err()
        {
            tracing::warn!(pid = self.pid(), "the thread that waits for a child panicked");
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.end();
    }
}

/// Spawns on the long-lived thread. Blocks for the millisecond that a spawn takes.
pub(super) fn spawn(command: Command) -> io::Result<Owned> {
    let gone = || io::Error::other("the spawning thread is gone");
    let (reply, answer) = mpsc::sync_channel(1);
    spawner().send(Request { command, reply }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

struct Request {
    command: Command,
    reply: mpsc::SyncSender<io::Result<Owned>>,
}

/// The one thread that spawns; it lives until the process ends, as its sender is a static.
fn spawner() -> &'static mpsc::SyncSender<Request> {
    static SPAWNER: OnceLock<mpsc::SyncSender<Request>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (requests, inbox) = mpsc::sync_channel::<Request>(SPAWNS_WAITING_MAX);
        let serve = move || {
            for Request { mut command, reply } in inbox {
                // An asker that went away drops the child, which kills it.
                drop(reply.send(spawn_here(&mut command)));
            }
        };
        if let Err(error) = thread::Builder::new().name("spawner".to_owned()).spawn(serve) {
            // The inbox went with the closure: every spawn will say that the thread is gone.
            tracing::error!(%error, "could not start the spawning thread");
        }
        requests
    })
}

fn spawn_here(command: &mut Command) -> io::Result<Owned> {
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    // Nobody has waited for the child yet, so the pid is surely still its own.
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(error) => {
            child.kill()?;
            child.wait()?;
            return Err(error.into());
        }
    };
    let (ended, exit) = watch::channel(None);
    // Made first, so that the child dies if there is no thread to wait for it.
    let mut owned = Owned { pid, pidfd, exit, waiter: None };
    let wait = move || {
        ended.send_replace(Some(reap(child, pid)));
    };
    owned.waiter = Some(thread::Builder::new().name("child-waiter".to_owned()).spawn(wait)?);
    Ok(owned)
}

/// Waits for the child, ends its process group and only then releases the pid.
fn reap(mut child: Child, pid: Pid) -> ExitStatus {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
    if let Err(error) = kill_process_group(pid, Signal::KILL)
        && error != rustix::io::Errno::SRCH
    {
        tracing::debug!(%error, "could not signal what was left of a process group");
    }
    // Fails only if something else in this process reaped the child.
    child.wait().unwrap_or_else(|_| killed())
}

fn killed() -> ExitStatus {
    ExitStatus::from_raw(Signal::KILL.as_raw())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::launch::{Launch, Output};
    use super::*;

    const WAIT_MAX: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn stop_ends_a_polite_child_with_its_own_status() {
        let child = Launch::new("sleep").arg("1000").spawn().unwrap();
        assert!(child.exit().is_none());
        assert_eq!(child.stop(WAIT_MAX).await.signal(), Some(15));
    }

    #[tokio::test]
    async fn stop_kills_a_child_that_ignores_the_polite_signal() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let script = "trap '' TERM; echo deaf; while :; do sleep 0.1; done";
        let child = Launch::new("sh").args(["-c", script]).output(Output::Log(log.clone()));
        let child = child.spawn().unwrap();
        let deadline = Instant::now() + WAIT_MAX;
        while std::fs::read_to_string(&log).unwrap() != "deaf\n" {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(BLOCKING_POLL).await;
        }
        assert_eq!(child.stop(Duration::from_millis(50)).await.signal(), Some(9));
    }

    #[tokio::test]
    async fn a_dropped_child_is_gone() {
        let child = Launch::new("sleep").arg("1000").spawn().unwrap();
        let stat = format!("/proc/{}/stat", child.pid());
        assert!(Path::new(&stat).exists());
        drop(child);
        assert!(!Path::new(&stat).exists());
    }
}
