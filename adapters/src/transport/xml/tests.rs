use proptest::prelude::*;

use super::*;

fn error(text: &str) -> Option<XmlError> {
    read(text.as_bytes()).err()
}

#[test]
fn foreign_prefixes_and_default_namespaces_read_alike() {
    for text in [
        "<e:a xmlns:e='urn:x'><e:b>1</e:b></e:a>",
        "<a xmlns='urn:x'><b>1</b></a>",
        "<q:a xmlns:q='urn:x'><w:b xmlns:w='urn:x'>1</w:b></q:a>",
    ] {
        let document = read(text.as_bytes()).expect(text);
        let root = document.root();
        assert_eq!((root.local(), root.namespace()), ("a", Some("urn:x")), "{text}");
        let child = root.child("b").expect(text);
        assert_eq!((child.text(), child.namespace()), ("1", Some("urn:x")), "{text}");
    }
}

#[test]
fn text_cdata_and_references_are_joined_and_decoded_once() {
    let document = read(b"<a> x &amp;lt;<![CDATA[<&amp;>]]><!-- c --><?pi?>&#1178;&#x41;</a>");
    assert_eq!(document.expect("reads").root().text(), " x &lt;<&amp;>ҚA");
}

#[test]
fn an_element_with_children_has_no_text() {
    let document = read(b"<a>1<b>2</b>3<c/>4<d>5</d></a>").expect("reads");
    let root = document.root();
    assert_eq!(root.text(), "");
    let children: Vec<_> = root.children().map(|c| (c.local(), c.text())).collect();
    assert_eq!(children, [("b", "2"), ("c", ""), ("d", "5")]);
}

#[test]
fn a_dash_or_nothing_is_no_value() {
    let document = read(b"<a><b>-</b><c> </c><d/><e> x </e></a>").expect("reads");
    let root = document.root();
    for absent in ["b", "c", "d", "f"] {
        assert_eq!(root.child_value(absent), None, "{absent}");
    }
    assert_eq!(root.child_value("e"), Some("x"));
}

#[test]
fn a_repeated_element_is_not_guessed() {
    let document = read(b"<a><b>1</b><b>2</b><c/></a>").expect("reads");
    assert!(document.root().only("b").is_err());
    assert!(document.root().only("c").expect("once").is_some());
    assert!(document.root().only("d").expect("never").is_none());
}

#[test]
fn attributes_keep_their_namespace_and_declarations_are_left_out() {
    let document = read(b"<a xmlns:x='urn:x' x:nil='true' b='&lt;'/>").expect("reads");
    let attributes: Vec<_> =
        document.root().attributes().map(|a| (a.namespace, a.local, a.value)).collect();
    assert_eq!(attributes, [(Some("urn:x"), "nil", "true"), (None, "b", "<")]);
}

#[test]
fn the_source_range_is_the_content_of_an_element() {
    let text = "<a><d x='1'> <b>&lt;</b> </d><e/></a>";
    let document = read(text.as_bytes()).expect("reads");
    let range = |name| document.root().child(name).expect("there").source();
    assert_eq!(&text[range("d")], " <b>&lt;</b> ");
    assert_eq!(&text[range("e")], "");
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert!(read(b"\xEF\xBB\xBF<?xml version='1.0' encoding='utf-8'?><a/>").is_ok());
}

#[test]
fn what_is_not_a_plain_utf8_document_is_refused() {
    let cases = [
        ("", XmlError::Empty),
        ("text", XmlError::Syntax),
        ("<a>", XmlError::Syntax),
        ("<a></b>", XmlError::Syntax),
        ("<a/><b/>", XmlError::Syntax),
        ("<a/>text", XmlError::Syntax),
        ("<a b='1' b='2'/>", XmlError::Syntax),
        ("<!DOCTYPE a><a/>", XmlError::Doctype),
        ("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", XmlError::Doctype),
        ("<a>&nbsp;</a>", XmlError::Entity),
        ("<a b='&e;'/>", XmlError::Entity),
        ("<a>&#0;</a>", XmlError::Character),
        ("<a>&#11;</a>", XmlError::Character),
        ("<a>\u{1}</a>", XmlError::Character),
        ("<a>\u{FFFE}</a>", XmlError::Character),
        ("<x:a/>", XmlError::Prefix),
        ("<?xml version='1.0' encoding='windows-1251'?><a/>", XmlError::Encoding),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), Some(expected), "{text}");
    }
    assert_eq!(read(b"<a>\xff</a>").err(), Some(XmlError::Encoding));
}

#[test]
fn every_limit_holds() {
    let deep = format!("{}{}", "<a>".repeat(DEPTH_MAX + 1), "</a>".repeat(DEPTH_MAX + 1));
    assert_eq!(error(&deep), Some(XmlError::TooDeep));
    let many = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
    assert_eq!(error(&many), Some(XmlError::TooManyElements));
    let many = |from: &str, count: usize| -> String {
        (0..=count).flat_map(|n| [from.to_owned(), n.to_string(), "='u'".to_owned()]).collect()
    };
    let attributes = many(" b", ATTRIBUTES_MAX);
    assert_eq!(error(&format!("<a{attributes}/>")), Some(XmlError::TooManyAttributes));
    let bindings = many(" xmlns:b", NAMESPACES_MAX);
    assert_eq!(error(&format!("<a{bindings}/>")), Some(XmlError::TooManyAttributes));
    let distinct: String = (0..=NAMESPACES_MAX)
        .flat_map(|n| ["<b xmlns='u".to_owned(), n.to_string(), "'/>".to_owned()])
        .collect();
    assert_eq!(error(&format!("<a>{distinct}</a>")), Some(XmlError::TooManyAttributes));
    assert_eq!(read(&vec![b' '; BYTES_MAX + 1]).err(), Some(XmlError::TooLong));
}

#[test]
fn a_fragment_may_be_text_or_elements_with_foreign_prefixes() {
    let text = fragment(b" &lt;a/&gt; ").expect("reads");
    assert_eq!(text.root().text(), " <a/> ");
    let elements = fragment(b"<x:a>1</x:a><b/>").expect("reads");
    assert_eq!(elements.root().children().count(), 2);
    assert_eq!(elements.root().child_value("a"), Some("1"));
    assert_eq!(fragment(b"<a>").err(), Some(XmlError::Syntax));
    assert_eq!(fragment(b"</a>").err(), Some(XmlError::Syntax));
    assert!(fragment(b"").expect("reads").root().is_blank());
}

#[test]
fn what_xml_cannot_hold_is_not_written() {
    let mut writer = Writer::with_capacity(16);
    writer.leaf("a", "x\u{0}y");
    assert_eq!(writer.finish(), Err(Unwritable));
}

#[test]
fn debug_shows_the_shape_only() {
    let document = read(b"<a b='850100300012'>850100300012</a>").expect("reads");
    let attribute = document.root().attributes().next();
    let shown = format!("{document:?} {:?} {attribute:?}", document.root());
    assert!(!shown.contains("8501"), "{shown}");
}

proptest! {
    #[test]
    fn the_reader_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let whole = read(&bytes).is_ok();
        let part = fragment(&bytes).is_ok();
        prop_assert!(part || !whole);
    }

    #[test]
    fn the_reader_never_panics_on_something_like_xml(
        text in r"(<[a-c/!?]?|/?>|&|;|#|x|[a-c:]|=|'|<!\[CDATA\[|\]\]>|xmlns| ){0,60}"
    ) {
        if let Ok(document) = read(text.as_bytes()) {
            for element in document.root().descendants() {
                prop_assert!(element.source().end <= text.len());
                let shown = (element.local(), element.text(), element.namespace());
                prop_assert!(shown.0.len() <= text.len());
            }
        }
    }

    #[test]
    fn text_survives_writing_and_reading(text in any::<String>()) {
        let mut writer = Writer::with_capacity(64);
        writer.leaf("a", &text);
        match writer.finish() {
            Ok(written) => {
                let document = read(written.as_bytes()).expect("written");
                prop_assert_eq!(document.root().text(), text);
            }
            Err(Unwritable) => prop_assert!(!text.chars().all(is_writable)),
        }
    }
}
