//! A message as lines to look at, without what is nobody's business.

use super::{Codes, Form, HIDDEN, Place, shown, step};

/// More are not shown.
pub const LINES_MAX: usize = 2_000;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How deep it lies.
    pub depth: usize,
    /// Element or key.
    pub label: String,
    /// Its value, hidden unless it is a code; `None`: it holds other places.
    pub value: Option<String>,
    /// Its path, as a [`Drift`](super::Drift) names it.
    pub path: String,
}

/// The lines of a message; values are shown where they are codes, or where `shows_values`.
pub fn outline(form: Form, bytes: &[u8], codes: &Codes, shows_values: bool) -> Vec<Line> {
    let Ok(root) = Place::read(form, bytes) else { return unread(bytes, shows_values) };
    let mut lines = Vec::new();
    let mut write = Write { codes, shows_values, labels: Vec::new(), lines: &mut lines };
    // JSON has no root element.
    let path = if root.label.is_empty() { String::new() } else { step(&root.label, 1) };
    write.place(&root, 0, &path);
    lines
}

/// A message without structure, as it stands, or its length.
fn unread(bytes: &[u8], shows_values: bool) -> Vec<Line> {
    let text = String::from_utf8_lossy(bytes);
    let line = |text: String| Line {
        depth: 0,
        label: String::new(),
        value: Some(text),
        path: "/".to_owned(),
    };
    if shows_values {
        text.lines().take(LINES_MAX).map(|one| line(one.to_owned())).collect()
    } else {
        vec![line(format!("{} bytes without a structure", bytes.len()))]
    }
}

struct Write<'a> {
    codes: &'a Codes,
    shows_values: bool,
    labels: Vec<String>,
    lines: &'a mut Vec<Line>,
}

impl Write<'_> {
    fn place(&mut self, place: &Place, depth: usize, path: &str) {
        if self.lines.len() >= LINES_MAX {
            return;
        }
        let is_named = !place.label.is_empty();
        if is_named {
            self.labels.push(place.label.clone());
        }
        let value = place.value.as_deref().map(|text| self.value(text.trim()));
        let label = place.label.clone();
        self.lines.push(Line { depth, label, value, path: path.to_owned() });
        let mut before: Vec<&str> = Vec::new();
        for child in &place.children {
            before.push(&child.name);
            let nth = before.iter().filter(|name| **name == child.name).count();
            self.place(child, depth + 1, &format!("{path}{}", step(&child.label, nth)));
        }
        if is_named {
            self.labels.pop();
        }
    }

    fn value(&self, text: &str) -> String {
        if text.is_empty() {
            String::new()
        } else if self.shows_values {
            text.to_owned()
        } else if self.codes.contains(&self.labels) {
            shown(text)
        } else {
            HIDDEN.to_owned()
        }
    }
}
