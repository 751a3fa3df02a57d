//! Tracking: summaries and histories that grow with business time.
//!
//! Names and addresses come for any number without asking who wants them, as in the real service: the
//! hub must not pass them on.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp, tz};
use serde_json::{Value, json};

use super::{Effect, Kazpost, TRACKING, behaviour::Tracking as Act, treatment::Course};
use crate::simulation::reply::{Reply, SLOW};

const LOCAL: tz::Offset = tz::offset(5);
const PERSON: &str = "ТЕСТОВ ТЕСТ ТЕСТОВИЧ";

/// Hours after the issue of the number, and the code.
type Step = (i64, &'static str);

const ON_THE_WAY: &[Step] = &[(6, "RCPOPS"), (9, "SND"), (30, "TRN"), (31, "SRTRPOREG")];

/// The history: `GET …/{track}/events`.
pub(super) async fn events(
    State(kazpost): State<Arc<Kazpost>>,
    Path(track): Path<String>,
    request: axum::extract::Request,
) -> Response {
    serve(&kazpost, &track, request, false).await
}

/// The summary: `GET …/{track}`.
pub(super) async fn summary(
    State(kazpost): State<Arc<Kazpost>>,
    Path(track): Path<String>,
    request: axum::extract::Request,
) -> Response {
    serve(&kazpost, &track, request, true).await
}

async fn serve(
    kazpost: &Arc<Kazpost>,
    track: &str,
    request: axum::extract::Request,
    wants_summary: bool,
) -> Response {
    let line = match crate::simulation::reply::read(request).await {
        Ok((_, line)) => line,
        Err(response) => return response,
    };
    let act = kazpost.simulation.choose::<Act>(TRACKING, track, track).behaviour;
    let now = kazpost.simulation.now();
    let issued = (0..2).find_map(|contour| kazpost.ledger(contour).parcel(track));
    let issued_at = issued.map(|parcel| parcel.issued_at);
    let activities = issued_at.map_or_else(Vec::new, |at| activities(act.course(), at, now));
    let given = issued_at.filter(|_| act.tells_history() && !wants_summary);
    let given = given.map(|at| told(&activities, at, act)).filter(|codes| !codes.is_empty());
    let effect = Effect { given, ..Effect::plain(false) };
    kazpost.write_down(TRACKING, track, act.name(), &effect, true);
    let body = || {
        if activities.is_empty() {
            return unknown(track, now);
        }
        let wants_summary = wants_summary || act == Act::Summary;
        let body =
            if wants_summary { shortly(track, now) } else { history(track, &activities, act, now) };
        Json(body).into_response()
    };
    match act {
        Act::NotFound404 => StatusCode::NOT_FOUND.into_response(),
        Act::NotFound200 => Json(not_found(track, now)).into_response(),
        Act::OtherParcel => Json(history("QS000000014KZ", &activities, act, now)).into_response(),
        Act::NoJson => Reply::Html(200).into_response(&line),
        Act::ServerError => Reply::Empty(503).into_response(&line),
        Act::HtmlBadGateway => Reply::Html(502).into_response(&line),
        Act::Reset => Reply::Reset.into_response(&line),
        Act::Cut => {
            let text = history(track, &activities, act, now).to_string();
            Reply::Cut(text.into_bytes()).into_response(&line)
        }
        Act::Slow => {
            tokio::time::sleep(SLOW).await;
            body()
        }
        Act::Delivered
        | Act::Returned
        | Act::GivenBack
        | Act::Destroyed
        | Act::Undone
        | Act::SameMinute
        | Act::Seconds
        | Act::UnknownCode
        | Act::NoStatus
        | Act::Reused
        | Act::Never
        | Act::Summary => body(),
    }
}

/// A number that is not known comes back in two forms; which one depends on the number.
fn unknown(track: &str, now: Timestamp) -> Response {
    let sum: u32 = track.bytes().map(u32::from).sum();
    if sum.is_multiple_of(2) {
        StatusCode::NOT_FOUND.into_response()
    } else {
        Json(not_found(track, now)).into_response()
    }
}

/// What happened until now, oldest first.
fn activities(
    course: Course,
    issued_at: Timestamp,
    now: Timestamp,
) -> Vec<(Timestamp, &'static str)> {
    let usual: &[Step] = &[(48, "DLV"), (56, "NONDLV"), (57, "NONDLV_Z"), (72, "ISSPAY")];
    let (earlier, rest): (&[Step], &[Step]) = match course {
        Course::Never => return Vec::new(),
        Course::Delivered => (&[], usual),
        Course::Reused => (&[(-9_000, "RCPOPS"), (-8_900, "ISSPAY")], usual),
        Course::Returned => (&[], &[(48, "DLV"), (56, "NON"), (96, "NON_S"), (240, "RET")]),
        Course::GivenBack => (&[], &[(48, "DLV"), (96, "RET"), (144, "SND"), (200, "ISSPAY")]),
        Course::Destroyed => (&[], &[(48, "STR"), (120, "UTL")]),
        Course::Undone => (&[], &[(48, "BOXISS"), (50, "BOXISS_UNDO"), (96, "ISSPAY")]),
        Course::SameMinute => (&[], &[(48, "DLV"), (72, "ISSPAY"), (72, "TRANSITSND")]),
        Course::UnknownCode => {
            (&[], &[(40, "SIMNEWS"), (48, "DLV"), (72, "ISSPAY"), (73, "SIMMORE")])
        }
    };
    let steps = earlier.iter().chain(ON_THE_WAY).chain(rest);
    let at = |hours: i64| issued_at.checked_add(SignedDuration::from_hours(hours)).ok();
    let all = steps.filter_map(|(hours, code)| Some((at(*hours)?, *code)));
    let told: Vec<_> = all.filter(|(at, _)| *at <= now).collect();
    // Before this parcel was handed over nothing of it is known.
    if told.len() > earlier.len() { told } else { Vec::new() }
}

fn history(track: &str, all: &[(Timestamp, &str)], act: Act, now: Timestamp) -> Value {
    let mut days: Vec<(String, Vec<Value>)> = Vec::new();
    // Newest day first. Within a day the order means nothing: here, the later half comes first.
    for (at, code) in all.iter().rev() {
        let local = LOCAL.to_datetime(*at);
        let date = local.strftime("%d.%m.%Y").to_string();
        let time = if act == Act::Seconds { "%H:%M:%S" } else { "%H:%M" };
        let time = local.strftime(time).to_string();
        let activity = activity(&time, code, act);
        match days.last_mut().filter(|(last, _)| *last == date) {
            Some((_, activities)) => activities.push(activity),
            None => days.push((date, vec![activity])),
        }
    }
    let days: Vec<Value> = days
        .into_iter()
        .map(|(date, activity)| json!({ "date": date, "activity": activity }))
        .collect();
    json!({ "trackid": track, "timestamp": timestamp(now), "events": days })
}

/// The codes of this parcel, oldest first: what an earlier one of the same number met is none of them.
fn told(all: &[(Timestamp, &'static str)], issued_at: Timestamp, act: Act) -> String {
    let own = all.iter().filter(|(at, _)| *at >= issued_at);
    let codes = own.map(|(_, code)| if is_bare(code, act) { "-" } else { *code });
    codes.collect::<Vec<_>>().join(" ")
}

/// Whether an activity comes without its code.
fn is_bare(code: &str, act: Act) -> bool {
    act == Act::NoStatus && matches!(code, "SND" | "TRN")
}

fn activity(time: &str, code: &str, act: Act) -> Value {
    let mut activity = json!({
        "time": time, "zip": "050000", "city": "АЛМАТЫ", "name": "ОПС SIM",
        "x_dep_id": "000000", "status": [code], "dep_code": "059900/225",
        "nondlv_reason": null, "return_reason": null, "forward_reason": null,
    });
    if is_bare(code, act) {
        activity["status"] = if code == "SND" { json!([]) } else { Value::Null };
    }
    if code == "NONDLV" {
        activity["nondlv_reason"] = json!(PERSON);
    }
    activity
}

/// The summary, with its fields in each other's places (kazpost §6).
fn shortly(track: &str, now: Timestamp) -> Value {
    json!({
        "trackid": track, "timestamp": timestamp(now), "direction": "EXPORT", "status": "В пути",
        "status_code": "TRN", "x_status": "ISSPAY", "x_status_code": "Выдан",
        "sender": { "country": "Казахстан", "name": PERSON, "address": "Тестовая 1" },
        "receiver": { "name": PERSON, "name_fact": PERSON, "address": "Тестовая 2" },
        "storage_period": "45", "category": "Заказное", "weight": 0.25,
    })
}

fn not_found(track: &str, now: Timestamp) -> Value {
    json!({
        "trackid": track, "timestamp": timestamp(now), "exectime": "0ms", "api": "main",
        "data_name": "prod",
        "error": format!("{track} не найдена в трекинговой системе АО \"Казпочта\""),
    })
}

fn timestamp(now: Timestamp) -> String {
    LOCAL.to_datetime(now).strftime("%H:%M:%S %d.%m.%Y").to_string()
}
