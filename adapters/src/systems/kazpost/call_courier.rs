//! `kazpost.call_courier`: a courier fetches the goods from the supplier (D14, kazpost §10).
//!
//! *Guarantee*: a call is registered once. Kazpost recognises our order number and answers «Заявка с
//! таким номером уже существует», which is a success.
//!
//! Nobody can be asked about a lost call. Since a repetition is recognised, [`Office::settle_courier`]
//! says "not done" and the hub sends the same number again; but not in the last
//! [`SETTLE_MARGIN_MINUTES`] before the day is closed, when "too late" would hide a call that exists.
//!
//! *Limits*: same-day calls before [`SAME_DAY_UNTIL_HOUR`] in Almaty. A second call for the same order
//! needs another `call_number`.

use contracts::{number::Bin, personal::Personal, rejection::FieldError};
use jiff::{Timestamp, ToSpan, civil::Date};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    failures::Cause,
    input,
    office::{Office, ended, unsent},
    portal,
    status::{OrderKind, Status},
};
use crate::{
    attempt::{Answer, Attempt, Call, Exchange, Outcome},
    transport::dates,
};

/// From this hour on nobody comes today.
pub(super) const SAME_DAY_UNTIL_HOUR: i8 = 17;
/// A doubt is not settled by sending again so shortly before.
pub(super) const SETTLE_MARGIN_MINUTES: i64 = 15;

const WEIGHT_G_MAX: u32 = 500_000;

/// What the portal asks.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// The portal's own number of the order.
    #[schemars(extend("pattern" = "^[0-9A-Za-z_-]{1,40}$"))]
    order_number: String,
    /// 2 and more for a further call of the same order, for example when the courier did not come.
    #[serde(default = "first_call")]
    #[schemars(range(min = 1, max = 99))]
    call_number: u8,
    /// The day on which the courier comes, `YYYY-MM-DD`; today until 17:00 only.
    #[schemars(with = "String")]
    #[schemars(extend("format" = "date", "pattern" = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    date: Date,
    /// What was ordered.
    #[serde(default)]
    order_kind: OrderKind,
    /// Who hands the goods over.
    sender: Caller,
    /// Where; one of the supplier's addresses of the real-estate register.
    pickup: Pickup,
    /// Parcels to fetch.
    #[serde(default = "one_item")]
    #[schemars(range(min = 1, max = 1_000))]
    item_count: u16,
    /// Weight of all parcels in grams.
    #[schemars(range(min = 1, max = WEIGHT_G_MAX))]
    weight_g: u32,
}

/// Who calls.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Caller {
    /// Number of the organisation.
    bin: Bin,
    /// Name of the organisation or the person at the door.
    #[schemars(length(min = 1, max = 256))]
    name: Personal<String>,
    /// Phone in Kazakhstan: `+7…`, `8…` or ten digits.
    #[schemars(length(min = 10, max = 20))]
    phone: Personal<String>,
}

/// Where the goods are.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pickup {
    /// Kazpost's code of the region.
    #[schemars(extend("pattern" = "^[0-9A-Za-z_-]{1,20}$"))]
    region_code: String,
    /// The address in one line.
    #[schemars(length(min = 1, max = 300))]
    address: Personal<String>,
    /// For the courier.
    #[schemars(length(min = 1, max = 300))]
    comment: Option<Personal<String>>,
}

const fn first_call() -> u8 {
    1
}

const fn one_item() -> u16 {
    1
}

impl Office {
    /// One attempt.
    pub(super) async fn call_courier(&self, call: &Call) -> Attempt {
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            return unsent(&Cause::Input);
        };
        if !is_open(input.date, call.now) {
            return unsent(&Cause::CourierLate);
        }
        let Some(body) = self.courier_body(&input) else { return unsent(&Cause::Input) };
        let (result, exchange) = self.courier.send(&body, call.time_limit).await;
        let outcome = result.map(|is_repetition| answer(call, &input, is_repetition));
        ended(outcome, exchange)
    }

    /// What becomes of a lost call: it is sent again, while the day is open. Asks nobody.
    #[expect(clippy::unused_self, reason = "the adapter's operations are called alike")]
    pub(super) fn settle_courier(&self, call: &Call) -> Attempt {
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            return unsent(&Cause::Input);
        };
        let soon = call.now.checked_add(SETTLE_MARGIN_MINUTES.minutes()).unwrap_or(call.now);
        if is_open(input.date, soon) {
            Attempt::new(Outcome::NotDone, Exchange::default())
        } else {
            unsent(&Cause::CourierOpen)
        }
    }

    /// The body as the one known client writes it; `delivery_item_code`, `branch_code`, `no_blank` and
    /// the unit of `total_weight` (kilograms) are our reading of it.
    fn courier_body(&self, input: &Input) -> Option<Value> {
        let order = self.order_number(&input.order_number);
        let order_number = match input.call_number {
            1 => order,
            further => format!("{order}-{further}"),
        };
        let comment = input.pickup.comment.as_ref().map_or("", |comment| comment.expose().trim());
        Some(json!({
            "delivery_item_code": self.courier.item_code,
            "order_number": order_number,
            "item_count": input.item_count,
            "contract_number": self.form.contract_number,
            "product_type": "GOOD",
            "courier_arrived_date": input.date.strftime("%d.%m.%Y").to_string(),
            "idn": input.sender.bin.expose(),
            "no_blank": true,
            "customers": [{
                "name": input.sender.name.expose().trim(),
                "phone_number": self.form.phone.write(input.sender.phone.expose())?,
                "relation_type": "SENDER",
            }],
            "address_from": {
                "region_code": input.pickup.region_code,
                "address": input.pickup.address.expose().trim(),
                "comment": comment,
            },
            "branch_code": self.courier.branch_code,
            "total_weight": f64::from(input.weight_g) / 1_000.0,
        }))
    }
}

/// Whether a courier can still be called for a day.
pub(super) fn is_open(date: Date, now: Timestamp) -> bool {
    let now = dates::LOCAL.to_datetime(now);
    date > now.date() || (date == now.date() && now.hour() < SAME_DAY_UNTIL_HOUR)
}

fn answer(call: &Call, input: &Input, is_repetition: bool) -> Outcome {
    let day = json!({ "courier_on": input.date.to_string() });
    Outcome::Answered(Answer {
        summary: portal::object(json!({
            "status": Status::AcceptedByCourier.code(),
            "courier_on": input.date.to_string(),
            "repetition": is_repetition,
        })),
        writes: vec![
            Status::AcceptedByCourier.write(input.order_kind, call.now),
            portal::write(&portal::COURIER, day),
        ],
        ..Answer::default()
    })
}

/// What a schema cannot say: phones, and texts that are not blank.
pub(super) fn check_input(value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    input::check_phone(value, "/sender/phone", &mut errors);
    input::check_texts(value, "/input", &mut errors);
    errors
}
