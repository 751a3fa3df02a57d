//! A replay as JUnit XML: what build servers read.
//!
//! One suite a system, one test a case; drift is a failure, no answer an error. The elements and
//! attributes are those that both common schemas of the format allow.

use std::{io, time::Duration};

use adapters::replay::live::{Replayed, Verdict};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::summary::Run;

type Xml = Writer<Vec<u8>>;

/// The whole document.
pub(super) fn write(run: &Run) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to memory does not fail; what cannot be written is not a document, and seen at once.
    match document(&mut xml, run) {
        Ok(()) => String::from_utf8_lossy(&xml.into_inner()).into_owned() + "\n",
        Err(error) => format!("<!-- {error} -->\n"),
    }
}

fn document(xml: &mut Xml, run: &Run) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites").write_inner_content(|xml| {
        for (id, system) in run.systems().into_keys().enumerate() {
            suite(xml, run, id, system)?;
        }
        Ok(())
    })?;
    Ok(())
}

fn suite(xml: &mut Xml, run: &Run, id: usize, system: &str) -> io::Result<()> {
    let own: Vec<&Replayed> = run.cases.iter().filter(|one| one.system == system).collect();
    let count = |verdict| own.iter().filter(|one| one.verdict == verdict).count().to_string();
    let took: Duration = own.iter().filter_map(|one| one.took).sum();
    let element = xml.create_element("testsuite").with_attributes([
        ("id", id.to_string().as_str()),
        ("name", system),
        ("package", "contracts.replay"),
        ("hostname", "localhost"),
        ("timestamp", run.started.strftime("%Y-%m-%dT%H:%M:%S").to_string().as_str()),
        ("tests", own.len().to_string().as_str()),
        ("failures", count(Verdict::Drift).as_str()),
        ("errors", count(Verdict::Unreached).as_str()),
        ("skipped", count(Verdict::Skipped).as_str()),
        ("time", seconds(took).as_str()),
    ]);
    element.write_inner_content(|xml| {
        xml.create_element("properties").write_inner_content(|xml| {
            let pairs = [("name", "target"), ("value", run.target.as_str())];
            xml.create_element("property").with_attributes(pairs).write_empty()?;
            Ok(())
        })?;
        for one in &own {
            test(xml, one)?;
        }
        xml.create_element("system-out").write_empty()?;
        xml.create_element("system-err").write_empty()?;
        Ok(())
    })?;
    Ok(())
}

fn test(xml: &mut Xml, one: &Replayed) -> io::Result<()> {
    let class = format!("contracts.{}", one.system);
    let took = seconds(one.took.unwrap_or_default());
    let attributes =
        [("classname", class.as_str()), ("name", one.case.as_str()), ("time", took.as_str())];
    let element = xml.create_element("testcase").with_attributes(attributes);
    if one.verdict == Verdict::Passed {
        element.write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|xml| match one.verdict {
        Verdict::Passed => Ok(()),
        Verdict::Skipped => {
            let why = [("message", one.note.as_str())];
            xml.create_element("skipped").with_attributes(why).write_empty().map(drop)
        }
        Verdict::Unreached => {
            let why = [("message", one.note.as_str()), ("type", "unreached")];
            xml.create_element("error").with_attributes(why).write_empty().map(drop)
        }
        Verdict::Drift => {
            let all: Vec<String> = one.drifts.iter().map(ToString::to_string).collect();
            let first = all.first().cloned().unwrap_or_default();
            let kind = one.drifts.first().map_or("drift", |drift| drift.kind.name());
            let attributes = [("message", first.as_str()), ("type", kind)];
            let element = xml.create_element("failure").with_attributes(attributes);
            element.write_text_content(BytesText::new(&all.join("\n"))).map(drop)
        }
    })?;
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}
