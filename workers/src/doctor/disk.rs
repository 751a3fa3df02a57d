//! Free space of the folder that the program works in, and of the one for temporary files.

use std::path::Path;

use super::{Findings, Verdict};

/// Below this share of a file system, somebody should look.
const WARN_PERCENT: u64 = 15;
/// Below this share it will fail soon.
const FAIL_PERCENT: u64 = 5;
/// So much is enough, whatever share it is.
const ENOUGH_BYTES: u64 = 50 << 30;
const MIB: u64 = 1 << 20;

pub(super) fn look(findings: &mut Findings) {
    let temporary = std::env::temp_dir();
    for (about, path) in [("working folder", Path::new(".")), ("temporary files", &temporary)] {
        findings.add_about("free", Some(about), of(path));
    }
}

/// The space where this path lies.
pub(super) fn of(path: &Path) -> Verdict {
    match rustix::fs::statvfs(path) {
        Ok(s) => {
            space(s.f_bavail.saturating_mul(s.f_frsize), s.f_blocks.saturating_mul(s.f_frsize))
        }
        Err(error) => Verdict::warn(
            format!("cannot be asked: {}", std::io::Error::from(error).kind()),
            "Check that the folder is there and may be entered",
        ),
    }
}

fn space(free: u64, total: u64) -> Verdict {
    let percent = free.saturating_mul(100).checked_div(total).unwrap_or(0);
    let found = format!("{} MiB free of {} MiB ({percent} %)", free / MIB, total / MIB);
    let mend = "A full disk stops the database or the broker at once: free some, or make it larger";
    if free >= ENOUGH_BYTES || percent >= WARN_PERCENT {
        Verdict::ok(found)
    } else if percent >= FAIL_PERCENT {
        Verdict::warn(found, mend)
    } else {
        Verdict::fail(found, mend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Light::{Fail, Ok as Good, Warn};

    #[test]
    fn a_disk_that_is_nearly_full_is_told() {
        const GIB: u64 = 1 << 30;
        for (free, total, light) in [
            (50, 100, Good),
            (15, 100, Good),
            (14, 100, Warn),
            (5, 100, Warn),
            (4, 100, Fail),
            (0, 100, Fail),
            (0, 0, Fail),
            (60, 10_000, Good),
        ] {
            assert_eq!(space(free * GIB, total * GIB).light, light, "{free} of {total}");
        }
        assert_eq!(of(Path::new("/no/such/folder")).light, Warn);
    }
}
