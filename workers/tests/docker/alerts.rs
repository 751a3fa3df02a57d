//! Alerts, their tests and their pages belong together, and speak of metrics that exist.

use std::collections::BTreeSet;

use workers::telemetry::metric::Metric;

/// What a page tells, in this order.
const HEADINGS: [&str; 5] = [
    "\n## What it means\n",
    "\n## What users feel\n",
    "\n## How to look\n",
    "\n## What to do\n",
    "\n## How to know it is over\n",
];

/// The names behind `- alert:`.
fn alerts(rules: &str) -> Vec<&str> {
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

/// Words that begin so, as far as they are names.
fn names<'a>(text: &'a str, begin: &str) -> BTreeSet<&'a str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(begin)).collect()
}

#[test]
fn every_alert_has_its_page_and_is_tested_to_fire_and_to_stay_silent() {
    let rules = crate::read("prometheus/rules/alerts.yml");
    let tests = crate::read("prometheus/tests/alerts.test.yml");
    let list = crate::read("runbooks/README.md");
    let alerts = alerts(&rules);
    assert!(alerts.len() >= 20, "{alerts:?}");
    for alert in &alerts {
        let page = crate::read(&format!("runbooks/{alert}.md"));
        let at = HEADINGS
            .map(|heading| page.find(heading).unwrap_or_else(|| panic!("{alert}: {heading}")));
        assert!(at.is_sorted(), "{alert}: its headings are out of order");
        assert!(rules.contains(&format!("runbook_url: docker/runbooks/{alert}.md")), "{alert}");
        assert!(list.contains(&format!("[{alert}]({alert}.md)")), "{alert} is not listed");
        for case in ["fires", "stays silent"] {
            assert!(
                tests.contains(&format!("- name: {alert} {case}\n")),
                "{alert} {case}: no test"
            );
        }
    }
    let pages = std::fs::read_dir(crate::folder().join("runbooks")).unwrap().count();
    assert_eq!(pages, alerts.len() + 1, "a page of an alert that is gone?");
    assert_eq!(rules.matches("severity: ").count(), alerts.len() + 1, "each has a severity");
}

#[test]
fn rules_speak_of_metrics_that_exist() {
    let known: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    for file in ["prometheus/rules/alerts.yml", "prometheus/rules/recording.yml"] {
        let text = crate::read(file);
        let expressions: String = text.lines().filter(|line| !line.contains("record:")).collect();
        for name in names(&expressions, "hub_") {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
            let recorded = text.contains(&format!(":{name}:"));
            let group = text.contains(&format!("- name: {name}\n"));
            assert!(known.contains(base.unwrap_or(name)) || recorded || group, "{file}: {name}");
        }
    }
}

#[test]
fn prometheus_takes_the_rules_and_their_tests_hold() {
    let rules = ["check", "rules", "prometheus/rules/alerts.yml", "prometheus/rules/recording.yml"];
    let tests = ["test", "rules", "prometheus/tests/alerts.test.yml"];
    for arguments in [&rules[..], &tests[..]] {
        let Some(output) = crate::tools::tool("promtool", arguments, &[]) else { return };
        crate::tools::assert_good(&output);
    }
}
