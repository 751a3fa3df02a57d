//! What a good answer looks like, system by system. A new system adds one arm to [`of`].

use contracts::operation::{Effect, OperationSpec};
use serde_json::{Value, json};
use uuid::Uuid;

/// Asked about in every test.
pub(crate) const IIN: &str = "850100300012";
/// Somebody else.
pub(crate) const OTHER_IIN: &str = "920300400029";
pub(crate) const SURNAME: &str = "ТЕСТОВ";

/// An operation's input and answers.
pub(crate) struct Sample {
    pub(crate) input: Value,
    /// Envelopes that must be taken, with the name of their form.
    pub(crate) good: Vec<(&'static str, String)>,
    /// Envelopes that are well-formed but must not be taken, with the name of what is wrong.
    pub(crate) wrong: Vec<(&'static str, String)>,
}

/// The sample of an operation.
pub(crate) fn of(operation: &OperationSpec, id: Uuid) -> Sample {
    match operation.name {
        "gbdfl.person" => gbdfl_person(id),
        "kazpost.label" => kazpost_label(),
        "kazpost.call_courier" => kazpost_call_courier(),
        "kazpost.track" => kazpost_track(),
        "kazpost.cancel" => kazpost_cancel(),
        "kpsisu.check" => kpsisu_check(),
        other => unreachable!("{other} needs a sample here"),
    }
}

/// Whether an operation travels over the gateway.
pub(crate) fn speaks_shep(operation: &OperationSpec) -> bool {
    operation.system != "kazpost"
}

/// What the first request of an attempt does: a command that signs in first has not begun.
pub(crate) fn first_effect(operation: &OperationSpec) -> Effect {
    if operation.name == "kazpost.call_courier" { Effect::Query } else { operation.effect }
}

/// An envelope with foreign prefixes, and a header that must be understood.
pub(crate) fn envelope(content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<S:Envelope \
         xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><SE:Header \
         xmlns:SE=\"http://schemas.xmlsoap.org/soap/envelope/\"><w:Security xmlns:w=\"urn:wsse\" \
         S:mustUnderstand=\"1\"/></SE:Header><S:Body>{content}</S:Body></S:Envelope>"
    )
}

/// A fault that names a person where none belongs.
pub(crate) fn fault(code: &str) -> String {
    envelope(&format!(
        "<S:Fault><faultcode>S:Server</faultcode><faultstring>{SURNAME} {IIN}</faultstring>\
         <detail><f:SendMessageFault1_SendMessageFault xmlns:f=\"urn:f\"><errorCode>{code}\
         </errorCode><errorMessage>{IIN}</errorMessage></f:SendMessageFault1_SendMessageFault>\
         </detail></S:Fault>"
    ))
}

fn gbdfl_person(id: Uuid) -> Sample {
    let reply = |data: &str| {
        envelope(&format!(
            "<q:SendMessageResponse xmlns:q=\"http://bip.bee.kz/SyncChannel/v10/Types\"><response>\
             <responseInfo><messageId>1</messageId><status><code>SCSS001</code></status>\
             </responseInfo><responseData>{data}</responseData></response></q:SendMessageResponse>"
        ))
    };
    let payload = |request_id: &str, iin: &str| {
        format!(
            "<requestId>{request_id}</requestId><messageResult><code>00000</code></messageResult>\
             <persons><person><iin>{iin}</iin><surname>{SURNAME}</surname><lifeStatus><code>0\
             </code></lifeStatus></person></persons>"
        )
    };
    let data = |content: &str| reply(&format!("<data>{content}</data>"));
    let id = id.to_string();
    let good = payload(&id, IIN);
    let typed = "<n:data xmlns:n='urn:n' xmlns:c='urn:c' xmlns:i='urn:i' i:type='c:Request'>";
    Sample {
        input: json!({ "iin": IIN }),
        good: vec![
            ("plain", data(&good)),
            ("typed and namespaced", reply(&format!("{typed}{good}</n:data>"))),
            ("byte order mark", format!("\u{feff}{}", data(&good))),
            ("cdata", data(&format!("<![CDATA[<?xml version='1.0'?><r>{good}</r>]]>"))),
            ("escaped", data(&format!("<r>{good}</r>").replace('<', "&lt;"))),
        ],
        wrong: vec![
            ("another person", data(&payload(&id, OTHER_IIN))),
            ("another request", data(&payload(&Uuid::nil().to_string(), IIN))),
            ("no data", reply("")),
            ("broken escaped document", data("&lt;r>&lt;requestId>")),
            ("doctype in the payload", data("<![CDATA[<!DOCTYPE r><r><a/></r>]]>")),
        ],
    }
}

const TRACK: &str = "AP000000014KZ";

fn post(response: &str, content: &str) -> String {
    envelope(&format!(
        "<q:{response} xmlns:q=\"http://webservices.kazpost.kz/postratesws\">{content}</q:{response}>"
    ))
}

fn code(code: &str) -> String {
    format!("<q:ResponseInfo><q:ResponseCode>{code}</q:ResponseCode></q:ResponseInfo>")
}

fn kazpost_label() -> Sample {
    let address =
        json!({ "postcode": "010000", "city": "Астана", "street": "Тестовая", "house": "1" });
    let reply = |content: &str| post("GetAddrLetterResponse", content);
    let number = format!("<q:Barcodes>{TRACK}</q:Barcodes>");
    let (done, known) = (code("0"), code("20012"));
    Sample {
        input: json!({
            "order_number": "5521", "order_status": "reserved", "delivery_method": "courier",
            "recipient": {
                "iin": IIN, "name": SURNAME, "phone": "+77000000000", "address": address,
            },
            "sender": { "name": "ТОО «ТЕСТ»", "phone": "87000000000", "address": address },
            "weight_g": 250,
        }),
        good: vec![
            // `%PDF-1.4` in base64.
            ("label", reply(&format!("{done}{number}<q:AddrLetPdfs>JVBERi0xLjQ=</q:AddrLetPdfs>"))),
            ("no label", reply(&format!("{number}{done}"))),
            ("a known order number", reply(&format!("{known}{number}"))),
            ("byte order mark", format!("\u{feff}{}", reply(&format!("{done}{number}")))),
        ],
        wrong: vec![
            ("no number", reply(&done)),
            ("nothing", reply("")),
            ("another response", post("GetBarcodeInfoResponse", &format!("{done}{number}"))),
            ("another namespace", reply(&done).replace("postratesws", "other")),
        ],
    }
}

fn kazpost_call_courier() -> Sample {
    Sample {
        input: json!({
            "order_number": "5521", "date": "2026-11-23", "weight_g": 1_500,
            "sender": { "bin": "990140000007", "name": SURNAME, "phone": "87000000000" },
            "pickup": { "region_code": "75", "address": "Алматы, Тестовая, 2" },
        }),
        good: Vec::new(), // two requests: tests/simulators/kazpost.rs
        wrong: Vec::new(),
    }
}

fn kazpost_track() -> Sample {
    let day = json!([{ "date": "20.11.2026", "activity": [
        { "time": "18:59", "zip": "050000", "city": "АЛМАТЫ", "name": SURNAME, "status": ["RCPOPS"] },
    ]}]);
    let about = |number: &str, events: &Value| json!({ "trackid": number, "events": events });
    Sample {
        input: json!({ "track_number": TRACK }),
        good: vec![
            ("history", about(TRACK, &day).to_string()),
            ("nothing yet", about(TRACK, &json!([])).to_string()),
            ("not known", json!({ "trackid": TRACK, "error": "не найдена" }).to_string()),
        ],
        wrong: vec![
            ("another number", about("QS000000014KZ", &day).to_string()),
            ("no number", json!({ "events": day }).to_string()),
            ("no events", json!({ "trackid": TRACK }).to_string()),
            ("a list", "[]".to_owned()),
        ],
    }
}

fn kazpost_cancel() -> Sample {
    let reply = |content: &str| post("PunDoInsertResponse", content);
    Sample {
        input: json!({ "order_number": "5521", "track_number": TRACK }),
        good: vec![("done", reply(&code("0")))],
        wrong: vec![
            ("no code", reply("")),
            ("another response", post("GetBarcodeInfoResponse", &code("0"))),
        ],
    }
}

fn kpsisu_check() -> Sample {
    let ack = |ids: &str| {
        envelope(&format!(
            "<q:sendMessageResponse xmlns:q=\"http://bip.bee.kz/AsyncChannel/v10/Types\">\
             <response>{ids}</response></q:sendMessageResponse>"
        ))
    };
    let ids = "<messageId>216386080</messageId><correlationId>3226347</correlationId>";
    Sample {
        input: json!({ "iin": IIN, "surname": SURNAME }),
        good: vec![("plain", ack(ids)), ("byte order mark", format!("\u{feff}{}", ack(ids)))],
        wrong: vec![
            ("no ids", ack("")),
            ("no chain", ack("<messageId>216386080</messageId>")),
            ("an empty answer", envelope("<sendMessageResponse/>")),
        ],
    }
}
