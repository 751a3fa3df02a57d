//! The program under test: `hub`, as `cargo build` makes it, with its fail points.
//!
//! It is `hub-with-fail-points`: the same program and nothing else, under a name of its own, so that
//! what lies beside it as `hub` stays the program without.
//!
//! The tests drive the built program, so they build it, once a process, with the profile they have
//! themselves. Cargo's lock is free while tests run; where nothing changed this takes a second.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{Error, Outcome};

const ABOUT_THIS_PACKAGE: [&str; 4] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"];

/// The binary of the crate `workers` that is driven.
const PROGRAM_NAME: &str = "hub-with-fail-points";

/// The path of a program to drive instead; `hub` has no fail points, so tests that arm them fail with it.
pub const PROGRAM_VARIABLE: &str = "HUB_TEST_PROGRAM";

static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();

/// The path of the built program.
pub async fn hub() -> Outcome<PathBuf> {
    let built = PROGRAM.get_or_try_init(|| async {
        let failed = |error: tokio::task::JoinError| Error::Program(error.to_string());
        tokio::task::spawn_blocking(build).await.map_err(failed)?
    });
    built.await.cloned()
}

fn build() -> Outcome<PathBuf> {
    if let Some(program) = std::env::var_os(PROGRAM_VARIABLE) {
        return Ok(program.into());
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--package", "workers", "--bin", PROGRAM_NAME]);
    cargo.args(["--features", "fail-points"]);
    cargo.arg("--message-format=json").arg("--manifest-path").arg(workspace);
    // What this test's own cargo says about this package would make build scripts run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ABOUT_THIS_PACKAGE.iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| Error::Program(format!("cargo does not run: {error}")))?;
    if !output.status.success() {
        return Err(Error::Program(format!("cargo build ended with {}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executables = messages.filter(|message| message["target"]["name"] == PROGRAM_NAME);
    let paths: Vec<PathBuf> = executables
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect();
    paths.last().cloned().ok_or_else(|| Error::Program("cargo named no executable".into()))
}
