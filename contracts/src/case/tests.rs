use std::path::Path;

use super::*;

const GOOD: &str = r#"title = "A person"
operation = "gbdfl.person"
provenance = "FOUND"
message = "response"

[job]
id = "3f0c2a52-6f0e-4d0e-9a7b-000000000001"
input = { iin = "850100300012" }

[expected]
outcome = "answered"
"#;

fn read(text: &str) -> Result<Case, CaseError> {
    Case::read(Path::new("cases/x/case.toml"), text)
}

/// The error after one change, as it is shown.
fn error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    read(&GOOD.replacen(from, to, 1)).expect_err(to).to_string()
}

#[test]
fn the_defaults_are_those_of_a_plain_case() {
    let case = read(GOOD).expect("good");
    assert_eq!(
        (case.http_status, case.call, case.transport),
        (200, Ask::Attempt, Transport::Answer)
    );
    assert_eq!(case.schema_valid, None);
    assert!(case.steps.is_empty() && case.masks.is_empty());
}

#[test]
fn an_error_names_file_line_and_key() {
    let at = |from: &str, to: &str, expected: &str| {
        let error = error(from, to);
        assert!(error.starts_with(&format!("cases/x/case.toml:{expected}")), "{error}");
    };
    at("title", "titel", "1:1: titel: unknown field `titel`");
    at("FOUND", "PUBLIC", "3:14: provenance: unknown variant `PUBLIC`");
    at("message", "http_status = \"200\"\nmessage", "4:15: http_status: invalid type");
    at("[job]", "[job]\nname = 1", "7:1: job.name: unknown field `name`");
    at("[expected]", "[expected]\nklass = \"x\"", "11:1: expected.klass: unknown field `klass`");
    at("\"response\"", "response", "4:11: message");
    at("message = \"response\"\n", "", "1:1: message: is missing");
    at("answered", "failed", "10:2: expected.class: is missing beside the outcome `failed`");
    at("outcome", "class = \"contract\"\noutcome", "11:1: expected.class: is only for");
    at(
        "outcome = \"answered\"",
        "outcome = \"failed\"\nclass = \"bad\"\ncode = \"x\"",
        "12:1: expected.class: is no class",
    );
    at("outcome", "again_in = \"soon\"\noutcome", "11:1: expected.again_in: is no duration");
}

#[test]
fn a_job_needs_an_id_and_an_input_or_nothing_at_all() {
    assert!(error("input = { iin = \"850100300012\" }\n", "").contains("missing field `input`"));
    assert!(error("id = \"3f0c2a52-6f0e-4d0e-9a7b-000000000001\"\n", "").contains("`id`"));
    let nobody = GOOD.replace("id = \"3f0c2a52-6f0e-4d0e-9a7b-000000000001\"\n", "");
    let nobody = nobody.replace("input = { iin = \"850100300012\" }\n", "");
    assert!(read(&nobody).expect_err("a response needs a job").text.contains("is missing"));
    let inbound = nobody.replace("\"response\"", "\"request\"");
    assert!(read(&inbound).expect("nobody asked").job.is_none());
}

#[test]
fn a_file_of_a_job_has_one_content() {
    let file = |content: &str| {
        let id = "3f0c2a52-6f0e-4d0e-9a7b-0000000000f1";
        let files =
            format!("files = [{{ id = \"{id}\", name = \"x\", media_type = \"y\"{content} }}]");
        read(&GOOD.replace("[expected]", &format!("{files}\n[expected]")))
    };
    assert!(file(", text = \"x\"").is_ok() && file(", base64 = \"eA==\"").is_ok());
    for bad in ["", ", text = \"x\", base64 = \"eA==\""] {
        assert!(file(bad).expect_err(bad).to_string().contains("job.files.0"), "{bad}");
    }
}

/// A story with these steps.
fn story(steps: &str) -> Result<Vec<Part>, CaseError> {
    let text = GOOD
        .replace("message = \"response\"\n", "")
        .replace("[expected]", &format!("{steps}[expected]"));
    read(&text)?.story(Path::new("cases/x"), |_| false)
}

#[test]
fn outs_and_ins_join_to_calls_until_something_is_expected_or_time_passes() {
    let parts = story(
        "[[steps]]\nout = \"1.json\"\n[[steps]]\nin = \"2.json\"\n[[steps]]\nout = \"3.xml\"\n\
         [[steps]]\nin = \"4.xml\"\nexpected = { outcome = \"interim\" }\n[[steps]]\nwait = \"1h30m\"\n\
         [[steps]]\nout = \"5.xml\"\n[[steps]]\nin = \"6.xml\"\n[[steps]]\nin = \"7.xml\"\n",
    );
    let parts = parts.expect("a story");
    let [
        Part::Call { exchanges, expected, .. },
        Part::Wait(wait),
        Part::Call { exchanges: last, expected: none, .. },
        Part::Push(push),
    ] = parts.as_slice()
    else {
        panic!("{parts:#?}");
    };
    assert_eq!((exchanges.len(), last.len()), (2, 1));
    assert_eq!(expected.as_ref().map(|one| one.outcome), Some(Outcome::Interim));
    assert_eq!(wait.as_secs(), 5400);
    assert_eq!(*none, None);
    assert_eq!(push.expected.as_ref().map(|one| one.outcome), Some(Outcome::Answered));
}

#[test]
fn a_story_that_makes_no_sense_is_refused() {
    for (steps, text) in [
        ("[[steps]]\nout = \"1\"\n[[steps]]\nout = \"2\"\n", "needs its `in`"),
        ("[[steps]]\nout = \"1\"\n", "has no `in`"),
        ("[[steps]]\nout = \"1\"\nin = \"2\"\n", "steps.0: needs exactly one"),
        ("[[steps]]\nstatus = 200\n", "steps.0: needs exactly one"),
        ("[[steps]]\nwait = \"soon\"\n", "steps.0.wait: is no duration"),
        ("[[steps]]\nin = \"1\"\nexpected = { outcome = \"failed\" }\n", "steps.0.expected.class"),
    ] {
        let error = story(steps).expect_err(steps).to_string();
        assert!(error.contains(text), "{steps}: {error}");
    }
}

#[test]
fn durations_are_read_in_the_units_of_the_field() {
    let seconds = |text: &str| duration(text).map(|one| one.as_secs());
    assert_eq!(seconds("90s"), Some(90));
    assert_eq!(seconds("2h"), Some(7_200));
    assert_eq!(seconds("5d"), Some(432_000));
    for bad in ["", "5", "soon", "-5m"] {
        assert_eq!(seconds(bad), None, "{bad}");
    }
}

#[test]
fn a_case_that_is_not_there_is_an_error_of_its_own() {
    let error = Case::load(Path::new("no/such/folder")).expect_err("nothing there");
    assert_eq!((error.line, error.key.as_str()), (0, ""));
    assert!(error.to_string().starts_with("no/such/folder/case.toml: "), "{error}");
}
