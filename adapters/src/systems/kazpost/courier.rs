//! The courier service: sign-in, and one call (kazpost §10).
//!
//! ```text
//! sign-in ─ token, kept in memory ─→ POST call-courier ─ 201, or "exists already" ─→ registered
//!     ↑ once                               └ 401: refused at the door
//!     └───────────────────────────────────────────┘
//! ```
//!
//! *Guarantee*: an old token's 401 proves that nothing was registered, so the same attempt signs in
//! anew and sends once more; a second 401 is `Denied`. Login, password and token are never kept.

use std::time::{Duration, Instant};

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{failures::Cause, office::text};
use crate::{
    attempt::Exchange,
    settings::Settings,
    transport::{
        http::HttpAnswer,
        kazpost::Rest,
        secret,
        trouble::{self, Trouble},
    },
};

const SIGN_IN: [&str; 4] = ["api", "auth", "v1", "sign-in"];
const CALL_COURIER: [&str; 4] = ["api", "core", "v1", "call-courier"];
/// Their words for a repetition; there is no code (kazpost §10).
const EXISTS: &str = "Заявка с таким номером уже существует";

/// The courier service, and our account there.
#[derive(Debug)]
pub(super) struct Courier {
    rest: Rest,
    username: String,
    password: SecretString,
    pub(super) item_code: String,
    pub(super) branch_code: String,
    /// The last token that worked, or might.
    token: Mutex<Option<SecretString>>,
}

impl Courier {
    /// Takes the account from the settings. Signs in when first needed.
    pub(super) fn new(rest: Rest, settings: &Settings) -> Self {
        Self {
            rest,
            username: text(settings, "courier_username"),
            password: text(settings, "courier_password").into(),
            item_code: text(settings, "courier_item_code"),
            branch_code: text(settings, "courier_branch_code"),
            token: Mutex::default(),
        }
    }

    /// A token that was not refused yet, and whether it is fresh. One attempt signs in at a time,
    /// and the others take its token: a service that forgets a token when it gives the next one
    /// would otherwise refuse them in turn.
    async fn token(
        &self,
        refused: Option<&SecretString>,
        limit: Duration,
    ) -> Result<(SecretString, bool), (Cause, Exchange)> {
        let began = Instant::now();
        let late = |_| (Cause::Query(Trouble::TimedOut), Exchange::default());
        let mut known = tokio::time::timeout(limit, self.token.lock()).await.map_err(late)?;
        let is_refused = |token: &SecretString| {
            refused.is_some_and(|one| secret::is_same(one.expose_secret(), token.expose_secret()))
        };
        if let Some(token) = known.as_ref().filter(|token| !is_refused(token)) {
            return Ok((token.clone(), false));
        }
        *known = None;
        let left = limit.saturating_sub(began.elapsed());
        let (token, exchange) =
            self.rest.sign_in(&SIGN_IN, &self.username, &self.password, left).await;
        let token = token.map_err(|trouble| (Cause::Query(trouble), exchange))?;
        *known = Some(token.clone());
        Ok((token, true))
    }

    /// Sends the call; once more where an old token was refused.
    pub(super) async fn send(
        &self,
        body: &Value,
        limit: Duration,
    ) -> (Result<bool, Cause>, Exchange) {
        let began = Instant::now();
        let left = || limit.saturating_sub(began.elapsed());
        let (token, is_fresh) = match self.token(None, left()).await {
            Ok(token) => token,
            Err((cause, exchange)) => return (Err(cause), exchange),
        };
        let (result, exchange) = self.post(body, &token, left()).await;
        if is_fresh || result != Err(Cause::TokenRefused) {
            return (result, exchange);
        }
        match self.token(Some(&token), left()).await {
            Ok((token, _)) => self.post(body, &token, left()).await,
            Err((cause, exchange)) => (Err(cause), exchange),
        }
    }

    async fn post(
        &self,
        body: &Value,
        token: &SecretString,
        limit: Duration,
    ) -> (Result<bool, Cause>, Exchange) {
        let shown = Bytes::from(body.to_string());
        let (answer, exchange) =
            self.rest.post(&CALL_COURIER, body, shown, Some(token), limit).await;
        (answer.map_err(Cause::Command).and_then(|answer| registered(&answer)), exchange)
    }
}

/// Whether the call is registered, and was before. 201 and nothing else says "registered now".
pub(super) fn registered(answer: &HttpAnswer) -> Result<bool, Cause> {
    match answer.status {
        201 => Ok(false),
        400 => match serde_json::from_slice::<Value>(&answer.body) {
            Ok(body) if says(&body, EXISTS) => Ok(true),
            Ok(_) => Err(Cause::CourierRefused),
            Err(_) => Err(Cause::Command(Trouble::ClientError)),
        },
        401 => Err(Cause::TokenRefused),
        _ => {
            let trouble = trouble::of_status(answer).unwrap_or(Trouble::Unreadable);
            Err(Cause::Command(trouble))
        }
    }
}

/// Whether a text of their answer holds these words.
fn says(value: &Value, words: &str) -> bool {
    match value {
        Value::String(text) => text.contains(words),
        Value::Array(items) => items.iter().any(|item| says(item, words)),
        Value::Object(fields) => fields.values().any(|field| says(field, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
