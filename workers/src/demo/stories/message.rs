//! A message of ИИС «Е-қызмет» comes, is filled in, and goes back (manual 003; D19-D21).

use serde_json::{Value, json};

use super::{Teller, Told, told};
use crate::demo::stage::Error;

const STORY: &str = "message";
const MANUAL: &str = "003";
const ORGANISATION: &str = "990140000007";

/// Certificates of one synthetic person and their organisation, and of somebody else.
const PERSON: &str = include_str!("../../../../contracts/systems/eqyzmet/certificates/person.b64");
const SIGNER: &str =
    include_str!("../../../../contracts/systems/eqyzmet/certificates/organisation.b64");
const STRANGER: &str = include_str!(
    "../../../../contracts/systems/eqyzmet/certificates/organisation_of_another_person.b64"
);

pub(super) async fn play(teller: &Teller<'_>) -> Result<Vec<Told>, Error> {
    let mut all = vec![none_yet(teller).await?];
    let id = received(teller).await?;
    all.push(mismatched(teller, &id).await?);
    all.push(too_large(teller, &id).await?);
    all.push(answered(teller, &id).await?);
    Ok(all)
}

/// D21: no message yet is an empty list.
async fn none_yet(teller: &Teller<'_>) -> Result<Told, Error> {
    let rows = teller.rows("portal.message", ("organisation", ORGANISATION), |_| true).await?;
    let shows = if rows.is_empty() {
        "Данные не найдены"
    } else {
        "Журнал сообщений"
    };
    Ok(told(STORY, "nothing yet", MANUAL, shows.to_owned(), "Данные не найдены"))
}

/// The reviewer sends an editable message; the hub tells the portal.
async fn received(teller: &Teller<'_>) -> Result<String, Error> {
    let order = json!({"system": "eqyzmet", "kind": "editable", "organisation": ORGANISATION});
    teller.stage.order("begin", &order).await?;
    let event = teller
        .heard("a message of Е-қызмет", |event| {
            event["type"] == "kz.aleumet.hub.job.message_received.v1"
        })
        .await?;
    Ok(event["data"]["summary"]["message_id"].as_str().unwrap_or_default().to_owned())
}

/// D20: certificates of two persons.
async fn mismatched(teller: &Teller<'_>, id: &str) -> Result<Told, Error> {
    let end = teller.ask(&submission(teller, id, &[], STRANGER)).await?;
    let shows = match end["errors"][0]["code"].as_str() {
        Some("certificate_mismatch") => "Сертификаты принадлежат разным лицам",
        _ => "Отправлено проверяющему",
    };
    let expected = "Сертификаты принадлежат разным лицам";
    Ok(told(STORY, "certificates of two persons", MANUAL, shows.to_owned(), expected))
}

/// D19: a file of more than 3 МБ.
async fn too_large(teller: &Teller<'_>, id: &str) -> Result<Told, Error> {
    let file = teller.stage.store.attach("big.pdf", &vec![b' '; 3 * 1024 * 1024 + 1]).await?;
    let end = teller.ask(&submission(teller, id, &[file], SIGNER)).await?;
    let shows = match end["errors"][0]["code"].as_str() {
        Some("attachment_too_large") => "Размер файла не должен превышать 3 Мб",
        _ => "Отправлено проверяющему",
    };
    let expected = "Размер файла не должен превышать 3 Мб";
    Ok(told(STORY, "a file that is too large", MANUAL, shows.to_owned(), expected))
}

async fn answered(teller: &Teller<'_>, id: &str) -> Result<Told, Error> {
    let file = teller.stage.store.attach("form.pdf", b"%PDF-1.4 synthetic").await?;
    teller.ask(&submission(teller, id, &[file], SIGNER)).await?;
    let row = teller.row("portal.message", ("message_id", id)).await?;
    let shows = match row["status"].as_str() {
        Some("submitted") => "Отправлено проверяющему",
        _ => "Сообщение ожидает ответа",
    };
    Ok(told(STORY, "answered", MANUAL, shows.to_owned(), "Отправлено проверяющему"))
}

fn submission(teller: &Teller<'_>, id: &str, files: &[uuid::Uuid], signer: &str) -> Value {
    let input = json!({
        "message_id": id,
        "fields": [{ "key": "staffCount", "value": "12" }],
        "attachments": files,
        "signature": "U0lN",
        "person_certificate": PERSON.trim_end(),
        "organisation_certificate": signer.trim_end(),
    });
    teller.job("eqyzmet.submit", &format!("message:{id}"), &input)
}
