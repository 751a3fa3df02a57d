//! What may stay in a recorded message: `record.toml` beside a system's schemas.
//!
//! *Guarantee*: a place that is not listed is not kept. A listed code is kept only where it looks
//! like one ([`is_code`]), a listed text only where a checked-in case holds the same text.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
};

use serde::Deserialize;

use super::markup::{self, Content, Node};

/// The file.
pub(super) const FILE: &str = "record.toml";
/// What all systems behind the gateway share.
const SHARED: &str = "shep";
/// Longer codes are none.
const CODE_CHARS_MAX: usize = 40;
/// More digits in a row are a number of somebody.
const CODE_DIGITS_MAX: usize = 5;
const ENUMERATION: &str = "enumeration value=\"";

/// The rules of one system.
#[derive(Debug, Default)]
pub(super) struct Rules {
    file: RulesFile,
    /// Values that a schema lists.
    listed: BTreeSet<String>,
    /// Texts of checked-in cases, by the element that holds them.
    known: HashMap<String, BTreeSet<String>>,
    /// Stand-ins that are files.
    files: BTreeMap<String, String>,
}

/// One file. A place is the end of a path of local names or keys: `status/code`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RulesFile {
    /// Codes, flags and numbers that say nothing of a person.
    keep: Vec<String>,
    /// Texts of a dictionary.
    texts: Vec<String>,
    /// Names of people, beyond those that every system shares.
    names: Vec<String>,
    /// What always stands there.
    constants: BTreeMap<String, String>,
    /// What always stands there, in a file beside this one.
    files: BTreeMap<String, String>,
}

/// What becomes of a value at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict<'r> {
    /// It stays.
    Keep,
    /// It stays, unless it holds a word of the original.
    Text,
    /// This stands there instead, whatever it was.
    Constant(&'r str),
    /// It is a name.
    Name,
    /// It is replaced by what it looks like.
    Replace,
}

impl Rules {
    /// Reads the rules of a system, of the gateway, and the words of the checked-in cases.
    pub(super) fn load(systems: &Path, system: &str, choices: &[String]) -> Result<Self, String> {
        let mut rules = Self::default();
        rules.listed.extend(choices.iter().cloned());
        for folder in [SHARED, system] {
            let folder = systems.join(folder);
            rules.read(&folder)?;
        }
        let Ok(cases) = fs::read_dir(systems.join(system).join("cases")) else { return Ok(rules) };
        for case in cases.flatten() {
            let files = fs::read_dir(case.path()).into_iter().flatten().flatten();
            for file in files.filter(|file| file.path().extension().is_some_and(|end| end == "xml"))
            {
                let text = fs::read_to_string(file.path()).unwrap_or_default();
                rules.learn(&text);
            }
        }
        Ok(rules)
    }

    fn read(&mut self, folder: &Path) -> Result<(), String> {
        let path = folder.join(FILE);
        if path.is_file() {
            let wrong = |text: String| format!("{}: {text}", path.display());
            let text = fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
            let file: RulesFile =
                toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
            for (place, name) in &file.files {
                let text = fs::read_to_string(folder.join(name));
                let text = text.map_err(|error| wrong(format!("{name}: {error}")))?;
                self.files.insert(place.clone(), text.trim_end().to_owned());
            }
            self.file.keep.extend(file.keep);
            self.file.texts.extend(file.texts);
            self.file.names.extend(file.names);
            self.file.constants.extend(file.constants);
        }
        for schema in fs::read_dir(folder).into_iter().flatten().flatten() {
            if schema.path().extension().is_some_and(|end| end == "xsd") {
                let text = fs::read_to_string(schema.path()).unwrap_or_default();
                let values = text.split(ENUMERATION).skip(1);
                let values = values.filter_map(|rest| rest.split('"').next());
                self.listed.extend(values.map(str::to_owned));
            }
        }
        Ok(())
    }

    /// Remembers the texts of a checked-in message.
    fn learn(&mut self, text: &str) {
        if let Some(tree) = markup::read(text) {
            self.learn_node(&tree.root);
        }
    }

    fn learn_node(&mut self, node: &Node) {
        for content in &node.content {
            match content {
                Content::Element(child) => self.learn_node(child),
                Content::Text { text, .. } if text.trim_start().starts_with('<') => {
                    self.learn(text);
                }
                Content::Text { text, .. } => {
                    let known = self.known.entry(node.local().to_owned()).or_default();
                    known.insert(text.trim().to_owned());
                }
            }
        }
    }

    /// What the rules themselves put in place of something.
    pub(super) fn constants(&self) -> impl Iterator<Item = &str> {
        self.file.constants.values().chain(self.files.values()).map(String::as_str)
    }

    /// What becomes of a value.
    pub(super) fn of(&self, path: &[String], value: &str) -> Verdict<'_> {
        let find = |all: &'_ BTreeMap<String, String>| {
            all.iter().find(|(place, _)| ends_with(path, place)).map(|(place, _)| place.clone())
        };
        if let Some(place) = find(&self.files) {
            return Verdict::Constant(&self.files[&place]);
        }
        if let Some(place) = find(&self.file.constants) {
            return Verdict::Constant(&self.file.constants[&place]);
        }
        let is_at = |places: &[String]| places.iter().any(|place| ends_with(path, place));
        if is_person_name(path) || is_at(&self.file.names) {
            return Verdict::Name;
        }
        let local = path.last().map(String::as_str).unwrap_or_default();
        let is_known = || self.known.get(local).is_some_and(|all| all.contains(value));
        let is_kept = matches!(value, "true" | "false")
            || is_time_of_day(value)
            || self.listed.contains(value)
            || (is_at(&self.file.keep) && is_code(value));
        if is_kept {
            Verdict::Keep
        } else if is_at(&self.file.texts) && is_known() {
            Verdict::Text
        } else {
            Verdict::Replace
        }
    }
}

/// Whether a value has the form of a code: short, ASCII, no long number.
pub(super) fn is_code(value: &str) -> bool {
    let is_char = |c: char| c.is_ascii_alphanumeric() || "_.:-/".contains(c);
    let longest = value.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    value.len() <= CODE_CHARS_MAX && value.chars().all(is_char) && longest <= CODE_DIGITS_MAX
}

/// `18:59`, `18:59:00`: without its day it is nobody's.
pub(super) fn is_time_of_day(value: &str) -> bool {
    let parts: Vec<&str> = value.split(':').collect();
    let is_part = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    (2..=3).contains(&parts.len()) && parts.iter().all(is_part)
}

/// Names of people, whatever the rules of a system say.
pub(super) fn is_person_name(path: &[String]) -> bool {
    const NAMES: [&str; 16] = [
        "surname",
        "middlename",
        "patronymic",
        "firstname",
        "lastname",
        "givenname",
        "engfirstname",
        "engsurname",
        "rcpnname",
        "sndrname",
        "fullname",
        "leadername",
        "fio",
        "receiver/name",
        "recipient/name",
        "person/name",
    ];
    const MORE: [&str; 6] = [
        "document/name",
        "owner/namerus",
        "owner/namekaz",
        "organizationleader/name",
        "leader/name",
        "foundersfl/name",
    ];
    let path: Vec<String> = path.iter().map(|one| one.to_lowercase()).collect();
    NAMES.iter().chain(&MORE).any(|place| ends_with(&path, place))
}

/// Whether a path ends with a place.
fn ends_with(path: &[String], place: &str) -> bool {
    let mut path = path.iter().rev();
    place.rsplit('/').all(|name| path.next().is_some_and(|one| one == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn a_code_is_short_ascii_and_holds_no_long_number() {
        for code in ["SCSS001", "00000", "soapenv:Server", "0.250", "1/2", "application/pdf"] {
            assert!(is_code(code), "{code}");
        }
        for other in ["850100300012", "А", "AP000000014KZ", "77000000001", "two words", "a@b.kz"] {
            assert!(!is_code(other), "{other}");
        }
    }

    #[test]
    fn what_is_not_listed_is_not_kept_and_a_name_never() {
        let file = RulesFile {
            keep: vec!["status/code".to_owned(), "surname".to_owned()],
            texts: vec!["status/nameRu".to_owned()],
            ..RulesFile::default()
        };
        let mut rules = Rules { file, ..Rules::default() };
        rules.learn("<a><nameRu>Зарегистрирован</nameRu></a>");
        let of = |at: &str, value: &str| rules.of(&path(at), value);
        assert_eq!(of("a/status/code", "00"), Verdict::Keep);
        assert_eq!(of("a/code", "00"), Verdict::Replace);
        assert_eq!(of("a/status/code", "850100300012"), Verdict::Replace);
        assert_eq!(of("a/status/nameRu", "Зарегистрирован"), Verdict::Text);
        assert_eq!(of("a/status/nameRu", "Иванов"), Verdict::Replace);
        assert_eq!(of("a/surname", "IVANOV"), Verdict::Name);
    }
}
