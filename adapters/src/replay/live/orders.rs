//! The control API of a simulator, from outside.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::recorded::Letter;
use crate::{settings::Settings, system::ConnectError, transport::http::Client};

const LIMIT: Duration = Duration::from_secs(5);
const NAME: &str = "simulators";

/// The control API of a simulator.
#[derive(Debug)]
pub struct Orders {
    http: Client,
}

/// Why nothing was ordered.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// It does not answer.
    #[error("the simulator's control API does not answer")]
    Silent,
    /// It refused.
    #[error("the simulator refused the order: {0}")]
    Refused(String),
}

impl Orders {
    /// The control API below the address of the simulators, where there is one: whoever answers
    /// `GET /control/behaviours` as our simulator does is one.
    pub async fn detect(target: &str) -> Result<Option<Self>, ConnectError> {
        let url = format!("{}/control/", target.trim_end_matches('/'));
        let http = Client::new(NAME, &Settings::for_url(&url))?;
        let Ok(answer) = http.get(&["behaviours"], &HeaderMap::new(), LIMIT).await else {
            return Ok(None);
        };
        let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let is_ours = answer.status == 200
            && body
                .as_object()
                .is_some_and(|all| all.values().any(|one| one["behaviours"].is_object()));
        Ok(is_ours.then_some(Self { http }))
    }

    pub(super) async fn behaviour(
        &self,
        system: &str,
        behaviour: &str,
        number: &str,
    ) -> Result<(), OrderError> {
        let order = json!({ "system": system, "behaviour": behaviour, "request_number": number });
        self.order("next", &order).await
    }

    pub(super) async fn answer(
        &self,
        system: &str,
        containing: &str,
        letter: &Letter,
    ) -> Result<(), OrderError> {
        let order = json!({
            "system": system,
            "containing": containing,
            "status": letter.status,
            "headers": letter.headers,
            "body": BASE64_STANDARD.encode(&letter.body),
            "transport": letter.transport,
        });
        self.order("answer", &order).await
    }

    async fn order(&self, path: &str, order: &Value) -> Result<(), OrderError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Bytes::from(order.to_string());
        let sent = self.http.post_to(&[path], body, &headers, LIMIT).await;
        let answer = sent.map_err(|_| OrderError::Silent)?;
        if answer.status == 200 {
            return Ok(());
        }
        let said = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        Err(OrderError::Refused(said["error"].as_str().unwrap_or("without a reason").to_owned()))
    }
}
