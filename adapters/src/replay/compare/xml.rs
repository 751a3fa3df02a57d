//! Two XML documents.

use super::{DIFFERENCES_MAX, Difference, Masks, mask::same_shape, shown};
use crate::transport::{
    soap::SOAP_1_1,
    xml::{self, Element},
};

pub(super) fn compare(expected: &[u8], got: &[u8], masks: &mut Masks) -> Vec<Difference> {
    let unreadable = |which: &str, error: xml::XmlError| {
        let (expected, got) = ("XML that reads".to_owned(), format!("{error} ({which})"));
        vec![Difference { path: "/".to_owned(), expected, got }]
    };
    let expected = match xml::read(expected) {
        Ok(document) => document,
        Err(error) => return unreadable("the case's file", error),
    };
    let got = match xml::read(got) {
        Ok(document) => document,
        Err(error) => return unreadable("what came", error),
    };
    let mut walk = Walk { masks, names: Vec::new(), path: String::new(), found: Vec::new() };
    walk.elements(expected.root(), got.root(), None);
    walk.found
}

struct Walk<'m> {
    masks: &'m mut Masks,
    /// Local names down to here.
    names: Vec<String>,
    /// The same as a path, with numbers where siblings share a name.
    path: String,
    found: Vec<Difference>,
}

impl Walk<'_> {
    fn differ(&mut self, expected: String, got: String) {
        let path = if self.path.is_empty() { "/".to_owned() } else { self.path.clone() };
        self.found.push(Difference { path, expected, got });
    }

    fn elements(&mut self, expected: Element<'_>, got: Element<'_>, number: Option<usize>) {
        if self.found.len() >= DIFFERENCES_MAX {
            return;
        }
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(expected.local());
        if let Some(number) = number {
            self.path.push_str(&format!("[{number}]"));
        }
        self.names.push(expected.local().to_owned());
        if name(expected) == name(got) {
            self.same_name(expected, got);
        } else {
            self.differ(name(expected), name(got));
        }
        self.names.pop();
        self.path.truncate(length);
    }

    fn same_name(&mut self, expected: Element<'_>, got: Element<'_>) {
        let inside = expected.descendants().count();
        if self.masks.hides(&self.names, expected.text(), got.text(), inside) {
            if inside == 0
                && !got.has_children()
                && let Err((expected, got)) = same_shape(expected.text(), got.text())
            {
                self.differ(expected.to_owned(), got.to_owned());
            }
            return;
        }
        self.attributes(expected, got);
        match (expected.has_children(), got.has_children()) {
            (true, true) => self.children(expected, got),
            (false, false) => self.texts(expected.text(), got.text()),
            (true, false) => self.differ("elements".to_owned(), text_or_nothing(got)),
            (false, true) => self.differ(text_or_nothing(expected), "elements".to_owned()),
        }
    }

    fn attributes(&mut self, expected: Element<'_>, got: Element<'_>) {
        let listed = |element: Element<'_>| {
            let mut all: Vec<(String, String)> = element
                .attributes()
                .map(|one| (qualified(one.namespace, one.local), value(one.local, one.value)))
                .collect();
            all.sort();
            all
        };
        let (expected, got) = (listed(expected), listed(got));
        if expected != got {
            self.differ(format!("attributes {expected:?}"), format!("{got:?}"));
        }
    }

    fn texts(&mut self, expected: &str, got: &str) {
        let (expected, got) = (expected.trim(), got.trim());
        if expected == got {
            return;
        }
        if expected.starts_with('<')
            && let (Ok(expected), Ok(got)) =
                (xml::fragment(expected.as_bytes()), xml::fragment(got.as_bytes()))
            && expected.root().has_children()
            && got.root().has_children()
        {
            self.path.push_str("/text()");
            self.children(expected.root(), got.root());
            let length = self.path.len() - "/text()".len();
            self.path.truncate(length);
            return;
        }
        self.differ(shown(expected), shown(got));
    }

    fn children(&mut self, expected: Element<'_>, got: Element<'_>) {
        let wanted: Vec<Element<'_>> = expected.children().filter(|one| says(*one)).collect();
        let came: Vec<Element<'_>> = got.children().filter(|one| says(*one)).collect();
        let names = |all: &[Element<'_>]| all.iter().map(|one| name(*one)).collect::<Vec<_>>();
        let (mut wanted_names, mut came_names) = (names(&wanted), names(&came));
        if wanted_names != came_names {
            let (first, second) = (wanted_names.clone(), came_names.clone());
            wanted_names.sort();
            came_names.sort();
            if wanted_names == came_names {
                let at = first.iter().zip(&second).position(|(a, b)| a != b).unwrap_or(0);
                self.differ(format!("{} (order)", first[at]), second[at].clone());
                return;
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < wanted.len() || j < came.len() {
            match (wanted.get(i), came.get(j)) {
                (Some(one), Some(other)) if name(*one) == name(*other) => {
                    self.elements(*one, *other, number(&wanted, i));
                    i += 1;
                    j += 1;
                }
                (Some(one), other) => {
                    let comes_later = came[j..].iter().any(|later| name(*later) == name(*one));
                    match other {
                        Some(extra) if comes_later => {
                            self.differ("no such element".to_owned(), name(*extra));
                            j += 1;
                        }
                        Some(_) | None => {
                            self.differ(name(*one), "no such element".to_owned());
                            i += 1;
                        }
                    }
                }
                (None, Some(extra)) => {
                    self.differ("no such element".to_owned(), name(*extra));
                    j += 1;
                }
                (None, None) => {}
            }
        }
    }
}

/// Whether an element says anything: an empty SOAP header may as well be left out.
fn says(element: Element<'_>) -> bool {
    let is_header = element.local() == "Header" && element.namespace() == Some(SOAP_1_1);
    !(is_header && element.is_blank())
}

/// The place among siblings of one name, from 1; `None` where it is the only one.
fn number(siblings: &[Element<'_>], at: usize) -> Option<usize> {
    let is_same = |other: &&Element<'_>| name(**other) == name(siblings[at]);
    let all = siblings.iter().filter(is_same).count();
    (all > 1).then(|| siblings[..=at].iter().filter(is_same).count())
}

fn name(element: Element<'_>) -> String {
    qualified(element.namespace(), element.local())
}

fn qualified(namespace: Option<&str>, local: &str) -> String {
    namespace.map_or_else(|| local.to_owned(), |namespace| format!("{{{namespace}}}{local}"))
}

/// A name in `xsi:type` has a prefix that means nothing here.
fn value(local: &str, value: &str) -> String {
    let value = value.trim();
    let is_type = local == "type";
    let cut = value.rsplit(':').next().filter(|_| is_type).unwrap_or(value);
    cut.to_owned()
}

fn text_or_nothing(element: Element<'_>) -> String {
    if element.is_blank() { "nothing".to_owned() } else { shown(element.text()) }
}
