//! One small schema for each construct that a schema of this project may use, with documents that
//! fit and documents that do not.

use std::{fs, path::Path};

use adapters::replay::schema::Schemas;

use super::xmllint;

/// What stands inside `xs:schema`, documents that fit, documents that do not. The root is `r`.
const ZOO: &[(&str, &str, &[&str], &[&str])] = &[
    (
        "a sequence with an optional and a repeated element",
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='a' type='xs:string'/>\
         <xs:element name='b' type='xs:int' minOccurs='0'/><xs:element name='c' type='xs:date' \
         minOccurs='2' maxOccurs='3'/></xs:sequence></xs:complexType></xs:element>",
        &[
            "<r><a/><c>2026-02-28</c><c>2024-02-29</c></r>",
            "<r><a>x</a><b>7</b><c>2026-01-01+05:00</c><c>2026-01-01Z</c><c>2026-01-01</c></r>",
        ],
        &[
            "<r><c>2026-01-01</c><c>2026-01-01</c></r>",
            "<r><a/><c>2026-01-01</c></r>",
            "<r><a/><c>2026-02-29</c><c>2026-01-01</c></r>",
            "<r><a/><b>2147483648</b><c>2026-01-01</c><c>2026-01-01</c></r>",
            "<r><c>2026-01-01</c><c>2026-01-01</c><a/></r>",
            "<r><a/>text<c>2026-01-01</c><c>2026-01-01</c></r>",
            "<r/>",
        ],
    ),
    (
        "a choice that repeats",
        "<xs:element name='r'><xs:complexType><xs:choice maxOccurs='2'><xs:element name='a' \
         type='xs:boolean'/><xs:sequence><xs:element name='b' type='xs:string'/><xs:element \
         name='c' type='xs:string'/></xs:sequence></xs:choice></xs:complexType></xs:element>",
        &["<r><a>true</a></r>", "<r><b/><c/><a>0</a></r>"],
        &["<r/>", "<r><b/></r>", "<r><a>yes</a></r>", "<r><a>1</a><a>1</a><a>1</a></r>"],
    ),
    (
        "all, in any order",
        "<xs:element name='r'><xs:complexType><xs:all><xs:element name='a' type='xs:string'/>\
         <xs:element name='b' type='xs:string' minOccurs='0'/></xs:all></xs:complexType>\
         </xs:element>",
        &["<r><b/><a/></r>", "<r><a/></r>"],
        &["<r><b/></r>", "<r><a/><a/></r>", "<r><a/><c/></r>"],
    ),
    (
        "a group by reference and a global element by reference",
        "<xs:group name='g'><xs:sequence><xs:element ref='e'/><xs:element name='f' \
         type='xs:decimal'/></xs:sequence></xs:group><xs:element name='e' type='xs:token'/>\
         <xs:element name='r'><xs:complexType><xs:group ref='g' minOccurs='0'/></xs:complexType>\
         </xs:element>",
        &["<r/>", "<r><e>x</e><f>-1.50</f></r>"],
        &["<r><e/></r>", "<r><e/><f>1e5</f></r>", "<r><f>1</f><e/></r>"],
    ),
    (
        "facets of texts",
        "<xs:simpleType name='Code'><xs:restriction base='xs:string'><xs:pattern \
         value='[0-9]{4}|\\{[A-F]+\\}'/><xs:maxLength value='5'/></xs:restriction></xs:simpleType>\
         <xs:simpleType name='Word'><xs:restriction base='xs:string'><xs:enumeration value='да'/>\
         <xs:enumeration value='нет'/></xs:restriction></xs:simpleType><xs:simpleType name='Exact'>\
         <xs:restriction base='xs:token'><xs:length value='3'/></xs:restriction></xs:simpleType>\
         <xs:element name='r'><xs:complexType><xs:sequence><xs:element name='code' type='Code'/>\
         <xs:element name='word' type='Word'/><xs:element name='exact' type='Exact'/><xs:element \
         name='short'><xs:simpleType><xs:restriction base='xs:string'><xs:minLength value='1'/>\
         </xs:restriction></xs:simpleType></xs:element></xs:sequence></xs:complexType></xs:element>",
        &[
            "<r><code>1234</code><word>да</word><exact>абв</exact><short>x</short></r>",
            "<r><code>{ABC}</code><word>нет</word><exact> abc </exact><short> </short></r>",
        ],
        &[
            "<r><code>123</code><word>да</word><exact>abc</exact><short>x</short></r>",
            "<r><code>{ABCDEF}</code><word>да</word><exact>abc</exact><short>x</short></r>",
            "<r><code>1234</code><word>Да</word><exact>abc</exact><short>x</short></r>",
            "<r><code>1234</code><word>да</word><exact>abcd</exact><short>x</short></r>",
            "<r><code>1234</code><word>да</word><exact>abc</exact><short/></r>",
            "<r><code> 1234</code><word>да</word><exact>abc</exact><short>x</short></r>",
        ],
    ),
    (
        "a restriction of a named type",
        "<xs:simpleType name='Text'><xs:restriction base='xs:string'><xs:maxLength value='5'/>\
         </xs:restriction></xs:simpleType><xs:simpleType name='Digits'><xs:restriction \
         base='Text'><xs:pattern value='[0-9]*'/></xs:restriction></xs:simpleType>\
         <xs:element name='r' type='Digits'/>",
        &["<r>12345</r>", "<r/>"],
        &["<r>123456</r>", "<r>1a</r>"],
    ),
    (
        "a choice of sequences that begin alike, and a nested optional sequence",
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:sequence minOccurs='0' \
         maxOccurs='unbounded'><xs:element name='a' type='xs:string'/><xs:element name='b' \
         type='xs:string' minOccurs='0'/></xs:sequence><xs:element name='c' type='xs:string' \
         maxOccurs='unbounded'/></xs:sequence></xs:complexType></xs:element>",
        &["<r><c/></r>", "<r><a/><a/><b/><a/><c/><c/></r>"],
        &["<r><a/></r>", "<r><b/><c/></r>", "<r><a/><b/><b/><c/></r>", "<r><c/><a/></r>"],
    ),
    (
        "children that must differ",
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='p' minOccurs='0' \
         maxOccurs='unbounded'><xs:complexType><xs:sequence><xs:element name='k' \
         type='xs:string' minOccurs='0'/></xs:sequence><xs:attribute name='a' type='xs:string'/>\
         </xs:complexType></xs:element></xs:sequence></xs:complexType><xs:unique name='u'>\
         <xs:selector xpath='p'/><xs:field xpath='k'/></xs:unique><xs:unique name='v'>\
         <xs:selector xpath='p'/><xs:field xpath='@a'/></xs:unique></xs:element>",
        &["<r/>", "<r><p><k>1</k></p><p><k>2</k></p><p/><p/></r>", "<r><p a='1'/><p a='2'/></r>"],
        &["<r><p><k>1</k></p><p><k>1</k></p></r>", "<r><p a='1'/><p a='1'/></r>"],
    ),
    (
        "facets of numbers",
        "<xs:element name='r'><xs:simpleType><xs:restriction base='xs:decimal'><xs:minInclusive \
         value='0'/><xs:maxInclusive value='100'/><xs:totalDigits value='4'/><xs:fractionDigits \
         value='2'/></xs:restriction></xs:simpleType></xs:element>",
        &["<r>0</r>", "<r>99.99</r>", "<r>100.00</r>"],
        &["<r>-0.01</r>", "<r>100.01</r>", "<r>1.234</r>", "<r/>"],
    ),
    (
        "attributes",
        "<xs:element name='r'><xs:complexType><xs:simpleContent><xs:extension base='xs:int'>\
         <xs:attribute name='must' type='xs:string' use='required'/><xs:attribute name='may' \
         type='xs:boolean'/></xs:extension></xs:simpleContent></xs:complexType></xs:element>",
        &["<r must=''>1</r>", "<r may='false' must='x'>2</r>"],
        &["<r>1</r>", "<r must='' may='x'>1</r>", "<r must='' other=''>1</r>", "<r must=''>x</r>"],
    ),
    (
        "an extension, and xsi:type",
        "<xs:complexType name='Base'><xs:sequence><xs:element name='a' type='xs:string'/>\
         </xs:sequence></xs:complexType><xs:complexType name='More'><xs:complexContent>\
         <xs:extension base='Base'><xs:sequence><xs:element name='b' type='xs:string'/>\
         </xs:sequence></xs:extension></xs:complexContent></xs:complexType><xs:complexType \
         name='Other'/><xs:element name='r' type='Base'/>",
        &[
            "<r><a/></r>",
            "<r xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='More'><a/><b/></r>",
        ],
        &[
            "<r><a/><b/></r>",
            "<r xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='More'><a/></r>",
            "<r xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='Other'/>",
            "<r xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='None'><a/></r>",
        ],
    ),
    (
        "nillable",
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='a' type='xs:date' \
         nillable='true'/><xs:element name='b' type='xs:date' minOccurs='0'/></xs:sequence>\
         </xs:complexType></xs:element>",
        &["<r xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><a xsi:nil='true'/></r>"],
        &[
            "<r><a/></r>",
            "<r xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><a xsi:nil='true'>2026-01-01\
             </a></r>",
            "<r xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><a>2026-01-01</a>\
             <b xsi:nil='true'/></r>",
        ],
    ),
    (
        "anything: anyType, any, anyAttribute",
        "<xs:element name='known' type='xs:int'/><xs:element name='r'><xs:complexType>\
         <xs:sequence><xs:element name='open' type='xs:anyType'/><xs:any namespace='##other' \
         processContents='lax' minOccurs='0'/><xs:any namespace='##local' \
         processContents='strict' minOccurs='0'/></xs:sequence><xs:anyAttribute \
         processContents='skip'/></xs:complexType></xs:element>",
        &[
            "<r x='1'><open a='1'>text<b/>more</open></r>",
            "<r><open/><o:x xmlns:o='urn:o'>1</o:x></r>",
            "<r><open/><known>5</known></r>",
        ],
        &[
            "<r><open/><strange/></r>",
            "<r><open/><known>x</known></r>",
            "<r><open/><o:x xmlns:o='urn:o'/><o:x xmlns:o='urn:o'/></r>",
        ],
    ),
    (
        "mixed content, and a fixed value",
        "<xs:element name='r'><xs:complexType mixed='true'><xs:sequence><xs:element name='v' \
         type='xs:string' fixed='1.0' minOccurs='0'/></xs:sequence></xs:complexType></xs:element>",
        &["<r>text<v>1.0</v>text</r>", "<r><v/></r>"],
        &["<r><v>2.0</v></r>", "<r><w/></r>"],
    ),
    (
        "instants, numbers and bytes",
        "<xs:element name='r'><xs:complexType><xs:sequence><xs:element name='t' \
         type='xs:dateTime'/><xs:element name='n' type='xs:nonNegativeInteger'/><xs:element \
         name='b' type='xs:base64Binary'/><xs:element name='u' type='xs:anyURI'/></xs:sequence>\
         </xs:complexType></xs:element>",
        &[
            "<r><t>2026-03-02T10:00:00.000+05:00</t><n>0</n><b>0J/R</b><u>urn:x</u></r>",
            "<r><t>2026-03-02T24:00:00</t><n>007</n><b> 0J 8= </b><u/></r>",
        ],
        &[
            "<r><t>2026-03-02 10:00:00</t><n>0</n><b/><u/></r>",
            "<r><t>2026-13-02T10:00:00</t><n>0</n><b/><u/></r>",
            "<r><t>2026-03-02T10:00:00</t><n>-1</n><b/><u/></r>",
            "<r><t>2026-03-02T10:00:00</t><n>1</n><b>=</b><u/></r>",
        ],
    ),
];

/// Schemas that must be refused when they are loaded, with a word of the reason.
const REFUSED: &[(&str, &str)] = &[
    ("<xs:element name='r'><xs:key name='k'/></xs:element>", "xs:key"),
    ("<xs:element name='r' type='Missing'/>", "Missing"),
    ("<xs:element name='r' type='xs:strnig'/>", "xs:strnig"),
    ("<xs:element name='r' substitutionGroup='x'/>", "substitutionGroup"),
    ("<xs:element name='r'><xs:complexType><xs:group ref='g'/></xs:complexType></xs:element>", "g"),
    ("<xs:redefine schemaLocation='x.xsd'/>", "xs:redefine"),
    ("<xs:import namespace='urn:x' schemaLocation='x.xsd'/>", "x.xsd"),
    (
        "<xs:element name='r'><xs:complexType><xs:sequance/></xs:complexType></xs:element>",
        "sequance",
    ),
    ("<xs:element name='r' type='xs:int' minLength='3'/>", "minLength"),
    ("<xs:element name='r' type='p:Type'/>", "prefix"),
];

fn schema(content: &str) -> String {
    format!("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>{content}</xs:schema>")
}

fn write(folder: &Path, content: &str) -> std::path::PathBuf {
    let file = folder.join("zoo/zoo.xsd");
    fs::create_dir_all(folder.join("zoo")).expect("a folder");
    fs::write(&file, schema(content)).expect("a file");
    file
}

#[test]
fn every_construct_accepts_what_fits_and_refuses_what_does_not() {
    let has_xmllint = xmllint::is_here();
    let mut wrong = Vec::new();
    for (name, content, good, bad) in ZOO {
        let folder = tempfile::tempdir().expect("a folder");
        let file = write(folder.path(), content);
        let schemas =
            Schemas::load(folder.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let documents: Vec<String> = good.iter().chain(*bad).map(|&one| one.to_owned()).collect();
        let theirs = has_xmllint.then(|| xmllint::accepted(&file, &documents).expect(name));
        for (at, document) in documents.iter().enumerate() {
            let expected = at < good.len();
            let faults = schemas.faults("zoo", document.as_bytes());
            if faults.is_empty() != expected {
                wrong.push(format!("{name}: {document}: expected {expected}, got {faults:?}"));
            }
            if theirs.as_ref().is_some_and(|theirs| theirs[at] != expected) {
                wrong.push(format!("{name}: {document}: expected {expected}, not so xmllint"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// xmllint 2.9 refuses them, against XML Schema (part 2, §4.3.6).
#[test]
fn blanks_around_a_number_do_not_count() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "<xs:element name='r' type='xs:int'/>");
    let schemas = Schemas::load(folder.path()).expect("a schema");
    assert_eq!(schemas.faults("zoo", b"<r> 7\n</r>"), Vec::<String>::new());
    assert!(!schemas.faults("zoo", b"<r>7 7</r>").is_empty());
}

#[test]
fn a_schema_with_an_unknown_construct_or_reference_is_refused() {
    for (content, word) in REFUSED {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), content);
        let error = Schemas::load(folder.path()).expect_err(content).to_string();
        assert!(error.contains(word) && error.contains("zoo.xsd"), "{content}: {error}");
    }
}

#[test]
fn a_message_that_no_schema_declares_does_not_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "<xs:element name='r' type='xs:string'/>");
    let schemas = Schemas::load(folder.path()).expect("a schema");
    assert_eq!(schemas.faults("zoo", b"<r/>"), Vec::<String>::new());
    for (message, word) in [
        (&b"<q/>"[..], "declares q"),
        (b"<r xmlns='urn:x'/>", "{urn:x}r"),
        (b"<r>", "not well-formed"),
        (b"<r></q>", "not well-formed"),
        (b"<r>&x;</r>", "not well-formed"),
        (b"<p:r/>", "not well-formed"),
        (b"", "not well-formed"),
        (b"\xff\xfe", "UTF-8"),
    ] {
        let faults = schemas.faults("zoo", message).join(";");
        assert!(faults.contains(word), "{faults}");
    }
    assert!(!schemas.faults("elsewhere", b"<r/>").is_empty());
}
