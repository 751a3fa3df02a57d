//! Jobs, case files and schemas.

use std::{collections::HashMap, fs, path::Path};

use adapters::{replay::schema::Schemas, systems};
use contracts::{
    case::{CASE_FILE, Case},
    job::{CONTENT_TYPE, Catalogue, Decoded, Incoming},
    schema::Checker,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    run::Target,
    seeds::{Seed, of_cases, systems as folder},
};

/// Jobs as the portal publishes them.
pub(crate) struct Jobs {
    seeds: Vec<Seed>,
    catalogue: Catalogue,
    published: HashMap<&'static str, Checker>,
}

impl Jobs {
    pub(crate) fn new() -> Self {
        let mut catalogue = Catalogue::default();
        let mut published = HashMap::new();
        for system in systems::all() {
            for operation in system.spec().operations {
                let (input, check) = system.input(operation);
                catalogue.add(operation, &input, check).expect("a schema");
                let file = format!("../schemas/{}.job.v1.json", operation.name);
                let text = fs::read_to_string(folder().join(file)).expect("published");
                let schema: Value = serde_json::from_str(&text).expect("JSON");
                published.insert(operation.name, Checker::new(&schema).expect("a schema"));
            }
        }
        let mut seeds = Vec::new();
        for one in of_cases(|case, name| name == CASE_FILE && case.job.is_some()) {
            let case = one.case.as_ref().expect("a case");
            let job = case.job.as_ref().expect("a job");
            let body = json!({
                "id": job.id, "operation": case.operation, "version": 1, "subject": "person:1",
                "requested_at": "2026-03-02T10:00:00+05:00", "requested_by": "organisation:990140000007",
                "priority": "interactive", "input": job.input,
                "consent": { "kind": "eds", "accepted_at": "2026-03-02T10:00:00+05:00", "text_version": "2019-10" },
            });
            seeds.push(Seed { bytes: body.to_string().into_bytes(), ..one });
        }
        Self { seeds, catalogue, published }
    }
}

impl Target for Jobs {
    fn name(&self) -> &'static str {
        "jobs"
    }

    fn seeds(&self) -> &[Seed] {
        &self.seeds
    }

    fn check(&self, seed: &Seed, bytes: &[u8]) -> Result<(), String> {
        let operation = seed.case.as_ref().expect("a case").operation.as_str();
        let incoming =
            Incoming { routing_key: operation, content_type: Some(CONTENT_TYPE), body: bytes };
        let decoded = self.catalogue.decode(incoming);
        let shown = format!("{decoded:?}");
        let json: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let beside = json.as_object().map(|all| all.iter().filter(|(key, _)| *key != "input"));
        let beside: String = beside.into_iter().flatten().map(|(_, one)| one.to_string()).collect();
        for name in ["850100300012", "ТЕСТОВ", "+77000000000"] {
            if shown.contains(name) && !beside.contains(name) {
                return Err("it prints a person".to_owned());
            }
        }
        match decoded {
            Decoded::Job(_) => {
                let value: Value =
                    serde_json::from_slice(bytes).map_err(|_| "a job that is no JSON")?;
                let errors = self.published[operation].check(&value);
                if errors.is_empty() {
                    return Ok(());
                }
                Err("a job is taken that its published schema refuses".to_owned())
            }
            Decoded::Rejected(_) | Decoded::Malformed(_) => Ok(()),
        }
    }
}

/// Files of cases, which testers write by hand.
pub(crate) struct Cases {
    seeds: Vec<Seed>,
    folder: TempDir,
}

impl Cases {
    pub(crate) fn new() -> Self {
        let seeds = of_cases(|_, name| name == CASE_FILE);
        Self { seeds, folder: tempfile::tempdir().expect("a folder") }
    }
}

impl Target for Cases {
    fn name(&self) -> &'static str {
        "cases"
    }

    fn seeds(&self) -> &[Seed] {
        &self.seeds
    }

    fn check(&self, _: &Seed, bytes: &[u8]) -> Result<(), String> {
        fs::write(self.folder.path().join(CASE_FILE), bytes).expect("writes");
        match Case::load(self.folder.path()) {
            Ok(case) => {
                case.story(self.folder.path(), |_| false).ok();
                Ok(())
            }
            Err(error) => {
                let lines = String::from_utf8_lossy(bytes).lines().count() + 1;
                if error.line <= lines {
                    Ok(())
                } else {
                    Err("an error is behind the end".to_owned())
                }
            }
        }
    }
}

/// Schemas, and messages against them.
pub(crate) struct Schemes {
    seeds: Vec<Seed>,
    known: Schemas,
    folder: TempDir,
}

impl Schemes {
    pub(crate) fn new() -> Self {
        let mut seeds =
            of_cases(|_, name| Path::new(name).extension().is_some_and(|end| end == "xml"));
        for system in fs::read_dir(folder()).expect("systems") {
            let system = system.expect("a system").path();
            for file in fs::read_dir(&system).expect("a folder") {
                let file = file.expect("a file").path();
                if file.extension().is_some_and(|end| end == "xsd") {
                    let name = format!("{}/{}", of(&system), of(&file));
                    let bytes = fs::read(&file).expect("reads");
                    seeds.push(Seed { name, bytes, case: None });
                }
            }
        }
        seeds.sort_by(|a, b| a.name.cmp(&b.name));
        let known = Schemas::load(&folder()).expect("schemas");
        Self { seeds, known, folder: tempfile::tempdir().expect("a folder") }
    }
}

fn of(path: &std::path::Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

impl Target for Schemes {
    fn name(&self) -> &'static str {
        "schemas"
    }

    fn seeds(&self) -> &[Seed] {
        &self.seeds
    }

    fn check(&self, seed: &Seed, bytes: &[u8]) -> Result<(), String> {
        let (system, file) = seed.name.split_once('/').expect("a system");
        if seed.case.is_some() {
            let faults = self.known.faults(system, bytes);
            return if faults.len() < 10_000 { Ok(()) } else { Err("too many faults".to_owned()) };
        }
        let root = self.folder.path().join("systems");
        fs::create_dir_all(root.join(system)).expect("a folder");
        fs::write(root.join(system).join(file), bytes).expect("writes");
        let told = match Schemas::load(&root) {
            Ok(schemas) => {
                schemas.faults(system, b"<data/>");
                Ok(())
            }
            Err(error) if error.to_string().contains(file) => Ok(()),
            Err(_) => Err("an error names no file".to_owned()),
        };
        fs::remove_dir_all(&root).expect("removes");
        told
    }
}
