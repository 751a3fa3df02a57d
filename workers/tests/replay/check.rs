//! What `hub contracts check` says of spoilt copies of real cases.

use super::bench::{Copy, Said, hub, systems};

fn check(copy: &Copy) -> Said {
    hub(&["check", "--cases", copy.path()])
}

#[track_caller]
fn fails(copy: &Copy, parts: &[&str]) {
    let said = check(copy);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    for part in parts {
        assert!(said.out.contains(part), "no {part:?} in\n{}", said.out);
    }
    assert!(!said.out.contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn every_case_holds_and_there_are_at_least_120_in_eight_systems() {
    let cases = systems();
    let said = hub(&["check", "--json", "--cases", cases.to_str().expect("a path")]);
    assert_eq!(said.code, 0, "{}", said.out);
    let json = said.json();
    assert!(json["checked"].as_u64() >= Some(120), "{}", json["checked"]);
    let all = json["cases"].as_array().expect("cases");
    let names: std::collections::BTreeSet<_> =
        all.iter().map(|one| one["system"].as_str()).collect();
    assert_eq!(names.len(), 8);
}

#[test]
fn a_changed_code_fails_with_what_was_learned_and_the_place() {
    let copy = Copy::of("gbdfl/found").change(
        "response.xml",
        "<code>00000</code>",
        "<code>SIM-77777</code>",
    );
    fails(
        &copy,
        &[
            "FAILS gbdfl/found: A person, alive, with documents and an address",
            "outcome (case.toml)",
            "expected.outcome: expected answered, got failed (contract, unknown_result)",
            "1 of 1 cases fail",
        ],
    );
}

#[test]
fn a_missing_element_of_the_request_fails_with_its_path() {
    let copy = Copy::of("gbdfl/found").change(
        "request.xml",
        "<serviceId>GBDFL_UniversalServiceSync</serviceId>",
        "",
    );
    fails(
        &copy,
        &[
            "request (request.xml)",
            "/Envelope/Body/SendMessage/request/requestInfo: expected no such element, got serviceId",
        ],
    );
}

#[test]
fn an_extra_element_of_the_request_fails_with_its_path() {
    let copy = Copy::of("gbdfl/found").change("request.xml", "<iin>", "<extra>1</extra><iin>");
    fails(
        &copy,
        &["request (request.xml)", "/requestData/data: expected extra, got no such element"],
    );
}

#[test]
fn a_missing_element_of_the_answer_fails_by_schema_and_outcome() {
    let copy = Copy::of("gbdfl/found").change("response.xml", "<code>SCSS001</code>", "");
    fails(&copy, &["schema (response.xml): does not fit the schemas", "outcome (case.toml)"]);
}

#[test]
fn an_extra_element_of_the_answer_fails_by_its_schema() {
    let copy = Copy::of("gbdfl/found").change(
        "response.xml",
        "<responseInfo>",
        "<responseInfo><extra>1</extra>",
    );
    fails(&copy, &["schema (response.xml): does not fit the schemas", "extra"]);
}

#[test]
fn a_foreign_prefix_passes() {
    let request = |from: &str, to: &str| Copy::of("gbdfl/found").change("request.xml", from, to);
    let copy = request("xmlns:typ=", "xmlns:other=")
        .change("request.xml", "<typ:SendMessage>", "<other:SendMessage>")
        .change("request.xml", "</typ:SendMessage>", "</other:SendMessage>")
        .change("response.xml", "xmlns:typ=", "xmlns:other=")
        .change("response.xml", "<typ:SendMessageResponse>", "<other:SendMessageResponse>")
        .change("response.xml", "</typ:SendMessageResponse>", "</other:SendMessageResponse>");
    let said = check(&copy);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("every case holds"), "{}", said.out);
}

#[test]
fn a_mask_that_is_too_wide_warns_and_fails_nothing() {
    for (mask, warning) in [
        ("requestData/data", "the mask \"requestData/data\" is wide: it hides"),
        ("data/iin", "the mask \"data/iin\" hides a value of the job's own input"),
        ("no/such/place", "the mask \"no/such/place\" hides nothing"),
    ] {
        let masks = format!("masks = [\"{mask}\"]\n[job]");
        let copy = Copy::of("gbdfl/found").change("case.toml", "[job]", &masks);
        let said = check(&copy);
        assert_eq!(said.code, 0, "{}", said.out);
        assert!(said.out.contains(&format!("LOOK  gbdfl/found: {warning}")), "{}", said.out);
    }
}

#[test]
fn a_case_that_cannot_be_read_names_line_and_key() {
    let copy = Copy::of("gbdfl/found").change("case.toml", "outcome", "outcom");
    fails(&copy, &["case (case.toml): ", "case.toml:", "outcom"]);
}

#[test]
fn the_list_tells_what_each_case_needs() {
    let cases = systems();
    let cases = cases.to_str().expect("a path");
    let said = hub(&["list", "--cases", cases, "--system", "gbdfl", "--json"]);
    let all = said.json();
    let of = |name: &str| {
        let all = all.as_array().expect("a list");
        all.iter().find(|one| one["case"] == name).cloned().expect(name)
    };
    assert_eq!(
        (of("found")["behaviour"].as_str(), of("found")["kind"].as_str()),
        (None, Some("query"))
    );
    assert_eq!(of("not_found_b")["behaviour"], "not_found_b");
    let table = hub(&["list", "--cases", cases, "--case", "clear*"]).out;
    assert!(table.contains("kpsisu/clear") && table.contains("mzrk/clear"), "{table}");
}
