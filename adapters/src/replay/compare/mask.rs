//! Places whose values may differ, and what a mask really hid.

use jiff::{Timestamp, civil};
use uuid::Uuid;

/// Masked in every request: what a gateway or a signer fills in, and credentials.
const ALWAYS: [&str; 8] = [
    "Header/Security",
    "requestInfo/messageDate",
    "messageInfo/messageDate",
    "sender/password",
    "Signature/SignatureValue",
    "Reference/DigestValue",
    "KeyInfo",
    "AddInfo/Signature",
];

/// One place.
#[derive(Debug, Clone)]
pub struct Mask {
    text: String,
    names: Vec<String>,
    is_whole: bool,
    is_of_case: bool,
    /// How often it matched.
    hits: usize,
    /// How often what it hid was different.
    needed: usize,
    /// How many elements lay inside what it hid.
    hidden: usize,
}

/// All masks of one comparison, with what they hid.
#[derive(Debug, Clone)]
pub struct Masks {
    all: Vec<Mask>,
    /// Values that no mask of a case should hide: those of the job's input.
    precious: Vec<String>,
    hid_precious: Vec<String>,
}

impl Masks {
    /// The masks that always hold, and those of a case. `precious` values are warned about where a
    /// mask of the case hides one.
    pub fn new(of_case: &[String], precious: Vec<String>) -> Self {
        let always = ALWAYS.iter().map(|text| Mask::new(text, false));
        let all = always.chain(of_case.iter().map(|text| Mask::new(text, true))).collect();
        Self { all, precious, hid_precious: Vec::new() }
    }

    /// Whether a place is masked; counts it.
    pub(super) fn hides(
        &mut self,
        path: &[String],
        expected: &str,
        got: &str,
        inside: usize,
    ) -> bool {
        let mut is_hidden = false;
        for mask in &mut self.all {
            if !mask.matches(path) {
                continue;
            }
            is_hidden = true;
            mask.hits += 1;
            mask.hidden = mask.hidden.max(inside);
            mask.needed += usize::from(expected.trim() != got.trim());
            let is_precious = self.precious.iter().any(|one| one == expected.trim());
            if mask.is_of_case && is_precious {
                self.hid_precious.push(mask.text.clone());
            }
        }
        is_hidden
    }

    /// What is wrong with the masks of the case, in words.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        for mask in self.all.iter().filter(|mask| mask.is_of_case) {
            let text = &mask.text;
            if mask.hits == 0 {
                all.push(format!("the mask \"{text}\" hides nothing: there is no such place"));
            } else if mask.hidden > 0 {
                let hidden = mask.hidden;
                all.push(format!("the mask \"{text}\" is wide: it hides {hidden} elements inside"));
            } else if mask.needed == 0 {
                all.push(format!("the mask \"{text}\" is not needed: the values are the same"));
            }
            if self.hid_precious.contains(text) {
                all.push(format!("the mask \"{text}\" hides a value of the job's own input"));
            }
        }
        all
    }
}

impl Mask {
    fn new(text: &str, is_of_case: bool) -> Self {
        let names = text.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let (is_whole, text) = (text.starts_with('/'), text.to_owned());
        Self { text, names, is_whole, is_of_case, hits: 0, needed: 0, hidden: 0 }
    }

    fn matches(&self, path: &[String]) -> bool {
        let Some(skipped) = path.len().checked_sub(self.names.len()) else { return false };
        if self.names.is_empty() || self.is_whole && skipped > 0 {
            return false;
        }
        self.names.iter().zip(&path[skipped..]).all(|(mask, name)| mask == "*" || mask == name)
    }
}

/// What a masked value must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Nothing,
    Instant,
    Date,
    Id,
    Number,
    Words,
}

/// Whether two masked values have the same form; else the names of both.
pub(super) fn same_shape(expected: &str, got: &str) -> Result<(), (&'static str, &'static str)> {
    let (expected, got) = (Shape::of(expected), Shape::of(got));
    if expected == got { Ok(()) } else { Err((expected.name(), got.name())) }
}

impl Shape {
    fn of(text: &str) -> Self {
        let text = text.trim();
        if text.is_empty() {
            Self::Nothing
        } else if text.trim_matches(['{', '}']).parse::<Uuid>().is_ok() {
            Self::Id
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::Number
        } else if text.contains('T')
            && (text.parse::<Timestamp>().is_ok() || text.parse::<civil::DateTime>().is_ok())
        {
            Self::Instant
        } else if text.parse::<civil::Date>().is_ok() {
            Self::Date
        } else {
            Self::Words
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing (masked)",
            Self::Instant => "an instant (masked)",
            Self::Date => "a date (masked)",
            Self::Id => "an id (masked)",
            Self::Number => "a number (masked)",
            Self::Words => "a text (masked)",
        }
    }
}
