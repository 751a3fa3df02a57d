//! The form of the dashboards: Grafana can draw them, and they, the alerts and the runbooks point
//! at each other. That their queries find something is held by `watched.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use workers::telemetry::metric::Metric;

use crate::{folder, metrics::base, read};

pub(crate) const NAMES: [&str; 4] = ["overview", "system", "sla", "internals"];
/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;
/// A description that says less helps nobody.
const DESCRIPTION_CHARS_MIN: usize = 40;
/// Where Grafana serves the runbooks (compose.yaml mounts them there).
const RUNBOOKS: &str = "/public/runbooks/";

/// One dashboard.
pub(crate) struct Board {
    pub(crate) name: &'static str,
    pub(crate) json: Value,
}

impl Board {
    pub(crate) fn all() -> [Self; 4] {
        NAMES.map(|name| {
            let json = serde_json::from_str(&read(&format!("grafana/dashboards/{name}.json")));
            Self { name, json: json.unwrap() }
        })
    }

    /// Everything on the grid.
    fn places(&self) -> &Vec<Value> {
        self.json["panels"].as_array().unwrap()
    }

    /// What shows something.
    pub(crate) fn panels(&self) -> impl Iterator<Item = &Value> {
        self.places().iter().filter(|panel| panel["type"] != "row")
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &Value> {
        self.json["templating"]["list"].as_array().unwrap().iter()
    }

    fn titles(&self) -> BTreeSet<&str> {
        self.panels().map(title).collect()
    }
}

pub(crate) fn title(panel: &Value) -> &str {
    panel["title"].as_str().unwrap()
}

/// The queries of a panel.
pub(crate) fn queries(panel: &Value) -> impl Iterator<Item = &str> {
    panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap())
}

/// `hub_…` and recorded names in a text of PromQL.
fn names(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.contains("hub_")).collect()
}

/// Every string of a document.
fn strings<'a>(value: &'a Value, all: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => all.push(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, all)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, all)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn every_dashboard_is_named_as_its_file_and_leads_to_the_others() {
    for Board { name, json } in Board::all() {
        assert_eq!(json["uid"], format!("hub-{name}"));
        assert!(json["schemaVersion"].as_u64().unwrap() >= 39, "{name}");
        assert!(json["id"].is_null(), "{name}: Grafana gives the id");
        let mut all = Vec::new();
        strings(&json["links"], &mut all);
        for other in NAMES.iter().filter(|other| **other != name) {
            assert!(all.contains(&format!("/d/hub-{other}").as_str()), "{name} → {other}");
        }
        assert!(all.contains(&format!("{RUNBOOKS}README.md").as_str()), "{name} → runbooks");
    }
    let files = std::fs::read_dir(folder().join("grafana/dashboards")).unwrap();
    assert_eq!(
        files.count(),
        NAMES.len(),
        "a file that is no dashboard, or one that is not listed"
    );
}

#[test]
fn no_two_panels_share_an_id_a_title_or_a_place() {
    for board in Board::all() {
        let name = board.name;
        let ids: BTreeSet<u64> = board.places().iter().map(|p| p["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), board.places().len(), "{name}: an id twice");
        let count = board.panels().count();
        assert_eq!(board.titles().len(), count, "{name}: a title twice");
        let mut taken = BTreeSet::new();
        for panel in board.places() {
            let place = &panel["gridPos"];
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| place[side].as_u64().unwrap());
            assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{name}, {}: {place}", title(panel));
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{name}: {} lies on another", title(panel));
            }
        }
        let bottom = taken.iter().map(|(_, y)| y + 1).max().unwrap();
        let lines: BTreeSet<u64> = taken.iter().map(|(_, y)| *y).collect();
        assert_eq!(lines.len() as u64, bottom, "{name}: a gap");
    }
}

#[test]
fn every_panel_says_what_to_do_and_has_a_unit_and_its_own_source() {
    for board in Board::all() {
        for panel in board.panels() {
            let at = format!("{}, {}", board.name, title(panel));
            let description = panel["description"].as_str().unwrap();
            assert!(description.chars().count() >= DESCRIPTION_CHARS_MIN, "{at}: {description}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{at}: no unit");
            let steps = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"];
            assert!(steps[0]["value"].is_null(), "{at}: the first threshold has no base");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{at}");
            let references: BTreeSet<&str> = panel["targets"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|t| t["refId"].as_str())
                .collect();
            assert_eq!(references.len(), queries(panel).count(), "{at}: queries of one name");
            assert!(queries(panel).count() > 0, "{at}: no query");
            for query in queries(panel) {
                // A rate over a fixed window that is shorter than four scrapes shows nothing.
                let short = ["[15s]", "[30s]", "[1m]"].iter().any(|window| query.contains(window));
                let is_step = query.contains("[$__interval]") && panel["interval"] != "1m";
                assert!(!short && !is_step, "{at}: {query}");
            }
        }
    }
}

#[test]
fn variables_are_declared_before_they_are_used() {
    for board in Board::all() {
        let declared: BTreeSet<&str> =
            board.variables().map(|variable| variable["name"].as_str().unwrap()).collect();
        let mut all = Vec::new();
        strings(&board.json["panels"], &mut all);
        for text in all {
            for used in text.split('$').skip(1).map(|rest| rest.trim_start_matches('{')) {
                let end = used.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let used = &used[..end.unwrap_or(used.len())];
                let is_builtin = used.starts_with("__");
                assert!(is_builtin || declared.contains(used), "{}: ${used}", board.name);
            }
        }
    }
}

#[test]
fn queries_speak_of_metrics_that_exist_and_every_metric_is_shown() {
    let recorded = read("prometheus/rules/recording.yml");
    let known: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    let mut shown = BTreeSet::new();
    let boards = Board::all();
    for board in &boards {
        for query in board.panels().flat_map(queries) {
            for name in names(query) {
                let is_recorded = recorded.contains(&format!("- record: {name}\n"));
                assert!(is_recorded || known.contains(base(name)), "{}: {name}", board.name);
                shown.insert(base(name));
            }
        }
    }
    let hidden: Vec<_> = known.iter().filter(|name| !shown.contains(*name)).collect();
    assert!(hidden.is_empty(), "on no dashboard: {hidden:?}");
}

#[test]
fn alerts_runbooks_and_panels_lead_to_each_other() {
    let boards = Board::all();
    let mut linked = BTreeSet::new();
    for board in &boards {
        let mut all = Vec::new();
        strings(&board.json, &mut all);
        for page in all.iter().filter_map(|text| text.strip_prefix(RUNBOOKS)) {
            // The name of an alert in a row of a table.
            if page != "${__value.text}.md" {
                assert!(folder().join("runbooks").join(page).is_file(), "{}: {page}", board.name);
                linked.insert(page.trim_end_matches(".md"));
            }
        }
    }
    let titles: BTreeMap<String, BTreeSet<&str>> = boards
        .iter()
        .map(|board| (board.json["title"].as_str().unwrap().replace("Hub: ", ""), board.titles()))
        .collect();
    let rules = read("prometheus/rules/alerts.yml");
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(linked.contains(alert), "no panel leads to the runbook of {alert}");
        let page = read(&format!("runbooks/{alert}.md"));
        let pointers: Vec<&str> = page.split("Dashboard *").skip(1).collect();
        assert!(!pointers.is_empty(), "{alert}: its runbook names no panel");
        for pointer in pointers {
            let (board, rest) = pointer.split_once("*, panel *").unwrap();
            let (panel, _) = rest.split_once('*').unwrap();
            let found = titles.get(board).is_some_and(|titles| titles.contains(panel));
            assert!(found, "{alert}: there is no {panel} on {board}");
        }
    }
}

#[test]
fn what_a_description_or_a_runbook_names_is_there() {
    let boards = Board::all();
    let mut known: BTreeSet<&str> = boards.iter().flat_map(Board::titles).collect();
    known.extend(["Overview", "System", "SLA", "Internals"]);
    let assert_known = |at: &str, text: &str| {
        // What stands between two single stars.
        for (_, named) in text.split('*').enumerate().filter(|(place, _)| place % 2 == 1) {
            assert!(known.contains(named), "{at}: there is no {named}");
        }
    };
    for board in &boards {
        for panel in board.panels() {
            assert_known(board.name, panel["description"].as_str().unwrap());
        }
    }
    for page in std::fs::read_dir(folder().join("runbooks")).unwrap() {
        let page = page.unwrap().path();
        let text = std::fs::read_to_string(&page).unwrap();
        for line in text.lines().filter(|line| line.contains("Dashboard *")) {
            assert_known(&page.display().to_string(), line);
        }
    }
}

#[test]
fn grafana_is_given_the_dashboards_and_the_runbooks() {
    let compose = read("compose.yaml");
    for mount in [
        "./grafana/provisioning:/etc/grafana/provisioning:ro",
        "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
        "./runbooks:/usr/share/grafana/public/runbooks:ro",
    ] {
        assert!(compose.contains(mount), "{mount}");
    }
    let provider = read("grafana/provisioning/dashboards/hub.yaml");
    assert!(provider.contains("path: /var/lib/grafana/dashboards\n"), "{provider}");
    let source = read("grafana/provisioning/datasources/prometheus.yaml");
    for board in Board::all() {
        let variable = board.variables().find(|variable| variable["name"] == "datasource").unwrap();
        let uid = variable["current"]["value"].as_str().unwrap();
        assert!(source.contains(&format!("    uid: {uid}\n")), "{}: {uid}", board.name);
    }
}
