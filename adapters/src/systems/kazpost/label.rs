//! `kazpost.label`: a track number and an address label for an order (D13-D15).
//!
//! *Guarantee*: one order, one number (D15). Every attempt, of every job, sends the same order number,
//! and Kazpost issues nothing for one that it knows: it answers 20012 with the earlier number, which
//! is a success. So sending again after a lost answer is harmless, and still the doubt is settled by
//! asking first.
//!
//! The number counts more than the label: once it is known it is written, and the label is fetched
//! again by the number, [`RELOADS_MAX`] times; then the job succeeds without it and says so. A
//! number with a wrong check digit is not believed (D23): the answer is kept, the doubt stays.
//!
//! The number itself is in no event: whoever knows it can look up the recipient's name and address
//! (kazpost §6). The portal reads it in `portal.delivery`.

use std::time::Duration;

use bytes::Bytes;
use contracts::{
    class::Failure, code, personal::Personal, rejection::FieldError, s10::TrackNumber,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    TRACK,
    failures::Cause,
    input::{self, Recipient, Sender},
    office::{Office, ended, unsent},
    portal,
    status::{OrderKind, Status},
    wire::{self, Response},
};
use crate::{
    attempt::{Answer, Attempt, Call, File, FollowUp, Interim, Outcome},
    transport::{dates::local_date, trouble::Trouble, xml::Document},
};

/// How often a missing label is fetched again.
pub(super) const RELOADS_MAX: u32 = 5;
/// Pause before the first time; each further one doubles.
const RELOAD_PAUSE: Duration = Duration::from_secs(5);
const WEIGHT_G_MAX: u32 = 50_000;
const RESERVED: &str = "reserved";
const COURIER: &str = "courier";

/// What the portal asks.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// The portal's own number of the order: one order, one track number.
    #[schemars(extend("pattern" = "^[0-9A-Za-z_-]{1,40}$"))]
    pub(super) order_number: String,
    /// Status code of the order; must be `reserved` (D13).
    #[schemars(extend("pattern" = "^[a-z_]{1,40}$"))]
    #[expect(dead_code, reason = "looked at once, when the job is admitted")]
    order_status: String,
    /// How the order is delivered; must be `courier` (D13).
    #[schemars(extend("pattern" = "^[a-z_]{1,40}$"))]
    #[expect(dead_code, reason = "looked at once, when the job is admitted")]
    delivery_method: String,
    /// What was ordered.
    #[serde(default)]
    pub(super) order_kind: OrderKind,
    /// Who receives.
    pub(super) recipient: Recipient,
    /// Who sends.
    pub(super) sender: Sender,
    /// Weight of the parcel in grams.
    #[schemars(range(min = 1, max = WEIGHT_G_MAX))]
    pub(super) weight_g: u32,
    /// Declared value in tenge.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub(super) declared_value: Option<u32>,
}

/// What a later attempt must know.
#[derive(Debug, Deserialize)]
struct Carry {
    track_number: TrackNumber,
    reloads: u32,
}

/// A number that Kazpost gave us for our order.
pub(super) struct Numbered {
    pub(super) number: TrackNumber,
    /// It was issued now, and not by an earlier request.
    pub(super) is_new: bool,
    pub(super) label: Option<Bytes>,
}

impl Office {
    /// One attempt: issues, or fetches the label of a number that is known.
    pub(super) async fn label(&self, call: &Call) -> Attempt {
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            return unsent(&Cause::Input);
        };
        if let Ok(carry) = Carry::deserialize(call.carry.expose()) {
            return self.fetch_label(call, &input, carry).await;
        }
        let order_number = self.order_number(&input.order_number);
        let envelope = match wire::get_label(&self.soap, &self.form, &order_number, &input) {
            Ok(envelope) => envelope,
            Err(cause) => return unsent(&cause),
        };
        let (document, exchange) = self.soap.send(envelope, call.time_limit).await;
        let numbered = document.map_err(Cause::Command).and_then(|document| issued(&document));
        ended(numbered.map(|numbered| self.told(call, &input, numbered, 0)), exchange)
    }

    /// What became of a lost request: asks by our order number.
    pub(super) async fn find_number(&self, call: &Call) -> Attempt {
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            return unsent(&Cause::Input);
        };
        if let Ok(carry) = Carry::deserialize(call.carry.expose()) {
            return self.fetch_label(call, &input, carry).await;
        }
        let envelope = wire::find_number(&self.order_number(&input.order_number));
        let (document, exchange) = self.soap.send(envelope, call.time_limit).await;
        let found = document.map_err(Cause::Query).and_then(|document| {
            let response = Response::read(&document, "GetBarCodeFromOrderNumResponse");
            response.ok_or(Cause::Form)?.number()
        });
        let outcome = found.map(|number| match number {
            Some(number) => {
                let numbered = Numbered { number, is_new: false, label: None };
                self.told(call, &input, numbered, 0)
            }
            None => Outcome::NotDone,
        });
        ended(outcome, exchange)
    }

    /// Asks for the label of a number. Whatever goes wrong, the number stays: the next time is soon.
    async fn fetch_label(&self, call: &Call, input: &Input, carry: Carry) -> Attempt {
        let envelope = wire::get_label_again(&carry.track_number);
        let (document, exchange) = self.soap.send(envelope, call.time_limit).await;
        let label = document.ok().and_then(|document| {
            Response::read(&document, "GetAddrLetterUsingBarcodeResponse")?.label()
        });
        let numbered = Numbered { number: carry.track_number, is_new: false, label };
        let reloads = carry.reloads.saturating_add(1);
        Attempt::new(self.told(call, input, numbered, reloads), exchange)
    }

    /// What the portal learns from a number, with its label or without.
    fn told(&self, call: &Call, input: &Input, numbered: Numbered, reloads: u32) -> Outcome {
        let Numbered { number, is_new, label } = numbered;
        let columns = json!({
            "track_number": number.expose(),
            "tracking_link": self.tracking_link(&number),
            "contour": self.soap.contour(),
        });
        let mut writes = vec![Status::TrackAssigned.write(input.order_kind, call.now)];
        if is_new {
            let day = local_date(call.now).to_string();
            writes.push(portal::write(&portal::ISSUED, json!({ "track_number_issued_on": day })));
        }
        // The number is the order's, whoever asked: a newer job that owns the row may end without one.
        writes.push(portal::write(&portal::NUMBER, columns.clone()));
        if label.is_none() && reloads < RELOADS_MAX {
            return awaited(&number, reloads, writes);
        }
        let state = if label.is_some() { "ready" } else { "missing" };
        let follow_up = json!({
            "track_number": number.expose(),
            "order_kind": input.order_kind.name(),
        });
        Outcome::Answered(Answer {
            summary: summary(state),
            portal: Personal::new(portal::object(columns)),
            writes,
            files: label.map(pdf_file).into_iter().collect(),
            follow_up: Some(FollowUp { operation: &TRACK, input: Personal::new(follow_up) }),
            ..Answer::default()
        })
    }
}

/// Judges the answer of `GetAddrLetter`: the number decides, the code explains.
pub(super) fn issued(document: &Document) -> Result<Numbered, Cause> {
    let response = Response::read(document, "GetAddrLetterResponse");
    let response = response.ok_or(Cause::Command(Trouble::Unreadable))?;
    match (response.code, response.number()?) {
        (Some(wire::CODE_DONE), Some(number)) => {
            Ok(Numbered { number, is_new: true, label: response.label() })
        }
        (Some(wire::CODE_REPLAYED), Some(number)) => {
            Ok(Numbered { number, is_new: false, label: response.label() })
        }
        (Some(wire::CODE_DONE | wire::CODE_REPLAYED) | None, None) => Err(Cause::NumberMissing),
        (Some(_) | None, Some(_)) => Err(Cause::NumberBesideCode),
        (Some(wire::CODE_KEY), None) => Err(Cause::Key),
        (Some(wire::CODE_RANGE), None) => Err(Cause::RangeExhausted),
        (Some(code), None) => Err(Cause::Refused(code.to_owned())),
    }
}

/// What a schema cannot say: D13, phones, and texts that XML can hold.
pub(super) fn check_input(value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    if field("order_status").is_some_and(|status| status != RESERVED) {
        let why = "a label may be requested for a reserved order only (D13)";
        errors.push(FieldError::new("/input/order_status", code!("order_not_reserved"), why));
    }
    if field("delivery_method").is_some_and(|method| method != COURIER) {
        let why = "a label may be requested for delivery by courier only (D13)";
        errors.push(FieldError::new("/input/delivery_method", code!("not_courier_delivery"), why));
    }
    input::check_phone(value, "/recipient/phone", &mut errors);
    input::check_phone(value, "/sender/phone", &mut errors);
    input::check_texts(value, "/input", &mut errors);
    errors
}

fn awaited(number: &TrackNumber, reloads: u32, writes: Vec<crate::attempt::Write>) -> Outcome {
    let is_news = reloads == 0;
    Outcome::Interim(Interim {
        summary: if is_news { summary("awaited") } else { Map::new() },
        writes,
        files: Vec::new(),
        carry: Personal::new(json!({ "track_number": number.expose(), "reloads": reloads })),
        again_in: RELOAD_PAUSE * 2_u32.pow(reloads),
        spends: None::<Failure>,
    })
}

fn summary(label: &str) -> Map<String, Value> {
    portal::object(json!({ "status": Status::TrackAssigned.code(), "label": label }))
}

fn pdf_file(bytes: Bytes) -> File {
    File { role: "label", media_type: "application/pdf", bytes, link: &portal::LABEL_LINK }
}
