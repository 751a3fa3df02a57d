//! The government systems: as far as a handshake, and how long their certificates last.

use adapters::settings::{Form, Settings};
use futures_util::future::join_all;
use jiff::Timestamp;

use super::{
    Area, Finding, Subject, Verdict, bounded_about,
    reach::{Reached, Target, Tls, Unreached},
};

/// A certificate that ends so soon needs somebody who asks for another.
const DAYS_WARN: i64 = 30;
/// A certificate that ends so soon is about to stop everything.
const DAYS_FAIL: i64 = 7;
const DAY_S: i64 = 24 * 3600;

/// All of them at once, each with a deadline of its own.
pub(super) async fn look(subject: &Subject) -> Vec<Finding> {
    let mut addresses = Vec::new();
    for system in adapters::systems::all() {
        let name = system.spec().name;
        let Some(settings) = subject.settings.config.systems.get(name) else { continue };
        addresses.push((format!("{name}.url"), settings.url.clone()));
        for option in system.options().iter().filter(|option| option.form == Form::Url) {
            if let Some(url) = other_address(settings, option.name) {
                addresses.push((format!("{name}.{}", option.name), url));
            }
        }
    }
    if addresses.is_empty() {
        let mend = "Jobs are rejected as `unknown_operation`: set systems.<system>.url";
        let verdict = Verdict::warn("no system has an address", mend);
        return bounded_about(subject, Area::Destinations, None, async |f| {
            f.add("reachable", verdict);
        })
        .await;
    }
    let looks = addresses.iter().map(|(about, url)| look_at(subject, about, url));
    join_all(looks).await.into_iter().flatten().collect()
}

/// An address that is not the system's own once more.
fn other_address(settings: &Settings, option: &str) -> Option<String> {
    let url = settings.option(option)?;
    (Target::of(url) != Target::of(&settings.url)).then(|| url.to_owned())
}

async fn look_at(subject: &Subject, about: &str, url: &str) -> Vec<Finding> {
    bounded_about(subject, Area::Destinations, Some(about), async |findings| {
        let key = format!("systems.{about}");
        let Some(target) = Target::of(url) else {
            let mend = format!("{key} must be an http or https address");
            return findings.add_about("reachable", Some(about), Verdict::fail("no address", mend));
        };
        let (verdict, tls) = match target.reach().await {
            Ok(Reached { tls, .. }) => {
                let at = format!("{}:{} takes connections", target.host, target.port);
                (Verdict::ok(at), Some(tls))
            }
            Err(why) => (unreached(&why, &key, subject.now), None),
        };
        findings.add_about("reachable", Some(about), verdict);
        if let Some(tls) = tls {
            let verdict = encryption(&target, tls, subject.now);
            findings.add_about("encryption", Some(about), verdict);
        }
    })
    .await
}

/// Why nobody was reached, and where to look.
pub(super) fn unreached(why: &Unreached, key: &str, now: Timestamp) -> Verdict {
    match why {
        Unreached::Name => Verdict::fail(
            "its name has no address",
            format!("Check the host in {key}, then this machine's DNS: `getent hosts HOST`"),
        ),
        Unreached::Connect(kind) => Verdict::fail(
            format!("no connection: {kind}"),
            format!("It is down, or {key} has the wrong port, or a firewall says no"),
        ),
        Unreached::NoRoots => Verdict::fail(
            "this machine has no certificate roots",
            "Install `ca-certificates`, or let SSL_CERT_FILE name a file of roots",
        ),
        Unreached::Handshake { why, ends } => {
            let days = ends.map(|ends| days_left(ends, now));
            let ended = days.filter(|days| *days < 0);
            let found = match ended {
                Some(days) => format!("TLS: {why}; the certificate ended {} days ago", -days),
                None => format!("TLS: {why}"),
            };
            let mend = "Ask its owner for the chain of certificates; a private root belongs into this \
                        machine's store (`update-ca-certificates`) or into SSL_CERT_FILE";
            Verdict::fail(found, mend)
        }
    }
}

/// Whether the way is encrypted, and for how long its certificate lasts.
pub(super) fn encryption(target: &Target, tls: Option<Tls>, now: Timestamp) -> Verdict {
    match tls {
        None if target.is_local() => Verdict::ok("not encrypted, on this machine"),
        None => Verdict::warn(
            "not encrypted",
            "Persons' data and passwords travel in the clear: use TLS, or be sure of the network",
        ),
        Some(Tls { version, ends: None }) => Verdict::warn(
            format!("{version}; the end of its certificate cannot be read"),
            "Look at it: `openssl s_client -connect HOST:PORT`",
        ),
        Some(Tls { version, ends: Some(ends) }) => {
            let days = days_left(ends, now);
            let until = ends.strftime("%Y-%m-%d");
            let found = format!("{version}; certificate until {until} ({days} days)");
            let mend =
                "When it ends nothing is reached there any more: ask its owner for the next one";
            match days {
                ..DAYS_FAIL => Verdict::fail(found, mend),
                DAYS_FAIL..=DAYS_WARN => Verdict::warn(found, mend),
                _ => Verdict::ok(found),
            }
        }
    }
}

fn days_left(ends: Timestamp, now: Timestamp) -> i64 {
    (ends.as_second() - now.as_second()).div_euclid(DAY_S)
}

#[cfg(test)]
mod tests;
