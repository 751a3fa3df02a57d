//! What the hub tells the portal about a delivery: rows, and the statuses of D17 with their texts.
//!
//! *Guarantee*: a status only moves forward ([`STATUS`]): each has a rank, and a lower or equal rank
//! changes nothing. `returned` has the highest, because Kazpost may take a delivered parcel back and
//! hands a returned one to its sender with the code of a delivery; after it nothing moves.

use contracts::{
    operation::{Mode, Record},
    personal::Personal,
    s10::TrackNumber,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{codes::Class, history::Event};
use crate::{attempt::Write, transport::dates::write_moment};

/// The portal's row of an order.
pub(super) const DELIVERY: &str = "portal.delivery";
/// What a number brings along.
pub(super) const NUMBER_COLUMNS: &[&str] = &["track_number", "tracking_link", "contour"];

/// The number, known before the label is.
pub(super) static NUMBER: Record = Record {
    name: DELIVERY,
    key: &["subject"],
    columns: NUMBER_COLUMNS,
    mode: Mode::Upsert,
};

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
pub(super) static COURIER: Record = Record {
    name: DELIVERY,
    key: &["subject"],
    columns: &["courier_on"],
    mode: Mode::Upsert,
};

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

/// What was ordered: some texts name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OrderKind {
    /// An assistive device (ТСР).
    #[default]
    AssistiveGoods,
    /// A social package (ГСП).
    SocialPackage,
}

impl OrderKind {
    /// The name in jobs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AssistiveGoods => "assistive_goods",
            Self::SocialPackage => "social_package",
        }
    }
}

/// The delivery statuses that the hub moves (D17), in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    TrackAssigned,
    AcceptedByCourier,
    HandedToKazpost,
    DeliveredByCourier,
    Returned,
}

impl Status {
    #[cfg(test)]
    pub(super) const ALL: [Self; 5] = [
        Self::TrackAssigned,
        Self::AcceptedByCourier,
        Self::HandedToKazpost,
        Self::DeliveredByCourier,
        Self::Returned,
    ];

    /// The code of domain §3.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::TrackAssigned => "track_assigned",
            Self::AcceptedByCourier => "accepted_by_courier",
            Self::HandedToKazpost => "handed_to_kazpost",
            Self::DeliveredByCourier => "delivered_by_courier",
            Self::Returned => "returned",
        }
    }

    /// Larger is further; gaps leave room.
    pub(super) const fn rank(self) -> i32 {
        match self {
            Self::TrackAssigned => 10,
            Self::AcceptedByCourier => 20,
            Self::HandedToKazpost => 30,
            Self::DeliveredByCourier => 40,
            Self::Returned => 50,
        }
    }

    /// What a class of Kazpost's codes means for the portal; the other classes move nothing.
    pub(super) const fn of(class: Class) -> Option<Self> {
        match class {
            Class::Accepted => Some(Self::HandedToKazpost),
            Class::Delivered => Some(Self::DeliveredByCourier),
            Class::Returned => Some(Self::Returned),
            Class::InTransit
            | Class::Customs
            | Class::AwaitingRecipient
            | Class::FailedAttempt
            | Class::Forwarded
            | Class::Lost
            | Class::NoMove
            | Class::Undo
            | Class::Unknown => None,
        }
    }

    /// The portal's own Russian words (manuals/004 steps 59-61, manuals/002 steps 57-66).
    pub(super) const fn ru(self, kind: OrderKind) -> &'static str {
        match (self, kind) {
            (Self::TrackAssigned, _) => "Трек-номер присвоен, идет передача курьеру на доставку",
            (Self::AcceptedByCourier, _) => "Принят курьером на доставку",
            (Self::HandedToKazpost, OrderKind::AssistiveGoods) => "Товар передан казпочте",
            (Self::HandedToKazpost, OrderKind::SocialPackage) => "Соцпакет передан казпочте",
            (Self::DeliveredByCourier, _) => "Успешно доставлен курьером",
            (Self::Returned, _) => "Возвращён",
        }
    }

    /// Our own translation: the manuals are in Russian only.
    pub(super) const fn kk(self, kind: OrderKind) -> &'static str {
        match (self, kind) {
            (Self::TrackAssigned, _) => "Трек-нөмір берілді, жеткізу үшін курьерге тапсырылуда",
            (Self::AcceptedByCourier, _) => "Курьер жеткізуге қабылдады",
            (Self::HandedToKazpost, OrderKind::AssistiveGoods) => "Тауар қазпоштаға тапсырылды",
            (Self::HandedToKazpost, OrderKind::SocialPackage) => {
                "Әлеуметтік пакет қазпоштаға тапсырылды"
            }
            (Self::DeliveredByCourier, _) => "Курьер сәтті жеткізді",
            (Self::Returned, _) => "Қайтарылды",
        }
    }

    /// Moves the portal's row to this status, where it is further.
    pub(super) fn write(self, kind: OrderKind, at: Timestamp) -> Write {
        write(&STATUS, json!({
            "status_code": self.code(),
            "status_ru": self.ru(kind),
            "status_kk": self.kk(kind),
            "status_at": write_moment(at),
            "status_rank": self.rank(),
        }))
    }
}

/// Keeps an event as history.
pub(super) fn event(number: &TrackNumber, event: &Event) -> Write {
    write(&EVENT, json!({
        "track_number": number.expose(),
        "event_key": event.key(),
        "happened_at": write_moment(event.at),
        "code": event.code,
        "class": event.class().name(),
        "title_ru": event.title_ru(),
        "postcode": event.postcode,
        "city": event.city,
    }))
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
    fn d17_statuses_are_ranked_in_the_order_in_which_they_come() {
        assert!(Status::ALL.is_sorted_by(|a, b| a.rank() < b.rank()));
        let furthest = Status::ALL.into_iter().max_by_key(|status| status.rank());
        assert_eq!(furthest, Some(Status::Returned), "a delivered parcel may still be returned");
    }

    #[test]
    fn d17_three_classes_move_the_portal_and_no_other_does() {
        let moving: Vec<_> = Class::ALL.into_iter().filter_map(Status::of).collect();
        assert_eq!(moving, [Status::HandedToKazpost, Status::DeliveredByCourier, Status::Returned]);
    }

    #[test]
    fn d18_only_the_delivery_part_of_an_order_is_written() {
        let records = [&NUMBER, &ISSUED, &LABEL_LINK, &STATUS, &COURIER, &CANCELLED];
        assert!(records.iter().all(|record| record.name == DELIVERY && record.key == ["subject"]));
        let codes: Vec<_> = Status::ALL.into_iter().map(Status::code).collect();
        for portals in ["reserved", "cancelled_by_supplier", "available_for_pickup", "received"] {
            assert!(!codes.contains(&portals));
        }
    }

    #[test]
    fn texts_name_what_was_ordered() {
        let both = |text: fn(Status, OrderKind) -> &'static str| {
            let of = |kind| text(Status::HandedToKazpost, kind);
            (of(OrderKind::AssistiveGoods), of(OrderKind::SocialPackage))
        };
        assert_eq!(both(Status::ru), ("Товар передан казпочте", "Соцпакет передан казпочте"));
        let (goods, package) = both(Status::kk);
        assert_ne!(goods, package);
    }
}
