//! The delivery statuses of D17 that the hub moves, and their texts.
//!
//! *Guarantee*: a status only moves forward: each has a rank, and a lower or equal rank changes
//! nothing. `returned` has the highest, because Kazpost may take a delivered parcel back and hands a
//! returned one to its sender with the code of a delivery; after it nothing moves.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{codes::Class, portal};
use crate::{attempt::Write, transport::dates::write_moment};

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
        portal::write(
            &portal::STATUS,
            json!({
                "status_code": self.code(),
                "status_ru": self.ru(kind),
                "status_kk": self.kk(kind),
                "status_at": write_moment(at),
                "status_rank": self.rank(),
            }),
        )
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
    fn d18_statuses_of_the_portal_itself_are_not_moved() {
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
