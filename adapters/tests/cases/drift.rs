//! What a tester sees when a case and the adapters part: cases of this project, changed in one place.

use std::{fs, path::Path};

use adapters::replay::{Engine, Report, What};

use super::folder;

/// A folder of systems with one case, changed.
struct World {
    root: tempfile::TempDir,
    system: &'static str,
    case: &'static str,
}

impl World {
    fn of(system: &'static str, case: &'static str) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let copy = |from: &Path, to: &Path| {
            fs::create_dir_all(to).expect("a folder");
            for entry in fs::read_dir(from).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_file() {
                    fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
                }
            }
        };
        // Schemas import each other.
        for entry in fs::read_dir(folder()).expect("the folder of systems") {
            let from = entry.expect("an entry").path();
            copy(&from, &root.path().join(from.file_name().expect("a name")));
        }
        let cases = format!("{system}/cases/{case}");
        copy(&folder().join(&cases), &root.path().join(&cases));
        Self { root, system, case }
    }

    fn change(&self, file: &str, from: &str, to: &str) -> &Self {
        let path = self.root.path().join(self.system).join("cases").join(self.case).join(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{file} holds no {from}");
        fs::write(path, text.replacen(from, to, 1)).expect("written");
        self
    }

    fn add(&self, file: &str, text: &str) -> &Self {
        let path = self.root.path().join(self.system).join("cases").join(self.case).join(file);
        fs::write(path, text).expect("written");
        self
    }

    async fn check(&self) -> Report {
        let engine = Engine::open(self.root.path()).expect("readable");
        engine.check(&engine.cases()[0]).await
    }
}

fn only(report: &Report, what: What) -> String {
    let text = report.to_string();
    assert_eq!(report.findings.len(), 1, "{text}");
    assert_eq!(report.findings[0].what, what, "{text}");
    text
}

#[tokio::test]
async fn a_changed_code_is_named_with_the_case_that_expects_it() {
    let engine = Engine::open(&folder()).expect("readable");
    let world = World::of("gbdfl", "found");
    world.change("response.xml", "<code>00000</code>", "<code>99999</code>");
    let report = world.check().await;
    let text = only(&report, What::Outcome);
    assert!(text.contains("gbdfl/found"), "{text}");
    assert!(text.contains("expected answered, got failed (contract, unknown_result)"), "{text}");
    assert_eq!(report.closest, None, "no other case is in this folder");

    let other = World::of("gbdfl", "unknown_result");
    let folders = engine.cases().iter().find(|one| one.name == "unknown_result").expect("there");
    assert!(folders.case.is_ok());
    let cases = other.root.path().join("gbdfl/cases/found");
    fs::create_dir_all(&cases).expect("a folder");
    for file in ["case.toml", "request.xml", "response.xml"] {
        let from = world.root.path().join("gbdfl/cases/found").join(file);
        fs::copy(from, cases.join(file)).expect("a copy");
    }
    let engine = Engine::open(other.root.path()).expect("readable");
    let report = engine.check(&engine.cases()[0]).await;
    assert_eq!(report.closest.as_deref(), Some("gbdfl/unknown_result"));
}

#[tokio::test]
async fn a_missing_an_extra_and_a_moved_element_of_a_request_are_named_with_their_path() {
    let iin = "            <iin>850100300012</iin>\n";
    let sender = "            <senderCode>hub</senderCode>\n";
    let data = "/Envelope/Body/SendMessage/request/requestData/data";
    for (from, to, expected) in [
        (iin, "", format!("{data}: expected no such element, got iin")),
        (
            iin,
            &*format!("{iin}<surname>А</surname>"),
            format!("{data}: expected surname, got no such element"),
        ),
        (
            iin,
            "<iin>920300400029</iin>",
            format!("{data}/iin: expected \"920300400029\", got \"850100300012\""),
        ),
        (
            &*format!("{sender}{iin}"),
            &*format!("{iin}{sender}"),
            format!("{data}: expected iin (order), got senderCode"),
        ),
    ] {
        let world = World::of("gbdfl", "found");
        let report = world.change("request.xml", from, to).check().await;
        let text = report.to_string();
        assert_eq!(report.findings[0].what, What::Request, "{text}");
        assert!(text.contains(&expected), "{expected}: {text}");
    }
}

#[tokio::test]
async fn other_prefixes_blanks_and_an_empty_header_are_no_drift() {
    let world = World::of("gbdfl", "found");
    let path = world.root.path().join("gbdfl/cases/found/request.xml");
    let text = fs::read_to_string(&path).expect("a file").replace("soapenv:", "S:");
    let text = text.replace("xmlns:soapenv=", "xmlns:S=").replace("<S:Header/>", "");
    fs::write(path, text.replace("<iin>", "<iin>\n ").replace("typ", "q")).expect("written");
    let report = world.check().await;
    assert!(report.holds(), "{report}");
}

#[tokio::test]
async fn a_message_that_stopped_fitting_its_schema_is_named() {
    let world = World::of("gbdfl", "found");
    world.change("response.xml", "<removed>false</removed>", "<removed>нет</removed>");
    let text = world.check().await.to_string();
    assert!(text.contains("schema (response.xml): does not fit the schemas"), "{text}");
    assert!(text.contains("/data/persons/person/removed: \"нет\" is no boolean"), "{text}");

    let world = World::of("gbdfl", "no_iin");
    world.change("case.toml", "schema_valid = false", "schema_valid = true");
    let text = only(&world.check().await, What::Schema);
    assert!(text.contains("surname where iin belongs"), "{text}");
}

#[tokio::test]
async fn a_case_that_says_invalid_of_a_valid_message_fails() {
    let world = World::of("gbdfl", "found");
    world.change("case.toml", "schema_valid = true", "schema_valid = false");
    let text = only(&world.check().await, What::Schema);
    assert!(text.contains("fits the schemas, although"), "{text}");
}

#[tokio::test]
async fn a_mask_hides_a_value_and_warns_where_it_hides_too_much() {
    let mask = |text: &str| format!("http_status = 200\nmasks = [\"{text}\"]\n");
    let dated =
        "<messageDate>2026-03-02T10:00:00.000+05:00</messageDate>\n            <senderCode>";
    for (masked, to, holds, warning) in [
        ("data/messageDate", "2030-01-01T00:00:00.000+05:00", true, None),
        ("data/messageDate", "tomorrow", false, None),
        ("/messageDate", "2030-01-01T00:00:00.000+05:00", false, Some("hides nothing")),
        ("requestData/data", "2030-01-01T00:00:00.000+05:00", true, Some("is wide")),
    ] {
        let world = World::of("gbdfl", "found");
        world.change("request.xml", dated, &dated.replace("2026-03-02T10:00:00.000+05:00", to));
        let report = world.change("case.toml", "http_status = 200\n", &mask(masked)).check().await;
        let differences = report.findings.iter().filter(|one| one.what == What::Request).count();
        assert_eq!(differences == 0, holds, "{masked} {to}: {report}");
        let warned = report.warnings.join("; ");
        assert_eq!(
            warned.contains(warning.unwrap_or("mask")),
            warning.is_some(),
            "{masked}: {warned}"
        );
    }
    let world = World::of("gbdfl", "found");
    let report = world.change("case.toml", "http_status = 200\n", &mask("data/iin")).check().await;
    assert!(report.warnings.join("; ").contains("the job's own input"), "{:?}", report.warnings);
}

#[tokio::test]
async fn how_an_answer_comes_decides_too() {
    for (system, case, transport, class, code) in [
        ("gbdfl", "found", "refused", "unreachable", "not_sent"),
        ("gbdfl", "found", "reset", "unreachable", "connection_cut"),
        ("gbdfl", "found", "cut", "unreachable", "connection_cut"),
        ("gbdfl", "found", "silence", "unreachable", "timed_out"),
        ("kpsisu", "acknowledged", "reset", "indeterminate", "connection_cut"),
        ("kpsisu", "acknowledged", "silence", "indeterminate", "timed_out"),
    ] {
        let world = World::of(system, case);
        let path = world.root.path().join(format!("{system}/cases/{case}/case.toml"));
        let text = fs::read_to_string(&path).expect("a file");
        let (head, _) = text.split_once("[expected]").expect("a table");
        let head =
            head.replace("http_status", &format!("transport = \"{transport}\"\nhttp_status"));
        let expected = format!("outcome = \"failed\"\nclass = \"{class}\"\ncode = \"{code}\"\n");
        fs::write(path, format!("{head}[expected]\n{expected}")).expect("written");
        let report = world.check().await;
        assert!(report.holds(), "{transport}: {report}");
    }
}

const STORY: &str = r#"
title = "A check: acknowledged, an interim message, a day, the answer"
operation = "kpsisu.check"
provenance = "DESIGNED"

[job]
id = "3f0c2a52-6f0e-4d0e-9a7b-000000000001"
input = { iin = "850100300012" }

[[steps]]
out = "request.xml"
[[steps]]
in = "acknowledgement.xml"
schema_valid = true
expected = { outcome = "acknowledged" }
[[steps]]
in = "notification.xml"
schema_valid = true
expected = { outcome = "progress", summary = { status = "in_progress" } }
[[steps]]
wait = "1d"
[[steps]]
in = "response.xml"

[expected]
outcome = "answered"
summary = { verdict = "clear", certificate_number = "SIM-003575" }
portal = { verdict = "clear", certificate_date = "2026-03-02" }
"#;

#[tokio::test]
async fn a_story_of_several_messages_is_replayed_in_order() {
    let world = World::of("kpsisu", "clear");
    let read = |case: &str| {
        fs::read_to_string(folder().join(format!("kpsisu/cases/{case}/response.xml"))).expect(case)
    };
    world.add("acknowledgement.xml", &read("acknowledged"));
    world.add("notification.xml", &read("in_progress")).add("case.toml", STORY);
    let report = world.check().await;
    assert!(report.holds(), "{report}");

    world.change("case.toml", "in_progress\"", "additional_check\"");
    let text = only(&world.check().await, What::Outcome);
    assert!(text.contains("expected.summary.status"), "{text}");
}

#[tokio::test]
async fn a_request_that_no_step_holds_or_that_never_comes_is_named() {
    let world = World::of("kpsisu", "acknowledged");
    let story = STORY.split("[[steps]]\nin = \"notification.xml\"").next().expect("a beginning");
    let expected = "[[steps]]\nout = \"request.xml\"\n[[steps]]\nin = \"response.xml\"\n[expected]\n\
                    outcome = \"acknowledged\"\n";
    let text = story.replace("acknowledgement.xml", "response.xml");
    let text = text.replace("expected = { outcome = \"acknowledged\" }", "");
    world.add("case.toml", &format!("{text}{expected}"));
    let text = world.check().await.to_string();
    assert!(text.contains("request (request.xml): nothing was sent"), "{text}");
}

#[tokio::test]
async fn a_case_that_cannot_be_replayed_says_why() {
    for (from, to, expected) in [
        ("operation = \"gbdfl.person\"", "operation = \"kpsisu.check\"", "is not of gbdfl"),
        ("operation = \"gbdfl.person\"", "operation = \"gbdfl.nobody\"", "cannot be called"),
        ("850100300012", "850100300013", "job.input is not one that the hub takes"),
        ("iin =", "inn =", "job.input is not one that the hub takes"),
        ("title", "titel", "case.toml:1:1: titel: unknown field `titel`"),
        ("\"answered\"", "\"answred\"", "expected.outcome: unknown variant `answred`"),
    ] {
        let world = World::of("gbdfl", "found");
        let text = only(&world.change("case.toml", from, to).check().await, What::Case);
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let world = World::of("gbdfl", "found");
    fs::remove_file(world.root.path().join("gbdfl/cases/found/request.xml")).expect("removed");
    let text = only(&world.check().await, What::Case);
    assert!(text.contains("there is no request file"), "{text}");
}
