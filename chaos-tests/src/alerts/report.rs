//! Alert, fault, seconds: the table.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::deed::DEEDS;
use crate::world::line;

/// What was measured.
#[derive(Debug, Default)]
pub struct Report {
    /// One an alert.
    pub rows: Vec<Row>,
}

/// One alert.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub alert: String,
    /// How long its condition must hold.
    pub holds: Duration,
    /// What was done; `None`: nothing.
    pub fault: Option<&'static str>,
    /// Until it fired; `None`: never.
    pub took: Option<Duration>,
}

impl Report {
    /// `all`: also those for which nothing was done.
    pub(super) fn of(
        rules: &BTreeMap<String, Duration>,
        fired: &BTreeMap<&'static str, Option<Duration>>,
        all: bool,
    ) -> Self {
        let row = |(alert, holds): (&String, &Duration)| {
            let took = fired.get(alert.as_str());
            let deed = DEEDS.iter().find(|deed| deed.alerts.contains(&alert.as_str()));
            let fault = deed.filter(|_| took.is_some()).map(|deed| deed.what);
            let row =
                Row { alert: alert.clone(), holds: *holds, fault, took: took.copied().flatten() };
            (all || fault.is_some()).then_some(row)
        };
        Self { rows: rules.iter().filter_map(row).collect() }
    }

    /// Alerts that a fault did not bring.
    pub fn silent(&self) -> Vec<&str> {
        let silent = self.rows.iter().filter(|row| row.fault.is_some() && row.took.is_none());
        silent.map(|row| row.alert.as_str()).collect()
    }

    /// For a person, and for a page: Markdown.
    pub fn table(&self) -> String {
        let mut text = "\n| alert | fault | `for` | fired after |\n|---|---|---|---|\n".to_owned();
        for row in &self.rows {
            let took = match (row.fault, row.took) {
                (None, _) => "not injected: only promtool-tested".to_owned(),
                (Some(_), None) => "**silent**".to_owned(),
                (Some(_), Some(took)) => format!("{:.0} s", took.as_secs_f64()),
            };
            let (alert, fault) = (&row.alert, row.fault.unwrap_or("–"));
            line(&mut text, format_args!("| {alert} | {fault} | {} | {took} |", held(row.holds)));
        }
        text
    }

    /// For a machine.
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({"alert": row.alert, "for_s": row.holds.as_secs(), "fault": row.fault,
                   "fired_after_s": row.took.map(|took| took.as_secs_f64())})
        };
        json!({"alerts": self.rows.iter().map(row).collect::<Vec<_>>(), "silent": self.silent()})
    }
}

fn held(holds: Duration) -> String {
    match holds.as_secs() {
        0 => "–".to_owned(),
        seconds if seconds >= 3_600 => format!("{} h", seconds / 3_600),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_without_a_fault_is_told_apart_from_one_that_stayed_silent() {
        let minute = Duration::from_secs(60);
        let rules = ["HubBrokerDown", "HubDatabaseDown", "HubSystemPaused"];
        let rules = rules.map(|name| (name.to_owned(), minute)).into_iter().collect();
        let fired =
            [("HubBrokerDown", Some(minute)), ("HubDatabaseDown", None)].into_iter().collect();
        let report = Report::of(&rules, &fired, true);
        assert_eq!(report.silent(), ["HubDatabaseDown"]);
        let table = report.table();
        assert!(table.contains("| 1 min | 60 s |"), "{table}");
        assert!(table.contains("| HubSystemPaused | – | 1 min | not injected"), "{table}");
        assert_eq!(Report::of(&rules, &fired, false).rows.len(), 2);
    }
}
