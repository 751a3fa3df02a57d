//! Faults of one hub process: killed, killed or frozen between two steps, frozen, stopped in order.

use std::{os::unix::process::ExitStatusExt as _, time::Duration};

use async_trait::async_trait;
use workers::fail_point::Point;

use super::{Fault, Struck};
use crate::{
    Error, Outcome,
    fail_points::Deed,
    world::{LOOK_EVERY, World},
};

/// Somebody comes by an armed point within this, or nobody does in this load.
pub const POINT_WAIT_MAX: Duration = Duration::from_secs(4);
/// How a process ends at a fail point.
const SIGKILL: i32 = 9;
/// A stopped process shows as such within this.
const STOP_SHOWS_MAX: Duration = Duration::from_secs(2);

/// SIGKILL; started again at the end.
#[derive(Debug)]
pub struct Killed {
    /// Which hub.
    pub hub: usize,
}

#[async_trait]
impl Fault for Killed {
    fn name(&self) -> &'static str {
        "worker_killed"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        world.kill(self.hub).await;
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.start_dead()
    }
}

/// SIGTERM, as every deployment sends it; started again at the end.
#[derive(Debug)]
pub struct Stopped {
    /// Which hub.
    pub hub: usize,
}

#[async_trait]
impl Fault for Stopped {
    fn name(&self) -> &'static str {
        "worker_stopped"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        world.stop(self.hub).await;
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.start_dead()
    }
}

/// SIGKILL to itself, between two steps.
#[derive(Debug)]
pub struct KilledAt {
    /// Where.
    pub point: Point,
    /// The how many-th time that somebody comes by.
    pub nth: u32,
    taken: bool,
}

impl KilledAt {
    /// At a point, the nth time.
    pub const fn new(point: Point, nth: u32) -> Self {
        Self { point, nth, taken: false }
    }
}

#[async_trait]
impl Fault for KilledAt {
    fn name(&self) -> &'static str {
        "worker_killed_at_point"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        let (point, nth) = (self.point, self.nth);
        world.fail_points.arm(point, Deed::Kill, nth)?;
        let taken = world.fail_points.wait(point, POINT_WAIT_MAX).await;
        self.taken = taken.is_some();
        world.fault(match taken {
            Some(pid) => format!("process {pid} has killed itself at {}", point.name()),
            None => format!("nobody came by {} {nth} times", point.name()),
        });
        // The file is renamed before the signal: who is still there would not be started again.
        let dying = taken.and_then(|pid| world.hub_of(pid).ok());
        if let Some(hub) = dying.and_then(|hub| world.stage.hubs[hub].as_ref()) {
            hub.wait().await;
        }
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.start_dead()
    }

    fn struck(&self) -> Struck {
        let at = self.point.name();
        if self.taken { Struck::At(at) } else { Struck::Missed(at) }
    }
}

/// SIGSTOP to itself between two steps; thawed at the end.
#[derive(Debug)]
pub struct FrozenAt {
    /// Where.
    pub point: Point,
    /// The how many-th time that somebody comes by.
    pub nth: u32,
    taken: bool,
}

impl FrozenAt {
    /// At a point, the nth time.
    pub const fn new(point: Point, nth: u32) -> Self {
        Self { point, nth, taken: false }
    }
}

#[async_trait]
impl Fault for FrozenAt {
    fn name(&self) -> &'static str {
        "worker_frozen_at_point"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        let (point, nth) = (self.point, self.nth);
        world.fail_points.arm(point, Deed::Freeze, nth)?;
        let taken = world.fail_points.wait(point, POINT_WAIT_MAX).await;
        self.taken = taken.is_some();
        world.fault(match taken {
            Some(pid) => format!("process {pid} has frozen itself at {}", point.name()),
            None => format!("nobody came by {} {nth} times", point.name()),
        });
        // The file is renamed before the signal: a thaw must not come first.
        if let Some(pid) = taken {
            let stopped = async {
                while !is_stopped(pid) {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            };
            let late = |_| Error::Late(STOP_SHOWS_MAX, "a frozen process has stopped".into());
            tokio::time::timeout(STOP_SHOWS_MAX, stopped).await.map_err(late)?;
        }
        Ok(())
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.fault("every hub is thawed");
        world.thaw_all();
        Ok(())
    }

    fn struck(&self) -> Struck {
        let at = self.point.name();
        if self.taken { Struck::At(at) } else { Struck::Missed(at) }
    }
}

/// SIGSTOP at any moment; thawed at the end.
#[derive(Debug)]
pub struct Frozen {
    /// Which hub.
    pub hub: usize,
}

#[async_trait]
impl Fault for Frozen {
    fn name(&self) -> &'static str {
        "worker_frozen"
    }

    async fn begin(&mut self, world: &mut World) -> Outcome<()> {
        world.freeze(self.hub)
    }

    async fn end(&mut self, world: &mut World) -> Outcome<()> {
        world.thaw(self.hub)
    }
}

/// Whether the kernel says that a process is stopped.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // pid (name) state …; the name may hold anything but ends with the last parenthesis.
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

impl World {
    /// Starts every hub that does not run. One that nobody killed is written down: it ended by itself.
    pub fn start_dead(&mut self) -> Outcome<()> {
        for number in 0..self.stage.hubs.len() {
            let exit = self.stage.hubs[number].as_ref().map(workers::services::Owned::exit);
            if exit == Some(None) {
                continue;
            }
            // A fail point is SIGKILL.
            if let Some(exit) = exit.flatten().filter(|exit| exit.signal() != Some(SIGKILL)) {
                self.ended_by_themselves.push(format!("hub {number}: {exit}"));
            }
            self.start(number)?;
        }
        Ok(())
    }

    /// Thaws every hub that runs.
    pub fn thaw_all(&self) {
        for hub in self.stage.hubs.iter().flatten() {
            hub.signal(rustix::process::Signal::CONT);
        }
    }

    /// The hub of this process.
    pub fn hub_of(&self, pid: u32) -> Outcome<usize> {
        let hubs = self.stage.hubs.iter();
        let found = hubs.clone().position(|hub| hub.as_ref().is_some_and(|hub| hub.pid() == pid));
        found.ok_or_else(|| Error::Told(format!("process {pid} is no hub of this world")))
    }
}
