//! Arms the fail points of the hubs: the next one that comes by ends or stops there.
//!
//! *Guarantee*: an armed point is taken by one process, once, and says by which.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use workers::fail_point::Point;

use crate::{Error, Outcome};

/// Between two looks at a point.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a process does at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Freeze,
}

/// A hub with this in its environment sees no process of its machine, as in a container: the lease alone
/// tells who is dead.
pub const APART: (&str, &str) = ("HUB_FAIL_POINTS_APART", "1");

/// The folder that all hubs of a stage look into.
#[derive(Debug)]
pub struct FailPoints(TempDir);

impl FailPoints {
    /// Makes the folder; nothing is armed.
    pub fn open() -> Outcome<Self> {
        TempDir::with_prefix("hub-fail-points-").map(Self).map_err(told)
    }

    /// Keeps this program for as long as the folder: what is built meanwhile does not change it.
    pub fn keep(&self, program: &Path) -> Outcome<PathBuf> {
        let kept = self.0.path().join("hub-with-fail-points");
        if std::fs::hard_link(program, &kept).is_err() {
            std::fs::copy(program, &kept).map_err(told)?;
        }
        Ok(kept)
    }

    /// The environment that a hub needs.
    pub fn variable(&self) -> (String, String) {
        ("HUB_FAIL_POINTS".to_owned(), self.0.path().display().to_string())
    }

    /// The process that comes by this point the nth time does this.
    pub fn arm(&self, point: Point, deed: Deed, nth: u32) -> Outcome<()> {
        let word = match deed {
            Deed::Kill => "kill",
            Deed::Freeze => "freeze",
        };
        // Written beside and renamed: nobody reads half of it.
        let draft = self.0.path().join("draft");
        std::fs::write(&draft, format!("{word} {nth}")).map_err(told)?;
        std::fs::rename(draft, self.armed(point)).map_err(told)
    }

    /// Takes back what was not taken; `false` where somebody was faster.
    pub fn disarm(&self, point: Point) -> bool {
        std::fs::remove_file(self.armed(point)).is_ok()
    }

    /// The process that took a point, which is then forgotten.
    pub fn taken(&self, point: Point) -> Option<u32> {
        let prefix = format!("{}.taken.", point.name());
        let mut files = std::fs::read_dir(self.0.path()).ok()?.flatten();
        let (pid, path) = files.find_map(|file| {
            let name = file.file_name().into_string().ok()?;
            Some((name.strip_prefix(&prefix)?.parse().ok()?, file.path()))
        })?;
        std::fs::remove_file(path).ok()?;
        Some(pid)
    }

    /// Waits until somebody takes a point; `None` where nobody came by, and it is disarmed again.
    pub async fn wait(&self, point: Point, wait_max: Duration) -> Option<u32> {
        let look = async {
            loop {
                if let Some(pid) = self.taken(point) {
                    return pid;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if let Ok(pid) = tokio::time::timeout(wait_max, look).await {
            return Some(pid);
        }
        if self.disarm(point) { None } else { self.taken(point) }
    }

    fn armed(&self, point: Point) -> PathBuf {
        self.0.path().join(point.name())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn told(error: std::io::Error) -> Error {
    Error::Told(format!("the folder of fail points: {error}"))
}
