//! SOAP envelopes: 1.1 is written, 1.1 and 1.2 are read.
//!
//! Headers are tolerated and not read (a `wsse:Security` header with `mustUnderstand` counts as
//! understood; its signature is checked by whoever owns the keys, not here).

use super::xml::{Document, Element, Writer};

/// SOAP 1.1.
pub const SOAP_1_1: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// SOAP 1.2: seen for one service (gov-services §1.2).
pub const SOAP_1_2: &str = "http://www.w3.org/2003/05/soap-envelope";

const OPEN: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">"#,
    "<soapenv:Body>"
);
const CLOSE: &str = "</soapenv:Body></soapenv:Envelope>";

/// What a SOAP body holds.
#[derive(Debug, Clone, Copy)]
pub enum Body<'d> {
    /// The first element of the body.
    Content(Element<'d>),
    /// A fault.
    Fault(Fault<'d>),
}

/// A fault. Its text is not kept: it may hold personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault<'d> {
    /// `detail//errorCode`, or else the fault code as it stands: providers put their own code
    /// there, so it is not read as a qualified name (shep §1.4).
    pub code: &'d str,
}

/// A document is not a SOAP envelope with something in its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a SOAP envelope")]
pub struct NotSoap;

/// Begins an envelope.
pub fn open(writer: &mut Writer) {
    writer.raw(OPEN);
}

/// Ends an envelope.
pub fn close(writer: &mut Writer) {
    writer.raw(CLOSE);
}

/// Finds what the body holds.
pub fn body(document: &Document) -> Result<Body<'_>, NotSoap> {
    let envelope = document.root();
    if envelope.local() != "Envelope" || !envelope.namespace().is_some_and(is_soap) {
        return Err(NotSoap);
    }
    let body = envelope.only("Body").map_err(|_| NotSoap)?.ok_or(NotSoap)?;
    let content = body.children().next().ok_or(NotSoap)?;
    if content.local() == "Fault" && content.namespace().is_some_and(is_soap) {
        return Ok(Body::Fault(read_fault(content)));
    }
    Ok(Body::Content(content))
}

fn is_soap(namespace: &str) -> bool {
    namespace == SOAP_1_1 || namespace == SOAP_1_2
}

fn read_fault(fault: Element<'_>) -> Fault<'_> {
    let detail = fault.child("detail").or_else(|| fault.child("Detail"));
    // The first in document order is the outer one, not that of a `subError`.
    let detailed = detail
        .and_then(|detail| detail.descendants().find(|one| one.local() == "errorCode"))
        .and_then(Element::value);
    let plain = || fault.child_value("faultcode");
    let newer = || fault.path(&["Code", "Value"]).and_then(Element::value);
    Fault { code: detailed.or_else(plain).or_else(newer).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::{super::xml::read, *};

    fn fault_code(body: &str) -> String {
        let text = format!(
            "<S:Envelope xmlns:S='{SOAP_1_1}'><S:Body><S:Fault>{body}</S:Fault></S:Body>\
             </S:Envelope>"
        );
        let document = read(text.as_bytes()).expect("reads");
        match super::body(&document).expect("soap") {
            Body::Fault(fault) => fault.code.to_owned(),
            Body::Content(_) => "content".to_owned(),
        }
    }

    #[test]
    fn the_code_in_the_detail_goes_before_the_fault_code() {
        let detail = "<faultcode>soap:Server</faultcode><faultstring>x</faultstring><detail>\
            <t:F xmlns:t='urn:t'><errorCode>SCE006</errorCode><subError><errorCode>X</errorCode>\
            </subError></t:F></detail>";
        assert_eq!(fault_code(detail), "SCE006");
    }

    #[test]
    fn a_bare_fault_code_is_an_opaque_string() {
        assert_eq!(fault_code("<faultcode>SCE001</faultcode>"), "SCE001");
        assert_eq!(fault_code("<faultcode>soap:Server</faultcode><detail/>"), "soap:Server");
        assert_eq!(fault_code(""), "");
    }

    #[test]
    fn a_newer_envelope_and_mixed_prefixes_are_read() {
        let text = format!(
            "<S:Envelope xmlns:S='{SOAP_1_2}' xmlns:E='{SOAP_1_2}'><E:Header/><E:Body><E:Fault>\
             <E:Code><E:Value>E:Sender</E:Value></E:Code></E:Fault></E:Body></S:Envelope>"
        );
        let document = read(text.as_bytes()).expect("reads");
        let found = matches!(body(&document), Ok(Body::Fault(Fault { code: "E:Sender" })));
        assert!(found);
    }

    #[test]
    fn other_documents_are_not_soap() {
        for text in [
            "<html/>",
            "<Envelope/>",
            "<Envelope xmlns='urn:x'><Body><a/></Body></Envelope>",
            "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body/></Envelope>",
            "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'/>",
        ] {
            let document = read(text.as_bytes()).expect("reads");
            assert_eq!(body(&document).err(), Some(NotSoap), "{text}");
        }
    }
}
