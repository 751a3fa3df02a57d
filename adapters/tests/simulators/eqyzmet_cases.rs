//! The contract's cases of ИИС «Е-қызмет» through the real adapter: what it sends is the case's
//! request, and what it makes of the case's answer is what the case expects.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use adapters::{
    attempt::{Attachment, Call, Outcome},
    settings::Settings,
    simulation::xml::{self, Node},
    system::System,
    systems::eqyzmet::{Eqyzmet, SUBMIT},
    transport::shep_async::{self, Push},
};
use axum::{Router, http::StatusCode, routing::post};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use contracts::personal::Personal;
use serde_json::{Value, json};

struct Case {
    name: String,
    folder: PathBuf,
    toml: Value,
}

fn cases() -> Vec<Case> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/systems/eqyzmet/cases");
    let read = |folder: PathBuf| {
        let text = fs::read_to_string(folder.join("case.toml")).unwrap();
        let toml: toml::Value = toml::from_str(&text).unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Case { name, folder, toml: serde_json::to_value(toml).unwrap() }
    };
    fs::read_dir(all).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

impl Case {
    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).unwrap()
    }

    fn call(&self) -> Call {
        let job = &self.toml["job"];
        let file = |file: &Value| {
            let text = |name: &str| file[name].as_str().unwrap().to_owned();
            Attachment {
                id: text("id").parse().unwrap(),
                name: Personal::new(text("name")),
                media_type: text("media_type"),
                bytes: Bytes::from(STANDARD.decode(text("base64")).unwrap()),
            }
        };
        let files = job["files"].as_array().into_iter().flatten().map(file).collect();
        let id = job["id"].as_str().unwrap().parse().unwrap();
        let now = "2026-03-02T05:00:00Z".parse().unwrap();
        let limit = Duration::from_secs(20);
        Call { files, ..Call::first(&SUBMIT, id, job["input"].clone(), now, limit) }
    }
}

/// Answers with these bytes; keeps what it was sent.
async fn peer(status: u16, body: Vec<u8>) -> (String, Arc<Mutex<Vec<u8>>>) {
    let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let answer = move |sent: Bytes| {
        *kept.lock().unwrap() = sent.to_vec();
        std::future::ready((StatusCode::from_u16(status).unwrap(), body.clone()))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let app = Router::new().route("/", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, seen)
}

/// The tree without the white space around texts.
fn tidy(mut node: Node) -> Node {
    node.text = node.text.trim().to_owned();
    node.children = node.children.into_iter().map(tidy).collect();
    node
}

fn body(bytes: &[u8]) -> Node {
    tidy(xml::parse(bytes).unwrap().child("Body").unwrap().clone())
}

fn outcome(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Answered(answer) => json!({ "outcome": "answered", "summary": answer.summary }),
        Outcome::NotDone => json!({ "outcome": "not_done" }),
        Outcome::Failed(failure) => {
            json!({ "outcome": "failed", "class": failure.class.name(), "code": failure.code })
        }
        Outcome::Acknowledged(_) | Outcome::Interim(_) => json!({ "outcome": "unexpected" }),
    }
}

#[tokio::test]
async fn the_adapter_sends_and_understands_every_case_as_written() {
    let cases = cases();
    assert!(cases.len() >= 30, "{}", cases.len());
    for case in cases {
        if case.toml["operation"] == "eqyzmet.inbound" {
            continue;
        }
        let status = u16::try_from(case.toml["http_status"].as_u64().unwrap()).unwrap();
        let (url, seen) = peer(status, case.file("response.xml")).await;
        let adapter = Eqyzmet.connect(&Settings::for_url(&url)).unwrap();
        let attempt = match case.toml["message"].as_str() {
            Some("status") => adapter.reconcile(&case.call()).await,
            _ => adapter.attempt(&case.call()).await,
        };
        let sent = seen.lock().unwrap().clone();
        assert_eq!(body(&sent), body(&case.file("request.xml")), "{}", case.name);
        assert_eq!(outcome(attempt.outcome), case.toml["expected"], "{}", case.name);
    }
}

#[tokio::test]
async fn every_message_of_the_contract_is_taken_or_kept_as_written() {
    for case in cases() {
        if case.toml["operation"] != "eqyzmet.inbound" {
            continue;
        }
        let adapter = Eqyzmet.connect(&Settings::for_url("http://127.0.0.1:1/")).unwrap();
        let Push::Message(message) = shep_async::read_push(&case.file("response.xml")).unwrap()
        else {
            panic!("{}", case.name)
        };
        let seen = match adapter.channel().unwrap().receive(&message) {
            Some(Ok(one)) => json!({ "outcome": "received", "summary": one.summary }),
            Some(Err(mismatch)) => json!({ "outcome": "not_ours", "mismatch": mismatch.name() }),
            None => json!({ "outcome": "not_begun" }),
        };
        assert_eq!(seen, case.toml["expected"], "{}", case.name);
    }
}
