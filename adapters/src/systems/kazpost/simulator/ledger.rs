//! The numbers of one contour: which order number has which, and since when.
//!
//! *Limits*: [`PARCELS_MAX`]; past it the range of numbers counts as used up.

use std::collections::HashMap;

use jiff::Timestamp;

/// Numbers that one contour can issue.
pub(super) const PARCELS_MAX: usize = 2_000_000;

/// A contour's database.
pub(super) struct Ledger {
    prefix: &'static str,
    by_order: HashMap<String, String>,
    by_number: HashMap<String, Parcel>,
}

/// One number.
#[derive(Clone)]
pub(super) struct Parcel {
    pub(super) order_number: String,
    pub(super) issued_at: Timestamp,
    pub(super) is_cancelled: bool,
}

/// What became of a request for a number.
pub(super) enum Issue {
    /// Issued now.
    New(String),
    /// This order number has one already.
    Known(String),
    /// Nothing left.
    Exhausted,
}

impl Ledger {
    /// A contour that issues numbers with these letters.
    pub(super) fn new(prefix: &'static str) -> Self {
        Self { prefix, by_order: HashMap::new(), by_number: HashMap::new() }
    }

    /// The number of an order; a new one where it has none.
    pub(super) fn issue(&mut self, order_number: &str, now: Timestamp) -> Issue {
        if let Some(number) = self.by_order.get(order_number) {
            return Issue::Known(number.clone());
        }
        let serial = self.by_number.len();
        if serial >= PARCELS_MAX {
            return Issue::Exhausted;
        }
        let number = number(self.prefix, serial);
        let order_number = order_number.to_owned();
        self.by_order.insert(order_number.clone(), number.clone());
        let parcel = Parcel { order_number, issued_at: now, is_cancelled: false };
        self.by_number.insert(number.clone(), parcel);
        Issue::New(number)
    }

    /// The number of an order, where it has one.
    pub(super) fn of_order(&self, order_number: &str) -> Option<String> {
        self.by_order.get(order_number).cloned()
    }

    /// What is known of a number.
    pub(super) fn parcel(&self, number: &str) -> Option<Parcel> {
        self.by_number.get(number).cloned()
    }

    /// Cancels a number; says whether it was valid until now. `None`: nobody knows it.
    pub(super) fn cancel(&mut self, number: &str) -> Option<bool> {
        let parcel = self.by_number.get_mut(number)?;
        Some(!std::mem::replace(&mut parcel.is_cancelled, true))
    }
}

/// The same number with another check digit.
pub(super) fn spoilt(number: &str) -> String {
    let digit = number.as_bytes().get(10).map_or(0, |digit| (digit - b'0' + 1) % 10);
    format!("{}{digit}{}", &number[..10], &number[11..])
}

/// The S10 number of a serial, computed here on its own: weights 8 6 4 2 3 5 9 7.
fn number(prefix: &str, serial: usize) -> String {
    let mut rest = serial;
    let mut sum = 0;
    for weight in [7, 9, 5, 3, 2, 4, 6, 8] {
        sum += rest % 10 * weight;
        rest /= 10;
    }
    let check = match 11 - sum % 11 {
        10 => 0,
        11 => 5,
        other => other,
    };
    format!("{prefix}{serial:08}{check}KZ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_check_digits_of_the_contract() {
        assert_eq!(number("QS", 1), "QS000000014KZ");
        assert_eq!(number("AP", 8_198_558), "AP081985585KZ");
        assert_eq!(number("CC", 1_669_519), "CC016695190KZ");
        assert_eq!(spoilt("QS000000014KZ"), "QS000000015KZ");
    }

    #[test]
    fn d15_an_order_number_is_given_one_number_for_ever() {
        let mut ledger = Ledger::new("AP");
        let (Issue::New(first), Issue::Known(again), Issue::New(other)) = (
            ledger.issue("A", Timestamp::UNIX_EPOCH),
            ledger.issue("A", Timestamp::MAX),
            ledger.issue("B", Timestamp::UNIX_EPOCH),
        ) else {
            panic!("issued anew")
        };
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(ledger.parcel(&first).map(|one| one.issued_at), Some(Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn a_number_is_cancelled_once() {
        let mut ledger = Ledger::new("AP");
        let Issue::New(number) = ledger.issue("A", Timestamp::UNIX_EPOCH) else { panic!("known") };
        assert_eq!(ledger.cancel(&number), Some(true));
        assert_eq!(ledger.cancel(&number), Some(false));
        assert_eq!(ledger.cancel("QS000000014KZ"), None);
    }
}
