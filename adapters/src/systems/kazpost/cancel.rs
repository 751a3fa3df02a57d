//! `kazpost.cancel`: gives a track number back («Отмена ШПИ», kazpost §4).
//!
//! *Guarantee*: a number is cancelled once, however often it is asked for: giving it back again
//! changes nothing. So a lost answer is settled by looking at the number, and where it is not
//! cancelled the request is sent again.
//!
//! *Limits*: what `Status` says of a cancelled number is not known; until it is, a repeated
//! cancellation of a real number may end as refused although the first one worked.

use contracts::s10::TrackNumber;
use serde::Deserialize;
use serde_json::json;

use super::{
    failures::Cause,
    office::{Office, ended, unsent},
    portal,
    wire::{self, Response},
};
use crate::{
    attempt::{Answer, Attempt, Call, Outcome},
    transport::{dates::write_moment, trouble::Trouble, xml::Document},
};

/// What the portal asks.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// The portal's own number of the order.
    #[schemars(extend("pattern" = "^[0-9A-Za-z_-]{1,40}$"))]
    order_number: String,
    /// The number to give back.
    track_number: TrackNumber,
}

impl Office {
    /// One attempt.
    pub(super) async fn cancel(&self, call: &Call) -> Attempt {
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            return unsent(&Cause::Input);
        };
        let order_number = self.order_number(&input.order_number);
        let envelope = wire::cancel(&self.soap, &input.track_number, &order_number);
        let (document, exchange) = self.soap.send(envelope, call.time_limit).await;
        let done = document.map_err(Cause::Command).and_then(|document| cancelled(&document));
        ended(done.map(|()| answer(call, &input)), exchange)
    }

    /// What became of a lost request: looks at the number.
    pub(super) async fn look_at_number(&self, call: &Call) -> Attempt {
        let Ok(input) = Input::deserialize(call.input.expose()) else {
            return unsent(&Cause::Input);
        };
        let envelope = wire::look_at(&input.track_number);
        let (document, exchange) = self.soap.send(envelope, call.time_limit).await;
        let is_cancelled = document.map_err(Cause::Query).and_then(|document| {
            let response = Response::read(&document, "GetBarcodeInfoResponse");
            Ok(response.ok_or(Cause::Form)?.status() == Some(wire::STATUS_CANCELLED))
        });
        let outcome = is_cancelled
            .map(|is_cancelled| if is_cancelled { answer(call, &input) } else { Outcome::NotDone });
        ended(outcome, exchange)
    }
}

/// Judges the answer of `PunDoInsert`.
pub(super) fn cancelled(document: &Document) -> Result<(), Cause> {
    match Response::read(document, "PunDoInsertResponse").and_then(|response| response.code) {
        Some(wire::CODE_DONE) => Ok(()),
        Some(wire::CODE_KEY) => Err(Cause::Key),
        Some(code) => Err(Cause::CancelRefused(code.to_owned())),
        None => Err(Cause::Command(Trouble::Unreadable)),
    }
}

fn answer(call: &Call, input: &Input) -> Outcome {
    let columns = json!({
        "cancelled_at": write_moment(call.now),
        "cancelled_track_number": input.track_number.expose(),
    });
    Outcome::Answered(Answer {
        summary: portal::object(json!({ "cancelled": true })),
        writes: vec![portal::write(&portal::CANCELLED, columns)],
        ..Answer::default()
    })
}
