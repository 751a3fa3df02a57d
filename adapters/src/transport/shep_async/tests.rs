use bytes::Bytes;
use contracts::personal::Personal;
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    pull::{confirm_request, pull_request},
    *,
};
use crate::{
    channel::MessageKind,
    settings::Settings,
    transport::{payload::payload, xml},
};

fn now() -> Timestamp {
    "2026-01-15T05:00:00Z".parse().expect("instant")
}

fn gateway() -> Gateway {
    let settings =
        Settings { password: Some("p".into()), ..Settings::for_url("http://127.0.0.1:1/") };
    Gateway::new("kpsisu", &settings).expect("builds")
}

/// What an outgoing envelope holds inside its SOAP body.
fn written(mut outgoing: Outgoing) -> String {
    soap::close(&mut outgoing.xml);
    inside(&outgoing.xml.finish().expect("writable"))
}

fn inside(envelope: &str) -> String {
    let (_, rest) = envelope.split_once("<soapenv:Body>").expect("body");
    rest.split_once("</soapenv:Body>").expect("body").0.to_owned()
}

/// A delivered push as captured (shep §2.3): foreign prefixes, a signature header that must be
/// understood, a session inside the sender, a date without an offset.
fn push(namespace: &str, info: &str, data: &str) -> String {
    format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><S:Envelope \
         xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:SE=\"http://schemas.xmlsoap.org/soap/envelope/\"><SE:Header><wsse:Security \
         xmlns:wsse=\"urn:wsse\" S:mustUnderstand=\"1\"><a/></wsse:Security></SE:Header><S:Body \
         xmlns:wsu=\"urn:wsu\" wsu:Id=\"id-1\"><q:sendMessage xmlns:q=\"{namespace}\"><request>\
         <messageInfo>{info}</messageInfo><messageData>{data}</messageData></request>\
         </q:sendMessage></S:Body></S:Envelope>"
    )
}

const INFO: &str = "<messageId>216386081</messageId><correlationId>3226347</correlationId>\
    <serviceId>SERVICE</serviceId><messageType>RESPONSE</messageType><routeId/>\
    <messageDate>2026-01-15T10:05:00</messageDate><sender><senderId>provider</senderId>\
    <password>aa11</password><sessionId>{s}</sessionId></sender><properties/>\
    <sessionId>{0f2c6d3e-6f0e-4b44-8f57-0d4a9f2f6b11}</sessionId>";

fn message(bytes: &str) -> Result<crate::channel::Message, PushError> {
    read_push(bytes.as_bytes()).map(|push| match push {
        Push::Message(message) => message,
        Push::StatusChange(_) => unreachable!("a message was sent"),
    })
}

#[test]
fn a_request_carries_no_ids_and_follows_the_order_of_the_schema() {
    let outgoing = request(&gateway(), "SERVICE", now(), |xml| {
        xml.raw("<a/>");
    });
    assert_eq!(
        written(outgoing),
        "<typ:sendMessage xmlns:typ=\"http://bip.bee.kz/AsyncChannel/v10/Types\"><request>\
         <messageInfo><serviceId>SERVICE</serviceId><messageType>REQUEST</messageType>\
         <messageDate>2026-01-15T10:00:00.000+05:00</messageDate><sender><senderId>hub</senderId>\
         <password>p</password></sender></messageInfo><messageData><data><a/></data></messageData>\
         </request></typ:sendMessage>"
    );
}

#[test]
fn an_acknowledgement_counts_only_with_both_ids() {
    let ack = |ids: &str| {
        let text = format!(
            "<S:Envelope xmlns:S='{}'><S:Body><sendMessageResponse xmlns='urn:t'><response>{ids}\
             </response></sendMessageResponse></S:Body></S:Envelope>",
            soap::SOAP_1_1
        );
        read_ack(&xml::read(text.as_bytes()).expect("reads"))
    };
    let both = "<messageId>1</messageId><correlationId>2</correlationId>";
    let chain = Chain { correlation_id: "2".to_owned(), message_id: "1".to_owned() };
    assert_eq!(ack(both), Some(chain));
    assert_eq!(ack("<messageId>1</messageId>"), None);
    assert_eq!(ack("<messageId>1</messageId><correlationId/>"), None);
    assert_eq!(ack(&both.repeat(2)), None);
}

#[test]
fn a_push_is_read_in_either_namespace_with_headers_tolerated() {
    for namespace in [TYPES, CLIENT_TYPES] {
        let data = "<data><a>1</a></data>";
        let message = message(&push(namespace, INFO, data)).expect("reads");
        assert_eq!(message.message_id, "216386081");
        assert_eq!(message.correlation_id, "3226347");
        assert_eq!(message.service_id, "SERVICE");
        assert_eq!(message.kind, MessageKind::Response);
        assert_eq!(message.sender_id, "provider");
        assert_eq!(message.sender_password.map(Personal::into_exposed).as_deref(), Some("aa11"));
        let session = "{0f2c6d3e-6f0e-4b44-8f57-0d4a9f2f6b11}";
        assert_eq!(message.session_id.as_deref(), Some(session));
        assert_eq!(message.data.expose(), &Bytes::from_static(b"<a>1</a>"));
    }
}

#[test]
fn data_in_every_shape_is_kept_so_that_it_can_be_decoded() {
    for data in [
        "<data><r><a>1</a></r></data>",
        "<data xsi:type='p:T' xmlns:xsi='urn:x' xmlns:p='urn:p'><p:r><p:a>1</p:a></p:r></data>",
        "<n:data xmlns:n='urn:n'>&lt;?xml version='1.0'?&gt;&lt;r&gt;&lt;a&gt;1&lt;/a&gt;\
         &lt;/r&gt;</n:data>",
        "<data><![CDATA[<r><a>1</a></r>]]></data>",
    ] {
        let message = message(&push(TYPES, INFO, data)).expect(data);
        let payload = payload(message.data.expose()).expect(data);
        assert_eq!(payload.root().child_value("a"), Some("1"), "{data}");
    }
}

#[test]
fn a_push_that_breaks_the_schema_is_named_and_not_repeated() {
    let without = |what: &str| message(&push(TYPES, &INFO.replace(what, ""), "<data/>"));
    for (what, field) in [
        ("<messageId>216386081</messageId>", "messageId"),
        ("<correlationId>3226347</correlationId>", "correlationId"),
        ("<serviceId>SERVICE</serviceId>", "serviceId"),
        ("<messageType>RESPONSE</messageType>", "messageType"),
    ] {
        assert_eq!(without(what), Err(PushError::Field(field)), "{what}");
    }
    let odd = INFO.replace("RESPONSE", "ANSWER");
    assert_eq!(message(&push(TYPES, &odd, "")), Err(PushError::Field("messageType")));
    let twice = format!("{INFO}<correlationId>9</correlationId>");
    assert_eq!(message(&push(TYPES, &twice, "")), Err(PushError::Field("correlationId")));
    assert_eq!(message(&push("urn:other", INFO, "")), Err(PushError::Operation));
    assert_eq!(read_push(b"<a/>"), Err(PushError::NotSoap));
    assert_eq!(read_push(b"x").err().map(PushError::code), Some("SCE001"));
}

#[test]
fn the_acknowledgement_echoes_the_ids_that_came() {
    let message = message(&push(TYPES, INFO, "<data/>")).expect("reads");
    assert_eq!(
        inside(&write_push_ack(&message, now())),
        "<typ:sendMessageResponse xmlns:typ=\"http://bip.bee.kz/AsyncChannel/v10/Types\">\
         <response><messageId>216386081</messageId><correlationId>3226347</correlationId>\
         <responseDate>2026-01-15T10:00:00.000+05:00</responseDate>\
         <sessionId>{0f2c6d3e-6f0e-4b44-8f57-0d4a9f2f6b11}</sessionId></response>\
         </typ:sendMessageResponse>"
    );
}

#[test]
fn a_status_change_is_read_and_answered_with_its_session_or_a_zero_one() {
    let text = format!(
        "<S:Envelope xmlns:S='{}'><S:Body><c:changeMassageStatusNotification xmlns:c='{}'>\
         <request><notification><notificationId>n-1</notificationId><messageId>21</messageId>\
         <notificationDate>2026-01-15T10:00:00+05:00</notificationDate>\
         <messageState>NOT_DELIVERED</messageState><status><statusCode>c</statusCode>\
         <statusMessage>m</statusMessage></status></notification>\
         <requestDate>2026-01-15T10:00:00+05:00</requestDate><sessionId>{{s}}</sessionId>\
         </request></c:changeMassageStatusNotification></S:Body></S:Envelope>",
        soap::SOAP_1_1,
        CLIENT_TYPES
    );
    let expected = StatusChange {
        notification_id: "n-1".to_owned(),
        message_id: "21".to_owned(),
        state: MessageState::NotDelivered,
        status_code: Some("c".to_owned()),
        session_id: Some("{s}".to_owned()),
    };
    assert_eq!(read_push(text.as_bytes()), Ok(Push::StatusChange(expected)));
    assert!(write_status_ack(Some("{s}"), now()).contains("<sessionId>{s}</sessionId>"));
    let zero = "<sessionId>{00000000-0000-0000-0000-000000000000}</sessionId>";
    assert!(write_status_ack(None, now()).contains(zero));
    let odd = text.replace("NOT_DELIVERED", "LOST");
    assert_eq!(read_push(odd.as_bytes()), Err(PushError::Field("messageState")));
}

#[test]
fn a_fault_can_be_read_back_by_its_code() {
    let text = write_fault("SCE001", "a < b", now());
    let document = xml::read(text.as_bytes()).expect("written");
    let found = soap::body(&document);
    assert!(matches!(found, Ok(Body::Fault(soap::Fault { code: "SCE001" }))), "{found:?}");
}

#[test]
fn pulling_and_confirming_follow_the_order_of_the_schema() {
    let sender = "<sender><senderId>hub</senderId><password>p</password></sender>";
    let date = "2026-01-15T10:00:00.000+05:00";
    assert_eq!(
        written(pull_request(&gateway(), "SERVICE", AMOUNT_MAX, now())),
        format!(
            "<typ:getMessages xmlns:typ=\"{TYPES}\"><request><requestDate>{date}</requestDate>\
             <serviceId>SERVICE</serviceId>{sender}<amount>100</amount></request></typ:getMessages>"
        )
    );
    assert_eq!(
        written(confirm_request(&gateway(), "SERVICE", "21", now())),
        format!(
            "<typ:sendDeliveryNotification xmlns:typ=\"{TYPES}\"><request><notification>\
             <messageId>21</messageId><serviceId>SERVICE</serviceId>\
             <notificationDate>{date}</notificationDate><deliveryStatus>\
             <receiveStatus>MESSAGE_ACCEPTED</receiveStatus><statusDate>{date}</statusDate>\
             <resendMessage>NOT_RESEND</resendMessage></deliveryStatus></notification>\
             <requestDate>{date}</requestDate>{sender}</request></typ:sendDeliveryNotification>"
        )
    );
}

#[test]
fn nothing_personal_prints() {
    let iin = "850100300012";
    let data = format!("<data><IIN>{iin}</IIN></data>");
    let read = read_push(push(TYPES, INFO, &data).as_bytes());
    let shown = format!("{read:?}");
    assert!(!shown.contains(iin) && !shown.contains("aa11"), "{shown}");
}

proptest! {
    #[test]
    fn any_ids_are_echoed_or_replaced_but_always_written(
        id in any::<String>(), session in proptest::option::of(any::<String>()), n in any::<u128>()
    ) {
        let message = crate::channel::Message {
            message_id: id,
            correlation_id: Uuid::from_u128(n).to_string(),
            service_id: String::new(),
            kind: MessageKind::Response,
            sender_id: String::new(),
            sender_password: None,
            session_id: session,
            data: Personal::new(Bytes::new()),
        };
        prop_assert!(xml::read(write_push_ack(&message, now()).as_bytes()).is_ok());
    }
}
