//! A pretended real-estate register behind the synchronous channel: `POST /realestate/`.
//!
//! A request that the contract forbids gets a fault SCE001 that says what is wrong, so that a
//! mistake of the adapter does not pass for an answer.
//!
//! *Limits*: one answer holds at most a thousand and one objects, and that on purpose.

mod answer;
mod behaviour;
mod objects;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};

use self::{
    answer::{Asked, write},
    behaviour::Behaviour as Act,
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
    xml::{self, Node},
};

const SYSTEM: &str = "realestate";
const SERVICE_ID: &str = "sim.rn.rightsByIinBin";
/// Namespace of the payload's root; its children have none.
const NAMESPACE: &str = "urn:sim:egkn:rightsbyiinbin";
/// As long as a register may think and still be in time.
pub(super) const THINKING: Duration = Duration::from_secs(30);

/// For its WSDL.
const SPEAKS: &[Speaks] = &[Speaks::Synchronous(Data::Elements(
    "realestate/data.xsd",
    NAMESPACE,
    ["Request", "Response"],
))];

/// The routes below `/realestate/`.
pub(super) fn router(simulation: Arc<Simulation>) -> Router {
    simulation.register(Profile {
        system: SYSTEM,
        behaviours: Act::LISTED,
        forge: None,
        speaks: SPEAKS,
    });
    Router::new().route("/", post(serve)).with_state(simulation)
}

async fn serve(
    State(simulation): State<Arc<Simulation>>,
    request: axum::extract::Request,
) -> Response {
    let (bytes, line) = match reply::read(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let reply = match read(&bytes) {
        Ok(asked) => treat(&simulation, &asked).await,
        Err((code, text)) => {
            return Misread::synchronous(code, &text, simulation.now()).into_response();
        }
    };
    reply.into_response(&line)
}

async fn treat(simulation: &Simulation, asked: &Asked) -> Reply {
    let choice = simulation.choose::<Act>(SYSTEM, &asked.envelope_id, &asked.owner);
    let (act, mut chance) = (choice.behaviour, choice.chance);
    let answered = act.answers();
    simulation.write_down(Entry {
        system: SYSTEM,
        request_number: asked.envelope_id.clone(),
        received_at: simulation.now(),
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
        tokio::time::sleep(THINKING).await;
    } else if act == Act::Silent {
        tokio::time::sleep(SLOW).await;
    }
    put(simulation, act, asked, &mut chance)
}

fn put(simulation: &Simulation, act: Act, asked: &Asked, chance: &mut Chance) -> Reply {
    match act {
        Act::Unavailable => fault(simulation, "SIM-UNAVAILABLE", "Сервис получателя недоступен"),
        Act::UnknownFault => fault(simulation, "SIM-9999", "Неизвестная ошибка"),
        Act::ServerError => Reply::Empty(503),
        Act::HtmlOk => Reply::Html(200),
        Act::HtmlBadGateway => Reply::Html(502),
        Act::Reset => Reply::Reset,
        Act::Cut => Reply::Cut(write(simulation, act, asked, chance)),
        Act::CutByReset => Reply::CutByReset(write(simulation, act, asked, chance)),
        Act::Garbage => Reply::Garbage,
        Act::Oversize => Reply::Oversize { announced: false },
        Act::OversizeAnnounced => Reply::Oversize { announced: true },
        Act::Registered
        | Act::NoProperty
        | Act::OtherSpelling
        | Act::Untidy
        | Act::Doubled
        | Act::ShortRka
        | Act::CommaArea
        | Act::NoAddress
        | Act::NoRequestNumber
        | Act::Slow
        | Act::Silent
        | Act::OtherOwner
        | Act::RightWithoutOwner
        | Act::NoId
        | Act::Clashing
        | Act::BrokenDate
        | Act::TooMany
        | Act::NoObjects
        | Act::NilObjects
        | Act::ForeignObjects
        | Act::ApplicationCreated
        | Act::NotApproved
        | Act::UnknownResult
        | Act::UnknownStatus
        | Act::StatusNotFound
        | Act::WrongRequestNumber
        | Act::BrokenText
        | Act::Doctype => Reply::Xml(200, write(simulation, act, asked, chance)),
    }
}

fn fault(simulation: &Simulation, code: &str, message: &str) -> Reply {
    let fault = Fault {
        namespace: envelope::SYNC,
        element: "SendMessageFault1_SendMessageFault",
        code,
        message,
        at: simulation.now(),
    };
    Reply::Xml(500, fault.bytes())
}

/// Reads a request as strictly as the contract allows (shep §1.2, gov-services §4.3).
fn read(bytes: &[u8]) -> Result<Asked, (&'static str, String)> {
    let wrong = |text: &str| ("SCE001", text.to_owned());
    let root = xml::parse(bytes).map_err(|error| wrong(&error.0))?;
    let operation = root
        .at(&["Body", "SendMessage"])
        .filter(|operation| operation.namespace.as_deref() == Some(envelope::SYNC))
        .ok_or_else(|| wrong("the body is no SendMessage of SyncChannel/v10/Types"))?;
    let info = operation.at(&["request", "requestInfo"]).ok_or_else(|| wrong("no requestInfo"))?;
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
    let filled = |path: &[&str]| !info.text_at(path).is_empty();
    if !filled(&["messageId"]) || !filled(&["messageDate"]) || !filled(&["sender", "senderId"]) {
        return Err(wrong("messageId, messageDate and sender/senderId must not be empty"));
    }
    let data = operation.at(&["request", "requestData", "data"]).ok_or_else(|| wrong("no data"))?;
    let payload = match data.children.as_slice() {
        [only] => only.clone(),
        [] => xml::parse_text(data.text.trim()).map_err(|error| wrong(&error.0))?,
        _ => return Err(wrong("data holds more than one element")),
    };
    asked(&payload, info.text_at(&["messageId"])).map_err(|(code, text)| (code, text.to_owned()))
}

fn asked(payload: &Node, envelope_id: &str) -> Result<Asked, (&'static str, &'static str)> {
    let wrong = |text| ("SCE001", text);
    if payload.name != "Request" || payload.namespace.as_deref() != Some(NAMESPACE) {
        return Err(wrong("data must hold Request of urn:sim:egkn:rightsbyiinbin"));
    }
    let head = payload.child("SystemInfo").ok_or(wrong("no SystemInfo"))?;
    let business = payload.child("BusinessData").ok_or(wrong("no BusinessData"))?;
    let is_orderly = in_order(payload, &["SystemInfo", "BusinessData"]).is_ok()
        && in_order(head, &["RequestNumber", "ChainId", "RequestDate"]).is_ok()
        && in_order(business, &["IINBIN", "IsFl", "ActualOnly", "InfoAbtToken"]).is_ok();
    if !is_orderly {
        return Err(wrong("Request holds something else, in another order or in a namespace"));
    }
    let number = head.text_at(&["RequestNumber"]);
    if number.is_empty() || number.len() > 36 || head.text_at(&["RequestDate"]).is_empty() {
        return Err(wrong("RequestNumber takes 1 to 36 characters; RequestDate must not be empty"));
    }
    let owner = business.text_at(&["IINBIN"]);
    if owner.len() != 12 || !owner.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(("SCSE002", "IINBIN must be 12 digits"));
    }
    // Digit 5 tells: 0-3 a person, 4-6 an organisation (gov-services §9.2).
    let expected = if owner.as_bytes()[4] < b'4' { "true" } else { "false" };
    if business.text_at(&["IsFl"]) != expected {
        return Err(("SCSE002", "IsFl does not fit IINBIN"));
    }
    let actual_only = match business.text_at(&["ActualOnly"]) {
        "true" => true,
        "false" => false,
        _ => return Err(wrong("ActualOnly must be true or false")),
    };
    Ok(Asked {
        envelope_id: envelope_id.to_owned(),
        number: number.to_owned(),
        owner: owner.to_owned(),
        actual_only,
    })
}

/// `xsd:sequence`: known unqualified names only, in this order.
fn in_order(node: &Node, order: &[&str]) -> Result<(), String> {
    let mut from = 0;
    for child in &node.children {
        let place = order[from..].iter().position(|name| *name == child.name);
        match place.filter(|_| child.namespace.is_none()) {
            Some(steps) => from += steps,
            None => return Err(format!("{} is not allowed here in {}", child.name, node.name)),
        }
    }
    Ok(())
}
