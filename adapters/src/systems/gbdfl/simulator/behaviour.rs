//! How GBD FL can treat a request, and which person meets what.

use crate::simulation::behaviour::{self, behaviours};

behaviours! {
    /// How a request is treated.
    Behaviour {
        Found = "found": "a person, alive, with documents and an address",
        Untidy = "untidy": "the same with all traps: placeholders, empty dates, doubled documents",
        NotFound = "not_found": "form A: SCSS001 without persons",
        NotFoundB = "not_found_b": "form B: status SCSE001 without data",
        Deceased = "deceased": "a person with deathDate and lifeStatus 3",
        Excluded = "excluded": "a person whose IIN is excluded and who is removed",
        Slow = "slow": "the answer comes after five minutes",
        ServerError = "server_error": "503 without a body",
        Reset = "reset": "the connection is reset before the answer",
        HtmlOk = "html_ok": "a proxy's error page with status 200",
        HtmlBadGateway = "html_bad_gateway": "a proxy's error page with status 502",
        Unavailable = "unavailable": "500 with the fault SIM-UNAVAILABLE",
        UnknownFault = "unknown_fault": "500 with a fault that no document lists",
        Cut = "cut": "the connection ends in the middle of the body",
        CutByReset = "cut_by_reset": "the connection is reset in the middle of the body",
        WrongPerson = "wrong_person": "an answer about another IIN",
        WrongRequestId = "wrong_request_id": "requestId is not the one that was sent",
        Garbage = "garbage": "bytes that are no text, labelled as XML",
        NoPerson = "no_person": "persons without a person",
        NoIin = "no_iin": "a person without iin",
        EmptyBirthDate = "empty_birth_date": "a person whose birthDate is empty",
        UnknownResult = "unknown_result": "messageResult has an unknown code",
        UnknownStatus = "unknown_status": "responseInfo has an unknown status code",
        UnknownLifeStatus = "unknown_life_status": "lifeStatus has an unknown code",
        BrokenText = "broken_text": "data is escaped text that is no XML",
        Doctype = "doctype": "the answer begins with a DOCTYPE",
        Oversize = "oversize": "an answer of 64 MiB, length not announced",
        OversizeAnnounced = "oversize_announced": "an answer of 64 MiB, length announced",
    }
}

impl Behaviour {
    /// The registry looked the person up. A query changes nothing; the oracle only counts.
    pub(super) const fn executes(self) -> bool {
        !matches!(
            self,
            Self::ServerError
                | Self::HtmlOk
                | Self::HtmlBadGateway
                | Self::Unavailable
                | Self::UnknownFault
        )
    }

    /// A whole answer reaches the hub, whatever it says.
    pub(super) const fn answers(self) -> bool {
        self.executes()
            && !matches!(
                self,
                Self::Slow
                    | Self::Reset
                    | Self::Cut
                    | Self::CutByReset
                    | Self::Garbage
                    | Self::Oversize
                    | Self::OversizeAnnounced
            )
    }
}

impl behaviour::Behaviour for Behaviour {
    const LISTED: &'static [(&'static str, &'static str)] = Self::ALL;

    const FAULTS: &'static [Self] = &[
        Self::ServerError,
        Self::Reset,
        Self::HtmlBadGateway,
        Self::Unavailable,
        Self::Cut,
        Self::CutByReset,
    ];

    const OTHERS: &'static [(u16, Self)] = &[
        (880, Self::Found),
        (50, Self::Untidy),
        (25, Self::NotFound),
        (15, Self::NotFoundB),
        (20, Self::Deceased),
        (10, Self::Excluded),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::named(name)
    }

    fn of_synthetic(iin: &str) -> Option<Self> {
        match iin {
            "480200300055" => Some(Self::Deceased),
            "700700300061" => Some(Self::NotFound),
            "770700300113" => Some(Self::Slow),
            "690100300144" => Some(Self::Excluded),
            "850100300012" | "920300400029" | "010500500032" | "040800600045" | "791100300079"
            | "880600400081" | "900900300090" | "660300300106" | "831200400128"
            | "750500300132" | "720400300153" => Some(Self::Found),
            _ => None,
        }
    }
}
