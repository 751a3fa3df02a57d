//! Colours, on a terminal alone, and not where `NO_COLOR` is set.

use std::{env, io::IsTerminal};

/// Whether there are colours.
pub(super) struct Style {
    has_colours: bool,
}

impl Style {
    pub(super) const fn new(has_colours: bool) -> Self {
        Self { has_colours }
    }

    /// As standard output can.
    pub(super) fn of_stdout() -> Self {
        let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::new(std::io::stdout().is_terminal() && !is_unwanted)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.has_colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn good(&self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn bad(&self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(super) fn note(&self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(super) fn quiet(&self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn strong(&self, text: &str) -> String {
        self.paint("1", text)
    }
}
