//! The reports of a replay: what leaves the tester's machine.

use std::fs;

use quick_xml::{Reader, events::Event};
use serde_json::json;

use super::{
    bench::Simulator,
    live::{control, replay},
};

/// A run in which one case drifts: its page and its JUnit file.
fn reports(more: &[&str]) -> (String, String) {
    let simulator = Simulator::start();
    let order = json!({ "system": "gbdfl", "behaviour": "not_found", "iin": "850100300012" });
    control(&simulator, "next", &order);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let (html, junit) = (file("r.html"), file("r.xml"));
    let options = ["--html", &html, "--junit", &junit, "--system", "gbdfl", "--case", "found"];
    let said = replay(&simulator.url, &[&options[..], more].concat());
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let read = |file: &str| fs::read_to_string(file).expect("written");
    (read(&html), read(&junit))
}

#[test]
fn the_page_needs_nothing_from_outside_and_shows_no_value_that_is_no_code() {
    let (page, _) = reports(&[]);
    for outside in ["src=", "<link", "@import", "url(", "<img", "<iframe", "href=\"h"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
    for value in ["850100300012", "ТЕСТОВ", "1985-01-15", "000000012"] {
        assert!(!page.contains(value), "{value}");
    }
    for shown in ["missing element", "persons", "SCSS001", "data-verdict=\"drift\"", "<mark"] {
        assert!(page.contains(shown), "{shown}");
    }
    let (page, _) = reports(&["--show-values"]);
    assert!(page.contains("ТЕСТОВ") && page.contains("Do not mail this page"));
}

#[test]
fn the_junit_file_counts_what_it_holds() {
    let (_, junit) = reports(&[]);
    let mut reader = Reader::from_str(&junit);
    let (mut names, mut counted) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().expect("XML that reads") {
            Event::Start(one) | Event::Empty(one) => {
                let name = one.name().into_inner().to_owned();
                if name == "testsuite" {
                    for key in ["tests", "failures", "errors", "skipped"] {
                        let found = one.try_get_attribute(key).expect("attributes");
                        counted.push(found.expect(key).value.parse::<usize>().expect("a number"));
                    }
                }
                names.push(name);
            }
            Event::Eof => break,
            Event::End(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
    let count = |name: &str| names.iter().filter(|one| *one == name).count();
    assert_eq!(counted, ["testcase", "failure", "error", "skipped"].map(count));
    assert_eq!((names[0].as_str(), count("testsuite"), count("failure")), ("testsuites", 1, 1));
    assert!(!junit.contains("850100300012"));
}
