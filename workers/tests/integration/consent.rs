//! Consent and one-time codes (D1-D6): what opens a check, and what does not.

use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    press::{
        Person, about, check_by_code, check_with, introduce, press, verification_of, verify,
        withdraw, wrong,
    },
    servers::run,
    world::{Scene, World, common, id, until},
};

const KPSISU: &str = "kpsisu.check";
const MZRK: &str = "mzrk.check";

/// The check is refused with this code and words for the person; its register never heard of it.
async fn refused(world: &World, check: &str, code: &str) {
    let job = world.ended(id(check)).await;
    assert_eq!((&job["state"], &job["code"]), (&json!("refused"), &json!(code)), "{check}: {job}");
    let event = world.events.wait_for(id(check), "refused").await;
    let reason = &event["data"]["summary"]["reason"];
    assert!(reason["ru"].is_string() && reason["kk"].is_string(), "{check}: {event}");
    assert!(world.journal(id(check)).await.is_empty(), "{check}: something was sent");
}

/// The check went to its register, once.
async fn opened(world: &World, check: &str) {
    let what = format!("{check} was sent");
    let job = until(&what, async || {
        let sent = |job: &Value| {
            ["pending", "succeeded", "refused", "failed"].contains(&job["state"].as_str().unwrap())
        };
        world.job(id(check)).await.filter(sent)
    })
    .await;
    assert!(["pending", "succeeded"].contains(&job["state"].as_str().unwrap()), "{job}");
    assert_eq!(world.journal(id(check)).await.len(), 1, "{check}");
}

/// How often M-Gov was asked about digits by the verification of this check.
async fn asked(world: &World, check: &str) -> usize {
    world.journal(verification_of(id(check))).await.len()
}

#[test]
fn d1_a_withdrawn_consent_stops_a_check_that_was_not_sent_and_no_other() {
    run(async {
        let world = common().await;
        let person = introduce(world, "withdraws").await;
        let (code_ref, code) = world.sent(&person, "withdraws press", KPSISU).await;
        let consent = json!({"verified_by": id("withdraws verify")});
        world.send(&check_with(&person, "withdraws check", KPSISU, consent)).await;
        world.in_state(id("withdraws check"), "waiting").await;
        let cancelled = world
            .ended(world.send(&withdraw(&person, "withdraws cancel", "withdraws check")).await)
            .await;
        assert_eq!(cancelled["state"], "succeeded", "{cancelled}");
        let check = world.ended(id("withdraws check")).await;
        assert_eq!((&check["state"], &check["code"]), (&json!("cancelled"), &json!("withdrawn")));
        // The code may still be verified; the check stays withdrawn.
        let verified = world.send(&verify(&person, "withdraws verify", code_ref, &code)).await;
        assert_eq!(world.ended(verified).await["state"], "succeeded");
        assert!(world.journal(id("withdraws check")).await.is_empty(), "something was sent");
        let sent = check_with(&person, "withdraws too late", KPSISU, json!({"kind": "eds"}));
        world.send(&sent).await;
        opened(world, "withdraws too late").await;
        let late = withdraw(&person, "withdraws late cancel", "withdraws too late");
        let late = world.ended(world.send(&late).await).await;
        assert_eq!((&late["state"], &late["code"]), (&json!("refused"), &json!("too_late")));
        assert_eq!(world.job(id("withdraws check")).await.unwrap(), check);
    });
}

#[test]
fn d1_a_check_says_in_its_row_who_agreed_when_and_to_what_and_never_the_code() {
    run(async {
        let world = common().await;
        let person = introduce(world, "proof").await;
        let (code_ref, code) = world.sent(&person, "proof press", MZRK).await;
        let check = check_by_code(&person, "proof check", MZRK, code_ref, &code);
        world.send(&check).await;
        let job = world.ended(id("proof check")).await;
        let consent = &job["consent"];
        assert_eq!(consent["kind"], "sms_code");
        assert_eq!(consent["code_ref"], code_ref.to_string());
        assert_eq!(consent["text_version"], "2019-10");
        assert!(consent["accepted_at"].is_string());
        assert!(consent.get("code").is_none(), "{consent}");
        until("the digits are forgotten", async || {
            let kept = format!("SELECT 1 FROM hub.sealed_code WHERE code_ref = '{code_ref}'");
            world.rows(&kept).await.is_empty().then_some(())
        })
        .await;
    });
}

#[test]
fn d2_a_specialist_who_signed_in_accepts_without_a_code() {
    run(async {
        let world = common().await;
        let person = introduce(world, "signs").await;
        for (name, operation) in [("signs kpsisu", KPSISU), ("signs mzrk", MZRK)] {
            world.send(&check_with(&person, name, operation, json!({"kind": "eds"}))).await;
            opened(world, name).await;
            assert_eq!(asked(world, name).await, 0, "M-Gov has no part in it");
        }
    });
}

#[test]
fn d2_an_organisation_opens_a_check_with_the_code_of_the_person() {
    run(async {
        let world = common().await;
        let person = introduce(world, "reads").await;
        for (name, operation) in [("reads kpsisu", KPSISU), ("reads mzrk", MZRK)] {
            let (code_ref, code) = world.sent(&person, &format!("{name} press"), operation).await;
            world.send(&check_by_code(&person, name, operation, code_ref, &code)).await;
            opened(world, name).await;
            assert_eq!(asked(world, name).await, 1);
            let used = format!("SELECT * FROM hub.sms_code WHERE code_ref = '{code_ref}'");
            let used = world.row(&used).await;
            assert_eq!(used["used_by"], id(name).to_string());
        }
    });
}

#[test]
fn d3_not_registered_is_a_result_with_the_portals_own_words() {
    run(async {
        let world = common().await;
        let person =
            Person { iin: crate::world::iin("registered"), subject: "specialist:x".into() };
        let input = json!({"iin": person.iin});
        let known = about(&person, "registered", "mgov.lookup", input.clone());
        world.play(&known, &["known"]).await;
        let known = world.ended(id("registered")).await;
        assert_eq!(known["state"], "succeeded");
        assert_eq!(known["summary"]["registered"], true);
        let unknown = about(&person, "not registered", "mgov.lookup", input);
        world.play(&unknown, &["not_registered"]).await;
        let unknown = world.ended(id("not registered")).await;
        assert_eq!(unknown["state"], "succeeded");
        assert_eq!(unknown["summary"]["registered"], false);
        let words = "Вы не можете использовать авторизацию через одноразовый пароль, т.к. Вы не \
                     зарегистрированы в M-Gov. Вам необходимо пройти регистрацию в M-Gov или \
                     использовать другой вид авторизации.";
        assert_eq!(unknown["summary"]["text_ru"], words);
    });
}

#[test]
fn d3_no_code_goes_to_somebody_who_is_not_registered() {
    run(async {
        let world = common().await;
        let person = Person { iin: crate::world::iin("no phone"), subject: "specialist:np".into() };
        world.play(&press(&person, "no phone press", KPSISU), &["not_registered"]).await;
        let job = world.ended(id("no phone press")).await;
        assert_eq!((&job["state"], &job["code"]), (&json!("refused"), &json!("not_registered")));
        assert!(world.codes(&person, id("no phone press")).await.is_empty());
        // Nothing was sent, so nobody has to wait for the next press.
        world.play(&press(&person, "no phone again", KPSISU), &["known"]).await;
        assert_eq!(world.ended(id("no phone again")).await["state"], "succeeded");
    });
}

#[test]
fn d4_a_wrong_code_refuses_the_check_and_nothing_reaches_the_register() {
    run(async {
        let world = common().await;
        let person = introduce(world, "mistypes").await;
        for (name, operation) in [("mistypes kpsisu", KPSISU), ("mistypes mzrk", MZRK)] {
            let (code_ref, code) = world.sent(&person, &format!("{name} press"), operation).await;
            let check = check_by_code(&person, name, operation, code_ref, &wrong(&code));
            world.send(&check).await;
            refused(world, name, "code_wrong").await;
            // The code itself is still good.
            let again = format!("{name} again");
            world.send(&check_by_code(&person, &again, operation, code_ref, &code)).await;
            opened(world, &again).await;
        }
    });
}

#[test]
fn d4_a_code_for_one_check_does_not_open_the_other() {
    run(async {
        let world = common().await;
        let person = introduce(world, "two checks").await;
        let (code_ref, code) = world.sent(&person, "two checks press", KPSISU).await;
        let other = check_by_code(&person, "two checks mzrk", MZRK, code_ref, &code);
        world.send(&other).await;
        refused(world, "two checks mzrk", "code_other_check").await;
        assert_eq!(asked(world, "two checks mzrk").await, 0, "no attempt is wasted on it");
        world.send(&check_by_code(&person, "two checks kpsisu", KPSISU, code_ref, &code)).await;
        opened(world, "two checks kpsisu").await;
    });
}

#[test]
fn d4_a_code_verified_by_itself_does_not_open_another_check_either() {
    run(async {
        let world = common().await;
        let person = introduce(world, "verified first").await;
        let (code_ref, code) = world.sent(&person, "verified first press", KPSISU).await;
        let verified = verify(&person, "verified first verify", code_ref, &code);
        let verified = world.send(&verified).await;
        assert_eq!(world.ended(verified).await["state"], "succeeded");
        let consent = json!({"verified_by": verified});
        world.send(&check_with(&person, "verified first mzrk", MZRK, consent.clone())).await;
        refused(world, "verified first mzrk", "code_other_check").await;
        let mut other_record = check_with(&person, "verified first record", KPSISU, consent);
        other_record["subject"] = "specialist:somebody else".into();
        world.send(&other_record).await;
        refused(world, "verified first record", "code_other_check").await;
    });
}

#[test]
fn d4_a_code_of_one_person_opens_no_check_of_another() {
    run(async {
        let world = common().await;
        let person = introduce(world, "owner of the code").await;
        let other = introduce(world, "another person").await;
        let (code_ref, code) = world.sent(&person, "owner press", KPSISU).await;
        let stolen = Person { iin: other.iin, subject: person.subject.clone() };
        world.send(&check_by_code(&stolen, "stolen code", KPSISU, code_ref, &code)).await;
        refused(world, "stolen code", "code_other_person").await;
        let verified = world.send(&verify(&person, "owner verify", code_ref, &code)).await;
        assert_eq!(world.ended(verified).await["state"], "succeeded");
        let consent = json!({"verified_by": verified});
        world.send(&check_with(&stolen, "stolen verification", KPSISU, consent)).await;
        refused(world, "stolen verification", "code_other_person").await;
    });
}

#[test]
fn d4_a_code_opens_one_check() {
    run(async {
        let world = common().await;
        let person = introduce(world, "twice used").await;
        let (code_ref, code) = world.sent(&person, "twice used press", KPSISU).await;
        world.send(&check_by_code(&person, "twice used first", KPSISU, code_ref, &code)).await;
        opened(world, "twice used first").await;
        world.send(&check_by_code(&person, "twice used second", KPSISU, code_ref, &code)).await;
        refused(world, "twice used second", "code_used").await;
        let consent = json!({"verified_by": verification_of(id("twice used first"))});
        world.send(&check_with(&person, "twice used third", KPSISU, consent)).await;
        refused(world, "twice used third", "code_used").await;
    });
}

#[test]
fn d4_a_code_that_nobody_sent_opens_nothing() {
    run(async {
        let world = common().await;
        let person = introduce(world, "invents").await;
        let invented = Uuid::from_u128(4711);
        world.send(&check_by_code(&person, "invents check", KPSISU, invented, "0042")).await;
        refused(world, "invents check", "code_unknown").await;
        // A job that verifies no code is no verification, however well it ended.
        world.play(&crate::world::person("invents person"), &["found"]).await;
        world.ended(id("invents person")).await;
        let consent = json!({"verified_by": id("invents person")});
        world.send(&check_with(&person, "invents verification", KPSISU, consent)).await;
        refused(world, "invents verification", "code_unknown").await;
    });
}

#[test]
fn d4_a_verification_opens_its_check_whichever_of_the_two_comes_first() {
    run(async {
        let world = common().await;
        let person = introduce(world, "either order").await;
        let (code_ref, code) = world.sent(&person, "either order press", KPSISU).await;
        let consent = json!({"verified_by": id("either order verify")});
        world.send(&check_with(&person, "either order check", KPSISU, consent)).await;
        world.in_state(id("either order check"), "waiting").await;
        world.send(&verify(&person, "either order verify", code_ref, &code)).await;
        opened(world, "either order check").await;
        let (code_ref, code) = world.sent(&person, "either order press mzrk", MZRK).await;
        let verified = verify(&person, "either order verify mzrk", code_ref, &code);
        let verified = world.send(&verified).await;
        assert_eq!(world.ended(verified).await["state"], "succeeded");
        let consent = json!({"verified_by": verified});
        world.send(&check_with(&person, "either order check mzrk", MZRK, consent)).await;
        opened(world, "either order check mzrk").await;
    });
}

#[test]
fn d5_three_wrong_attempts_use_a_code_up() {
    run(async {
        let world = common().await;
        let person = introduce(world, "guesses").await;
        let (code_ref, code) = world.sent(&person, "guesses press", KPSISU).await;
        for (nth, left) in [("first", 2), ("second", 1), ("third", 0)] {
            let name = format!("guesses {nth}");
            world.send(&check_by_code(&person, &name, KPSISU, code_ref, &wrong(&code))).await;
            refused(world, &name, "code_wrong").await;
            let row = format!("SELECT * FROM portal.sms_code WHERE code_ref = '{code_ref}'");
            assert_eq!(world.row(&row).await["attempts_left"], left, "{nth}");
        }
        world.send(&check_by_code(&person, "guesses right", KPSISU, code_ref, &code)).await;
        refused(world, "guesses right", "code_attempts_used_up").await;
        assert_eq!(asked(world, "guesses right").await, 0, "M-Gov is not asked a fourth time");
    });
}

#[test]
fn d5_a_code_lives_five_minutes() {
    run(async {
        let world = World::build(Scene::default()).await;
        let person = introduce(&world, "late typist").await;
        let (code_ref, code) = world.sent(&person, "late typist press", KPSISU).await;
        let consent = json!({"verified_by": id("late typist verify")});
        world.send(&check_with(&person, "late typist waits", MZRK, consent)).await;
        world.in_state(id("late typist waits"), "waiting").await;
        world.pass(SignedDuration::from_secs(301)).await;
        world.send(&check_by_code(&person, "late typist check", KPSISU, code_ref, &code)).await;
        refused(&world, "late typist check", "code_expired").await;
        assert_eq!(asked(&world, "late typist check").await, 0);
        // Nor does a check wait for ever for a verification that never comes.
        refused(&world, "late typist waits", "code_unknown").await;
        world.strike().await;
    });
}

#[test]
fn d5_a_code_can_be_sent_again_after_a_minute_and_not_before() {
    run(async {
        let world = World::build(Scene::default()).await;
        let person = introduce(&world, "impatient").await;
        let (first, _) = world.sent(&person, "impatient first", KPSISU).await;
        world.send(&press(&person, "impatient second", KPSISU)).await;
        let second = world.ended(id("impatient second")).await;
        let told = (&second["state"], &second["code"]);
        assert_eq!(told, (&json!("refused"), &json!("resend_too_soon")));
        assert!(world.journal(id("impatient second")).await.is_empty(), "M-Gov was not asked");
        // The other check has a code of its own, and its own minute.
        world.sent(&person, "impatient other check", MZRK).await;
        world.pass(SignedDuration::from_secs(61)).await;
        let (third, code) = world.sent(&person, "impatient third", KPSISU).await;
        assert_ne!(first, third);
        world.send(&check_by_code(&person, "impatient check", KPSISU, third, &code)).await;
        opened(&world, "impatient check").await;
        world.strike().await;
    });
}
