//! Recorded cases that somebody ordered as the next answers.
//!
//! ```text
//! POST /control/next {"system":"gbdfl","case":"gbdfl/found"} ─→ shelf ─ script ─→ waiting here
//! next request of the same operation ─→ renewed answer ─→ the wire
//!                                    └─→ later messages of the case ─→ post
//! ```
//!
//! *Guarantee*: an answer goes only to a request of the operation that was recorded, compared by
//! expanded names; ids, conversation, request number, person and dates are those of the request that
//! came ([`super::renew`]).
//!
//! *Limits*: [`SCRIPTS_MAX`] scripts wait at once.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{body::Bytes, http::HeaderName, response::Response};
use contracts::case::Transport;
use jiff::SignedDuration;
use uuid::Uuid;

use super::{
    Simulation,
    asked::Asked,
    envelope::{self, Form},
    gateway,
    journal::{Entry, Kind},
    locked,
    post::{Message, Parcel, Written},
    renew::{self, Pairs},
    reply::{Reply, SLOW},
    shelf::{Answer, Script, Turn},
    visit,
    wire::Line,
    xml,
};

/// Scripts that may wait at once.
pub const SCRIPTS_MAX: usize = 1_000;
/// What the journal calls such an answer.
pub const OUTCOME: &str = "recorded_case";

/// An ordered case.
#[derive(Debug, Clone)]
pub struct CaseOrder {
    /// What is answered; turns are used up.
    pub script: Script,
    /// Where its messages go, if not to the usual addresses.
    pub push_url: Option<String>,
    /// Business time until its first message, if not as recorded.
    pub push_after: Option<SignedDuration>,
    /// Only requests with this number.
    pub request_number: Option<String>,
    /// Only requests about this person.
    pub iin: Option<String>,
}

/// Waiting scripts, oldest first.
#[derive(Default)]
pub struct Recorded {
    waiting: Mutex<Vec<CaseOrder>>,
    /// Spares reading requests where nothing was ordered.
    count: AtomicUsize,
}

/// A request, as far as recorded answers need it.
pub(super) struct Came<'a> {
    pub(super) method: &'a str,
    /// The whole path.
    pub(super) path: &'a str,
    pub(super) body: &'a Bytes,
}

impl Recorded {
    /// Adds an order. False: too many wait.
    pub fn add(&self, order: CaseOrder) -> bool {
        let mut waiting = locked(&self.waiting);
        let fits = waiting.len() < SCRIPTS_MAX;
        if fits {
            waiting.push(order);
        }
        self.count.store(waiting.len(), Ordering::Release);
        fits
    }

    /// Names of the cases that wait, oldest first.
    pub fn names(&self) -> Vec<String> {
        locked(&self.waiting).iter().map(|order| order.script.name.clone()).collect()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Forgets all orders for a system.
    pub(super) fn clear(&self, system: &str) {
        let mut waiting = locked(&self.waiting);
        waiting.retain(|order| order.script.system != system);
        self.count.store(waiting.len(), Ordering::Release);
    }

    /// Takes the oldest turn that answers this request, with the rest of its order.
    fn take(&self, system: &str, asked: &Asked) -> Option<(Turn, CaseOrder)> {
        let mut waiting = locked(&self.waiting);
        let at = waiting.iter().position(|order| order.fits(system, asked))?;
        let turn = waiting[at].script.turns.pop_front()?;
        let order = waiting[at].clone();
        if order.script.turns.is_empty() {
            waiting.remove(at);
        }
        self.count.store(waiting.len(), Ordering::Release);
        Some((turn, order))
    }
}

impl CaseOrder {
    fn fits(&self, system: &str, asked: &Asked) -> bool {
        let Some(turn) = self.script.turns.front() else { return false };
        self.script.system == system
            && self.request_number.as_deref().is_none_or(|wanted| wanted == asked.number)
            && self.iin.as_deref().is_none_or(|wanted| wanted == asked.key)
            && turn.operation() == asked.operation
    }
}

impl Turn {
    /// What this turn answers; compared with [`Asked::operation`].
    pub(super) fn operation(&self) -> String {
        Asked::read(&self.method, self.path.as_deref().unwrap_or_default(), &self.request).operation
    }
}

/// Answers a request from an ordered case, where one fits.
pub(super) async fn answer(
    simulation: &Arc<Simulation>,
    system: &str,
    came: &Came<'_>,
    line: &Line,
) -> Option<Response> {
    if simulation.recorded.is_empty() {
        return None;
    }
    let below = below(came.path, system);
    let asked = Asked::read(came.method, below, came.body);
    let (turn, order) = simulation.recorded.take(system, &asked)?;
    let known = simulation.system(system)?;
    let mut pairs = Pairs::of_requests(&turn.request, came.body);
    pairs.of_paths(turn.path.as_deref().unwrap_or_default(), below);
    visit::note(|visit| visit.behaviour = format!("case {}", order.script.name));
    simulation.journal().arrive(known, &asked.number);
    let is_told = turn.answer.as_ref().is_none_or(|one| one.transport == Transport::Answer);
    let chain = turn.answer.is_none().then(|| simulation.post().next_id());
    let entry = simulation.write_down(Entry {
        system: known,
        request_number: asked.number.clone(),
        received_at: simulation.now(),
        kind: Kind::Query,
        outcome: OUTCOME,
        given: None,
        executed: true,
        acknowledged: is_told,
        correlation_id: chain,
        answered: u32::from(chain.is_none() && is_told),
        pushes: 0,
        delivered: 0,
    });
    if order.script.turns.is_empty() {
        send_later(simulation, &order, chain, &mut pairs, Some(entry));
    }
    Some(match turn.answer {
        None => acknowledgement(simulation, chain.unwrap_or_default()).into_response(line),
        Some(answer) => put(simulation, &order.script, answer, &pairs, line).await,
    })
}

/// Sends the messages of a case that nobody has to ask for.
pub(super) fn begin(simulation: &Arc<Simulation>, order: &CaseOrder) -> usize {
    send_later(simulation, order, None, &mut Pairs::default(), None);
    order.script.pushes.len()
}

fn acknowledgement(simulation: &Simulation, chain: u64) -> Reply {
    let message_id = simulation.post().next_id();
    simulation.post().arrived(message_id);
    let inner = format!(
        "<messageId>{message_id}</messageId><correlationId>{chain}</correlationId>\
         <responseDate>{}</responseDate><sessionId>{{{}}}</sessionId>",
        envelope::date_time(simulation.now()),
        fresh(simulation)
    );
    Reply::Xml(200, gateway::respond("sendMessage", Form::Canonical, &inner))
}

async fn put(
    simulation: &Arc<Simulation>,
    script: &Script,
    answer: Answer,
    pairs: &Pairs,
    line: &Line,
) -> Response {
    let body = renewed(simulation, script, &answer.body, pairs);
    match answer.transport {
        Transport::Refused | Transport::Reset => return Reply::Reset.into_response(line),
        Transport::Cut => return Reply::Cut(body).into_response(line),
        Transport::Silence => {
            tokio::time::sleep(SLOW).await;
            return Reply::Empty(504).into_response(line);
        }
        Transport::Answer => {}
    }
    let content_type = match answer.form {
        "json" => "application/json",
        "html" => "text/html; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        _ => "text/xml; charset=UTF-8",
    };
    let mut response = Reply::Typed(answer.status, content_type, body).into_response(line);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Bytes that are no UTF-8 stay as they were recorded.
fn renewed(simulation: &Simulation, script: &Script, body: &[u8], pairs: &Pairs) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(body) else { return body.to_vec() };
    let mut pairs = pairs.clone();
    if let Ok(root) = xml::parse(body) {
        for name in ["sessionId", "messageId"] {
            let path = ["Body", "SendMessageResponse", "response", "responseInfo", name];
            let recorded = root.text_at(&path).trim_matches(['{', '}']);
            pairs.add(recorded, &fresh(simulation).to_string());
        }
    }
    let text = renew::move_dates(text, script.recorded_at, simulation.now());
    pairs.exchange(&text).into_bytes()
}

fn send_later(
    simulation: &Arc<Simulation>,
    order: &CaseOrder,
    chain: Option<u64>,
    pairs: &mut Pairs,
    entry: Option<u64>,
) {
    let now = simulation.now();
    let first = order.script.pushes.first().map_or(SignedDuration::ZERO, |(after, _)| *after);
    let moved = order.push_after.map_or(SignedDuration::ZERO, |wanted| wanted - first);
    for (after, bytes) in &order.script.pushes {
        let Ok(root) = xml::parse(bytes) else { continue };
        let Some(request) = root.at(&["Body", "sendMessage", "request"]) else { continue };
        let info = |name: &str| request.text_at(&["messageInfo", name]).to_owned();
        let message_id = simulation.post().next_id();
        pairs.put(&info("messageId"), &message_id.to_string());
        if let Some(chain) = chain {
            pairs.put(&info("correlationId"), &chain.to_string());
        }
        let push = renewed(simulation, &order.script, bytes, pairs);
        pairs.forget(&info("messageId"));
        let content = xml::parse(&push).ok();
        let content =
            content.as_ref().and_then(|root| root.at(&["Body", "sendMessage", "request"]));
        let content = content.map(xml::write_children).unwrap_or_default();
        let due = now.checked_add(*after + moved).unwrap_or(now).max(now);
        let written = Written { push, content, service_id: info("serviceId") };
        let message =
            Arc::new(Message::written(message_id, chain.unwrap_or_default(), due, written));
        let push_url = order.push_url.clone();
        let parcel = Parcel { message, entry, pull_only: false, push_url, tries: 0 };
        simulation.post().schedule(due, parcel);
    }
}

fn fresh(simulation: &Simulation) -> Uuid {
    let serial = simulation.post().next_id().to_string();
    simulation.chance(&["recorded", &serial]).uuid()
}

/// The path without the system's part.
pub(super) fn below<'a>(path: &'a str, system: &str) -> &'a str {
    path.strip_prefix('/').and_then(|path| path.strip_prefix(system)).unwrap_or(path)
}
