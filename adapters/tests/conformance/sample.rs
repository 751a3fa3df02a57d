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
        "gbdfl.person" => gbdfl_person(id),
        "kpsisu.check" => kpsisu_check(),
        "realestate.properties" => realestate_properties(id),
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

fn realestate_properties(id: Uuid) -> Sample {
    let reply = |data: &str| {
        envelope(&format!(
            "<q:SendMessageResponse xmlns:q=\"http://bip.bee.kz/SyncChannel/v10/Types\"><response>\
             <responseInfo><messageId>1</messageId><status><code>SCSS001</code></status>\
             </responseInfo><responseData>{data}</responseData></response></q:SendMessageResponse>"
        ))
    };
    let response = |number: &str, result: &str, objects: &str| {
        format!(
            "<e:Response xmlns:e=\"urn:sim:egkn:rightsbyiinbin\"><SystemInfo><RequestNumber>{number}\
             </RequestNumber></SystemInfo><BusinessData><Result><ResultCode>{result}</ResultCode>\
             </Result>{objects}</BusinessData></e:Response>"
        )
    };
    let object = |owner: &str| {
        format!(
            "<Objects><ObjectInfo><Id>1</Id><Razdel2><Owner><IINBIN>{owner}</IINBIN><NameRus>\
             {SURNAME}</NameRus></Owner></Razdel2></ObjectInfo></Objects>"
        )
    };
    let data = |content: &str| reply(&format!("<data>{content}</data>"));
    let id = id.to_string();
    let good = response(&id, "310", &object(IIN));
    Sample {
        input: json!({ "iin": IIN }),
        good: vec![
            ("plain", data(&good)),
            ("no property", data(&response(&id, "310", "<Objects/>"))),
            ("namespaced", reply(&format!("<n:data xmlns:n='urn:n'>{good}</n:data>"))),
            ("byte order mark", format!("\u{feff}{}", data(&good))),
            ("cdata", data(&format!("<![CDATA[<?xml version='1.0'?>{good}]]>"))),
            ("escaped", data(&good.replace('<', "&lt;"))),
        ],
        wrong: vec![
            ("another owner", data(&response(&id, "310", &object(OTHER_IIN)))),
            ("another request", data(&response(&Uuid::nil().to_string(), "310", &object(IIN)))),
            ("not a success", data(&response(&id, "001", "<Objects/>"))),
            ("no list", data(&response(&id, "310", ""))),
            ("no data", reply("")),
            ("broken escaped document", data("&lt;Response>&lt;Objects>")),
            ("doctype in the payload", data("<![CDATA[<!DOCTYPE r><r><a/></r>]]>")),
        ],
    }
}
