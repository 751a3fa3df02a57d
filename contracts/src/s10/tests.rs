use proptest::prelude::*;

use super::*;

#[test]
fn d23_the_vectors_of_the_contract_pass() {
    for text in [
        "RU326036632NL",
        "RK070333447CN",
        "RP166981607CN",
        "CC016466342KZ",
        "CC016695190KZ", // c = 10
        "AP081985585KZ", // c = 11: five, not zero
        "QS000000014KZ",
        "KZ030601009KZ", // a reserved indicator, in use
        "RR473124829GB",
        "EB000717618HK",
        " AP000000014KZ\n",
    ] {
        let number: TrackNumber = text.parse().expect(text);
        assert_eq!(number.expose(), text.trim());
    }
}

#[test]
fn d23_a_wrong_check_digit_is_refused() {
    for text in ["RK070333557CP", "AP000000015KZ", "AP081985580KZ"] {
        assert_eq!(text.parse::<TrackNumber>(), Err(TrackError::CheckDigit), "{text}");
    }
}

#[test]
fn other_forms_are_refused() {
    for text in [
        "",
        "AP00000001KZ",
        "ap000000014KZ",
        "AP000000014kz",
        "AP0000000140KZ",
        "APO00000014KZ",
        "АР00000014KZ", // Cyrillic letters
    ] {
        assert_eq!(text.parse::<TrackNumber>(), Err(TrackError::Form), "{text}");
    }
}

#[test]
fn numbers_do_not_print() {
    let number: TrackNumber = "AP000000014KZ".parse().expect("a vector");
    assert_eq!(format!("{number:?}"), "TrackNumber(*************)");
}

proptest! {
    #[test]
    fn exactly_one_check_digit_fits(serial in 0_u32..100_000_000) {
        let fitting = (0..10)
            .filter(|digit| format!("AP{serial:08}{digit}KZ").parse::<TrackNumber>().is_ok());
        prop_assert_eq!(fitting.count(), 1);
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,20}") {
        prop_assert!(text.parse::<TrackNumber>().is_err());
    }
}
