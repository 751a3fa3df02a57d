//! One suite that every registered system must pass, however its peer behaves.
//!
//! *Guarantee* that is tested: one request an attempt, the time limit holds, the class follows from
//! the effect of the operation, and nothing that is returned prints a person or a password.

#[path = "conformance/channel.rs"]
mod channel;
#[path = "conformance/sample.rs"]
mod sample;
#[path = "conformance/server.rs"]
mod server;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use adapters::{
    attempt::{Attempt, Call, Outcome},
    settings::Settings,
    system::Adapter,
    systems,
};
use contracts::{
    class::Class,
    operation::{Effect, OperationSpec},
};
use sample::{DIGITS, IIN, OTHER_IIN, SURNAME, Sample};
use server::{Play, Server, answer, nobody, soap};
use uuid::Uuid;

const PASSWORD: &str = "s3cret-of-the-hub";
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Long enough for a machine under load; the plays that wait use a shorter limit.
const TIME_LIMIT: Duration = Duration::from_secs(20);
const SHORT_LIMIT: Duration = Duration::from_millis(300);
/// How late an attempt may end on a machine under load.
const SLACK: Duration = Duration::from_secs(5);

/// A play and what it must mean.
struct Case {
    name: &'static str,
    play: Play,
    query: Class,
    command: Class,
}

fn settings(url: &str) -> Settings {
    Settings {
        password: Some(PASSWORD.into()),
        body_bytes_max: BODY_BYTES_MAX,
        ..Settings::for_url(url)
    }
}

/// Every operation of every system, with its adapter for `url`.
fn subjects(url: &str) -> Vec<(&'static OperationSpec, Arc<dyn Adapter>)> {
    let mut all = Vec::new();
    for system in systems::all() {
        let adapter = system.connect(&settings(url)).expect("settings are right");
        let operations = system.spec().operations.iter();
        all.extend(operations.map(|operation| (*operation, Arc::clone(&adapter))));
    }
    all
}

fn operations() -> Vec<&'static OperationSpec> {
    systems::all().iter().flat_map(|system| system.spec().operations).copied().collect()
}

fn job_id() -> Uuid {
    Uuid::from_u128(0x0193_9f2e_0000_7000_8000_0000_0000_0001)
}

/// The operations that are spoken over the gateway, whose faults and envelopes all share.
fn shep_operations() -> Vec<&'static OperationSpec> {
    operations().into_iter().filter(|operation| sample::speaks_shep(operation)).collect()
}

fn sample_of(operation: &OperationSpec) -> Sample {
    sample::of(operation, job_id())
}

async fn attempt(operation: &'static OperationSpec, url: &str, limit: Duration) -> Attempt {
    let subjects = subjects(url);
    let found = subjects.iter().find(|(one, _)| one.name == operation.name);
    let (_, adapter) = found.expect("registered");
    let now = "2026-11-22T05:00:00Z".parse().expect("instant");
    let call = Call {
        code: sample::code(operation),
        ..Call::first(operation, job_id(), sample_of(operation).input, now, limit)
    };
    let started = Instant::now();
    let attempt = adapter.attempt(&call).await;
    assert!(started.elapsed() < limit + SLACK, "{}: the time limit does not hold", operation.name);
    let shown = format!("{attempt:?} {call:?}");
    for secret in [IIN, OTHER_IIN, SURNAME, PASSWORD, DIGITS] {
        assert!(!shown.contains(secret), "{} prints {secret}: {shown}", operation.name);
    }
    let kept = String::from_utf8_lossy(&attempt.exchange.request);
    assert!(!kept.contains(PASSWORD), "{}: the password is kept", operation.name);
    assert!(!kept.contains(DIGITS), "{}: the code is kept", operation.name);
    attempt
}

fn class(attempt: &Attempt) -> Option<Class> {
    match &attempt.outcome {
        Outcome::Failed(failure) => Some(failure.class),
        Outcome::Answered(_)
        | Outcome::Acknowledged(_)
        | Outcome::Interim(_)
        | Outcome::NotDone => None,
    }
}

async fn check(cases: Vec<Case>, limit: Duration) {
    check_of(&operations(), cases, limit).await;
}

async fn check_of(operations: &[&'static OperationSpec], cases: Vec<Case>, limit: Duration) {
    for case in cases {
        for &operation in operations {
            let server = Server::start(case.play.clone()).await;
            let attempt = attempt(operation, &server.url, limit).await;
            let expected = match sample::first_effect(operation) {
                Effect::Query => case.query,
                Effect::Command => case.command,
            };
            assert_eq!(class(&attempt), Some(expected), "{}: {}", operation.name, case.name);
            assert_eq!(server.requests(), 1, "{}: {}: repeated", operation.name, case.name);
        }
    }
}

fn case(name: &'static str, play: Play, query: Class, command: Class) -> Case {
    Case { name, play, query, command }
}

fn lost(name: &'static str, play: Play) -> Case {
    case(name, play, Class::Unreachable, Class::Indeterminate)
}

fn unreadable(name: &'static str, body: &[u8]) -> Case {
    let play = Play::Bytes(answer("200 OK", "Content-Type: text/xml\r\n", body));
    case(name, play, Class::Contract, Class::Indeterminate)
}

#[tokio::test]
async fn a_refused_connection_proves_that_nothing_was_sent() {
    for operation in operations() {
        let attempt = attempt(operation, &nobody().await, TIME_LIMIT).await;
        assert_eq!(class(&attempt), Some(Class::Unreachable), "{}", operation.name);
        assert!(attempt.exchange.response.is_empty());
    }
}

#[tokio::test]
async fn a_failed_tls_handshake_proves_that_nothing_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}/bip", listener.local_addr().expect("bound"));
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let text = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, text).await.ok();
        }
    });
    // A machine without root certificates cannot build a TLS client at all, and says so.
    let can_connect = systems::all().iter().all(|system| system.connect(&settings(&url)).is_ok());
    for operation in operations().into_iter().filter(|_| can_connect) {
        let attempt = attempt(operation, &url, TIME_LIMIT).await;
        assert_eq!(class(&attempt), Some(Class::Unreachable), "{}", operation.name);
    }
    task.abort();
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_a_command_open() {
    let whole = soap("200 OK", &sample::envelope("<a/>"));
    let cut = whole[..whole.len() - 20].to_vec();
    let head = whole[..30].to_vec();
    check(
        vec![
            lost("closed before the answer", Play::Bytes(Vec::new())),
            lost("reset before the answer", Play::Reset),
            lost("cut within the head", Play::Bytes(head)),
            lost("cut within the body", Play::Bytes(cut)),
            lost("no HTTP", Play::Bytes(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec())),
        ],
        TIME_LIMIT,
    )
    .await;
}

#[tokio::test]
async fn the_time_limit_holds_before_and_within_the_answer() {
    let whole = soap("200 OK", &sample::envelope("<a/>"));
    let half = whole[..whole.len() - 20].to_vec();
    check(
        vec![lost("silence", Play::Stall(Vec::new())), lost("half an answer", Play::Stall(half))],
        SHORT_LIMIT,
    )
    .await;
}

#[tokio::test]
async fn an_oversize_answer_is_refused_while_reading() {
    let large = vec![b'a'; BODY_BYTES_MAX + 1];
    let mut whole = answer("200 OK", "", &large);
    let declared = whole.split_off(whole.len() - large.len());
    assert_eq!(declared.len(), large.len());
    let contract = |name, play| case(name, play, Class::Contract, Class::Indeterminate);
    check(
        vec![
            contract("declared", Play::Stall(whole)),
            contract("sent", Play::Bytes(answer("200 OK", "", &large))),
            contract("endless", Play::Endless),
        ],
        TIME_LIMIT,
    )
    .await;
}

#[tokio::test]
async fn a_success_that_is_not_the_envelope_cannot_be_understood() {
    let html = format!("<html><body>{SURNAME} {IIN}</body></html>");
    let doctype = format!("<!DOCTYPE a [<!ENTITY e 'x'>]>{}", sample::envelope("<a>&e;</a>"));
    let truncated = sample::envelope("<a/>").replace("</S:Envelope>", "");
    let windows = sample::envelope("<a/>").replace("utf-8", "windows-1251");
    let deep = sample::envelope(&format!("{}{}", "<a>".repeat(100), "</a>".repeat(100)));
    check(
        vec![
            unreadable("empty", b""),
            unreadable("html", html.as_bytes()),
            unreadable("html with doctype", format!("<!DOCTYPE html>{html}").as_bytes()),
            unreadable("garbage", b"\x00\xff\xfe garbage"),
            unreadable("doctype", doctype.as_bytes()),
            unreadable("truncated", truncated.as_bytes()),
            unreadable("another encoding", windows.as_bytes()),
            unreadable("too deep", deep.as_bytes()),
            unreadable("another operation", sample::envelope("<a/>").as_bytes()),
            unreadable("an empty body", sample::envelope("").as_bytes()),
        ],
        TIME_LIMIT,
    )
    .await;
}

#[tokio::test]
async fn a_fault_counts_whatever_the_status() {
    let mut cases = Vec::new();
    for status in ["200 OK", "500 Internal Server Error", "503 Service Unavailable"] {
        for (code, query, command) in [
            ("SIM-UNAVAILABLE", Class::Unreachable, Class::Unreachable),
            ("SCE004", Class::NotNow, Class::NotNow),
            ("SCE006", Class::Denied, Class::Denied),
            ("SCE001", Class::Defect, Class::Defect),
            ("SCE999", Class::Contract, Class::Indeterminate),
            (IIN, Class::Contract, Class::Indeterminate),
        ] {
            cases.push(case(
                "fault",
                Play::Bytes(soap(status, &sample::fault(code))),
                query,
                command,
            ));
        }
    }
    check_of(&shep_operations(), cases, TIME_LIMIT).await;
}

#[tokio::test]
async fn without_a_fault_the_status_decides() {
    let plain = |status: &str, headers: &str| Play::Bytes(answer(status, headers, b"<html/>"));
    let later = "Retry-After: 60\r\n";
    check(
        vec![
            lost("500", plain("500 Internal Server Error", "")),
            lost("502, empty", Play::Bytes(answer("502 Bad Gateway", "", b""))),
            lost("503", plain("503 Service Unavailable", "")),
            case("503", plain("503 Wait", later), Class::NotNow, Class::Indeterminate),
            case("429", plain("429 Too Many Requests", later), Class::NotNow, Class::NotNow),
            case("401", plain("401 Unauthorized", ""), Class::Denied, Class::Denied),
            case("403", plain("403 Forbidden", ""), Class::Denied, Class::Denied),
            case("204", plain("204 No Content", ""), Class::Contract, Class::Indeterminate),
        ],
        TIME_LIMIT,
    )
    .await;
    let missing = case("404", plain("404 Not Found", ""), Class::Contract, Class::Indeterminate);
    check_of(&shep_operations(), vec![missing], TIME_LIMIT).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(Play::Bytes(soap("200 OK", &sample::envelope("<a/>")))).await;
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("Location: {}\r\n", other.url);
        let play = Play::Bytes(answer(status, &location, b""));
        check(vec![case("redirect", play, Class::Contract, Class::Indeterminate)], TIME_LIMIT)
            .await;
    }
    assert_eq!(other.requests(), 0);
}

#[tokio::test]
async fn a_good_answer_is_taken_in_every_form_and_under_any_content_type() {
    for operation in operations() {
        for (name, body) in sample_of(operation).good {
            for kind in ["text/xml; charset=UTF-8", "application/xml", "text/html", "a/b; ="] {
                let headers = format!("Content-Type: {kind}\r\n");
                let whole = answer("200 OK", &headers, body.as_bytes());
                let server = Server::start(Play::Bytes(whole)).await;
                let attempt = attempt(operation, &server.url, TIME_LIMIT).await;
                let name = format!("{}: {name}: {:?}", operation.name, attempt.outcome);
                match (operation.effect, &attempt.outcome) {
                    (_, Outcome::Failed(_)) => unreachable!("{name}"),
                    (
                        _,
                        Outcome::Answered(_)
                        | Outcome::Acknowledged(_)
                        | Outcome::Interim(_)
                        | Outcome::NotDone,
                    ) => {}
                }
                assert_eq!(attempt.exchange.response, body.as_bytes(), "{name}");
                assert_eq!(attempt.exchange.status, Some(200), "{name}");
                assert_eq!(server.requests(), 1, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_not_about_us_is_not_taken() {
    for operation in operations() {
        for (name, body) in sample_of(operation).wrong {
            let server = Server::start(Play::Bytes(soap("200 OK", &body))).await;
            let attempt = attempt(operation, &server.url, TIME_LIMIT).await;
            let expected = match operation.effect {
                Effect::Query => Class::Contract,
                Effect::Command => Class::Indeterminate,
            };
            assert_eq!(class(&attempt), Some(expected), "{}: {name}", operation.name);
        }
    }
}

#[tokio::test]
async fn a_request_is_a_soap_post_that_names_the_job_and_is_kept_without_password_and_code() {
    for operation in shep_operations() {
        let server = Server::start(Play::Bytes(Vec::new())).await;
        let attempt = attempt(operation, &server.url, TIME_LIMIT).await;
        let sent = server.last_request();
        let (head, body) = sent.split_once("\r\n\r\n").expect("a head");
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("post /bip http/1.1"), "{head}");
        assert!(head.contains("content-type: text/xml; charset=utf-8"), "{head}");
        assert!(head.contains("soapaction: \"\""), "{head}");
        assert!(head.contains("user-agent: aleumet-hub/"), "{head}");
        assert!(body.contains(&job_id().to_string()), "{}", operation.name);
        let kept = String::from_utf8_lossy(&attempt.exchange.request).into_owned();
        let masked = body.replace(PASSWORD, "***").replace(DIGITS, "***");
        assert_eq!(kept, masked, "{}", operation.name);
    }
}
