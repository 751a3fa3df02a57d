//! GBD UL: what each behaviour does on the wire, and what the real adapter makes of it.

use std::{sync::Arc, time::Duration};

use adapters::{
    attempt::{Attempt, Call, Outcome},
    settings::Settings,
    simulation::xml,
    system::{Adapter, System},
    systems::gbdul::{Gbdul, ORGANIZATION},
};
use axum::{Json, Router, routing::post};
use contracts::{class::Class, number::check_digit};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::world::World;

const COMPANY: &str = "100540000008";
const LIMIT: Duration = Duration::from_secs(20);

fn adapter(world: &World, options: &[(&str, &str)]) -> Arc<dyn Adapter> {
    let options = options.iter();
    let options = options.map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)));
    let settings =
        Settings { options: options.collect(), ..Settings::for_url(&world.url("/gbdul/")) };
    Gbdul.connect(&settings).unwrap()
}

async fn ask_as(adapter: &Arc<dyn Adapter>, number: u128, bin: &str, limit: Duration) -> Attempt {
    let now = "2026-03-02T05:00:00Z".parse().unwrap();
    let id = Uuid::from_u128(number);
    adapter.attempt(&Call::first(&ORGANIZATION, id, json!({ "bin": bin }), now, limit)).await
}

async fn ask(world: &World, number: u128, bin: &str) -> Attempt {
    ask_as(&adapter(world, &[]), number, bin, LIMIT).await
}

/// The summary, or the class, code and their code of the failure.
fn outcome(attempt: &Attempt) -> Result<Value, (Class, &'static str, Option<String>)> {
    match &attempt.outcome {
        Outcome::Answered(answer) => Ok(Value::Object(answer.summary.clone())),
        Outcome::Failed(failure) => {
            let remote = failure.remote_code.as_ref().map(|code| code.as_str().to_owned());
            Err((failure.class, failure.code.name(), remote))
        }
        other @ (Outcome::Acknowledged(_) | Outcome::Interim(_) | Outcome::NotDone) => {
            panic!("{other:?}")
        }
    }
}

fn row(attempt: &Attempt) -> Value {
    match &attempt.outcome {
        Outcome::Answered(answer) => Value::Object(answer.portal.expose().clone()),
        Outcome::Acknowledged(_) | Outcome::Interim(_) | Outcome::NotDone | Outcome::Failed(_) => {
            panic!("{:?}", attempt.outcome)
        }
    }
}

fn found(kind: &str, flags: &[&str]) -> Value {
    json!({ "found": true, "kind": kind, "flags": flags })
}

/// A request as the adapter writes it: what it keeps of one that was answered.
async fn written(world: &World) -> String {
    let attempt = ask(world, 1, COMPANY).await;
    String::from_utf8(attempt.exchange.request.to_vec()).unwrap()
}

#[tokio::test]
async fn d12_the_listed_organisations_are_found_as_what_they_are() {
    let world = World::start(vec![]).await;
    for (bin, expected, name, head) in [
        (
            COMPANY,
            found("organization", &[]),
            "Товарищество с ограниченной ответственностью \"ТЕСТ\"",
            None,
        ),
        (
            "150641000006",
            found("organization", &["liquidated", "inactive", "branch"]),
            "Филиал ТОО \"ТЕСТ\"",
            Some(COMPANY),
        ),
        (
            "180842000004",
            found("organization", &["representative_office"]),
            "Представительство ТОО \"ТЕСТ\"",
            Some(COMPANY),
        ),
        ("200350000006", found("non_resident", &["non_resident"]), "TEST FOREIGN \"ТЕСТ\"", None),
    ] {
        let attempt = ask(&world, 1, bin).await;
        assert_eq!(outcome(&attempt), Ok(expected), "{bin}");
        let row = row(&attempt);
        assert_eq!((&row["bin"], &row["full_name_ru"]), (&json!(bin), &json!(name)));
        assert_eq!(row["head"]["bin"].as_str(), head);
    }
}

#[tokio::test]
async fn every_form_of_a_good_answer_is_taken() {
    let world = World::start(vec![]).await;
    for behaviour in ["company", "qualified", "other_root", "unsigned", "cdata", "elements"] {
        for number in 0..12 {
            world.order("gbdul", behaviour).await;
            let attempt = ask(&world, number, COMPANY).await;
            assert_eq!(outcome(&attempt), Ok(found("organization", &[])), "{behaviour}");
            let row = row(&attempt);
            assert_eq!(row["activity"]["oked"], "80100", "{behaviour}");
            assert_eq!(row["registration_date"], "2010-05-14", "{behaviour}");
        }
    }
}

#[tokio::test]
async fn good_answers_are_signed_and_travel_as_text() {
    let world = World::start(vec![]).await;
    let (mut texts, mut cdata, mut declared) = (0, 0, 0);
    for number in 0..40 {
        let attempt = ask(&world, number, COMPANY).await;
        let answer = String::from_utf8(attempt.exchange.response.to_vec()).unwrap();
        let root = xml::parse(answer.as_bytes()).unwrap();
        let path = ["Body", "SendMessageResponse", "response", "responseData", "data"];
        let data = root.at(&path).unwrap();
        assert!(data.children.is_empty());
        let document = xml::parse_text(data.text.trim()).unwrap();
        assert_eq!(document.children.last().unwrap().name, "Signature");
        assert!(!document.text_at(&["Signature", "SignatureValue"]).is_empty());
        texts += u32::from(answer.contains("xsi:type=\"xs:string\">&lt;"));
        cdata += u32::from(answer.contains("<![CDATA["));
        declared += u32::from(data.text.contains("<?xml"));
    }
    assert!(texts > 0 && cdata > 0 && declared > 0, "{texts} {cdata} {declared}");
}

#[tokio::test]
async fn each_behaviour_means_what_the_contract_says() {
    let world = World::start(vec![]).await;
    let absent = |status: &str| Ok(json!({ "found": false, "status": status }));
    let contract = |code| Err((Class::Contract, code, None));
    let coded = |class, code, remote: &str| Err((class, code, Some(remote.to_owned())));
    for (behaviour, expected) in [
        ("not_found", absent("031")),
        ("not_found_034", absent("034")),
        ("not_found_035", absent("035")),
        ("untidy", Ok(found("organization", &[]))),
        ("leader_removed", Ok(found("organization", &["leader_removed"]))),
        ("no_leader", Ok(found("organization", &["in_liquidation"]))),
        ("truncated", contract("payload_unreadable")),
        ("double_escaped", contract("payload_unreadable")),
        ("doctype", contract("payload_unreadable")),
        ("no_data", contract("payload_unreadable")),
        ("other_bin", contract("other_organization")),
        ("no_bin", contract("organization_without_bin")),
        ("nobody", contract("no_organization")),
        ("both_kinds", contract("both_kinds")),
        ("not_found_with_data", contract("not_found_with_data")),
        ("two_statuses", contract("element_repeated")),
        ("broken_date", contract("date_unreadable")),
        ("unknown_status", coded(Class::Contract, "unknown_status", "SIM-777")),
        ("no_status", coded(Class::Contract, "unknown_status", "none")),
        ("unknown_response_status", coded(Class::Contract, "unknown_response_status", "404")),
        ("certificate_refused", coded(Class::Denied, "fault", "SCE015")),
        ("unavailable", coded(Class::Unreachable, "fault", "SIM-UNAVAILABLE")),
        ("unknown_fault", coded(Class::Contract, "fault", "SIM-9999")),
        ("server_error", Err((Class::Unreachable, "server_error", None))),
        ("html_bad_gateway", Err((Class::Unreachable, "server_error", None))),
        ("html_ok", contract("answer_unreadable")),
        ("garbage", contract("answer_unreadable")),
        ("oversize", contract("answer_too_large")),
        ("oversize_announced", contract("answer_too_large")),
        ("reset", Err((Class::Unreachable, "connection_cut", None))),
        ("cut", Err((Class::Unreachable, "connection_cut", None))),
        ("cut_by_reset", Err((Class::Unreachable, "connection_cut", None))),
    ] {
        world.order("gbdul", behaviour).await;
        let attempt = ask(&world, 1, COMPANY).await;
        assert_eq!(outcome(&attempt), expected, "{behaviour}");
        assert_eq!(world.journal("gbdul").await.last().unwrap()["outcome"], behaviour);
    }
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_deadline() {
    let world = World::start(vec![]).await;
    world.order("gbdul", "slow").await;
    let attempt = ask_as(&adapter(&world, &[]), 1, COMPANY, Duration::from_millis(300)).await;
    assert_eq!(outcome(&attempt), Err((Class::Unreachable, "timed_out", None)));
}

/// The adapter as in production: NCANode signs.
fn with_ncanode(world: &World, listener: &TcpListener) -> Arc<dyn Adapter> {
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options = [
        ("signer", "ncanode"),
        ("ncanode_url", url.as_str()),
        ("ncanode_key", "cGtjczEy"),
        ("ncanode_key_password", "p"),
    ];
    adapter(world, &options)
}

/// A signature of the shape that NCANode makes with a GOST key.
const GOST_SIGNATURE: &str = concat!(
    r#"<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>"#,
    r#"<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>"#,
    r#"<ds:SignatureMethod Algorithm="urn:ietf:params:xml:ns:pkigovkz:xmlsec:algorithms:"#,
    r#"gostr34102015-gostr34112015-512"/><ds:Reference URI=""><ds:Transforms>"#,
    r#"<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>"#,
    r#"<ds:Transform Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"/>"#,
    r#"</ds:Transforms><ds:DigestMethod Algorithm="urn:ietf:params:xml:ns:pkigovkz:xmlsec:"#,
    r#"algorithms:gostr34112015-512"/><ds:DigestValue>QUJD</ds:DigestValue></ds:Reference>"#,
    "</ds:SignedInfo><ds:SignatureValue>&#13;\nQUJD&#13;\nREVG&#13;\n</ds:SignatureValue>",
    "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>QUJD</ds:X509Certificate></ds:X509Data>",
    "</ds:KeyInfo></ds:Signature>",
);

#[tokio::test]
async fn a_request_that_ncanode_signed_reaches_gbd_ul() {
    let world = World::start(vec![]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let adapter = with_ncanode(&world, &listener);
    let sign = |Json(request): Json<Value>| async move {
        let document = request["xml"].as_str().unwrap();
        let (before, end) = document.split_at(document.rfind("</").unwrap());
        let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>";
        let xml = format!("{declaration}{before}{GOST_SIGNATURE}{end}");
        Json(json!({ "status": 200, "message": "OK", "xml": xml }))
    };
    let app = Router::new().route("/xml/sign", post(sign));
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let attempt = ask_as(&adapter, 1, COMPANY, LIMIT).await;
    serving.abort();
    assert_eq!(outcome(&attempt), Ok(found("organization", &[])));
    let kept = String::from_utf8_lossy(&attempt.exchange.request).into_owned();
    assert!(kept.contains("gostr34102015") && !kept.contains("&lt;?xml"), "{kept}");
    assert!(!kept.contains("cGtjczEy"), "the key is kept");
}

#[tokio::test]
async fn nothing_leaves_for_gbd_ul_without_a_signature() {
    let world = World::start(vec![]).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let adapter = with_ncanode(&world, &nobody);
    let unreachable = Err((Class::Unreachable, "signer_unreachable", None));
    // It is silent, within the one deadline of the attempt; then it is gone.
    let attempt = ask_as(&adapter, 1, COMPANY, Duration::from_millis(300)).await;
    assert_eq!(outcome(&attempt), unreachable);
    assert!(attempt.exchange.request.is_empty() && attempt.exchange.response.is_empty());
    drop(nobody);
    let attempt = ask_as(&adapter, 1, COMPANY, LIMIT).await;
    assert_eq!(outcome(&attempt), unreachable);
    assert_eq!(world.get("/control/state").await["requests"], 0);
}

#[tokio::test]
async fn requests_that_break_the_contract_get_a_fault_that_says_why() {
    let world = World::start(vec![]).await;
    let good = written(&world).await;
    let requests = world.get("/control/state").await["requests"].clone();
    let (head, rest) = good.split_once("<data ").unwrap();
    let (tag, rest) = rest.split_once('>').unwrap();
    let (text, tail) = rest.split_once("</data>").unwrap();
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let (unsigned, _) = text.split_once("&lt;ds:Signature ").unwrap();
    let unsigned = format!("{unsigned}&lt;/ns3:Request&gt;");
    let with = |text: &str| format!("{head}<data {tag}>{text}</data>{tail}");
    for (what, request, code) in [
        ("elements", with(&plain), "SCE001"),
        ("cdata", with(&format!("<![CDATA[{plain}]]>")), "SCE001"),
        ("untyped", format!("{head}<data>{text}</data>{tail}"), "SCE001"),
        ("no document", with("BIN"), "SCE001"),
        ("escaped twice", with(&text.replace('&', "&amp;")), "SCE001"),
        ("unsigned", with(&unsigned), "SCE017"),
        ("another BIN", good.replace(COMPANY, "180842000004"), "SCE016"),
        ("another namespace", good.replace("xmlns:ns3", "xmlns:ns4=\"urn:x\" xmlns:ns3"), "SCE016"),
        ("a digest changed", changed(&good, "ds:DigestValue&gt;"), "SCE016"),
        ("a signature changed", changed(&good, "ds:SignatureValue&gt;"), "SCE016"),
        ("a blank more", good.replace("&lt;BIN&gt;", " &lt;BIN&gt;"), "SCE016"),
        ("another algorithm", good.replace("#enveloped-signature", "#other"), "SCE016"),
        ("another channel", good.replace("SyncChannel/v10", "SyncChannel/v11"), "SCE001"),
        ("another service", good.replace("GbdulInfoByBin_v2", "GbdulInfo"), "SCE004"),
        ("no sender", good.replace("<senderId>hub</senderId>", ""), "SCE001"),
        ("doctype", good.replace("<soapenv:Envelope", "<!DOCTYPE a><soapenv:Envelope"), "SCE001"),
    ] {
        assert_ne!(request, good, "{what}");
        let (status, bytes) = world.send("/gbdul/", request).await;
        let answer = String::from_utf8(bytes).unwrap();
        assert_eq!(status, 500, "{what}: {answer}");
        assert!(answer.contains(&format!("<errorCode>{code}</errorCode>")), "{what}: {answer}");
    }
    assert_eq!(world.get("/control/state").await["requests"], requests);
}

/// Another digit of base64 after a tag.
fn changed(request: &str, tag: &str) -> String {
    let at = request.find(tag).unwrap() + tag.len();
    let other = if &request[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &request[..at], &request[at + 1..])
}

/// Signed by a key that is not in the simulator's reach: GOST cannot be checked, only seen.
#[tokio::test]
async fn a_signature_by_an_algorithm_that_is_not_known_here_only_has_to_be_there() {
    let world = World::start(vec![]).await;
    let gost = "urn:ietf:params:xml:ns:pkigovkz:xmlsec:algorithms:gostr3411";
    let good = written(&world).await;
    let signed = good
        .replace("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", gost)
        .replace("http://www.w3.org/2001/04/xmlenc#sha256", gost);
    let (status, _) = world.send("/gbdul/", signed).await;
    assert_eq!(status, 200);
}

/// An organisation that no list names.
fn unlisted(serial: u8) -> String {
    for month in 1..=12 {
        let digits = [1, 0, month / 10, month % 10, 4, 0, 0, 0, 0, serial / 10, serial % 10];
        if let Some(last) = check_digit(&digits) {
            return digits.iter().chain([&last]).map(u8::to_string).collect();
        }
    }
    unreachable!("one month in eleven at most has no check digit")
}

#[tokio::test]
async fn the_same_seed_gives_the_same_answers() {
    let mut runs = Vec::new();
    for seed in [11, 11, 12] {
        let world = World::with(vec![], seed, 0).await;
        let mut answers = Vec::new();
        for serial in 1..20 {
            let attempt = ask(&world, serial.into(), &unlisted(serial)).await;
            assert!(outcome(&attempt).is_ok(), "{serial}: {attempt:?}");
            answers.push(attempt.exchange.response);
        }
        runs.push(answers);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn random_faults_hit_one_number_at_most_twice() {
    let world = World::with(vec![], 3, 1_000).await;
    for number in 1..4 {
        for _ in 0..2 {
            let failed = outcome(&ask(&world, number, COMPANY).await).unwrap_err();
            assert_eq!(failed.0, Class::Unreachable);
        }
        assert!(outcome(&ask(&world, number, COMPANY).await).is_ok());
    }
}
