#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it expects")]

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::operation::{Again, Answers, Effect, Parts, Reconcile, SlaSpec};

static CHECK: OperationSpec = OperationSpec {
    name: "test.check",
    system: "test",
    effect: Effect::Command,
    consent: ConsentRule::Required,
    sla: SlaSpec::plain(Duration::ZERO, Duration::ZERO, Duration::ZERO),
    call_timeout: Duration::ZERO,
    attempts_max: 1,
    reconcile: Reconcile::Nobody,
    answers: Answers::AtOnce,
    again: Again::Anybody,
    parts: Parts::Plain,
    portal: None,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct Input {
    iin: crate::number::Iin,
    #[schemars(length(max = 5))]
    name: Option<String>,
}

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    catalogue.add(&CHECK, &schema::of::<Input>(), |_| Vec::new()).expect("schema");
    catalogue
}

fn good() -> Value {
    json!({
        "id": "01939f2e-0000-7000-8000-000000000001",
        "operation": "test.check", "version": 1, "subject": "specialist:4711",
        "requested_at": "2026-11-22T10:00:00+05:00",
        "requested_by": "organisation:990140000007",
        "consent": {"kind": "eds", "accepted_at": "2026-11-22T09:59:00+05:00", "text_version": "2019-10"},
        "input": {"iin": "850100300012"}
    })
}

fn decode(value: &Value) -> Decoded {
    decode_bytes(&serde_json::to_vec(value).expect("json"))
}

fn decode_bytes(body: &[u8]) -> Decoded {
    let content_type = Some(CONTENT_TYPE);
    catalogue().decode(Incoming { routing_key: "test.check", content_type, body })
}

fn job(value: &Value) -> Job {
    match decode(value) {
        Decoded::Job(job) => *job,
        other => unreachable!("{other:?}"),
    }
}

fn rejection(value: &Value) -> Rejection {
    match decode(value) {
        Decoded::Rejected(rejected) => rejected.rejection,
        other => panic!("expected a rejection, got {other:?}"),
    }
}

fn malformed(decoded: Decoded) -> Malformed {
    match decoded {
        Decoded::Malformed(malformed) => malformed,
        other => panic!("expected malformed, got {other:?}"),
    }
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut value = good();
    change(&mut value);
    value
}

#[test]
fn a_good_job_decodes() {
    assert!(matches!(decode(&good()), Decoded::Job(job) if job.operation.name == "test.check"));
}

#[test]
fn one_entry_a_field_says_path_and_code() {
    let value = with(|v| {
        v["input"] = json!({"iin": "850100300013", "name": "абвгде", "nme": 1});
        v["subject"] = json!(7);
        v.as_object_mut().expect("object").remove("requested_by");
    });
    let rejection = rejection(&value);
    let found: Vec<_> = rejection.errors.iter().map(|e| format!("{} {}", e.path, e.code)).collect();
    assert_eq!(
        found,
        [
            "/input/iin check_digit",
            "/input/name too_long",
            "/input/nme field_unknown",
            "/requested_by field_missing",
            "/subject wrong_type",
        ]
    );
    assert!(!format!("{rejection:?}").contains("850100300013"), "a value leaked");
}

#[test]
fn an_iin_that_is_not_twelve_digits_gives_one_entry() {
    let errors = rejection(&with(|v| v["input"]["iin"] = json!("12"))).errors;
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].code, "wrong_format");
}

#[test]
fn a_field_name_that_could_be_a_number_is_not_repeated() {
    let errors = rejection(&with(|v| v["input"]["850100300012"] = json!(1))).errors;
    assert_eq!(errors[0].path, "/input/?");
}

#[test]
fn bytes_that_are_no_job_are_malformed() {
    let cases: [(&[u8], &str); 7] = [
        (b"", "not_json"),
        (b"{\"id\":", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[]", "not_an_object"),
        (b"{\"operation\":\"test.check\"}", "no_id"),
        (b"{\"id\":\"01939f2e000070008000000000000001\"}", "no_id"),
        (b"{\"id\":17}", "no_id"),
    ];
    for (body, code) in cases {
        assert_eq!(malformed(decode_bytes(body)).code, code);
    }
    let large = vec![b' '; BODY_BYTES_MAX + 1];
    assert_eq!(malformed(decode_bytes(&large)).code, "too_large");
}

#[test]
fn a_malformed_message_with_an_id_names_it() {
    let nul = malformed(decode(&with(|v| v["subject"] = json!("a\0b"))));
    assert_eq!((nul.code.name(), nul.id.is_some()), ("nul_character", true));
    let version = malformed(decode(&with(|v| v["version"] = json!(2))));
    assert_eq!((version.code.name(), version.id.is_some()), ("unknown_version", true));
    let body = serde_json::to_vec(&good()).expect("json");
    let plain =
        Incoming { routing_key: "test.check", content_type: Some("text/plain"), body: &body };
    let plain = malformed(catalogue().decode(plain));
    assert_eq!((plain.code.name(), plain.id.is_some()), ("content_type", true));
}

#[test]
fn an_escaped_backslash_before_u0000_is_text() {
    assert!(matches!(decode(&with(|v| v["subject"] = json!("a\\u0000"))), Decoded::Job(_)));
}

#[test]
fn unknown_operations_and_routing_keys_are_rejected() {
    let value = with(|v| v["operation"] = json!("test.chekc"));
    assert_eq!(rejection(&value).code, Rejection::UNKNOWN_OPERATION);
    let body = serde_json::to_vec(&good()).expect("json");
    let incoming =
        Incoming { routing_key: "nobody.knows", content_type: Some(CONTENT_TYPE), body: &body };
    let Decoded::Rejected(rejected) = catalogue().decode(incoming) else { panic!("not rejected") };
    assert_eq!(rejected.rejection.code, Rejection::UNKNOWN_OPERATION);
    assert!(rejected.operation.is_none());
}

#[test]
fn d1_a_check_without_recorded_consent_is_rejected() {
    let none = with(|v| v["consent"] = Value::Null);
    assert_eq!(rejection(&none).code, Rejection::CONSENT_MISSING);
    for field in ["kind", "accepted_at", "text_version"] {
        let partial = with(|v| {
            v["consent"].as_object_mut().expect("object").remove(field);
        });
        let rejection = rejection(&partial);
        assert_eq!(rejection.code, Rejection::CONSENT_MISSING, "{field}");
        assert_eq!(rejection.errors[0].path, format!("/consent/{field}"));
    }
}

#[test]
fn d2_consent_by_code_needs_the_code_and_its_reference() {
    let value = with(|v| v["consent"]["kind"] = json!("sms_code"));
    let rejection = rejection(&value);
    assert_eq!(rejection.code, Rejection::CONSENT_MISSING);
    let paths: Vec<_> = rejection.errors.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths, ["/consent/code", "/consent/code_ref"]);
}

#[test]
fn a_code_is_split_off_and_neither_kept_nor_printed() {
    let value = with(|v| {
        v["consent"]["kind"] = json!("sms_code");
        v["consent"]["code"] = json!("4821");
        v["consent"]["code_ref"] = json!("ref-1");
    });
    let job = job(&value);
    assert_eq!(job.code.as_ref().map(|code| code.expose().as_str()), Some("4821"));
    let kept = serde_json::to_string(&job.consent).expect("serialises");
    assert!(kept.contains("ref-1") && !kept.contains("4821"), "{kept}");
    assert!(!format!("{job:?}").contains("4821"));
}

#[test]
fn a_consent_is_given_in_one_way() {
    let value = with(|v| v["consent"]["verified_by"] = json!(Uuid::nil()));
    let rejection = rejection(&value);
    assert_eq!(rejection.errors[0].path, "/consent/verified_by");
    let value = with(|v| {
        let consent = v["consent"].as_object_mut().expect("object");
        consent.remove("kind");
        consent.insert("verified_by".to_owned(), json!(Uuid::nil()));
    });
    let by = job(&value).consent.expect("recorded").by;
    assert_eq!(by, ConsentBy::VerifiedBy { verify_job: Uuid::nil() });
}

#[test]
fn content_is_what_is_asked_not_when_or_how_urgently() {
    let hash = |v: &Value| content_hash(v, None);
    let same = with(|v| {
        v["requested_at"] = json!("2026-11-22T11:00:00+05:00");
        v["priority"] = json!("bulk");
        v["callback_url"] = json!("https://portal.example/hooks");
        v["consent"]["code"] = json!("1234");
        v["input"]["name"] = Value::Null;
    });
    assert_eq!(hash(&good()), hash(&same));
    for change in [
        with(|v| v["subject"] = json!("specialist:4712")),
        with(|v| v["input"]["iin"] = json!("920300400029")),
        with(|v| v["input"]["priority"] = json!("x")),
    ] {
        assert_ne!(hash(&good()), hash(&change));
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_decided_without_a_panic(body in proptest::collection::vec(0_u8.., 0..200)) {
        decode_bytes(&body);
    }
}
