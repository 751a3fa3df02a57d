//! A supplier registers: the organisation's card and the addresses for pick-up are filled in (manual
//! 004, steps 6 and 10; D12).

use serde_json::{Value, json};

use super::{Teller, Told, told};
use crate::demo::stage::Error;

const STORY: &str = "supplier";
const CARD: &str = "004, 6";
const ADDRESSES: &str = "004, 10";

pub(super) async fn play(teller: &Teller<'_>) -> Result<Vec<Told>, Error> {
    let mut all = Vec::new();
    let cards = [
        ("a company", "100540000008", "Данные организации заполнены по данным ГБД ЮЛ"),
        ("a liquidated branch", "150641000006", "Организация ликвидирована"),
        ("a non-resident", "200350000006", "Данные организации заполнены по данным ГБД ЮЛ"),
    ];
    for (branch, bin, expected) in cards {
        let shows = card(teller, branch, bin).await?;
        all.push(told(STORY, branch, CARD, shows, expected));
    }
    let company = json!({ "bin": "100540000008" });
    let shows = addresses(teller, "supplier:with-property", &company).await?;
    let expected = "Адреса объектов недвижимости отображены во вкладке «Контактные данные»: 2";
    all.push(told(STORY, "two pick-up addresses", ADDRESSES, shows, expected));
    let person = json!({ "iin": "831200400128" });
    let shows = addresses(teller, "supplier:without-property", &person).await?;
    let expected = "Зарегистрированное недвижимое имущество отсутствует";
    all.push(told(STORY, "no property", ADDRESSES, shows, expected));
    Ok(all)
}

async fn card(teller: &Teller<'_>, branch: &str, bin: &str) -> Result<String, Error> {
    let subject = format!("supplier:{}", branch.replace(' ', "-"));
    teller.ask(&teller.job("gbdul.organization", &subject, &json!({ "bin": bin }))).await?;
    let row = teller.row("portal.organization", ("subject", &subject)).await?;
    let flagged =
        |flag: &str| row["flags"].as_array().is_some_and(|all| all.contains(&flag.into()));
    Ok(match (row["status"].as_str(), row["found"].as_bool()) {
        (Some("succeeded"), Some(true)) if flagged("liquidated") => "Организация ликвидирована",
        (Some("succeeded"), Some(true)) => "Данные организации заполнены по данным ГБД ЮЛ",
        (Some("succeeded"), Some(false)) => "Организация не найдена",
        _ => "Данные ГБД ЮЛ не получены",
    }
    .to_owned())
}

async fn addresses(teller: &Teller<'_>, subject: &str, whose: &Value) -> Result<String, Error> {
    teller.ask(&teller.job("realestate.properties", subject, whose)).await?;
    let search = teller.row("portal.property_search", ("subject", subject)).await?;
    if search["status"] != "succeeded" {
        return Ok("Сведения о недвижимости не получены".to_owned());
    }
    let objects = teller.rows("portal.property", ("subject", subject), |_| true).await?;
    let usable = objects.iter().filter(|object| object["pickup_address"] == true).count();
    Ok(if objects.is_empty() {
        "Зарегистрированное недвижимое имущество отсутствует".to_owned()
    } else {
        format!("Адреса объектов недвижимости отображены во вкладке «Контактные данные»: {usable}")
    })
}
