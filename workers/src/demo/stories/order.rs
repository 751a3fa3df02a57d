//! An order goes from «зарезервирован» to the recipient (manual 004, steps 54-73; D13-D18).

use jiff::{ToSpan, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::{Teller, Told, told};
use crate::demo::stage::Error;

const STORY: &str = "order";
const MANUAL: &str = "004, 54-73";

pub(super) async fn play(teller: &Teller<'_>) -> Result<Vec<Told>, Error> {
    Ok(vec![
        not_reserved(teller).await?,
        delivered(teller).await?,
        on_its_way(teller, "returned", "returned", "Возвращён").await?,
        same_number(teller).await?,
    ])
}

/// D13: a label only for an order that is reserved.
async fn not_reserved(teller: &Teller<'_>) -> Result<Told, Error> {
    let mut input = parcel("5500");
    input["order_status"] = "awaiting_availability".into();
    let end = teller.ask(&teller.job("kazpost.label", "order:5500", &input)).await?;
    let shows = match end["state"].as_str() {
        Some("rejected") => "Трек-номер не запрошен: заказ не зарезервирован",
        _ => "Трек-номер запрошен",
    };
    let expected = "Трек-номер не запрошен: заказ не зарезервирован";
    Ok(told(STORY, "not reserved", "004, 58", shows.to_owned(), expected))
}

/// Label, courier, handed over, delivered.
async fn delivered(teller: &Teller<'_>) -> Result<Told, Error> {
    let subject = "order:5501";
    teller.ask(&teller.job("kazpost.label", subject, &parcel("5501"))).await?;
    let row = teller.row("portal.delivery", ("subject", subject)).await?;
    if row["status_ru"] != "Трек-номер присвоен, идет передача курьеру на доставку"
    {
        return Ok(told(STORY, "delivered", MANUAL, status(&row), "Трек-номер присвоен"));
    }
    order_track(teller, &row, "delivered").await?;
    let courier = json!({
        "order_number": "5501", "date": tomorrow(teller).await?, "weight_g": 250,
        "sender": sender(), "pickup": { "region_code": "75", "address": "Алматы, Тестовая, 2" },
    });
    teller.ask(&teller.job("kazpost.call_courier", subject, &courier)).await?;
    let delivered =
        |rows: &[Value]| rows.iter().any(|r| r["status_code"] == "delivered_by_courier");
    let rows = teller.rows("portal.delivery", ("subject", subject), delivered).await?;
    let shows = rows.first().map(status).unwrap_or_default();
    Ok(told(STORY, "delivered", MANUAL, shows, "Успешно доставлен курьером"))
}

async fn on_its_way(
    teller: &Teller<'_>,
    behaviour: &'static str,
    code: &'static str,
    expected: &str,
) -> Result<Told, Error> {
    let subject = format!("order:{behaviour}");
    teller.ask(&teller.job("kazpost.label", &subject, &parcel(behaviour))).await?;
    let row = teller.row("portal.delivery", ("subject", &subject)).await?;
    order_track(teller, &row, behaviour).await?;
    let arrived = |rows: &[Value]| rows.iter().any(|row| row["status_code"] == code);
    let rows = teller.rows("portal.delivery", ("subject", &subject), arrived).await?;
    let shows = rows.first().map(status).unwrap_or_default();
    Ok(told(STORY, behaviour, MANUAL, shows, expected))
}

/// D15: a second press gets the same number.
async fn same_number(teller: &Teller<'_>) -> Result<Told, Error> {
    let subject = "order:5502";
    let mut numbers = Vec::new();
    for _ in 0..2 {
        teller.ask(&teller.job("kazpost.label", subject, &parcel("5502"))).await?;
        let row = teller.row("portal.delivery", ("subject", subject)).await?;
        numbers.push(row["track_number"].as_str().map(str::to_owned));
    }
    let same = numbers[0].is_some() && numbers[0] == numbers[1];
    let shows = if same {
        "Трек-номер прежний"
    } else {
        "Трек-номер изменился"
    };
    Ok(told(STORY, "asked twice", "004, 58", shows.to_owned(), "Трек-номер прежний"))
}

fn status(row: &Value) -> String {
    row["status_ru"].as_str().unwrap_or("Трек-номер не получен").to_owned()
}

/// From now on the simulated Kazpost tells this history of the parcel.
async fn order_track(teller: &Teller<'_>, row: &Value, behaviour: &str) -> Result<(), Error> {
    let order = json!({
        "system": "kazpost.track", "behaviour": behaviour, "count": 10_000,
        "request_number": row["track_number"],
    });
    teller.stage.order("next", &order).await
}

async fn tomorrow(teller: &Teller<'_>) -> Result<Date, Error> {
    let now = teller.stage.store.business_now().await?;
    let today = now.to_zoned(TimeZone::fixed(jiff::tz::offset(5))).date();
    Ok(today.checked_add(1.day()).unwrap_or(today))
}

fn sender() -> Value {
    json!({ "bin": "990140000007", "name": "ТОО «ТЕСТ»", "phone": "87000000001" })
}

fn parcel(number: &str) -> Value {
    let mut from = sender();
    from["address"] = address("050000", "Алматы", "2");
    json!({
        "order_number": number, "order_status": "reserved", "delivery_method": "courier",
        "order_kind": "assistive_goods",
        "recipient": {
            "name": "ТЕСТОВ ТЕСТ", "phone": "+77000000000",
            "address": address("010000", "Астана", "1"),
        },
        "sender": from, "weight_g": 250,
    })
}

fn address(postcode: &str, city: &str, house: &str) -> Value {
    json!({ "postcode": postcode, "city": city, "street": "Тестовая", "house": house })
}
