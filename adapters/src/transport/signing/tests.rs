use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{
    Signer, SigningError,
    canonical::{self, NotCanonical},
    known_key::KnownKey,
    of,
};
use crate::{settings::Settings, system::ConnectError};

const DOCUMENT: &str = "<n:a xmlns:b=\"urn:b\" xmlns:n=\"urn:n\"><b>1 &amp; 2</b><b:c></b:c></n:a>";
const LIMIT: Duration = Duration::from_secs(20);

async fn signed(document: &str) -> Result<String, SigningError> {
    KnownKey::new().sign(document, LIMIT).await
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).expect(start).0
}

/// What a tool answers to this input; `None` where it is not installed.
fn tool(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("SKIPPED: {program} is not installed");
        return None;
    };
    child.stdin.take().expect("piped").write_all(input).expect("written");
    let output = child.wait_with_output().expect("ran");
    assert!(output.status.success(), "{program} {arguments:?}");
    Some(output.stdout)
}

#[tokio::test]
async fn the_signature_is_the_last_child_and_the_rest_is_untouched() {
    let signed = signed(DOCUMENT).await.expect("signed");
    let signature = between(&signed, "<b:c></b:c>", "</n:a>");
    assert!(signature.starts_with("<ds:Signature ") && signature.ends_with("</ds:Signature>"));
    assert_eq!(signed.replace(signature, ""), DOCUMENT);
}

#[tokio::test]
async fn the_same_document_always_gets_the_same_signature() {
    let signed = signed(DOCUMENT).await.expect("signed");
    assert_eq!(
        between(&signed, "<ds:DigestValue>", "</ds:DigestValue>"),
        "zc4bIGQwQZnkhhsqeuvrPT2P/kiHAOzqNHkQV5s5Kcg="
    );
    assert_eq!(
        between(&signed, "<ds:SignatureValue>", "</ds:SignatureValue>"),
        "HLuSD9uK4VCzUNJZHc+LzhsVga7BTBLRuZVhTBKqUwJi3x6Mttyso+QhUKrCAafe\
         U+JtRrlTSoWjMfa1eBA9ZA=="
    );
}

/// Canonical XML by libxml2, digest and signature by OpenSSL: nothing of ours takes part.
#[tokio::test]
async fn tools_of_others_find_the_signature_good() {
    let signed = signed(DOCUMENT).await.expect("signed");
    let signature = between(&signed, "<b:c></b:c>", "</n:a>");
    let Some(whole) = tool("xmllint", &["--c14n", "-"], signed.replace(signature, "").as_bytes())
    else {
        return;
    };
    let Some(digest) = tool("openssl", &["dgst", "-sha256", "-binary"], &whole) else { return };
    let ours = between(&signed, "<ds:DigestValue>", "</ds:DigestValue>");
    assert_eq!(BASE64_STANDARD.encode(digest), ours);

    // As it stands in the document, the signed part sees the namespaces of its ancestors.
    let part = between(&signed, "<ds:SignedInfo>", "</ds:SignedInfo>");
    let part = format!(
        "<ds:SignedInfo xmlns:n='urn:n' xmlns:ds='http://www.w3.org/2000/09/xmldsig#' \
         xmlns:b='urn:b'>{part}</ds:SignedInfo>"
    );
    let part = tool("xmllint", &["--c14n", "-"], part.as_bytes()).expect("installed");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let certificate = between(&signed, "<ds:X509Certificate>", "</ds:X509Certificate>");
    let certificate = BASE64_STANDARD.decode(certificate).expect("base64");
    let key = ["x509", "-inform", "DER", "-pubkey", "-noout"];
    let key = tool("openssl", &key, &certificate).expect("installed");
    std::fs::write(path("key.pem"), key).expect("written");
    let value = between(&signed, "<ds:SignatureValue>", "</ds:SignatureValue>");
    let value = BASE64_STANDARD.decode(value).expect("base64");
    let value = p256::ecdsa::Signature::from_slice(&value).expect("two numbers").to_der();
    std::fs::write(path("signature.der"), value.as_bytes()).expect("written");
    let (key, signature) = (path("key.pem"), path("signature.der"));
    let verify = ["dgst", "-sha256", "-verify", &key, "-signature", &signature];
    assert_eq!(tool("openssl", &verify, &part).expect("installed"), b"Verified OK\n");
}

#[tokio::test]
async fn what_is_not_canonical_is_not_signed() {
    for document in [
        "",
        "text",
        "<a>",
        "<a></a> ",
        " <a></a>",
        "<a></b>",
        "<a></a><b></b>",
        "<a/>",
        "<a><b/></a>",
        "<a ></a>",
        "<a></a >",
        "<a b=\"1\"></a>",
        "<a xmlns='urn:a'></a>",
        "<a xmlns=\"\"></a>",
        "<a xmlns:b=\"urn:b\" xmlns=\"urn:a\"></a>",
        "<a xmlns:c=\"urn:c\" xmlns:b=\"urn:b\"></a>",
        "<a xmlns:b=\"urn:b\" xmlns:b=\"urn:c\"></a>",
        "<a xmlns:b=\"urn:b\"  xmlns:c=\"urn:c\"></a>",
        "<a xmlns:b=\"urn:&amp;\"></a>",
        "<a xmlns:xml=\"urn:b\"></a>",
        "<a><b xmlns=\"urn:b\"></b></a>",
        "<a><b:c></b:c></a>",
        "<?xml version=\"1.0\"?><a></a>",
        "<!DOCTYPE a><a></a>",
        "<a><!-- b --></a>",
        "<a><![CDATA[b]]></a>",
        "<a><?b c?></a>",
        "<a>></a>",
        "<a>&quot;</a>",
        "<a>&#13;</a>",
        "<a>&</a>",
        "<a>\r</a>",
        "<a>\u{1}</a>",
        "<é></é>",
    ] {
        assert_eq!(canonical::read(document), Err(NotCanonical), "{document}");
        assert_eq!(signed(document).await, Err(SigningError::Unsignable), "{document}");
    }
    let ours = "<a xmlns:ds=\"urn:ds\"></a>";
    assert_eq!(signed(ours).await, Err(SigningError::Unsignable));
}

#[test]
fn what_passes_as_canonical_is_what_libxml2_makes_of_it() {
    for document in [
        "<a></a>",
        DOCUMENT,
        "<a xmlns=\"urn:a\" xmlns:b=\"urn:b\">\n\t<b:c>&lt;ТЕСТ \"&gt; '</b:c>\u{1F600}</a>",
        "<b:a xmlns:b=\"urn:b\" xmlns:unused=\"urn:c\"><c></c></b:a>",
    ] {
        assert!(canonical::read(document).is_ok(), "{document}");
        let Some(theirs) = tool("xmllint", &["--c14n", "-"], document.as_bytes()) else { return };
        assert_eq!(String::from_utf8_lossy(&theirs), document);
    }
}

fn settings(url: &str, options: &[(&str, &str)]) -> Settings {
    let options = options.iter();
    let options = options.map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)));
    Settings { options: options.collect(), ..Settings::for_url(url) }
}

#[test]
fn the_known_key_signs_for_this_machine_only_unless_it_is_asked_for() {
    for url in ["http://127.0.0.1:1/", "http://localhost/", "http://[::1]:1/"] {
        assert!(of("gbdul", &settings(url, &[])).is_ok(), "{url}");
    }
    for url in ["http://gateway/", "http://127.0.0.1.example/", "http://10.0.0.1/", "x"] {
        let error = of("gbdul", &settings(url, &[])).err().map(|error| error.to_string());
        let said =
            "systems.gbdul.signer: is needed: \"ncanode\", or \"test\" where a known key will do";
        assert_eq!(error.as_deref(), Some(said), "{url}");
    }
    assert!(of("gbdul", &settings("http://gateway/", &[("signer", "test")])).is_ok());
    assert!(of("gbdul", &settings("http://127.0.0.1/", &[("signer", "other")])).is_err());
}

const KEY: &str = "cGtjczEy";
const KEY_PASSWORD: &str = "s3cret-of-the-key";

fn ncanode(url: &str) -> Settings {
    let options = [
        ("signer", "ncanode"),
        ("ncanode_url", url),
        ("ncanode_key", KEY),
        ("ncanode_key_password", KEY_PASSWORD),
    ];
    settings("http://gateway/", &options)
}

#[test]
fn ncanode_needs_its_address_and_a_key() {
    assert!(of("gbdul", &ncanode("http://127.0.0.1:14579")).is_ok());
    for missing in ["ncanode_url", "ncanode_key", "ncanode_key_password"] {
        let mut settings = ncanode("http://127.0.0.1:14579");
        settings.options.remove(missing);
        let error = of("gbdul", &settings).expect_err("incomplete");
        assert!(matches!(error, ConnectError::Option { option, .. } if option == missing));
    }
    let error = of("gbdul", &ncanode("ftp://x")).expect_err("no address");
    assert!(matches!(error, ConnectError::Option { option: "ncanode_url", .. }));
}

/// A pretended NCANode that gives one answer. Returns the request that it got and what it led to.
async fn asked(status: &str, body: &str) -> (String, Result<String, SigningError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
    let serving = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = String::new();
        while !is_whole(&request) {
            let mut some = [0; 4096];
            let count = stream.read(&mut some).await.expect("readable");
            request.push_str(std::str::from_utf8(&some[..count]).expect("ASCII"));
        }
        stream.write_all(answer.as_bytes()).await.expect("written");
        request
    };
    let signer = of("gbdul", &ncanode(&url)).expect("settings are right");
    assert_eq!(format!("{signer:?}"), "Ncanode { .. }");
    tokio::join!(serving, signer.sign(DOCUMENT, LIMIT))
}

/// Whether a request has come to the end of its JSON.
fn is_whole(request: &str) -> bool {
    let body = request.split_once("\r\n\r\n").map(|(_, body)| body);
    body.is_some_and(|body| serde_json::from_str::<serde_json::Value>(body).is_ok())
}

fn good(document: &str) -> String {
    let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>{document}");
    serde_json::json!({ "status": 200, "message": "OK", "xml": xml }).to_string()
}

/// As NCANode writes it: base64 broken by a reference and a line feed.
const SIGNATURE: &str = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
    <ds:SignatureValue>QUJD&#13;\nREVG</ds:SignatureValue></ds:Signature></n:a>";

#[tokio::test]
async fn ncanode_is_asked_once_and_its_declaration_is_taken_off() {
    let whole = DOCUMENT.replace("</n:a>", SIGNATURE);
    let (request, signed) = asked("200 OK", &good(&whole)).await;
    assert_eq!(signed, Ok(whole));
    assert!(request.starts_with("POST /xml/sign HTTP/1.1\r\n"), "{request}");
    assert!(request.to_ascii_lowercase().contains("content-type: application/json\r\n"));
    let (_, body) = request.split_once("\r\n\r\n").expect("a head");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let signers = serde_json::json!([{ "key": KEY, "password": KEY_PASSWORD }]);
    assert_eq!((&body["xml"], &body["signers"]), (&DOCUMENT.into(), &signers));
}

#[tokio::test]
async fn only_our_own_document_with_a_signature_is_taken_from_ncanode() {
    let whole = DOCUMENT.replace("</n:a>", SIGNATURE);
    for answer in [
        DOCUMENT.to_owned(),
        whole.replace("1 &amp; 2", "1 &amp; 3"),
        whole.replace("<b>", "<b x=\"1\">"),
        whole.replace("<b:c></b:c>", ""),
        whole.replace("urn:n", "urn:m"),
        whole.replace("<b:c></b:c>", "<b:c><d></d></b:c>"),
        whole.replace("xmldsig#", "other#"),
        whole.replace("QUJD&#13;\nREVG", ""),
        whole.replace("</n:a>", "<e></e></n:a>"),
        String::new(),
    ] {
        let (_, signed) = asked("200 OK", &good(&answer)).await;
        assert_eq!(signed, Err(SigningError::Unreadable), "{answer}");
    }
}

#[tokio::test]
async fn a_refusal_of_ncanode_is_told_from_its_absence() {
    let said = r#"{"status":500,"message":"Cannot load the key"}"#;
    for (status, body, expected) in [
        ("400 Bad Request", r#"{"status":400,"message":"wrong password"}"#, SigningError::Refused),
        ("500 Internal Server Error", said, SigningError::Refused),
        ("401 Unauthorized", "", SigningError::Refused),
        ("404 Not Found", "<html/>", SigningError::Refused),
        ("500 Internal Server Error", "<html/>", SigningError::Unreachable),
        ("502 Bad Gateway", "", SigningError::Unreachable),
        ("503 Service Unavailable", said, SigningError::Unreachable),
        ("429 Too Many Requests", "", SigningError::Unreachable),
        ("200 OK", said, SigningError::Unreadable),
        ("200 OK", "<html/>", SigningError::Unreadable),
        ("302 Found", "", SigningError::Unreadable),
    ] {
        let (_, signed) = asked(status, body).await;
        assert_eq!(signed, Err(expected), "{status} {body}");
    }
}

#[tokio::test]
async fn a_signer_that_is_down_or_silent_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let signer = of("gbdul", &ncanode(&url)).expect("settings are right");
    let silent = signer.sign(DOCUMENT, Duration::from_millis(100)).await;
    assert_eq!(silent, Err(SigningError::Unreachable));
    drop(listener);
    assert_eq!(signer.sign(DOCUMENT, LIMIT).await, Err(SigningError::Unreachable));
}
