//! One HTTP client a destination: the only door through which a request leaves the hub.
//!
//! *Guarantee*: [`Client`] sends a request at most once, ends within its limit, and holds no
//! more of an answer than the body limit. Its error says whether the request may have left.
//! Redirects are not followed, no proxy is used, the client's own repeats are off. (The pool hands
//! a request to another connection when the one it was meant for closed before a byte of the
//! request was written; that is not a repeat.)
//!
//! *Limits*: time to connect, longest silence, idle life of a connection and body bytes come from
//! the settings; [`HEADERS_MAX`] headers; TLS 1.2 or newer, with ring and the machine's own roots.
//!
//! A request says to which trace it belongs only inside [`traced`]: gateways are strict about what they
//! do not know, so whoever calls decides.
//!
//! *What this does not do*: it reads no status and no content type; bodies and addresses reach no
//! log and no error.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use contracts::{
    personal::Personal,
    trace::{TRACEPARENT, TraceContext},
};
use reqwest::{
    RequestBuilder, Response, Url,
    header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER},
};

use crate::{settings::Settings, system::ConnectError};

/// Answers with more headers are refused.
pub const HEADERS_MAX: usize = 64;
/// Idle connections kept for one destination are as many as may be in flight, up to this.
const IDLE_CONNECTIONS_MAX: usize = 1_024;
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("aleumet-hub/", env!("CARGO_PKG_VERSION"));

/// A client for one destination.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    body_bytes_max: usize,
}

/// An answer, whatever its status.
pub struct HttpAnswer {
    /// HTTP status.
    pub status: u16,
    /// Content type, where one came in ASCII.
    pub content_type: Option<String>,
    /// When they told us to come again, from now; zero where that could not be read.
    pub retry_after: Option<Duration>,
    /// The body. Personal.
    pub body: Bytes,
}

/// Why there is no answer. Only [`HttpError::Connect`] proves that the request did not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Certainly not sent: unknown name, refused, TLS handshake failed, no connection in time.
    #[error("no connection")]
    Connect,
    /// The time was over before the answer was complete.
    #[error("time limit")]
    Timeout(Partial),
    /// The connection ended before or within the answer.
    #[error("connection cut")]
    Cut(Partial),
    /// The answer is longer than the body limit.
    #[error("answer too large")]
    TooLarge(Partial),
    /// The library could not make the request or gives another reason.
    #[error("request failed")]
    Other,
}

/// What came before an answer broke off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partial {
    /// HTTP status, where one came.
    pub status: Option<u16>,
    /// The beginning of the body, at most the body limit.
    pub body: Personal<Bytes>,
}

tokio::task_local! {
    /// The trace of the attempt that runs in this task.
    static PARENT: HeaderValue;
}

/// Runs an attempt whose requests carry this `traceparent`. `tracestate` stays here: it may hold what
/// other systems of the portal tell each other.
pub async fn traced<F: Future>(context: &TraceContext, attempt: F) -> F::Output {
    match HeaderValue::from_str(&context.parent()) {
        Ok(parent) => PARENT.scope(parent, attempt).await,
        Err(_) => attempt.await,
    }
}

/// Chooses the TLS provider of this process. The first caller chooses; ring is the only one built in.
pub fn install_tls() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

impl Client {
    /// A client for the address in `settings`.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds clients")]
    pub fn new(system: &'static str, settings: &Settings) -> Result<Self, ConnectError> {
        let url = Url::parse(&settings.url).map_err(|_| ConnectError::Url { system })?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(ConnectError::Url { system });
        }
        install_tls();
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(settings.connect_timeout())
            .read_timeout(settings.read_timeout())
            .redirect(reqwest::redirect::Policy::none()) // a redirect would repeat the request
            .retry(reqwest::retry::never()) // attempts are counted in one place: the hub
            .referer(false)
            .no_proxy() // addresses come from the settings alone, not from the environment
            .http1_only()
            .http1_max_headers(HEADERS_MAX)
            .pool_idle_timeout(settings.idle_timeout())
            .pool_max_idle_per_host(settings.in_flight_max.min(IDLE_CONNECTIONS_MAX))
            .tcp_nodelay(true) // requests are one small write
            .tcp_keepalive(TCP_KEEPALIVE);
        if url.scheme() == "http" {
            // No TLS, so no need to find the machine's roots, which may have none.
            builder = builder.tls_certs_only([]);
        } else {
            builder = builder.https_only(true);
        }
        let http = builder.build().map_err(|error| ConnectError::Client {
            system,
            text: error.without_url().to_string(),
        })?;
        Ok(Self { http, url, body_bytes_max: settings.body_bytes_max })
    }

    /// Sends `body` once and reads the answer, whatever its status, within `limit`.
    pub async fn post(
        &self,
        body: Bytes,
        headers: &HeaderMap,
        limit: Duration,
    ) -> Result<HttpAnswer, HttpError> {
        self.send(self.http.post(self.url.clone()).body(body), headers, limit).await
    }

    /// As [`Self::post`], to the address that these segments below our own name.
    pub async fn post_to(
        &self,
        path: &[&str],
        body: Bytes,
        headers: &HeaderMap,
        limit: Duration,
    ) -> Result<HttpAnswer, HttpError> {
        self.send(self.http.post(self.below(path)?).body(body), headers, limit).await
    }

    /// Fetches once what these segments below our own address name.
    pub async fn get(
        &self,
        path: &[&str],
        headers: &HeaderMap,
        limit: Duration,
    ) -> Result<HttpAnswer, HttpError> {
        self.send(self.http.get(self.below(path)?), headers, limit).await
    }

    /// Where requests go, without credentials, port and query: what tells two contours apart.
    pub fn place(&self) -> String {
        format!("{}{}", self.url.host_str().unwrap_or_default(), self.url.path())
    }

    /// Segments are escaped, so none of them reaches another folder.
    fn below(&self, path: &[&str]) -> Result<Url, HttpError> {
        let mut url = self.url.clone();
        url.path_segments_mut().map_err(|()| HttpError::Other)?.pop_if_empty().extend(path);
        Ok(url)
    }

    async fn send(
        &self,
        request: RequestBuilder,
        headers: &HeaderMap,
        limit: Duration,
    ) -> Result<HttpAnswer, HttpError> {
        let mut request = request.headers(headers.clone()).timeout(limit);
        if let Ok(parent) = PARENT.try_with(HeaderValue::clone) {
            request = request.header(TRACEPARENT, parent);
        }
        let response = request.send().await.map_err(|error| lost(&error, Partial::default()))?;
        self.read(response).await
    }

    async fn read(&self, mut response: Response) -> Result<HttpAnswer, HttpError> {
        let status = response.status().as_u16();
        let header =
            |name| response.headers().get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let content_type = header(reqwest::header::CONTENT_TYPE).map(str::to_owned);
        let retry_after = retry_after(response.headers());
        let partial = |body: Bytes| Partial { status: Some(status), body: Personal::new(body) };
        let declared = response.content_length().and_then(|length| usize::try_from(length).ok());
        if declared.is_some_and(|length| length > self.body_bytes_max) {
            return Err(HttpError::TooLarge(partial(Bytes::new())));
        }
        let mut gathered = Gathered::default();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = self.body_bytes_max - gathered.len();
                    if chunk.len() > room {
                        gathered.push(chunk.slice(..room), declared);
                        return Err(HttpError::TooLarge(partial(gathered.into_bytes())));
                    }
                    gathered.push(chunk, declared);
                }
                Ok(None) => break,
                Err(error) => return Err(lost(&error, partial(gathered.into_bytes()))),
            }
        }
        Ok(HttpAnswer { status, content_type, retry_after, body: gathered.into_bytes() })
    }
}

/// `Retry-After`: seconds, or a date, which is compared with their own clock (`Date`).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let told = text(RETRY_AFTER).map(str::trim);
    headers.get(RETRY_AFTER)?;
    let seconds = told.and_then(|told| told.parse().ok()).map(Duration::from_secs);
    let until = || {
        let parse = |text: &str| jiff::fmt::rfc2822::parse(text).ok();
        let wait = parse(told?)?.timestamp().duration_since(parse(text(DATE)?)?.timestamp());
        wait.try_into().ok()
    };
    Some(seconds.or_else(until).unwrap_or_default())
}

/// A body as it comes: most come in one piece, which is kept as it is.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    fn len(&self) -> usize {
        if self.all.is_empty() { self.first.len() } else { self.all.len() }
    }

    fn push(&mut self, chunk: Bytes, declared: Option<usize>) {
        if self.all.is_empty() && self.first.is_empty() {
            self.first = chunk;
            return;
        }
        if self.all.is_empty() {
            // `declared` was compared with the body limit before.
            self.all.reserve(declared.unwrap_or(0).max(self.first.len() + chunk.len()));
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&chunk);
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

fn lost(error: &reqwest::Error, partial: Partial) -> HttpError {
    // A connect time-out is both: the order matters.
    if error.is_connect() {
        HttpError::Connect
    } else if error.is_timeout() {
        HttpError::Timeout(partial)
    } else if error.is_builder() {
        HttpError::Other
    } else {
        HttpError::Cut(partial)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold credentials.
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpAnswer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_and_https_addresses_are_taken() {
        for url in ["http://127.0.0.1:1/", "http://gateway/bip-sync/"] {
            assert!(Client::new("gbdfl", &Settings::for_url(url)).is_ok(), "{url}");
        }
        for url in ["", "gateway", "ftp://gateway/", "http://", "file:///etc/passwd"] {
            let error = Client::new("gbdfl", &Settings::for_url(url)).err();
            assert!(matches!(error, Some(ConnectError::Url { system: "gbdfl" })), "{url}");
        }
    }

    #[test]
    fn the_address_does_not_print() {
        let client = Client::new("gbdfl", &Settings::for_url("http://user:word@host/"));
        assert_eq!(format!("{:?}", client.expect("builds")), "Client { .. }");
    }

    #[test]
    fn a_path_stays_below_the_address_and_the_place_has_no_credentials() {
        for url in ["http://me:word@host:81/api/v2?key=1", "http://me:word@host:81/api/v2/"] {
            let client = Client::new("kazpost", &Settings::for_url(url)).expect("builds");
            let below = client.below(&["../x", "events"]).expect("a path");
            assert_eq!(below.path(), "/api/v2/..%2Fx/events");
            assert_eq!(client.place().trim_end_matches('/'), "host/api/v2");
        }
    }

    #[test]
    fn a_body_in_one_piece_is_not_copied_and_pieces_are_joined() {
        let mut gathered = Gathered::default();
        let piece = Bytes::from_static(b"ab");
        gathered.push(piece.clone(), None);
        assert_eq!(gathered.len(), 2);
        gathered.push(Bytes::from_static(b"cd"), Some(6));
        gathered.push(Bytes::from_static(b"ef"), Some(6));
        assert_eq!(gathered.len(), 6);
        assert_eq!(gathered.into_bytes(), Bytes::from_static(b"abcdef"));
    }

    #[test]
    fn they_say_when_to_come_again_in_seconds_or_by_their_own_clock() {
        let date = "Sun, 22 Nov 2026 10:00:00 GMT";
        for (told, date, expected) in [
            (Some("120"), None, Some(120)),
            (Some(" 7 "), None, Some(7)),
            (Some("Sun, 22 Nov 2026 10:05:00 GMT"), Some(date), Some(300)),
            (Some("Sun, 22 Nov 2026 09:00:00 GMT"), Some(date), Some(0)),
            (Some("Sun, 22 Nov 2026 10:05:00 GMT"), None, Some(0)),
            (Some("later"), Some(date), Some(0)),
            (Some("-5"), None, Some(0)),
            (None, Some(date), None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(RETRY_AFTER, told), (DATE, date)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_str(value).expect("ASCII"));
                }
            }
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{told:?}");
        }
    }
}
