//! What the hub keeps in the database: workers, business time, calendar, partitions, backlog.

use std::time::Duration;

use super::{
    Findings, Subject, Verdict,
    database::{silent, unreached},
};
use crate::store::{
    calendar::{Conflict, Loaded},
    examine::{Examiner, Hub, Worker},
};

/// An event that waits longer is not published by anybody.
const OUTBOX_WARN_S: f64 = 60.0;
/// And this is an outage.
const OUTBOX_FAIL_S: f64 = 900.0;

pub(super) async fn look(subject: &Subject, findings: &mut Findings) {
    let config = &subject.settings.config;
    let mut examiner = match Examiner::connect(&config.database_url).await {
        Ok(examiner) => examiner,
        Err(why) => {
            let found = format!("not known: {}", unreached(&why).found);
            return findings.add("state", Verdict::warn(found, "See the database above"));
        }
    };
    match examiner.hub().await {
        Ok(hub) => {
            findings.add("workers", workers(&hub.workers, config.lease));
            findings.add("business_time", business_time(hub.shift_ms, config.allow_shift));
            findings.add("partitions", partitions(&hub.missing_partitions));
            tell_backlog(&hub, findings);
        }
        Err(error) => findings.add("state", silent(&error)),
    }
    match examiner.calendar(&config.calendar).await {
        Ok(compared) => findings.add("calendar", calendar(&compared)),
        Err(error) => findings.add("calendar", silent(&error)),
    }
    examiner.close().await;
}

fn tell_backlog(hub: &Hub, findings: &mut Findings) {
    findings.add("outbox", outbox(hub.outbox, hub.outbox_oldest_s));
    let quarantine = counted(hub.quarantined, "messages that are no job", "hub quarantine list");
    findings.add("quarantine", quarantine);
    let in_doubt = "commands whose outcome nobody knows";
    let in_doubt = counted(hub.in_doubt, in_doubt, "hub jobs list --waiting-for evidence");
    findings.add("in_doubt", in_doubt);
    let stopped = counted(hub.stopped_callbacks, "deliveries that stopped", "hub callbacks list");
    findings.add("callbacks", stopped);
}

fn workers(workers: &[Worker], lease: Duration) -> Verdict {
    let tell = |worker: &Worker| {
        let build = worker.build.as_deref().unwrap_or("older");
        let Worker { name, beat, silent_s, .. } = worker;
        format!("{name} (build {build}, beat {beat}, {silent_s:.0} s ago)")
    };
    let found = workers.iter().map(tell).collect::<Vec<_>>().join("; ");
    let is_alive = |worker: &&Worker| worker.silent_s < 2.0 * lease.as_secs_f64();
    let alive = workers.iter().filter(is_alive).count();
    if alive == 0 {
        let found =
            if found.is_empty() { "none".to_owned() } else { format!("none alive: {found}") };
        return Verdict::warn(found, "Nothing is processed: start `hub run`");
    }
    if alive < workers.len() {
        return Verdict::warn(
            found,
            "One does not beat: its process hangs or is gone. The others take its jobs within 15 s; if \
             it stays in this list they cannot",
        );
    }
    let mut builds: Vec<_> = workers.iter().map(|worker| worker.build.as_deref()).collect();
    builds.sort_unstable();
    builds.dedup();
    if builds.len() > 1 {
        return Verdict::warn(found, "Two builds at once: fine during an upgrade, so finish it");
    }
    Verdict::ok(found)
}

fn business_time(shift_ms: i64, is_allowed: bool) -> Verdict {
    match (shift_ms, is_allowed) {
        (0, _) => Verdict::ok("is real time"),
        (_, true) => Verdict::ok(format!("shifted by {shift_ms} ms, as clock.allow_shift permits")),
        (_, false) => Verdict::fail(
            format!("shifted by {shift_ms} ms"),
            "This database belongs to a demo or a test, and `hub run` refuses it: use another",
        ),
    }
}

fn partitions(missing: &[String]) -> Verdict {
    if missing.is_empty() {
        return Verdict::ok("this month's and the next one's are there");
    }
    Verdict::warn(
        format!("missing: {}", missing.join(", ")),
        "A running hub makes them within ten minutes; until then rows go to the default partition. If \
         they stay missing, its log says why",
    )
}

fn calendar(compared: &Result<Loaded, Conflict>) -> Verdict {
    match compared {
        Ok(Loaded { written, newer }) if written.is_empty() && newer.is_empty() => {
            Verdict::ok("the database has this program's years")
        }
        Ok(Loaded { written, newer }) if newer.is_empty() => Verdict::warn(
            format!("the database lacks, or has older: {written:?}"),
            "`hub migrate` or the next start of `hub run` writes them",
        ),
        Ok(Loaded { newer, .. }) => {
            let years: Vec<i16> = newer.iter().map(|(year, _, _)| *year).collect();
            Verdict::warn(
                format!("the database has newer revisions: {years:?}"),
                "They count for all; give this process the same files (calendar.folder)",
            )
        }
        Err(conflict) => Verdict::fail(conflict.to_string(), "`hub run` does not start beside it"),
    }
}

fn outbox(rows: i64, oldest_s: f64) -> Verdict {
    let found = format!("{rows} events, the oldest {oldest_s:.0} s old");
    let mend = "The portal hears nothing: is the broker reachable, is a worker alive? \
                `hub_events_published_total` says what becomes of them";
    if rows == 0 || oldest_s < OUTBOX_WARN_S {
        Verdict::ok(found)
    } else if oldest_s < OUTBOX_FAIL_S {
        Verdict::warn(found, mend)
    } else {
        Verdict::fail(found, mend)
    }
}

fn counted(count: i64, what: &str, command: &str) -> Verdict {
    if count == 0 {
        return Verdict::ok(format!("no {what}"));
    }
    Verdict::warn(format!("{count} {what}"), format!("Somebody should look: `{command}`"))
}

#[cfg(test)]
mod tests;
