//! Text with slots, cut up once, filled many times with one allocation.
//!
//! `{{name}}` is escaped once. `{{name!}}` is escaped twice: it stands in a document that itself
//! travels as escaped text.

use std::borrow::Cow;

/// A text with slots.
pub struct Template {
    pieces: Vec<Piece>,
    literal_bytes: usize,
}

enum Piece {
    Literal(Box<str>),
    Slot { index: usize, twice: bool },
}

impl Template {
    /// Cuts a text up.
    ///
    /// # Panics
    /// Where a slot is not in the list: templates are constants of the program.
    pub fn new(text: &str, slots: &[&str]) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, (slot, after))) =
            rest.split_once("{{").and_then(|(a, b)| Some((a, b.split_once("}}")?)))
        {
            let (name, twice) = slot.strip_suffix('!').map_or((slot, false), |name| (name, true));
            let index = slots.iter().position(|known| *known == name);
            pieces.push(Piece::Literal(literal.into()));
            pieces.push(Piece::Slot { index: index.expect("templates name known slots"), twice });
            rest = after;
        }
        pieces.push(Piece::Literal(rest.into()));
        Self { pieces, literal_bytes: text.len() }
    }

    /// The text with these values, in the order of the slots.
    pub fn fill(&self, values: &[&str]) -> Vec<u8> {
        let values_bytes: usize = values.iter().map(|value| value.len()).sum();
        let mut out = Vec::with_capacity(self.literal_bytes + 2 * values_bytes);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Slot { index, twice } => {
                    let once = escape(values[*index]);
                    let text = if *twice { escape(&once) } else { Cow::Borrowed(&*once) };
                    out.extend_from_slice(text.as_bytes());
                }
            }
        }
        out
    }
}

/// Makes a text safe inside an element or an attribute.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_escaped_as_often_as_they_are_wrapped() {
        let template = Template::new("<a>{{x}}</a>&lt;b&gt;{{x!}}&lt;/b&gt;{{y}}", &["x", "y"]);
        let filled = String::from_utf8(template.fill(&["1<2", "z"])).unwrap();
        assert_eq!(filled, "<a>1&lt;2</a>&lt;b&gt;1&amp;lt;2&lt;/b&gt;z");
    }
}
