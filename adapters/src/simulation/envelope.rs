//! SHEP envelopes as they are met in the field (shep §1-2), and the shapes of `data` (shep §4.1).
//!
//! Everything is text: the simulators must not share a writer with the adapters. Slots of
//! [`super::template`] pass through untouched.

use jiff::{Timestamp, tz};

use super::{chance::Chance, template::escape};

/// Namespace of the synchronous channel's wrappers.
pub const SYNC: &str = "http://bip.bee.kz/SyncChannel/v10/Types";
/// Namespace of the asynchronous channel's wrappers.
pub const ASYNC: &str = "http://bip.bee.kz/AsyncChannel/v10/Types";
/// Namespace of SOAP 1.1.
pub const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
/// Kazakhstan has had one offset since 2024-03-01 (gov-services §9.5).
const LOCAL: tz::Offset = tz::offset(5);

/// The ways in which one well-formed answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the schema has it.
    Canonical,
    /// Other prefixes, and the wrapper's namespace as the default one.
    ForeignPrefixes,
    /// A byte-order mark and an XML declaration.
    Bom,
    /// The payload as CDATA.
    Cdata,
    /// The payload as escaped text with an XML declaration of its own.
    EscapedText,
    /// The payload as text in two nodes: escaped, then CDATA.
    TwoTextNodes,
    /// `data` in a namespace, as in SmartBridge's own example.
    NamespacedData,
    /// Line breaks and indentation everywhere.
    Pretty,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 8] = [
        Self::Canonical,
        Self::ForeignPrefixes,
        Self::Bom,
        Self::Cdata,
        Self::EscapedText,
        Self::TwoTextNodes,
        Self::NamespacedData,
        Self::Pretty,
    ];

    /// Canonical in half of the cases.
    pub fn draw(chance: &mut Chance) -> Self {
        let drawn = if chance.permille() < 500 { Self::Canonical } else { chance.pick(&Self::ALL) };
        if chance.is_plain() { Self::Canonical } else { drawn }
    }

    /// The place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What travels in `data`.
pub struct Payload<'a> {
    /// What stands inside `data` as elements.
    pub elements: &'a str,
    /// The same as a document of its own, for the forms that are text.
    pub document: &'a str,
    /// Attributes of `data` that name its type, with a leading space.
    pub type_attributes: &'a str,
}

impl Payload<'_> {
    /// The element `data`.
    pub fn data(&self, form: Form) -> String {
        let Self { elements, document, type_attributes } = self;
        match form {
            Form::Canonical | Form::ForeignPrefixes | Form::Bom | Form::Pretty => {
                format!("<data>{elements}</data>")
            }
            Form::Cdata => format!("<data><![CDATA[{document}]]></data>"),
            Form::EscapedText => format!(
                "<data xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"{XSI}\" \
                 xsi:type=\"xs:string\">{}</data>",
                escape_document(&format!("{DECLARATION}\n{document}"))
            ),
            Form::TwoTextNodes => {
                let middle = document.char_indices().map(|(index, _)| index);
                let middle = middle.take_while(|index| *index <= document.len() / 2).last();
                // Not inside a slot: those end before the next tag begins.
                let middle = document[..middle.unwrap_or(0)].rfind('<').unwrap_or(0);
                let (head, tail) = document.split_at(middle);
                format!("<data>{}<![CDATA[{tail}]]></data>", escape_document(head))
            }
            Form::NamespacedData => format!(
                "<ns4:data xmlns:ns4=\"http://bip.bee.kz/SyncChannel/v10/Interfaces\"\
                 {type_attributes}>{elements}</ns4:data>"
            ),
        }
    }
}

/// A whole SOAP message. `inner` is the content of `<wrapper><child>`.
pub struct Soap<'a> {
    /// Content of the header.
    pub header: &'a str,
    /// Attributes of the body, with a leading space.
    pub body_attributes: &'a str,
    /// Namespace of the wrapper.
    pub namespace: &'a str,
    /// Local name of the wrapper.
    pub wrapper: &'a str,
    /// The wrapper's one child: `request` or `response`.
    pub child: &'a str,
    /// What stands in that child.
    pub inner: &'a str,
}

impl Soap<'_> {
    /// The message in this form.
    pub fn text(&self, form: Form) -> String {
        let Self { header, body_attributes, namespace, wrapper, child, inner } = self;
        match form {
            Form::ForeignPrefixes => format!(
                "{DECLARATION}<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{SOAP}\" \
                 xmlns:unused=\"urn:unused\"><SOAP-ENV:Header>{header}</SOAP-ENV:Header>\
                 <SOAP-ENV:Body{body_attributes}><{wrapper} xmlns=\"{namespace}\">\
                 <{child} xmlns=\"\">{inner}</{child}></{wrapper}>\
                 </SOAP-ENV:Body></SOAP-ENV:Envelope>"
            ),
            Form::Bom => format!("\u{feff}{DECLARATION}\n{}", self.text(Form::Canonical)),
            Form::Pretty => {
                let text = self.text(Form::Canonical).replace("><", ">\n  <");
                format!("{DECLARATION}\n<!-- simulated -->\n{text}\n")
            }
            Form::Canonical
            | Form::Cdata
            | Form::EscapedText
            | Form::TwoTextNodes
            | Form::NamespacedData => format!(
                "<soapenv:Envelope xmlns:soapenv=\"{SOAP}\" xmlns:typ=\"{namespace}\">\
                 <soapenv:Header>{header}</soapenv:Header><soapenv:Body{body_attributes}>\
                 <typ:{wrapper}><{child}>{inner}</{child}></typ:{wrapper}>\
                 </soapenv:Body></soapenv:Envelope>"
            ),
        }
    }
}

/// A fault of a channel (shep §1.4).
pub struct Fault<'a> {
    /// Namespace of the channel.
    pub namespace: &'a str,
    /// The detail element, for example `SendMessageFault1_SendMessageFault`.
    pub element: &'a str,
    /// Our or their code.
    pub code: &'a str,
    /// Words.
    pub message: &'a str,
    /// Business time.
    pub at: Timestamp,
}

impl Fault<'_> {
    /// The whole message.
    pub fn bytes(&self) -> Vec<u8> {
        let Self { namespace, element, code, message, at } = self;
        let (code, message) = (escape(code), escape(message));
        format!(
            "<soap:Envelope xmlns:soap=\"{SOAP}\"><soap:Body><soap:Fault>\
             <faultcode>soap:Server</faultcode><faultstring>{message}</faultstring><detail>\
             <ns2:{element} xmlns:ns2=\"{namespace}\"><errorCode>{code}</errorCode>\
             <errorMessage>{message}</errorMessage><errorDate>{date}</errorDate>\
             <sessionId>{{00000000-0000-4000-8000-000000000001}}</sessionId></ns2:{element}>\
             </detail></soap:Fault></soap:Body></soap:Envelope>",
            date = date_time(*at)
        )
        .into_bytes()
    }
}

/// The security header that every push carries. The signature is not real.
pub fn security_header(soap_prefix: &str) -> String {
    format!("<wsse:Security xmlns:wsse=\"{WSSE}\" {soap_prefix}:mustUnderstand=\"1\"/>")
}

/// Both ids that a captured push has on its body (shep §2.3).
pub fn body_ids() -> String {
    format!(" xmlns:wsse=\"{WSSE}\" xmlns:wsu=\"{WSU}\" wsse:Id=\"id-1\" wsu:Id=\"id-1\"")
}

/// `2026-01-15T10:00:00.000+05:00`.
pub fn date_time(at: Timestamp) -> String {
    LOCAL.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S%.3f+05:00").to_string()
}

/// `2026-01-15T10:00:00`: no offset, as in captured pushes.
pub fn date_time_without_offset(at: Timestamp) -> String {
    LOCAL.to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// `2026-01-15`.
pub fn date(at: Timestamp) -> String {
    LOCAL.to_datetime(at).date().to_string()
}

/// Escapes a document and marks its slots, whose values then need the same.
fn escape_document(document: &str) -> String {
    escape(document).replace("}}", "!}}")
}
