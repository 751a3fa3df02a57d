//! REST with JSON: tracking, and the courier service (kazpost §6, §10).

use std::time::Duration;

use bytes::Bytes;
use contracts::personal::Personal;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{kept, patient};
use crate::{
    attempt::Exchange,
    settings::Settings,
    system::ConnectError,
    transport::{
        http::{Client, HttpAnswer},
        trouble::{self, Trouble},
    },
};

/// A REST service.
#[derive(Debug)]
pub struct Rest {
    http: Client,
    headers: HeaderMap,
}

/// A success whose body is JSON, and its status.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status, 200 to 299.
    pub status: u16,
    /// The body. Personal.
    pub body: Personal<Value>,
}

impl Rest {
    /// The service at `url`, with the settings' limits.
    pub fn new(
        system: &'static str,
        settings: &Settings,
        url: String,
    ) -> Result<Self, ConnectError> {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let settings = Settings { url, ..patient(settings) };
        Ok(Self { http: Client::new(system, &settings)?, headers })
    }

    /// Fetches JSON once, whatever the status.
    pub async fn get(
        &self,
        path: &[&str],
        limit: Duration,
    ) -> (Result<HttpAnswer, Trouble>, Exchange) {
        kept(Bytes::new(), self.http.get(path, &self.headers, limit).await)
    }

    /// Sends JSON once, under a token where there is one; the answer comes whatever its status.
    /// `shown` is kept instead of what was sent.
    pub async fn post(
        &self,
        path: &[&str],
        body: &Value,
        shown: Bytes,
        token: Option<&SecretString>,
        limit: Duration,
    ) -> (Result<HttpAnswer, Trouble>, Exchange) {
        let mut headers = self.headers.clone();
        if let Some(token) = token {
            let bearer = format!("Bearer {}", token.expose_secret());
            let Ok(mut bearer) = HeaderValue::try_from(bearer) else {
                return (Err(Trouble::Unwritable), Exchange::default());
            };
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let sent = Bytes::from(body.to_string());
        kept(shown, self.http.post_to(path, sent, &headers, limit).await)
    }

    /// Signs in: `{username, password}` → `{token}` (kazpost §10). Neither the login nor the token is
    /// kept.
    pub async fn sign_in(
        &self,
        path: &[&str],
        username: &str,
        password: &SecretString,
        limit: Duration,
    ) -> (Result<SecretString, Trouble>, Exchange) {
        let body = json!({ "username": username, "password": password.expose_secret() });
        let shown = json!({ "username": "***", "password": "***" }).to_string().into();
        let (answer, mut exchange) = self.post(path, &body, shown, None, limit).await;
        let token = answer.and_then(|answer| json(&answer)).and_then(|reply| {
            let token = reply.body.expose()["token"].as_str().map(str::trim);
            let token = token.filter(|token| !token.is_empty()).ok_or(Trouble::Unreadable)?;
            Ok(SecretString::from(token))
        });
        if token.is_ok() {
            exchange.response = Bytes::new();
        }
        (token, exchange)
    }
}

/// Reads a success as JSON.
pub fn json(answer: &HttpAnswer) -> Result<Reply, Trouble> {
    if let Some(trouble) = trouble::of_status(answer) {
        return Err(trouble);
    }
    let body = serde_json::from_slice(&answer.body).map_err(|_| Trouble::Unreadable)?;
    Ok(Reply { status: answer.status, body: Personal::new(body) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_kept_of_a_sign_in_has_login_and_password_masked() {
        let settings = Settings::for_url("http://127.0.0.1:1/");
        let url = settings.url.clone();
        let rest = Rest::new("kazpost", &settings, url).expect("builds");
        let limit = Duration::from_secs(5);
        let (_, exchange) = rest.sign_in(&["sign-in"], "login", &"word".into(), limit).await;
        let kept = String::from_utf8_lossy(&exchange.request).into_owned();
        assert_eq!(kept, r#"{"password":"***","username":"***"}"#);
    }
}
