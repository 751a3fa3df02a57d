//! Callbacks: events of a job that names a `callback_url`, delivered by HTTP as well.
//!
//! ```text
//! event commit ─ hub.callback ─ take what is due, the lowest open sequence of each job
//!    → host allowed? → address public? → POST, signed (Standard Webhooks)
//!        2xx: delivered │ 410: stopped │ else: again, over hours, with jitter │ tries used up: stopped
//! ```
//!
//! *Guarantee*: order within a job holds; every delivery is tried until it is taken, refused for good
//! (410) or [`TRIES_MAX`] tries are used up, and what stopped is visible and can be replayed
//! (`hub callbacks`). Deliveries are at least once: the receiver tells repetitions by `webhook-id`.
//!
//! *Limits*: [`IN_FLIGHT_MAX`] deliveries at once, [`CALL_LIMIT`] each; while several hosts have something
//! due, of one at most [`HOST_IN_FLIGHT_MAX`] in all processes; redirects are not followed; only hosts of
//! `callbacks.hosts`, and no private addresses unless `callbacks.allow_private`.

mod address;
mod sign;

use contracts::code;
use std::{sync::Arc, time::Duration};

use contracts::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use reqwest::Url;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) use self::address::is_private;
pub use self::sign::{Secret, SecretError};
use crate::{
    chance::Chance,
    clock::real_now,
    config::Callbacks,
    fail_point::{self, Point},
    pipeline::Hub,
    policy::pause::jittered,
    store::callback::{Due, HOST_IN_FLIGHT_MAX, Tried},
    telemetry::metric::Metric,
};

/// Deliveries under way at once, in one process.
pub const IN_FLIGHT_MAX: usize = 32 + HOST_IN_FLIGHT_MAX as usize;
/// Another process takes just now: look again after about this.
const TURN_PAUSE: Duration = Duration::from_millis(50);
/// A delivery ends within this.
pub const CALL_LIMIT: Duration = Duration::from_secs(15);
/// A delivery without a result after this is tried by somebody else.
const LEASE: Duration = Duration::from_secs(60);
/// Pauses between tries, before jitter: over three days in all.
const PAUSES_S: [u64; 10] = [5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// Tries of one delivery.
pub const TRIES_MAX: usize = PAUSES_S.len() + 1;

/// Delivers until cancelled.
pub async fn run(hub: Arc<Hub>, stop: CancellationToken) {
    let client = match address::client(&hub.config.callbacks) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "callbacks are not delivered: no HTTP client can be built");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = hub.wake.callbacks.notified() => {}
        }
        while !stop.is_cancelled() && deliver_due(&hub, &client, &places).await {}
    }
}

/// Starts what is due and for which there is a place; `true` where more may be due.
async fn deliver_due(hub: &Arc<Hub>, client: &reqwest::Client, places: &Arc<Semaphore>) -> bool {
    let free = i64::try_from(places.available_permits()).unwrap_or(0);
    if free == 0 {
        return false;
    }
    let due = match hub.store.take_callbacks(free, LEASE).await {
        Ok(Some(due)) => due,
        Ok(None) => {
            tokio::time::sleep(jittered(TURN_PAUSE, &hub.chance)).await;
            return true;
        }
        Err(error) => {
            tracing::debug!(%error, "callbacks wait for the database");
            return false;
        }
    };
    let full = i64::try_from(due.len()).unwrap_or(0) == free;
    for one in due {
        let Ok(place) = places.clone().acquire_owned().await else { return false };
        let (hub, client) = (hub.clone(), client.clone());
        tokio::spawn(async move {
            deliver(&hub, &client, &one).await;
            drop(place);
            // The next event of the same job may go now.
            hub.wake.callbacks.notify_one();
        });
    }
    full
}

async fn deliver(hub: &Hub, client: &reqwest::Client, due: &Due) {
    let (tried, status) = attempt(&hub.config.callbacks, client, due, &hub.chance).await;
    let result = match tried {
        Tried::Delivered => "delivered",
        Tried::Again(_) => "again",
        Tried::Stopped(_) => "stopped",
    };
    fail_point::reach(Point::CallbackSentBeforeRecord);
    Metric::Callbacks.count([("result", result)]);
    match hub.store.note_callback(due, tried, status).await {
        Ok(true) => tracing::error!("a callback host was disabled after days without a success"),
        Ok(false) => {}
        Err(error) => {
            let event = event_id(&due.body);
            let job_id = event.split('/').next();
            tracing::warn!(job_id, %error, "a delivery could not be noted; it is made again");
        }
    }
    if let Tried::Stopped(why) = tried {
        let event = event_id(&due.body);
        let job_id = event.split('/').next();
        tracing::warn!(
            job_id,
            why = why.name(),
            status,
            "the callbacks of a job stopped; see hub callbacks list"
        );
    }
}

async fn attempt(
    settings: &Callbacks,
    client: &reqwest::Client,
    due: &Due,
    chance: &Chance,
) -> (Tried, Option<u16>) {
    let url = match address::check(settings, &due.url) {
        Ok(url) => url,
        Err(why) => return (Tried::Stopped(why), None),
    };
    let Some(secret) = &settings.secret else { return (Tried::Stopped(code!("no_secret")), None) };
    match post(client, url, secret, due).await {
        Ok(status) => (judge(status, due.tries, chance), Some(status)),
        Err(_) => (again(due.tries, chance), None),
    }
}

async fn post(
    client: &reqwest::Client,
    url: Url,
    secret: &Secret,
    due: &Due,
) -> Result<u16, reqwest::Error> {
    let (id, trace) = (event_id(&due.body), TraceContext::of_event(&due.body));
    let timestamp = real_now().as_second().to_string();
    let signature = secret.sign(&id, &timestamp, &due.body);
    let mut request = client
        .post(url)
        .header("content-type", "application/cloudevents+json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .timeout(CALL_LIMIT)
        .body(due.body.clone());
    // The portal's own addresses take them: it is the portal's trace.
    if let Some(trace) = trace {
        request = request.header(TRACEPARENT, trace.parent());
        if let Some(state) = trace.state() {
            request = request.header(TRACESTATE, state);
        }
    }
    let response = request.send().await?;
    Ok(response.status().as_u16())
}

/// The event's own id: the same whenever it is delivered again.
fn event_id(body: &[u8]) -> String {
    let event: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    event.and_then(|event| event["id"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// What a status means. Anything but a success may be mended on their side, save 410: gone.
fn judge(status: u16, tries: i32, chance: &Chance) -> Tried {
    match status {
        200..=299 => Tried::Delivered,
        410 => Tried::Stopped(code!("gone")),
        _ => again(tries, chance),
    }
}

fn again(tries: i32, chance: &Chance) -> Tried {
    let made = usize::try_from(tries).unwrap_or(0);
    PAUSES_S.get(made).map_or(Tried::Stopped(code!("tries_used_up")), |pause| {
        Tried::Again(jittered(Duration::from_secs(*pause), chance))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_stretch_over_days_and_then_stop() {
        let chance = Chance::seeded(1);
        let mut whole = Duration::ZERO;
        for tries in 0..i32::try_from(PAUSES_S.len()).expect("few") {
            let Tried::Again(pause) = again(tries, &chance) else { unreachable!("{tries}") };
            whole += pause;
        }
        assert!(whole > Duration::from_secs(2 * 86_400), "{whole:?}");
        let last = i32::try_from(PAUSES_S.len()).expect("few");
        assert_eq!(again(last, &chance), Tried::Stopped(code!("tries_used_up")));
    }

    #[test]
    fn gone_stops_and_everything_else_but_success_is_tried_again() {
        let chance = Chance::seeded(1);
        assert_eq!(judge(204, 0, &chance), Tried::Delivered);
        assert_eq!(judge(410, 0, &chance), Tried::Stopped(code!("gone")));
        for status in [301, 400, 401, 404, 429, 500, 503] {
            assert!(matches!(judge(status, 0, &chance), Tried::Again(_)), "{status}");
        }
    }

    #[test]
    fn an_event_is_known_by_its_own_id() {
        assert_eq!(event_id(br#"{"id":"a/2","data":{}}"#), "a/2");
        assert_eq!(event_id(b"broken"), "");
    }
}
