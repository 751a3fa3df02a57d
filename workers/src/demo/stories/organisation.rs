//! An organisation adds a specialist: two checks, two codes (manual 000, steps 2.3-2.6; D2-D6).

use serde_json::{Value, json};

use super::{Teller, Told, specialist, told};
use crate::{clock::real_now, demo::stage::Error};

const STORY: &str = "organisation";
const MANUAL: &str = "000, 2.3-2.6";
const PERSON: &str = "920300400029";

/// The manual's own words (step 2.4).
const NOT_REGISTERED: &str = "Вы не можете использовать авторизацию через одноразовый пароль, т.к. Вы не \
     зарегистрированы в M-Gov. Вам необходимо пройти регистрацию в M-Gov или использовать другой \
     вид авторизации.";

pub(super) async fn play(teller: &Teller<'_>) -> Result<Vec<Told>, Error> {
    let mut all = vec![not_registered(teller).await?, two_codes(teller).await?];
    all.extend(refused(teller).await?);
    Ok(all)
}

/// Step 2.4: the person has no number in M-Gov.
async fn not_registered(teller: &Teller<'_>) -> Result<Told, Error> {
    let input = json!({ "iin": "660300300106" });
    let end = teller.ask(&teller.job("mgov.lookup", "specialist:unknown", &input)).await?;
    let shows = match end["summary"]["registered"].as_bool() {
        Some(false) => end["summary"]["text_ru"].as_str().unwrap_or_default(),
        _ => "Доступно действие «Отправить код»",
    };
    Ok(told(STORY, "not registered in M-Gov", "000, 2.4", shows.to_owned(), NOT_REGISTERED))
}

/// Steps 2.5 and 2.6: a code for each check opens its own check.
async fn two_codes(teller: &Teller<'_>) -> Result<Told, Error> {
    let subject = "specialist:of-organisation";
    let input = json!({ "iin": PERSON });
    let registered = teller.ask(&teller.job("mgov.lookup", subject, &input)).await?;
    if registered["summary"]["registered"] != true {
        return Ok(told(STORY, "two codes", MANUAL, NOT_REGISTERED.to_owned(), ""));
    }
    for operation in ["kpsisu.check", "mzrk.check"] {
        let (code_ref, code) = send_code(teller, operation, subject).await?;
        let check = with_code(teller, operation, subject, &code_ref, &code);
        teller.order(&check, "clear").await?;
        teller.ask(&check).await?;
    }
    let shows = specialist::shown(teller, subject).await?;
    Ok(told(STORY, "two codes", MANUAL, shows, specialist::UNLOCKED))
}

/// What does not open a check, each in its own words.
async fn refused(teller: &Teller<'_>) -> Result<Vec<Told>, Error> {
    let subject = "specialist:refused";
    let (code_ref, code) = send_code(teller, "kpsisu.check", subject).await?;
    let other = with_code(teller, "mzrk.check", subject, &code_ref, &code);
    let other = reason(&teller.ask(&other).await?);
    let wrong = if code == "0000" { "1111" } else { "0000" };
    let wrong = with_code(teller, "kpsisu.check", subject, &code_ref, wrong);
    let wrong = reason(&teller.ask(&wrong).await?);
    let right = with_code(teller, "kpsisu.check", subject, &code_ref, &code);
    teller.order(&right, "clear").await?;
    teller.ask(&right).await?;
    let again = with_code(teller, "kpsisu.check", subject, &code_ref, &code);
    let again = reason(&teller.ask(&again).await?);
    Ok(vec![
        told(
            STORY,
            "the code of another check",
            "000, 2.6",
            other,
            "СМС-код отправлен для другой проверки. Для каждой проверки используется свой код.",
        ),
        told(
            STORY,
            "a wrong code",
            "000, 2.6",
            wrong,
            "Неверный СМС-код. Проверьте код и введите его ещё раз.",
        ),
        told(
            STORY,
            "a code that was used",
            "000, 2.6",
            again,
            "Этот СМС-код уже использован. Для каждой проверки нужен свой код.",
        ),
    ])
}

/// One press of «Отправить код»; then the person reads the code on their phone.
async fn send_code(
    teller: &Teller<'_>,
    check: &str,
    subject: &str,
) -> Result<(String, String), Error> {
    let input = json!({"iin": PERSON, "check": check, "check_subject": subject});
    let press = teller.job("mgov.send_code", subject, &input);
    teller.ask(&press).await?;
    let code_ref = press["id"].as_str().unwrap_or_default().to_owned();
    let phone = teller.stage.control(&format!("phone/{PERSON}")).await?;
    let messages = phone["messages"].as_array().into_iter().flatten();
    let code = messages
        .filter(|sms| sms["request_number"] == code_ref.as_str())
        .find_map(|sms| sms["code"].as_str().map(str::to_owned));
    let code = code.ok_or_else(|| Error::Silent("no message came to the phone".to_owned()))?;
    Ok((code_ref, code))
}

fn with_code(
    teller: &Teller<'_>,
    operation: &str,
    subject: &str,
    code_ref: &str,
    code: &str,
) -> Value {
    let mut job = teller.job(operation, subject, &json!({ "iin": PERSON }));
    job["consent"] = json!({
        "kind": "sms_code", "code_ref": code_ref, "code": code,
        "accepted_at": real_now(), "text_version": "2019-10",
    });
    job
}

/// What the portal shows to the organisation.
fn reason(end: &Value) -> String {
    let shows = end["summary"]["reason"]["ru"].as_str();
    shows.unwrap_or("Проверка запрошена").to_owned()
}
