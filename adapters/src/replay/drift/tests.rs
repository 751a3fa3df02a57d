//! One change, one drift, at the right place.

use proptest::prelude::*;

use super::*;

const ANSWER: &str = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
  <r:Answer xmlns:r="urn:r"><response><responseInfo><status><code>OK1</code></status></responseInfo>
  <responseData><data><person kind="x"><iin>850100300012</iin><name>ТЕСТОВ</name><sex/>
  <lifeStatus><code>0</code></lifeStatus></person>
  <documents><document><number>1</number></document><document><number>2</number></document>
  </documents></data></responseData></response></r:Answer></s:Body></s:Envelope>"#;
const DATA: &str = "/Envelope/Body/Answer/response/responseData/data";

fn codes() -> Codes {
    Codes::new(&["lifeStatus/code".to_owned()], BTreeSet::from(["sex".to_owned()]))
}

fn after(from: &str, to: &str) -> Vec<Drift> {
    assert!(ANSWER.contains(from), "{from}");
    let live = ANSWER.replacen(from, to, 1);
    drift(Form::Xml, ANSWER.as_bytes(), live.as_bytes(), &codes())
}

fn one(from: &str, to: &str) -> (Kind, String, String, String) {
    let found = after(from, to);
    let [one] = found.as_slice() else { panic!("{from} → {to}: {found:?}") };
    (one.kind, one.path.clone(), one.expected.clone(), one.got.clone())
}

#[test]
fn each_change_is_one_drift_at_its_path() {
    let at = |below: &str| format!("{DATA}{below}");
    let told = |kind, path: String, expected: &str, got: &str| {
        (kind, path, expected.to_owned(), got.to_owned())
    };
    assert_eq!(
        one("<code>0<", "<code>7<"),
        told(Kind::ChangedCode, at("/person/lifeStatus/code"), "\"0\"", "\"7\"")
    );
    assert_eq!(
        one("<name>ТЕСТОВ</name>", ""),
        told(
            Kind::MissingElement,
            at("/person/name"),
            "an element with a value",
            "no such element"
        )
    );
    assert_eq!(
        one("<name>", "<nick>T</nick><name>"),
        told(Kind::NewElement, at("/person/nick"), "no such element", "an element with a value")
    );
    assert_eq!(
        one("<name>ТЕСТОВ</name><sex/>", "<sex/><name>ТЕСТОВ</name>"),
        told(
            Kind::ChangedOrder,
            at("/person"),
            "iin, name, sex, lifeStatus",
            "iin, sex, name, lifeStatus"
        )
    );
    assert_eq!(
        one("<document><number>1</number></document>", ""),
        told(Kind::ChangedCount, at("/documents/document"), "2 of them", "1 of them")
    );
    assert_eq!(
        one("<number>2</number>", "<number/>"),
        told(Kind::ChangedForm, at("/documents/document[2]/number"), "a value", "nothing")
    );
    assert_eq!(one(" kind=\"x\"", "").0, Kind::MissingElement);
    assert_eq!(one("<sex/>", "<sex>1</sex>").0, Kind::ChangedCode);
}

#[test]
fn another_namespace_is_another_element() {
    let found = after("xmlns:r=\"urn:r\"", "xmlns:r=\"urn:q\"");
    let kinds: Vec<Kind> = found.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [Kind::MissingElement, Kind::NewElement]);
}

#[test]
fn values_that_belong_to_the_person_prefixes_and_blanks_are_no_drift() {
    for (from, to) in [
        ("ТЕСТОВ", "ДРУГОЙ"),
        ("850100300012", "920300400029"),
        ("<person kind=\"x\">", "<!-- a --><person\n kind=\"y\">\n"),
        ("<r:Answer xmlns:r=\"urn:r\">", "<Answer xmlns=\"urn:r\"><response xmlns=\"\">"),
        ("<sex/>", "<sex xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:nil=\"true\"/>"),
        ("<s:Body>", "<s:Header/><s:Body>"),
    ] {
        let mut live = ANSWER.replacen(from, to, 1);
        if to.starts_with("<Answer") {
            live = live.replacen("<response>", "", 1).replacen("</r:Answer>", "</Answer>", 1);
        }
        let found = drift(Form::Xml, ANSWER.as_bytes(), live.as_bytes(), &codes());
        assert_eq!(found, [], "{to}");
    }
}

#[test]
fn how_data_carries_its_document_is_no_drift() {
    let start = ANSWER.find("<data>").expect("data") + 6;
    let end = ANSWER.find("</data>").expect("data");
    let inner = &ANSWER[start..end];
    let forms = [
        format!("<![CDATA[<data>{inner}</data>]]>"),
        format!("<![CDATA[<?xml version=\"1.0\"?><Response>{inner}</Response>]]>"),
        format!("<q:Response xmlns:q=\"urn:q\">{inner}</q:Response>"),
        format!("<data>{inner}</data>").replace('<', "&lt;"),
    ];
    for form in forms {
        let live = format!("{}{form}{}", &ANSWER[..start], &ANSWER[end..]);
        assert_eq!(drift(Form::Xml, ANSWER.as_bytes(), live.as_bytes(), &codes()), [], "{form}");
        assert_ne!(carriage(ANSWER.as_bytes()), carriage(live.as_bytes()), "{form}");
        let changed = live.replacen("ТЕСТОВ", "", 1);
        let found = drift(Form::Xml, ANSWER.as_bytes(), changed.as_bytes(), &codes());
        assert_eq!(found.len(), 1, "{form}: {found:?}");
    }
}

#[test]
fn json_is_compared_by_keys_without_an_order() {
    let recorded = br#"{"a":1,"events":[{"status":"x","activity":[{"status":["ACC"]}]}],"n":null}"#;
    let told = |live: &str| {
        let found = drift(Form::Json, recorded, live.as_bytes(), &Codes::new(&[], BTreeSet::new()));
        found.iter().map(|one| format!("{} {}", one.kind.name(), one.path)).collect::<Vec<_>>()
    };
    let live = r#"{"n":null,"events":[{"status":"y","activity":[{"status":["ACC"]}]}],"a":2}"#;
    assert_eq!(told(live), [""; 0]);
    let live = r#"{"a":1,"events":[{"status":"x","activity":[{"status":["DLV"]}],"b":1}]}"#;
    assert_eq!(
        told(live),
        [
            "changed_code /events[1]/activity[1]/status[1]",
            "new_element /events[1]/b",
            "missing_element /n"
        ]
    );
    assert_eq!(told("<html>"), ["changed_form /"]);
}

#[test]
fn an_outline_hides_every_value_that_is_no_code() {
    let text = |shows_values| {
        let lines = outline(Form::Xml, ANSWER.as_bytes(), &codes(), shows_values);
        lines.iter().map(|line| format!("{line:?}")).collect::<String>()
    };
    let hidden = text(false);
    assert!(hidden.contains("OK1") && hidden.contains("lifeStatus"), "{hidden}");
    assert!(!hidden.contains("ТЕСТОВ") && !hidden.contains("850100300012"), "{hidden}");
    assert!(text(true).contains("ТЕСТОВ"));
    let unread = outline(Form::Xml, "ТЕСТОВ <".as_bytes(), &codes(), false);
    assert_eq!(unread[0].value.as_deref(), Some("14 bytes without a structure"));
    // A number in a code's place is hidden too.
    let odd = ANSWER.replace("OK1", "850100300012");
    let lines = outline(Form::Xml, odd.as_bytes(), &codes(), false);
    assert!(!format!("{lines:?}").contains("850100300012"));
}

#[test]
fn no_control_character_of_a_stand_reaches_a_report() {
    let odd = ANSWER.replace("OK1", "OK&#x9;\u{1b}[2J");
    for one in drift(Form::Xml, ANSWER.as_bytes(), odd.as_bytes(), &codes()) {
        assert!(!one.got.contains(char::is_control), "{one:?}");
        assert!(one.got.contains("OK··[2J"), "{one:?}");
    }
    let changed = Drift::new(Kind::Outcome, "co\u{7}de", "a", "b\u{0}\u{1b}[2J\u{ffff}");
    assert_eq!((changed.path.as_str(), changed.got.as_str()), ("co·de", "b··[2J·"));
}

#[test]
fn paths_of_an_outline_are_those_of_drifts() {
    let lines = outline(Form::Xml, ANSWER.as_bytes(), &codes(), false);
    let path = format!("{DATA}/documents/document[2]/number");
    assert!(lines.iter().any(|line| line.path == path), "{lines:?}");
}

fn documents() -> impl Strategy<Value = String> {
    let leaf =
        ("[a-d]", "[a-z0-9]{0,3}").prop_map(|(name, text)| format!("<{name}>{text}</{name}>"));
    let tree = leaf.prop_recursive(4, 40, 5, |inner| {
        ("[a-d]", prop::collection::vec(inner, 1..5))
            .prop_map(|(name, children)| format!("<{name}>{}</{name}>", children.concat()))
    });
    prop::collection::vec(tree, 0..5).prop_map(|all| format!("<root>{}</root>", all.concat()))
}

proptest! {
    #[test]
    fn a_document_does_not_drift_from_itself(document in documents()) {
        let found = drift(Form::Xml, document.as_bytes(), document.as_bytes(), &codes());
        prop_assert_eq!(found, []);
    }

    #[test]
    fn a_new_element_is_one_drift_and_its_loss_another(document in documents(), at in 0_usize..50) {
        // A name that stands nowhere else, at any place where an element begins.
        let places: Vec<usize> = document
            .match_indices('<')
            .map(|(place, _)| place)
            .filter(|place| *place > 0 && !document[..*place].ends_with(|c: char| c != '>'))
            .collect();
        prop_assume!(!places.is_empty());
        let place = places[at % places.len()];
        let longer = format!("{}<new>1</new>{}", &document[..place], &document[place..]);
        let kinds = |of: &str, live: &str| -> Vec<Kind> {
            drift(Form::Xml, of.as_bytes(), live.as_bytes(), &codes()).iter().map(|one| one.kind).collect()
        };
        let (found, lost) = (kinds(&document, &longer), kinds(&longer, &document));
        // In an empty element the new one also turns a value into elements.
        prop_assert!(found == [Kind::NewElement] || found == [Kind::ChangedForm], "{:?}", found);
        prop_assert!(lost == [Kind::MissingElement] || lost == [Kind::ChangedForm], "{:?}", lost);
    }
}
