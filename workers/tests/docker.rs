//! The files of `docker/`, kept true without containers: nothing here needs a container engine.
//!
//! What a tool decides (`docker compose`, `promtool`, `amtool`, `hadolint`, `systemd-analyze`) is
//! checked where the tool is there, and said aloud where it is not. `promtool`, `amtool` and
//! `prometheus` are installed where that is possible: by root, on Debian and Ubuntu.

#[cfg(test)]
#[path = "docker/alerts.rs"]
mod alerts;
#[cfg(test)]
#[path = "docker/dashboards.rs"]
mod dashboards;
#[cfg(test)]
#[path = "docker/files.rs"]
mod files;
#[cfg(test)]
#[path = "docker/metrics.rs"]
mod metrics;
#[cfg(test)]
#[path = "docker/prometheus.rs"]
mod prometheus;
#[cfg(test)]
#[path = "docker/servers.rs"]
mod servers;
#[cfg(test)]
#[path = "docker/tools.rs"]
mod tools;
#[cfg(test)]
#[path = "docker/watched.rs"]
mod watched;

#[cfg(test)]
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// `docker/`.
#[cfg(test)]
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker").canonicalize().unwrap()
}

#[cfg(test)]
fn read(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The secrets as `secrets/make.sh` makes them, in a folder of their own.
#[cfg(test)]
fn secrets() -> tempfile::TempDir {
    let made = tempfile::tempdir().unwrap();
    let script = folder().join("secrets/make.sh");
    let output = Command::new("bash").arg(script).arg(made.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    made
}
