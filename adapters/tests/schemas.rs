//! The published schemas: `contracts/schemas/` holds exactly what the hub enforces and publishes,
//! and the jobs that the README shows fit.
//!
//! After a change of a type: `HUB_WRITE_SCHEMAS=1 cargo test -p adapters --test schemas`.

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        path::{Path, PathBuf},
    };

    use adapters::systems;
    use contracts::{
        case::Case,
        event::Event,
        job::job_schema,
        own::CANCEL,
        schema::{self, Checker},
    };
    use serde_json::Value;

    const WRITE: &str = "HUB_WRITE_SCHEMAS";

    fn repository() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder")
    }

    fn folder() -> PathBuf {
        repository().join("contracts/schemas")
    }

    /// The schema of each operation's job, by the operation's name.
    fn job_schemas() -> BTreeMap<&'static str, Value> {
        let mut all = BTreeMap::new();
        let cancel = schema::of::<contracts::own::CancelInput>();
        all.insert(CANCEL.name, job_schema(CANCEL.name, &cancel));
        for system in systems::all() {
            for operation in system.spec().operations {
                let (input, _) = system.input(operation);
                all.insert(operation.name, job_schema(operation.name, &input));
            }
        }
        all
    }

    /// File name → document.
    fn documents() -> BTreeMap<String, Value> {
        let mut all: BTreeMap<String, Value> = job_schemas()
            .into_iter()
            .map(|(operation, schema)| {
                (format!("{operation}.job.v1.json"), named(schema, &format!("{operation}.job")))
            })
            .collect();
        all.insert("event.v1.json".to_owned(), named(schema::of::<Event>(), "event"));
        all.insert("case.v1.json".to_owned(), named(schema::of::<Case>(), "case"));
        all
    }

    /// A published document has a name of its own, so that other documents can refer to it.
    fn named(mut schema: Value, name: &str) -> Value {
        schema["$id"] = format!("urn:aleumet:hub:schema:{name}:v1").into();
        schema
    }

    #[test]
    fn the_published_schemas_are_the_ones_that_are_enforced() {
        let documents = documents();
        if std::env::var_os(WRITE).is_some() {
            write(&documents);
        }
        let advice = format!("run {WRITE}=1 cargo test -p adapters --test schemas");
        for (name, document) in &documents {
            let published = std::fs::read_to_string(folder().join(name)).unwrap_or_default();
            let published: Option<Value> = serde_json::from_str(&published).ok();
            assert_eq!(published.as_ref(), Some(document), "{name} is old: {advice}");
        }
        let known: BTreeSet<String> = documents.into_keys().collect();
        assert_eq!(published(), known, "a schema of an operation that is gone? {advice}");
    }

    fn write(documents: &BTreeMap<String, Value>) {
        std::fs::create_dir_all(folder()).expect("a folder");
        for name in published().into_iter().filter(|name| !documents.contains_key(name)) {
            std::fs::remove_file(folder().join(name)).expect("an old schema");
        }
        for (name, document) in documents {
            let text = serde_json::to_string_pretty(document).expect("JSON") + "\n";
            std::fs::write(folder().join(name), text).expect("a file");
        }
    }

    /// The names of the schemas that are checked in.
    fn published() -> BTreeSet<String> {
        let files = std::fs::read_dir(folder()).expect("the folder of schemas");
        let paths = files.map(|file| file.expect("an entry").path());
        let schemas = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
        schemas.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
    }

    #[test]
    fn every_published_schema_can_be_used() {
        for (name, document) in documents() {
            Checker::new(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn the_jobs_of_the_readme_fit_their_schemas() {
        let readme = std::fs::read_to_string(repository().join("README.md")).expect("README.md");
        let schemas = job_schemas();
        let mut shown = BTreeSet::new();
        for block in blocks(&readme, "json") {
            let value: Value = serde_json::from_str(block).expect("a block of JSON");
            let Some(operation) = value["operation"].as_str() else { continue };
            let checker = Checker::new(&schemas[operation]).expect("a good schema");
            assert_eq!(checker.check(&value), [], "{operation}");
            shown.insert(operation.to_owned());
        }
        let operations: BTreeSet<String> = schemas.keys().map(|&name| name.to_owned()).collect();
        assert_eq!(shown, operations, "the README shows a job of every operation");
    }

    #[test]
    fn the_events_of_the_readme_fit_their_schema() {
        let readme = std::fs::read_to_string(repository().join("README.md")).expect("README.md");
        let checker = Checker::new(&schema::of::<Event>()).expect("a good schema");
        let mut events = 0;
        for block in blocks(&readme, "json") {
            let value: Value = serde_json::from_str(block).expect("a block of JSON");
            if value.get("specversion").is_some() {
                assert_eq!(checker.check(&value), []);
                events += 1;
            }
        }
        assert!(events > 0, "the README shows an event");
    }

    /// The contents of the fenced blocks of a language.
    fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
        let fence = format!("```{language}\n");
        let after_fences = markdown.split(fence.as_str()).skip(1);
        after_fences.map(|rest| rest.split("\n```").next().unwrap_or_default()).collect()
    }
}
