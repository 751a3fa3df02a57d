//! What a person and an organisation do about a code: press, read the phone, type the digits.

use serde_json::{Value, json};
use uuid::Uuid;
use workers::pipeline::{consent::VERIFY, follow_up::child_id};

use crate::world::{World, id, person};

/// Somebody whom an organisation checks.
pub struct Person {
    pub iin: String,
    /// The portal's record that checks of theirs belong to.
    pub subject: String,
}

/// Introduces a person whom M-Gov knows, and whose checks are clear.
pub async fn introduce(world: &World, name: &str) -> Person {
    let iin = crate::world::iin(name);
    for (system, behaviour) in [("mgov", "known"), ("kpsisu", "clear"), ("mzrk", "clear")] {
        let order = json!({"system": system, "behaviour": behaviour, "count": 30, "iin": iin});
        world.stage.order("next", &order).await.unwrap();
    }
    Person { iin, subject: format!("specialist:{name}") }
}

/// A job that this person is the subject of.
pub fn about(person_: &Person, name: &str, operation: &str, input: Value) -> Value {
    let mut job = person(name);
    job["operation"] = operation.into();
    job["subject"] = person_.subject.clone().into();
    job["input"] = input;
    job
}

/// `mgov.send_code`: one press of «Отправить код».
pub fn press(person: &Person, name: &str, check: &str) -> Value {
    let input = json!({"iin": person.iin, "check": check, "check_subject": person.subject});
    about(person, name, "mgov.send_code", input)
}

/// `mgov.verify_code` as a job of the portal's own.
pub fn verify(person: &Person, name: &str, code_ref: Uuid, code: &str) -> Value {
    let input = json!({"iin": person.iin, "code_ref": code_ref, "code": code});
    about(person, name, "mgov.verify_code", input)
}

/// A check whose consent is as given; who and when is added.
pub fn check_with(person: &Person, name: &str, operation: &str, consent: Value) -> Value {
    let mut job = about(person, name, operation, json!({"iin": person.iin}));
    job["consent"] = consent;
    job["consent"]["accepted_at"] = json!(workers::clock::real_now());
    job["consent"]["text_version"] = "2019-10".into();
    job
}

/// A check that brings its code along.
pub fn check_by_code(
    person: &Person,
    name: &str,
    operation: &str,
    code_ref: Uuid,
    code: &str,
) -> Value {
    let consent = json!({"kind": "sms_code", "code_ref": code_ref, "code": code});
    check_with(person, name, operation, consent)
}

/// `hub.cancel` of another job.
pub fn withdraw(person: &Person, name: &str, job: &str) -> Value {
    let input = json!({"job_id": id(job), "reason": "consent_withdrawn"});
    about(person, name, "hub.cancel", input)
}

/// The job that verifies the code that a check brought.
pub fn verification_of(check: Uuid) -> Uuid {
    child_id(check, VERIFY)
}

/// Other digits than these.
pub fn wrong(code: &str) -> String {
    format!("{:04}", (code.parse::<u16>().unwrap() + 1) % 10_000)
}

impl World {
    /// Presses and waits for the answer; returns the code's name.
    pub async fn pressed(&self, person: &Person, name: &str, check: &str) -> Uuid {
        let code_ref = self.send(&press(person, name, check)).await;
        let job = self.ended(code_ref).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        code_ref
    }

    /// The codes that one press brought to a phone, oldest first.
    pub async fn codes(&self, person: &Person, code_ref: Uuid) -> Vec<String> {
        let phone = self.stage.control(&format!("phone/{}", person.iin)).await.unwrap();
        let of_press = |sms: &&Value| sms["request_number"] == code_ref.to_string();
        let messages = phone["messages"].as_array().unwrap().iter().filter(of_press);
        messages.map(|sms| sms["code"].as_str().unwrap().to_owned()).collect()
    }

    /// The one code that a press brought.
    pub async fn code(&self, person: &Person, code_ref: Uuid) -> String {
        let mut codes = self.codes(person, code_ref).await;
        assert_eq!(codes.len(), 1, "one press, one SMS");
        codes.remove(0)
    }

    /// A code that was pressed for, and what it says.
    pub async fn sent(&self, person: &Person, name: &str, check: &str) -> (Uuid, String) {
        let code_ref = self.pressed(person, name, check).await;
        (code_ref, self.code(person, code_ref).await)
    }

    /// Lets this much business time pass at once.
    pub async fn pass(&self, time: jiff::SignedDuration) {
        let now = self.stage.store.business_now().await.unwrap();
        self.stage.store.jump_to(now.checked_add(time).unwrap()).await.unwrap();
    }
}
