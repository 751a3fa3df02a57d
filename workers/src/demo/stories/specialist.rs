//! A specialist checks himself (manual 000, steps 1.5-1.8; D1, D2, D7-D12).

use serde_json::{Value, json};

use super::{Teller, Told, told};
use crate::{clock::real_now, demo::stage::Error};

const STORY: &str = "specialist";
const MANUAL: &str = "000, 1.5-1.8";

pub(super) const UNLOCKED: &str = "Профиль специалиста разблокирован";
const LOCKED: &str = "Профиль специалиста заблокирован: проверка не пройдена";
const OPEN: &str = "Профиль специалиста заблокирован: проверка не завершена";

pub(super) async fn play(teller: &Teller<'_>) -> Result<Vec<Told>, Error> {
    let branches = [
        ("both checks clear", "850100300012", "clear", UNLOCKED),
        ("a conviction", "791100300079", "convicted", LOCKED),
        ("a psychiatric record", "880600400081", "clear", LOCKED),
        ("a register answers late", "900900300090", "clear", LOCKED),
    ];
    let mut all = Vec::new();
    for (branch, iin, kpsisu, expected) in branches {
        let shows = checked(teller, branch, iin, kpsisu).await?;
        all.push(told(STORY, branch, MANUAL, shows, expected));
    }
    all.push(withdrawn(teller).await?);
    Ok(all)
}

/// Both checks, then the person's data.
async fn checked(
    teller: &Teller<'_>,
    branch: &str,
    iin: &str,
    kpsisu: &str,
) -> Result<String, Error> {
    let subject = format!("specialist:{}", branch.replace(' ', "-"));
    let criminal = agreed(teller.job("kpsisu.check", &subject, &json!({ "iin": iin })));
    let medical = agreed(teller.job("mzrk.check", &subject, &json!({ "iin": iin })));
    teller.order(&criminal, kpsisu).await?;
    let (criminal, medical) = (teller.publish(&criminal).await?, teller.publish(&medical).await?);
    teller.end_of(criminal).await?;
    teller.end_of(medical).await?;
    let shows = shown(teller, &subject).await?;
    if shows == UNLOCKED {
        // D12: after both checks the person's data is filled in.
        let person = teller.job("gbdfl.person", &subject, &json!({ "iin": iin }));
        teller.order(&person, "found").await?;
        let filled = teller.ask(&person).await?;
        if filled["summary"]["found"] != true {
            return Ok("Данные специалиста не найдены".to_owned());
        }
    }
    Ok(shows)
}

/// Consent is taken back before anything was sent: the second check waits for a code that never comes.
async fn withdrawn(teller: &Teller<'_>) -> Result<Told, Error> {
    let subject = "specialist:withdrawn";
    let mut check = teller.job("kpsisu.check", subject, &json!({ "iin": "920300400029" }));
    // The verification that it names has not been asked for yet, so nothing is sent.
    let later = teller.job("mgov.verify_code", subject, &Value::Null)["id"].clone();
    check["consent"] =
        json!({"verified_by": later, "accepted_at": real_now(), "text_version": "2019-10"});
    let id = teller.publish(&check).await?;
    let input = json!({"job_id": id, "reason": "consent_withdrawn"});
    teller.ask(&teller.job("hub.cancel", subject, &input)).await?;
    let end = teller.end_of(id).await?;
    let shows = match end["state"].as_str() {
        Some("cancelled") => "Согласие отозвано, проверка не запрошена",
        _ => "Проверка запрошена без согласия",
    };
    let expected = "Согласие отозвано, проверка не запрошена";
    Ok(told(STORY, "consent withdrawn", "000, 1.6", shows.to_owned(), expected))
}

/// The person signed in with their own signature and accepted the agreement.
fn agreed(mut job: Value) -> Value {
    job["consent"] = json!({
        "kind": "eds", "accepted_at": real_now(), "text_version": "2019-10",
    });
    job
}

/// What the profile's page says: D10.
pub(super) async fn shown(teller: &Teller<'_>, subject: &str) -> Result<String, Error> {
    let access = teller.row("portal.specialist_access", ("subject", subject)).await?;
    let shows = match (access["unlocked"].as_bool(), access["why"].as_str()) {
        (Some(true), _) => UNLOCKED,
        (_, Some("record_found")) => LOCKED,
        _ => OPEN,
    };
    Ok(shows.to_owned())
}
