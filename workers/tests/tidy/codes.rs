//! The codes that are told, and the page that explains them.
//!
//! *Guarantee*: `contracts/CODES.md` has exactly one row and one anchor for each code of
//! [`Code::ALL`]; each of these codes is made somewhere, and none outside the macro `code!`.

use std::collections::{BTreeMap, BTreeSet};

use contracts::code::Code;

use crate::sources::{Source, programs, root};

const PAGE: &str = "contracts/CODES.md";

/// Rows of the page by their anchor.
fn rows() -> BTreeMap<String, Vec<String>> {
    let page = std::fs::read_to_string(root().join(PAGE)).expect(PAGE);
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in page.lines() {
        let anchor = line.strip_prefix("| <a id=\"").and_then(|rest| rest.split('"').next());
        if let Some(anchor) = anchor {
            rows.entry(anchor.to_owned()).or_default().push(line.to_owned());
        }
    }
    rows
}

/// The codes that a file makes, without its tests.
fn made(source: &Source) -> BTreeSet<String> {
    let is_test = source.path.ends_with("tests.rs");
    let text = if is_test { "" } else { source.text.as_str() };
    let code = text.split("\nmod tests {").next().unwrap_or_default();
    let names = code.split("code!(\"").skip(1).filter_map(|rest| rest.split('"').next());
    names.filter(|name| *name != "…").map(str::to_owned).collect()
}

#[test]
fn every_code_has_one_row_and_one_anchor_on_its_page() {
    let rows = rows();
    let codes: BTreeSet<&str> = Code::ALL.iter().copied().collect();
    let explained: BTreeSet<&str> = rows.keys().map(String::as_str).collect();
    let unexplained: Vec<_> = codes.difference(&explained).collect();
    assert!(unexplained.is_empty(), "without a row in {PAGE}: {unexplained:?}");
    let unknown: Vec<_> = explained.difference(&codes).collect();
    assert!(unknown.is_empty(), "rows of {PAGE} whose code the program does not have: {unknown:?}");
    let twice: Vec<_> = rows.iter().filter(|(_, lines)| lines.len() > 1).collect();
    assert!(twice.is_empty(), "more than one row in {PAGE}: {twice:?}");
}

#[test]
fn every_row_names_its_code_and_says_something_in_each_place_that_matters() {
    for (code, lines) in rows() {
        let cells: Vec<&str> = lines[0].trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells[0].ends_with(&format!("`{code}`")), "{}", lines[0]);
        // Code, meaning, cause, who acts; a class or an event more; three for answers to operators.
        assert!((3..=5).contains(&cells.len()), "{}", lines[0]);
        let silent = cells.iter().filter(|cell| cell.is_empty()).count();
        let last = cells.last().copied().unwrap_or_default();
        assert!(silent <= 1 && !last.is_empty(), "only the cause may be left out: {}", lines[0]);
    }
}

#[test]
fn every_listed_code_is_made_by_the_program() {
    let made: BTreeSet<String> = programs().iter().flat_map(made).collect();
    let idle: Vec<_> = Code::ALL.iter().filter(|code| !made.contains(**code)).collect();
    assert!(idle.is_empty(), "listed, and made nowhere: {idle:?}");
}

#[test]
fn a_code_is_made_by_the_macro_alone() {
    let strays: Vec<String> = programs()
        .iter()
        .filter(|source| source.path != "contracts/src/code.rs")
        .flat_map(|source| source.places(&["Code::listed(", "insert(\"code\".to_owned(), \""]))
        .collect();
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn a_row_names_every_system_that_tells_its_code() {
    const EVERYWHERE: [&str; 9] = [
        "not_sent",
        "input_unreadable",
        "unknown_status",
        "element_repeated",
        "payload_unreadable",
        "field_missing",
        "control_character",
        "unauthorized",
        "fault",
    ];
    let rows = rows();
    let mut strays = Vec::new();
    for system in adapters::systems::all() {
        let name = system.spec().name;
        let folder = format!("adapters/src/systems/{name}/");
        let own = programs().into_iter().filter(|source| source.path.starts_with(&folder));
        let told: BTreeSet<String> = own.flat_map(|source| made(&source)).collect();
        assert!(!told.is_empty(), "{name} tells no code");
        for code in told.iter().filter(|code| !EVERYWHERE.contains(&code.as_str())) {
            let row = rows.get(code).map(|lines| lines[0].as_str()).unwrap_or_default();
            if !row.contains(&format!("`{name}`")) {
                strays.push(format!("{code}: {name}"));
            }
        }
    }
    assert!(strays.is_empty(), "{PAGE} does not name the system:\n{}", strays.join("\n"));
}
