//! Every checked-in case, taken for a real exchange.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use adapters::{
    recording::{self, Raw, RawJob, Wish},
    replay::Engine,
    settings::Settings,
    system::{Adapter, System},
};
use contracts::case::{Ask, Case, Found, Kind, Transport};
use serde_json::Map;

const JOB: &str = "3f0c2a52-6f0e-4d0e-9a7b-000000000001";
const REAL: &str = "0199a2c4-8b7e-7d31-a5f0-6c2e91d4b873";

/// Cases that a recording cannot tell.
const CANNOT: [&str; 2] = [
    // Nobody asked, so nothing says which organisation is ours: every BIN becomes that of the cases.
    "eqyzmet/message_other_organisation",
    // Its "PDF" is the word that the summary names, and the guard refuses.
    "kazpost/label_not_a_pdf",
];

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

/// An adapter as it meets its simulator.
pub(crate) fn connect(system: &dyn System, url: &str) -> Arc<dyn Adapter> {
    let (mut section, mut options) = (Map::new(), BTreeMap::new());
    for (key, value) in system.simulated(url) {
        if system.options().iter().any(|option| option.name == key) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            options.insert(key.to_owned(), text.into());
        } else if !key.starts_with("push_") {
            section.insert(key.to_owned(), value);
        }
    }
    for option in system.options() {
        if let Some(default) = option.default {
            options.entry(option.name.to_owned()).or_insert_with(|| default.into());
        }
    }
    let mut settings: Settings = serde_json::from_value(section.into()).expect("settings");
    settings.options = options;
    system.connect(&settings).expect("settings are right")
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
        is_question: case.message == Some(Kind::Status) || case.call == Ask::Reconcile,
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

/// The case as a real hub would have kept it: another job, and people whose names no file holds.
fn as_it_happened(raw: Raw) -> Raw {
    let change = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_or_else(std::string::FromUtf8Error::into_bytes, |text| {
            renamed(&with_letters(&text)).into_bytes()
        })
    };
    let (request, response) = (change(raw.request), change(raw.response));
    let job = raw.job.map(|job| RawJob {
        id: REAL.parse().expect("an id"),
        input: serde_json::from_str(&renamed(&job.input.to_string())).expect("JSON"),
        carry: job.carry,
        ..job
    });
    Raw { request, response, job, ..raw }
}

fn renamed(text: &str) -> String {
    let names = [
        (JOB, REAL),
        ("ТЕСТОВ", "АХМЕТОВ"),
        ("Тестов", "Ахметов"),
        ("ТЕСТ", "ДАУЛЕТ"),
        ("Тест", "Даулет"),
        ("ПРИМЕРОВ", "СЕРИКОВ"),
        ("ОБРАЗЕЦ", "АЙГУЛЬ"),
        ("TESTOV", "AKHMETOV"),
        ("ПРОБА", "МАРАТ"),
        ("TEST ", "DAULET "),
    ];
    names.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// References to characters beyond ASCII, undone.
fn with_letters(text: &str) -> String {
    let mut parts = text.split("&#x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let letter = part.split_once(';').and_then(|(code, rest)| {
            let letter = char::from_u32(u32::from_str_radix(code, 16).ok()?)?;
            Some((letter, rest)).filter(|(letter, _)| !letter.is_ascii())
        });
        match letter {
            Some((letter, rest)) => {
                out.push(letter);
                out.push_str(rest);
            }
            None => out.push_str(&format!("&#x{part}")),
        }
    }
    out
}

/// What does not end as it did, or holds somebody; `None` where all is well.
async fn wrong(engine: &Engine, found: &Found, case: &Case) -> Option<String> {
    let name = format!("{}/{}", found.system, found.name);
    let scratch = tempfile::tempdir().expect("a folder");
    let raw = as_it_happened(raw(found, case));
    let recorded =
        recording::record(engine, &raw, &wish(scratch.path(), "recorded_again", 7)).await;
    let recorded = match recorded {
        Ok(recorded) => recorded,
        Err(refusal) => return Some(format!("{name}: {refusal}")),
    };
    let written = recorded.files.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes));
    let written = written.collect::<String>().to_uppercase();
    for value in ["АХМЕТОВ", "ДАУЛЕТ", "СЕРИКОВ", "AKHMETOV", &REAL.to_uppercase()]
    {
        if written.contains(value) {
            return Some(format!("{name}: holds {value}"));
        }
    }
    let toml = String::from_utf8_lossy(&recorded.files[0].1).into_owned();
    let again: toml::Table = toml::from_str(&toml).expect("TOML");
    let of = |key: &str| again["expected"].get(key).and_then(|one| one.as_str());
    let ended = (of("outcome"), of("class"), of("code"));
    let expected = &case.expected;
    let wanted =
        (Some(expected.outcome.name()), expected.class.as_deref(), expected.code.as_deref());
    (ended != wanted).then(|| format!("{name}: {wanted:?} became {ended:?}"))
}

#[test]
fn every_case_recorded_again_ends_as_it_did_and_holds_nobody() {
    let only = std::env::var("HUB_CASE").unwrap_or_default();
    let engine = Engine::open(&systems()).expect("opens");
    let plain: Vec<(&Found, &Case)> = engine
        .cases()
        .iter()
        .map(|found| (found, found.case.as_ref().expect("reads")))
        .filter(|(_, case)| case.steps.is_empty() && case.transport == Transport::Answer)
        .filter(|(found, _)| {
            let name = format!("{}/{}", found.system, found.name);
            !CANNOT.contains(&name.as_str()) && name.contains(&only)
        })
        .collect();
    assert!(!plain.is_empty(), "no case has {only} in its name");
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("a runtime");
                while let Some((found, case)) = plain.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let told = runtime.block_on(self::wrong(&engine, found, case));
                    wrong.lock().expect("no thread panics").extend(told);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no thread panics");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), plain.len(), wrong.join("\n"));
}
