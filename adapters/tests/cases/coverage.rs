//! Whether the cases of a system show all that its `failures.rs` knows.

use std::collections::{BTreeMap, BTreeSet};

use adapters::systems;
use contracts::case::{self, Case, Outcome};

use super::folder;

/// Codes that no answer of the system itself can cause, and why. An entry that is not needed fails.
const NOT_BY_AN_ANSWER: &[(&str, &str, &str)] = &[
    ("gbdul", "signer_unreachable", "the signer is another program"),
    ("gbdul", "signer_refused", "the signer is another program"),
    ("gbdul", "signer_unreadable", "the signer is another program"),
    ("kazpost", "courier_date_past", "nothing is sent for a day that is over"),
    ("kazpost", "too_many_events", "the file would be too long: the simulator makes it"),
    ("realestate", "too_many_objects", "the file would be too long: the simulator makes it"),
    ("realestate", "too_many_rights", "the file would be too long: the simulator makes it"),
    ("realestate", "too_many_encumbrances", "the file would be too long: the simulator makes it"),
];

/// Codes of our own making: a job that cannot be sent, a defect of ours.
const OURS: &[(&str, &[&str])] = &[
    ("*", &["input_unreadable"]),
    ("gbdul", &["request_unsignable"]),
    ("mzrk", &["carry_unreadable"]),
    ("mgov", &["code_missing", "code_of_another_sending", "code_malformed"]),
    (
        "eqyzmet",
        &[
            "files_missing",
            "attachment_too_large",
            "attachments_too_large",
            "certificate_not_yet_valid",
            "certificate_expired",
            "certificate_check_digit",
        ],
    ),
];

fn cases() -> BTreeMap<String, Vec<Case>> {
    let mut all: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for found in case::find(&folder()).expect("the folder of systems") {
        all.entry(found.system).or_default().push(found.case.unwrap_or_else(|e| panic!("{e}")));
    }
    all
}

/// The codes that a system's table gives to what comes from outside.
fn codes(system: &str) -> BTreeSet<String> {
    let file = format!("{}/src/systems/{system}/failures.rs", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let table = text.split("#[cfg(test)]").next().unwrap_or_default();
    let made = table.split("code!(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let ours = OURS.iter().filter(|(of, _)| *of == "*" || *of == system);
    let ours: BTreeSet<&str> = ours.flat_map(|(_, codes)| codes.iter().copied()).collect();
    let codes: BTreeSet<String> =
        made.filter(|code| !ours.contains(code)).map(str::to_owned).collect();
    assert!(!codes.is_empty(), "{file} makes no code");
    codes
}

#[test]
fn every_failure_that_an_answer_can_cause_has_a_case() {
    let cases = cases();
    let mut missing = Vec::new();
    for system in systems::all() {
        let name = system.spec().name;
        let own = cases.get(name).map(Vec::as_slice).unwrap_or_default();
        let shown: BTreeSet<&str> = own.iter().flat_map(expected_codes).collect();
        for code in codes(name) {
            let exempt = NOT_BY_AN_ANSWER.iter().any(|(of, one, _)| *of == name && *one == code);
            if exempt == shown.contains(code.as_str()) {
                let what = if exempt { "is exempt and shown" } else { "has no case" };
                missing.push(format!("{name}: {code} {what}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

fn expected_codes(case: &Case) -> Vec<&str> {
    let steps = case.steps.iter().filter_map(|step| step.expected.as_ref());
    steps.chain([&case.expected]).filter_map(|expected| expected.code.as_deref()).collect()
}

#[test]
fn every_operation_has_a_case_that_ends_well() {
    let cases = cases();
    for system in systems::all() {
        for operation in system.spec().operations {
            let own = cases.get(system.spec().name).map(Vec::as_slice).unwrap_or_default();
            let ends_well = |case: &&Case| {
                case.operation == operation.name && case.expected.outcome == Outcome::Answered
            };
            assert!(own.iter().any(|case| ends_well(&case)), "{}: no good answer", operation.name);
        }
    }
}

#[test]
fn every_case_is_of_a_registered_system() {
    let known: BTreeSet<String> =
        systems::all().iter().map(|system| system.spec().name.to_owned()).collect();
    let with_cases: BTreeSet<String> = cases().into_keys().collect();
    assert_eq!(with_cases, known);
}
