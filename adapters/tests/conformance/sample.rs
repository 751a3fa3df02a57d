//! What a good answer looks like, system by system. A new system adds one arm to [`of`].

use adapters::attempt::OneTimeCode;
use contracts::{
    operation::{Effect, OperationSpec},
    personal::Personal,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Asked about in every test.
pub(crate) const IIN: &str = "850100300012";
/// Somebody else.
pub(crate) const OTHER_IIN: &str = "920300400029";
const TRACK: &str = "AP000000014KZ";
pub(crate) const SURNAME: &str = "ТЕСТОВ";
/// A one-time code; no id or date in these tests holds its digits.
pub(crate) const DIGITS: &str = "4637";

/// An operation's input and answers.
pub(crate) struct Sample {
    pub(crate) input: Value,
    /// Envelopes that must be taken, with the name of their form.
    pub(crate) good: Vec<(&'static str, String)>,
    /// Envelopes that are well-formed but must not be taken, with the name of what is wrong.
    pub(crate) wrong: Vec<(&'static str, String)>,
}

/// The code that the hub hands over, where the operation takes one.
pub(crate) fn code(operation: &OperationSpec) -> Option<OneTimeCode> {
    let code = || OneTimeCode {
        sent_by: Uuid::nil(),
        otp_id: Some("otp-1".to_owned()),
        digits: Personal::new(DIGITS.to_owned()),
    };
    (operation.name == "mgov.verify_code").then(code)
}

/// The sample of an operation.
pub(crate) fn of(operation: &OperationSpec, id: Uuid) -> Sample {
    match operation.name {
        "eqyzmet.submit" => eqyzmet_submit(id),
        "gbdfl.person" => gbdfl_person(id),
        "gbdul.organization" => gbdul_organization(),
        "kpsisu.check" => kpsisu_check(),
        "mgov.lookup" => mgov(id, MGOV_LOOKUP),
        "mgov.send_code" => mgov(id, MGOV_SEND_CODE),
        "mgov.verify_code" => mgov(id, MGOV_VERIFY_CODE),
        "realestate.properties" => realestate_properties(id),
        "mzrk.check" => mzrk_check(id),
        "kazpost.label" => kazpost_label(),
        "kazpost.call_courier" => kazpost_call_courier(),
        "kazpost.track" => kazpost_track(),
        "kazpost.cancel" => kazpost_cancel(),
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

fn gbdul_organization() -> Sample {
    let reply = |data: &str| {
        envelope(&format!(
            "<q:SendMessageResponse xmlns:q=\"http://bip.bee.kz/SyncChannel/v10/Types\"><response>\
             <responseInfo><messageId>1</messageId><status><code>SCSS001</code></status>\
             </responseInfo><responseData>{data}</responseData></response></q:SendMessageResponse>"
        ))
    };
    let document = |bin: &str, leader: &str| {
        format!(
            "<n:Response xmlns:n=\"http://gbdulinfobybin_v2.egp.gbdul.tamur.kz\"><Status>\
             <Code>002</Code></Status><Organization><BIN>{bin}</BIN><OrganizationLeader>\
             <IIN>{leader}</IIN><SurName>{SURNAME}</SurName></OrganizationLeader></Organization>\
             <d:Signature xmlns:d=\"http://www.w3.org/2000/09/xmldsig#\"><d:SignedInfo/>\
             </d:Signature></n:Response>"
        )
    };
    let escaped = |document: &str| document.replace('&', "&amp;").replace('<', "&lt;");
    let data = |content: &str| reply(&format!("<data>{content}</data>"));
    let good = document("100540000008", IIN);
    let text = escaped(&good);
    let typed = "<data xmlns:i=\"urn:i\" i:type=\"xs:string\">";
    Sample {
        input: json!({ "bin": "100540000008" }),
        good: vec![
            ("escaped", data(&text)),
            (
                "typed, with a declaration",
                reply(&format!("{typed}&lt;?xml version='1.0'?>{text}</data>")),
            ),
            ("byte order mark", format!("\u{feff}{}", data(&text))),
            ("cdata", data(&format!("<![CDATA[<?xml version='1.0'?>{good}]]>"))),
            ("elements", data(&good)),
            ("unsigned", data(&escaped(&good.replace("d:Signature", "d:Nothing")))),
        ],
        wrong: vec![
            ("another organisation", data(&escaped(&document("180842000004", OTHER_IIN)))),
            ("no data", reply("")),
            ("escaped twice", data(&escaped(&text))),
            ("truncated", data(&text[..text.len() - 9])),
            ("doctype in the payload", data(&format!("&lt;!DOCTYPE a>{text}"))),
            ("no status", data(&escaped(&good.replace("Status>", "State>")))),
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

/// An input of M-Gov without the person, the fields of a good answer, and a status out of place.
type Mgov = (fn() -> Value, &'static str, &'static str);

const MGOV_LOOKUP: Mgov = (|| json!({}), "<status>SIM-MATCH</status>", "SIM-OK");

const MGOV_SEND_CODE: Mgov = (
    || json!({ "check": "kpsisu.check", "check_subject": "specialist:1" }),
    "<status>SIM-SENT</status><otpId>1</otpId><expiresAt>2026-11-22T10:05:00+05:00</expiresAt>",
    "SIM-MATCH",
);

const MGOV_VERIFY_CODE: Mgov =
    (|| json!({ "code_ref": Uuid::nil() }), "<status>SIM-OK</status>", "SIM-SENT");

fn mgov(id: Uuid, (input, fields, out_of_place): Mgov) -> Sample {
    let reply = |code: &str, data: &str| {
        envelope(&format!(
            "<q:SendMessageResponse xmlns:q=\"http://bip.bee.kz/SyncChannel/v10/Types\"><response>\
             <responseInfo><messageId>1</messageId><status><code>{code}</code></status>\
             </responseInfo><responseData>{data}</responseData></response></q:SendMessageResponse>"
        ))
    };
    let payload = |id: Uuid, fields: &str| {
        format!("<data xmlns=\"urn:sim:mcdb\"><requestId>{id}</requestId>{fields}</data>")
    };
    let answer = |data: &str| reply("SCSS001", data);
    let good = payload(id, fields);
    let mut input = input();
    input["iin"] = IIN.into();
    Sample {
        input,
        good: vec![
            ("in its namespace", answer(&good)),
            ("byte order mark", format!("\u{feff}{}", answer(&good))),
            ("cdata", answer(&format!("<data><![CDATA[{good}]]></data>"))),
            ("escaped", answer(&format!("<data>{}</data>", good.replace('<', "&lt;")))),
        ],
        wrong: vec![
            ("another request", answer(&payload(Uuid::nil(), fields))),
            ("no request", answer(&good.replace("requestId", "id"))),
            ("no status", answer(&payload(id, ""))),
            ("an unknown status", answer(&payload(id, "<status>SIM-4242</status>"))),
            ("a status of another operation", {
                answer(&payload(id, &format!("<status>{out_of_place}</status>")))
            }),
            ("two statuses", answer(&payload(id, &format!("{fields}<status>SIM-X</status>")))),
            ("an unknown code of the receiver", reply("SCSE001", &good)),
            ("no data", answer("")),
            ("broken escaped document", answer("<data>&lt;data>&lt;requestId></data>")),
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

fn mzrk_check(id: Uuid) -> Sample {
    let reply = |data: &str| {
        envelope(&format!(
            "<q:SendMessageResponse xmlns:q=\"http://bip.bee.kz/SyncChannel/v10/Types\"><response>\
             <responseInfo><messageId>1</messageId><status><code>SCSS001</code></status>\
             </responseInfo><responseData>{data}</responseData></response></q:SendMessageResponse>"
        ))
    };
    let payload = |request_id: &str, iin: &str, registers: &[&str]| {
        let accounts: String = registers
            .iter()
            .map(|name| {
                format!("<Account><Register>{name}</Register><OnRecord>false</OnRecord></Account>")
            })
            .collect();
        format!(
            "<ResponseInfo><StatusCode>200</StatusCode></ResponseInfo>\
             <Sim_DispensaryStatusResponse><RequestId>{request_id}</RequestId><IIN>{iin}</IIN>\
             <Accounts>{accounts}</Accounts></Sim_DispensaryStatusResponse>"
        )
    };
    let data = |content: &str| reply(&format!("<data>{content}</data>"));
    let (id, both) = (id.to_string(), ["NARCOLOGY", "PSYCHIATRY"]);
    let good = payload(&id, IIN, &both);
    let typed = "<n:data xmlns:n='urn:n' xmlns:c='urn:c' xmlns:i='urn:i' i:type='c:Response'>";
    Sample {
        input: json!({ "iin": IIN }),
        good: vec![
            ("plain", data(&good)),
            ("typed and namespaced", reply(&format!("{typed}{good}</n:data>"))),
            ("byte order mark", format!("\u{feff}{}", data(&good))),
            ("cdata", data(&format!("<![CDATA[<?xml version='1.0'?><r>{good}</r>]]>"))),
            ("escaped", data(&format!("<r>{good}</r>").replace('<', "&lt;"))),
            ("partial", data(&payload(&id, IIN, &both[..1]))),
        ],
        wrong: vec![
            ("another person", data(&payload(&id, OTHER_IIN, &both))),
            ("another request", data(&payload(&Uuid::nil().to_string(), IIN, &both))),
            ("one register twice", data(&payload(&id, IIN, &["NARCOLOGY", "NARCOLOGY"]))),
            ("an unknown register", data(&payload(&id, IIN, &["NARCOLOGY", SURNAME]))),
            ("no data", reply("")),
            ("broken escaped document", data("&lt;r>&lt;ResponseInfo>")),
            ("doctype in the payload", data("<![CDATA[<!DOCTYPE r><r><a/></r>]]>")),
        ],
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

fn post(response: &str, content: &str) -> String {
    envelope(&format!(
        "<q:{response} xmlns:q=\"http://webservices.kazpost.kz/postratesws\">{content}</q:{response}>"
    ))
}

fn post_code(code: &str) -> String {
    format!("<q:ResponseInfo><q:ResponseCode>{code}</q:ResponseCode></q:ResponseInfo>")
}

fn kazpost_label() -> Sample {
    let address =
        json!({ "postcode": "010000", "city": "Астана", "street": "Тестовая", "house": "1" });
    let reply = |content: &str| post("GetAddrLetterResponse", content);
    let number = format!("<q:Barcodes>{TRACK}</q:Barcodes>");
    let (done, known) = (post_code("0"), post_code("20012"));
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
        good: vec![("done", reply(&post_code("0")))],
        wrong: vec![
            ("no code", reply("")),
            ("another response", post("GetBarcodeInfoResponse", &post_code("0"))),
        ],
    }
}
