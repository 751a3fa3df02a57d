//! The synchronous channel of SHEP: `SendMessage` (shep §1).
//!
//! Only the wrapper is namespaced. The answer's own message id is the provider's, so an answer
//! belongs to the request whose HTTP exchange it came in (shep §1.3).
//!
//! *Guarantee*: of the five layers at which a call can fail (gov-services §1.1) this module decides
//! the first two; the status code and the payload are handed to the system, which alone knows what
//! they mean.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    dates::write_moment,
    gateway::{Gateway, Outgoing},
    payload::{self, Payload},
    soap::{self, Body},
    trouble::Trouble,
    xml::{Document, Element, Writer, XmlError},
};
use crate::attempt::Exchange;

/// Status of success, everywhere (gov-services §1.1).
pub const SUCCESS: &str = "SCSS001";

const WRAPPER: &str = r#"<typ:SendMessage xmlns:typ="http://bip.bee.kz/SyncChannel/v10/Types">"#;
const DATA: &str = "<data>";
/// A document that travels as escaped text (gov-services §1.2).
const DATA_TEXT: &str = concat!(
    r#"<data xmlns:xs="http://www.w3.org/2001/XMLSchema" "#,
    r#"xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">"#
);
/// Envelope and head without the payload.
const REQUEST_BYTES: usize = 1_024;

/// The head of a request.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The interaction's id in the gateway's registry.
    pub service_id: &'a str,
    /// The job's id: every attempt carries the same (shep §4.6).
    pub message_id: Uuid,
    /// Business time.
    pub now: Timestamp,
}

/// An answer, its meaning not yet judged.
#[derive(Debug)]
pub struct Reply {
    document: Document,
    status: usize,
    data: Option<usize>,
}

/// Sends `SendMessage` once. `write_data` writes the content of `data`.
pub async fn send(
    gateway: &Gateway,
    head: Head<'_>,
    limit: Duration,
    write_data: impl FnOnce(&mut Writer) + Send,
) -> (Result<Reply, Trouble>, Exchange) {
    let outgoing = request(gateway, head, DATA, write_data);
    let (result, exchange) = gateway.send(outgoing, limit).await;
    (result.and_then(read), exchange)
}

/// Sends `SendMessage` once, with a whole document as the text of `data`.
pub async fn send_text(
    gateway: &Gateway,
    head: Head<'_>,
    limit: Duration,
    document: &str,
) -> (Result<Reply, Trouble>, Exchange) {
    let outgoing = request(gateway, head, DATA_TEXT, |xml| {
        xml.text(document);
    });
    let (result, exchange) = gateway.send(outgoing, limit).await;
    (result.and_then(read), exchange)
}

/// Sends `SendMessage` once, where `data` names a type (shep §4.1). `open_data` is its start tag, a
/// constant of the system.
pub async fn send_typed(
    gateway: &Gateway,
    head: Head<'_>,
    limit: Duration,
    open_data: &'static str,
    write_data: impl FnOnce(&mut Writer) + Send,
) -> (Result<Reply, Trouble>, Exchange) {
    let outgoing = request(gateway, head, open_data, write_data);
    let (result, exchange) = gateway.send(outgoing, limit).await;
    (result.and_then(read), exchange)
}

/// Reads an answer's envelope.
pub fn read(document: Document) -> Result<Reply, Trouble> {
    Reply::new(document).ok_or(Trouble::Unreadable)
}

/// Writes the request in the order of the schema (shep §1.2).
fn request(
    gateway: &Gateway,
    head: Head<'_>,
    open_data: &str,
    write_data: impl FnOnce(&mut Writer),
) -> Outgoing {
    let mut outgoing = Outgoing::with_capacity(REQUEST_BYTES);
    let xml = &mut outgoing.xml;
    let id = head.message_id.hyphenated();
    xml.raw(WRAPPER).raw("<request><requestInfo>");
    xml.leaf("messageId", id.encode_lower(&mut Uuid::encode_buffer()));
    xml.leaf("serviceId", head.service_id).leaf("messageDate", &write_moment(head.now));
    gateway.write_sender(&mut outgoing);
    let xml = &mut outgoing.xml;
    xml.raw("</requestInfo><requestData>").raw(open_data);
    write_data(xml);
    xml.raw("</data></requestData></request></typ:SendMessage>");
    outgoing
}

impl Reply {
    fn new(document: Document) -> Option<Self> {
        let (status, data) = {
            let Ok(Body::Content(wrapper)) = soap::body(&document) else { return None };
            if !wrapper.local().eq_ignore_ascii_case("SendMessageResponse") {
                return None;
            }
            let response = wrapper.only("response").ok()??;
            let info = response.only("responseInfo").ok()??;
            let code = info.only("status").ok()??.only("code").ok()??;
            let holder = response.only("responseData").ok()?;
            let data = match holder {
                Some(holder) => holder.only("data").ok()?,
                None => None,
            };
            (code.index(), data.map(Element::index))
        };
        Some(Self { document, status, data })
    }

    /// `responseInfo/status/code`: an open list whose meaning differs by service.
    pub fn status(&self) -> &str {
        self.document.at(self.status).and_then(Element::value).unwrap_or_default()
    }

    /// Whether `data` is absent or empty.
    pub fn is_empty(&self) -> bool {
        self.data.and_then(|at| self.document.at(at)).is_none_or(Element::is_blank)
    }

    /// The payload.
    pub fn into_payload(self) -> Result<Payload, XmlError> {
        match self.data {
            Some(data) => payload::within(self.document, data),
            None => Err(XmlError::Empty),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::xml, *};
    use crate::settings::Settings;

    #[test]
    fn a_request_follows_the_order_of_the_schema() {
        let settings =
            Settings { password: Some("p".into()), ..Settings::for_url("http://127.0.0.1:1/") };
        let gateway = Gateway::new("gbdfl", &settings).expect("builds");
        let head = Head {
            service_id: "SERVICE",
            message_id: Uuid::from_u128(1),
            now: "2026-01-15T05:00:00Z".parse().expect("instant"),
        };
        let mut outgoing = request(&gateway, head, DATA, |xml| {
            xml.leaf("x", "<1>");
        });
        soap::close(&mut outgoing.xml);
        let written = outgoing.xml.finish().expect("writable");
        assert_eq!(
            written,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\
             \"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body><typ:SendMessage \
             xmlns:typ=\"http://bip.bee.kz/SyncChannel/v10/Types\"><request><requestInfo>\
             <messageId>00000000-0000-0000-0000-000000000001</messageId>\
             <serviceId>SERVICE</serviceId>\
             <messageDate>2026-01-15T10:00:00.000+05:00</messageDate>\
             <sender><senderId>hub</senderId><password>p</password></sender></requestInfo>\
             <requestData><data><x>&lt;1&gt;</x></data></requestData></request>\
             </typ:SendMessage></soapenv:Body></soapenv:Envelope>"
        );
    }

    #[test]
    fn a_document_may_travel_as_escaped_text() {
        let gateway = Gateway::new("gbdul", &Settings::for_url("http://127.0.0.1:1/"));
        let head =
            Head { service_id: "SERVICE", message_id: Uuid::nil(), now: Timestamp::UNIX_EPOCH };
        let outgoing = request(&gateway.expect("builds"), head, DATA_TEXT, |xml| {
            xml.text("<a>&lt;</a>");
        });
        let written = outgoing.xml.finish().expect("writable");
        assert!(written.contains(
            "<requestData><data xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"xs:string\">\
             &lt;a&gt;&amp;lt;&lt;/a&gt;</data></requestData>"
        ));
    }

    fn reply(response: &str) -> Option<Reply> {
        let text = format!(
            "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body>\
             <t:SendMessageResponse xmlns:t='urn:t'>{response}</t:SendMessageResponse></S:Body>\
             </S:Envelope>"
        );
        Reply::new(xml::read(text.as_bytes()).expect("reads"))
    }

    #[test]
    fn the_answer_is_read_by_local_names() {
        let info = "<responseInfo><status><code> SCSS001 </code></status></responseInfo>";
        let body = "<responseData><n:data xmlns:n='urn:n'><a>1</a><b/></n:data></responseData>";
        let found = reply(&format!("<response>{info}{body}</response>")).expect("reads");
        assert_eq!((found.status(), found.is_empty()), (SUCCESS, false));
        let payload = found.into_payload().expect("elements");
        assert_eq!(payload.root().child_value("a"), Some("1"));
    }

    #[test]
    fn absent_or_blank_data_is_empty() {
        let info = "<responseInfo><status><code>SCSE001</code></status></responseInfo>";
        for rest in ["", "<responseData/>", "<responseData><data> </data></responseData>"] {
            let found = reply(&format!("<response>{info}{rest}</response>")).expect(rest);
            assert!(found.is_empty(), "{rest}");
            assert_eq!(found.into_payload().err(), Some(XmlError::Empty), "{rest}");
        }
    }

    #[test]
    fn an_answer_without_a_status_or_with_two_is_unreadable() {
        let status = "<status><code>SCSS001</code></status>";
        for response in [
            String::new(),
            "<response/>".to_owned(),
            "<response><responseInfo/></response>".to_owned(),
            format!("<response><responseInfo>{status}{status}</responseInfo></response>"),
        ] {
            assert!(reply(&response).is_none(), "{response}");
        }
    }
}
