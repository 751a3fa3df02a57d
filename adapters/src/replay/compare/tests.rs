use serde_json::json;

use super::*;

fn differ(form: Form, expected: &str, got: &str, masks: &[&str]) -> Vec<String> {
    let masks: Vec<String> = masks.iter().map(|&mask| mask.to_owned()).collect();
    let mut masks = Masks::new(&masks, Vec::new());
    let found = compare(form, expected.as_bytes(), got.as_bytes(), &mut masks);
    found.iter().map(ToString::to_string).collect()
}

fn xml(expected: &str, got: &str) -> Vec<String> {
    differ(Form::Xml, expected, got, &[])
}

const NONE: [String; 0] = [];

#[test]
fn what_says_the_same_does_not_differ() {
    for (one, other) in [
        ("<a:r xmlns:a='urn:x'><a:b/></a:r>", "<r xmlns='urn:x'><b></b></r>"),
        ("<r x='1' y='2'/>", "<r y='2' x='1'></r>"),
        ("<r> 1 <!-- one --></r>", "<?xml version='1.0'?><r>1</r>"),
        ("<r>&lt;a>1&lt;/a></r>", "<r><![CDATA[<?xml version='1.0'?><a> 1 </a>]]></r>"),
        (
            "<r xmlns:i='http://www.w3.org/2001/XMLSchema-instance' xmlns:t='urn:t' i:type='t:A'/>",
            "<r xmlns:j='http://www.w3.org/2001/XMLSchema-instance' xmlns:u='urn:t' j:type='u:A'/>",
        ),
    ] {
        assert_eq!(xml(one, other), NONE, "{one} {other}");
    }
}

#[test]
fn a_difference_names_its_path() {
    for (one, other, expected) in [
        ("<r/>", "<r xmlns='urn:x'/>", "/r: expected r, got {urn:x}r"),
        ("<r><a>1</a></r>", "<r><a>2</a></r>", "/r/a: expected \"1\", got \"2\""),
        ("<r><a/><a>1</a></r>", "<r><a/><a/></r>", "/r/a[2]: expected \"1\", got \"\""),
        ("<r><a/><b/></r>", "<r><b/><a/></r>", "/r: expected a (order), got b"),
        ("<r><a/><b/></r>", "<r><b/></r>", "/r: expected a, got no such element"),
        ("<r><a/></r>", "<r><c/><a/></r>", "/r: expected no such element, got c"),
        ("<r><a/></r>", "<r>text</r>", "/r: expected elements, got \"text\""),
        (
            "<r x='1'/>",
            "<r x='2'/>",
            "/r: expected attributes [(\"x\", \"1\")], got [(\"x\", \"2\")]",
        ),
        (
            "<r>&lt;a>&lt;b>1&lt;/b>&lt;/a></r>",
            "<r>&lt;a>&lt;b>2&lt;/b>&lt;/a></r>",
            "/r/text()/a/b: expected \"1\", got \"2\"",
        ),
        ("<r>&lt;a/></r>", "<r><a/></r>", "/r: expected \"<a/>\", got elements"),
        (
            "<r/>",
            "<r>",
            "/: expected XML that reads, got the document is not well-formed (what came)",
        ),
    ] {
        assert_eq!(xml(one, other), [expected], "{one} {other}");
    }
}

#[test]
fn json_is_compared_by_keys_and_places() {
    let json = |one: &str, other: &str| differ(Form::Json, one, other, &[]);
    assert_eq!(json(r#"{"a":1,"b":[1,2]}"#, r#"{ "b": [1, 2], "a": 1 }"#), NONE);
    assert_eq!(json(r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#), ["/a/b: expected 1, got 2"]);
    assert_eq!(json(r#"{"a":[1]}"#, r#"{"a":[1,2]}"#), ["/a: expected 1 entries, got 2"]);
    assert_eq!(json(r#"[{"a":"x"}]"#, r#"[{"a":null}]"#), ["[0]/a: expected \"x\", got null"]);
    assert_eq!(json(r#"{"a":"x"}"#, "{}"), ["/a: expected \"x\", got no such key"]);
    assert_eq!(json("{}", r#"{"a":"x"}"#), ["/a: expected no such key, got \"x\""]);
    assert!(json("{}", "{")[0].contains("(what came)"));
}

#[test]
fn a_masked_value_keeps_its_form() {
    let masked = |one: &str, other: &str| {
        let element = |value: &str| format!("<r><a>{value}</a></r>");
        differ(Form::Xml, &element(one), &element(other), &["r/a"])
    };
    for (one, other) in [
        ("2026-03-02T10:00:00+05:00", "2030-01-01T00:00:00Z"),
        ("3f0c2a52-6f0e-4d0e-9a7b-000000000001", "{0d89ff42-6fdd-49b8-a7dc-ccc2bb8de6e9}"),
        ("123", "4"),
        ("a", "б в"),
    ] {
        assert_eq!(masked(one, other), NONE, "{one} {other}");
    }
    for (one, other) in [("2026-03-02", ""), ("1", "a"), ("2026-03-02", "2026-03-02T10:00:00Z")] {
        assert_eq!(masked(one, other).len(), 1, "{one} {other}");
    }
    assert_eq!(differ(Form::Json, r#"{"a":{"t":1}}"#, r#"{"a":{"t":9}}"#, &["a/t"]), NONE);
    assert_eq!(differ(Form::Json, r#"{"t":1}"#, r#"{"t":9}"#, &["a/t"]).len(), 1);
}

#[test]
fn a_long_list_of_differences_is_cut() {
    let many = |value: u8| {
        let all: Vec<_> = (0..100).map(|_| json!({ "v": value })).collect();
        serde_json::Value::from(all).to_string()
    };
    assert_eq!(differ(Form::Json, &many(1), &many(2), &[]).len(), DIFFERENCES_MAX);
    let long = "я".repeat(500);
    let shown = &xml(&format!("<r>{long}</r>"), "<r/>")[0];
    assert!(shown.chars().count() < 150, "{shown}");
}
