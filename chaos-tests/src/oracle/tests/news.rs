//! Messages and parcels of the good round, each with one thing wrong.

use super::*;

#[test]
fn messages_that_were_lost_doubled_or_never_told_of_are_found() {
    expect(&[
        ("the message M2 is lost: the portal has no row of it", |r| {
            r.e.message_rows.remove("M2");
        }),
        ("the message M2 has 2 rows", |r| {
            r.e.message_rows.insert("M2".to_owned(), 2);
        }),
        ("the message M1 came, and no event told of it", |r| {
            r.e.received.remove("M1");
        }),
    ]);
    let mut lost = good();
    lost.e.begun.push("M3".to_owned());
    assert_eq!(lost.judged().len(), 2, "neither a row nor an event: {:?}", lost.judged());
    let mut later = good();
    later.e.received.insert("M1".to_owned(), 3);
    later.e.message_rows.insert("of an earlier round".to_owned(), 1);
    assert_eq!(later.judged(), Vec::<String>::new(), "a reviewer's decisions are told as well");
}

#[test]
fn news_of_a_parcel_that_the_portal_lacks_has_twice_or_was_never_told_are_found() {
    let kept = |r: &mut Round| r.e.parcels.remove("AP000000001KZ").unwrap();
    let keep = |r: &mut Round, codes: Vec<String>| {
        r.e.parcels.insert("AP000000001KZ".to_owned(), codes);
    };
    for doctor in [
        |codes: &mut Vec<String>| codes.truncate(2),
        |codes: &mut Vec<String>| codes.push("SND".to_owned()),
        |codes: &mut Vec<String>| codes[0] = "DLV".to_owned(),
        |codes: &mut Vec<String>| codes.clear(),
    ] {
        let mut round = good();
        let mut codes = kept(&mut round);
        doctor(&mut codes);
        keep(&mut round, codes);
        let findings = round.judged();
        assert!(findings.len() == 1 && findings[0].contains("3 events were told"), "{findings:?}");
    }
    // Somebody looked again, hours after the end.
    let mut after = good();
    let look = after.entry("AP000000001KZ", "kazpost.track", "query", "given_back");
    (look["executed"], look["given"]) = (json!(false), json!("RCPOPS SND ISSPAY RET"));
    assert_eq!(after.judged(), Vec::<String>::new());
    // A parcel that is given up after 90 days was not followed to its end.
    let mut given_up = good();
    given_up.ends(TRACK, State::Expired, "no_answer");
    kept(&mut given_up);
    assert_eq!(given_up.judged(), Vec::<String>::new());
}
