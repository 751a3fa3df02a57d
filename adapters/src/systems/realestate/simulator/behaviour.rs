//! How the register can treat a request, and which owner meets what.

use crate::simulation::behaviour::{self, behaviours};

behaviours! {
    /// How a request is treated.
    Behaviour {
        Registered = "registered": "the objects of the owner: none to five, by the number",
        NoProperty = "no_property": "success with an empty list, and no SystemInfo",
        OtherSpelling = "other_spelling": "dictionaries as code, nameRu, nameKz",
        Untidy = "untidy": "another order, another prefix, placeholders, empty optional blocks",
        Doubled = "doubled_object": "the same object stands twice",
        ShortRka = "short_rka": "an AddressCode of 15 digits",
        CommaArea = "comma_area": "an area with a comma",
        NoAddress = "no_address": "an object without AddressData",
        NoRequestNumber = "no_request_number": "objects, but no SystemInfo",
        Slow = "slow": "the answer comes after 30 seconds",
        Silent = "silent": "the answer comes after five minutes",
        ServerError = "server_error": "503 without a body",
        Reset = "reset": "the connection is reset before the answer",
        HtmlOk = "html_ok": "a proxy's error page with status 200",
        HtmlBadGateway = "html_bad_gateway": "a proxy's error page with status 502",
        Unavailable = "unavailable": "500 with the fault SIM-UNAVAILABLE",
        UnknownFault = "unknown_fault": "500 with a fault that no document lists",
        Cut = "cut": "the connection ends in the middle of the body",
        CutByReset = "cut_by_reset": "the connection is reset in the middle of the body",
        Garbage = "garbage": "bytes that are no text, labelled as XML",
        OtherOwner = "other_owner": "an object of somebody else stands in the list",
        RightWithoutOwner = "right_without_owner": "a Razdel2 without Owner",
        NoId = "no_id": "an object without Id",
        Clashing = "clashing_objects": "two different objects with one Id",
        BrokenDate = "broken_date": "RegDate is written as 12.04.2018",
        TooMany = "too_many": "a thousand and one objects",
        NoObjects = "no_objects": "success without Objects",
        NilObjects = "nil_objects": "success with Objects that are nil",
        ForeignObjects = "foreign_objects": "Objects holds elements of another name",
        ApplicationCreated = "result_001": "ResultCode 001 (application created), an empty list",
        NotApproved = "result_40": "ResultCode 40 (act not approved), an empty list",
        UnknownResult = "unknown_result": "a ResultCode that no document lists, an empty list",
        UnknownStatus = "unknown_status": "responseInfo has an unknown status code",
        StatusNotFound = "status_not_found": "status SCSE001 and no data",
        WrongRequestNumber = "wrong_request_number": "RequestNumber is not the one that was sent",
        BrokenText = "broken_text": "data is escaped text that is no XML",
        Doctype = "doctype": "the answer begins with a DOCTYPE",
        Oversize = "oversize": "an answer of 64 MiB, length not announced",
        OversizeAnnounced = "oversize_announced": "an answer of 64 MiB, length announced",
    }
}

impl Behaviour {
    /// The register looked the owner up. A query changes nothing; the oracle only counts.
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
                Self::Silent
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
        (820, Self::Registered),
        (80, Self::NoProperty),
        (40, Self::Untidy),
        (30, Self::OtherSpelling),
        (15, Self::Doubled),
        (10, Self::ShortRka),
        (5, Self::CommaArea),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::named(name)
    }

    fn of_synthetic(owner: &str) -> Option<Self> {
        match owner {
            "831200400128" | "700700300061" => Some(Self::NoProperty),
            "770700300113" => Some(Self::Silent),
            "750500300132" | "100540000008" | "850100300012" | "920300400029" | "010500500032"
            | "040800600045" | "480200300055" | "690100300144" | "791100300079"
            | "880600400081" | "900900300090" | "660300300106" | "720400300153"
            | "150641000006" | "180842000004" | "200350000006" | "990140000007" => {
                Some(Self::Registered)
            }
            _ => None,
        }
    }
}
