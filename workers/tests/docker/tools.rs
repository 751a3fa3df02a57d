//! Files whose form a tool decides.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use workers::services::{self, Options};

use crate::{folder, secrets};

/// Runs a tool; `None`, and a sentence, where it is not there and cannot be installed.
pub(crate) fn tool(
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Option<Output> {
    run(program, arguments, environment, Stdio::null())
}

/// As [`tool`], with a file to read.
pub(crate) fn tool_reads(program: &str, arguments: &[&str], file: &Path) -> Option<Output> {
    run(program, arguments, &[], File::open(file).unwrap().into())
}

/// Prometheus, its tool, and Alertmanager's, as the tests for PostgreSQL and RabbitMQ get theirs.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let package = match program {
        "prometheus" | "promtool" => "prometheus",
        "amtool" => "prometheus-alertmanager",
        other => return Some(other.into()),
    };
    let options = Options { say: Box::new(|text| println!("{text}")), ..Options::default() };
    // In a thread of its own, as callers may be inside a runtime.
    let found = std::thread::scope(|scope| {
        let look = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(services::program(&options, program, package))
        };
        scope.spawn(look).join().unwrap()
    });
    found.inspect_err(|error| println!("NOT CHECKED: {error}")).ok()
}

fn run(
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: Stdio,
) -> Option<Output> {
    let mut command = Command::new(find(program)?);
    command.args(arguments).current_dir(folder()).envs(environment.iter().copied()).stdin(input);
    if let Ok(output) = command.output() {
        return Some(output);
    }
    println!("NOT CHECKED: there is no {program} on this machine");
    None
}

pub(crate) fn assert_good(output: &Output) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn compose_takes_both_files_and_starts_nobody_as_root() {
    let Some(plugin) = tool("docker", &["compose", "version"], &[]) else { return };
    let made = secrets();
    let environment = [("HUB_SECRETS", made.path().to_str().unwrap())];
    for files in [&["compose.yaml"][..], &["compose.yaml", "compose.cluster.yaml"]] {
        let mut arguments: Vec<&str> = files.iter().flat_map(|file| ["-f", file]).collect();
        arguments.extend(["--profile", "simulators", "config", "--format", "json"]);
        let output = if plugin.status.success() {
            tool("docker", &[&["compose"], arguments.as_slice()].concat(), &environment)
        } else {
            tool("docker-compose", &arguments, &environment)
        };
        let Some(output) = output else { return };
        if String::from_utf8_lossy(&output.stderr).contains("No such command") {
            println!("NOT CHECKED: this docker-compose is older than version 2");
            return;
        }
        assert_good(&output);
        let project: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for (name, service) in project["services"].as_object().unwrap() {
            let user = service["user"].as_str().unwrap_or_default();
            assert!(!user.is_empty() && !user.starts_with('0'), "{name} runs as {user:?}");
            assert_eq!(service["read_only"], true, "{name} writes into its image");
            assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
            assert!(!service["deploy"]["resources"]["limits"]["memory"].is_null(), "{name}");
            assert!(service["image"].as_str().unwrap().contains(':'), "{name} has no version");
            assert!(service["healthcheck"].is_object(), "{name} has no health check");
            // Whoever has no service beside it to serve must not reach the gateway.
            let is_hub = name.starts_with("hub-") || name == "simulators";
            assert_eq!(service["networks"].get("government").is_some(), is_hub, "{name}");
        }
    }
}

#[test]
fn prometheus_takes_its_settings() {
    for file in ["prometheus/prometheus.yml", "prometheus/prometheus.cluster.yml"] {
        let Some(output) = tool("promtool", &["check", "config", file], &[]) else { return };
        assert_good(&output);
    }
}

#[test]
fn alertmanager_takes_its_settings() {
    let file = "alertmanager/alertmanager.yml";
    let Some(output) = tool("amtool", &["check-config", file], &[]) else { return };
    assert_good(&output);
}

#[test]
fn the_dockerfile_has_no_known_fault() {
    let Some(output) = tool("hadolint", &["Dockerfile"], &[]) else { return };
    assert_good(&output);
}

#[test]
fn systemd_takes_the_unit_and_finds_it_hardened() {
    let made = tempfile::tempdir().unwrap();
    // The program need not be installed here.
    let text = crate::read("hub.service").replace("/usr/local/bin/hub", "/bin/true");
    let unit = made.path().join("hub.service");
    std::fs::write(&unit, text).unwrap();
    let unit = unit.to_str().unwrap();
    let Some(output) = tool("systemd-analyze", &["verify", unit], &[]) else { return };
    assert_good(&output);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let arguments = ["security", "--offline=yes", "--threshold=15", unit];
    let Some(output) = tool("systemd-analyze", &arguments, &[]) else { return };
    assert_good(&output);
}
