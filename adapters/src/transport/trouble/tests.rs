use bytes::Bytes;

use super::*;

fn trouble(status: u16, has_retry_after: bool, body: &'static str) -> Option<Trouble> {
    let body = Bytes::from_static(body.as_bytes());
    let retry_after = has_retry_after.then_some(std::time::Duration::ZERO);
    read(&HttpAnswer { status, content_type: None, retry_after, body }).err()
}

const ANSWER: &str = "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body><a/>\
    </Body></Envelope>";
const FAULT: &str = "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body><Fault>\
    <faultcode xmlns=''>SCE004</faultcode></Fault></Body></Envelope>";

#[test]
fn a_fault_counts_whatever_the_status() {
    for status in [200, 401, 429, 500, 503] {
        assert_eq!(
            trouble(status, true, FAULT),
            Some(Trouble::Fault(Personal::new("SCE004".into())))
        );
    }
}

#[test]
fn without_a_fault_the_status_decides() {
    for (status, has_retry_after, expected) in [
        (302, false, Trouble::Redirect),
        (400, false, Trouble::ClientError),
        (401, false, Trouble::Unauthorized),
        (403, false, Trouble::Unauthorized),
        (404, false, Trouble::ClientError),
        (429, false, Trouble::Throttled),
        (500, false, Trouble::ServerError),
        (503, false, Trouble::ServerError),
        (503, true, Trouble::ComeLater),
        (999, false, Trouble::ClientError),
    ] {
        for body in ["", "<html/>", ANSWER] {
            assert_eq!(trouble(status, has_retry_after, body), Some(expected.clone()));
        }
    }
}

#[test]
fn a_success_must_be_an_envelope() {
    assert_eq!(trouble(200, false, ANSWER), None);
    for body in ["", "<html></html>", "<!DOCTYPE html><html></html>", "garbage", "<a>"] {
        assert_eq!(trouble(200, false, body), Some(Trouble::Unreadable));
    }
}
