//! How long answers took before: a baseline that a tester keeps beside the stand.
//!
//! ```json
//! {"version": 1, "cases": {"gbdfl/found": 41}}
//! ```
//!
//! Milliseconds. A case is slower where it takes more than `factor` times its baseline, *and* at
//! least `floor` longer: a jump from 2 to 9 ms says nothing.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use adapters::replay::{
    drift::{Drift, Kind},
    live::{Replayed, Verdict},
};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timings {
    version: u32,
    cases: BTreeMap<String, u64>,
}

/// What counts as slower.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    pub(super) factor: f64,
    pub(super) floor: Duration,
}

impl Timings {
    /// Reads a baseline.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let unreadable = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let bytes = fs::read(file).map_err(|error| unreadable(&error))?;
        let read: Self = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
        if read.version == VERSION {
            Ok(read)
        } else {
            Err(unreadable(&format!("expected \"version\": {VERSION}")))
        }
    }

    /// The times of a run. Of what was not asked, the earlier ones stay.
    pub(super) fn of(replayed: &[Replayed], before: Option<Self>) -> Self {
        let mut cases = before.map(|one| one.cases).unwrap_or_default();
        for one in replayed {
            if let (Verdict::Passed | Verdict::Drift, Some(took)) = (one.verdict, one.took) {
                cases.insert(name(one), millis(took));
            }
        }
        Self { version: VERSION, cases }
    }

    /// Writes a baseline.
    pub(super) fn write(&self, file: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        fs::write(file, text + "\n").map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Adds what became slower to the drifts of a case.
    pub(super) fn judge(&self, replayed: &mut Replayed, tolerance: Tolerance) {
        let Some(before) = self.cases.get(&name(replayed)).copied() else { return };
        let (Verdict::Passed | Verdict::Drift, Some(took)) = (replayed.verdict, replayed.took)
        else {
            return;
        };
        let before = Duration::from_millis(before);
        if took > before.mul_f64(tolerance.factor) && took > before + tolerance.floor {
            let told = |time| format!("{} ms", millis(time));
            let expected = format!(
                "{} (at most {} times that, or {} more)",
                told(before),
                tolerance.factor,
                told(tolerance.floor)
            );
            replayed.drifts.push(Drift::new(Kind::Slower, "time", &expected, &told(took)));
            replayed.verdict = Verdict::Drift;
        }
    }
}

/// `gbdfl/found`.
pub(super) fn name(replayed: &Replayed) -> String {
    format!("{}/{}", replayed.system, replayed.case)
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
