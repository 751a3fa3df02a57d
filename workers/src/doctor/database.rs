//! PostgreSQL: reachable, version, rights, schema, settings that decide over loss and speed, clock.

use std::path::Path;

use jiff::Timestamp;

use super::{Findings, Subject, Verdict, disk};
use crate::{
    clock,
    store::examine::{Examiner, Schema, Server, Unreached, Way},
};

/// Major versions that are known.
const VERSIONS: std::ops::RangeInclusive<i32> = 15..=17;
/// Clocks that differ by more mislead people who compare logs.
const SKEW_WARN_MS: i64 = 1_000;
/// Clocks that differ by more make promises begin at the wrong time.
const SKEW_FAIL_MS: i64 = 30_000;
/// How often the clock is asked; the quickest answer counts.
const CLOCK_LOOKS: usize = 3;
/// Transactions that one forgotten session may hold back.
const HORIZON_WARN: i64 = 1_000_000;
/// Of two billion, after which PostgreSQL stops writing.
const UNFROZEN_WARN: i64 = 1_000_000_000;
/// So many dead rows are worth a look, where they are most of a table.
const DEAD_WARN: i64 = 100_000;

pub(super) async fn look(subject: &Subject, findings: &mut Findings) {
    let config = &subject.settings.config;
    let mut examiner = match Examiner::connect(&config.database_url).await {
        Ok(examiner) => examiner,
        Err(why) => return findings.add("reachable", unreached(&why)),
    };
    findings.add("reachable", Verdict::ok("lets us in"));
    match examiner.server().await {
        Ok(server) => tell_server(&server, config.connections_max, findings),
        Err(error) => findings.add("server", silent(&error)),
    }
    match examiner.schema().await {
        Ok(found) => findings.add("schema", schema(found.as_ref())),
        Err(error) => findings.add("schema", silent(&error)),
    }
    match clocks(&mut examiner).await {
        Ok((skew, within)) => findings.add("clock", skew_of(skew, within)),
        Err(error) => findings.add("clock", silent(&error)),
    }
    examiner.close().await;
}

/// A question without an answer.
pub(super) fn silent(error: &crate::store::Error) -> Verdict {
    let mend =
        "Look into the database's log; where the schema is not this build's, `hub migrate` first";
    Verdict::fail(error.to_string(), mend)
}

fn tell_server(server: &Server, connections_max: u32, findings: &mut Findings) {
    findings.add("version", version(server.version));
    findings.add("encryption", encryption(server));
    findings.add("role", role(server));
    let setting = |name: &str| server.settings.get(name).map_or("", String::as_str);
    for name in ["fsync", "full_page_writes", "synchronous_commit", "autovacuum"] {
        findings.add_about("setting", Some(name), durable(name, setting(name)));
    }
    findings.add("writable", writable(server.is_standby, setting("default_transaction_read_only")));
    let number = |name| setting(name).parse().unwrap_or(0);
    let most = number("max_connections") - number("superuser_reserved_connections");
    findings.add("connections", connections(server.sessions, most, i64::from(connections_max)));
    findings.add("old_transactions", horizon(server.horizon, server.unfrozen));
    if let Some((table, dead, live)) = &server.dead {
        findings.add_about("dead_rows", Some(&format!("hub.{table}")), dead_rows(*dead, *live));
    }
    findings.add("size", Verdict::ok(format!("{} MiB", server.bytes >> 20)));
    let folder = server.data_folder.as_deref().map(Path::new);
    if let Some(folder) = folder.filter(|folder| folder.exists()) {
        findings.add_about("free", Some("data"), disk::of(folder));
    }
}

pub(super) fn unreached(why: &Unreached) -> Verdict {
    let (found, mend) = match why {
        Unreached::Address => {
            ("not looked at", "database.url is missing or no URL: see the settings above")
        }
        Unreached::Login => (
            "the server refuses the login or the password",
            "Compare database.url (or its file) with the role; `pg_hba.conf` may refuse this host too",
        ),
        Unreached::Database => (
            "no such database, or not for this login",
            "The last part of database.url names it; GRANT CONNECT lets a login in",
        ),
        Unreached::TooMany => (
            "the server takes no more connections",
            "Raise max_connections, or lower database.connections_max of the hubs",
        ),
        Unreached::NotReady => {
            ("the server starts or stops", "Wait for it; then look into its log")
        }
        Unreached::Tls => (
            "no TLS",
            "The server offers none or its certificate is refused: `sslmode` and `sslrootcert` in \
             database.url say what is wanted",
        ),
        Unreached::Connect(kind) => {
            return Verdict::fail(
                format!("no connection: {kind}"),
                "It is down, or database.url has the wrong host or port, or a firewall says no. \
                 Running hubs wait for it and lose nothing",
            );
        }
        Unreached::Other(what) => {
            return Verdict::fail(what.clone(), "Look into the database's log");
        }
    };
    Verdict::fail(found, mend)
}

fn version(number: i32) -> Verdict {
    let major = number / 10_000;
    let found = format!("PostgreSQL {major}.{}", number % 10_000);
    if VERSIONS.contains(&major) {
        return Verdict::ok(found);
    }
    Verdict::warn(found, "Known are PostgreSQL 15 to 17: try this one on a test system first")
}

fn encryption(server: &Server) -> Verdict {
    match server.way {
        Way::Encrypted => Verdict::ok("TLS"),
        Way::Local => Verdict::ok("not encrypted, on this machine"),
        Way::Open => Verdict::warn(
            "not encrypted",
            "Persons' data travel in the clear: add `?sslmode=verify-full` to database.url",
        ),
    }
}

fn role(server: &Server) -> Verdict {
    match (server.is_superuser, server.is_member) {
        (_, None) => Verdict::fail("there is no role hub_app", "`hub migrate` makes it"),
        (true, Some(_)) => Verdict::warn(
            "works as a superuser",
            "Let the hub work with a login that may do less: CREATE ROLE … LOGIN IN ROLE hub_app",
        ),
        (false, Some(true)) => Verdict::ok("works as hub_app"),
        (false, Some(false)) => Verdict::fail(
            "the login is not in role hub_app",
            "GRANT hub_app TO its login; the owner who migrates has a login of its own",
        ),
    }
}

fn durable(name: &str, value: &str) -> Verdict {
    let found = value.to_owned();
    match (name, value) {
        ("synchronous_commit", "off") => Verdict::warn(
            found,
            "A crash of the server loses the last moments, which the broker was told are safe: \
             ALTER SYSTEM SET synchronous_commit = on",
        ),
        ("fsync" | "full_page_writes", "off") => Verdict::fail(
            found,
            "A crash of the machine loses or corrupts jobs that were acknowledged: switch it on",
        ),
        ("autovacuum", "off") => Verdict::fail(
            found,
            "Polling slows down with every dead row until it stalls: switch it on",
        ),
        (_, "") => Verdict::warn("cannot be asked", "The login may not see it"),
        _ => Verdict::ok(found),
    }
}

fn writable(is_standby: bool, read_only: &str) -> Verdict {
    if is_standby {
        let mend = "The hub writes: let database.url name the primary (`target_session_attrs` does not \
                    help here), or promote this one";
        return Verdict::fail("a standby, which only reads", mend);
    }
    if read_only == "on" {
        let mend = "ALTER ROLE or ALTER DATABASE … RESET default_transaction_read_only";
        return Verdict::fail("transactions are read-only by default", mend);
    }
    Verdict::ok("yes")
}

fn connections(sessions: i64, most: i64, of_one_hub: i64) -> Verdict {
    let found = format!("{sessions} of {most} in use; a hub takes up to {of_one_hub} and one more");
    let left = most - sessions;
    let mend =
        "Count hubs × database.connections_max + the portal's own, and raise max_connections";
    if left <= 0 {
        Verdict::fail(found, mend)
    } else if left <= of_one_hub {
        Verdict::warn(format!("{found}: another hub would not fit"), mend)
    } else {
        Verdict::ok(found)
    }
}

fn horizon(age: i64, unfrozen: i64) -> Verdict {
    let found = format!("the oldest one holds back {age} transactions");
    if unfrozen > UNFROZEN_WARN {
        let found = format!("{found}; {unfrozen} are not frozen");
        return Verdict::fail(
            found,
            "Near two billion PostgreSQL stops writing: VACUUM (FREEZE) now",
        );
    }
    if age > HORIZON_WARN {
        return Verdict::warn(
            found,
            "Dead rows stay until it ends, and polling slows down: look for it in pg_stat_activity, \
             pg_prepared_xacts and pg_replication_slots",
        );
    }
    Verdict::ok(found)
}

fn dead_rows(dead: i64, live: i64) -> Verdict {
    let found = format!("about {dead} dead and {live} live");
    if dead > DEAD_WARN && dead > live {
        let mend =
            "Autovacuum does not keep up or is held back by an old transaction: VACUUM the table";
        return Verdict::warn(found, mend);
    }
    Verdict::ok(found)
}

fn schema(found: Option<&Schema>) -> Verdict {
    let Some(schema) = found else {
        let mend = "GRANT SELECT ON _sqlx_migrations TO hub_app; `hub migrate` does it";
        return Verdict::fail("the login may not read which version it is", mend);
    };
    let Schema { applied, known, missing, newer, changed, broken } = schema;
    let at = format!("at {applied}, this build knows {known}");
    if !broken.is_empty() {
        let mend = "A migration broke off: look at it by hand, then `hub migrate`";
        return Verdict::fail(format!("{at}; not finished: {broken:?}"), mend);
    }
    if !changed.is_empty() {
        let mend = "Another program's database, or a migration was edited after its release: find the \
                    build that made it";
        return Verdict::fail(format!("{at}; with other contents: {changed:?}"), mend);
    }
    if !missing.is_empty() {
        let mend = "`hub migrate` with the owner's login; running hubs of the version before go on";
        return Verdict::fail(format!("{at}; missing: {missing:?}"), mend);
    }
    if !newer.is_empty() {
        let mend = "A newer build migrated it: upgrade this one. One version apart works on";
        return Verdict::warn(format!("{at}; newer: {newer:?}"), mend);
    }
    Verdict::ok(at)
}

/// How far the database's clock is ahead of this machine's, and how exactly that is known.
async fn clocks(examiner: &mut Examiner) -> Result<(i64, i64), crate::store::Error> {
    let mut best: Option<(i64, i64)> = None;
    for _ in 0..CLOCK_LOOKS {
        let asked = clock::real_now();
        let theirs = examiner.clock_micros().await?;
        let (skew, within) = offset(asked, theirs, clock::real_now());
        if best.is_none_or(|(_, known)| within < known) {
            best = Some((skew, within));
        }
    }
    Ok(best.unwrap_or((0, i64::MAX)))
}

/// In milliseconds: the difference to the middle of the round trip, and half of that trip.
fn offset(asked: Timestamp, theirs_micros: i64, answered: Timestamp) -> (i64, i64) {
    let (asked, answered) = (asked.as_microsecond(), answered.as_microsecond());
    let half = (answered - asked) / 2;
    ((theirs_micros - asked - half) / 1_000, half / 1_000 + 1)
}

fn skew_of(skew_ms: i64, within_ms: i64) -> Verdict {
    let found = format!("ahead of this machine's by {skew_ms} ms, known to {within_ms} ms");
    let mend = "Logs and promises disagree: let both machines follow one NTP server";
    // Only what the round trip cannot explain.
    let sure = skew_ms.abs() - within_ms;
    if sure > SKEW_FAIL_MS {
        Verdict::fail(found, mend)
    } else if sure > SKEW_WARN_MS {
        Verdict::warn(found, mend)
    } else {
        Verdict::ok(found)
    }
}

#[cfg(test)]
mod tests;
