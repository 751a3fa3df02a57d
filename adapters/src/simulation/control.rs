//! The control API: look at the simulation, order behaviours, send hostile pushes.
//!
//! Every answer is JSON. An error says what was wrong (`error`) and what to do (`do`). No answer
//! shows a person's number; `phone/<iin>` shows what a synthetic person would read on theirs.

mod change;
mod watch;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use contracts::number::Iin;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Simulation,
    begun::Conversation,
    courier,
    given::Answer as Given,
    journal::Journal,
    locked,
    orders::Order,
    recorded::{self, CaseOrder},
};

type World = State<Arc<Simulation>>;

const PATHS: &str = "state, journal, oracle, begun, behaviours, cases, exchanges, exchanges/<id>, \
    near-misses, pending, settings, phones, phone/<iin> (GET); next, standing, answer, forget-orders, push-urls, \
    push-now, faults, latency, forge, begin, clock (POST)";

/// The routes below `/control/`.
pub fn router(simulation: &Arc<Simulation>) -> Router {
    Router::new()
        .route("/state", get(state))
        .route("/journal", get(journal))
        .route("/oracle", get(oracle))
        .route("/behaviours", get(behaviours))
        .route("/phone/{iin}", get(phone))
        .route("/next", post(next))
        .route("/answer", post(answer))
        .route("/standing", post(standing))
        .merge(change::router())
        .merge(watch::router())
        .route("/forge", post(forge))
        .route("/begin", post(begin))
        .fallback(|| async { Wrong::missing("no such page", &format!("use one of: {PATHS}")) })
        .with_state(Arc::clone(simulation))
}

async fn state(State(simulation): World) -> Json<Value> {
    let now = simulation.now();
    Json(json!({
        "now": now,
        "in_flight": simulation.busy(),
        "next_due": simulation.post().next_due(now),
        "mailbox": simulation.post().mailbox_len(),
        "requests": simulation.journal().requests(),
        "journal": simulation.journal().kept(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalQuery {
    system: Option<String>,
    /// The number of the first entry that is wanted.
    #[serde(default)]
    from: u64,
    /// Only entries about this number.
    request_number: Option<String>,
}

async fn journal(
    State(simulation): World,
    query: Result<Query<JournalQuery>, QueryRejection>,
) -> Result<Json<Value>, Wrong> {
    let Ok(Query(query)) = query else {
        return Err(Wrong::new("unknown query", "use /control/journal?system=kpsisu&from=0"));
    };
    if let Some(system) = &query.system {
        known_system(&simulation, system)?;
    }
    let number = query.request_number.as_deref();
    let entries = simulation.journal().entries(query.system.as_deref(), number, query.from);
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|(entry, executed_count)| {
            let mut value = json!(entry);
            value["executed_count"] = json!(executed_count);
            value
        })
        .collect();
    Ok(Json(json!(entries)))
}

async fn oracle(State(simulation): World) -> Json<Value> {
    let oracle = Journal::oracle(&simulation.journal());
    Json(json!(oracle))
}

async fn behaviours(State(simulation): World) -> Json<Value> {
    let profiles = locked(&simulation.profiles);
    let described = |pairs: &[(&'static str, &'static str)]| -> Value {
        pairs.iter().map(|(name, what)| ((*name).to_owned(), json!(what))).collect()
    };
    let systems = profiles.values().map(|profile| {
        let forge = profile.forge.as_ref().map_or(json!({}), |forge| described(forge.kinds()));
        let begin = profile.forge.as_ref().map(|forge| described(forge.conversations()));
        let value = json!({
            "behaviours": described(profile.behaviours),
            "forge": forge,
            "begin": begin.unwrap_or_else(|| json!({})),
        });
        (profile.system.to_owned(), value)
    });
    Json(systems.collect())
}

/// The messages on a person's phone, like that person reading them.
async fn phone(State(simulation): World, Path(iin): Path<String>) -> Result<Json<Value>, Wrong> {
    if iin.parse::<Iin>().is_err() {
        return Err(Wrong::new("not an IIN", "use /control/phone/850100300012"));
    }
    Ok(Json(json!({ "messages": simulation.phones().of(&iin) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Next {
    system: String,
    behaviour: Option<String>,
    case: Option<String>,
    push_url: Option<String>,
    push_after_s: Option<u32>,
    #[serde(default = "once")]
    count: u32,
    request_number: Option<String>,
    iin: Option<String>,
}

const fn once() -> u32 {
    1
}

/// Requests that one order may be about.
const COUNT_MAX: u32 = 10_000;

impl Next {
    fn push_after(&self) -> Option<SignedDuration> {
        self.push_after_s.map(|seconds| SignedDuration::from_secs(i64::from(seconds)))
    }
}

async fn next(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let shape = r#"{"system":"kpsisu","behaviour":"late","count":1,"iin"?,"request_number"?}"#;
    let wanted: Next = read(&body, shape)?;
    if wanted.count == 0 || wanted.count > COUNT_MAX {
        return Err(Wrong::new("count is 0 or too large", "order 1 to 10000 requests"));
    }
    if wanted.push_url.as_ref().is_some_and(|url| !is_http(url)) {
        return Err(Wrong::no_url());
    }
    let ordered = match (&wanted.behaviour, &wanted.case) {
        (Some(behaviour), None) => behaviour,
        (None, Some(case)) => return next_case(&simulation, &wanted, case),
        (None, None) => {
            let words = "missing field `behaviour` or `case`";
            return Err(Wrong::new(words, &format!("send JSON like {shape}")));
        }
        (Some(_), Some(_)) => {
            return Err(Wrong::new("both a behaviour and a case", "name one of them"));
        }
    };
    let (system, names) = known_system(&simulation, &wanted.system)?;
    let Some(behaviour) = names.iter().find(|name| *name == ordered) else {
        return Err(Wrong::unknown("behaviour", names));
    };
    let order = Order {
        system,
        behaviour,
        count: wanted.count,
        push_after: wanted.push_after(),
        push_url: wanted.push_url,
        request_number: wanted.request_number,
        iin: wanted.iin,
    };
    if !simulation.orders().add(order) {
        return Err(Wrong::conflict("too many orders wait", "let requests use them up"));
    }
    Ok(Json(json!({ "ordered": wanted.count })))
}

/// The next request that holds a text gets this answer, word by word.
async fn answer(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let shape = r#"{"system":"gbdfl","containing":"<request number>","status":200,"headers":{},
        "body":"<base64>","transport":"answer"}"#;
    let wanted: Given = read(&body, shape)?;
    known_system(&simulation, &wanted.system)?;
    if !simulation.given().add(wanted) {
        return Err(Wrong::conflict("too many answers wait", "let requests use them up"));
    }
    Ok(Json(json!({ "ordered": 1 })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Standing {
    system: String,
    behaviour: Option<String>,
}

/// From now on every request to a system is treated so, or as before again.
async fn standing(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let shape = r#"{"system":"kpsisu","behaviour":"server_error"}, or "behaviour":null"#;
    let wanted: Standing = read(&body, shape)?;
    let (system, names) = known_system(&simulation, &wanted.system)?;
    let behaviour = match &wanted.behaviour {
        None => None,
        Some(wanted) => match names.iter().find(|name| *name == wanted) {
            Some(name) => Some(*name),
            None => return Err(Wrong::unknown("behaviour", names)),
        },
    };
    simulation.orders().stand(system, behaviour);
    Ok(Json(json!({ "standing": behaviour })))
}

/// Orders a recorded case.
fn next_case(
    simulation: &Arc<Simulation>,
    wanted: &Next,
    case: &str,
) -> Result<Json<Value>, Wrong> {
    known_system(simulation, &wanted.system)?;
    let script = simulation.options.shelf.script(case).map_err(|error| {
        Wrong::new(&error.to_string(), "GET /control/cases lists what there is")
    })?;
    if script.system != wanted.system {
        let advice = format!("its system is {}", script.system);
        return Err(Wrong::new("the case is one of another system", &advice));
    }
    let order = CaseOrder {
        script,
        push_url: wanted.push_url.clone(),
        push_after: wanted.push_after(),
        request_number: wanted.request_number.clone(),
        iin: wanted.iin.clone(),
    };
    if order.script.turns.is_empty() {
        let pushed = recorded::begin(simulation, &order);
        return Ok(Json(json!({ "begun": pushed })));
    }
    for _ in 0..wanted.count {
        if !simulation.recorded.add(order.clone()) {
            return Err(Wrong::conflict("too many cases wait", "let requests use them up"));
        }
    }
    Ok(Json(json!({ "ordered": wanted.count })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForgeOrder {
    system: String,
    kind: String,
}

async fn forge(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let wanted: ForgeOrder = read(&body, r#"{"system":"kpsisu","kind":"unknown_sender"}"#)?;
    known_system(&simulation, &wanted.system)?;
    let forge = locked(&simulation.profiles)
        .get(wanted.system.as_str())
        .and_then(|profile| profile.forge.clone());
    let Some(forge) = forge else {
        return Err(Wrong::new(
            "this system never pushes",
            "choose one whose kinds /control/behaviours lists",
        ));
    };
    if !forge.kinds().iter().any(|(name, _)| *name == wanted.kind) {
        return Err(Wrong::unknown("kind", forge.kinds().iter().map(|(name, _)| *name).collect()));
    }
    let bytes = match forge.forge(&wanted.kind) {
        Ok(bytes) => bytes,
        Err(missing) => return Err(Wrong::conflict("nothing to forge from", missing)),
    };
    let client = courier::client();
    let mut last = None;
    for url in simulation.post().push_urls() {
        let pushed = courier::push(&client, &url, bytes.clone()).await;
        let reached = pushed.status.is_some();
        last = Some(json!({ "status": pushed.status, "answer": pushed.answer }));
        if reached {
            break;
        }
    }
    match last {
        Some(answer) => Ok(Json(answer)),
        None => Err(Wrong::conflict("no push URL", "POST /control/push-urls first")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BeginOrder {
    system: String,
    kind: String,
    #[serde(default = "once")]
    count: u32,
    /// Business seconds between two of them.
    #[serde(default)]
    every_s: u32,
    /// BIN of the organisation that they are for.
    organisation: Option<String>,
}

/// Conversations that one order may begin.
const BEGIN_MAX: u32 = 1_000;

async fn begin(State(simulation): World, body: Bytes) -> Result<Json<Value>, Wrong> {
    let shape = r#"{"system":"eqyzmet","kind":"editable","count":1,"every_s":0,"organisation"?}"#;
    let wanted: BeginOrder = read(&body, shape)?;
    let (system, _) = known_system(&simulation, &wanted.system)?;
    let forge = locked(&simulation.profiles)
        .get(system)
        .and_then(|profile| profile.forge.clone())
        .filter(|forge| !forge.conversations().is_empty());
    let Some(forge) = forge else {
        let advice = "choose one whose conversations /control/behaviours lists under begin";
        return Err(Wrong::new("this system begins no conversation", advice));
    };
    let kinds = forge.conversations();
    if !kinds.iter().any(|(name, _)| *name == wanted.kind) {
        return Err(Wrong::unknown("kind", kinds.iter().map(|(name, _)| *name).collect()));
    }
    if wanted.count == 0 || wanted.count > BEGIN_MAX {
        return Err(Wrong::new("count is not in 1 to 1000", "order that many at most"));
    }
    let organisation = wanted.organisation.as_deref();
    if organisation.is_some_and(|bin| bin.parse::<contracts::number::Bin>().is_err()) {
        return Err(Wrong::new("not a BIN", "give 12 digits with the check digit"));
    }
    let now = simulation.now();
    let begun: Vec<String> = (0..wanted.count)
        .map(|n| {
            let after = SignedDuration::from_secs(i64::from(n) * i64::from(wanted.every_s));
            let due = now.checked_add(after).unwrap_or(Timestamp::MAX);
            let key = forge.begin(&wanted.kind, organisation, due);
            let kind = wanted.kind.clone();
            simulation.begun().add(Conversation { system, kind, key: key.clone() });
            key
        })
        .collect();
    Ok(Json(json!({ "begun": begun })))
}

/// What was wrong with a request, and what to do instead.
struct Wrong {
    status: StatusCode,
    what: String,
    advice: String,
    known: Option<Vec<&'static str>>,
}

impl Wrong {
    fn new(what: &str, advice: &str) -> Self {
        let (what, advice) = (what.to_owned(), advice.to_owned());
        Self { status: StatusCode::BAD_REQUEST, what, advice, known: None }
    }

    /// The request is fine, the simulation is not ready for it.
    fn conflict(what: &str, advice: &str) -> Self {
        Self { status: StatusCode::CONFLICT, ..Self::new(what, advice) }
    }

    /// There is no such thing.
    fn missing(what: &str, advice: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, ..Self::new(what, advice) }
    }

    fn no_url() -> Self {
        let advice = "give absolute URLs such as http://127.0.0.1:8081/shep/async";
        Self::new("not an http URL", advice)
    }

    fn unknown(what: &str, known: Vec<&'static str>) -> Self {
        let advice = "use one of the known names; /control/behaviours explains them";
        Self { known: Some(known), ..Self::new(&format!("unknown {what}"), advice) }
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.what, "do": self.advice });
        if let Some(known) = self.known {
            body["known"] = json!(known);
        }
        (self.status, Json(body)).into_response()
    }
}

fn read<T: DeserializeOwned>(body: &Bytes, shape: &str) -> Result<T, Wrong> {
    serde_json::from_slice(body)
        .map_err(|error| Wrong::new(&error.to_string(), &format!("send JSON like {shape}")))
}

fn is_http(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| url.scheme() == "http" && url.has_host())
}

fn known_system(
    simulation: &Simulation,
    system: &str,
) -> Result<(&'static str, Vec<&'static str>), Wrong> {
    let profiles = locked(&simulation.profiles);
    match profiles.get(system) {
        Some(profile) => {
            let names = profile.behaviours.iter().map(|(name, _)| *name).collect();
            Ok((profile.system, names))
        }
        None => Err(Wrong::unknown("system", profiles.keys().copied().collect())),
    }
}
