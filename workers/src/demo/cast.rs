//! The cast: what the pretend portal publishes. Good, bad, slow, twice, and no job at all.
//!
//! All persons are synthetic: their numbers have day 00 and belong to nobody (gov-services §9.4).

use contracts::number::Iin;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::chance::Chance;

/// One message to publish.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its id, where it has one.
    pub id: Option<Uuid>,
    /// The operation it names.
    pub operation: String,
    /// Its routing key.
    pub routing_key: String,
    /// Its content type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Vec<u8>,
    /// What must become of it.
    pub fate: Fate,
    /// Published again: the same bytes, and other content under the same id.
    pub encore: Encore,
}

/// What must become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A job that ends in a terminal state.
    Runs,
    /// A job that is rejected.
    Rejected,
    /// No job: kept in quarantine.
    Quarantined,
}

/// What is published besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encore {
    /// Nothing.
    None,
    /// The same message again: one job.
    Same,
    /// Other content under the same id: rejected, the job is untouched.
    Reused,
}

/// The numbers of the contract, each with its own story.
const LISTED: [&str; 14] = [
    "850100300012",
    "920300400029",
    "010500500032",
    "040800600045",
    "480200300055",
    "700700300061",
    "791100300079",
    "880600400081",
    "900900300090",
    "660300300106",
    "831200400128",
    "750500300132",
    "690100300144",
    "720400300153",
];
/// Never answered in time.
const SILENT: &str = "770700300113";
/// Right in everything but the check digit.
const WRONG_CHECK_DIGIT: &str = "850100300013";

/// Whom the cast asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repertoire {
    /// One query and one command: GBD FL and KPSiSU.
    MainJob,
    /// The registers as well; what needs more than one step is told by the stories.
    Registers,
}

/// Organisations of every kind (gov-services §9.4).
const ORGANISATIONS: [&str; 4] = ["100540000008", "150641000006", "180842000004", "200350000006"];

/// A cast of `count` messages, decided by the seed.
pub fn cast(count: usize, seed: u64, now: Timestamp, repertoire: Repertoire) -> Vec<Part> {
    let chance = Chance::seeded(seed);
    let mut parts: Vec<Part> = (0..count)
        .map(|n| {
            let part = part(n, &chance, now);
            match (repertoire, part.fate) {
                (Repertoire::Registers, Fate::Runs) if chance.below(5) < 2 => {
                    encore(&chance, register(n, &chance, now))
                }
                (Repertoire::MainJob | Repertoire::Registers, _) => part,
            }
        })
        .collect();
    // Every story is told in every run that is long enough: the two that nobody answers.
    if count >= 20 {
        parts[7] = person(&chance, SILENT, "person:silent", now);
        parts[11] = check(&chance, SILENT, "specialist:silent", now);
    }
    parts
}

fn part(n: usize, chance: &Chance, now: Timestamp) -> Part {
    let iin = if chance.below(4) == 0 {
        LISTED[usize::try_from(chance.below(LISTED.len() as u64)).unwrap_or(0)].to_owned()
    } else {
        Iin::synthetic(u32::try_from(chance.below(150_000)).unwrap_or(0)).expose().to_owned()
    };
    // Some subjects come twice: the newest job owns the row.
    let subject = n - n % 10 * usize::from(chance.below(12) == 0);
    match chance.below(100) {
        0..45 => encore(chance, person(chance, &iin, &format!("person:{subject}"), now)),
        45..80 => encore(chance, check(chance, &iin, &format!("specialist:{subject}"), now)),
        80..91 => rejected(n, chance, &iin, now),
        _ => malformed(n, chance, now),
    }
}

/// A question to one of the other registers.
fn register(n: usize, chance: &Chance, now: Timestamp) -> Part {
    let iin = LISTED[usize::try_from(chance.below(LISTED.len() as u64)).unwrap_or(0)];
    let bin = ORGANISATIONS[usize::try_from(chance.below(4)).unwrap_or(0)];
    let none = Value::Null;
    match chance.below(5) {
        0 | 1 => {
            let consent = json!({"kind": "eds", "accepted_at": now, "text_version": "2019-10"});
            let subject = format!("specialist:{n}");
            job(chance, "mzrk.check", &subject, now, &json!({ "iin": iin }), &consent)
        }
        2 => {
            let subject = format!("supplier:{n}");
            job(chance, "gbdul.organization", &subject, now, &json!({ "bin": bin }), &none)
        }
        3 => {
            let whose =
                if chance.below(2) == 0 { json!({ "iin": iin }) } else { json!({ "bin": bin }) };
            job(chance, "realestate.properties", &format!("supplier:{n}"), now, &whose, &none)
        }
        _ => {
            let input = json!({ "iin": iin });
            job(chance, "mgov.lookup", &format!("specialist:{n}"), now, &input, &none)
        }
    }
}

fn encore(chance: &Chance, mut part: Part) -> Part {
    part.encore = match chance.below(12) {
        0 => Encore::Same,
        1 => Encore::Reused,
        _ => Encore::None,
    };
    part
}

/// A job of `gbdfl.person`.
pub fn person(chance: &Chance, iin: &str, subject: &str, now: Timestamp) -> Part {
    job(chance, "gbdfl.person", subject, now, &json!({ "iin": iin }), &Value::Null)
}

/// A job of `kpsisu.check`.
pub fn check(chance: &Chance, iin: &str, subject: &str, now: Timestamp) -> Part {
    let consent = json!({"kind": "eds", "accepted_at": now, "text_version": "2019-10"});
    job(chance, "kpsisu.check", subject, now, &json!({ "iin": iin }), &consent)
}

fn job(
    chance: &Chance,
    operation: &str,
    subject: &str,
    now: Timestamp,
    input: &Value,
    consent: &Value,
) -> Part {
    let id = chance.uuid();
    let priority = if chance.below(3) == 0 { "bulk" } else { "interactive" };
    let mut body = json!({
        "id": id, "operation": operation, "version": 1, "subject": subject,
        "requested_at": now, "requested_by": "organisation:990140000007",
        "priority": priority, "input": input,
    });
    if !consent.is_null() {
        body["consent"] = consent.clone();
    }
    Part {
        id: Some(id),
        operation: operation.to_owned(),
        routing_key: operation.to_owned(),
        content_type: contracts::job::CONTENT_TYPE,
        body: body.to_string().into_bytes(),
        fate: Fate::Runs,
        encore: Encore::None,
    }
}

fn rejected(n: usize, chance: &Chance, iin: &str, now: Timestamp) -> Part {
    let subject = format!("rejected:{n}");
    let mut part = match chance.below(5) {
        0 => person(chance, WRONG_CHECK_DIGIT, &subject, now),
        1 => job(chance, "kpsisu.check", &subject, now, &json!({"iin": iin}), &Value::Null),
        2 => job(chance, "gbdfl.person", &subject, now, &json!({"inn": iin}), &Value::Null),
        3 => {
            let consent = json!({"kind": "sms_code", "code_ref": "r-1", "code": "0000"});
            job(chance, "kpsisu.check", &subject, now, &json!({"iin": iin}), &consent)
        }
        _ => {
            let unknown = Part {
                routing_key: "gbdfl.persn".to_owned(),
                ..person(chance, iin, &subject, now)
            };
            // A routing key that no queue is bound for takes another way to the same answer.
            let key = if chance.below(2) == 0 { "gbdfl.persn" } else { "nobody.knows" };
            Part { routing_key: key.to_owned(), operation: "unknown".to_owned(), ..unknown }
        }
    };
    part.fate = Fate::Rejected;
    part
}

fn malformed(n: usize, chance: &Chance, now: Timestamp) -> Part {
    let good = person(chance, LISTED[0], &format!("malformed:{n}"), now);
    let text = String::from_utf8_lossy(&good.body).into_owned();
    let quarantined = Part { fate: Fate::Quarantined, ..good };
    match chance.below(5) {
        0 => Part { body: b"{ this is no JSON".to_vec(), id: None, ..quarantined },
        1 => Part { body: b"{\"operation\":\"gbdfl.person\"}".to_vec(), id: None, ..quarantined },
        2 => Part { content_type: "text/plain", ..quarantined },
        3 => {
            let body = text.replace("malformed:", "malformed:\\u0000").into_bytes();
            Part { body, ..quarantined }
        }
        _ => {
            let body = text.replace("\"version\":1", "\"version\":2").into_bytes();
            Part { body, ..quarantined }
        }
    }
}
