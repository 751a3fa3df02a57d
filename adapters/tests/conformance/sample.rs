//! What a good answer looks like, system by system. A new system adds one arm to [`of`].

use contracts::operation::OperationSpec;
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
        "eqyzmet.submit" => eqyzmet_submit(id),
        "gbdfl.person" => gbdfl_person(id),
        "kpsisu.check" => kpsisu_check(),
        other => unreachable!("{other} needs a sample here"),
    }
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

fn eqyzmet_submit(id: Uuid) -> Sample {
    let certificate = |text: &str| text.trim_end().to_owned();
    let param = |key: &str, value: &str| {
        format!("<param><key>{key}</key><values><value>{value}</value></values></param>")
    };
    let answer = |code: &str, message_id: &str, number: &str| {
        [
            param("resultCode", code),
            param("resultMessage", SURNAME),
            param("messageId", message_id),
            param("requestNumber", number),
            param("revision", "2"),
        ]
        .concat()
    };
    let reply = |data: &str| {
        envelope(&format!(
            "<q:SendMessageResponse xmlns:q=\"http://bip.bee.kz/SyncChannel/v10/Types\"><response>\
             <responseInfo><messageId>1</messageId><status><code>SCSS001</code></status>\
             </responseInfo><responseData><data>{data}</data></responseData></response>\
             </q:SendMessageResponse>"
        ))
    };
    let response =
        |params: &str| format!("<Response serviceName='SIM_submitMessage'>{params}</Response>");
    let (ours, message) = (id.to_string(), "SIM-1000001.1");
    let good = response(&answer("0", message, &ours));
    let repeated = response(&answer("SIM-ALREADY-SUBMITTED", message, &ours));
    let wrong = |params: &str| reply(&response(params));
    Sample {
        input: json!({
            "message_id": message,
            "fields": [{ "key": "Пояснение", "value": format!("{SURNAME} <{IIN}>") }],
            "signature": "U0lN",
            "person_certificate": certificate(include_str!(
                "../../../contracts/systems/eqyzmet/certificates/person.b64"
            )),
            "organisation_certificate": certificate(include_str!(
                "../../../contracts/systems/eqyzmet/certificates/organisation.b64"
            )),
        }),
        good: vec![
            ("plain", reply(&good)),
            ("cdata", reply(&format!("<![CDATA[<?xml version='1.0'?>{good}]]>"))),
            ("escaped", reply(&good.replace('<', "&lt;"))),
            ("our own repetition", reply(&repeated)),
        ],
        wrong: vec![
            ("another message", wrong(&answer("0", "SIM-1000002.1", &ours))),
            ("another request", wrong(&answer("0", message, &Uuid::nil().to_string()))),
            ("no request", wrong(&answer("0", message, ""))),
            ("another service", reply(&good.replace("submitMessage", "messageStatus"))),
            ("no service", reply(&good.replace(" serviceName='SIM_submitMessage'", ""))),
            ("the question mirrored", reply(&good.replace("Response", "Request"))),
            ("an unknown code", wrong(&answer("1", message, &ours))),
            ("a key twice", wrong(&(answer("0", message, &ours) + &param("resultCode", "0")))),
            ("lists", wrong(&answer("0</value><value>0", message, &ours))),
            ("a param without values", wrong("<param><key>resultCode</key></param>")),
            ("no revision", wrong(&answer("0", message, &ours).replace("revision", "version"))),
            ("no data", reply("")),
            ("no XML", reply("&lt;Response")),
        ],
    }
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
