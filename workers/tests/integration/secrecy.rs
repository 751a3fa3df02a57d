//! Invariant 8: what a hub prints, shows, publishes and stores where people may read it, over
//! everything that it can be asked and most of what can go wrong.

use std::time::Duration;

use serde_json::Value;
use workers::store::audit::Act;

use crate::{
    everything::{self, Everything},
    servers::run,
    world::World,
};

/// Where personal data is kept: what the portal asked, and what nobody reads without the key.
/// `callback_url` and `url` are the portal's own addresses, kept to be called.
const KEPT_THERE: [&str; 4] = ["input", "sealed", "callback_url", "url"];

/// What stands before a number that is no code: how long or how large something was.
const MEASURES: [&str; 8] =
    ["_ms=", "bytes=", "len=", "length=", "length: ", "size=", "read ", "flushed "];

/// One place where people look, as lines of text.
struct Place {
    name: String,
    text: String,
}

impl Place {
    /// Nothing personal stands in it.
    fn check(&self, all: &Everything, leaks: &mut Vec<String>) {
        // A library may print bytes as a list of numbers.
        let listed = |text: &String| {
            let bytes = format!("{:?}", text.as_bytes());
            bytes.trim_matches(['[', ']']).to_owned()
        };
        let forms: Vec<(&String, String)> = all.secrets.iter().map(|s| (s, listed(s))).collect();
        for line in self.text.lines() {
            let stands = |form: &&(&String, String)| {
                line.contains(form.0.as_str()) || line.contains(form.1.as_str())
            };
            let secrets = forms.iter().filter(stands).map(|(secret, _)| *secret);
            let codes = all.codes.iter().filter(|code| says_number(line, code));
            leaks.extend(secrets.chain(codes).map(|secret| {
                let line: String = line.chars().take(600).collect();
                format!("{secret} in {}: {line}", self.name)
            }));
        }
    }
}

/// Whether a line says these digits, alone: not as a part of a time, an id or a longer number.
fn says_number(line: &str, digits: &str) -> bool {
    let joins = |c: char| c.is_ascii_alphanumeric() || ".:-_".contains(c);
    line.match_indices(digits).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + digits.len()..]);
        let is_measure =
            MEASURES.iter().any(|measure| before.ends_with(measure)) || after.starts_with(" bytes");
        !is_measure && !before.ends_with(joins) && !after.starts_with(joins)
    })
}

#[test]
fn a_code_is_found_alone_and_not_within_other_numbers() {
    for line in ["code 4711", "{\"code\":\"4711\"}", "code=4711, more", "4711"] {
        assert!(says_number(line, "4711"), "{line}");
    }
    for line in ["at 10:00:04.714711Z", "id 0a-4711-8", "14711", "duration_ms=4711", "4711 bytes"] {
        assert!(!says_number(line, "4711"), "{line}");
    }
}

/// Every table of the hub, without the columns that may hold personal data.
async fn tables(world: &World) -> Vec<Place> {
    let names = "SELECT c.relname AS name FROM pg_class c
        WHERE c.relnamespace = 'hub'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition AND c.relname NOT LIKE 'calendar%' ORDER BY 1";
    let mut places = Vec::new();
    for table in world.rows(names).await {
        let table = table["name"].as_str().unwrap();
        let rows = world.rows(&format!("SELECT * FROM hub.{table}")).await;
        let lines: Vec<String> = rows.iter().map(line).collect();
        places.push(Place { name: format!("hub.{table}"), text: lines.join("\n") });
    }
    assert!(places.len() > 15, "only {} tables", places.len());
    places
}

/// A row as one line; bytes are read as the text that they may be.
fn line(row: &Value) -> String {
    let fields = row.as_object().unwrap().iter();
    let shown = fields.filter(|(name, _)| !KEPT_THERE.contains(&name.as_str()));
    shown.map(|(name, value)| format!("{name}={} ", text_of(value))).collect()
}

fn text_of(value: &Value) -> String {
    let Some(hex) = value.as_str().and_then(|text| text.strip_prefix("\\x")) else {
        return value.to_string();
    };
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    String::from_utf8_lossy(&bytes).replace('\n', " ")
}

/// No digits of a code are left, not even sealed, and nothing that was carried from call to call.
async fn check_that_nothing_is_left(world: &World, all: &Everything) {
    let left = world.rows("SELECT job_id FROM hub.sealed_code").await;
    assert!(left.is_empty(), "codes outlive their jobs: {left:?}");
    let carried = world.rows("SELECT id, operation FROM hub.job WHERE carry IS NOT NULL").await;
    assert!(carried.is_empty(), "ended jobs still carry something: {carried:?}");
    let asked = world.rows("SELECT operation, input, consent FROM hub.job").await;
    assert!(asked.iter().any(|job| job["consent"]["kind"] == "sms_code"), "{asked:?}");
    for job in asked {
        let of_code = ["kpsisu.check", "mzrk.check", "mgov.verify_code", "mgov.send_code"];
        if !of_code.iter().any(|operation| job["operation"] == **operation) {
            continue;
        }
        for field in [&job["input"]["code"], &job["consent"]["code"]] {
            assert!(field.is_null(), "a code is stored: {job}");
        }
        let text = job.to_string();
        assert!(!all.codes.iter().any(|code| says_number(&text, code)), "a code is stored: {text}");
    }
}

/// What is looked for was really there: in what the portal asked and in what it reads.
async fn check_that_everything_was_there(world: &World, all: &Everything) {
    let tables =
        ["hub.job", "portal.person", "portal.property", "portal.message", "portal.delivery"];
    let mut text = String::new();
    for table in tables {
        text +=
            &serde_json::to_string(&world.rows(&format!("SELECT * FROM {table}")).await).unwrap();
    }
    let found = all.secrets.iter().filter(|secret| text.contains(secret.as_str())).count();
    assert!(found > 80, "only {found} of {} were there", all.secrets.len());
    assert!(all.codes.len() > 5, "only {} codes", all.codes.len());
    let place = Place { name: "what was asked".to_owned(), text };
    let mut leaks = Vec::new();
    place.check(all, &mut leaks);
    assert!(leaks.len() >= found, "the search finds nothing");
}

#[test]
fn invariant_8_nothing_personal_and_no_secret_shows_wherever_people_look() {
    run(async {
        let mut world = World::build(everything::scene()).await;
        let all = everything::play(&world).await;
        let act = Act { actor: "test".into(), reason: "mended".into(), dry_run: false };
        world.stage.store.replay_callbacks(None, Some("portal.example"), &act).await.unwrap();
        check_that_everything_was_there(&world, &all).await;
        check_that_nothing_is_left(&world, &all).await;
        let mut places = tables(&world).await;
        for page in ["/metrics", "/health/ready"] {
            places.push(Place { name: page.to_owned(), text: world.get(0, page).await.1 });
        }
        let hub = world.stage.hubs[0].take().unwrap();
        hub.stop(Duration::from_secs(30)).await;
        let log = std::fs::read_to_string(world.stage.log_file(0)).unwrap();
        assert!(log.contains("DEBUG") && log.contains("an attempt failed"), "the log is too quiet");
        places.push(Place { name: "the log".to_owned(), text: log });
        let heard = world.events.all().into_iter().map(|heard| heard.text + "\n");
        places.push(Place { name: "the events".to_owned(), text: heard.collect() });
        let mut leaks = Vec::new();
        for place in &places {
            assert!(place.name != "hub.callback" || !place.text.is_empty(), "no callbacks");
            place.check(&all, &mut leaks);
        }
        assert!(
            leaks.is_empty(),
            "{} leaks:\n{}",
            leaks.len(),
            leaks[..leaks.len().min(40)].join("\n")
        );
        world.strike().await;
    });
}
