//! Calling a courier: sign-in, and calls by order number (kazpost §10).

use std::{collections::HashSet, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp, civil::Date, tz};
use serde_json::{Value, json};

use super::{COURIER, Effect, Kazpost, behaviour::Courier as Act};
use crate::simulation::{
    misread::Misread,
    reply::{self, Reply, SLOW},
};

/// Calls that are remembered.
pub(super) const CALLS_MAX: usize = 1_000_000;

const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(1);
const LOCAL: tz::Offset = tz::offset(5);
/// The hour after which nobody comes today.
const LAST_HOUR: i8 = 17;
const USER: &str = "sim";
const PASSWORD: &str = "simulated";

/// Registered calls, and the token that is valid.
#[derive(Default)]
pub(super) struct Calls {
    orders: HashSet<String>,
    token: Option<(String, Timestamp)>,
    tokens: u64,
}

/// `POST …/sign-in`.
pub(super) async fn sign_in(
    State(kazpost): State<Arc<Kazpost>>,
    Json(body): Json<Value>,
) -> Response {
    if body["username"] != USER || body["password"] != PASSWORD {
        let error = json!({ "messageRu": "Неверный логин или пароль", "status": 401 });
        return (StatusCode::UNAUTHORIZED, Json(error)).into_response();
    }
    let now = kazpost.simulation.now();
    let mut calls = kazpost.calls();
    calls.tokens += 1;
    let token = format!("sim-token-{}", calls.tokens);
    let until = now.checked_add(TOKEN_LIFE).unwrap_or(Timestamp::MAX);
    calls.token = Some((token.clone(), until));
    Json(json!({ "token": token })).into_response()
}

/// `POST …/call-courier`.
pub(super) async fn call(
    State(kazpost): State<Arc<Kazpost>>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Response {
    let (bytes, line) = match reply::read(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let now = kazpost.simulation.now();
    let Ok(body) = serde_json::from_slice::<Value>(&bytes) else {
        return Misread::json(400, "SIM: no JSON", now).into_response();
    };
    if !kazpost.knows(&headers) {
        return unauthorized();
    }
    let order = match read(&body, now) {
        Ok(order) => order,
        Err(words) => return Misread::json(400, words, now).into_response(),
    };
    let act = kazpost.simulation.choose::<Act>(COURIER, &order, &order).behaviour;
    let is_new = act.executes() && kazpost.register(&order);
    let is_answered = act == Act::Registered;
    kazpost.write_down(COURIER, &order, act.name(), &Effect::plain(is_new), is_answered);
    match act {
        Act::Registered if is_new => {
            (StatusCode::CREATED, Json(json!({ "id": order }))).into_response()
        }
        Act::Registered => problem("Заявка с таким номером уже существует"),
        Act::TokenExpired => {
            kazpost.calls().token = None;
            unauthorized()
        }
        Act::Refused => problem("SIM: регион не обслуживается"),
        Act::LostAfter | Act::ResetBefore => Reply::Reset.into_response(&line),
        Act::HtmlAfter => Reply::Html(502).into_response(&line),
        Act::ServerError => Reply::Empty(503).into_response(&line),
        Act::SlowAfter => {
            tokio::time::sleep(SLOW).await;
            (StatusCode::CREATED, Json(json!({ "id": order }))).into_response()
        }
    }
}

impl Kazpost {
    fn knows(&self, headers: &HeaderMap) -> bool {
        let came = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let calls = self.calls();
        let known = calls.token.as_ref().filter(|(_, until)| *until > self.simulation.now());
        known.is_some_and(|(token, _)| came == Some(&format!("Bearer {token}")))
    }

    /// Says whether the order number is new.
    fn register(&self, order: &str) -> bool {
        let mut calls = self.calls();
        calls.orders.len() < CALLS_MAX && calls.orders.insert(order.to_owned())
    }
}

/// Reads a call as strictly as the one known client allows.
fn read(body: &Value, now: Timestamp) -> Result<String, &'static str> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let order = text("/order_number");
    let customer = body["customers"].as_array().and_then(|all| all.first());
    let relation = customer.map(|one| &one["relation_type"]);
    if order.is_empty() || relation != Some(&json!("SENDER")) {
        return Err("SIM: order_number and a customer SENDER are required");
    }
    let phone = text("/customers/0/phone_number");
    if phone.len() != 10 || text("/idn").len() != 12 || text("/address_from/address").is_empty() {
        return Err("SIM: phone_number, idn and address_from are required");
    }
    if !matches!(text("/product_type"), "GOOD" | "DOC") || !body["item_count"].is_u64() {
        return Err("SIM: product_type and item_count are required");
    }
    let date = Date::strptime("%d.%m.%Y", text("/courier_arrived_date"));
    let date = date.map_err(|_| "SIM: courier_arrived_date takes DD.MM.YYYY")?;
    let now = LOCAL.to_datetime(now);
    if date < now.date() || (date == now.date() && now.hour() >= LAST_HOUR) {
        return Err("SIM: вызов на сегодня возможен до 17:00");
    }
    Ok(order.to_owned())
}

fn problem(words: &str) -> Response {
    let body = json!({ "messageRu": words, "messageKk": words, "messageEn": words, "status": 400 });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn unauthorized() -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({ "status": 401 }))).into_response()
}
