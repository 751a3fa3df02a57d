//! Kazpost's status codes: their class and Kazpost's own Russian title (kazpost §7).
//!
//! The codes are FOUND (FIN, mirrored in a second client); the classes are DESIGNED. `NONDLV_Z` waits
//! for its recipient, although FIN files it under "received": that looks like a bug there. What the
//! suffixes `_I` and `_O` mean is not known; they are classed as two independent clients do.

/// What a code means. Closed; an unknown code is [`Class::Unknown`] and moves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Accepted,
    InTransit,
    Customs,
    AwaitingRecipient,
    FailedAttempt,
    Delivered,
    Forwarded,
    Returned,
    Lost,
    NoMove,
    Undo,
    Unknown,
}

impl Class {
    #[cfg(test)]
    pub(super) const ALL: [Self; 12] = [
        Self::Accepted,
        Self::InTransit,
        Self::Customs,
        Self::AwaitingRecipient,
        Self::FailedAttempt,
        Self::Delivered,
        Self::Forwarded,
        Self::Returned,
        Self::Lost,
        Self::NoMove,
        Self::Undo,
        Self::Unknown,
    ];

    /// The name in the portal's table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::InTransit => "in_transit",
            Self::Customs => "customs",
            Self::AwaitingRecipient => "awaiting_recipient",
            Self::FailedAttempt => "failed_attempt",
            Self::Delivered => "delivered",
            Self::Forwarded => "forwarded",
            Self::Returned => "returned",
            Self::Lost => "lost",
            Self::NoMove => "no_move",
            Self::Undo => "undo",
            Self::Unknown => "unknown",
        }
    }

    /// After such a code nothing more is expected.
    pub(super) const fn is_terminal(self) -> bool {
        match self {
            Self::Delivered | Self::Returned | Self::Lost => true,
            Self::Accepted
            | Self::InTransit
            | Self::Customs
            | Self::AwaitingRecipient
            | Self::FailedAttempt
            | Self::Forwarded
            | Self::NoMove
            | Self::Undo
            | Self::Unknown => false,
        }
    }
}

/// Class, title, codes.
const TABLE: &[(Class, &str, &[&str])] = &[
    (Class::Accepted, "Приём", &["RCPOPS", "RCP", "EMA", "Registered"]),
    (Class::Accepted, "Партионный приём", &["BAT"]),
    (Class::Accepted, "Регистрация на участке", &["REGPBT", "REGSRT"]),
    (Class::InTransit, "Отправка", &["SND"]),
    (Class::InTransit, "Поступление", &["PRC"]),
    (Class::InTransit, "Отправка на рейс", &["AVIASND"]),
    (Class::InTransit, "Сортировка", &["SRTRPOREG"]),
    (Class::InTransit, "Отправка из сортировочного центра", &["SRTSND", "SRTSNDB", "SRTSNDIM"]),
    (Class::InTransit, "На участок сортировки", &["SNDZONE"]),
    (Class::InTransit, "Прибытие", &["TRN", "TRNBAG", "TRNRPO", "TRNSRT", "Arrived"]),
    (Class::InTransit, "Транзит через сортировочный центр", &["TRANSITRCV", "TRANSITSND"]),
    (
        Class::InTransit,
        "Место международного обмена",
        &["EMB", "EMC", "EMD", "EMF", "EMJ", "EDA", "EDD", "EDE"],
    ),
    (Class::InTransit, "В пути", &["Departed", "Transit"]),
    (Class::Customs, "Передано таможне", &["SRT_CUSTOM"]),
    (Class::Customs, "Выпущено таможней", &["SNDZONE_T"]),
    (Class::Customs, "Выпуск с хранения", &["CUSTSRT_SND"]),
    (Class::Customs, "На хранение таможни", &["STRCUST"]),
    (Class::Customs, "Задержка таможней", &["RPODELAY"]),
    (Class::Customs, "Выпуск на возврат", &["SNDDELAY"]),
    (Class::Customs, "Возврат с таможни", &["CUSTOM_RET", "CUSTSTR_RET", "DELAY_RET"]),
    (
        Class::Customs,
        "Таможенный контроль",
        &[
            "EDB",
            "EDC",
            "EME",
            "EXA",
            "EXB",
            "EXC",
            "EXD",
            "EDX",
            "DetainedByCustom",
            "Checking",
            "PaymentRequired",
            "RejectionRelease",
        ],
    ),
    (
        Class::AwaitingRecipient,
        "Ожидает клиента",
        &["DLV", "DLVPAY", "DLV_I", "DLV_O", "Delivered"],
    ),
    (Class::AwaitingRecipient, "В абонентском ящике", &["DLV_POBOX"]),
    (Class::AwaitingRecipient, "Хранение", &["STR", "STR_EMS", "EDF"]),
    (Class::AwaitingRecipient, "Ожидает, на хранение", &["NONDLV_Z"]),
    (Class::AwaitingRecipient, "Постамат", &["TRNPST", "STRPST"]),
    (Class::AwaitingRecipient, "У курьера", &["EDG"]),
    (Class::AwaitingRecipient, "Пункт самовывоза", &["EDH", "EMG"]),
    (Class::FailedAttempt, "Не выдано", &["NON", "NON_S"]),
    (Class::FailedAttempt, "Не доставлено", &["NONDLV", "EMH"]),
    (Class::FailedAttempt, "Возврат на хранение", &["NONDLV_S"]),
    (
        Class::Delivered,
        "Вручено",
        &[
            "ISSPAY", "DPAY", "ISSSC", "S_ISS", "DLV_HAND", "EMI", "Handed", "ISSPAY_I",
            "ISSPAY_O", "DPAY_I", "DPAY_O", "ISSSC_I", "ISSSC_O",
        ],
    ),
    (
        Class::Delivered,
        "Вручение из абонентского ящика",
        &["BOXISS", "BOXISS_I", "BOXISS_O", "DLV_POBOX_I", "DLV_POBOX_O"],
    ),
    (Class::Forwarded, "Досыл", &["RDR", "RDRSC", "RDRSCSTR"]),
    (
        Class::Returned,
        "Возврат",
        &[
            "RET",
            "RETSC",
            "RETSCSTR",
            "RETSTR",
            "RETCC",
            "RET_I",
            "RET_O",
            "RETSC_I",
            "RETSC_O",
            "RETSCSTR_I",
            "RETSCSTR_O",
            "RETSTR_I",
            "RETSTR_O",
            "RETCC_I",
            "RETCC_O",
            "Returned",
            "ReturnedToCompany",
        ],
    ),
    (Class::Returned, "Возврат с хранения", &["STRSC"]),
    (Class::Returned, "Выемка из постамата", &["RETPST"]),
    (Class::Lost, "Уничтожено", &["UTL", "Destroyed"]),
    (Class::Lost, "Отправка отменена", &["EXX"]),
    (Class::NoMove, "Неприбытие", &["NONTRNOPS", "NONTRNSRT"]),
    (Class::NoMove, "Корректировка данных", &["DEL_STR", "CORRECT"]),
];

/// Codes that Kazpost undoes with the same code and [`UNDO`] behind it.
const UNDONE: &[&str] = &[
    "BOXISS",
    "AVIASND",
    "SRTSNDB",
    "SRTSNDIM",
    "SRTSND",
    "DLV_POBOX",
    "DLV",
    "PRNNTC2",
    "RDR",
    "RDRSC",
    "RDRSCSTR",
    "REGPBT",
    "REGSRT",
    "RET",
    "RETSC",
    "RETSCSTR",
    "RPODELAY",
    "SNDDELAY",
    "SNDZONE",
    "SNDZONE_T",
    "SRTRPOREG",
    "SRT_CUSTOM",
    "STRCUST",
    "TRN",
    "TRNSRT",
];
const UNDO: &str = "_UNDO";

/// What a code means, and its title where we know one. Codes are compared exactly: `DELIVERED` is
/// not `Delivered`, which only waits for its recipient.
pub(super) fn meaning(code: &str) -> (Class, Option<&'static str>) {
    if undoes(code).is_some() {
        return (Class::Undo, Some("Отмена события"));
    }
    TABLE
        .iter()
        .find(|(_, _, codes)| codes.contains(&code))
        .map_or((Class::Unknown, None), |(class, title, _)| (*class, Some(title)))
}

/// The code that this one undoes. One that is not in the list is taken too: a code that we do not
/// know to be undone must not keep a parcel delivered.
pub(super) fn undoes(code: &str) -> Option<&str> {
    let base = code.strip_suffix(UNDO)?;
    let is_known = UNDONE.contains(&base) || TABLE.iter().any(|(_, _, all)| all.contains(&base));
    is_known.then_some(base)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    macro_rules! rows {
        ($($class:ident: $codes:literal;)+) => {
            [$((Class::$class, $codes)),+]
        };
    }

    /// kazpost §7, copied once more by hand.
    const CONTRACT: [(Class, &str); 10] = rows! {
        Accepted: "RCPOPS RCP BAT EMA REGPBT REGSRT Registered";
        InTransit: "SND PRC AVIASND SRTRPOREG SRTSND SRTSNDB SRTSNDIM SNDZONE TRN TRNBAG TRNRPO \
            TRNSRT TRANSITRCV TRANSITSND EMB EMC EMD EMF EMJ EDA EDD EDE Departed Transit Arrived";
        Customs: "SRT_CUSTOM SNDZONE_T CUSTSRT_SND STRCUST RPODELAY SNDDELAY CUSTOM_RET \
            CUSTSTR_RET DELAY_RET EDB EDC EME EXA EXB EXC EXD EDX DetainedByCustom Checking \
            PaymentRequired RejectionRelease";
        AwaitingRecipient: "DLV DLVPAY DLV_POBOX STR STR_EMS NONDLV_Z TRNPST STRPST EDF EDG EDH \
            EMG DLV_I DLV_O Delivered";
        FailedAttempt: "NON NON_S NONDLV NONDLV_S EMH";
        Delivered: "ISSPAY DPAY ISSSC S_ISS BOXISS DLV_HAND EMI Handed ISSPAY_I ISSPAY_O DPAY_I \
            DPAY_O ISSSC_I ISSSC_O BOXISS_I BOXISS_O DLV_POBOX_I DLV_POBOX_O";
        Forwarded: "RDR RDRSC RDRSCSTR";
        Returned: "RET RETSC RETSCSTR RETSTR RETCC RET_I RET_O RETSC_I RETSC_O RETSCSTR_I \
            RETSCSTR_O RETSTR_I RETSTR_O RETCC_I RETCC_O STRSC RETPST Returned ReturnedToCompany";
        Lost: "UTL Destroyed EXX";
        NoMove: "NONTRNOPS NONTRNSRT DEL_STR CORRECT";
    };

    #[test]
    fn d17_every_code_of_the_contract_has_its_class_and_a_title() {
        let mut known = BTreeSet::new();
        for (class, codes) in CONTRACT {
            for code in codes.split_whitespace() {
                let (found, title) = meaning(code);
                assert_eq!((found, title.is_some()), (class, true), "{code}");
                assert!(known.insert(code), "{code} stands twice");
            }
        }
        let table: BTreeSet<_> = TABLE.iter().flat_map(|(_, _, codes)| *codes).copied().collect();
        assert_eq!(table, known);
    }

    #[test]
    fn no_code_has_two_meanings() {
        let codes: Vec<_> = TABLE.iter().flat_map(|(_, _, codes)| *codes).collect();
        let different: BTreeSet<_> = codes.iter().collect();
        assert_eq!(codes.len(), different.len());
    }

    #[test]
    fn d17_undo_codes_undo_their_own_event() {
        for base in UNDONE {
            let code = format!("{base}_UNDO");
            assert_eq!((undoes(&code), meaning(&code).0), (Some(*base), Class::Undo), "{code}");
        }
        assert_eq!(undoes("ISSPAY_UNDO"), Some("ISSPAY"), "not in their list, and believed");
        assert_eq!(undoes("SIMNEWS_UNDO"), None);
    }

    #[test]
    fn an_unknown_code_has_no_class_and_codes_are_compared_exactly() {
        for code in ["", "SIMNEWS", "isspay", "ISSPAY ", "DELIVERED", "SIMNEWS_UNDO", "_UNDO"] {
            assert_eq!(meaning(code), (Class::Unknown, None), "{code}");
        }
        assert_eq!(meaning("Delivered").0, Class::AwaitingRecipient, "ambiguous: not terminal");
    }

    #[test]
    fn three_classes_are_terminal() {
        let terminal: Vec<_> = Class::ALL.into_iter().filter(|class| class.is_terminal()).collect();
        assert_eq!(terminal, [Class::Delivered, Class::Returned, Class::Lost]);
    }
}
