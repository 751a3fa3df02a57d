//! The portal's rows that the operations of Kazpost fill, in parts that are written together (D18).

use contracts::{
    operation::{Mode, Record},
    personal::Personal,
    s10::TrackNumber,
};
use serde_json::{Map, Value, json};

use super::history::Event;
use crate::{attempt::Write, transport::dates::write_moment};

/// The portal's row of an order.
pub(super) const DELIVERY: &str = "portal.delivery";
/// What a number brings along.
pub(super) const NUMBER_COLUMNS: &[&str] = &["track_number", "tracking_link", "contour"];

/// The number, known before the label is.
pub(super) static NUMBER: Record =
    Record { name: DELIVERY, key: &["subject"], columns: NUMBER_COLUMNS, mode: Mode::Upsert };

/// The day of issue; not written for a replayed number, whose day we do not know.
pub(super) static ISSUED: Record = Record {
    name: DELIVERY,
    key: &["subject"],
    columns: &["track_number_issued_on"],
    mode: Mode::Upsert,
};

/// The link to the label, and until when it works.
pub(super) static LABEL_LINK: Record = Record {
    name: DELIVERY,
    key: &["subject"],
    columns: &["label_link", "label_link_expires_at"],
    mode: Mode::Upsert,
};

/// The delivery status (D14, D17).
pub(super) static STATUS: Record = Record {
    name: DELIVERY,
    key: &["subject"],
    columns: &["status_code", "status_ru", "status_kk", "status_at", "status_rank"],
    mode: Mode::Forward("status_rank"),
};

/// The day for which a courier was called.
pub(super) static COURIER: Record =
    Record { name: DELIVERY, key: &["subject"], columns: &["courier_on"], mode: Mode::Upsert };

/// The number that was given back.
pub(super) static CANCELLED: Record = Record {
    name: DELIVERY,
    key: &["subject"],
    columns: &["cancelled_at", "cancelled_track_number"],
    mode: Mode::Upsert,
};

/// Everything that Kazpost told about a parcel, also what it undid.
pub(super) static EVENT: Record = Record {
    name: "portal.delivery_event",
    key: &["subject", "track_number", "event_key"],
    columns: &["happened_at", "code", "class", "title_ru", "postcode", "city"],
    mode: Mode::Once,
};

/// Keeps an event as history.
pub(super) fn event(number: &TrackNumber, event: &Event) -> Write {
    write(
        &EVENT,
        json!({
            "track_number": number.expose(),
            "event_key": event.key(),
            "happened_at": write_moment(event.at),
            "code": event.code,
            "class": event.class().name(),
            "title_ru": event.title_ru(),
            "postcode": event.postcode,
            "city": event.city,
        }),
    )
}

/// A write of these columns.
pub(super) fn write(record: &'static Record, columns: Value) -> Write {
    Write { record, values: Personal::new(object(columns)) }
}

/// The object that `json!` made.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d18_only_the_delivery_part_of_an_order_is_written() {
        let records = [&NUMBER, &ISSUED, &LABEL_LINK, &STATUS, &COURIER, &CANCELLED];
        assert!(records.iter().all(|record| record.name == DELIVERY && record.key == ["subject"]));
        assert_eq!(EVENT.name, "portal.delivery_event");
    }

    #[test]
    fn d17_an_older_status_changes_nothing_and_an_event_is_kept_once() {
        assert_eq!(STATUS.mode, Mode::Forward("status_rank"));
        assert!(STATUS.columns.contains(&"status_rank"));
        assert_eq!(EVENT.mode, Mode::Once);
    }
}
