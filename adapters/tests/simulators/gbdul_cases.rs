//! The contract cases of GBD UL: what the adapter writes and makes of each answer, and which
//! messages fit the schemas.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use adapters::{
    attempt::{Attempt, Call, Outcome},
    settings::Settings,
    simulation::xml,
    system::System,
    systems::gbdul::{Gbdul, ORGANIZATION},
};
use axum::{Router, http::StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

struct Case {
    name: String,
    about: Value,
    request: Vec<u8>,
    response: Vec<u8>,
}

fn systems() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/systems")
}

fn cases() -> Vec<Case> {
    let folders = fs::read_dir(systems().join("gbdul/cases")).unwrap();
    let mut cases: Vec<Case> = folders
        .map(|folder| {
            let folder = folder.unwrap().path();
            let about = fs::read_to_string(folder.join("case.toml")).unwrap();
            Case {
                name: folder.file_name().unwrap().to_string_lossy().into_owned(),
                about: toml::from_str(&about).unwrap(),
                request: fs::read(folder.join("request.xml")).unwrap(),
                response: fs::read(folder.join("response.xml")).unwrap(),
            }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Asks what the case asks, and is answered what the case answers.
async fn replay(case: &Case) -> Attempt {
    let status = case.about["http_status"].as_u64().and_then(|one| u16::try_from(one).ok());
    let answer = (StatusCode::from_u16(status.unwrap()).unwrap(), case.response.clone());
    let app = Router::new().fallback(move || async move { answer });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let id = case.about["job"]["id"].as_str().unwrap().parse().unwrap();
    let input = case.about["job"]["input"].clone();
    let now = "2026-03-02T10:00:00+05:00".parse().unwrap();
    let call = Call::first(&ORGANIZATION, id, input, now, Duration::from_secs(20));
    let attempt = Gbdul.connect(&Settings::for_url(&url)).unwrap().attempt(&call).await;
    serving.abort();
    attempt
}

#[tokio::test]
async fn every_case_is_written_and_read_as_it_says() {
    let cases = cases();
    assert!(cases.len() >= 30, "{}", cases.len());
    for case in cases {
        let attempt = replay(&case).await;
        let written = String::from_utf8_lossy(&attempt.exchange.request);
        assert_eq!(written, String::from_utf8_lossy(&case.request), "{}", case.name);
        let outcome = match attempt.outcome {
            Outcome::Answered(answer) => {
                json!({ "outcome": "answered", "summary": answer.summary })
            }
            Outcome::Failed(failure) => json!({
                "outcome": "failed",
                "class": failure.class.name(),
                "code": failure.code,
            }),
            other @ (Outcome::Acknowledged(_) | Outcome::Interim(_) | Outcome::NotDone) => {
                panic!("{}: {other:?}", case.name)
            }
        };
        assert_eq!(outcome, case.about["expected"], "{}", case.name);
    }
}

/// Whether a message fits a schema; `None` without xmllint.
fn fits(schema: &str, message: &[u8]) -> Option<bool> {
    let mut command = Command::new("xmllint");
    command.args(["--nonet", "--noout", "--schema"]).arg(systems().join(schema)).arg("-");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        eprintln!("SKIPPED: xmllint is not installed (Debian: apt install libxml2-utils)");
        return None;
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), message).unwrap();
    Some(child.wait().unwrap().success())
}

/// The envelope fits, and so does the document in its data where it has one.
fn whole_fits(message: &[u8]) -> Option<bool> {
    let envelope = fits("shep/soap.xsd", message)?;
    let data = xml::parse(message).ok().and_then(|root| {
        let wrapper = root.child("Body")?.children.first()?.children.first()?.clone();
        let holder = ["requestData", "responseData"].iter().find_map(|name| wrapper.child(name))?;
        Some(holder.child("data")?.text.clone())
    });
    match data {
        Some(document) => Some(envelope && fits("gbdul/data.xsd", document.as_bytes())?),
        None => Some(envelope),
    }
}

#[test]
fn every_request_and_every_valid_answer_fits_the_schemas() {
    for case in cases() {
        let Some(request) = whole_fits(&case.request) else { return };
        assert!(request, "{}", case.name);
        let valid = case.about["schema_valid"].as_bool();
        assert_eq!(whole_fits(&case.response), valid, "{}", case.name);
    }
}
