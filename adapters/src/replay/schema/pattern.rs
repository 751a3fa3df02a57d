//! Patterns of XML Schema as regular expressions of Rust.
//!
//! *Guarantee*: what means something else there, or is not known here, is refused.

use regex::Regex;

/// Whether a whole value matches.
pub(super) fn matches(pattern: &Regex, value: &str) -> bool {
    pattern.is_match(value)
}

/// Translates a pattern, or says what it holds that is not supported.
pub(super) fn compile(source: &str) -> Result<Regex, String> {
    let refused = |what: &str| Err(format!("{what} in the pattern {source} is not supported here"));
    let mut out = String::from(r"\A(?:");
    let mut in_class = false;
    let mut characters = source.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('d') => out.push_str(r"\d"),
                Some('s') if in_class => out.push_str(r" \t\n\r"),
                Some('s') => out.push_str(r"[ \t\n\r]"),
                Some(plain) if r"\|.-^?*+{}()[]nrt".contains(plain) => {
                    out.push('\\');
                    out.push(plain);
                }
                Some(other) => return refused(&format!("\\{other}")),
                None => return refused("a lone backslash"),
            },
            '[' if in_class => return refused("a class in a class"),
            '[' => {
                in_class = true;
                out.push('[');
                if characters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '.' if !in_class => out.push_str(r"[^\n\r]"),
            '^' | '$' | '&' | '~' => {
                out.push('\\');
                out.push(character);
            }
            '(' if !in_class && characters.peek() == Some(&'?') => return refused("(?"),
            other => out.push(other),
        }
    }
    out.push_str(r")\z");
    Regex::new(&out).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_must_match_the_whole_value() {
        for (pattern, good, bad) in [
            ("[0-9]{4}", "1234", "12345"),
            ("a|bc", "bc", "abc"),
            (r"\{[A-F]+\}", "{AB}", "AB"),
            ("a^b$", "a^b$", "ab"),
            (".", "я", "\n"),
            (r"[\s]x", " x", "\u{a0}x"),
            ("[^a]", "b", "a"),
        ] {
            let regex = compile(pattern).expect(pattern);
            assert!(matches(&regex, good), "{pattern} {good}");
            assert!(!matches(&regex, bad), "{pattern} {bad}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for pattern in [r"\w", r"\i\c*", r"\p{IsCyrillic}", "[a-z-[b]]", "(?i)a", "(", "a\\"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}
