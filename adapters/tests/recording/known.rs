//! Every checked-in case, taken for a real exchange.

use std::path::{Path, PathBuf};

use adapters::recording::{self, Raw, RawJob, Recorded, Refusal, Wish};
use contracts::case::{self, Case, Found, Kind, Transport};

const JOB: &str = "3f0c2a52-6f0e-4d0e-9a7b-000000000001";
const REAL: &str = "0199a2c4-8b7e-7d31-a5f0-6c2e91d4b873";

pub(crate) fn systems() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/systems")
}

pub(crate) fn wish(scratch: &Path, name: &str, seed: u64) -> Wish {
    Wish {
        name: name.to_owned(),
        title: None,
        systems: systems(),
        scratch: scratch.to_owned(),
        seed,
        also: Vec::new(),
        replaces: false,
        is_trial: true,
    }
}

fn file(folder: &Path, stem: &str) -> Vec<u8> {
    let ends = ["xml", "json", "html", "txt"];
    let files = ends.iter().map(|end| folder.join(format!("{stem}.{end}")));
    let file = files.into_iter().find(|file| file.is_file());
    file.map(|file| std::fs::read(file).expect("reads")).unwrap_or_default()
}

/// What a plain case would be if it had happened.
fn raw(found: &Found, case: &Case) -> Raw {
    let job = case.job.as_ref().map(|job| RawJob {
        id: job.id,
        subject: job.subject.clone(),
        input: job.input.clone(),
        carry: job.carry.clone(),
        is_question: case.message == Some(Kind::Status),
    });
    Raw {
        operation: case.operation.clone(),
        job,
        request: file(&found.folder, "request"),
        response: file(&found.folder, "response"),
        status: Some(case.http_status),
        captured: "2026-03-02T05:00:00Z".parse().expect("an instant"),
    }
}

/// The case as a real hub would have kept it: another job.
fn as_it_happened(raw: Raw) -> Raw {
    let change = |bytes: Vec<u8>| {
        String::from_utf8(bytes.clone()).map_or(bytes, |text| text.replace(JOB, REAL).into_bytes())
    };
    let (request, response) = (change(raw.request), change(raw.response));
    let job = raw.job.map(|job| RawJob {
        id: REAL.parse().expect("an id"),
        input: serde_json::from_str(&job.input.to_string().replace(JOB, REAL)).expect("JSON"),
        ..job
    });
    Raw { request, response, job, ..raw }
}

async fn record(raw: &Raw, seed: u64) -> Result<Recorded, Refusal> {
    let scratch = tempfile::tempdir().expect("a folder");
    recording::record(raw, &wish(scratch.path(), "recorded_again", seed)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_recorded_again_ends_as_it_did_and_holds_nobody() {
    let only = std::env::var("HUB_CASE").ok();
    let mut wrong = Vec::new();
    let mut count = 0;
    for found in case::find(&systems()).expect("cases") {
        let case = found.case.as_ref().expect("reads");
        let name = format!("{}/{}", found.system, found.name);
        let is_plain = case.steps.is_empty() && case.transport == Transport::Answer;
        if !is_plain || only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        count += 1;
        match record(&as_it_happened(raw(&found, case)), 7).await {
            Ok(recorded) => {
                let toml = String::from_utf8_lossy(&recorded.files[0].1).into_owned();
                let again: toml::Table = toml::from_str(&toml).expect("TOML");
                let of = |key: &str| again["expected"].get(key).and_then(|one| one.as_str());
                let ended = (of("outcome"), of("class"), of("code"));
                let expected = &case.expected;
                let wanted = (
                    Some(expected.outcome.name()),
                    expected.class.as_deref(),
                    expected.code.as_deref(),
                );
                if ended != wanted {
                    wrong.push(format!("{name}: {wanted:?} became {ended:?}"));
                }
            }
            Err(refusal) => wrong.push(format!("{name}: {refusal}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
