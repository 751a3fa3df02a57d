//! Everything that a hub can be asked, once well and many times badly, in one world: who looks at what
//! is left can say "nowhere".

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;
use workers::clock::real_now;

use crate::world::{QUICK, Scene, World, check, id, iin, person, properties, until};

/// What comes from nowhere but here, and is looked for afterwards.
pub const IN_QUARANTINE: &str = "a sentence that only the quarantined body holds";
pub const API_KEY: &str = "SIMKEY0f1e2d3c4b5a69788796a5b4c3";
pub const CALLBACK_TOKEN: &str = "token-in-the-callback-address";
const CALLBACK_SECRET: &str = "whsec_c2VjcmV0IG9mIHRoZSBzZWNyZWN5IHRlc3RzIQ==";
/// What the simulators' pushes carry beside the sender's name.
const PUSH_PASSWORD: &str = "daeb30e06dcf80565ac935eca8ec3e87a2cd7194440c14842b470d3cb7fed353";
const FILE_NAME: &str = "Секретная форма.pdf";
const FILE_TEXT: &str = "%PDF-1.4 what the file of the attachment says";
const SIGNATURE: &str = "dGhlIHNpZ25hdHVyZSBvZiBhIHRlc3Q=";
const TYPED: &str = "the words that somebody typed into a field";
const CERTIFICATES: [&str; 3] = [
    include_str!("../../../contracts/systems/eqyzmet/certificates/person.b64"),
    include_str!("../../../contracts/systems/eqyzmet/certificates/organisation.b64"),
    include_str!(
        "../../../contracts/systems/eqyzmet/certificates/organisation_of_another_person.b64"
    ),
];
/// Names, phones and addresses, of the inputs and of the simulators' answers.
const WORDS: [&str; 26] = [
    "ТЕСТОВ",
    "ПРИМЕРОВ",
    "ОБРАЗЦОВ",
    "ҮЛГІЛІ",
    "ТЕСТ ОБЛЫСЫ",
    "ТЕСТ АУДАНЫ",
    "УДОСТОВЕРЕНИЕ",
    "БАНК ТЕСТ",
    "ЧСИ ТЕСТ",
    "ПОЛУЧАТЕЛЕВ",
    "ОТПРАВИТЕЛЕВ",
    "ПРЕЖНЯЯ",
    "Скрытая улица",
    "дом 4711",
    "Вход с тайного двора",
    "7010004711",
    "7020004711",
    "77030004711",
    "7700*****01",
    "850100300012",
    "920300400029",
    "850100300013",
    "831200400128",
    "Тестовый суд",
    "Штатная численность",
    "Ознакомьтесь с сообщением",
];

/// Parcels are looked at every hour for days.
const LIFE_MAX: Duration = Duration::from_mins(3);

/// What was asked, and what must show up nowhere.
pub struct Everything {
    /// Every job that was published and is one.
    pub jobs: Vec<Uuid>,
    /// Texts.
    pub secrets: BTreeSet<String>,
    /// Codes that were typed or sent by SMS: four digits.
    pub codes: BTreeSet<String>,
}

/// A world that logs as much as a hub can be told to.
pub fn scene() -> Scene {
    let settings = format!(
        "{QUICK}\n[pipeline]\nbatch_max = 16\n\
         [callbacks]\nhosts = [\"127.0.0.1\"]\nsecret = \"{CALLBACK_SECRET}\"\n"
    );
    let environment = vec![
        ("HUB_LOG", "trace"),
        ("HUB_SYSTEMS__KAZPOST__API_KEY", API_KEY),
        ("HUB_SYSTEMS__EQYZMET__PUSH_PEERS", "127.0.0.1"),
        ("HUB_SYSTEMS__EQYZMET__PUSH_SENDERS", "eqyzmet"),
        ("HUB_SYSTEMS__EQYZMET__PUSH_SENDER_PASSWORD", PUSH_PASSWORD),
        ("HUB_SYSTEMS__EQYZMET__PULL_INTERVAL_S", "43200"),
    ];
    Scene { settings, environment, ..Scene::default() }
}

/// Publishes everything and lives through it.
pub async fn play(world: &World) -> Everything {
    let mut words: BTreeSet<String> = WORDS.map(str::to_owned).into();
    let whole = [
        IN_QUARANTINE,
        API_KEY,
        CALLBACK_TOKEN,
        CALLBACK_SECRET,
        PUSH_PASSWORD,
        FILE_NAME,
        FILE_TEXT,
        SIGNATURE,
        TYPED,
    ];
    words.extend(whole.map(str::to_owned));
    words.extend(CERTIFICATES.map(|text| text[40..80].to_owned()));
    let mut all = Everything { jobs: Vec::new(), secrets: words, codes: BTreeSet::new() };
    all.ask_by_code(world).await;
    all.ask_registries(world).await;
    all.post_parcels(world).await;
    all.exchange_messages(world).await;
    all.send_nonsense(world).await;
    all.live_through(world).await;
    all.add_what_the_portal_reads(world).await;
    all
}

impl Everything {
    async fn play(&mut self, world: &World, job: &Value, behaviours: &[&str]) -> Uuid {
        let id = world.play(job, behaviours).await;
        self.secrets.extend(job["input"]["iin"].as_str().map(str::to_owned));
        self.jobs.push(id);
        id
    }

    /// Codes live five minutes, so these come before time jumps.
    async fn ask_by_code(&mut self, world: &World) {
        for (number, check) in ["kpsisu.check", "mzrk.check"].into_iter().enumerate() {
            let name = format!("asked by code {number}");
            let sent = self.send_code(world, &name, check, &[]).await;
            let code = self.read_code(world, &name).await;
            let other = if code == "4711" { "4712" } else { "4711" };
            let mut wrong = about("mgov.verify_code", &format!("{name}, wrong"));
            wrong["input"] = json!({"iin": iin(&name), "code_ref": sent, "code": other});
            self.codes.insert(other.to_owned());
            let wrong = self.play(world, &wrong, &[]).await;
            assert_eq!(world.ended(wrong).await["code"], "code_wrong");
            let mut asked = about(check, &name);
            asked["consent"] = consent(&json!({
                "kind": "sms_code", "code_ref": sent, "code": code,
            }));
            asked["input"] = json!({"iin": iin(&name)});
            let asked = self.play(world, &asked, &[]).await;
            until("the code was verified", async || {
                let sql = format!(
                    "SELECT 1 FROM hub.sms_code WHERE code_ref = '{sent}' AND status = 'used'"
                );
                (!world.rows(&sql).await.is_empty()).then_some(())
            })
            .await;
            // A code opens one check.
            let mut again = about(check, &format!("{name}, again"));
            again["consent"] =
                consent(&json!({"kind": "sms_code", "code_ref": sent, "code": code}));
            again["input"] = json!({"iin": iin(&name)});
            let again = self.play(world, &again, &[]).await;
            assert_eq!(world.ended(again).await["state"], "refused");
            assert!(!asked.is_nil());
        }
        for behaviour in ["not_registered", "lost", "code_id_twice", "broken_text", "past_expiry"] {
            let name = format!("code {behaviour}");
            let sent = self.send_code(world, &name, "mzrk.check", &[behaviour]).await;
            until("it was asked", async || world.attempts(sent).await.pop()).await;
            self.codes.extend(codes(world, &name).await);
        }
        // Nobody ever sent this one; its check is withdrawn before anything is sent.
        let mut withdrawn = about("kpsisu.check", "withdrawn");
        withdrawn["consent"] = consent(&json!({"verified_by": id("never asked")}));
        let withdrawn = self.play(world, &withdrawn, &[]).await;
        let mut cancel = about("hub.cancel", "cancel");
        cancel["input"] = json!({"job_id": withdrawn, "reason": "consent_withdrawn"});
        world.send(&cancel).await;
        self.jobs.push(id("cancel"));
        assert_eq!(world.ended(withdrawn).await["state"], "cancelled");
    }

    async fn send_code(&mut self, world: &World, name: &str, check: &str, how: &[&str]) -> Uuid {
        let mut job = about("mgov.send_code", &format!("{name}, send"));
        job["input"] = json!({"iin": iin(name), "check": check, "check_subject": subject(name)});
        self.play(world, &job, how).await
    }

    async fn read_code(&mut self, world: &World, name: &str) -> String {
        let read = async || codes(world, name).await.pop();
        let code = until("the SMS came", read).await;
        world.ended(id(&format!("{name}, send"))).await;
        self.codes.insert(code.clone());
        code
    }

    async fn ask_registries(&mut self, world: &World) {
        for (operation, behaviours) in REGISTRIES {
            for how in *behaviours {
                let name = format!("{operation} {how}");
                let mut job = about(operation, &name);
                match *operation {
                    "gbdul.organization" => job["input"] = json!({"bin": "100540000008"}),
                    "mgov.lookup" => job["input"]["phone"] = "77030004711".into(),
                    "kpsisu.check" => {
                        let names = [("surname", "ТЕСТОВ"), ("name", "ТЕСТ")];
                        for (field, value) in names {
                            job["input"][field] = value.into();
                        }
                        job["input"]["previous_surname"] = "ПРЕЖНЯЯ".into();
                    }
                    _ => {}
                }
                if matches!(*operation, "kpsisu.check" | "mzrk.check") {
                    job["consent"] = consent(&json!({"kind": "eds"}));
                }
                job["callback_url"] =
                    format!("https://portal.example/{CALLBACK_TOKEN}?iin={}", iin(&name)).into();
                self.play(world, &job, &[how]).await;
            }
        }
    }

    async fn post_parcels(&mut self, world: &World) {
        let behaviours = [("delivered", 1_000), ("other_parcel", 1), ("no_json", 1)];
        for (behaviour, count) in behaviours.into_iter().rev() {
            let order = json!({"system": "kazpost.track", "behaviour": behaviour, "count": count});
            world.stage.order("next", &order).await.unwrap();
        }
        for (number, how) in LABELS.into_iter().enumerate() {
            let order_number = format!("77{number}");
            let order = json!({
                "system": "kazpost", "behaviour": how,
                "request_number": format!("SIM-{order_number}"),
            });
            world.stage.order("next", &order).await.unwrap();
            let mut job = about("kazpost.label", &format!("label {how}"));
            job["input"] = label(&order_number);
            self.send(world, &job).await;
        }
        for (number, how) in COURIERS.into_iter().enumerate() {
            let order_number = format!("88{number}");
            let order = json!({
                "system": "kazpost.courier", "behaviour": how, "request_number": order_number,
            });
            world.stage.order("next", &order).await.unwrap();
            let mut job = about("kazpost.call_courier", &format!("courier {how}"));
            job["input"] = courier(&order_number);
            self.send(world, &job).await;
        }
        let done = world.ended(id("label old_elements")).await;
        assert_eq!(done["state"], "succeeded");
        let row = world.portal("delivery", &about("kazpost.label", "label old_elements")).await;
        let mut cancel = about("kazpost.cancel", "label old_elements");
        cancel["id"] = json!(id("cancel the label"));
        cancel["input"] = json!({"order_number": "770", "track_number": row["track_number"]});
        self.send(world, &cancel).await;
        let mut unknown = about("kazpost.cancel", "cancel unknown");
        unknown["input"] = json!({"order_number": "99", "track_number": "AP000000014KZ"});
        self.send(world, &unknown).await;
        let mut phone = about("kazpost.label", "bad phone");
        phone["input"] = label("5");
        phone["input"]["recipient"]["phone"] = "+1 7010004711".into();
        phone["input"]["sender"]["name"] = "ОТПРАВИТЕЛЕВ\u{1}".into();
        self.send(world, &phone).await;
    }

    async fn send(&mut self, world: &World, job: &Value) {
        self.jobs.push(world.send(job).await);
    }

    async fn exchange_messages(&mut self, world: &World) {
        let file = id("file");
        world
            .execute(&format!(
                "INSERT INTO portal.attachment (id, name, media_type, bytes)
                 VALUES ('{file}', '{FILE_NAME}', 'application/pdf', convert_to('{FILE_TEXT}', 'UTF8'))"
            ))
            .await;
        for kind in ["notice", "changed", "person_in_id", "lengths_differ", "huge", "not_xml"] {
            let order = json!({"system": "eqyzmet", "kind": kind});
            world.stage.order("begin", &order).await.unwrap();
        }
        for how in SUBMISSIONS {
            let order = json!({"system": "eqyzmet", "kind": "editable"});
            let before = messages(world).await;
            world.stage.order("begin", &order).await.unwrap();
            let message = until("the message came", async || {
                messages(world).await.difference(&before).next().cloned()
            })
            .await;
            let mut job = about("eqyzmet.submit", &format!("submission {how}"));
            job["input"] = submission(&message, file, CERTIFICATES[1]);
            self.play(world, &job, &[how]).await;
        }
        let mut two_people = about("eqyzmet.submit", "two people");
        two_people["input"] = submission("SIM-1.1", file, CERTIFICATES[2]);
        self.play(world, &two_people, &[]).await;
        assert_eq!(world.ended(id("two people")).await["state"], "rejected");
    }

    async fn send_nonsense(&mut self, world: &World) {
        let mut rejected = person("rejected");
        rejected["input"] = json!({"iin": "850100300013", "surname": "ТЕСТОВ", "7010004711": 1});
        self.send(world, &rejected).await;
        let mut malformed = person("malformed");
        malformed["version"] = json!(IN_QUARANTINE);
        let torn = format!("{{ {IN_QUARANTINE} {}", iin("malformed"));
        for body in [malformed.to_string(), torn] {
            assert!(world.publish("gbdfl.person", body.as_bytes(), properties()).await);
        }
        self.secrets.insert(iin("malformed"));
        until("both are in quarantine", async || {
            (world.rows("SELECT 1 FROM hub.quarantine").await.len() == 2).then_some(())
        })
        .await;
        for (system, kinds) in FORGED {
            for kind in *kinds {
                let order = json!({"system": system, "kind": kind});
                world.stage.order("forge", &order).await.unwrap();
            }
        }
    }

    /// Until all that was published, and all that follows from it, has ended.
    async fn live_through(&self, world: &World) {
        until("all jobs are known", async || {
            let known = world.rows("SELECT id FROM hub.job_key").await;
            let known: BTreeSet<&str> = known.iter().filter_map(|row| row["id"].as_str()).collect();
            self.jobs.iter().all(|id| known.contains(id.to_string().as_str())).then_some(())
        })
        .await;
        world.live_through_within(LIFE_MAX, self.jobs.len()).await;
        for id in &self.jobs {
            world.ended(*id).await;
        }
        until("all messages were looked at and all events are told", async || {
            let open = "SELECT 1 FROM hub.inbound WHERE state = 'stored'
                UNION ALL SELECT 1 FROM hub.outbox UNION ALL SELECT 1 FROM hub.callback WHERE state = 'open'";
            world.rows(open).await.is_empty().then_some(())
        })
        .await;
    }

    /// Numbers and links that the portal reads in its tables and nobody reads elsewhere.
    async fn add_what_the_portal_reads(&mut self, world: &World) {
        let columns = [
            "SELECT track_number FROM portal.delivery",
            "SELECT cancelled_track_number FROM portal.delivery",
            "SELECT split_part(label_link, '/labels/', 2) FROM portal.delivery",
            "SELECT input ->> 'track_number' FROM hub.job",
            "SELECT address_ru FROM portal.property",
            "SELECT address_kk FROM portal.property",
            "SELECT cadastral_number FROM portal.property",
            "SELECT rka FROM portal.property",
            "SELECT document ->> 'number' FROM portal.person",
            "SELECT title FROM portal.message",
            "SELECT full_name_ru FROM portal.organization",
            "SELECT leader ->> 'iin' FROM portal.organization",
        ];
        for column in columns {
            let sql = format!("SELECT t.text FROM ({column}) t (text) WHERE t.text <> ''");
            let rows = world.rows(&sql).await;
            assert!(!rows.is_empty(), "nothing to look for: {column}");
            let texts = rows.iter().filter_map(|row| row["text"].as_str());
            self.secrets.extend(texts.map(str::to_owned));
        }
    }
}

const REGISTRIES: &[(&str, &[&str])] = &[
    (
        "gbdfl.person",
        &[
            "found",
            "not_found",
            "wrong_person",
            "no_iin",
            "html_ok",
            "garbage",
            "unknown_fault",
            "doctype",
            "slow",
            "reset",
        ],
    ),
    (
        "gbdul.organization",
        &["company", "branch", "not_found_with_data", "other_bin", "truncated", "unknown_fault"],
    ),
    (
        "realestate.properties",
        &["registered", "untidy", "other_owner", "clashing_objects", "broken_text", "doctype"],
    ),
    (
        "kpsisu.check",
        &[
            "clear",
            "convicted",
            "wrong_person",
            "contradiction",
            "broken_answer",
            "ack_lost",
            "not_identified",
            "ack_html",
        ],
    ),
    (
        "mzrk.check",
        &[
            "clear",
            "psychiatric_record",
            "diagnosis",
            "partial",
            "wrong_person",
            "broken_text",
            "unknown_register",
            "other_text",
            "bad_request",
            "unknown_fault",
        ],
    ),
    ("mgov.lookup", &["known", "not_registered", "contradiction", "unknown_result", "broken_text"]),
];
const LABELS: [&str; 9] = [
    "old_elements",
    "new_elements",
    "product_refused",
    "several_numbers",
    "wrong_check_digit",
    "not_a_pdf",
    "lost_after_issue",
    "html_after_issue",
    "unknown_fault",
];
const COURIERS: [&str; 4] = ["registered", "refused", "lost_after_call", "token_expired"];
const SUBMISSIONS: [&str; 5] =
    ["accepted", "signature_invalid", "key_twice", "lost", "other_organisation"];
const FORGED: &[(&str, &[&str])] = &[
    ("kpsisu", &["unknown_sender", "wrong_password", "cut", "other_service", "wrong_person"]),
    ("eqyzmet", &["unknown_sender", "wrong_password", "cut", "other_service", "duplicate"]),
];

fn subject(name: &str) -> String {
    format!("subject:{name}")
}

fn about(operation: &str, name: &str) -> Value {
    let mut job = check(name);
    job["operation"] = operation.into();
    job["subject"] = subject(name).into();
    job.as_object_mut().unwrap().remove("consent");
    job
}

fn consent(by: &Value) -> Value {
    let mut consent = json!({"accepted_at": real_now(), "text_version": "2019-10"});
    consent.as_object_mut().unwrap().extend(by.as_object().unwrap().clone());
    consent
}

/// What a person reads on their phone.
async fn codes(world: &World, name: &str) -> Vec<String> {
    let phone = world.stage.control(&format!("phone/{}", iin(name))).await.unwrap();
    let messages = phone["messages"].as_array().unwrap();
    messages.iter().map(|sms| sms["code"].as_str().unwrap().to_owned()).collect()
}

async fn messages(world: &World) -> BTreeSet<String> {
    let sql = "SELECT message_id FROM portal.message WHERE kind = 'editable'";
    let rows = world.rows(sql).await;
    rows.iter().map(|row| row["message_id"].as_str().unwrap().to_owned()).collect()
}

fn label(order_number: &str) -> Value {
    let address = json!({"postcode": "010000", "city": "Астана", "street": "Скрытая улица", "house": "дом 4711"});
    json!({
        "order_number": order_number, "order_status": "reserved", "delivery_method": "courier",
        "recipient": {
            "iin": iin("recipient"), "name": "ПОЛУЧАТЕЛЕВ ТЕСТ", "phone": "+77010004711",
            "address": address,
        },
        "sender": { "name": "ОТПРАВИТЕЛЕВ ТЕСТ", "phone": "87020004711", "address": address },
        "weight_g": 250,
    })
}

fn courier(order_number: &str) -> Value {
    let days = jiff::SignedDuration::from_hours(24 * 40);
    let date = real_now().checked_add(days).unwrap().to_string();
    json!({
        "order_number": order_number, "date": date[..10], "weight_g": 1_500,
        "sender": { "bin": "990140000007", "name": "ОТПРАВИТЕЛЕВ", "phone": "87020004711" },
        "pickup": {
            "region_code": "75", "address": "Алматы, Скрытая улица, 2",
            "comment": "Вход с тайного двора",
        },
    })
}

fn submission(message: &str, file: Uuid, organisation: &str) -> Value {
    json!({
        "message_id": message, "fields": [{"key": "Пояснение", "value": TYPED}],
        "attachments": [file], "signature": SIGNATURE,
        "person_certificate": CERTIFICATES[0].trim_end(),
        "organisation_certificate": organisation.trim_end(),
    })
}
