//! Log lines have the fields that are promised, and no others.

use std::collections::BTreeSet;

use workers::telemetry::logs::FIELDS;

use crate::sources::{Source, programs, root};

const MACROS: [&str; 5] = ["error!(", "warn!(", "info!(", "debug!(", "trace!("];

/// The names of the fields before the sentence of each log line in a file.
fn fields(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.text.match_indices("tracing::") {
        let rest = &source.text[at + "tracing::".len()..];
        let Some(line) = MACROS.iter().find_map(|name| rest.strip_prefix(name)) else { continue };
        let mut depth = 0;
        let mut names = vec![String::new()];
        for c in line.chars() {
            match c {
                // The sentence begins, or the macro ends.
                '"' | ')' if depth == 0 => break,
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => names.push(String::new()),
                c => names.last_mut().unwrap().push(c),
            }
        }
        let name = |text: &String| {
            text.split('=').next().unwrap().trim().trim_matches(['%', '?']).to_owned()
        };
        found.extend(names.iter().map(name).filter(|name| !name.is_empty()));
    }
    found
}

#[test]
fn fields_of_log_lines_are_the_ones_that_are_promised() {
    let used: BTreeSet<String> = programs().iter().flat_map(fields).collect();
    let promised: BTreeSet<String> = FIELDS.iter().map(|&name| name.to_owned()).collect();
    let strange: Vec<_> = used.difference(&promised).collect();
    assert!(strange.is_empty(), "not in telemetry/logs.rs: {strange:?}");
    let unused: Vec<_> = promised.difference(&used).collect();
    assert!(unused.is_empty(), "nobody logs {unused:?}");
}

#[test]
fn the_fields_of_log_lines_are_documented() {
    let readme = std::fs::read_to_string(root().join("workers/README.md")).unwrap();
    let (_, rest) = readme.split_once("## Logs").expect("the section");
    let (section, _) = rest.split_once("\n## ").expect("a section after it");
    for name in FIELDS.iter().chain(&["timestamp", "level", "target", "message"]) {
        assert!(section.contains(&format!("`{name}`")), "{name} is not in the section");
    }
}
