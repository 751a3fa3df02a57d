//! The simulators' journal, by system and request number.

use std::collections::HashMap;

use serde_json::Value;

use crate::evidence::{COURIER, Evidence, order_number};

/// All entries, findable.
#[derive(Debug)]
pub(super) struct Journal<'e> {
    systems: HashMap<&'e str, HashMap<&'e str, Vec<&'e Value>>>,
}

impl<'e> Journal<'e> {
    /// Sorts what was gathered.
    pub(super) fn of(e: &'e Evidence) -> Self {
        let mut systems: HashMap<&str, HashMap<&str, Vec<&Value>>> = HashMap::new();
        for entry in &e.journal {
            let numbers = systems.entry(str_of(&entry["system"])).or_default();
            numbers.entry(str_of(&entry["request_number"])).or_default().push(entry);
        }
        Self { systems }
    }

    /// What a system wrote down about one number, oldest first.
    pub(super) fn about(&self, system: &str, number: &str) -> &[&'e Value] {
        let entries = self.systems.get(system).and_then(|numbers| numbers.get(number));
        entries.map_or(&[], Vec::as_slice)
    }

    /// What the job's own system wrote down about it.
    pub(super) fn of_job(&self, job: &Value) -> &[&'e Value] {
        self.about(system_of(job), &number_of(job))
    }

    /// Kazpost's number of an order.
    pub(super) fn track_number(&self, subject: &str) -> Option<&'e str> {
        let entries = self.about("kazpost", &order_number(subject));
        entries.iter().find(|entry| is(entry, "executed")).and_then(|one| one["given"].as_str())
    }
}

/// The system of a job, as the simulators name it: Kazpost's couriers have a door of their own.
pub(super) fn system_of(job: &Value) -> &str {
    match str_of(&job["operation"]) {
        "kazpost.call_courier" => COURIER,
        operation => operation.split('.').next().unwrap_or_default(),
    }
}

/// The number under which a job's system knows it.
pub(super) fn number_of(job: &Value) -> String {
    match str_of(&job["operation"]) {
        "kazpost.label" | "kazpost.call_courier" => order_number(str_of(&job["subject"])),
        "kazpost.cancel" => format!("cancel {}", order_number(str_of(&job["subject"]))),
        _ => str_of(&job["id"]).to_owned(),
    }
}

/// Whether a flag is set.
pub(super) fn is(entry: &Value, flag: &str) -> bool {
    entry[flag] == Value::Bool(true)
}

/// Whether an entry is a question about a command, or its answer.
pub(super) fn is_question(entry: &Value) -> bool {
    entry["kind"] == "query" || entry["kind"] == "unknown"
}

/// The text of a value; empty where it is none.
pub(super) fn str_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
