//! `hub doctor`: lights for everything that the hub depends on, as a report for a ticket.

use std::{
    io::{IsTerminal, stdout},
    path::Path,
    time::Duration,
};

use super::{DONE, FAILED, print};
use crate::{
    clock,
    config::Examined,
    doctor::{Area, Finding, Light, Report, Subject, examine},
};

/// What to look at.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only these areas.
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Area>,
    /// How long each of them may take: 5s, 500ms.
    #[arg(long, default_value = "5s", value_parser = limit)]
    timeout: Duration,
    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let subject = Subject {
        settings: Examined::load(path, std::env::vars()),
        settings_file: path.map(Path::to_owned),
        now: clock::real_now(),
        limit: arguments.timeout,
    };
    let is_wanted = |area: &Area| arguments.only.is_empty() || arguments.only.contains(area);
    let areas: Vec<Area> = Area::ALL.into_iter().filter(is_wanted).collect();
    let report = examine(&subject, &areas).await;
    if arguments.json {
        print::tell_json(&report);
    } else {
        let is_coloured = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        print::tell(table(&report, is_coloured));
    }
    let code = if report.light == Light::Fail { FAILED } else { DONE };
    // A name that is still being resolved must not hold the shell up.
    std::process::exit(i32::from(code))
}

fn limit(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| "expected a time like 5s or 500ms".to_owned())?;
    let limit = match unit {
        "s" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        _ => return Err("expected a time like 5s or 500ms".to_owned()),
    };
    let range = Duration::from_millis(10)..=Duration::from_mins(5);
    if range.contains(&limit) { Ok(limit) } else { Err("from 10ms to 300s".to_owned()) }
}

fn table(report: &Report, is_coloured: bool) -> String {
    let names: Vec<String> = report.findings.iter().map(name).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = format!("hub doctor, build {}, {}\n\n", report.build, print::at(report.at));
    let mut before = None;
    for (finding, name) in report.findings.iter().zip(&names) {
        if before.is_some_and(|area| area != finding.area) {
            text.push('\n');
        }
        before = Some(finding.area);
        let light = light(finding.light, is_coloured);
        text.push_str(&format!("{light}  {name:width$}  {}\n", finding.found));
        if let Some(mend) = &finding.mend {
            text.push_str(&format!("      {:width$}  → {mend}\n", ""));
        }
    }
    let count = |light| report.count(light);
    let (fail, warn, ok) = (count(Light::Fail), count(Light::Warn), count(Light::Ok));
    text.push_str(&format!("\n{fail} fail, {warn} warn, {ok} ok\n"));
    text
}

fn name(finding: &Finding) -> String {
    let name = format!("{}.{}", finding.area.name(), finding.check);
    finding.about.as_ref().map_or(name.clone(), |about| format!("{name} {about}"))
}

/// Four columns, whatever the colour.
fn light(light: Light, is_coloured: bool) -> String {
    let (word, colour) = match light {
        Light::Ok => ("ok  ", "32"),
        Light::Warn => ("warn", "33"),
        Light::Fail => ("FAIL", "1;31"),
    };
    if is_coloured { format!("\u{1b}[{colour}m{word}\u{1b}[0m") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Findings, Verdict};

    #[test]
    fn a_limit_has_a_unit_and_a_range() {
        assert_eq!(limit("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(limit("500ms"), Ok(Duration::from_millis(500)));
        for text in ["", "5", "s", "5m", "-1s", "0s", "301s", "99999999999999999999s"] {
            assert!(limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_worst_light_counts_and_what_to_do_stands_below() {
        let mut findings = Findings::new(Area::Broker);
        findings.add("login", Verdict::ok("accepted"));
        findings.add_about(
            "queue",
            Some("hub.dead"),
            Verdict::fail("other arguments", "Delete it"),
        );
        let report = Report::new("1".into(), jiff::Timestamp::UNIX_EPOCH, findings.into_vec());
        assert_eq!(report.light, Light::Fail);
        let text = table(&report, false);
        assert!(text.contains("ok    broker.login           accepted\n"), "{text}");
        assert!(text.contains("FAIL  broker.queue hub.dead  other arguments\n"), "{text}");
        assert!(text.contains("  → Delete it\n\n1 fail, 0 warn, 1 ok\n"), "{text}");
        assert!(table(&report, true).contains("\u{1b}[1;31mFAIL\u{1b}[0m"));
    }

    #[test]
    fn the_json_has_its_stable_shape() {
        let mut findings = Findings::new(Area::Database);
        findings.add("version", Verdict::warn("PostgreSQL 14.1", "Upgrade"));
        let report = Report::new("1".into(), jiff::Timestamp::UNIX_EPOCH, findings.into_vec());
        let expected = serde_json::json!({
            "version": 1, "build": "1", "at": "1970-01-01T00:00:00Z", "light": "warn",
            "findings": [{
                "area": "database", "check": "version", "about": null, "light": "warn",
                "found": "PostgreSQL 14.1", "mend": "Upgrade",
            }],
        });
        assert_eq!(serde_json::to_value(&report).unwrap(), expected);
    }
}
