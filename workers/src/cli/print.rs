//! What operators' commands print: tables for people, JSON for programs.
//!
//! *Guarantee*: a number of twelve digits never leaves these commands, wherever it came from: it could
//! be somebody's. (The last part of a UUID, behind its hyphen, stays.)

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use super::{complain, say};

/// Digits of an IIN or a BIN.
const NUMBER_DIGITS: usize = 12;
const MASK: &str = "············";

/// A table whose columns stand under their names.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

/// Prints text.
pub(super) fn tell(text: impl std::fmt::Display) {
    let text = text.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    say(&masked(&lines.join("\n")));
}

/// Prints one JSON document.
pub(super) fn tell_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => say(&masked(&text)),
        Err(error) => complain(&error),
    }
}

/// An instant in UTC, to the millisecond.
pub(super) fn at(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

/// The same, or nothing.
pub(super) fn at_or_blank(instant: Option<Timestamp>) -> String {
    instant.map(at).unwrap_or_default()
}

/// Whether a text holds a number that could be a person's.
pub(super) fn holds_number(text: &str) -> bool {
    masked(text) != text
}

fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    let mut before = ' ';
    for c in text.chars().map(Some).chain([None]) {
        match c {
            Some(digit) if digit.is_ascii_digit() => run.push(digit),
            other => {
                let part_of_word = before.is_alphanumeric() || before == '-';
                let goes_on = other.is_some_and(char::is_alphanumeric);
                if run.len() == NUMBER_DIGITS && !part_of_word && !goes_on {
                    out.push_str(MASK);
                } else {
                    out.push_str(&run);
                }
                run.clear();
                out.extend(other);
                before = other.unwrap_or(' ');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_could_be_a_persons_is_masked() {
        for (text, shown) in [
            ("organisation:990140000007", "organisation:············"),
            ("850100300012", "············"),
            ("\"iin\":\"850100300012\"}", "\"iin\":\"············\"}"),
            ("a850100300012", "a850100300012"),
            ("8501003000123", "8501003000123"),
            ("01939f2e-0000-7000-8000-850100300012", "01939f2e-0000-7000-8000-850100300012"),
            ("2026-11-22T10:00:00.123Z", "2026-11-22T10:00:00.123Z"),
        ] {
            assert_eq!(masked(text), shown);
        }
        assert!(holds_number("because of 850100300012"));
        assert!(!holds_number("because the register was down"));
    }
}
