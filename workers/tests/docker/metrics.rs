//! The table of metrics, and the page of a running hub, are what the program declares.
//!
//! After a change of a metric: `HUB_WRITE_METRICS=1 cargo test -p workers --test docker metrics`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use contracts::own;
use workers::telemetry::metric::{self, Kind, Metric, Spec};

use crate::tools;

const WRITE: &str = "HUB_WRITE_METRICS";

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("METRICS.md")
}

/// `workers/METRICS.md`.
fn document() -> String {
    let mut text = format!(
        "# Metrics\n\n\
         Made from `workers/src/telemetry/metric/`: change them there, then run\n\
         `{WRITE}=1 cargo test -p workers --test docker metrics`.\n\n\
         Prometheus text at `/metrics` of the admin listener. Labels come from closed sets, never \
         from data: this hub has at most {} series. Counters and histograms begin at zero.\n\n\
         | scope | is | in a query |\n|---|---|---|\n\
         | instance | what one process did or sees | add the processes up: `sum` |\n\
         | service | of the whole hub, from the database, the same from every process | take one of \
         them: `max`, or `min` where the smallest counts |\n\n\
         | metric | type | unit | labels | scope | meaning |\n|---|---|---|---|---|---|\n",
        most()
    );
    for metric in Metric::ALL {
        let Spec { name, kind, unit, source, labels, help } = metric.spec();
        let (labels, help) = (labels.join(", "), help.replace('|', "\\|"));
        let line = [name, kind.name(), unit, &labels, source.name(), &help];
        let [name, cells @ ..] = line;
        text.push_str(&format!("| `{name}` | {} |\n", cells.join(" | ")));
    }
    text
}

/// The bound for the systems and operations of this program.
fn most() -> usize {
    let systems = adapters::systems::all();
    let operations: usize = systems.iter().map(|s| s.spec().operations.len()).sum();
    metric::series_max(systems.len() + 1, operations + own::SPEC.operations.len())
}

#[test]
fn the_table_of_metrics_is_the_one_that_the_program_declares() {
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(file(), document()).unwrap();
    }
    let written = std::fs::read_to_string(file()).unwrap_or_default();
    assert!(written == document(), "METRICS.md is old: {WRITE}=1 cargo test … metrics");
}

#[test]
fn each_metric_is_declared_once_with_labels_and_words_of_its_own() {
    let specs = Metric::ALL.map(Metric::spec);
    let names: BTreeSet<&str> = specs.iter().map(|spec| spec.name).collect();
    assert_eq!(names.len(), specs.len(), "a name twice");
    let words: BTreeSet<&str> = specs.iter().map(|spec| spec.help).collect();
    assert_eq!(words.len(), specs.len(), "a help text twice");
    for Spec { name, unit, help, labels, .. } in specs {
        assert!(!unit.is_empty() && help.len() > 10 && !help.ends_with('.'), "{name}");
        assert!(labels.iter().all(|label| !label.ends_with("id") && *label != "le"), "{name}");
    }
}

/// The page of a running hub: what the program declares, no more, and good in `promtool`'s eyes.
pub(crate) fn assert_as_declared(page: &str, kept: &Path) {
    let specs: BTreeMap<&str, Spec> =
        Metric::ALL.into_iter().map(|metric| (metric.name(), metric.spec())).collect();
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').unwrap();
            assert_eq!(specs[name].kind.name(), kind, "{name}");
            seen.insert(name);
        } else if let Some(told) = line.strip_prefix("# HELP ") {
            let (name, help) = told.split_once(' ').unwrap();
            assert_eq!(specs[name].help, help, "{name}");
        } else {
            count += 1;
            let (name, labels) = series(line);
            let spec = specs.get(name).or_else(|| specs.get(base(name)));
            let spec = spec.unwrap_or_else(|| panic!("{name} is not declared"));
            let is_part = spec.name != name;
            assert_eq!(is_part, spec.kind == Kind::Histogram, "{name}");
            let declared: BTreeSet<&str> = spec.labels.iter().copied().collect();
            assert_eq!(labels, declared, "{line}");
        }
    }
    assert_eq!(seen, specs.keys().copied().collect(), "declared, and not on the page");
    assert!(count <= most(), "{count} series; at most {} are declared", most());
    println!("{count} series of at most {}, in {} bytes", most(), page.len());

    std::fs::write(kept, page).unwrap();
    let Some(output) = tools::tool_reads("promtool", &["check", "metrics"], kept) else { return };
    tools::assert_good(&output);
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(told.trim().is_empty(), "promtool check metrics:\n{told}");
}

/// Name and labels of a line, without a histogram's own label.
fn series(line: &str) -> (&str, BTreeSet<&str>) {
    let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
    let inside = rest.strip_prefix('{').and_then(|rest| rest.rsplit_once("} "));
    let labels = inside.map_or("", |(labels, _)| labels);
    let keys = labels.split("\",").filter_map(|pair| pair.split_once('=')).map(|(key, _)| key);
    (name, keys.filter(|key| *key != "le").collect())
}

/// A histogram's name, from that of its part.
pub(crate) fn base(name: &str) -> &str {
    let part = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
    part.unwrap_or(name)
}
