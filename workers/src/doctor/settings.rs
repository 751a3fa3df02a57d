//! Settings: every fault at once, and who may read the files with secrets.

use std::{io, os::unix::fs::PermissionsExt, path::Path};

use super::{Findings, Subject, Verdict, reach::Target};
use crate::{
    chance::Chance,
    config::{Config, Problem},
    seal::Sealer,
};

/// Others may read.
const WORLD_READABLE: u32 = 0o004;

pub(super) fn look(subject: &Subject, findings: &mut Findings) {
    let settings = &subject.settings;
    for problem in &settings.problems {
        findings.add_about("value", Some(&problem.key), fault(problem));
    }
    if settings.problems.is_empty() {
        let systems = settings.config.systems.len();
        findings.add("value", Verdict::ok(format!("no fault; {systems} systems are configured")));
    }
    if !settings.config.seal_key_file.as_os_str().is_empty() {
        let path = &settings.config.seal_key_file;
        findings.add_about("key", Some("seal.key_file"), key(path));
        findings.add_about("rights", Some("seal.key_file"), rights(mode(path)));
    }
    for (key, path) in &settings.secrets.files {
        findings.add_about("rights", Some(key), rights(mode(Path::new(path))));
    }
    if let (Some(file), Some(key)) = (&subject.settings_file, settings.secrets.inline.first()) {
        let verdict = match rights(mode(file)) {
            Verdict { found, mend: Some(mend), .. } => {
                Verdict::warn(format!("{found}, and it holds {key}"), mend)
            }
            good => good,
        };
        findings.add_about("rights", Some("the settings file"), verdict);
    }
    findings.add_about("address", Some("links.public_url"), public_url(&settings.config));
    for system in settings.config.systems.keys() {
        findings.add_about("breaker", Some(system), breaker(&settings.config, system));
    }
}

/// Whether the breaker of a system can open where all its calls hang: they end a time-out after they began,
/// never more together than are let through at once.
fn breaker(config: &Config, system: &str) -> Verdict {
    let Some(protection) = config.protection.get(system) else { return Verdict::ok("none") };
    let (rules, rate) = (protection.breaker, protection.rate);
    if rules.failed_percent == 0 {
        return Verdict::ok("switched off");
    }
    let calls =
        config.operations.iter().filter(|(name, _)| name.starts_with(&format!("{system}.")));
    let longest = calls.map(|(_, settings)| settings.call_timeout).max().unwrap_or_default();
    let at_once = config.systems.get(system).map_or(0, |settings| settings.in_flight_max);
    let rounds = rules.window.as_millis() / longest.as_millis().max(1) + 1;
    let most = u128::try_from(at_once).unwrap_or(u128::MAX).saturating_mul(rounds);
    // What starts within a window ends within one, wherever it lies.
    let started =
        u128::from(rate.per_s) * rules.window.as_millis() / 1_000 + u128::from(rate.burst);
    let most = if rate.per_s == 0 { most } else { most.min(started) };
    let wanted = rules.calls_min;
    if most >= u128::from(wanted) {
        return Verdict::ok(format!("opens while they hang: {most} calls can fail in its window"));
    }
    Verdict::warn(
        format!(
            "never opens while they hang: {at_once} calls of {} s{} make at most {most} failures in its \
             window of {} s, and it wants {wanted}",
            longest.as_secs_f64(),
            if most == started {
                format!(", {} started a second,", rate.per_s)
            } else {
                String::new()
            },
            rules.window.as_secs_f64(),
        ),
        format!(
            "Lower systems.{system}.breaker_calls_min, or raise systems.{system}.breaker_window_ms: \
             until then every call waits for its time-out"
        ),
    )
}

fn fault(problem: &Problem) -> Verdict {
    let found = if is_harmless(problem) {
        problem.value.as_str()
    } else {
        "something else, which `hub check-config` shows"
    };
    Verdict::fail(found, format!("Expected: {}", problem.expected))
}

/// Whether a value may stand in a report: a secret may have been put into the wrong place.
fn is_harmless(problem: &Problem) -> bool {
    let Problem { key, value, .. } = problem;
    let is_key_of_path = key.ends_with("_file") || key == "calendar.folder" || key == "--config";
    // The secret itself may have been put where its file belongs.
    let begins = ["/", "./", "../"].iter().any(|begin| value.starts_with(begin));
    let is_path = is_key_of_path && begins && !value.contains('@') && !value.contains("://");
    let is_word =
        ["missing", "unknown", "given", "(hidden)", "true", "false"].contains(&value.as_str());
    is_path || is_word || value.len() < 6
}

fn key(path: &Path) -> Verdict {
    match Sealer::from_file(path, Chance::seeded(0)) {
        Ok(_) => Verdict::ok("is a key"),
        Err(crate::seal::Error::File { source, .. }) => Verdict::fail(
            format!("cannot be read: {}", source.kind()),
            "Every hub of one database has the same key: copy it from another, or make the first one \
             with `openssl rand -hex 32`",
        ),
        Err(crate::seal::Error::Form(_) | crate::seal::Error::Open(_)) => Verdict::fail(
            "is no key",
            "It must hold 64 hexadecimal digits: `openssl rand -hex 32` makes them",
        ),
    }
}

fn mode(path: &Path) -> io::Result<u32> {
    std::fs::metadata(path).map(|data| data.permissions().mode())
}

fn rights(mode: io::Result<u32>) -> Verdict {
    match mode {
        Ok(mode) if mode & WORLD_READABLE == 0 => Verdict::ok("not for everybody"),
        Ok(mode) => Verdict::warn(
            format!("everybody on this machine may read it (mode {:o})", mode & 0o777),
            "`chmod o= FILE`; then change the secret, if others work on this machine",
        ),
        Err(error) => Verdict::warn(
            format!("its rights cannot be seen: {}", error.kind()),
            "Check that the file and its folder are there",
        ),
    }
}

fn public_url(config: &Config) -> Verdict {
    let Some(target) = Target::of(&config.links.public_url) else {
        let mend = "Links to labels lead nowhere: set the address at which people reach /labels/";
        return Verdict::fail("no http or https address", mend);
    };
    // Only labels of parcels are files behind links.
    if target.is_local() && config.systems.contains_key("kazpost") && !config.allow_shift {
        let mend = "People cannot open a label at this machine's own address: set the public one";
        return Verdict::warn(target.host, mend);
    }
    if !target.is_encrypted && !target.is_local() {
        let mend = "A link is the only key to a label: use https";
        return Verdict::warn(format!("http://{}", target.host), mend);
    }
    Verdict::ok(target.host)
}

#[cfg(test)]
mod tests;
