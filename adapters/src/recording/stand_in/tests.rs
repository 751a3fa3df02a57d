use contracts::s10::TrackNumber;
use proptest::prelude::*;

use super::*;

const NOW: &str = "2026-04-06T10:00:00+05:00";
const CAPTURED: &str = "2026-03-02T10:00:00+05:00";

fn stand_ins(seed: u64) -> StandIns {
    StandIns::new(seed, CAPTURED.parse().expect("an instant"), NOW.parse().expect("an instant"))
}

#[test]
fn numbers_keep_their_kind_and_whether_their_check_digit_is_right() {
    for seed in 0..50 {
        let mut all = stand_ins(seed);
        let iin = all.of("850100300012");
        assert!(iin.parse::<Iin>().is_ok() && iin != "850100300012", "{iin}");
        let wrong = all.of("850100300013");
        assert!(wrong.len() == 12 && wrong.parse::<Iin>().is_err(), "{wrong}");
        let bin = all.of("990140000007");
        assert!(bin.parse::<Bin>().is_ok() && bin.as_bytes()[4] == b'4', "{bin}");
        let branch = all.of("100541000008");
        assert!(branch.len() == 12 && branch.as_bytes()[4] == b'4', "{branch}");
        let track = all.of("AP000000014KZ");
        assert!(track.parse::<TrackNumber>().is_ok() && track.starts_with("AP"), "{track}");
        assert!(all.of("AP000000015KZ").parse::<TrackNumber>().is_err());
    }
}

#[test]
fn one_phone_is_one_phone_however_it_is_written() {
    let mut all = stand_ins(7);
    let subscriber = |text: &str| {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        digits[digits.len() - 10..].to_owned()
    };
    let long = all.of("+77012345678");
    for text in ["77012345678", "87012345678", "7012345678", "+7 (701) 234-56-78"] {
        let made = all.of(text);
        assert_eq!(subscriber(&made), subscriber(&long), "{text}: {made}");
        assert_eq!(made.len(), text.len());
    }
    assert!(long.starts_with("+7700"));
}

#[test]
fn a_name_keeps_script_case_length_and_ending_and_a_full_name_fits_its_parts() {
    let mut all = stand_ins(7);
    let (surname, name) = (all.of_name("АХМЕТОВА"), all.of_name("Айгуль"));
    assert!(surname.ends_with("ОВА") && surname.chars().count() == 8, "{surname}");
    assert_eq!(all.of_name("Ахметова АЙГУЛЬ"), {
        let lower: String = surname.chars().skip(1).flat_map(char::to_lowercase).collect();
        format!("{}{lower} {}", surname.chars().next().expect("one"), name.to_uppercase())
    });
    assert!(all.of_name("СЕРИКОВИЧ").ends_with("ОВИЧ"));
    assert!(all.of_name("IVANOV").is_ascii());
}

#[test]
fn instants_near_the_capture_move_with_it_and_dates_of_people_by_other_days() {
    let mut all = stand_ins(7);
    assert_eq!(all.of("2026-03-02T10:00:00.000+05:00"), "2026-04-06T10:00:00.000+05:00");
    assert_eq!(all.of("2026-03-05"), "2026-04-09");
    assert_eq!(all.of("10:00:00 02.03.2026"), "10:00:00 06.04.2026");
    let (birth, issued) = (all.of("1985-01-15"), all.of("2010-05-14+05:00"));
    let date = |text: &str| text[..10].parse::<civil::Date>().expect("a date");
    let moved = |from: &str, to: &str| (date(to) - date(from)).get_days();
    assert!(moved("1985-01-15", &birth).abs() > 300);
    assert_eq!(moved("1985-01-15", &birth), moved("2010-05-14", &issued));
    assert!(issued.ends_with("+05:00"));
}

#[test]
fn what_follows_a_date_or_a_time_stays_only_where_it_is_a_zone() {
    let mut all = stand_ins(7);
    for (text, made) in [
        ("2026-03-05Z", "2026-04-09Z"),
        ("2026-03-05+05:00", "2026-04-09+05:00"),
        ("2026-03-02 10:00:00Z", "2026-04-06 10:00:00Z"),
        ("2026-03-02T10:00:00.25-01:00", "2026-04-06T10:00:00.25-01:00"),
    ] {
        assert_eq!(all.of(text), made);
    }
    let micros = all.of("2026-03-02T10:00:00.654321Z");
    assert!(micros.starts_with("2026-04-06T10:00:00.") && micros.ends_with('Z'), "{micros}");
    assert!(!micros.contains("654321"), "{micros}");
    for text in [
        "2013-09-19/N98765432-AKHMETOV",
        "2013-09-19+AKHMETOV",
        "2013-09-19T10:00:00AKHMETOV",
        "2013-09-19T10:00:00.AKHMETOV",
        "2013-09-19T10:00:00.5/AKHMETOV",
        "2013-09-19 10:00:00 AKHMETOV",
        "2013-09-19T10:00:00.98765432101",
    ] {
        let made = all.of(text);
        assert!(!made.contains("AKHMETOV") && !made.contains("987654321"), "{made}");
        assert_eq!(made.len(), text.len());
    }
}

#[test]
fn nothing_becomes_a_value_of_the_original() {
    for seed in 0..200 {
        let mut all = stand_ins(seed);
        for value in ["3", "5", "7"] {
            all.forbid(value);
        }
        assert!(!["1", "3", "5", "7"].contains(&all.of("1").as_str()));
    }
}

proptest! {
    #[test]
    fn equal_values_stay_equal_and_different_ones_different(
        seed: u64,
        values in prop::collection::btree_set("[А-Яа-яA-Za-z0-9 ,./-]{3,24}", 2..20),
    ) {
        let mut all = stand_ins(seed);
        let values: Vec<String> = values.into_iter().map(|one| one.trim().to_owned())
            .filter(|one| one.chars().filter(|c| c.is_alphanumeric()).count() > 3).collect();
        let made: Vec<String> = values.iter().map(|value| all.of(value)).collect();
        let again: Vec<String> = values.iter().map(|value| all.of(value)).collect();
        prop_assert_eq!(&made, &again);
        for (at, value) in values.iter().enumerate() {
            prop_assert_ne!(value, &made[at]);
            for (other_at, other) in values.iter().enumerate() {
                prop_assert_eq!(value == other, made[at] == made[other_at]);
            }
        }
    }

    #[test]
    fn people_stay_apart(seed: u64, a in 0_u32..150_000, b in 0_u32..150_000) {
        let mut all = stand_ins(seed);
        let (first, second) = (Iin::synthetic(a), Iin::synthetic(b));
        let (x, y) = (all.of(first.expose()), all.of(second.expose()));
        prop_assert_eq!(a == b, x == y);
        prop_assert!(x.parse::<Iin>().is_ok() && y.parse::<Iin>().is_ok());
    }
}
