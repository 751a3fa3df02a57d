//! Brings due messages to the hub.
//!
//! *Limits*: [`CARRIED_MAX`] pushes at once, each within [`PUSH_TIMEOUT`]; a pause holds no place.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use reqwest::{Client, header};

use super::{
    Simulation,
    journal::Note,
    post::Parcel,
    xml::{self, Node},
};

/// Pushes at once.
pub(super) const CARRIED_MAX: usize = 64;
/// Real time that one push may take.
pub(super) const PUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// Business time is looked at this often: it may jump without telling us.
const TICK: Duration = Duration::from_millis(20);
/// Longer acknowledgements of the hub are not read.
const ACK_BYTES_MAX: usize = 64 * 1024;

/// Carries messages for as long as it is polled.
pub(super) async fn run(simulation: &Arc<Simulation>) {
    let client = client();
    let post = simulation.post();
    post.take_back_carried();
    let mut carried = FuturesUnordered::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let room = CARRIED_MAX - carried.len();
        let (ready, became_due) = post.collect(simulation.now(), room);
        if !became_due.is_empty() {
            let mut journal = simulation.journal();
            for entry in became_due {
                journal.note(entry, Note::Answered);
            }
        }
        for parcel in ready {
            carried.push(carry(simulation, &client, parcel));
        }
        tokio::select! {
            Some(()) = carried.next(), if !carried.is_empty() => {}
            () = post.woken() => {}
            _ = tick.tick() => {}
        }
    }
}

async fn carry(simulation: &Arc<Simulation>, client: &Client, parcel: Parcel) {
    let urls = match &parcel.push_url {
        Some(url) => vec![url.clone()],
        None => simulation.post().push_urls(),
    };
    let index = usize::try_from(parcel.tries).unwrap_or(0).checked_rem(urls.len());
    let delivered = match index {
        Some(index) => push(client, &urls[index], parcel.message.push()).await.is_taken(),
        None => false,
    };
    if let Some(entry) = parcel.entry {
        let mut journal = simulation.journal();
        journal.note(entry, Note::Pushed);
        if delivered {
            journal.note(entry, Note::Delivered);
        }
    }
    simulation.post().settle(parcel, delivered);
}

/// What the hub answered to a push.
pub(super) struct Pushed {
    /// Its HTTP status, where it answered at all.
    pub(super) status: Option<u16>,
    /// The local name of the body's element, or what went wrong.
    pub(super) answer: String,
}

impl Pushed {
    fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
            && self.answer == "sendMessageResponse"
    }
}

/// Sends one push to one address.
pub(super) async fn push(client: &Client, url: &str, body: Vec<u8>) -> Pushed {
    let request = client
        .post(url)
        .header(header::CONTENT_TYPE, "text/xml; charset=UTF-8")
        .header("SOAPAction", "\"\"")
        .body(body);
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Pushed { status: None, answer: error.without_url().to_string() },
    };
    let status = Some(response.status().as_u16());
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= ACK_BYTES_MAX => {
                bytes.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Pushed { status, answer: "too long".to_owned() },
            Ok(None) => break,
            Err(error) => return Pushed { status, answer: error.without_url().to_string() },
        }
    }
    let body = xml::parse(&bytes).ok().and_then(|root| root.child("Body").cloned());
    let element = body.and_then(|body| body.children.into_iter().next());
    Pushed { status, answer: element.map_or_else(|| "no SOAP body".to_owned(), Node::into_name) }
}

/// The client of all pushes.
///
/// # Panics
/// Where the TLS library refuses its own defaults.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulators stand outside the hub and must not share its transport"
)]
pub(super) fn client() -> Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PUSH_TIMEOUT)
        .build()
        .expect("a client without special settings can be built")
}
