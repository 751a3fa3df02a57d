//! Pretended registers of MZ RK behind the synchronous channel: `POST /mzrk/`.
//!
//! A request that the contract forbids gets a fault that says what is wrong, so that a mistake of
//! the adapter does not pass for an answer.
//!
//! *States*: where the behaviour says so, one register is down at the first question of a request
//! number and answers its second or third one, which depends on the person. A question counts when
//! the registers were searched, whether or not the answer arrived.

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
    answer::{Asked, Register},
    behaviour::Behaviour as Act,
};
use crate::simulation::{
    Simulation,
    behaviour::{Behaviour, Choice, Profile},
    envelope::{self, Fault},
    journal::{Entry, Kind},
    misread::Misread,
    number,
    reply::{self, Reply, SLOW},
    wsdl::{Data, Speaks},
    xml::{self, Node},
};

const SYSTEM: &str = "mzrk";
/// The interaction in the gateway's registry (DESIGNED).
const SERVICE_ID: &str = "sim.mz.dispensaryStatus";
/// The namespace of the ministry's types (DESIGNED).
const NAMESPACE: &str = "urn:sim:mz:integra";
/// The type of a request (gov-services §6.1, FOUND).
const REQUEST_TYPE: &str = "IntegraRequest";

/// For its WSDL.
const SPEAKS: &[Speaks] = &[Speaks::Synchronous(Data::Any("mzrk/integra.xsd", NAMESPACE))];

struct Ministry {
    simulation: Arc<Simulation>,
}

/// The routes below `/mzrk/`.
pub(super) fn router(simulation: Arc<Simulation>) -> Router {
    simulation.register(Profile {
        system: SYSTEM,
        behaviours: Act::LISTED,
        forge: None,
        speaks: SPEAKS,
    });
    Router::new().route("/", post(serve)).with_state(Arc::new(Ministry { simulation }))
}

async fn serve(State(ministry): State<Arc<Ministry>>, request: axum::extract::Request) -> Response {
    let (bytes, line) = match reply::read(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let reply = match read(&bytes) {
        Ok(asked) => ministry.treat(&asked).await,
        Err((code, text)) => {
            let now = ministry.simulation.now();
            return Misread::synchronous(code, &text, now).into_response();
        }
    };
    reply.into_response(&line)
}

impl Ministry {
    async fn treat(&self, asked: &Asked) -> Reply {
        let choice = self.simulation.choose::<Act>(SYSTEM, &asked.envelope_id, &asked.iin);
        let act = choice.behaviour;
        let earlier = self.simulation.journal().executed(SYSTEM, &asked.envelope_id);
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
        self.reply(choice, asked, earlier)
    }

    fn reply(&self, choice: Choice<Act>, asked: &Asked, earlier: u32) -> Reply {
        let Choice { behaviour: act, mut chance } = choice;
        let recovery = 1 + self.simulation.chance(&[SYSTEM, "recovery", &asked.iin]).below(2);
        let mut write = |act| {
            let now = self.simulation.now();
            answer::write(act, asked, earlier >= recovery, now, &mut chance)
        };
        match act {
            Act::Unavailable => self.fault("SIM-UNAVAILABLE", "Сервис получателя недоступен"),
            Act::UnknownFault => self.fault("SIM-9999", "Неизвестная ошибка"),
            Act::ServerError => Reply::Empty(503),
            Act::HtmlOk => Reply::Html(200),
            Act::HtmlBadGateway => Reply::Html(502),
            Act::Reset => Reply::Reset,
            Act::Cut => Reply::Cut(write(Act::Clear)),
            Act::CutByReset => Reply::CutByReset(write(Act::Clear)),
            Act::Garbage => Reply::Garbage,
            Act::Oversize => Reply::Oversize { announced: false },
            Act::OversizeAnnounced => Reply::Oversize { announced: true },
            Act::Clear
            | Act::PsychiatricRecord
            | Act::NarcologicalRecord
            | Act::BothRecords
            | Act::Partial
            | Act::PartialRecord
            | Act::PartialForever
            | Act::PartialSilent
            | Act::AllDown
            | Act::OtherRegister
            | Act::FlagsOnly
            | Act::NumericFlags
            | Act::Reordered
            | Act::Diagnosis
            | Act::NotFound
            | Act::BadRequest
            | Act::InternalError
            | Act::NotImplemented
            | Act::UnknownStatusCode
            | Act::UnknownStatus
            | Act::NoResponse
            | Act::OtherOperation
            | Act::WrongPerson
            | Act::WrongRequestId
            | Act::Contradiction
            | Act::OtherText
            | Act::DuplicateRegister
            | Act::ErrorAndAccount
            | Act::UnknownRegister
            | Act::UnknownError
            | Act::NoOnRecord
            | Act::OddOnRecord
            | Act::Slow
            | Act::BrokenText
            | Act::Doctype => Reply::Xml(200, write(act)),
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

type Wrong = (&'static str, String);

fn wrong(text: &str) -> Wrong {
    ("SCE001", text.to_owned())
}

/// Reads a request as strictly as the contract allows (shep §1.2, gov-services §6.2).
fn read(bytes: &[u8]) -> Result<Asked, Wrong> {
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
    in_order(info, &order)?;
    if info.text_at(&["serviceId"]) != SERVICE_ID {
        return Err(("SCE004", "no such service".to_owned()));
    }
    let filled = |path: &[&str]| !info.text_at(path).is_empty();
    if !filled(&["messageId"]) || !filled(&["messageDate"]) || !filled(&["sender", "senderId"]) {
        return Err(wrong("messageId, messageDate and sender/senderId must not be empty"));
    }
    let data = operation.at(&["request", "requestData", "data"]).ok_or_else(|| wrong("no data"))?;
    let own = (Some(NAMESPACE.to_owned()), REQUEST_TYPE.to_owned());
    if data.xsi_type.as_ref() != Some(&own) {
        return Err(wrong("data must have the xsi:type IntegraRequest of urn:sim:mz:integra"));
    }
    asked(info.text_at(&["messageId"]), data)
}

fn asked(envelope_id: &str, data: &Node) -> Result<Asked, Wrong> {
    in_order(data, &["RequestType", "Sim_DispensaryStatusRequest"])?;
    if data.text_at(&["RequestType"]) != "Sim_DispensaryStatus" {
        return Err(wrong("RequestType must be Sim_DispensaryStatus"));
    }
    let request = data.child("Sim_DispensaryStatusRequest");
    let request = request.ok_or_else(|| wrong("no Sim_DispensaryStatusRequest"))?;
    if request.namespace.is_some() {
        return Err(wrong("elements in data must be unqualified"));
    }
    in_order(request, &["RequestId", "IIN", "Registers", "ConsentToken"])?;
    let names = request.child("Registers").map(|list| list.children.as_slice());
    let mut registers = Vec::new();
    for name in names.unwrap_or_default() {
        let register = (name.name == "string").then(|| Register::named(name.text.trim()));
        let register = register.flatten().ok_or_else(|| wrong("unknown register"))?;
        if registers.contains(&register) {
            return Err(wrong("a register is asked twice"));
        }
        registers.push(register);
    }
    let request_id = request.text_at(&["RequestId"]).to_owned();
    if request_id.is_empty() || registers.is_empty() {
        return Err(wrong("RequestId and Registers must not be empty"));
    }
    let iin = request.text_at(&["IIN"]).to_owned();
    number::check(&iin).map_err(|why| ("SCSE002", format!("IIN {why}")))?;
    Ok(Asked { envelope_id: envelope_id.to_owned(), request_id, iin, registers })
}

/// `xsd:sequence`: known names only, in this order, each once.
fn in_order(node: &Node, order: &[&str]) -> Result<(), Wrong> {
    let mut rest = order;
    for child in &node.children {
        let Some(place) = rest.iter().position(|name| *name == child.name) else {
            return Err(wrong(&format!("{} is not allowed here in {}", child.name, node.name)));
        };
        let is_list = child.name == "properties";
        rest = &rest[place + usize::from(!is_list)..];
    }
    Ok(())
}
