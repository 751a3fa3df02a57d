//! A pretended GBD UL behind the synchronous channel: `POST /gbdul/`.
//!
//! A request that the contract forbids gets a fault that says what is wrong, so that a mistake of
//! the adapter does not pass for an answer: SCE001 for its form, SCE017 without a signature in the
//! payload, SCE016 with one that does not fit.
//!
//! *Limits*: the happy path checks one signature and makes one, which takes most of its time.

mod answer;
mod behaviour;
mod signature;
mod tree;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};

use self::{
    answer::{Answers, Asked},
    behaviour::Behaviour as Act,
    signature::Flaw,
    tree::Element,
};
use crate::simulation::{
    Simulation,
    behaviour::{Behaviour, Profile},
    chance::Chance,
    envelope::{self, Fault},
    journal::{Entry, Kind},
    misread::Misread,
    reply::{self, Reply, SLOW},
    wsdl::{Data, Speaks},
};

const SYSTEM: &str = "gbdul";
const SERVICE_ID: &str = "GbdulInfoByBin_v2";
const NAMESPACE: &str = "http://gbdulinfobybin_v2.egp.gbdul.tamur.kz";

/// For its WSDL.
const SPEAKS: &[Speaks] = &[Speaks::Synchronous(Data::Any("gbdul/data.xsd", NAMESPACE))];

struct Registry {
    simulation: Arc<Simulation>,
    answers: Answers,
}

/// A fault's code and words.
type Refusal = (&'static str, String);

/// The routes below `/gbdul/`.
pub(super) fn router(simulation: Arc<Simulation>) -> Router {
    simulation.register(Profile {
        system: SYSTEM,
        behaviours: Act::LISTED,
        forge: None,
        speaks: SPEAKS,
    });
    let registry = Registry { simulation, answers: Answers::new() };
    Router::new().route("/", post(serve)).with_state(Arc::new(registry))
}

async fn serve(State(registry): State<Arc<Registry>>, request: axum::extract::Request) -> Response {
    let (bytes, line) = match reply::read(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let reply = match read(&bytes) {
        Ok(asked) => registry.treat(&asked).await,
        Err((code, text)) => {
            let now = registry.simulation.now();
            return Misread::synchronous(code, &text, now).into_response();
        }
    };
    reply.into_response(&line)
}

impl Registry {
    async fn treat(&self, asked: &Asked) -> Reply {
        let choice = self.simulation.choose::<Act>(SYSTEM, &asked.envelope_id, &asked.bin);
        let (act, mut chance) = (choice.behaviour, choice.chance);
        let answered = act.answers();
        self.simulation.write_down(Entry {
            system: SYSTEM,
            request_number: asked.envelope_id.clone(),
            received_at: self.simulation.now(),
            kind: Kind::Query,
            outcome: act.name(),
            given: None,
            executed: act.executes(),
            acknowledged: answered,
            correlation_id: None,
            answered: u32::from(answered),
            pushes: 0,
            delivered: 0,
        });
        if act == Act::Slow {
            tokio::time::sleep(SLOW).await;
        }
        self.reply(act, asked, &mut chance)
    }

    fn reply(&self, act: Act, asked: &Asked, chance: &mut Chance) -> Reply {
        let mut write = || self.answers.write(act, asked, self.simulation.now(), chance);
        match act {
            Act::Company
            | Act::Branch
            | Act::Representative
            | Act::NonResident
            | Act::LeaderRemoved
            | Act::NoLeader
            | Act::NotFound
            | Act::NotFound034
            | Act::NotFound035
            | Act::Untidy
            | Act::Qualified
            | Act::OtherRoot
            | Act::Unsigned
            | Act::Cdata
            | Act::Elements
            | Act::Truncated
            | Act::DoubleEscaped
            | Act::OtherBin
            | Act::NoBin
            | Act::Nobody
            | Act::BothKinds
            | Act::NotFoundWithData
            | Act::UnknownStatus
            | Act::NoStatus
            | Act::TwoStatuses
            | Act::BrokenDate
            | Act::UnknownResponseStatus
            | Act::NoData
            | Act::Slow
            | Act::Doctype => Reply::Xml(200, write()),
            Act::Unavailable => self.fault("SIM-UNAVAILABLE", "Сервис получателя недоступен"),
            Act::CertificateRefused => self.fault("SCE015", "Сертификат подписи не действителен"),
            Act::UnknownFault => self.fault("SIM-9999", "Неизвестная ошибка"),
            Act::ServerError => Reply::Empty(503),
            Act::HtmlOk => Reply::Html(200),
            Act::HtmlBadGateway => Reply::Html(502),
            Act::Reset => Reply::Reset,
            Act::Cut => Reply::Cut(write()),
            Act::CutByReset => Reply::CutByReset(write()),
            Act::Garbage => Reply::Garbage,
            Act::Oversize => Reply::Oversize { announced: false },
            Act::OversizeAnnounced => Reply::Oversize { announced: true },
        }
    }

    fn fault(&self, code: &str, message: &str) -> Reply {
        let fault = Fault {
            namespace: envelope::SYNC,
            element: "SendMessageFault1_SendMessageFault",
            code,
            message,
            at: self.simulation.now(),
        };
        Reply::Xml(500, fault.bytes())
    }
}

/// Reads a request as strictly as the contract allows (shep §1.2, gov-services §3).
fn read(bytes: &[u8]) -> Result<Asked, Refusal> {
    let wrong = |text: &str| ("SCE001", text.to_owned());
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("not UTF-8"))?;
    let root = tree::read(text).map_err(|_| wrong("not well-formed, or with a DOCTYPE"))?;
    let operation = root
        .at(&["Body", "SendMessage"])
        .filter(|operation| operation.namespace() == envelope::SYNC)
        .ok_or_else(|| wrong("the body is no SendMessage of SyncChannel/v10/Types"))?;
    let info = operation.at(&["request", "requestInfo"]).ok_or_else(|| wrong("no requestInfo"))?;
    if !info.namespace().is_empty() {
        return Err(wrong("children of SendMessage must be unqualified"));
    }
    let order = [
        "messageId",
        "correlationId",
        "serviceId",
        "messageDate",
        "routeId",
        "sender",
        "properties",
        "sessionId",
    ];
    in_order(info, &order)?;
    let word = |path: &[&str]| info.at(path).map(Element::text).unwrap_or_default();
    if word(&["serviceId"]).trim() != SERVICE_ID {
        return Err(("SCE004", "no such service".to_owned()));
    }
    for path in [&["messageId"][..], &["messageDate"], &["sender", "senderId"]] {
        if word(path).trim().is_empty() {
            return Err(wrong("messageId, messageDate and sender/senderId must not be empty"));
        }
    }
    let data = operation.at(&["request", "requestData", "data"]).ok_or_else(|| wrong("no data"))?;
    let bin = read_payload(&payload(data, text)?)?;
    Ok(Asked { envelope_id: word(&["messageId"]).trim().to_owned(), bin })
}

/// The document in `data`: escaped text of the type `xs:string`, nothing else.
fn payload(data: &Element, whole: &str) -> Result<String, Refusal> {
    let wrong = |text: &str| Err(("SCE001", text.to_owned()));
    if data.xsi_type() != Some(("http://www.w3.org/2001/XMLSchema", "string")) {
        return wrong("data must be xsi:type=\"xs:string\"");
    }
    if data.children().next().is_some() || whole.contains("<![CDATA[") {
        return wrong("the document in data must be escaped text");
    }
    Ok(data.text())
}

/// The BIN that is asked about, in a document with a good signature.
fn read_payload(document: &str) -> Result<String, Refusal> {
    let wrong = |text: &str| ("SCE001", text.to_owned());
    let request = tree::read(document).map_err(|_| wrong("the text of data is no document"))?;
    signature::check(document).map_err(|flaw| match flaw {
        Flaw::Missing => ("SCE017", "the business data is not signed".to_owned()),
        Flaw::Wrong => ("SCE016", "the signature of the business data is wrong".to_owned()),
    })?;
    if request.local() != "Request" || request.namespace() != NAMESPACE {
        return Err(wrong("the document is no Request of this service"));
    }
    in_order(&request, &["RequestorBIN", "BIN", "Signature"])?;
    let number = |name: &str| {
        let text = request.at(&[name]).filter(|one| one.namespace().is_empty()).map(Element::text);
        text.filter(|text| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if number("RequestorBIN").is_none() {
        return Err(wrong("RequestorBIN must be 12 digits, unqualified"));
    }
    number("BIN").ok_or_else(|| wrong("BIN must be 12 digits, unqualified"))
}

/// `xsd:sequence`: known names only, in this order.
fn in_order(element: &Element, order: &[&str]) -> Result<(), Refusal> {
    let mut from = 0;
    for child in element.children() {
        let Some(steps) = order[from..].iter().position(|name| *name == child.local()) else {
            let text = format!("{} is not allowed here in {}", child.name, element.name);
            return Err(("SCE001", text));
        };
        from += steps;
    }
    Ok(())
}
