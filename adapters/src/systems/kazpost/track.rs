//! `kazpost.track`: follows a parcel (D17).
//!
//! *Guarantee*: after an answer a number is not asked for again within the hour (a look that failed is
//! repeated sooner, and a believed callback asks at once), and only a number that a job names. An
//! event that came before changes nothing; the portal's status only moves forward. The job ends when
//! a terminal code that was not undone has stood for [`STANDS_FOR`].
//!
//! *What this does not do*: it never looks for numbers by itself. Not knowing a number yet is no
//! failure: a label is printed before the parcel is handed over.

use std::time::Duration;

use contracts::{personal::Personal, s10::TrackNumber};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    codes::Class,
    failures::Cause,
    history::{self, Event, Judged, Told},
    office::{Office, ended, unsent},
    portal,
    status::OrderKind,
};
use crate::{
    attempt::{Answer, Attempt, Call, Interim, Outcome, Write},
    transport::{http::HttpAnswer, kazpost, trouble::Trouble},
};

/// Kazpost caches its answers for as long (kazpost §6).
pub(super) const POLL: Duration = Duration::from_hours(1);
/// A terminal code that stood for as long ends the job.
pub(super) const STANDS_FOR: SignedDuration = SignedDuration::from_hours(72);
/// Pause while a terminal code stands: only an undo is waited for.
const POLL_TERMINAL: Duration = Duration::from_hours(6);
const NOT_FOUND: u16 = 404;

/// What the portal, or the label's job, asks.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// The number to follow.
    pub(super) track_number: TrackNumber,
    /// What was ordered.
    #[serde(default)]
    pub(super) order_kind: OrderKind,
}

impl Office {
    /// One look at the history.
    pub(super) async fn track(&self, call: &Call) -> Attempt {
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            return unsent(&Cause::Input);
        };
        let path = [input.track_number.expose(), "events"];
        let (answer, exchange) = self.tracking.get(&path, call.time_limit).await;
        let told = answer
            .map_err(Cause::Query)
            .and_then(|answer| read(&answer, &input.track_number, call.now));
        let mut outcome = told.map(|told| meaning(told, &input, call));
        if let Ok(Outcome::Interim(interim)) = &mut outcome {
            interim.again_in = interim.again_in.max(self.look_every);
        }
        ended(outcome, exchange)
    }
}

/// Reads an answer whatever its status: 404 is "not known yet".
pub(super) fn read(
    answer: &HttpAnswer,
    number: &TrackNumber,
    now: Timestamp,
) -> Result<Told, Cause> {
    if answer.status == NOT_FOUND {
        return Ok(Told::NotKnown);
    }
    let reply = kazpost::json(answer).map_err(Cause::Query)?;
    if reply.status != 200 {
        return Err(Cause::Query(Trouble::Unreadable));
    }
    history::read(reply.body.expose(), number, now)
}

/// What a history means for the job and the portal.
pub(super) fn meaning(told: Told, input: &Input, call: &Call) -> Outcome {
    let events = match told {
        Told::Events(events) => events,
        Told::NotKnown | Told::Summary => {
            // What was seen before stays seen: a number that is forgotten for an hour is no news.
            let seen = call.carry.expose()["seen"].clone();
            return Outcome::Interim(again(Map::new(), Vec::new(), &seen, POLL));
        }
    };
    let judged = history::judge(&events);
    let seen = Value::from(fingerprint(&events));
    let is_news = !events.is_empty() && call.carry.expose()["seen"] != seen;
    let stood = judged.terminal_since.map(|since| call.now.duration_since(since));
    if stood.is_some_and(|stood| stood >= STANDS_FOR) {
        return Outcome::Answered(Answer {
            summary: summary(&judged, &events),
            writes: writes(&judged, &events, input),
            ..Answer::default()
        });
    }
    let pause = stood.map_or(POLL, |stood| {
        let left = Duration::try_from(STANDS_FOR - stood).unwrap_or(POLL);
        left.clamp(POLL, POLL_TERMINAL)
    });
    let (summary, writes) = if is_news {
        (summary(&judged, &events), writes(&judged, &events, input))
    } else {
        (Map::new(), Vec::new())
    };
    Outcome::Interim(again(summary, writes, &seen, pause))
}

fn again(
    summary: Map<String, Value>,
    writes: Vec<Write>,
    seen: &Value,
    pause: Duration,
) -> Interim {
    Interim {
        summary,
        writes,
        files: Vec::new(),
        carry: Personal::new(json!({ "seen": seen })),
        again_in: pause,
        spends: None,
    }
}

fn summary(judged: &Judged, events: &[Event]) -> Map<String, Value> {
    let mut summary = portal::object(json!({
        "class": judged.last.map_or(Class::Unknown.name(), Class::name),
        "events": events.len(),
        "is_terminal": judged.terminal_since.is_some(),
    }));
    if let Some((status, _)) = judged.status {
        summary.insert("status".to_owned(), status.code().into());
    }
    summary
}

fn writes(judged: &Judged, events: &[Event], input: &Input) -> Vec<Write> {
    let history = events.iter().map(|event| portal::event(&input.track_number, event));
    let status = judged.status.map(|(status, at)| status.write(input.order_kind, at));
    history.chain(status).collect()
}

/// The same for the same events, on every machine and in every version.
fn fingerprint(events: &[Event]) -> String {
    let keys: Vec<String> = events.iter().map(Event::key).collect();
    Uuid::new_v5(&Uuid::NAMESPACE_OID, keys.join("\n").as_bytes()).to_string()
}
