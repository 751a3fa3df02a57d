//! A tester's file of stands: where each system is asked in a contract replay, and as whom.
//!
//! ```toml
//! [systems.gbdfl]
//! url = "https://stand.example/bip-sync/"
//! sender_id = "portal"
//! password = "env:STAND_SHEP_PASSWORD"   # or: password_file = "/run/secrets/shep"
//! rate = 2                               # requests in a second
//! note = "up from 9 to 18"
//! ```
//!
//! The keys are those of the hub's own settings, so a stand can be copied from them. `env:NAME`
//! stands for the value of an environment variable, in any text.
//!
//! *Guarantee*: all faults are told at once; a value from the environment or of a secret never is.

use std::{collections::BTreeMap, path::Path};

use adapters::{settings::Settings, systems};
use toml::{Table, Value};

use super::{Error, Problem, read_system, reader::Reader, table};

/// One system of a stand.
#[derive(Debug)]
pub struct Stand {
    /// Address and credentials.
    pub settings: Settings,
    /// Requests in a second, at most.
    pub rate: Option<f64>,
    /// What a tester should know.
    pub note: Option<String>,
}

const FROM_ENVIRONMENT: &str = "env:";
const RATE: std::ops::RangeInclusive<f64> = 0.01..=1_000.0;

/// Reads the file; `variable` finds a variable of the environment.
pub fn stands(
    path: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<&'static str, Stand>, Error> {
    let mut root = table(Some(path))?;
    let mut faults = Faults { all: Vec::new(), hidden: Vec::new() };
    let mut own = faults.of_stands(&mut root);
    faults.resolve(&mut root, "", &variable);
    let mut reader = Reader::new(root, []);
    let mut found = BTreeMap::new();
    for system in systems::all() {
        let spec = system.spec();
        let is_named = own.contains_key(spec.name);
        match read_system(&mut reader, spec, system.options(), &BTreeMap::new()) {
            Some(settings) => {
                let (rate, note) = own.remove(spec.name).unwrap_or_default();
                found.insert(spec.name, Stand { settings, rate, note });
            }
            None if is_named => {
                let key = format!("systems.{}.url", spec.name);
                reader.problem(&key, "missing", "a URL that begins with http:// or https://", ());
            }
            None => {}
        }
    }
    let hidden = faults.hidden;
    let mut all = faults.all;
    all.extend(reader.finish().into_iter().map(|problem| hide(problem, &hidden)));
    if found.is_empty() && all.is_empty() {
        all.push(fault("systems", "missing", "a section such as [systems.gbdfl]"));
    }
    all.sort();
    if all.is_empty() { Ok(found) } else { Err(Error::Problems(all)) }
}

/// Faults of what only a file of stands has.
struct Faults {
    all: Vec<Problem>,
    /// Keys whose values came from the environment.
    hidden: Vec<String>,
}

impl Faults {
    /// Takes out what the hub's own settings do not have.
    fn of_stands(&mut self, root: &mut Table) -> BTreeMap<String, (Option<f64>, Option<String>)> {
        let known: Vec<&str> = systems::all().iter().map(|one| one.spec().name).collect();
        let mut found = BTreeMap::new();
        let Some(Value::Table(systems)) = root.get_mut("systems") else { return found };
        let unknown: Vec<String> =
            systems.keys().filter(|name| !known.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            systems.remove(&name);
            let expected = format!("one of {}", known.join(", "));
            self.all.push(fault(&format!("systems.{name}"), "unknown", &expected));
        }
        for (name, section) in systems.iter_mut() {
            let Value::Table(section) = section else { continue };
            let rate = section.remove("rate").and_then(|value| self.rate(name, &value));
            let note = section.remove("note").and_then(|value| value.as_str().map(str::to_owned));
            found.insert(name.clone(), (rate, note));
        }
        found
    }

    fn rate(&mut self, system: &str, value: &Value) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a rate is a small number")]
        let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        let rate = number.filter(|number| RATE.contains(number));
        if rate.is_none() {
            let expected = "requests in a second: a number from 0.01 to 1000";
            self.all.push(fault(&format!("systems.{system}.rate"), &value.to_string(), expected));
        }
        rate
    }

    /// Puts the values of variables where they are named.
    fn resolve(
        &mut self,
        table: &mut Table,
        prefix: &str,
        variable: &impl Fn(&str) -> Option<String>,
    ) {
        for (key, value) in table.iter_mut() {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(inner) => self.resolve(inner, &path, variable),
                Value::String(text) => {
                    let Some(name) = text.strip_prefix(FROM_ENVIRONMENT) else { continue };
                    let name = name.trim().to_owned();
                    self.hidden.push(path.clone());
                    if let Some(found) = variable(&name).filter(|found| !found.is_empty()) {
                        *text = found;
                    } else {
                        let named = format!("{FROM_ENVIRONMENT}{name}");
                        let expected = "a variable that is set in the environment";
                        self.all.push(fault(&path, &named, expected));
                    }
                }
                Value::Integer(_)
                | Value::Float(_)
                | Value::Boolean(_)
                | Value::Datetime(_)
                | Value::Array(_) => {}
            }
        }
    }
}

fn fault(key: &str, value: &str, expected: &str) -> Problem {
    Problem { key: key.to_owned(), value: value.to_owned(), expected: expected.to_owned() }
}

/// A fault about a variable's value does not show it.
fn hide(problem: Problem, hidden: &[String]) -> Problem {
    if hidden.contains(&problem.key) {
        Problem { value: "(hidden)".to_owned(), ..problem }
    } else {
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<&'static str, Stand>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("stands.toml");
        std::fs::write(&file, text).expect("a file");
        let variable = |name: &str| (name == "SET").then(|| "s3cret word".to_owned());
        stands(&file, variable).map_err(|error| error.to_string())
    }

    #[test]
    fn a_stand_has_the_keys_of_the_settings_a_rate_and_a_note() {
        let text = "[systems.gbdfl]\nurl = \"https://stand.example/sync/\"\npassword = \"env:SET\"\n\
                    rate = 0.5\nnote = \"from 9 to 18\"\n[systems.mzrk]\nurl = \"http://x/\"\nrate = 2";
        let stands = read(text).expect("good");
        assert_eq!(stands.keys().copied().collect::<Vec<_>>(), ["gbdfl", "mzrk"]);
        let gbdfl = &stands["gbdfl"];
        assert_eq!((gbdfl.rate, gbdfl.note.as_deref()), (Some(0.5), Some("from 9 to 18")));
        let password = gbdfl.settings.password.as_ref().expect("from the environment");
        assert_eq!(secrecy::ExposeSecret::expose_secret(password), "s3cret word");
        assert_eq!(stands["mzrk"].rate, Some(2.0));
        assert!(!format!("{stands:?}").contains("s3cret"));
    }

    #[test]
    fn all_faults_are_told_at_once_and_no_value_of_a_variable_is() {
        let text = "[systems.gbdfl]\nurl = \"env:SET\"\npassword = \"env:UNSET\"\nrate = 0\n\
                    [systems.mzrk]\nsender_id = \"x\"\npassword_file = \"/no/such/file\"\n\
                    [systems.kazpots]\nurl = \"http://x/\"\n\
                    [systems.mgov]\nurl = \"http://x/\"\npasword = \"x\"\nin_flight_max = \"env:SET\"";
        let told = read(text).expect_err("faults");
        for part in [
            "systems.gbdfl.url: (hidden); expected a URL that begins with",
            "systems.gbdfl.password: env:UNSET; expected a variable that is set",
            "systems.gbdfl.rate: 0; expected requests in a second",
            "systems.mzrk.url: missing",
            "systems.mzrk.password_file: /no/such/file; expected a readable file",
            "systems.kazpots: unknown; expected one of ",
            "systems.mgov.pasword: unknown; expected no such setting",
            "systems.mgov.in_flight_max: (hidden); expected a whole number",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
        assert!(!told.contains("s3cret"), "{told}");
        assert!(read("").expect_err("nothing").contains("a section such as [systems.gbdfl]"));
    }
}
