//! The published schemas: `contracts/schemas/` holds exactly what the hub enforces and publishes,
//! and the jobs that the pages show fit.
//!
//! After a change of a type: `HUB_WRITE_SCHEMAS=1 cargo test -p adapters --test schemas`.

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        path::{Path, PathBuf},
        process::Command,
    };

    use adapters::{channel::AsyncChannel, settings::Settings, system::System, systems};
    use contracts::{
        asyncapi::{self, Described},
        case::Case,
        event::Event,
        job::job_schema,
        own::{self, CANCEL},
        schema::{self, Checker},
    };
    use serde_json::{Value, json};

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

    /// The AsyncAPI document, with the jobs of `JOBS.md` as its examples.
    fn asyncapi() -> Value {
        let jobs = page("contracts/JOBS.md");
        let mut examples: BTreeMap<String, Value> = BTreeMap::new();
        for block in blocks(&jobs, "json") {
            let value: Value = serde_json::from_str(block).expect("a block of JSON");
            if let Some(operation) = value["operation"].as_str() {
                examples.entry(operation.to_owned()).or_insert(value);
            }
        }
        let (mut described, mut inbound) = (Vec::new(), Vec::new());
        let mut specs = vec![&own::SPEC];
        for system in systems::all() {
            specs.push(system.spec());
            if begins(system.as_ref()) {
                inbound.push(system.spec().name);
            }
        }
        for spec in specs {
            described.extend(spec.operations.iter().map(|operation| Described {
                spec: operation,
                system_title: spec.title,
                example: examples[operation.name].clone(),
            }));
        }
        asyncapi::document(&described, &inbound)
    }

    /// Whether a system begins messages of its own.
    fn begins(system: &dyn System) -> bool {
        let mut settings = Settings::for_url("http://127.0.0.1:1/");
        for (name, value) in system.simulated("http://127.0.0.1:1") {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            settings.options.insert(name.to_owned(), text.into());
        }
        let adapter = system.connect(&settings).expect("an adapter");
        adapter.channel().is_some_and(AsyncChannel::begins)
    }

    /// A JSON value as YAML: one line a scalar, written as in JSON, which YAML reads as well.
    fn yaml(value: &Value, indent: usize, text: &mut String) {
        let pad = " ".repeat(indent);
        let nested = |value: &Value| match value {
            Value::Object(fields) => !fields.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        };
        match value {
            Value::Object(fields) if nested(value) => {
                for (name, value) in fields {
                    let plain = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
                    let key =
                        if name.chars().all(plain) { name.clone() } else { format!("{name:?}") };
                    text.push_str(&format!("{pad}{key}:"));
                    text.push_str(if nested(value) { "\n" } else { " " });
                    yaml(value, indent + 2, text);
                }
            }
            Value::Array(items) if nested(value) => {
                for item in items {
                    let mut inner = String::new();
                    yaml(item, indent + 2, &mut inner);
                    text.push_str(&format!("{pad}- {}", inner.trim_start()));
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)
            | Value::Array(_) => text.push_str(&format!("{value}\n")),
        }
    }

    fn yaml_text() -> String {
        let mut text = format!("# Generated: {WRITE}=1 cargo test -p adapters --test schemas\n");
        yaml(&asyncapi(), 0, &mut text);
        text
    }

    #[test]
    fn the_asyncapi_document_tells_where_a_job_without_an_operation_is_rejected() {
        let document = asyncapi();
        let channel = &document["channels"]["unknown.events"];
        assert_eq!(channel["address"], "unknown.{event}");
        assert_eq!(channel["parameters"]["event"]["enum"], json!(["rejected"]));
        let told = document["info"]["description"].as_str().expect("a text");
        assert!(told.contains("reply_to") && told.contains("correlation_id"), "{told}");
    }

    #[test]
    fn the_published_asyncapi_document_is_made_from_the_types() {
        let text = yaml_text();
        let file = folder().join("asyncapi.yaml");
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&file, &text).expect("a file");
        }
        let published = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(published == text, "old: run {WRITE}=1 cargo test -p adapters --test schemas");
    }

    /// Says each fault that the standard's own parser finds, and fails on the grave ones.
    const PARSE: &str = r#"
        import { Parser, fromFile } from "@asyncapi/parser";
        const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();
        const grave = diagnostics.filter((found) => found.severity === 0);
        for (const { path, message } of grave) console.error(path.join("."), message);
        process.exitCode = document && grave.length === 0 ? 0 : 1;
    "#;

    #[test]
    fn the_asyncapi_document_is_valid_by_the_official_parser() {
        let place = tempfile::tempdir().expect("a folder");
        let at = |name: &str| place.path().join(name);
        std::fs::write(at("check.mjs"), PARSE).expect("a file");
        let npm = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "@asyncapi/parser@3"])
            .current_dir(place.path())
            .output();
        if !npm.is_ok_and(|npm| npm.status.success()) {
            eprintln!("asyncapi.yaml was NOT parsed: Node, npm or @asyncapi/parser is missing");
            return;
        }
        let parse = |file: &Path| {
            let node = Command::new("node").arg(at("check.mjs")).arg(file).output();
            let node = node.expect("node");
            (node.status.success(), String::from_utf8_lossy(&node.stderr).into_owned())
        };
        let (good, faults) = parse(&folder().join("asyncapi.yaml"));
        assert!(good, "{faults}");
        // The check itself can fail.
        let broken = yaml_text().replace("\"routingKey\"", "\"elsewhere\"");
        std::fs::write(folder_copy(&at("copy")).join("asyncapi.yaml"), broken).expect("a file");
        assert!(!parse(&at("copy").join("asyncapi.yaml")).0, "a wrong binding is noticed");
    }

    /// The schemas beside the document, so that its references lead somewhere.
    fn folder_copy(to: &Path) -> &Path {
        std::fs::create_dir(to).expect("a folder");
        for name in published() {
            std::fs::copy(folder().join(&name), to.join(&name)).expect("a copy");
        }
        to
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
    fn the_jobs_that_the_pages_show_fit_their_schemas() {
        let schemas = job_schemas();
        let shown = |path: &str| {
            let mut shown = BTreeSet::new();
            for block in blocks(&page(path), "json") {
                let value: Value = serde_json::from_str(block).expect("a block of JSON");
                let Some(operation) = value["operation"].as_str() else { continue };
                let checker = Checker::new(&schemas[operation]).expect("a good schema");
                assert_eq!(checker.check(&value), [], "{path}: {operation}");
                shown.insert(operation.to_owned());
            }
            shown
        };
        let operations: BTreeSet<String> = schemas.keys().map(|&name| name.to_owned()).collect();
        assert_eq!(shown("contracts/JOBS.md"), operations, "a job of every operation");
        assert!(!shown("README.md").is_empty(), "the README shows a job");
    }

    #[test]
    fn the_events_of_the_readme_fit_their_schema() {
        let readme = page("README.md");
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

    /// A page of the project, by its path.
    fn page(path: &str) -> String {
        std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// The contents of the fenced blocks of a language.
    fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
        let fence = format!("```{language}\n");
        let after_fences = markdown.split(fence.as_str()).skip(1);
        after_fences.map(|rest| rest.split("\n```").next().unwrap_or_default()).collect()
    }
}
