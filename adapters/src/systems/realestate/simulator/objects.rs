//! What the register knows: invented from an owner's number, so that one owner always has the same.

use super::Chance;

/// Code, Russian, Kazakh.
pub(super) type Word = (&'static str, &'static str, &'static str);

/// A registered object.
#[derive(Clone)]
pub(super) struct Thing {
    pub(super) id: Option<String>,
    pub(super) kind: &'static str,
    pub(super) cadastre: String,
    pub(super) area: String,
    pub(super) measure: Word,
    pub(super) address: Option<Address>,
    pub(super) rights: Vec<Claim>,
    pub(super) burdens: Vec<Burden>,
}

/// An address of the address register.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) rka: String,
    pub(super) ru: String,
    pub(super) kz: String,
}

/// `Razdel2`.
#[derive(Clone)]
pub(super) struct Claim {
    pub(super) on: &'static str,
    pub(super) owner: Option<String>,
    pub(super) right: Word,
    pub(super) general: Word,
    pub(super) share: Option<&'static str>,
}

/// `Razdel3`.
#[derive(Clone)]
pub(super) struct Burden {
    pub(super) on: &'static str,
    /// BIN of a bank; a bailiff has none.
    pub(super) holder: Option<&'static str>,
    pub(super) kind: Word,
}

/// Codes that begin with SIM are DESIGNED, the others FOUND (gov-services §4.1).
const OWNED: Word = ("SIM-OWN", "Право собственности", "Меншік құқығы");
const LEASED: Word = (
    "10",
    "временное возмездное долгосрочное землепользование",
    "уақытша өтеулі ұзақ мерзімді жер пайдалану",
);
pub(super) const PRIVATE: Word = ("2", "Частная", "Жеке");
const INDIVIDUAL: Word = ("3", "Индивидуальная", "Жеке");
const SHARED: Word = ("SIM-SHARE", "Общая долевая", "Ортақ үлестік");
const SQUARE_METRE: Word = ("SIM-M2", "квадратный метр", "шаршы метр");
const HECTARE: Word = ("4", "гектар", "гектар");
const PLEDGE: Word = ("SIM-PLEDGE", "Залог", "Кепіл");
const ARREST: Word = ("SIM-ARREST", "Арест", "Тыйым салу");
const RESTRICTION: Word = ("3041", "Ограничение", "Шектеу");

const BANK: &str = "100540000008";
const DAYS: [&str; 4] = [
    "2018-04-12T11:00:00.000+06:00",
    "2020-09-14T18:13:08.060+06:00",
    "2024-06-11T09:00:00.000+05:00",
    "2021-01-29T23:30:00Z",
];

/// Everything that this owner has.
pub(super) fn of(owner: &str, mut chance: Chance) -> Vec<Thing> {
    match owner {
        "750500300132" => encumbered(owner),
        "100540000008" => warehouses(owner),
        "831200400128" => Vec::new(),
        _ => {
            let count = u64::from(chance.below(6));
            (0..count).map(|nth| drawn(owner, nth, &mut chance)).collect()
        }
    }
}

/// One plain object, for behaviours that need one to spoil.
pub(super) fn plain(owner: &str, nth: u64) -> Thing {
    Thing {
        id: Some(format!("{}", 9_900_000_100_000 + nth)),
        kind: "4",
        cadastre: format!("99:000:001:{nth:04}:1:1"),
        area: "41.2".to_owned(),
        measure: SQUARE_METRE,
        address: Some(address(100 + nth, "кв. 7", "7 пәтер")),
        rights: vec![whole(owner, DAYS[0])],
        burdens: Vec::new(),
    }
}

/// What this owner had once, and another has now: told only when ended rights are asked for.
pub(super) fn former(owner: &str) -> Thing {
    let rights = vec![whole(owner, DAYS[0]), whole(another(owner), DAYS[2])];
    Thing { rights, ..plain(owner, 9_999) }
}

/// Somebody else.
pub(super) fn another(owner: &str) -> &'static str {
    if owner == "850100300012" { "920300400029" } else { "850100300012" }
}

/// The person of the contract: a flat with a pledge and an arrest, and a plot (gov-services §4.3).
fn encumbered(owner: &str) -> Vec<Thing> {
    let half = Claim { general: SHARED, share: Some("1/2"), ..whole(owner, DAYS[0]) };
    let flat = Thing {
        id: Some("9900000000001".to_owned()),
        kind: "4",
        cadastre: "99:000:000:0001:1:1".to_owned(),
        area: "54.3".to_owned(),
        measure: SQUARE_METRE,
        address: Some(Address {
            rka: "9999300000000003".to_owned(),
            ru: "г. Тест, ул. Тестовая, д. 1, кв. 2".to_owned(),
            kz: "Тест қ., Тест көш., 1 үй, 2 пәтер".to_owned(),
        }),
        rights: vec![half],
        burdens: vec![
            Burden { on: "2023-10-02T09:00:00.000+06:00", holder: Some(BANK), kind: PLEDGE },
            Burden { on: "2024-06-11T09:00:00.000+05:00", holder: None, kind: ARREST },
        ],
    };
    let plot = Thing {
        id: Some("9900000000002".to_owned()),
        kind: "1",
        cadastre: "99:000:000:0002".to_owned(),
        area: "0.0799".to_owned(),
        measure: HECTARE,
        address: Some(Address {
            rka: "9999300000000004".to_owned(),
            ru: "обл. Тест, уч. 2".to_owned(),
            kz: "Тест обл., 2 уч.".to_owned(),
        }),
        rights: vec![Claim { right: LEASED, ..whole(owner, DAYS[1]) }],
        burdens: Vec::new(),
    };
    vec![flat, plot]
}

/// A company with two addresses from which a courier can collect.
fn warehouses(owner: &str) -> Vec<Thing> {
    let store = |nth: u64, kind, area: &str, ru, kz| Thing {
        id: Some(format!("{}", 9_900_000_000_010 + nth)),
        kind,
        cadastre: format!("99:000:000:{:04}", 10 + nth),
        area: area.to_owned(),
        address: Some(address(10 + nth, ru, kz)),
        ..plain(owner, nth)
    };
    vec![store(1, "3", "1280", "склад 1", "1 қойма"), store(2, "4", "86.45", "офис 5", "5 кеңсе")]
}

fn drawn(owner: &str, nth: u64, chance: &mut Chance) -> Thing {
    let serial = u64::from(chance.below(1_000_000)) * 10 + nth;
    let kind = chance.pick(&["1", "3", "4", "4", "7"]);
    let is_plot = kind == "1";
    let on = chance.pick(&DAYS);
    let mut rights = vec![whole(owner, on)];
    if chance.below(3) == 0 {
        rights[0] = Claim { general: SHARED, share: Some("1/2"), ..whole(owner, on) };
        let other = Claim { general: SHARED, share: Some("1/2"), ..whole(another(owner), on) };
        rights.insert(usize::from(chance.below(2) == 0), other);
    }
    if is_plot && chance.below(2) == 0 {
        rights[0].right = LEASED;
    }
    let burdens = (0..chance.below(3)).map(|_| Burden {
        on: chance.pick(&DAYS),
        holder: chance.pick(&[Some(BANK), None]),
        kind: chance.pick(&[PLEDGE, ARREST, RESTRICTION]),
    });
    let burdens = burdens.collect();
    let address = (chance.below(8) > 0).then(|| address(1_000 + serial, "д. 5", "5 үй"));
    Thing {
        id: Some(format!("99{serial:011}")),
        kind,
        cadastre: format!("99:{:03}:{:03}:{nth:04}", serial % 999, serial / 7 % 999),
        area: if is_plot { format!("0.{:04}", serial % 9_999) } else { "63.5".to_owned() },
        measure: if is_plot { HECTARE } else { SQUARE_METRE },
        address,
        rights,
        burdens,
    }
}

fn whole(owner: &str, on: &'static str) -> Claim {
    let owner = Some(owner.to_owned());
    Claim { on, owner, right: OWNED, general: INDIVIDUAL, share: None }
}

/// A street of a town that does not exist.
pub(super) fn address(nth: u64, ru: &str, kz: &str) -> Address {
    Address {
        rka: format!("99993{nth:011}"),
        ru: format!("г. Тест, ул. Тестовая, {ru}"),
        kz: format!("Тест қ., Тест көш., {kz}"),
    }
}
