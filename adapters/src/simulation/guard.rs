//! Who may tell the simulation something.
//!
//! There is no login: it listens on the loopback address. So that a page of somebody else, open in
//! the tester's browser, can do nothing:
//!
//! - a Host that is no address of this listener is refused, for a name may be rebound to it;
//! - what changes something is a POST of the type `application/json`, which a browser sends to
//!   another origin after a permission only that is never given.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Host names that are answered besides addresses.
#[derive(Debug, Clone, Default)]
pub struct Hosts(pub Vec<String>);

/// Lets a request to the control API or the page pass.
pub(super) async fn pass(
    State(hosts): State<std::sync::Arc<Hosts>>,
    request: Request,
    next: Next,
) -> Response {
    if !hosts.knows(request.headers()) {
        let advice = "use the address itself, or name the host with --host";
        return refuse(StatusCode::FORBIDDEN, "this host name is not known here", advice);
    }
    let changes = request.method() != Method::GET && request.method() != Method::HEAD;
    if changes && !is_json(request.headers()) {
        let advice = "send it with Content-Type: application/json";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "no JSON", advice);
    }
    next.run(request).await
}

impl Hosts {
    /// A name can be rebound, an address cannot.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
            return false;
        };
        let is_address = host.parse::<std::net::SocketAddr>().is_ok()
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        is_address
            || name.eq_ignore_ascii_case("localhost")
            || self.0.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next()).map(str::trim);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
}

fn refuse(status: StatusCode, error: &str, advice: &str) -> Response {
    (status, axum::Json(json!({ "error": error, "do": advice }))).into_response()
}
