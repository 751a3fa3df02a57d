//! Fail points of a program that is built for them.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{LazyLock, Mutex, PoisonError},
};

use rustix::process::{Signal, getpid, kill_process};

use super::Point;

/// Names the folder.
const VARIABLE: &str = "HUB_FAIL_POINTS";

/// Set: this process takes itself for one of another machine, as containers do.
const APART: &str = "HUB_FAIL_POINTS_APART";

static FOLDER: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| std::env::var_os(VARIABLE).map(PathBuf::from));
/// How often each armed point was passed.
static PASSED: LazyLock<Mutex<HashMap<Point, u32>>> = LazyLock::new(Mutex::default);

/// Whether this process may start; `is_test` is what the settings say (`clock.allow_shift`).
pub fn permit(is_test: bool) -> Result<(), &'static str> {
    if FOLDER.is_none() || is_test {
        return Ok(());
    }
    Err("HUB_FAIL_POINTS is set, and clock.allow_shift is false: fail points are for tests")
}

/// Whether this process does not look at others of its machine, nor shows itself.
pub fn is_apart() -> bool {
    std::env::var_os(APART).is_some()
}

/// Ends or stops this process here, where somebody armed the point.
pub fn reach(point: Point) {
    let Some(folder) = FOLDER.as_deref() else { return };
    let armed = folder.join(point.name());
    let Ok(text) = std::fs::read_to_string(&armed) else { return };
    let mut words = text.split_whitespace();
    let signal = match words.next() {
        Some("kill") => Signal::KILL,
        Some("freeze") => Signal::STOP,
        Some(_) | None => return,
    };
    let nth = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let count = passed.entry(point).or_default();
    *count += 1;
    if *count < nth {
        return;
    }
    *count = 0;
    drop(passed);
    let me = getpid();
    let taken = folder.join(format!("{}.taken.{}", point.name(), me.as_raw_nonzero()));
    // Whoever renames it first has it.
    if std::fs::rename(&armed, taken).is_ok()
        && let Err(error) = kill_process(me, signal)
    {
        tracing::error!(%error, "a fail point could not signal its own process");
    }
}
