//! What is published next: every command of the hub, good and bad, decided by a seed.

use std::collections::VecDeque;

use contracts::number::Iin;
use serde_json::{Value, json};
use uuid::Uuid;
use workers::{
    chance::Chance,
    clock::real_now,
    demo::cast::{self, Encore, Fate, Part, Repertoire},
};

/// Parts of the demo's cast that are drawn at once.
const CHUNK: usize = 200;
const PERSON: &str = include_str!("../../contracts/systems/eqyzmet/certificates/person.b64");
const SIGNER: &str = include_str!("../../contracts/systems/eqyzmet/certificates/organisation.b64");

/// One label in so many is given back.
const GIVEN_BACK_ONE_IN: u64 = 8;
/// A courier may come on this day: business time leaps by years in a long campaign.
const COURIER_ON: &str = "2099-01-05";

/// What comes next.
#[derive(Debug)]
pub enum Made {
    /// A message to publish.
    Part(Part),
    /// A press for a code; the person will type it.
    Press {
        /// The message to publish.
        part: Part,
        /// Whose phone.
        iin: String,
        /// The check that the code is for.
        check: &'static str,
        /// The portal's record of it.
        subject: String,
    },
    /// A label whose number is given back when it came.
    GivenBack {
        /// The message to publish.
        part: Part,
        /// The portal's number of the order.
        order: String,
    },
    /// Е-қызмет begins a conversation.
    Message,
}

/// Draws messages.
#[derive(Debug)]
pub struct Mix {
    chance: Chance,
    seed: u64,
    chunks: u64,
    base: VecDeque<Part>,
    number: u64,
    callback_url: String,
}

impl Mix {
    /// The same seed draws the same messages.
    pub fn seeded(seed: u64, callback_url: String) -> Self {
        let chance = Chance::seeded(seed ^ 0x10AD);
        Self { chance, seed, chunks: 0, base: VecDeque::new(), number: 0, callback_url }
    }

    /// Draws the next one: six in ten from the demo's cast, which has the queries, the check that a
    /// person signed, and what is rejected or no job at all.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> Made {
        self.number += 1;
        match self.chance.below(100) {
            0..14 => self.press(),
            14..27 => self.label(),
            27..29 => Made::Message,
            29..34 => Made::Part(self.told_by_callback()),
            34..37 => Made::Part(self.courier()),
            _ => Made::Part(self.of_cast()),
        }
    }

    fn of_cast(&mut self) -> Part {
        loop {
            if let Some(part) = self.base.pop_front() {
                return part;
            }
            self.chunks += 1;
            let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(self.chunks);
            self.base = cast::cast(CHUNK, seed, real_now(), Repertoire::Registers).into();
        }
    }

    fn press(&mut self) -> Made {
        let iin = self.person();
        let check = if self.chance.below(2) == 0 { "kpsisu.check" } else { "mzrk.check" };
        let subject = format!("specialist:code-{}", self.number);
        let input = json!({"iin": iin, "check": check, "check_subject": subject});
        let part = self.part("mgov.send_code", &subject, &input, None);
        Made::Press { part, iin, check, subject }
    }

    /// A question whose answer is told by HTTP as well.
    fn told_by_callback(&mut self) -> Part {
        let subject = format!("person:callback-{}", self.number);
        let mut part = self.part("gbdfl.person", &subject, &json!({ "iin": self.person() }), None);
        let text = String::from_utf8_lossy(&part.body).into_owned();
        let named = format!("\"callback_url\":\"{}\",\"id\":", self.callback_url);
        part.body = text.replacen("\"id\":", &named, 1).into_bytes();
        part
    }

    /// One order in seven is asked for twice.
    fn label(&mut self) -> Made {
        let back = u64::from(self.chance.below(7) == 0);
        let order = format!("{}-{}", self.seed % 100_000, self.number - back);
        let address =
            json!({"postcode": "010000", "city": "Астана", "street": "Тестовая", "house": "1"});
        let input = json!({
            "order_number": order, "order_status": "reserved", "delivery_method": "courier",
            "recipient": {"name": "ТЕСТОВ ТЕСТ", "phone": "+77000000000", "address": address},
            "sender": {"name": "ТОО «ТЕСТ»", "phone": "87000000000", "address": address},
            "weight_g": 250,
        });
        let part = self.part("kazpost.label", &format!("order:{order}"), &input, None);
        // An order has one number, and gives it back once.
        if back == 0 && self.chance.below(GIVEN_BACK_ONE_IN) == 0 {
            Made::GivenBack { part, order }
        } else {
            Made::Part(part)
        }
    }

    /// A courier fetches the goods of an order of its own, or of one that gets its label next.
    fn courier(&mut self) -> Part {
        let order = format!("{}-{}", self.seed % 100_000, self.number);
        let input = json!({
            "order_number": order, "date": COURIER_ON, "weight_g": 250,
            "sender": {"bin": "990140000007", "name": "ТОО «ТЕСТ»", "phone": "87000000001"},
            "pickup": {"region_code": "75", "address": "Алматы, Тестовая, 2"},
        });
        self.part("kazpost.call_courier", &format!("order:{order}"), &input, None)
    }

    /// The number of an order is given back.
    pub fn cancellation(&self, order: &str, track_number: &str) -> Part {
        let input = json!({ "order_number": order, "track_number": track_number });
        self.part("kazpost.cancel", &format!("order:{order}"), &input, None)
    }

    /// A check that brings its code along; one person in twenty mistypes it.
    pub fn check_by_code(
        &mut self,
        operation: &str,
        iin: &str,
        subject: &str,
        code_ref: Uuid,
        code: &str,
    ) -> Part {
        let wrong = self.chance.below(20) == 0;
        let typed = code.parse::<u16>().map_or(0, |digits| (digits + u16::from(wrong)) % 10_000);
        let consent = json!({
            "kind": "sms_code", "code_ref": code_ref, "code": format!("{typed:04}"),
            "accepted_at": real_now(), "text_version": "2019-10",
        });
        self.part(operation, subject, &json!({ "iin": iin }), Some(consent))
    }

    /// A message of Е-қызмет goes back, signed.
    pub fn submission(&mut self, message_id: &str) -> Part {
        let input = json!({
            "message_id": message_id, "fields": [{"key": "staffCount", "value": "12"}],
            "attachments": [], "signature": "U0lN",
            "person_certificate": PERSON.trim_end(), "organisation_certificate": SIGNER.trim_end(),
        });
        self.part("eqyzmet.submit", &format!("message:{message_id}"), &input, None)
    }

    fn person(&self) -> String {
        Iin::synthetic(u32::try_from(self.chance.below(150_000)).unwrap_or(0)).expose().to_owned()
    }

    fn part(&self, operation: &str, subject: &str, input: &Value, consent: Option<Value>) -> Part {
        let id = self.chance.uuid();
        let mut body = json!({
            "id": id, "operation": operation, "version": 1, "subject": subject,
            "requested_at": real_now(), "requested_by": "organisation:990140000007",
            "input": input,
        });
        if let Some(consent) = consent {
            body["consent"] = consent;
        }
        let encore = if self.chance.below(6) == 0 { Encore::Same } else { Encore::None };
        Part {
            id: Some(id),
            operation: operation.to_owned(),
            routing_key: operation.to_owned(),
            content_type: contracts::job::CONTENT_TYPE,
            body: body.to_string().into_bytes(),
            fate: Fate::Runs,
            encore,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contracts::operation::Effect;
    use workers::pipeline::consent::VERIFY;

    use super::*;

    /// Everything that is published for what was drawn.
    fn published(mix: &mut Mix, made: Made) -> Vec<Part> {
        match made {
            Made::Part(part) => vec![part],
            Made::Press { part, iin, check, subject } => {
                let id = part.id.expect("a press has an id");
                let by_code = mix.check_by_code(check, &iin, &subject, id, "0042");
                vec![part, by_code]
            }
            Made::GivenBack { part, order } => {
                let back = mix.cancellation(&order, "AP000000014KZ");
                assert_eq!(body(&part)["subject"], body(&back)["subject"]);
                vec![part, back]
            }
            Made::Message => vec![mix.submission("SIM-1.1")],
        }
    }

    fn body(part: &Part) -> Value {
        serde_json::from_slice(&part.body).expect("JSON")
    }

    #[test]
    fn every_command_of_the_contracts_is_drawn() {
        let mut mix = Mix::seeded(7, "http://127.0.0.1:1/hub".to_owned());
        let mut drawn = BTreeSet::new();
        for _ in 0..2_000 {
            let made = mix.next();
            // What is rejected or no job asks for nothing.
            let parts = published(&mut mix, made).into_iter();
            for part in parts.filter(|part| part.fate == Fate::Runs) {
                // The hub verifies a code by itself, with a check that brings one along.
                if body(&part)["consent"]["kind"] == "sms_code" {
                    drawn.insert(VERIFY.to_owned());
                }
                drawn.insert(part.operation);
            }
        }
        let all = adapters::systems::all().into_iter().flat_map(|one| one.spec().operations);
        let commands = all.filter(|one| one.effect == Effect::Command).map(|one| one.name);
        let missing: Vec<&str> = commands.filter(|name| !drawn.contains(*name)).collect();
        assert!(missing.is_empty(), "never drawn: {missing:?}; drawn: {drawn:?}");
    }

    #[test]
    fn what_is_drawn_for_kazpost_is_what_its_contract_takes() {
        let mut mix = Mix::seeded(7, "http://127.0.0.1:1/hub".to_owned());
        let system = adapters::systems::all().into_iter().find(|one| one.spec().name == "kazpost");
        let system = system.expect("registered");
        for _ in 0..2_000 {
            let made = mix.next();
            for part in published(&mut mix, made) {
                let of = system.spec().operations.iter().find(|one| one.name == part.operation);
                let Some(operation) = of else { continue };
                let (schema, check) = system.input(operation);
                let input = body(&part)["input"].clone();
                for required in schema["required"].as_array().into_iter().flatten() {
                    let name = required.as_str().expect("a name");
                    assert!(!input[name].is_null(), "{}: {name} is missing", part.operation);
                }
                assert!(check(&input).is_empty(), "{}: {:?}", part.operation, check(&input));
            }
        }
    }
}
