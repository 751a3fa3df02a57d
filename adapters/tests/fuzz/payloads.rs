//! Answers of every operation, through its adapter and a peer that answers what it is given.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use adapters::{
    attempt::{Attachment, Call, OneTimeCode, Outcome},
    settings::{Form, Settings},
    system::{Adapter, System},
    systems,
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use contracts::{
    case::{Ask, Case, Kind, Transport},
    operation::OperationSpec,
    personal::Personal,
};
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use super::{
    run::Target,
    seeds::{Seed, of_cases},
};

/// An answer that is longer is refused while it is read.
const BODY_BYTES_MAX: u64 = 256 * 1024;
const TIME_LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Default)]
struct Peer(Arc<Mutex<(u16, &'static str, Vec<u8>)>>);

pub(crate) struct Payloads {
    seeds: Vec<Seed>,
    runtime: Runtime,
    peer: Peer,
    adapters: HashMap<String, Arc<dyn Adapter>>,
}

impl Payloads {
    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let peer = Peer::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(peer.clone());
        runtime.spawn(async { axum::serve(listener, router).await });
        let adapters = systems::all();
        let adapters =
            adapters.iter().map(|one| (one.spec().name.to_owned(), connect(&**one, &url)));
        let adapters = adapters.collect();
        let seeds = of_cases(|case, name| {
            name.starts_with("response.")
                && case.transport == Transport::Answer
                && case.settings.keys().all(|key| key == "tracking_page")
                && operation(case).is_some()
        });
        Self { seeds, runtime, peer, adapters }
    }
}

async fn answer(State(peer): State<Peer>, uri: Uri) -> Response {
    if uri.path().ends_with("sign-in") {
        return ([(header::CONTENT_TYPE, "application/json")], r#"{"token":"t"}"#).into_response();
    }
    let (status, media_type, body) = peer.0.lock().expect("free").clone();
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, media_type)], Bytes::from(body)).into_response()
}

pub(crate) fn operation(case: &Case) -> Option<&'static OperationSpec> {
    let all = systems::all();
    let operations = all.iter().flat_map(|system| system.spec().operations);
    operations.copied().find(|one| one.name == case.operation)
}

/// An adapter as its simulator would meet it.
pub(crate) fn connect(system: &dyn System, url: &str) -> Arc<dyn Adapter> {
    let (mut section, mut options) = (Map::new(), BTreeMap::new());
    for option in system.options() {
        let value = match (option.form, option.default) {
            (_, Some(default)) => default.to_owned(),
            (Form::Url, None) => format!("{url}/{}", option.name),
            (Form::Secret, None) => "replayed".to_owned(),
            (Form::Text | Form::Link | Form::Flag | Form::Number, None) => continue,
        };
        options.insert(option.name.to_owned(), value);
    }
    // Who may push is asked by the hub, before a message is read.
    let simulated = system.simulated(url).into_iter().filter(|(key, _)| !key.starts_with("push_"));
    for (key, value) in simulated {
        if system.options().iter().any(|option| option.name == key) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            options.insert(key.to_owned(), text);
        } else {
            section.insert(key.to_owned(), value);
        }
    }
    section.insert("body_bytes_max".to_owned(), BODY_BYTES_MAX.into());
    let mut settings: Settings = serde_json::from_value(section.into()).expect("settings");
    settings.options = options.into_iter().map(|(key, value)| (key, value.into())).collect();
    system.connect(&settings).expect("settings are right")
}

/// The call of a case.
pub(crate) fn call(case: &Case, operation: &'static OperationSpec) -> Option<Call> {
    let job = case.job.as_ref()?;
    let now = case.now.unwrap_or_else(|| "2026-03-02T05:00:00Z".parse().expect("an instant"));
    let code = job.code.as_ref().map(|code| OneTimeCode {
        sent_by: code.sent_by,
        otp_id: code.otp_id.clone(),
        digits: Personal::new(code.digits.clone()),
    });
    let file = |file: &contracts::case::Attachment| Attachment {
        id: file.id,
        name: Personal::new(file.name.clone()),
        media_type: file.media_type.clone(),
        bytes: BASE64_STANDARD
            .decode(file.base64.as_deref().unwrap_or_default())
            .unwrap_or_default()
            .into(),
    };
    Some(Call {
        subject: job.subject.clone(),
        carry: Personal::new(job.carry.clone().unwrap_or_default()),
        code,
        files: job.files.iter().map(file).collect(),
        ..Call::first(operation, job.id, job.input.clone(), now, TIME_LIMIT)
    })
}

impl Target for Payloads {
    fn name(&self) -> &'static str {
        "payloads"
    }

    fn seeds(&self) -> &[Seed] {
        &self.seeds
    }

    fn check(&self, seed: &Seed, bytes: &[u8]) -> Result<(), String> {
        let case = seed.case.as_ref().expect("a case");
        let operation = operation(case).expect("an operation");
        let Some(call) = call(case, operation) else { return Ok(()) };
        let media_type = match seed.name.rsplit('.').next() {
            Some("json") => "application/json",
            Some("html") => "text/html",
            _ => "text/xml",
        };
        *self.peer.0.lock().expect("free") = (case.http_status, media_type, bytes.to_vec());
        let adapter = &self.adapters[operation.system];
        let is_question = case.call == Ask::Reconcile || case.message == Some(Kind::Status);
        let attempt = self.runtime.block_on(async {
            if is_question { adapter.reconcile(&call).await } else { adapter.attempt(&call).await }
        });
        hides_people(case, &format!("{attempt:?} {call:?}"))?;
        match &attempt.outcome {
            Outcome::Answered(answer) => {
                proofs(case, operation, &answer.summary, bytes)?;
                hides_people(case, &Value::Object(answer.summary.clone()).to_string())
            }
            Outcome::Interim(interim) => {
                proofs(case, operation, &interim.summary, bytes)?;
                hides_people(case, &Value::Object(interim.summary.clone()).to_string())
            }
            Outcome::Acknowledged(_) | Outcome::NotDone => Ok(()),
            Outcome::Failed(failure) => {
                let code = failure.remote_code.as_ref().map(|code| code.as_str().to_owned());
                hides_people(case, &code.unwrap_or_default())
            }
        }
    }
}

/// What an answer must hold to be one: our number, the person, the state of every register.
pub(crate) fn proofs(
    case: &Case,
    operation: &OperationSpec,
    summary: &Map<String, Value>,
    bytes: &[u8],
) -> Result<(), String> {
    let leaves = leaves(bytes);
    let holds = |value: &str| leaves.iter().any(|(_, text)| text.trim() == value);
    let job = case.job.as_ref().expect("a job");
    let input = |key: &str| job.input[key].as_str().unwrap_or_default().to_owned();
    let found = summary.get("found").is_some_and(|found| *found == true);
    let id = job.id.to_string();
    let needed: Vec<String> = match operation.name {
        "gbdfl.person" if found => vec![id, input("iin")],
        "gbdul.organization" if found => vec![input("bin")],
        "gbdul.organization" | "kazpost.label" | "kazpost.call_courier" | "kazpost.cancel" => {
            vec![]
        }
        // The register may leave its head out; a number that it names must be ours.
        "realestate.properties" if !leaves.iter().any(|(local, _)| local == "RequestNumber") => {
            vec![]
        }
        "kpsisu.check" | "mzrk.check" => vec![id, input("iin")],
        // "Not there yet" is a status alone.
        "kazpost.track" if case.http_status != 200 || summary.is_empty() => vec![],
        "kazpost.track" => vec![input("track_number")],
        _ => vec![id],
    };
    // A status of the gateway that says "no such data" comes without the system's own document.
    let says_no = leaves.iter().any(|(local, text)| local == "code" && text.trim() != "SCSS001");
    if says_no && !found && !summary.contains_key("verdict") {
        return Ok(());
    }
    if let Some(at) = needed.iter().position(|value| !holds(value)) {
        return Err(format!("it answers without proof {at} of {}", operation.name));
    }
    if summary.get("verdict").is_some_and(|verdict| verdict == "clear") {
        return is_clear(operation, &leaves, job.carry.as_ref());
    }
    Ok(())
}

/// Both registers, or the record, say so, and nothing says otherwise (D8, D9). What one register
/// said in an earlier answer is carried.
fn is_clear(
    operation: &OperationSpec,
    leaves: &[(String, String)],
    carry: Option<&Value>,
) -> Result<(), String> {
    let all = |name: &str| {
        let own = leaves.iter().filter(move |(local, _)| local == name);
        own.map(|(_, text)| text.trim().to_owned()).collect::<Vec<_>>()
    };
    let is_clear = if operation.name == "mzrk.check" {
        let flags = all("OnRecord");
        let registers = all("Register");
        let is_carried =
            |register: &str| carry.is_some_and(|carry| carry[register.to_lowercase()] == false);
        flags.len() >= registers.len()
            && flags.iter().all(|flag| matches!(flag.as_str(), "false" | "0"))
            && ["NARCOLOGY", "PSYCHIATRY"]
                .iter()
                .all(|one| registers.iter().any(|r| r == one) || is_carried(one))
    } else {
        all("CurrentStatus") == ["SIM-DONE"]
            && all("Code").first().is_some_and(|code| code == "2")
            && all("Article").is_empty()
    };
    if is_clear { Ok(()) } else { Err(format!("{} is clear without its signs", operation.name)) }
}

/// Texts of a message, also of documents inside, read by nobody's reader but this.
pub(crate) fn leaves(bytes: &[u8]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let text = String::from_utf8_lossy(bytes);
    if let Ok(json) = serde_json::from_slice::<Value>(bytes) {
        of_json("", &json, &mut all);
    } else {
        of_xml(&text, &mut all, 0);
    }
    all
}

fn of_json(key: &str, value: &Value, all: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| of_json(key, value, all)),
        Value::Array(list) => list.iter().for_each(|value| of_json(key, value, all)),
        Value::String(text) => all.push((key.to_owned(), text.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Between a tag and the next one stands a text; what is escaped is read again.
fn of_xml(text: &str, all: &mut Vec<(String, String)>, depth: usize) {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut name, mut held) = (String::new(), String::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                start.local_name().into_inner().clone_into(&mut name);
                held.clear();
            }
            Ok(Event::End(_)) => {
                if depth < 4 && held.trim_start().starts_with('<') {
                    of_xml(&held, all, depth + 1);
                }
                // The end of an element around others has no name and no text of its own.
                all.push((std::mem::take(&mut name), std::mem::take(&mut held)));
            }
            Ok(Event::Text(text)) => held.push_str(&text.xml10_content()),
            Ok(Event::CData(text)) => held.push_str(&text.xml10_content()),
            Ok(Event::GeneralRef(one)) => {
                let text = format!("&{};", &*one);
                held.push_str(&quick_xml::escape::unescape(&text).unwrap_or_default());
            }
            Ok(
                Event::Empty(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_),
            ) => {}
            Ok(Event::Eof) | Err(_) => break,
        }
    }
}

/// No number or name of the job's person in a text that may be logged.
pub(crate) fn hides_people(case: &Case, shown: &str) -> Result<(), String> {
    let Some(job) = &case.job else { return Ok(()) };
    let mut values = Vec::new();
    of_json("", &job.input, &mut values);
    let personal = ["iin", "phone", "name", "surname", "patronymic", "street", "code"];
    let values =
        values.iter().filter(|(key, text)| personal.contains(&key.as_str()) && text.len() > 4);
    for (key, text) in values {
        if shown.contains(text.as_str()) {
            return Err(format!("it prints the person's {key}"));
        }
    }
    for name in ["850100300012", "920300400029", "ТЕСТОВ", "ПРИМЕРОВ"] {
        if shown.contains(name) {
            return Err("it prints a person of the answer".to_owned());
        }
    }
    Ok(())
}
