//! A pretended KPSiSU behind the asynchronous channel: `POST /kpsisu/`.
//!
//! *Guarantee*: an executed REQUEST starts a new chain, always. There is no idempotency here on
//! purpose: a hub that sends a command twice is caught by the journal.

mod answer;
mod behaviour;
mod forge;
mod plan;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};

use self::behaviour::{Ack, Behaviour as Act, No, Treatment};
use crate::simulation::{
    Simulation,
    behaviour::{Behaviour, Choice, Profile},
    chance::Chance,
    envelope::{self, Fault, Form},
    gateway::{self, NO_SERVICE, Refusal, format_error},
    journal::{Entry, Kind},
    misread::Misread,
    number,
    post::Sender,
    reply::{self, Reply, SLOW},
    wsdl::{Data, Speaks},
    xml::{self, Node},
};

const SYSTEM: &str = "kpsisu";
/// The interaction in the gateway's registry (gov-services §5.2, DESIGNED).
const SERVICE_ID: &str = "sim.kpsisu.criminalRecord";
/// Namespace of the payload (DESIGNED).
const PAYLOAD: &str = "urn:sim:kpsisu";
/// Who sends the answers: the hub must be configured to believe it.
pub(super) const SENDER: Sender = Sender {
    id: "kpsisu",
    // SHA-256 of the word "simulated".
    password: "daeb30e06dcf80565ac935eca8ec3e87a2cd7194440c14842b470d3cb7fed353",
};
/// An answer that comes before its acknowledgement holds the acknowledgement at most this long.
const EARLY_WAIT: Duration = Duration::from_secs(5);
/// Chains that hostile pushes can be forged from.
const CHAINS_MAX: usize = 1_000;

struct Office {
    simulation: Arc<Simulation>,
    chains: Mutex<VecDeque<Chain>>,
}

/// One executed request.
#[derive(Clone)]
struct Chain {
    correlation_id: u64,
    number: String,
    iin: String,
    /// The journal's entry.
    entry: u64,
}

/// What KPSiSU reads from a request.
struct Asked {
    number: String,
    iin: String,
}

/// For its WSDL.
const SPEAKS: &[Speaks] = &[Speaks::Asynchronous(Data::Elements(
    "kpsisu/data.xsd",
    PAYLOAD,
    ["requestMessage", "responseMessage"],
))];

/// The routes below `/kpsisu/`.
pub(super) fn router(simulation: Arc<Simulation>) -> Router {
    let office = Arc::new(Office { simulation, chains: Mutex::default() });
    office.simulation.register(Profile {
        system: SYSTEM,
        behaviours: Act::LISTED,
        forge: Some(Arc::clone(&office) as _),
        speaks: SPEAKS,
    });
    Router::new().route("/", post(serve)).with_state(office)
}

async fn serve(State(office): State<Arc<Office>>, request: axum::extract::Request) -> Response {
    let (bytes, line) = match reply::read(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let reply = match office.dispatch(&bytes).await {
        Ok(reply) => reply,
        Err((operation, Refusal(code, text))) => {
            let now = office.simulation.now();
            return Misread::asynchronous(&operation, code, &text, now).into_response();
        }
    };
    reply.into_response(&line)
}

impl Office {
    async fn dispatch(&self, bytes: &[u8]) -> Result<Reply, (String, Refusal)> {
        let send = |refusal| ("sendMessage".to_owned(), refusal);
        let root = xml::parse(bytes).map_err(|error| send(format_error(&error.0)))?;
        let operation = root
            .child("Body")
            .and_then(|body| body.children.first())
            .filter(|operation| operation.namespace.as_deref() == Some(envelope::ASYNC))
            .ok_or_else(|| send(format_error("the body is nothing of AsyncChannel/v10/Types")))?;
        if operation.name == "sendMessage" {
            let asked = read(operation).map_err(send)?;
            return Ok(self.treat(&asked).await);
        }
        gateway::answer(&self.simulation, operation)
            .map(|body| Reply::Xml(200, body))
            .map_err(|refusal| (operation.name.clone(), refusal))
    }

    async fn treat(&self, asked: &Asked) -> Reply {
        let choice = self.simulation.choose::<Act>(SYSTEM, &asked.number, &asked.iin);
        match choice.behaviour.treatment() {
            Treatment::Executed(ack) => self.execute(choice, asked, ack).await,
            Treatment::Not(no) => {
                self.write_down(choice.behaviour, asked, None, false);
                self.refuse(no).await
            }
        }
    }

    async fn execute(&self, choice: Choice<Act>, asked: &Asked, ack: Ack) -> Reply {
        let Choice { behaviour: act, mut chance } = choice;
        let correlation_id = self.simulation.post().next_id();
        let message_id = self.simulation.post().next_id();
        self.simulation.post().arrived(message_id);
        let acknowledged = matches!(ack, Ack::AtOnce | Ack::AfterAnswer);
        let entry = self.write_down(act, asked, Some(correlation_id), acknowledged);
        let (number, iin) = (asked.number.clone(), asked.iin.clone());
        let chain = Chain { correlation_id, number, iin, entry };
        let messages = self.schedule(act, &chain, &mut chance);
        self.remember(chain);
        let text = self.acknowledgement(message_id, correlation_id, &mut chance);
        match ack {
            Ack::AtOnce => Reply::Xml(200, text),
            Ack::AfterAnswer => {
                if let Some(first) = messages.first() {
                    let settled = self.simulation.post().wait_until_settled(*first);
                    if tokio::time::timeout(EARLY_WAIT, settled).await.is_err() {
                        tracing::debug!(
                            system = SYSTEM,
                            "the acknowledgement overtakes its answer"
                        );
                    }
                }
                Reply::Xml(200, text)
            }
            Ack::Reset => Reply::Reset,
            Ack::Cut => Reply::Cut(text),
            Ack::Html => Reply::Html(502),
            Ack::Garbage => Reply::Garbage,
            Ack::Slow => {
                tokio::time::sleep(SLOW).await;
                Reply::Xml(200, text)
            }
        }
    }

    /// What a request gets that was not executed.
    async fn refuse(&self, no: No) -> Reply {
        match no {
            No::Unavailable => {
                self.fault(503, "sendMessage", "SIM-UNAVAILABLE", "Сервис получателя недоступен")
            }
            No::UnknownFault => self.fault(500, "sendMessage", "SIM-9999", "Неизвестная ошибка"),
            No::Empty => Reply::Empty(503),
            No::Html => Reply::Html(502),
            No::Reset => Reply::Reset,
            No::Slow => {
                tokio::time::sleep(SLOW).await;
                Reply::Empty(504)
            }
        }
    }

    fn write_down(&self, act: Act, asked: &Asked, chain: Option<u64>, acknowledged: bool) -> u64 {
        self.simulation.write_down(Entry {
            system: SYSTEM,
            request_number: asked.number.clone(),
            received_at: self.simulation.now(),
            // Nobody can be asked: it goes once, unless their fault says that it was not executed.
            kind: if act == Act::Refused { Kind::Declined } else { Kind::Command },
            outcome: act.name(),
            given: None,
            executed: chain.is_some(),
            acknowledged,
            correlation_id: chain,
            answered: 0,
            pushes: 0,
            delivered: 0,
        })
    }

    fn remember(&self, chain: Chain) {
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        if chains.len() == CHAINS_MAX {
            chains.pop_front();
        }
        chains.push_back(chain);
    }

    fn last_chain(&self) -> Option<Chain> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner).back().cloned()
    }

    fn acknowledgement(&self, message_id: u64, chain: u64, chance: &mut Chance) -> Vec<u8> {
        let date = envelope::date_time(self.simulation.now());
        let inner = format!(
            "<messageId>{message_id}</messageId><correlationId>{chain}</correlationId>\
             <responseDate>{date}</responseDate><sessionId>{{{}}}</sessionId>",
            chance.uuid()
        );
        gateway::respond("sendMessage", Form::draw(chance), &inner)
    }

    fn fault(&self, status: u16, operation: &str, code: &str, message: &str) -> Reply {
        let fault = Fault {
            namespace: envelope::ASYNC,
            element: &format!("{operation}Fault1_{operation}Fault"),
            code,
            message,
            at: self.simulation.now(),
        };
        Reply::Xml(status, fault.bytes())
    }
}

/// Reads a REQUEST as strictly as the contract allows (shep §2.3, gov-services §5.2).
fn read(operation: &Node) -> Result<Asked, Refusal> {
    let info = operation.at(&["request", "messageInfo"]);
    let info = info.ok_or_else(|| format_error("no messageInfo"))?;
    if info.namespace.is_some() {
        return Err(format_error("children of sendMessage must be unqualified"));
    }
    if info.text_at(&["serviceId"]) != SERVICE_ID {
        return Err(Refusal(NO_SERVICE, "no such service".to_owned()));
    }
    if info.text_at(&["messageType"]) != "REQUEST" {
        return Err(format_error("only REQUEST is taken here"));
    }
    let missing = |path: &[&str]| info.text_at(path).is_empty();
    if missing(&["messageDate"]) || missing(&["sender", "senderId"]) {
        return Err(format_error("messageDate and sender/senderId must not be empty"));
    }
    if !missing(&["messageId"]) || !missing(&["correlationId"]) {
        return Err(format_error("the gateway makes messageId and correlationId of a REQUEST"));
    }
    let data = operation.at(&["request", "messageData", "data"]);
    let data = data.ok_or_else(|| format_error("no data"))?;
    let payload = match data.children.as_slice() {
        [] => xml::parse_text(data.text.trim()).map_err(|error| format_error(&error.0))?,
        [only] => only.clone(),
        _ => return Err(format_error("data takes one element")),
    };
    if payload.name != "requestMessage" || payload.namespace.as_deref() != Some(PAYLOAD) {
        return Err(format_error("data takes requestMessage of urn:sim:kpsisu"));
    }
    let number = payload.text_at(&["SystemInfo", "RequestNumber"]).to_owned();
    let person = payload.at(&["RequestData", "Person"]);
    let iin = person.map_or("", |person| person.text_at(&["IIN"])).to_owned();
    if number.is_empty() || payload.text_at(&["RequestData", "RequestorBIN"]).len() != 12 {
        return Err(format_error("RequestNumber and RequestorBIN (12 digits) are required"));
    }
    number::check(&iin).map_err(|why| format_error(&format!("Person/IIN {why}")))?;
    Ok(Asked { number, iin })
}
