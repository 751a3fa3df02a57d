//! A pretended GBD FL behind the synchronous channel: `POST /gbdfl/`.
//!
//! A request that the contract forbids gets a fault SCE001 that says what is wrong, so that a
//! mistake of the adapter does not pass for an answer.
//!
//! *Limits*: the happy path parses the request, fills a prepared template and appends to the
//! journal: it must not be the slow part of a benchmark.

mod answer;
mod behaviour;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};

use self::{
    answer::{Answers, Asked, Person, Text},
    behaviour::Behaviour as Act,
};
use crate::simulation::{
    Simulation,
    behaviour::{Behaviour, Profile},
    chance::Chance,
    envelope::{self, Fault, Form},
    journal::{Entry, Kind},
    misread::Misread,
    number,
    reply::{self, Reply, SLOW},
    wsdl::{Data, Speaks},
    xml::{self, Node},
};

const SYSTEM: &str = "gbdfl";
/// The service without consent token (gov-services §2.1).
const SERVICE_ID: &str = "GBDFL_UniversalServiceSync";

/// For its WSDL.
const SPEAKS: &[Speaks] = &[Speaks::Synchronous(Data::Type("gbdfl/data.xsd", "", "Data"))];

/// How the pretended registry shows a person, always: made from the digits of the number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looks {
    /// Surname.
    pub surname: &'static str,
    /// First name.
    pub name: &'static str,
    /// Date of birth, `YYYY-MM-DD`.
    pub birth_date: String,
}

/// What the pretended registry says of the person with this number of 12 digits.
pub fn looks(iin: &str) -> Option<Looks> {
    number::check(iin).ok()?;
    let Person { surname, name, birth, .. } = Person::of(iin);
    Some(Looks { surname, name, birth_date: birth })
}

struct Registry {
    simulation: Arc<Simulation>,
    answers: Answers,
}

/// The routes below `/gbdfl/`.
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
        let choice = self.simulation.choose::<Act>(SYSTEM, &asked.envelope_id, &asked.iin);
        let (act, mut chance) = (choice.behaviour, choice.chance);
        let now = self.simulation.now();
        let answered = act.answers();
        self.simulation.write_down(Entry {
            system: SYSTEM,
            request_number: asked.envelope_id.clone(),
            received_at: now,
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
        let mut write = |text| {
            let form = Form::draw(chance);
            self.answers.write(text, form, asked, self.simulation.now(), chance)
        };
        match act {
            Act::Found | Act::Slow => Reply::Xml(200, write(Text::Found)),
            Act::Untidy => Reply::Xml(200, write(Text::Untidy)),
            Act::NotFound => Reply::Xml(200, write(Text::NotFound)),
            Act::NotFoundB => Reply::Xml(200, write(Text::NotFoundB)),
            Act::Deceased => Reply::Xml(200, write(Text::Deceased)),
            Act::Excluded => Reply::Xml(200, write(Text::Excluded)),
            Act::WrongPerson => Reply::Xml(200, write(Text::WrongPerson)),
            Act::WrongRequestId => Reply::Xml(200, write(Text::WrongRequestId)),
            Act::NoPerson => Reply::Xml(200, write(Text::NoPerson)),
            Act::NoIin => Reply::Xml(200, write(Text::NoIin)),
            Act::EmptyBirthDate => Reply::Xml(200, write(Text::EmptyBirthDate)),
            Act::UnknownResult => Reply::Xml(200, write(Text::UnknownResult)),
            Act::UnknownStatus => Reply::Xml(200, write(Text::UnknownStatus)),
            Act::UnknownLifeStatus => Reply::Xml(200, write(Text::UnknownLifeStatus)),
            Act::BrokenText => Reply::Xml(200, write(Text::Torn)),
            Act::Doctype => Reply::Xml(200, write(Text::Doctype)),
            Act::Unavailable => self.fault(500, "SIM-UNAVAILABLE", "Сервис получателя недоступен"),
            Act::UnknownFault => self.fault(500, "SIM-9999", "Неизвестная ошибка"),
            Act::ServerError => Reply::Empty(503),
            Act::HtmlOk => Reply::Html(200),
            Act::HtmlBadGateway => Reply::Html(502),
            Act::Reset => Reply::Reset,
            Act::Cut => Reply::Cut(write(Text::Found)),
            Act::CutByReset => Reply::CutByReset(write(Text::Found)),
            Act::Garbage => Reply::Garbage,
            Act::Oversize => Reply::Oversize { announced: false },
            Act::OversizeAnnounced => Reply::Oversize { announced: true },
        }
    }

    fn fault(&self, status: u16, code: &str, message: &str) -> Reply {
        let fault = Fault {
            namespace: envelope::SYNC,
            element: "SendMessageFault1_SendMessageFault",
            code,
            message,
            at: self.simulation.now(),
        };
        Reply::Xml(status, fault.bytes())
    }
}

/// Reads a request as strictly as the contract allows (shep §1.2, gov-services §2.1).
fn read(bytes: &[u8]) -> Result<Asked, (&'static str, String)> {
    let wrong = |text: &str| ("SCE001", text.to_owned());
    let root = xml::parse(bytes).map_err(|error| wrong(&error.0))?;
    let operation = root
        .child("Body")
        .and_then(|body| body.child("SendMessage"))
        .filter(|operation| operation.namespace.as_deref() == Some(envelope::SYNC))
        .ok_or_else(|| wrong("the body is no SendMessage of SyncChannel/v10/Types"))?;
    let info = operation.at(&["request", "requestInfo"]).ok_or_else(|| wrong("no requestInfo"))?;
    if info.namespace.is_some() {
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
    in_order(info, &order).map_err(|text| wrong(&text))?;
    if info.text_at(&["serviceId"]) != SERVICE_ID {
        return Err(("SCE004", "no such service".to_owned()));
    }
    let data = operation.at(&["request", "requestData", "data"]).ok_or_else(|| wrong("no data"))?;
    let payload = payload(data).map_err(|text| wrong(&text))?;
    let order = [
        "messageId",
        "messageDate",
        "senderCode",
        "iin",
        "surname",
        "name",
        "patronymic",
        "birthDate",
        "documentNumber",
        "kdpToken",
        "publicKey",
    ];
    in_order(&payload, &order).map_err(|text| wrong(&text))?;
    let asked = Asked {
        envelope_id: info.text_at(&["messageId"]).to_owned(),
        request_id: payload.text_at(&["messageId"]).to_owned(),
        receiver: payload.text_at(&["senderCode"]).to_owned(),
        iin: payload.text_at(&["iin"]).to_owned(),
    };
    let filled = |path: &[&str]| !info.text_at(path).is_empty();
    if !filled(&["messageId"]) || !filled(&["messageDate"]) || !filled(&["sender", "senderId"]) {
        return Err(wrong("messageId, messageDate and sender/senderId must not be empty"));
    }
    if asked.request_id.is_empty() || asked.request_id.len() > 36 || asked.receiver.is_empty() {
        return Err(wrong("data/messageId takes 1 to 36 characters, data/senderCode at least one"));
    }
    number::check(&asked.iin).map_err(|why| ("SCSE002", format!("iin {why}")))?;
    Ok(asked)
}

/// The fields of `data`: directly, below one element, or in a document that travels as text.
fn payload(data: &Node) -> Result<Node, String> {
    match data.children.as_slice() {
        [] => xml::parse_text(data.text.trim()).map_err(|error| error.0),
        [only] => Ok(only.clone()),
        _ => Ok(data.clone()),
    }
}

/// `xsd:sequence`: known names only, in this order.
fn in_order(node: &Node, order: &[&str]) -> Result<(), String> {
    let mut from = 0;
    for child in &node.children {
        match order[from..].iter().position(|name| *name == child.name) {
            Some(steps) => from += steps,
            None => return Err(format!("{} is not allowed here in {}", child.name, node.name)),
        }
    }
    Ok(())
}
