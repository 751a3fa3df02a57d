//! `hub contracts replay` against `hub simulate` in another process.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use serde_json::{Value, json};

use super::bench::{Copy, Said, Simulator, hub, hub_with, systems};

pub fn replay(target: &str, more: &[&str]) -> Said {
    let cases = systems();
    let cases = cases.to_str().expect("a path");
    hub(&[&["replay", "--cases", cases, "--target", target], more].concat())
}

/// A call of the simulator's control API.
pub fn control(simulator: &Simulator, path: &str, body: &Value) {
    let address = simulator.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("the simulator listens");
    let body = body.to_string();
    write!(
        stream,
        "POST /control/{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn all_query_cases_replay_without_drift_and_commands_are_left_out() {
    let simulator = Simulator::start();
    let said = replay(&simulator.url, &["--json"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let json = said.json();
    assert!(json["counts"]["passed"].as_u64() >= Some(120), "{}", json["counts"]);
    assert_eq!((&json["counts"]["drift"], &json["counts"]["unreached"]), (&json!(0), &json!(0)));
    let left_out = json["left_out"].to_string();
    assert!(left_out.contains("a command; --allow-commands sends it"), "{left_out}");
    for case in json["cases"].as_array().expect("cases") {
        let is_command = case["operation"] == "kpsisu.check";
        assert!(!is_command || case["verdict"] == "skipped", "{case}");
    }
}

#[test]
fn commands_are_sent_where_they_are_allowed() {
    let simulator = Simulator::start();
    let said = replay(&simulator.url, &["--json", "--system", "mgov", "--allow-commands"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let json = said.json();
    assert_eq!(json["counts"]["skipped"], 0);
    let said = replay(&simulator.url, &["--json", "--case", "convicted", "--allow-commands"]);
    let json = said.json();
    assert_eq!(json["cases"][0]["verdict"], "passed");
    assert!(json["cases"][0]["note"].to_string().contains("only the acknowledgement"), "{json}");
}

#[test]
fn a_changed_answer_is_named_by_case_path_expected_and_got() {
    let simulator = Simulator::start();
    let order = json!({ "system": "gbdfl", "behaviour": "unknown_result", "iin": "850100300012" });
    control(&simulator, "next", &order);
    let said = replay(&simulator.url, &["--system", "gbdfl", "--case", "found"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    for part in [
        "DRIFT gbdfl/found: A person, alive, with documents and an address",
        "changed code at /Envelope/Body/SendMessageResponse/response/responseData/data\
         /messageResult/code",
        "expected \"00000\"",
        "got      \"",
        "another outcome at expected.outcome",
        "1 of 1 cases drift",
    ] {
        assert!(said.out.contains(part), "no {part:?} in\n{}", said.out);
    }
}

#[test]
fn a_stand_is_asked_what_it_can_answer_and_the_rest_is_skipped_with_the_reason() {
    let simulator = Simulator::start();
    let said =
        replay(&simulator.url, &["--as-stand", "--json", "--system", "gbdfl", "--rate", "50"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let json = said.json();
    assert_eq!(json["counts"]["passed"], 4);
    let left_out = json["left_out"].to_string();
    assert!(left_out.contains("cannot be ordered from a stand"), "{left_out}");
}

#[test]
fn a_replay_that_asked_nothing_is_no_success() {
    let simulator = Simulator::start();
    let said =
        replay(&simulator.url, &["--as-stand", "--system", "kazpost", "--case", "label_refused"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("nothing was asked, so nothing is known"), "{}", said.out);
    assert!(said.out.contains("skipped 1: "), "{}", said.out);
}

#[test]
fn the_files_of_the_cases_can_be_sent_instead() {
    let simulator = Simulator::start();
    let said = replay(&simulator.url, &["--as-recorded", "--json", "--system", "mzrk"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.json()["counts"]["passed"].as_u64() > Some(30), "{}", said.out);
}

#[test]
fn a_target_that_nobody_listens_at_is_no_drift_but_a_failure() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    let target = format!("http://tester:s3cret@{address}");
    let said = replay(&target, &["--system", "gbdfl", "--rate", "500"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("NO ANSWER gbdfl/found: unreachable (not_sent)"), "{}", said.out);
    assert!(said.out.contains("no answer to 4 of 4 cases"), "{}", said.out);
    assert!(!format!("{}{}", said.out, said.err).contains("s3cret"), "{}", said.out);
    assert_eq!(replay("ftp://x", &[]).code, 2);
    assert_eq!(hub(&["replay"]).code, 2);
}

#[test]
fn an_answer_that_no_longer_fits_the_schema_is_drift() {
    let simulator = Simulator::start();
    let copy = Copy::of("gbdfl/several_persons").change_schema(
        "gbdfl/data.xsd",
        "name=\"messageResult\"",
        "name=\"messageOutcome\"",
    );
    let said = hub(&["replay", "--cases", copy.path(), "--target", &simulator.url]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("schema at response.xml"), "{}", said.out);
    assert!(said.out.contains("expected fits the schemas"), "{}", said.out);
}

#[test]
fn faults_of_a_stands_file_are_told_at_once_and_a_good_one_is_used() {
    let simulator = Simulator::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("stands.toml");
    let path = file.to_str().expect("a path");
    let cases = systems();
    let cases = cases.to_str().expect("a path");
    let run = |text: &str, more: &[&str]| {
        std::fs::write(&file, text).expect("a file");
        let arguments = [&["replay", "--cases", cases, "--stands", path], more].concat();
        hub_with(&arguments, &[("STAND_PASSWORD", "s3cret word")])
    };
    let bad =
        "[systems.gbdfl]\nurl = \"x\"\npassword = \"env:UNSET_HERE\"\n[systems.nobody]\nurl=\"\"";
    let said = run(bad, &[]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    for part in ["systems.gbdfl.url", "env:UNSET_HERE", "systems.nobody: unknown"] {
        assert!(said.err.contains(part), "no {part:?} in\n{}", said.err);
    }
    let good = format!(
        "[systems.gbdfl]\nurl = \"{}/gbdfl/\"\npassword = \"env:STAND_PASSWORD\"\nrate = 100\n\
         note = \"from 9 to 18\"",
        simulator.url
    );
    let said = run(&good, &[]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("no drift in 4 cases"), "{}", said.out);
    assert!(said.out.contains("the stands file does not name this system"), "{}", said.out);
    assert!(!format!("{}{}", said.out, said.err).contains("s3cret"));
}

#[test]
fn slower_than_the_baseline_is_drift_and_a_baseline_is_written() {
    let simulator = Simulator::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("timings.json");
    let path = file.to_str().expect("a path");
    let choice = ["--system", "gbdfl", "--case", "found"];
    let said = replay(&simulator.url, &[&choice[..], &["--save-timings", path]].concat());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let text = std::fs::read_to_string(&file).expect("written");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert!(json["cases"]["gbdfl/found"].is_u64(), "{text}");
    let before = "{\"version\": 1, \"cases\": {\"gbdfl/found\": 0}}";
    std::fs::write(&file, before).expect("a file");
    let more = ["--timings", path, "--slower-factor", "1", "--slower-floor-ms", "0"];
    let said = replay(&simulator.url, &[&choice[..], &more].concat());
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.out.contains("slower than before at time"), "{}", said.out);
    std::fs::write(&file, "{\"version\": 2, \"cases\": {}}").expect("a file");
    assert_eq!(replay(&simulator.url, &["--timings", path]).code, 2);
}
