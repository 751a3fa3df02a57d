//! Two JSON documents.

use serde_json::Value;

use super::{DIFFERENCES_MAX, Difference, Masks, mask::same_shape, shown};

pub(super) fn compare(expected: &[u8], got: &[u8], masks: &mut Masks) -> Vec<Difference> {
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes);
    let (expected, got) = match (read(expected), read(got)) {
        (Ok(expected), Ok(got)) => (expected, got),
        (Err(error), _) => return unreadable("the case's file", &error),
        (_, Err(error)) => return unreadable("what came", &error),
    };
    values(&expected, &got, masks)
}

/// Compares two values; also what an attempt learned, without masks.
pub(super) fn values(expected: &Value, got: &Value, masks: &mut Masks) -> Vec<Difference> {
    let mut walk = Walk { masks, names: Vec::new(), path: String::new(), found: Vec::new() };
    walk.values(expected, got);
    walk.found
}

fn unreadable(which: &str, error: &serde_json::Error) -> Vec<Difference> {
    let got = format!("{error} ({which})");
    vec![Difference { path: "/".to_owned(), expected: "JSON that reads".to_owned(), got }]
}

struct Walk<'m> {
    masks: &'m mut Masks,
    names: Vec<String>,
    path: String,
    found: Vec<Difference>,
}

impl Walk<'_> {
    fn values(&mut self, expected: &Value, got: &Value) {
        if self.found.len() >= DIFFERENCES_MAX {
            return;
        }
        let inside = inside(expected);
        if !self.names.is_empty()
            && self.masks.hides(&self.names, &plain(expected), &plain(got), inside)
        {
            if inside == 0
                && let Err((expected, got)) = same_shape(&plain(expected), &plain(got))
            {
                self.differ(expected.to_owned(), got.to_owned());
            }
            return;
        }
        match (expected, got) {
            (Value::Object(one), Value::Object(other)) => {
                for (key, value) in one {
                    match other.get(key) {
                        Some(came) => self.below(key, |walk| walk.values(value, came)),
                        None => self.below(key, |walk| {
                            walk.differ(shown(&plain(value)), "no such key".to_owned());
                        }),
                    }
                }
                for (key, came) in other.iter().filter(|(key, _)| !one.contains_key(*key)) {
                    self.below(key, |walk| {
                        walk.differ("no such key".to_owned(), shown(&plain(came)));
                    });
                }
            }
            (Value::Array(one), Value::Array(other)) => {
                if one.len() != other.len() {
                    self.differ(format!("{} entries", one.len()), other.len().to_string());
                }
                for (at, (value, came)) in one.iter().zip(other).enumerate() {
                    let length = self.path.len();
                    self.path.push_str(&format!("[{at}]"));
                    self.values(value, came);
                    self.path.truncate(length);
                }
            }
            (expected, got) if expected == got => {}
            (expected, got) => self.differ(expected.to_string(), got.to_string()),
        }
    }

    fn below(&mut self, key: &str, visit: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(key);
        self.names.push(key.to_owned());
        visit(self);
        self.names.pop();
        self.path.truncate(length);
    }

    fn differ(&mut self, expected: String, got: String) {
        let path = if self.path.is_empty() { "/".to_owned() } else { self.path.clone() };
        self.found.push(Difference { path, expected, got });
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn inside(value: &Value) -> usize {
    match value {
        Value::Array(all) => all.iter().map(|one| 1 + inside(one)).sum(),
        Value::Object(all) => all.values().map(|one| 1 + inside(one)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}
